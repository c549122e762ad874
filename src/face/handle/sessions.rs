//! Sessions: a key that client and node share, and who the client proved to be
//! (Handle protocol as deployed; RFC 3652 §3.7).
//!
//! Bounded in number, and per source address, so that one client cannot take
//! all places; the longest unused gives way.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::crypto::SessionKey;
use crate::model::Caller;

/// How far a counter may lie behind the highest that was seen.
const WINDOW: u32 = 256;
const WORDS: usize = 4;
/// Sessions of one source address, as a share of all.
const SOURCE_SHARE: usize = 8;

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    /// Its number, from 1 to 2^31 - 1: deployed clients take it as signed.
    pub(super) id: u32,
    /// What its messages are authenticated and encrypted with.
    pub(super) key: SessionKey,
    timeout: Duration,
    source: IpAddr,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    caller: Caller,
    seen: Seen,
}

impl Session {
    /// Who the client proved to be.
    pub(super) fn caller(&self) -> Caller {
        self.state.lock().caller.clone()
    }

    /// The client proved to be `caller`.
    pub(super) fn set_caller(&self, caller: Caller) {
        self.state.lock().caller = caller;
    }

    /// Takes note of a counter; `false` if it was seen before, or is so far
    /// behind that this cannot be known.
    pub(super) fn take_counter(&self, counter: u32) -> bool {
        self.state.lock().seen.take(counter)
    }
}

/// Which counters were seen: the highest, and those shortly before it.
#[derive(Debug, Default)]
struct Seen {
    highest: u32,
    /// Bit n: whether `highest - n` was seen.
    bits: [u64; WORDS],
}

impl Seen {
    fn take(&mut self, counter: u32) -> bool {
        if counter == 0 {
            return false;
        }
        if counter > self.highest {
            self.shift(counter - self.highest);
            self.highest = counter;
            return self.mark(0);
        }
        self.mark(self.highest - counter)
    }

    /// Sets bit `back`; `false` if it was set or is out of the window.
    fn mark(&mut self, back: u32) -> bool {
        let word = usize::try_from(back / 64).unwrap_or(usize::MAX);
        let Some(word) = self.bits.get_mut(word) else {
            return false;
        };
        let bit = 1 << (back % 64);
        let fresh = *word & bit == 0;
        *word |= bit;
        fresh
    }

    fn shift(&mut self, by: u32) {
        if by >= WINDOW {
            self.bits = [0; WORDS];
            return;
        }
        let words = usize::try_from(by / 64).unwrap_or(WORDS);
        let bits = by % 64;
        let old = self.bits;
        let word = |at: Option<usize>| at.and_then(|at| old.get(at)).copied().unwrap_or(0);
        for (at, new) in self.bits.iter_mut().enumerate() {
            let low = word(at.checked_sub(words));
            let carried = word(at.checked_sub(words + 1));
            *new = if bits == 0 {
                low
            } else {
                low << bits | carried >> (64 - bits)
            };
        }
    }
}

/// What a new session is made of.
#[derive(Debug)]
pub(super) struct Opening {
    /// The key that was agreed on.
    pub(super) key: SessionKey,
    /// Whose share of the sessions it takes.
    pub(super) source: IpAddr,
    /// How long the client wants it to live unused.
    pub(super) timeout: Duration,
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    count_max: usize,
    timeout_max: Duration,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<u32, Place>,
    /// Longest unused first.
    by_turn: BTreeMap<u64, u32>,
    by_source: HashMap<IpAddr, usize>,
    last_turn: u64,
}

#[derive(Debug)]
struct Place {
    session: Arc<Session>,
    turn: u64,
    used: Duration,
}

impl Sessions {
    /// At most `count_max` sessions, each ended when unused for `timeout_max`,
    /// or sooner if its client wished so.
    pub(super) fn new(count_max: usize, timeout_max: Duration) -> Self {
        Self {
            count_max: count_max.max(1),
            timeout_max,
            table: Mutex::default(),
        }
    }

    /// Opens a session. Its number is made of `random`, free and not small:
    /// clients that choose numbers for themselves count from 10,001.
    pub(super) fn open(
        &self,
        opening: Opening,
        now: Duration,
        random: &mut dyn FnMut() -> u32,
    ) -> Arc<Session> {
        let Opening {
            key,
            source,
            timeout,
        } = opening;
        let mut table = self.table.lock();
        let share = (self.count_max / SOURCE_SHARE).max(1);
        if table.by_source.get(&source).is_some_and(|n| *n >= share) {
            table.drop_oldest(Some(source));
        }
        if table.by_id.len() >= self.count_max {
            table.drop_oldest(None);
        }
        let id = loop {
            let id = session_id(random());
            if !table.by_id.contains_key(&id) {
                break id;
            }
        };
        let session = Arc::new(Session {
            id,
            key,
            timeout: timeout.min(self.timeout_max),
            source,
            state: Mutex::new(State {
                caller: Caller::Anonymous,
                seen: Seen::default(),
            }),
        });
        table.insert(Arc::clone(&session), now);
        session
    }

