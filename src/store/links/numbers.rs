//! Numbers of nodes in memory, as many as fit: whoever states a link or traces asks for
//! those of its ends first, and to have the engine find them was a third of what a link
//! cost the writer.
//!
//! A number is given once and for good, so nothing of it is ever forgotten for a change.
//! That a key has none is not kept: it may get one.

use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// What an entry takes beside its key: its places in table and queue, which grow by
/// doubling, those of keys that lately gave way, and what the allocator rounds up.
const ENTRY_BYTES: usize = 96;
/// Bytes of a key, as it often is.
const KEY_BYTES: usize = 32;

/// Numbers by key, up to a number of bytes; those not used lately give way.
#[derive(Debug)]
pub(in crate::store) struct Numbers(Cache<Box<[u8]>, u32, Weight>);

#[derive(Clone, Copy, Debug)]
struct Weight;

impl Weighter<Box<[u8]>, u32> for Weight {
    fn weight(&self, key: &Box<[u8]>, _: &u32) -> u64 {
        (key.len() + ENTRY_BYTES) as u64
    }
}

impl Numbers {
    /// Room for `bytes_max` bytes.
    pub(in crate::store) fn new(bytes_max: usize) -> Self {
        let expected = bytes_max / (KEY_BYTES + ENTRY_BYTES);
        Self(Cache::with_weighter(expected, bytes_max as u64, Weight))
    }

    /// The number of the node with `key`, if it is here.
    pub(super) fn get(&self, key: &[u8]) -> Option<u32> {
        self.0.get(key)
    }

    /// Keeps the number of the node with `key`, which is committed.
    pub(super) fn keep(&self, key: &[u8], number: u32) {
        self.0.insert(key.into(), number);
    }

    /// All that is here.
    pub(super) fn each(&self) -> impl Iterator<Item = (Box<[u8]>, u32)> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_as_many_as_fit() {
        let numbers = Numbers::new(1 << 20);
        let key = |number: u32| format!("88.104.1001/{number:09}").into_bytes();
        (0..100_000).for_each(|number| numbers.keep(&key(number), number));
        let kept = |number: &u32| numbers.get(&key(*number)) == Some(*number);
        let count = (0..100_000).filter(kept).count();
        let limit = (1 << 20) / (key(0).len() + ENTRY_BYTES);
        assert!(count > limit / 2 && count <= limit, "{count} of {limit}");
        assert_eq!(numbers.each().count(), count);
        assert_eq!(numbers.get(b"88.104.1001/"), None);

        let none = Numbers::new(0);
        none.keep(&key(0), 0);
        assert_eq!(none.get(&key(0)), None);
    }
}
