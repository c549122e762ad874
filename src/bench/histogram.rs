//! Latencies, and what became of requests.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest latency that is told apart: 100 s.
const LATENCY_NS_MAX: u64 = 100_000_000_000;
/// Digits to which latencies are told apart.
const DIGITS: u8 = 3;

/// What one worker saw, or all of them.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// Nanoseconds of each answer.
    pub(super) latency: Histogram<u64>,
    /// Requests answered as they should be.
    pub(super) answered: u64,
    /// Answers that say the subject exists.
    pub(super) found: u64,
    /// Requests answered otherwise.
    pub(super) wrong: u64,
    /// Requests that got no answer in time.
    pub(super) lost: u64,
    /// Answers that were cut off (TC).
    pub(super) truncated: u64,
    /// The first wrong answer.
    pub(super) first_wrong: Option<String>,
}

impl Tally {
    /// Nothing seen.
    #[expect(clippy::expect_used, reason = "the bounds are constants that fit")]
    pub(super) fn new() -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_NS_MAX, DIGITS);
        Self {
            latency: latency.expect("1 to 100 s with 3 digits"),
            answered: 0,
            found: 0,
            wrong: 0,
            lost: 0,
            truncated: 0,
            first_wrong: None,
        }
    }

    /// Notes how long an answer took; longer than 100 s counts as 100 s.
    pub(super) fn took(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_record(nanos);
    }

    /// Notes a wrong answer; `what` is asked for the first only.
    pub(super) fn wrong(&mut self, what: impl FnOnce() -> String) {
        self.wrong += 1;
        if self.first_wrong.is_none() {
            self.first_wrong = Some(what());
        }
    }

    /// Adds what `other` saw.
    pub(super) fn add(&mut self, other: Self) {
        let Self {
            latency,
            answered,
            found,
            wrong,
            lost,
            truncated,
            first_wrong,
        } = other;
        debug_assert_eq!(self.latency.high(), latency.high(), "the same bounds");
        self.latency.add(latency).unwrap_or_default();
        self.answered += answered;
        self.found += found;
        self.wrong += wrong;
        self.lost += lost;
        self.truncated += truncated;
        self.first_wrong = self.first_wrong.take().or(first_wrong);
    }
}
