//! A trace at work: it may rest and go on, where the call is read or on a thread of
//! its own, over the graph in memory or over the stored lists.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::access::LinkReader;
use crate::model::limits::{TRACE_LINKS_MAX, TRACE_ROWS_MAX};
use crate::model::{Caller, Refusal};
use crate::node::trace::judge::{InGraph, InStore, Judging, Owns};
use crate::node::trace::kept::{Before, KeptTrace, Question};
use crate::node::trace::stored::Stored;
use crate::node::trace::{Asked, TraceEnd, TraceQuery, TraceRow};
use crate::node::{Node, told};
use crate::trace::{
    Ask, Called, Graph, Hop, Lens, Limit, Node as Number, Row, Source, Summary, Walk,
};

/// A trace that finds nothing but its start is told after a [`round`] number of times
/// as long: whether there are links that may not be seen, and how many, is not to be told
/// from how long it took to look at them.
const ALONE: Duration = Duration::from_millis(1);

/// One identifier that a trace came to, or a placeholder for one.
#[derive(Clone, Copy, Debug)]
pub struct FoundRow<'a> {
    /// Prefix and suffix; `None` for a placeholder.
    pub name: Option<(&'a str, &'a str)>,
    /// Hops from the start.
    pub depth: u16,
    /// Number of the row that it was reached from.
    pub parent: u32,
    /// A number that tells its prefix from others within the trace; not all have one.
    pub prefix_number: Option<u32>,
    /// The number of the terms of the link that it was reached by; `None` of the
    /// start and of a placeholder.
    pub terms: Option<u32>,
    /// Whether there is more behind it that the caller may not see.
    pub more: bool,
    /// Whether the identifier has an earlier row.
    pub again: bool,
    /// The node of a placeholder: not to be told.
    hidden: Option<Number>,
    /// Its node, if it is no placeholder and any link names it.
    pub(super) node: Option<Number>,
}

/// Takes what a trace finds.
pub trait TraceTaker {
    /// Takes a row. Soon done: the graph may be locked.
    fn row(&mut self, row: FoundRow<'_>);

    /// After some rows, while nothing is locked: breaks if no more are wanted, or not
    /// now.
    fn pause(&mut self) -> ControlFlow<()>;
}

/// A trace that may rest.
#[derive(Debug)]
pub struct Tracing {
    node: Node,
    query: TraceQuery,
    reader: Arc<LinkReader>,
    asked: Asked,
    /// Where it begins as the caller spells it: how a link that may not be seen spelled it
    /// is nobody's business.
    own: Vec<String>,
    walk: Walk,
    began: Duration,
    /// How things stood then, while all of it went over the graph in memory.
    before: Option<Before>,
    /// Whether a name could not be read.
    lacks_name: bool,
}

/// A trace that was asked for.
#[derive(Debug)]
pub enum Found {
    /// It was found before, and would be found so now.
    Kept(Arc<KeptTrace>),
    /// It has not begun.
    New(Box<Tracing>),
}

impl Node {
    /// A trace that has not begun.
    ///
    /// # Errors
    /// `FieldInvalid` beyond a limit; `Internal`.
    pub fn begin_trace(&self, caller: &Caller, query: &TraceQuery) -> Result<Tracing, Refusal> {
        let reader = Arc::new(self.link_reader(caller));
        self.begin_for(reader, query)
    }

    /// A trace that was found before and kept, or one that has not begun.
    ///
    /// # Errors
    /// `FieldInvalid` beyond a limit; `Internal`.
    pub fn find_trace(&self, caller: &Caller, query: &TraceQuery) -> Result<Found, Refusal> {
        let reader = Arc::new(self.link_reader(caller));
        let keeper = &self.inner.graph;
        let is_whole = query.skip == 0 && query.further.is_empty();
        if let (Some(kept), Some(graph), true) = (keeper.kept(), keeper.ready(), is_whole) {
            let question = Question::new(query, &Asked::checked(query)?, &reader);
            let found = kept.find(&question, (&self.inner.store, graph));
            if let Some(found) = found.filter(|found| found.row_count <= query.rows_max) {
                return Ok(Found::Kept(found));
            }
        }
        let tracing = self.begin_for(reader, query)?;
        Ok(Found::New(Box::new(tracing)))
    }

