//! Sessions of people who signed in: a token that counts until it is unused for
//! a while, or old, or ended. In memory, so that a restart ends them all; the
//! time and chance are passed in.
//!
//! A session says which principal it is of and nothing else: role, scope and
//! state are looked up with each request.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::model::ids::PrincipalId;

/// Random octets of a session's id.
const ID_BYTES: usize = 8;
/// Random octets of its secret.
const SECRET_BYTES: usize = 32;
/// Random octets that a session is made of.
pub const SESSION_RANDOM_BYTES: usize = ID_BYTES + SECRET_BYTES;
/// Sessions of one principal at once; a further one ends its longest unused.
const SESSIONS_PER_PRINCIPAL_MAX: usize = 16;
/// What a session's token begins with, so that a leaked one is recognised.
const MARK: &str = "idnode_session_";
/// Characters of a secret in a token: 32 octets in base 32.
const SECRET_CHARS: usize = 52;

/// How long sessions count, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Sessions at once; a further one ends the longest unused.
    pub count_max: usize,
    /// Unused for so long, one ends.
    pub idle: Duration,
    /// So old, one ends however much it is used.
    pub age: Duration,
}

type Id = [u8; ID_BYTES];

/// All sessions.
#[derive(Debug)]
pub struct Sessions {
    limits: SessionLimits,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    by_id: HashMap<Id, Session>,
    /// Longest unused first.
    by_turn: BTreeMap<u64, Id>,
    /// Of each principal, longest unused first.
    by_principal: HashMap<PrincipalId, BTreeMap<u64, Id>>,
    last_turn: u64,
}

struct Session {
    principal: PrincipalId,
    /// SHA-256 of the secret.
    hash: [u8; 32],
    began: Duration,
    used: Duration,
    turn: u64,
}

/// A session that was opened.
pub struct NewSession {
    /// The token, shown once and kept nowhere.
    pub token: Zeroizing<String>,
    /// How long it counts unused.
    pub idle: Duration,
    /// How long it counts at most.
    pub age: Duration,
}

impl fmt::Debug for NewSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewSession").finish_non_exhaustive()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", self.by_id.len())
    }
}

impl Sessions {
    /// None are open.
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            table: Mutex::default(),
        }
    }

    /// Whether `token` looks like a session's, so that [`Sessions::principal`]
    /// is whom to ask.
    pub fn is_token(token: &str) -> bool {
        token.starts_with(MARK)
    }

    /// Opens a session of `principal`, made of `random` octets.
    pub fn open(
        &self,
        principal: &PrincipalId,
        random: &[u8; SESSION_RANDOM_BYTES],
        now: Duration,
    ) -> NewSession {
        let (id, secret) = random.split_at(ID_BYTES);
        let encoded = Zeroizing::new(BASE32_NOPAD.encode(secret).to_ascii_lowercase());
        // Room for everything, so that growing leaves no copy behind.
        let mut token = Zeroizing::new(String::with_capacity(128));
        token.push_str(MARK);
        token.push_str(&HEXLOWER.encode(id));
        token.push('_');
        token.push_str(&encoded);
        let SessionLimits {
            count_max,
            idle,
            age,
        } = self.limits;
        let mut table = self.table.lock();
        table.end_stale(self.limits, now);
        let own = table.by_principal.get(principal);
        if let Some(turns) = own.filter(|turns| turns.len() >= SESSIONS_PER_PRINCIPAL_MAX)
            && let Some(longest_unused) = turns.values().next().copied()
        {
            table.end(&longest_unused);
        }
        while table.by_id.len() >= count_max.max(1)
            && let Some(longest_unused) = table.by_turn.values().next().copied()
        {
            table.end(&longest_unused);
        }
        let mut id_octets = Id::default();
        id_octets.copy_from_slice(id);
        table.insert(id_octets, principal.clone(), sha256(secret), now);
        NewSession { token, idle, age }
    }

    /// Whose session `token` is; it counts as used at `now`.
    pub fn principal(&self, token: &str, now: Duration) -> Option<PrincipalId> {
        let (id, presented) = parse(token)?;
        let mut table = self.table.lock();
        let session = table.by_id.get(&id)?;
        verify_slices_are_equal(&session.hash, &presented).ok()?;
        if !session.counts(self.limits, now) {
            table.end(&id);
            return None;
        }
        table.touch(&id, now)
    }

    /// Ends the session of `token`; `false` if there is none.
    pub fn end(&self, token: &str) -> bool {
        let Some((id, presented)) = parse(token) else {
            return false;
        };
        let mut table = self.table.lock();
        let session = table.by_id.get(&id);
        let is_its_own =
            session.is_some_and(|s| verify_slices_are_equal(&s.hash, &presented).is_ok());
        if is_its_own {
            table.end(&id);
        }
        is_its_own
    }

    /// Ends every session of `principal`; how many there were.
    pub fn end_all_of(&self, principal: &PrincipalId) -> usize {
        let mut table = self.table.lock();
        let own = table.by_principal.get(principal);
        let ids = own.map_or_else(Vec::new, |turns| turns.values().copied().collect());
        ids.iter().for_each(|id| table.end(id));
        ids.len()
    }

    /// Ends every session of `principal` but that of `token`.
    pub fn end_others_of(&self, principal: &PrincipalId, token: &str) {
        let kept = parse(token).map(|(id, _)| id);
        let mut table = self.table.lock();
        let own = table.by_principal.get(principal);
        let ids = own.map_or_else(Vec::new, |turns| turns.values().copied().collect());
        let others = ids.iter().filter(|id| Some(**id) != kept);
        others.for_each(|id| table.end(id));
    }

    /// How many are open, those included that nobody has found stale yet.
    pub fn count(&self) -> usize {
        self.table.lock().by_id.len()
    }
}

