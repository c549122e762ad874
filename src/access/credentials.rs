//! From what a caller shows to the principal that it is: an application's key, a
//! session's token, a client's certificate.
//!
//! Whatever does not count (unknown, disabled, revoked, expired, from another
//! network) is refused alike: the caller learns nothing of what it may have found
//! or stolen.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use zeroize::Zeroizing;

use crate::access::{Principals, Sessions};
use crate::model::{
    Caller, Credential, Member, Operator, Party, Principal, PrincipalId, PrincipalState, Reason,
    Refusal, Scope, Timestamp, Who,
};

/// Random octets of a key's secret.
pub const KEY_SECRET_BYTES: usize = 32;
/// What a token begins with, so that a leaked one is recognised.
const MARK: &str = "idnode_";
/// Characters of a token that is looked at; a longer one is none.
const TOKEN_CHARS_MAX: usize = 192;
/// Digits of a certificate's digest in the id of its principal: 160 bits.
const CERTIFICATE_ID_DIGITS: usize = 40;

/// What a caller shows, and from where.
#[derive(Clone, Copy, Default)]
pub struct Presented<'a> {
    /// The token behind `authorization: Bearer`.
    pub bearer: Option<&'a str>,
    /// SHA-256 of the certificate whose key it proved to hold.
    pub certificate: Option<[u8; 32]>,
    /// The address that it calls from; `None` from inside the node.
    pub source: Option<IpAddr>,
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field("bearer", &self.bearer.is_some())
            .field("certificate", &self.certificate.is_some())
            .finish_non_exhaustive()
    }
}

/// A key's secret that was made. The text is shown once and kept nowhere.
pub struct NewSecret {
    /// SHA-256 of the secret, which is stored.
    pub hash: [u8; 32],
    /// The key: `idnode_<id>_<secret>`.
    pub text: Zeroizing<String>,
}

impl fmt::Debug for NewSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSecret").finish_non_exhaustive()
    }
}

impl NewSecret {
    /// A secret of the key `id`, made of random octets.
    pub fn new(id: &PrincipalId, random: &[u8; KEY_SECRET_BYTES]) -> Self {
        let encoded = Zeroizing::new(BASE32_NOPAD.encode(random));
        let encoded = Zeroizing::new(encoded.to_ascii_lowercase());
        // Room for everything, so that growing leaves no copy behind.
        let mut text = Zeroizing::new(String::with_capacity(TOKEN_CHARS_MAX));
        text.push_str(MARK);
        text.push_str(id.as_str());
        text.push('_');
        text.push_str(&encoded);
        let hash = sha256(random);
        Self { hash, text }
    }
}

/// The id of the principal that proves itself by the certificate with this digest.
///
/// # Errors
/// None that can come up: hexadecimal digits are an id.
pub fn certificate_id(fingerprint: &[u8; 32]) -> Result<PrincipalId, Refusal> {
    let digits = HEXLOWER.encode(fingerprint);
    let digits = digits.get(..CERTIFICATE_ID_DIGITS).unwrap_or_default();
    PrincipalId::parse(&format!("c-{digits}"))
}

/// The principal whose key `token` is, if the secret is right, or the one before
/// it still counts.
fn by_key(token: &str, principals: &dyn Principals, now: Timestamp) -> Option<Arc<Principal>> {
    let (id, secret) = token.strip_prefix(MARK)?.split_once('_')?;
    let upper = Zeroizing::new(secret.to_ascii_uppercase());
    let secret = Zeroizing::new(BASE32_NOPAD.decode(upper.as_bytes()).ok()?);
    let presented = sha256(&secret);
    let principal = principals.principal(id)?;
    let Credential::Key { hash, previous } = &principal.credential else {
        return None;
    };
    let is = |hash: &[u8; 32]| verify_slices_are_equal(hash, &presented).is_ok();
    let is_previous = |(hash, until): &([u8; 32], Timestamp)| now < *until && is(hash);
    (is(hash) || previous.as_ref().is_some_and(is_previous)).then_some(principal)
}

/// The principal that proves itself by the certificate with this digest.
fn by_certificate(fingerprint: &[u8; 32], principals: &dyn Principals) -> Option<Arc<Principal>> {
    let id = certificate_id(fingerprint).ok()?;
    let principal = principals.principal(id.as_str())?;
    let is_it = match &principal.credential {
        Credential::Certificate { fingerprint: known } => known == fingerprint,
        Credential::Password { .. } | Credential::Key { .. } => false,
    };
    is_it.then_some(principal)
}

