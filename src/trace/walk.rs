//! Breadth-first closure: everything upstream or downstream of a node.
//!
//! Each node once, in the order in which it is found; the order is that of the
//! source's lists, so equal graphs give equal rows.
//!
//! A node that is first reached by a hidden edge which lets the walk through has a
//! row without a name, and the walk goes on behind it. If a visible edge reaches
//! it later, it has a row with its name too, which has nothing to do with the
//! first: it is not expanded again. So the named nodes are exactly those that a
//! visible edge reaches from a node that was expanded.
//!
//! A walk may begin at several nodes, which come first, in the order in which they were
//! given.
//!
//! Where all edges are asked for, each visible one that leads to a node which has a row
//! with its name has a row too, which says so. It is not expanded.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::trace::edge::{Node, TermsId};
use crate::trace::seen::{MET, NAMED, Pool, Seen};
use crate::trace::source::{Hop, Judge, Lens, Source, Verdict};

/// Hops between two looks at the clock; few in tests, whose graphs are small.
const HOPS_BETWEEN_LOOKS: u64 = if cfg!(test) { 4 } else { 1_024 };

/// What to walk.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The node to begin with; not read by a walk that has begun.
    pub start: Node,
    /// Which way, and which edges by their times.
    pub lens: Lens,
    /// Hops from the start that a row may have; rows there are not expanded.
    pub depth_max: u16,
    /// Whether visible edges to nodes that have a row are given too.
    pub all_edges: bool,
    /// Rows to skip, as [`Summary::next`] had it. They are computed again.
    pub skip: u32,
    /// Rows to give.
    pub rows_max: u32,
    /// Edges to look at from the first row that is given on. A row that was begun
    /// is finished, so that each walk with a limit above 0 gets further.
    pub hops_max: u64,
    /// Whether time is up: asked now and then, for skipped rows too. Whoever goes
    /// on needs more time than it took to get there.
    pub is_over: &'a dyn Fn() -> bool,
}

impl fmt::Debug for Ask<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ask")
            .field("start", &self.start)
            .field("lens", &self.lens)
            .field("depth_max", &self.depth_max)
            .field("all_edges", &self.all_edges)
            .field("skip", &self.skip)
            .field("rows_max", &self.rows_max)
            .field("hops_max", &self.hops_max)
            .finish_non_exhaustive()
    }
}

/// A node that was found, or a placeholder for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The node; `None` for a placeholder.
    pub node: Option<Node>,
    /// The node that a placeholder stands for: not for the caller.
    pub hidden: Option<Node>,
    /// Hops from the start.
    pub depth: u16,
    /// Number of the row that it was found from; of a start its own.
    pub parent: u32,
    /// The terms of the edge that it was found by; `None` for a start. Those of
    /// a placeholder are for the judge's own use: the caller may not see them.
    pub terms: Option<TermsId>,
    /// Whether edges lead on from it that the caller may not see. Always `false`
    /// where the walk did not go on: at the largest depth, and in a row beside the
    /// placeholder of the same node.
    pub more: bool,
    /// Whether the node has an earlier row with its name: this one is only an edge.
    pub again: bool,
}

/// Which limit ended a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Ask::rows_max`].
    Rows,
    /// [`Ask::hops_max`].
    Hops,
    /// [`Ask::is_over`].
    Time,
    /// Whoever takes the rows wants no more.
    Taker,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Rows given.
    pub rows: u32,
    /// Edges looked at, those of skipped rows too.
    pub hops: u64,
    /// The largest depth of a row given that is no edge only.
    pub depth: u16,
    /// Whether a row at the largest depth that was asked for was given: what is
    /// behind it was not looked at.
    pub is_depth_cut: bool,
    /// Which limit ended it before everything was found.
    pub truncated: Option<Limit>,
    /// [`Ask::skip`] of a walk that goes on where this one ended. If the graph has
    /// changed meanwhile, the order may have too: rows may then come twice or not
    /// at all, and `parent` may mean another row.
    pub next: u32,
}

/// Walks, and the memory that they leave to those that come after.
#[derive(Debug)]
pub struct Walks {
    pool: Arc<Pool<Found>>,
}

impl Default for Walks {
    fn default() -> Self {
        Self {
            pool: Arc::new(Pool::new()),
        }
    }
}

impl Walks {
    /// A walk from `starts` that has not begun. Each has a row; nothing is behind one that
    /// is no node, or was there before.
    pub fn begin(&self, starts: &[Option<Node>]) -> Walk {
        let (mut seen, mut found) = self.pool.take();
        for (start, place) in starts.iter().zip(0..) {
            let had = start.map(|start| seen.mark(start, MET | NAMED));
            found.push(Found {
                node: start.unwrap_or(Node(0)),
                parent: place,
                terms: TermsId(0),
                depth: 0,
                is_named: start.is_some(),
                is_first: had == Some(0),
                is_again: had.is_some_and(|had| had != 0),
                more: false,
            });
        }
        Walk {
            starts: starts.len(),
            pool: Arc::clone(&self.pool),
            seen,
            found,
            done: 0,
            hops: 0,
            hops_skipped: 0,
        }
    }

