//! Very many rows at once: written as table files, which RocksDB takes in as they are,
//! without its log and its tables in memory, and where nothing lies in their range
//! without a compaction.
//!
//! ```text
//! rows in order ─▶ table files ─▶ row in `meta` that names them ─▶ taken in ─▶ row gone
//!                  (synced)       (synced, with all else of
//!                                 the change: it counts from here)
//! ```
//! What was laid and not yet taken in when the process ended is taken in by the next
//! start, before anything is read.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::{IngestExternalFileOptions, SstFileWriter, WriteBatch};

use crate::store::backup::{remove_folder, sync_folder};
use crate::store::codec::{Cursor, put_bytes, put_number};
use crate::store::columns::{Column, column_options};
use crate::store::held::Held;
use crate::store::sorted::Sorted;
use crate::store::{Error, Store};

/// Rows of records from which on a change is written so: fewer make files too small.
pub(super) const ROWS_MIN: usize = 1 << 14;
/// Name in `meta`: the table files that are laid and not taken in.
const META_LAID: &[u8] = b"laid";
/// Where they lie, below the data folder.
const FOLDER: &str = "laid";
const VERSION: u8 = 1;
const WHAT: &str = "list of table files";

/// Rows of a change that are to be table files: of records, and of audit entries.
#[derive(Debug)]
pub(super) struct Tables {
    held: Arc<Held>,
    audit: Sorted,
}

impl Tables {
    pub(super) const fn new(held: Arc<Held>, audit: Sorted) -> Self {
        Self { held, audit }
    }
}

/// A table file that lies ready.
#[derive(Clone, Debug, PartialEq, Eq)]
struct File {
    column: Column,
    name: String,
    /// A key that is there once it is taken in; empty if it only removes rows.
    key: Vec<u8>,
}

/// Table files that lie ready.
#[derive(Debug)]
pub(super) struct Laid(Vec<File>);

impl Store {
    /// Writes table files, and has `writes` name them.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::File`]: nothing of them counts.
    pub(super) fn lay(&self, tables: &Tables, writes: &mut WriteBatch) -> Result<Laid, Error> {
        let Tables { held, audit } = tables;
        let rows = [
            (Column::Records, held.records.rows()),
            (Column::Audit, audit),
        ];
        self.lay_rows(held.position, &rows, writes)
    }

    fn lay_rows(
        &self,
        position: u64,
        tables: &[(Column, &Sorted)],
        writes: &mut WriteBatch,
    ) -> Result<Laid, Error> {
        let folder = self.laid_folder();
        let laid = self.lay_into(&folder, position, tables);
        let laid = laid.inspect_err(|_| {
            // Else the next start does it.
            let _left = remove_folder(&folder).is_err();
        })?;
        writes.put_cf(self.column(Column::Meta)?, META_LAID, encode(&laid));
        Ok(Laid(laid))
    }

    fn lay_into(
        &self,
        folder: &Path,
        position: u64,
        tables: &[(Column, &Sorted)],
    ) -> Result<Vec<File>, Error> {
        fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let mut laid = Vec::new();
        for (column, rows) in tables.iter().filter(|(_, rows)| rows.len() > 0) {
            let name = format!("{}-{position}.sst", column.name());
            let options = column_options(*column, &self.config, &self.cache, &self.now_millis);
            let mut writer = SstFileWriter::create(&options);
            writer.open(folder.join(&name))?;
            let mut key = Vec::new();
            for (row, value) in rows.rows(&rows.order()) {
                match value {
                    Some(value) => {
                        writer.put(row, value)?;
                        if key.is_empty() {
                            key = row.to_vec();
                        }
                    }
                    None => writer.delete(row)?,
                }
            }
            // Synced.
            writer.finish()?;
            laid.push(File {
                column: *column,
                name,
                key,
            });
        }
        sync_folder(folder)?;
        Ok(laid)
    }

    /// Takes in what was laid and is named durably.
    ///
    /// # Errors
    /// [`Error::Engine`]: what of it is there is not known before the next start.
    pub(super) fn take_in(&self, Laid(laid): &Laid) -> Result<(), Error> {
        for file in laid {
            self.take_in_file(file)?;
        }
        self.metrics.taken_in(laid.len());
        // Not synced: the log keeps its order, so any later change is durable with it.
        self.db.delete_cf(self.column(Column::Meta)?, META_LAID)?;
        Ok(())
    }

