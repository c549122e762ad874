//! A million nodes in memory: loading, changes, and traces of each kind.
//!
//! Beside the table, percentiles over all starts of a kind are printed, and what
//! the graph takes.

use std::ops::{ControlFlow, Range};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use divan::{Bencher, black_box};
use idnode::demo::ChainGraph;
use idnode::trace::{
    Ask, Change, Direction, Edge, Graph, Hop, Lens, Node, TermsId, Times, Verdict, Walks, When,
};

const NODES: u32 = 1_000_000;
/// Terms that edges have: a table of verdicts that stays in the cache.
const TERMS: u32 = 4_096;

fn edge((input, output): (u32, u32)) -> Edge {
    Edge {
        input: Node(input),
        output: Node(output),
        terms: TermsId((input ^ output) % TERMS),
        times: Times {
            since: 1 + output,
            ..Times::default()
        },
    }
}

fn load(chain: &ChainGraph, names: bool) -> Graph {
    let graph = Graph::new(1 << 30);
    let mut loader = graph.load();
    for node in (0..chain.node_count()).filter(|_| names) {
        let (prefix, suffix) = chain.identifier(node);
        loader.node(Node(node), &prefix, &suffix);
    }
    chain.edges().for_each(|pair| loader.edge(edge(pair)));
    loader.finish();
    assert!(graph.ready(), "fits");
    graph
}

fn walk(graph: &Graph, walks: &Walks, (start, direction): (u32, Direction)) -> u32 {
    let verdicts = vec![Verdict::Follow; TERMS as usize];
    let ask = Ask {
        start: Node(start),
        lens: Lens {
            direction,
            when: When::default(),
        },
        depth_max: 64,
        all_edges: false,
        skip: 0,
        rows_max: u32::MAX,
        hops_max: u64::MAX,
        is_over: &|| false,
    };
    let mut judge = |hop: &Hop| {
        let verdict = verdicts.get(hop.terms.0 as usize);
        verdict.copied().unwrap_or(Verdict::Skip)
    };
    let give = |rows: &[_]| {
        black_box(rows);
        ControlFlow::Continue(())
    };
    let summary = walks.closure(&mut graph.reader(), &ask, &mut judge, give);
    summary.expect("in memory").rows
}

/// As many starts of a level as there are to be, at equal distances.
fn starts(level: &Range<u32>, count: u32) -> impl Iterator<Item = u32> {
    let (start, length) = (level.start, level.end - level.start);
    let at = move |index| u64::from(index) * u64::from(length) / u64::from(count);
    (0..count).map(move |index| start + u32::try_from(at(index)).unwrap_or(0))
}

/// The queries of each kind: what is asked, of which nodes, which way.
fn queries(chain: &ChainGraph) -> [(&'static str, Vec<u32>, Direction); 5] {
    let of = |level, count| starts(&chain.level(level), count).collect();
    [
        ("bill of materials", of(8, 2_000), Direction::Up),
        ("where-used", of(3, 2_000), Direction::Down),
        ("recall of a lot", of(1, 1_000), Direction::Down),
        ("recall of a batch", of(0, 500), Direction::Down),
        ("the hottest", vec![hottest(chain); 20], Direction::Down),
    ]
}

/// The node that went into the most.
#[expect(clippy::print_stderr, reason = "a report for a person")]
fn hottest(chain: &ChainGraph) -> u32 {
    let mut fan_out = vec![0u32; chain.node_count() as usize];
    for (input, _) in chain.edges() {
        if let Some(count) = fan_out.get_mut(input as usize) {
            *count += 1;
        }
    }
    let most = fan_out.iter().zip(0..).max().unwrap_or((&0, 0));
    eprintln!("node {} has the largest fan-out, {}", most.1, most.0);
    most.1
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn load_a_million(bencher: Bencher<'_, '_>) {
    let chain = ChainGraph::new(NODES);
    bencher.bench(|| load(&chain, false));
}

#[divan::bench(sample_count = 100, sample_size = 1)]
fn publish_a_thousand(bencher: Bencher<'_, '_>) {
    let chain = ChainGraph::new(NODES);
    let graph = load(&chain, false);
    let mut edges = chain.edges().step_by(27);
    bencher
        .with_inputs(|| {
            let group = edges.by_ref().take(1_000).map(|(input, output)| {
                let output = output.min(NODES - 1);
                Change::Put(edge((input, output)))
            });
            group.collect::<Vec<_>>()
        })
        .bench_local_refs(|group| graph.publish(group));
}

#[divan::bench(sample_count = 1, sample_size = 1)]
#[expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a report for a person, of times"
)]
fn percentiles() {
    let chain = ChainGraph::new(NODES);
    let graph = load(&chain, true);
    let edges = graph.edge_count();
    let bytes = graph.memory_bytes();
    eprintln!("\n{NODES} nodes, {edges} edges, {bytes} bytes in all");
    for (name, starts, direction) in queries(&chain) {
        // The first round warms the caches.
        measure(&graph, &starts, direction);
        let (rows, times) = measure(&graph, &starts, direction);
        eprintln!("{name:<18} {rows:>7} nodes  {times}");
    }
    let [(_, goods, up), ..] = queries(&chain);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| graph.keep_merged());
        scope.spawn(|| publish_until(&graph, &chain, &is_over));
        let begin = Instant::now();
        let (_, times) = measure(&graph, &goods.repeat(40), up);
        let took = begin.elapsed();
        eprintln!("bill of materials, while edges are published for {took:.0?}: {times}");
        is_over.store(true, Ordering::Relaxed);
        graph.close();
    });
}

/// Walks from each start. Returns the median of rows, and times.
#[expect(clippy::disallowed_methods, reason = "measures time")]
fn measure(graph: &Graph, starts: &[u32], direction: Direction) -> (u32, String) {
    let walks = Walks::default();
    let (mut rows, mut times) = (Vec::new(), Vec::new());
    for &start in starts {
        let begin = Instant::now();
        rows.push(walk(graph, &walks, (start, direction)));
        times.push(begin.elapsed());
    }
    rows.sort_unstable();
    times.sort_unstable();
    let (p50, p99) = (at(&times, 50), at(&times, 99));
    let middle = rows.get(rows.len() / 2).copied().unwrap_or(0);
    (middle, format!("p50 {p50:>9.1?}  p99 {p99:>9.1?}"))
}

/// Publishes 5,000 edges a second.
#[expect(clippy::disallowed_methods, reason = "keeps a pace")]
fn publish_until(graph: &Graph, chain: &ChainGraph, is_over: &AtomicBool) {
    let pairs: Vec<_> = chain.edges().collect();
    // From all over the graph: the step has no factor in common with the count.
    let mut edges = (0..).map_while(|at: usize| {
        let pair = *pairs.get(at.wrapping_mul(1_000_003) % pairs.len())?;
        let terms = TermsId(TERMS - 1 - (pair.0 ^ pair.1) % TERMS);
        let edge = edge(pair);
        Some(Change::Put(Edge { terms, ..edge }))
    });
    while !is_over.load(Ordering::Relaxed) {
        let group: Vec<Change> = edges.by_ref().take(50).collect();
        graph.publish(&group);
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn at(times: &[Duration], percent: usize) -> Duration {
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(index).copied().unwrap_or_default()
}
