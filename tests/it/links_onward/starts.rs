//! Traces that begin, or go on, at several identifiers.

use idnode::wire::proto::v1;
use idnode::wire::proto::v1::TraceRow;
use idnode::wire::proto::v1::link::Visibility;

use super::{THERE, Two, made_from, state, state_all, trace, up_from};
use crate::support::TestNode;

/// A trace that begins at A, and further on.
fn several(further: &[&str]) -> v1::TraceRequest {
    v1::TraceRequest {
        further_starts: further
            .iter()
            .map(|name| format!("88.118.1/{name}"))
            .collect(),
        ..up_from("88.118.1/A", 0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_trace_goes_on_behind_many_identifiers_at_once() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    let public = Visibility::Public;
    // More than one call carries.
    for first in [0, 600] {
        let numbers = first..first + 600;
        let part = |number: u32| format!("88.200.1/PART-{number}");
        let parts = numbers.clone().map(part);
        let links = parts.map(|part| made_from("88.118.1/BOX", &part, public));
        state_all(&here, links).await;
        let subs = numbers.map(|number| {
            let sub = format!("88.200.1/SUB-{number}");
            made_from(&part(number), &sub, public)
        });
        state_all(&there, subs).await;
    }
    let (rows, summary) = trace(&two.here.anonymous(), up_from("88.118.1/BOX", 1)).await;
    assert_eq!((rows.len(), summary.row_count), (2_401, 2_401));
    assert_eq!((summary.failures.len(), summary.truncated), (0, 0));
    let is_sub = |row: &&TraceRow| row.node == THERE;
    for row in rows.iter().filter(is_sub) {
        let parent = &rows[usize::try_from(row.parent).unwrap()].identifier;
        assert_eq!(row.identifier, parent.replace("PART", "SUB"));
        assert_eq!(row.depth, 2);
    }
    // What cannot be followed is told once, with all that it is behind.
    for number in 0..3 {
        let lost = format!("88.210.1/LOST-{number}");
        state(&here, "88.118.1/CRATE", &lost, public).await;
    }
    let (rows, summary) = trace(&two.here.anonymous(), up_from("88.118.1/CRATE", 1)).await;
    assert_eq!((rows.len(), summary.failures.len()), (4, 1));
    let failure = &summary.failures[0];
    assert_eq!(
        (failure.row, failure.further_rows.as_slice()),
        (1, &[2, 3][..])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_trace_may_begin_at_several_identifiers() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix("88.118.1").await;
    for (source, target) in [("A", "X"), ("B", "X"), ("B", "Y"), ("X", "B")] {
        let [source, target] = [source, target].map(|name| format!("88.118.1/{name}"));
        state(&clients, &source, &target, Visibility::Public).await;
    }
    let anyone = node.anonymous();
    let (rows, summary) = trace(&anyone, several(&["NONE", "B", "A", "NONE"])).await;
    let rows: Vec<_> = rows
        .iter()
        .map(|row| (row.identifier.as_str(), row.depth, row.parent, row.again))
        .collect();
    assert_eq!(
        rows,
        [
            ("88.118.1/A", 0, 0, false),
            ("88.118.1/NONE", 0, 1, false),
            ("88.118.1/B", 0, 2, false),
            ("88.118.1/A", 0, 3, true),
            ("88.118.1/NONE", 0, 4, true),
            ("88.118.1/X", 1, 0, false),
            ("88.118.1/Y", 1, 2, false),
        ]
    );
    assert_eq!((summary.row_count, summary.depth), (7, 1));
    // There are no pages, and a stream alone has further starts.
    let request = v1::TraceRequest {
        page_size: 6,
        ..several(&["NONE", "B", "A", "NONE"])
    };
    let (rows, summary) = trace(&anyone, request.clone()).await;
    assert_eq!((rows.len(), summary.truncated()), (6, v1::TraceLimit::Rows));
    assert_eq!(summary.next_page_token, "");
    let one = anyone.links().trace(request).await.unwrap().into_inner();
    assert_eq!(one.rows[1].identifier, "88.118.1/X");

    let refused = async |request| anyone.links().stream_trace(request).await.unwrap_err();
    let many = vec!["B"; 1_000];
    let refusal = refused(several(&many)).await;
    assert!(refusal.message().contains("at most 999"), "{refusal:?}");
    let refusal = refused(several(&["B", ""])).await;
    let details = String::from_utf8_lossy(refusal.details());
    assert!(details.contains("further_starts[1]"), "{refusal:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn so_it_may_where_it_might_go_on_at_other_nodes() {
    let two = Two::start().await;
    let clients = two.here.clients();
    state(&clients, "88.118.1/A", "88.200.1/X", Visibility::Public).await;
    let request = v1::TraceRequest {
        onward_hops_max: 4,
        ..several(&["B", "A", "C"])
    };
    state(&clients, "88.118.1/C", "88.118.1/Z", Visibility::Public).await;
    let (rows, _) = trace(&two.here.anonymous(), request).await;
    let rows = rows
        .iter()
        .map(|row| (row.identifier.as_str(), row.depth, row.parent));
    let expected = [
        ("88.118.1/A", 0, 0),
        ("88.118.1/B", 0, 1),
        ("88.118.1/A", 0, 2),
        ("88.118.1/C", 0, 3),
        ("88.200.1/X", 1, 0),
        ("88.118.1/Z", 1, 3),
    ];
    assert_eq!(rows.collect::<Vec<_>>(), expected);
}
