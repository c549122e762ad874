//! What is asked, and for how long.

use std::time::{Duration, Instant};

use crate::demo::{Demo, Random};

/// Keeps the questions apart from the data of the same seed.
const QUESTION_SALT: u64 = 0x5175_6573_7469_6f6e;

/// Questions about demo data, in random order.
#[derive(Clone, Debug)]
pub struct Workload {
    /// The data.
    pub demo: Demo,
    /// Seed of the order of the questions.
    pub seed: u64,
    /// Share of questions for identifiers that the data has, 0 to 1.
    pub existing: f64,
}

/// One question: the position of an identifier, and whether the data has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) position: u64,
    pub(super) exists: bool,
}

impl Workload {
    /// The question with this number; the same for the same number.
    pub(super) fn asked(&self, number: u64) -> Asked {
        let mut random = Random::at(self.seed ^ QUESTION_SALT, number);
        let exists = random.chance(self.existing);
        let drawn = random.below(self.demo.identifiers());
        let position = if exists {
            drawn
        } else {
            self.demo.identifiers() + drawn
        };
        Asked { position, exists }
    }
}

/// When a benchmark ends: at what comes first. One of the two must be given
/// for it to end.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// After so many requests.
    pub requests: Option<u64>,
    /// After so long.
    pub time: Option<Duration>,
}

impl Bound {
    /// Whether it ends at `now`, having begun at `start`.
    pub(super) fn over(&self, start: Instant, now: Instant) -> bool {
        self.time
            .is_some_and(|time| now.saturating_duration_since(start) >= time)
    }

    /// Requests that may be made in all.
    pub(super) fn requests_max(&self) -> u64 {
        self.requests.unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_for_the_share_that_exists() {
        let workload = Workload {
            demo: Demo::new(1, 5_000),
            seed: 1,
            existing: 0.95,
        };
        let asked = (0..20_000).map(|number| workload.asked(number));
        let (hits, misses): (Vec<_>, Vec<_>) = asked.partition(|asked| asked.exists);
        assert!((18_800..19_200).contains(&hits.len()), "{}", hits.len());
        assert!(hits.iter().all(|asked| asked.position < 5_000));
        assert!(
            misses
                .iter()
                .all(|asked| (5_000..10_000).contains(&asked.position))
        );
    }
}
