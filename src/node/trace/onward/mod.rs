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

use crate::model::limits::{TRACE_BRANCHES_MAX, TRACE_ROWS_MAX, TRACE_STARTS_MAX};
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
            ended: OnwardEnd::default(),
            is_over: false,
        };
        if onward.via.contains(&self.inner.name) {
            // The trace came from here: who asked knows what is here.
            let alone = TraceQuery {
                depth_max: 1,
                rows_max: query.start_count(),
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
        if row_count == query.start_count() && ended.end.truncated.is_none() {
            ended.quiet = self.quiet_since(began);
        }
        Ok(ended)
    }
}

/// Identifiers behind which a trace goes on, and the numbers of their rows.
type Starts = Vec<(Identifier, u32)>;

/// Rows behind which the trace goes on together: at the same depth, at one node.
struct Branch {
    starts: Starts,
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
    /// What each branch begins at, by depth and node.
    branches: BTreeMap<(u16, Option<Arc<str>>), Starts>,
    ended: OnwardEnd,
    /// Whether whoever takes the rows wants no more.
    is_over: bool,
}

/// Rows of one source on their way, and the numbers that they got here.
struct Joining<'b> {
    branch: Option<&'b Branch>,
    numbers: Vec<u32>,
    /// Whether they did not begin with the rows at which the branch begins.
    is_odd: bool,
}

impl<'b> Joining<'b> {
    const fn new(branch: Option<&'b Branch>) -> Self {
        Self {
            branch,
            numbers: Vec::new(),
            is_odd: false,
        }
    }

    /// The number here of a row there; that of the branch, if there is none.
    fn number(&self, row: u32) -> u32 {
        let number = self.numbers.get(usize::try_from(row).unwrap_or(usize::MAX));
        let first = self.branch.and_then(|branch| branch.starts.first());
        let first = first.map(|(_, row)| *row);
        number.copied().or(first).unwrap_or_default()
    }

    /// The row at which the next row that comes begins, if it is one of those.
    fn next_start(&self) -> Option<u32> {
        let start = self.branch?.starts.get(self.numbers.len());
        start.map(|(_, row)| *row)
    }
}

impl Walk<'_> {
    fn branches(&mut self) -> Result<(), Refusal> {
        let mut followed = 0;
        while let Some(branch) = self.next_branch() {
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
            let mut starts = branch.starts.iter().map(|(start, _)| start.clone());
            let Some(start) = starts.next() else {
                continue;
            };
            let further: Vec<Identifier> = starts.collect();
            let mut query = TraceQuery {
                start,
                further,
                depth_max,
                skip: 0,
                ..self.query.clone()
            };
            query.rows_max = left.saturating_add(query.start_count());
            match &branch.node {
                None => self.here(&query, Some(&branch))?,
                Some(node) => self.there(node, (query, time), &branch),
            }
        }
        Ok(())
    }

    /// The branch with the least depth.
    fn next_branch(&mut self) -> Option<Branch> {
        let mut first = self.branches.first_entry()?;
        let (depth, node) = first.key().clone();
        let waiting = first.get_mut();
        let rest = waiting.split_off(waiting.len().min(TRACE_STARTS_MAX));
        let starts = std::mem::replace(waiting, rest);
        if waiting.is_empty() {
            first.remove();
        }
        Some(Branch {
            starts,
            depth,
            node,
        })
    }

    /// Goes on here.
    fn here(&mut self, query: &TraceQuery, branch: Option<&Branch>) -> Result<(), Refusal> {
        let mut joining = Joining::new(branch);
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
        let mut joining = Joining::new(Some(branch));
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
            Ok(_) if joining.is_odd => {
                let refusal = Refusal::new(Reason::OtherNodeFailed).value(node);
                self.failed(branch, refusal.limit("its rows do not begin as asked"));
            }
            Ok(end) => self.ended_there(end, &joining),
            Err(refusal) => self.failed(branch, refusal),
        }
    }

    /// Notes how a trace ended at another node.
    fn ended_there(&mut self, end: FarEnd, joining: &Joining<'_>) {
        let more_rows = end.more_rows.iter().map(|row| joining.number(*row));
        self.ended.more_rows.extend(more_rows);
        self.ended.end.is_depth_cut |= end.is_depth_cut;
        if end.is_truncated && self.ended.end.truncated.is_none() {
            self.ended.end.truncated = Some(Limit::Rows);
        }
        for failure in end.failures {
            let further = failure.further_rows.iter();
            self.ended.failures.push(Failure {
                row: joining.number(failure.row),
                further_rows: further.map(|row| joining.number(*row)).collect(),
                ..failure
            });
        }
    }

    fn failed(&mut self, branch: &Branch, refusal: Refusal) {
        if let Some(((identifier, row), further)) = branch.starts.split_first() {
            self.ended.failures.push(Failure {
                row: *row,
                further_rows: further.iter().map(|(_, row)| *row).collect(),
                identifier: identifier.to_string(),
                node: branch.node.as_deref().unwrap_or_default().to_owned(),
                refusal,
            });
        }
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
            if let Some(start) = joining.next_start() {
                if row.row.depth > 0 {
                    joining.is_odd = true;
                    break;
                }
                joining.numbers.push(start);
                if row.row.more {
                    self.ended.more_rows.push(start);
                }
                continue;
            }
            if let Some(branch) = joining.branch {
                row.row.parent = joining.number(row.row.parent);
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

    /// Goes on behind a row whose identifier is somewhere else than who told of it, and here
    /// if there are links at it.
    fn branch_at(&mut self, identifier: Identifier, row: &OnwardRow) {
        let is_homed = self.node.is_homed(identifier.prefix());
        let is_linked = || matches!(self.node.number_of(&identifier), Ok(Some(_)));
        let others = self.node.inner.other_nodes.get();
        let node = match &row.node {
            // Another node told of what is homed here, or known here too.
            Some(_) if is_homed || is_linked() => None,
            // That node goes on by itself.
            Some(_) => return,
            None if is_homed => return,
            None => match others.and_then(|others| others.of(identifier.prefix())) {
                Some(node) => Some(node),
                None => return,
            },
        };
        let key = (row.row.depth, node);
        let branch = self.branches.entry(key).or_default();
        branch.push((identifier, row.of));
    }
}
