//! A node's edges as base and deltas together have them.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::trace::base::{Base, Block};
use crate::trace::block::{BLOCK_NODES, Downstream, Key, Lists, Maker, Packed, nodes};
use crate::trace::delta::{Delta, Entry};
use crate::trace::edge::{Direction, Edge, Node, Times};
use crate::trace::source::{Hop, Lens};

/// Base and deltas, each overriding those before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layers<'a> {
    pub(super) base: &'a Base,
    /// What is being merged into the base.
    pub(super) frozen: Option<&'a Delta>,
    /// What has changed since.
    pub(super) delta: &'a Delta,
}

/// Where in a node's list to go on, and how far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The key behind which to go on; `None` at the list's beginning.
    pub(super) after: Option<Key>,
    /// Edges that may still be looked at.
    pub(super) left: usize,
}

/// How far it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Through the node's list.
    Done,
    /// Until no more edges might be looked at: go on behind `after`.
    Paused,
    /// Until it was told to stop.
    Stopped,
}

impl Layers<'_> {
    /// Gives the hops from `near` that `lens` lets through, from where `pace` is.
    pub(super) fn hops<F>(&self, near: Node, lens: &Lens, pace: &mut Pace, each: F) -> Progress
    where
        F: FnMut(Hop) -> ControlFlow<()>,
    {
        let direction = lens.direction;
        let frozen = self.frozen.map_or(&[][..], |d| d.list(direction, near));
        let delta = self.delta.list(direction, near);
        if frozen.is_empty() && delta.is_empty() {
            self.hops_of_base(near, lens, pace, each)
        } else {
            self.hops_of_all(near, lens, pace, each)
        }
    }

    /// Reads where the lists of `nodes` begin, so that the memory of all of them is
    /// on its way before the first is looked at. What it returns has no meaning.
    pub(super) fn touch(&self, direction: Direction, nodes: &[Node]) -> u32 {
        self.base.touch(direction, nodes)
    }

    #[inline]
    fn hops_of_base<F>(&self, near: Node, lens: &Lens, pace: &mut Pace, mut each: F) -> Progress
    where
        F: FnMut(Hop) -> ControlFlow<()>,
    {
        let list = self.base.list(lens.direction, near);
        let begin = pace.after.map_or(0, |after| {
            list.partition_point(|packed| packed.key() <= after)
        });
        let rest = list.get(begin..).unwrap_or_default();
        let piece = rest.get(..pace.left).unwrap_or(rest);
        let is_open = lens.when.is_open();
        for packed in piece {
            let (far, terms) = packed.key();
            let hop = Hop { near, far, terms };
            let counts = is_open && !packed.has_end() || self.counts(lens, &hop);
            if counts && each(hop).is_break() {
                return Progress::Stopped;
            }
        }
        pace.left -= piece.len();
        if piece.len() == rest.len() {
            return Progress::Done;
        }
        pace.after = piece.last().map(|packed| packed.key()).or(pace.after);
        Progress::Paused
    }

    fn counts(&self, lens: &Lens, hop: &Hop) -> bool {
        let key = (hop.far, hop.terms);
        lens.when
            .counts(&self.base.times(lens.direction, hop.near, key))
    }

    fn hops_of_all<F>(&self, near: Node, lens: &Lens, pace: &mut Pace, mut each: F) -> Progress
    where
        F: FnMut(Hop) -> ControlFlow<()>,
    {
        let mut merge = Merge::new(*self, lens.direction, near, pace.after);
        while pace.left > 0 {
            let Some((key, found)) = merge.next() else {
                return Progress::Done;
            };
            pace.left -= 1;
            pace.after = Some(key);
            let counts = match found {
                Found::Base { has_end, .. } => {
                    lens.when.is_open() && !has_end
                        || lens
                            .when
                            .counts(&self.base.times(lens.direction, near, key))
                }
                Found::Delta(times) => times.is_some_and(|times| lens.when.counts(&times)),
            };
            let (far, terms) = key;
            if counts && each(Hop { near, far, terms }).is_break() {
                return Progress::Stopped;
            }
        }
        Progress::Paused
    }

    /// A node's edges with their times, whatever those are.
    pub(super) fn edges(self, direction: Direction, near: Node) -> impl Iterator<Item = Edge> {
        Merge::new(self, direction, near, None).filter_map(move |(key, found)| {
            let times = match found {
                Found::Base { .. } => self.base.times(direction, near, key),
                Found::Delta(times) => times?,
            };
            let (far, terms) = key;
            let (input, output) = match direction {
                Direction::Down => (near, far),
                Direction::Up => (far, near),
            };
            Some(Edge {
                input,
                output,
                terms,
                times,
            })
        })
    }

    /// How many entries of a block the delta has.
    fn changes(self, direction: Direction, block: usize) -> usize {
        let nodes = nodes(block, BLOCK_NODES);
        let lists = nodes.map(|(node, _)| self.delta.list(direction, node).len());
        lists.sum()
    }

    /// Adds the edges of a block to `maker`, which is `old` in the base.
    fn add_down(self, block: usize, old: &Downstream, maker: &mut Maker) {
        let changes = self.changes(Direction::Down, block);
        maker.reserve(old.lists.edge_count() + changes, true);
        for (node, place) in nodes(block, BLOCK_NODES) {
            if self.delta.list(Direction::Down, node).is_empty() {
                maker.copy(place, old);
                continue;
            }
            for (key, found) in Merge::new(self, Direction::Down, node, None) {
                let times = match found {
                    Found::Base { index, .. } => Some(old.times_of(place, index)),
                    Found::Delta(times) => times,
                };
                if let Some(times) = times {
                    maker.push(place, key, &times);
                }
            }
        }
    }

    /// Adds the edges of a block, which is `old` in the base, the other way round.
    fn add_up(self, block: usize, old: &Lists, maker: &mut Maker) {
        let changes = self.changes(Direction::Up, block);
        maker.reserve(old.edge_count() + changes, false);
        for (node, place) in nodes(block, BLOCK_NODES) {
            if self.delta.list(Direction::Up, node).is_empty() {
                maker.copy_upstream(place, old.of(place));
                continue;
            }
            for (key, found) in Merge::new(self, Direction::Up, node, None) {
                let has_end = match found {
                    Found::Base { has_end, .. } => has_end,
                    Found::Delta(Some(times)) => times.has_end(),
                    Found::Delta(None) => continue,
                };
                maker.push_upstream(place, Packed::new(key, has_end));
            }
        }
    }
}