    /// Walks from `ask.start` in one go, as [`Walk::go`] does.
    ///
    /// # Errors
    /// The source's.
    pub fn closure<S, J, G>(
        &self,
        source: &mut S,
        ask: &Ask<'_>,
        judge: &mut J,
        give: G,
    ) -> Result<Summary, S::Error>
    where
        S: Source,
        J: Judge,
        G: FnMut(&[Row]) -> ControlFlow<()>,
    {
        self.begin(&[Some(ask.start)]).go(source, ask, judge, give)
    }
}

/// A row, and what is kept of it beside.
#[derive(Clone, Copy, Debug)]
struct Found {
    node: Node,
    parent: u32,
    terms: TermsId,
    depth: u16,
    is_named: bool,
    /// Whether the node is expanded here, and not in another row.
    is_first: bool,
    /// Whether an earlier row has the node's name.
    is_again: bool,
    more: bool,
}

/// A walk that may rest, and go on later or over another source of the same edges.
#[derive(Debug)]
pub struct Walk {
    pool: Arc<Pool<Found>>,
    starts: usize,
    seen: Seen,
    found: Vec<Found>,
    /// Rows that were expanded and, behind those to skip, given.
    done: usize,
    hops: u64,
    /// Hops when the first row to be given was expanded.
    hops_skipped: u64,
}

impl Drop for Walk {
    fn drop(&mut self) {
        let (seen, found) = (
            std::mem::take(&mut self.seen),
            std::mem::take(&mut self.found),
        );
        self.pool.give(seen, found, |found| found.node);
    }
}

impl Walk {
    /// Walks on and gives the rows as they are found, until all is found or a limit
    /// is reached. Told with the same `ask` but for its limits, it goes on where it
    /// was: no row comes twice, and none is left out, whatever has changed meanwhile
    /// elsewhere. The summary is of all so far.
    ///
    /// A row is given once it was expanded, since only then is known what is
    /// hidden behind it; so rows that a limit left unexpanded come with the next
    /// go. Between two pieces of the frontier, while no lock of the source is
    /// held, up to [`Source::FRONTIER_MAX`] rows are given at once.
    ///
    /// # Errors
    /// The source's. What was given before is right; it can go on over another
    /// source.
    pub fn go<S, J, G>(
        &mut self,
        source: &mut S,
        ask: &Ask<'_>,
        judge: &mut J,
        give: G,
    ) -> Result<Summary, S::Error>
    where
        S: Source,
        J: Judge,
        G: FnMut(&[Row]) -> ControlFlow<()>,
    {
        let truncated = self.run(source, ask, judge, give)?;
        let done = number(self.done);
        let given = done.saturating_sub(ask.skip);
        let given_from = (ask.skip as usize).min(self.done);
        let given_rows = self.found.get(given_from..self.done).unwrap_or_default();
        let last = given_rows.iter().rev().find(|row| !row.is_again);
        let depth = last.map_or(0, |last| last.depth);
        Ok(Summary {
            rows: given,
            hops: self.hops,
            depth,
            is_depth_cut: last.is_some() && depth == ask.depth_max,
            truncated,
            next: done.max(ask.skip),
        })
    }

    /// The nodes that were expanded, whose lists say what was found, when
    /// [`go`](Self::go) was done.
    pub fn expanded(&self, depth_max: u16) -> Box<[u32]> {
        let is_expanded = |found: &&Found| found.is_first && found.depth < depth_max;
        let expanded = self.found.iter().filter(is_expanded);
        expanded.map(|found| found.node.0).collect()
    }

    /// Expands row by row until nothing is left or a limit is reached.
    fn run<S, J, G>(
        &mut self,
        source: &mut S,
        ask: &Ask<'_>,
        judge: &mut J,
        mut give: G,
    ) -> Result<Option<Limit>, S::Error>
    where
        S: Source,
        J: Judge,
        G: FnMut(&[Row]) -> ControlFlow<()>,
    {
        let skip = ask.skip as usize;
        let end = skip.saturating_add(ask.rows_max as usize);
        let mut chunk = Vec::new();
        let mut frontier = Frontier::default();
        while self.done < self.found.len() {
            let done = self.done;
            if done >= end {
                return Ok(Some(Limit::Rows));
            }
            // A piece lies before the first row to be given, or behind it.
            let stop = if done < skip { skip.min(end) } else { end };
            let stop = stop.min(done + S::FRONTIER_MAX).min(self.found.len());
            frontier.fill(&self.found, done..stop, ask.depth_max);
            let (reached, limit) = self.expand(source, ask, judge, &frontier)?;
            let stop = if limit.is_some() { reached } else { stop };
            self.done = stop;
            if done >= skip && stop > done {
                chunk.clear();
                let rows = self.found.get(done..stop).unwrap_or_default();
                chunk.extend(rows.iter().map(row));
                if give(&chunk).is_break() {
                    let is_all = limit.is_none() && stop == self.found.len();
                    return Ok((!is_all).then_some(Limit::Taker));
                }
            }
            if limit.is_some() {
                return Ok(limit);
            }
        }
        Ok(None)
    }

