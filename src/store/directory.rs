//! What the node keeps beside records, all of it in memory too: firms,
//! principals, groups, shares and templates. They are few, and looked at with every request.
//!
//! ```text
//! key   = kind u8  id
//! value = version u8  postcard of the entry
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::template::Template;
use crate::model::{Firm, FirmId, Group, Party, Principal, Share};
use crate::store::columns::Column;
use crate::store::{Error, Store, scan};

/// One kind of thing in the directory.
pub trait Entry: Serialize + DeserializeOwned + 'static {
    /// The first byte of its keys. Stored: never changed, never used again.
    const KIND: u8;
    /// The version that this release writes. A later one keeps the old decoder.
    const VERSION: u8;
    /// What an error calls it.
    const WHAT: &'static str;

    /// Its id, the rest of its key.
    fn id(&self) -> &str;

    /// Those of its kind in `directory`.
    fn rows(directory: &Directory) -> &Rows<Self>;

    /// The entry that `any` holds, if it is of this kind.
    fn from_any(any: &AnyEntry) -> Option<&Arc<Self>>;
}

/// Entries of one kind, by id.
pub type Rows<T> = BTreeMap<Box<str>, Arc<T>>;

/// An entry of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyEntry {
    /// A firm.
    Firm(Arc<Firm>),
    /// A principal.
    Principal(Arc<Principal>),
    /// A group of firms.
    Group(Arc<Group>),
    /// A share link.
    Share(Arc<Share>),
    /// A template.
    Template(Arc<Template>),
}

/// Names an entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey {
    kind: u8,
    id: Box<str>,
}

impl EntryKey {
    /// The key of the `T` named `id`.
    pub fn of<T: Entry>(id: &str) -> Self {
        Self {
            kind: T::KIND,
            id: id.into(),
        }
    }

    /// A subject of the audit trail, for people: an identifier or a prefix as it is,
    /// and the key of an entry as `firms/…`.
    pub fn shown(subject: &[u8]) -> String {
        let text = String::from_utf8_lossy(subject);
        let kinds = [
            (Firm::KIND, "firms"),
            (Principal::KIND, "principals"),
            (Group::KIND, "groups"),
            (Share::KIND, "shares"),
            (Template::KIND, "templates"),
        ];
        // Canonical prefixes have no upper-case letters.
        let kind = kinds.iter().find(|(kind, _)| subject.first() == Some(kind));
        match kind.and_then(|(_, name)| Some((name, text.get(1..)?))) {
            Some((name, id)) => format!("{name}/{id}"),
            None => text.into_owned(),
        }
    }

    /// The bytes under which it is stored, and which the audit trail names.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind];
        bytes.extend_from_slice(self.id.as_bytes());
        bytes
    }
}

impl AnyEntry {
    /// Its key.
    pub fn key(&self) -> EntryKey {
        match self {
            Self::Firm(entry) => EntryKey::of::<Firm>(entry.id()),
            Self::Principal(entry) => EntryKey::of::<Principal>(entry.id()),
            Self::Group(entry) => EntryKey::of::<Group>(entry.id()),
            Self::Share(entry) => EntryKey::of::<Share>(entry.id()),
            Self::Template(entry) => EntryKey::of::<Template>(Entry::id(&**entry)),
        }
    }

    /// Log position of its last change.
    pub fn revision(&self) -> u64 {
        match self {
            Self::Firm(entry) => entry.revision,
            Self::Principal(entry) => entry.revision,
            Self::Group(entry) => entry.revision,
            Self::Share(entry) => entry.revision,
            Self::Template(entry) => entry.revision(),
        }
    }

