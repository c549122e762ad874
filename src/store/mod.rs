//! How it is kept: RocksDB behind typed reads and one kind of write, the
//! [`Batch`]. The only module that names `rocksdb`. Synchronous.
//!
//! Prefixes with their counts, and the directory of firms and principals, are few
//! and read with every request: they are held in memory beside their columns. Identifiers are many: nothing here grows with
//! their number, nor does the time to open.

pub mod backup;
mod batch;
mod check;
mod codec;
pub mod codec_types;
mod columns;
pub mod config;
pub mod directory;
mod error;
mod held;
mod ingest;
pub mod links;
mod metrics;
mod prefixes;
pub mod raw;
mod restricted;
mod retention;
mod scan;
mod sorted;
mod trail;
mod trail_check;
mod tree;
mod uniques;
mod uniques_check;

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use nix::fcntl::Flock;
use parking_lot::{Mutex, RwLock};
use rocksdb::{
    BottommostLevelCompaction, Cache, CompactOptions, DB, DBPinnableSlice, WriteBatch, WriteOptions,
};

pub use batch::Batch;
pub use config::Config;
pub use directory::{AnyEntry, Directory, Entry, EntryKey};
pub use error::Error;
pub use held::{Held, Ready};
pub use links::{EdgeRow, GraphChange, TermsTable};
pub use metrics::Metrics;
pub use prefixes::{Counts, PrefixRow, Prefixes};
pub use restricted::{Restricted, Sight};
pub use scan::{Row, Span};
pub use trail::Trail;
pub use trail_check::TrailReport;
pub use tree::{Provable, ProvableLeaf, Tree};
pub use uniques::UniqueKey;

use crate::model::{Key, Record, Tombstone};
use columns::Column;

/// The layout of the columns that this release writes.
const FORMAT: &[u8] = b"idnode 1";
/// Name in `meta`: [`FORMAT`].
const META_FORMAT: &[u8] = b"format";
/// Name in `meta`: log position of the last applied change, u64 BE.
const META_POSITION: &[u8] = b"position";
/// Names in `meta`: `operator_key/<id>`, SHA-256 of an operator's key.
const META_OPERATOR_KEY: &[u8] = b"operator_key/";
/// Estimated bytes of a cached block, for the clock cache's table.
const CACHE_ENTRY_BYTES: usize = 4096;
/// The part of the bytes of the block cache that lists and names of links take beside
/// it at most.
const LINKS_SHARE: usize = 4;
/// The part that numbers of nodes take beside it at most.
const NUMBERS_SHARE: usize = 16;
/// Keys that one question about names above identifiers looks at.
const KEYS_LOOKED_AT_MAX: u32 = 64;
/// The engine's folder below the data folder.
const ENGINE_FOLDER: &str = "db";

/// The record that `form` is the stored form of, under the key `subject`: what a
/// leaf of the tree proves.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Version`].
pub fn proven_record(subject: &[u8], form: &[u8]) -> Result<Record, Error> {
    codec::record::decode(subject, form)
}

/// The store: one open database.
pub struct Store {
    db: DB,
    cache: Cache,
    config: Config,
    prefixes: RwLock<Prefixes>,
    directory: RwLock<Directory>,
    terms: RwLock<TermsTable>,
    next_node: AtomicU32,
    pages: links::Pages,
    numbers: links::Numbers,
    position: AtomicU64,
    trail: RwLock<Arc<Trail>>,
    now_millis: Arc<AtomicU64>,
    /// Why writes stopped for good; the flag is set first for cheap reads.
    stopped: (AtomicBool, Mutex<String>),
    metrics: Metrics,
    /// Held while a backup is made, verified or laid ready: they share folders.
    backing_up: Mutex<()>,
    /// Held while table files count and are not all taken in.
    taking_in: Mutex<()>,
    /// Held for as long as the store is open.
    _lock: Flock<File>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.config.data_dir.display())
    }
}

impl Store {
    /// Opens the store below `config.data_dir`, creating it if it is absent and
    /// taking up a backup that lies ready there.
    ///
    /// # Errors
    /// [`Error::Engine`] if another process holds it or it is damaged,
    /// [`Error::Version`] if a later release wrote it, [`Error::File`].
    pub fn open(config: Config, metrics: Metrics) -> Result<Self, Error> {
        std::fs::create_dir_all(&config.data_dir).map_err(Error::file(&config.data_dir))?;
        let lock = backup::lock(&config.data_dir)?;
        backup::take_up_restore(&config.data_dir)?;
        let cache_bytes = usize::try_from(config.cache_bytes).unwrap_or(usize::MAX);
        let cache = Cache::new_hyper_clock_cache(cache_bytes, CACHE_ENTRY_BYTES);
        let now_millis = Arc::new(AtomicU64::new(0));
        let db = DB::open_cf_descriptors(
            &columns::database_options(&config),
            config.data_dir.join(ENGINE_FOLDER),
            columns::descriptors(&config, &cache, &now_millis),
        )?;
        let mut store = Self {
            db,
            cache,
            config,
            prefixes: RwLock::default(),
            directory: RwLock::default(),
            terms: RwLock::default(),
            next_node: AtomicU32::new(0),
            pages: links::Pages::new(cache_bytes / LINKS_SHARE),
            numbers: links::Numbers::new(cache_bytes / NUMBERS_SHARE),
            position: AtomicU64::new(0),
            trail: RwLock::default(),
            now_millis,
            stopped: (AtomicBool::new(false), Mutex::default()),
            metrics,
            backing_up: Mutex::new(()),
            taking_in: Mutex::new(()),
            _lock: lock,
        };
        store.check_format()?;
        store.take_up_laid()?;
        store.load()?;
        Ok(store)
    }

