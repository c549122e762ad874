//! Fills the graph from what is stored.

use crate::trace::base::Builder;
use crate::trace::edge::{Edge, Node, TermsId};
use crate::trace::graph::Graph;

/// Names that are given to the graph at once.
const NAMES_HELD: usize = 1_024;
/// Edges between two looks at how much there is.
const EDGES_BETWEEN_LOOKS: usize = 1 << 16;

/// Takes nodes and edges in any order. A graph that is not finished is never
/// ready.
///
/// Keeps 28 bytes for an edge until it is finished.
#[derive(Debug)]
pub struct Loader<'a> {
    graph: &'a Graph,
    edges: Vec<Edge>,
    names: Vec<(Node, Box<str>, Box<str>)>,
    /// One more than the largest node so far.
    nodes: usize,
    fits: bool,
}

impl<'a> Loader<'a> {
    pub(super) const fn new(graph: &'a Graph) -> Self {
        Self {
            graph,
            edges: Vec::new(),
            names: Vec::new(),
            nodes: 0,
            fits: true,
        }
    }

    /// A node and its name.
    pub fn node(&mut self, node: Node, prefix: &str, suffix: &str) {
        if self.fits {
            self.names.push((node, prefix.into(), suffix.into()));
            if self.names.len() >= NAMES_HELD {
                self.flush();
            }
        }
    }

    /// An edge. Of one that comes twice the later one counts.
    pub fn edge(&mut self, edge: Edge) {
        if !self.fits {
            return;
        }
        self.nodes = self.nodes.max(edge.input.max(edge.output).0 as usize + 1);
        self.edges.push(edge);
        if edge.terms > TermsId::MAX {
            self.give_up();
        } else if self.edges.len().is_multiple_of(EDGES_BETWEEN_LOOKS) {
            self.look();
        }
    }

    /// Whether there is still room: otherwise the rest need not be read.
    pub const fn fits(&self) -> bool {
        self.fits
    }

    /// Makes the graph ready, unless it does not fit.
    pub fn finish(mut self) {
        self.flush();
        self.look();
        if !self.fits {
            return;
        }
        let mut edges = std::mem::take(&mut self.edges);
        // Stable: of those that are equal the later one counts.
        edges.sort_by_key(|edge| (edge.input, edge.output, edge.terms));
        let builder = Builder::new(&edges);
        drop(edges);
        self.graph.finish_loading(builder.finish());
    }

    fn flush(&mut self) {
        if self.fits && !self.graph.name(&mut self.names) {
            self.give_up();
        }
    }

    fn look(&mut self) {
        if self.fits && !self.graph.would_fit(self.nodes, self.edges.len()) {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.fits = false;
        self.edges = Vec::new();
        self.names = Vec::new();
        self.graph.give_up();
    }
}
