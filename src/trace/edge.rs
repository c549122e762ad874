//! Nodes, edges, their times, and changes of them.

/// An identifier's number in the graph, given out from 0 upward and never again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub u32);

/// The number of what edges have in common: kind, state, owner, visibility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TermsId(pub u32);

impl TermsId {
    /// The largest number that the graph holds; with a larger one it gives up
    /// (see [`Graph::ready`](crate::trace::Graph::ready)).
    pub const MAX: Self = Self((1 << 23) - 1);
}

/// Which way to go along edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From an output to its inputs: what it was made of.
    Up,
    /// From an input to its outputs: what it went into.
    Down,
}

/// When an edge is valid and when it was on record, in seconds since 2000-01-01
/// UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Times {
    /// Valid from then on; 0 is always.
    pub from: u32,
    /// Recorded then.
    pub since: u32,
    /// Valid until before then; 0 is for ever.
    pub until: u32,
    /// Withdrawn then; 0 is never.
    pub ended: u32,
}

/// One link: `output` was made of `input`, or came from it.
///
/// Input, output and terms are its identity. Several edges between one pair
/// under different terms are normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// The upstream end.
    pub input: Node,
    /// The downstream end.
    pub output: Node,
    /// What it has in common with others.
    pub terms: TermsId,
    /// When it counts.
    pub times: Times,
}

/// A change of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A node has a name. The first name of a number stays.
    Node {
        /// Its number.
        node: Node,
        /// The identifier before the first "/".
        prefix: Box<str>,
        /// The identifier behind it.
        suffix: Box<str>,
    },
    /// An edge is there, or has other times.
    Put(Edge),
    /// An edge is there no more, as if it had never been. One that was withdrawn
    /// is put with the time of its end.
    Remove {
        /// The upstream end.
        input: Node,
        /// The downstream end.
        output: Node,
        /// Its terms.
        terms: TermsId,
    },
}

/// Which edges count by their times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct When {
    /// Those whose validity overlaps it; all if there is none.
    pub window: Option<Window>,
    /// Those that stood on record then: recorded by then, and not yet withdrawn.
    /// If there is none, those that are not withdrawn.
    pub as_of: Option<u32>,
}

/// A span of time: `from` is in it, `until` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Its first second.
    pub from: u32,
    /// The second behind its last.
    pub until: u32,
}

impl When {
    /// Whether an edge with these times counts.
    pub fn counts(&self, times: &Times) -> bool {
        let Times {
            from,
            since,
            until,
            ended,
        } = *times;
        let overlaps = self
            .window
            .is_none_or(|window| from < window.until && (until == 0 || until > window.from));
        let stands = match self.as_of {
            Some(as_of) => since <= as_of && (ended == 0 || ended > as_of),
            None => ended == 0,
        };
        overlaps && stands
    }

    /// Whether edges count that have neither an `until` nor an `ended`, whatever
    /// their other times.
    pub(super) const fn is_open(&self) -> bool {
        self.window.is_none() && self.as_of.is_none()
    }
}

impl Times {
    /// Whether it has an end of either kind, which few edges do.
    pub(super) const fn has_end(&self) -> bool {
        self.until != 0 || self.ended != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn times(from: u32, since: u32, until: u32, ended: u32) -> Times {
        Times {
            from,
            since,
            until,
            ended,
        }
    }

    #[test]
    fn counts_what_is_not_withdrawn_unless_asked_for_a_time() {
        let check = |as_of, times: Times, expected| {
            let when = When {
                window: None,
                as_of,
            };
            assert_eq!(when.counts(&times), expected, "{when:?} {times:?}");
        };
        check(None, times(0, 0, 0, 0), true);
        check(None, times(0, 5, 9, 0), true);
        check(None, times(0, 5, 0, 9), false);
        check(Some(4), times(0, 5, 0, 9), false);
        check(Some(5), times(0, 5, 0, 9), true);
        check(Some(8), times(0, 5, 0, 9), true);
        check(Some(9), times(0, 5, 0, 9), false);
        check(Some(u32::MAX), times(0, 5, 0, 0), true);
    }

    #[test]
    fn counts_what_overlaps_the_window() {
        let check = |from, until, times: Times, expected| {
            let window = Some(Window { from, until });
            let when = When {
                window,
                as_of: None,
            };
            assert_eq!(when.counts(&times), expected, "{when:?} {times:?}");
        };
        check(10, 20, times(0, 0, 0, 0), true);
        check(10, 20, times(20, 0, 0, 0), false);
        check(10, 20, times(19, 0, 0, 0), true);
        check(10, 20, times(0, 0, 10, 0), false);
        check(10, 20, times(0, 0, 11, 0), true);
        check(10, 20, times(0, 0, 11, 12), false);
    }
}
