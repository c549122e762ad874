//! Who calls: keys, certificates, sessions; and people who sign in.
//!
//! Signing in tells nothing: a name that is nobody's, a wrong password, a wrong
//! code and a lock-out are refused alike, after the same work. Passwords are
//! hashed off the runtime's threads, few at once.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::access::{
    Config, Lockout, LockoutLimits, NewSession, Presented, SESSION_RANDOM_BYTES, SessionLimits,
    Sessions, caller_of, counts, identify, may_call_from, renewed,
};
use crate::crypto::{
    PASSWORD_CHARS, PASSWORD_SALT_BYTES, hash_password, is_strong_password, verify_no_password,
    verify_password,
};
use crate::model::{
    Caller, Credential, FirmId, Party, Principal, PrincipalId, PrincipalState, Reason, Refusal, Who,
};
use crate::node::refused::Subject;
use crate::node::{Change, Node, OfficeChange, PrincipalAction, Write};
use crate::registry::{Applied, audit};
use crate::store::{AnyEntry, EntryKey};

/// Passwords that are hashed at once: each takes a core for some 20 ms, and
/// 19 MiB.
const HASHES_MAX: usize = 2;
/// Passwords that wait to be hashed; further ones are refused.
const HASHES_WAITING_MAX: usize = 64;
/// Failures of one address for each of one name: many people may share it.
const FAILURES_OF_SOURCE: u32 = 10;
/// Names and addresses whose failures are remembered.
const LOCKOUTS_MAX: usize = 65_536;
/// Characters of a login that is looked at.
const LOGIN_CHARS_MAX: usize = 160;

/// What is remembered of those who sign in. Nothing of it outlives the process.
pub(super) struct Desk {
    pub(super) sessions: Sessions,
    /// Failures by person.
    pub(super) people: Lockout<PrincipalId>,
    /// Failures by address; of IPv6 by its /64.
    sources: Lockout<IpAddr>,
    hashing: Semaphore,
    waiting: Semaphore,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    pub(super) fn new(config: &Config) -> Self {
        let lockout = |failures_max| LockoutLimits {
            failures_max,
            lock: Duration::from_secs(config.lockout_secs),
            entries_max: LOCKOUTS_MAX,
        };
        let failures_max = config.sign_in_failures_max;
        Self {
            sessions: Sessions::new(SessionLimits {
                count_max: config.sessions_max,
                idle: Duration::from_secs(config.session_idle_secs),
                age: Duration::from_secs(config.session_lifetime_secs),
            }),
            people: Lockout::new(lockout(failures_max)),
            sources: Lockout::new(lockout(failures_max.saturating_mul(FAILURES_OF_SOURCE))),
            hashing: Semaphore::new(HASHES_MAX),
            waiting: Semaphore::new(HASHES_WAITING_MAX),
        }
    }
}

/// What a person signs in with.
pub struct SignIn {
    /// `{login name}@{firm}`; the login name alone for people of the node.
    pub login: String,
    /// The password.
    pub password: Zeroizing<String>,
    /// The digits of a one-time code; empty without.
    pub one_time_code: Zeroizing<String>,
    /// The password from here on; empty if it stays.
    pub new_password: Zeroizing<String>,
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn").finish_non_exhaustive()
    }
}

/// A person that signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// Its session.
    pub session: NewSession,
    /// The person.
    pub principal: Arc<Principal>,
}

impl Node {
    /// Sets how long sessions and lock-outs last; ends those that there are.
    pub fn set_access(&self, config: &Config) {
        self.inner.desk.store(Arc::new(Desk::new(config)));
    }

    /// Who shows what is `presented`; nobody in particular who shows nothing.
    ///
    /// # Errors
    /// [`Reason::KeyInvalid`] for what does not count, whatever the reason.
    pub fn authenticate(&self, presented: &Presented<'_>) -> Result<Caller, Refusal> {
        let known = self.try_authenticate(presented);
        known.ok_or_else(|| self.refuse_unproven(Reason::KeyInvalid, "", presented.source))
    }

