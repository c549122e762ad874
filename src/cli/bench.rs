//! `idnode bench`: puts load on a node, or on another name server, and says
//! what it measured. The engine is `crate::bench`.

mod chain;
mod data;
mod echo;
mod fresh;
mod handle;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::bench;
use crate::bench::{Bound, Pool, Report, Target, Verdict, Workload};
use crate::cli::client::{Connection, Scheme};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};
use crate::demo::Demo;

/// Requests a second that can be asked for; no generator makes more.
const PER_SECOND_MAX: u64 = 10_000_000;

/// Puts load on a node and measures it.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Resolve over gRPC
    #[command(before_help = "\
Examples:
  idnode bench grpc-resolve --mode unary --connections 2 --window 16
  idnode bench grpc-resolve --mode stream --batch 100 --pid $(pidof idnode)")]
    GrpcResolve(GrpcResolve),
    /// Answer resolution over gRPC without looking anything up, for comparison
    #[command(before_help = "\
Examples:
  idnode bench grpc-echo --listen 127.0.0.1:8490
  idnode --server http://127.0.0.1:8490 bench grpc-resolve --existing 1 --mode batch")]
    GrpcEcho(echo::EchoArgs),
    /// Ask over DNS on UDP
    #[command(before_help = "\
Examples:
  idnode bench dns --dns 127.0.0.1:5380 --identifiers 1000000 --pid $(pidof idnode)
  idnode bench dns --dns 127.0.0.1:5300 --names names.txt --seconds 5
  idnode bench dns --per-second 50000 --window 512 --seconds 5")]
    Dns(Dns),
    /// Resolve over the Handle protocol
    #[command(before_help = "\
Examples:
  idnode bench handle --handle 127.0.0.1:2641 --identifiers 1000000 --pid $(pidof idnode)
  idnode bench handle --transport tcp --connections 8 --window 16 --type URL --seconds 5
  idnode bench handle --transport tcp-connect --connections 32 --window 1")]
    Handle(handle::ResolveArgs),
    /// Create records over the Handle protocol, in sessions
    #[command(before_help = "\
Examples:
  idnode bench handle-create --requests 100000 --connections 8 --window 32
  idnode bench handle-create --first 100000 --seconds 10 --pid $(pidof idnode)")]
    HandleCreate(handle::CreateArgs),
    /// Register identifiers, one in a call or many
    #[command(before_help = "\
Examples:
  idnode bench register --identifiers 100000 --window 64
  idnode bench register --identifiers 100000 --batch 2000 --window 4
  idnode bench register --first 2000 --per-second 1000 --seconds 10")]
    Register(Register),
    /// Import records over one stream for each connection
    #[command(before_help = "\
Examples:
  idnode bench import --identifiers 1000000")]
    Import(Import),
    /// Load the links of a supply chain, made for comparisons
    #[command(before_help = "\
Examples:
  idnode bench chain-load --nodes 1000000")]
    ChainLoad(chain::LoadArgs),
    /// Trace along them
    #[command(before_help = "\
Examples:
  idnode bench chain-trace --nodes 1000000 --set bom --pid $(pidof idnode)")]
    ChainTrace(chain::TraceArgs),
    /// State further links at a steady rate, and look for each at once
    #[command(before_help = "\
Examples:
  idnode bench chain-links --nodes 1000000 --per-second 5000 --seconds 10")]
    ChainLinks(chain::LinkArgs),
    /// Write that supply chain and the questions to files, for other databases
    #[command(before_help = "\
Examples:
  idnode bench chain-files --nodes 1000000 --output /tmp/chain")]
    ChainFiles(chain::WriteArgs),
    /// Resolve every identifier over gRPC and DNS, and compare
    #[command(before_help = "\
Examples:
  idnode bench verify --identifiers 1000000 --dns 127.0.0.1:5380")]
    Verify(Verify),
    /// Change identifiers, and look whether every face answers with it next
    #[command(before_help = "\
Examples:
  idnode bench fresh --operations 1000000")]
    Fresh(fresh::FreshArgs),
    /// Write questions to a file, as dnsperf reads them
    #[command(before_help = "\
Examples:
  idnode bench names --identifiers 1000000 --requests 200000 --output names.txt")]
    Names(data::NamesArgs),
    /// Write the data as a zone file, for other name servers
    #[command(before_help = "\
Examples:
  idnode bench zone --identifiers 1000000 --output id.example.zone")]
    Zone(data::ZoneArgs),
    /// Write the data straight into RocksDB, for comparison
    #[command(before_help = "\
