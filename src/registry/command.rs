//! What is asked of the registry: one [`Command`] for every change.

use std::sync::Arc;

use serde::Serialize;

use crate::model::fault::{Reason, Refusal};
use crate::model::identifier::{Identifier, Prefix};
use crate::model::limits::REQUEST_ID_BYTES_MAX;
use crate::model::prefix::PrefixEntry;
use crate::model::record::{Record, Value};
use crate::model::{Caller, Link, Readers, SuffixCase, Timestamp};
use crate::registry::link::LinkChange;
use crate::registry::office::OfficeChange;
use crate::store::AnyEntry;
use crate::store::codec_types::{Digest, Salt};

/// A change, by whom and when: all that [`super::apply`] needs beside the state.
#[derive(Clone, Debug)]
pub struct Command {
    /// By whom and when.
    pub origin: Origin,
    /// What is to change.
    pub change: Change,
}

impl Command {
    /// Whether a record is imported.
    pub const fn is_import(&self) -> bool {
        let action = match &self.change {
            Change::Record { action, .. } => action,
            Change::Prefix { .. } | Change::Link(_) | Change::Office(_) => return false,
        };
        matches!(action, RecordAction::Import { .. })
    }

    /// About how many bytes it takes in memory and in a batch.
    pub fn byte_count(&self) -> usize {
        self.change.byte_count()
    }
}

impl Change {
    /// About how many bytes it takes in memory and in a batch.
    pub fn byte_count(&self) -> usize {
        const FIXED_BYTES: usize = 256;
        let values = match self {
            Self::Record { action, .. } => action.values(),
            Self::Prefix { .. } => &[],
            Self::Link(change) => return FIXED_BYTES + change.byte_count(),
            Self::Office(change) => return FIXED_BYTES + change.byte_count(),
        };
        let of = |value: &Value| value.data.len() + value.value_type.as_str().len();
        FIXED_BYTES + values.iter().map(of).sum::<usize>()
    }
}

/// By whom and when a change is asked for.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The time at which the node took it in.
    pub now: Timestamp,
    /// Who asks: decides what is allowed, and is named in the audit trail.
    pub caller: Caller,
    /// Makes a retry get the first answer.
    pub request: Option<Request>,
    /// Random octets for the audit trail: nobody can tell from its hash what an
    /// entry holds.
    pub salt: Salt,
}

/// A request that can be told from others.
#[derive(Clone, Debug)]
pub struct Request {
    /// The client's name for it.
    pub id: RequestId,
    /// What it asks, as [`super::fingerprint`] sums it up.
    pub body: Digest,
}

/// What is to change. Values are those of the caller: [`super::decide`] checks
/// and orders them, and sets their times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// One identifier's record.
    Record {
        /// The identifier as the caller spells it.
        identifier: Identifier,
        /// What happens to it.
        action: RecordAction,
    },
    /// One prefix.
    Prefix {
        /// The prefix as the caller spells it.
        prefix: Prefix,
        /// What happens to it.
        action: PrefixAction,
    },
    /// One link between identifiers.
    Link(LinkChange),
    /// Something that is kept beside records and prefixes.
    Office(OfficeChange),
}

/// What happens to a record. An `etag` is the revision that it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordAction {
    /// Registers the identifier.
    Create {
        /// Its values.
        values: Vec<Value>,
        /// Who may read it; `None`: everyone.
        readers: Option<Box<Readers>>,
        /// Give a deleted name out again.
        reuse_deleted: bool,
    },
    /// Replaces all values.
    Replace {
        /// The values from then on.
        values: Vec<Value>,
        /// Who may read it from then on; `None`: who may now.
        readers: Option<Box<Readers>>,
        /// The revision that the record must have.
        etag: Option<u64>,
        /// Register it if it is not there (never a deleted one).
        allow_missing: bool,
    },
    /// Registers it, or does with a registered one as `on_conflict` says.
    Import {
        /// The values.
        values: Vec<Value>,
        /// Who may read it from then on; `None`: who may now, or everyone.
        readers: Option<Box<Readers>>,
        /// What to do when it is registered.
        on_conflict: OnConflict,
    },
    /// Adds values at free indices.
    AddValues {
        /// The values to add.
        values: Vec<Value>,
        /// The revision that the record must have.
        etag: Option<u64>,
    },
    /// Replaces values at taken indices.
    ModifyValues {
        /// The values as they are to be.
        values: Vec<Value>,
        /// The revision that the record must have.
        etag: Option<u64>,
    },
    /// Adds values, in place of those that stand at their indices.
    PutValues {
        /// The values as they are to be.
        values: Vec<Value>,
    },
    /// Removes values at taken indices.
    RemoveValues {
        /// Their indices.
        indices: Vec<u32>,
        /// The revision that the record must have.
        etag: Option<u64>,
    },
    /// Sets who may read it.
    SetReaders {
        /// Who may; `None`: everyone.
        readers: Option<Box<Readers>>,
        /// The revision that the record must have.
        etag: Option<u64>,
    },
    /// Deletes the identifier; a tombstone stays.
    Delete {
        /// The revision that the record must have.
        etag: Option<u64>,
    },
}

impl RecordAction {
    /// The values that it brings.
    fn values(&self) -> &[Value] {
        match self {
            Self::Create { values, .. }
            | Self::Replace { values, .. }
            | Self::Import { values, .. }
            | Self::AddValues { values, .. }
            | Self::ModifyValues { values, .. }
            | Self::PutValues { values } => values,
            Self::RemoveValues { .. } | Self::SetReaders { .. } | Self::Delete { .. } => &[],
        }
    }

