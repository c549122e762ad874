//! Limits as the faces ask for them.

use std::net::IpAddr;
use std::time::Duration;

use crate::access::limits::{Exhausted, Limits, Source};
use crate::model::{Reason, Refusal};
use crate::node::Node;

impl Node {
    /// Sets how much may be asked for, once; until then there is no limit.
    pub fn set_limits(&self, limits: Limits) {
        let _set_before = self.inner.limits.set(limits);
    }

    /// Counts `count` requests of `source` at `now`, which is a time of
    /// [`Node::elapsed`]. Allocates nothing, and waits for nobody.
    ///
    /// # Errors
    /// [`Exhausted`] if it asks for too much; see [`Node::limited`].
    pub fn take_requests(
        &self,
        source: Source,
        count: u64,
        now: Duration,
    ) -> Result<(), Exhausted> {
        match self.inner.limits.get() {
            Some(limits) => limits.take_requests(source, count, now),
            None => Ok(()),
        }
    }

    /// Counts `count` requests of whoever is at `address` beyond doubt.
    ///
    /// # Errors
    /// `RateLimited` if they are too many; then they do not count.
    pub fn admit(&self, address: IpAddr, count: u64) -> Result<(), Refusal> {
        let source = Source {
            address,
            is_proven: true,
        };
        let taken = self.take_requests(source, count, self.elapsed());
        taken.map_err(|exhausted| self.limited(source, exhausted))
    }

    /// What a source that asks for too much is told.
    pub fn limited(&self, source: Source, exhausted: Exhausted) -> Refusal {
        match self.inner.limits.get() {
            Some(limits) => limits.refusal(source, exhausted),
            None => Refusal::new(Reason::RateLimited),
        }
    }
}