impl Session {
    fn counts(&self, limits: SessionLimits, now: Duration) -> bool {
        now.saturating_sub(self.used) < limits.idle && now.saturating_sub(self.began) < limits.age
    }
}

impl Table {
    fn insert(&mut self, id: Id, principal: PrincipalId, hash: [u8; 32], now: Duration) {
        self.end(&id);
        self.last_turn += 1;
        let turn = self.last_turn;
        self.by_turn.insert(turn, id);
        let own = self.by_principal.entry(principal.clone()).or_default();
        own.insert(turn, id);
        let session = Session {
            principal,
            hash,
            began: now,
            used: now,
            turn,
        };
        self.by_id.insert(id, session);
    }

    fn touch(&mut self, id: &Id, now: Duration) -> Option<PrincipalId> {
        let Self {
            by_id,
            by_turn,
            by_principal,
            last_turn,
        } = self;
        let session = by_id.get_mut(id)?;
        *last_turn += 1;
        let before = std::mem::replace(&mut session.turn, *last_turn);
        session.used = now;
        by_turn.remove(&before);
        by_turn.insert(*last_turn, *id);
        if let Some(own) = by_principal.get_mut(&session.principal) {
            own.remove(&before);
            own.insert(*last_turn, *id);
        }
        Some(session.principal.clone())
    }

    fn end(&mut self, id: &Id) {
        let Some(session) = self.by_id.remove(id) else {
            return;
        };
        self.by_turn.remove(&session.turn);
        if let Some(own) = self.by_principal.get_mut(&session.principal) {
            own.remove(&session.turn);
            if own.is_empty() {
                self.by_principal.remove(&session.principal);
            }
        }
    }

    /// Ends those at the head of the queue that count no longer: all that are
    /// unused for too long, since they are in that order.
    fn end_stale(&mut self, limits: SessionLimits, now: Duration) {
        while let Some(id) = self.by_turn.values().next().copied()
            && self.by_id.get(&id).is_some_and(|s| !s.counts(limits, now))
        {
            self.end(&id);
        }
    }
}