    /// The readers that it names.
    pub(super) fn readers(&self) -> Option<&Readers> {
        match self {
            Self::Create { readers, .. }
            | Self::Replace { readers, .. }
            | Self::Import { readers, .. }
            | Self::SetReaders { readers, .. } => readers.as_deref(),
            Self::AddValues { .. }
            | Self::ModifyValues { .. }
            | Self::PutValues { .. }
            | Self::RemoveValues { .. }
            | Self::Delete { .. } => None,
        }
    }
}

/// What an import does with an identifier that is registered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub enum OnConflict {
    /// Refuses it.
    #[default]
    Fail,
    /// Leaves it.
    Skip,
    /// Replaces its values; unchanged if they are the same.
    Update,
}

/// What happens to a prefix. An `etag` is the revision that it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrefixAction {
    /// Registers it.
    Create {
        /// The firm's name.
        firm: String,
        /// How suffixes compare.
        case: SuffixCase,
        /// Most active identifiers.
        quota: Option<u64>,
        /// Active at once, not only registered.
        home: bool,
    },
    /// Changes what is given.
    Update {
        /// The firm's name.
        firm: Option<String>,
        /// How suffixes compare; only while there is no identifier.
        case: Option<SuffixCase>,
        /// Most active identifiers; `Some(None)` lifts the quota.
        quota: Option<Option<u64>>,
        /// The revision that the prefix must have.
        etag: Option<u64>,
    },
    /// Registered → active.
    Home {
        /// The revision that the prefix must have.
        etag: Option<u64>,
    },
    /// Active → registered: the node answers for its identifiers no longer,
    /// and keeps them.
    Unhome {
        /// The revision that the prefix must have.
        etag: Option<u64>,
    },
    /// Active → suspended.
    Suspend {
        /// Why.
        reason: String,
        /// The revision that the prefix must have.
        etag: Option<u64>,
    },
    /// Suspended → active.
    Activate {
        /// The revision that the prefix must have.
        etag: Option<u64>,
    },
}

/// What a successful command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// A record.
    Record {
        /// What happened to it.
        effect: Effect,
        /// As it is then, or as it last was when deleted. All its values,
        /// whoever asked: the face shows what the caller may read.
        record: Arc<Record>,
    },
    /// A record that an import brought, and what happened to it.
    Imported(Effect),
    /// A prefix, as it is then.
    Prefix(Arc<PrefixEntry>),
    /// A link.
    Link {
        /// What happened to it.
        effect: Effect,
        /// As it is then.
        link: Arc<Link>,
    },
    /// An entry of the directory, as it is then, or as it last was.
    Entry(AnyEntry),
}

/// What happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It was registered.
    Created,
    /// Its values changed.
    Updated,
    /// It already was as asked.
    Unchanged,
    /// It was there and left as it is.
    Skipped,
    /// It was deleted.
    Deleted,
}

impl Effect {
    /// The number under which a first answer is stored; 0 is a prefix's, 255 that
    /// of an entry of the directory.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Created => 1,
            Self::Updated => 2,
            Self::Unchanged => 3,
            Self::Skipped => 4,
            Self::Deleted => 5,
        }
    }

    /// The inverse of [`Effect::number`].
    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Created),
            2 => Some(Self::Updated),
            3 => Some(Self::Unchanged),
            4 => Some(Self::Skipped),
            5 => Some(Self::Deleted),
            _ => None,
        }
    }
}

/// A client's name for one request: 1 to [`REQUEST_ID_BYTES_MAX`] visible ASCII
/// characters (Google AIP-155).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Box<str>);

impl RequestId {
    /// Parses a request id.
    ///
    /// # Errors
    /// [`Reason::RequestIdInvalid`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let sound = (1..=REQUEST_ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic());
        if sound {
            return Ok(Self(text.into()));
        }
        Err(Refusal::new(Reason::RequestIdInvalid)
            .field("request_id")
            .value(text)
            .limit(REQUEST_ID_BYTES_MAX))
    }

    /// The id of item `position` of a batch that carries this id. A space keeps
    /// it apart from every id that a client can send.
    #[must_use]
    pub fn item(&self, position: usize) -> Self {
        Self(format!("{} {position}", self.0).into())
    }

    /// The id as the caller `name` sent it. A space keeps it apart from every id
    /// that an operator can send, and the name from those of others.
    #[must_use]
    pub fn of(&self, name: &str) -> Self {
        Self(format!("{} {name}", self.0).into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The etag of a revision: `r` and the revision in hexadecimal.
pub fn etag(revision: u64) -> String {
    format!("r{revision:x}")
}

/// The revision of an etag; `None` for the empty text, which sets no condition.
///
/// # Errors
/// [`Reason::EtagInvalid`] unless [`etag`] could have made it.
pub fn parse_etag(text: &str) -> Result<Option<u64>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    text.strip_prefix('r')
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .filter(|revision| etag(*revision) == text)
        .map(Some)
        .ok_or_else(|| Refusal::new(Reason::EtagInvalid).field("etag").value(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_go_there_and_back() {
        for revision in [0, 1, 0x1a2b, u64::MAX] {
            assert_eq!(parse_etag(&etag(revision)), Ok(Some(revision)));
        }
        assert_eq!(parse_etag(""), Ok(None));
        for text in ["7", "r", "r0x1", "r01", "R1", "r1 ", "rffffffffffffffff0"] {
            assert!(parse_etag(text).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_request_ids_that_are_no_token() {
        assert!(RequestId::parse("2f1c-…").is_err());
        assert!(RequestId::parse("").is_err());
        assert!(RequestId::parse("a b").is_err());
        assert!(RequestId::parse(&"x".repeat(65)).is_err());
        let id = RequestId::parse("7f").expect("sound");
        assert_ne!(id.item(0), id.item(1));
    }
}
