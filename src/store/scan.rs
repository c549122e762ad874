//! Reading a column in order.

use std::ops::ControlFlow;
use std::sync::Arc;

use rocksdb::{ColumnFamily, DBRawIterator, ReadOptions, Snapshot};

use crate::model::{Record, Tombstone};
use crate::store::codec::audit::Stored;
use crate::store::codec::restricted::{Restricted, grants_of, row_key};
use crate::store::columns::Column;
use crate::store::trail::position_of;
use crate::store::{Error, Sight, Store, codec};

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

/// Which identifiers a scan visits.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// Those below this canonical prefix; `None`: below all.
    pub prefix: Option<&'a str>,
    /// Those behind this key.
    pub after: Option<&'a [u8]>,
    /// Deleted ones too.
    pub deleted: bool,
    /// These of the restricted ones.
    pub sight: &'a Sight,
}

/// One range of a column whose keys end with those of identifiers.
struct Source<'s> {
    iterator: DBRawIterator<'s>,
    column: &'s ColumnFamily,
    kind: SourceKind,
    /// Bytes in front of an identifier's key.
    skip: usize,
}

#[derive(Clone, Copy)]
enum SourceKind {
    Records,
    Tombstones,
    Restricted,
    Grants,
}

/// What a visitor of [`each`] is called with: key and value.
type Visit<'v> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, Error> + 'v;

/// Whether any key of `column` begins with `beginning`.
pub(super) fn any(store: &Store, column: Column, beginning: &[u8]) -> Result<bool, Error> {
    let iterator = seek(store, column, beginning, None)?;
    iterator.status()?;
    Ok(iterator.key().is_some_and(|key| key.starts_with(beginning)))
}

/// The greatest key of `column`.
pub(super) fn last_key(store: &Store, column: Column) -> Result<Option<Vec<u8>>, Error> {
    let mut iterator = store.db.raw_iterator_cf(store.column(column)?);
    iterator.seek_to_last();
    iterator.status()?;
    Ok(iterator.key().map(<[u8]>::to_vec))
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
    place(&mut iterator, beginning, after);
    Ok(iterator)
}

/// Puts `iterator` behind `after`, or at `beginning` if that comes later.
fn place(iterator: &mut DBRawIterator<'_>, beginning: &[u8], after: Option<&[u8]>) {
    match after.filter(|after| *after >= beginning) {
        Some(after) => {
            iterator.seek(after);
            if iterator.key() == Some(after) {
                iterator.next();
            }
        }
        None => iterator.seek(beginning),
    }
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
    /// Visits the identifiers of `span` in the order of their keys, as of one
    /// moment, until the visitor breaks.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn each_row(
        &self,
        span: &Span<'_>,
        visit: &mut dyn FnMut(&[u8], Row) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        // What moves from one column to another meanwhile is met once.
        let snapshot = self.db.snapshot();
        let mut sources = span.sources(self, &snapshot)?;
        while let Some(key) = sources.iter().filter_map(Source::key).min() {
            let key = key.to_vec();
            let mut row = None;
            for source in &mut sources {
                if source.key() == Some(&key) {
                    row = row.or(source.row(&snapshot, &key)?);
                    source.iterator.next();
                }
            }
            if let Some(row) = row.filter(|row| span.deleted || matches!(row, Row::Active(_)))
                && visit(&key, row).is_break()
            {
                return Ok(());
            }
        }
        for source in &sources {
            source.iterator.status()?;
        }
        Ok(())
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

impl Span<'_> {
    /// The ranges that hold the rows of the span.
    fn sources<'i>(
        &self,
        store: &'i Store,
        snapshot: &'i Snapshot<'_>,
    ) -> Result<Vec<Source<'i>>, Error> {
        let mut ranges = vec![(SourceKind::Records, Column::Records, Vec::new())];
        if self.deleted {
            ranges.push((SourceKind::Tombstones, Column::Tombstones, Vec::new()));
        }
        match self.sight {
            Sight::Nothing => {}
            Sight::Everything => {
                ranges.push((SourceKind::Restricted, Column::Restricted, row_key(b"")));
            }
            Sight::Shared(readers) => ranges.extend(
                readers
                    .iter()
                    .map(|reader| (SourceKind::Grants, Column::Restricted, grants_of(reader))),
            ),
        }
        let below = self
            .prefix
            .map_or_else(String::new, |prefix| format!("{prefix}/"));
        let open = |(kind, column, head): (SourceKind, Column, Vec<u8>)| {
            let beginning = [&head, below.as_bytes()].concat();
            let after = self.after.map(|after| [&head, after].concat());
            let column = store.column(column)?;
            let mut options = ReadOptions::default();
            if let Some(end) = successor(&beginning) {
                options.set_iterate_upper_bound(end);
            }
            let mut iterator = snapshot.raw_iterator_cf_opt(column, options);
            place(&mut iterator, &beginning, after.as_deref());
            Ok(Source {
                iterator,
                column,
                kind,
                skip: head.len(),
            })
        };
        ranges.into_iter().map(open).collect()
    }
}

impl Source<'_> {
    /// The identifier's key at which it stands.
    fn key(&self) -> Option<&[u8]> {
        self.iterator.key()?.get(self.skip..)
    }

    /// The row at which it stands, whose key is `key`.
    fn row(&self, snapshot: &Snapshot<'_>, key: &[u8]) -> Result<Option<Row>, Error> {
        let Some(value) = self.iterator.value() else {
            return Ok(None);
        };
        let restricted = match self.kind {
            SourceKind::Records => {
                return Ok(Some(Row::Active(codec::record::decode(key, value)?)));
            }
            SourceKind::Tombstones => {
                let tombstone = codec::record::decode_tombstone(key, value)?;
                return Ok(Some(Row::Deleted(tombstone)));
            }
            SourceKind::Restricted => codec::restricted::decode(key, value)?,
            SourceKind::Grants => match snapshot.get_cf(self.column, row_key(key))? {
                Some(bytes) => codec::restricted::decode(key, &bytes)?,
                None => return Ok(None),
            },
        };
        Ok(Some(match restricted {
            Restricted::Active(record) => Row::Active(Arc::unwrap_or_clone(record)),
            Restricted::Deleted(tombstone) => Row::Deleted(tombstone),
        }))
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
