//! With whom a firm shares: groups of firms, and links for whoever holds them.

use std::collections::BTreeSet;
use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use crate::model::case::SuffixCase;
use crate::model::fault::Refusal;
use crate::model::identifier::{Identifier, Prefix};
use crate::model::ids::{FirmId, GroupId, ShareId};
use crate::model::key::Key;
#[cfg(doc)]
use crate::model::limits::SHARE_TARGETS_MAX;
use crate::model::time::Timestamp;

/// A group of firms, kept by one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name for the node.
    pub id: GroupId,
    /// Whose it is.
    pub owner: FirmId,
    /// Its name for people.
    pub name: String,
    /// Who belongs to it.
    pub members: BTreeSet<FirmId>,
    /// Log position of its last change: the etag.
    pub revision: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

/// A link by which whoever holds it reads some records of a firm, for a purpose
/// and a time: all that administrators may read of them but secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Its name for the node.
    pub id: ShareId,
    /// Whose records it shares.
    pub owner: FirmId,
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// What it is for.
    pub purpose: String,
    /// What it reaches; at most [`SHARE_TARGETS_MAX`].
    pub targets: Vec<Target>,
    /// The values that it shows; all if there are none.
    pub indices: Vec<u32>,
    /// Until when it counts.
    pub expires: Timestamp,
    /// Log position of its last change: the etag.
    pub revision: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

/// What a share reaches.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    identifier: Identifier,
    /// Whether those that begin so are meant too.
    begins: bool,
}

/// What stands behind the beginning of identifiers.
const BEGINNING_MARK: char = '*';

impl Target {
    /// Parses an identifier, or the beginning of identifiers with a `*` behind:
    /// `88.118.7/DZ47-63.20250108.*`. Something of the suffix must stand before.
    ///
    /// # Errors
    /// Those of [`Identifier::parse`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let beginning = text.strip_suffix(BEGINNING_MARK);
        Ok(Self {
            identifier: Identifier::parse(beginning.unwrap_or(text))?,
            begins: beginning.is_some(),
        })
    }

    /// The prefix that it is below.
    pub fn prefix(&self) -> &Prefix {
        self.identifier.prefix()
    }

    /// Whether it reaches the identifier with `key`, under the case rule of its
    /// prefix.
    fn reaches(&self, key: &Key, case: SuffixCase) -> bool {
        let own = self.identifier.key(case);
        own == *key || self.begins && key.as_bytes().starts_with(own.as_bytes())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.identifier)?;
        match self.begins {
            true => f.write_char(BEGINNING_MARK),
            false => Ok(()),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl Share {
    /// Whether it counts at `now`.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        now < self.expires
    }

    /// Whether it reaches `identifier`, whose prefix has the rule `case`.
    pub fn reaches(&self, identifier: &Identifier, case: SuffixCase) -> bool {
        let key = identifier.key(case);
        self.targets.iter().any(|target| target.reaches(&key, case))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, identifier: &str, expected: bool) {
        let share = Share {
            id: ShareId::parse("s").expect("an id"),
            owner: FirmId::parse("a").expect("an id"),
            hash: [0; 32],
            purpose: "recall".into(),
            targets: vec![Target::parse(target).expect("a target")],
            indices: Vec::new(),
            expires: Timestamp::from_millis(10),
            revision: 1,
            created: Timestamp::default(),
            changed: Timestamp::default(),
        };
        let identifier = Identifier::parse(identifier).expect("an identifier");
        let seen = share.reaches(&identifier, SuffixCase::Folded);
        assert_eq!(seen, expected, "{target} {identifier}");
    }

    #[test]
    fn reaches_what_it_names_and_nothing_beside() {
        check("88.118.7/DZ.1", "88.118.7/dz.1", true);
        check("88.118.7/DZ.1", "88.118.7/dz.12", false);
        check("88.118.7/DZ.1", "88.118.70/dz.1", false);
        check("88.118.7/DZ.*", "88.118.7/dz.12", true);
        check("88.118.7/DZ.*", "88.118.7/dz", false);
        check("88.118.7/DZ.*", "88.118.70/dz.1", false);
        for text in ["88.118.7/*", "*", "88.118.7", ""] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn targets_survive_being_stored() {
        for text in ["88.118.7/DZ.1", "88.118.7/DZ.*"] {
            let target = Target::parse(text).expect("a target");
            let bytes = postcard::to_stdvec(&target).expect("encodes");
            assert_eq!(postcard::from_bytes(&bytes), Ok(target.clone()));
            assert_eq!(target.to_string(), text);
        }
    }
}
