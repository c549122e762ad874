//! Rows of one column that are written in the order of their keys.
//!
//! RocksDB finds the place of a key in its table in memory by a walk over pointers, each
//! of which waits for memory. From the place of the key before it, it is short.

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

    /// Puts all of them into `writes`: of those with one key, the last.
    pub(super) fn finish(mut self, column: &ColumnFamily, writes: &mut WriteBatch) {
        let octets = &self.octets;
        let octets_at = |range: &Range<usize>| octets.get(range.clone()).unwrap_or_default();
        let in_order = |a: &Row, b: &Row| -> Ordering { octets_at(&a.key).cmp(octets_at(&b.key)) };
        self.rows.sort_by(in_order);
        let mut rows = self.rows.iter().peekable();
        while let Some(row) = rows.next() {
            if rows.peek().is_some_and(|next| in_order(row, next).is_eq()) {
                continue;
            }
            let key = octets_at(&row.key);
            match &row.value {
                Some(value) => writes.put_cf(column, key, octets_at(value)),
                None => writes.delete_cf(column, key),
            }
        }
    }
}
