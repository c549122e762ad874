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

use crate::trace::edge::{Direction, Edge, Node, TermsId, Times};

/// A node at the other end, and 23 bits of terms above one that says whether the
/// edge has an end: little-endian, without padding.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packed([u8; 7]);

/// What one edge of a list is found and sorted by.
pub(super) type Key = (Node, TermsId);

/// Nodes whose lists are touched ahead at once.
pub(super) const TOUCHED_MAX: usize = 32;

/// Both directions of all edges.
#[derive(Debug, Default)]
pub(super) struct Base {
    down: Lists,
    up: Lists,
    /// `from` and `since` of each edge, as in the downstream lists.
    times: Vec<(u32, u32)>,
    /// Ends, ascending by place in the downstream lists.
    ends: Vec<End>,
}

/// Lists of one direction, one behind the other.
#[derive(Debug, Default)]
struct Lists {
    /// Where the list of each node begins, and one more.
    starts: Vec<u32>,
    packed: Vec<Packed>,
}

#[derive(Clone, Copy, Debug)]
struct End {
    place: u32,
    until: u32,
    ended: u32,
}

impl Packed {
    const fn new(far: Node, terms: TermsId, has_end: bool) -> Self {
        let [a, b, c, d] = far.0.to_le_bytes();
        let [e, f, g, _] = (terms.0 << 1 | has_end as u32).to_le_bytes();
        Self([a, b, c, d, e, f, g])
    }

    pub(super) const fn far(self) -> Node {
        let [a, b, c, d, ..] = self.0;
        Node(u32::from_le_bytes([a, b, c, d]))
    }

    pub(super) const fn terms(self) -> TermsId {
        TermsId(self.code() >> 1)
    }

    pub(super) const fn has_end(self) -> bool {
        self.code() & 1 == 1
    }

    pub(super) const fn key(self) -> Key {
        (self.far(), self.terms())
    }

    const fn code(self) -> u32 {
        let [_, _, _, _, e, f, g] = self.0;
        u32::from_le_bytes([e, f, g, 0])
    }
}

impl Base {
    /// Edges there are.
    pub(super) const fn edge_count(&self) -> usize {
        self.times.len()
    }

    /// One more than the largest node that has an edge.
    pub(super) const fn node_count(&self) -> usize {
        self.down.starts.len().saturating_sub(1)
    }

    /// Bytes that it takes, as allocated.
    pub(super) const fn bytes(&self) -> usize {
        self.down.bytes()
            + self.up.bytes()
            + self.times.capacity() * size_of::<(u32, u32)>()
            + self.ends.capacity() * size_of::<End>()
    }

    /// A node's edges, ascending by key.
    pub(super) fn list(&self, direction: Direction, node: Node) -> &[Packed] {
        match direction {
            Direction::Down => self.down.of(node),
            Direction::Up => self.up.of(node),
        }
    }

    /// Reads where the lists of `nodes` begin and their first edges: none waits for
    /// another, as they would one after the other.
    pub(super) fn touch(&self, direction: Direction, nodes: &[Node]) -> u32 {
        let lists = match direction {
            Direction::Down => &self.down,
            Direction::Up => &self.up,
        };
        let mut begins = [0; TOUCHED_MAX];
        for (begin, &node) in begins.iter_mut().zip(nodes) {
            *begin = lists.start(node);
        }
        let code = |begin: &usize| lists.packed.get(*begin).map_or(0, |packed| packed.code());
        begins.iter().map(code).fold(0, |sum, code| sum ^ code)
    }

    /// The times of an edge that stands in the list of `near`.
    pub(super) fn times(&self, direction: Direction, near: Node, (far, terms): Key) -> Times {
        let (input, output) = match direction {
            Direction::Down => (near, far),
            Direction::Up => (far, near),
        };
        let before = self
            .down
            .of(input)
            .partition_point(|packed| packed.key() < (output, terms));
        self.times_at(self.down.start(input) + before)
    }

    /// All edges, ascending by input, output and terms.
    pub(super) fn edges_of(&self, input: Node) -> impl Iterator<Item = Edge> {
        let start = self.down.start(input);
        let list = self.down.of(input).iter().zip(start..);
        list.map(move |(packed, place)| Edge {
            input,
            output: packed.far(),
            terms: packed.terms(),
            times: if packed.has_end() {
                self.times_at(place)
            } else {
                self.opening_at(place)
            },
        })
    }

    fn opening_at(&self, place: usize) -> Times {
        let (from, since) = self.times.get(place).copied().unwrap_or_default();
        Times {
            from,
            since,
            ..Times::default()
        }
    }

