//! What the graph keeps, while it is loaded, merged and walked over.

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::trace::tests::{Event, Model, edge_strategy, events_strategy, key, play};
use crate::trace::{Ask, Times, Verdict, Walks, When};

const DOWN: Lens = Lens {
    direction: Direction::Down,
    when: When {
        window: None,
        as_of: None,
    },
};

fn edge(input: u32, output: u32) -> Edge {
    Edge {
        input: Node(input),
        output: Node(output),
        terms: TermsId(0),
        times: Times::default(),
    }
}

/// An empty graph that is ready.
fn ready() -> Graph {
    let graph = Graph::new(usize::MAX);
    graph.load().finish();
    graph
}

fn all_edges(graph: &Graph, direction: Direction) -> Model {
    let nodes = 0..u32::try_from(graph.node_count()).unwrap();
    let edges = nodes.flat_map(|node| graph.edges(Node(node), direction).unwrap());
    edges.map(|edge| (key(&edge), edge.times)).collect()
}

fn reached(graph: &Graph, start: u32) -> Vec<Node> {
    let ask = Ask {
        start: Node(start),
        lens: DOWN,
        depth_max: u16::MAX,
        all_edges: false,
        skip: 0,
        rows_max: u32::MAX,
        hops_max: u64::MAX,
        is_over: &|| false,
    };
    let mut nodes = Vec::new();
    Walks::default()
        .closure(
            &mut graph.reader(),
            &ask,
            &mut |_: &Hop| Verdict::Follow,
            |rows| {
                nodes.extend(rows.iter().filter_map(|row| row.node));
                ControlFlow::Continue(())
            },
        )
        .unwrap();
    nodes
}

proptest! {
    #[test]
    fn has_what_was_loaded_and_published(
        loaded in vec(edge_strategy(), 0..40),
        before in events_strategy(),
        after in events_strategy(),
    ) {
        let graph = Graph::new(usize::MAX);
        let mut loader = graph.load();
        loaded.iter().for_each(|edge| loader.edge(*edge));
        let mut model: Model = loaded.iter().map(|edge| (key(edge), edge.times)).collect();
        play(&graph, &mut model, &before);
        prop_assert!(!graph.ready());
        loader.finish();
        prop_assert!(graph.ready());
        for events in [&[][..], &after, &[Event::Merge]] {
            play(&graph, &mut model, events);
            prop_assert_eq!(&all_edges(&graph, Direction::Down), &model);
            prop_assert_eq!(&all_edges(&graph, Direction::Up), &model);
        }
        prop_assert_eq!(graph.edge_count(), model.len());
    }

    #[test]
    fn has_the_same_edges_while_a_merge_runs(
        base in events_strategy(),
        frozen in events_strategy(),
        delta in events_strategy(),
    ) {
        let graph = ready();
        let mut model = Model::new();
        play(&graph, &mut model, &base);
        graph.merge();
        let without_merges = |events: &[Event]| {
            let kept = events.iter().filter(|event| !matches!(event, Event::Merge));
            kept.cloned().collect::<Vec<_>>()
        };
        play(&graph, &mut model, &without_merges(&frozen));
        {
            let mut state = graph.state.write();
            state.frozen = Some(Arc::new(std::mem::take(&mut state.delta)));
        }
        play(&graph, &mut model, &without_merges(&delta));
        prop_assert_eq!(&all_edges(&graph, Direction::Down), &model);
        prop_assert_eq!(&all_edges(&graph, Direction::Up), &model);
    }
}

#[test]
fn a_merge_leaves_blocks_as_they_are_that_nothing_changed_in() {
    let graph = ready();
    let first = |block: u32| block * 4_096;
    let between = |input, output| edge(first(input), first(output));
    graph.publish(&[(0, 1), (1, 0), (2, 3), (3, 0)].map(|(a, b)| Change::Put(between(a, b))));
    graph.merge();
    let before = Arc::clone(&graph.state.read().base);
    assert_eq!(
        (before.edge_count(), before.node_count()),
        (4, 3 * 4_096 + 1)
    );
    let kept = || {
        let base = Arc::clone(&graph.state.read().base);
        let both = before.blocks().iter().zip(base.blocks());
        let same = both.map(|(old, new)| {
            (
                Arc::ptr_eq(&old.down, &new.down),
                Arc::ptr_eq(&old.up, &new.up),
            )
        });
        same.collect::<Vec<_>>()
    };
    graph.publish(&[Change::Put(between(2, 0))]);
    graph.merge();
    let all = (true, true);
    assert_eq!(kept(), [(true, false), all, (false, true), all]);

    // Blocks that lose their last edge.
    for output in [0, 3] {
        graph.publish(&[Change::Remove {
            input: Node(first(2)),
            output: Node(first(output)),
            terms: TermsId(0),
        }]);
    }
    graph.merge();
    assert_eq!(kept(), [(true, false), all, (false, true), (true, false)]);
    let base = Arc::clone(&graph.state.read().base);
    assert_eq!(base.edge_count(), 3);
    assert!(base.list(Direction::Down, Node(first(2))).is_empty());
    assert!(base.list(Direction::Up, Node(first(3))).is_empty());
    let all = |direction| all_edges(&graph, direction).into_keys().collect::<Vec<_>>();
    let left = [(0, 1), (1, 0), (3, 0)].map(|(a, b)| key(&between(a, b)));
    assert_eq!(all(Direction::Down), left);
    assert_eq!(all(Direction::Up), left);
}

