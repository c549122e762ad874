//! The graph that the writer keeps up to date while walks go over it.
//!
//! ```text
//!            finish                  too large
//!  Loading ──────────▶ Ready ─────────────────────▶ Gone
//!     └──────────────────────────────────────────────▲
//! ```
//!
//! A change goes to the delta, whatever the phase. Once the delta has grown to a
//! share of the base it is frozen, and another thread makes those blocks of the base
//! anew that it changes, while the next delta takes what comes. No lock is held for longer than
//! [`HOPS_HELD_MAX`] edges or [`CHANGES_HELD_MAX`] changes take.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex, RwLock, RwLockReadGuard};

use crate::trace::base::{Base, TOUCHED_MAX};
use crate::trace::delta::Delta;
use crate::trace::edge::{Change, Direction, Edge, Node, TermsId};
use crate::trace::layers::{Layers, Pace, Progress, merged};
use crate::trace::loader::Loader;
use crate::trace::names::{Called, Names};
use crate::trace::recent::Recent;
use crate::trace::source::{Hop, Judge, Lens, Source, Verdict};
use crate::trace::walk::Row;

/// Edges that are looked at under one hold of the lock.
pub(super) const HOPS_HELD_MAX: usize = 4_096;
/// Changes that are made under one hold of the lock.
const CHANGES_HELD_MAX: usize = 256;
/// Changes that a delta has at least before it is merged.
const MERGE_MIN: usize = 1 << 14;
/// The share of the base's edges that a delta grows to: small enough that most
/// nodes have nothing in it, large enough that a merge costs each change a few
/// microseconds at most, and that few traces run beside one.
const MERGE_SHARE: usize = 64;
/// Edges at most; with more the graph gives up. Places are 32 bits.
pub(super) const EDGES_MAX: usize = u32::MAX as usize;
/// Bytes of an edge without an end in the base, and of a node's lists.
const EDGE_BYTES: usize = 22;
const NODE_BYTES: usize = 8;

/// The graph in memory.
///
/// It takes at most 22 bytes for an edge and, with a name of nine characters, 27
/// for a node, beside the delta; while a merge runs, what it makes anew of the base is
/// there twice.
#[derive(Debug)]
pub struct Graph {
    state: RwLock<State>,
    bytes_max: usize,
    /// Held by whoever merges.
    merging: Mutex<()>,
    /// Whether [`Graph::close`] was called.
    closed: Mutex<bool>,
    work: Condvar,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    names: Names,
    base: Arc<Base>,
    frozen: Option<Arc<Delta>>,
    delta: Delta,
    /// One more than the largest node of an edge.
    nodes: usize,
    recent: Recent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Loading,
    Ready,
    Gone,
}

/// The graph in memory is not there: it is not loaded yet, or does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the graph is not in memory")]
pub struct Gone;

/// The graph as a source of edges. Holds no lock between two calls.
#[derive(Debug)]
pub struct Reader<'a> {
    graph: &'a Graph,
}