    fn take_in_file(&self, file: &File) -> Result<(), Error> {
        let mut options = IngestExternalFileOptions::default();
        options.set_move_files(true);
        let column = self.column(file.column)?;
        let path = self.laid_folder().join(&file.name);
        let taken = self
            .db
            .ingest_external_file_cf_opts(column, &options, vec![path]);
        Ok(taken?)
    }

    /// Forgets what was laid and is not named.
    pub(super) fn forget_laid(&self, Laid(laid): &Laid) {
        for file in laid {
            // Else the next start does it.
            let _left = fs::remove_file(self.laid_folder().join(&file.name)).is_err();
        }
    }

    /// Takes in what the last run had laid and named, and forgets the rest.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::File`]; [`Error::Corrupt`] if a file is gone.
    pub(super) fn take_up_laid(&self) -> Result<(), Error> {
        let folder = self.laid_folder();
        if let Some(row) = self.get(Column::Meta, META_LAID)? {
            for file in decode(&row)? {
                // What was taken in has moved.
                if folder.join(&file.name).exists() {
                    self.take_in_file(&file)?;
                }
                let is_there = file.key.is_empty() || self.get(file.column, &file.key)?.is_some();
                if !is_there {
                    return Err(Error::Corrupt { what: "table file" });
                }
            }
            let mut writes = WriteBatch::default();
            writes.delete_cf(self.column(Column::Meta)?, META_LAID);
            self.write_synced(writes)?;
        }
        remove_folder(&folder)
    }

    fn laid_folder(&self) -> PathBuf {
        self.config.data_dir.join(FOLDER)
    }
}

fn encode(laid: &[File]) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_number(&mut out, u64::try_from(laid.len()).unwrap_or_default());
    for File { column, name, key } in laid {
        put_bytes(&mut out, column.name().as_bytes());
        put_bytes(&mut out, name.as_bytes());
        put_bytes(&mut out, key);
    }
    out
}

