//! What a batch holds, for the one behind it; and a batch that is ready to be written.
//!
//! ```text
//! decided ──▶ Ready ──▶ written
//!    │          │ held
//! the next one reads what is held, until it is written and the store has it
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rocksdb::WriteBatch;

use crate::model::{Key, Timestamp, Tombstone};
use crate::store::codec_types::RequestRow;
use crate::store::directory::{AnyEntry, EntryKey};
use crate::store::ingest::Tables;
use crate::store::links::{GraphChange, Pending};
use crate::store::prefixes::PrefixRow;
use crate::store::restricted::Restricted;
use crate::store::sorted::Indexed;
use crate::store::trail::Trail;
use crate::store::uniques::UniqueKey;
use crate::store::{Error, Store};

/// Not written yet.
const WAITING: u8 = 0;
/// The store has all of it.
const WRITTEN: u8 = 1;
/// Nothing of it is there, nor will be.
const FAILED: u8 = 2;

/// What a batch holds of records and prefixes.
pub struct Held {
    pub(super) records: Indexed,
    pub(super) tombstones: HashMap<Key, Option<Tombstone>>,
    pub(super) restricted: HashMap<Key, Option<Restricted>>,
    pub(super) requests: HashMap<Box<str>, RequestRow>,
    pub(super) prefixes: HashMap<String, PrefixRow>,
    pub(super) uniques: HashMap<UniqueKey, Option<Vec<u8>>>,
    pub(super) position: u64,
    /// As the batch leaves it, if it has an entry.
    pub(super) trail: Option<Arc<Trail>>,
    fate: AtomicU8,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Held {
    pub(super) fn at(position: u64) -> Self {
        Self {
            records: Indexed::default(),
            tombstones: HashMap::new(),
            restricted: HashMap::new(),
            requests: HashMap::new(),
            prefixes: HashMap::new(),
            uniques: HashMap::new(),
            position,
            trail: None,
            fate: AtomicU8::new(WAITING),
        }
    }

    /// Whether it is neither written nor given up.
    pub(super) fn is_waited_for(&self) -> bool {
        self.fate.load(Ordering::Acquire) == WAITING
    }
}

/// A batch that is ready to be written.
pub struct Ready {
    pub(super) writes: WriteBatch,
    /// Rows that are written as table files, if there are very many.
    pub(super) tables: Option<Tables>,
    pub(super) held: Arc<Held>,
    pub(super) before: Option<Arc<Held>>,
    pub(super) entries: BTreeMap<EntryKey, Option<AnyEntry>>,
    pub(super) has_sealed: bool,
    pub(super) links: Pending,
    pub(super) latest: Timestamp,
    pub(super) has_moved: bool,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ready")
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

impl Ready {
    /// What a batch behind it reads, if one may be made before this one is written:
    /// records and prefixes alone; of links and entries of the directory it would not
    /// know.
    pub fn held(&self) -> Option<Arc<Held>> {
        let is_all = self.entries.is_empty() && !self.has_sealed && self.links.is_empty();
        is_all.then(|| Arc::clone(&self.held))
    }

    /// Writes the batch, synced, and makes it visible; gives what of the graph of
    /// links it changed. Nothing of it is there if this fails.
    ///
    /// # Errors
    /// [`Error::Stopped`], [`Error::DiskFull`], [`Error::Engine`];
    /// [`Error::Before`] if the one before it was not written.
    pub fn write(self, store: &Store) -> Result<Vec<GraphChange>, Error> {
        let held = Arc::clone(&self.held);
        let written = self.put(store);
        let fate = match &written {
            Ok(_) => WRITTEN,
            Err(_) => FAILED,
        };
        held.fate.store(fate, Ordering::Release);
        written
    }