    fn check_format(&self) -> Result<(), Error> {
        match self.get(Column::Meta, META_FORMAT)? {
            Some(format) if format == FORMAT => Ok(()),
            Some(format) => {
                let version = format.last().copied().unwrap_or_default();
                Err(Error::Version {
                    what: "store",
                    version,
                })
            }
            None => {
                let mut batch = WriteBatch::default();
                batch.put_cf(self.column(Column::Meta)?, META_FORMAT, FORMAT);
                self.write_synced(batch)
            }
        }
    }

    fn load(&mut self) -> Result<(), Error> {
        if let Some(bytes) = self.get(Column::Meta, META_POSITION)? {
            let bytes =
                <[u8; 8]>::try_from(&bytes[..]).map_err(|_| Error::Corrupt { what: "position" })?;
            self.position = AtomicU64::new(u64::from_be_bytes(bytes));
        }
        let loaded = Prefixes::load(self)?;
        self.prefixes = RwLock::new(loaded);
        let loaded = Directory::load(self)?;
        self.directory = RwLock::new(loaded);
        let trail = Trail::load(self, self.position())?;
        self.trail = RwLock::new(Arc::new(trail));
        let loaded = TermsTable::load(self)?;
        self.terms = RwLock::new(loaded);
        self.next_node = AtomicU32::new(self.load_next_node()?);
        Ok(())
    }

    /// The record stored under `key`, unless it is restricted.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Corrupt`], [`Error::Version`].
    pub fn record(&self, key: &Key) -> Result<Option<Record>, Error> {
        let column = self.column(Column::Records)?;
        match self.db.get_pinned_cf(column, key.as_bytes())? {
            Some(bytes) => codec::record::decode(key.as_bytes(), &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The tombstone stored under `key`, unless it is restricted.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn tombstone(&self, key: &Key) -> Result<Option<Tombstone>, Error> {
        match self.get(Column::Tombstones, key.as_bytes())? {
            Some(bytes) => codec::record::decode_tombstone(key.as_bytes(), &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Reads the prefixes and their counts. Keep the guard for a moment only.
    pub fn prefixes(&self) -> impl std::ops::Deref<Target = Prefixes> + '_ {
        self.prefixes.read()
    }

    /// Reads firms, principals, groups and shares. Keep the guard for a moment
    /// only.
    pub fn directory(&self) -> impl std::ops::Deref<Target = Directory> + '_ {
        self.directory.read()
    }

    /// The encrypted bytes under `key`.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn sealed(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        self.get(Column::Sealed, key)
    }

    /// Rewrites the files that hold encrypted bytes whose keys begin with
    /// `beginning`, without those that were removed: until then their old state
    /// lies on the disk, in table files and in the write-ahead log. Blocks.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn scrub_sealed(&self, beginning: &[u8]) -> Result<(), Error> {
        self.flush()?;
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        let end = [beginning, &[0xff]].concat();
        let column = self.column(Column::Sealed)?;
        let range = (Some(beginning), Some(end.as_slice()));
        self.db
            .compact_range_cf_opt(column, range.0, range.1, &options);
        Ok(())
    }

    /// Log position of the last applied change; 0 before the first.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Acquire)
    }

    /// Where the audit trail ends.
    pub fn trail(&self) -> Arc<Trail> {
        Arc::clone(&self.trail.read())
    }

    /// Whether an identifier is there for everyone whose key begins with `beginning` and
    /// whose canonical suffix `counts`. Looks at 64 keys at most; if none of so
    /// many counts, another may, and the answer is yes.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn has_key_that_begins(
        &self,
        beginning: &[u8],
        counts: &dyn Fn(&[u8]) -> bool,
    ) -> Result<bool, Error> {
        let mut seen = 0;
        let mut found = false;
        scan::each(self, Column::Records, beginning, None, &mut |key, _| {
            let suffix = key
                .split(|byte| *byte == b'/')
                .next()
                .map_or(0, <[u8]>::len)
                + 1;
            seen += 1;
            found = counts(key.get(suffix..).unwrap_or_default()) || seen == KEYS_LOOKED_AT_MAX;
            Ok(if found {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            })
        })?;
        Ok(found)
    }