/// The base that `base` becomes with what `delta` says. Blocks that it says nothing of
/// are those of `base`.
pub(super) fn merged(base: &Base, delta: &Delta) -> Base {
    let mut blocks = base.blocks().to_vec();
    let touched = |direction| delta.blocks(direction).last();
    let last = touched(Direction::Down).max(touched(Direction::Up));
    let count = last.map_or(0, |last| last + 1);
    if blocks.len() < count {
        blocks.resize(count, Block::default());
    }
    let layers = Layers {
        base,
        frozen: None,
        delta,
    };
    let mut maker = Maker::default();
    for index in delta.blocks(Direction::Down) {
        if let Some(block) = blocks.get_mut(index) {
            layers.add_down(index, &block.down, &mut maker);
            block.down = Arc::new(maker.downstream());
        }
    }
    for index in delta.blocks(Direction::Up) {
        if let Some(block) = blocks.get_mut(index) {
            layers.add_up(index, &block.up, &mut maker);
            block.up = Arc::new(maker.upstream());
        }
    }
    Base::new(blocks)
}

/// What the uppermost layer that knows an edge says of it.
enum Found {
    Base {
        has_end: bool,
        /// Its place in the node's list.
        index: usize,
    },
    Delta(Option<Times>),
}

/// Goes through the lists of one node together.
struct Merge<'a> {
    base: &'a [Packed],
    /// Where `base` begins in the node's list.
    index: usize,
    frozen: &'a [Entry],
    delta: &'a [Entry],
}

impl<'a> Merge<'a> {
    fn new(layers: Layers<'a>, direction: Direction, near: Node, after: Option<Key>) -> Self {
        let frozen = layers.frozen.map_or(&[][..], |d| d.list(direction, near));
        let base = layers.base.list(direction, near);
        let begin = after.map_or(0, |after| {
            base.partition_point(|packed| packed.key() <= after)
        });
        Self {
            base: base.get(begin..).unwrap_or_default(),
            index: begin,
            frozen: behind(frozen, after),
            delta: behind(layers.delta.list(direction, near), after),
        }
    }
}

impl Iterator for Merge<'_> {
    type Item = (Key, Found);

    fn next(&mut self) -> Option<(Key, Found)> {
        let base = self.base.first().map(|packed| packed.key());
        let frozen = self.frozen.first().map(|entry| entry.key);
        let delta = self.delta.first().map(|entry| entry.key);
        let key = [base, frozen, delta].into_iter().flatten().min()?;
        let mut found = Found::Delta(None);
        if let Some((packed, rest)) = self.base.split_first().filter(|_| base == Some(key)) {
            self.base = rest;
            found = Found::Base {
                has_end: packed.has_end(),
                index: self.index,
            };
            self.index += 1;
        }
        if let Some((entry, rest)) = self.frozen.split_first().filter(|_| frozen == Some(key)) {
            self.frozen = rest;
            found = Found::Delta(entry.times);
        }
        if let Some((entry, rest)) = self.delta.split_first().filter(|_| delta == Some(key)) {
            self.delta = rest;
            found = Found::Delta(entry.times);
        }
        Some((key, found))
    }
}

fn behind(list: &[Entry], after: Option<Key>) -> &[Entry] {
    let begin = after.map_or(0, |after| list.partition_point(|entry| entry.key <= after));
    list.get(begin..).unwrap_or_default()
}
