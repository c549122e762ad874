//! Who sees a link, alone, in lists and in traces.

use idnode::wire::proto::v1;
use idnode::wire::proto::v1::link::{Behind, Visibility};
use tonic::Code::NotFound;
use tonic::Response;

use super::{Town, down, found, id, link, name_by, read, seen_by, state, trace, up};
use crate::grpc::assert_refused;
use crate::support::Clients;

async fn list_count(clients: &Clients, identifier: &str) -> usize {
    let request = v1::ListLinksRequest {
        identifier: id(identifier),
        ..v1::ListLinksRequest::default()
    };
    let page = clients.links().list_links(request).await;
    page.map(Response::into_inner).unwrap().links.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn is_the_same_alone_in_lists_and_in_traces() {
    let town = Town::new().await;
    let a = town.of("a");
    let mut to_c = seen_by("a/READERS contains b/X", Visibility::Readers);
    to_c.readers = Some(v1::Readers {
        firms: vec!["c".into()],
        groups: Vec::new(),
    });
    let links = [
        (link("a/PUBLIC contains b/X"), "a b c - s"),
        (seen_by("a/ENDS contains b/X", Visibility::Ends), "a b s"),
        (to_c, "a c s"),
        (seen_by("a/OWNER contains b/X", Visibility::Owner), "a s"),
    ];
    let callers = [
        ("a", town.reader_of("a")),
        ("b", town.of("b")),
        ("c", town.reader_of("c")),
        ("-", town.node.anonymous()),
        ("s", town.node.clients()),
    ];
    for (link, seeing) in links {
        let stated = state(&a, link).await.unwrap();
        let name = stated.name.unwrap();
        let source = name.source.clone();
        for (caller, clients) in &callers {
            let sees = seeing.split(' ').any(|one| one == *caller);
            let alone = read(clients, name.clone()).await;
            let what = format!("{source} by {caller}");
            if sees {
                let link = alone.expect(&what);
                // Who else reads it is between its owner and the operators.
                let is_told = link.visibility() == Visibility::Readers && "a s".contains(caller);
                assert_eq!(link.readers.is_some(), is_told, "{what}");
            } else {
                assert_refused(alone, (NotFound, "LINK_NOT_FOUND", "name"));
            }
            let count = usize::from(sees);
            assert_eq!(list_count(clients, &source).await, count, "{what}");
            let traced = trace(clients, up(&source)).await.unwrap();
            assert_eq!(traced.rows.len(), 1 + count, "{what}");
            assert_eq!(traced.terms.len(), count, "{what}");
            assert_eq!(traced.rows[0].more, !sees, "{what}");
            let more_count = traced.summary.unwrap().more_count;
            assert_eq!(more_count, i64::from(!sees), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_behind_a_hidden_link_is_told_as_its_owner_says() {
    let town = Town::new().await;
    let b = town.of("b");
    state(&town.of("a"), link("a/BOX contains b/PART"))
        .await
        .unwrap();
    for (part, behind) in [
        ("MORE", Behind::More),
        ("NOTHING", Behind::Nothing),
        ("THROUGH", Behind::Through),
    ] {
        let hidden = v1::Link {
            behind: behind.into(),
            ..seen_by(
                &format!("b/{part} made_from b/SECRET.{part}"),
                Visibility::Owner,
            )
        };
        state(&b, hidden).await.unwrap();
        let open = link(&format!("b/SECRET.{part} made_from c/ORE.{part}"));
        state(&b, open).await.unwrap();
    }
    let nobody = town.node.anonymous();
    assert_eq!(found(&nobody, up("b/MORE")).await, ["b/MORE+"]);
    assert_eq!(found(&nobody, up("b/NOTHING")).await, ["b/NOTHING"]);
    let through = trace(&nobody, up("b/THROUGH")).await.unwrap();
    assert_eq!(
        super::shown(&through.rows),
        ["b/THROUGH", "?", "c/ORE.THROUGH"]
    );
    let placeholder = &through.rows[1];
    assert_eq!((placeholder.depth, placeholder.terms), (1, 0));
    assert_eq!((through.rows[2].depth, through.rows[2].parent), (2, 1));
    assert_eq!(through.terms.len(), 1);
    // Its owner sees it as it is.
    assert_eq!(
        found(&b, up("b/THROUGH")).await,
        ["b/THROUGH", "b/SECRET.THROUGH", "c/ORE.THROUGH"]
    );
    // Downstream the same holds of the other end.
    assert_eq!(
        found(&nobody, down("c/ORE.MORE")).await,
        ["c/ORE.MORE", "b/SECRET.MORE+"]
    );
    // An identifier that only hidden links name is there for nobody else.
    let alone = found(&nobody, up("b/SECRET.NONE")).await;
    assert_eq!(alone, ["b/SECRET.NONE"]);
    let hidden = read(&nobody, name_by("b/MORE made_from b/SECRET.MORE", "b")).await;
    assert_refused(hidden, (NotFound, "LINK_NOT_FOUND", "name"));
}