    /// The session with this number, if it has not ended; it counts as used.
    pub(super) fn find(&self, id: u32, now: Duration) -> Option<Arc<Session>> {
        let mut table = self.table.lock();
        let place = table.by_id.get(&id)?;
        if now.saturating_sub(place.used) >= place.session.timeout {
            table.remove(id);
            return None;
        }
        table.touch(id, now)
    }

    /// Ends a session; whether there was one.
    pub(super) fn close(&self, id: u32) -> bool {
        self.table.lock().remove(id)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.table.lock().by_id.len()
    }
}

/// A number for a session or a challenge, from random bits.
pub(super) fn session_id(random: u32) -> u32 {
    const SMALLEST: u32 = 1 << 24;
    random & 0x7fff_ffff | SMALLEST
}

impl Table {
    fn next_turn(&mut self) -> u64 {
        self.last_turn += 1;
        self.last_turn
    }

    fn insert(&mut self, session: Arc<Session>, now: Duration) {
        let turn = self.next_turn();
        self.by_turn.insert(turn, session.id);
        *self.by_source.entry(session.source).or_default() += 1;
        let used = now;
        let id = session.id;
        let place = Place {
            session,
            turn,
            used,
        };
        self.by_id.insert(id, place);
    }

    fn touch(&mut self, id: u32, now: Duration) -> Option<Arc<Session>> {
        let next = self.next_turn();
        let place = self.by_id.get_mut(&id)?;
        self.by_turn.remove(&place.turn);
        place.turn = next;
        place.used = now;
        self.by_turn.insert(next, id);
        Some(Arc::clone(&place.session))
    }

    fn remove(&mut self, id: u32) -> bool {
        let Some(place) = self.by_id.remove(&id) else {
            return false;
        };
        self.by_turn.remove(&place.turn);
        let source = place.session.source;
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
        true
    }

    fn drop_oldest(&mut self, source: Option<IpAddr>) {
        let is_meant = |id: &&u32| {
            let of = |wanted| {
                self.by_id
                    .get(id)
                    .is_some_and(|p| p.session.source == wanted)
            };
            source.is_none_or(of)
        };
        if let Some(id) = self.by_turn.values().find(is_meant).copied() {
            self.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn open(all: &Sessions, source: u8, now: Duration) -> u32 {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let mut random = || LAST.fetch_add(1, Ordering::Relaxed);
        let source = IpAddr::V4(Ipv4Addr::new(10, 0, 0, source));
        let opening = Opening {
            key: SessionKey::new(&[7; 32]),
            source,
            timeout: HOUR,
        };
        all.open(opening, now, &mut random).id
    }

    #[test]
    fn counters_serve_once_within_a_window() {
        let mut seen = Seen::default();
        assert!(!seen.take(0));
        assert!(seen.take(1) && !seen.take(1));
        assert!(seen.take(3) && seen.take(2) && !seen.take(2) && !seen.take(3));
        assert!(seen.take(300));
        assert!(!seen.take(300 - WINDOW), "too far behind to be known");
        assert!(seen.take(300 - WINDOW + 1) && !seen.take(300 - WINDOW + 1));
        assert!(seen.take(u32::MAX) && !seen.take(u32::MAX) && seen.take(u32::MAX - 1));
    }

    #[test]
    fn shifting_keeps_what_was_seen() {
        for step in [1, 7, 63, 64, 65, 127, 128, 200] {
            let mut seen = Seen::default();
            assert!(seen.take(1) && seen.take(1 + step));
            assert!(!seen.take(1), "step {step}");
            assert!(!seen.take(1 + step));
            assert!(seen.take(step) != (step == 1), "step {step}");
        }
    }

    #[test]
    fn ends_what_is_unused() {
        let all = Sessions::new(16, HOUR);
        let id = open(&all, 1, Duration::ZERO);
        assert!(all.find(id, HOUR / 2).is_some());
        assert!(all.find(id, HOUR).is_some(), "used half an hour ago");
        assert!(all.find(id, 3 * HOUR).is_none());
        assert_eq!(all.count(), 0);
        assert!(!all.close(id));
    }

    #[test]
    fn one_source_cannot_take_all_places() {
        let all = Sessions::new(16, HOUR);
        let other = open(&all, 2, Duration::ZERO);
        let ids: Vec<u32> = (0..10).map(|_| open(&all, 1, Duration::ZERO)).collect();
        assert_eq!(all.count(), 3);
        assert!(all.find(other, Duration::ZERO).is_some());
        assert!(all.find(ids[9], Duration::ZERO).is_some());
        assert!(all.find(ids[0], Duration::ZERO).is_none());
        for source in 3..40 {
            open(&all, source, Duration::ZERO);
        }
        assert_eq!(all.count(), 16);
        let table = all.table.lock();
        assert_eq!(table.by_turn.len(), 16);
        assert_eq!(table.by_source.values().sum::<usize>(), 16);
    }
}
