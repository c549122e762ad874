//! What a caller sees of each link that a trace meets: a table by the number of
//! its terms, and for links that only the firms at its ends see, whose they are.

use std::collections::HashMap;

use crate::access::{LinkReader, LinkSight};
use crate::model::link::{Behind, Leaning};
use crate::model::{LinkKind, Prefix, Terms};
use crate::store::Store;
use crate::trace::{Graph, Hop, Judge, Node, Verdict};

/// Whose identifiers nodes are.
pub(super) trait Owns {
    /// Whether the caller's firm has `node`.
    fn owns(&mut self, node: Node) -> bool;
}

/// Judges the hops of one trace.
pub(super) struct Judging<'a, O> {
    pub(super) store: &'a Store,
    pub(super) reader: &'a LinkReader,
    /// The kinds that are asked for; empty: all that lead up or down.
    pub(super) kinds: &'a [LinkKind],
    pub(super) owns: O,
    /// By number of terms; none: not looked at yet.
    verdicts: Vec<Option<Standing>>,
    /// The node that was asked for last, and whether the caller has it.
    last: Option<(Node, bool)>,
}

/// What comes of links with some terms.
#[derive(Clone, Copy, Debug)]
enum Standing {
    Known(Verdict),
    /// Seen at one's own end, and the other verdict elsewhere.
    AtOwnEnd(Verdict),
}

impl<'a, O: Owns> Judging<'a, O> {
    pub(super) fn new(
        store: &'a Store,
        (reader, kinds): (&'a LinkReader, &'a [LinkKind]),
        owns: O,
    ) -> Self {
        Self {
            store,
            reader,
            kinds,
            owns,
            verdicts: Vec::new(),
            last: None,
        }
    }

    fn standing(&mut self, number: u32) -> Standing {
        let place = number as usize;
        if let Some(Some(standing)) = self.verdicts.get(place) {
            return *standing;
        }
        let table = self.store.terms();
        if self.verdicts.len() < table.rows().len() {
            self.verdicts.resize(table.rows().len(), None);
        }
        let standing = table.row(number).map(|row| self.of(&row.terms));
        drop(table);
        let standing = standing.unwrap_or(Standing::Known(Verdict::Skip));
        if let Some(kept) = self.verdicts.get_mut(place) {
            *kept = Some(standing);
        }
        standing
    }

    fn of(&self, terms: &Terms) -> Standing {
        let is_asked_for = match self.kinds {
            [] => terms.kind.leaning() != Leaning::Across,
            kinds => kinds.contains(&terms.kind),
        };
        if !is_asked_for {
            return Standing::Known(Verdict::Skip);
        }
        let hidden = match terms.behind {
            Behind::More => Verdict::More,
            Behind::Nothing => Verdict::Skip,
            Behind::Through => Verdict::Through,
        };
        match self.reader.sight(terms) {
            LinkSight::Yes => Standing::Known(Verdict::Follow),
            LinkSight::No => Standing::Known(hidden),
            LinkSight::AtOwnEnd => Standing::AtOwnEnd(hidden),
        }
    }

    fn is_at_own_end(&mut self, hop: &Hop) -> bool {
        let near = match self.last {
            Some((node, owned)) if node == hop.near => owned,
            _ => {
                let owned = self.owns.owns(hop.near);
                self.last = Some((hop.near, owned));
                owned
            }
        };
        near || self.owns.owns(hop.far)
    }
}

impl<O: Owns> Judge for Judging<'_, O> {
    fn judge(&mut self, hop: &Hop) -> Verdict {
        match self.standing(hop.terms.0) {
            Standing::Known(verdict) => verdict,
            Standing::AtOwnEnd(hidden) => match self.is_at_own_end(hop) {
                true => Verdict::Follow,
                false => hidden,
            },
        }
    }
}

/// Whether a prefix, as it was spelled first in a link, is the caller's.
fn has(store: &Store, reader: &LinkReader, prefix: &str) -> bool {
    let Ok(prefix) = Prefix::parse(prefix) else {
        return false;
    };
    let canonical = prefix.canonical();
    let prefixes = store.prefixes();
    let entry = prefixes.get(&canonical).map(|row| &row.entry);
    let holder = entry.and_then(|entry| entry.holder.as_ref());
    reader.has(&canonical, holder)
}

/// By the names in the graph: once for each prefix.
pub(super) struct InGraph<'a> {
    store: &'a Store,
    reader: &'a LinkReader,
    graph: &'a Graph,
    prefixes: Vec<Option<bool>>,
}

impl<'a> InGraph<'a> {
    pub(super) const fn new(store: &'a Store, reader: &'a LinkReader, graph: &'a Graph) -> Self {
        Self {
            store,
            reader,
            graph,
            prefixes: Vec::new(),
        }
    }
}

impl Owns for InGraph<'_> {
    fn owns(&mut self, node: Node) -> bool {
        let Some(number) = self.graph.prefix_number(node) else {
            return false;
        };
        let place = number as usize;
        if let Some(Some(owned)) = self.prefixes.get(place) {
            return *owned;
        }
        let prefix = self.graph.prefix(number);
        let owned = prefix.is_some_and(|prefix| has(self.store, self.reader, &prefix));
        if self.prefixes.len() <= place {
            self.prefixes.resize(place + 1, None);
        }
        if let Some(kept) = self.prefixes.get_mut(place) {
            *kept = Some(owned);
        }
        owned
    }
}

/// Nodes of whom it is remembered whose they are.
const REMEMBERED_MAX: usize = 1 << 20;

/// By the names in the store: once for each node.
pub(super) struct InStore<'a> {
    store: &'a Store,
    reader: &'a LinkReader,
    nodes: HashMap<Node, bool>,
}

impl<'a> InStore<'a> {
    pub(super) fn new(store: &'a Store, reader: &'a LinkReader) -> Self {
        Self {
            store,
            reader,
            nodes: HashMap::new(),
        }
    }
}

impl Owns for InStore<'_> {
    fn owns(&mut self, node: Node) -> bool {
        if let Some(owned) = self.nodes.get(&node) {
            return *owned;
        }
        let mut owned = false;
        // What cannot be read is nobody's.
        let _read = self.store.each_name(&[node.0], &mut |name| {
            let prefix = name.split_once('/').map(|(prefix, _)| prefix);
            owned = prefix.is_some_and(|prefix| has(self.store, self.reader, prefix));
        });
        if self.nodes.len() >= REMEMBERED_MAX {
            self.nodes.clear();
        }
        self.nodes.insert(node, owned);
        owned
    }
}
