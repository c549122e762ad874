//! Rows of one column that are written in the order of their keys.
//!
//! RocksDB finds the place of a key in its table in memory by a walk over pointers, each
//! of which waits for memory. From the place of the key before it, it is short. A table
//! file takes them in no other order.

use std::cmp::Ordering;
use std::ops::Range;

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

/// Rows in the order of their keys, each key once.
#[derive(Debug)]
pub(super) struct InOrder(Sorted);

impl Sorted {
    /// Makes room for `count` rows.
    pub(super) fn reserve(&mut self, count: usize) {
        self.octets.reserve(count.saturating_mul(ROW_BYTES));
        self.rows.reserve(count);
    }

    /// How many rows were put.
    pub(super) const fn len(&self) -> usize {
        self.rows.len()
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

    /// Removes the row under `key`.
    pub(super) fn remove(&mut self, key: &[u8]) {
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

    /// Sorts them: of those with one key, the last stays.
    pub(super) fn in_order(mut self) -> InOrder {
        let mut rows = std::mem::take(&mut self.rows);
        let in_order = |a: &Row, b: &Row| -> Ordering { self.at(&a.key).cmp(self.at(&b.key)) };
        rows.sort_by(in_order);
        // `dedup_by` keeps the first of each.
        rows.reverse();
        rows.dedup_by(|a, b| in_order(a, b).is_eq());
        rows.reverse();
        self.rows = rows;
        InOrder(self)
    }
}

impl InOrder {
    /// Key and value of each row; no value where it is removed.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let Self(sorted) = self;
        let row = |row: &Row| row.value.as_ref().map(|value| sorted.at(value));
        let rows = sorted.rows.iter();
        rows.map(move |each| (sorted.at(&each.key), row(each)))
    }

    /// Puts all of them into `writes`.
    pub(super) fn put_into(&self, column: &ColumnFamily, writes: &mut WriteBatch) {
        for (key, value) in self.rows() {
            match value {
                Some(value) => writes.put_cf(column, key, value),
                None => writes.delete_cf(column, key),
            }
        }
    }
}
