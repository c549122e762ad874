//! Addresses that are proven to be their owners': whoever completes an exchange
//! over TCP receives what is sent there.

use std::net::IpAddr;
use std::time::Duration;

use quick_cache::sync::Cache;

/// Addresses that are known at once; one more makes a rarely seen one unknown.
const ADDRESSES_MAX: usize = 65_536;
/// How long an address stays proven.
const GOOD_FOR: Duration = Duration::from_secs(600);

/// The addresses, and when each was last proven.
#[derive(Debug)]
pub(super) struct Proven(Cache<IpAddr, Duration>);

impl Proven {
    /// No address.
    pub(super) fn new() -> Self {
        Self(Cache::new(ADDRESSES_MAX))
    }

    /// `address` completed an exchange at `now`.
    pub(super) fn add(&self, address: IpAddr, now: Duration) {
        self.0.insert(address, now);
    }

    /// Whether `address` did so lately.
    pub(super) fn has(&self, address: IpAddr, now: Duration) -> bool {
        let proven = self.0.get(&address);
        proven.is_some_and(|then| now.saturating_sub(then) < GOOD_FOR)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn forgets_in_time_and_above_the_limit() {
        let proven = Proven::new();
        let address = IpAddr::from(Ipv4Addr::new(192, 0, 2, 1));
        let began = Duration::from_secs(1000);
        assert!(!proven.has(address, began));
        proven.add(address, began);
        assert!(proven.has(address, began + GOOD_FOR - Duration::from_secs(1)));
        assert!(!proven.has(address, began + GOOD_FOR));
        proven.add(address, began + GOOD_FOR);
        assert!(proven.has(address, began + GOOD_FOR));
        for number in 0..200_000 {
            proven.add(IpAddr::from(Ipv4Addr::from_bits(number)), began);
        }
        assert!(proven.0.len() <= ADDRESSES_MAX);
    }
}
