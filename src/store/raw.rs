//! RocksDB with nothing above it: what writing the same rows costs without a
//! log, rules, indexes, counts and an audit trail. For comparison only.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rocksdb::{Cache, ColumnFamily, DB, IteratorMode, WriteBatch, WriteOptions};

use crate::model::{Key, Record};
use crate::store::codec::audit::Stored;
use crate::store::columns::{self, Column};
use crate::store::config::Config;
use crate::store::{CACHE_ENTRY_BYTES, Error, codec};

/// A database that only takes rows of records.
pub struct RawStore {
    db: DB,
}

/// Encoded rows of records, to be written at once.
#[derive(Debug, Default)]
pub struct RawRows {
    rows: Vec<(Key, Vec<u8>)>,
}

impl std::fmt::Debug for RawStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawStore({})", self.db.path().display())
    }
}

impl RawRows {
    /// Adds the row of `record` under `key`, as the store would write it.
    pub fn push(&mut self, key: Key, record: &Record) {
        let value = encoded(&key, record);
        self.rows.push((key, value));
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.rows.len()
    }
}

impl RawStore {
    /// Makes a database in `folder`, with the options of the store's columns, but for
    /// memtables of `write_buffer_bytes` where that is said.
    ///
    /// # Errors
    /// [`Error::Engine`], also if `folder` holds one that is open.
    pub fn create(folder: &Path, write_buffer_bytes: Option<u64>) -> Result<Self, Error> {
        let mut config = Config::default();
        if let Some(bytes) = write_buffer_bytes {
            config.write_buffer_bytes = bytes;
        }
        let cache_bytes = usize::try_from(config.cache_bytes).unwrap_or(usize::MAX);
        let cache = Cache::new_hyper_clock_cache(cache_bytes, CACHE_ENTRY_BYTES);
        let now_millis = Arc::new(AtomicU64::new(0));
        let db = DB::open_cf_descriptors(
            &columns::database_options(&config),
            folder,
            columns::descriptors(&config, &cache, &now_millis),
        )?;
        Ok(Self { db })
    }

    /// Writes `rows` in one batch, synced.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn write(&self, rows: &RawRows) -> Result<(), Error> {
        let column = handle(&self.db, Column::Records)?;
        let mut batch = WriteBatch::default();
        for (key, value) in &rows.rows {
            batch.put_cf(column, key.as_bytes(), value);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.write_opt(batch, &options)?)
    }

    /// Writes the rows of a batch of another database in one batch, synced.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn write_copied(&self, copied: &CopiedRows) -> Result<(), Error> {
        let mut batch = WriteBatch::default();
        for row in &copied.rows {
            batch.put_cf(handle(&self.db, row.column)?, &row.key, &row.value);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.write_opt(batch, &options)?)
    }

    /// Reads the row under `key`.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Corrupt`], [`Error::Version`].
    pub fn read(&self, key: &Key) -> Result<Option<Record>, Error> {
        let column = handle(&self.db, Column::Records)?;
        let row = self.db.get_pinned_cf(column, key.as_bytes())?;
        row.map(|bytes| decoded(key, &bytes)).transpose()
    }

    /// Flushes what is in memory, and counts the bytes of live table files.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn flushed_bytes(&self) -> Result<u64, Error> {
        for column in Column::ALL {
            self.db.flush_cf(handle(&self.db, column)?)?;
        }
        let files = self.db.live_files()?;
        Ok(files
            .iter()
            .map(|file| u64::try_from(file.size).unwrap_or_default())
            .sum())
    }
}

/// The rows of a store that is closed, to be copied.
pub struct RawSource {
    db: DB,
}

impl std::fmt::Debug for RawSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawSource({})", self.db.path().display())
    }
}

#[derive(Debug)]
struct CopiedRow {
    column: Column,
    key: Box<[u8]>,
    value: Box<[u8]>,
}

/// Rows of several columns.
#[derive(Debug, Default)]
pub struct CopiedRows {
    rows: Vec<CopiedRow>,
    /// Of these, records.
    pub record_count: usize,
}

impl CopiedRows {
    fn add(&mut self, column: Column, (key, value): (Box<[u8]>, Box<[u8]>)) {
        self.rows.push(CopiedRow { column, key, value });
    }
}

impl RawSource {
    /// Opens the database in `folder` for reading.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let config = Config::default();
        let cache = Cache::new_lru_cache(64 << 20);
        let now_millis = Arc::new(AtomicU64::new(0));
        let db = DB::open_cf_descriptors_read_only(
            &columns::database_options(&config),
            folder,
            columns::descriptors(&config, &cache, &now_millis),
            false,
        )?;
        Ok(Self { db })
    }

    /// Gives all rows to `each`, as many changes at a time as `changes`, in the order
    /// in which they were written: the entries of the audit trail with the records
    /// that they tell of, and their share of the rows of every other column.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Corrupt`]; those of `each`.
    pub fn each_batch(
        &self,
        changes: usize,
        each: &mut dyn FnMut(&CopiedRows) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let all = |column| -> Result<_, Error> {
            let handle = handle(&self.db, column)?;
            Ok(self.db.iterator_cf(handle, IteratorMode::Start))
        };
        let batch_count = all(Column::Audit)?.count().div_ceil(changes.max(1)).max(1);
        let mut others = Vec::new();
        for column in Column::ALL {
            if !matches!(column, Column::Audit | Column::Records) {
                let share = all(column)?.count().div_ceil(batch_count);
                others.push((column, share, all(column)?));
            }
        }
        let mut entries = all(Column::Audit)?;
        for _ in 0..batch_count {
            let mut copied = CopiedRows::default();
            for entry in entries.by_ref().take(changes) {
                let (key, value) = entry?;
                self.add_record(&value, &mut copied)?;
                copied.add(Column::Audit, (key, value));
            }
            for (column, share, rows) in &mut others {
                for row in rows.take(*share) {
                    copied.add(*column, row?);
                }
            }
            each(&copied)?;
        }
        Ok(())
    }

    /// Adds the record that an entry of the audit trail tells of, if it is there.
    fn add_record(&self, entry: &[u8], copied: &mut CopiedRows) -> Result<(), Error> {
        let Stored::Entry(entry, _) = codec::audit::decode(entry)? else {
            return Ok(());
        };
        let records = handle(&self.db, Column::Records)?;
        if let Some(record) = self.db.get_cf(records, &entry.subject)? {
            let key = entry.subject;
            copied.add(Column::Records, (key, record.into()));
            copied.record_count += 1;
        }
        Ok(())
    }
}

fn handle(db: &DB, column: Column) -> Result<&ColumnFamily, Error> {
    let name = column.name();
    db.cf_handle(name).ok_or(Error::Corrupt { what: name })
}

/// The stored form of `record` under `key`.
pub fn encoded(key: &Key, record: &Record) -> Vec<u8> {
    let mut value = Vec::new();
    codec::record::encode(record, key, &mut value);
    value
}

/// The record of a stored form.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Version`].
pub fn decoded(key: &Key, bytes: &[u8]) -> Result<Record, Error> {
    codec::record::decode(key.as_bytes(), bytes)
}
