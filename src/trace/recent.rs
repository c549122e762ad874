//! The changes of late: whether anything that a walk looked at has changed since.
//!
//! ```text
//! heads, by a hash of the node       changes, a ring
//!   ┌───┐                            ┌──────┬──────┬──────┐
//!   │ 7 │ ─────────────────────────▶ │  5   │  6   │  7   │
//!   └───┘                            └──────┴──────┴──────┘
//!                                        ▲─────────────┘ the one before with that head
//! ```
//!
//! A node that nothing of late has touched costs one look into a small table.

use std::collections::VecDeque;

use crate::trace::edge::{Direction, Node, TermsId};
use crate::trace::source::Hop;

/// Changes that are remembered: whoever asks for what was before the first of them is
/// told that it has changed.
const CHANGES: usize = 1 << 17;
/// Heads of each direction.
const HEADS: usize = 1 << 15;

/// A change of an edge.
#[derive(Clone, Copy, Debug)]
struct Entry {
    input: Node,
    output: Node,
    terms: TermsId,
    /// How many changes before it the one before lies that has its head, downstream and
    /// upstream; 0: none that is remembered.
    back: [u32; 2],
}

/// The changes of late.
#[derive(Debug)]
pub(super) struct Recent {
    /// The number of the last change, counted from 1.
    count: u64,
    changes: VecDeque<Entry>,
    /// Numbers of the last changes by their nodes, downstream and upstream; 0: none.
    /// Made with the first change.
    heads: [Box<[u64]>; 2],
    changes_max: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self::new(CHANGES)
    }
}

impl Recent {
    fn new(changes_max: usize) -> Self {
        Self {
            count: 0,
            changes: VecDeque::new(),
            heads: Default::default(),
            changes_max,
        }
    }

    /// How many changes there were.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Remembers a change of an edge, be it put or removed.
    pub(super) fn note(&mut self, input: Node, output: Node, terms: TermsId) {
        if self.count == 0 {
            self.heads = [vec![0; HEADS].into(), vec![0; HEADS].into()];
        }
        self.count += 1;
        let [down, up] = &mut self.heads;
        let back = [(down, input), (up, output)].map(|(heads, near)| {
            let head = heads.get_mut(place(near));
            let before = head.map(|head| std::mem::replace(head, self.count));
            match before {
                None | Some(0) => 0,
                Some(before) => u32::try_from(self.count - before).unwrap_or(0),
            }
        });
        if self.changes.len() == self.changes_max {
            self.changes.pop_front();
        }
        self.changes.push_back(Entry {
            input,
            output,
            terms,
            back,
        });
    }

    /// Whether an edge of one of `nodes`, in their lists of that direction, has changed
    /// after the first `count` changes, and `matters` says that it does; `true` if that
    /// is forgotten.
    pub(super) fn has_changed(
        &self,
        (count, direction): (u64, Direction),
        nodes: &[u32],
        matters: &mut dyn FnMut(&Hop) -> bool,
    ) -> bool {
        let first = self.count - self.changes.len() as u64;
        if count < first {
            return true;
        }
        if count >= self.count {
            return false;
        }
        let [down, up] = &self.heads;
        let (heads, side) = match direction {
            Direction::Down => (down, 0),
            Direction::Up => (up, 1),
        };
        nodes.iter().any(|node| {
            let near = Node(*node);
            let mut number = heads.get(place(near)).copied().unwrap_or_default();
            while number > count {
                let index = usize::try_from(number - first - 1).unwrap_or(usize::MAX);
                let Some(change) = self.changes.get(index) else {
                    return true;
                };
                let (own, far) = match direction {
                    Direction::Down => (change.input, change.output),
                    Direction::Up => (change.output, change.input),
                };
                let terms = change.terms;
                if own == near && matters(&Hop { near, far, terms }) {
                    return true;
                }
                let [down, up] = change.back;
                match if side == 0 { down } else { up } {
                    0 => return false,
                    back => number -= u64::from(back),
                }
            }
            false
        })
    }

    /// Bytes that it takes, as allocated.
    pub(super) fn bytes(&self) -> usize {
        let heads = self.heads.iter().map(|heads| heads.len());
        self.changes.capacity() * size_of::<Entry>() + heads.sum::<usize>() * size_of::<u64>()
    }
}

/// The head of a node. Numbers are given out by the node itself, so nobody can choose
/// those that collide.
const fn place(node: Node) -> usize {
    // The multiplier of Fibonacci hashing.
    (node.0.wrapping_mul(0x9e37_79b9) >> 17) as usize % HEADS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tells_what_a_list_of_all_changes_tells(
            changes in prop::collection::vec((0_u32..12, 0_u32..12, 0_u32..4), 0..80),
            nodes in prop::collection::vec(0_u32..12, 0..4),
            hidden in 0_u32..4,
            changes_max in 1_usize..100,
        ) {
            // Some share a head.
            let node = |number: u32| Node(number % 6 + number / 6 * (1 << 20));
            let nodes: Vec<u32> = nodes.into_iter().map(|number| node(number).0).collect();
            let mut recent = Recent::new(changes_max);
            for (input, output, terms) in &changes {
                recent.note(node(*input), node(*output), TermsId(*terms));
            }
            prop_assert_eq!(recent.count(), changes.len() as u64);
            for count in 0..=changes.len() {
                for direction in [Direction::Down, Direction::Up] {
                    let is_forgotten = changes.len() - count > changes_max;
                    let later = changes.iter().skip(count);
                    let mut later = later.filter(|(_, _, terms)| *terms != hidden);
                    let expected = is_forgotten || later.any(|(input, output, _)| {
                        let near = match direction {
                            Direction::Down => input,
                            Direction::Up => output,
                        };
                        nodes.contains(&node(*near).0)
                    });
                    let at = (count as u64, direction);
                    let mut matters = |hop: &Hop| hop.terms.0 != hidden;
                    prop_assert_eq!(recent.has_changed(at, &nodes, &mut matters), expected);
                }
            }
        }
    }

    #[test]
    fn tells_of_the_edge_as_it_is_seen_from_the_node() {
        let mut recent = Recent::default();
        recent.note(Node(3), Node(4), TermsId(5));
        let mut met = Vec::new();
        for (direction, node) in [(Direction::Down, 3), (Direction::Up, 4)] {
            let mut matters = |hop: &Hop| {
                met.push((hop.near.0, hop.far.0, hop.terms.0));
                false
            };
            assert!(!recent.has_changed((0, direction), &[node], &mut matters));
        }
        assert_eq!(met, [(3, 4, 5), (4, 3, 5)]);
        assert!(recent.bytes() < 1 << 20);
    }
}
