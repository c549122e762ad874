//! Tracing: what an identifier was made of and what it went into, as far as the
//! caller may see.
//!
//! A walk goes over the graph in memory where that is ready, and else over the
//! stored lists, a level at a time; where the graph goes away meanwhile, it goes
//! on over the lists. All of it blocks: for threads that may.

mod across;
mod group;
mod judge;
mod keeper;
mod kept;
mod onward;
mod stored;
mod tracing;

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;

pub use group::{Group, GroupBy, Grouped};
pub(super) use keeper::Keeper;
pub use kept::KeptTrace;
pub use onward::{
    Failure, FarEnd, FarRow, FarTerms, Onward, OnwardAsk, OnwardEnd, OnwardRow, OtherNodes,
};
pub use tracing::{Found, FoundRow, TraceProgress, TraceTaker, Tracing};

use crate::access::LinkReader;
use crate::model::limits::{TRACE_DEPTH_MAX, TRACE_LINKS_MAX, TRACE_PATHS_MAX, TRACE_REACH_MAX};
use crate::model::{Caller, Identifier, Key, LinkKind, Reason, Refusal, Terms, Timestamp};
use crate::node::trace::judge::{InGraph, InStore, Judging};
use crate::node::trace::stored::Stored;
use crate::node::{Node, told};
use crate::store::links::edge_seconds;
use crate::trace::{
    self, Direction, Judge, Lens, Limit, Node as Number, Row, Search, Source, When, Window,
};

pub use crate::trace::{Direction as TraceDirection, Limit as TraceLimit};

/// What to trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceQuery {
    /// Where to begin.
    pub start: Identifier,
    /// Where to begin too; each has a row behind the start, in their order, and nothing
    /// behind it if it was there before. At most
    /// [`TRACE_STARTS_MAX`](crate::model::limits::TRACE_STARTS_MAX) with the start.
    pub further: Vec<Identifier>,
    /// Which way.
    pub direction: Direction,
    /// Only links of these kinds; empty: all that lead up or down.
    pub kinds: Vec<LinkKind>,
    /// Hops at most; at most [`TRACE_DEPTH_MAX`], which 0 stands for.
    pub depth_max: u16,
    /// Whether links to identifiers that have a row are told too, each as a row that
    /// is [`again`](TraceRow::again).
    pub all_links: bool,
    /// Only links that hold at some time from then on.
    pub valid_from: Option<Timestamp>,
    /// Only links that hold at some time before then.
    pub valid_until: Option<Timestamp>,
    /// As the links stood then.
    pub as_of: Option<Timestamp>,
    /// Rows to leave out, as [`TraceEnd::next`] had it.
    pub skip: u32,
    /// Rows to give; at most [`TRACE_ROWS_MAX`](crate::model::limits::TRACE_ROWS_MAX).
    pub rows_max: u32,
    /// The time of [`Node::elapsed`] at which it ends.
    pub until: Duration,
    /// Which of its forms the face's answer has: each is kept for itself.
    pub form: u8,
}

/// One identifier that a trace came to, or a placeholder for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceRow {
    /// The identifier; `None` for a placeholder.
    pub identifier: Option<String>,
    /// Hops from the start.
    pub depth: u16,
    /// Number of the row that it was reached from.
    pub parent: u32,
    /// The number of the terms of the link that it was reached by; `None` of the
    /// start and of a placeholder.
    pub terms: Option<u32>,
    /// Whether there is more behind it that the caller may not see.
    pub more: bool,
    /// Whether the identifier has an earlier row: this one is only a link to it.
    pub again: bool,
    /// The number of the node here, of a placeholder too: not to be told.
    pub place: Option<u32>,
}

/// How a trace ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TraceEnd {
    /// Rows given.
    pub row_count: u32,
    /// The largest depth of a row given that is not [`again`](TraceRow::again).
    pub depth: u16,
    /// Whether a row stands at the largest depth that was asked for.
    pub is_depth_cut: bool,
    /// Why it ended before everything was found.
    pub truncated: Option<Limit>,
    /// [`TraceQuery::skip`] of a trace that goes on.
    pub next: u32,
}

/// A path from one identifier to another: rows without parents.
pub type TracePath = Vec<OnwardRow>;

/// The shortest paths that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundPaths {
    /// All of the same length.
    pub paths: Vec<TracePath>,
    /// Why it ended before it knew; [`Limit::Rows`] where there are more paths.
    pub truncated: Option<Limit>,
    /// Branches on other nodes that could not be followed.
    pub failures: Vec<Failure>,
}

/// Identifiers, as they are spelled.
type Names = HashMap<Key, String>;

/// What a trace has, to be compared.
struct Named {
    names: Names,
    truncated: Option<Limit>,
    failures: Vec<Failure>,
}

