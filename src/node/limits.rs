//! Limits as the faces ask for them, and as the node asks before a change.

use std::net::IpAddr;
use std::time::Duration;

use crate::access::limits::{Config, Exhausted, Limits, Source};
use crate::model::{Caller, Prefix, Reason, Refusal, Who};
use crate::node::Node;

impl Node {
    /// Sets how much may be asked for, once; until then there is no limit.
    pub fn set_limits(&self, config: &Config) {
        let seed = [(); 2].map(|()| u64::from_ne_bytes(self.random()));
        let _set_before = self.inner.limits.set(Limits::new(config, seed));
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

    /// What a source that asks for too much is told.
    pub fn limited(&self, source: Source, exhausted: Exhausted) -> Refusal {
        match self.inner.limits.get() {
            Some(limits) => limits.refusal(source, exhausted),
            None => Refusal::new(Reason::RateLimited),
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

    /// Counts the items of a request beyond the first, which was counted as it
    /// came.
    ///
    /// # Errors
    /// `RateLimited` if they are too many; then they do not count.
    pub fn admit_items(&self, caller: &Caller, count: usize) -> Result<(), Refusal> {
        match caller.source {
            Some(address) => self.admit(address, wide(count.saturating_sub(1))),
            None => Ok(()),
        }
    }

    /// Counts `count` writes that `caller` asks for.
    ///
    /// # Errors
    /// `RateLimited` if its firm writes too much; then they do not count.
    pub fn take_writes(&self, caller: &Caller, count: usize) -> Result<(), Refusal> {
        match (self.inner.limits.get(), self.payer(caller)) {
            (Some(limits), Some(payer)) => limits.take_writes(&payer, wide(count), self.elapsed()),
            _ => Ok(()),
        }
    }

    /// Whose writes those of `caller` are: its firm's, or as long as no firm is
    /// known to hold the prefix of an identity, that prefix's. Nobody's for
    /// whoever operates the node.
    fn payer(&self, caller: &Caller) -> Option<String> {
        match &caller.who {
            Who::Anonymous | Who::Operator(_) | Who::Guest(_) => None,
            Who::Member(member) => Some(format!("firms/{}", member.firm)),
            Who::Identity(identity) if identity.is_operator() => None,
            Who::Identity(identity) => {
                let identifier = &identity.reference().identifier;
                let prefix = identifier.prefix();
                // The key of a prefix's administrator is kept in its record.
                let named = prefix
                    .holds_prefix_records()
                    .then(|| Prefix::parse(identifier.suffix().as_str()).ok());
                let canonical = named.flatten().as_ref().unwrap_or(prefix).canonical();
                let entry = self.prefix(&canonical);
                let holder = entry.as_ref().and_then(|entry| entry.holder.as_ref());
                Some(holder.map_or_else(
                    || format!("prefixes/{canonical}"),
                    |firm| format!("firms/{firm}"),
                ))
            }
        }
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
