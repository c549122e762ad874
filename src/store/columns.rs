//! The column families, row by row.
//!
//! | column       | key                                             | value                          |
//! |--------------|-------------------------------------------------|--------------------------------|
//! | `records`    | canonical identifier ([`Key`])                  | record, `codec::record`        |
//! | `tombstones` | canonical identifier                            | tombstone, `codec::record`     |
//! | `restricted` | 0, canonical identifier                         | either, `codec::restricted`    |
//! |              | reader, canonical identifier                    | empty                          |
//! | `prefixes`   | canonical prefix                                | prefix entry, `codec::prefix`  |
//! | `counts`     | canonical prefix                                | `codec::prefix`                |
//! | `tails`      | prefix `/` labels of an escaped owner name of   | empty                          |
//! |              | several chunks, right to left, `.` behind each  |                                |
//! | `audit`      | log position, u64 BE                            | audit entry, `codec::audit`    |
//! | `tiles`      | level, index, as `trail` says                    | 256 hashes, as `trail` says    |
//! | `requests`   | request id                                      | first answer, `codec::request` |
//! | `directory`  | kind and id                                     | an entry, `directory`          |
//! | `sealed`     | whose, `/`, what                                | encrypted; the store cannot    |
//! |              |                                                 | read it                        |
//! | `uniques`    | whose value it is, `uniques`                    | canonical suffix of the record |
//! | `links`      | source and target node, u32 BE; kind, 0, owner  | `codec::link`                  |
//! | `nodes`      | canonical identifier                            | node number, u32 BE            |
//! | `names`      | node number                                     | identifier as first spelled    |
//! | `adjacency`  | 0 downstream or 1 upstream, node number         | edges, `codec::adjacency`      |
//! | `terms`      | terms number, u32 BE                            | terms and count, `codec::link` |
//! | `meta`       | name                                            | as `store` says at each name   |
//!
//! Keys sort as their subjects do, so that a prefix is one range. `records` is
//! sized for billions of small rows: partitioned index and filters, of which
//! only the top level must stay in memory.
//!
//! [`Key`]: crate::model::Key

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rocksdb::compaction_filter::Decision;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType,
    DBRecoveryMode, DataBlockIndexType, MergeOperands, Options,
};

use crate::model::limits::REQUEST_ID_HOURS;
use crate::store::codec;
use crate::store::codec::adjacency;
use crate::store::config::Config;

/// One column family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Records,
    Tombstones,
    Restricted,
    Prefixes,
    Counts,
    Tails,
    Audit,
    Tiles,
    Requests,
    Directory,
    Sealed,
    Uniques,
    Links,
    Nodes,
    Names,
    Adjacency,
    Terms,
    Meta,
}

impl Column {
    pub(crate) const ALL: [Self; 18] = [
        Self::Records,
        Self::Tombstones,
        Self::Restricted,
        Self::Prefixes,
        Self::Counts,
        Self::Tails,
        Self::Audit,
        Self::Tiles,
        Self::Requests,
        Self::Directory,
        Self::Sealed,
        Self::Uniques,
        Self::Links,
        Self::Nodes,
        Self::Names,
        Self::Adjacency,
        Self::Terms,
        Self::Meta,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Records => "records",
            Self::Tombstones => "tombstones",
            Self::Restricted => "restricted",
            Self::Prefixes => "prefixes",
            Self::Counts => "counts",
            Self::Tails => "tails",
            Self::Audit => "audit",
            Self::Tiles => "tiles",
            Self::Requests => "requests",
            Self::Directory => "directory",
            Self::Sealed => "sealed",
            Self::Uniques => "uniques",
            Self::Links => "links",
            Self::Nodes => "nodes",
            Self::Names => "names",
            Self::Adjacency => "adjacency",
            Self::Terms => "terms",
            Self::Meta => "meta",
        }
    }
}

/// Bits of a Bloom filter for each key: about one false positive in a hundred.
const BLOOM_BITS: f64 = 10.0;
/// Bytes of a data block: a point read decompresses one.
const BLOCK_BYTES: usize = 4096;
/// Share of a memtable that its own Bloom filter takes: some twenty bits for a record,
/// five for a small row. It is taken at once.
const MEMTABLE_BLOOM_RATIO: f64 = 0.01;
/// Bytes after which files are flushed to the disk in the background, so that
/// the closing sync of a file is short.
const BYTES_PER_SYNC: u64 = 1 << 20;
/// Bytes of all write-ahead logs, above which the oldest memtables are flushed.
const WAL_BYTES_MAX: u64 = 512 << 20;

