//! Nodes that lie on a cycle: made, by mistake, of what they went into.
//!
//! Tarjan's strongly connected components ("Depth-first search and linear graph
//! algorithms", 1972), without recursion.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use crate::trace::edge::Node;
use crate::trace::source::{Judge, Lens, Source, Verdict};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycles {
    /// Those of the nodes asked for that lie on a cycle, ascending.
    pub nodes: Vec<Node>,
    /// Whether everything that can be reached was looked at: otherwise there may
    /// be more of them.
    pub is_complete: bool,
}

/// Finds which of `nodes` lie on a cycle of edges that `judge` follows; the cycle
/// may lead through others. Looks at `hops_max` edges, which bounds the memory.
///
/// # Errors
/// The source's.
pub fn cycles<S, J>(
    source: &mut S,
    nodes: &[Node],
    lens: &Lens,
    hops_max: u64,
    judge: &mut J,
) -> Result<Cycles, S::Error>
where
    S: Source,
    J: Judge,
{
    let mut search = Search {
        hops_left: hops_max,
        is_complete: true,
        ..Search::default()
    };
    for &node in nodes {
        if !search.visits.contains_key(&node) {
            search.enter(source, node, lens, judge)?;
            while !search.frames.is_empty() {
                if let Some(next) = search.advance() {
                    search.enter(source, next, lens, judge)?;
                }
            }
        }
    }
    let mut found: Vec<Node> = nodes.to_vec();
    found.sort_unstable();
    found.dedup();
    found.retain(|node| search.on_cycle.contains(node));
    Ok(Cycles {
        nodes: found,
        is_complete: search.is_complete,
    })
}

#[derive(Clone, Copy, Debug)]
struct Visit {
    number: usize,
    /// Whether its component is not known yet.
    is_open: bool,
}

/// A node on the way from the root to where the search is.
struct Frame {
    node: Node,
    number: usize,
    /// The smallest number of an open node that can be reached.
    low: usize,
    ahead: Vec<Node>,
}

#[derive(Default)]
struct Search {
    visits: HashMap<Node, Visit>,
    frames: Vec<Frame>,
    /// Nodes whose component is not known yet, in the order they were entered.
    open: Vec<Node>,
    on_cycle: HashSet<Node>,
    hops_left: u64,
    is_complete: bool,
}

impl Search {
    fn enter<S, J>(
        &mut self,
        source: &mut S,
        node: Node,
        lens: &Lens,
        judge: &mut J,
    ) -> Result<(), S::Error>
    where
        S: Source,
        J: Judge,
    {
        let mut ahead = Vec::new();
        source.expand(&[node], lens, |_, hop| {
            let Some(left) = self.hops_left.checked_sub(1) else {
                self.is_complete = false;
                return ControlFlow::Break(());
            };
            self.hops_left = left;
            if judge.judge(&hop) == Verdict::Follow {
                if hop.far == node {
                    self.on_cycle.insert(node);
                } else {
                    ahead.push(hop.far);
                }
            }
            ControlFlow::Continue(())
        })?;
        let number = self.visits.len();
        let is_open = true;
        self.visits.insert(node, Visit { number, is_open });
        self.open.push(node);
        self.frames.push(Frame {
            node,
            number,
            low: number,
            ahead,
        });
        Ok(())
    }

    /// One edge further from the last frame, or back out of it. Returns a node
    /// that is to be entered.
    fn advance(&mut self) -> Option<Node> {
        let frame = self.frames.last_mut()?;
        if let Some(next) = frame.ahead.pop() {
            let Some(visit) = self.visits.get(&next) else {
                return Some(next);
            };
            if visit.is_open {
                frame.low = frame.low.min(visit.number);
            }
            return None;
        }
        let done = self.frames.pop()?;
        if let Some(before) = self.frames.last_mut() {
            before.low = before.low.min(done.low);
        }
        if done.low == done.number {
            self.close(done.node);
        }
        None
    }

    /// The component of `root` is known: it and all that was entered after it and
    /// is still open.
    fn close(&mut self, root: Node) {
        let begin = self.open.iter().rposition(|node| *node == root);
        let component = self.open.split_off(begin.unwrap_or(0));
        for node in &component {
            if let Some(visit) = self.visits.get_mut(node) {
                visit.is_open = false;
            }
        }
        if component.len() > 1 {
            self.on_cycle.extend(component);
        }
    }
}
