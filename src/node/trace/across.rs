//! Groups, paths and differences of traces that go on at other nodes: all links that the
//! trace tells are gathered, and looked at here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::ops::ControlFlow;

use crate::model::limits::TRACE_GATHERED_MAX;
use crate::model::{Caller, Identifier, Key, Refusal};
use crate::node::Node;
use crate::node::trace::group::{Counted, GroupBy, PACKING, add};
use crate::node::trace::onward::{Onward, OnwardEnd, OnwardRow};
use crate::node::trace::{Asked, FoundPaths, TracePath, TraceQuery, wide};
use crate::trace::{
    self, Direction, Hop, Lens, Limit, Node as Number, Search, Source, TermsId, Verdict,
};

impl Node {
    /// Counts the rows of a trace that goes on at other nodes.
    pub(super) fn count_onward(
        &self,
        caller: &Caller,
        (query, onward): (&TraceQuery, &Onward),
        by: GroupBy,
    ) -> Result<(Counted, OnwardEnd), Refusal> {
        let query = TraceQuery {
            all_links: by == GroupBy::Package,
            ..query.clone()
        };
        let mut counting = Counting {
            node: self,
            direction: query.direction,
            by,
            counted: Counted::default(),
            names: Vec::new(),
            contents: BTreeMap::new(),
            row_count: 0,
        };
        let mut give = |rows: Vec<OnwardRow>| {
            rows.iter().for_each(|row| counting.row(row));
            ControlFlow::Continue(())
        };
        let mut end = self.trace_onward(caller, (&query, onward), &mut give)?;
        end.end.row_count = counting.row_count;
        let mut counted = counting.done();
        counted.more_count += wide(end.more_rows.len());
        Ok((counted, end))
    }

    /// Finds the shortest paths of those that a trace tells which goes on at other nodes.
    pub(super) fn paths_onward(
        &self,
        caller: &Caller,
        (query, onward): (&TraceQuery, &Onward),
        to: &Identifier,
        paths_max: usize,
    ) -> Result<FoundPaths, Refusal> {
        let query = TraceQuery {
            all_links: true,
            rows_max: query.rows_max.min(TRACE_GATHERED_MAX),
            ..query.clone()
        };
        let mut told = Told {
            to: self.link_key(to),
            goal: None,
            rows: Vec::new(),
        };
        let mut give = |rows: Vec<OnwardRow>| {
            rows.into_iter().for_each(|row| told.row(self, row));
            ControlFlow::Continue(())
        };
        let end = self.trace_onward(caller, (&query, onward), &mut give)?;
        let mut found = FoundPaths {
            truncated: end.end.truncated.map(|limit| match limit {
                // Of paths it says that there are more.
                Limit::Rows | Limit::Taker => Limit::Hops,
                limit => limit,
            }),
            failures: end.failures,
            ..FoundPaths::default()
        };
        if let Some(goal) = told.goal {
            // What was told is looked through in a moment, were all time used up.
            let search =
                Asked::checked(&query)?.search((Number(0), Number(goal)), paths_max, &|| false);
            let paths = told.paths(&search);
            found.truncated = found.truncated.or(paths.truncated);
            found.paths = paths.paths.iter().map(|path| told.named(path)).collect();
            // What stands for one hidden hop may have been told by two nodes.
            let mut ways = HashSet::new();
            found.paths.retain(|path| ways.insert(way(path)));
        }
        Ok(found)
    }
}

/// Counts rows for each prefix, or the contents of each package.
struct Counting<'a> {
    node: &'a Node,
    direction: Direction,
    by: GroupBy,
    counted: Counted,
    /// Identifier and depth by number of row, for packages; none of a placeholder.
    names: Vec<Option<(String, u16)>>,
    /// What is packed in each package, by numbers of rows.
    contents: BTreeMap<u32, HashSet<u32>>,
    /// Rows that are not only links.
    row_count: u32,
}

