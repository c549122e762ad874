//! Who may read what the public may not, beside its owner.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::fault::{Reason, Refusal};
use crate::model::ids::{FirmId, GroupId};
use crate::model::limits::READERS_MAX;

/// The firms, and the groups of firms, that may read a value or a record which
/// the public may not; at most [`READERS_MAX`] together. Its owner may anyway, so
/// that nobody named is nobody else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Sets", into = "Sets")]
pub struct Readers {
    firms: BTreeSet<FirmId>,
    groups: BTreeSet<GroupId>,
}

/// As it is stored inside other things.
type Sets = (BTreeSet<FirmId>, BTreeSet<GroupId>);

/// One of the [`Readers`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reader {
    /// The members of a firm.
    Firm(FirmId),
    /// The members of the firms of a group.
    Group(GroupId),
}

impl Readers {
    /// These readers, each once.
    ///
    /// # Errors
    /// [`Reason::ReadersTooMany`].
    pub fn new(readers: impl IntoIterator<Item = Reader>) -> Result<Self, Refusal> {
        let mut sets = Sets::default();
        for reader in readers {
            match reader {
                Reader::Firm(firm) => sets.0.insert(firm),
                Reader::Group(group) => sets.1.insert(group),
            };
        }
        Self::try_from(sets)
    }

    /// The firms.
    pub fn firms(&self) -> &BTreeSet<FirmId> {
        &self.firms
    }

    /// The groups of firms.
    pub fn groups(&self) -> &BTreeSet<GroupId> {
        &self.groups
    }

    /// Each reader: firms first, in the order of their names.
    pub fn each(&self) -> impl Iterator<Item = Reader> + '_ {
        let firms = self.firms.iter().cloned().map(Reader::Firm);
        firms.chain(self.groups.iter().cloned().map(Reader::Group))
    }

    /// Whether `reader` is one of them.
    pub fn names(&self, reader: &Reader) -> bool {
        match reader {
            Reader::Firm(firm) => self.firms.contains(firm),
            Reader::Group(group) => self.groups.contains(group),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.firms.len() + self.groups.len()
    }

    /// Bytes of their names.
    pub fn byte_count(&self) -> usize {
        let firms = self.firms.iter().map(|firm| firm.as_str().len());
        let groups = self.groups.iter().map(|group| group.as_str().len());
        firms.sum::<usize>() + groups.sum::<usize>()
    }
}

impl TryFrom<Sets> for Readers {
    type Error = Refusal;

    fn try_from((firms, groups): Sets) -> Result<Self, Refusal> {
        let readers = Self { firms, groups };
        if readers.count() > READERS_MAX {
            return Err(Refusal::new(Reason::ReadersTooMany)
                .field("readers")
                .value(readers.count())
                .limit(READERS_MAX));
        }
        Ok(readers)
    }
}

impl From<Readers> for Sets {
    fn from(readers: Readers) -> Self {
        (readers.firms, readers.groups)
    }
}

impl Reader {
    /// Parses `firm:ID` or `group:ID`.
    ///
    /// # Errors
    /// [`Reason::FieldInvalid`] for another form, [`Reason::IdInvalid`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match text.split_once(':') {
            Some(("firm", id)) => FirmId::parse(id).map(Self::Firm),
            Some(("group", id)) => GroupId::parse(id).map(Self::Group),
            _ => Err(Refusal::new(Reason::FieldInvalid)
                .field("readers")
                .value(text)
                .limit("firm:ID or group:ID")),
        }
    }
}

impl fmt::Display for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Firm(firm) => write!(f, "firm:{firm}"),
            Self::Group(group) => write!(f, "group:{group}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(text: &str) -> Reader {
        Reader::parse(text).expect("a reader")
    }

    #[test]
    fn names_each_reader_once() {
        let texts = ["group:buyers", "firm:b", "firm:a", "firm:b"];
        let readers = Readers::new(texts.map(reader)).expect("few");
        let shown: Vec<_> = readers.each().map(|reader| reader.to_string()).collect();
        assert_eq!(shown, ["firm:a", "firm:b", "group:buyers"]);
        assert!(readers.names(&reader("firm:a")) && readers.names(&reader("group:buyers")));
        // A firm and a group may share a name, and are two all the same.
        assert!(!readers.names(&reader("group:a")) && !readers.names(&reader("firm:buyers")));
        assert_eq!((readers.count(), readers.byte_count()), (3, 8));
    }

    #[test]
    fn refuses_what_is_no_reader() {
        for text in ["", "a", "firm", "person:a", "FIRM:a"] {
            let refusal = Reader::parse(text).expect_err("no reader");
            assert_eq!(refusal.reason(), Reason::FieldInvalid, "{text}");
        }
        for text in ["firm:", "group:A", "firm:a:b"] {
            let refusal = Reader::parse(text).expect_err("no id");
            assert_eq!(refusal.reason(), Reason::IdInvalid, "{text}");
        }
    }

    #[test]
    fn counts_firms_and_groups_together() {
        let of = |count: usize| {
            let firms = (1..count).map(|at| reader(&format!("firm:{at}")));
            Readers::new(firms.chain([reader("group:1")]))
        };
        assert_eq!(
            of(READERS_MAX).map(|readers| readers.count()),
            Ok(READERS_MAX)
        );
        let refusal = of(READERS_MAX + 1).expect_err("one too many");
        assert_eq!(refusal.reason(), Reason::ReadersTooMany);
    }

    #[test]
    fn survives_being_stored() {
        let readers = Readers::new([reader("firm:a"), reader("group:b")]).expect("few");
        let bytes = postcard::to_stdvec(&readers).expect("encodes");
        assert_eq!(postcard::from_bytes(&bytes), Ok(readers));
        let firms: BTreeSet<_> = (0..=READERS_MAX)
            .map(|at| FirmId::parse(&at.to_string()).expect("an id"))
            .collect();
        let many: Sets = (firms, BTreeSet::new());
        let bytes = postcard::to_stdvec(&many).expect("encodes");
        assert!(postcard::from_bytes::<Readers>(&bytes).is_err());
    }
}