#[test]
fn goes_on_where_it_let_go_of_the_lock() {
    let count = u32::try_from(3 * HOPS_HELD_MAX).unwrap() + 7;
    let graph = ready();
    let outputs: Vec<_> = (1..=count).collect();
    let expected: Vec<_> = (0..=count).map(Node).collect();
    let publish = |remainder| {
        let some = outputs.iter().filter(|output| *output % 3 == remainder);
        let changes: Vec<_> = some.map(|output| Change::Put(edge(0, *output))).collect();
        graph.publish(&changes);
    };
    publish(0);
    graph.merge();
    publish(1);
    {
        let mut state = graph.state.write();
        state.frozen = Some(Arc::new(std::mem::take(&mut state.delta)));
    }
    publish(2);
    assert_eq!(reached(&graph, 0), expected);
    graph.state.write().frozen = None;
    publish(1);
    graph.merge();
    assert_eq!(reached(&graph, 0), expected);
}

#[test]
fn traces_each_published_edge_while_it_merges() {
    const EDGES: u32 = 100_000;
    let graph = ready();
    // A chain of groups: whoever has seen that n are there reaches n from 0.
    let acknowledged = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| graph.keep_merged());
        let readers = [0, 1].map(|_| {
            scope.spawn(|| {
                let mut walked = 0;
                loop {
                    let least = acknowledged.load(Ordering::Acquire);
                    let found = reached(&graph, 0).len() - 1;
                    assert!(found >= least as usize, "{found} of {least}");
                    walked += 1;
                    if least == EDGES {
                        return walked;
                    }
                }
            })
        });
        let mut at = 0;
        while at < EDGES {
            let group = (at + 1)..=(at + 1_000).min(EDGES);
            // Some hang on node 0, some on others.
            let input = |output: u32| {
                if output.is_multiple_of(3) {
                    output / 2
                } else {
                    0
                }
            };
            let changes: Vec<_> = group
                .clone()
                .map(|output| Change::Put(edge(input(output), output)))
                .collect();
            graph.publish(&changes);
            at = *group.end();
            acknowledged.store(at, Ordering::Release);
        }
        for reader in readers {
            assert!(reader.join().unwrap() > 0);
        }
        graph.close();
    });
    let merged = graph.state.read().base.edge_count();
    assert!(merged >= MERGE_MIN, "{merged} were merged");
    graph.merge();
    assert_eq!(graph.edge_count(), EDGES as usize);
}

#[test]
fn lets_go_when_it_outgrows_its_budget() {
    let graph = Graph::new(100_000);
    graph.load().finish();
    assert!(graph.ready());
    let all: Vec<_> = (0..10_000)
        .map(|at| Change::Put(edge(at, at + 1)))
        .collect();
    graph.publish(&all);
    assert!(!graph.ready());
    assert!(graph.memory_bytes() < 1_000);
    assert_eq!(graph.edges(Node(0), Direction::Down), Err(Gone));
    graph.publish(&all);
    graph.load().finish();
    assert!(!graph.ready(), "for good");
}

#[test]
fn is_not_ready_where_what_is_loaded_does_not_fit() {
    let check = |budget, edges: &[Edge], expected| {
        let graph = Graph::new(budget);
        let mut loader = graph.load();
        edges.iter().for_each(|edge| loader.edge(*edge));
        loader.finish();
        assert_eq!(graph.ready(), expected, "{budget} {edges:?}");
    };
    check(1_000, &[edge(0, 9)], true);
    check(1_000, &[edge(0, 999)], false);
    check(1_000, &[edge(0, u32::MAX)], false);
    let terms = |terms| Edge {
        terms,
        ..edge(0, 1)
    };
    check(1_000, &[terms(TermsId::MAX)], true);
    check(1_000, &[terms(TermsId(TermsId::MAX.0 + 1))], false);
    check(0, &[], true);
    check(0, &[edge(0, 1)], false);
}

#[test]
fn a_loaded_graph_takes_at_most_24_bytes_an_edge_and_32_a_node() {
    let graph = Graph::new(usize::MAX);
    let mut loader = graph.load();
    let (nodes, fan_out) = (20_000, 3);
    for node in 0..nodes {
        loader.node(Node(node), "88.104.1031", &format!("{node:09}"));
        (0..fan_out).for_each(|step| loader.edge(edge(node, (node + step) % nodes)));
    }
    loader.finish();
    let limit = nodes as usize * 32 + (nodes * fan_out) as usize * 24;
    let bytes = graph.memory_bytes();
    assert!(bytes <= limit, "{bytes} of {limit}");
    let row = |node| Row {
        node,
        hidden: None,
        depth: 1,
        parent: 0,
        terms: None,
        more: false,
        again: false,
    };
    let rows = [Some(Node(7)), None, Some(Node(nodes))].map(row);
    let mut named = Vec::new();
    graph
        .names(&rows, |row, name| {
            named.push((
                row.node,
                name.map(|called| format!("{}/{}", called.prefix, called.suffix)),
            ));
        })
        .unwrap();
    let expected = [
        (Some(Node(7)), Some("88.104.1031/000000007".to_owned())),
        (None, None),
        (Some(Node(nodes)), None),
    ];
    assert_eq!(named, expected);
}
