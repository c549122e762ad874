//! The stored form of records.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use idnode::demo::Demo;
use idnode::model::{Key, Record, SuffixCase, Timestamp};
use idnode::store::raw;

fn sample() -> (Key, Record) {
    let (identifier, values) = Demo::new(1, 1_000).record(0);
    let key = identifier.key(SuffixCase::Folded);
    let now = Timestamp::from_millis(1_736_300_000_000);
    let record = Record {
        identifier,
        values,
        readers: None,
        revision: 1,
        created: now,
        changed: now,
    };
    (key, record)
}

#[divan::bench]
fn encode(bencher: Bencher<'_, '_>) {
    let (key, record) = sample();
    let bytes = raw::encoded(&key, &record).len();
    bencher
        .counter(BytesCount::new(bytes))
        .bench(|| raw::encoded(black_box(&key), black_box(&record)));
}

#[divan::bench]
fn decode(bencher: Bencher<'_, '_>) {
    let (key, record) = sample();
    let bytes = raw::encoded(&key, &record);
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench(|| raw::decoded(black_box(&key), black_box(&bytes)));
}
