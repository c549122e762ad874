//! Identifiers: parsing, canonical keys, owner names, and the generator.

use divan::{Bencher, black_box};
use idnode::demo::Demo;
use idnode::model::{Identifier, OwnerName, SuffixCase};

/// As most are, and one that has no plain name.
const SPELLINGS: [&str; 2] = [
    "88.118.7/DZ47-63.20250108.000123",
    "88.118.7/批次20250108-DZ47-63/000123",
];
/// Octets of `id.example.` on the wire.
const ZONE_BYTES: usize = 12;

#[divan::bench(args = SPELLINGS)]
fn parse(bencher: Bencher<'_, '_>, spelling: &str) {
    bencher.bench(|| Identifier::parse(black_box(spelling)));
}

#[divan::bench(args = SPELLINGS)]
fn key(bencher: Bencher<'_, '_>, spelling: &str) {
    let identifier = Identifier::parse(spelling).expect("valid");
    bencher.bench(|| black_box(&identifier).key(SuffixCase::Folded));
}

#[divan::bench(args = SPELLINGS)]
fn owner_name(bencher: Bencher<'_, '_>, spelling: &str) {
    let identifier = Identifier::parse(spelling).expect("valid");
    bencher.bench(|| OwnerName::of(black_box(&identifier), SuffixCase::Folded, ZONE_BYTES));
}

#[divan::bench]
fn generate(bencher: Bencher<'_, '_>) {
    let demo = Demo::new(1, 1_000_000);
    let mut position = 0;
    bencher.bench_local(|| {
        position = (position + 7_919) % 1_000_000;
        demo.record(position)
    });
}
