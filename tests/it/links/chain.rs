//! The benchmark of traces: the numbers that it reads out of the node's answers in columns
//! are those that a plain search of its graph finds. It does not read prefixes; `columns`
//! has those.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use idnode::bench::{Asked, QuerySet, Target, load_chain, trace_chain};
use idnode::demo::ChainGraph;

use super::traces::in_memory;
use crate::support::TestNode;

const NODES: u32 = 400;

/// Everything that is reached from `start`, itself too.
fn reached(from: &HashMap<u32, Vec<u32>>, start: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::from([start]);
    let mut next = vec![start];
    while let Some(node) = next.pop() {
        let far = from.get(&node).into_iter().flatten();
        next.extend(far.filter(|far| found.insert(**far)));
    }
    found
}

/// A line as the benchmark writes it.
fn line(start: u32, items: &[String]) -> String {
    let sum = HEXLOWER.encode(digest(&SHA256, items.join(",").as_bytes()).as_ref());
    format!("{start} {} {sum}\n", items.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_what_a_plain_search_finds() {
    let node = TestNode::start().await;
    let bearer = format!("Bearer {}", node.key).parse().unwrap();
    let server = format!("http://{}", node.http);
    let target = Target::connect(&server, Some(bearer), 1).await.unwrap();
    let graph = ChainGraph::new(NODES);
    in_memory(&node).await;
    let loaded = load_chain(&target, NODES).await.unwrap();
    let (mut up, mut down) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
    for (input, output) in graph.edges() {
        up.entry(output).or_default().push(input);
        down.entry(input).or_default().push(output);
    }
    assert_eq!(loaded.links, u64::try_from(graph.edges().count()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    for set in QuerySet::ALL {
        let path = folder.path().join(set.name());
        let asked = Asked {
            nodes: NODES,
            set,
            digests: Some(path.clone()),
            pids: Vec::new(),
        };
        // Anew, again to be kept, and as it was kept.
        let mut told = Vec::new();
        for _ in 0..3 {
            let report = trace_chain(&target, &asked).await.unwrap().report;
            assert_eq!((report.wrong, report.lost), (0, 0));
            told.push(std::fs::read_to_string(&path).unwrap());
        }
        let starts = told[0].lines().map(|line| line.split_once(' ').unwrap().0);
        let starts: Vec<u32> = starts.map(|start| start.parse().unwrap()).collect();
        assert!(!starts.is_empty(), "{}", set.name());
        let mut expected = String::new();
        for start in starts {
            let from = match set {
                QuerySet::Bom | QuerySet::Pallets => &up,
                _ => &down,
            };
            let found = reached(from, start);
            let items: Vec<String> = match set {
                QuerySet::LotsGrouped => {
                    let mut counts = BTreeMap::<_, u32>::new();
                    for node in found {
                        *counts.entry(graph.identifier(node).0).or_default() += 1;
                    }
                    let mut items: Vec<_> = counts
                        .iter()
                        .map(|(prefix, count)| format!("{prefix}={count}"))
                        .collect();
                    items.sort_unstable();
                    items
                }
                _ => found.iter().map(ToString::to_string).collect(),
            };
            let _never_fails = write!(expected, "{}", line(start, &items));
        }
        // What holds in a window is fewer; the comparison with PostgreSQL has it.
        if set == QuerySet::LotsWindow {
            assert_ne!(told[0], expected);
            expected.clone_from(&told[0]);
        }
        for told in told {
            assert_eq!(told, expected, "{}", set.name());
        }
    }
}