impl Graph {
    /// A graph without edges that may take `bytes_max` bytes, to be loaded.
    ///
    /// When it would take more, once loaded or by growing, it lets go of what it
    /// has and is no longer ready.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            state: RwLock::new(State::new(Phase::Loading)),
            bytes_max,
            merging: Mutex::new(()),
            closed: Mutex::new(false),
            work: Condvar::new(),
        }
    }

    /// Begins to load. What is published meanwhile wins over what is loaded.
    pub const fn load(&self) -> Loader<'_> {
        Loader::new(self)
    }

    /// Makes changes in their order. Whoever walks from then on meets them.
    ///
    /// For the writer, which calls it after a group is durable and before it is
    /// acknowledged. Another reader may see the first changes before the last.
    pub fn publish(&self, changes: &[Change]) {
        let mut is_due = false;
        for piece in changes.chunks(CHANGES_HELD_MAX) {
            let mut state = self.state.write();
            if state.phase == Phase::Gone {
                return;
            }
            let fits = piece.iter().all(|change| state.make(change));
            if !fits || state.bytes() > self.bytes_max {
                let old = state.give_up();
                drop(state);
                drop(old);
                return;
            }
            is_due |= state.is_merge_due();
        }
        if is_due {
            self.wake();
        }
    }

    /// Whether walks can go over it.
    pub fn ready(&self) -> bool {
        self.state.read().phase == Phase::Ready
    }

    /// The graph as a source for walks.
    pub const fn reader(&self) -> Reader<'_> {
        Reader { graph: self }
    }

    /// Calls `each` with every row, and what its node is called: `None` where it has no
    /// node, or that has no name. The graph is locked meanwhile.
    ///
    /// # Errors
    /// [`Gone`]: it is not in memory.
    pub fn names<F>(&self, rows: &[Row], each: F) -> Result<(), Gone>
    where
        F: FnMut(&Row, Option<Called<'_>>),
    {
        let state = self.read()?;
        state.names.each(rows, |row| row.node, each);
        Ok(())
    }

    /// A number for the prefix of a node, the same for all that have it. For
    /// judges: may be asked within a walk.
    pub fn prefix_number(&self, node: Node) -> Option<u32> {
        // A walk holds the lock already: to queue behind a writer would never end.
        self.state.read_recursive().names.prefix_number(node)
    }

    /// The prefix with a number that [`Graph::prefix_number`] gave.
    pub fn prefix(&self, number: u32) -> Option<Arc<str>> {
        self.state.read_recursive().names.numbered(number)
    }

    /// A node's edges one way, ascending by the other end and terms, withdrawn
    /// ones too.
    ///
    /// # Errors
    /// [`Gone`]: it is not in memory.
    pub fn edges(&self, node: Node, direction: Direction) -> Result<Vec<Edge>, Gone> {
        let state = self.read()?;
        Ok(state.layers().edges(direction, node).collect())
    }

    /// How many changes were published so far: for [`Graph::unchanged_since`].
    ///
    /// # Errors
    /// [`Gone`]: it is not in memory.
    pub fn change_count(&self) -> Result<u64, Gone> {
        Ok(self.read()?.recent.count())
    }

    /// How many changes there are now, if a walk that expanded `nodes`, and began after
    /// the first `count` of them, finds the same still. A change of an edge that `judge`
    /// skips is none; the times of edges are not looked at.
    ///
    /// # Errors
    /// [`Gone`]: it is not in memory.
    pub fn unchanged_since(
        &self,
        (count, direction): (u64, Direction),
        nodes: &[u32],
        judge: &mut impl Judge,
    ) -> Result<Option<u64>, Gone> {
        let state = self.read()?;
        let recent = &state.recent;
        let mut matters = |hop: &Hop| judge.judge(hop) != Verdict::Skip;
        let has_changed = recent.has_changed((count, direction), nodes, &mut matters);
        Ok((!has_changed).then(|| recent.count()))
    }

    /// Bytes that it takes, without what the allocator rounds up.
    pub fn memory_bytes(&self) -> usize {
        self.state.read().bytes()
    }

    /// Edges there are; those that changed since the last merge may count twice.
    pub fn edge_count(&self) -> usize {
        let state = self.state.read();
        state.base.edge_count() + state.changes()
    }

    /// One more than the largest node that an edge ever had.
    pub fn node_count(&self) -> usize {
        self.state.read().nodes
    }

    /// Merges what has changed into the base, while walks and changes go on.
    /// Does nothing before the graph is loaded.
    pub fn merge(&self) {
        let _only_one = self.merging.lock();
        let (base, frozen) = {
            let mut state = self.state.write();
            if state.phase != Phase::Ready || state.delta.entry_count() == 0 {
                return;
            }
            let edges = state.base.edge_count() + state.delta.entry_count();
            if edges > EDGES_MAX || list_bytes(state.nodes, edges) > self.bytes_max {
                let old = state.give_up();
                drop(state);
                drop(old);
                return;
            }
            let frozen = Arc::new(std::mem::take(&mut state.delta));
            state.frozen = Some(Arc::clone(&frozen));
            (Arc::clone(&state.base), frozen)
        };
        let new = Arc::new(merged(&base, &frozen));
        let mut state = self.state.write();
        if state.phase == Phase::Ready {
            state.base = new;
            state.frozen = None;
        }
        // The old base and the delta are freed behind the lock.
        drop(state);
    }

    /// Merges whenever it is due, until [`Graph::close`]: for a thread of its own.
    pub fn keep_merged(&self) {
        loop {
            let mut closed = self.closed.lock();
            while !*closed && !self.state.read().is_merge_due() {
                self.work.wait(&mut closed);
            }
            if *closed {
                return;
            }
            drop(closed);
            self.merge();
        }
    }

    /// Ends [`Graph::keep_merged`].
    pub fn close(&self) {
        *self.closed.lock() = true;
        self.work.notify_all();
    }

    /// Takes names of nodes that are loaded. `false` where they do not fit.
    pub(super) fn name(&self, names: &mut Vec<(Node, Box<str>, Box<str>)>) -> bool {
        for piece in names.chunks(CHANGES_HELD_MAX) {
            let mut state = self.state.write();
            let set = |(node, prefix, suffix): &(Node, Box<str>, Box<str>)| {
                state.names.set(*node, prefix, suffix).is_some()
            };
            if !piece.iter().all(set) {
                return false;
            }
        }
        names.clear();
        true
    }

    /// Whether so many nodes and edges fit beside what is there.
    pub(super) fn would_fit(&self, nodes: usize, edges: usize) -> bool {
        let taken = self.state.read().bytes();
        edges <= EDGES_MAX && taken.saturating_add(list_bytes(nodes, edges)) <= self.bytes_max
    }

    /// Has `base` below what was published, from now on.
    pub(super) fn finish_loading(&self, base: Base) {
        let mut state = self.state.write();
        if state.phase != Phase::Loading {
            return;
        }
        state.nodes = state.nodes.max(base.node_count());
        state.base = Arc::new(base);
        state.phase = Phase::Ready;
        let is_due = state.is_merge_due();
        drop(state);
        if is_due {
            self.wake();
        }
    }

    /// Lets go of everything, for good.
    pub(super) fn give_up(&self) {
        let old = self.state.write().give_up();
        drop(old);
    }

    fn read(&self) -> Result<RwLockReadGuard<'_, State>, Gone> {
        let state = self.state.read();
        match state.phase {
            Phase::Ready => Ok(state),
            Phase::Loading | Phase::Gone => Err(Gone),
        }
    }

    /// Under the lock of what the waiting thread looked at, so that it either
    /// sees the work or is waiting.
    fn wake(&self) {
        let _closed = self.closed.lock();
        self.work.notify_one();
    }
}

