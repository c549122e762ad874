//! Benchmarks of links and traces, on the graph of `crate::demo::ChainGraph`.

use std::path::PathBuf;
use std::time::Duration;

use crate::bench::{self, QuerySet};
use crate::cli::bench::{blocking, failure, rows, target};
use crate::cli::client::Connection;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};

#[derive(Debug, clap::Args)]
struct Graph {
    /// How many identifiers the graph has
    #[arg(long, value_name = "N", default_value_t = 100_000,
          value_parser = clap::value_parser!(u32).range(1_000..=100_000_000))]
    nodes: u32,
}

/// Writes the graph and the questions.
#[derive(Debug, clap::Args)]
pub(super) struct WriteArgs {
    #[command(flatten)]
    graph: Graph,
    /// The folder to write in
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
}

/// Loads the graph.
#[derive(Debug, clap::Args)]
pub(super) struct LoadArgs {
    #[command(flatten)]
    graph: Graph,
}

/// Asks the questions of a set.
#[derive(Debug, clap::Args)]
pub(super) struct TraceArgs {
    #[command(flatten)]
    graph: Graph,
    /// Which questions
    #[arg(long, value_enum)]
    set: Set,
    /// Write what each start came to here: start, count, SHA-256
    #[arg(long, value_name = "FILE")]
    digests: Option<PathBuf>,
    /// A process of the server, to measure what it uses; can be repeated
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
}

/// States links at a steady rate.
#[derive(Debug, clap::Args)]
pub(super) struct LinkArgs {
    #[command(flatten)]
    graph: Graph,
    /// Position of the first link; each run wants its own
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u32,
    /// Links a second
    #[arg(long, value_name = "N", default_value_t = 5_000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    per_second: u32,
    /// Seconds
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Set {
    /// Bills of materials of finished goods
    Bom,
    /// What basic parts went into
    WhereUsed,
    /// Where material lots went
    Lots,
    /// The same along links that hold in the first half of the time
    LotsWindow,
    /// The same counted for each prefix
    LotsGrouped,
    /// Where raw batches went
    Batches,
    /// What pallets hold
    Pallets,
    /// Where the raw batch went that went furthest
    Hottest,
}

impl Set {
    const fn queries(self) -> QuerySet {
        match self {
            Self::Bom => QuerySet::Bom,
            Self::WhereUsed => QuerySet::WhereUsed,
            Self::Lots => QuerySet::Lots,
            Self::LotsWindow => QuerySet::LotsWindow,
            Self::LotsGrouped => QuerySet::LotsGrouped,
            Self::Batches => QuerySet::Batches,
            Self::Pallets => QuerySet::Pallets,
            Self::Hottest => QuerySet::Hottest,
        }
    }
}

pub(super) async fn write(args: WriteArgs, output: &Output) -> Result<(), Failure> {
    let WriteArgs {
        graph,
        output: folder,
    } = args;
    let count = blocking(move || bench::write_chain(graph.nodes, &folder)).await?;
    output.say(&format!("{count} links"));
    Ok(())
}

pub(super) async fn load(
    args: LoadArgs,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let target = target(connection, 1).await?;
    let loaded = bench::load_chain(&target, args.graph.nodes).await;
    let loaded = loaded.map_err(failure)?;
    output.show(&loaded, || {
        Rows::of_pairs([
            ("identifiers", loaded.nodes.to_string()),
            ("links", loaded.links.to_string()),
            ("seconds", format!("{:.1}", loaded.seconds)),
            (
                "disk bytes/link",
                format!("{:.1}", loaded.disk_bytes_per_link),
            ),
        ])
    })
}

pub(super) async fn trace(
    args: TraceArgs,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let connection = connection.clone();
    let asked = bench::Asked {
        nodes: args.graph.nodes,
        set: args.set.queries(),
        digests: args.digests,
        pids: args.pid,
    };
    let report = alone(async move || {
        let target = target(&connection, 1).await?;
        bench::trace_chain(&target, &asked).await.map_err(failure)
    });
    let report = report.await?;
    output.show(&report, || {
        let mut rows = rows(&report.report);
        rows.push(["rows, median".into(), report.rows_p50.to_string()]);
        rows.push(["rows, most".into(), report.rows_max.to_string()]);
        rows.push([
            "first row p50 µs".into(),
            format!("{:.0}", report.first_p50_us),
        ]);
        rows
    })
}

/// Does `work` on one thread with a runtime of its own: one question after the other
/// needs no more, and then none of its time goes into handing over between threads.
async fn alone<T, F>(work: F) -> Result<T, Failure>
where
    T: Send + 'static,
    F: AsyncFnOnce() -> Result<T, Failure> + Send + 'static,
{
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let failed = |_| failure(bench::Error::Worker);
        runtime.map_err(failed)?.block_on(work())
    };
    let ended = tokio::task::spawn_blocking(run).await;
    ended.map_err(|_| failure(bench::Error::Worker))?
}

pub(super) async fn links(
    args: LinkArgs,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let target = target(connection, 1).await?;
    let time = Duration::from_secs(args.seconds);
    let which = (args.graph.nodes, args.first);
    let written = bench::write_links(&target, which, args.per_second, time).await;
    let written = written.map_err(failure)?;
    output.show(&written, || {
        Rows::of_pairs([
            ("links", written.links.to_string()),
            ("links/s", format!("{:.0}", written.per_second)),
            ("traces that looked for one", written.looked.to_string()),
            ("of these, missed it", written.missed.to_string()),
        ])
    })?;
    match written.missed {
        0 => Ok(()),
        missed => {
            let text = format!("{missed} traces missed a link that was acknowledged");
            Err(Failure::new(Exit::Partial, text))
        }
    }
}
