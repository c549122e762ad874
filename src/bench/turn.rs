//! What lets a thread's questions go: answers to those before, or the clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::bench::pace::Pace;
use crate::bench::workload::Bound;

/// What lets questions go.
#[derive(Debug)]
pub(super) enum Turn<'a> {
    /// A place in a window, until all threads have asked what the bound allows.
    Free {
        asked: &'a AtomicU64,
        bound: Bound,
        start: Instant,
    },
    /// The clock.
    Due(Schedule),
}

impl Turn<'_> {
    /// Since when each of the questions waits that may go to one of `lanes` with so
    /// much room. `None` once no more may be asked at all.
    pub(super) fn take(&mut self, room: usize, lanes: usize, now: Instant) -> Option<Vec<Instant>> {
        match self {
            Self::Free { asked, bound, .. } => {
                let wanted = bounded(asked, *bound, room);
                (wanted > 0 || room == 0).then(|| vec![now; wanted])
            }
            Self::Due(schedule) => {
                // Each lane takes its part, or else the first would take all.
                let lanes = u64::try_from(lanes).unwrap_or(1).max(1);
                let part = schedule.waiting(now).div_ceil(lanes);
                let wanted = usize::try_from(part).unwrap_or(room).min(room);
                let taken = std::iter::from_fn(|| schedule.take(now)).take(wanted);
                Some(taken.collect())
            }
        }
    }

    /// Whether questions will follow.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        match self {
            Self::Free { bound, start, .. } => bound.over(*start, now),
            Self::Due(schedule) => schedule.due().is_none(),
        }
    }

    /// Gives up the questions that have been due for so long. Returns how many.
    pub(super) fn give_up(&mut self, after: Duration, now: Instant) -> u64 {
        let Self::Due(schedule) = self else {
            return 0;
        };
        let mut given_up = 0;
        while now
            .checked_sub(after)
            .and_then(|then| schedule.take(then))
            .is_some()
        {
            given_up += 1;
        }
        given_up
    }

    /// How long to the next question, at most `most`.
    pub(super) fn wait(&self, most: Duration, now: Instant) -> Duration {
        match self {
            Self::Free { .. } => most,
            Self::Due(schedule) => schedule
                .due()
                .map_or(most, |due| due.saturating_duration_since(now).min(most)),
        }
    }
}

/// How many of `wanted` questions the bound allows, counted for all threads.
fn bounded(asked: &AtomicU64, bound: Bound, wanted: usize) -> usize {
    let Some(requests_max) = bound.requests else {
        return wanted;
    };
    let count = u64::try_from(wanted).unwrap_or_default();
    let before = asked.fetch_add(count, Ordering::Relaxed);
    let left = requests_max.saturating_sub(before).min(count);
    usize::try_from(left).unwrap_or_default()
}

/// One thread's part of what is due: every n-th request of n threads.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    /// Number of the next request.
    next: u64,
    step: u64,
    /// Number of the first that is not asked any more.
    end: u64,
}

impl Schedule {
    /// The part with number `part` of `parts`, of what is due within the bound.
    pub(super) fn new(pace: Pace, (part, parts): (usize, usize), bound: Bound) -> Self {
        let due = bound.time.map_or(u64::MAX, |time| pace.count_within(time));
        Self {
            pace,
            next: u64::try_from(part).unwrap_or_default(),
            step: u64::try_from(parts).unwrap_or(1).max(1),
            end: due.min(bound.requests_max()),
        }
    }

    /// When the next request is due; none after the last.
    fn due(&self) -> Option<Instant> {
        (self.next < self.end).then(|| self.pace.due(self.next))
    }

    /// Takes the next request if it is due at `now`, and says since when.
    fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = self.due().filter(|due| *due <= now)?;
        self.next += self.step;
        Some(due)
    }

    /// How many are due at `now` and not taken.
    fn waiting(&self, now: Instant) -> u64 {
        let due = self.pace.count(now).min(self.end);
        due.saturating_sub(self.next).div_ceil(self.step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::clock;

    fn bound(requests: u64) -> Bound {
        Bound {
            requests: Some(requests),
            time: Some(Duration::from_secs(60)),
        }
    }

    #[test]
    fn threads_share_what_is_due() {
        let start = clock::now();
        let pace = Pace::new(start, 10);
        let later = start + Duration::from_millis(450);
        let mut numbers = Vec::new();
        for part in 0..2 {
            let mut schedule = Schedule::new(pace, (part, 2), bound(100));
            let waiting = schedule.waiting(later);
            let taken = std::iter::from_fn(|| schedule.take(later)).collect::<Vec<_>>();
            assert_eq!(u64::try_from(taken.len()), Ok(waiting));
            assert_eq!(schedule.waiting(later), 0);
            numbers.extend(taken);
        }
        numbers.sort();
        assert_eq!(
            numbers,
            (0..5).map(|number| pace.due(number)).collect::<Vec<_>>()
        );
    }

    #[test]
    fn nothing_is_due_after_the_last() {
        let start = clock::now();
        let mut schedule = Schedule::new(Pace::new(start, 1_000), (0, 1), bound(2));
        let later = start + Duration::from_secs(9);
        assert_eq!(schedule.waiting(later), 2);
        assert!(schedule.take(later).is_some() && schedule.take(later).is_some());
        assert_eq!((schedule.take(later), schedule.due()), (None, None));
    }

    #[test]
    fn what_waits_too_long_is_given_up() {
        let start = clock::now();
        let schedule = Schedule::new(Pace::new(start, 10), (0, 1), bound(100));
        let mut turn = Turn::Due(schedule);
        let later = start + Duration::from_secs(3);
        assert_eq!(turn.give_up(Duration::from_secs(2), later), 11);
        let taken = turn.take(32, 4, later).expect("more to come");
        assert_eq!(taken.len(), 5, "a lane's quarter of 20");
        assert_eq!(taken.first(), Some(&(start + Duration::from_millis(1_100))));
        assert!(!turn.is_over(later));
    }
}
