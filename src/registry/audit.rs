//! The audit trail: one entry for each change, in the change's own batch.

use aws_lc_rs::digest::{SHA256, digest};

use crate::model::firm::StepKind;
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
    /// A firm applied.
    ApplyFirm,
    /// Facts or people of a firm changed.
    EditFirm,
    /// An application was handed in.
    SubmitFirm,
    /// An application was found in order.
    VerifyFirm,
    /// A firm was approved.
    ApproveFirm,
    /// An application was rejected.
    RejectFirm,
    /// A firm got its prefix.
    ActivateFirm,
    /// A firm was suspended.
    SuspendFirm,
    /// The suspension of a firm ended.
    ReinstateFirm,
    /// A firm was retired.
    RetireFirm,
    /// A firm's people and documents were erased.
    EraseFirm,
    /// A document was added to an application.
    AttachDocument,
    /// A document was taken away from an application.
    DetachDocument,
    /// A firm's people were looked at.
    ReadPersonal,
    /// A firm's document was looked at.
    ReadDocument,
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
    /// A template was made.
    CreateTemplate,
    /// A template got a version.
    ReviseTemplate,
    /// A template got a version without one of its items.
    DisableTemplateItem,
    /// A share link was made.
    CreateShare,
    /// A share link was withdrawn.
    WithdrawShare,
}

impl Action {
    /// What a step of a firm's life is called.
    pub(super) const fn of_step(kind: StepKind) -> Self {
        match kind {
            StepKind::Apply => Self::ApplyFirm,
            StepKind::Submit => Self::SubmitFirm,
            StepKind::Verify => Self::VerifyFirm,
            StepKind::Approve => Self::ApproveFirm,
            StepKind::Reject => Self::RejectFirm,
            StepKind::Activate => Self::ActivateFirm,
            StepKind::Suspend => Self::SuspendFirm,
            StepKind::Reinstate => Self::ReinstateFirm,
            StepKind::Retire => Self::RetireFirm,
            StepKind::Erase => Self::EraseFirm,
        }
    }

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
            Self::ApplyFirm => 64,
            Self::EditFirm => 65,
            Self::SubmitFirm => 66,
            Self::VerifyFirm => 67,
            Self::ApproveFirm => 68,
            Self::RejectFirm => 69,
            Self::ActivateFirm => 70,
            Self::SuspendFirm => 71,
            Self::ReinstateFirm => 72,
            Self::RetireFirm => 73,
            Self::EraseFirm => 74,
            Self::AttachDocument => 75,
            Self::DetachDocument => 76,
            Self::ReadPersonal => 77,
            Self::ReadDocument => 78,
            Self::CreatePrincipal => 40,
            Self::UpdatePrincipal => 41,
            Self::DisablePrincipal => 42,
            Self::EnablePrincipal => 43,
            Self::RevokePrincipal => 44,
            Self::SetPassword => 45,
            Self::SetOneTimeCode => 46,
            Self::RotateKey => 47,
            Self::SignIn => 48,
            Self::CreateTemplate => 56,
            Self::ReviseTemplate => 57,
            Self::DisableTemplateItem => 58,
            Self::CreateShare => 35,
            Self::WithdrawShare => 36,
        }
    }
}

/// SHA-256 of a stored value.
pub(super) fn sha256(bytes: &[u8]) -> Digest {
    let mut out = Digest::default();
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}
