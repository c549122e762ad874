//! Links as the caller may see them: one, those at an identifier, and those of a
//! prefix that want looking after.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::access::{LinkReader, Records};
use crate::model::link::Leaning;
use crate::model::{
    Caller, Identifier, Link, LinkName, LinkState, Prefix, Readers, Reason, Refusal, Visibility,
    Who,
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

/// Edges of an identifier that are looked at for one page.
const EDGES_READ_MAX: usize = 100_000;
/// Links of the far end that one link is compared with.
const COMPARED_MAX: usize = 10_000;
/// Links looked at to find whether one leads back.
const CYCLE_LINKS_MAX: u64 = 100_000;

impl Node {
    /// Returns a link that `caller` may see. Without an owner it is that of the
    /// caller's firm.
    ///
    /// # Errors
    /// `LinkNotFound`; `Internal`.
    pub fn link(&self, caller: &Caller, name: &LinkName) -> Result<LinkView, Refusal> {
        let mut name = name.clone();
        if let (None, Who::Member(member)) = (&name.owner, &caller.who) {
            name.owner = Some(member.firm.clone());
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
        for direction in [Direction::Up, Direction::Down] {
            if filter.direction.is_some_and(|asked| asked != direction) {
                continue;
            }
            let edges = self.edges_behind(node, direction, after)?;
            for edge in edges {
                let link = self.link_of(&edge).map_err(|error| told(&error))?;
                let Some(link) = link.filter(|link| self.sees_link(&reader, link)) else {
                    continue;
                };
                if link.state == LinkState::Withdrawn && !filter.show_withdrawn {
                    continue;
                }
                if page.items.len() == limit {
                    page.next = last;
                    return Ok(page);
                }
                last = Some(edge_key(direction, &edge));
                page.items.push(self.link_view(caller, Arc::new(link)));
            }
        }
        Ok(page)
    }

    /// Finds what is the matter with links that `caller` may see at the identifiers
    /// of a prefix, from behind the key `after`; looks at `limit` identifiers.
    ///
    /// # Errors
    /// `Internal`.
    pub fn inspect_links(
        &self,
        caller: &Caller,
        prefix: &Prefix,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page<Finding>, Refusal> {
        let mut page = Page {
            items: Vec::new(),
            next: None,
        };
        let mut nodes = Vec::new();
        let mut last = Vec::new();
        let mut take = |key: &[u8], number| {
            if nodes.len() == limit {
                page.next = Some(std::mem::take(&mut last));
                return ControlFlow::Break(());
            }
            last = key.to_vec();
            nodes.push(Number(number));
            ControlFlow::Continue(())
        };
        let store = &self.inner.store;
        let read = store.each_node_below(&prefix.canonical(), after, &mut take);
        read.map_err(|error| told(&error))?;
        let reader = self.link_reader(caller);
        for node in nodes {
            for direction in [Direction::Up, Direction::Down] {
                for edge in self.edges_behind(node, direction, None)? {
                    let link = self.link_of(&edge).map_err(|error| told(&error))?;
                    let is_shown = |link: &Link| {
                        link.state != LinkState::Withdrawn && self.sees_link(&reader, link)
                    };
                    if let Some(link) = link.filter(is_shown) {
                        let view = self.link_view(caller, Arc::new(link));
                        self.matters(&reader, (view, edge), &mut page.items)?;
                    }
                }
            }
        }
        page.items.dedup();
        Ok(page)
    }

    /// Reads every link, and compares lists, counts and the graph in memory: for
    /// operators. Links that change meanwhile may be told as a fault.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`; `Internal`.
    pub fn check_links(&self, caller: &Caller) -> Result<LinkCheck, Refusal> {
        self.permit_operation(caller)?;
        let store = &self.inner.store;
        let read = |error: Error| told(&error);
        let mut check = LinkCheck {
            identifier_count: u64::from(store.node_count()),
            link_count: store.terms().rows().iter().map(|row| row.count).sum(),
            ..LinkCheck::default()
        };
        check.fault = store.check_links().map_err(read)?;
        if let Some(graph) = self.inner.graph.ready() {
            let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
            check.memory = Some((count(graph.edge_count()), count(graph.memory_bytes())));
            if check.fault.is_none() {
                check.fault = self.inner.graph.compare(store).map_err(read)?;
            }
        }
        Ok(check)
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
