//! How often: many callers, each with a rate of its own, in a table of fixed
//! size that is neither locked nor grows.
//!
//! A cell holds whose it is (16 bits of a hash) and until when it is in debt (48
//! bits of time). Whoever takes something goes into debt for as long as it takes
//! to earn it back; nobody may be in debt for longer than a burst takes. This is
//! GCRA, the generic cell rate algorithm (ITU-T I.371, annex A): a bucket of tokens
//! in one number, which one compare-and-swap changes.
//!
//! A cell whose debt is paid belongs to nobody, so callers need room only while
//! they are in debt: 1,000,000 callers that ask once take 1,000 cells at a time if
//! the rate is 1,000 a second. Where a row is full the caller with the least debt
//! is forgotten, which loses at most what a burst allows. Two callers whose hashes
//! agree in row and mark, 1 in 2^29 pairs, share a rate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Cells of one row: those that one hash can fall into, and one cache line.
const ROW_CELLS: usize = 8;
/// Bits of a cell that tell until when it is in debt.
const TIME_BITS: u32 = 48;
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
/// Nanoseconds in a unit of time, as a power of two: 2^48 units are 52 days. What a
/// cell keeps for longer than that reads as no debt, but for the moment in which
/// the units come around to it.
const UNIT_BITS: u32 = 4;
const UNITS_PER_SEC: u64 = 1_000_000_000 >> UNIT_BITS;
/// Longest time in which a burst is earned back, in seconds.
pub const BURST_SECS_MAX: u64 = 3600;
/// Highest rate that there is: 62 units of time each.
pub const PER_SEC_MAX: u32 = 1_000_000;

/// So many a second in the long run, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    /// How many a second.
    per_sec: u32,
    /// Units of time to earn one.
    interval: u64,
    /// Units of time to earn a whole burst.
    burst: u64,
}

/// Too much was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    /// How many may be taken still.
    pub left: u64,
    /// When as many as were asked for may be.
    pub retry_after: Duration,
}

impl Rate {
    /// `per_sec` a second and `burst` at once, each at least 1; cut to
    /// [`PER_SEC_MAX`] and to what is earned in [`BURST_SECS_MAX`].
    pub(super) fn new(per_sec: u32, burst: u32) -> Self {
        let per_sec = per_sec.clamp(1, PER_SEC_MAX);
        let interval = UNITS_PER_SEC / u64::from(per_sec);
        let burst = interval.saturating_mul(u64::from(burst.max(1)));
        let burst_max = BURST_SECS_MAX * UNITS_PER_SEC;
        Self {
            per_sec,
            interval,
            burst: burst.min(burst_max).max(interval),
        }
    }

    /// How many a second.
    pub(super) const fn per_sec(&self) -> u32 {
        self.per_sec
    }
}

/// The debts of many callers, all of one rate.
pub(super) struct Debts {
    rate: Rate,
    rows: Box<[Row]>,
}

/// Cells in one cache line.
#[repr(align(64))]
#[derive(Default)]
struct Row([AtomicU64; ROW_CELLS]);

/// A cell of a row as it was read.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: usize,
    cell: u64,
    debt: u64,
}

impl std::fmt::Debug for Debts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Debts({:?}, {} rows)", self.rate, self.rows.len())
    }
}

impl Debts {
    /// A table of 2^`row_bits` rows of 8 cells; at most 2^20 rows.
    pub(super) fn new(rate: Rate, row_bits: u32) -> Self {
        let row_count = 1_usize << row_bits.min(20);
        Self {
            rate,
            rows: (0..row_count).map(|_| Row::default()).collect(),
        }
    }

    /// The rate of each caller.
    pub(super) const fn rate(&self) -> Rate {
        self.rate
    }

    /// Takes `count` for the caller whose name hashes to `hash` and returns how
    /// many are left. More than a burst counts as a whole one.
    ///
    /// # Errors
    /// [`Exhausted`] if that many are not there; then none is taken.
    pub(super) fn take(&self, hash: u64, count: u64, now: Duration) -> Result<u64, Exhausted> {
        let Rate {
            interval, burst, ..
        } = self.rate;
        let cost = interval.saturating_mul(count).min(burst);
        let now = units(now);
        let mark = hash >> TIME_BITS;
        let Some(row) = self.row(hash) else {
            return Ok(0);
        };
        loop {
            let seen = row.find(mark, now, burst);
            let is_own = seen.cell >> TIME_BITS == mark;
            let owed = if is_own { seen.debt } else { 0 };
            let debt = owed + cost;
            if let Some(too_much) = debt.checked_sub(burst).filter(|units| *units > 0) {
                return Err(Exhausted {
                    left: (burst - owed) / interval,
                    retry_after: duration(too_much),
                });
            }
            let until = now.wrapping_add(debt) & TIME_MASK;
            if row.replace(seen, mark << TIME_BITS | until) {
                return Ok((burst - debt) / interval);
            }
        }
    }

