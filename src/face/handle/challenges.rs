//! Requests that wait for proof: what was asked, and the nonce that was sent.
//!
//! A challenge serves once and for a minute. The table is bounded in number and
//! bytes; those that came over UDP, where a sender's address may be false, have
//! a table of their own, so that they displace nobody who came over TCP.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use crate::face::handle::reply::Digest;
use crate::face::handle::sessions::Session;
use crate::wire::handle::{ENVELOPE_BYTES, Envelope, Message};

/// Octets of a nonce (RFC 3652 §3.5.1).
pub(super) const NONCE_BYTES: usize = 16;
/// How long a challenge waits for its answer, as deployed servers let it.
pub(super) const LIFETIME: Duration = Duration::from_secs(60);

/// The part of a table, by number and by bytes, that one source may fill.
const SOURCE_SHARE: usize = 8;

/// A request that waits for proof.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    /// The request as it came: envelope and message, decrypted.
    pub(super) message: Vec<u8>,
    /// What the proof must cover.
    pub(super) nonce: [u8; NONCE_BYTES],
    /// Digest of the request, as it was sent.
    pub(super) digest: Digest,
    /// Who asked: only from there is the answer taken.
    pub(super) source: IpAddr,
    /// The session in which it was asked: the answer must come in the same one.
    pub(super) session: Option<Weak<Session>>,
}

