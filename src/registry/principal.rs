//! Changes of principals: people, keys and certificates, of firms and of the
//! node.
//!
//! Who keeps principals cannot give more than it has: what it makes or changes
//! stays within its own scope. A principal that the caller may not know of is not
//! there.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::access::{Office, permit_office};
use crate::model::limits::PRINCIPALS_PER_PARTY_MAX;
use crate::model::principal::Label;
use crate::model::{
    Caller, Credential, Firm, FirmRole, NodeRole, Party, Principal, PrincipalId, PrincipalState,
    Reason, Refusal, Scope, Timestamp, Who,
};
use crate::registry::audit::Action;
use crate::registry::command::{Applied, Origin};
use crate::registry::decide::{Decision, Undecided, check_etag};
use crate::registry::office::OfficeDecision;
use crate::registry::scope::{check_covered, check_scope};
use crate::store::{AnyEntry, Batch};

/// What happens to a principal. An `etag` is the revision that it must have.
/// Hashes and ciphertext only: the secrets themselves never get here.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub enum PrincipalAction {
    /// Makes it.
    Create(Box<NewPrincipal>),
    /// Changes what is given.
    Update {
        /// Its name for people.
        name: Option<Label>,
        /// Its role in its firm.
        role: Option<FirmRole>,
        /// What it is confined to.
        scope: Option<Scope>,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// It counts no longer, for the time being.
    Disable {
        /// Why.
        reason: String,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// It counts again.
    Enable {
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// It never counts again.
    Revoke {
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// Gives a person another password.
    SetPassword {
        /// Argon2id, as a PHC string.
        hash: String,
        /// Whether it is to be replaced at the next sign-in.
        is_first: bool,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// Gives a person another secret for one-time codes, or none.
    SetOneTimeCode {
        /// The secret, sealed.
        sealed: Option<Vec<u8>>,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// A person proved its password and the one-time code of a step, which serves
    /// once.
    SignIn {
        /// The step, later than any before.
        step: u64,
    },
    /// Gives a key another secret.
    Rotate {
        /// SHA-256 of the secret.
        hash: [u8; 32],
        /// Until when the secret before it counts.
        until: Timestamp,
        /// The revision that it must have.
        etag: Option<u64>,
    },
}

/// A principal to be made.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct NewPrincipal {
    /// Whose it is.
    pub party: Party,
    /// Its name for people.
    pub name: Label,
    /// How it proves itself.
    pub credential: Credential,
    /// What it is confined to.
    pub scope: Scope,
    /// A person's secret for one-time codes, sealed.
    pub sealed: Option<Vec<u8>>,
}

impl fmt::Debug for PrincipalAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create(_) => "Create",
            Self::Update { .. } => "Update",
            Self::Disable { .. } => "Disable",
            Self::Enable { .. } => "Enable",
            Self::Revoke { .. } => "Revoke",
            Self::SetPassword { .. } => "SetPassword",
            Self::SetOneTimeCode { .. } => "SetOneTimeCode",
            Self::SignIn { .. } => "SignIn",
            Self::Rotate { .. } => "Rotate",
        })
    }
}

impl fmt::Debug for NewPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewPrincipal")
            .field("party", &self.party)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The key under which a person's secret for one-time codes is kept, sealed.
pub fn one_time_code_key(id: &PrincipalId) -> Vec<u8> {
    format!("one-time-code/{id}").into_bytes()
}