    /// The same entry at another revision.
    #[must_use]
    pub fn at(self, revision: u64) -> Self {
        match self {
            Self::Firm(entry) => Self::Firm(Arc::new(Firm {
                revision,
                ..Arc::unwrap_or_clone(entry)
            })),
            Self::Principal(entry) => Self::Principal(Arc::new(Principal {
                revision,
                ..Arc::unwrap_or_clone(entry)
            })),
            Self::Group(entry) => Self::Group(Arc::new(Group {
                revision,
                ..Arc::unwrap_or_clone(entry)
            })),
            Self::Share(entry) => Self::Share(Arc::new(Share {
                revision,
                ..Arc::unwrap_or_clone(entry)
            })),
            Self::Template(entry) => {
                let entry = Arc::unwrap_or_clone(entry);
                Self::Template(Arc::new(entry.at_revision(revision)))
            }
        }
    }

    /// The stored form.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it cannot be encoded.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        match self {
            Self::Firm(entry) => encode(&**entry),
            Self::Principal(entry) => encode(&**entry),
            Self::Group(entry) => encode(&**entry),
            Self::Share(entry) => encode(&**entry),
            Self::Template(entry) => encode(&**entry),
        }
    }

    /// The entry under `key` (as [`EntryKey::to_bytes`]) that `value` holds.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Version`].
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self, Error> {
        let entry = match key.first() {
            Some(&Firm::KIND) => Self::Firm(decode(value)?),
            Some(&Principal::KIND) => Self::Principal(decode(value)?),
            Some(&Group::KIND) => Self::Group(decode(value)?),
            Some(&Share::KIND) => Self::Share(decode(value)?),
            Some(&Template::KIND) => Self::Template(decode(value)?),
            _ => {
                return Err(Error::Corrupt {
                    what: "directory key",
                });
            }
        };
        if entry.key().to_bytes() != key {
            return Err(Error::Corrupt {
                what: "directory entry",
            });
        }
        Ok(entry)
    }
}

fn encode<T: Entry>(entry: &T) -> Result<Vec<u8>, Error> {
    postcard::to_extend(entry, vec![T::VERSION]).map_err(|_| Error::Corrupt { what: T::WHAT })
}

fn decode<T: Entry>(value: &[u8]) -> Result<Arc<T>, Error> {
    let corrupt = || Error::Corrupt { what: T::WHAT };
    let (version, rest) = value.split_first().ok_or_else(corrupt)?;
    if *version != T::VERSION {
        return Err(Error::Version {
            what: T::WHAT,
            version: *version,
        });
    }
    match postcard::take_from_bytes(rest) {
        Ok((entry, [])) => Ok(Arc::new(entry)),
        Ok(_) | Err(_) => Err(corrupt()),
    }
}

impl Entry for Firm {
    const KIND: u8 = b'F';
    const VERSION: u8 = 1;
    const WHAT: &'static str = "firm";

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn rows(directory: &Directory) -> &Rows<Self> {
        &directory.firms
    }

    fn from_any(any: &AnyEntry) -> Option<&Arc<Self>> {
        match any {
            AnyEntry::Firm(entry) => Some(entry),
            AnyEntry::Principal(_)
            | AnyEntry::Group(_)
            | AnyEntry::Share(_)
            | AnyEntry::Template(_) => None,
        }
    }
}

impl Entry for Principal {
    const KIND: u8 = b'P';
    const VERSION: u8 = 1;
    const WHAT: &'static str = "principal";

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn rows(directory: &Directory) -> &Rows<Self> {
        &directory.principals
    }

    fn from_any(any: &AnyEntry) -> Option<&Arc<Self>> {
        match any {
            AnyEntry::Principal(entry) => Some(entry),
            AnyEntry::Firm(_) | AnyEntry::Group(_) | AnyEntry::Share(_) | AnyEntry::Template(_) => {
                None
            }
        }
    }
}

impl Entry for Group {
    const KIND: u8 = b'G';
    const VERSION: u8 = 1;
    const WHAT: &'static str = "group";

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn rows(directory: &Directory) -> &Rows<Self> {
        &directory.groups
    }

