//! Micro benchmarks: `cargo bench --bench micro`, one with
//! `cargo bench --bench micro -- identifier`.

#![expect(
    clippy::expect_used,
    reason = "a benchmark may stop at the first surprise, as a test may"
)]

mod dns;
mod handle;
mod identifier;
mod merkle;
mod record;
mod store;
mod trace;

fn main() {
    divan::main();
}
