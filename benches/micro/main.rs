//! Micro benchmarks: `cargo bench --bench micro`, one with
//! `cargo bench --bench micro -- identifier`.

mod identifier;
mod record;
mod store;

fn main() {
    divan::main();
}