    fn from_any(any: &AnyEntry) -> Option<&Arc<Self>> {
        match any {
            AnyEntry::Group(entry) => Some(entry),
            AnyEntry::Firm(_)
            | AnyEntry::Principal(_)
            | AnyEntry::Share(_)
            | AnyEntry::Template(_) => None,
        }
    }
}

impl Entry for Share {
    const KIND: u8 = b'S';
    const VERSION: u8 = 1;
    const WHAT: &'static str = "share";

    fn id(&self) -> &str {
        self.id.as_str()
    }

    fn rows(directory: &Directory) -> &Rows<Self> {
        &directory.shares
    }

    fn from_any(any: &AnyEntry) -> Option<&Arc<Self>> {
        match any {
            AnyEntry::Share(entry) => Some(entry),
            AnyEntry::Firm(_)
            | AnyEntry::Principal(_)
            | AnyEntry::Group(_)
            | AnyEntry::Template(_) => None,
        }
    }
}

impl Entry for Template {
    const KIND: u8 = b'T';
    const VERSION: u8 = 1;
    const WHAT: &'static str = "template";

    fn id(&self) -> &str {
        self.id().as_str()
    }

    fn rows(directory: &Directory) -> &Rows<Self> {
        &directory.templates
    }

    fn from_any(any: &AnyEntry) -> Option<&Arc<Self>> {
        match any {
            AnyEntry::Template(entry) => Some(entry),
            AnyEntry::Firm(_)
            | AnyEntry::Principal(_)
            | AnyEntry::Group(_)
            | AnyEntry::Share(_) => None,
        }
    }
}

/// Every entry, by kind and id.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    firms: Rows<Firm>,
    principals: Rows<Principal>,
    groups: Rows<Group>,
    shares: Rows<Share>,
    templates: Rows<Template>,
    /// The groups of each firm that belongs to any, by id.
    memberships: BTreeMap<FirmId, BTreeSet<Box<str>>>,
}

