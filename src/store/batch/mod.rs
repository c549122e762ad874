//! A group of changes that becomes visible and durable at once.
//!
//! What is put into a batch is read back through it, so that a later change of
//! the group sees an earlier one. Dropping it drops everything.

mod read;

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use rocksdb::WriteBatch;

use crate::merkle::Tile;
use crate::model::{Key, PrefixEntry, Record, Timestamp, Tombstone};
use crate::store::codec::restricted::{encode_record, encode_tombstone, grant_key, row_key};
use crate::store::codec_types::{AuditEntry, RequestRow};
use crate::store::columns::Column;
use crate::store::directory::{AnyEntry, EntryKey};
use crate::store::held::Held;
use crate::store::ingest::{self, Tables};
use crate::store::links::{GraphChange, Pending};
use crate::store::prefixes::PrefixRow;
use crate::store::restricted::Restricted;
use crate::store::sorted::Sorted;
use crate::store::trail::{Trail, encode_tile, tile_key};
use crate::store::uniques::UniqueKey;
use crate::store::{Error, META_POSITION, Ready, Store, codec};

/// Octets that a change often takes: its record, its audit entry, its count.
const CHANGE_BYTES: usize = 1024;

/// Changes to the store that are not yet made.
///
/// Two batches do not see each other, unless one is made [`behind`](Batch::behind)
/// the other.
pub struct Batch<'s> {
    pub(super) store: Of<'s>,
    pub(super) writes: WriteBatch,
    audit: Sorted,
    /// What the one behind it may read while it is written.
    held: Held,
    /// The one before it, if that was not yet written.
    before: Option<Arc<Held>>,
    entries: BTreeMap<EntryKey, Option<AnyEntry>>,
    sealed: HashMap<Vec<u8>, Option<Vec<u8>>>,
    pub(super) links: Pending,
    /// The position that it began at.
    began: u64,
    /// As this batch leaves it; taken up with the first entry.
    trail: Option<Trail>,
    /// Refused attempts that the next entry tells of.
    omitted: u64,
    latest: Timestamp,
    buffer: Vec<u8>,
}

/// The store that a batch is of.
pub(super) enum Of<'s> {
    Lent(&'s Store),
    Shared(Arc<Store>),
}

impl Deref for Of<'_> {
    type Target = Store;

    fn deref(&self) -> &Store {
        match self {
            Self::Lent(store) => store,
            Self::Shared(store) => store,
        }
    }
}

impl std::fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("position", &self.held.position)
            .finish_non_exhaustive()
    }
}

impl Batch<'static> {
    /// An empty batch behind another, which may be being written meanwhile: it sees
    /// what that one leaves, and is never there without it.
    pub fn behind(store: Arc<Store>, before: Option<Arc<Held>>) -> Self {
        let before = before.filter(|before| before.is_waited_for());
        Batch::of(Of::Shared(store), before)
    }
}

impl<'s> Batch<'s> {
    /// An empty batch on `store`.
    pub fn new(store: &'s Store) -> Self {
        Self::of(Of::Lent(store), None)
    }

    fn of(store: Of<'s>, before: Option<Arc<Held>>) -> Self {
        let position = match &before {
            Some(before) => before.position,
            None => store.position(),
        };
        Self {
            store,
            writes: WriteBatch::default(),
            audit: Sorted::default(),
            held: Held::at(position),
            before,
            entries: BTreeMap::new(),
            sealed: HashMap::new(),
            links: Pending::default(),
            began: position,
            trail: None,
            omitted: 0,
            latest: Timestamp::default(),
            buffer: Vec::new(),
        }
    }

    /// Makes room for `count` changes: what grows step by step is copied each time.
    pub fn reserve(&mut self, count: usize) {
        if self.writes.is_empty() && count < ingest::ROWS_MIN {
            let bytes = count.saturating_mul(CHANGE_BYTES);
            self.writes = WriteBatch::with_capacity_bytes(bytes);
        }
        self.held.records.reserve(count);
        self.audit.reserve(count);
    }

    /// Log position of the last change in this batch, or before it.
    pub fn position(&self) -> u64 {
        self.held.position
    }

    /// Whether any change has a position in it.
    pub fn has_moved(&self) -> bool {
        self.held.position != self.began
    }

    /// Takes the next log position for a change made at `now`.
    pub fn advance(&mut self, now: Timestamp) -> u64 {
        self.held.position += 1;
        self.latest = self.latest.max(now);
        self.held.position
    }

