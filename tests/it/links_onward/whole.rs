//! Groups, paths and differences of traces that go on at other nodes.

use idnode::wire::proto::v1::group_trace_request::GroupBy;
use idnode::wire::proto::v1::link::Visibility;
use idnode::wire::proto::v1::{self, TraceFailure};

use super::{NOWHERE, THERE, Two, linked, state, up_from};
use crate::support::Clients;

const PUBLIC: Visibility = Visibility::Public;

/// Key, count and depth of each group, the reasons of failures, and `more_count`.
type Groups = (Vec<(String, i64, i32)>, Vec<String>, i64);

async fn groups(clients: &Clients, trace: v1::TraceRequest, by: GroupBy) -> Groups {
    let request = v1::GroupTraceRequest {
        trace: Some(trace),
        group_by: by.into(),
        groups_max: 0,
    };
    let answer = clients.links().group_trace(request).await.unwrap();
    let answer = answer.into_inner();
    let summary = answer.summary.unwrap();
    let group = |group: v1::group_trace_response::Group| (group.key, group.count, group.depth);
    let groups = answer.groups.into_iter().map(group).collect();
    (groups, reasons(&summary.failures), summary.more_count)
}

fn reasons(failures: &[TraceFailure]) -> Vec<String> {
    let reason = |failure: &TraceFailure| {
        let error = failure.error.clone().unwrap();
        format!("{} {}", failure.node, error.reason)
    };
    failures.iter().map(reason).collect()
}

fn down_from(start: &str, hops_max: i32) -> v1::TraceRequest {
    v1::TraceRequest {
        direction: v1::TraceDirection::Down.into(),
        ..up_from(start, hops_max)
    }
}

