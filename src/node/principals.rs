//! Keeping principals: what is secret about them is made here, given out once,
//! and goes on as a hash, or sealed.

use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::access::{KEY_SECRET_BYTES, NewSecret, Office, certificate_id};
use crate::crypto::{
    Certificate, DataKey, FIRST_PASSWORD_RANDOM_BYTES, SEAL_KEY_BYTES, SealingKey,
    TOTP_SECRET_BYTES, TotpSecret, Unsealed, first_password,
};
use crate::model::limits::{KEY_OVERLAP_HOURS_DEFAULT, KEY_OVERLAP_HOURS_MAX};
use crate::model::principal::Label;
use crate::model::{
    Caller, Credential, FirmId, NodeRole, Operator, Party, Principal, PrincipalId, PrincipalState,
    Reason, Refusal, Scope, Timestamp, Who,
};
use crate::node::refused::Subject;
use crate::node::{NewPrincipal, Node, Page, PrincipalAction, told};
use crate::registry::audit::Action as Attempted;
use crate::registry::{may_know, one_time_code_key};
use crate::store::EntryKey;

/// Who an authenticator says a code is for.
const ISSUER: &str = "idnode";
const MILLIS_PER_HOUR: u64 = 3_600_000;
/// Under which name the audit trail records what the node does by itself.
const OWN_NAME: &str = "node";

/// A principal to be made, but for how it proves itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose it is.
    pub party: Party,
    /// Its name for people.
    pub name: Label,
    /// What it is confined to.
    pub scope: Scope,
}

/// Octets of a wrapped data key.
const WRAPPED_BYTES: usize = 69;

/// A principal, and the secret that was made for it: shown once, kept nowhere.
pub struct WithSecret {
    /// The principal.
    pub principal: Arc<Principal>,
    /// A key, or a first password; empty if none was made.
    pub secret: Zeroizing<String>,
    /// For an authenticator: `otpauth://totp/…`; empty if none was made.
    pub one_time_code_uri: Zeroizing<String>,
}