impl Challenge {
    /// Whether it is of `session`, or of none.
    pub(super) fn is_of(&self, session: Option<&Arc<Session>>) -> bool {
        match (&self.session, session) {
            (None, None) => true,
            (Some(asked), Some(answered)) => asked
                .upgrade()
                .is_some_and(|own| Arc::ptr_eq(&own, answered)),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    /// Whether `message` (an envelope and what is behind it) is the same request,
    /// as a client sends it again: its code is another then.
    fn is_same(&self, message: &[u8]) -> bool {
        let parts = |message: &[u8]| {
            let envelope = Envelope::decode(message).ok()?;
            let behind = Message::decode(message.get(ENVELOPE_BYTES..)?).ok()?;
            Some((envelope.request_id, behind.signed.to_vec()))
        };
        parts(&self.message).is_some_and(|own| Some(own) == parts(message))
    }
}

/// Challenges by the session that their answers name.
#[derive(Debug)]
pub(super) struct Challenges {
    count_max: usize,
    bytes_max: usize,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    waiting: HashMap<u32, (u64, Duration, Challenge)>,
    /// Session and turn, oldest first; an entry whose turn is another is gone.
    order: VecDeque<(u32, u64)>,
    last_turn: u64,
    bytes: usize,
    /// Number and bytes of the challenges of each source.
    by_source: HashMap<IpAddr, (usize, usize)>,
}

impl Challenges {
    /// A table of at most `count_max` challenges and `bytes_max` bytes of
    /// requests; the oldest give way.
    pub(super) fn new(count_max: usize, bytes_max: usize) -> Self {
        Self {
            count_max: count_max.max(1),
            bytes_max,
            table: Mutex::default(),
        }
    }

    /// Keeps `challenge` for an answer that names `session_id`; whether its
    /// source has room left. An earlier one of the same session is dropped.
    pub(super) fn keep(&self, session_id: u32, challenge: Challenge, now: Duration) -> bool {
        let mut table = self.table.lock();
        table.expire(now);
        table.take(session_id);
        let bytes = challenge.message.len();
        let (count, held_bytes) = table
            .by_source
            .get(&challenge.source)
            .copied()
            .unwrap_or_default();
        let count_share = (self.count_max / SOURCE_SHARE).max(1);
        if count >= count_share || held_bytes + bytes > self.bytes_max / SOURCE_SHARE {
            return false;
        }
        while table.waiting.len() >= self.count_max || table.bytes + bytes > self.bytes_max {
            if !table.drop_oldest() {
                break;
            }
        }
        table.last_turn += 1;
        let turn = table.last_turn;
        table.bytes += bytes;
        // The oldest that gave way may have been of the same source.
        let held = table.by_source.entry(challenge.source).or_default();
        held.0 += 1;
        held.1 += bytes;
        table.order.push_back((session_id, turn));
        table.waiting.insert(session_id, (turn, now, challenge));
        true
    }

    /// The challenge of a session for an answer from `source`, which then is used
    /// up; `None` when there is none or its time has passed.
    pub(super) fn take(&self, session_id: u32, source: IpAddr, now: Duration) -> Option<Challenge> {
        let mut table = self.table.lock();
        let (_, _, waiting) = table.waiting.get(&session_id)?;
        if waiting.source != source {
            return None;
        }
        let (since, challenge) = table.take(session_id)?;
        (now.saturating_sub(since) < LIFETIME).then_some(challenge)
    }

    /// The challenge that waits for the very same request, so that a repeated one
    /// gets the same.
    pub(super) fn same(&self, session_id: u32, message: &[u8]) -> Option<Challenge> {
        let table = self.table.lock();
        let (_, _, challenge) = table.waiting.get(&session_id)?;
        challenge.is_same(message).then(|| challenge.clone())
    }

    /// Whether a challenge of this session waits.
    pub(super) fn has(&self, session_id: u32) -> bool {
        self.table.lock().waiting.contains_key(&session_id)
    }
}

impl Table {
    fn take(&mut self, session_id: u32) -> Option<(Duration, Challenge)> {
        let (_, since, challenge) = self.waiting.remove(&session_id)?;
        let bytes = challenge.message.len();
        self.bytes -= bytes;
        if let Some((count, held_bytes)) = self.by_source.get_mut(&challenge.source) {
            *count -= 1;
            *held_bytes -= bytes;
            if *count == 0 {
                self.by_source.remove(&challenge.source);
            }
        }
        // The order is swept when it has outgrown what waits.
        if self.order.len() > 2 * self.waiting.len() + 16 {
            let waiting = &self.waiting;
            let stays = |(id, turn): &(u32, u64)| waiting.get(id).is_some_and(|w| w.0 == *turn);
            self.order.retain(stays);
        }
        Some((since, challenge))
    }

    /// Whether there was one to drop.
    fn drop_oldest(&mut self) -> bool {
        while let Some((session_id, turn)) = self.order.pop_front() {
            if self.waiting.get(&session_id).is_some_and(|w| w.0 == turn) {
                self.take(session_id);
                return true;
            }
        }
        false
    }

    fn expire(&mut self, now: Duration) {
        while let Some((session_id, turn)) = self.order.front().copied() {
            match self.waiting.get(&session_id) {
                Some((of, since, _)) if *of == turn => {
                    if now.saturating_sub(*since) < LIFETIME {
                        return;
                    }
                    self.drop_oldest();
                }
                _ => {
                    self.order.pop_front();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const SECOND: Duration = Duration::from_secs(1);

    fn from(source: u8, bytes: usize) -> Challenge {
        Challenge {
            message: vec![7; bytes],
            nonce: [1; NONCE_BYTES],
            digest: Digest::default(),
            source: IpAddr::V4(Ipv4Addr::new(127, 0, 0, source)),
            session: None,
        }
    }

    #[test]
    fn serves_once_and_for_a_minute() {
        let all = Challenges::new(10, 1000);
        assert!(all.keep(5, from(1, 10), Duration::ZERO));
        let elsewhere = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));
        assert!(
            all.take(5, elsewhere, SECOND).is_none(),
            "from who asked only"
        );
        assert!(all.take(5, HERE, SECOND).is_some());
        assert!(all.take(5, HERE, SECOND).is_none(), "single use");
        assert!(all.keep(6, from(1, 10), Duration::ZERO));
        assert!(all.take(6, HERE, LIFETIME).is_none(), "too late");
        assert!(all.table.lock().by_source.is_empty());
    }

    #[test]
    fn the_oldest_give_way() {
        let all = Challenges::new(3, 800);
        for id in 1..=5 {
            let source = u8::try_from(id).expect("small");
            assert!(all.keep(id, from(source, 10), SECOND));
        }
        let left: Vec<u32> = (1..=5).filter(|id| all.has(*id)).collect();
        assert_eq!(left, [3, 4, 5]);
        assert!(all.keep(7, from(7, 1), 100 * SECOND));
        assert!(!all.has(5), "expired ones are swept");
        assert_eq!(all.table.lock().bytes, 1);
    }

    #[test]
    fn one_source_fills_its_share_only() {
        let all = Challenges::new(16, 800);
        assert!(all.keep(1, from(1, 10), SECOND) && all.keep(2, from(1, 10), SECOND));
        assert!(!all.keep(3, from(1, 10), SECOND), "by number");
        assert!(!all.keep(4, from(2, 101), SECOND), "by bytes");
        assert!(all.keep(5, from(2, 100), SECOND));
        assert!(all.keep(6, from(1, 10), 62 * SECOND), "the others are over");
    }

    #[test]
    fn what_gave_way_no_longer_counts() {
        let all = Challenges::new(8, 80_000);
        for id in 1..=1000 {
            let source = u8::try_from(id % 9).expect("small");
            all.keep(id, from(source, 10), SECOND);
        }
        assert!(
            all.keep(2000, from(100, 10), 100 * SECOND),
            "the others are over"
        );
        let table = all.table.lock();
        assert_eq!((table.by_source.len(), table.bytes), (1, 10));
    }

    #[test]
    fn its_order_does_not_grow_with_what_was_answered() {
        let all = Challenges::new(10, 1000);
        for id in 1..=10_000 {
            assert!(all.keep(id, from(1, 1), SECOND));
            assert!(all.take(id, HERE, SECOND).is_some());
        }
        assert!(all.table.lock().order.len() <= 20);
    }
}
