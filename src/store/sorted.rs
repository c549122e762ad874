//! Rows of one column that are written in the order of their keys.
//!
//! RocksDB finds the place of a key in its table in memory by a walk over pointers, each
//! of which waits for memory. From the place of the key before it, it is short. A table
//! file takes them in no other order.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};
use std::ops::Range;

use foldhash::fast::RandomState;
use rocksdb::{ColumnFamily, WriteBatch};

/// Octets that a row often takes.
const ROW_BYTES: usize = 384;

/// Rows in the order in which they were put.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    octets: Vec<u8>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    key: Range<usize>,
    /// None: the row is removed.
    value: Option<Range<usize>>,
}

/// In which order rows are written: that of their keys, each key once.
#[derive(Debug)]
pub(super) struct Order(Vec<usize>);

/// Rows that are found by their keys before they are written. They are kept as they are
/// stored: what they were made of is freed at once.
#[derive(Default)]
pub(super) struct Indexed {
    rows: Sorted,
    /// The last row of each key, by a number that no other key has: its hash, or the
    /// next that is free.
    last: HashMap<u64, usize, BuildHasherDefault<Same>>,
    hasher: RandomState,
}

/// A number for its own hash.
#[derive(Default)]
pub(super) struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.0 = self.0.rotate_left(8) ^ u64::from(*octet);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

impl Sorted {
    /// Makes room for `count` rows.
    pub(super) fn reserve(&mut self, count: usize) {
        self.octets.reserve(count.saturating_mul(ROW_BYTES));
        self.rows.reserve(count);
    }

    /// Puts what `write` appends under `key`, and gives it.
    pub(super) fn put(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        let key = self.keep(key);
        let start = self.octets.len();
        write(&mut self.octets);
        let value = start..self.octets.len();
        self.rows.push(Row {
            key,
            value: Some(value),
        });
        self.octets.get(start..).unwrap_or_default()
    }

    /// How many rows were put.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Removes the row under `key`.
    fn remove(&mut self, key: &[u8]) {
        let key = self.keep(key);
        self.rows.push(Row { key, value: None });
    }

    fn keep(&mut self, key: &[u8]) -> Range<usize> {
        let start = self.octets.len();
        self.octets.extend_from_slice(key);
        start..self.octets.len()
    }

    fn at(&self, range: &Range<usize>) -> &[u8] {
        self.octets.get(range.clone()).unwrap_or_default()
    }

    fn key(&self, row: usize) -> &[u8] {
        self.rows.get(row).map_or(&[], |row| self.at(&row.key))
    }

    fn value(&self, row: usize) -> Option<&[u8]> {
        let value = self.rows.get(row)?.value.as_ref()?;
        Some(self.at(value))
    }

    /// The order of their keys: of those with one key, the last counts.
    pub(super) fn order(&self) -> Order {
        let mut rows: Vec<usize> = (0..self.rows.len()).collect();
        let by_key = |a: &usize, b: &usize| -> Ordering { self.key(*a).cmp(self.key(*b)) };
        rows.sort_by(by_key);
        // `dedup_by` keeps the first of each.
        rows.reverse();
        rows.dedup_by(|a, b| by_key(a, b).is_eq());
        rows.reverse();
        Order(rows)
    }

    /// Key and value of each row in `order`; no value where it is removed.
    pub(super) fn rows<'a>(
        &'a self,
        Order(order): &'a Order,
    ) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        order.iter().map(|row| (self.key(*row), self.value(*row)))
    }

    /// Puts all of them into `writes`.
    pub(super) fn put_into(&self, column: &ColumnFamily, writes: &mut WriteBatch) {
        for (key, value) in self.rows(&self.order()) {
            match value {
                Some(value) => writes.put_cf(column, key, value),
                None => writes.delete_cf(column, key),
            }
        }
    }
}

impl Indexed {
    /// Makes room for `count` rows.
    pub(super) fn reserve(&mut self, count: usize) {
        self.rows.reserve(count);
        self.last.reserve(count);
    }

    /// How many rows were put.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
    }

    /// All of them.
    pub(super) const fn rows(&self) -> &Sorted {
        &self.rows
    }

    /// Puts what `write` appends under `key`, and gives it.
    pub(super) fn put(&mut self, key: &[u8], write: impl FnOnce(&mut Vec<u8>)) -> &[u8] {
        self.last.insert(self.number(key), self.len());
        self.rows.put(key, write)
    }

    /// Removes the row under `key`.
    pub(super) fn remove(&mut self, key: &[u8]) {
        self.last.insert(self.number(key), self.len());
        self.rows.remove(key);
    }

    /// What was put under `key` last, if anything was; within, none if it was removed.
    pub(super) fn find(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        if self.last.is_empty() {
            return None;
        }
        let row = self.last.get(&self.number(key))?;
        Some(self.rows.value(*row))
    }

    /// The number under which `key` stands, or would.
    fn number(&self, key: &[u8]) -> u64 {
        let mut number = self.hasher.hash_one(key);
        while let Some(row) = self.last.get(&number)
            && self.rows.key(*row) != key
        {
            number = number.wrapping_add(1);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_last_row_of_each_key_is_found_and_written(
            rows in prop::collection::vec((0_u8..20, prop::option::of(0_u8..4)), 0..100),
        ) {
            let mut indexed = Indexed::default();
            let mut expected = BTreeMap::new();
            for (key, value) in rows {
                let key = [key / 5, key % 5];
                match value {
                    Some(value) => {
                        let put = indexed.put(&key, |out| out.push(value)).to_vec();
                        prop_assert_eq!(put, [value]);
                    }
                    None => indexed.remove(&key),
                }
                expected.insert(key, value);
            }
            for key in (0..25_u8).map(|key| [key / 5, key % 5]) {
                let wanted = expected.get(&key).copied();
                let found = indexed.find(&key);
                prop_assert_eq!(found.map(|value| value.map(|octets| octets[0])), wanted);
            }
            let order = indexed.rows().order();
            let written: Vec<_> = indexed.rows().rows(&order).collect();
            let expected: Vec<_> = expected.iter().map(|(key, value)| (&key[..], value)).collect();
            prop_assert_eq!(written.len(), expected.len());
            for ((key, value), (wanted_key, wanted)) in written.into_iter().zip(expected) {
                prop_assert_eq!((key, value.map(|octets| octets[0])), (wanted_key, *wanted));
            }
        }
    }

    #[test]
    fn keys_of_one_hash_are_told_apart() {
        let mut indexed = Indexed::default();
        indexed.put(b"a", |out| out.push(1));
        // As if "b" had had the hash of "a".
        let hash = indexed.number(b"b");
        let row = indexed.len();
        indexed.put(b"c", |out| out.push(3));
        indexed.last.insert(hash, row);
        assert_ne!(indexed.number(b"b"), hash);
        assert_eq!(indexed.find(b"b"), None);
        indexed.put(b"b", |out| out.push(2));
        assert_eq!(indexed.find(b"b"), Some(Some(&[2][..])));
        assert_eq!(indexed.find(b"c"), Some(Some(&[3][..])));
    }
}
