//! The audit trail: one entry for each change, in the change's own batch, and one
//! for each refused attempt, in the next.

use aws_lc_rs::digest::{SHA256, digest};

use crate::model::firm::StepKind;
use crate::registry::command::{Change, PrefixAction, RecordAction};
use crate::registry::link::LinkAction;
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
    /// A link was stated, or stated otherwise.
    StateLink,
    /// A link was confirmed by the other side.
    ConfirmLink,
    /// A link was disputed by the other side.
    DisputeLink,
    /// A link was withdrawn.
    WithdrawLink,
    /// A firm, a principal or the like was to be changed. Only of attempts.
    KeepOffice,
    /// Somebody was to be proven. Only of attempts.
    Authenticate,
    /// What the public may not read was to be read. Only of attempts.
    ReadPrivate,
    /// The node was to be operated. Only of attempts.
    Operate,
    /// The audit trail was to be read. Only of attempts.
    ReadAudit,
    /// A firm, a principal or the like was to be read. Only of attempts.
    ReadOffice,
    /// Audit entries that were older than the retention fell.
    PruneAudit,
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
            Self::StateLink => 96,
            Self::ConfirmLink => 97,
            Self::DisputeLink => 98,
            Self::WithdrawLink => 99,
            Self::KeepOffice => 240,
            Self::Authenticate => 241,
            Self::ReadPrivate => 242,
            Self::Operate => 243,
            Self::ReadAudit => 244,
            Self::ReadOffice => 245,
            Self::PruneAudit => 80,
        }
    }

    /// Its name, as the API shows it: `create-record`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CreateRecord => "create-record",
            Self::ReplaceRecord => "replace-record",
            Self::ImportRecord => "import-record",
            Self::AddValues => "add-values",
            Self::ModifyValues => "modify-values",
            Self::RemoveValues => "remove-values",
            Self::DeleteRecord => "delete-record",
            Self::SetReaders => "set-readers",
            Self::CreatePrefix => "create-prefix",
            Self::UpdatePrefix => "update-prefix",
            Self::HomePrefix => "home-prefix",
            Self::SuspendPrefix => "suspend-prefix",
            Self::ActivatePrefix => "activate-prefix",
            Self::UnhomePrefix => "unhome-prefix",
            Self::CreateGroup => "create-group",
            Self::UpdateGroup => "update-group",
            Self::DeleteGroup => "delete-group",
            Self::ApplyFirm => "apply-firm",
            Self::EditFirm => "edit-firm",
            Self::SubmitFirm => "submit-firm",
            Self::VerifyFirm => "verify-firm",
            Self::ApproveFirm => "approve-firm",
            Self::RejectFirm => "reject-firm",
            Self::ActivateFirm => "activate-firm",
            Self::SuspendFirm => "suspend-firm",
            Self::ReinstateFirm => "reinstate-firm",
            Self::RetireFirm => "retire-firm",
            Self::EraseFirm => "erase-firm",
            Self::AttachDocument => "attach-document",
            Self::DetachDocument => "detach-document",
            Self::ReadPersonal => "read-personal",
            Self::ReadDocument => "read-document",
            Self::CreatePrincipal => "create-principal",
            Self::UpdatePrincipal => "update-principal",
            Self::DisablePrincipal => "disable-principal",
            Self::EnablePrincipal => "enable-principal",
            Self::RevokePrincipal => "revoke-principal",
            Self::SetPassword => "set-password",
            Self::SetOneTimeCode => "set-one-time-code",
            Self::RotateKey => "rotate-key",
            Self::SignIn => "sign-in",
            Self::CreateTemplate => "create-template",
            Self::ReviseTemplate => "revise-template",
            Self::DisableTemplateItem => "disable-template-item",
            Self::CreateShare => "create-share",
            Self::WithdrawShare => "withdraw-share",
            Self::StateLink => "state-link",
            Self::ConfirmLink => "confirm-link",
            Self::DisputeLink => "dispute-link",
            Self::WithdrawLink => "withdraw-link",
            Self::KeepOffice => "keep-office",
            Self::Authenticate => "authenticate",
            Self::ReadPrivate => "read-private",
            Self::Operate => "operate",
            Self::ReadAudit => "read-audit",
            Self::ReadOffice => "read-office",
            Self::PruneAudit => "prune-audit",
        }
    }

    /// Every action.
    pub const ALL: &'static [Self] = &[
        Self::CreateRecord,
        Self::ReplaceRecord,
        Self::ImportRecord,
        Self::AddValues,
        Self::ModifyValues,
        Self::RemoveValues,
        Self::DeleteRecord,
        Self::SetReaders,
        Self::CreatePrefix,
        Self::UpdatePrefix,
        Self::HomePrefix,
        Self::SuspendPrefix,
        Self::ActivatePrefix,
        Self::UnhomePrefix,
        Self::CreateGroup,
        Self::UpdateGroup,
        Self::DeleteGroup,
        Self::ApplyFirm,
        Self::EditFirm,
        Self::SubmitFirm,
        Self::VerifyFirm,
        Self::ApproveFirm,
        Self::RejectFirm,
        Self::ActivateFirm,
        Self::SuspendFirm,
        Self::ReinstateFirm,
        Self::RetireFirm,
        Self::EraseFirm,
        Self::AttachDocument,
        Self::DetachDocument,
        Self::ReadPersonal,
        Self::ReadDocument,
        Self::CreatePrincipal,
        Self::UpdatePrincipal,
        Self::DisablePrincipal,
        Self::EnablePrincipal,
        Self::RevokePrincipal,
        Self::SetPassword,
        Self::SetOneTimeCode,
        Self::RotateKey,
        Self::SignIn,
        Self::CreateTemplate,
        Self::ReviseTemplate,
        Self::DisableTemplateItem,
        Self::CreateShare,
        Self::WithdrawShare,
        Self::StateLink,
        Self::ConfirmLink,
        Self::DisputeLink,
        Self::WithdrawLink,
        Self::KeepOffice,
        Self::Authenticate,
        Self::ReadPrivate,
        Self::Operate,
        Self::ReadAudit,
        Self::ReadOffice,
        Self::PruneAudit,
    ];

    /// The action of a stored number; `None` of a later release's.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|action| action.number() == number)
    }

    /// What `change` asks for.
    pub const fn asked(change: &Change) -> Self {
        match change {
            Change::Record { action, .. } => match action {
                RecordAction::Create { .. } => Self::CreateRecord,
                RecordAction::Replace { .. } => Self::ReplaceRecord,
                RecordAction::Import { .. } => Self::ImportRecord,
                RecordAction::AddValues { .. } => Self::AddValues,
                RecordAction::ModifyValues { .. } | RecordAction::PutValues { .. } => {
                    Self::ModifyValues
                }
                RecordAction::RemoveValues { .. } => Self::RemoveValues,
                RecordAction::SetReaders { .. } => Self::SetReaders,
                RecordAction::Delete { .. } => Self::DeleteRecord,
            },
            Change::Prefix { action, .. } => match action {
                PrefixAction::Create { .. } => Self::CreatePrefix,
                PrefixAction::Update { .. } => Self::UpdatePrefix,
                PrefixAction::Home { .. } => Self::HomePrefix,
                PrefixAction::Unhome { .. } => Self::UnhomePrefix,
                PrefixAction::Suspend { .. } => Self::SuspendPrefix,
                PrefixAction::Activate { .. } => Self::ActivatePrefix,
            },
            Change::Office(_) => Self::KeepOffice,
            Change::Link(change) => match change.action {
                LinkAction::State { .. } => Self::StateLink,
                LinkAction::Confirm { .. } => Self::ConfirmLink,
                LinkAction::Dispute { .. } => Self::DisputeLink,
                LinkAction::Withdraw { .. } => Self::WithdrawLink,
            },
        }
    }
}

/// SHA-256 of a stored value.
pub(super) fn sha256(bytes: &[u8]) -> Digest {
    let mut out = Digest::default();
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_action_has_its_own_number_and_name() {
        let source = include_str!("audit.rs");
        let numbers = source.lines().filter(|line| {
            let number = line.trim().strip_prefix("Self::");
            let number = number.and_then(|line| line.split_once(" => "));
            number.is_some_and(|(_, number)| number.trim_end_matches(',').parse::<u8>().is_ok())
        });
        assert_eq!(numbers.count(), Action::ALL.len());
        let numbers: HashSet<u8> = Action::ALL.iter().map(|action| action.number()).collect();
        let names: HashSet<&str> = Action::ALL.iter().map(|action| action.name()).collect();
        assert_eq!(
            (numbers.len(), names.len()),
            (Action::ALL.len(), Action::ALL.len())
        );
        for action in Action::ALL {
            assert_eq!(Action::from_number(action.number()), Some(*action));
        }
        assert_eq!(Action::from_number(0), None);
    }
}
