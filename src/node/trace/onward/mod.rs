//! Traces that go on at other nodes.
//!
//! ```text
//! here ── a row below a prefix of another node ──▶ that node, which may go on itself
//!  ▲                                                │
//!  └── a row below a prefix that is homed here ◀────┘
//! ```
//! A branch ends where its hops are used up, its time is over, or it comes to a node
//! that it came from. A branch that failed is told, not left out.

mod walk;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::model::{Caller, LinkState, Prefix, Refusal};
use crate::node::Node;
use crate::node::trace::onward::walk::Walk;
use crate::node::trace::{TraceEnd, TraceProgress, TraceQuery, TraceRow};
use crate::trace::Limit;

/// Speaks to other nodes; given by `server`.
pub trait OtherNodes: fmt::Debug + Send + Sync {
    /// The name of the node to which the identifiers below `prefix` are routed.
    fn of(&self, prefix: &Prefix) -> Option<Arc<str>>;

    /// Traces at a node and gives its rows as they come, the start first. Blocks.
    ///
    /// # Errors
    /// Why it could not, or not to the end.
    fn trace(
        &self,
        node: &str,
        ask: &OnwardAsk<'_>,
        give: &mut dyn FnMut(Vec<FarRow>) -> ControlFlow<()>,
    ) -> Result<FarEnd, Refusal>;
}

/// How far a trace may go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Onward {
    /// Nodes that a branch may pass one behind the other.
    pub hops_max: u16,
    /// The nodes that it came through; one that finds itself here ends the branch.
    pub via: Vec<String>,
    /// The caller's keys at other nodes, by their names.
    pub keys: BTreeMap<String, String>,
}

/// What another node is asked.
#[derive(Clone, Debug)]
pub struct OnwardAsk<'a> {
    /// What to trace; [`TraceQuery::until`] is the end of the whole trace.
    pub query: TraceQuery,
    /// The time that is left for it.
    pub time: Duration,
    /// How far that node may go on, and the nodes that the trace came through.
    pub onward: Onward,
    /// The caller's key there.
    pub key: Option<&'a str>,
}

/// What another node tells of links.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FarTerms {
    /// Their kind.
    pub kind: String,
    /// Where they stand; `None` if this node does not know the state.
    pub state: Option<LinkState>,
    /// The firm that states them, as that node names it.
    pub owner: String,
}

/// A row of another node. `parent` counts its rows; `terms` is not set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FarRow {
    /// What every row has.
    pub row: TraceRow,
    /// The terms of the link that it was reached by.
    pub terms: Option<Arc<FarTerms>>,
}

/// How a trace ended at another node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FarEnd {
    /// Why it ended before it had found everything.
    pub truncated: Option<Limit>,
    /// Its rows behind which yet another node has more that the caller may not see.
    pub more_rows: Vec<u32>,
    /// Branches that it could not follow itself; rows count that node's rows.
    pub failures: Vec<Failure>,
}

/// A branch that could not be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The row at which it begins.
    pub row: u32,
    /// Further rows at which it begins.
    pub further_rows: Vec<u32>,
    /// The identifier at the first.
    pub identifier: String,
    /// The node that was to be asked.
    pub node: String,
    /// Why.
    pub refusal: Refusal,
}

/// How a trace ended that went on at other nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnwardEnd {
    /// As of any trace.
    pub end: TraceEnd,
    /// Branches that could not be followed.
    pub failures: Vec<Failure>,
    /// Rows behind which another node has more that the caller may not see.
    pub more_rows: Vec<u32>,
    /// How long to wait before it is told, as
    /// [`TraceProgress::quiet`](crate::node::TraceProgress::quiet).
    pub quiet: Duration,
}

impl OnwardEnd {
    /// Of a trace that stayed on this node.
    pub fn of(progress: TraceProgress) -> Self {
        Self {
            end: progress.end,
            quiet: progress.quiet,
            ..Self::default()
        }
    }
}

/// A row of a trace that goes on at other nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnwardRow {
    /// The row; its `terms` are this node's.
    pub row: TraceRow,
    /// The number of the first row of its identifier: its own, unless it is
    /// [`again`](TraceRow::again).
    pub of: u32,
    /// What another node told of the link.
    pub far: Option<Arc<FarTerms>>,
    /// The node that told it; `None`: this one.
    pub node: Option<Arc<str>>,
}

impl OnwardRow {
    /// A row of this node.
    pub(super) const fn of_here(row: TraceRow) -> Self {
        Self {
            row,
            of: 0,
            far: None,
            node: None,
        }
    }
}

impl Node {
    /// Sets who speaks to other nodes, once.
    pub fn set_other_nodes(&self, nodes: Arc<dyn OtherNodes>) {
        let _set_before = self.inner.other_nodes.set(nodes);
    }

    /// Whether a trace may go on at other nodes, or has come back from one.
    pub fn goes_on(&self, onward: &Onward) -> bool {
        let is_asked = onward.hops_max > 0 || !onward.via.is_empty();
        let others = self.inner.other_nodes.get();
        is_asked && (others.is_some() || onward.via.contains(&self.inner.name))
    }

    /// Traces as [`Node::trace`] does, and goes on at other nodes behind the rows that
    /// lie below their prefixes, with the caller's own keys there or none.
    ///
    /// # Errors
    /// As [`Node::trace`].
    pub fn trace_onward(
        &self,
        caller: &Caller,
        (query, onward): (&TraceQuery, &Onward),
        give: &mut dyn FnMut(Vec<OnwardRow>) -> ControlFlow<()>,
    ) -> Result<OnwardEnd, Refusal> {
        let began = self.elapsed();
        let mut ended = Walk::new((self, caller), (query, onward), give).run()?;
        let is_alone = ended.end.row_count == 1 && ended.end.truncated.is_none();
        if is_alone || !query.further.is_empty() {
            let left = query.until.saturating_sub(self.elapsed());
            ended.quiet = self.quiet_since(began).min(left);
        }
        Ok(ended)
    }
}
