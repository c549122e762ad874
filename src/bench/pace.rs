//! A fixed rate: when each request is due, whatever became of those before it.
//!
//! Latency counts from then, so that a server that stands still is seen by every
//! request that it kept waiting, and not only by those that were outstanding.

use std::time::{Duration, Instant};

const NANOS_PER_SEC: u64 = 1_000_000_000;

/// Requests due at even distances, the first at the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    start: Instant,
    per_second: u64,
}

impl Pace {
    /// So many a second from `start` on, one at least.
    pub(super) fn new(start: Instant, per_second: u64) -> Self {
        Self {
            start,
            per_second: per_second.clamp(1, NANOS_PER_SEC),
        }
    }

    /// When the request with this number is due; the first is 0.
    pub(super) fn due(&self, number: u64) -> Instant {
        let nanos = (number % self.per_second) * NANOS_PER_SEC / self.per_second;
        let after = Duration::from_secs(number / self.per_second) + Duration::from_nanos(nanos);
        self.start.checked_add(after).unwrap_or(self.start)
    }

    /// How many are due at `now` or were before.
    pub(super) fn count(&self, now: Instant) -> u64 {
        // A nanosecond more: what is due at `now` counts.
        let time = now.saturating_duration_since(self.start) + Duration::from_nanos(1);
        self.count_within(time)
    }

    /// How many are due before so much time has passed.
    pub(super) fn count_within(&self, time: Duration) -> u64 {
        let whole = time.as_secs().saturating_mul(self.per_second);
        let part = u64::from(time.subsec_nanos()) * self.per_second;
        whole.saturating_add(part.div_ceil(NANOS_PER_SEC))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::clock;

    #[test]
    fn requests_are_due_at_even_distances() {
        let start = clock::now();
        let pace = Pace::new(start, 3);
        let millis = |number| pace.due(number).duration_since(start).as_millis();
        assert_eq!([0, 1, 2, 3, 7].map(millis), [0, 333, 666, 1_000, 2_333]);
        for number in [0, 1, 2, 3, 1_000_001] {
            let due = pace.due(number);
            assert_eq!(pace.count(due), number + 1);
            assert_eq!(pace.count_within(due.duration_since(start)), number);
        }
        assert_eq!(pace.count_within(Duration::from_secs(2)), 6);
    }
}