/// Decides a change of a principal.
///
/// # Errors
/// As [`super::decide`].
pub(super) fn decide(
    batch: &Batch<'_>,
    origin: &Origin,
    id: &PrincipalId,
    action: PrincipalAction,
) -> Result<Decision, Undecided> {
    if let PrincipalAction::Create(new) = action {
        return Ok(put(create(batch, origin, id, *new)?));
    }
    let before = batch.entry::<Principal>(id.as_str());
    let before = before.filter(|principal| may_know(&origin.caller, principal));
    let before = before.ok_or_else(|| {
        Refusal::new(Reason::PrincipalNotFound)
            .field("name")
            .value(id)
    })?;
    permit(&origin.caller, &before, &action)?;
    check_etag(etag_of(&action), before.revision)?;
    if before.state == PrincipalState::Revoked {
        return Err(refuse_state(&before).into());
    }
    let mut after = Principal {
        changed: origin.now.max(before.changed),
        ..Principal::clone(&before)
    };
    let mut sealed = Vec::new();
    let called = match action {
        PrincipalAction::Create(_) | PrincipalAction::Update { .. } => {
            update(batch, origin, &mut after, action)?
        }
        PrincipalAction::Disable { .. } | PrincipalAction::Enable { .. } => {
            move_on(batch, &before, &mut after, action)?
        }
        PrincipalAction::Revoke { .. } => {
            keep_a_security_administrator(batch, &before)?;
            after.state = PrincipalState::Revoked;
            sealed.push((one_time_code_key(id), None));
            Action::RevokePrincipal
        }
        PrincipalAction::SetPassword { hash, is_first, .. } => {
            set_password(&mut after, hash, is_first)?;
            Action::SetPassword
        }
        PrincipalAction::SetOneTimeCode { sealed: secret, .. } => {
            set_one_time_code(&mut after, secret.is_some())?;
            sealed.push((one_time_code_key(id), secret));
            Action::SetOneTimeCode
        }
        PrincipalAction::SignIn { step } => {
            use_code(&mut after, step)?;
            Action::SignIn
        }
        PrincipalAction::Rotate { hash, until, .. } => {
            rotate(&mut after, hash, until)?;
            Action::RotateKey
        }
    };
    if is_same(&before, &after) && sealed.is_empty() {
        return Ok(Decision::Keep {
            applied: Applied::Entry(AnyEntry::Principal(before)),
            key: None,
        });
    }
    let (before, after) = (
        AnyEntry::Principal(before),
        AnyEntry::Principal(Arc::new(after)),
    );
    Ok(put(OfficeDecision {
        sealed,
        ..OfficeDecision::put(called, Some(before), after)
    }))
}

/// Whether nothing of a principal changed but when.
fn is_same(before: &Principal, after: &Principal) -> bool {
    after.state == before.state
        && after.name == before.name
        && after.party == before.party
        && after.scope == before.scope
        && after.credential == before.credential
}

fn put(decision: OfficeDecision) -> Decision {
    Decision::Office(Box::new(decision))
}

fn create(
    batch: &Batch<'_>,
    origin: &Origin,
    id: &PrincipalId,
    new: NewPrincipal,
) -> Result<OfficeDecision, Refusal> {
    let NewPrincipal {
        party,
        name,
        credential,
        scope,
        sealed,
    } = new;
    permit_office(&origin.caller, keeping(&party))?;
    if let Party::Firm { firm, .. } = &party
        && batch.entry::<Firm>(firm.as_str()).is_none()
    {
        let refusal = Refusal::new(Reason::FirmNotFound);
        return Err(refusal.field("principal.firm").value(firm));
    }
    check_scope(&origin.caller, &party, &scope)?;
    let before = batch.entry::<Principal>(id.as_str());
    // Ids are chance, but for those of certificates, which say which one it is: a
    // revoked one may be registered again, by whom it belongs to.
    let is_taken = |before: &Arc<Principal>| before.state != PrincipalState::Revoked;
    if before.as_ref().is_some_and(is_taken) {
        return Err(Refusal::new(Reason::PrincipalExists).value(id));
    }
    let others = batch.entries::<Principal>(|other| {
        other.id != *id && is_same_party(&other.party, &party) && counts(other)
    });
    if others.len() >= PRINCIPALS_PER_PARTY_MAX {
        return Err(Refusal::new(Reason::PrincipalsTooMany).limit(PRINCIPALS_PER_PARTY_MAX));
    }
    let is_person = matches!(credential, Credential::Password { .. });
    if is_person {
        check_login(others.iter().map(Arc::as_ref), &name)?;
    }
    let principal = Principal {
        id: id.clone(),
        party,
        name: name.into(),
        credential,
        scope,
        state: PrincipalState::Active,
        revision: 0,
        created: origin.now,
        changed: origin.now,
    };
    let sealed = sealed.map(|secret| (one_time_code_key(id), Some(secret)));
    let entry = AnyEntry::Principal(Arc::new(principal));
    Ok(OfficeDecision {
        sealed: sealed.into_iter().collect(),
        ..OfficeDecision::put(
            Action::CreatePrincipal,
            before.map(AnyEntry::Principal),
            entry,
        )
    })
}

/// What keeps principals of `party`.
const fn keeping(party: &Party) -> Office<'_> {
    match party {
        Party::Node(_) => Office::KeepOperators,
        Party::Firm { firm, .. } => Office::KeepMembers(firm),
    }
}

