//! The lists of 4,096 nodes: packed edges that never change.

use std::mem;

use crate::trace::edge::{Node, TermsId, Times};

/// Nodes of a block: few enough that a merge makes little anew where changes lie
/// close together, enough that what a block takes for itself does not count.
pub(super) const BLOCK_NODES: usize = 4_096;

/// A node at the other end, and 23 bits of terms above one that says whether the
/// edge has an end: little-endian, without padding.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packed([u8; 7]);

/// What one edge of a list is found and sorted by.
pub(super) type Key = (Node, TermsId);

/// Lists of one direction, one behind the other. Nodes go by their place in the block.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Where the list of each node begins, and one more; none behind the last node
    /// that has edges.
    starts: Box<[u32]>,
    packed: Box<[Packed]>,
}

/// Downstream lists, and the times of their edges.
#[derive(Debug, Default)]
pub(super) struct Downstream {
    pub(super) lists: Lists,
    /// `from` and `since` of each edge.
    times: Box<[(u32, u32)]>,
    /// Ends, ascending by place.
    ends: Box<[End]>,
}

/// The times that few edges have.
#[derive(Clone, Copy, Debug)]
struct End {
    /// The edge's place in the lists.
    place: u32,
    until: u32,
    ended: u32,
}

/// Makes the lists of a block, and then of another: node by node in their order, and each
/// node's edges ascending by key.
#[derive(Debug, Default)]
pub(super) struct Maker {
    starts: Vec<u32>,
    packed: Vec<Packed>,
    times: Vec<(u32, u32)>,
    ends: Vec<End>,
}

/// Makes upstream lists of edges that come in the order of their inputs: each is
/// counted, then placed.
#[derive(Debug, Default)]
pub(super) struct Turner {
    /// While edges are counted: how many the list before the last has. Then: where the
    /// next edge of the list before it belongs, which moves to that list's end.
    starts: Vec<u32>,
    packed: Vec<Packed>,
}

/// A node's block, and its place there.
pub(super) const fn place(node: Node) -> (usize, usize) {
    let node = node.0 as usize;
    (node / BLOCK_NODES, node % BLOCK_NODES)
}

/// The first `count` nodes of a block, and their places there.
pub(super) fn nodes(block: usize, count: usize) -> impl Iterator<Item = (Node, usize)> {
    let number = move |place| u32::try_from(block * BLOCK_NODES + place).ok();
    (0..count).map_while(move |place| Some((Node(number(place)?), place)))
}

impl Packed {
    pub(super) const fn new((far, terms): Key, has_end: bool) -> Self {
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

    pub(super) const fn code(self) -> u32 {
        let [_, _, _, _, e, f, g] = self.0;
        u32::from_le_bytes([e, f, g, 0])
    }
}

impl Lists {
    /// Where the list of the node at `place` begins.
    pub(super) fn start(&self, place: usize) -> usize {
        self.starts.get(place).copied().unwrap_or(0) as usize
    }

    /// A node's edges, ascending by key.
    pub(super) fn of(&self, place: usize) -> &[Packed] {
        let Some(&end) = self.starts.get(place + 1) else {
            return &[];
        };
        self.packed
            .get(self.start(place)..end as usize)
            .unwrap_or_default()
    }

    /// The edge that stands there, of all lists.
    pub(super) fn edge(&self, index: usize) -> Option<Packed> {
        self.packed.get(index).copied()
    }

    /// The edges of all lists.
    pub(super) fn edges(&self) -> &[Packed] {
        &self.packed
    }

    /// Edges of all nodes.
    pub(super) const fn edge_count(&self) -> usize {
        self.packed.len()
    }

    /// One more than the place of the last node that has edges.
    pub(super) const fn node_count(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Bytes that it takes, itself among them.
    pub(super) const fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.starts) + size_of_val(&*self.packed)
    }
}

impl Downstream {
    /// The times of an edge of the node at `place`.
    pub(super) fn times(&self, place: usize, key: Key) -> Times {
        let list = self.lists.of(place);
        self.times_of(place, list.partition_point(|packed| packed.key() < key))
    }

    /// The times of the edge that stands at `index` in the list of the node at `place`.
    pub(super) fn times_of(&self, place: usize, index: usize) -> Times {
        let edge = self.lists.start(place) + index;
        let (from, since) = self.times.get(edge).copied().unwrap_or_default();
        let found = self
            .ends
            .binary_search_by_key(&edge, |end| end.place as usize);
        let end = found.ok().and_then(|found| self.ends.get(found));
        Times {
            from,
            since,
            until: end.map_or(0, |end| end.until),
            ended: end.map_or(0, |end| end.ended),
        }
    }

