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
    /// Who may read a record was set.
    SetReaders,
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
    /// A principal was made.
    CreatePrincipal,
    /// Name, role or scope of a principal changed.
    UpdatePrincipal,
    /// A principal was disabled.
    DisablePrincipal,
    /// A principal was enabled.
    EnablePrincipal,
    /// A principal was revoked.
    RevokePrincipal,
    /// A person was given, or chose, a password.
    SetPassword,
    /// A person was given a secret for one-time codes, or none.
    SetOneTimeCode,
    /// A key was given another secret.
    RotateKey,
    /// A person signed in with a one-time code, which is used up.
    SignIn,
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
            Self::SetReaders => 8,
            Self::CreatePrefix => 16,
            Self::UpdatePrefix => 17,
            Self::HomePrefix => 18,
            Self::SuspendPrefix => 19,
            Self::ActivatePrefix => 20,
            Self::UnhomePrefix => 21,
            Self::CreateGroup => 32,
            Self::UpdateGroup => 33,
            Self::DeleteGroup => 34,
            Self::CreatePrincipal => 40,
            Self::UpdatePrincipal => 41,
            Self::DisablePrincipal => 42,
            Self::EnablePrincipal => 43,
            Self::RevokePrincipal => 44,
            Self::SetPassword => 45,
            Self::SetOneTimeCode => 46,
            Self::RotateKey => 47,
            Self::SignIn => 48,
        }
    }
}

/// SHA-256 of a stored value.
pub(super) fn sha256(bytes: &[u8]) -> Digest {
    let mut out = Digest::default();
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}
