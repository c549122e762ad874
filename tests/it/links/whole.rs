//! Traces as a whole: groups, paths, and the difference of two.

use idnode::wire::proto::v1::group_trace_request::GroupBy;
use idnode::wire::proto::v1::{self, TraceLimit, TraceRequest};
use tonic::Code::InvalidArgument;
use tonic::Response;

use super::{Town, down, id, link, seen_by, short, shown, state, state_all, up};
use crate::grpc::assert_refused;

/// A lot, what was made of it, and how that is packed.
const GRAPH: [&str; 9] = [
    "b/P1 made_from c/LOT",
    "b/P2 made_from c/LOT",
    "a/G1 contains b/P1",
    "a/G2 contains b/P2",
    "a/G3 contains b/P2",
    "a/G1 packed_in a/CARTON1",
    "a/G2 packed_in a/CARTON1",
    "a/G3 packed_in a/CARTON2",
    "a/CARTON1 packed_in a/PALLET",
];

async fn groups(
    town: &Town,
    trace: TraceRequest,
    by: GroupBy,
    groups_max: i32,
) -> v1::GroupTraceResponse {
    let request = v1::GroupTraceRequest {
        trace: Some(trace),
        group_by: by.into(),
        groups_max,
    };
    let grouped = town.node.anonymous().links().group_trace(request).await;
    grouped.map(Response::into_inner).unwrap()
}

fn told(grouped: &v1::GroupTraceResponse) -> Vec<(String, i64, i32)> {
    let group =
        |group: &v1::group_trace_response::Group| (short(&group.key), group.count, group.depth);
    grouped.groups.iter().map(group).collect()
}

