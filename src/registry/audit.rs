//! The audit trail: one entry for each change, in the change's own batch.

use aws_lc_rs::digest::{SHA256, digest};

use crate::store::codec_types::Digest;

/// What was done, as an audit entry numbers it. Numbers are stored: one may be
/// added, none changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A record was created.
    CreateRecord,
    /// All values of a record were replaced.
    ReplaceRecord,
    /// A record came by import.
    ImportRecord,
    /// Values were added.
    AddValues,
    /// Values were replaced.
    ModifyValues,
    /// Values were removed.
    RemoveValues,
    /// A record was deleted.
    DeleteRecord,
    /// A prefix was registered.
    CreatePrefix,
    /// Firm, case rule or quota of a prefix changed.
    UpdatePrefix,
    /// A prefix was homed.
    HomePrefix,
    /// A prefix was suspended.
    SuspendPrefix,
    /// A prefix's suspension ended.
    ActivatePrefix,
    /// A prefix was unhomed.
    UnhomePrefix,
    /// A group of firms was made.
    CreateGroup,
    /// Name or members of a group of firms changed.
    UpdateGroup,
    /// A group of firms was removed.
    DeleteGroup,
}

impl Action {
    /// The number under which it is stored.
    pub const fn number(self) -> u8 {
        match self {
            Self::CreateRecord => 1,
            Self::ReplaceRecord => 2,
            Self::ImportRecord => 3,
            Self::AddValues => 4,
            Self::ModifyValues => 5,
            Self::RemoveValues => 6,
            Self::DeleteRecord => 7,
            Self::CreatePrefix => 16,
            Self::UpdatePrefix => 17,
            Self::HomePrefix => 18,
            Self::SuspendPrefix => 19,
            Self::ActivatePrefix => 20,
            Self::UnhomePrefix => 21,
            Self::CreateGroup => 32,
            Self::UpdateGroup => 33,
            Self::DeleteGroup => 34,
        }
    }
}

/// SHA-256 of a stored value.
pub(super) fn sha256(bytes: &[u8]) -> Digest {
    let mut out = Digest::default();
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}
