//! Traces that go on at other nodes.

mod back;
mod random;
mod starts;
mod whole;

use std::collections::HashMap;
use std::net::SocketAddr;

use idnode::wire::proto::v1::batch_write_links_request::{Item, item::Change};
use idnode::wire::proto::v1::batch_write_links_response::result::Outcome;
use idnode::wire::proto::v1::link::Visibility;
use idnode::wire::proto::v1::{self, Link, LinkName, TraceRow, TraceSummary};

use crate::support::{Clients, TestNode, free_port};

/// What is below it is on the first node.
const HERE: &str = "88.118";
/// On the second.
const THERE: &str = "88.200";
/// On a node that does not answer.
const NOWHERE: &str = "88.210";

/// Two nodes that know each other, and a third that is not there.
struct Two {
    here: TestNode,
    there: TestNode,
}

impl Two {
    async fn start() -> Self {
        let [here, there, nowhere] =
            [(); 3].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let start = async |own: SocketAddr, prefix: &str, others: Vec<(&str, SocketAddr)>| {
            let node = TestNode::start_with(|config| {
                config.http.listen = vec![own];
                let url = |(prefix, address)| format!("{prefix} http://{address}");
                config.trace.nodes = others.into_iter().map(url).collect();
            });
            let node = node.await;
            node.clients().home_prefix(&format!("{prefix}.1")).await;
            node
        };
        let others = vec![(THERE, there), (NOWHERE, nowhere)];
        let first = start(here, HERE, others).await;
        let others = vec![(HERE, here), (NOWHERE, nowhere)];
        let second = start(there, THERE, others).await;
        Self {
            here: first,
            there: second,
        }
    }
}

/// That `source` was made from `target`.
fn made_from(source: &str, target: &str, visibility: Visibility) -> v1::StateLinkRequest {
    linked(source, "made_from", target, visibility)
}

/// That `source` is linked to `target`.
fn linked(source: &str, kind: &str, target: &str, visibility: Visibility) -> v1::StateLinkRequest {
    let link = Link {
        name: Some(LinkName {
            source: source.to_owned(),
            kind: kind.to_owned(),
            target: target.to_owned(),
            owner: String::new(),
        }),
        visibility: visibility.into(),
        ..Link::default()
    };
    v1::StateLinkRequest {
        link: Some(link),
        ..v1::StateLinkRequest::default()
    }
}

/// States that `source` was made from `target`.
async fn state(clients: &Clients, source: &str, target: &str, visibility: Visibility) {
    let request = made_from(source, target, visibility);
    clients.links().state_link(request).await.unwrap();
}

/// States links at once.
async fn state_all(clients: &Clients, links: impl Iterator<Item = v1::StateLinkRequest>) {
    let items = links.map(|request| Item {
        change: Some(Change::State(Box::new(request))),
    });
    let request = v1::BatchWriteLinksRequest {
        items: items.collect(),
        ..v1::BatchWriteLinksRequest::default()
    };
    let answer = clients.links().batch_write_links(request).await.unwrap();
    for result in answer.into_inner().results {
        assert!(
            matches!(result.outcome, Some(Outcome::Link(_))),
            "{result:?}"
        );
    }
}

async fn trace(clients: &Clients, request: v1::TraceRequest) -> (Vec<TraceRow>, TraceSummary) {
    let parts = clients.links().stream_trace(request).await.unwrap();
    let mut parts = parts.into_inner();
    let (mut rows, mut summary) = (Vec::new(), None);
    while let Some(part) = parts.message().await.unwrap() {
        rows.extend(part.rows);
        summary = part.summary.or(summary);
    }
    (rows, summary.expect("an end"))
}

fn up_from(start: &str, hops_max: i32) -> v1::TraceRequest {
    v1::TraceRequest {
        start: start.to_owned(),
        direction: v1::TraceDirection::Up.into(),
        onward_hops_max: hops_max,
        ..v1::TraceRequest::default()
    }
}