    /// Expands one piece. Returns, where a limit was reached, the first row that
    /// is not done.
    fn expand<S, J>(
        &mut self,
        source: &mut S,
        ask: &Ask<'_>,
        judge: &mut J,
        frontier: &Frontier,
    ) -> Result<(usize, Option<Limit>), S::Error>
    where
        S: Source,
        J: Judge,
    {
        if (ask.is_over)() {
            return Ok((frontier.begin, Some(Limit::Time)));
        }
        if frontier.begin <= ask.skip as usize {
            self.hops_skipped = self.hops;
        }
        let hops_end = self.hops_skipped.saturating_add(ask.hops_max);
        let hops_end = if frontier.begin < ask.skip as usize {
            u64::MAX
        } else {
            hops_end
        };
        if self.hops >= hops_end {
            return Ok((frontier.begin, Some(Limit::Hops)));
        }
        let mut current = usize::MAX;
        let mut stopped = None;
        let lens = ask.lens;
        let expanded = source.expand(&frontier.nodes, &lens, |index, hop| {
            let row = frontier.rows.get(index).copied().unwrap_or(0);
            if index != current {
                if self.hops >= hops_end {
                    stopped = Some((row, Limit::Hops));
                    return ControlFlow::Break(());
                }
                current = index;
            }
            self.hops += 1;
            if self.hops.is_multiple_of(HOPS_BETWEEN_LOOKS) && (ask.is_over)() {
                stopped = Some((row, Limit::Time));
                return ControlFlow::Break(());
            }
            self.meet(row, &hop, (judge.judge(&hop), ask.all_edges));
            ControlFlow::Continue(())
        });
        // What was not done to its end is begun anew.
        match (&expanded, stopped) {
            (Err(_), _) => self.forget(frontier.begin),
            (Ok(()), Some((row, _))) => self.forget(row),
            (Ok(()), None) => {}
        }
        expanded?;
        Ok(stopped.map_or((frontier.begin, None), |(row, limit)| (row, Some(limit))))
    }

    #[inline]
    fn meet(&mut self, row: usize, hop: &Hop, (verdict, all_edges): (Verdict, bool)) {
        match verdict {
            Verdict::Follow => {
                let had = self.seen.mark(hop.far, MET | NAMED);
                let is_again = had & NAMED != 0;
                if !is_again || all_edges {
                    let found = self.find(row, hop);
                    found.is_first = had & MET == 0;
                    found.is_again = is_again;
                }
            }
            Verdict::Skip => {}
            Verdict::More => {
                if let Some(near) = self.found.get_mut(row) {
                    near.more = true;
                }
            }
            Verdict::Through => {
                if self.seen.mark(hop.far, MET) & MET == 0 {
                    self.find(row, hop).is_named = false;
                }
            }
        }
    }

    /// Forgets what was found from `row` on.
    fn forget(&mut self, row: usize) {
        let from = number(row);
        let is_from = |found: &mut Found| found.parent >= from;
        while self.found.len() > self.starts.max(row + 1)
            && let Some(found) = self.found.pop_if(is_from)
        {
            let marks = match (found.is_again, found.is_first) {
                (true, _) => continue,
                (false, true) => MET | NAMED,
                (false, false) => NAMED,
            };
            self.seen.unmark(found.node, marks);
        }
    }

    /// A row for the far end, the first with its name if nothing else is said.
    fn find(&mut self, row: usize, hop: &Hop) -> &mut Found {
        let near = self.found.get(row).map_or(0, |near| near.depth);
        self.found.push_mut(Found {
            node: hop.far,
            parent: number(row),
            terms: hop.terms,
            depth: near.saturating_add(1),
            is_named: true,
            is_first: true,
            is_again: false,
            more: false,
        })
    }
}

/// Rows that are expanded together.
#[derive(Default)]
struct Frontier {
    begin: usize,
    nodes: Vec<Node>,
    /// The row of each node.
    rows: Vec<usize>,
}

impl Frontier {
    fn fill(&mut self, found: &[Found], range: std::ops::Range<usize>, depth_max: u16) {
        self.begin = range.start;
        self.nodes.clear();
        self.rows.clear();
        let piece = found.get(range.clone()).unwrap_or_default();
        for (found, row) in piece.iter().zip(range) {
            if found.is_first && found.depth < depth_max {
                self.nodes.push(found.node);
                self.rows.push(row);
            }
        }
    }
}

fn row(found: &Found) -> Row {
    let Found {
        node,
        parent,
        terms,
        depth,
        is_named,
        is_first: _,
        is_again,
        more,
    } = *found;
    Row {
        node: is_named.then_some(node),
        hidden: (!is_named && depth > 0).then_some(node),
        depth,
        parent,
        terms: (depth > 0).then_some(terms),
        more,
        again: is_again,
    }
}

/// A node has two rows at most and an edge one: what had more than 2^32 would be larger than
/// the graph itself.
fn number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}