impl Counting<'_> {
    fn row(&mut self, row: &OnwardRow) {
        let OnwardRow { row: plain, of, .. } = row;
        self.counted.more_count += u64::from(plain.more);
        self.row_count += u32::from(!plain.again);
        let name = plain.identifier.as_ref();
        match self.by {
            GroupBy::Prefix => {
                if let Some((prefix, _)) = name.and_then(|name| name.split_once('/')) {
                    add(&mut self.counted.found, prefix, (1, plain.depth));
                }
            }
            GroupBy::Package => {
                if self.is_packing(row) {
                    // The package is what a link of packing leads down to.
                    let (package, content) = match self.direction {
                        Direction::Down => (*of, plain.parent),
                        Direction::Up => (plain.parent, *of),
                    };
                    self.contents.entry(package).or_default().insert(content);
                }
                let name = name.map(|name| (name.clone(), plain.depth));
                self.names.push(name.filter(|_| !plain.again));
            }
        }
    }

    fn is_packing(&self, row: &OnwardRow) -> bool {
        match (&row.far, row.row.terms) {
            (Some(far), _) => PACKING.contains(&far.kind.as_str()),
            (None, Some(number)) => {
                let terms = self.node.link_terms(number);
                terms.is_some_and(|terms| PACKING.contains(&terms.kind.as_str()))
            }
            (None, None) => false,
        }
    }

    fn done(self) -> Counted {
        let Self {
            mut counted,
            names,
            contents,
            ..
        } = self;
        let name = |row: u32| names.get(row as usize).and_then(Option::as_ref);
        for (package, within) in contents {
            if let Some((package, depth)) = name(package) {
                let count = within.into_iter().filter(|row| name(*row).is_some());
                add(&mut counted.found, package, (wide(count.count()), *depth));
            }
        }
        counted
    }
}

/// The links that a trace told, in the order of its rows.
struct Told {
    /// The identifier that paths lead to.
    to: Key,
    /// The number of its row.
    goal: Option<u32>,
    rows: Vec<OnwardRow>,
}

impl Told {
    fn row(&mut self, node: &Node, row: OnwardRow) {
        if self.goal.is_none()
            && let Some(text) = &row.row.identifier
            && let Ok(identifier) = Identifier::parse(text)
            && node.link_key(&identifier) == self.to
        {
            self.goal = Some(row.of);
        }
        self.rows.push(row);
    }

    fn paths(&self, search: &Search<'_>) -> trace::Paths {
        let mut hops: HashMap<Number, Vec<Hop>> = HashMap::new();
        for (row, number) in self.rows.iter().zip(0..).skip(1) {
            let near = Number(row.row.parent);
            hops.entry(near).or_default().push(Hop {
                near,
                far: Number(row.of),
                terms: TermsId(number),
            });
        }
        for hops in hops.values_mut() {
            hops.sort_unstable_by_key(|hop| (hop.far, hop.terms));
        }
        let is_hidden = |hop: &Hop| {
            let row = self.rows.get(hop.far.0 as usize);
            row.is_none_or(|row| row.row.identifier.is_none())
        };
        let mut judge = |hop: &Hop| match is_hidden(hop) {
            true => Verdict::Through,
            false => Verdict::Follow,
        };
        match trace::paths(&mut Gathered(hops), search, &mut judge) {
            Ok(paths) => paths,
        }
    }

    /// A path by its links.
    fn named(&self, path: &trace::Path) -> Vec<OnwardRow> {
        let step = |(step, depth): (&trace::Step, u16)| {
            let number = step.terms.map_or(0, |terms| terms.0 as usize);
            let mut row = self.rows.get(number)?.clone();
            row.row.depth = depth;
            row.row.parent = depth.saturating_sub(1).into();
            (row.row.more, row.row.again) = (false, false);
            Some(row)
        };
        path.iter().zip(0..).filter_map(step).collect()
    }
}

/// Links that were told, as what paths are searched in: each is looked at, its times
/// were before.
struct Gathered(HashMap<Number, Vec<Hop>>);

impl Source for Gathered {
    type Error = Infallible;

    fn expand<F>(&mut self, frontier: &[Number], _: &Lens, mut each: F) -> Result<(), Infallible>
    where
        F: FnMut(usize, Hop) -> ControlFlow<()>,
    {
        for (index, node) in frontier.iter().enumerate() {
            for hop in self.0.get(node).into_iter().flatten() {
                if each(index, *hop).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// The identifiers of a path.
fn way(path: &TracePath) -> Vec<Option<String>> {
    path.iter().map(|row| row.row.identifier.clone()).collect()
}
