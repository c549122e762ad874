//! Links as the caller may see them: one, those at an identifier, and those of a
//! prefix that want looking after.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use crate::access::{LinkReader, Records};
use crate::model::link::Leaning;
use crate::model::{
    Caller, FirmId, Identifier, Link, LinkName, LinkState, Prefix, Readers, Reason, Refusal,
    Visibility, Who,
};
use crate::node::trace::Finding as Searching;
use crate::node::{Node, Page, told};
use crate::store::Error;
use crate::store::links::EdgeRow;
use crate::trace::{Direction, Lens, Node as Number, Search, When};

/// Links at an identifier: of one direction, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkFilter {
    /// Which; `None`: both.
    pub direction: Option<Direction>,
    /// Also those that were withdrawn.
    pub show_withdrawn: bool,
}

/// A link, and which of its ends is not registered here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkView {
    /// The link.
    pub link: Arc<Link>,
    /// Whether its source is not: not yet, no longer, elsewhere, or not for the
    /// caller.
    pub source_dangles: bool,
    /// The same of its target.
    pub target_dangles: bool,
}

/// What is the matter with a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Matter {
    /// An end is not registered.
    Dangling,
    /// The other side neither confirmed nor disputed it, nor states it.
    Asymmetric,
    /// The firms at its ends say different things, or it is disputed.
    Contradictory,
    /// It leads back to where it came from.
    Cyclic,
}

/// A link and what is the matter with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub matter: Matter,
    /// With which.
    pub view: LinkView,
}

/// What a check of all links found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkCheck {
    /// Identifiers that links name.
    pub identifier_count: u64,
    /// Links, withdrawn ones too.
    pub link_count: u64,
    /// Edges and bytes of the graph, if it is in memory.
    pub memory: Option<(u64, u64)>,
    /// What does not agree.
    pub fault: Option<String>,
}

/// A node and its key.
type KeyedNode = (Vec<u8>, Number);

/// Edges of an identifier that are looked at for one page.
const EDGES_READ_MAX: usize = 100_000;
/// Links of the far end that one link is compared with.
const COMPARED_MAX: usize = 10_000;
/// Findings of one page, once passed: a few more come with the last link.
const FINDINGS_MAX: usize = 1_000;
/// Links looked at to find whether one leads back.
const CYCLE_LINKS_MAX: u64 = 100_000;

impl Node {
    /// Returns a link that `caller` may see. Without an owner it is that of the
    /// caller's firm, or of an operator that of the firm at an end.
    ///
    /// # Errors
    /// `LinkNotFound`; `Internal`.
    pub fn link(&self, caller: &Caller, name: &LinkName) -> Result<LinkView, Refusal> {
        let mut name = name.clone();
        if name.owner.is_none() {
            name.owner = self.stating_firm(caller, &name);
        }
        let reader = self.link_reader(caller);
        let ends = (self.number_of(&name.source)?, self.number_of(&name.target)?);
        let found = match ends {
            (Some(source), Some(target)) => {
                let found = self.inner.store.link(source.0, target.0, name.clone());
                found.map_err(|error| told(&error))?
            }
            _ => None,
        };
        let seen = found.filter(|link| self.sees_link(&reader, link));
        let link = seen.ok_or_else(|| {
            let refusal = Refusal::new(Reason::LinkNotFound).field("name");
            refusal.value(&name)
        })?;
        Ok(self.link_view(caller, Arc::new(link)))
    }