fn group(key: &str, count: i64, depth: i32) -> (String, i64, i32) {
    (key.to_owned(), count, depth)
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_by_prefix_and_by_package() {
    let town = Town::new().await;
    state_all(&town, &GRAPH).await;
    let hidden = seen_by("b/P3 made_from c/LOT", v1::link::Visibility::Owner);
    state(&town.of("b"), hidden).await.unwrap();
    let grouped = groups(&town, down("c/LOT"), GroupBy::Unspecified, 0).await;
    let by_prefix = [
        group("88.118.7", 6, 2),
        group("88.118.8", 2, 1),
        group("88.118.9", 1, 0),
    ];
    assert_eq!(told(&grouped), by_prefix);
    assert_eq!(grouped.groups[0].firm, "Firm a");
    let summary = grouped.summary.unwrap();
    assert_eq!(
        (summary.row_count, summary.depth, summary.more_count),
        (9, 4, 1)
    );
    assert_eq!(grouped.group_count, 3);
    // The first so many, and how many there are.
    let first = groups(&town, down("c/LOT"), GroupBy::Prefix, 1).await;
    assert_eq!(told(&first), by_prefix[..1]);
    assert_eq!(first.group_count, 3);
    let packages = groups(&town, down("c/LOT"), GroupBy::Package, 0).await;
    let by_package = [
        group("a/CARTON1", 2, 3),
        group("a/CARTON2", 1, 3),
        group("a/PALLET", 1, 4),
    ];
    assert_eq!(told(&packages), by_package);
    // Upstream from a package: what it holds.
    let packages = groups(&town, up("a/PALLET"), GroupBy::Package, 0).await;
    let by_package = [group("a/CARTON1", 2, 1), group("a/PALLET", 1, 0)];
    assert_eq!(told(&packages), by_package);
    let request = |change: fn(&mut v1::GroupTraceRequest)| {
        let mut request = v1::GroupTraceRequest {
            trace: Some(down("c/LOT")),
            ..v1::GroupTraceRequest::default()
        };
        change(&mut request);
        request
    };
    let mut links = town.node.anonymous().links();
    let refused = links.group_trace(request(|ask| ask.trace = None)).await;
    assert_refused(refused, (InvalidArgument, "FIELD_REQUIRED", "trace"));
    let refused = links.group_trace(request(|ask| ask.group_by = 9)).await;
    assert_refused(refused, (InvalidArgument, "FIELD_INVALID", "group_by"));
    let refused = links.group_trace(request(|ask| ask.groups_max = -1)).await;
    assert_refused(refused, (InvalidArgument, "FIELD_INVALID", "groups_max"));
}

async fn paths(town: &Town, from: TraceRequest, to: &str, max: i32) -> v1::FindPathsResponse {
    let request = v1::FindPathsRequest {
        trace: Some(from),
        end: id(to),
        paths_max: max,
    };
    let found = town.node.anonymous().links().find_paths(request).await;
    found.map(Response::into_inner).unwrap()
}

fn shown_paths(found: &v1::FindPathsResponse) -> Vec<Vec<String>> {
    let mut paths: Vec<_> = found.paths.iter().map(|path| shown(&path.rows)).collect();
    paths.sort_unstable();
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_the_shortest_paths() {
    let town = Town::new().await;
    state_all(&town, &GRAPH).await;
    let found = paths(&town, down("c/LOT"), "a/CARTON1", 0).await;
    let both = [
        ["c/LOT", "b/P1", "a/G1", "a/CARTON1"],
        ["c/LOT", "b/P2", "a/G2", "a/CARTON1"],
    ];
    assert_eq!(shown_paths(&found), both);
    assert_eq!(found.truncated(), TraceLimit::Unspecified);
    let rows = &found.paths[0].rows;
    let depths: Vec<_> = rows.iter().map(|row| (row.depth, row.parent)).collect();
    assert_eq!(depths, [(0, 0), (1, 0), (2, 0), (3, 0)]);
    let kind = |row: &v1::TraceRow| {
        let terms = found.terms.iter().find(|terms| terms.number == row.terms);
        terms.map(|terms| terms.kind.clone()).unwrap_or_default()
    };
    let kinds: Vec<_> = rows.iter().map(kind).collect();
    assert_eq!(kinds, ["", "made_from", "contains", "packed_in"]);
    let one = paths(&town, down("c/LOT"), "a/CARTON1", 1).await;
    assert_eq!((one.paths.len(), one.truncated()), (1, TraceLimit::Rows));
    let back = paths(&town, up("a/CARTON1"), "c/LOT", 0).await;
    assert_eq!(back.paths.len(), 2);
    let short = TraceRequest {
        depth_max: 2,
        ..down("c/LOT")
    };
    assert!(paths(&town, short, "a/CARTON1", 0).await.paths.is_empty());
    assert!(
        paths(&town, down("c/LOT"), "b/NO", 0)
            .await
            .paths
            .is_empty()
    );
    let request = v1::FindPathsRequest {
        trace: Some(down("c/LOT")),
        end: "x".into(),
        paths_max: 0,
    };
    let bad = town.node.anonymous().links().find_paths(request).await;
    assert_refused(bad, (InvalidArgument, "IDENTIFIER_SYNTAX", "end"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_the_difference_of_two_traces() {
    let town = Town::new().await;
    state_all(&town, &GRAPH).await;
    state(&town.of("a"), link("a/G1 contains c/SCREW"))
        .await
        .unwrap();
    let request = v1::CompareTracesRequest {
        first: Some(up("a/G1")),
        second: Some(up("a/G2")),
    };
    let mut links = town.node.anonymous().links();
    let difference = links.compare_traces(request).await.unwrap().into_inner();
    let told = |identifiers: &[String]| -> Vec<String> {
        identifiers.iter().map(|one| short(one)).collect()
    };
    assert_eq!(told(&difference.only_first), ["a/G1", "b/P1", "c/SCREW"]);
    assert_eq!(told(&difference.only_second), ["a/G2", "b/P2"]);
    assert_eq!(
        (difference.only_first_count, difference.only_second_count),
        (3, 2)
    );
    assert_eq!(difference.first_truncated(), TraceLimit::Unspecified);
    let request = v1::CompareTracesRequest {
        first: Some(up("a/G1")),
        second: Some(TraceRequest {
            direction: 0,
            ..up("a/G2")
        }),
    };
    let refused = links.compare_traces(request).await;
    assert_refused(
        refused,
        (InvalidArgument, "FIELD_REQUIRED", "second.direction"),
    );
}
