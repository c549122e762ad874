//! The bulk of the graph: packed lists of edges that never change.
//!
//! | what | bytes |
//! |---|---|
//! | an edge, downstream: node, terms | 7 |
//! | its `from` and `since` | 8 |
//! | an edge, upstream: node, terms | 7 |
//! | its `until` and `ended`, if it has any | 12 |
//! | a node: where its lists begin | 8 |
//!
//! Times are kept with the downstream lists only. From upstream they are found by
//! a search in the input's list, which is short; a bit beside the terms says
//! whether an end is to be looked for.
//!
//! Lists stand in blocks by node. A base that is made of another with changes has
//! the blocks in common with it that no change is in.

use std::sync::Arc;

use crate::trace::block::{
    BLOCK_NODES, Downstream, Key, Lists, Maker, Packed, Turner, nodes, place,
};
use crate::trace::edge::{Direction, Edge, Node, Times};

/// Nodes whose lists are touched ahead at once.
pub(super) const TOUCHED_MAX: usize = 32;

/// Both directions of all edges.
#[derive(Debug, Default)]
pub(super) struct Base {
    blocks: Vec<Block>,
    edges: usize,
    /// Of all blocks.
    bytes: usize,
}

/// The lists of the same nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    pub(super) down: Arc<Downstream>,
    pub(super) up: Arc<Lists>,
}

impl Base {
    /// A base of these blocks, the first of which has the first nodes.
    pub(super) fn new(blocks: Vec<Block>) -> Self {
        let edges = blocks.iter().map(|block| block.down.lists.edge_count());
        let bytes = blocks
            .iter()
            .map(|block| block.down.bytes() + block.up.bytes() + size_of::<Block>());
        Self {
            edges: edges.sum(),
            bytes: bytes.sum(),
            blocks,
        }
    }

    /// Its blocks, by node.
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Edges there are.
    pub(super) const fn edge_count(&self) -> usize {
        self.edges
    }

    /// One more than the largest node that has an edge.
    pub(super) fn node_count(&self) -> usize {
        let counts = self.blocks.iter().map(Block::node_count).enumerate();
        let last = counts.rev().find(|(_, count)| *count > 0);
        last.map_or(0, |(block, count)| block * BLOCK_NODES + count)
    }

    /// Bytes that it takes, without what the allocator rounds up.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// A node's edges, ascending by key.
    pub(super) fn list(&self, direction: Direction, node: Node) -> &[Packed] {
        let (block, place) = place(node);
        let lists = self.lists(direction, block);
        lists.map_or(&[], |lists| lists.of(place))
    }

    /// Reads where the lists of `nodes` begin and their first edges: none waits for
    /// another, as they would one after the other.
    pub(super) fn touch(&self, direction: Direction, nodes: &[Node]) -> u32 {
        let mut begins = [None; TOUCHED_MAX];
        for (begin, &node) in begins.iter_mut().zip(nodes) {
            let (block, place) = place(node);
            let lists = self.lists(direction, block);
            *begin = lists.map(|lists| (lists, lists.start(place)));
        }
        let first = |(lists, start): &(&Lists, usize)| lists.edge(*start);
        let codes = begins.iter().flatten().filter_map(first);
        codes.map(Packed::code).fold(0, |sum, code| sum ^ code)
    }

    /// The times of an edge that stands in the list of `near`.
    pub(super) fn times(&self, direction: Direction, near: Node, (far, terms): Key) -> Times {
        let (input, output) = match direction {
            Direction::Down => (near, far),
            Direction::Up => (far, near),
        };
        let (block, place) = place(input);
        let Some(block) = self.blocks.get(block) else {
            return Times::default();
        };
        block.down.times(place, (output, terms))
    }

    fn lists(&self, direction: Direction, block: usize) -> Option<&Lists> {
        let block = self.blocks.get(block)?;
        Some(match direction {
            Direction::Down => &block.down.lists,
            Direction::Up => &*block.up,
        })
    }
}

impl Block {
    fn node_count(&self) -> usize {
        self.down.lists.node_count().max(self.up.node_count())
    }
}

/// Makes a base of edges.
#[derive(Debug)]
pub(super) struct Builder {
    down: Vec<Downstream>,
}

