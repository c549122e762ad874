//! Links in a batch that is not yet committed.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::model::{Identifier, Key, Link, LinkName, LinkState, Reason, Refusal, Terms};
use crate::store::batch::Batch;
use crate::store::codec::{adjacency, link};
use crate::store::codec_types::EdgeTimes;
use crate::store::columns::Column;
use crate::store::links::terms::TermsRow;
use crate::store::links::{EdgeRow, GraphChange, NODES_MAX, edge_seconds, ends, list_key};
use crate::store::sorted::Sorted;
use crate::store::{Error, Store};

/// What a batch holds of links.
#[derive(Debug, Default)]
pub(in crate::store) struct Pending {
    links: HashMap<Vec<u8>, Arc<Link>>,
    nodes: HashMap<Key, u32>,
    /// What the store said of nodes: each is asked for when a link is decided and when it
    /// is put, and many by more links than one.
    stored: RefCell<HashMap<Key, Option<u32>>>,
    /// Rows of links.
    rows: Sorted,
    /// Changes of lists by their keys, as one for each.
    lists: BTreeMap<[u8; 5], Vec<u8>>,
    terms: BTreeMap<u32, TermsRow>,
    numbers: HashMap<Arc<Terms>, u32>,
    changes: Vec<GraphChange>,
}

impl Batch<'_> {
    /// The number of the node with `key`, as this batch leaves it.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn node_number(&self, key: &Key) -> Result<Option<u32>, Error> {
        if let Some(pending) = self.links.nodes.get(key) {
            return Ok(Some(*pending));
        }
        if let Some(stored) = self.links.stored.borrow().get(key) {
            return Ok(*stored);
        }
        let stored = self.store.node_number(key)?;
        self.links.stored.borrow_mut().insert(key.clone(), stored);
        Ok(stored)
    }

    /// How many nodes there are, as this batch leaves them.
    pub fn node_count(&self) -> u32 {
        let pending = u32::try_from(self.links.nodes.len()).unwrap_or(u32::MAX);
        self.store.node_count().saturating_add(pending)
    }

    /// The key of an identifier as a node: by the rule of its prefix, or folded if
    /// the node does not know that.
    pub fn node_key(&self, identifier: &Identifier) -> Key {
        let row = self.prefix(&identifier.prefix().canonical());
        identifier.key(row.map(|row| row.entry.case).unwrap_or_default())
    }

    /// The link `name`, as this batch leaves it.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn link(&self, name: &LinkName) -> Result<Option<Arc<Link>>, Error> {
        let source = self.node_number(&self.node_key(&name.source))?;
        let target = self.node_number(&self.node_key(&name.target))?;
        let (Some(source), Some(target)) = (source, target) else {
            return Ok(None);
        };
        match self.links.links.get(&link::key(source, target, name)) {
            Some(pending) => Ok(Some(Arc::clone(pending))),
            // The store has no link of a node that is new.
            None if source.max(target) >= self.store.node_count() => Ok(None),
            None => {
                let found = self.store.link(source, target, name.clone())?;
                Ok(found.map(Arc::new))
            }
        }
    }

    /// How many different terms the owner of `terms` would have with them, as this
    /// batch leaves it.
    pub fn terms_count_with(&self, terms: &Terms) -> usize {
        let table = self.store.terms();
        let is_new = |terms: &Terms| table.number(terms).is_none();
        let added = self.links.numbers.keys();
        let added = added.filter(|pending| pending.owner == terms.owner).count();
        let is_new = is_new(terms) && !self.links.numbers.contains_key(terms);
        table.count_of(terms.owner.as_ref()) + added + usize::from(is_new)
    }

    /// Puts `link` in the place of `before`: the row, the edge at both its ends, and
    /// how many links have which terms. Gives the row's encoding.
    ///
    /// # Errors
    /// As [`Batch::put_record`]; [`Error::Corrupt`] beyond [`NODES_MAX`].
    pub fn put_link(&mut self, before: Option<&Link>, link: Arc<Link>) -> Result<Vec<u8>, Error> {
        let source = self.intern(&link.name.source)?;
        let target = self.intern(&link.name.target)?;
        let key = link::key(source, target, &link.name);
        let encoded = link::encode(&link)?;
        self.links
            .rows
            .put(&key, |out| out.extend_from_slice(&encoded));
        let terms = link.terms();
        let (input, output) = ends(&terms, source, target);
        let number = self.intern_terms(terms)?;
        if let Some(before) = before {
            let old = self.intern_terms(before.terms())?;
            self.count_terms(old, |count| count.saturating_sub(1))?;
            // That it once was stated stays where it is stated again.
            if old != number && before.state != LinkState::Withdrawn {
                let remove = GraphChange::Remove {
                    input,
                    output,
                    terms: old,
                };
                self.links.change_edge((input, output), old, None);
                self.links.changes.push(remove);
            }
        }
        self.count_terms(number, |count| count.saturating_add(1))?;
        let times = times(&link);
        self.links.change_edge((input, output), number, Some(times));
        self.links.changes.push(GraphChange::Put(EdgeRow {
            input,
            output,
            terms: number,
            times,
        }));
        self.links.links.insert(key, link);
        Ok(encoded)
    }

    /// The number of an identifier's node, which becomes one if it is none.
    fn intern(&mut self, identifier: &Identifier) -> Result<u32, Error> {
        let key = self.node_key(identifier);
        if let Some(number) = self.node_number(&key)? {
            return Ok(number);
        }
        let number = self.node_count();
        if number > NODES_MAX {
            return Err(Error::Corrupt { what: "node" });
        }
        let name = identifier.to_string();
        let column = self.store.column(Column::Nodes)?;
        self.writes
            .put_cf(column, key.as_bytes(), number.to_be_bytes());
        let column = self.store.column(Column::Names)?;
        self.writes.put_cf(column, number.to_be_bytes(), name);
        self.links.nodes.insert(key, number);
        let change = GraphChange::Node(number, identifier.clone());
        self.links.changes.push(change);
        Ok(number)
    }

    fn intern_terms(&mut self, terms: Terms) -> Result<u32, Error> {
        if let Some(pending) = self.links.numbers.get(&terms) {
            return Ok(*pending);
        }
        let (known, count) = {
            let table = self.store.terms();
            (table.number(&terms), table.rows().len())
        };
        if let Some(number) = known {
            return Ok(number);
        }
        let number = u32::try_from(count + self.links.numbers.len());
        let number = number.map_err(|_| Error::Corrupt {
            what: "terms of links",
        })?;
        let terms = Arc::new(terms);
        self.links.numbers.insert(Arc::clone(&terms), number);
        self.links
            .terms
            .insert(number, TermsRow { terms, count: 0 });
        Ok(number)
    }

    fn count_terms(&mut self, number: u32, count: fn(u64) -> u64) -> Result<(), Error> {
        if !self.links.terms.contains_key(&number) {
            let row = self.store.terms().row(number).cloned();
            let row = row.ok_or(Error::Corrupt {
                what: "terms of links",
            })?;
            self.links.terms.insert(number, row);
        }
        if let Some(row) = self.links.terms.get_mut(&number) {
            row.count = count(row.count);
        }
        Ok(())
    }

    /// The stored encoding of `link`, as digests are taken of it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] never for what a link can be.
    pub fn link_encoding(link: &Link) -> Result<Vec<u8>, Error> {
        link::encode(link)
    }

    /// The link that a remembered answer holds.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Version`].
    pub fn answered_link(name: LinkName, answer: &[u8]) -> Result<Link, Error> {
        link::decode(name, answer)
    }
}

