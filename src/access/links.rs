//! Who sees a link: everyone, its owner, the firms at its ends, or whom it names.
//!
//! What a caller sees follows from the terms of a link and, for the firms at its
//! ends, from who holds their prefixes: a trace judges terms once, not each link.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::access::Records;
use crate::access::sight::standing;
use crate::model::{
    Caller, FirmId, Group, GroupId, Link, Prefix, Reader, Readers, Scope, Terms, Timestamp, Verb,
    Visibility, Who,
};
use crate::store::{Batch, Store};

/// Whether a caller sees the links of some terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkSight {
    /// Each of them.
    Yes,
    /// None of them.
    No,
    /// Those at whose ends it has a prefix: see [`LinkReader::has`].
    AtOwnEnd,
}

/// A caller as it reads links: equal ones see the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkReader {
    seen: Seen,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Seen {
    Public,
    Everything,
    /// What a member of a firm sees.
    Firm {
        firm: FirmId,
        scope: Arc<Scope>,
        /// The groups that the firm belongs to, and whose each is.
        groups: BTreeMap<GroupId, FirmId>,
    },
}

impl LinkReader {
    /// `caller` as it stands at `now`.
    pub fn new(caller: &Caller, store: &Store, now: Timestamp) -> Self {
        let seen = match standing(caller, (store, now)).map(|caller| caller.into_owned().who) {
            Some(Who::Member(member)) => {
                let verbs = &member.scope.verbs;
                if !verbs.is_empty() && !verbs.contains(&Verb::Read) {
                    return Self { seen: Seen::Public };
                }
                let directory = store.directory();
                let groups = directory.groups_with(&member.firm);
                let groups = groups.map(|group| (group.id.clone(), group.owner.clone()));
                Seen::Firm {
                    groups: groups.collect(),
                    firm: member.firm.clone(),
                    scope: Arc::clone(&member.scope),
                }
            }
            Some(who) if Caller::of(who.clone()).is_operator() => Seen::Everything,
            Some(_) | None => Seen::Public,
        };
        Self { seen }
    }

    /// Whether it sees every link.
    pub const fn sees_everything(&self) -> bool {
        matches!(self.seen, Seen::Everything)
    }

    /// Whether it sees links of these terms.
    pub fn sight(&self, terms: &Terms) -> LinkSight {
        let is_public = terms.visibility == Visibility::Public;
        let (firm, scope, groups) = match &self.seen {
            _ if is_public => return LinkSight::Yes,
            Seen::Everything => return LinkSight::Yes,
            Seen::Public => return LinkSight::No,
            Seen::Firm {
                firm,
                scope,
                groups,
            } => (firm, scope, groups),
        };
        let is_confined = !scope.prefixes.is_empty();
        if terms.owner.as_ref() == Some(firm) {
            return match is_confined {
                true => LinkSight::AtOwnEnd,
                false => LinkSight::Yes,
            };
        }
        let is_named = |readers: &Readers| {
            let is_reader = |reader: Reader| match reader {
                Reader::Firm(named) => named == *firm,
                Reader::Group(group) => groups
                    .get(&group)
                    .is_some_and(|of| Some(of) == terms.owner.as_ref()),
            };
            readers.each().any(is_reader)
        };
        match &terms.visibility {
            Visibility::Public => LinkSight::Yes,
            Visibility::Ends => LinkSight::AtOwnEnd,
            Visibility::Readers(readers) if is_named(readers) && !is_confined => LinkSight::Yes,
            Visibility::Readers(_) | Visibility::Owner => LinkSight::No,
        }
    }

    /// Whether a canonical prefix, held by `holder`, is one of its own.
    pub fn has(&self, canonical: &str, holder: Option<&FirmId>) -> bool {
        match &self.seen {
            Seen::Public => false,
            Seen::Everything => true,
            Seen::Firm { firm, scope, .. } => {
                let in_scope =
                    scope.prefixes.is_empty() || scope.prefixes.iter().any(|one| one == canonical);
                in_scope && holder == Some(firm)
            }
        }
    }

    /// Whether it sees `link`, whose ends are held as `holder` says.
    pub fn sees(&self, link: &Link, holder: &dyn Fn(&Prefix) -> Option<FirmId>) -> bool {
        let is_own = |prefix: &Prefix| self.has(&prefix.canonical(), holder(prefix).as_ref());
        match self.sight(&link.terms()) {
            LinkSight::Yes => true,
            LinkSight::No => false,
            LinkSight::AtOwnEnd => {
                is_own(link.name.source.prefix()) || is_own(link.name.target.prefix())
            }
        }
    }
}

/// Whether `firm`, which holds an end of `link` and does not own it, sees it: what
/// it may confirm or dispute.
pub fn sees_from_end(batch: &Batch<'_>, firm: &FirmId, link: &Link) -> bool {
    let is_reader = |reader: Reader| match reader {
        Reader::Firm(named) => named == *firm,
        Reader::Group(group) => {
            let group = batch.entry::<Group>(group.as_str());
            let counts = |group: &Group| {
                Some(&group.owner) == link.name.owner.as_ref() && group.members.contains(firm)
            };
            group.is_some_and(|group| counts(&group))
        }
    };
    let is_end = |prefix| Records::holder(batch, prefix).as_ref() == Some(firm);
    match &link.visibility {
        Visibility::Public => true,
        Visibility::Ends => is_end(link.name.source.prefix()) || is_end(link.name.target.prefix()),
        Visibility::Readers(readers) => readers.each().any(is_reader),
        Visibility::Owner => link.name.owner.as_ref() == Some(firm),
    }
}
