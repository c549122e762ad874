//! Point reads from, and batches into, a store on disk.

use divan::Bencher;
use divan::counter::ItemsCount;
use idnode::demo::{Demo, Random};
use idnode::model::{Key, Record, SuffixCase, Timestamp};
use idnode::store::raw::RawRows;
use idnode::store::raw::RawStore;

/// Records in the store that is read.
const RECORDS: u64 = 100_000;
/// Records in a batch.
const BATCH: u64 = 1_000;

fn rows(demo: &Demo, positions: impl Iterator<Item = u64>) -> RawRows {
    let mut rows = RawRows::default();
    for position in positions {
        let (key, record) = row(demo, position);
        rows.push(key, &record);
    }
    rows
}

fn row(demo: &Demo, position: u64) -> (Key, Record) {
    let (identifier, values) = demo.record(position);
    let key = identifier.key(SuffixCase::Folded);
    let now = Timestamp::from_millis(1_736_300_000_000);
    let record = Record {
        identifier,
        values,
        readers: None,
        revision: position + 1,
        created: now,
        changed: now,
    };
    (key, record)
}

#[divan::bench(sample_count = 50)]
fn put_synced_batch(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("folder");
    let store = RawStore::create(folder.path(), None).expect("created");
    let demo = Demo::new(1, 100_000_000);
    let mut next = 0;
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| {
            next += BATCH;
            rows(&demo, next - BATCH..next)
        })
        .bench_local_values(|rows| store.write(&rows).expect("written"));
}

/// Half of the keys are there.
#[divan::bench]
fn get(bencher: Bencher<'_, '_>) {
    let folder = tempfile::tempdir().expect("folder");
    let store = RawStore::create(folder.path(), None).expect("created");
    let demo = Demo::new(1, RECORDS);
    for first in (0..RECORDS).step_by(1_000) {
        let batch = rows(&demo, first..first + 1_000);
        store.write(&batch).expect("written");
    }
    store.flushed_bytes().expect("flushed");
    let mut random = Random::new(1);
    bencher
        .with_inputs(|| {
            demo.identifier(random.below(2 * RECORDS))
                .key(SuffixCase::Folded)
        })
        .bench_local_values(|key| store.read(&key));
}
