//! Links between identifiers: nodes with numbers, edges in lists at both ends.
//!
//! An identifier that any link names is a node with a number, given out from 0 and
//! never again. An edge goes from the node upstream, its input, to its output, and
//! stands in the list of either. What a trace must know beside the ends is few
//! different terms, which are numbered and held in memory with how many links have
//! them.

mod check;
mod numbers;
mod pages;
mod pending;
mod rows;
mod terms;

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;

use crate::model::link::Leaning;
use crate::model::{FirmId, Identifier, Key, Link, LinkKind, LinkName, Terms, Timestamp};
use crate::store::codec::{adjacency, link};
use crate::store::codec_types::EdgeTimes;
use crate::store::columns::Column;
use crate::store::{Error, Store, scan};

pub(super) use numbers::Numbers;
pub(super) use pages::Pages;
pub(super) use pending::Pending;
pub use pending::check_room;
pub use terms::{TermsRow, TermsTable};

/// Seconds from the Unix epoch to 2000-01-01T00:00:00Z.
const EPOCH_SECS: u64 = 946_684_800;
/// First byte of the key of a list: of the edges that leave a node downstream.
const DOWN: u8 = 0;
/// Of the edges that come to a node from upstream.
const UP: u8 = 1;

/// The most nodes: numbers are 32 bits.
pub const NODES_MAX: u32 = u32::MAX - 1;

/// An edge as it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EdgeRow {
    /// The node upstream.
    pub input: u32,
    /// The node downstream.
    pub output: u32,
    /// The number of its terms.
    pub terms: u32,
    /// Its times.
    pub times: EdgeTimes,
}

/// A change of the graph that a batch makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphChange {
    /// An identifier became a node.
    Node(u32, Identifier),
    /// An edge was put; it replaces one with the same ends and terms.
    Put(EdgeRow),
    /// The edge with these ends and terms was taken away.
    Remove {
        /// The node upstream.
        input: u32,
        /// The node downstream.
        output: u32,
        /// The number of its terms.
        terms: u32,
    },
}

/// Seconds since 2000-01-01T00:00:00Z, at least 1: 0 says that there is no time.
pub fn edge_seconds(time: Timestamp) -> u32 {
    let secs = time.secs().saturating_sub(EPOCH_SECS);
    u32::try_from(secs).unwrap_or(u32::MAX).max(1)
}

