//! Limits: how much one source may ask for, and one firm write, in a second.
//!
//! Every request counts for the address that it came from, over all protocols
//! together; an address that was not proved to be the sender's own (a datagram's)
//! is counted apart, so that who gives a false one spends nothing of its owner's.
//! Writes count for the firm of whoever asks, and for nobody else.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::access::rate::{Debts, Rate};
use crate::model::{Reason, Refusal};

pub use crate::access::rate::{BURST_SECS_MAX, Exhausted, PER_SEC_MAX};

/// Rows of the table of sources, as a power of two: 512 KiB.
const SOURCE_ROW_BITS: u32 = 13;
/// Rows of the table of firms, as a power of two: 64 KiB.
const FIRM_ROW_BITS: u32 = 10;
/// Words of the secret that makes it unknowable whose hashes agree.
pub const SEED_WORDS: usize = 2;

/// Settings of limits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Requests a second of one source; 0 is no limit.
    pub source_requests_per_sec: u32,
    /// Requests of one source at once.
    pub source_requests_burst: u32,
    /// Networks whose sources have no limit.
    pub exempt_networks: Vec<IpNet>,
    /// Writes a second of one firm; 0 is no limit.
    pub firm_writes_per_sec: u32,
    /// Writes of one firm at once.
    pub firm_writes_burst: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            source_requests_per_sec: 5000,
            source_requests_burst: 20_000,
            exempt_networks: vec![
                IpNet::V4(ipnet::Ipv4Net::new_assert([127, 0, 0, 0].into(), 8)),
                IpNet::V6(ipnet::Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
            ],
            firm_writes_per_sec: 5000,
            firm_writes_burst: 20_000,
        }
    }
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The sender's address. Those of one /64 network of IPv6, which is the network
    /// of one customer, are one source.
    pub address: IpAddr,
    /// Whether it is the sender's own beyond doubt, as over TCP.
    pub is_proven: bool,
}

/// Who has asked for how much lately.
#[derive(Debug)]
pub struct Limits {
    sources: Option<Debts>,
    firms: Option<Debts>,
    exempt: Vec<IpNet>,
    seed: [u64; SEED_WORDS],
}

impl Limits {
    /// Limits by `config`. `seed` is drawn by chance and told to nobody.
    pub fn new(config: &Config, seed: [u64; SEED_WORDS]) -> Self {
        let debts = |per_sec, burst, row_bits| {
            (per_sec > 0).then(|| Debts::new(Rate::new(per_sec, burst), row_bits))
        };
        Self {
            sources: debts(
                config.source_requests_per_sec,
                config.source_requests_burst,
                SOURCE_ROW_BITS,
            ),
            firms: debts(
                config.firm_writes_per_sec,
                config.firm_writes_burst,
                FIRM_ROW_BITS,
            ),
            exempt: config.exempt_networks.clone(),
            seed,
        }
    }

    /// Counts `count` requests of `source`. Allocates nothing.
    ///
    /// # Errors
    /// [`Exhausted`] if it asked for too much; then they do not count.
    pub fn take_requests(
        &self,
        source: Source,
        count: u64,
        now: Duration,
    ) -> Result<(), Exhausted> {
        let Some(debts) = &self.sources else {
            return Ok(());
        };
        match debts.take(self.hash_of_source(source), count, now) {
            Ok(_) => Ok(()),
            Err(_) if self.is_exempt(source.address) => Ok(()),
            Err(exhausted) => Err(exhausted),
        }
    }

    /// Counts `count` writes of `payer`, which is the name of a firm as a resource,
    /// or that of a prefix.
    ///
    /// # Errors
    /// `RateLimited` if it wrote too much; then they do not count.
    pub fn take_writes(&self, payer: &str, count: u64, now: Duration) -> Result<(), Refusal> {
        let Some(debts) = &self.firms else {
            return Ok(());
        };
        let taken = debts.take(self.hash_of_text(payer), count, now);
        taken.map(drop).map_err(|exhausted| {
            let per_sec = debts.rate().per_sec();
            refusal(payer.to_owned(), per_sec, exhausted)
        })
    }

    /// What `source` is told once it has asked for too much.
    pub fn refusal(&self, source: Source, exhausted: Exhausted) -> Refusal {
        let per_sec = self
            .sources
            .as_ref()
            .map_or(0, |debts| debts.rate().per_sec());
        let value = match canonical(source.address) {
            IpAddr::V4(address) => format!("sources/{address}"),
            IpAddr::V6(network) => format!("sources/{network}/64"),
        };
        refusal(value, per_sec, exhausted)
    }

    fn is_exempt(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.exempt.iter().any(|network| network.contains(&address))
    }

    fn hash_of_source(&self, source: Source) -> u64 {
        let (word, family) = match canonical(source.address) {
            IpAddr::V4(address) => (u64::from(u32::from(address)), 4),
            IpAddr::V6(address) => {
                let high = u128::from(address) >> 64;
                (u64::try_from(high).unwrap_or_default(), 6)
            }
        };
        let kind = family << 1 | u64::from(source.is_proven);
        self.mixed(word, kind)
    }