/// Options of the whole database.
pub(super) fn database_options(config: &Config) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // What was acknowledged is synced; a torn tail behind it was not.
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_max_background_jobs(i32::try_from(config.background_threads.max(2)).unwrap_or(2));
    options.set_bytes_per_sync(BYTES_PER_SYNC);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_max_open_files(-1);
    options.set_keep_log_file_num(4);
    options.set_max_log_file_size(16 << 20);
    // A checkpoint then needs no further flush to be consistent.
    options.set_atomic_flush(false);
    options
}

/// Every column family with its options; `now_millis` is the time of the latest
/// applied change, by which request ids expire.
pub(super) fn descriptors(
    config: &Config,
    cache: &Cache,
    now_millis: &Arc<AtomicU64>,
) -> Vec<ColumnFamilyDescriptor> {
    Column::ALL
        .into_iter()
        .map(|column| {
            let options = column_options(column, config, cache, now_millis);
            ColumnFamilyDescriptor::new(column.name(), options)
        })
        .collect()
}

/// Options of one column family.
pub(super) fn column_options(
    column: Column,
    config: &Config,
    cache: &Cache,
    now_millis: &Arc<AtomicU64>,
) -> Options {
    let mut options = Options::default();
    let write_buffer = usize::try_from(config.write_buffer_bytes).unwrap_or(64 << 20);
    options.set_write_buffer_size(write_buffer);
    options.set_level_compaction_dynamic_level_bytes(true);
    // Fast while it is young and rewritten; small where most of it rests.
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_bottommost_compression_type(DBCompressionType::Zstd);
    options.set_block_based_table_factory(&table_options(column, cache));
    match column {
        Column::Records
        | Column::Tombstones
        | Column::Restricted
        | Column::Uniques
        | Column::Links
        | Column::Nodes => {
            // Most creations look for a key that is not there.
            options.set_memtable_whole_key_filtering(true);
            options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO);
        }
        Column::Adjacency => {
            let whole = |_: &[u8], list: Option<&[u8]>, changes: &MergeOperands| {
                adjacency::merged(list, changes.iter())
            };
            let partial = |_: &[u8], _: Option<&[u8]>, changes: &MergeOperands| {
                adjacency::joined(changes.iter())
            };
            options.set_merge_operator("edges", whole, partial);
        }
        Column::Requests => {
            options.set_memtable_whole_key_filtering(true);
            options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO);
            let now_millis = Arc::clone(now_millis);
            options.set_compaction_filter("expired-requests", move |_level, _key, value| {
                let now = now_millis.load(Ordering::Relaxed);
                match codec::request::time_millis(value) {
                    // Twice the promise: a reader judges the exact age itself.
                    Some(at) if at + 2 * REQUEST_ID_HOURS * 3_600_000 < now => Decision::Remove,
                    _ => Decision::Keep,
                }
            });
        }
        // Keys ascend, so files do not overlap: a compaction moves them to the next level
        // unread, unless they are to be packed otherwise there.
        Column::Audit => options.set_compression_type(DBCompressionType::Zstd),
        // Hashes do not shrink.
        Column::Tiles => {
            options.set_compression_type(DBCompressionType::None);
            options.set_bottommost_compression_type(DBCompressionType::None);
        }
        Column::Prefixes
        | Column::Counts
        | Column::Tails
        | Column::Directory
        | Column::Sealed
        | Column::Names
        | Column::Terms
        | Column::Meta => {}
    }
    options
}

fn table_options(column: Column, cache: &Cache) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_format_version(6);
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    table.set_block_size(BLOCK_BYTES);
    match column {
        Column::Records
        | Column::Tombstones
        | Column::Restricted
        | Column::Uniques
        | Column::Links
        | Column::Nodes
        | Column::Names
        | Column::Adjacency
        | Column::Requests => {
            table.set_bloom_filter(BLOOM_BITS, false);
            table.set_optimize_filters_for_memory(true);
            table.set_whole_key_filtering(true);
            table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
            table.set_partition_filters(true);
            table.set_metadata_block_size(BLOCK_BYTES);
            table.set_pin_top_level_index_and_filter(true);
            table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        }
        // Read in order or rarely: larger blocks pack better.
        Column::Audit => table.set_block_size(4 * BLOCK_BYTES),
        Column::Prefixes
        | Column::Counts
        | Column::Tails
        | Column::Tiles
        | Column::Directory
        | Column::Sealed
        | Column::Terms
        | Column::Meta => {}
    }
    table
}