/// The difference of two traces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceDifference {
    /// What only the first has; the first so many.
    pub only_first: Vec<String>,
    /// What only the second has; the first so many.
    pub only_second: Vec<String>,
    /// How many there are.
    pub counts: [usize; 2],
    /// Why either trace ended early.
    pub truncated: [Option<Limit>; 2],
    /// Branches of either on other nodes that could not be followed.
    pub failures: [Vec<Failure>; 2],
}

impl TraceQuery {
    /// Rows of where it begins.
    pub fn start_count(&self) -> u32 {
        u32::try_from(self.further.len()).map_or(u32::MAX, |further| further.saturating_add(1))
    }
}

impl Node {
    /// Finds at most `paths_max` shortest paths from the start of `query` to `to`, also
    /// over other nodes.
    ///
    /// # Errors
    /// As [`Node::trace`].
    pub fn trace_paths(
        &self,
        caller: &Caller,
        (query, onward): (&TraceQuery, &Onward),
        to: &Identifier,
        paths_max: usize,
    ) -> Result<FoundPaths, Refusal> {
        if self.goes_on(onward) {
            return self.paths_onward(caller, (query, onward), to, paths_max);
        }
        let asked = Asked::new(self, query)?;
        let to = self.number_of(to)?;
        let (Some(from), Some(to)) = (asked.start, to) else {
            return Ok(FoundPaths::default());
        };
        let reader = self.link_reader(caller);
        let is_over = || self.elapsed() >= query.until;
        let search = asked.search((from, to), paths_max, &is_over);
        let found = self.with_source(&reader, &query.kinds, &mut Finding(&search))?;
        let own = query.start.to_string();
        let named = |path: trace::Path| -> TracePath {
            let rows: Vec<Row> = path.iter().zip(0..).map(step_row).collect();
            let rows = self.named_rows(&rows, &own).into_iter();
            rows.map(OnwardRow::of_here).collect()
        };
        Ok(FoundPaths {
            paths: found.paths.into_iter().map(named).collect(),
            truncated: found.truncated,
            failures: Vec::new(),
        })
    }

    /// Compares two traces, also at other nodes, by the identifiers that each has; tells
    /// at most `told_max` of either side.
    ///
    /// # Errors
    /// As [`Node::trace`].
    pub fn compare_traces(
        &self,
        caller: &Caller,
        traces: [(&TraceQuery, &Onward); 2],
        told_max: usize,
    ) -> Result<TraceDifference, Refusal> {
        let [first, second] = traces;
        let (first, second) = (
            self.named_by(caller, first)?,
            self.named_by(caller, second)?,
        );
        let alone = |these: &Names, those: &Names| {
            let alone = these.iter().filter(|(key, _)| !those.contains_key(*key));
            let mut alone: Vec<String> = alone.map(|(_, name)| name.clone()).collect();
            alone.sort_unstable();
            let count = alone.len();
            alone.truncate(told_max);
            (alone, count)
        };
        let (only_first, first_count) = alone(&first.names, &second.names);
        let (only_second, second_count) = alone(&second.names, &first.names);
        Ok(TraceDifference {
            only_first,
            only_second,
            counts: [first_count, second_count],
            truncated: [first.truncated, second.truncated],
            failures: [first.failures, second.failures],
        })
    }

    /// The identifiers of a trace.
    fn named_by(
        &self,
        caller: &Caller,
        (query, onward): (&TraceQuery, &Onward),
    ) -> Result<Named, Refusal> {
        let mut names = Names::new();
        let mut add = |row: TraceRow| {
            let name = row.identifier?;
            let key = self.link_key(&Identifier::parse(&name).ok()?);
            names.entry(key).or_insert(name);
            Some(())
        };
        let end = match self.goes_on(onward) {
            true => {
                let mut give = |rows: Vec<OnwardRow>| {
                    rows.into_iter()
                        .filter_map(|row| add(row.row))
                        .for_each(drop);
                    ControlFlow::Continue(())
                };
                self.trace_onward(caller, (query, onward), &mut give)?
            }
            false => {
                let mut take = |rows: Vec<TraceRow>| {
                    rows.into_iter().filter_map(&mut add).for_each(drop);
                    ControlFlow::Continue(())
                };
                OnwardEnd {
                    end: self.trace(caller, query, &mut take)?,
                    ..OnwardEnd::default()
                }
            }
        };
        Ok(Named {
            names,
            truncated: end.end.truncated,
            failures: end.failures,
        })
    }

    /// The terms of links with a number that a row had.
    pub fn link_terms(&self, number: u32) -> Option<Terms> {
        let table = self.inner.store.terms();
        table.row(number).map(|row| Terms::clone(&row.terms))
    }

    pub(super) fn link_reader(&self, caller: &Caller) -> LinkReader {
        LinkReader::new(caller, &self.inner.store, self.now())
    }

