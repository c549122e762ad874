//! `idnode bench handle` and `handle-create`: load over the Handle protocol.

use std::net::SocketAddr;

use crate::bench;
use crate::bench::HandlePool;
use crate::cli::bench::{Data, Questions, Until, failure, show, target};
use crate::cli::client::Connection;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Transport {
    /// Datagrams
    Udp,
    /// Connections that stay open
    Tcp,
    /// A connection for each request
    TcpConnect,
}

#[derive(Debug, clap::Args)]
pub(super) struct ResolveArgs {
    /// The Handle server
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2641")]
    handle: SocketAddr,
    /// What carries the requests
    #[arg(long, value_enum, default_value_t = Transport::Udp)]
    transport: Transport,
    /// Ask for values of this type alone
    #[arg(long = "type", value_name = "TYPE")]
    value_type: Option<String>,
    /// Threads that ask over UDP
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Sockets of each thread, or connections
    #[arg(long, value_name = "N", default_value_t = 8)]
    connections: usize,
    /// Requests outstanding on each of them
    #[arg(long, value_name = "N", default_value_t = 32)]
    window: usize,
    /// Ask once over TCP before UDP: some servers cut what they send to addresses
    /// that they have not seen over TCP
    #[arg(long)]
    tcp_first: bool,
    /// How many different requests are made; they are asked over and over
    #[arg(long, value_name = "N", default_value_t = 200_000)]
    questions: u64,
    #[command(flatten)]
    asked: Questions,
    #[command(flatten)]
    until: Until,
}

#[derive(Debug, clap::Args)]
pub(super) struct CreateArgs {
    /// The Handle server
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2641")]
    handle: SocketAddr,
    #[command(flatten)]
    data: Data,
    /// Records of the first firm that are passed over: those that exist
    #[arg(long, value_name = "N", default_value_t = 0)]
    first: u64,
    /// Connections, each with a session of its own
    #[arg(long, value_name = "N", default_value_t = 8)]
    connections: usize,
    /// Requests outstanding on each of them, up to 128
    #[arg(long, value_name = "N", default_value_t = 32)]
    window: usize,
    #[command(flatten)]
    until: Until,
}

/// Resolves, and shows what was measured.
pub(super) async fn resolve(args: ResolveArgs, output: &Output) -> Result<(), Failure> {
    let how = bench::HandleFlood {
        server: args.handle,
        carrier: match args.transport {
            Transport::Udp => bench::Carrier::Udp,
            Transport::Tcp => bench::Carrier::Tcp,
            Transport::TcpConnect => bench::Carrier::TcpConnect,
        },
        threads: args.threads,
        connections: args.connections,
        window: args.window,
        tcp_first: args.tcp_first,
        bound: args.until.bound(),
        pids: args.until.pid.clone(),
    };
    let value_type = args.value_type.as_deref();
    let pool = HandlePool::of_workload(&args.asked.workload(), value_type, args.questions);
    let pool = pool.map_err(|error| Failure::usage(error.to_string()))?;
    let report = bench::handle_resolve(pool, how).await;
    show(&report.map_err(failure)?, output)
}

/// Creates records, and shows what was measured.
pub(super) async fn create(
    args: CreateArgs,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let target = target(connection, 1).await?;
    let how = bench::HandleCreating {
        server: args.handle,
        first: args.first,
        connections: args.connections,
        window: args.window,
        bound: args.until.bound(),
        pids: args.until.pid.clone(),
    };
    let report = bench::handle_create(&target, args.data.demo(), how).await;
    show(&report.map_err(failure)?, output)
}