impl Pending {
    /// Whether it holds nothing.
    pub(in crate::store) fn is_empty(&self) -> bool {
        self.links.is_empty()
            && self.nodes.is_empty()
            && self.terms.is_empty()
            && self.numbers.is_empty()
            && self.changes.is_empty()
    }

    fn change_edge(&mut self, (input, output): (u32, u32), terms: u32, times: Option<EdgeTimes>) {
        let down = self.lists.entry(list_key(true, input)).or_default();
        adjacency::add(down, output, terms, times);
        let up = self.lists.entry(list_key(false, output)).or_default();
        adjacency::add(up, input, terms, times);
    }

    /// Adds what is written once for all changes: the rows of links and the changes of
    /// lists, in the order of their keys, and the rows of terms with their counts.
    pub(in crate::store) fn finish(
        &mut self,
        store: &Store,
        writes: &mut rocksdb::WriteBatch,
    ) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.rows);
        rows.put_into(store.column(Column::Links)?, writes);
        let column = store.column(Column::Adjacency)?;
        for (list, changes) in std::mem::take(&mut self.lists) {
            writes.merge_cf(column, list, changes);
        }
        let column = store.column(Column::Terms)?;
        for (number, row) in &self.terms {
            let encoded = link::encode_terms(&row.terms, row.count)?;
            writes.put_cf(column, number.to_be_bytes(), encoded);
        }
        Ok(())
    }

    /// Makes visible what was committed, and gives the changes of the graph.
    pub(in crate::store) fn committed(self, store: &Store) -> Vec<GraphChange> {
        if !self.terms.is_empty() {
            let mut table = store.terms.write();
            for (number, row) in self.terms {
                table.set(number, row);
            }
        }
        let added = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        store.next_node.fetch_add(added, Ordering::AcqRel);
        for (key, number) in &self.nodes {
            store.numbers.keep(key.as_bytes(), *number);
        }
        store.forget_lists(&self.changes);
        self.changes
    }
}

/// Refuses a link that would make more nodes than can be numbered.
///
/// # Errors
/// [`Reason::LinksFull`].
pub fn check_room(batch: &Batch<'_>) -> Result<(), Refusal> {
    if batch.node_count() < NODES_MAX - 1 {
        return Ok(());
    }
    Err(Refusal::new(Reason::LinksFull)
        .field("linked identifiers")
        .limit(NODES_MAX))
}

/// The times of a link's edge.
pub(super) fn times(link: &Link) -> EdgeTimes {
    let is_withdrawn = link.state == LinkState::Withdrawn;
    EdgeTimes {
        from: link.facts.valid_from.map_or(0, edge_seconds),
        since: edge_seconds(link.created),
        until: link.facts.valid_until.map_or(0, edge_seconds),
        ended: if is_withdrawn {
            edge_seconds(link.changed)
        } else {
            0
        },
    }
}
