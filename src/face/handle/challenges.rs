//! Requests that wait for proof: what was asked, and the nonce that was sent.
//!
//! A challenge serves once and for a minute. The table is bounded in number and
//! bytes; those that came over UDP, where a sender's address may be false, have
//! a table of their own, so that they displace nobody who came over TCP.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use parking_lot::Mutex;

use crate::face::handle::reply::Digest;

/// Octets of a nonce (RFC 3652 §3.5.1).
pub(super) const NONCE_BYTES: usize = 16;
/// How long a challenge waits for its answer, as deployed servers let it.
const LIFETIME: Duration = Duration::from_secs(60);

/// A request that waits for proof.
#[derive(Clone, Debug)]
pub(super) struct Challenge {
    /// The request as it came: envelope and message, decrypted.
    pub(super) message: Vec<u8>,
    /// What the proof must cover.
    pub(super) nonce: [u8; NONCE_BYTES],
    /// Digest of the request, as it was sent.
    pub(super) digest: Digest,
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

    /// Keeps `challenge` for an answer that names `session_id`. An earlier one
    /// of the same session is dropped.
    pub(super) fn keep(&self, session_id: u32, challenge: Challenge, now: Duration) {
        let mut table = self.table.lock();
        table.take(session_id);
        let bytes = challenge.message.len();
        while table.waiting.len() >= self.count_max || table.bytes + bytes > self.bytes_max {
            if !table.drop_oldest() {
                break;
            }
        }
        table.expire(now);
        table.last_turn += 1;
        let turn = table.last_turn;
        table.bytes += bytes;
        table.order.push_back((session_id, turn));
        table.waiting.insert(session_id, (turn, now, challenge));
    }

    /// The challenge of a session, which then is used up; `None` when there is
    /// none or its time has passed.
    pub(super) fn take(&self, session_id: u32, now: Duration) -> Option<Challenge> {
        let mut table = self.table.lock();
        let (since, challenge) = table.take(session_id)?;
        (now.saturating_sub(since) < LIFETIME).then_some(challenge)
    }

    /// The nonce that waits for the very same request, so that a repeated one
    /// gets the same challenge.
    pub(super) fn same(&self, session_id: u32, message: &[u8]) -> Option<Challenge> {
        let table = self.table.lock();
        let (_, _, challenge) = table.waiting.get(&session_id)?;
        (challenge.message == message).then(|| challenge.clone())
    }

    /// Whether a challenge of this session waits.
    pub(super) fn has(&self, session_id: u32) -> bool {
        self.table.lock().waiting.contains_key(&session_id)
    }
}

impl Table {
    fn take(&mut self, session_id: u32) -> Option<(Duration, Challenge)> {
        let (_, since, challenge) = self.waiting.remove(&session_id)?;
        self.bytes -= challenge.message.len();
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
    use super::*;

    fn challenge(bytes: usize) -> Challenge {
        Challenge {
            message: vec![7; bytes],
            nonce: [1; NONCE_BYTES],
            digest: Digest::default(),
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn serves_once_and_for_a_minute() {
        let all = Challenges::new(10, 1000);
        all.keep(5, challenge(10), Duration::ZERO);
        assert!(all.same(5, &[7; 10]).is_some() && all.same(5, &[7; 9]).is_none());
        assert!(all.take(5, SECOND).is_some());
        assert!(all.take(5, SECOND).is_none(), "single use");
        all.keep(6, challenge(10), Duration::ZERO);
        assert!(all.take(6, LIFETIME).is_none(), "too late");
    }

    #[test]
    fn the_oldest_give_way() {
        let all = Challenges::new(3, 100);
        for id in 1..=5 {
            all.keep(id, challenge(10), SECOND);
        }
        let left: Vec<u32> = (1..=5).filter(|id| all.has(*id)).collect();
        assert_eq!(left, [3, 4, 5]);
        all.keep(6, challenge(95), SECOND);
        let left: Vec<u32> = (1..=6).filter(|id| all.has(*id)).collect();
        assert_eq!(left, [6], "bounded by bytes too");
        all.keep(7, challenge(1), 100 * SECOND);
        assert!(!all.has(6), "expired ones are swept");
        assert_eq!(all.table.lock().bytes, 1);
    }

    #[test]
    fn its_order_does_not_grow_with_what_was_answered() {
        let all = Challenges::new(10, 1000);
        for id in 1..=10_000 {
            all.keep(id, challenge(1), SECOND);
            assert!(all.take(id, SECOND).is_some());
        }
        assert!(all.table.lock().order.len() <= 20);
    }
}
