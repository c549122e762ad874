//! `idnode bench grpc-echo`: what gRPC takes by itself.

use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;

use crate::bench;
use crate::cli::bench::{Data, failure};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::signals::until_done;

#[derive(Debug, clap::Args)]
pub(super) struct EchoArgs {
    /// Where to answer
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8490")]
    listen: SocketAddr,
    #[command(flatten)]
    data: Data,
}

/// Answers until it is told to stop.
pub(super) async fn echo(args: EchoArgs, output: &Output) -> Result<(), Failure> {
    let shutdown = CancellationToken::new();
    let stopped = shutdown.clone().cancelled_owned();
    output.say(&format!("answering at http://{}", args.listen));
    let serving = async move {
        let echo = bench::echo(args.listen, &args.data.demo(), stopped).await;
        echo.map_err(failure)
    };
    until_done(serving, shutdown, output, || {}).await
}