    fn begin_for(&self, reader: Arc<LinkReader>, query: &TraceQuery) -> Result<Tracing, Refusal> {
        let began = self.elapsed();
        let before = Before::of(&self.inner.store, self.inner.graph.ready());
        let asked = Asked::new(self, query)?;
        let own = std::iter::once(&query.start).chain(&query.further);
        let own = own.map(ToString::to_string).collect();
        let walks = &self.inner.graph.walks;
        let walk = match query.further.as_slice() {
            // What no link names takes the way of what is linked unseen.
            [] => walks.begin(&[Some(asked.start.unwrap_or(NOWHERE))]),
            further => {
                let further = further.iter().map(|start| self.number_of(start));
                let starts = std::iter::once(Ok(asked.start)).chain(further);
                walks.begin(&starts.collect::<Result<Vec<_>, _>>()?)
            }
        };
        Ok(Tracing {
            node: self.clone(),
            query: query.clone(),
            reader,
            own,
            walk,
            asked,
            began,
            before,
            lacks_name: false,
        })
    }

    /// Traces, and gives the rows as they are found, the start first. The start of
    /// no link that the caller sees has no row but its own; it is told at once, see
    /// [`TraceProgress::quiet`].
    ///
    /// # Errors
    /// `FieldInvalid` beyond a limit; `Internal`.
    pub fn trace(
        &self,
        caller: &Caller,
        query: &TraceQuery,
        give: &mut dyn FnMut(Vec<TraceRow>) -> ControlFlow<()>,
    ) -> Result<TraceEnd, Refusal> {
        let mut giving = Giving {
            rows: Vec::new(),
            give,
        };
        let mut tracing = self.begin_trace(caller, query)?;
        Ok(tracing.go(query.until, &mut giving)?.end)
    }
}

/// How far a trace has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceProgress {
    /// How it ended, or would if it did not go on.
    pub end: TraceEnd,
    /// Whether it can go on: it rests because of the time it was given or because its
    /// taker wanted no more, not because of what was asked for.
    pub rests: bool,
    /// How long to wait before it is told.
    pub quiet: Duration,
}

impl Tracing {
    /// What is traced.
    pub const fn query(&self) -> &TraceQuery {
        &self.query
    }

    /// Keeps a face's answer to all of it, if that ends with all rows there are, and tells
    /// more than the start. What came from the stored lists is not kept. `octets` is asked
    /// for the answer, of about `length`, only if it will be.
    pub fn keep(self, end: &TraceEnd, (length, octets): (usize, impl FnOnce() -> Option<Bytes>)) {
        let is_whole = end.truncated.is_none() && self.query.skip == 0 && end.row_count > 1;
        if !is_whole || self.lacks_name || !self.query.further.is_empty() {
            return;
        }
        if let (Some(kept), Some(before)) = (self.node.inner.graph.kept(), self.before) {
            let question = Question::new(&self.query, &self.asked, &self.reader);
            kept.keep(
                question,
                before,
                &self.walk,
                (end.row_count, length, octets),
            );
        }
    }

    /// Whether it would go over memory alone, and so not wait for a disk.
    pub fn is_in_memory(&self) -> bool {
        self.node.inner.graph.ready().is_some()
    }

    /// Goes on until all is found, a limit is reached, the taker wants no more, or
    /// [`Node::elapsed`] is `until`, and gives the rows as they are found. Blocks, for
    /// about as long as that.
    ///
    /// # Errors
    /// `Internal`.
    pub fn go(
        &mut self,
        until: Duration,
        taker: &mut dyn TraceTaker,
    ) -> Result<TraceProgress, Refusal> {
        let until = until.min(self.query.until);
        let (node, reader) = (self.node.clone(), Arc::clone(&self.reader));
        let mut summary = None;
        if let Some(graph) = node.inner.graph.ready() {
            let owns = InGraph::new(&node.inner.store, &reader, graph);
            let source = Blinded(graph.reader(), self.is_blinded());
            // If it is gone meanwhile, what was given is right: the lists go on.
            summary = self.over((source, owns, Some(graph)), until, taker).ok();
        }
        let summary = match summary {
            Some(summary) => summary,
            None => {
                self.before = None;
                let owns = InStore::new(&node.inner.store, &reader);
                let source = Blinded(Stored(&node.inner.store), self.is_blinded());
                let over = self.over((source, owns, None), until, taker);
                over.map_err(|error| told(&error))?
            }
        };
        let is_alone = summary.rows == 1 && summary.truncated.is_none();
        // Beside others a start may be asked about of which nothing may be seen.
        let quiet = match is_alone || !self.query.further.is_empty() {
            // What ends when its time is over tells nothing by that.
            true => {
                let left = self.query.until.saturating_sub(self.node.elapsed());
                self.node.quiet_since(self.began).min(left)
            }
            false => Duration::ZERO,
        };
        let rests = match summary.truncated {
            Some(Limit::Time) => self.node.elapsed() < self.query.until,
            Some(Limit::Taker) => true,
            _ => false,
        };
        Ok(TraceProgress {
            end: end(&summary),
            rests,
            quiet,
        })
    }

