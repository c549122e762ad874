//! Lists and names of many nodes at once: out of memory where they are kept, and the
//! others with one question to the engine.

use std::ops::{ControlFlow, Range};

use crate::model::Identifier;
use crate::store::codec::adjacency;
use crate::store::columns::Column;
use crate::store::links::pages::{Kind, Known};
use crate::store::links::{EdgeRow, GraphChange, NODE, identifier, list_key, row};
use crate::store::{Error, Store};

/// Rows of nodes, in one piece of memory.
struct Rows {
    bytes: Vec<u8>,
    /// By the places of the nodes; `None`: there is no row.
    spans: Vec<Option<Range<usize>>>,
}

/// A row that is not in memory.
struct Missing {
    place: usize,
    node: u32,
    changes: u32,
}

impl Store {
    /// Calls `each` with the edges of `nodes`, and the place of its node in
    /// `nodes`: those downstream of it, or those upstream, by far node and terms,
    /// until it breaks.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn edges_of(
        &self,
        nodes: &[u32],
        is_down: bool,
        each: &mut dyn FnMut(usize, EdgeRow) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let rows = self.rows(if is_down { Kind::Down } else { Kind::Up }, nodes)?;
        for (place, (node, list)) in nodes.iter().zip(rows.each()).enumerate() {
            let Some(list) = list else { continue };
            let progress =
                adjacency::each(list, &mut |near| each(place, row(is_down, *node, &near)))?;
            if progress.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// The identifiers of nodes, as [`Store::node_name`] gives each.
    ///
    /// # Errors
    /// As [`Store::node_name`].
    pub fn node_names(&self, numbers: &[u32]) -> Result<Vec<Identifier>, Error> {
        let rows = self.rows(Kind::Name, numbers)?;
        let names = rows.each().map(|row| identifier(row.ok_or(NODE)?));
        names.collect()
    }

    /// Calls `each` with the spelling of each node's identifier, in the order of
    /// `numbers`.
    ///
    /// # Errors
    /// As [`Store::node_name`]: before `each` is called with that node.
    pub fn each_name(&self, numbers: &[u32], each: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let rows = self.rows(Kind::Name, numbers)?;
        rows.each().try_for_each(|row| {
            each(std::str::from_utf8(row.ok_or(NODE)?).map_err(|_| NODE)?);
            Ok(())
        })
    }

    /// Forgets the lists that `changes` have changed on disk.
    pub(super) fn forget_lists(&self, changes: &[GraphChange]) {
        for change in changes {
            let (input, output) = match change {
                GraphChange::Node(..) => continue,
                GraphChange::Put(edge) => (edge.input, edge.output),
                GraphChange::Remove { input, output, .. } => (*input, *output),
            };
            self.pages.forget(Kind::Down, input);
            self.pages.forget(Kind::Up, output);
        }
    }

    /// What is kept in memory otherwise than on disk, if anything.
    pub(super) fn check_pages(&self) -> Result<Option<String>, Error> {
        let mut held = Vec::new();
        self.pages.each(|kind, node, row| {
            held.push((kind, node, row.map(<[u8]>::to_vec)));
        });
        for (kind, node, row) in held {
            if self.stored_row(kind, node)? != row {
                let what = match kind {
                    Kind::Down | Kind::Up => "list of links",
                    Kind::Name => "name",
                };
                return Ok(Some(format!(
                    "the {what} of node {node} in memory is not that on disk"
                )));
            }
        }
        Ok(None)
    }

    fn stored_row(&self, kind: Kind, node: u32) -> Result<Option<Vec<u8>>, Error> {
        match kind {
            Kind::Down => self.get(Column::Adjacency, &list_key(true, node)),
            Kind::Up => self.get(Column::Adjacency, &list_key(false, node)),
            Kind::Name => self.get(Column::Names, &node.to_be_bytes()),
        }
    }

    /// The rows of `nodes`, which are kept from then on.
    fn rows(&self, kind: Kind, nodes: &[u32]) -> Result<Rows, Error> {
        let mut rows = Rows {
            bytes: Vec::new(),
            spans: Vec::with_capacity(nodes.len()),
        };
        let mut missing = Vec::new();
        for (place, node) in nodes.iter().copied().enumerate() {
            let start = rows.bytes.len();
            let known = self.pages.copy(kind, node, &mut rows.bytes);
            if let Known::Nothing(changes) = known {
                missing.push(Missing {
                    place,
                    node,
                    changes,
                });
            }
            let is_here = known == Known::Here;
            rows.spans.push(is_here.then_some(start..rows.bytes.len()));
        }
        if !missing.is_empty() {
            // In the order of the keys, so that the engine need not sort them.
            missing.sort_unstable_by_key(|row| row.node);
            self.read_missing(kind, &missing, &mut rows)?;
        }
        Ok(rows)
    }

    fn read_missing(&self, kind: Kind, missing: &[Missing], rows: &mut Rows) -> Result<(), Error> {
        let nodes = missing.iter().map(|row| row.node);
        let found = match kind {
            Kind::Down => self.get_many(Column::Adjacency, nodes.map(|node| list_key(true, node))),
            Kind::Up => self.get_many(Column::Adjacency, nodes.map(|node| list_key(false, node))),
            Kind::Name => self.get_many(Column::Names, nodes.map(u32::to_be_bytes)),
        }?;
        for (missing, row) in missing.iter().zip(found) {
            let row = row?;
            let row = row.as_deref();
            self.pages.keep(kind, missing.node, missing.changes, row);
            let start = rows.bytes.len();
            rows.bytes.extend_from_slice(row.unwrap_or_default());
            if let Some(span) = rows.spans.get_mut(missing.place) {
                *span = row.map(|_| start..rows.bytes.len());
            }
        }
        Ok(())
    }
}

impl Rows {
    /// The rows, by the places of the nodes.
    fn each(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let row = |span: &Option<Range<usize>>| self.bytes.get(span.clone()?);
        self.spans.iter().map(row)
    }
}