    fn times_at(&self, place: usize) -> Times {
        let found = self
            .ends
            .binary_search_by_key(&place, |end| end.place as usize);
        let end = found.ok().and_then(|index| self.ends.get(index));
        Times {
            until: end.map_or(0, |end| end.until),
            ended: end.map_or(0, |end| end.ended),
            ..self.opening_at(place)
        }
    }
}

impl Lists {
    fn start(&self, node: Node) -> usize {
        self.starts.get(node.0 as usize).copied().unwrap_or(0) as usize
    }

    fn of(&self, node: Node) -> &[Packed] {
        let end = (node.0 as usize).checked_add(1);
        let end = end.and_then(|next| self.starts.get(next));
        let Some(&end) = end else { return &[] };
        self.packed
            .get(self.start(node)..end as usize)
            .unwrap_or_default()
    }

    const fn bytes(&self) -> usize {
        self.starts.capacity() * size_of::<u32>() + self.packed.capacity() * size_of::<Packed>()
    }
}

/// Makes a base of edges that come in order.
#[derive(Debug)]
pub(super) struct Builder {
    base: Base,
    /// One more than the largest node so far.
    nodes: usize,
}

impl Builder {
    /// A builder with room for so many nodes and edges.
    pub(super) fn new(nodes: usize, edges: usize) -> Self {
        let base = Base {
            down: Lists {
                starts: Vec::with_capacity(nodes + 1),
                packed: Vec::with_capacity(edges),
            },
            up: Lists::default(),
            times: Vec::with_capacity(edges),
            ends: Vec::new(),
        };
        Self { base, nodes: 0 }
    }

    /// Adds an edge that is larger than all before by input, output and terms.
    pub(super) fn push(&mut self, edge: &Edge) {
        let Edge {
            input,
            output,
            terms,
            times,
        } = *edge;
        let place = number(self.base.down.packed.len());
        self.begin_lists(input.0 as usize + 1, place);
        self.nodes = self.nodes.max(input.0.max(output.0) as usize + 1);
        let packed = Packed::new(output, terms, times.has_end());
        self.base.down.packed.push(packed);
        self.base.times.push((times.from, times.since));
        if times.has_end() {
            self.base.ends.push(End {
                place,
                until: times.until,
                ended: times.ended,
            });
        }
    }

    /// The base of what was pushed.
    pub(super) fn finish(mut self) -> Base {
        let place = number(self.base.down.packed.len());
        self.begin_lists(self.nodes + 1, place);
        let mut base = self.base;
        base.down.starts.shrink_to_fit();
        base.down.packed.shrink_to_fit();
        base.times.shrink_to_fit();
        base.ends.shrink_to_fit();
        base.up = turned(&base.down, self.nodes);
        base
    }

    fn begin_lists(&mut self, count: usize, place: u32) {
        let starts = &mut self.base.down.starts;
        if starts.len() < count {
            starts.resize(count, place);
        }
    }
}

/// The same edges by their other ends: counted, then placed. Inputs come
/// ascending, so each list is in order.
fn turned(down: &Lists, nodes: usize) -> Lists {
    // Two more than nodes: a list's end is counted one to the right of where its
    // next free place moves to its end.
    let mut starts = vec![0u32; nodes + 2];
    for packed in &down.packed {
        if let Some(count) = starts.get_mut(packed.far().0 as usize + 2) {
            *count += 1;
        }
    }
    let mut sum = 0;
    for start in &mut starts {
        sum += *start;
        *start = sum;
    }
    let mut placed = vec![Packed::default(); down.packed.len()];
    for input in 0..number(nodes) {
        for packed in down.of(Node(input)) {
            let Some(next) = starts.get_mut(packed.far().0 as usize + 1) else {
                continue;
            };
            if let Some(place) = placed.get_mut(*next as usize) {
                *place = Packed::new(Node(input), packed.terms(), packed.has_end());
            }
            *next += 1;
        }
    }
    starts.truncate(nodes + 1);
    starts.shrink_to_fit();
    Lists {
        starts,
        packed: placed,
    }
}

/// Places are 32 bits: the graph gives up before it has more edges
/// (`graph::EDGES_MAX`).
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ];
        let mut builder = Builder::new(0, 0);
        for edge in &edges {
            builder.push(edge);
        }
        let base = builder.finish();
        assert_eq!((base.edge_count(), base.node_count()), (5, 8));
        let all: Vec<_> = (0..9).flat_map(|node| base.edges_of(Node(node))).collect();
        assert_eq!(all, edges);
        for node in (0..9).map(Node) {
            for (direction, end) in [(Direction::Up, 1), (Direction::Down, 0)] {
                let found: Vec<_> = base
                    .list(direction, node)
                    .iter()
                    .map(|packed| (packed.key(), base.times(direction, node, packed.key())))
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
