//! `serve`: runs a node until it is told to stop.

use tokio_util::sync::CancellationToken;

use crate::cli::config::{self, Settings};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::signals;

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode serve --config /etc/idnode/idnode.toml
  idnode serve --set store.data_dir=/data --set http.listen=0.0.0.0:8480")]
pub struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

/// Runs a node.
///
/// # Errors
/// [`Exit::Usage`] if the configuration has problems, [`Exit::Failed`] if the
/// node cannot start.
pub async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let sources = arguments.settings.sources();
    let loaded = config::load(&sources, output)?;
    let shutdown = CancellationToken::new();
    let work = async {
        drop(loaded);
        Err(Failure::new(Exit::Failed, "this build has no server"))
    };
    signals::until_done(work, shutdown.clone(), output, || {}).await
}