    fn row(&self, hash: u64) -> Option<&Row> {
        let mask = self.rows.len() - 1;
        let low = usize::try_from(hash & u64::from(u32::MAX)).unwrap_or_default();
        self.rows.get(low & mask)
    }
}

impl Row {
    /// The cell with `mark`; if there is none, the one with the least debt.
    fn find(&self, mark: u64, now: u64, burst: u64) -> Seen {
        let mut least = Seen {
            at: 0,
            cell: 0,
            debt: u64::MAX,
        };
        for (at, cell) in self.0.iter().enumerate() {
            let cell = cell.load(Ordering::Relaxed);
            let debt = debt(cell, now, burst);
            let seen = Seen { at, cell, debt };
            // A cell that was never used has the mark 0 and no debt.
            if cell >> TIME_BITS == mark {
                return seen;
            }
            if debt < least.debt {
                least = seen;
            }
        }
        least
    }

    /// Whether the cell was still what was seen, and is `new`. The number is all
    /// that threads tell each other, so that its order to others is of no matter.
    fn replace(&self, seen: Seen, new: u64) -> bool {
        self.0.get(seen.at).is_none_or(|cell| {
            cell.compare_exchange(seen.cell, new, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        })
    }
}

/// How long a cell is in debt from `now`. More than `burst` cannot have been taken:
/// it is a time that has passed.
fn debt(cell: u64, now: u64, burst: u64) -> u64 {
    let debt = cell.wrapping_sub(now) & TIME_MASK;
    if debt > burst { 0 } else { debt }
}

/// `now` in units, without the bits that do not fit into a cell.
fn units(now: Duration) -> u64 {
    let nanos = now
        .as_secs()
        .wrapping_mul(1_000_000_000)
        .wrapping_add(u64::from(now.subsec_nanos()));
    (nanos >> UNIT_BITS) & TIME_MASK
}

const fn duration(units: u64) -> Duration {
    Duration::from_nanos(units << UNIT_BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const START: Duration = Duration::from_secs(1000);

    impl Rate {
        /// How many at once.
        fn burst(&self) -> u64 {
            self.burst / self.interval
        }
    }

    impl Debts {
        /// How many the caller whose name hashes to `hash` may take.
        fn left(&self, hash: u64, now: Duration) -> u64 {
            let Rate {
                interval, burst, ..
            } = self.rate;
            let mark = hash >> TIME_BITS;
            let seen = self.row(hash).map(|row| row.find(mark, units(now), burst));
            let owed = seen.filter(|seen| seen.cell >> TIME_BITS == mark);
            burst.saturating_sub(owed.map_or(0, |seen| seen.debt)) / interval
        }
    }

    fn debts(per_sec: u32, burst: u32) -> Debts {
        Debts::new(Rate::new(per_sec, burst), 4)
    }

    /// A hash in row 0 with a mark of its own.
    fn hash(mark: u64) -> u64 {
        (mark + 1) << TIME_BITS
    }

    #[test]
    fn allows_a_burst_and_then_the_rate() {
        let debts = debts(10, 5);
        for left in (0..5).rev() {
            assert_eq!(debts.take(hash(1), 1, START), Ok(left));
        }
        let refused = debts.take(hash(1), 1, START).expect_err("nothing is left");
        assert_eq!(refused.left, 0);
        assert_eq!(refused.retry_after, Duration::from_millis(100));
        let just_before = START + refused.retry_after - Duration::from_micros(1);
        assert!(debts.take(hash(1), 1, just_before).is_err());
        assert_eq!(debts.take(hash(1), 1, START + refused.retry_after), Ok(0));
        assert_eq!(debts.left(hash(1), START + Duration::from_secs(60)), 5);
    }

    #[test]
    fn takes_all_that_is_asked_for_or_nothing() {
        let debts = debts(100, 10);
        assert_eq!(debts.take(hash(1), 7, START), Ok(3));
        let refused = debts.take(hash(1), 5, START).expect_err("3 are left");
        assert_eq!(refused.left, 3);
        assert_eq!(refused.retry_after, Duration::from_millis(20));
        assert_eq!(debts.take(hash(1), 3, START), Ok(0));
        // More than a burst is a whole burst: it comes true at some time.
        let refused = debts.take(hash(1), 1000, START).expect_err("nothing left");
        assert_eq!(refused.retry_after, Duration::from_millis(100));
        assert_eq!(
            debts.take(hash(1), 1000, START + refused.retry_after),
            Ok(0)
        );
    }

    #[test]
    fn callers_of_one_row_do_not_touch_each_other() {
        let debts = debts(1, 1);
        for caller in 0..8 {
            assert_eq!(debts.take(hash(caller), 1, START), Ok(0));
        }
        for caller in 0..8 {
            assert!(debts.take(hash(caller), 1, START).is_err(), "{caller}");
        }
    }

    #[test]
    fn a_full_row_forgets_the_least_debt() {
        let debts = debts(1, 100);
        for caller in 0..8 {
            let _left = debts.take(hash(caller), 10 * (caller + 1), START);
        }
        assert_eq!(debts.take(hash(8), 50, START), Ok(50));
        assert_eq!(debts.left(hash(0), START), 100, "forgotten");
        for caller in 1..8 {
            assert_eq!(debts.left(hash(caller), START), 90 - 10 * caller);
        }
    }

    #[test]
    fn a_paid_debt_leaves_room() {
        let debts = Debts::new(Rate::new(1000, 10), 0);
        for caller in 0..60_000 {
            let now = START + Duration::from_millis(caller);
            assert_eq!(debts.take(hash(caller), 1, now), Ok(9));
        }
        // The last is in debt for its one, and nobody forgot that.
        let now = START + Duration::from_millis(59_999);
        assert_eq!(debts.left(hash(59_999), now), 9);
    }

    #[test]
    fn time_that_comes_around_is_no_debt() {
        let debts = debts(1, 10);
        let around = duration(TIME_MASK - UNITS_PER_SEC);
        for caller in 0..3 {
            assert_eq!(debts.take(hash(caller), 10, around), Ok(0));
            let soon = around + Duration::from_secs(4);
            assert_eq!(debts.left(hash(caller), soon), 4);
            for later in [Duration::from_secs(3600), duration(TIME_MASK)] {
                assert_eq!(debts.left(hash(caller), around + later), 10);
            }
        }
    }

    #[test]
    fn keeps_within_the_bounds_of_its_numbers() {
        for (per_sec, burst) in [(0, 0), (1, u32::MAX), (u32::MAX, u32::MAX), (u32::MAX, 1)] {
            let rate = Rate::new(per_sec, burst);
            assert!(rate.burst() >= 1 && rate.per_sec() >= 1, "{rate:?}");
            let debts = Debts::new(rate, 0);
            let all = debts.take(hash(1), u64::MAX, Duration::MAX);
            assert_eq!(all, Ok(0), "{rate:?}");
            let refused = debts.take(hash(1), u64::MAX, Duration::MAX);
            let wait = refused.expect_err("all is taken").retry_after;
            assert!(wait <= Duration::from_secs(BURST_SECS_MAX), "{wait:?}");
        }
    }

    #[test]
    fn threads_take_no_more_than_there_is() {
        let debts = debts(1, 1000);
        let taken_count = || {
            let taken = (0..1000).filter(|_| debts.take(hash(1), 1, START).is_ok());
            taken.count()
        };
        let taken = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(taken_count));
            threads.map(|thread| thread.join().expect("no panic"))
        });
        assert_eq!(taken.iter().sum::<usize>(), 1000);
    }

    proptest! {
        /// Against a bucket that counts tokens in a wide fraction.
        #[test]
        fn agrees_with_a_bucket_of_tokens(
            per_sec in 1_u32..5000,
            burst in 1_u32..500,
            steps in prop::collection::vec((0_u64..6, 0_u64..40, 0_u64..400_000), 1..200),
        ) {
            let debts = debts(per_sec, burst);
            let rate = debts.rate();
            let mut tokens: HashMap<u64, (f64, Duration)> = HashMap::new();
            let mut now = START;
            for (caller, count, pause_micros) in steps {
                now += Duration::from_micros(pause_micros);
                let (held, since) = tokens.entry(caller).or_insert_with(|| (f64::from(burst), now));
                let earned = (now - *since).as_secs_f64()
                    * UNITS_PER_SEC as f64 / rate.interval as f64;
                *held = (*held + earned).min(f64::from(burst));
                *since = now;
                let wanted = count.min(u64::from(burst)) as f64;
                let taken = debts.take(hash(caller), count, now).is_ok();
                // Where a rounding decides, either answer is right.
                if (*held - wanted).abs() > 0.01 {
                    prop_assert_eq!(taken, *held > wanted, "{} of {}", wanted, held);
                }
                if taken {
                    *held -= wanted;
                }
            }
        }
    }
}