impl State {
    fn new(phase: Phase) -> Self {
        Self {
            phase,
            names: Names::default(),
            base: Arc::default(),
            frozen: None,
            delta: Delta::default(),
            nodes: 0,
            recent: Recent::default(),
        }
    }

    /// Makes a change. `false` where it does not fit.
    fn make(&mut self, change: &Change) -> bool {
        match change {
            Change::Node {
                node,
                prefix,
                suffix,
            } => self.names.set(*node, prefix, suffix).is_some(),
            Change::Put(edge) => {
                let last = edge.input.max(edge.output);
                self.nodes = self.nodes.max(last.0 as usize + 1);
                self.delta.put(edge);
                self.recent.note(edge.input, edge.output, edge.terms);
                edge.terms <= TermsId::MAX
            }
            Change::Remove {
                input,
                output,
                terms,
            } => {
                self.delta.remove(*input, *output, *terms);
                self.recent.note(*input, *output, *terms);
                true
            }
        }
    }

    fn layers(&self) -> Layers<'_> {
        Layers {
            base: &self.base,
            frozen: self.frozen.as_deref(),
            delta: &self.delta,
        }
    }

    fn changes(&self) -> usize {
        let frozen = self.frozen.as_deref().map_or(0, Delta::entry_count);
        frozen + self.delta.entry_count()
    }

    fn is_merge_due(&self) -> bool {
        let share = self.base.edge_count() / MERGE_SHARE;
        let is_due = self.delta.entry_count() >= share.max(MERGE_MIN);
        is_due && self.phase == Phase::Ready && self.frozen.is_none()
    }

    fn bytes(&self) -> usize {
        let frozen = self.frozen.as_deref().map_or(0, Delta::bytes);
        let recent = self.recent.bytes();
        self.names.bytes() + self.base.bytes() + self.delta.bytes() + frozen + recent
    }

    /// Is gone; returns what was there, to be freed without the lock.
    fn give_up(&mut self) -> Self {
        std::mem::replace(self, Self::new(Phase::Gone))
    }
}

impl Source for Reader<'_> {
    type Error = Gone;

    fn expand<F>(&mut self, frontier: &[Node], lens: &Lens, mut each: F) -> Result<(), Gone>
    where
        F: FnMut(usize, Hop) -> ControlFlow<()>,
    {
        let mut state = self.graph.read()?;
        let mut left = HOPS_HELD_MAX;
        for (index, &near) in frontier.iter().enumerate() {
            if index.is_multiple_of(TOUCHED_MAX) {
                let ahead = frontier.get(index..).unwrap_or_default();
                black_box(state.layers().touch(lens.direction, ahead));
            }
            let mut pace = Pace { after: None, left };
            loop {
                let progress = state
                    .layers()
                    .hops(near, lens, &mut pace, |hop| each(index, hop));
                match progress {
                    Progress::Stopped => return Ok(()),
                    Progress::Done if pace.left > 0 => break,
                    Progress::Done | Progress::Paused => {}
                }
                // Whoever waits to write goes first.
                RwLockReadGuard::bump(&mut state);
                if state.phase != Phase::Ready {
                    return Err(Gone);
                }
                pace.left = HOPS_HELD_MAX;
                if progress == Progress::Done {
                    break;
                }
            }
            // A node without edges is looked at too.
            left = pace.left.saturating_sub(1).max(1);
        }
        Ok(())
    }
}

/// Bytes of a base.
const fn list_bytes(nodes: usize, edges: usize) -> usize {
    nodes
        .saturating_mul(NODE_BYTES)
        .saturating_add(edges.saturating_mul(EDGE_BYTES))
}

#[cfg(test)]
mod tests;