/// Identifier, node and depth of each row, and the identifier of its parent.
fn told(rows: &[TraceRow]) -> Vec<(&str, &str, u32, &str)> {
    let one = |row: &TraceRow| &rows[usize::try_from(row.parent).unwrap()].identifier;
    rows.iter()
        .map(|row| {
            let parent = one(row).as_str();
            (
                row.identifier.as_str(),
                row.node.as_str(),
                row.depth,
                parent,
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_trace_goes_there_and_comes_back() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    let public = Visibility::Public;
    state(&here, "88.118.1/BOX", "88.200.1/PART", public).await;
    state(&here, "88.118.1/RAW", "88.118.1/ORE", public).await;
    state(&there, "88.200.1/PART", "88.200.1/SUB", public).await;
    state(&there, "88.200.1/PART", "88.118.1/RAW", public).await;
    state(&there, "88.200.1/SUB", "88.210.1/LOST", public).await;
    // Round and round.
    state(&here, "88.118.1/ORE", "88.200.1/PART", public).await;

    let anyone = two.here.anonymous();
    let (rows, summary) = trace(&anyone, up_from("88.118.1/BOX", 4)).await;
    assert_eq!(
        told(&rows),
        [
            ("88.118.1/BOX", "", 0, "88.118.1/BOX"),
            ("88.200.1/PART", "", 1, "88.118.1/BOX"),
            ("88.200.1/SUB", THERE, 2, "88.200.1/PART"),
            ("88.118.1/RAW", THERE, 2, "88.200.1/PART"),
            ("88.210.1/LOST", THERE, 3, "88.200.1/SUB"),
            ("88.118.1/ORE", "", 3, "88.118.1/RAW"),
        ]
    );
    assert_eq!(summary.row_count, 6);
    let failures: Vec<_> = summary
        .failures
        .iter()
        .map(|failure| {
            let error = failure.error.as_ref().unwrap();
            let row = usize::try_from(failure.row).unwrap();
            (
                rows[row].identifier.as_str(),
                failure.node.as_str(),
                error.reason.as_str(),
            )
        })
        .collect();
    assert_eq!(failures, [("88.210.1/LOST", NOWHERE, "OTHER_NODE_FAILED")]);

    // One hop does: the second node may not ask a third, but this one does. To ask none is
    // an answer too.
    let (rows, summary) = trace(&anyone, up_from("88.118.1/BOX", 1)).await;
    assert_eq!((rows.len(), summary.failures.len()), (6, 1));
    assert_eq!(
        summary.failures[0].error.as_ref().unwrap().reason,
        "OTHER_NODE_FAILED"
    );
    let (rows, summary) = trace(&anyone, up_from("88.118.1/BOX", 0)).await;
    assert_eq!((rows.len(), summary.failures.len()), (2, 0));

    let all = v1::TraceRequest {
        all_links: true,
        ..up_from("88.118.1/BOX", 4)
    };
    let (mut rows, summary) = trace(&anyone, all).await;
    let again = [("88.200.1/PART", "", 4, "88.118.1/ORE")];
    let is_again = |row: &TraceRow| row.again;
    assert_eq!(told(&rows)[rows.len() - 1..], again);
    assert_eq!((rows.len(), summary.row_count, summary.depth), (7, 7, 3));
    rows.retain(is_again);
    assert_eq!(rows.len(), 1);

    let shallow = v1::TraceRequest {
        depth_max: 2,
        ..up_from("88.118.1/BOX", 4)
    };
    let (rows, _) = trace(&anyone, shallow).await;
    assert_eq!(rows.iter().map(|row| row.depth).max(), Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_callers_own_key_counts_there() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    state(&here, "88.118.1/BOX", "88.200.1/PART", Visibility::Public).await;
    state(&there, "88.200.1/PART", "88.200.1/SUB", Visibility::Ends).await;

    let (rows, summary) = trace(&here, up_from("88.118.1/BOX", 4)).await;
    assert_eq!(rows.len(), 2, "its key here is none there");
    assert_eq!((summary.more_count, summary.more_rows), (1, vec![1]));

    let keys = |key: &str| v1::TraceRequest {
        onward_keys: HashMap::from([(THERE.to_owned(), key.to_owned())]),
        ..up_from("88.118.1/BOX", 4)
    };
    let (rows, summary) = trace(&two.here.anonymous(), keys(&two.there.key)).await;
    assert_eq!(told(&rows)[2], ("88.200.1/SUB", THERE, 2, "88.200.1/PART"));
    assert_eq!(summary.more_count, 0);

    let (rows, summary) = trace(&here, keys("idnode_x_y")).await;
    assert_eq!((rows.len(), summary.failures.len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_node_may_have_much_to_tell() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    let public = Visibility::Public;
    state(&here, "88.118.1/BOX", "88.200.1/PART", public).await;
    // More than a part of a stream has, on both nodes.
    for first in [0, 1_000, 2_000] {
        let links = (first..first + 1_000).map(|number| {
            let target = format!("88.200.1/SUB-{number}");
            made_from("88.200.1/PART", &target, public)
        });
        state_all(&there, links).await;
    }
    let (rows, summary) = trace(&two.here.anonymous(), up_from("88.118.1/BOX", 1)).await;
    assert_eq!((rows.len(), summary.row_count), (3_002, 3_002));
    assert_eq!((summary.failures.len(), summary.truncated), (0, 0));
    assert!(rows[2..].iter().all(|row| row.node == THERE));
}

/// Columns are of one node's rows: a trace that may go on has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_goes_on_comes_as_rows() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    state(&here, "88.118.1/BOX", "88.200.1/PART", Visibility::Public).await;
    state(&there, "88.200.1/PART", "88.200.1/SUB", Visibility::Public).await;
    let anyone = two.here.anonymous();
    let in_columns = |hops_max| v1::TraceRequest {
        as_columns: true,
        ..up_from("88.118.1/BOX", hops_max)
    };
    let (rows, _) = trace(&anyone, in_columns(4)).await;
    let identifiers: Vec<_> = rows.iter().map(|row| row.identifier.as_str()).collect();
    assert_eq!(
        identifiers,
        ["88.118.1/BOX", "88.200.1/PART", "88.200.1/SUB"]
    );
    let alone = anyone.links().stream_trace(in_columns(0)).await.unwrap();
    let part = alone.into_inner().message().await.unwrap().unwrap();
    assert_eq!(part.rows, []);
    assert_eq!(part.columns[0].prefixes, ["88.118.1", "88.200.1"]);
}