fn group(key: &str, count: i64, depth: i32) -> (String, i64, i32) {
    (key.to_owned(), count, depth)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn groups_count_what_is_there_too() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    for name in ["A", "B"] {
        let item = format!("88.118.1/{name}");
        state(&here, &item, "88.118.1/LOT", PUBLIC).await;
        let packed = linked(&item, "packed_in", "88.200.1/CT", PUBLIC);
        here.links().state_link(packed).await.unwrap();
    }
    let packed = [
        ("88.200.1/CT", "88.200.1/PLT", PUBLIC),
        // Not of this lot.
        ("88.200.1/OTHER", "88.200.1/CT", PUBLIC),
        ("88.200.1/PLT", "88.200.1/SECRET", Visibility::Owner),
        ("88.200.1/PLT", "88.210.1/SHIP", PUBLIC),
    ];
    for (source, target, visibility) in packed {
        let packed = linked(source, "packed_in", target, visibility);
        there.links().state_link(packed).await.unwrap();
    }
    let anyone = two.here.anonymous();
    let lost = vec![format!("{NOWHERE} OTHER_NODE_FAILED")];

    let by_prefix = groups(&anyone, down_from("88.118.1/LOT", 4), GroupBy::Prefix).await;
    let firms = vec![
        group("88.118.1", 3, 0),
        group("88.200.1", 2, 2),
        group("88.210.1", 1, 4),
    ];
    assert_eq!(by_prefix, (firms, lost.clone(), 1));
    let by_package = groups(&anyone, down_from("88.118.1/LOT", 4), GroupBy::Package).await;
    let packages = vec![
        group("88.200.1/CT", 2, 2),
        group("88.200.1/PLT", 1, 3),
        group("88.210.1/SHIP", 1, 4),
    ];
    assert_eq!(by_package, (packages, lost, 1));
    // What either node knows of a package counts, whoever told of it.
    let (up, ..) = groups(&anyone, up_from("88.200.1/PLT", 4), GroupBy::Package).await;
    let packages = vec![group("88.200.1/CT", 3, 1), group("88.200.1/PLT", 1, 0)];
    assert_eq!(up, packages);

    let alone = groups(&anyone, down_from("88.118.1/LOT", 0), GroupBy::Package).await;
    assert_eq!(alone, (vec![group("88.200.1/CT", 2, 2)], Vec::new(), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_shortest_path_may_lead_there() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    for (source, target) in [
        ("88.118.1/BOX", "88.118.1/X"),
        ("88.118.1/X", "88.118.1/Y"),
        ("88.118.1/Y", "88.118.1/Z"),
        ("88.118.1/Z", "88.118.1/ORE"),
        ("88.118.1/BOX", "88.200.1/PART"),
        ("88.118.1/BOX", "88.200.1/TWIN"),
        ("88.118.1/RAW", "88.118.1/ORE"),
    ] {
        state(&here, source, target, PUBLIC).await;
    }
    for (source, target) in [
        ("88.200.1/PART", "88.118.1/RAW"),
        ("88.200.1/TWIN", "88.118.1/RAW"),
        ("88.200.1/TWIN", "88.210.1/LOST"),
    ] {
        state(&there, source, target, PUBLIC).await;
    }
    let paths = async |end: &str, hops_max| {
        let request = v1::FindPathsRequest {
            trace: Some(up_from("88.118.1/BOX", hops_max)),
            end: end.to_owned(),
            paths_max: 0,
        };
        let answer = two.here.anonymous().links().find_paths(request).await;
        answer.unwrap().into_inner()
    };
    let names = |answer: &v1::FindPathsResponse| -> Vec<String> {
        let name = |row: &v1::TraceRow| {
            let name = row.identifier.rsplit('/').next().unwrap_or_default();
            let terms = answer.terms.iter().find(|terms| terms.number == row.terms);
            let kind = terms.map_or("", |terms| terms.kind.as_str());
            format!("{}{name} {kind}", row.node)
        };
        let path = |path: &v1::find_paths_response::Path| {
            let names: Vec<String> = path.rows.iter().map(name).collect();
            names.join(", ")
        };
        answer.paths.iter().map(path).collect()
    };

    let answer = paths("88.118.1/ORE", 4).await;
    let raw = format!("{THERE}RAW made_from, ORE made_from");
    let expected = ["PART", "TWIN"].map(|part| format!("BOX , {part} made_from, {raw}"));
    assert_eq!(names(&answer), expected);
    let lost = format!("{NOWHERE} OTHER_NODE_FAILED");
    assert_eq!(reasons(&answer.failures), [lost]);
    assert_eq!(answer.truncated, 0);
    let depths = answer.paths[0].rows.iter().map(|row| row.depth);
    assert_eq!(depths.collect::<Vec<_>>(), [0, 1, 2, 3]);

    let answer = paths("88.118.1/ORE", 0).await;
    let long = "BOX , X made_from, Y made_from, Z made_from, ORE made_from";
    assert_eq!(names(&answer), [long]);
    assert_eq!(reasons(&answer.failures), [""; 0]);
    // What only another node knows of.
    let answer = paths("88.210.1/LOST", 4).await;
    let lost = format!("BOX , TWIN made_from, {THERE}LOST made_from");
    assert_eq!(names(&answer), [lost]);
    let answer = paths("88.200.1/NEVER", 4).await;
    assert_eq!((answer.paths.len(), answer.failures.len()), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn differences_may_be_there() {
    let two = Two::start().await;
    let (here, there) = (two.here.clients(), two.there.clients());
    for (source, target) in [
        ("88.118.1/BOX-1", "88.200.1/PART-1"),
        ("88.118.1/BOX-2", "88.200.1/PART-2"),
    ] {
        state(&here, source, target, PUBLIC).await;
    }
    for (source, target) in [
        ("88.200.1/PART-1", "88.200.1/SUB"),
        ("88.200.1/PART-2", "88.200.1/SUB"),
        ("88.200.1/PART-2", "88.210.1/LOST"),
    ] {
        state(&there, source, target, PUBLIC).await;
    }
    let compared = async |hops_max| {
        let request = v1::CompareTracesRequest {
            first: Some(up_from("88.118.1/BOX-1", hops_max)),
            second: Some(up_from("88.118.1/BOX-2", hops_max)),
        };
        let answer = two.here.anonymous().links().compare_traces(request).await;
        answer.unwrap().into_inner()
    };
    let answer = compared(4).await;
    assert_eq!(answer.only_first, ["88.118.1/BOX-1", "88.200.1/PART-1"]);
    let second = ["88.118.1/BOX-2", "88.200.1/PART-2", "88.210.1/LOST"];
    assert_eq!(answer.only_second, second);
    assert_eq!(reasons(&answer.first_failures), [""; 0]);
    let lost = format!("{NOWHERE} OTHER_NODE_FAILED");
    assert_eq!(reasons(&answer.second_failures), [lost]);
    let answer = compared(0).await;
    assert_eq!(answer.only_second, second[..2]);
}
