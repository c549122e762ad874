//! Who may: a token or a [`Proof`] becomes a [`Caller`]; [`permit`],
//! [`permit_record`] and [`permit_office`] decide.

pub mod config;
mod office;
mod proof;
mod rights;
mod sight;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE32_NOPAD, HEXLOWER};

pub use config::Config;
pub use office::{Office, permit_office};
pub use proof::{Challenge, Proof, Unproven, prove};
pub use rights::{Denied, Operation, Records, is_named_by, permit_record, value_bits};
pub use sight::sight;

use crate::model::{
    Caller, FirmRole, Member, Party, Principal, PrincipalState, Reason, Refusal, Timestamp, Verb,
    Who,
};
use crate::store::{Batch, Store};

/// Random bytes of a key's public id.
const ID_BYTES: usize = 4;
/// Random bytes of a key's secret.
const SECRET_BYTES: usize = 32;
/// Random bytes that a new key is made of.
pub const KEY_RANDOM_BYTES: usize = ID_BYTES + SECRET_BYTES;
/// What an operator's key begins with, so that a leaked one is recognised.
const KEY_MARK: &str = "idnode";
/// Characters of a token that is looked at; a longer one is no key.
const TOKEN_CHARS_MAX: usize = 128;

/// The operators' keys by id, as hashes.
#[derive(Clone, Default)]
pub struct Keys {
    hashes: HashMap<String, [u8; 32]>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.hashes.len())
    }
}

impl Keys {
    /// The keys with these ids and hashes.
    pub fn new(hashes: impl IntoIterator<Item = (String, [u8; 32])>) -> Self {
        Self {
            hashes: hashes.into_iter().collect(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Who presents `token`; nobody in particular without one.
    ///
    /// # Errors
    /// [`Reason::KeyInvalid`] for a token that is no key of this node.
    pub fn authenticate(&self, token: Option<&str>) -> Result<Caller, Refusal> {
        let Some(token) = token else {
            return Ok(Caller::ANONYMOUS);
        };
        self.known(token)
            .ok_or_else(|| Refusal::new(Reason::KeyInvalid))
    }

    fn known(&self, token: &str) -> Option<Caller> {
        if token.len() > TOKEN_CHARS_MAX {
            return None;
        }
        let (id, secret) = token
            .strip_prefix(KEY_MARK)?
            .strip_prefix('_')?
            .split_once('_')?;
        let secret = BASE32_NOPAD
            .decode(secret.to_ascii_uppercase().as_bytes())
            .ok()?;
        let presented = digest(&SHA256, &secret);
        let hash = self.hashes.get(id)?;
        verify_slices_are_equal(hash, presented.as_ref()).ok()?;
        Some(Caller::system_administrator(id))
    }
}

/// A new operator's key. The text is shown once and stored nowhere.
pub struct NewKey {
    /// Its public id.
    pub id: String,
    /// SHA-256 of its secret, which is stored.
    pub hash: [u8; 32],
    /// The key itself: `idnode_<id>_<secret>`.
    pub text: String,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({})", self.id)
    }
}

impl NewKey {
    /// Makes a key of random bytes.
    pub fn new(random: &[u8; KEY_RANDOM_BYTES]) -> Self {
        let (id, secret) = random.split_at(ID_BYTES);
        let id = HEXLOWER.encode(id);
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, secret).as_ref());
        let secret = BASE32_NOPAD.encode(secret).to_ascii_lowercase();
        let text = format!("{KEY_MARK}_{id}_{secret}");
        Self { id, hash, text }
    }
}

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

/// The caller as it stands now: a member may have been given another role, been
/// disabled or have expired since it proved itself.
///
/// # Errors
/// [`Reason::KeyInvalid`] once it counts no longer.
pub fn renewed(
    caller: &Caller,
    principals: &dyn Principals,
    now: Timestamp,
) -> Result<Caller, Refusal> {
    let Who::Member(member) = &caller.who else {
        return Ok(caller.clone());
    };
    let invalid = || Refusal::new(Reason::KeyInvalid);
    let principal = principals
        .principal(member.principal.as_str())
        .ok_or_else(invalid)?;
    let Party::Firm { firm, role } = &principal.party else {
        return Err(invalid());
    };
    let is_active = principal.state == PrincipalState::Active;
    let is_expired = principal.scope.expires.is_some_and(|until| until <= now);
    if !is_active || is_expired || *firm != member.firm {
        return Err(invalid());
    }
    let member = Member {
        role: *role,
        scope: Arc::new(principal.scope.clone()),
        ..member.clone()
    };
    Ok(Caller {
        who: Who::Member(member),
        source: caller.source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_keys_only() {
        let key = NewKey::new(&[7; KEY_RANDOM_BYTES]);
        let keys = Keys::new([(key.id.clone(), key.hash)]);
        let operator = Caller::system_administrator(&key.id);
        assert_eq!(keys.authenticate(Some(&key.text)), Ok(operator));
        assert_eq!(keys.authenticate(None), Ok(Caller::ANONYMOUS));
        let other = NewKey::new(&[8; KEY_RANDOM_BYTES]);
        let swapped = key.text.replace(&key.id, &other.id);
        let cut = key.text.strip_suffix(|_: char| true).unwrap_or_default();
        let long = "x".repeat(1000);
        for token in ["", "idnode", "idnode__", &other.text, &swapped, cut, &long] {
            let refusal = keys.authenticate(Some(token)).expect_err("not a key");
            assert_eq!(refusal.reason(), Reason::KeyInvalid, "{token}");
        }
    }

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