    /// Whether no link names its only start.
    const fn is_blinded(&self) -> bool {
        self.asked.start.is_none() && self.query.further.is_empty()
    }

    fn over<S: Source, O: Owns>(
        &mut self,
        (mut source, owns, graph): (S, O, Option<&Graph>),
        until: Duration,
        taker: &mut dyn TraceTaker,
    ) -> Result<Summary, S::Error> {
        let node = &self.node;
        let is_over = || node.elapsed() >= until;
        let ask = self.asked.ask(&self.query, &is_over);
        let mut judging = Judging::new(&node.inner.store, (&self.reader, &self.query.kinds), owns);
        let own: Vec<_> = self.own.iter().map(|own| halves(own)).collect();
        let is_linked = !self.is_blinded();
        let lacks_name = &mut self.lacks_name;
        self.walk.go(&mut source, &ask, &mut judging, |rows| {
            node.name_rows((rows, graph), &own, &mut |row| {
                *lacks_name |= row.node.is_some() && row.name.is_none();
                let node = row.node.filter(|_| is_linked);
                taker.row(FoundRow { node, ..row });
            });
            taker.pause()
        })
    }
}

impl Node {
    /// How long to wait before what began at `began` ([`Node::elapsed`]) is told, if
    /// the time it took is not to be: to a round number of milliseconds, of which four double it.
    pub fn quiet_since(&self, began: Duration) -> Duration {
        let took = self.elapsed().saturating_sub(began);
        let parts = took.as_nanos().div_ceil(ALONE.as_nanos());
        let parts = u32::try_from(parts).unwrap_or(u32::MAX);
        ALONE.saturating_mul(round(parts)).saturating_sub(took)
    }

    /// Calls `each` with rows and the names of their nodes, from the graph if it has
    /// them. Where it begins, with depth 0, it is called as `own` has it.
    pub(super) fn name_rows(
        &self,
        (rows, graph): (&[Row], Option<&Graph>),
        own: &[(&str, &str)],
        each: &mut dyn FnMut(FoundRow<'_>),
    ) {
        let one = |row: &Row, name: Option<(&str, &str)>, each: &mut dyn FnMut(FoundRow<'_>)| match (
            row.depth, row.node, name,
        ) {
            (0, ..) => each(found(row, own.get(row.parent as usize).copied())),
            (_, None, _) | (_, _, Some(_)) => each(found(row, name)),
            (_, Some(node), None) => {
                let name = self.inner.store.node_name(node.0);
                let name = name.map(|name| name.to_string());
                let name = name.map_err(|error| told(&error)).ok();
                each(found(
                    row,
                    name.as_deref().and_then(|name| name.split_once('/')),
                ));
            }
        };
        if let Some(graph) = graph {
            let named = |row: &Row, called: Option<Called<'_>>| match called {
                Some(called) if row.depth > 0 => each(FoundRow {
                    prefix_number: Some(called.prefix_number),
                    ..found(row, Some((called.prefix, called.suffix)))
                }),
                _ => one(row, None, each),
            };
            if graph.names(rows, named).is_ok() {
                return;
            }
        }
        let is_named = |row: &Row| row.depth > 0 && row.node.is_some();
        let nodes = rows.iter().filter(|row| is_named(row));
        let numbers: Vec<u32> = nodes
            .filter_map(|row| row.node)
            .map(|node| node.0)
            .collect();
        let mut rest = rows.iter();
        let told = self.inner.store.each_name(&numbers, &mut |name| {
            for row in rest.by_ref() {
                match is_named(row) {
                    true => return one(row, name.split_once('/'), each),
                    false => one(row, None, each),
                }
            }
        });
        if let Err(error) = told {
            let _refusal = crate::node::told(&error);
        }
        rest.for_each(|row| one(row, None, each));
    }

    /// Rows with names, as [`Node::name_rows`] has them, to be kept.
    pub(super) fn named_rows(&self, rows: &[Row], own: &str) -> Vec<TraceRow> {
        let mut named = Vec::with_capacity(rows.len());
        let graph = self.inner.graph.ready();
        self.name_rows((rows, graph), &[halves(own)], &mut |row| {
            named.push(row.into_row());
        });
        named
    }
}

