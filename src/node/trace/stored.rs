//! Edges from the stored lists: where the graph is not in memory.

use std::ops::ControlFlow;

use crate::node::trace::keeper::edge;
use crate::store::{Error, Store};
use crate::trace::{Direction, Hop, Lens, Node, Source};

/// The stored lists as a source of edges.
pub(super) struct Stored<'a>(pub(super) &'a Store);

impl Source for Stored<'_> {
    type Error = Error;

    const FRONTIER_MAX: usize = 256;

    fn expand<F>(&mut self, frontier: &[Node], lens: &Lens, mut each: F) -> Result<(), Error>
    where
        F: FnMut(usize, Hop) -> ControlFlow<()>,
    {
        let nodes: Vec<u32> = frontier.iter().map(|node| node.0).collect();
        let is_down = lens.direction == Direction::Down;
        self.0.edges_of(&nodes, is_down, &mut |place, row| {
            let edge = edge(row);
            if !lens.when.counts(&edge.times) {
                return ControlFlow::Continue(());
            }
            let (near, far) = match lens.direction {
                Direction::Down => (edge.input, edge.output),
                Direction::Up => (edge.output, edge.input),
            };
            let terms = edge.terms;
            each(place, Hop { near, far, terms })
        })
    }
}
