//! Who may do what with firms, principals and what belongs to them.
//!
//! ```text
//! what                                        who
//! Apply, Verify a proof                       anyone
//! Read a firm, its members, groups, shares    its members; every operator
//! Edit and submit an application              its owner
//! Verify, activate; reject a submitted one    system administrator
//! Approve, suspend, retire; reject a verified one  security administrator
//! Read personal data and documents            its owner; system and security administrator
//! Erase personal data                         its owner; security administrator
//! Keep a firm's principals                    its owner; security administrator
//! Keep operators                              security administrator
//! Read operators                              every operator
//! Keep a firm's groups and templates          its owner
//! Keep a firm's shares                        its owner and registrars
//! Keep templates of a sector                  system administrator
//! Read the audit trail                        auditor; that of a firm: its owner
//! ```
//!
//! Default: no.

use crate::model::{Caller, FirmId, FirmRole, NodeRole, Reason, Refusal, Verb, Who};

/// What a caller wants to do beside records and prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Office<'a> {
    /// Begin an application.
    Apply,
    /// Read a firm, its members, groups and shares; no personal data.
    ReadFirm(&'a FirmId),
    /// List all firms.
    ListFirms,
    /// Edit and submit an application.
    EditFirm(&'a FirmId),
    /// Find an application's papers in order, or not.
    VerifyFirm,
    /// Give an approved firm its prefix.
    ActivateFirm,
    /// Approve a verified application, or not; suspend, reinstate, retire.
    ApproveFirm,
    /// Read a firm's personal data and documents.
    ReadPersonal(&'a FirmId),
    /// Erase a firm's personal data.
    ErasePersonal(&'a FirmId),
    /// Make, change and revoke principals of a firm.
    KeepMembers(&'a FirmId),
    /// Make, change and revoke principals of the node.
    KeepOperators,
    /// Read the principals of the node.
    ReadOperators,
    /// Keep a firm's groups.
    KeepGroups(&'a FirmId),
    /// Keep a firm's share links.
    KeepShares(&'a FirmId),
    /// Keep templates of a firm.
    KeepTemplates(&'a FirmId),
    /// Keep templates of a sector.
    KeepSectorTemplates,
    /// Read the whole audit trail.
    ReadAudit,
    /// Read the audit trail of a firm.
    ReadAuditOf(&'a FirmId),
}

impl<'a> Office<'a> {
    /// The firm that it is about, if it is about one.
    pub const fn firm(self) -> Option<&'a FirmId> {
        match self {
            Self::ReadFirm(firm)
            | Self::EditFirm(firm)
            | Self::ReadPersonal(firm)
            | Self::ErasePersonal(firm)
            | Self::KeepMembers(firm)
            | Self::KeepGroups(firm)
            | Self::KeepShares(firm)
            | Self::KeepTemplates(firm)
            | Self::ReadAuditOf(firm) => Some(firm),
            Self::Apply
            | Self::ListFirms
            | Self::VerifyFirm
            | Self::ActivateFirm
            | Self::ApproveFirm
            | Self::KeepOperators
            | Self::ReadOperators
            | Self::KeepSectorTemplates
            | Self::ReadAudit => None,
        }
    }
}

/// Whether `caller` may do what `office` says. Default: no.
///
/// # Errors
/// [`Reason::KeyRequired`] for anonymous callers, [`Reason::PermissionDenied`].
pub fn permit_office(caller: &Caller, office: Office<'_>) -> Result<(), Refusal> {
    let allowed = match &caller.who {
        Who::Anonymous | Who::Guest(_) => office == Office::Apply,
        Who::Operator(operator) => may_operator(operator.role, office),
        Who::Identity(identity) => {
            identity.is_operator() && may_operator(NodeRole::SystemAdministrator, office)
        }
        Who::Member(member) => {
            let verbs = &member.scope.verbs;
            let in_scope = verbs.is_empty() || verbs.contains(&verb(office));
            in_scope && may_member(&member.firm, member.role, office)
        }
    };
    match (allowed, &caller.who) {
        (true, _) => Ok(()),
        (false, Who::Anonymous) => Err(Refusal::new(Reason::KeyRequired)),
        (false, Who::Guest(_) | Who::Operator(_) | Who::Identity(_) | Who::Member(_)) => {
            Err(Refusal::new(Reason::PermissionDenied).limit(who_may(office)))
        }
    }
}

const fn may_operator(role: NodeRole, office: Office<'_>) -> bool {
    use NodeRole::{Auditor, SecurityAdministrator, SystemAdministrator};
    match office {
        Office::Apply | Office::ReadFirm(_) | Office::ListFirms | Office::ReadOperators => true,
        Office::VerifyFirm | Office::ActivateFirm | Office::KeepSectorTemplates => {
            matches!(role, SystemAdministrator)
        }
        Office::ReadPersonal(_) => matches!(role, SystemAdministrator | SecurityAdministrator),
        Office::ApproveFirm
        | Office::ErasePersonal(_)
        | Office::KeepMembers(_)
        | Office::KeepOperators => matches!(role, SecurityAdministrator),
        Office::ReadAudit | Office::ReadAuditOf(_) => matches!(role, Auditor),
        Office::EditFirm(_)
        | Office::KeepGroups(_)
        | Office::KeepShares(_)
        | Office::KeepTemplates(_) => false,
    }
}

fn may_member(own: &FirmId, role: FirmRole, office: Office<'_>) -> bool {
    match office {
        Office::Apply => true,
        Office::ReadFirm(firm) => firm == own,
        Office::KeepShares(firm) => firm == own && role >= FirmRole::Registrar,
        Office::EditFirm(firm)
        | Office::ReadPersonal(firm)
        | Office::ErasePersonal(firm)
        | Office::KeepMembers(firm)
        | Office::KeepGroups(firm)
        | Office::KeepTemplates(firm)
        | Office::ReadAuditOf(firm) => firm == own && role >= FirmRole::Owner,
        Office::ListFirms
        | Office::VerifyFirm
        | Office::ActivateFirm
        | Office::ApproveFirm
        | Office::KeepOperators
        | Office::ReadOperators
        | Office::KeepSectorTemplates
        | Office::ReadAudit => false,
    }
}

/// The verb under which a scope allows it.
const fn verb(office: Office<'_>) -> Verb {
    match office {
        Office::Apply | Office::ReadFirm(_) | Office::ReadPersonal(_) | Office::ReadAuditOf(_) => {
            Verb::Read
        }
        Office::ListFirms | Office::ReadOperators | Office::ReadAudit => Verb::List,
        Office::EditFirm(_)
        | Office::VerifyFirm
        | Office::ActivateFirm
        | Office::ApproveFirm
        | Office::ErasePersonal(_)
        | Office::KeepMembers(_)
        | Office::KeepOperators
        | Office::KeepGroups(_)
        | Office::KeepShares(_)
        | Office::KeepTemplates(_)
        | Office::KeepSectorTemplates => Verb::Manage,
    }
}

/// Who may, for the text of a refusal.
const fn who_may(office: Office<'_>) -> &'static str {
    match office {
        Office::Apply => "anyone may",
        Office::ReadFirm(_) => "members of the firm and operators may",
        Office::ListFirms | Office::ReadOperators => "only operators may",
        Office::EditFirm(_) | Office::KeepGroups(_) | Office::KeepTemplates(_) => {
            "only an owner of the firm may"
        }
        Office::KeepShares(_) => "only an owner or registrar of the firm may",
        Office::VerifyFirm | Office::ActivateFirm | Office::KeepSectorTemplates => {
            "only a system administrator may"
        }
        Office::ApproveFirm | Office::KeepOperators => "only a security administrator may",
        Office::ReadPersonal(_) => "only an owner of the firm and its reviewers may",
        Office::ErasePersonal(_) | Office::KeepMembers(_) => {
            "only an owner of the firm or a security administrator may"
        }
        Office::ReadAudit => "only an auditor may",
        Office::ReadAuditOf(_) => "only an owner of the firm or an auditor may",
    }
}
