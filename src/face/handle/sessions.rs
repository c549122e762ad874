//! Sessions: a key that client and node share, and who the client proved to be
//! (Handle protocol as deployed; RFC 3652 §3.7).
//!
//! Bounded in number. Those in which nobody proved anything, which cost a client
//! nothing but a key exchange, live for a minute and give way first; then the
//! longest unused.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::crypto::SessionKey;
use crate::face::handle::standing::Standing;
use crate::model::{Caller, Reference};
use crate::node::Node;

/// How far a counter may lie behind the highest that was seen.
const WINDOW: u32 = 256;
const WORDS: usize = 4;
/// How long a session lives unused in which nobody proved anything.
const UNPROVEN_TIMEOUT: Duration = Duration::from_secs(60);
/// Encrypted messages that do not match a session's key before it is wary.
const MISFITS_MAX: u32 = 8;

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    /// Its number, from 1 to 2^31 - 1: deployed clients take it as signed.
    pub(super) id: u32,
    /// What its messages are authenticated and encrypted with.
    pub(super) key: SessionKey,
    /// Who the client said it would prove to be, if anybody.
    pub(super) claimed: Option<Reference>,
    timeout: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    standing: Option<Standing>,
    /// Counts the times that it was set.
    set_count: u64,
    seen: Seen,
    /// Messages that did not match the key.
    misfit_count: u32,
}

impl Session {
    /// Who the client proved to be, if it did.
    pub(super) fn standing(&self) -> Option<Standing> {
        self.state.lock().standing.clone()
    }

    /// The client proved who it is.
    pub(super) fn stand(&self, standing: Standing) {
        let mut state = self.state.lock();
        state.standing = Some(standing);
        state.set_count += 1;
    }

    /// Who the client proved to be, if that still holds. Reads the disk on a
    /// miss.
    pub(super) fn renewed(&self, node: &Node) -> Option<Caller> {
        let (standing, set_count) = {
            let state = self.state.lock();
            (state.standing.clone()?, state.set_count)
        };
        let renewed = standing.renewed(node);
        let caller = renewed.as_ref().map(|standing| standing.caller().clone());
        let mut state = self.state.lock();
        // Somebody may have proven something in between.
        if state.set_count == set_count {
            state.standing = renewed;
        }
        caller
    }

    /// Takes note of a counter; `false` if it was seen before, or is so far
    /// behind that this cannot be known.
    pub(super) fn take_counter(&self, counter: u32) -> bool {
        self.state.lock().seen.take(counter)
    }

    /// Takes note of an encrypted message that did not match the key.
    pub(super) fn note_misfit(&self) {
        let mut state = self.state.lock();
        state.misfit_count = state.misfit_count.saturating_add(1);
    }

    /// Whether so many messages did not match that somebody seems to alter them
    /// to learn from the answers: then none is taken without a code, not even a
    /// proof.
    pub(super) fn is_probed(&self) -> bool {
        self.state.lock().misfit_count >= MISFITS_MAX
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
    /// Who the client says it will prove to be.
    pub(super) claimed: Option<Reference>,
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
    /// Those in which nobody proved anything, longest unused first.
    unproven: BTreeMap<u64, u32>,
    /// Those in which somebody did, longest unused first.
    proven: BTreeMap<u64, u32>,
    last_turn: u64,
}

#[derive(Debug)]
struct Place {
    session: Arc<Session>,
    turn: u64,
    used: Duration,
    is_proven: bool,
}

impl Sessions {
    /// At most `count_max` sessions, each ended when unused for `timeout_max`,
    /// or sooner if its client wished so or proved nothing.
    pub(super) fn new(count_max: usize, timeout_max: Duration) -> Self {
        Self {
            count_max: count_max.max(1),
            timeout_max,
            table: Mutex::default(),
        }
    }

    /// Opens a session. Its number is drawn until it is free.
    pub(super) fn open(
        &self,
        opening: Opening,
        now: Duration,
        draw: &mut dyn FnMut() -> u32,
    ) -> Arc<Session> {
        let Opening {
            key,
            claimed,
            timeout,
        } = opening;
        let mut table = self.table.lock();
        table.expire(now);
        if table.by_id.len() >= self.count_max {
            table.drop_oldest();
        }
        let id = loop {
            let id = draw();
            if !table.by_id.contains_key(&id) {
                break id;
            }
        };
        let session = Arc::new(Session {
            id,
            key,
            claimed,
            timeout: timeout.min(self.timeout_max),
            state: Mutex::new(State {
                standing: None,
                set_count: 0,
                seen: Seen::default(),
                misfit_count: 0,
            }),
        });
        let turn = table.next_turn();
        table.unproven.insert(turn, id);
        let place = Place {
            session: Arc::clone(&session),
            turn,
            used: now,
            is_proven: false,
        };
        table.by_id.insert(id, place);
        session
    }

