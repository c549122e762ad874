//! A trace as a list for those who act on it: how much each firm has, or each
//! package.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;

use crate::model::{Caller, LinkKind, Prefix, Refusal};
use crate::node::trace::onward::{Failure, Onward, OnwardEnd};
use crate::node::trace::{FoundRow, TraceEnd, TraceQuery, TraceTaker, Work, wide};
use crate::node::{Node, told};
use crate::trace::{Direction, Hop, Judge, Lens, Node as Number, Source, Verdict};

/// Kinds of links that lead into a package.
pub(super) const PACKING: [&str; 2] = ["packed_in", "shipped_in"];

/// How to group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// By prefix.
    Prefix,
    /// By what it is packed in.
    Package,
}

/// What has a prefix or a package in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The prefix, or the identifier of the package.
    pub key: String,
    /// The firm's name, of a prefix that is known here.
    pub firm: String,
    /// How many identifiers of the trace are in it.
    pub count: u64,
    /// The least number of hops.
    pub depth: u16,
}

/// A trace by groups, the largest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouped {
    /// The groups; the first so many.
    pub groups: Vec<Group>,
    /// Groups there are.
    pub group_count: usize,
    /// Rows behind which there is more.
    pub more_count: u64,
    /// How the trace ended.
    pub end: TraceEnd,
    /// Branches on other nodes that could not be followed.
    pub failures: Vec<Failure>,
}

/// How many identifiers each group has, and the least number of hops.
#[derive(Default)]
pub(super) struct Counted {
    pub(super) found: HashMap<String, (u64, u16)>,
    /// Rows behind which there is more.
    pub(super) more_count: u64,
}

impl Node {
    /// Traces, also at other nodes, and counts what it finds for each prefix or package;
    /// gives at most `groups_max` groups, and how long to wait before they are told.
    ///
    /// # Errors
    /// As [`Node::trace`].
    pub fn group_trace(
        &self,
        caller: &Caller,
        (query, onward): (&TraceQuery, &Onward),
        by: GroupBy,
        groups_max: usize,
    ) -> Result<(Grouped, Duration), Refusal> {
        let (counted, end) = match self.goes_on(onward) {
            true => self.count_onward(caller, (query, onward), by)?,
            false => self.count_here(caller, query, by)?,
        };
        let group = |(key, (count, depth)): (String, (u64, u16))| Group {
            key,
            firm: String::new(),
            count,
            depth,
        };
        let mut groups: Vec<Group> = counted.found.into_iter().map(group).collect();
        let group_count = groups.len();
        groups.sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        groups.truncate(groups_max);
        for group in &mut groups {
            let prefix = group.key.split('/').next().unwrap_or_default();
            let entry = Prefix::parse(prefix).ok();
            let entry = entry.and_then(|prefix| self.prefix(&prefix.canonical()));
            group.firm = entry.map(|entry| entry.firm.clone()).unwrap_or_default();
        }
        let grouped = Grouped {
            groups,
            group_count,
            more_count: counted.more_count,
            end: end.end,
            failures: end.failures,
        };
        Ok((grouped, end.quiet))
    }

    /// Counts the rows of a trace that stays here.
    fn count_here(
        &self,
        caller: &Caller,
        query: &TraceQuery,
        by: GroupBy,
    ) -> Result<(Counted, OnwardEnd), Refusal> {
        let mut counting = Grouping {
            by,
            counted: Counted::default(),
            packed: Packed::default(),
            direction: query.direction,
            node: self,
        };
        let mut tracing = self.begin_trace(caller, query)?;
        let progress = tracing.go(query.until, &mut counting)?;
        let Grouping {
            mut counted,
            packed,
            ..
        } = counting;
        if by == GroupBy::Package {
            for (package, depth, count) in self.contents(caller, query, packed)? {
                add(&mut counted.found, &package, (count, depth));
            }
        }
        Ok((counted, OnwardEnd::of(progress)))
    }

