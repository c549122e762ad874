//! Whether an answer made earlier is still current, without a reverse index.
//!
//! Every subject (an identifier, or a name above it in the DNS) falls by its
//! hash into a slot with a version; a change raises the versions of what it
//! touches before it is acknowledged. An answer carries the versions that it
//! was made under. Two subjects in one slot cost a needless miss, never a stale
//! answer.

use std::sync::atomic::{AtomicU32, Ordering};

/// Slots of prefixes.
const PREFIX_SLOTS: usize = 1 << 14;
/// Slots of subjects: 4 MiB. At 1,000 changes a second, each touching three
/// subjects, 0.3 % of all answers a second are dropped by chance.
const SUBJECT_SLOTS: usize = 1 << 20;

/// The odd number nearest 2^64 over the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
/// An odd number without pattern.
const FINISHER: u64 = 0xd6e8_feb8_6659_fd93;
/// What tells `A` from `a`; without it some signs fall together as well, which
/// costs as little as any other collision.
const CASE_BIT: u8 = 0x20;

/// The versions under which an answer was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    prefix: (u32, u32),
    subject: (u32, u32),
}

impl Stamp {
    /// The stamp as two words.
    pub fn to_words(self) -> [u64; 2] {
        [self.prefix, self.subject].map(|(slot, seen)| u64::from(slot) << 32 | u64::from(seen))
    }

    /// The stamp that two words are.
    pub fn of_words(words: [u64; 2]) -> Self {
        let [prefix, subject] = words.map(|word| {
            let [a, b, c, d, e, f, g, h] = word.to_be_bytes();
            (
                u32::from_be_bytes([a, b, c, d]),
                u32::from_be_bytes([e, f, g, h]),
            )
        });
        Self { prefix, subject }
    }
}

/// A slot of which a change raises the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Of all that is stamped with a prefix, and not of one subject.
    is_prefix: bool,
    number: u32,
}

impl Slot {
    /// That of `subject` below `prefix`; ASCII case does not matter.
    pub fn of_subject(prefix: &str, subject: &[u8]) -> Self {
        Self {
            is_prefix: false,
            number: slots(prefix, subject).1,
        }
    }

    /// That of `prefix`.
    pub fn of_prefix(prefix: &str) -> Self {
        Self {
            is_prefix: true,
            number: slots(prefix, b"").0,
        }
    }
}

/// The version of every slot.
pub struct Stamps {
    prefixes: Box<[AtomicU32]>,
    subjects: Box<[AtomicU32]>,
}

impl std::fmt::Debug for Stamps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stamps")
    }
}

impl Default for Stamps {
    fn default() -> Self {
        let slots = |count| (0..count).map(|_| AtomicU32::new(0)).collect();
        Self {
            prefixes: slots(PREFIX_SLOTS),
            subjects: slots(SUBJECT_SLOTS),
        }
    }
}

impl Stamps {
    /// The stamp of `subject` below `prefix`; ASCII case does not matter.
    pub fn stamp(&self, prefix: &str, subject: &[u8]) -> Stamp {
        let (prefix_slot, subject_slot) = slots(prefix, subject);
        Stamp {
            prefix: (prefix_slot, version(&self.prefixes, prefix_slot)),
            subject: (subject_slot, version(&self.subjects, subject_slot)),
        }
    }

    /// Whether nothing under the stamp has changed.
    pub fn is_current(&self, stamp: &Stamp) -> bool {
        let same = |slots, (slot, seen)| version(slots, slot) == seen;
        same(&self.prefixes, stamp.prefix) && same(&self.subjects, stamp.subject)
    }

    /// Makes every answer stamped with `slot` stale.
    pub fn touch(&self, slot: Slot) {
        let Slot { is_prefix, number } = slot;
        match is_prefix {
            true => raise(&self.prefixes, number),
            false => raise(&self.subjects, number),
        }
    }
}

fn slots(prefix: &str, subject: &[u8]) -> (u32, u32) {
    let hash = mixed(0, prefix.as_bytes());
    let prefix_slot = slot(hash, PREFIX_SLOTS);
    (prefix_slot, slot(mixed(hash, subject), SUBJECT_SLOTS))
}

/// A hash of `bytes` that ASCII case does not change, eight at a time. It is not
/// keyed: whoever makes subjects collide gains needless misses of their own.
fn mixed(seed: u64, bytes: &[u8]) -> u64 {
    let length = u64::try_from(bytes.len()).unwrap_or_default();
    let mut hash = folded(seed ^ length);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        for (place, byte) in word.iter_mut().zip(chunk) {
            *place = byte | CASE_BIT;
        }
        hash = folded(hash.rotate_left(29) ^ u64::from_le_bytes(word));
    }
    hash
}

/// Both halves of a product, in which every bit of `word` has a part.
fn folded(word: u64) -> u64 {
    let product = u128::from(word) * u128::from(MULTIPLIER);
    let (low, high) = (product & u128::from(u64::MAX), product >> 64);
    u64::try_from(low ^ high).unwrap_or_default()
}

/// The slot of `hash` among `count`, a power of two of at most 2^24.
fn slot(hash: u64, count: usize) -> u32 {
    let mask = u64::try_from(count).unwrap_or(1) - 1;
    // The high bits of a product are those that every bit has a part in.
    let spread = (hash ^ hash >> 32).wrapping_mul(FINISHER) >> 40;
    u32::try_from(spread & mask).unwrap_or_default()
}

fn version(slots: &[AtomicU32], slot: u32) -> u32 {
    let at = usize::try_from(slot).unwrap_or_default();
    slots
        .get(at)
        .map_or(0, |version| version.load(Ordering::Acquire))
}

fn raise(slots: &[AtomicU32], slot: u32) {
    let at = usize::try_from(slot).unwrap_or_default();
    if let Some(version) = slots.get(at) {
        version.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spreads_neighbours_over_the_slots() {
        let mut taken = std::collections::HashSet::new();
        for serial in 0..20_000 {
            let subject = format!("dz47-63.20250108.{serial:06}");
            taken.insert(slots("88.118.7", subject.as_bytes()).1);
        }
        // By chance 190 of 20,000 fall together in a million slots.
        assert!(taken.len() > 19_600, "{}", taken.len());
    }

    #[test]
    fn a_touch_makes_its_own_answers_stale_and_no_others() {
        let stamps = Stamps::default();
        let mine = stamps.stamp("88.118.7", b"a");
        let other = stamps.stamp("88.118.8", b"a");
        assert!(stamps.is_current(&mine));
        stamps.touch(Slot::of_subject("88.118.7", b"A"));
        assert!(!stamps.is_current(&mine) && stamps.is_current(&other));
        let mine = stamps.stamp("88.118.7", b"a");
        stamps.touch(Slot::of_prefix("88.118.7"));
        assert!(!stamps.is_current(&mine) && stamps.is_current(&other));
    }
}
