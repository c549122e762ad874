//! Changes of what is kept beside records and prefixes: principals, groups of
//! firms and the like. One file for each kind; here is what they share.

use serde::Serialize;

use crate::model::template::Template;
use crate::model::{
    Firm, FirmId, Group, GroupId, PrefixEntry, Principal, PrincipalId, Share, ShareId, TemplateId,
};
use crate::registry::audit::Action;
use crate::registry::command::Origin;
use crate::registry::decide::{Decision, Undecided};
use crate::registry::firm::{self, FirmAction};
use crate::registry::group::{self, GroupAction};
use crate::registry::principal::{self, PrincipalAction};
use crate::registry::share::{self, NewShare, ShareAction};
use crate::registry::template::{self, TemplateAction};
use crate::store::{AnyEntry, Batch, EntryKey};

/// The effect under which an entry's first answer is stored.
pub(super) const ENTRY_ANSWER: u8 = 255;

/// What is to change. All that is secret or chosen by chance was made before:
/// the command holds hashes and ciphertext.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum OfficeChange {
    /// A firm, or an application to become one.
    Firm {
        /// Which one.
        id: FirmId,
        /// What happens to it.
        action: FirmAction,
    },
    /// A principal.
    Principal {
        /// Which one.
        id: PrincipalId,
        /// What happens to it.
        action: PrincipalAction,
    },
    /// A group of firms.
    Group {
        /// Which one.
        id: GroupId,
        /// What happens to it.
        action: GroupAction,
    },
    /// A template.
    Template {
        /// Which one.
        id: TemplateId,
        /// What happens to it.
        action: TemplateAction,
    },
    /// A share link.
    Share {
        /// Which one.
        id: ShareId,
        /// What happens to it.
        action: ShareAction,
    },
}

impl OfficeChange {
    /// About how many bytes it takes in memory and in a batch.
    pub(super) fn byte_count(&self) -> usize {
        let sealed = match self {
            Self::Firm { action, .. } => action.sealed_bytes(),
            Self::Principal { .. }
            | Self::Group { .. }
            | Self::Template { .. }
            | Self::Share { .. } => 0,
        };
        sealed + postcard::experimental::serialized_size(self).unwrap_or_default()
    }

    /// The entry that it is about, as the audit trail names it.
    pub fn subject(&self) -> Vec<u8> {
        let key = match self {
            Self::Firm { id, .. } => EntryKey::of::<Firm>(id.as_str()),
            Self::Principal { id, .. } => EntryKey::of::<Principal>(id.as_str()),
            Self::Group { id, .. } => EntryKey::of::<Group>(id.as_str()),
            Self::Template { id, .. } => EntryKey::of::<Template>(id.as_str()),
            Self::Share { id, .. } => EntryKey::of::<Share>(id.as_str()),
        };
        key.to_bytes()
    }

    /// What tells it from another request.
    ///
    /// An id and a secret that the node made by chance are not of the request: a
    /// retry has others.
    pub(super) fn fingerprint_bytes(&self) -> Vec<u8> {
        let bytes = match self {
            Self::Group {
                action: action @ GroupAction::Create { .. },
                ..
            } => postcard::to_stdvec(&("group", action)),
            Self::Share {
                action: ShareAction::Create(new),
                ..
            } => {
                let hash = [0; 32];
                let new = NewShare {
                    hash,
                    ..new.clone()
                };
                postcard::to_stdvec(&("share", new))
            }
            Self::Group { .. }
            | Self::Share { .. }
            | Self::Firm { .. }
            | Self::Principal { .. }
            | Self::Template { .. } => postcard::to_stdvec(self),
        };
        bytes.unwrap_or_default()
    }
}

/// What an office change comes to: one audit entry, that of `entry`.
#[derive(Clone, Debug)]
pub struct OfficeDecision {
    /// What the audit trail calls it.
    pub action: Action,
    /// The entry as it was, if it was there.
    pub before: Option<AnyEntry>,
    /// The entry as it is to be; the answer.
    pub entry: AnyEntry,
    /// Further entries to put.
    pub others: Vec<AnyEntry>,
    /// Entries to remove; `entry` itself may be one.
    pub removed: Vec<EntryKey>,
    /// Encrypted bytes to put under their keys, or to remove.
    pub sealed: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Prefixes to put.
    pub prefixes: Vec<PrefixEntry>,
}

impl OfficeDecision {
    /// Puts `entry` in the place of `before`, and nothing else.
    pub(super) const fn put(action: Action, before: Option<AnyEntry>, entry: AnyEntry) -> Self {
        Self {
            action,
            before,
            entry,
            others: Vec::new(),
            removed: Vec::new(),
            sealed: Vec::new(),
            prefixes: Vec::new(),
        }
    }
}

/// Decides an office change.
///
/// # Errors
/// As [`super::decide`].
pub(super) fn decide(
    batch: &Batch<'_>,
    origin: &Origin,
    change: OfficeChange,
) -> Result<Decision, Undecided> {
    match change {
        OfficeChange::Firm { id, action } => firm::decide(batch, origin, id, action),
        OfficeChange::Principal { id, action } => principal::decide(batch, origin, &id, action),
        OfficeChange::Group { id, action } => group::decide(batch, origin, id, action),
        OfficeChange::Template { id, action } => template::decide(batch, origin, id, action),
        OfficeChange::Share { id, action } => share::decide(batch, origin, id, action),
    }
}