/// The principal that `presented` proves, and whether it counts; `None` for what
/// proves nothing: no token, and no certificate that is registered.
///
/// `sessions` come with the time since some fixed moment.
///
/// # Errors
/// [`Reason::KeyInvalid`].
pub fn identify(
    presented: &Presented<'_>,
    principals: &dyn Principals,
    (sessions, elapsed): (&Sessions, std::time::Duration),
    now: Timestamp,
) -> Result<Option<Arc<Principal>>, Refusal> {
    let invalid = || Refusal::new(Reason::KeyInvalid);
    let found = match (presented.bearer, presented.certificate) {
        (Some(token), _) if token.len() > TOKEN_CHARS_MAX => return Err(invalid()),
        (Some(token), _) if Sessions::is_token(token) => {
            let id = sessions.principal(token, elapsed);
            let principal = id.and_then(|id| principals.principal(id.as_str()));
            Some(principal.ok_or_else(invalid)?)
        }
        (Some(token), _) => Some(by_key(token, principals, now).ok_or_else(invalid)?),
        (None, Some(fingerprint)) => by_certificate(&fingerprint, principals),
        (None, None) => None,
    };
    let Some(principal) = found else {
        return Ok(None);
    };
    if counts(&principal, now) && may_call_from(&principal.scope, presented.source) {
        return Ok(Some(principal));
    }
    Err(invalid())
}

/// Whether `principal` counts at `now`.
pub fn counts(principal: &Principal, now: Timestamp) -> bool {
    principal.state == PrincipalState::Active
        && principal.scope.expires.is_none_or(|until| now < until)
}

/// Whether `scope` allows calls from `source`; what comes from inside the node is
/// from none of its networks.
pub fn may_call_from(scope: &Scope, source: Option<IpAddr>) -> bool {
    // An IPv4 client of a socket for both families.
    let source = source.map(|source| source.to_canonical());
    let has = |address: IpAddr| scope.networks.iter().any(|net| net.contains(&address));
    scope.networks.is_empty() || source.is_some_and(has)
}