    fn hash_of_text(&self, text: &str) -> u64 {
        let length = u64::try_from(text.len()).unwrap_or_default();
        text.as_bytes().chunks(8).fold(length, |hash, chunk| {
            let mut word = [0; 8];
            for (place, byte) in word.iter_mut().zip(chunk) {
                *place = *byte;
            }
            self.mixed(u64::from_le_bytes(word), hash)
        })
    }

    /// A hash that nobody can predict without the seed, in all of whose bits all
    /// bits of `a` and `b` have a part.
    fn mixed(&self, a: u64, b: u64) -> u64 {
        let [first, second] = self.seed;
        let once = folded(a ^ first, b ^ second);
        folded(once ^ second, first | 1)
    }
}

/// Both halves of a product.
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    let (low, high) = (product & u128::from(u64::MAX), product >> 64);
    u64::try_from(low ^ high).unwrap_or_default()
}

/// The address that stands for all of a source.
fn canonical(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
    }
}

fn refusal(value: String, per_sec: u32, exhausted: Exhausted) -> Refusal {
    let Exhausted { left, retry_after } = exhausted;
    Refusal::new(Reason::RateLimited)
        .value(value)
        .limit(per_sec)
        .remaining(left, Some(retry_after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(7);

    fn limits(config: &Config) -> Limits {
        Limits::new(config, [0x1234_5678_9abc_def1, 0x0fed_cba9_8765_4321])
    }

    fn small() -> Config {
        Config {
            source_requests_per_sec: 10,
            source_requests_burst: 2,
            firm_writes_per_sec: 10,
            firm_writes_burst: 2,
            ..Config::default()
        }
    }

    fn source(address: &str) -> Source {
        Source {
            address: address.parse().expect("an address"),
            is_proven: true,
        }
    }

    #[test]
    fn counts_each_source_for_itself() {
        let limits = limits(&small());
        let first = source("192.0.2.1");
        assert_eq!(limits.take_requests(first, 2, NOW), Ok(()));
        let exhausted = limits.take_requests(first, 1, NOW).expect_err("used up");
        let refusal = limits.refusal(first, exhausted);
        assert_eq!(refusal.reason(), Reason::RateLimited);
        assert_eq!(
            refusal.to_string(),
            "\"sources/192.0.2.1\" may make 10 requests a second and has 0 left; try again in 100 ms"
        );
        let datagram = Source {
            is_proven: false,
            ..first
        };
        for other in [source("192.0.2.2"), datagram] {
            assert_eq!(limits.take_requests(other, 2, NOW), Ok(()), "{other:?}");
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_source_and_a_mapped_address_is_none() {
        let limits = limits(&small());
        assert_eq!(limits.take_requests(source("2001:db8::1"), 2, NOW), Ok(()));
        let neighbour = source("2001:db8::ffff:2");
        let exhausted = limits.take_requests(neighbour, 1, NOW);
        let refusal = limits.refusal(neighbour, exhausted.expect_err("used up"));
        assert_eq!(refusal.shown_value(), "sources/2001:db8::/64");
        assert_eq!(
            limits.take_requests(source("2001:db8:0:1::1"), 2, NOW),
            Ok(())
        );
        assert_eq!(
            limits.take_requests(source("::ffff:192.0.2.1"), 2, NOW),
            Ok(())
        );
        assert!(limits.take_requests(source("192.0.2.1"), 1, NOW).is_err());
    }

    #[test]
    fn exempt_networks_have_no_limit() {
        let limits = limits(&small());
        for _ in 0..100 {
            for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
                assert_eq!(limits.take_requests(source(address), 2, NOW), Ok(()));
            }
        }
    }

    #[test]
    fn counts_the_writes_of_each_firm() {
        let limits = limits(&small());
        assert_eq!(limits.take_writes("firms/mingfeng", 2, NOW), Ok(()));
        let refusal = limits
            .take_writes("firms/mingfeng", 2, NOW)
            .expect_err("used up");
        let remaining = refusal.shown_remaining().expect("told");
        assert_eq!(remaining.left, 0);
        assert_eq!(remaining.retry_after, Some(Duration::from_millis(200)));
        assert_eq!(limits.take_writes("firms/huatai", 2, NOW), Ok(()));
    }

    #[test]
    fn zero_is_no_limit() {
        let limits = limits(&Config {
            source_requests_per_sec: 0,
            firm_writes_per_sec: 0,
            ..small()
        });
        for _ in 0..100 {
            assert_eq!(limits.take_requests(source("192.0.2.1"), 9, NOW), Ok(()));
            assert_eq!(limits.take_writes("firms/mingfeng", 9, NOW), Ok(()));
        }
    }

    #[test]
    fn hashes_spread_over_rows_and_marks() {
        let limits = limits(&small());
        let mut rows = std::collections::HashSet::new();
        let mut marks = std::collections::HashSet::new();
        for number in 0..4096_u32 {
            let hash = limits.hash_of_source(Source {
                address: IpAddr::V4((0xc000_0200 + number).into()),
                is_proven: false,
            });
            rows.insert(hash & ((1 << SOURCE_ROW_BITS) - 1));
            marks.insert(hash >> 48);
        }
        // By chance 4,096 fall into 3,223 of 8,192 rows, and have 3,971 marks.
        assert!(rows.len() > 3100, "{}", rows.len());
        assert!(marks.len() > 3800, "{}", marks.len());
    }
}
