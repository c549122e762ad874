//! The room is held to plain references on random graphs: with cycles, diamonds,
//! loops, hidden edges, times, and changes between merges.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::{ControlFlow, Range};

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use super::*;

mod examples;

/// Nodes of a random graph: few, so that edges meet;
/// on both sides of where a block of the graph ends.
const NODES: Range<u32> = 4_090..4_102;

/// Edges by input, output and terms: what the graph should have.
pub(super) type Model = BTreeMap<(Node, Node, TermsId), Times>;

/// Something that happens to a graph.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Put(Edge),
    Remove(Edge),
    Merge,
}

pub(super) fn edge_strategy() -> impl Strategy<Value = Edge> {
    let node = || NODES.prop_map(Node);
    let rarely = || prop_oneof![4 => Just(0), 1 => 1u32..6];
    let times = (0u32..4, 0u32..4, rarely(), rarely());
    (node(), node(), 0u32..8, times).prop_map(|(input, output, terms, times)| {
        let (from, since, until, ended) = times;
        let times = Times {
            from,
            since,
            until,
            ended,
        };
        Edge {
            input,
            output,
            terms: TermsId(terms),
            times,
        }
    })
}

pub(super) fn events_strategy() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        8 => edge_strategy().prop_map(Event::Put),
        2 => edge_strategy().prop_map(Event::Remove),
        1 => Just(Event::Merge),
    ];
    vec(event, 0..60)
}

pub(super) fn key(edge: &Edge) -> (Node, Node, TermsId) {
    (edge.input, edge.output, edge.terms)
}

/// Lets everything happen to both.
pub(super) fn play(graph: &Graph, model: &mut Model, events: &[Event]) {
    for event in events {
        match event {
            Event::Put(edge) => {
                model.insert(key(edge), edge.times);
                graph.publish(&[Change::Put(*edge)]);
            }
            Event::Remove(edge) => {
                model.remove(&key(edge));
                let (input, output, terms) = key(edge);
                graph.publish(&[Change::Remove {
                    input,
                    output,
                    terms,
                }]);
            }
            Event::Merge => graph.merge(),
        }
    }
}

fn played(events: &[Event]) -> (Graph, Model) {
    let graph = Graph::new(usize::MAX);
    graph.load().finish();
    let mut model = Model::new();
    play(&graph, &mut model, events);
    (graph, model)
}

/// A source as a store would be: a node's edges are one range of sorted keys.
struct Sorted {
    up: BTreeMap<(Node, Node, TermsId), Times>,
    down: BTreeMap<(Node, Node, TermsId), Times>,
}

impl Sorted {
    fn new(model: &Model) -> Self {
        let turned = |(&(input, output, terms), &times)| ((output, input, terms), times);
        Self {
            up: model.iter().map(turned).collect(),
            down: model.clone(),
        }
    }

    fn hops(&self, near: Node, lens: &Lens) -> Vec<Hop> {
        let edges = match lens.direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        let range = (near, Node(0), TermsId(0))..(Node(near.0 + 1), Node(0), TermsId(0));
        let counted = edges
            .range(range)
            .filter(|(_, times)| lens.when.counts(times));
        counted
            .map(|(&(near, far, terms), _)| Hop { near, far, terms })
            .collect()
    }
}

/// Fails after so many hops.
struct Failing<'a>(&'a Sorted, usize);

