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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::model::link::{Behind, Facts};
    use crate::model::{Link, LinkKind, LinkName, LinkState, Timestamp, Visibility};
    use crate::store::links::Pages;
    use crate::store::{Batch, Config, Metrics};

    fn opened(folder: &std::path::Path, pages_bytes: usize) -> Store {
        let config = Config {
            data_dir: folder.to_owned(),
            disk_reserve_bytes: 0,
            ..Config::default()
        };
        let mut store = Store::open(config, Metrics::new()).expect("opens");
        store.pages = Pages::new(pages_bytes);
        store
    }

    fn link(source: u32, target: u32, state: LinkState) -> Link {
        let thing = |number| Identifier::parse(&format!("88.118.7/{number}")).expect("valid");
        Link {
            name: LinkName {
                source: thing(source),
                kind: LinkKind::parse("contains").expect("a kind"),
                target: thing(target),
                owner: None,
            },
            facts: Facts::default(),
            state,
            visibility: Visibility::Public,
            behind: Behind::Nothing,
            note: String::new(),
            revision: 1,
            created: Timestamp::from_millis(1_700_000_000_000),
            changed: Timestamp::from_millis(1_700_000_000_000),
        }
    }

    fn put(store: &Store, link: Link) {
        put_all(store, [link].into_iter());
    }

    /// In one batch.
    fn put_all(store: &Store, links: impl Iterator<Item = Link>) {
        let mut batch = Batch::new(store);
        for link in links {
            let before = batch.link(&link.name).expect("reads");
            let put = batch.put_link(before.as_deref(), Arc::new(link));
            let _row = put.expect("encodes");
        }
        let _changes = batch.commit().expect("written");
    }

    fn edges(store: &Store, nodes: &[u32], is_down: bool) -> Vec<(usize, EdgeRow)> {
        let mut found = Vec::new();
        let mut take = |place, edge| {
            found.push((place, edge));
            ControlFlow::Continue(())
        };
        store.edges_of(nodes, is_down, &mut take).expect("reads");
        found
    }

    /// What [`edges`] should find, from the stored lists alone.
    fn listed(store: &Store, nodes: &[u32], is_down: bool) -> Vec<(usize, EdgeRow)> {
        let mut lists = std::collections::HashMap::new();
        let mut take = |node, edges: &[EdgeRow]| {
            lists.insert(node, edges.to_vec());
            ControlFlow::Continue(())
        };
        store.each_list(is_down, &mut take).expect("reads");
        let of = |(place, node)| {
            let edges = lists.get(node).cloned().unwrap_or_default();
            edges.into_iter().map(move |edge| (place, edge))
        };
        nodes.iter().enumerate().flat_map(of).collect()
    }

    #[test]
    fn rows_are_the_stored_ones_whatever_is_kept() {
        for pages_bytes in [0, 2 << 10, 1 << 20] {
            let folder = tempfile::tempdir().expect("a folder");
            let store = opened(folder.path(), pages_bytes);
            for step in 0u32..100 {
                // Many in one batch have a list in common, or are the same link.
                let some = (0..=step % 7).map(|more| {
                    let at = 3 * step + more;
                    let (source, target) = (at * at % 7, (at / 2) * 31 % 97 + 7);
                    let state = match at % 5 {
                        0 => LinkState::Withdrawn,
                        1 => LinkState::Disputed,
                        _ => LinkState::Stated,
                    };
                    link(source, target, state)
                });
                put_all(&store, some);
                let count = store.node_count();
                // In an order of their own, and one of them twice.
                let nodes: Vec<_> = (0..=count).map(|node| node * 37 % count).collect();
                for is_down in [true, false] {
                    let expected = listed(&store, &nodes, is_down);
                    assert_eq!(edges(&store, &nodes, is_down), expected);
                    assert_eq!(edges(&store, &nodes, is_down), expected);
                }
                let mut names = Vec::new();
                let named = store.each_name(&nodes, &mut |name| names.push(name.to_owned()));
                named.expect("reads");
                let expected = nodes.iter().map(|node| store.node_name(*node));
                let expected: Vec<_> = expected.map(|name| name.expect("reads")).collect();
                assert_eq!(store.node_names(&nodes).expect("reads"), expected);
                assert!(expected.iter().map(ToString::to_string).eq(names));
            }
            assert_eq!(store.check_links().expect("reads"), None);
            assert!(store.each_name(&[0, 9_999], &mut |_| {}).is_err());
        }
    }

    #[test]
    fn the_check_tells_of_a_kept_row_that_is_not_the_stored_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = opened(folder.path(), 1 << 20);
        put(&store, link(1, 2, LinkState::Stated));
        let Known::Nothing(changes) = store.pages.copy(Kind::Up, 0, &mut Vec::new()) else {
            panic!("nothing was kept");
        };
        store.pages.keep(Kind::Up, 0, changes, Some(b"no list"));
        let fault = store.check_links().expect("reads");
        assert!(fault.is_some_and(|fault| fault.contains("list of links of node 0")));
    }

    #[test]
    fn the_check_tells_of_a_kept_number_that_is_not_the_stored_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = opened(folder.path(), 1 << 20);
        put(&store, link(1, 2, LinkState::Stated));
        let key = b"88.118.7/1";
        assert_eq!(store.numbers.get(key), Some(0));
        assert_eq!(store.check_links().expect("reads"), None);
        store.numbers.keep(key, 1);
        let fault = store.check_links().expect("reads");
        assert!(fault.is_some_and(|fault| fault.contains("88.118.7/1 has number 1")));
    }

    #[test]
    fn what_is_acknowledged_is_seen_at_once() {
        const LINKS: usize = 400;
        let folder = tempfile::tempdir().expect("a folder");
        let store = opened(folder.path(), 1 << 20);
        // What a thing contains is upstream of it.
        put(&store, link(0, 1, LinkState::Stated));
        let acknowledged = AtomicUsize::new(1);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while acknowledged.load(Ordering::Acquire) < LINKS {
                        let least = acknowledged.load(Ordering::Acquire);
                        assert!(edges(&store, &[0], false).len() >= least);
                    }
                });
            }
            for target in 2..=u32::try_from(LINKS).expect("few") {
                put(&store, link(0, target, LinkState::Stated));
                acknowledged.fetch_add(1, Ordering::Release);
            }
        });
        assert_eq!(edges(&store, &[0], false).len(), LINKS);
    }
}