Examples:
  idnode bench raw-store --identifiers 1000000 --data /tmp/raw")]
    RawStore(data::RawStoreArgs),
}

#[derive(Debug, clap::Args)]
struct Data {
    /// How many identifiers the data has
    #[arg(long, value_name = "N", default_value_t = 2_000,
          value_parser = clap::value_parser!(u64).range(1..))]
    identifiers: u64,
    /// Another number gives other data
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, clap::Args)]
struct Questions {
    #[command(flatten)]
    data: Data,
    /// Share of the questions that ask for what exists
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, value_parser = share)]
    existing: f64,
}

#[derive(Debug, clap::Args)]
struct Until {
    /// End after so many requests
    #[arg(long, value_name = "N")]
    requests: Option<u64>,
    /// End after so many seconds [default: 10, without --requests]
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// A process of the server, to measure what it uses; can be repeated
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Mode {
    /// One identifier in a call
    Unary,
    /// Many in a call
    Batch,
    /// Many in a message of a call that stays open
    Stream,
}

#[derive(Debug, clap::Args)]
struct GrpcResolve {
    /// In which way
    #[arg(long, value_enum, default_value_t = Mode::Unary)]
    mode: Mode,
    /// Connections to the node
    #[arg(long, value_name = "N", default_value_t = 2)]
    connections: usize,
    /// Calls or messages outstanding on each connection
    #[arg(long, value_name = "N", default_value_t = 16)]
    window: usize,
    /// Identifiers in a call or message; 1 with unary
    #[arg(long, value_name = "N", default_value_t = 100)]
    batch: usize,
    #[command(flatten)]
    questions: Questions,
    #[command(flatten)]
    until: Until,
}

#[derive(Debug, clap::Args)]
struct Dns {
    /// The name server
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5380")]
    dns: SocketAddr,
    /// The zone that holds the names
    #[arg(long, value_name = "NAME", default_value = "id.example.")]
    zone: String,
    /// Threads that ask
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Sockets of each thread
    #[arg(long, value_name = "N", default_value_t = 8)]
    connections: usize,
    /// Questions outstanding on each socket
    #[arg(long, value_name = "N", default_value_t = 32)]
    window: usize,
    /// Ask so many a second, and count from when each was due [default: as many
    /// as are answered]
    #[arg(long, visible_alias = "rate", value_name = "N", value_parser = per_second())]
    per_second: Option<u64>,
    /// Ask the questions of this file: a name and a type on each line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["identifiers", "seed", "existing"])]
    names: Option<PathBuf>,
    /// How many different questions are made; they are asked over and over
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    questions: u64,
    #[command(flatten)]
    asked: Questions,
    #[command(flatten)]
    until: Until,
}

#[derive(Debug, clap::Args)]
struct Register {
    #[command(flatten)]
    data: Data,
    /// Position of the first identifier in the data, or beyond it; prefixes are
    /// registered at 0
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,
    /// Connections to the node
    #[arg(long, value_name = "N", default_value_t = 2)]
    connections: usize,
    /// Calls outstanding on each connection
    #[arg(long, value_name = "N", default_value_t = 64)]
    window: usize,
    /// Identifiers in a call
    #[arg(long, value_name = "N", default_value_t = 1)]
    batch: usize,
    /// Register so many a second, and count from when each call was due [default:
    /// as many as are answered]
    #[arg(long, visible_alias = "rate", value_name = "N", value_parser = per_second())]
    per_second: Option<u64>,
    #[command(flatten)]
    until: Until,
}

#[derive(Debug, clap::Args)]
struct Import {
    #[command(flatten)]
    data: Data,
    /// Streams, each on its connection
    #[arg(long, value_name = "N", default_value_t = 2)]
    connections: usize,
    /// Messages outstanding on each stream
    #[arg(long, value_name = "N", default_value_t = 4)]
    window: usize,
    /// Records in a message
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    batch: usize,
    /// Records that are made and encoded before the clock runs, in memory
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    prepared: u64,
    /// Replace what is registered already
    #[arg(long)]
    update: bool,
    /// Have the node write very many together; takes `--window 100`
    #[arg(long)]
    bulk: bool,
    /// In the order of the identifiers
    #[arg(long)]
    sorted: bool,
    /// A process of the server, to measure what it uses; can be repeated
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
}

#[derive(Debug, clap::Args)]
struct Verify {
    #[command(flatten)]
    data: Data,
    /// The node's DNS face
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5380")]
    dns: SocketAddr,
    /// The zone that it is authoritative for
    #[arg(long, value_name = "NAME", default_value = "id.example.")]
    zone: String,
    /// Connections over gRPC, and threads that ask over DNS
    #[arg(long, value_name = "N", default_value_t = 2)]
    connections: usize,
}

/// Runs what is asked for.
///
/// # Errors
/// [`Exit::Unavailable`] where nothing answers, [`Exit::Partial`] if requests
/// were answered otherwise than they should be or not at all.
pub async fn run(args: BenchArgs, connection: &Connection, output: &Output) -> Result<(), Failure> {
    match args.command {
        Command::GrpcResolve(args) => grpc_resolve(args, connection, output).await,
        Command::Dns(args) => dns(args, output).await,
        Command::Handle(args) => handle::resolve(args, output).await,
        Command::HandleCreate(args) => handle::create(args, connection, output).await,
        Command::Register(args) => register(args, connection, output).await,
        Command::Import(args) => import(args, connection, output).await,
        Command::ChainLoad(args) => chain::load(args, connection, output).await,
        Command::ChainTrace(args) => chain::trace(args, connection, output).await,
        Command::ChainLinks(args) => chain::links(args, connection, output).await,
        Command::ChainFiles(args) => chain::write(args, output).await,
        Command::Verify(args) => verify(args, connection, output).await,
        Command::Fresh(args) => fresh::fresh(args, connection, output).await,
        Command::GrpcEcho(args) => echo::echo(args, output).await,
        Command::Names(args) => data::names(args).await,
        Command::Zone(args) => data::zone(args, output).await,
        Command::RawStore(args) => data::raw_store(args, output).await,
    }
}

async fn grpc_resolve(
    args: GrpcResolve,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let target = target(connection, args.connections).await?;
    let how = bench::Resolving {
        mode: match args.mode {
            Mode::Unary => bench::Mode::Unary,
            Mode::Batch => bench::Mode::Batch,
            Mode::Stream => bench::Mode::Stream,
        },
        window: args.window,
        batch: args.batch,
        bound: args.until.bound(),
        pids: args.until.pid,
    };
    let report = bench::resolve(&target, args.questions.workload(), &how).await;
    show(&report.map_err(failure)?, output)
}

async fn dns(args: Dns, output: &Output) -> Result<(), Failure> {
    let how = bench::Flood {
        server: args.dns,
        threads: args.threads,
        sockets: args.connections,
        window: args.window,
        per_second: args.per_second,
        bound: args.until.bound(),
        pids: args.until.pid.clone(),
    };
    let report = blocking(move || {
        let pool = match &args.names {
            Some(path) => Pool::of_file(path)?,
            None => Pool::of_workload(&args.asked.workload(), &args.zone, args.questions),
        };
        bench::flood(&pool, &how)
    });
    show(&report.await?, output)
}

async fn register(args: Register, connection: &Connection, output: &Output) -> Result<(), Failure> {
    let target = target(connection, args.connections).await?;
    let how = bench::Registering {
        first: args.first,
        window: args.window,
        batch: args.batch,
        per_second: args.per_second,
        bound: args.until.bound(),
        pids: args.until.pid.clone(),
    };
    let report = bench::register(&target, args.data.demo(), &how).await;
    show(&report.map_err(failure)?, output)
}

async fn import(args: Import, connection: &Connection, output: &Output) -> Result<(), Failure> {
    let target = target(connection, args.connections).await?;
    let how = bench::Importing {
        batch: args.batch,
        window: args.window,
        prepared: args.prepared,
        update: args.update,
        bulk: args.bulk,
        sorted: args.sorted,
        pids: args.pid,
    };
    let report = bench::import(&target, args.data.demo(), &how).await;
    show(&report.map_err(failure)?, output)
}

async fn verify(args: Verify, connection: &Connection, output: &Output) -> Result<(), Failure> {
    let target = target(connection, args.connections).await?;
    let how = bench::Verifying {
        dns: args.dns,
        zone: args.zone,
        threads: args.connections,
    };
    let verdict = bench::verify(&target, args.data.demo(), &how).await;
    let verdict = verdict.map_err(failure)?;
    if output.is_json() {
        output.show(&verdict, Rows::default)?;
    } else {
        let Verdict {
            equal, different, ..
        } = &verdict;
        output.data(&format!("{equal} equal, {different} different\n"))?;
        output.say(&format!(
            "gRPC: {equal} of {} in {:.1} s; DNS: {} names, {} questions ({} over TCP) in {:.1} s",
            equal + different,
            verdict.grpc_seconds,
            verdict.dns_names,
            verdict.dns_questions,
            verdict.dns_over_tcp,
            verdict.dns_seconds,
        ));
    }
    if verdict.different == 0 {
        return Ok(());
    }
    output.say_lines(verdict.differences.iter().map(String::as_str));
    let text = format!(
        "{} identifiers differ from the generator",
        verdict.different
    );
    Err(Failure::new(Exit::Partial, text))
}

impl Data {
    fn demo(&self) -> Demo {
        Demo::new(self.seed, self.identifiers)
    }
}

impl Questions {
    fn workload(&self) -> Workload {
        Workload {
            demo: self.data.demo(),
            seed: self.data.seed,
            existing: self.existing,
        }
    }
}

impl Until {
    fn bound(&self) -> Bound {
        let seconds = match (self.requests, self.seconds) {
            (None, None) => Some(10),
            (_, seconds) => seconds,
        };
        Bound {
            requests: self.requests,
            time: seconds.map(Duration::from_secs),
        }
    }
}

fn per_second() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=PER_SECOND_MAX)
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err("must be 0 to 1".to_owned())
}