impl std::fmt::Debug for WithSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WithSecret")
            .field("principal", &self.principal.id)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// Registers a person with a first password; one of the node, or one that is
    /// to have one-time codes, with a secret for those.
    ///
    /// # Errors
    /// `Overloaded`, and those of the change.
    pub async fn create_person(
        &self,
        caller: &Caller,
        account: Account,
        one_time_code: bool,
    ) -> Result<WithSecret, Refusal> {
        let one_time_code = one_time_code || matches!(account.party, Party::Node(_));
        // Hashing is dear: not for those who may not.
        self.permit_keeping(caller, &account.party)?;
        account.name.check_login()?;
        let id = self.new_principal_id()?;
        let (secret, hash) = self.first_password().await?;
        let mut one_time_code_uri = Zeroizing::default();
        let mut sealed = None;
        if one_time_code {
            let (new, uri) = self.new_one_time_secret(account.name.as_str());
            one_time_code_uri = uri;
            sealed = Some(self.sealed_one_time_secret(&id, &new));
        }
        let credential = Credential::Password {
            hash,
            one_time_code,
            is_first: true,
            used_step: 0,
        };
        let principal = self
            .create(caller, id, account, (credential, sealed))
            .await?;
        Ok(WithSecret {
            principal,
            secret,
            one_time_code_uri,
        })
    }

    /// Gives a person a first password again; ends its sessions and lock-out.
    ///
    /// # Errors
    /// `Overloaded`, and those of the change.
    pub async fn reset_password(
        &self,
        caller: &Caller,
        id: &PrincipalId,
        etag: Option<u64>,
    ) -> Result<WithSecret, Refusal> {
        let person = self.principal(caller, id)?;
        self.permit_keeping(caller, &person.party)?;
        let (secret, hash) = self.first_password().await?;
        let action = PrincipalAction::SetPassword {
            hash,
            is_first: true,
            etag,
        };
        let principal = self.change_principal(caller, id, action).await?;
        Ok(WithSecret {
            principal,
            secret,
            one_time_code_uri: Zeroizing::default(),
        })
    }

    /// Gives a person a new secret for one-time codes.
    ///
    /// # Errors
    /// Those of the change.
    pub async fn renew_one_time_code(
        &self,
        caller: &Caller,
        id: &PrincipalId,
        etag: Option<u64>,
    ) -> Result<WithSecret, Refusal> {
        let person = self.principal(caller, id)?;
        let (new, one_time_code_uri) = self.new_one_time_secret(&person.name);
        let action = PrincipalAction::SetOneTimeCode {
            sealed: Some(self.sealed_one_time_secret(id, &new)),
            etag,
        };
        let principal = self.change_principal(caller, id, action).await?;
        Ok(WithSecret {
            principal,
            secret: Zeroizing::default(),
            one_time_code_uri,
        })
    }

    /// Makes a key.
    ///
    /// # Errors
    /// Those of the change.
    pub async fn create_key(
        &self,
        caller: &Caller,
        account: Account,
    ) -> Result<WithSecret, Refusal> {
        let id = self.new_principal_id()?;
        let NewSecret { hash, text } = self.new_key_secret(&id);
        let credential = Credential::Key {
            hash,
            previous: None,
        };
        let principal = self.create(caller, id, account, (credential, None)).await?;
        Ok(WithSecret {
            principal,
            secret: text,
            one_time_code_uri: Zeroizing::default(),
        })
    }

    /// Makes a new secret for a key; the one before counts for `overlap` still, a
    /// day if that is not given.
    ///
    /// # Errors
    /// `FieldInvalid` for a longer overlap than [`KEY_OVERLAP_HOURS_MAX`], and those
    /// of the change.
    pub async fn rotate_key(
        &self,
        caller: &Caller,
        id: &PrincipalId,
        overlap: Option<Duration>,
        etag: Option<u64>,
    ) -> Result<WithSecret, Refusal> {
        let most = Duration::from_millis(KEY_OVERLAP_HOURS_MAX * MILLIS_PER_HOUR);
        let day = Duration::from_millis(KEY_OVERLAP_HOURS_DEFAULT * MILLIS_PER_HOUR);
        let overlap = overlap.unwrap_or(day);
        if overlap > most {
            return Err(Refusal::new(Reason::FieldInvalid)
                .field("overlap")
                .value(format!("{}s", overlap.as_secs()))
                .limit(format!("at most {KEY_OVERLAP_HOURS_MAX} hours")));
        }
        let overlap_millis = u64::try_from(overlap.as_millis()).unwrap_or(u64::MAX);
        let until = self.now().millis().saturating_add(overlap_millis);
        let NewSecret { hash, text } = self.new_key_secret(id);
        let action = PrincipalAction::Rotate {
            hash,
            until: Timestamp::from_millis(until),
            etag,
        };
        let principal = self.change_principal(caller, id, action).await?;
        Ok(WithSecret {
            principal,
            secret: text,
            one_time_code_uri: Zeroizing::default(),
        })
    }

    /// Registers a client's certificate, a PEM text. It counts until it expires,
    /// or until the scope does.
    ///
    /// # Errors
    /// `CertificateInvalid`, and those of the change.
    pub async fn create_certificate(
        &self,
        caller: &Caller,
        account: Account,
        pem: &str,
    ) -> Result<Arc<Principal>, Refusal> {
        let invalid = |rule| {
            let refusal = Refusal::new(Reason::CertificateInvalid);
            refusal.field("certificate").limit(rule)
        };
        let read = Certificate::from_pem(pem)
            .ok_or_else(|| invalid("it is no X.509 certificate in PEM of at most 16 KiB"))?;
        if read.not_after <= self.now() {
            return Err(invalid("it has expired"));
        }
        if read.not_before > self.now() {
            return Err(invalid("it is not valid yet"));
        }
        let expires = account.scope.expires;
        let expires = expires.map_or(read.not_after, |asked| asked.min(read.not_after));
        let account = Account {
            scope: Scope {
                expires: Some(expires),
                ..account.scope
            },
            ..account
        };
        let id = certificate_id(&read.fingerprint)?;
        let credential = Credential::Certificate {
            fingerprint: read.fingerprint,
        };
        self.create(caller, id, account, (credential, None)).await
    }

    /// A principal that the caller may know of.
    ///
    /// # Errors
    /// `KeyRequired`, `PrincipalNotFound`.
    pub fn principal(&self, caller: &Caller, id: &PrincipalId) -> Result<Arc<Principal>, Refusal> {
        if caller.is_anonymous() {
            let refusal = Refusal::new(Reason::KeyRequired);
            let subject = Subject::Other(EntryKey::of::<Principal>(id.as_str()).to_bytes());
            self.note(caller, Attempted::ReadOffice, subject, &refusal);
            return Err(refusal);
        }
        let directory = self.inner.store.directory();
        let found = directory.find::<Principal>(id.as_str());
        found
            .filter(|principal| may_know(caller, principal))
            .cloned()
            .ok_or_else(|| {
                Refusal::new(Reason::PrincipalNotFound)
                    .field("name")
                    .value(id)
            })
    }

    /// The principals of `firm`, or of the node, behind the id `after`, in the
    /// order of their ids.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`.
    pub fn list_principals(
        &self,
        caller: &Caller,
        firm: Option<&FirmId>,
        (after, size): (Option<&[u8]>, usize),
        show_revoked: bool,
    ) -> Result<Page<Arc<Principal>>, Refusal> {
        let reading = firm.map_or(Office::ReadOperators, Office::ReadFirm);
        self.permit_office(caller, reading)?;
        let directory = self.inner.store.directory();
        let is_wanted = |principal: &&Arc<Principal>| {
            let is_there = match (&principal.party, firm) {
                (Party::Node(_), None) => true,
                (Party::Firm { firm, .. }, Some(asked)) => firm == asked,
                (Party::Node(_), Some(_)) | (Party::Firm { .. }, None) => false,
            };
            is_there
                && (show_revoked || principal.state != PrincipalState::Revoked)
                && after.is_none_or(|after| principal.id.as_str().as_bytes() > after)
        };
        let mut items = directory
            .all::<Principal>()
            .filter(is_wanted)
            .take(size.saturating_add(1))
            .cloned()
            .collect::<Vec<_>>();
        let has_more = items.len() > size;
        items.truncate(size);
        let last = items.last().filter(|_| has_more);
        let next = last.map(|principal| principal.id.as_str().as_bytes().to_vec());
        Ok(Page { items, next })
    }

    /// Ends the lock-out of a person.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`, `PrincipalNotFound`.
    pub fn unlock(&self, caller: &Caller, id: &PrincipalId) -> Result<Arc<Principal>, Refusal> {
        let person = self.principal(caller, id)?;
        self.permit_keeping(caller, &person.party)?;
        self.inner.desk.load().people.succeeded(id);
        tracing::info!(principal = %id, by = caller.name(), "a lock-out was ended");
        Ok(person)
    }

    /// How long a person stays locked out; `None` if it is not.
    pub fn locked_for(&self, id: &PrincipalId) -> Option<Duration> {
        self.inner.desk.load().people.left(id, self.elapsed())
    }

    /// Makes a key for each role of the node that has no principal yet, so that
    /// somebody can begin. A key of a node that knew only one kind of operator
    /// becomes a system administrator's.
    ///
    /// # Errors
    /// Those of the changes, `Internal`.
    pub async fn make_first_keys(&self) -> Result<Vec<(NodeRole, Zeroizing<String>)>, Refusal> {
        let caller = Caller::of(Who::Operator(Operator {
            id: OWN_NAME.into(),
            role: NodeRole::SecurityAdministrator,
        }));
        self.take_over_keys(&caller).await?;
        let mut made = Vec::new();
        for (role, name) in [
            (NodeRole::SystemAdministrator, "system administrator"),
            (NodeRole::SecurityAdministrator, "security administrator"),
            (NodeRole::Auditor, "auditor"),
        ] {
            if self.has_principal(role) {
                continue;
            }
            let account = Account {
                party: Party::Node(role),
                name: Label::parse(name)?,
                scope: Scope::default(),
            };
            let key = self.create_key(&caller, account).await?;
            made.push((role, key.secret));
        }
        Ok(made)
    }

    fn has_principal(&self, role: NodeRole) -> bool {
        let directory = self.inner.store.directory();
        let mut all = directory.all::<Principal>();
        all.any(|principal| principal.party == Party::Node(role))
    }

    async fn take_over_keys(&self, caller: &Caller) -> Result<(), Refusal> {
        let keys = self.inner.store.operator_keys();
        for (id, hash) in keys.map_err(|error| told(&error))? {
            let id = PrincipalId::parse(&id)?;
            let is_known = {
                let directory = self.inner.store.directory();
                directory.find::<Principal>(id.as_str()).is_some()
            };
            if is_known {
                continue;
            }
            let account = Account {
                party: Party::Node(NodeRole::SystemAdministrator),
                name: Label::parse("system administrator")?,
                scope: Scope::default(),
            };
            let credential = Credential::Key {
                hash,
                previous: None,
            };
            self.create(caller, id, account, (credential, None)).await?;
        }
        Ok(())
    }

    async fn create(
        &self,
        caller: &Caller,
        id: PrincipalId,
        account: Account,
        (credential, sealed): (Credential, Option<Vec<u8>>),
    ) -> Result<Arc<Principal>, Refusal> {
        let Account { party, name, scope } = account;
        let new = NewPrincipal {
            party,
            name,
            credential,
            scope,
            sealed,
        };
        let action = PrincipalAction::Create(Box::new(new));
        self.change_principal(caller, &id, action).await
    }

    fn permit_keeping(&self, caller: &Caller, party: &Party) -> Result<(), Refusal> {
        self.permit_office(
            caller,
            match party {
                Party::Node(_) => Office::KeepOperators,
                Party::Firm { firm, .. } => Office::KeepMembers(firm),
            },
        )
    }

    fn new_principal_id(&self) -> Result<PrincipalId, Refusal> {
        PrincipalId::parse(&self.new_id())
    }

    fn new_key_secret(&self, id: &PrincipalId) -> NewSecret {
        let random = Zeroizing::new(self.random::<KEY_SECRET_BYTES>());
        NewSecret::new(id, &random)
    }

    /// A first password and its hash.
    async fn first_password(&self) -> Result<(Zeroizing<String>, String), Refusal> {
        let random = Zeroizing::new(self.random::<FIRST_PASSWORD_RANDOM_BYTES>());
        let password = first_password(&random);
        let desk = self.inner.desk.load_full();
        let hash = self.hash(&desk, password.clone()).await?;
        Ok((password, hash))
    }

    fn new_one_time_secret(&self, name: &str) -> (TotpSecret, Zeroizing<String>) {
        let random = Zeroizing::new(self.random::<TOTP_SECRET_BYTES>());
        let secret = TotpSecret::new(&random);
        let uri = secret.uri(ISSUER, name);
        (secret, uri)
    }

    /// A person's secret for one-time codes.
    pub(super) fn one_time_secret(&self, id: &PrincipalId) -> Result<TotpSecret, Refusal> {
        let key = one_time_code_key(id);
        let stored = self
            .inner
            .store
            .sealed(&key)
            .map_err(|error| told(&error))?;
        let stored = stored.ok_or_else(|| Refusal::new(Reason::Internal))?;
        let secret = opened(&self.inner.sealing, &key, &stored);
        secret.map_err(|error| {
            tracing::error!(principal = %id, %error, "a one-time secret does not open");
            Refusal::new(Reason::Internal)
        })
    }

    /// A data key of its own, wrapped, and what is sealed under it.
    fn sealed_one_time_secret(&self, id: &PrincipalId, secret: &TotpSecret) -> Vec<u8> {
        let key = one_time_code_key(id);
        let octets = Zeroizing::new(self.random::<SEAL_KEY_BYTES>());
        let own = DataKey::new(&octets);
        let mut out = self.inner.sealing.wrap(&own, &key, self.random());
        out.extend(own.seal(secret.octets(), &key, self.random()));
        out
    }
}

/// The secret that `stored` holds sealed under the name `key`.
fn opened(sealing: &SealingKey, key: &[u8], stored: &[u8]) -> Result<TotpSecret, Unsealed> {
    let (wrapped, sealed) = stored
        .split_at_checked(WRAPPED_BYTES)
        .ok_or(Unsealed::Damaged)?;
    let octets = sealing.unwrap(wrapped, key)?.open(sealed, key)?;
    let octets = octets.as_slice().try_into();
    octets.map(TotpSecret::new).map_err(|_| Unsealed::Damaged)
}