    /// How many of what was found lies in each package that was found.
    fn contents(
        &self,
        caller: &Caller,
        query: &TraceQuery,
        packed: Packed,
    ) -> Result<Vec<(String, u16, u64)>, Refusal> {
        let Packed { packages, all, .. } = packed;
        let reader = self.link_reader(caller);
        let kinds: Vec<LinkKind> = PACKING
            .iter()
            .filter_map(|kind| LinkKind::parse(kind).ok())
            .collect();
        let mut nodes: Vec<Number> = packages.keys().copied().collect();
        nodes.sort_unstable();
        let lens = Lens {
            direction: Direction::Up,
            ..super::Asked::new(self, query)?.lens
        };
        let mut counting = Counting {
            nodes: &nodes,
            lens,
            all: &all,
        };
        let counts = self.with_source(&reader, &kinds, &mut counting)?;
        let store = &self.inner.store;
        let numbers: Vec<u32> = nodes.iter().map(|node| node.0).collect();
        let names = store.node_names(&numbers).map_err(|error| told(&error))?;
        let named = nodes.iter().zip(names).filter_map(|(node, name)| {
            let depth = packages.get(node).copied()?;
            let count = counts.get(node).map_or(0, |within| wide(within.len()));
            Some((name.to_string(), depth, count))
        });
        Ok(named.collect())
    }
}

/// Counts the rows of a trace.
struct Grouping<'a> {
    by: GroupBy,
    counted: Counted,
    packed: Packed,
    direction: Direction,
    node: &'a Node,
}

impl TraceTaker for Grouping<'_> {
    fn row(&mut self, row: FoundRow<'_>) {
        self.counted.more_count += u64::from(row.more);
        match (self.by, row.name) {
            (GroupBy::Prefix, Some((prefix, _))) => {
                add(&mut self.counted.found, prefix, (1, row.depth));
            }
            (GroupBy::Prefix, None) => {}
            (GroupBy::Package, _) => self.packed.add(self.node, &row, self.direction),
        }
    }

    fn pause(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// Counts for a group.
pub(super) fn add(found: &mut HashMap<String, (u64, u16)>, key: &str, (count, depth): (u64, u16)) {
    match found.get_mut(key) {
        Some((sum, least)) => (*sum, *least) = (*sum + count, depth.min(*least)),
        None => {
            found.insert(key.to_owned(), (count, depth));
        }
    }
}

/// The packages of a trace, with their depths, and all that it has.
#[derive(Default)]
struct Packed {
    /// By number of row.
    rows: Vec<Option<(Number, u16)>>,
    packages: HashMap<Number, u16>,
    all: HashSet<Number>,
}

impl Packed {
    fn add(&mut self, node: &Node, row: &FoundRow<'_>, direction: Direction) {
        // A placeholder has no number here.
        let number = row.name.and(row.node);
        self.rows.push(number.map(|number| (number, row.depth)));
        self.all.extend(number);
        let terms = row.terms.and_then(|terms| node.link_terms(terms));
        if terms.is_some_and(|terms| PACKING.contains(&terms.kind.as_str())) {
            // The package is what a link of packing leads down to.
            let package = match direction {
                Direction::Down => self.rows.last(),
                Direction::Up => self.rows.get(row.parent as usize),
            };
            self.packages.extend(package.copied().flatten());
        }
    }
}

struct Counting<'a> {
    nodes: &'a [Number],
    lens: Lens,
    all: &'a HashSet<Number>,
}

impl Work for Counting<'_> {
    type Output = HashMap<Number, HashSet<Number>>;

    fn run<S: Source>(
        &mut self,
        source: &mut S,
        judge: &mut impl Judge,
    ) -> Result<Self::Output, S::Error> {
        let mut within: Self::Output = HashMap::new();
        for nodes in self.nodes.chunks(S::FRONTIER_MAX) {
            source.expand(nodes, &self.lens, |_, hop: Hop| {
                if self.all.contains(&hop.far) && judge.judge(&hop) == Verdict::Follow {
                    within.entry(hop.near).or_default().insert(hop.far);
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(within)
    }
}