async fn target(connection: &Connection, connections: usize) -> Result<Target, Failure> {
    if connection.scheme()? == Scheme::Https {
        let text = "no load is made over TLS, which would be measured with the node";
        return Err(Failure::usage(text).hint("measure at http://, on the node's machine"));
    }
    let bearer = connection.bearer()?;
    let target = Target::connect(&connection.server, bearer, connections).await;
    target.map_err(failure)
}

/// Runs on a thread of its own what keeps it busy.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, bench::Error> + Send + 'static,
) -> Result<T, Failure> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended
        .map_err(|_| failure(bench::Error::Worker))?
        .map_err(failure)
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the signature that map_err asks for"
)]
fn failure(error: bench::Error) -> Failure {
    use bench::Error;
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    let text = format!("{error}{}", cause.unwrap_or_default());
    match &error {
        Error::Refused(status) => Failure::from_status(status),
        Error::NamesLine { .. } | Error::NoQuestions => Failure::usage(text),
        Error::Unreachable { .. } => Failure::new(Exit::Unavailable, text)
            .hint("is it running? start one with: idnode dev; another address: --server URL"),
        Error::Listen { .. }
        | Error::Udp { .. }
        | Error::Tcp { .. }
        | Error::File { .. }
        | Error::Process { .. }
        | Error::Worker
        | Error::TooDifferent { .. }
        | Error::Store(_) => Failure::new(Exit::Failed, text),
    }
}

