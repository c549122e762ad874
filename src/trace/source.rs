//! What a walk needs: where edges come from, and who may see them.

use std::ops::ControlFlow;

use crate::trace::edge::{Direction, Node, TermsId, When};

/// An edge as a walk meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The node that is expanded.
    pub near: Node,
    /// The node at the other end.
    pub far: Node,
    /// The edge's terms.
    pub terms: TermsId,
}

/// Which edges a walk looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lens {
    /// Which way.
    pub direction: Direction,
    /// Which by their times.
    pub when: When,
}

/// Where edges come from: the graph in memory, or the stored lists.
pub trait Source {
    /// Why it could not tell.
    type Error;

    /// Gives each edge of each node of `frontier` that `lens` lets through, with
    /// the node's place in `frontier`, until `each` breaks.
    ///
    /// Node by node in the order of `frontier`; for each ascending by the node at
    /// the other end, then by terms: the order of a walk's rows rests on it.
    /// A frontier has at most [`FRONTIER_MAX`](Self::FRONTIER_MAX) nodes, each of
    /// them once.
    ///
    /// # Errors
    /// The source's own; what was given before counts for nothing.
    fn expand<F>(&mut self, frontier: &[Node], lens: &Lens, each: F) -> Result<(), Self::Error>
    where
        F: FnMut(usize, Hop) -> ControlFlow<()>;

    /// Nodes that are expanded in one call at most, and rows given at once.
    const FRONTIER_MAX: usize = 1_024;
}

/// What comes of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is seen, and so is the node behind it.
    Follow,
    /// It is not asked for, or nobody may know of it: as if it were not there.
    Skip,
    /// It is hidden: only that there is more is told.
    More,
    /// It is hidden, but the walk goes on behind a placeholder without a name.
    Through,
}

/// Decides for each edge what the caller sees of it.
pub trait Judge {
    /// What comes of `hop`. Asked for each edge, so a look into a table.
    fn judge(&mut self, hop: &Hop) -> Verdict;
}

impl<F: FnMut(&Hop) -> Verdict> Judge for F {
    fn judge(&mut self, hop: &Hop) -> Verdict {
        self(hop)
    }
}
