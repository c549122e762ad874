//! Whether links, edges, nodes and counts agree.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::model::LinkState;
use crate::store::codec::{adjacency, link};
use crate::store::columns::Column;
use crate::store::links::pending::times;
use crate::store::links::{DOWN, UP, ends, name_of, node};
use crate::store::{Error, Store, scan};

impl Store {
    /// Compares links with the edges at both their ends, with the counts of their
    /// terms, and nodes with their names. What does not agree, if anything. Reads
    /// everything of links.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Corrupt`], [`Error::Version`].
    pub fn check_links(&self) -> Result<Option<String>, Error> {
        let mut counts: BTreeMap<u32, u64> = BTreeMap::new();
        let mut fault = None;
        let mut link_count = 0u64;
        scan::each(self, Column::Links, b"", None, &mut |key, value| {
            link_count += 1;
            let (source, target, name) = name_of(self, key)?;
            let link = link::decode(name, value)?;
            let number = self.terms().number(&link.terms());
            let Some(number) = number else {
                fault = Some(format!("link {} has terms without a number", link.name));
                return Ok(ControlFlow::Break(()));
            };
            *counts.entry(number).or_default() += 1;
            let (input, output) = ends(&link.terms(), source, target);
            let wanted = (number, times(&link));
            for (near, far, is_down) in [(input, output, true), (output, input, false)] {
                let mut is_there = false;
                self.edges_of(&[near], is_down, &mut |_, edge| {
                    let found = if is_down { edge.output } else { edge.input };
                    is_there |= found == far && (edge.terms, edge.times) == wanted;
                    ControlFlow::Continue(())
                })?;
                if !is_there {
                    fault = Some(format!("link {} is in no list of {near}", link.name));
                    return Ok(ControlFlow::Break(()));
                }
            }
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
        if let Some(fault) = self.check_edge_count(link_count)? {
            return Ok(Some(fault));
        }
        self.check_nodes()
    }

    /// Every edge is a link's, but for those of links that were withdrawn and stated
    /// again; and as many stand in lists downstream as upstream.
    fn check_edge_count(&self, link_count: u64) -> Result<Option<String>, Error> {
        let mut edges = [0u64; 2];
        let mut history = [0u64; 2];
        for (at, direction) in [DOWN, UP].into_iter().enumerate() {
            let column = Column::Adjacency;
            scan::each(self, column, &[direction], None, &mut |_, list| {
                let terms = self.terms();
                adjacency::each(list, &mut |near| {
                    let row = terms.row(near.terms);
                    let is_past = row.is_some_and(|row| row.terms.state == LinkState::Withdrawn);
                    if let Some(history) = history.get_mut(at).filter(|_| is_past) {
                        *history += 1;
                    }
                    if let Some(edges) = edges.get_mut(at) {
                        *edges += 1;
                    }
                    ControlFlow::Continue(())
                })
            })?;
        }
        let [down, up] = edges;
        if down != up {
            return Ok(Some(format!(
                "{down} edges stand downstream, and {up} upstream"
            )));
        }
        let withdrawn: u64 = self
            .terms()
            .rows()
            .iter()
            .filter(|row| row.terms.state == LinkState::Withdrawn)
            .map(|row| row.count)
            .sum();
        let [past, _] = history;
        if down - past != link_count - withdrawn || past < withdrawn {
            return Ok(Some(format!(
                "{link_count} links, {withdrawn} of them withdrawn, have {down} edges, {past} of them past"
            )));
        }
        Ok(None)
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