    /// Bytes that it takes, itself among them.
    pub(super) const fn bytes(&self) -> usize {
        size_of::<Self>() - size_of::<Lists>()
            + self.lists.bytes()
            + size_of_val(&*self.times)
            + size_of_val(&*self.ends)
    }
}

impl Maker {
    /// Makes room for so many edges of a block, downstream ones with their times.
    pub(super) fn reserve(&mut self, edges: usize, with_times: bool) {
        self.packed.reserve_exact(edges);
        if with_times {
            self.times.reserve_exact(edges);
        }
    }

    /// Adds an edge of the node at `place` to downstream lists.
    pub(super) fn push(&mut self, place: usize, key: Key, times: &Times) {
        if times.has_end() {
            self.ends.push(End {
                place: number(self.packed.len()),
                until: times.until,
                ended: times.ended,
            });
        }
        self.times.push((times.from, times.since));
        self.push_upstream(place, Packed::new(key, times.has_end()));
    }

    /// Adds an edge of the node at `place` to upstream lists.
    pub(super) fn push_upstream(&mut self, place: usize, packed: Packed) {
        self.begin(place);
        self.packed.push(packed);
    }

    /// Adds all edges of the node at `place` as `from` has them.
    pub(super) fn copy(&mut self, place: usize, from: &Downstream) {
        let edges = from.lists.of(place);
        let start = from.lists.start(place);
        let end = start + edges.len();
        let (old, new) = (number(start), number(self.packed.len()));
        let before = |place: usize| {
            from.ends
                .partition_point(|end| (end.place as usize) < place)
        };
        if !from.ends.is_empty() {
            let ends = from.ends.get(before(start)..before(end));
            let moved = |end: &End| End {
                place: end.place - old + new,
                ..*end
            };
            self.ends.extend(ends.unwrap_or_default().iter().map(moved));
        }
        let times = from.times.get(start..end).unwrap_or_default();
        self.times.extend_from_slice(times);
        self.copy_upstream(place, edges);
    }

    /// Adds edges of the node at `place` to upstream lists.
    pub(super) fn copy_upstream(&mut self, place: usize, edges: &[Packed]) {
        if !edges.is_empty() {
            self.begin(place);
            self.packed.extend_from_slice(edges);
        }
    }

    /// The downstream lists of what was added; begins anew.
    pub(super) fn downstream(&mut self) -> Downstream {
        Downstream {
            times: mem::take(&mut self.times).into(),
            ends: mem::take(&mut self.ends).into(),
            lists: self.upstream(),
        }
    }

    /// The upstream lists of what was added; begins anew.
    pub(super) fn upstream(&mut self) -> Lists {
        if !self.packed.is_empty() {
            self.starts.push(number(self.packed.len()));
        }
        Lists {
            starts: mem::take(&mut self.starts).into(),
            packed: mem::take(&mut self.packed).into(),
        }
    }

    /// The lists up to the one of the node at `place` begin here.
    fn begin(&mut self, place: usize) {
        if self.starts.len() <= place {
            let here = number(self.packed.len());
            self.starts.resize(place + 1, here);
        }
    }
}

impl Turner {
    /// An edge of the node at `place` will come.
    pub(super) fn count(&mut self, place: usize) {
        if self.starts.is_empty() {
            self.starts = vec![0; BLOCK_NODES + 2];
        }
        if let Some(count) = self.starts.get_mut(place + 2) {
            *count += 1;
        }
    }

    /// All were counted.
    pub(super) fn make_room(&mut self) {
        let mut sum = 0;
        for start in &mut self.starts {
            sum += *start;
            *start = sum;
        }
        self.packed = vec![Packed::default(); sum as usize];
    }

    /// Adds an edge of the node at `place`, which was counted.
    pub(super) fn put(&mut self, place: usize, packed: Packed) {
        let Some(next) = self.starts.get_mut(place + 1) else {
            return;
        };
        if let Some(free) = self.packed.get_mut(*next as usize) {
            *free = packed;
        }
        *next += 1;
    }

    /// The lists of what was added.
    pub(super) fn finish(mut self) -> Lists {
        let all = number(self.packed.len());
        let with_edges = self.starts.partition_point(|&start| start < all);
        self.starts.truncate(with_edges + 1);
        Lists {
            starts: self.starts.into(),
            packed: self.packed.into(),
        }
    }
}

/// Places are 32 bits: the graph gives up before it has more edges
/// (`graph::EDGES_MAX`).
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
