//! `idnode bench fresh`: whether what was acknowledged is answered next.

use std::net::SocketAddr;

use crate::bench::{self, Seen};
use crate::cli::bench::{Data, failure, target};
use crate::cli::client::Connection;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};

#[derive(Debug, clap::Args)]
pub(super) struct FreshArgs {
    #[command(flatten)]
    data: Data,
    /// Changes and answers, together
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    operations: u64,
    /// Identifiers that are changed, each by itself
    #[arg(long, value_name = "N", default_value_t = 64)]
    workers: usize,
    /// Connections over gRPC
    #[arg(long, value_name = "N", default_value_t = 2)]
    connections: usize,
    /// The node's DNS face
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5380")]
    dns: SocketAddr,
    /// The zone that it is authoritative for
    #[arg(long, value_name = "NAME", default_value = "id.example.")]
    zone: String,
    /// The node's Handle face
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2641")]
    handle: SocketAddr,
}

/// Changes, asks, and shows what was seen; fails if any answer was stale.
pub(super) async fn fresh(
    args: FreshArgs,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let target = target(connection, args.connections).await?;
    let how = bench::Freshness {
        operations: args.operations,
        workers: args.workers,
        dns: (args.dns, args.zone),
        handle: args.handle,
    };
    let seen = bench::freshness(&target, &args.data.demo(), &how).await;
    let seen = seen.map_err(failure)?;
    output.show(&seen, || rows(&seen))?;
    if seen.stale == 0 && seen.lost == 0 {
        return Ok(());
    }
    let first = seen.first_stale.as_deref().unwrap_or("none stale");
    let text = format!(
        "{} stale answers, {} not given; the first: {first}",
        seen.stale, seen.lost
    );
    Err(Failure::new(Exit::Partial, text))
}

fn rows(seen: &Seen) -> Rows {
    Rows::of_pairs([
        ("changes", seen.writes.to_string()),
        ("answers compared", seen.reads.to_string()),
        ("stale", seen.stale.to_string()),
        ("lost", seen.lost.to_string()),
        ("seconds", format!("{:.2}", seen.seconds)),
        ("operations/s", format!("{:.0}", seen.per_second)),
    ])
}