    /// Who shows what is `presented`; `None` for what does not count. The audit trail
    /// does not tell of it.
    pub fn try_authenticate(&self, presented: &Presented<'_>) -> Option<Caller> {
        if let Some(guest) = presented.bearer.and_then(|bearer| self.guest(bearer)) {
            return Some(guest?.with_source(presented.source));
        }
        let desk = self.inner.desk.load();
        let sessions = (&desk.sessions, self.elapsed());
        let found = identify(presented, &*self.inner.store, sessions, self.now()).ok()?;
        let who = found.map_or(Who::Anonymous, |found| caller_of(&found, None).who);
        Some(Caller {
            who,
            source: presented.source,
        })
    }

    /// The caller as it stands now; `None` once it counts no longer.
    pub fn renewed(&self, caller: &Caller) -> Option<Caller> {
        let renewed = renewed(caller, &*self.inner.store, self.now());
        renewed.ok().map(Cow::into_owned)
    }

    /// The principal that `caller` is; `None` for one that is none.
    pub fn own_principal(&self, caller: &Caller) -> Option<Arc<Principal>> {
        let id = match &caller.who {
            Who::Operator(operator) => &operator.id,
            Who::Member(member) => member.principal.as_str(),
            Who::Anonymous | Who::Identity(_) | Who::Guest(_) => return None,
        };
        self.inner.store.directory().find::<Principal>(id).cloned()
    }

    /// Signs a person in.
    ///
    /// # Errors
    /// `SignInFailed` whatever is wrong; `SignInLocked` for an address that failed
    /// too often; `PasswordFirst`, `PasswordWeak`; `Overloaded`; and those of a
    /// change, if there is a new password.
    pub async fn sign_in(
        &self,
        request: SignIn,
        source: Option<IpAddr>,
    ) -> Result<SignedIn, Refusal> {
        // The login itself may be what somebody typed in the wrong place.
        let key = self.person(&request.login).map(|person| {
            let key = EntryKey::of::<Principal>(person.id.as_str());
            key.to_bytes()
        });
        let signed_in = self.try_sign_in(request, source).await;
        let outcome = signed_in.as_ref().map(|_| ()).map_err(Refusal::reason);
        self.inner.sign_ins.person(outcome);
        signed_in.inspect_err(|refusal| {
            let caller = Caller::ANONYMOUS.with_source(source);
            let subject = Subject::Other(key.unwrap_or_default());
            self.note(&caller, audit::Action::Authenticate, subject, refusal);
        })
    }

    async fn try_sign_in(
        &self,
        request: SignIn,
        source: Option<IpAddr>,
    ) -> Result<SignedIn, Refusal> {
        let desk = self.inner.desk.load_full();
        let person = self.person(&request.login);
        check_new_password(&request)?;
        let origin = source.map(network_of);
        if let Some(origin) = origin {
            let begun = desk.sources.begin(&origin, self.elapsed());
            begun.map_err(|locked| {
                Refusal::new(Reason::SignInLocked).limit(locked.left.as_secs() + 1)
            })?;
        }
        // A locked name is nobody's for the time being.
        let open = person.filter(|person| {
            let begun = desk.people.begin(&person.id, self.elapsed());
            begun.is_ok()
        });
        let undo = |_: &Refusal| {
            origin.iter().for_each(|origin| desk.sources.undo(origin));
            open.iter().for_each(|person| desk.people.undo(&person.id));
        };
        let checked = self.check_password(&desk, open.clone(), request.password.clone());
        let proven = checked.await.inspect_err(undo)?;
        let failed = || Refusal::new(Reason::SignInFailed);
        let person = proven
            .filter(|person| counts(person, self.now()) && may_call_from(&person.scope, source))
            .ok_or_else(failed)?;
        let is_replaced = !request.new_password.is_empty();
        let code = (request.one_time_code.as_str(), is_replaced);
        let person = self.take_code(person, code, source).await?;
        // What others failed at the same address still counts.
        origin.iter().for_each(|origin| desk.sources.undo(origin));
        desk.people.succeeded(&person.id);
        let principal = if is_replaced {
            let caller = caller_of(&person, source);
            let new = request.new_password;
            self.choose_password(&desk, &caller, &person, new).await?
        } else if is_first(&person) {
            return Err(Refusal::new(Reason::PasswordFirst));
        } else {
            person
        };
        let random = Zeroizing::new(self.random::<SESSION_RANDOM_BYTES>());
        let session = desk.sessions.open(&principal.id, &random, self.elapsed());
        tracing::info!(principal = %principal.id, "signed in");
        Ok(SignedIn { session, principal })
    }