    /// The key of an identifier as the end of a link.
    pub(super) fn link_key(&self, identifier: &Identifier) -> Key {
        let entry = self.prefix(&identifier.prefix().canonical());
        identifier.key(entry.map(|entry| entry.case).unwrap_or_default())
    }

    /// The node of an identifier; `None` if no link names it.
    pub(super) fn number_of(&self, identifier: &Identifier) -> Result<Option<Number>, Refusal> {
        let key = self.link_key(identifier);
        let number = self.inner.store.node_number(&key);
        Ok(number.map_err(|error| told(&error))?.map(Number))
    }

    /// Does `work` over the graph in memory, or over the lists.
    pub(super) fn with_source<W: Work>(
        &self,
        reader: &LinkReader,
        kinds: &[LinkKind],
        work: &mut W,
    ) -> Result<W::Output, Refusal> {
        let store = &*self.inner.store;
        if let Some(graph) = self.inner.graph.ready() {
            let owns = InGraph::new(store, reader, graph);
            let mut judging = Judging::new(store, (reader, kinds), owns);
            if let Ok(output) = work.run(&mut graph.reader(), &mut judging) {
                return Ok(output);
            }
        }
        let mut judging = Judging::new(store, (reader, kinds), InStore::new(store, reader));
        let done = work.run(&mut Stored(store), &mut judging);
        done.map_err(|error| told(&error))
    }
}

/// What is done over either source of links.
pub(super) trait Work {
    /// What comes of it.
    type Output;

    /// Does it.
    fn run<S: Source>(
        &mut self,
        source: &mut S,
        judge: &mut impl Judge,
    ) -> Result<Self::Output, S::Error>;
}

/// Finds paths.
pub(super) struct Finding<'a>(pub(super) &'a Search<'a>);

impl Work for Finding<'_> {
    type Output = trace::Paths;

    fn run<S: Source>(
        &mut self,
        source: &mut S,
        judge: &mut impl Judge,
    ) -> Result<trace::Paths, S::Error> {
        trace::paths(source, self.0, judge)
    }
}

/// A query, checked, with the node that it begins at.
#[derive(Clone, Copy, Debug)]
struct Asked {
    start: Option<Number>,
    lens: Lens,
    depth_max: u16,
}

impl Asked {
    fn new(node: &Node, query: &TraceQuery) -> Result<Self, Refusal> {
        Ok(Self {
            start: node.number_of(&query.start)?,
            ..Self::checked(query)?
        })
    }

    /// Without the node that it begins at.
    fn checked(query: &TraceQuery) -> Result<Self, Refusal> {
        let depth_max = match query.depth_max {
            0 => TRACE_DEPTH_MAX,
            depth if depth <= TRACE_DEPTH_MAX => depth,
            depth => return Err(beyond("depth_max", depth.into(), TRACE_DEPTH_MAX.into())),
        };
        if query.skip > TRACE_REACH_MAX {
            return Err(beyond("page_token", query.skip, TRACE_REACH_MAX));
        }
        let (from, until) = (query.valid_from, query.valid_until);
        if let (Some(from), Some(until)) = (from, until)
            && until <= from
        {
            return Err(Refusal::new(Reason::FieldInvalid)
                .field("valid_until")
                .value(until)
                .limit(format!("later than valid_from, {from}")));
        }
        let window = (from.is_some() || until.is_some()).then(|| Window {
            from: from.map_or(0, edge_seconds),
            until: until.map_or(u32::MAX, edge_seconds),
        });
        let lens = Lens {
            direction: query.direction,
            when: When {
                window,
                as_of: query.as_of.map(edge_seconds),
            },
        };
        Ok(Self {
            start: None,
            lens,
            depth_max,
        })
    }
}

impl Asked {
    /// A search for paths.
    fn search<'a>(
        &self,
        (from, to): (Number, Number),
        paths_max: usize,
        is_over: &'a dyn Fn() -> bool,
    ) -> Search<'a> {
        Search {
            from,
            to,
            lens: self.lens,
            depth_max: self.depth_max,
            paths_max: paths_max.min(TRACE_PATHS_MAX),
            hops_max: TRACE_LINKS_MAX,
            is_over,
        }
    }
}

/// A number of things.
fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn beyond(field: &'static str, value: u32, limit: u32) -> Refusal {
    Refusal::new(Reason::FieldInvalid)
        .field(field)
        .value(value)
        .limit(format!("at most {limit}"))
}

fn step_row((step, number): (&trace::Step, u32)) -> Row {
    Row {
        node: step.node,
        hidden: None,
        depth: u16::try_from(number).unwrap_or(u16::MAX),
        parent: number.saturating_sub(1),
        terms: step.terms,
        more: false,
        again: false,
    }
}
