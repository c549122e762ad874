//! Traces that go on at other nodes.
//!
//! ```text
//! here ── a row below a prefix of another node ──▶ that node, which may go on itself
//!  ▲                                                │
//!  └── a row below a prefix that is homed here ◀────┘
//! ```
//! A branch ends where its hops are used up, its time is over, or it comes to a node
//! that it came from. A branch that failed is told, not left out.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::model::limits::{TRACE_BRANCHES_MAX, TRACE_ROWS_MAX};
use crate::model::{Caller, Identifier, Key, LinkState, Prefix, Reason, Refusal};
use crate::node::Node;
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
    pub terms: Option<FarTerms>,
}

/// How a trace ended at another node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FarEnd {
    /// Whether it ended before it had found everything.
    pub is_truncated: bool,
    /// Whether it has a row at the largest depth that it was asked for.
    pub is_depth_cut: bool,
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
    /// The identifier there.
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
    pub far: Option<FarTerms>,
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
        let mut walk = Walk {
            node: self,
            caller,
            query,
            onward,
            give,
            seen: HashMap::new(),
            row_count: query.skip,
            branches: BTreeMap::new(),
            branch_count: 0,
            ended: OnwardEnd::default(),
            is_over: false,
        };
        if onward.via.contains(&self.inner.name) {
            // The trace came from here: who asked knows what is here.
            let alone = TraceQuery {
                depth_max: 1,
                rows_max: 1,
                ..query.clone()
            };
            walk.here(&alone, None)?;
            walk.branches.clear();
            walk.ended.end.truncated = None;
        } else {
            walk.here(query, None)?;
        }
        walk.branches()?;
        let row_count = walk.row_count.saturating_sub(query.skip);
        let mut ended = walk.ended;
        ended.end.row_count = row_count;
        if row_count == 1 && ended.end.truncated.is_none() {
            ended.quiet = self.quiet_since(began);
        }
        Ok(ended)
    }
}

/// Where the trace goes on.
struct Branch {
    identifier: Identifier,
    row: u32,
    depth: u16,
    /// The node to ask; `None`: this one.
    node: Option<Arc<str>>,
}

struct Walk<'a> {
    node: &'a Node,
    caller: &'a Caller,
    query: &'a TraceQuery,
    onward: &'a Onward,
    give: &'a mut dyn FnMut(Vec<OnwardRow>) -> ControlFlow<()>,
    /// The row of each identifier, and the least depth at which it was met.
    seen: HashMap<Key, (u32, u16)>,
    /// The number of the next row.
    row_count: u32,
    /// Those with the least depth first, and of them the first one.
    branches: BTreeMap<(u16, u32), Branch>,
    branch_count: u32,
    ended: OnwardEnd,
    /// Whether whoever takes the rows wants no more.
    is_over: bool,
}

/// Rows of one source on their way, and the numbers that they got here.
struct Joining<'b> {
    branch: Option<&'b Branch>,
    numbers: Vec<u32>,
}