/// Shows a report; fails if any request was.
fn show(report: &Report, output: &Output) -> Result<(), Failure> {
    output.show(report, || rows(report))?;
    if report.wrong == 0 && report.lost == 0 {
        return Ok(());
    }
    let first = report
        .first_wrong
        .as_deref()
        .unwrap_or("none answered wrongly");
    let text = format!(
        "{} requests answered otherwise than they should be, {} not answered in time; the first: {first}",
        report.wrong, report.lost
    );
    Err(Failure::new(Exit::Partial, text))
}

fn rows(report: &Report) -> Rows {
    let latency = &report.latency;
    let mut rows = Rows::of_pairs([
        ("benchmark", report.benchmark.clone()),
        ("requests", report.requests.to_string()),
        ("of these found", report.found.to_string()),
        ("wrong", report.wrong.to_string()),
        ("lost", report.lost.to_string()),
        ("truncated", report.truncated.to_string()),
        ("seconds", format!("{:.2}", report.seconds)),
        ("requests/s", format!("{:.0}", report.per_second)),
        ("p50 µs", format!("{:.0}", latency.p50_us)),
        ("p90 µs", format!("{:.0}", latency.p90_us)),
        ("p99 µs", format!("{:.0}", latency.p99_us)),
        ("p99.9 µs", format!("{:.0}", latency.p999_us)),
        ("max µs", format!("{:.0}", latency.max_us)),
    ]);
    if let Some(server) = &report.server {
        let megabytes = server.resident_bytes / 1_000_000;
        rows.push([
            "server CPU µs/request".into(),
            format!("{:.2}", server.cpu_us_per_request),
        ]);
        rows.push(["server memory MB".into(), megabytes.to_string()]);
    }
    if let Some(bytes) = report.disk_bytes_per_identifier {
        rows.push(["disk bytes/identifier".into(), format!("{bytes:.1}")]);
    }
    rows
}