    /// The session with this number, if it has not ended.
    pub(super) fn find(&self, id: u32, now: Duration) -> Option<Arc<Session>> {
        let mut table = self.table.lock();
        let place = table.by_id.get(&id)?;
        if place.is_over(now) {
            table.remove(id);
            return None;
        }
        Some(Arc::clone(&place.session))
    }

    /// Takes note of a message that matched the key of a session: it counts as
    /// used.
    pub(super) fn touch(&self, session: &Session, now: Duration) {
        let is_proven = session.standing().is_some();
        let mut table = self.table.lock();
        let turn = table.next_turn();
        let Some(place) = table.by_id.get_mut(&session.id) else {
            return;
        };
        let (old, was_proven) = (place.turn, place.is_proven);
        place.turn = turn;
        place.used = now;
        place.is_proven = is_proven;
        table.queue(was_proven).remove(&old);
        table.queue(is_proven).insert(turn, session.id);
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

impl Place {
    fn is_over(&self, now: Duration) -> bool {
        let limit = match self.is_proven {
            true => self.session.timeout,
            false => self.session.timeout.min(UNPROVEN_TIMEOUT),
        };
        now.saturating_sub(self.used) >= limit
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

    const fn queue(&mut self, is_proven: bool) -> &mut BTreeMap<u64, u32> {
        match is_proven {
            true => &mut self.proven,
            false => &mut self.unproven,
        }
    }

    fn remove(&mut self, id: u32) -> bool {
        let Some(place) = self.by_id.remove(&id) else {
            return false;
        };
        self.queue(place.is_proven).remove(&place.turn);
        true
    }

    /// Ends those in which nothing was proven for too long.
    fn expire(&mut self, now: Duration) {
        while let Some(id) = self.unproven.values().next().copied() {
            let is_over = self.by_id.get(&id).is_none_or(|place| place.is_over(now));
            if !is_over {
                return;
            }
            self.remove(id);
        }
    }

    /// Ends the longest unused, of those in which nothing was proven if any.
    fn drop_oldest(&mut self) {
        let mut oldest = self.unproven.values().chain(self.proven.values());
        if let Some(id) = oldest.next().copied() {
            self.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn open(all: &Sessions, now: Duration) -> Arc<Session> {
        static LAST: AtomicU32 = AtomicU32::new(1);
        let opening = Opening {
            key: SessionKey::new(&[7; 32]),
            claimed: None,
            timeout: HOUR,
        };
        let mut draw = || LAST.fetch_add(1, Ordering::Relaxed);
        all.open(opening, now, &mut draw)
    }

    /// Somebody proves to be there.
    fn prove(all: &Sessions, session: &Session, now: Duration) {
        let operator = Caller::system_administrator("a");
        session.stand(Standing::of_operator(operator));
        all.touch(session, now);
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
        let session = open(&all, Duration::ZERO);
        prove(&all, &session, Duration::ZERO);
        assert!(all.find(session.id, HOUR / 2).is_some());
        assert!(all.find(session.id, HOUR).is_none(), "looking is no use");
        let session = open(&all, Duration::ZERO);
        prove(&all, &session, HOUR / 2);
        assert!(
            all.find(session.id, HOUR).is_some(),
            "used half an hour ago"
        );
        let idle = open(&all, HOUR);
        assert!(all.find(idle.id, HOUR + UNPROVEN_TIMEOUT / 2).is_some());
        assert!(all.find(idle.id, HOUR + UNPROVEN_TIMEOUT).is_none());
        assert!(all.close(session.id) && !all.close(session.id));
        assert_eq!(all.count(), 0);
    }

    #[test]
    fn what_is_not_proven_gives_way_first() {
        let all = Sessions::new(16, HOUR);
        let proven: Vec<_> = (0..10).map(|_| open(&all, Duration::ZERO)).collect();
        for session in &proven {
            prove(&all, session, Duration::ZERO);
        }
        for _ in 0..1000 {
            open(&all, Duration::ZERO);
        }
        let lives = |session: &Arc<Session>| all.find(session.id, Duration::ZERO).is_some();
        assert!(proven.iter().all(lives));
        assert_eq!(all.count(), 16);
        let table = all.table.lock();
        assert_eq!((table.proven.len(), table.unproven.len()), (10, 6));
        drop(table);
        open(&all, UNPROVEN_TIMEOUT);
        assert_eq!(all.count(), 11, "those that proved nothing are over");
    }

    #[test]
    fn notices_who_probes_it() {
        let all = Sessions::new(16, HOUR);
        let session = open(&all, Duration::ZERO);
        for _ in 0..MISFITS_MAX {
            assert!(!session.is_probed());
            session.note_misfit();
        }
        assert!(session.is_probed());
    }
}
