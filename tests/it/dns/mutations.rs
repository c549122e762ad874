//! Random changes of valid queries: none makes the face panic, none that is
//! malformed gets an answer larger than it is.

use idnode::face::dns::{Tally, Transport};
use idnode::wire::dns::Query;

use super::{Fixture, query};

/// Mutations without `IDNODE_DNS_MUTATIONS`, which sets another number.
const MUTATIONS: u64 = 200_000;

/// A small generator with a fixed seed (xorshift64*, Vigna 2016), so that a
/// failure comes again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).expect("31 bits") % limit.max(1)
    }

    fn octet(&mut self) -> u8 {
        let interesting = [0, 1, 0x0c, 0x3f, 0x40, 0x80, 0xc0, 0xff];
        match self.below(2) {
            0 => interesting[self.below(interesting.len())],
            _ => u8::try_from(self.below(256)).expect("eight bits"),
        }
    }

    fn mutate(&mut self, packet: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(packet.len() + 1);
        match self.below(7) {
            0 => packet.truncate(at),
            1 => packet.insert(at, self.octet()),
            2 if at < packet.len() => drop(packet.remove(at)),
            3 => packet.extend_from_slice(&other[self.below(other.len())..]),
            4 if at < packet.len() => packet[at] ^= 1 << self.below(8),
            5 if packet.len() > 12 => packet[self.below(12)] = self.octet(),
            _ if at < packet.len() => packet[at] = self.octet(),
            _ => {}
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the number of a long run is given from outside"
)]
fn mutation_count() -> u64 {
    std::env::var("IDNODE_DNS_MUTATIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(MUTATIONS)
}

#[tokio::test]
async fn no_mutation_panics_or_is_amplified() {
    let fixture = Fixture::new().await;
    let dns = fixture.answerer();
    let names = [
        "000123.20250108.dz47-63._id.7.118.88.id.example.",
        "large._id.7.118.88.id.example.",
        "c4n2sog._b32.7.118.88.id.example.",
        "_hdl._tcp.7.118.88.id.example.",
        "7.118.88.id.example.",
        "id.example.",
        "example.org.",
    ];
    let mut seeds = Vec::new();
    for name in names {
        for record_type in [16, 35, 256, 255, 6, 33, 252] {
            seeds.push(query(name, record_type, None));
            seeds.push(query(name, record_type, Some(4096)));
        }
    }
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let (mut tally, mut out) = (Tally::default(), vec![0; 65_535]);
    let (mut sound_count, mut malformed_count) = (0u64, 0u64);
    for _ in 0..mutation_count() {
        let mut packet = seeds[chance.below(seeds.len())].clone();
        let other = chance.below(seeds.len());
        for _ in 0..=chance.below(4) {
            chance.mutate(&mut packet, &seeds[other]);
        }
        let transport = [Transport::Udp, Transport::Tcp][chance.below(2)];
        let answer = dns.answer(&packet, transport, &mut out, &mut tally);
        if Query::read(&packet).is_err() {
            malformed_count += 1;
            assert!(
                answer.unwrap_or(0) <= packet.len(),
                "{}",
                packet.escape_ascii()
            );
        } else {
            sound_count += 1;
            assert!(answer.is_some(), "{}", packet.escape_ascii());
        }
    }
    println!("{sound_count} sound, {malformed_count} malformed");
    assert!(sound_count > 0 && malformed_count > 0);
    fixture.close().await;
}
