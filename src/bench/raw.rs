//! RocksDB's own rate of writing the same rows, beside that of an import.

use std::path::Path;
use std::time::Duration;

use crate::bench::clock;
use crate::bench::error::Error;
use crate::bench::histogram::Tally;
use crate::bench::report::{Report, float};
use crate::demo::Demo;
use crate::model::{Record, SuffixCase, Timestamp};
use crate::store::raw::{RawRows, RawSource, RawStore};

/// How rows are written.
#[derive(Clone, Copy, Debug)]
pub struct RawWriting {
    /// Changes in a batch, each batch synced by itself.
    pub batch: u32,
    /// Bytes of a memtable; what the store takes if not said.
    pub write_buffer_bytes: Option<u64>,
}

/// Writes the rows of `demo` into a database of its own in `folder`. Blocks.
/// Only the writes are timed, not the making and encoding of records.
///
/// # Errors
/// [`Error::Store`].
pub fn raw_store(demo: &Demo, folder: &Path, how: RawWriting) -> Result<Report, Error> {
    let failed = |error: crate::store::Error| Error::Store(error.to_string());
    let store = RawStore::create(folder, how.write_buffer_bytes).map_err(failed)?;
    let mut tally = Tally::new();
    let mut time = Duration::ZERO;
    let mut first = 0;
    while first < demo.identifiers() {
        let end = (first + u64::from(how.batch.max(1))).min(demo.identifiers());
        let mut rows = RawRows::default();
        for position in first..end {
            let (identifier, values) = demo.record(position);
            let key = identifier.key(SuffixCase::Folded);
            let record = Record {
                identifier,
                values,
                readers: None,
                revision: position + 1,
                created: Timestamp::default(),
                changed: Timestamp::default(),
            };
            rows.push(key, &record);
        }
        first = end;
        let start = clock::now();
        store.write(&rows).map_err(failed)?;
        let took = clock::now().saturating_duration_since(start);
        time += took;
        tally.took(took);
        tally.answered += u64::try_from(rows.count()).unwrap_or_default();
    }
    let bytes = store.flushed_bytes().map_err(failed)?;
    let mut report = Report::new("raw-store", &tally, time, None);
    report.disk_bytes_per_identifier = Some(float(bytes) / float(demo.identifiers().max(1)));
    Ok(report)
}

/// Writes all rows of the closed node's store in `like` into a database of its own
/// in `folder`: the same bytes in the same order, in batches of as many changes. Blocks.
/// Only the writes are timed.
///
/// # Errors
/// [`Error::Store`].
pub fn raw_copy(like: &Path, folder: &Path, how: RawWriting) -> Result<Report, Error> {
    let failed = |error: crate::store::Error| Error::Store(error.to_string());
    let changes = usize::try_from(how.batch).unwrap_or(usize::MAX);
    let source = RawSource::open(like).map_err(failed)?;
    let store = RawStore::create(folder, how.write_buffer_bytes).map_err(failed)?;
    let mut tally = Tally::new();
    let mut time = Duration::ZERO;
    let written = source.each_batch(changes, &mut |rows| {
        let start = clock::now();
        store.write_copied(rows)?;
        let took = clock::now().saturating_duration_since(start);
        time += took;
        tally.took(took);
        tally.answered += u64::try_from(rows.record_count).unwrap_or_default();
        Ok(())
    });
    written.map_err(failed)?;
    let bytes = store.flushed_bytes().map_err(failed)?;
    let mut report = Report::new("raw-store, all rows", &tally, time, None);
    report.disk_bytes_per_identifier = Some(float(bytes) / float(tally.answered.max(1)));
    Ok(report)
}
