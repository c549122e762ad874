//! Who may: what is [`Presented`] or a [`Proof`] becomes a [`Caller`];
//! [`permit`], [`permit_record`] and [`permit_office`] decide, and [`sight()`] and
//! [`reading`] what is shown.

pub mod config;
mod credentials;
pub mod limits;
mod links;
mod lockout;
mod office;
mod proof;
mod rate;
mod rights;
mod sessions;
mod sight;

use std::borrow::Cow;
use std::sync::Arc;

pub use config::Config;
pub use credentials::{
    KEY_SECRET_BYTES, NewSecret, Presented, caller_of, certificate_id, counts, identify,
    may_call_from,
};
pub use links::{LinkReader, LinkSight, sees_from_end};
pub use lockout::{Locked, Lockout, LockoutLimits};
pub use office::{Office, permit_office};
pub use proof::{Challenge, Proof, Unproven, prove};
pub use rights::{Denied, Operation, Records, is_named_by, permit_record, value_bits};
pub use sessions::{NewSession, SESSION_RANDOM_BYTES, SessionLimits, Sessions};
pub use sight::{Reading, reading, sees_to_change, sight, sight_below};

use crate::model::{
    Caller, FirmRole, Member, Party, Principal, Reason, Refusal, Timestamp, Verb, Who,
};
use crate::store::{Batch, Store};

/// What a caller wants to do, as far as its class decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read values that anyone may read.
    ReadPublic,
    /// Read any value whose public-read permission is unset.
    ReadPrivate,
    /// List or export identifiers.
    List,
    /// Change identifiers.
    Write,
    /// Register, change or suspend prefixes.
    ManagePrefixes,
    /// Back up, restore, and read the node's inner state.
    Operate,
}

/// Whether `caller` may do `action`. Default: no.
///
/// For whoever is no system administrator this is the first of two gates: which
/// records it may list, read in private and write, [`permit_record`] says.
///
/// # Errors
/// [`Reason::KeyRequired`] for what only a known caller may,
/// [`Reason::PermissionDenied`] for what this one may not.
pub fn permit(caller: &Caller, action: Action) -> Result<(), Refusal> {
    if caller.is_operator() {
        return Ok(());
    }
    let refused = |who| Err(Refusal::new(Reason::PermissionDenied).limit(who));
    match (&caller.who, action) {
        (_, Action::ReadPublic | Action::List) | (Who::Identity(_), Action::Write) => Ok(()),
        (Who::Member(member), Action::Write) => {
            let verbs = &member.scope.verbs;
            if member.role < FirmRole::Registrar {
                refused("a reader may not write")
            } else if !verbs.is_empty() && !verbs.contains(&Verb::Write) {
                refused("the key's scope does not allow to write")
            } else {
                Ok(())
            }
        }
        (
            Who::Anonymous,
            Action::ReadPrivate | Action::Write | Action::ManagePrefixes | Action::Operate,
        ) => Err(Refusal::new(Reason::KeyRequired)),
        (Who::Operator(_) | Who::Guest(_), Action::Write) => {
            refused("only a firm's registrar or a system administrator may")
        }
        (
            Who::Operator(_) | Who::Identity(_) | Who::Member(_) | Who::Guest(_),
            Action::ReadPrivate | Action::ManagePrefixes | Action::Operate,
        ) => refused("only a system administrator may"),
    }
}

/// Principals as they are when a question is asked.
pub trait Principals {
    /// The principal named `id`.
    fn principal(&self, id: &str) -> Option<Arc<Principal>>;
}

impl Principals for Batch<'_> {
    fn principal(&self, id: &str) -> Option<Arc<Principal>> {
        self.entry::<Principal>(id)
    }
}

impl Principals for Store {
    fn principal(&self, id: &str) -> Option<Arc<Principal>> {
        self.directory().find::<Principal>(id).cloned()
    }
}

/// The caller as it stands now: a principal may have been given another role, been
/// disabled or have expired since it proved itself. An operator that is no
/// principal is the node itself.
///
/// # Errors
/// [`Reason::KeyInvalid`] once it counts no longer.
pub fn renewed<'c>(
    caller: &'c Caller,
    principals: &dyn Principals,
    now: Timestamp,
) -> Result<Cow<'c, Caller>, Refusal> {
    let invalid = || Refusal::new(Reason::KeyInvalid);
    let member = match &caller.who {
        Who::Member(member) => member,
        Who::Operator(operator) => {
            let known = principals.principal(&operator.id);
            let still = |known: &Arc<Principal>| {
                counts(known, now) && known.party == Party::Node(operator.role)
            };
            let stands = known.as_ref().is_none_or(still);
            return if stands {
                Ok(Cow::Borrowed(caller))
            } else {
                Err(invalid())
            };
        }
        Who::Anonymous | Who::Identity(_) | Who::Guest(_) => return Ok(Cow::Borrowed(caller)),
    };
    let principal = principals
        .principal(member.principal.as_str())
        .ok_or_else(invalid)?;
    let Party::Firm { firm, role } = &principal.party else {
        return Err(invalid());
    };
    if !counts(&principal, now) || *firm != member.firm {
        return Err(invalid());
    }
    if *role == member.role && principal.scope == *member.scope {
        return Ok(Cow::Borrowed(caller));
    }
    let member = Member {
        role: *role,
        scope: Arc::new(principal.scope.clone()),
        ..member.clone()
    };
    Ok(Cow::Owned(Caller {
        who: Who::Member(member),
        source: caller.source,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_callers_read_only() {
        let may = |action| permit(&Caller::ANONYMOUS, action).is_ok();
        assert!(may(Action::ReadPublic) && may(Action::List));
        for action in [
            Action::ReadPrivate,
            Action::Write,
            Action::ManagePrefixes,
            Action::Operate,
        ] {
            assert!(!may(action), "{action:?}");
        }
    }
}
