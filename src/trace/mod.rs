//! The supply-chain graph in memory, and the walks over it.
//!
//! A link between two identifiers is one edge from its input, what was upstream,
//! to its output, what was made of it. The graph keeps every edge in both
//! directions as packed lists and gives them out a bounded number at a time. A
//! walk knows a [`Source`] of edges and a [`Judge`] of who may see them, and
//! neither identifiers nor callers.
//!
//! Keeps nothing on disk: the graph is loaded at start, and told of each change
//! once it is durable.

mod base;
mod block;
mod cycle;
mod delta;
mod edge;
mod graph;
mod layers;
mod loader;
mod names;
mod path;
mod recent;
mod seen;
mod source;
mod walk;

pub use crate::trace::cycle::{Cycles, cycles};
pub use crate::trace::edge::{Change, Direction, Edge, Node, TermsId, Times, When, Window};
pub use crate::trace::graph::{Gone, Graph, Reader};
pub use crate::trace::loader::Loader;
pub use crate::trace::names::Called;
pub use crate::trace::path::{Path, Paths, Search, Step, paths};
pub use crate::trace::source::{Hop, Judge, Lens, Source, Verdict};
pub use crate::trace::walk::{Ask, Limit, Row, Summary, Walk, Walks};

#[cfg(test)]
mod tests;
