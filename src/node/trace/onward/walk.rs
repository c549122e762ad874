//! A trace that goes on at other nodes, at work: what they tell is joined with what is
//! here, row by row.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::model::limits::{TRACE_BRANCHES_MAX, TRACE_DEPTH_MAX, TRACE_ROWS_MAX, TRACE_STARTS_MAX};
use crate::model::{Caller, Identifier, Key, Reason, Refusal};
use crate::node::Node;
use crate::node::trace::onward::{
    Failure, FarEnd, FarRow, FarTerms, Onward, OnwardAsk, OnwardEnd, OnwardRow,
};
use crate::node::trace::{TraceQuery, TraceRow};
use crate::trace::Limit;

/// Identifiers behind which a trace goes on, and the numbers of their rows.
type Starts = Vec<(Identifier, u32)>;

/// Rows behind which the trace goes on together: at the same depth, at one node.
struct Branch {
    starts: Starts,
    depth: u16,
    /// The node to ask; `None`: this one.
    node: Option<Arc<str>>,
}

/// A link, by the rows that it connects, who tells of it, and what is told.
#[derive(PartialEq, Eq, Hash)]
struct Told {
    rows: (u32, u32),
    node: Option<Arc<str>>,
    terms: Option<u32>,
    far: Option<Arc<FarTerms>>,
}

/// Branches that could not be followed, and are told of.
const FAILURES_MAX: usize = 1_000;

/// A trace at work.
pub(super) struct Walk<'a> {
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
    /// The rows of nodes that this node told of, and of those that placeholders stand for.
    places: HashMap<u32, u32>,
    /// The links that were told, if all are.
    links: HashSet<Told>,
    /// Rows that said of themselves that there is more behind them.
    have_more: HashSet<u32>,
    /// Rows of which that was heard later.
    more_rows: BTreeSet<u32>,
    ended: OnwardEnd,
    /// Whether whoever takes the rows wants no more.
    is_over: bool,
    /// Whether it may go on at other nodes.
    goes_on: bool,
    /// Whether it came from here, and so nothing but its starts is looked at.
    is_back: bool,
}

/// Rows of one source on their way, and the numbers that they got here.
struct Joining<'b> {
    branch: Option<&'b Branch>,
    /// Rows that there were before.
    began: u32,
    numbers: Vec<u32>,
    /// So many were asked for.
    rows_max: u32,
    /// Whether they did not begin with the rows at which the branch begins, were more, or
    /// named what is no identifier here.
    is_odd: bool,
}

impl<'b> Joining<'b> {
    const fn new(branch: Option<&'b Branch>, rows_max: u32, began: u32) -> Self {
        Self {
            branch,
            began,
            numbers: Vec::new(),
            rows_max,
            is_odd: false,
        }
    }

    /// The number here of a row there; that of the branch, if there is none.
    fn number(&self, row: u32) -> u32 {
        let place = match self.branch {
            Some(_) => Some(row),
            // A page does not have the rows before it.
            None => row.checked_sub(self.began),
        };
        let Some(place) = place else {
            return row;
        };
        let number = self.numbers.get(place as usize).copied();
        let first = self.branch.and_then(|branch| branch.starts.first());
        let first = first.map(|(_, row)| *row);
        number.or(first).unwrap_or_default()
    }

    /// The row at which the next row that comes begins, if it is one of those.
    fn next_start(&self) -> Option<u32> {
        let start = self.branch?.starts.get(self.numbers.len());
        start.map(|(_, row)| *row)
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        (node, caller): (&'a Node, &'a Caller),
        (query, onward): (&'a TraceQuery, &'a Onward),
        give: &'a mut dyn FnMut(Vec<OnwardRow>) -> ControlFlow<()>,
    ) -> Self {
        Self {
            node,
            caller,
            query,
            onward,
            give,
            seen: HashMap::new(),
            row_count: query.skip,
            branches: BTreeMap::new(),
            places: HashMap::new(),
            links: HashSet::new(),
            have_more: HashSet::new(),
            more_rows: BTreeSet::new(),
            ended: OnwardEnd::default(),
            is_over: false,
            goes_on: node.goes_on(onward),
            is_back: onward.via.contains(&node.inner.name),
        }
    }

    /// Traces here, and then wherever it goes on.
    ///
    /// # Errors
    /// As [`Node::trace`].
    pub(super) fn run(mut self) -> Result<OnwardEnd, Refusal> {
        let query = self.query;
        if self.is_back {
            // Who asked knows what is here, and what more there is.
            let alone = TraceQuery {
                depth_max: 1,
                rows_max: query.start_count(),
                ..query.clone()
            };
            self.here(&alone, None)?;
            self.branches.clear();
            self.ended.end.truncated = None;
        } else {
            self.here(query, None)?;
        }
        self.follow()?;
        let is_later = |row: &u32| !self.have_more.contains(row);
        self.ended.more_rows = self.more_rows.iter().copied().filter(is_later).collect();
        self.ended.end.row_count = self.row_count.saturating_sub(query.skip);
        Ok(self.ended)
    }

