//! Whether links, edges, nodes and counts agree.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;

use crate::model::LinkState;
use crate::store::codec::link;
use crate::store::columns::Column;
use crate::store::links::pending::times;
use crate::store::links::{EdgeRow, ends, name_of, node};
use crate::store::{Error, Store, scan};

/// What edges of links come to, in whatever order they are met.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    /// Of the hashes of edges whose links are not withdrawn.
    hashes: u64,
    /// The hashes of the others: of a link that was stated again the edge stays.
    past: HashSet<u64>,
}

impl Sum {
    fn add(&mut self, edge: &EdgeRow, is_past: bool) {
        let EdgeRow {
            input,
            output,
            terms,
            times,
        } = *edge;
        let mut hasher = DefaultHasher::new();
        let times = (times.from, times.since, times.until, times.ended);
        (input, output, terms, times).hash(&mut hasher);
        let hash = hasher.finish();
        if is_past {
            self.past.insert(hash);
        } else {
            self.count += 1;
            self.hashes = self.hashes.wrapping_add(hash);
        }
    }
}

impl Store {
    /// Compares links with the edges at both their ends, with the counts of their
    /// terms, nodes with their names, and what is kept in memory of lists, names and
    /// numbers with the stored ones. What does not agree, if anything. Reads everything
    /// of links, once.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Corrupt`], [`Error::Version`].
    pub fn check_links(&self) -> Result<Option<String>, Error> {
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        let mut fault = None;
        let mut stated = Sum::default();
        scan::each(self, Column::Links, b"", None, &mut |key, value| {
            let (source, target, name) = name_of(self, key)?;
            let link = link::decode(name, value)?;
            let terms = self.terms().number(&link.terms());
            let Some(terms) = terms else {
                fault = Some(format!("link {} has terms without a number", link.name));
                return Ok(ControlFlow::Break(()));
            };
            *counts.entry(terms).or_default() += 1;
            let (input, output) = ends(&link.terms(), source, target);
            let edge = EdgeRow {
                input,
                output,
                terms,
                times: times(&link),
            };
            stated.add(&edge, link.state == LinkState::Withdrawn);
            Ok(ControlFlow::Continue(()))
        })?;
        if fault.is_some() {
            return Ok(fault);
        }
        for (number, row) in (0u32..).zip(self.terms().rows()) {
            let counted = counts.remove(&number).unwrap_or_default();
            if counted != row.count {
                let count = row.count;
                return Ok(Some(format!(
                    "terms {number} count {count} links, and {counted} have them"
                )));
            }
        }
        for (is_down, which) in [(true, "downstream"), (false, "upstream")] {
            let listed = self.listed(is_down)?;
            if (listed.count, listed.hashes) != (stated.count, stated.hashes) {
                return Ok(Some(format!(
                    "the edges of {} links are not the {} that are listed {which}",
                    stated.count, listed.count
                )));
            }
            if !stated.past.is_subset(&listed.past) {
                return Ok(Some(format!("a withdrawn link is not listed {which}")));
            }
        }
        match self.check_nodes()? {
            None => {}
            fault => return Ok(fault),
        }
        match self.check_numbers()? {
            None => self.check_pages(),
            fault => Ok(fault),
        }
    }

    /// The number of a node in memory that is not that on disk, if any.
    fn check_numbers(&self) -> Result<Option<String>, Error> {
        for (key, number) in self.numbers.each() {
            let stored = self.get(Column::Nodes, &key)?;
            if stored.is_none_or(|stored| *stored != number.to_be_bytes()) {
                let key = String::from_utf8_lossy(&key);
                return Ok(Some(format!(
                    "{key} has number {number} in memory, and another on disk"
                )));
            }
        }
        Ok(None)
    }

    /// What is listed in one direction.
    fn listed(&self, is_down: bool) -> Result<Sum, Error> {
        let mut listed = Sum::default();
        let is_past: Vec<bool> = {
            let terms = self.terms();
            let rows = terms.rows().iter();
            rows.map(|row| row.terms.state == LinkState::Withdrawn)
                .collect()
        };
        self.each_list(is_down, &mut |_, edges| {
            for edge in edges {
                let place = usize::try_from(edge.terms).unwrap_or(usize::MAX);
                listed.add(edge, is_past.get(place).copied().unwrap_or_default());
            }
            ControlFlow::Continue(())
        })?;
        Ok(listed)
    }

    /// Every node has its name, and every name its node.
    fn check_nodes(&self) -> Result<Option<String>, Error> {
        let mut fault = None;
        let mut named = 0u64;
        scan::each(self, Column::Nodes, b"", None, &mut |key, value| {
            named += 1;
            let number = node(value)?;
            let name = self.node_name(number)?;
            let folds = |case| name.key(case).as_bytes() == key;
            if ![Default::default(), crate::model::SuffixCase::Sensitive]
                .into_iter()
                .any(folds)
            {
                fault = Some(format!("node {number} is {name}, and has another key"));
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let count = u64::from(self.node_count());
        if fault.is_none() && named != count {
            fault = Some(format!("{named} nodes have keys, of {count}"));
        }
        Ok(fault)
    }
}
