//! Settings of the store: section `[store]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of the store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder that holds the store; made if absent.
    pub data_dir: PathBuf,
    /// The folder that holds backups; `backups` below `data_dir` if empty.
    pub backup_dir: PathBuf,
    /// Bytes of the block cache, shared by all columns. Lists and names that traces
    /// read from the store are kept in up to a quarter as many beside it, and numbers of
    /// identifiers that have links in up to a sixteenth.
    pub cache_bytes: u64,
    /// Bytes of one memtable before it is flushed. All of them together end with the
    /// write-ahead log's bound of 512 MiB.
    pub write_buffer_bytes: u64,
    /// Threads for flushes and compactions.
    pub background_threads: u32,
    /// Bytes that must be free on the volume for writes to be accepted.
    pub disk_reserve_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/idnode"),
            backup_dir: PathBuf::new(),
            cache_bytes: 512 << 20,
            write_buffer_bytes: 256 << 20,
            background_threads: 2,
            disk_reserve_bytes: 64 << 20,
        }
    }
}