/// The caller that `principal` is.
pub fn caller_of(principal: &Principal, source: Option<IpAddr>) -> Caller {
    let who = match &principal.party {
        Party::Node(role) => Who::Operator(Operator {
            id: principal.id.as_str().into(),
            role: *role,
        }),
        Party::Firm { firm, role } => Who::Member(Member {
            principal: principal.id.clone(),
            firm: firm.clone(),
            role: *role,
            scope: Arc::new(principal.scope.clone()),
        }),
    };
    Caller { who, source }
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, octets).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::*;
    use crate::access::{SESSION_RANDOM_BYTES, SessionLimits};
    use crate::model::{FirmId, FirmRole, NodeRole};

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    struct Known(HashMap<String, Arc<Principal>>);

    impl Principals for Known {
        fn principal(&self, id: &str) -> Option<Arc<Principal>> {
            self.0.get(id).cloned()
        }
    }

    /// One principal and a session of it.
    struct World {
        known: Known,
        sessions: Sessions,
    }

    impl World {
        fn new(principal: Principal) -> Self {
            let sessions = Sessions::new(SessionLimits {
                count_max: 10,
                idle: Duration::from_secs(10),
                age: Duration::from_secs(100),
            });
            let id = principal.id.as_str().to_owned();
            let known = Known(HashMap::from([(id, Arc::new(principal))]));
            Self { known, sessions }
        }

        fn identify(&self, presented: &Presented<'_>) -> Result<Option<String>, Reason> {
            let sessions = (&self.sessions, Duration::ZERO);
            let found = identify(presented, &self.known, sessions, NOW);
            let id = |principal: Arc<Principal>| principal.id.to_string();
            found
                .map(|found| found.map(id))
                .map_err(|refusal| refusal.reason())
        }

        fn by_token(&self, token: &str) -> Result<Option<String>, Reason> {
            self.identify(&Presented {
                bearer: Some(token),
                ..Presented::default()
            })
        }
    }

    fn id(text: &str) -> PrincipalId {
        PrincipalId::parse(text).expect("an id")
    }

    fn principal(name: &str, credential: Credential) -> Principal {
        Principal {
            id: id(name),
            party: Party::Firm {
                firm: FirmId::parse("f-1").expect("an id"),
                role: FirmRole::Registrar,
            },
            name: "ERP".into(),
            credential,
            scope: Scope::default(),
            state: PrincipalState::Active,
            revision: 1,
            created: NOW,
            changed: NOW,
        }
    }

    fn key(name: &str, seed: u8) -> (Principal, NewSecret) {
        let secret = NewSecret::new(&id(name), &[seed; KEY_SECRET_BYTES]);
        let credential = Credential::Key {
            hash: secret.hash,
            previous: None,
        };
        (principal(name, credential), secret)
    }

    const FOUND: Result<Option<&str>, Reason> = Ok(Some("k1"));
    const INVALID: Result<Option<&str>, Reason> = Err(Reason::KeyInvalid);

    fn check(seen: &Result<Option<String>, Reason>, expected: Result<Option<&str>, Reason>) {
        assert_eq!(*seen, expected.map(|id| id.map(str::to_owned)));
    }

    #[test]
    fn knows_its_own_keys_only() {
        let (known, secret) = key("k1", 7);
        let (_, other) = key("k2", 8);
        let world = World::new(known);
        check(&world.by_token(&secret.text), FOUND);
        check(&world.identify(&Presented::default()), Ok(None));
        let swapped = other.text.replace("k2", "k1");
        let cut = secret.text.strip_suffix(|_: char| true).unwrap_or_default();
        let long = "x".repeat(1000);
        let missing = "idnode_k1_";
        for token in [
            "",
            "idnode",
            "idnode__",
            &other.text,
            &swapped,
            cut,
            &long,
            missing,
        ] {
            check(&world.by_token(token), INVALID);
        }
        assert!(!format!("{secret:?}").contains("idnode_"));
    }

    #[test]
    fn two_secrets_count_while_they_overlap() {
        let (_, old) = key("k1", 7);
        let (mut rotated, new) = key("k1", 8);
        let until = |millis| Credential::Key {
            hash: new.hash,
            previous: Some((old.hash, Timestamp::from_millis(millis))),
        };
        rotated.credential = until(1_000_001);
        let world = World::new(rotated.clone());
        check(&world.by_token(&old.text), FOUND);
        check(&world.by_token(&new.text), FOUND);
        rotated.credential = until(1_000_000);
        let world = World::new(rotated);
        check(&world.by_token(&old.text), INVALID);
        check(&world.by_token(&new.text), FOUND);
    }

    #[test]
    fn what_does_not_count_is_refused_alike() {
        let disabled = PrincipalState::Disabled {
            reason: "left".into(),
        };
        for change in [
            &(|p: &mut Principal| p.state = PrincipalState::Revoked) as &dyn Fn(&mut Principal),
            &|p| p.state = disabled.clone(),
            &|p| p.scope.expires = Some(NOW),
            &|p| p.scope.networks = vec!["10.0.0.0/8".parse().expect("a network")],
        ] {
            let (mut changed, secret) = key("k1", 7);
            change(&mut changed);
            check(&World::new(changed).by_token(&secret.text), INVALID);
        }
        let (mut later, secret) = key("k1", 7);
        later.scope.expires = Some(Timestamp::from_millis(1_000_001));
        check(&World::new(later).by_token(&secret.text), FOUND);
    }

    #[test]
    fn networks_confine() {
        let (mut confined, secret) = key("k1", 7);
        let networks = ["10.1.0.0/16", "2001:db8::/32"];
        confined.scope.networks = networks.map(|net| net.parse().expect("a network")).into();
        let world = World::new(confined);
        for (source, expected) in [
            ("10.1.2.3", FOUND),
            ("::ffff:10.1.2.3", FOUND),
            ("2001:db8::7", FOUND),
            ("10.2.0.1", INVALID),
            ("::1", INVALID),
        ] {
            let presented = Presented {
                bearer: Some(&secret.text),
                source: Some(source.parse().expect("an address")),
                ..Presented::default()
            };
            check(&world.identify(&presented), expected);
        }
    }

    #[test]
    fn a_certificate_is_its_principal_and_a_token_goes_before_it() {
        let fingerprint = [9; 32];
        let own = certificate_id(&fingerprint).expect("an id");
        let credential = Credential::Certificate { fingerprint };
        let world = World::new(principal(own.as_str(), credential));
        let mut presented = Presented {
            certificate: Some(fingerprint),
            ..Presented::default()
        };
        check(&world.identify(&presented), Ok(Some(own.as_str())));
        // The same in the digits that the id has, and not in the rest.
        let mut other = fingerprint;
        other[31] = 0;
        presented.certificate = Some(other);
        check(&world.identify(&presented), Ok(None));
        presented.bearer = Some("idnode_k1_aaaa");
        check(&world.identify(&presented), INVALID);
    }

    #[test]
    fn a_session_is_its_principal_as_it_is_now() {
        let password = Credential::Password {
            hash: String::new(),
            one_time_code: false,
            is_first: false,
            used_step: 0,
        };
        let mut person = principal("k1", password);
        let open = |world: &World, of: &str| {
            let random = [3; SESSION_RANDOM_BYTES];
            world.sessions.open(&id(of), &random, Duration::ZERO).token
        };
        let world = World::new(person.clone());
        check(&world.by_token(&open(&world, "k1")), FOUND);
        check(&world.by_token(&open(&world, "k2")), INVALID);
        person.state = PrincipalState::Revoked;
        let world = World::new(person);
        check(&world.by_token(&open(&world, "k1")), INVALID);
    }

    #[test]
    fn a_caller_is_what_its_principal_is() {
        let (mut known, _) = key("k1", 7);
        let caller = caller_of(&known, None);
        assert_eq!((caller.name(), caller.is_operator()), ("k1", false));
        known.party = Party::Node(NodeRole::SystemAdministrator);
        let caller = caller_of(&known, None);
        assert_eq!((caller.name(), caller.is_operator()), ("k1", true));
    }
}