impl Store {
    /// The number of the node with `key`; `None` if no link names it.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn node_number(&self, key: &Key) -> Result<Option<u32>, Error> {
        if let Some(number) = self.numbers.get(key.as_bytes()) {
            return Ok(Some(number));
        }
        let Some(bytes) = self.get(Column::Nodes, key.as_bytes())? else {
            return Ok(None);
        };
        let number = node(&bytes)?;
        self.numbers.keep(key.as_bytes(), number);
        Ok(Some(number))
    }

    /// The identifier of a node as it was first spelled in a link.
    ///
    /// # Errors
    /// As [`Store::record`]; [`Error::Corrupt`] if there is no such node.
    pub fn node_name(&self, number: u32) -> Result<Identifier, Error> {
        let bytes = self.get(Column::Names, &number.to_be_bytes())?;
        identifier(&bytes.ok_or(NODE)?)
    }

    /// Calls `each` with every node in the order of their numbers, until it breaks.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn each_node(
        &self,
        each: &mut dyn FnMut(u32, Identifier) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        scan::each(self, Column::Names, b"", None, &mut |key, value| {
            Ok(each(node(key)?, identifier(value)?))
        })
    }

    /// Calls `each` with the nodes below a canonical prefix in the order of their
    /// keys, from behind the key `after`, until it breaks.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn each_node_below(
        &self,
        prefix: &str,
        after: Option<&[u8]>,
        each: &mut dyn FnMut(&[u8], u32) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let beginning = format!("{prefix}/");
        let column = Column::Nodes;
        scan::each(
            self,
            column,
            beginning.as_bytes(),
            after,
            &mut |key, value| Ok(each(key, node(value)?)),
        )
    }

    /// Calls `each` with every edge, by input, output and terms, until it breaks.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn each_edge(&self, each: &mut dyn FnMut(EdgeRow) -> ControlFlow<()>) -> Result<(), Error> {
        self.each_list(true, &mut |_, edges| {
            edges.iter().copied().try_for_each(&mut *each)
        })
    }

    /// Calls `each` with every node that has edges downstream, or upstream, and these
    /// by far node and terms, until it breaks.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn each_list(
        &self,
        is_down: bool,
        each: &mut dyn FnMut(u32, &[EdgeRow]) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let beginning = [if is_down { DOWN } else { UP }];
        let mut edges = Vec::new();
        scan::each(
            self,
            Column::Adjacency,
            &beginning,
            None,
            &mut |key, list| {
                let number = node(key.get(1..).unwrap_or_default())?;
                edges.clear();
                let _all = adjacency::each(list, &mut |near| {
                    edges.push(row(is_down, number, &near));
                    ControlFlow::Continue(())
                })?;
                Ok(each(number, &edges))
            },
        )
    }

    /// The link `name` between two nodes.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn link(&self, source: u32, target: u32, name: LinkName) -> Result<Option<Link>, Error> {
        match self.get(Column::Links, &link::key(source, target, &name))? {
            Some(bytes) => link::decode(name, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The terms of links, and how many have each. Keep the guard for a moment only.
    pub fn terms(&self) -> impl std::ops::Deref<Target = TermsTable> + '_ {
        self.terms.read()
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> u32 {
        self.next_node.load(Ordering::Acquire)
    }

    /// The number that the next node gets, from the rows.
    pub(super) fn load_next_node(&self) -> Result<u32, Error> {
        match scan::last_key(self, Column::Names)? {
            Some(key) => Ok(node(&key)?.saturating_add(1)),
            None => Ok(0),
        }
    }
}

/// An edge of the list of `node`.
const fn row(is_down: bool, node: u32, near: &adjacency::Near) -> EdgeRow {
    let (input, output) = if is_down {
        (node, near.far)
    } else {
        (near.far, node)
    };
    EdgeRow {
        input,
        output,
        terms: near.terms,
        times: near.times,
    }
}

const NODE: Error = Error::Corrupt { what: "node" };

fn node(bytes: &[u8]) -> Result<u32, Error> {
    let bytes = <[u8; 4]>::try_from(bytes).map_err(|_| NODE)?;
    Ok(u32::from_be_bytes(bytes))
}

fn identifier(bytes: &[u8]) -> Result<Identifier, Error> {
    Identifier::from_bytes(bytes).map_err(|_| NODE)
}

fn list_key(is_down: bool, node: u32) -> [u8; 5] {
    let [a, b, c, d] = node.to_be_bytes();
    [if is_down { DOWN } else { UP }, a, b, c, d]
}

/// The name of the link between two nodes that a row's key stands for.
fn name_of(store: &Store, key: &[u8]) -> Result<(u32, u32, LinkName), Error> {
    let (source, target, kind, owner) = link::key_parts(key)?;
    let corrupt = |_| Error::Corrupt { what: "link" };
    let owner = match owner {
        "" => None,
        owner => Some(FirmId::parse(owner).map_err(corrupt)?),
    };
    let name = LinkName {
        source: store.node_name(source)?,
        kind: LinkKind::parse(kind).map_err(corrupt)?,
        target: store.node_name(target)?,
        owner,
    };
    Ok((source, target, name))
}

/// The numbers of input and output.
fn ends(terms: &Terms, source: u32, target: u32) -> (u32, u32) {
    match terms.kind.leaning() {
        Leaning::Down => (source, target),
        Leaning::Up | Leaning::Across => (target, source),
    }
}