    fn put(mut self, store: &Store) -> Result<Vec<GraphChange>, Error> {
        // What changes nothing may still rest on what is not there.
        let before = self.before.as_ref();
        if before.is_some_and(|before| before.fate.load(Ordering::Acquire) != WRITTEN) {
            return Err(Error::Before);
        }
        if !self.has_moved && self.writes.is_empty() {
            return Ok(Vec::new());
        }
        store.check_writable()?;
        match self.tables.take() {
            None => self.log(store)?,
            Some(tables) => self.log_with(&tables, store)?,
        }
        let held = &self.held;
        let mut prefixes = store.prefixes.write();
        for (canonical, row) in &held.prefixes {
            prefixes.set(canonical, row.clone());
        }
        drop(prefixes);
        if !self.entries.is_empty() {
            let mut directory = store.directory.write();
            for (key, entry) in self.entries {
                match entry {
                    Some(entry) => directory.set(entry),
                    None => directory.remove(&key),
                }
            }
        }
        if let Some(trail) = &held.trail {
            *store.trail.write() = Arc::clone(trail);
        }
        store
            .now_millis
            .fetch_max(self.latest.millis(), Ordering::Relaxed);
        let changes = self.links.committed(store);
        if self.has_moved {
            store.position.store(held.position, Ordering::Release);
        }
        Ok(changes)
    }
}

impl Ready {
    /// Has RocksDB's log take all that is to be written, synced.
    fn log(&mut self, store: &Store) -> Result<(), Error> {
        store
            .write_synced(std::mem::take(&mut self.writes))
            .inspect_err(|error| {
                // A full disk is known before anything counts as written; after
                // any other failure nobody knows.
                if !error.is_disk_full() {
                    store.stop_writes(error);
                }
            })
    }

    /// As [`Ready::log`], with table files beside it.
    fn log_with(&mut self, tables: &Tables, store: &Store) -> Result<(), Error> {
        let laid = store.lay(tables, &mut self.writes)?;
        let _none_copied = store.taking_in.lock();
        self.log(store).inspect_err(|error| {
            // Else they may count: the next start knows.
            if error.is_disk_full() {
                store.forget_laid(&laid);
            }
        })?;
        // It counts now, and is not all there if this fails.
        store
            .take_in(&laid)
            .inspect_err(|error| store.stop_writes(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Identifier, SuffixCase};
    use crate::store::{Batch, Config, Metrics};

    fn key() -> Key {
        let identifier = Identifier::parse("88.118.7/a").expect("an identifier");
        identifier.key(SuffixCase::Folded)
    }

    fn put(store: &Arc<Store>, before: Option<Arc<Held>>) -> Ready {
        let mut batch = Batch::behind(Arc::clone(store), before);
        let tombstone = Tombstone {
            identifier: Identifier::parse("88.118.7/a").expect("an identifier"),
            revision: batch.advance(Timestamp::default()),
            created: Timestamp::default(),
            deleted: Timestamp::default(),
            restricted: false,
        };
        batch.put_tombstone(&key(), tombstone).expect("put");
        batch.ready().expect("ready")
    }

    #[test]
    fn a_batch_rests_on_the_one_before_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = Config {
            data_dir: folder.path().to_owned(),
            disk_reserve_bytes: 0,
            ..Config::default()
        };
        let store = Arc::new(Store::open(config, Metrics::new()).expect("opens"));
        let first = put(&store, None);
        let behind = |before: &Ready| Batch::behind(Arc::clone(&store), before.held());
        let (looking, more) = (behind(&first), put(&store, first.held()));
        assert!(looking.tombstone(&key()).expect("reads").is_some());
        assert_eq!((looking.position(), more.held.position), (1, 2));
        let (held, looked) = (first.held(), looking.ready().expect("ready"));
        // Whoever saw what is not there fails too, also if it changed nothing.
        drop(first);
        held.expect("all").fate.store(FAILED, Ordering::Release);
        assert!(matches!(looked.write(&store), Err(Error::Before)));
        let behind_more = behind(&more).ready().expect("ready");
        assert!(matches!(more.write(&store), Err(Error::Before)));
        assert!(matches!(behind_more.write(&store), Err(Error::Before)));
        assert_eq!(store.position(), 0);

        let first = put(&store, None);
        let (looking, held) = (behind(&first), first.held());
        let more = put(&store, held.clone());
        first.write(&store).expect("written");
        assert!(looking.tombstone(&key()).expect("reads").is_some());
        looking
            .ready()
            .expect("ready")
            .write(&store)
            .expect("nothing to do");
        more.write(&store).expect("written");
        assert_eq!(store.position(), 2);
        // The store has it: nothing is to be waited for.
        let after = Batch::behind(Arc::clone(&store), held);
        assert_eq!(after.position(), 2);
    }
}