    /// Lists the links at an identifier that `caller` may see, those upstream of it
    /// first, from behind the key `after`; at most `limit`.
    ///
    /// # Errors
    /// `Internal`.
    pub fn list_links(
        &self,
        caller: &Caller,
        (identifier, filter): (&Identifier, LinkFilter),
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<LinkView>, Refusal> {
        let mut page = Page {
            items: Vec::new(),
            next: None,
        };
        let Some(node) = self.number_of(identifier)? else {
            return Ok(page);
        };
        let reader = self.link_reader(caller);
        let mut last = None;
        let mut after = after.map(<[u8]>::to_vec);
        for direction in [Direction::Up, Direction::Down] {
            if filter.direction.is_some_and(|asked| asked != direction) {
                continue;
            }
            loop {
                let edges = self.edges_behind(node, direction, after.as_deref())?;
                for edge in &edges {
                    let link = self.link_of(edge).map_err(|error| told(&error))?;
                    let is_shown = |link: &Link| {
                        (filter.show_withdrawn || link.state != LinkState::Withdrawn)
                            && self.sees_link(&reader, link)
                    };
                    let Some(link) = link.filter(is_shown) else {
                        continue;
                    };
                    if page.items.len() == limit {
                        page.next = last;
                        return Ok(page);
                    }
                    last = Some(edge_key(direction, edge));
                    page.items.push(self.link_view(caller, Arc::new(link)));
                }
                match edges.last().filter(|_| edges.len() == EDGES_READ_MAX) {
                    Some(edge) => after = Some(edge_key(direction, edge)),
                    None => break,
                }
            }
        }
        Ok(page)
    }

    /// Finds what is the matter with links that `caller` may see at the identifiers
    /// of a prefix, from behind the place `after`; looks at `limit` identifiers, and
    /// ends at the time `until` of [`Node::elapsed`] or after some thousand findings.
    ///
    /// # Errors
    /// `PageTokenInvalid`; `Internal`.
    pub fn inspect_links(
        &self,
        caller: &Caller,
        prefix: &Prefix,
        after: Option<&[u8]>,
        (limit, until): (usize, Duration),
    ) -> Result<Page<Finding>, Refusal> {
        let Place { mut behind, within } = Place::parse(after)?;
        let canonical = prefix.canonical();
        let (nodes, is_last) = self.nodes_below(&canonical, behind.as_deref(), limit)?;
        let reader = self.link_reader(caller);
        let mut page = Page {
            items: Vec::new(),
            next: None,
        };
        for (key, node) in nodes {
            let after = within.as_ref().filter(|(number, _)| *number == node.0);
            let mut after = after.map(|(_, edge)| edge.clone());
            for direction in [Direction::Up, Direction::Down] {
                loop {
                    let edges = self.edges_behind(node, direction, after.as_deref())?;
                    for edge in &edges {
                        if page.items.len() >= FINDINGS_MAX || self.elapsed() >= until {
                            let within = after.map(|after| (node.0, after));
                            page.next = Some(Place { behind, within }.bytes());
                            return Ok(page);
                        }
                        if let Some(view) = self.inspected(caller, &reader, edge)?
                            && !is_met_twice(direction, &view.link, &canonical)
                        {
                            self.matters(&reader, (view, *edge), &mut page.items)?;
                        }
                        after = Some(edge_key(direction, edge));
                    }
                    if edges.len() < EDGES_READ_MAX {
                        break;
                    }
                }
            }
            behind = Some(key);
        }
        page.next = (!is_last).then(|| {
            let within = None;
            Place { behind, within }.bytes()
        });
        Ok(page)
    }

    /// Counts links: for operators.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`.
    pub fn count_links(&self, caller: &Caller) -> Result<LinkCheck, Refusal> {
        self.permit_operation(caller)?;
        let store = &self.inner.store;
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let memory = self.inner.graph.ready();
        Ok(LinkCheck {
            identifier_count: u64::from(store.node_count()),
            link_count: store.terms().rows().iter().map(|row| row.count).sum(),
            memory: memory.map(|graph| (count(graph.edge_count()), count(graph.memory_bytes()))),
            fault: None,
        })
    }

    /// Reads every link, and compares lists, counts and the graph in memory: for
    /// operators. Links that change meanwhile may be told as a fault.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`; `Internal`.
    pub fn check_links(&self, caller: &Caller) -> Result<LinkCheck, Refusal> {
        let mut check = self.count_links(caller)?;
        let store = &self.inner.store;
        let read = |error: Error| told(&error);
        check.fault = store.check_links().map_err(read)?;
        if check.fault.is_none() {
            check.fault = self.inner.graph.compare(store).map_err(read)?;
        }
        Ok(check)
    }

    /// The firm for which `caller` states a link without an owner: its own; an
    /// operator, that which holds the first end that a firm holds.
    fn stating_firm(&self, caller: &Caller, name: &LinkName) -> Option<FirmId> {
        let holder = |end: &Identifier| Records::holder(&*self.inner.store, end.prefix());
        match &caller.who {
            Who::Member(member) => Some(member.firm.clone()),
            _ if caller.is_operator() => [&name.source, &name.target].into_iter().find_map(holder),
            _ => None,
        }
    }

    fn sees_link(&self, reader: &LinkReader, link: &Link) -> bool {
        reader.sees(link, &|prefix| Records::holder(&*self.inner.store, prefix))
    }

    /// A link that `caller` may see, as it is shown to it. Who else may read it is told
    /// to members of its owner and to operators only.
    pub fn link_view(&self, caller: &Caller, mut link: Arc<Link>) -> LinkView {
        let knows_readers = match &caller.who {
            Who::Member(member) => link.name.owner.as_ref() == Some(&member.firm),
            _ => caller.is_operator(),
        };
        if !knows_readers && matches!(link.visibility, Visibility::Readers(_)) {
            Arc::make_mut(&mut link).visibility = Visibility::Readers(Readers::default());
        }
        let dangles = |identifier| self.whole(caller, identifier).is_err();
        LinkView {
            source_dangles: dangles(&link.name.source),
            target_dangles: dangles(&link.name.target),
            link,
        }
    }

    /// The first so many nodes below a canonical prefix behind a key, with their keys,
    /// and whether there are no more.
    fn nodes_below(
        &self,
        canonical: &str,
        behind: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Vec<KeyedNode>, bool), Refusal> {
        let mut nodes = Vec::new();
        let mut is_last = true;
        let mut take = |key: &[u8], number| {
            is_last = nodes.len() < limit;
            if !is_last {
                return ControlFlow::Break(());
            }
            nodes.push((key.to_vec(), Number(number)));
            ControlFlow::Continue(())
        };
        let store = &self.inner.store;
        let read = store.each_node_below(canonical, behind, &mut take);
        read.map_err(|error| told(&error))?;
        Ok((nodes, is_last))
    }

    /// The link of an edge, if it stands and the caller sees it.
    fn inspected(
        &self,
        caller: &Caller,
        reader: &LinkReader,
        edge: &EdgeRow,
    ) -> Result<Option<LinkView>, Refusal> {
        let link = self.link_of(edge).map_err(|error| told(&error))?;
        let is_shown =
            |link: &Link| link.state != LinkState::Withdrawn && self.sees_link(reader, link);
        let link = link.filter(is_shown);
        Ok(link.map(|link| self.link_view(caller, Arc::new(link))))
    }

    /// The edges of a node one way, from behind that with the key `after`.
    fn edges_behind(
        &self,
        node: Number,
        direction: Direction,
        after: Option<&[u8]>,
    ) -> Result<Vec<EdgeRow>, Refusal> {
        let is_down = direction == Direction::Down;
        let mut edges = Vec::new();
        let mut take = |_, edge: EdgeRow| {
            if after.is_none_or(|after| *edge_key(direction, &edge) > *after) {
                edges.push(edge);
            }
            match edges.len() < EDGES_READ_MAX {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            }
        };
        let read = self.inner.store.edges_of(&[node.0], is_down, &mut take);
        read.map_err(|error| told(&error))?;
        Ok(edges)
    }

    /// The link that an edge stands for; `None` of one that was stated otherwise
    /// since.
    fn link_of(&self, edge: &EdgeRow) -> Result<Option<Link>, Error> {
        let store = &self.inner.store;
        let terms = {
            let table = store.terms();
            table.row(edge.terms).map(|row| Arc::clone(&row.terms))
        };
        let Some(terms) = terms else {
            return Ok(None);
        };
        let (source, target) = match terms.kind.leaning() {
            Leaning::Down => (edge.input, edge.output),
            Leaning::Up | Leaning::Across => (edge.output, edge.input),
        };
        let name = LinkName {
            source: store.node_name(source)?,
            kind: terms.kind.clone(),
            target: store.node_name(target)?,
            owner: terms.owner.clone(),
        };
        let link = store.link(source, target, name)?;
        Ok(link.filter(|link| link.terms() == *terms))
    }

    fn matters(
        &self,
        reader: &LinkReader,
        (view, edge): (LinkView, EdgeRow),
        found: &mut Vec<Finding>,
    ) -> Result<(), Refusal> {
        let mut add = |matter| {
            let view = view.clone();
            found.push(Finding { matter, view });
        };
        if view.source_dangles || view.target_dangles {
            add(Matter::Dangling);
        }
        let link = &view.link;
        let others = self.others(reader, (link, &edge))?;
        let holder = |end: &Identifier| Records::holder(&*self.inner.store, end.prefix());
        let is_internal = holder(&link.name.source) == holder(&link.name.target);
        if link.state == LinkState::Stated && !is_internal && others.is_empty() {
            add(Matter::Asymmetric);
        }
        let differs = |other: &Link| {
            other.facts.quantity != link.facts.quantity || other.facts.batch != link.facts.batch
        };
        if link.state == LinkState::Disputed || others.iter().any(differs) {
            add(Matter::Contradictory);
        }
        if link.name.kind.leaning() != Leaning::Across && self.leads_back(reader, &edge)? {
            add(Matter::Cyclic);
        }
        Ok(())
    }

    /// What other firms state of the same kind between the same identifiers, as far
    /// as the caller sees it.
    fn others(
        &self,
        reader: &LinkReader,
        (link, edge): (&Link, &EdgeRow),
    ) -> Result<Vec<Link>, Refusal> {
        let mut terms = BTreeSet::new();
        let mut looked = 0;
        let mut take = |_, other: EdgeRow| {
            looked += 1;
            if other.output == edge.output && other.terms != edge.terms && other.times.ended == 0 {
                terms.insert(other.terms);
            }
            match other.output > edge.output || looked >= COMPARED_MAX {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        };
        let read = self.inner.store.edges_of(&[edge.input], true, &mut take);
        read.map_err(|error| told(&error))?;
        let mut others = Vec::new();
        for terms in terms {
            let other = EdgeRow { terms, ..*edge };
            let other = self.link_of(&other).map_err(|error| told(&error))?;
            let counts = |other: &Link| {
                other.name.kind == link.name.kind
                    && other.name.owner != link.name.owner
                    && self.sees_link(reader, other)
            };
            others.extend(other.filter(counts));
        }
        Ok(others)
    }

    /// Whether what an edge came from was made of what it leads to.
    fn leads_back(&self, reader: &LinkReader, edge: &EdgeRow) -> Result<bool, Refusal> {
        let search = Search {
            from: Number(edge.input),
            to: Number(edge.output),
            lens: Lens {
                direction: Direction::Up,
                when: When::default(),
            },
            depth_max: u16::MAX,
            paths_max: 1,
            hops_max: CYCLE_LINKS_MAX,
            is_over: &|| false,
        };
        let found = self.with_source(reader, &[], &mut Searching(&search))?;
        Ok(!found.paths.is_empty())
    }
}

/// Where an inspection goes on: behind the node with a key, or within the one after it,
/// behind an edge.
///
/// ```text
/// 0 | key          1 | node u32 BE | edge [9] | key
/// ```
#[derive(Default)]
struct Place {
    behind: Option<Vec<u8>>,
    within: Option<(u32, Vec<u8>)>,
}

impl Place {
    fn parse(bytes: Option<&[u8]>) -> Result<Self, Refusal> {
        let Some(bytes) = bytes else {
            return Ok(Self::default());
        };
        let behind = |key: &[u8]| Some(key.to_vec()).filter(|key| !key.is_empty());
        let parsed = match bytes.split_first() {
            Some((0, key)) => Some(Self {
                behind: behind(key),
                within: None,
            }),
            Some((1, rest)) => rest.split_first_chunk().and_then(|(node, rest)| {
                let (edge, key) = rest.split_at_checked(EDGE_KEY_BYTES)?;
                Some(Self {
                    behind: behind(key),
                    within: Some((u32::from_be_bytes(*node), edge.to_vec())),
                })
            }),
            _ => None,
        };
        parsed.ok_or_else(|| Refusal::new(Reason::PageTokenInvalid).field("page_token"))
    }

    fn bytes(self) -> Vec<u8> {
        let Self { behind, within } = self;
        let mut bytes = vec![u8::from(within.is_some())];
        if let Some((node, edge)) = within {
            bytes.extend(node.to_be_bytes());
            bytes.extend(edge);
        }
        bytes.extend(behind.unwrap_or_default());
        bytes
    }
}

/// Whether a link within a prefix that is met from its input is met from its output too.
fn is_met_twice(direction: Direction, link: &Link, canonical: &str) -> bool {
    let (_, output) = link.input_and_output();
    direction == Direction::Down && output.prefix().canonical() == canonical
}

/// Bytes of the place of an edge.
const EDGE_KEY_BYTES: usize = 9;

/// The place of an edge among those of one identifier.
fn edge_key(direction: Direction, edge: &EdgeRow) -> Vec<u8> {
    let (place, far) = match direction {
        Direction::Up => (0, edge.input),
        Direction::Down => (1, edge.output),
    };
    let mut key = vec![place];
    key.extend(far.to_be_bytes());
    key.extend(edge.terms.to_be_bytes());
    key
}