fn is_self(caller: &Caller, principal: &Principal) -> bool {
    match &caller.who {
        Who::Operator(operator) => *operator.id == *principal.id.as_str(),
        Who::Member(member) => member.principal == principal.id,
        Who::Anonymous | Who::Identity(_) | Who::Guest(_) => false,
    }
}

/// Whether `caller` may know that `principal` is there.
pub fn may_know(caller: &Caller, principal: &Principal) -> bool {
    let reading = match &principal.party {
        Party::Node(_) => Office::ReadOperators,
        Party::Firm { firm, .. } => Office::ReadFirm(firm),
    };
    is_self(caller, principal) || permit_office(caller, reading).is_ok()
}

/// Whether `caller` may do `action` to `before`, which it may know of. Own
/// password, one-time code and secret are everybody's own matter; that a person of
/// the node has a one-time code is not.
fn permit(caller: &Caller, before: &Principal, action: &PrincipalAction) -> Result<(), Refusal> {
    let is_own_matter = match action {
        PrincipalAction::SetPassword { is_first, .. } => !is_first,
        PrincipalAction::SetOneTimeCode { .. }
        | PrincipalAction::SignIn { .. }
        | PrincipalAction::Rotate { .. } => true,
        PrincipalAction::Create(_)
        | PrincipalAction::Update { .. }
        | PrincipalAction::Disable { .. }
        | PrincipalAction::Enable { .. }
        | PrincipalAction::Revoke { .. } => false,
    };
    if is_own_matter && is_self(caller, before) {
        return Ok(());
    }
    permit_office(caller, keeping(&before.party))?;
    if let PrincipalAction::SignIn { .. } = action {
        let refusal = Refusal::new(Reason::PermissionDenied);
        return Err(refusal.limit("only the person itself may sign in"));
    }
    if let PrincipalAction::SetPassword {
        is_first: false, ..
    } = action
    {
        let refusal = Refusal::new(Reason::PermissionDenied);
        return Err(refusal.limit("only the person itself may choose its password"));
    }
    // Whoever is confined would get at more by the secrets of those who are not.
    check_covered(caller, &before.scope)
}

fn etag_of(action: &PrincipalAction) -> Option<u64> {
    match action {
        PrincipalAction::Create(_) | PrincipalAction::SignIn { .. } => None,
        PrincipalAction::Update { etag, .. }
        | PrincipalAction::Disable { etag, .. }
        | PrincipalAction::Enable { etag }
        | PrincipalAction::Revoke { etag }
        | PrincipalAction::SetPassword { etag, .. }
        | PrincipalAction::SetOneTimeCode { etag, .. }
        | PrincipalAction::Rotate { etag, .. } => *etag,
    }
}

fn update(
    batch: &Batch<'_>,
    origin: &Origin,
    after: &mut Principal,
    action: PrincipalAction,
) -> Result<Action, Refusal> {
    let PrincipalAction::Update {
        name, role, scope, ..
    } = action
    else {
        return Err(Refusal::new(Reason::Internal));
    };
    if let Some(name) = name {
        if matches!(after.credential, Credential::Password { .. }) {
            let others = batch.entries::<Principal>(|other| {
                other.id != after.id && is_same_party(&other.party, &after.party) && counts(other)
            });
            check_login(others.iter().map(Arc::as_ref), &name)?;
        }
        after.name = name.into();
    }
    match (role, &mut after.party) {
        (None, _) => {}
        (Some(new), Party::Firm { role, .. }) => *role = new,
        (Some(_), Party::Node(_)) => {
            return Err(Refusal::new(Reason::FieldInvalid)
                .field("principal.firm_role")
                .value("given")
                .limit("a principal of the node has none, and its own never changes"));
        }
    }
    if let Some(scope) = scope {
        check_scope(&origin.caller, &after.party, &scope)?;
        after.scope = scope;
    }
    Ok(Action::UpdatePrincipal)
}

fn move_on(
    batch: &Batch<'_>,
    before: &Principal,
    after: &mut Principal,
    action: PrincipalAction,
) -> Result<Action, Refusal> {
    match (action, &before.state) {
        (PrincipalAction::Disable { reason, .. }, PrincipalState::Active) => {
            keep_a_security_administrator(batch, before)?;
            after.state = PrincipalState::Disabled { reason };
            Ok(Action::DisablePrincipal)
        }
        (PrincipalAction::Enable { .. }, PrincipalState::Disabled { .. }) => {
            after.state = PrincipalState::Active;
            Ok(Action::EnablePrincipal)
        }
        _ => Err(refuse_state(before)),
    }
}