    /// Follows branches until none is left or a limit is reached.
    fn follow(&mut self) -> Result<(), Refusal> {
        let mut followed = 0;
        while let Some(branch) = self.next_branch() {
            if self.is_over {
                return Ok(());
            }
            // What is here is looked at even then: whether there is anything must not be
            // told by how a trace ends.
            if self.rows_left() == 0 && branch.node.is_some() {
                self.ended.end.truncated = Some(Limit::Rows);
                return Ok(());
            }
            let time = self.query.until.saturating_sub(self.node.elapsed());
            if time.is_zero() {
                self.ended.end.truncated = Some(Limit::Time);
                return Ok(());
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
            let query = TraceQuery {
                start,
                further: starts.collect(),
                depth_max,
                skip: 0,
                // Those that are known already do not count.
                rows_max: TRACE_ROWS_MAX,
                ..self.query.clone()
            };
            let Some(node) = &branch.node else {
                self.here(&query, Some(&branch))?;
                continue;
            };
            followed += 1;
            match followed > TRACE_BRANCHES_MAX {
                true => {
                    let refusal = Refusal::new(Reason::TraceBranches).limit(TRACE_BRANCHES_MAX);
                    self.failed(&branch, refusal);
                }
                false => self.there(node, (query, time), &branch),
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
        let mut joining = Joining::new(branch, query.rows_max, self.row_count);
        let (node, caller) = (self.node, self.caller);
        let mut take =
            |rows: Vec<TraceRow>| self.join(&mut joining, rows.into_iter().map(OnwardRow::of_here));
        let end = node.trace(caller, query, &mut take)?;
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
            query: TraceQuery {
                // Ways that are nearer than those that node knows may be among them.
                all_links: query.all_links || query.depth_max > 0,
                ..query
            },
            // What comes behind it wants time too.
            time: time - time / 5,
            onward: Onward {
                hops_max,
                via,
                keys: BTreeMap::new(),
            },
            key: self.onward.keys.get(&**node).map(String::as_str),
        };
        let mut joining = Joining::new(Some(branch), ask.query.rows_max, self.row_count);
        let mut take = |rows: Vec<FarRow>| {
            let rows = rows.into_iter().map(|far| OnwardRow {
                row: far.row,
                of: 0,
                far: far.terms,
                node: Some(Arc::clone(node)),
            });
            self.join(&mut joining, rows)
        };
        let ended = others.trace(node, &ask, &mut take);
        let has_all = joining.next_start().is_none() || self.is_over;
        match ended {
            Ok(end) if joining.is_odd || !has_all && end.truncated.is_none() => {
                let refusal = Refusal::new(Reason::OtherNodeFailed).value(node);
                self.failed(branch, refusal.limit("its rows are not as asked for"));
            }
            Ok(end) => {
                // Where another node could not follow, this one has.
                let starts: HashSet<u32> = branch.starts.iter().map(|(_, row)| *row).collect();
                let is_followed = |failure: &Failure| {
                    *failure.node == **node
                        && starts.contains(&failure.row)
                        && failure.further_rows.iter().all(|row| starts.contains(row))
                };
                self.ended.failures.retain(|failure| !is_followed(failure));
                self.ended_there(end, &joining);
            }
            Err(refusal) => self.failed(branch, refusal),
        }
    }

    /// Notes how a trace ended at another node.
    fn ended_there(&mut self, end: FarEnd, joining: &Joining<'_>) {
        let more_rows = end.more_rows.iter().map(|row| joining.number(*row));
        self.more_rows.extend(more_rows);
        self.ended.end.truncated = self.ended.end.truncated.or(end.truncated);
        for failure in end.failures {
            let further = failure.further_rows.iter();
            self.fail(Failure {
                row: joining.number(failure.row),
                further_rows: further.map(|row| joining.number(*row)).collect(),
                ..failure
            });
        }
    }

    fn failed(&mut self, branch: &Branch, refusal: Refusal) {
        if let Some(((identifier, row), further)) = branch.starts.split_first() {
            self.fail(Failure {
                row: *row,
                further_rows: further.iter().map(|(_, row)| *row).collect(),
                identifier: identifier.to_string(),
                node: branch.node.as_deref().unwrap_or_default().to_owned(),
                refusal,
            });
        }
    }

    /// Tells of a failure, unless it is told already or this node goes on there itself.
    fn fail(&mut self, failure: Failure) {
        let identifier = Identifier::parse(&failure.identifier);
        let is_here = identifier.is_ok_and(|known| self.node.is_homed(known.prefix()));
        let is_told = |told: &Failure| told.row == failure.row && told.node == failure.node;
        if is_here || self.ended.failures.iter().any(is_told) {
            return;
        }
        match self.ended.failures.len() < FAILURES_MAX {
            true => self.ended.failures.push(failure),
            false => self.ended.end.truncated = Some(Limit::Hops),
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
        let (mut new, mut ends) = (Vec::new(), false);
        for mut row in rows {
            let start = joining.next_start();
            if joining.numbers.len() >= joining.rows_max as usize
                || start.is_some() && row.row.depth > 0
            {
                (joining.is_odd, ends) = (true, true);
                break;
            }
            if let Some(start) = start {
                joining.numbers.push(start);
                if let Some(place) = row.row.place {
                    self.places.entry(place).or_insert(start);
                }
                if row.row.more {
                    self.more_rows.insert(start);
                }
                continue;
            }
            match (joining.branch, row.row.depth) {
                (None, 0) => row.row.parent = self.row_count,
                (branch, depth) => {
                    row.row.parent = joining.number(row.row.parent);
                    let base = branch.map_or(0, |branch| branch.depth);
                    row.row.depth = depth.max(1).saturating_add(base);
                }
            }
            let identifier = row.row.identifier.as_deref().map(Identifier::parse);
            let Ok(identifier) = identifier.transpose() else {
                (joining.is_odd, ends) = (true, true);
                break;
            };
            row.row.more &= !self.is_back;
            let is_wanted = self.rows_left() > 0;
            row.of = self.row_count;
            let is_told = match identifier {
                Some(identifier) => self.meet(&identifier, &mut row, (joining.began, is_wanted)),
                None => self.meet_hidden(&mut row),
            };
            joining.numbers.push(row.of);
            if is_told {
                continue;
            }
            if !is_wanted {
                self.ended.end.truncated = Some(Limit::Rows);
                ends = true;
                break;
            }
            if !row.row.again {
                self.ended.end.depth = self.ended.end.depth.max(row.row.depth);
                self.ended.end.is_depth_cut |= row.row.depth == self.depth_most();
            }
            if let Some(place) = row.row.place {
                self.places.entry(place).or_insert(row.of);
            }
            if row.row.more {
                self.have_more.insert(self.row_count);
            }
            self.row_count = self.row_count.saturating_add(1);
            new.push(row);
        }
        if !new.is_empty() {
            self.is_over |= (self.give)(new).is_break();
        }
        match ends || self.is_over {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    /// The depth of rows that are not looked behind.
    const fn depth_most(&self) -> u16 {
        match self.query.depth_max {
            0 => TRACE_DEPTH_MAX,
            depth => depth,
        }
    }

    /// Whether a placeholder, or what it stands for, was told by this node.
    fn meet_hidden(&self, row: &mut OnwardRow) -> bool {
        row.row.again = false;
        let place = row.row.place.filter(|_| row.node.is_none());
        let known = place.and_then(|place| self.places.get(&place));
        row.of = known.copied().unwrap_or(row.of);
        known.is_some()
    }

    /// Finds out whether the identifier of a row has one already, and goes on behind it
    /// where it was not met before, or nearer to the start than before and so farther
    /// from the largest depth. Whether all that the row tells was told.
    fn meet(
        &mut self,
        identifier: &Identifier,
        row: &mut OnwardRow,
        (began, is_wanted): (u32, bool),
    ) -> bool {
        let depth = row.row.depth;
        let is_cut = self.query.depth_max > 0;
        // Two that another node keeps apart are two, whatever this one would fold.
        let is_first_there = row.node.is_some() && !row.row.again;
        let mut is_nearer = false;
        match self.seen.entry(self.node.link_key(identifier)) {
            Entry::Occupied(known) if is_first_there && known.get().0 >= began => {
                row.row.again = false;
            }
            Entry::Occupied(mut known) => {
                let (of, least) = known.get_mut();
                (row.of, row.row.again) = (*of, true);
                is_nearer = is_cut && depth < *least;
                *least = depth.min(*least);
            }
            Entry::Vacant(place) => {
                row.row.again = false;
                if is_wanted {
                    place.insert((row.of, depth));
                }
            }
        }
        let again = row.row.again;
        if (is_wanted && !again) || is_nearer {
            self.branch_at(identifier, row);
        }
        if again && std::mem::take(&mut row.row.more) {
            self.more_rows.insert(row.of);
        }
        // Each start has a row, were it twice the same.
        if depth == 0 || !self.query.all_links {
            return again && depth > 0;
        }
        let is_new = self.links.insert(Told {
            rows: (row.row.parent, row.of),
            node: row.node.clone(),
            terms: row.row.terms,
            far: row.far.clone(),
        });
        // Whoever asked is told too that it is nearer.
        again && !is_new && !is_nearer
    }

    /// Goes on behind a row whose identifier is somewhere else than who told of it. What
    /// another node told of is looked for here too, whether any link here names it or not:
    /// there may be hidden ones.
    fn branch_at(&mut self, identifier: &Identifier, row: &OnwardRow) {
        let others = self.node.inner.other_nodes.get();
        let mut go_on = |node: Option<Arc<str>>| {
            let branch = self.branches.entry((row.row.depth, node)).or_default();
            branch.push((identifier.clone(), row.of));
        };
        if row.node.is_some() {
            go_on(None);
        }
        let is_homed = self.node.is_homed(identifier.prefix());
        let other = others.filter(|_| self.goes_on && !is_homed);
        let other = other.and_then(|others| others.of(identifier.prefix()));
        // That node goes on from its own by itself.
        if let Some(other) = other.filter(|other| row.node.as_ref() != Some(other)) {
            go_on(Some(other));
        }
    }
}
