//! What is written of the data for other programs, and straight into RocksDB.

use std::path::PathBuf;

use crate::bench;
use crate::cli::bench::{Data, Questions, blocking, show};
use crate::cli::failure::Failure;
use crate::cli::output::Output;

#[derive(Debug, clap::Args)]
pub(super) struct NamesArgs {
    #[command(flatten)]
    asked: Questions,
    /// How many questions
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    requests: u64,
    /// The zone that holds the names
    #[arg(long, value_name = "NAME", default_value = "id.example.")]
    zone: String,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct ZoneArgs {
    #[command(flatten)]
    data: Data,
    /// The zone that holds the names
    #[arg(long, value_name = "NAME", default_value = "id.example.")]
    zone: String,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct RawStoreArgs {
    #[command(flatten)]
    data: Data,
    /// The folder to write in; it must not exist
    #[arg(long = "data", value_name = "FOLDER")]
    data_dir: PathBuf,
    /// Write all rows of the store of a node that has ended, not only records: the
    /// folder `db` in its data
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["identifiers", "seed"])]
    like: Option<PathBuf>,
    /// Changes that are written and synced together
    #[arg(long, value_name = "N", default_value_t = 1_000,
          value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Bytes of a table in memory [default: that of store.write_buffer_bytes]
    #[arg(long, value_name = "N")]
    write_buffer_bytes: Option<u64>,
}

/// Writes questions.
pub(super) async fn names(args: NamesArgs) -> Result<(), Failure> {
    let write = move || {
        let workload = args.asked.workload();
        bench::write_names(&workload, &args.zone, args.requests, &args.output)
    };
    blocking(write).await
}

/// Writes a zone file.
pub(super) async fn zone(args: ZoneArgs, output: &Output) -> Result<(), Failure> {
    let names = blocking(move || bench::write_zone(&args.data.demo(), &args.zone, &args.output));
    output.say(&format!("{} names", names.await?));
    Ok(())
}

/// Writes rows into RocksDB.
pub(super) async fn raw_store(args: RawStoreArgs, output: &Output) -> Result<(), Failure> {
    let how = bench::RawWriting {
        batch: args.batch,
        write_buffer_bytes: args.write_buffer_bytes,
    };
    let report = blocking(move || match &args.like {
        Some(like) => bench::raw_copy(like, &args.data_dir, how),
        None => bench::raw_store(&args.data.demo(), &args.data_dir, how),
    });
    show(&report.await?, output)
}