fn set_password(after: &mut Principal, hash: String, is_first: bool) -> Result<(), Refusal> {
    let Credential::Password {
        one_time_code,
        used_step,
        ..
    } = after.credential
    else {
        return Err(refuse_kind(after, "person"));
    };
    after.credential = Credential::Password {
        hash,
        one_time_code,
        is_first,
        used_step,
    };
    Ok(())
}

fn set_one_time_code(after: &mut Principal, enabled: bool) -> Result<(), Refusal> {
    if !enabled && matches!(after.party, Party::Node(_)) {
        let refusal = Refusal::new(Reason::PermissionDenied);
        return Err(refusal.limit("people of the node have a one-time code, always"));
    }
    match &mut after.credential {
        Credential::Password { one_time_code, .. } => *one_time_code = enabled,
        Credential::Key { .. } | Credential::Certificate { .. } => {
            return Err(refuse_kind(after, "person"));
        }
    }
    Ok(())
}

/// Uses up the code of `step`; one that is not later than the last was seen by
/// somebody before.
fn use_code(after: &mut Principal, step: u64) -> Result<(), Refusal> {
    match &mut after.credential {
        Credential::Password {
            one_time_code: true,
            used_step,
            ..
        } if *used_step < step => {
            *used_step = step;
            Ok(())
        }
        Credential::Password { .. } | Credential::Key { .. } | Credential::Certificate { .. } => {
            Err(Refusal::new(Reason::SignInFailed))
        }
    }
}

fn rotate(after: &mut Principal, new: [u8; 32], until: Timestamp) -> Result<(), Refusal> {
    let Credential::Key { hash, .. } = after.credential else {
        return Err(refuse_kind(after, "key"));
    };
    after.credential = Credential::Key {
        hash: new,
        previous: Some((hash, until)),
    };
    Ok(())
}

fn refuse_state(principal: &Principal) -> Refusal {
    let state = match principal.state {
        PrincipalState::Active => "active",
        PrincipalState::Disabled { .. } => "disabled",
        PrincipalState::Revoked => "revoked",
    };
    Refusal::new(Reason::PrincipalState)
        .field("name")
        .value(&principal.id)
        .limit(state)
}

fn refuse_kind(principal: &Principal, kind: &str) -> Refusal {
    Refusal::new(Reason::PrincipalKind)
        .field("name")
        .value(&principal.id)
        .limit(kind)
}

/// Refuses to end the last security administrator that counts: nobody could make
/// another.
fn keep_a_security_administrator(batch: &Batch<'_>, before: &Principal) -> Result<(), Refusal> {
    let is_one = |principal: &Principal| {
        principal.party == Party::Node(NodeRole::SecurityAdministrator)
            && principal.state == PrincipalState::Active
            && principal.scope.expires.is_none()
    };
    if !is_one(before) {
        return Ok(());
    }
    let others = batch.entries::<Principal>(|other| other.id != before.id && is_one(other));
    if others.is_empty() {
        return Err(Refusal::new(Reason::LastAdministrator).value(&before.id));
    }
    Ok(())
}

fn counts(principal: &Principal) -> bool {
    principal.state != PrincipalState::Revoked
}

fn is_same_party(left: &Party, right: &Party) -> bool {
    match (left, right) {
        (Party::Node(_), Party::Node(_)) => true,
        (Party::Firm { firm: left, .. }, Party::Firm { firm: right, .. }) => left == right,
        (Party::Node(_), Party::Firm { .. }) | (Party::Firm { .. }, Party::Node(_)) => false,
    }
}

/// Whether `name` is free among the people of a party, and fit to sign in with.
fn check_login<'a>(
    mut others: impl Iterator<Item = &'a Principal>,
    name: &Label,
) -> Result<(), Refusal> {
    name.check_login()?;
    let is_taken = others.any(|other| {
        matches!(other.credential, Credential::Password { .. }) && other.name == name.as_str()
    });
    if is_taken {
        return Err(Refusal::new(Reason::LoginNameTaken)
            .field("principal.display_name")
            .value(name));
    }
    Ok(())
}
