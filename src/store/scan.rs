//! Reading a column in order.

use std::ops::ControlFlow;

use rocksdb::{DBRawIterator, ReadOptions};

use crate::model::{Record, Tombstone};
use crate::store::codec::audit::Stored;
use crate::store::columns::Column;
use crate::store::trail::position_of;
use crate::store::{Error, Store, codec};

/// Stored audit entries given at once: about 64 KiB.
const STORED_ENTRIES: usize = 256;

/// One row of a scan over records and tombstones.
#[derive(Clone, Debug)]
pub enum Row {
    /// A registered identifier.
    Active(Record),
    /// A deleted one.
    Deleted(Tombstone),
}

/// What a visitor of [`each`] is called with: key and value.
type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Error> + 'v;

/// Whether any key of `column` begins with `beginning`.
pub(super) fn any(store: &Store, column: Column, beginning: &[u8]) -> Result<bool, Error> {
    let iterator = seek(store, column, beginning, None)?;
    iterator.status()?;
    Ok(iterator.key().is_some_and(|key| key.starts_with(beginning)))
}

/// Visits the rows whose keys begin with `beginning`, in order, from behind
/// `after`, until the visitor breaks.
pub(super) fn each(
    store: &Store,
    column: Column,
    beginning: &[u8],
    after: Option<&[u8]>,
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let mut iterator = seek(store, column, beginning, after)?;
    while let (Some(key), Some(value)) = (iterator.key(), iterator.value()) {
        if visit(key, value)?.is_break() {
            return Ok(());
        }
        iterator.next();
    }
    Ok(iterator.status()?)
}

/// An iterator at the first key that begins with `beginning` and is greater
/// than `after`; it ends where keys no longer begin so.
fn seek<'s>(
    store: &'s Store,
    column: Column,
    beginning: &[u8],
    after: Option<&[u8]>,
) -> Result<DBRawIterator<'s>, Error> {
    let mut options = ReadOptions::default();
    if let Some(end) = successor(beginning) {
        options.set_iterate_upper_bound(end);
    }
    let mut iterator = store.db.raw_iterator_cf_opt(store.column(column)?, options);
    match after.filter(|after| *after >= beginning) {
        Some(after) => {
            iterator.seek(after);
            if iterator.key() == Some(after) {
                iterator.next();
            }
        }
        None => iterator.seek(beginning),
    }
    Ok(iterator)
}

/// The least key above all that begin with `beginning`; none above `ff ff …`.
fn successor(beginning: &[u8]) -> Option<Vec<u8>> {
    let mut end = beginning.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

impl Store {
    /// Visits records below the canonical `prefix` (all if `None`) in the order
    /// of their keys, from behind the key `after`, as of one moment, until the
    /// visitor breaks.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn each_record(
        &self,
        prefix: Option<&str>,
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], Record) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let beginning = prefix.map_or_else(Vec::new, |prefix| format!("{prefix}/").into_bytes());
        each(
            self,
            Column::Records,
            &beginning,
            after,
            &mut |key, value| Ok(visit(key, codec::record::decode(key, value)?)),
        )
    }

    /// Visits records and tombstones below the canonical `prefix` merged in the
    /// order of their keys, from behind `after`, until the visitor breaks.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn each_row(
        &self,
        prefix: &str,
        after: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], Row) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let beginning = format!("{prefix}/").into_bytes();
        let mut records = seek(self, Column::Records, &beginning, after)?;
        let mut tombstones = seek(self, Column::Tombstones, &beginning, after)?;
        loop {
            let active_next = match (records.key(), tombstones.key()) {
                (None, None) => break,
                (Some(_), None) => true,
                (None, Some(_)) => false,
                // Equal only if a deletion fell between the two iterators.
                (Some(record), Some(tombstone)) => record <= tombstone,
            };
            let iterator = if active_next {
                &mut records
            } else {
                &mut tombstones
            };
            let (Some(key), Some(value)) = (iterator.key(), iterator.value()) else {
                break;
            };
            let row = if active_next {
                Row::Active(codec::record::decode(key, value)?)
            } else {
                Row::Deleted(codec::record::decode_tombstone(key, value)?)
            };
            if visit(key, row).is_break() {
                return Ok(());
            }
            iterator.next();
        }
        records.status()?;
        Ok(tombstones.status()?)
    }

    /// Visits audit entries against the order of their positions, from before
    /// `before`, or from the last, until the visitor breaks.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn each_audit_back(
        &self,
        before: Option<u64>,
        visit: &mut dyn FnMut(u64, codec::audit::AuditEntry) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let column = self.column(Column::Audit)?;
        let mut iterator = self.db.raw_iterator_cf(column);
        match before {
            Some(before) => match before.checked_sub(1) {
                Some(from) => iterator.seek_for_prev(from.to_be_bytes()),
                None => return Ok(()),
            },
            None => iterator.seek_to_last(),
        }
        while let (Some(key), Some(value)) = (iterator.key(), iterator.value()) {
            if let Stored::Entry(entry, _) = codec::audit::decode(value)?
                && visit(position_of(key)?, *entry).is_break()
            {
                return Ok(());
            }
            iterator.prev();
        }
        Ok(iterator.status()?)
    }

    /// Gives the stored forms of the audit entries behind `after` up to `until`, in
    /// chunks, until the visitor breaks.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Corrupt`].
    pub fn each_stored_audit(
        &self,
        after: u64,
        until: u64,
        visit: &mut dyn FnMut(Vec<Vec<u8>>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let after = after.to_be_bytes();
        let mut chunk = Vec::new();
        let mut is_broken = false;
        each(self, Column::Audit, b"", Some(&after), &mut |key, value| {
            if position_of(key)? > until {
                return Ok(ControlFlow::Break(()));
            }
            chunk.push(value.to_vec());
            if chunk.len() < STORED_ENTRIES {
                return Ok(ControlFlow::Continue(()));
            }
            let flow = visit(std::mem::take(&mut chunk));
            is_broken = flow.is_break();
            Ok(flow)
        })?;
        if !is_broken && !chunk.is_empty() {
            let _last = visit(chunk);
        }
        Ok(())
    }

    /// Visits audit entries in the order of their positions, from behind
    /// `after`, until the visitor breaks.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn each_audit(
        &self,
        after: u64,
        visit: &mut dyn FnMut(u64, codec::audit::AuditEntry) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let after = after.to_be_bytes();
        each(self, Column::Audit, b"", Some(&after), &mut |key, value| {
            Ok(match codec::audit::decode(value)? {
                Stored::Entry(entry, _) => visit(position_of(key)?, *entry),
                // Older than the retention.
                Stored::Remains(..) => ControlFlow::Continue(()),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_of_a_range() {
        assert_eq!(successor(b"88.1/"), Some(b"88.10".to_vec()));
        assert_eq!(successor(b"a\xff"), Some(b"b".to_vec()));
        assert_eq!(successor(b"\xff\xff"), None);
        assert_eq!(successor(b""), None);
    }
}