impl Source for Failing<'_> {
    type Error = ();

    fn expand<F>(&mut self, frontier: &[Node], lens: &Lens, mut each: F) -> Result<(), ()>
    where
        F: FnMut(usize, Hop) -> ControlFlow<()>,
    {
        let Self(sorted, left) = self;
        for (index, &near) in frontier.iter().enumerate() {
            for hop in sorted.hops(near, lens) {
                *left = left.checked_sub(1).ok_or(())?;
                if each(index, hop).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

impl Source for Sorted {
    type Error = Infallible;

    fn expand<F>(&mut self, frontier: &[Node], lens: &Lens, mut each: F) -> Result<(), Infallible>
    where
        F: FnMut(usize, Hop) -> ControlFlow<()>,
    {
        for (index, &near) in frontier.iter().enumerate() {
            for hop in self.hops(near, lens) {
                if each(index, hop).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Half of the edges are seen, the rest is hidden in each way.
fn verdict(hop: &Hop) -> Verdict {
    match hop.terms.0 {
        5 => Verdict::Skip,
        6 => Verdict::More,
        7 => Verdict::Through,
        _ => Verdict::Follow,
    }
}

fn lens_strategy() -> impl Strategy<Value = Lens> {
    let direction = prop_oneof![Just(Direction::Up), Just(Direction::Down)];
    let window = of((0u32..4, 1u32..4));
    (direction, window, of(0u32..6)).prop_map(|(direction, window, as_of)| {
        let window = window.map(|(from, length)| Window {
            from,
            until: from + length,
        });
        Lens {
            direction,
            when: When { window, as_of },
        }
    })
}

fn ask(start: u32, lens: Lens, depth_max: u16) -> Ask<'static> {
    Ask {
        start: Node(start),
        lens,
        depth_max,
        all_edges: false,
        skip: 0,
        rows_max: u32::MAX,
        hops_max: u64::MAX,
        is_over: &|| false,
    }
}

fn walked<S: Source>(source: &mut S, ask: &Ask<'_>) -> Result<(Vec<Row>, Summary), S::Error> {
    walked_from(source, &[Some(ask.start)], ask)
}

fn walked_from<S: Source>(
    source: &mut S,
    starts: &[Option<Node>],
    ask: &Ask<'_>,
) -> Result<(Vec<Row>, Summary), S::Error> {
    let mut rows = Vec::new();
    let mut walk = Walks::default().begin(starts);
    let summary = walk.go(source, ask, &mut verdict, |more| {
        rows.extend_from_slice(more);
        ControlFlow::Continue(())
    })?;
    assert_eq!(summary.rows as usize, rows.len());
    Ok((rows, summary))
}

/// The rule in plain words: go through the rows in their order, and look through
/// all of them for what was met.
fn plain_rows(sorted: &Sorted, starts: &[Option<Node>], ask: &Ask<'_>) -> Vec<Row> {
    // A row, the node it stands for, and whether it is expanded.
    let mut rows: Vec<(Row, Node, bool)> = Vec::new();
    for (start, place) in starts.iter().zip(0..) {
        let again = start.is_some() && starts[..place as usize].contains(start);
        let row = Row {
            node: *start,
            hidden: None,
            depth: 0,
            parent: place,
            terms: None,
            more: false,
            again,
        };
        // No other node has that number.
        let node = start.unwrap_or(Node(u32::MAX));
        rows.push((row, node, start.is_some() && !again));
    }
    let mut at = 0;
    while at < rows.len() {
        let (near, node, is_expanded) = rows[at];
        if is_expanded && near.depth < ask.depth_max {
            for hop in sorted.hops(node, &ask.lens) {
                let is_met = rows.iter().any(|(_, node, _)| *node == hop.far);
                let is_named = rows.iter().any(|(row, _, _)| row.node == Some(hop.far));
                let row = Row {
                    node: None,
                    hidden: None,
                    depth: near.depth + 1,
                    parent: u32::try_from(at).unwrap(),
                    terms: Some(hop.terms),
                    more: false,
                    again: is_named,
                };
                let node = Some(hop.far);
                match verdict(&hop) {
                    Verdict::Follow if ask.all_edges || !is_named => {
                        rows.push((Row { node, ..row }, hop.far, !is_met));
                    }
                    Verdict::Through if !is_met => {
                        let hidden = Some(hop.far);
                        rows.push((Row { hidden, ..row }, hop.far, true));
                    }
                    Verdict::More => rows[at].0.more = true,
                    Verdict::Follow | Verdict::Through | Verdict::Skip => {}
                }
            }
        }
        at += 1;
    }
    rows.into_iter().map(|(row, _, _)| row).collect()
}

/// All that can be reached, by recursion.
fn reach(sorted: &Sorted, lens: &Lens, node: Node, reached: &mut BTreeSet<Node>) {
    if reached.insert(node) {
        for hop in sorted.hops(node, lens) {
            if matches!(verdict(&hop), Verdict::Follow | Verdict::Through) {
                reach(sorted, lens, hop.far, reached);
            }
        }
    }
}

/// The edges `0 -> 1 -> 2 -> …` under these terms, one behind the other.
fn chain(terms: &[u32]) -> Sorted {
    let edges = terms.iter().zip(0..).map(|(terms, node)| {
        let key = (Node(node), Node(node + 1), TermsId(*terms));
        (key, Times::default())
    });
    Sorted::new(&edges.collect())
}

const DOWN: Lens = Lens {
    direction: Direction::Down,
    when: When {
        window: None,
        as_of: None,
    },
};

proptest! {
    #[test]
    fn walks_as_the_rule_says(
        events in events_strategy(),
        lens in lens_strategy(),
        starts in prop_oneof![
            NODES.prop_map(|start| vec![Some(Node(start))]),
            vec(of(NODES.prop_map(Node)), 1..5),
        ],
        depth_max in prop_oneof![2 => Just(u16::MAX), 1 => 0u16..4],
        all_edges in any::<bool>(),
    ) {
        let (graph, model) = played(&events);
        let mut sorted = Sorted::new(&model);
        let ask = Ask { all_edges, ..ask(0, lens, depth_max) };
        let expected = plain_rows(&sorted, &starts, &ask);
        let (rows, summary) = walked_from(&mut graph.reader(), &starts, &ask).unwrap();
        prop_assert_eq!(&rows, &expected);
        prop_assert_eq!(summary.truncated, None);
        prop_assert_eq!(walked_from(&mut sorted, &starts, &ask), Ok((rows, summary)));
    }

    #[test]
    fn names_what_a_visible_edge_reaches_from_what_is_reached(
        events in events_strategy(),
        lens in lens_strategy(),
        start in NODES,
    ) {
        let (graph, model) = played(&events);
        let sorted = Sorted::new(&model);
        let (rows, _) = walked(&mut graph.reader(), &ask(start, lens, u16::MAX)).unwrap();
        let mut reached = BTreeSet::new();
        reach(&sorted, &lens, Node(start), &mut reached);
        let hops: Vec<Hop> = reached.iter().flat_map(|node| sorted.hops(*node, &lens)).collect();
        let fars = |wanted| {
            let of_verdict = hops.iter().filter(move |hop| verdict(hop) == wanted);
            of_verdict.map(|hop| hop.far).collect::<BTreeSet<_>>()
        };
        let mut expected = fars(Verdict::Follow);
        expected.insert(Node(start));
        let named: Vec<Node> = rows.iter().filter_map(|row| row.node).collect();
        prop_assert_eq!(named.len(), expected.len(), "each once");
        prop_assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), expected.clone());
        let placeholders = rows.iter().filter(|row| row.node.is_none()).count();
        prop_assert!(placeholders >= reached.difference(&expected).count());
        prop_assert!(placeholders <= fars(Verdict::Through).len());
        let hidden = hops.iter().filter(|hop| verdict(hop) == Verdict::More);
        let nears: BTreeSet<Node> = hidden.map(|hop| hop.near).collect();
        prop_assert_eq!(rows.iter().filter(|row| row.more).count(), nears.len());
    }

    #[test]
    fn resumed_walks_are_the_whole(
        events in events_strategy(),
        lens in lens_strategy(),
        start in NODES,
        (rows_max, hops_max) in prop_oneof![(1u32..5, Just(u64::MAX)), (Just(u32::MAX), 1u64..5)],
        all_edges in any::<bool>(),
    ) {
        let (graph, _) = played(&events);
        let whole = Ask { all_edges, ..ask(start, lens, u16::MAX) };
        let (expected, _) = walked(&mut graph.reader(), &whole).unwrap();
        let mut found = Vec::new();
        let mut skip = 0;
        loop {
            let part = Ask { skip, rows_max, hops_max, ..whole };
            let (rows, summary) = walked(&mut graph.reader(), &part).unwrap();
            found.extend(rows);
            if summary.truncated.is_none() {
                break;
            }
            prop_assert!(summary.next > skip, "gets further");
            skip = summary.next;
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn shortest_paths_are_as_long_as_the_walk_is_deep(
        events in events_strategy(),
        lens in lens_strategy(),
        (from, to) in (NODES, NODES),
    ) {
        let (graph, model) = played(&events);
        let mut follow = |hop: &Hop| match verdict(hop) {
            Verdict::Follow => Verdict::Follow,
            _ => Verdict::Skip,
        };
        let mut depth = None;
        let whole = ask(from, lens, u16::MAX);
        Walks::default()
            .closure(&mut graph.reader(), &whole, &mut follow, |rows| {
                if let Some(found) = rows.iter().find(|row| row.node == Some(Node(to))) {
                    depth = Some(usize::from(found.depth));
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        let search = Search {
            from: Node(from),
            to: Node(to),
            lens,
            depth_max: u16::MAX,
            paths_max: 100_000,
            hops_max: u64::MAX,
            is_over: &|| false,
        };
        let found = paths(&mut graph.reader(), &search, &mut follow).unwrap();
        prop_assert_eq!(found.truncated, None);
        prop_assert_eq!(found.paths.first().map(|path| path.len() - 1), depth);
        let sorted = Sorted::new(&model);
        let mut distinct = BTreeSet::new();
        for path in &found.paths {
            prop_assert_eq!(Some(path.len() - 1), depth);
            let nodes: Vec<Node> = path.iter().map(|step| step.node.unwrap()).collect();
            prop_assert_eq!([nodes[0], nodes[nodes.len() - 1]], [Node(from), Node(to)]);
            for (pair, step) in nodes.windows(2).zip(&path[1..]) {
                let has = |hop: &Hop| hop.far == pair[1] && Some(hop.terms) == step.terms;
                prop_assert!(sorted.hops(pair[0], &lens).iter().any(has));
            }
            prop_assert!(distinct.insert(nodes), "each once");
        }
    }

    #[test]
    fn nodes_on_a_cycle_reach_themselves(events in events_strategy(), lens in lens_strategy()) {
        let (graph, model) = played(&events);
        let sorted = Sorted::new(&model);
        let nodes: Vec<Node> = NODES.map(Node).collect();
        let mut follow = |hop: &Hop| match verdict(hop) {
            Verdict::Through => Verdict::Follow,
            other => other,
        };
        let found = cycles(&mut graph.reader(), &nodes, &lens, u64::MAX, &mut follow).unwrap();
        let is_on_cycle = |node: &Node| {
            let mut reached = BTreeSet::new();
            for hop in sorted.hops(*node, &lens) {
                if matches!(verdict(&hop), Verdict::Follow | Verdict::Through) {
                    reach(&sorted, &lens, hop.far, &mut reached);
                }
            }
            reached.contains(node)
        };
        let expected: Vec<Node> = nodes.iter().copied().filter(is_on_cycle).collect();
        prop_assert_eq!(found, Cycles { nodes: expected, is_complete: true });
    }

    #[test]
    fn a_walk_that_rests_gives_what_one_that_does_not(
        events in events_strategy(),
        lens in lens_strategy(),
        starts in vec(NODES.prop_map(|start| Some(Node(start))), 1..3),
        rests in vec((0u32..4, 0u64..6, any::<bool>()), 0..8),
        all_edges in any::<bool>(),
    ) {
        let (graph, _) = played(&events);
        let whole = Ask { all_edges, ..ask(0, lens, u16::MAX) };
        let all = walked_from(&mut graph.reader(), &starts, &whole);
        let (expected, expected_end) = all.unwrap();
        let walks = Walks::default();
        let mut walk = walks.begin(&starts);
        let mut rows: Vec<Row> = Vec::new();
        let mut go = |walk: &mut Walk, ask: &Ask<'_>| {
            let give = |more: &[Row]| {
                rows.extend_from_slice(more);
                ControlFlow::Continue(())
            };
            walk.go(&mut graph.reader(), ask, &mut verdict, give).unwrap()
        };
        let looks = std::cell::Cell::new(0);
        let is_over = || {
            looks.set(looks.get() + 1);
            looks.get() % 2 == 0
        };
        for (rows_max, hops_max, is_timed) in rests {
            let rest = Ask { rows_max, hops_max, ..whole };
            match is_timed {
                true => go(&mut walk, &Ask { is_over: &is_over, ..rest }),
                false => go(&mut walk, &rest),
            };
        }
        let end = go(&mut walk, &whole);
        prop_assert_eq!(&rows, &expected);
        // Edges of a row that time cut are looked at again.
        prop_assert_eq!(Summary { hops: 0, ..end }, Summary { hops: 0, ..expected_end });
    }
    #[test]
    fn a_walk_goes_on_over_another_source(
        events in events_strategy(),
        lens in lens_strategy(),
        starts in vec(NODES.prop_map(|start| Some(Node(start))), 1..3),
        hops in 0usize..20,
        all_edges in any::<bool>(),
    ) {
        let (_, model) = played(&events);
        let mut sorted = Sorted::new(&model);
        let whole = Ask { all_edges, ..ask(0, lens, u16::MAX) };
        let (expected, _) = walked_from(&mut sorted, &starts, &whole).unwrap();
        let mut walk = Walks::default().begin(&starts);
        let mut rows: Vec<Row> = Vec::new();
        let mut give = |more: &[Row]| {
            rows.extend_from_slice(more);
            ControlFlow::Continue(())
        };
        let failed = walk.go(&mut Failing(&sorted, hops), &whole, &mut verdict, &mut give);
        if failed.is_err() {
            walk.go(&mut sorted, &whole, &mut verdict, &mut give).unwrap();
        }
        prop_assert_eq!(rows, expected);
    }
}
