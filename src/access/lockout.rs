//! Lock-out: who failed too often to prove who they are waits before the next
//! try. In memory and bounded; the time is passed in.
//!
//! An attempt counts as failed from its beginning until it succeeds, so that
//! many at once are no way around the count.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Duration;

use parking_lot::Mutex;

/// When a lock falls, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutLimits {
    /// Failures after which one more attempt is refused; at least 1.
    pub failures_max: u32,
    /// How long a lock lasts; also how long after its last failure a row of
    /// failures is forgotten.
    pub lock: Duration,
    /// Names that are remembered; above it those whose last failure is longest
    /// ago are forgotten.
    pub entries_max: usize,
}

/// An attempt that is refused unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locked {
    /// How long attempts are refused from here on.
    pub left: Duration,
}

/// Failures by name: of a principal, or of an address.
#[derive(Debug)]
pub struct Lockout<K> {
    limits: LockoutLimits,
    table: Mutex<Table<K>>,
}

#[derive(Debug)]
struct Table<K> {
    failures: HashMap<K, Failures>,
    /// The names by when they last failed, longest ago first.
    by_turn: BTreeSet<(u64, K)>,
    last_turn: u64,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Duration,
    turn: u64,
}

impl<K: Clone + Eq + Hash + Ord> Lockout<K> {
    /// Nobody is locked out.
    pub fn new(limits: LockoutLimits) -> Self {
        Self {
            limits,
            table: Mutex::new(Table {
                failures: HashMap::new(),
                by_turn: BTreeSet::new(),
                last_turn: 0,
            }),
        }
    }

    /// Begins an attempt of `key` at `now`, and counts it as failed.
    ///
    /// # Errors
    /// [`Locked`]: the attempt is not to be looked at. It does not prolong the
    /// lock.
    pub fn begin(&self, key: &K, now: Duration) -> Result<(), Locked> {
        let LockoutLimits {
            failures_max,
            lock,
            entries_max,
        } = self.limits;
        let mut table = self.table.lock();
        let before = table.failures.get(key).copied();
        let fresh = before.filter(|failures| now < failures.last.saturating_add(lock));
        if let Some(failures) = fresh.filter(|failures| failures.count >= failures_max.max(1)) {
            let left = failures.last.saturating_add(lock).saturating_sub(now);
            return Err(Locked { left });
        }
        let count = fresh.map_or(0, |failures| failures.count).saturating_add(1);
        table.remove(key);
        while table.failures.len() >= entries_max.max(1) && table.forget_one() {}
        table.last_turn += 1;
        let turn = table.last_turn;
        let last = now;
        let failures = Failures { count, last, turn };
        table.failures.insert(key.clone(), failures);
        table.by_turn.insert((turn, key.clone()));
        Ok(())
    }

    /// The attempt succeeded: the failures before it are forgotten.
    pub fn succeeded(&self, key: &K) {
        self.table.lock().remove(key);
    }

    /// The attempt came to nothing that counts, as when the node failed: it is
    /// taken back.
    pub fn undo(&self, key: &K) {
        if let Some(failures) = self.table.lock().failures.get_mut(key) {
            failures.count = failures.count.saturating_sub(1);
        }
    }

    /// How long `key` stays locked out at `now`; `None` if it is not.
    pub fn left(&self, key: &K, now: Duration) -> Option<Duration> {
        let failures = self.table.lock().failures.get(key).copied()?;
        let end = failures.last.saturating_add(self.limits.lock);
        let is_locked = failures.count >= self.limits.failures_max.max(1) && now < end;
        is_locked.then(|| end.saturating_sub(now))
    }
}

impl<K: Clone + Eq + Hash + Ord> Table<K> {
    fn remove(&mut self, key: &K) {
        if let Some(failures) = self.failures.remove(key) {
            self.by_turn.remove(&(failures.turn, key.clone()));
        }
    }

    /// `false` if there was none to forget.
    fn forget_one(&mut self) -> bool {
        let Some((_, key)) = self.by_turn.pop_first() else {
            return false;
        };
        self.failures.remove(&key);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: LockoutLimits = LockoutLimits {
        failures_max: 3,
        lock: Duration::from_secs(60),
        entries_max: 4,
    };

    fn at(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn left(secs: u64) -> Result<(), Locked> {
        Err(Locked { left: at(secs) })
    }

    #[test]
    fn locks_after_the_last_failure_and_opens_again() {
        let lockout = Lockout::new(LIMITS);
        for secs in [0, 10, 20] {
            assert_eq!(lockout.left(&"wang", at(secs)), None);
            assert_eq!(lockout.begin(&"wang", at(secs)), Ok(()));
        }
        // Refused attempts do not prolong it.
        assert_eq!(lockout.begin(&"wang", at(20)), left(60));
        assert_eq!(lockout.begin(&"wang", at(79)), left(1));
        assert_eq!(lockout.left(&"wang", at(79)), Some(at(1)));
        assert_eq!(lockout.begin(&"li", at(79)), Ok(()));
        assert_eq!(lockout.left(&"wang", at(80)), None);
        for secs in [80, 81, 82] {
            assert_eq!(lockout.begin(&"wang", at(secs)), Ok(()));
        }
        assert_eq!(lockout.begin(&"wang", at(83)), left(59));
    }

    #[test]
    fn success_and_time_forget_failures() {
        let lockout = Lockout::new(LIMITS);
        for _ in 0..100 {
            assert_eq!(lockout.begin(&"wang", at(0)), Ok(()));
            assert_eq!(lockout.begin(&"wang", at(0)), Ok(()));
            lockout.succeeded(&"wang");
        }
        for attempt in 0..100 {
            assert_eq!(lockout.begin(&"wang", at(60 * attempt)), Ok(()));
        }
    }

    #[test]
    fn an_attempt_taken_back_does_not_count() {
        let lockout = Lockout::new(LIMITS);
        for _ in 0..100 {
            assert_eq!(lockout.begin(&"wang", at(0)), Ok(()));
            lockout.undo(&"wang");
        }
        lockout.undo(&"nobody");
        assert_eq!(lockout.left(&"wang", at(0)), None);
    }

    #[test]
    fn remembers_no_more_than_it_may() {
        let lockout = Lockout::new(LIMITS);
        for key in 0..100_u32 {
            assert_eq!(lockout.begin(&key, at(u64::from(key))), Ok(()));
        }
        let table = lockout.table.lock();
        assert_eq!((table.failures.len(), table.by_turn.len()), (4, 4));
        assert!((96..100).all(|key| table.failures.contains_key(&key)));
    }

    #[test]
    fn many_at_once_are_counted_before_any_of_them_fails() {
        let lockout = Lockout::new(LIMITS);
        let allowed = (0..50).filter(|_| lockout.begin(&"wang", at(5)).is_ok());
        assert_eq!(allowed.count(), 3);
    }
}