impl Directory {
    pub(super) fn load(store: &Store) -> Result<Self, Error> {
        let mut loaded = Self::default();
        scan::each(store, Column::Directory, b"", None, &mut |key, value| {
            loaded.set(AnyEntry::decode(key, value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(loaded)
    }

    /// The `T` named `id`.
    pub fn find<T: Entry>(&self, id: &str) -> Option<&Arc<T>> {
        T::rows(self).get(id)
    }

    /// Every `T`, in the order of their ids.
    pub fn all<T: Entry>(&self) -> impl Iterator<Item = &Arc<T>> {
        T::rows(self).values()
    }

    /// Whether `key` (as [`EntryKey::to_bytes`]) names `firm`, or a principal, a
    /// group or a share link of it.
    pub fn is_of_firm(&self, key: &[u8], firm: &FirmId) -> bool {
        let Some((kind, id)) = key.split_first() else {
            return false;
        };
        let Ok(id) = std::str::from_utf8(id) else {
            return false;
        };
        match *kind {
            Firm::KIND => id == firm.as_str(),
            Principal::KIND => self.principals.get(id).is_some_and(
                |principal| matches!(&principal.party, Party::Firm { firm: of, .. } if of == firm),
            ),
            Group::KIND => self
                .groups
                .get(id)
                .is_some_and(|group| group.owner == *firm),
            Share::KIND => self
                .shares
                .get(id)
                .is_some_and(|share| share.owner == *firm),
            _ => false,
        }
    }

    /// The groups that `member` belongs to.
    pub fn groups_with(&self, member: &FirmId) -> impl Iterator<Item = &Arc<Group>> {
        let ids = self.memberships.get(member).into_iter().flatten();
        ids.filter_map(|id| self.groups.get(id))
    }

    fn enrol(&mut self, group: &Group) {
        for member in &group.members {
            let groups = self.memberships.entry(member.clone()).or_default();
            groups.insert(group.id().into());
        }
    }

    fn strike(&mut self, group: &Group) {
        for member in &group.members {
            if let Some(groups) = self.memberships.get_mut(member) {
                groups.remove(group.id());
                if groups.is_empty() {
                    self.memberships.remove(member);
                }
            }
        }
    }

    pub(super) fn set(&mut self, entry: AnyEntry) {
        match entry {
            AnyEntry::Firm(entry) => {
                self.firms.insert(entry.id().into(), entry);
            }
            AnyEntry::Principal(entry) => {
                self.principals.insert(entry.id().into(), entry);
            }
            AnyEntry::Group(entry) => {
                self.enrol(&entry);
                let before = self.groups.insert(entry.id().into(), Arc::clone(&entry));
                if let Some(before) = before {
                    self.strike(&before);
                    self.enrol(&entry);
                }
            }
            AnyEntry::Share(entry) => {
                self.shares.insert(entry.id().into(), entry);
            }
            AnyEntry::Template(entry) => {
                self.templates.insert(entry.id().as_str().into(), entry);
            }
        }
    }

    pub(super) fn remove(&mut self, key: &EntryKey) {
        let id = &*key.id;
        match key.kind {
            Firm::KIND => drop(self.firms.remove(id)),
            Principal::KIND => drop(self.principals.remove(id)),
            Group::KIND => {
                if let Some(group) = self.groups.remove(id) {
                    self.strike(&group);
                }
            }
            Share::KIND => drop(self.shares.remove(id)),
            Template::KIND => drop(self.templates.remove(id)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::{FirmId, GroupId, Timestamp};

    #[test]
    fn knows_the_groups_of_a_firm() {
        let firm = |text: &str| FirmId::parse(text).expect("an id");
        let group = |id, members: &[&str]| Group {
            id: GroupId::parse(id).expect("an id"),
            owner: firm("a"),
            name: "阀门".into(),
            members: members.iter().map(|text| firm(text)).collect(),
            revision: 1,
            created: Timestamp::default(),
            changed: Timestamp::default(),
        };
        let mut directory = Directory::default();
        let check = |directory: &Directory, member, expected: &[&str]| {
            let member = firm(member);
            let found = directory.groups_with(&member);
            let seen: Vec<_> = found.map(|group| group.id.as_str()).collect();
            assert_eq!(seen, expected, "{member}");
        };
        for (id, members) in [("g", &["b", "c"][..]), ("h", &["b"]), ("g", &["c", "d"])] {
            directory.set(AnyEntry::Group(Arc::new(group(id, members))));
        }
        check(&directory, "b", &["h"]);
        check(&directory, "c", &["g"]);
        check(&directory, "d", &["g"]);
        directory.remove(&EntryKey::of::<Group>("g"));
        check(&directory, "c", &[]);
        check(&directory, "b", &["h"]);
        assert_eq!(directory.memberships.len(), 1);
    }

    #[test]
    fn entries_go_there_and_back() {
        let firm = |text| FirmId::parse(text).expect("an id");
        let entry = AnyEntry::Group(Arc::new(Group {
            id: GroupId::parse("valves").expect("an id"),
            owner: firm("a"),
            name: "阀门".into(),
            members: BTreeSet::from([firm("b"), firm("c")]),
            revision: 300,
            created: Timestamp::from_millis(1),
            changed: Timestamp::from_millis(2),
        }));
        let (key, value) = (entry.key().to_bytes(), entry.encode().expect("encodes"));
        assert_eq!(AnyEntry::decode(&key, &value).expect("decodes"), entry);
        let longer = [&value[..], b"x"].concat();
        for bad in [&b""[..], &value[..value.len() - 1], &longer] {
            assert!(AnyEntry::decode(&key, bad).is_err());
        }
        assert!(AnyEntry::decode(b"Gother", &value).is_err());
        assert!(AnyEntry::decode(b"Fvalves", &value).is_err());
        let mut newer = value;
        newer[0] += 1;
        let seen = AnyEntry::decode(&key, &newer);
        assert!(matches!(seen, Err(Error::Version { .. })), "{seen:?}");
    }
}
