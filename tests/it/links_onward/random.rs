//! Random graphs over three nodes, each of which knows the links at its own identifiers:
//! a trace over all of them finds what a plain search of one graph does.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use idnode::wire::proto::v1;
use idnode::wire::proto::v1::link::Visibility;
use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestRunner};
use tokio::runtime::Runtime;

use super::{made_from, state_all, trace, up_from};
use crate::support::{Clients, TestNode, free_port};

const PREFIXES: [&str; 3] = ["88.118", "88.200", "88.210"];
/// Identifiers of a graph; each third one is at the same node.
const NAMES: usize = 15;

type Edges = BTreeSet<(usize, usize)>;

async fn nodes() -> Vec<TestNode> {
    let addresses = PREFIXES.map(|_| SocketAddr::from(([127, 0, 0, 1], free_port())));
    let mut nodes = Vec::new();
    for own in 0..PREFIXES.len() {
        let node = TestNode::start_with(|config| {
            config.http.listen = vec![addresses[own]];
            let others = (0..PREFIXES.len()).filter(|other| *other != own);
            let route = |other: usize| format!("{} http://{}", PREFIXES[other], addresses[other]);
            config.trace.nodes = others.map(route).collect();
        });
        let node = node.await;
        let prefix = format!("{}.1", PREFIXES[own]);
        node.clients().home_prefix(&prefix).await;
        nodes.push(node);
    }
    nodes
}

fn name(case: usize, number: usize) -> String {
    format!("{}.1/{case}-{number}", PREFIXES[number % PREFIXES.len()])
}

/// Hops from `start` to all that it was made from, and how many shortest ways lead there.
fn reached(edges: &Edges, start: usize) -> BTreeMap<usize, (u32, usize)> {
    let mut found = BTreeMap::from([(start, (0, 1))]);
    let mut waiting = VecDeque::from([start]);
    while let Some(near) = waiting.pop_front() {
        let (depth, ways) = found[&near];
        for &(_, far) in edges.iter().filter(|(source, _)| *source == near) {
            match found.get_mut(&far) {
                None => {
                    found.insert(far, (depth + 1, ways));
                    waiting.push_back(far);
                }
                Some((known, sum)) if *known == depth + 1 => *sum += ways,
                Some(_) => {}
            }
        }
    }
    found
}

async fn agree(
    nodes: &[TestNode],
    case: usize,
    (edges, alone): (&Edges, &Edges),
    (start, end): (usize, usize),
) -> Result<(), TestCaseError> {
    let asked = start % PREFIXES.len();
    // Links that the node which is asked knows alone, at identifiers of others.
    let is_alone = |(a, b): &&(usize, usize)| {
        a % PREFIXES.len() != asked && b % PREFIXES.len() == asked && !edges.contains(&(*a, *b))
    };
    let alone: Edges = alone.iter().filter(is_alone).copied().collect();
    for (at, node) in nodes.iter().enumerate() {
        let is_here = |number: usize| number % PREFIXES.len() == at;
        let known = edges.iter().filter(|(a, b)| is_here(*a) || is_here(*b));
        let known = known.chain(alone.iter().filter(|_| at == asked));
        let links =
            known.map(|(a, b)| made_from(&name(case, *a), &name(case, *b), Visibility::Public));
        let links: Vec<_> = links.collect();
        if !links.is_empty() {
            state_all(&node.clients(), links.into_iter()).await;
        }
    }
    let asked = nodes[asked].anonymous();
    let edges: &Edges = &edges.union(&alone).copied().collect();
    let expected = reached(edges, start);
    for depth_max in [0, 1, 2, 3] {
        let is_near = |depth: u32| depth_max == 0 || depth <= depth_max;
        let near = expected.iter().filter(|(_, (depth, _))| is_near(*depth));
        let wanted: BTreeSet<String> = near.map(|(number, _)| name(case, *number)).collect();
        let request = v1::TraceRequest {
            depth_max: i32::try_from(depth_max).expect("small"),
            ..up_from(&name(case, start), 8)
        };
        let (rows, summary) = trace(&asked, request.clone()).await;
        let found: BTreeSet<String> = rows.iter().map(|row| row.identifier.clone()).collect();
        prop_assert_eq!(found.len(), rows.len(), "each once");
        prop_assert_eq!(&found, &wanted);
        prop_assert_eq!((summary.failures.len(), summary.truncated), (0, 0));

        let all = v1::TraceRequest {
            all_links: true,
            ..request
        };
        let (rows, summary) = trace(&asked, all).await;
        prop_assert_eq!((summary.failures.len(), summary.truncated), (0, 0));
        let of = |row: &v1::TraceRow| {
            rows[usize::try_from(row.parent).unwrap()]
                .identifier
                .clone()
        };
        let told = rows
            .iter()
            .skip(1)
            .map(|row| (of(row), row.identifier.clone()));
        let told: BTreeSet<_> = told.collect();
        let is_expanded = |number: &usize| {
            let found = expected.get(number);
            found.is_some_and(|(depth, _)| depth_max == 0 || *depth < depth_max)
        };
        let links = edges.iter().filter(|(near, _)| is_expanded(near));
        let links = links.map(|(near, far)| (name(case, *near), name(case, *far)));
        prop_assert_eq!(told, links.collect::<BTreeSet<_>>());
    }
    paths_agree(
        &asked,
        [name(case, start), name(case, end)],
        expected.get(&end),
    )
    .await
}

/// Compares the shortest paths between two with their length and how many there are.
async fn paths_agree(
    asked: &Clients,
    [start, end]: [String; 2],
    expected: Option<&(u32, usize)>,
) -> Result<(), TestCaseError> {
    let request = v1::FindPathsRequest {
        trace: Some(up_from(&start, 8)),
        end,
        paths_max: 100,
    };
    let answer = asked.links().find_paths(request).await.expect("finds");
    let paths = answer.into_inner().paths;
    let (length, ways) = expected.map_or((0, 0), |(depth, ways)| (depth + 1, *ways));
    let length = usize::try_from(length).expect("small");
    prop_assert_eq!(paths.len(), ways.min(100));
    let mut distinct = BTreeSet::new();
    for path in paths {
        prop_assert_eq!(path.rows.len(), length);
        let names = path.rows.into_iter().map(|row| row.identifier);
        prop_assert!(distinct.insert(names.collect::<Vec<_>>()));
    }
    Ok(())
}

#[test]
fn a_trace_over_three_nodes_finds_what_a_plain_search_does() {
    let runtime = Runtime::new().expect("a runtime");
    let nodes = runtime.block_on(nodes());
    let edge = (0..NAMES, 0..NAMES);
    let edges = |most| prop::collection::btree_set(edge.clone(), 0..most);
    let questions = (edges(40), edges(30), (0..NAMES, 0..NAMES));
    let cases = Cases {
        cases: 24,
        ..Cases::default()
    };
    let case = Cell::new(0);
    let ran = TestRunner::new(cases).run(&questions, |(mut edges, mut alone, ends)| {
        // Each case has identifiers of its own.
        case.set(case.get() + 1);
        for edges in [&mut edges, &mut alone] {
            edges.retain(|(source, target)| source != target);
        }
        runtime.block_on(agree(&nodes, case.get(), (&edges, &alone), ends))
    });
    ran.unwrap_or_else(|failed| panic!("{failed}"));
}