    /// Whether an escaped owner name of several chunks has these `tails` bytes
    /// in front: see the column `tails`.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn has_tail_that_begins(&self, beginning: &[u8]) -> Result<bool, Error> {
        scan::any(self, Column::Tails, beginning)
    }

    /// Bytes of live table files.
    pub fn disk_bytes(&self) -> u64 {
        self.property_sum("rocksdb.live-sst-files-size")
    }

    /// Bytes free on the store's volume, to a process without privileges.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn disk_free_bytes(&self) -> Result<u64, Error> {
        let path = &self.config.data_dir;
        let stat = nix::sys::statvfs::statvfs(path)
            .map_err(|errno| Error::file(path)(std::io::Error::from(errno)))?;
        Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
    }

    /// Refuses unless a write may be tried.
    ///
    /// # Errors
    /// [`Error::Stopped`] after a write that failed for good, and
    /// [`Error::DiskFull`] while less is free than the reserve.
    pub fn check_writable(&self) -> Result<(), Error> {
        if self.stopped.0.load(Ordering::Acquire) {
            return Err(Error::Stopped(self.stopped.1.lock().clone()));
        }
        let (free_bytes, reserve_bytes) = (self.disk_free_bytes()?, self.config.disk_reserve_bytes);
        if free_bytes < reserve_bytes {
            let path = self.config.data_dir.clone();
            return Err(Error::DiskFull {
                path,
                free_bytes,
                reserve_bytes,
            });
        }
        Ok(())
    }

    /// The hashes of the operators' keys, by key id.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Corrupt`].
    pub fn operator_keys(&self) -> Result<Vec<(String, [u8; 32])>, Error> {
        let mut keys = Vec::new();
        scan::each(
            self,
            Column::Meta,
            META_OPERATOR_KEY,
            None,
            &mut |name, hash| {
                let id = name.get(META_OPERATOR_KEY.len()..).unwrap_or_default();
                let hash = <[u8; 32]>::try_from(hash).map_err(|_| Error::Corrupt {
                    what: "operator key",
                })?;
                keys.push((String::from_utf8_lossy(id).into_owned(), hash));
                Ok(ControlFlow::Continue(()))
            },
        )?;
        Ok(keys)
    }

    /// Stores the hash of an operator's key; durable once it returns.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn add_operator_key(&self, id: &str, hash: &[u8; 32]) -> Result<(), Error> {
        let name = [META_OPERATOR_KEY, id.as_bytes()].concat();
        let mut batch = WriteBatch::default();
        batch.put_cf(self.column(Column::Meta)?, name, hash);
        self.write_synced(batch)
    }

    /// Where the backups are.
    pub fn backup_dir(&self) -> PathBuf {
        if self.config.backup_dir.as_os_str().is_empty() {
            self.config.data_dir.join("backups")
        } else {
            self.config.backup_dir.clone()
        }
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        &self.config.data_dir
    }

    /// Sets the gauges that are read off the engine.
    pub fn observe(&self) {
        self.metrics.observe(self);
    }

    /// Flushes memtables, so that the next start replays nothing.
    ///
    /// # Errors
    /// [`Error::Engine`].
    pub fn flush(&self) -> Result<(), Error> {
        for column in Column::ALL {
            self.db.flush_cf(self.column(column)?)?;
        }
        Ok(())
    }

    fn column(&self, column: Column) -> Result<&rocksdb::ColumnFamily, Error> {
        self.db.cf_handle(column.name()).ok_or(Error::Corrupt {
            what: "column list",
        })
    }

    fn get(&self, column: Column, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.db.get_cf(self.column(column)?, key)?)
    }

    /// The values under `keys`, which ascend, in their order.
    fn get_many<K: AsRef<[u8]>>(
        &self,
        column: Column,
        keys: impl Iterator<Item = K>,
    ) -> Result<Vec<Result<Option<DBPinnableSlice<'_>>, rocksdb::Error>>, Error> {
        let keys: Vec<_> = keys.collect();
        let column = self.column(column)?;
        Ok(self.db.batched_multi_get_cf(column, &keys, true))
    }

    fn property_sum(&self, property: &str) -> u64 {
        let value = |column| -> Option<u64> {
            let column = self.column(column).ok()?;
            self.db.property_int_value_cf(column, property).ok()?
        };
        Column::ALL.into_iter().filter_map(value).sum()
    }

    /// Writes to the log and syncs it: once this returns, power may fail.
    fn write_synced(&self, batch: WriteBatch) -> Result<(), Error> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.db.write_opt(batch, &options)?)
    }

    /// Remembers that a write failed so that nobody knows what of it is on the
    /// disk: a later sync could succeed without it (the "fsyncgate" of 2018).
    fn stop_writes(&self, why: &Error) {
        *self.stopped.1.lock() = why.to_string();
        self.stopped.0.store(true, Ordering::Release);
    }
}
