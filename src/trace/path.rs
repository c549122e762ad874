//! The shortest paths from one node to another.
//!
//! Breadth first from the one until the other is reached. A path may lead through
//! hidden nodes where the judge lets it, as through placeholders; its ends are
//! reached by visible edges or not at all.

use std::collections::HashMap;
use std::fmt;
use std::ops::{ControlFlow, Range};

use crate::trace::edge::{Node, TermsId};
use crate::trace::source::{Hop, Judge, Lens, Source, Verdict};
use crate::trace::walk::Limit;

/// Hops between two looks at the clock.
const HOPS_BETWEEN_LOOKS: u64 = 1_024;

/// What to search.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    /// Where paths begin.
    pub from: Node,
    /// Where they end.
    pub to: Node,
    /// Which way from the first, and which edges by their times.
    pub lens: Lens,
    /// Hops of a path at most.
    pub depth_max: u16,
    /// Paths to give at most, all of the same length.
    pub paths_max: usize,
    /// Edges to look at; bounds the memory too.
    pub hops_max: u64,
    /// Whether time is up.
    pub is_over: &'a dyn Fn() -> bool,
}

impl fmt::Debug for Search<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("lens", &self.lens)
            .finish_non_exhaustive()
    }
}

/// One node of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The node; `None` for a placeholder.
    pub node: Option<Node>,
    /// The terms of the edge to it; `None` at the beginning.
    pub terms: Option<TermsId>,
}

/// A path, both ends included.
pub type Path = Vec<Step>;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The shortest paths, in the order of their nodes seen from the end.
    pub paths: Vec<Path>,
    /// Edges looked at.
    pub hops: u64,
    /// [`Limit::Hops`] or [`Limit::Time`], where it gave up before it knew;
    /// [`Limit::Rows`] where there are more paths than were asked for.
    pub truncated: Option<Limit>,
}

/// Finds the shortest paths between two nodes that `judge` lets see.
///
/// # Errors
/// The source's.
pub fn paths<S, J>(source: &mut S, search: &Search<'_>, judge: &mut J) -> Result<Paths, S::Error>
where
    S: Source,
    J: Judge,
{
    let mut reach = Reach::new(*search);
    let truncated = reach.run(source, judge)?;
    let (paths, are_all) = reach.paths();
    let truncated = match truncated {
        None if !are_all => Some(Limit::Rows),
        limit => limit,
    };
    Ok(Paths {
        paths,
        hops: reach.hops,
        truncated,
    })
}

/// An edge of a shortest path from the start to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arc {
    to: usize,
    from: usize,
    is_hidden: bool,
    terms: TermsId,
}

/// What was reached so far, by rows.
struct Reach<'a> {
    search: Search<'a>,
    rows: HashMap<Node, usize>,
    reached: Vec<(Node, u16)>,
    arcs: Vec<Arc>,
    goal: Option<usize>,
    hops: u64,
}

impl<'a> Reach<'a> {
    fn new(search: Search<'a>) -> Self {
        Self {
            search,
            rows: HashMap::from([(search.from, 0)]),
            reached: vec![(search.from, 0)],
            arcs: Vec::new(),
            goal: (search.from == search.to).then_some(0),
            hops: 0,
        }
    }

    fn run<S, J>(&mut self, source: &mut S, judge: &mut J) -> Result<Option<Limit>, S::Error>
    where
        S: Source,
        J: Judge,
    {
        let mut done = 0;
        while done < self.reached.len() {
            if (self.search.is_over)() {
                return Ok(Some(Limit::Time));
            }
            let stop = self.reached.len().min(done + S::FRONTIER_MAX);
            let deepest = self.goal_depth().unwrap_or(self.search.depth_max);
            let (nodes, rows): (Vec<Node>, Vec<usize>) = (done..stop)
                .filter(|row| Some(*row) != self.goal)
                .filter_map(|row| Some((row, self.reached.get(row)?)))
                .filter(|(_, (_, depth))| *depth < deepest)
                .map(|(row, (node, _))| (*node, row))
                .unzip();
            let mut limit = None;
            let lens = self.search.lens;
            source.expand(&nodes, &lens, |index, hop| {
                self.hops += 1;
                if self.hops > self.search.hops_max {
                    limit = Some(Limit::Hops);
                } else if self.hops.is_multiple_of(HOPS_BETWEEN_LOOKS) && (self.search.is_over)() {
                    limit = Some(Limit::Time);
                } else {
                    let row = rows.get(index).copied().unwrap_or(0);
                    self.meet(row, &hop, judge.judge(&hop));
                    return ControlFlow::Continue(());
                }
                ControlFlow::Break(())
            })?;
            if limit.is_some() {
                return Ok(limit);
            }
            done = stop;
        }
        Ok(None)
    }

    fn meet(&mut self, from: usize, hop: &Hop, verdict: Verdict) {
        let is_hidden = match verdict {
            Verdict::Follow => false,
            Verdict::Through if hop.far != self.search.to => true,
            Verdict::Through | Verdict::Skip | Verdict::More => return,
        };
        let near = self.reached.get(from).map_or(0, |(_, depth)| *depth);
        let depth = near.saturating_add(1);
        let to = *self.rows.entry(hop.far).or_insert_with(|| {
            self.reached.push((hop.far, depth));
            self.reached.len() - 1
        });
        if hop.far == self.search.to && self.goal.is_none() {
            self.goal = Some(to);
        }
        if self.reached.get(to).is_some_and(|(_, at)| *at == depth) {
            self.arcs.push(Arc {
                to,
                from,
                is_hidden,
                terms: hop.terms,
            });
        }
    }

    fn goal_depth(&self) -> Option<u16> {
        self.reached.get(self.goal?).map(|(_, depth)| *depth)
    }

    /// The paths to the goal, and whether these are all of them.
    fn paths(&mut self) -> (Vec<Path>, bool) {
        let Some(goal) = self.goal else {
            return (Vec::new(), true);
        };
        let start = Step {
            node: Some(self.search.from),
            terms: None,
        };
        if goal == 0 {
            return (vec![vec![start]], true);
        }
        // Of several edges between one pair, the first visible one.
        self.arcs.sort_unstable();
        self.arcs.dedup_by_key(|arc| (arc.to, arc.from));
        let mut paths = Vec::new();
        // Every arc leads back to the start, so nothing is looked at in vain.
        let mut choices = vec![self.arcs_to(goal)];
        let mut chosen: Vec<Arc> = Vec::new();
        while let Some(choice) = choices.last_mut() {
            let arc = choice.next().and_then(|index| self.arcs.get(index));
            let Some(&arc) = arc else {
                choices.pop();
                continue;
            };
            chosen.truncate(choices.len() - 1);
            chosen.push(arc);
            if arc.from > 0 {
                choices.push(self.arcs_to(arc.from));
            } else if paths.len() < self.search.paths_max {
                let steps = chosen.iter().rev().map(|arc| self.step(arc));
                paths.push([start].into_iter().chain(steps).collect());
            } else {
                return (paths, false);
            }
        }
        (paths, true)
    }

    fn arcs_to(&self, row: usize) -> Range<usize> {
        let begin = self.arcs.partition_point(|arc| arc.to < row);
        let end = self.arcs.partition_point(|arc| arc.to <= row);
        begin..end
    }

    fn step(&self, arc: &Arc) -> Step {
        let reached = self.reached.get(arc.to).filter(|_| !arc.is_hidden);
        Step {
            node: reached.map(|(node, _)| *node),
            terms: Some(arc.terms),
        }
    }
}