/// Prefix and suffix.
fn halves(identifier: &str) -> (&str, &str) {
    identifier.split_once('/').unwrap_or((identifier, ""))
}

/// The next number of which no more than the three highest bits are set: 8 and then 10,
/// 32 and then 40. So four steps double it, whatever it is.
const fn round(number: u32) -> u32 {
    let quarter = number / 4;
    let step = match quarter {
        0 => 1,
        quarter => 1 << quarter.ilog2(),
    };
    number.div_ceil(step).saturating_mul(step)
}

impl<'a> FoundRow<'a> {
    /// A row that was found elsewhere.
    pub const fn new(
        name: Option<(&'a str, &'a str)>,
        (depth, parent): (u16, u32),
        terms: Option<u32>,
        (more, again): (bool, bool),
    ) -> Self {
        Self {
            name,
            prefix_number: None,
            depth,
            parent,
            terms,
            more,
            again,
            hidden: None,
            node: None,
        }
    }

    /// The row, to be kept.
    pub fn into_row(self) -> TraceRow {
        let joined = |(prefix, suffix)| [prefix, "/", suffix].concat();
        TraceRow {
            identifier: self.name.map(joined),
            depth: self.depth,
            parent: self.parent,
            terms: self.terms,
            more: self.more,
            again: self.again,
            place: self.node.or(self.hidden).map(|node| node.0),
        }
    }
}

fn found<'a>(row: &Row, name: Option<(&'a str, &'a str)>) -> FoundRow<'a> {
    FoundRow {
        name,
        prefix_number: None,
        depth: row.depth,
        parent: row.parent,
        terms: row.node.and(row.terms).map(|terms| terms.0),
        more: row.more,
        again: row.again,
        hidden: row.hidden,
        node: row.node,
    }
}

fn end(summary: &Summary) -> TraceEnd {
    TraceEnd {
        row_count: summary.rows,
        depth: summary.depth,
        is_depth_cut: summary.is_depth_cut,
        truncated: summary.truncated,
        next: summary.next,
    }
}

impl Asked {
    fn ask<'a>(&self, query: &TraceQuery, is_over: &'a dyn Fn() -> bool) -> Ask<'a> {
        Ask {
            start: self.start.unwrap_or(NOWHERE),
            lens: self.lens,
            depth_max: self.depth_max,
            all_edges: query.all_links,
            skip: query.skip,
            rows_max: query.rows_max.min(TRACE_ROWS_MAX),
            hops_max: TRACE_LINKS_MAX,
            is_over,
        }
    }
}

/// Gives owned rows on.
struct Giving<'a> {
    rows: Vec<TraceRow>,
    give: &'a mut dyn FnMut(Vec<TraceRow>) -> ControlFlow<()>,
}

impl TraceTaker for Giving<'_> {
    fn row(&mut self, row: FoundRow<'_>) {
        self.rows.push(row.into_row());
    }

    fn pause(&mut self) -> ControlFlow<()> {
        (self.give)(std::mem::take(&mut self.rows))
    }
}

/// Stands for a start that no link names; its source is blinded.
const NOWHERE: Number = Number(0);

/// A source that, if it is blinded, is asked and tells of nothing.
struct Blinded<S>(S, bool);

impl<S: Source> Source for Blinded<S> {
    type Error = S::Error;

    const FRONTIER_MAX: usize = S::FRONTIER_MAX;

    fn expand<F>(&mut self, frontier: &[Number], lens: &Lens, each: F) -> Result<(), S::Error>
    where
        F: FnMut(usize, Hop) -> ControlFlow<()>,
    {
        let Self(source, is_blinded) = self;
        match is_blinded {
            true => source.expand(frontier, lens, |_, _| ControlFlow::Break(())),
            false => source.expand(frontier, lens, each),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_steps_double_a_round_number() {
        let rounded: Vec<u32> = (0..=40).map(round).collect();
        let expected = [
            0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 10, 12, 12, 14, 14, 16, 16, 20, 20, 20, 20, 24, 24, 24,
            24, 28, 28, 28, 28, 32, 32, 32, 32, 40, 40, 40, 40, 40, 40, 40, 40,
        ];
        assert_eq!(rounded, expected);
        assert_eq!(round(u32::MAX), u32::MAX);
        assert_eq!([round(100), round(1_000)], [112, 1_024]);
    }
}