    /// Ends the session of `token`.
    ///
    /// # Errors
    /// [`Reason::KeyInvalid`] if it is none.
    pub fn sign_out(&self, token: &str, source: Option<IpAddr>) -> Result<(), Refusal> {
        if self.inner.desk.load().sessions.end(token) {
            return Ok(());
        }
        Err(self.refuse_unproven(Reason::KeyInvalid, "", source))
    }

    /// Changes the password of `caller`, a person, and ends its sessions but that
    /// of `token`.
    ///
    /// # Errors
    /// `KeyRequired`, `PrincipalKind` for who has none; `SignInFailed` for a wrong
    /// password, or after too many; `PasswordWeak`; and those of a change.
    pub async fn change_password(
        &self,
        caller: &Caller,
        (password, new): (Zeroizing<String>, Zeroizing<String>),
        token: &str,
    ) -> Result<Arc<Principal>, Refusal> {
        let desk = self.inner.desk.load_full();
        let person = self
            .own_principal(caller)
            .ok_or_else(|| Refusal::new(Reason::KeyRequired))?;
        if !matches!(person.credential, Credential::Password { .. }) {
            return Err(Refusal::new(Reason::PrincipalKind)
                .field("name")
                .value(&person.id)
                .limit("person"));
        }
        check_strong(&person.name, &new, "new_password")?;
        let failed = || Refusal::new(Reason::SignInFailed);
        let begun = desk.people.begin(&person.id, self.elapsed());
        begun.map_err(|_| failed())?;
        let checked = self.check_password(&desk, Some(Arc::clone(&person)), password);
        let proven = checked.await;
        let proven = proven.inspect_err(|_| desk.people.undo(&person.id))?;
        let person = proven.ok_or_else(failed)?;
        desk.people.succeeded(&person.id);
        let changed = self.choose_password(&desk, caller, &person, new).await?;
        desk.sessions.end_others_of(&changed.id, token);
        Ok(changed)
    }

    /// The person whose login is `login`, if it counts at all.
    fn person(&self, login: &str) -> Option<Arc<Principal>> {
        if login.len() > LOGIN_CHARS_MAX {
            return None;
        }
        let (name, firm) = match login.rsplit_once('@') {
            Some((name, firm)) => (name, Some(FirmId::parse(firm).ok()?)),
            None => (login, None),
        };
        let directory = self.inner.store.directory();
        let mut people = directory.all::<Principal>();
        people
            .find(|person| {
                let is_there = match (&person.party, &firm) {
                    (Party::Node(_), None) => true,
                    (Party::Firm { firm, .. }, Some(asked)) => firm == asked,
                    (Party::Node(_), Some(_)) | (Party::Firm { .. }, None) => false,
                };
                is_there
                    && person.name == name
                    && matches!(person.credential, Credential::Password { .. })
                    && person.state == PrincipalState::Active
            })
            .cloned()
    }

    /// The person, if `password` is its own; the same work for nobody.
    async fn check_password(
        &self,
        desk: &Desk,
        person: Option<Arc<Principal>>,
        password: Zeroizing<String>,
    ) -> Result<Option<Arc<Principal>>, Refusal> {
        let work = move || {
            let stored = person.as_ref().map(|person| &person.credential);
            let is_own = match stored {
                Some(Credential::Password { hash, .. }) => verify_password(hash, &password),
                Some(Credential::Key { .. } | Credential::Certificate { .. }) | None => {
                    verify_no_password(&password);
                    false
                }
            };
            person.filter(|_| is_own)
        };
        hashed(desk, work).await
    }

    /// The hash of a password.
    pub(super) async fn hash(
        &self,
        desk: &Desk,
        password: Zeroizing<String>,
    ) -> Result<String, Refusal> {
        let salt = self.random::<PASSWORD_SALT_BYTES>();
        let work = move || hash_password(&password, &salt);
        let hash = hashed(desk, work).await?;
        hash.map_err(|error| {
            tracing::error!(%error, "a password was not hashed");
            Refusal::new(Reason::Internal)
        })
    }

    async fn choose_password(
        &self,
        desk: &Desk,
        caller: &Caller,
        person: &Principal,
        new: Zeroizing<String>,
    ) -> Result<Arc<Principal>, Refusal> {
        let action = PrincipalAction::SetPassword {
            hash: self.hash(desk, new).await?,
            is_first: false,
            etag: Some(person.revision),
        };
        self.change_principal(caller, &person.id, action).await
    }