impl Walk<'_> {
    fn branches(&mut self) -> Result<(), Refusal> {
        let mut followed = 0;
        while let Some((_, branch)) = self.branches.pop_first() {
            if self.is_over {
                return Ok(());
            }
            let left = self.rows_left();
            if left == 0 {
                self.ended.end.truncated = Some(Limit::Rows);
                return Ok(());
            }
            let time = self.query.until.saturating_sub(self.node.elapsed());
            if time.is_zero() {
                self.ended.end.truncated = Some(Limit::Time);
                return Ok(());
            }
            followed += 1;
            if followed > TRACE_BRANCHES_MAX {
                let refusal = Refusal::new(Reason::TraceBranches).limit(TRACE_BRANCHES_MAX);
                self.failed(&branch, refusal);
                continue;
            }
            let depth_max = match self.query.depth_max {
                0 => 0,
                depth if depth > branch.depth => depth - branch.depth,
                _ => continue,
            };
            let query = TraceQuery {
                start: branch.identifier.clone(),
                depth_max,
                skip: 0,
                rows_max: left.saturating_add(1),
                ..self.query.clone()
            };
            match &branch.node {
                None => self.here(&query, Some(&branch))?,
                Some(node) => self.there(&Arc::clone(node), (query, time), &branch),
            }
        }
        Ok(())
    }

    /// Goes on here.
    fn here(&mut self, query: &TraceQuery, branch: Option<&Branch>) -> Result<(), Refusal> {
        let mut joining = Joining {
            branch,
            numbers: Vec::new(),
        };
        let (node, caller) = (self.node, self.caller);
        let mut take =
            |rows: Vec<TraceRow>| self.join(&mut joining, rows.into_iter().map(OnwardRow::of_here));
        let end = node.trace(caller, query, &mut take)?;
        self.ended.end.depth = self.ended.end.depth.max(end.depth);
        self.ended.end.is_depth_cut |= end.is_depth_cut;
        self.ended.end.truncated = self.ended.end.truncated.or(end.truncated);
        if branch.is_none() {
            self.ended.end.next = end.next;
        }
        Ok(())
    }

    /// Goes on at another node.
    fn there(&mut self, node: &Arc<str>, (query, time): (TraceQuery, Duration), branch: &Branch) {
        let Some(others) = self.node.inner.other_nodes.get() else {
            return;
        };
        let Some(hops_max) = self.onward.hops_max.checked_sub(1) else {
            let refusal = Refusal::new(Reason::TraceHops).limit("onward_hops_max");
            self.failed(branch, refusal);
            return;
        };
        let mut via = self.onward.via.clone();
        via.push(self.node.inner.name.clone());
        let ask = OnwardAsk {
            query,
            // What comes behind it wants time too.
            time: time - time / 5,
            onward: Onward {
                hops_max,
                via,
                keys: BTreeMap::new(),
            },
            key: self.onward.keys.get(&**node).map(String::as_str),
        };
        let mut joining = Joining {
            branch: Some(branch),
            numbers: Vec::new(),
        };
        let mut take = |rows: Vec<FarRow>| {
            let rows = rows.into_iter().map(|far| OnwardRow {
                row: far.row,
                of: 0,
                far: far.terms,
                node: Some(Arc::clone(node)),
            });
            self.join(&mut joining, rows)
        };
        match others.trace(node, &ask, &mut take) {
            Ok(end) => {
                let number = |row: u32| {
                    let row = usize::try_from(row).unwrap_or(usize::MAX);
                    joining.numbers.get(row).copied().unwrap_or(branch.row)
                };
                let more_rows = end.more_rows.iter().map(|row| number(*row));
                self.ended.more_rows.extend(more_rows);
                self.ended.end.is_depth_cut |= end.is_depth_cut;
                if end.is_truncated && self.ended.end.truncated.is_none() {
                    self.ended.end.truncated = Some(Limit::Rows);
                }
                for failure in end.failures {
                    let row = number(failure.row);
                    self.ended.failures.push(Failure { row, ..failure });
                }
            }
            Err(refusal) => self.failed(branch, refusal),
        }
    }

    fn failed(&mut self, branch: &Branch, refusal: Refusal) {
        self.ended.failures.push(Failure {
            row: branch.row,
            identifier: branch.identifier.to_string(),
            node: branch.node.as_deref().unwrap_or_default().to_owned(),
            refusal,
        });
    }

    fn rows_left(&self) -> u32 {
        let given = self.row_count.saturating_sub(self.query.skip);
        self.query
            .rows_max
            .min(TRACE_ROWS_MAX)
            .saturating_sub(given)
    }

    /// Gives rows that were not there, with the numbers that they have here.
    fn join(
        &mut self,
        joining: &mut Joining<'_>,
        rows: impl Iterator<Item = OnwardRow>,
    ) -> ControlFlow<()> {
        let mut new = Vec::new();
        for mut row in rows {
            if let Some(branch) = joining.branch {
                if joining.numbers.is_empty() {
                    joining.numbers.push(branch.row);
                    if row.row.more {
                        self.ended.more_rows.push(branch.row);
                    }
                    continue;
                }
                let parent = usize::try_from(row.row.parent).unwrap_or(usize::MAX);
                row.row.parent = joining.numbers.get(parent).copied().unwrap_or(branch.row);
                row.row.depth = row.row.depth.saturating_add(branch.depth);
            }
            let identifier = match &row.row.identifier {
                None => None,
                // What is no identifier here has no place in an answer of this node.
                Some(text) => match Identifier::parse(text) {
                    Ok(identifier) => Some(identifier),
                    Err(_) => {
                        joining.numbers.push(row.row.parent);
                        continue;
                    }
                },
            };
            row.row.again = false;
            let is_wanted = self.rows_left() > 0;
            row.of = self.row_count;
            if let Some(identifier) = identifier {
                self.meet(identifier, &mut row, is_wanted);
            }
            joining.numbers.push(row.of);
            if row.row.again && !self.query.all_links {
                continue;
            }
            if !is_wanted {
                self.ended.end.truncated = Some(Limit::Rows);
                break;
            }
            if !row.row.again {
                self.ended.end.depth = self.ended.end.depth.max(row.row.depth);
            }
            self.row_count = self.row_count.saturating_add(1);
            new.push(row);
        }
        if new.is_empty() {
            return ControlFlow::Continue(());
        }
        let taken = (self.give)(new);
        self.is_over |= taken.is_break();
        taken
    }

    /// Finds out whether the identifier of a row has one already, and goes on behind it
    /// where it was not met before, or nearer to the start than before and so farther
    /// from the largest depth.
    fn meet(&mut self, identifier: Identifier, row: &mut OnwardRow, is_wanted: bool) {
        let depth = row.row.depth;
        let is_cut = self.query.depth_max > 0;
        match self.seen.entry(self.node.link_key(&identifier)) {
            Entry::Occupied(mut known) => {
                let (of, least) = known.get_mut();
                (row.of, row.row.again) = (*of, true);
                if !is_cut || *least <= depth {
                    return;
                }
                *least = depth;
            }
            Entry::Vacant(_) if !is_wanted => return,
            Entry::Vacant(place) => {
                place.insert((row.of, depth));
            }
        }
        self.branch_at(identifier, row);
    }

    /// Goes on behind a row whose identifier is somewhere else than who told of it.
    fn branch_at(&mut self, identifier: Identifier, row: &OnwardRow) {
        let is_homed = self.node.is_homed(identifier.prefix());
        let others = self.node.inner.other_nodes.get();
        let node = match &row.node {
            // Another node told of what is homed here.
            Some(_) if is_homed => None,
            // That node goes on by itself.
            Some(_) => return,
            None if is_homed => return,
            None => match others.and_then(|others| others.of(identifier.prefix())) {
                Some(node) => Some(node),
                None => return,
            },
        };
        let branch = Branch {
            identifier,
            row: row.of,
            depth: row.row.depth,
            node,
        };
        self.branches
            .insert((branch.depth, self.branch_count), branch);
        self.branch_count += 1;
    }
}
