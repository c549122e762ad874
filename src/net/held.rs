//! Bytes that connections keep waiting: requests of which more is to come, and
//! answers that nobody reads.
//!
//! Their sum is bounded. A connection that needs more than is left takes it from
//! the one that has held some for longest, which is closed: whoever only keeps
//! the node's memory loses it, and whoever uses it for a moment does not notice.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::Counter;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// What all shares come to.
#[derive(Debug)]
pub struct Held {
    bytes_max: usize,
    /// Connections closed since others needed their share.
    displaced: Counter,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    last_turn: u64,
    /// Who holds how much, the longest first.
    by_turn: BTreeMap<u64, (usize, CancellationToken)>,
}

impl Held {
    /// Up to `bytes_max`; `displaced` counts the connections that had to give
    /// way.
    pub fn new(bytes_max: usize, displaced: Counter) -> Arc<Self> {
        Arc::new(Self {
            bytes_max,
            displaced,
            state: Mutex::default(),
        })
    }

    /// An empty share of the connection that `closing` closes.
    pub(super) fn share(self: &Arc<Self>, closing: CancellationToken) -> Share {
        Share {
            held: Arc::clone(self),
            closing,
            turn: None,
            bytes: 0,
        }
    }
}

impl State {
    fn remove(&mut self, turn: u64) {
        if let Some((bytes, _)) = self.by_turn.remove(&turn) {
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

/// What one connection holds; nothing once dropped.
#[derive(Debug)]
pub struct Share {
    held: Arc<Held>,
    closing: CancellationToken,
    turn: Option<u64>,
    bytes: usize,
}

impl Share {
    /// The connection holds `bytes` from here on. Who held some before keeps the
    /// time for which it did.
    pub fn set(&mut self, bytes: usize) {
        if bytes == self.bytes {
            return;
        }
        self.bytes = bytes;
        let mut state = self.held.state.lock();
        let turn = match self.turn.take() {
            Some(turn) => {
                state.remove(turn);
                turn
            }
            None => {
                state.last_turn += 1;
                state.last_turn
            }
        };
        // One that had to give way ends; it takes nothing anew.
        if bytes == 0 || self.closing.is_cancelled() {
            return;
        }
        self.turn = Some(turn);
        state.bytes = state.bytes.saturating_add(bytes);
        state.by_turn.insert(turn, (bytes, self.closing.clone()));
        while state.bytes > self.held.bytes_max
            && let Some((_, (bytes, longest))) = state.by_turn.pop_first()
        {
            state.bytes = state.bytes.saturating_sub(bytes);
            longest.cancel();
            self.held.displaced.increment(1);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares<const COUNT: usize>(held: &Arc<Held>) -> [(Share, CancellationToken); COUNT] {
        [(); COUNT].map(|()| {
            let closing = CancellationToken::new();
            (held.share(closing.clone()), closing)
        })
    }

    fn bytes(held: &Held) -> usize {
        held.state.lock().bytes
    }

    #[test]
    fn the_one_that_held_for_longest_gives_way() {
        let held = Held::new(100, Counter::noop());
        let [mut first, mut second, mut third] = shares(&held);
        first.0.set(10);
        second.0.set(50);
        // It holds more, and has done so since before the second.
        first.0.set(40);
        third.0.set(60);
        assert_eq!(
            [&first.1, &second.1, &third.1].map(CancellationToken::is_cancelled),
            [true, true, false]
        );
        assert_eq!(bytes(&held), 60);
        drop((first, second));
        assert_eq!(bytes(&held), 60);
        third.0.set(0);
        assert_eq!(bytes(&held), 0);
        assert!(!third.1.is_cancelled());
    }

    #[test]
    fn what_is_given_back_is_there_for_others() {
        let held = Held::new(100, Counter::noop());
        let [mut first, second] = shares(&held);
        let mut second = second;
        for _ in 0..100 {
            first.0.set(90);
            first.0.set(0);
            second.0.set(100);
            second.0.set(0);
        }
        assert!(!first.1.is_cancelled() && !second.1.is_cancelled());
        first.0.set(7);
        drop(first);
        assert_eq!(bytes(&held), 0);
    }

    #[test]
    fn a_share_beyond_the_limit_closes_its_own_connection() {
        let held = Held::new(100, Counter::noop());
        let [mut only] = shares(&held);
        only.0.set(101);
        assert!(only.1.is_cancelled());
        assert_eq!(bytes(&held), 0);
    }
}