    /// Uses up the one-time code of `person`, if it has to have one; the person as
    /// it is then.
    async fn take_code(
        &self,
        person: Arc<Principal>,
        (code, is_replaced): (&str, bool),
        source: Option<IpAddr>,
    ) -> Result<Arc<Principal>, Refusal> {
        let Credential::Password {
            one_time_code: true,
            used_step,
            ..
        } = person.credential
        else {
            return Ok(person);
        };
        let secret = self.one_time_secret(&person.id)?;
        let step = secret
            .verify(code, self.now().secs(), Some(used_step))
            .ok_or_else(|| Refusal::new(Reason::SignInFailed))?;
        // What is refused for its first password has not used up its code.
        if is_first(&person) && !is_replaced {
            return Ok(person);
        }
        let caller = caller_of(&person, source);
        let action = PrincipalAction::SignIn { step };
        self.change_principal(&caller, &person.id, action).await
    }

    /// Makes a change of a principal.
    ///
    /// # Errors
    /// Those of the change.
    pub async fn change_principal(
        &self,
        caller: &Caller,
        id: &PrincipalId,
        action: PrincipalAction,
    ) -> Result<Arc<Principal>, Refusal> {
        let ends_sessions = match &action {
            PrincipalAction::Disable { .. } | PrincipalAction::Revoke { .. } => true,
            PrincipalAction::SetPassword { is_first, .. } => *is_first,
            PrincipalAction::Create(_)
            | PrincipalAction::Update { .. }
            | PrincipalAction::Enable { .. }
            | PrincipalAction::SetOneTimeCode { .. }
            | PrincipalAction::SignIn { .. }
            | PrincipalAction::Rotate { .. } => false,
        };
        let id = id.clone();
        let write = Write {
            change: Change::Office(OfficeChange::Principal { id, action }),
            request_id: None,
        };
        let applied = self.execute(caller, write).await?;
        let Applied::Entry(AnyEntry::Principal(principal)) = applied else {
            return Err(Refusal::new(Reason::Internal));
        };
        if ends_sessions {
            let desk = self.inner.desk.load();
            desk.sessions.end_all_of(&principal.id);
            desk.people.succeeded(&principal.id);
        }
        Ok(principal)
    }
}

/// Does `work`, which hashes, where it holds nobody up.
async fn hashed<T: Send + 'static>(
    desk: &Desk,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    let Ok(_waiting) = desk.waiting.try_acquire() else {
        return Err(Refusal::new(Reason::Overloaded).limit(HASHES_WAITING_MAX));
    };
    let internal = || Refusal::new(Reason::Internal);
    let _hashing = desk.hashing.acquire().await.map_err(|_| internal())?;
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| internal())
}

fn is_first(person: &Principal) -> bool {
    matches!(
        person.credential,
        Credential::Password { is_first: true, .. }
    )
}

/// The new password of a sign-in depends on the request alone: it is looked at
/// before anything is counted or used up.
fn check_new_password(request: &SignIn) -> Result<(), Refusal> {
    let SignIn {
        login,
        password,
        one_time_code: _,
        new_password,
    } = request;
    if new_password.is_empty() {
        return Ok(());
    }
    let name = login.rsplit_once('@').map_or(&**login, |(name, _)| name);
    if **new_password == **password {
        return Err(refuse_weak("new_password"));
    }
    check_strong(name, new_password, "new_password")
}

fn check_strong(name: &str, password: &str, field: &'static str) -> Result<(), Refusal> {
    if is_strong_password(name, password) {
        return Ok(());
    }
    Err(refuse_weak(field))
}

fn refuse_weak(field: &'static str) -> Refusal {
    let least = PASSWORD_CHARS.start();
    Refusal::new(Reason::PasswordWeak).field(field).limit(least)
}

/// The address, or of IPv6 the network that one client has.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) >> 64 << 64;
            IpAddr::V6(Ipv6Addr::from(network))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_of_ipv6_is_its_network() {
        let network = |text: &str| network_of(text.parse().expect("an address")).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("10.1.2.3"), "10.1.2.3");
        assert_eq!(network("::ffff:10.1.2.3"), "10.1.2.3");
    }
}