fn decode(bytes: &[u8]) -> Result<Vec<File>, Error> {
    let mut cursor = Cursor::new(bytes, VERSION, WHAT)?;
    let mut laid = Vec::new();
    for _ in 0..cursor.count()? {
        let column = cursor.text()?;
        let column = Column::ALL.into_iter().find(|each| each.name() == column);
        laid.push(File {
            column: column.ok_or_else(|| cursor.corrupt())?,
            name: cursor.text()?.to_owned(),
            key: cursor.bytes()?.to_vec(),
        });
    }
    cursor.end()?;
    Ok(laid)
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::*;
    use crate::model::{Identifier, Key, Record, SuffixCase, Timestamp, Tombstone};
    use crate::store::sorted::Indexed;
    use crate::store::{Batch, Config, Metrics, scan};

    fn open(folder: &Path) -> Store {
        let config = Config {
            data_dir: folder.to_owned(),
            write_buffer_bytes: 1 << 20,
            disk_reserve_bytes: 0,
            ..Config::default()
        };
        Store::open(config, Metrics::new()).expect("opens")
    }

    /// Lays rows `numbers`, of which every seventh is removed, in two columns.
    fn lay(
        store: &Store,
        numbers: std::ops::Range<u32>,
        position: u64,
        writes: &mut WriteBatch,
    ) -> Laid {
        let mut rows = Indexed::default();
        for number in numbers.rev() {
            let key = number.to_be_bytes();
            rows.put(&key, |out| out.extend_from_slice(b"before"));
            match number % 7 {
                0 => rows.remove(&key),
                _ => drop(rows.put(&key, |out| out.extend_from_slice(&key)).len()),
            }
        }
        let tables = [(Column::Names, rows.rows()), (Column::Tails, rows.rows())];
        store.lay_rows(position, &tables, writes).expect("laid")
    }

    fn keys(store: &Store, column: Column) -> Vec<u32> {
        let mut keys = Vec::new();
        let mut take = |key: &[u8], value: &[u8]| {
            assert_eq!(key, value);
            keys.push(u32::from_be_bytes(key.try_into().expect("four octets")));
            Ok(ControlFlow::Continue(()))
        };
        scan::each(store, column, b"", None, &mut take).expect("reads");
        keys
    }

    fn expected(end: u32) -> Vec<u32> {
        (0..end).filter(|number| number % 7 > 0).collect()
    }

    /// How far a change came before the process ended.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
    enum Came {
        Laid,
        Named,
        OneTakenIn,
        AllTakenIn,
    }

    #[test]
    fn a_start_takes_in_what_counts() {
        for came in [Came::Laid, Came::Named, Came::OneTakenIn, Came::AllTakenIn] {
            let folder = tempfile::tempdir().expect("a folder");
            let store = open(folder.path());
            let mut writes = WriteBatch::default();
            let laid = lay(&store, 0..500, 1, &mut writes);
            store.write_synced(writes).expect("written");
            store.take_in(&laid).expect("taken in");
            let mut writes = WriteBatch::default();
            let laid = lay(&store, 300..900, 2, &mut writes);
            if came >= Came::Named {
                store.write_synced(writes).expect("written");
            }
            let count = match came {
                Came::Laid | Came::Named => 0,
                Came::OneTakenIn => 1,
                Came::AllTakenIn => 2,
            };
            let Laid(files) = &laid;
            for file in files.iter().take(count) {
                store.take_in_file(file).expect("taken in");
            }
            drop(store);
            let store = open(folder.path());
            let end = if came == Came::Laid { 500 } else { 900 };
            for column in [Column::Names, Column::Tails] {
                assert_eq!(keys(&store, column), expected(end), "{came:?}");
            }
            assert!(store.get(Column::Meta, META_LAID).expect("reads").is_none());
            assert!(!folder.path().join(FOLDER).exists());
        }
    }

    #[test]
    fn a_file_that_is_gone_is_no_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        let mut writes = WriteBatch::default();
        lay(&store, 1..10, 1, &mut writes);
        store.write_synced(writes).expect("written");
        drop(store);
        fs::remove_file(folder.path().join(FOLDER).join("names-1.sst")).expect("removed");
        let config = Config {
            data_dir: folder.path().to_owned(),
            ..Config::default()
        };
        let opened = Store::open(config, Metrics::new());
        assert!(matches!(opened, Err(Error::Corrupt { what: "table file" })));
    }

    #[test]
    fn what_is_not_named_is_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path());
        let laid = lay(&store, 0..10, 1, &mut WriteBatch::default());
        store.forget_laid(&laid);
        let left = fs::read_dir(folder.path().join(FOLDER)).expect("reads");
        assert_eq!(left.count(), 0);
        assert_eq!(keys(&store, Column::Names), expected(0));
    }

    #[test]
    fn a_change_of_many_rows_is_as_one_of_few() {
        let key = |number: usize| -> Key {
            let text = format!("88.118.7/{number:07}");
            let identifier = Identifier::parse(&text).expect("an identifier");
            identifier.key(SuffixCase::Folded)
        };
        let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let rows = [ROWS_MIN + 10, ROWS_MIN / 4].map(|of_one| {
            let folder = &folders[usize::from(of_one < ROWS_MIN)];
            let store = Arc::new(open(folder.path()));
            let numbers: Vec<usize> = (0..ROWS_MIN + 10).collect();
            for piece in numbers.chunks(of_one) {
                let mut batch = Batch::new(&store);
                for number in piece {
                    let identifier = Identifier::parse(&format!("88.118.7/{number:07}"));
                    let record = Record {
                        identifier: identifier.expect("an identifier"),
                        values: Vec::new(),
                        readers: None,
                        revision: batch.advance(Timestamp::default()),
                        created: Timestamp::default(),
                        changed: Timestamp::default(),
                    };
                    batch
                        .put_record(&key(*number), &Arc::new(record))
                        .expect("put");
                }
                let tombstone = Tombstone {
                    identifier: Identifier::parse("88.118.7/gone").expect("an identifier"),
                    revision: batch.position(),
                    created: Timestamp::default(),
                    deleted: Timestamp::default(),
                    restricted: false,
                };
                batch
                    .put_tombstone(&key(9_999_999), tombstone)
                    .expect("put");
                batch.commit().expect("written");
            }
            let mut rows = Vec::new();
            let mut take = |key: &[u8], value: &[u8]| {
                rows.push((key.to_vec(), value.to_vec()));
                Ok(ControlFlow::Continue(()))
            };
            scan::each(&store, Column::Records, b"", None, &mut take).expect("reads");
            assert_eq!(store.position(), u64::try_from(rows.len()).expect("few"));
            rows
        });
        let [many, few] = rows;
        assert_eq!(many.len(), ROWS_MIN + 10);
        assert!(many == few);
    }
}