/// The id and the hash of the secret of a session's token.
fn parse(token: &str) -> Option<(Id, [u8; 32])> {
    let (id, secret) = token.strip_prefix(MARK)?.split_once('_')?;
    if id.len() != 2 * ID_BYTES || secret.len() != SECRET_CHARS {
        return None;
    }
    let id = HEXLOWER.decode(id.as_bytes()).ok()?;
    let upper = Zeroizing::new(secret.to_ascii_uppercase());
    let secret = BASE32_NOPAD.decode(upper.as_bytes()).ok()?;
    let secret = Zeroizing::new(secret);
    Some((Id::try_from(id).ok()?, sha256(&secret)))
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, octets).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: SessionLimits = SessionLimits {
        count_max: 20,
        idle: Duration::from_secs(100),
        age: Duration::from_secs(1000),
    };

    fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn id(text: &str) -> PrincipalId {
        PrincipalId::parse(text).expect("an id")
    }

    /// A session of `principal`, different for each `seed`.
    fn open(sessions: &Sessions, principal: &str, seed: u8, now: u64) -> String {
        let random = [seed; SESSION_RANDOM_BYTES];
        let session = sessions.open(&id(principal), &random, at(now));
        assert_eq!(format!("{session:?}"), "NewSession { .. }");
        session.token.as_str().to_owned()
    }

    fn check(sessions: &Sessions, token: &str, now: u64, expected: Option<&str>) {
        let found = sessions.principal(token, at(now));
        assert_eq!(found, expected.map(id), "at {now}");
    }

    #[test]
    fn ends_when_unused_when_old_and_when_told() {
        let sessions = Sessions::new(LIMITS);
        let token = open(&sessions, "wang", 1, 0);
        for now in (0..1000).step_by(99) {
            check(&sessions, &token, now, Some("wang"));
        }
        check(&sessions, &token, 1000, None);
        check(&sessions, &token, 999, None);
        let token = open(&sessions, "wang", 2, 0);
        check(&sessions, &token, 100, None);
        let token = open(&sessions, "wang", 3, 0);
        assert!(sessions.end(&token));
        assert!(!sessions.end(&token));
        check(&sessions, &token, 0, None);
        assert_eq!(sessions.count(), 0);
    }

    #[test]
    fn only_the_whole_token_counts() {
        let sessions = Sessions::new(LIMITS);
        let token = open(&sessions, "wang", 1, 0);
        let other = open(&sessions, "li", 2, 0);
        let (head, secret) = token.rsplit_once('_').expect("a token");
        let (_, other_secret) = other.rsplit_once('_').expect("a token");
        let swapped = format!("{head}_{other_secret}");
        let longer = format!("{token}a");
        let (_, cut) = token.split_at(1);
        for wrong in ["", MARK, head, secret, &swapped, &longer, cut] {
            check(&sessions, wrong, 0, None);
            assert!(!sessions.end(wrong));
        }
        assert!(Sessions::is_token(&token) && !Sessions::is_token("idnode_share_1_2"));
        check(&sessions, &token, 0, Some("wang"));
        assert!(!format!("{sessions:?}").contains(secret));
    }

    #[test]
    fn the_longest_unused_gives_way() {
        let sessions = Sessions::new(LIMITS);
        let tokens = (0..16).map(|seed| open(&sessions, "wang", seed, 0));
        let tokens = tokens.collect::<Vec<_>>();
        check(&sessions, &tokens[0], 1, Some("wang"));
        open(&sessions, "wang", 16, 2);
        check(&sessions, &tokens[0], 3, Some("wang"));
        check(&sessions, &tokens[1], 3, None);
        for seed in 17..40 {
            open(&sessions, &format!("other-{seed}"), seed, 4);
            assert!(sessions.count() <= 20);
        }
        check(&sessions, &tokens[0], 5, None);
        assert_eq!(sessions.end_all_of(&id("wang")), 0);
        let kept = open(&sessions, "li", 41, 6);
        let other = open(&sessions, "li", 42, 6);
        sessions.end_others_of(&id("li"), &kept);
        check(&sessions, &kept, 6, Some("li"));
        check(&sessions, &other, 6, None);
        assert_eq!(sessions.end_all_of(&id("other-39")), 1);
        let table = sessions.table.lock();
        assert_eq!(table.by_id.len(), table.by_turn.len());
        assert_eq!(table.by_id.len(), table.by_principal.len());
    }

    #[test]
    fn stale_ones_are_swept_when_others_open() {
        let sessions = Sessions::new(LIMITS);
        (0..10).for_each(|seed| drop(open(&sessions, "wang", seed, 0)));
        open(&sessions, "li", 10, 100);
        assert_eq!(sessions.count(), 1);
    }
}
