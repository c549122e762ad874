//! Traces that come back from other nodes.

use idnode::wire::proto::v1;
use idnode::wire::proto::v1::link::{Behind, Visibility};
use idnode::wire::proto::v1::{Link, TraceRow};

use super::{Two, linked, state, trace, up_from};
use crate::support::Clients;

/// States a link that its owner alone sees; `behind` is what others are told of it.
async fn hide(clients: &Clients, source: &str, target: &str, behind: Behind) {
    let hidden = linked(source, "made_from", target, Visibility::Owner);
    let hidden = v1::StateLinkRequest {
        link: hidden.link.map(|link| Link {
            behind: behind.into(),
            ..link
        }),
        ..hidden
    };
    clients.links().state_link(hidden).await.unwrap();
}

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
    hide(&here, "88.200.1/SUB-B", "88.118.1/SECRET", Behind::Nothing).await;
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
    hide(&here, "88.118.1/A", "88.118.1/C", Behind::Through).await;
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

/// Paths to an identifier, as the last letters of what they lead over.
async fn paths(two: &Two, end: &str) -> Vec<String> {
    let request = v1::FindPathsRequest {
        trace: Some(up_from("88.118.1/BOX", 4)),
        end: end.to_owned(),
        paths_max: 0,
    };
    let answer = two.here.anonymous().links().find_paths(request).await;
    let answer = answer.unwrap().into_inner();
    assert_eq!((answer.truncated, answer.failures.len()), (0, 0));
    let name = |row: &TraceRow| {
        row.identifier
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let path = |path: &v1::find_paths_response::Path| {
        path.rows.iter().map(name).collect::<Vec<_>>().join(">")
    };
    answer.paths.iter().map(path).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_behind_a_hidden_hop_stays_behind_it() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    let public = Visibility::Public;
    for (source, target) in [
        ("88.118.1/BOX", "88.200.1/PART"),
        ("88.118.1/S", "88.118.1/P"),
        ("88.118.1/C", "88.118.1/D"),
    ] {
        state(&here, source, target, public).await;
    }
    hide(&here, "88.118.1/P", "88.118.1/C", Behind::Through).await;
    for (source, target) in [
        ("88.200.1/PART", "88.118.1/S"),
        ("88.200.1/PART", "88.200.1/T"),
        ("88.200.1/T", "88.118.1/P"),
    ] {
        state(&there, source, target, public).await;
    }
    // P is told by both, and may be expanded here when it is come to from either.
    let found = paths(&two, "88.118.1/D").await;
    assert_eq!(found, ["BOX>PART>S>P>>D", "BOX>PART>T>P>>D"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_nearer_way_over_another_node_is_found_behind_what_was_hidden() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    let public = Visibility::Public;
    for (source, target) in [
        ("88.118.1/BOX", "88.118.1/A"),
        ("88.118.1/A", "88.118.1/B"),
        ("88.118.1/B", "88.118.1/C"),
        ("88.118.1/C", "88.118.1/E"),
        ("88.118.1/E", "88.118.1/X"),
        ("88.118.1/X", "88.118.1/CHILD"),
        ("88.118.1/BOX", "88.200.1/PART"),
        ("88.118.1/S", "88.118.1/X"),
    ] {
        state(&here, source, target, public).await;
    }
    // So X is first a hop without a name, and its own links are told as of that.
    hide(&here, "88.118.1/C", "88.118.1/X", Behind::Through).await;
    state(&there, "88.200.1/PART", "88.118.1/S", public).await;
    assert_eq!(paths(&two, "88.118.1/CHILD").await, ["BOX>PART>S>X>CHILD"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn this_node_goes_on_where_the_other_has_no_way() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    let public = Visibility::Public;
    state(&here, "88.118.1/BOX", "88.200.1/PART", public).await;
    // Of that prefix neither knows a node but the first, to which it is routed in vain.
    state(&there, "88.200.1/PART", "88.210.1/LOST", public).await;
    let (_, summary) = trace(&two.here.anonymous(), up_from("88.118.1/BOX", 1)).await;
    let failures = summary.failures.iter();
    let failures: Vec<_> = failures.map(|failure| failure.node.as_str()).collect();
    assert_eq!(failures, [super::NOWHERE], "told once");
    // A page token would lose what another node has.
    let request = v1::TraceRequest {
        page_size: 2,
        ..up_from("88.118.1/BOX", 1)
    };
    let (rows, summary) = trace(&two.here.anonymous(), request.clone()).await;
    assert_eq!((rows.len(), summary.next_page_token.as_str()), (2, ""));
    let request = v1::TraceRequest {
        page_token: "x".to_owned(),
        ..request
    };
    let refused = two.here.anonymous().links().stream_trace(request).await;
    assert!(refused.is_err());
}
