//! Traces that come back from other nodes.

use idnode::wire::proto::v1;
use idnode::wire::proto::v1::link::{Behind, Visibility};
use idnode::wire::proto::v1::{Link, TraceRow};

use super::{Two, linked, state, trace, up_from};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn how_a_trace_ends_tells_nothing_of_hidden_links_here() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    let public = Visibility::Public;
    for name in ["A", "B"] {
        let (part, sub) = (
            format!("88.200.1/PART-{name}"),
            format!("88.200.1/SUB-{name}"),
        );
        state(&here, &format!("88.118.1/BOX-{name}"), &part, public).await;
        state(&there, &part, &sub, public).await;
    }
    // Of one of the two there is something here that nobody else may see.
    let hidden = linked(
        "88.200.1/SUB-B",
        "made_from",
        "88.118.1/SECRET",
        Visibility::Owner,
    );
    let hidden = v1::StateLinkRequest {
        link: hidden.link.map(|link| Link {
            behind: Behind::Nothing.into(),
            ..link
        }),
        ..hidden
    };
    here.links().state_link(hidden).await.unwrap();
    for (name, rows) in [("A", 3), ("B", 3), ("A", 2), ("B", 2)] {
        let request = v1::TraceRequest {
            page_size: rows,
            ..up_from(&format!("88.118.1/BOX-{name}"), 4)
        };
        let (found, summary) = trace(&two.here.anonymous(), request).await;
        let limit = v1::TraceLimit::Rows;
        let expected = if rows == 3 {
            v1::TraceLimit::Unspecified
        } else {
            limit
        };
        assert_eq!(
            (found.len(), summary.truncated()),
            (usize::try_from(rows).unwrap(), expected),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_trace_that_comes_back_tells_nothing_twice() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    let public = Visibility::Public;
    for (source, target) in [
        ("88.118.1/BOX", "88.118.1/A"),
        ("88.118.1/A", "88.118.1/B"),
        ("88.118.1/BOX", "88.200.1/PART"),
        ("88.118.1/X", "88.118.1/A"),
        ("88.118.1/C", "88.118.1/D"),
    ] {
        state(&here, source, target, public).await;
    }
    let through = linked("88.118.1/A", "made_from", "88.118.1/C", Visibility::Owner);
    let through = v1::StateLinkRequest {
        link: through.link.map(|link| Link {
            behind: Behind::Through.into(),
            ..link
        }),
        ..through
    };
    here.links().state_link(through).await.unwrap();
    state(&there, "88.200.1/PART", "88.118.1/X", public).await;
    let told = async |all_links| {
        let request = v1::TraceRequest {
            all_links,
            ..up_from("88.118.1/BOX", 4)
        };
        let (rows, summary) = trace(&two.here.anonymous(), request).await;
        assert_eq!(summary.row_count, i64::try_from(rows.len()).unwrap());
        let name = |row: &TraceRow| {
            let name = row.identifier.rsplit('/').next().unwrap_or_default();
            let parent = &rows[usize::try_from(row.parent).unwrap()].identifier;
            let parent = parent.rsplit('/').next().unwrap_or_default();
            format!("{parent}>{name}{}", if row.again { "!" } else { "" })
        };
        rows[1..].iter().map(name).collect::<Vec<_>>()
    };
    let once = ["BOX>A", "BOX>PART", "A>B", "A>", ">D", "PART>X"];
    assert_eq!(told(false).await, once);
    assert_eq!(told(true).await, [&once[..], &["X>A!"]].concat());
}