impl Builder {
    /// Takes edges that are sorted by input, output and terms: of those that are equal in
    /// these the last counts.
    pub(super) fn new(edges: &[Edge]) -> Self {
        let block_of = |edge: &Edge| place(edge.input).0;
        let key = |edge: &Edge| (edge.input, edge.output, edge.terms);
        let mut maker = Maker::default();
        let mut down: Vec<Downstream> = Vec::new();
        for edges in edges.chunk_by(|a, b| block_of(a) == block_of(b)) {
            maker.reserve(edges.len(), true);
            for (at, edge) in edges.iter().enumerate() {
                if edges.get(at + 1).is_none_or(|next| key(next) != key(edge)) {
                    let (_, place) = place(edge.input);
                    maker.push(place, (edge.output, edge.terms), &edge.times);
                }
            }
            let block = edges.first().map_or(0, block_of);
            down.resize_with(block, Downstream::default);
            down.push(maker.downstream());
        }
        let last = edges.iter().map(|edge| place(edge.output).0).max();
        let blocks = last.map_or(0, |last| last + 1).max(down.len());
        down.resize_with(blocks, Downstream::default);
        Self { down }
    }

    /// The base of them.
    pub(super) fn finish(self) -> Base {
        let up = turned(&self.down);
        let both = self.down.into_iter().zip(up);
        let blocks = both.map(|(down, up)| Block {
            down: Arc::new(down),
            up: Arc::new(up),
        });
        Base::new(blocks.collect())
    }
}

/// The same edges by their other ends. Inputs come ascending, so each list is in
/// order.
fn turned(down: &[Downstream]) -> Vec<Lists> {
    let mut up: Vec<_> = down.iter().map(|_| Turner::default()).collect();
    for packed in down.iter().flat_map(|block| block.lists.edges()) {
        let (block, place) = place(packed.far());
        if let Some(up) = up.get_mut(block) {
            up.count(place);
        }
    }
    up.iter_mut().for_each(Turner::make_room);
    for (block, lists) in down.iter().map(|block| &block.lists).enumerate() {
        for (input, place_of_input) in nodes(block, lists.node_count()) {
            for packed in lists.of(place_of_input) {
                let (block, place) = place(packed.far());
                if let Some(up) = up.get_mut(block) {
                    let key = (input, packed.terms());
                    up.put(place, Packed::new(key, packed.has_end()));
                }
            }
        }
    }
    up.into_iter().map(Turner::finish).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::edge::TermsId;

    fn edge(input: u32, output: u32, terms: u32, ended: u32) -> Edge {
        Edge {
            input: Node(input),
            output: Node(output),
            terms: TermsId(terms),
            times: Times {
                from: input,
                since: output,
                until: 0,
                ended,
            },
        }
    }

    #[test]
    fn has_each_edge_in_both_directions_with_its_times() {
        let edges = [
            edge(0, 0, TermsId::MAX.0, 0),
            edge(0, 3, 1, 7),
            edge(0, 3, 2, 0),
            edge(2, 0, 0, 9),
            edge(7, 3, 1, 0),
            edge(7, 4_096, 1, 0),
            edge(4_095, 3, 1, 0),
            edge(4_096, 3, 1, 5),
            edge(9_000, 8_191, 1, 6),
        ];
        let base = Builder::new(&edges).finish();
        assert_eq!((base.edge_count(), base.node_count()), (9, 9_001));
        for node in (0..9_010).map(Node) {
            for (direction, end) in [(Direction::Up, 1), (Direction::Down, 0)] {
                let found: Vec<_> = base
                    .list(direction, node)
                    .iter()
                    .map(|packed| {
                        let times = base.times(direction, node, packed.key());
                        assert_eq!(packed.has_end(), times.has_end());
                        (packed.key(), times)
                    })
                    .collect();
                let ends = |edge: &Edge| [edge.input, edge.output];
                let mut expected: Vec<_> = edges
                    .iter()
                    .filter(|edge| ends(edge)[end] == node)
                    .map(|edge| ((ends(edge)[1 - end], edge.terms), edge.times))
                    .collect();
                expected.sort();
                assert_eq!(found, expected, "{direction:?} of {node:?}");
            }
        }
        assert!(base.list(Direction::Up, Node(u32::MAX)).is_empty());
    }
}