    /// Puts `record` under `key`, where those that are restricted like it stand,
    /// and gives its encoding.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if the database lacks a column.
    pub fn put_record(&mut self, key: &Key, record: &Arc<Record>) -> Result<&[u8], Error> {
        self.buffer.clear();
        if let Some(readers) = &record.readers {
            let column = self.store.column(Column::Restricted)?;
            for reader in readers.each() {
                let grant = grant_key(&reader, key.as_bytes());
                self.writes.put_cf(column, grant, b"");
            }
            let encoded_bytes = encode_record(record, key, &mut self.buffer).len();
            let row = row_key(key.as_bytes());
            self.writes.put_cf(column, row, &self.buffer);
            let kept = Restricted::Active(Arc::clone(record));
            self.held.restricted.insert(key.clone(), Some(kept));
            let head_bytes = self.buffer.len() - encoded_bytes;
            return Ok(self.buffer.get(head_bytes..).unwrap_or_default());
        }
        let encode = |out: &mut Vec<u8>| codec::record::encode(record, key, out);
        Ok(self.held.records.put(key.as_bytes(), encode))
    }

    /// Removes `record`, which stands under `key`.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn remove_record(&mut self, key: &Key, record: &Record) -> Result<(), Error> {
        if let Some(readers) = &record.readers {
            let column = self.store.column(Column::Restricted)?;
            for reader in readers.each() {
                let grant = grant_key(&reader, key.as_bytes());
                self.writes.delete_cf(column, grant);
            }
            return self.remove_restricted(key);
        }
        self.held.records.remove(key.as_bytes());
        Ok(())
    }

    fn remove_restricted(&mut self, key: &Key) -> Result<(), Error> {
        let column = self.store.column(Column::Restricted)?;
        self.writes.delete_cf(column, row_key(key.as_bytes()));
        self.held.restricted.insert(key.clone(), None);
        Ok(())
    }

    /// Puts `tombstone` under `key`, where those that are restricted like it
    /// stand.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn put_tombstone(&mut self, key: &Key, tombstone: Tombstone) -> Result<(), Error> {
        self.buffer.clear();
        if tombstone.restricted {
            encode_tombstone(&tombstone, key, &mut self.buffer);
            let column = self.store.column(Column::Restricted)?;
            let row = row_key(key.as_bytes());
            self.writes.put_cf(column, row, &self.buffer);
            let kept = Restricted::Deleted(tombstone);
            self.held.restricted.insert(key.clone(), Some(kept));
            return Ok(());
        }
        codec::record::encode_tombstone(&tombstone, key, &mut self.buffer);
        let column = self.store.column(Column::Tombstones)?;
        self.writes.put_cf(column, key.as_bytes(), &self.buffer);
        self.held.tombstones.insert(key.clone(), Some(tombstone));
        Ok(())
    }

    /// Removes `tombstone`, which stands under `key`.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn remove_tombstone(&mut self, key: &Key, tombstone: &Tombstone) -> Result<(), Error> {
        if tombstone.restricted {
            return self.remove_restricted(key);
        }
        self.writes
            .delete_cf(self.store.column(Column::Tombstones)?, key.as_bytes());
        self.held.tombstones.insert(key.clone(), None);
        Ok(())
    }

    /// Puts a prefix's entry and counts and gives the entry's encoding.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn put_prefix(&mut self, canonical: &str, row: PrefixRow) -> Result<&[u8], Error> {
        self.buffer.clear();
        codec::prefix::encode(&row.entry, &mut self.buffer);
        let column = self.store.column(Column::Prefixes)?;
        self.writes.put_cf(column, canonical, &self.buffer);
        self.held.prefixes.insert(canonical.to_owned(), row);
        Ok(&self.buffer)
    }

    /// Sets the counts of a prefix that is there to those of `row`. They are
    /// written once, when the batch is committed.
    pub fn set_counts(&mut self, canonical: &str, row: PrefixRow) {
        match self.held.prefixes.get_mut(canonical) {
            Some(pending) => *pending = row,
            None => {
                self.held.prefixes.insert(canonical.to_owned(), row);
            }
        }
    }

    /// Puts or removes a row of `tails`.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn put_tail(&mut self, tail: &[u8]) -> Result<(), Error> {
        self.writes
            .put_cf(self.store.column(Column::Tails)?, tail, b"");
        Ok(())
    }

    /// Removes a row of `tails`.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn remove_tail(&mut self, tail: &[u8]) -> Result<(), Error> {
        self.writes
            .delete_cf(self.store.column(Column::Tails)?, tail);
        Ok(())
    }

    /// Puts an entry of the directory and gives its encoding.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn put_entry(&mut self, entry: AnyEntry) -> Result<Vec<u8>, Error> {
        let encoded = entry.encode()?;
        let key = entry.key();
        let column = self.store.column(Column::Directory)?;
        self.writes.put_cf(column, key.to_bytes(), &encoded);
        self.entries.insert(key, Some(entry));
        Ok(encoded)
    }

    /// Removes an entry of the directory.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn remove_entry(&mut self, key: EntryKey) -> Result<(), Error> {
        let column = self.store.column(Column::Directory)?;
        self.writes.delete_cf(column, key.to_bytes());
        self.entries.insert(key, None);
        Ok(())
    }

    /// Puts encrypted bytes under `key`, or removes them.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn put_sealed(&mut self, key: Vec<u8>, bytes: Option<Vec<u8>>) -> Result<(), Error> {
        let column = self.store.column(Column::Sealed)?;
        match &bytes {
            Some(bytes) => self.writes.put_cf(column, &key, bytes),
            None => self.writes.delete_cf(column, &key),
        }
        self.sealed.insert(key, bytes);
        Ok(())
    }

    /// Gives a unique value to the record with this canonical suffix, or to none.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn put_unique(&mut self, key: UniqueKey, owner: Option<Vec<u8>>) -> Result<(), Error> {
        let column = self.store.column(Column::Uniques)?;
        match &owner {
            Some(owner) => self.writes.put_cf(column, key.as_bytes(), owner),
            None => self.writes.delete_cf(column, key.as_bytes()),
        }
        self.held.uniques.insert(key, owner);
        Ok(())
    }

    /// Remembers the first answer to a request id.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn put_request(&mut self, id: &str, row: RequestRow) -> Result<(), Error> {
        self.buffer.clear();
        codec::request::encode(&row, &mut self.buffer);
        self.writes
            .put_cf(self.store.column(Column::Requests)?, id, &self.buffer);
        self.held.requests.insert(id.into(), row);
        Ok(())
    }

    /// Has the next entry tell of `count` refused attempts that have none.
    pub fn omit(&mut self, count: u64) {
        self.omitted = self.omitted.saturating_add(count);
    }

    /// Refused attempts of which no entry tells yet.
    pub const fn omitted(&self) -> u64 {
        self.omitted
    }

    /// Appends to the audit trail at the position that was taken last, with the
    /// tiles that this completes. Each position has one entry.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn put_audit(&mut self, entry: &AuditEntry) -> Result<(), Error> {
        let omitted = std::mem::take(&mut self.omitted);
        let trail = self.trail.get_or_insert_with(|| {
            let before = self.before.as_ref();
            let trail = before.and_then(|before| before.trail.clone());
            Trail::clone(&trail.unwrap_or_else(|| self.store.trail()))
        });
        let tiles = trail.append(entry, omitted, &mut self.buffer);
        let position = self.held.position.to_be_bytes();
        let buffer = &self.buffer;
        self.audit
            .put(&position, |out| out.extend_from_slice(buffer));
        let column = self.store.column(Column::Tiles)?;
        for Tile { name, hashes } in tiles {
            self.writes
                .put_cf(column, tile_key(name), encode_tile(&hashes));
        }
        Ok(())
    }

    /// The stored encoding of `record` under `key`, as digests are taken of it.
    pub fn encoding(key: &Key, record: &Record) -> Vec<u8> {
        let mut bytes = Vec::new();
        codec::record::encode(record, key, &mut bytes);
        bytes
    }

    /// The stored encoding of a prefix entry.
    pub fn prefix_encoding(entry: &PrefixEntry) -> Vec<u8> {
        let mut bytes = Vec::new();
        codec::prefix::encode(entry, &mut bytes);
        bytes
    }

    /// Ends the batch: what is left is to write it.
    ///
    /// # Errors
    /// As [`Batch::put_record`].
    pub fn ready(mut self) -> Result<Ready, Error> {
        let has_moved = self.has_moved();
        let is_large = self.held.records.len() >= ingest::ROWS_MIN;
        let (records, audit) = (self.held.records.rows(), self.audit);
        for (column, rows) in [(Column::Records, records), (Column::Audit, &audit)] {
            if !is_large {
                rows.put_into(self.store.column(column)?, &mut self.writes);
            }
        }
        let column = self.store.column(Column::Counts)?;
        for (canonical, row) in &self.held.prefixes {
            let counts = codec::prefix::encode_counts(row.counts, row.labels_max);
            self.writes.put_cf(column, canonical, counts);
        }
        self.links.finish(&self.store, &mut self.writes)?;
        // What takes no position leaves the log where it is.
        if has_moved {
            let column = self.store.column(Column::Meta)?;
            let position = self.held.position.to_be_bytes();
            self.writes.put_cf(column, META_POSITION, position);
        }
        self.held.trail = self.trail.map(Arc::new);
        let held = Arc::new(self.held);
        Ok(Ready {
            writes: self.writes,
            tables: is_large.then(|| Tables::new(Arc::clone(&held), audit)),
            held,
            before: self.before,
            entries: self.entries,
            has_sealed: !self.sealed.is_empty(),
            links: self.links,
            latest: self.latest,
            has_moved,
        })
    }

    /// Writes the batch, synced, and makes it visible; gives what of the graph of
    /// links it changed. Nothing of it is there if this fails.
    ///
    /// # Errors
    /// As [`Ready::write`].
    pub fn commit(self) -> Result<Vec<GraphChange>, Error> {
        let store = match &self.store {
            Of::Lent(store) => Of::Lent(store),
            Of::Shared(store) => Of::Shared(Arc::clone(store)),
        };
        self.ready()?.write(&store)
    }
}
