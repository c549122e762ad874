//! Changes since the base was made. They override it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::trace::block::{BLOCK_NODES, Key};
use crate::trace::edge::{Direction, Edge, Node, TermsId, Times};

/// An edge of a node's list, or that there is none any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) key: Key,
    /// `None` where it was removed.
    pub(super) times: Option<Times>,
}

/// Entries by node, in both directions.
#[derive(Debug, Default)]
pub(super) struct Delta {
    down: Side,
    up: Side,
}

/// A node's entries, ascending by key, for each node that has any.
#[derive(Debug, Default)]
struct Side {
    lists: HashMap<u32, Vec<Entry>, BuildHasherDefault<Spread>>,
    /// A bit for each node that has a list: most have none, and are told so
    /// without a look into the table.
    touched: Vec<u64>,
    entries: usize,
    /// What the lists have room for.
    capacity: usize,
}

/// Spreads node numbers over a table: they are given out by the node itself, so
/// nobody can choose those that collide.
#[derive(Debug, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // The multiplier of Fibonacci hashing; the best bits are the high ones.
        let mixed = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed.rotate_left(32);
    }
}

impl Delta {
    /// The edge is there with these times.
    pub(super) fn put(&mut self, edge: &Edge) {
        self.set(edge.input, edge.output, edge.terms, Some(edge.times));
    }

    /// The edge is there no more.
    pub(super) fn remove(&mut self, input: Node, output: Node, terms: TermsId) {
        self.set(input, output, terms, None);
    }

    fn set(&mut self, input: Node, output: Node, terms: TermsId, times: Option<Times>) {
        self.down.set(input, (output, terms), times);
        self.up.set(output, (input, terms), times);
    }

    /// Edges that it says something of.
    pub(super) const fn entry_count(&self) -> usize {
        self.down.entries
    }

    /// A node's entries, ascending by key.
    pub(super) fn list(&self, direction: Direction, node: Node) -> &[Entry] {
        match direction {
            Direction::Down => self.down.of(node),
            Direction::Up => self.up.of(node),
        }
    }

    /// The blocks of nodes that have entries, ascending.
    pub(super) fn blocks(&self, direction: Direction) -> impl Iterator<Item = usize> {
        let side = match direction {
            Direction::Down => &self.down,
            Direction::Up => &self.up,
        };
        let blocks = side.touched.chunks(BLOCK_NODES / 64).enumerate();
        let touched = blocks.filter(|(_, words)| words.iter().any(|word| *word != 0));
        touched.map(|(block, _)| block)
    }

    /// Bytes that it takes, as allocated.
    pub(super) fn bytes(&self) -> usize {
        self.down.bytes() + self.up.bytes()
    }
}

impl Side {
    fn of(&self, node: Node) -> &[Entry] {
        let word = self.touched.get(node.0 as usize / 64);
        if word.is_none_or(|word| word >> (node.0 % 64) & 1 == 0) {
            return &[];
        }
        self.lists.get(&node.0).map_or(&[], Vec::as_slice)
    }

    fn set(&mut self, near: Node, key: Key, times: Option<Times>) {
        let index = near.0 as usize / 64;
        if index >= self.touched.len() {
            self.touched.resize(index + 1, 0);
        }
        if let Some(word) = self.touched.get_mut(index) {
            *word |= 1 << (near.0 % 64);
        }
        let list = self.lists.entry(near.0).or_default();
        let before = list.capacity();
        // New nodes have larger numbers, so most entries belong at the end.
        let is_last = list.last().is_none_or(|last| last.key < key);
        let found = if is_last {
            Err(list.len())
        } else {
            list.binary_search_by_key(&key, |entry| entry.key)
        };
        match found {
            Ok(index) => {
                if let Some(entry) = list.get_mut(index) {
                    entry.times = times;
                }
            }
            Err(index) => {
                list.insert(index, Entry { key, times });
                self.entries += 1;
            }
        }
        self.capacity += list.capacity() - before;
    }

    fn bytes(&self) -> usize {
        // The table keeps an eighth free, and a byte of control for each place.
        let places = self.lists.capacity() * 8 / 7;
        let table = places * (size_of::<(u32, Vec<Entry>)>() + 1);
        let touched = self.touched.capacity() * size_of::<u64>();
        table + touched + self.capacity * size_of::<Entry>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_word_on_each_edge() {
        let mut delta = Delta::default();
        let edge = |output, since| Edge {
            input: Node(1),
            output: Node(output),
            terms: TermsId(0),
            times: Times {
                since,
                ..Times::default()
            },
        };
        for (output, since) in [(5, 1), (3, 2), (5, 3), (4, 4)] {
            delta.put(&edge(output, since));
        }
        delta.remove(Node(1), Node(3), TermsId(0));
        let list = delta.list(Direction::Down, Node(1)).iter();
        let found: Vec<_> = list
            .map(|entry| (entry.key.0.0, entry.times.map(|times| times.since)))
            .collect();
        assert_eq!(found, [(3, None), (4, Some(4)), (5, Some(3))]);
        assert_eq!(delta.list(Direction::Up, Node(5)).len(), 1);
        assert_eq!(delta.entry_count(), 3);
        assert!(delta.blocks(Direction::Up).eq([0]));
        delta.put(&edge(2 * 4_096, 5));
        assert!(delta.blocks(Direction::Up).eq([0, 2]));
        assert!(delta.blocks(Direction::Down).eq([0]));
        assert!(delta.bytes() >= 6 * size_of::<Entry>());
    }
}
