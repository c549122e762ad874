//! `serve`: runs a node until it is told to stop.

use std::io::IsTerminal;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::cli::config::{self, Settings};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::signals;
use crate::config::{Config, Sources};
use crate::server::Server;
use crate::telemetry::{Logs, Terminal};

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
    let logs = start_logs(&loaded.config)?;
    let server = bind(&loaded.config, &logs).await?;
    if let Some(key) = server.new_key() {
        output.say("this node's first operator's key, shown this once; keep it:");
        output.say(key);
    }
    let shutdown = CancellationToken::new();
    let reload = || reload(&sources, &loaded.config, &logs);
    let work = async {
        server.run(shutdown.clone()).await;
        Ok(())
    };
    signals::until_done(work, shutdown.clone(), output, reload).await
}

/// Starts the log of the process.
///
/// # Errors
/// [`Exit::Usage`] for a bad filter.
pub(super) fn start_logs(config: &Config) -> Result<Arc<Logs>, Failure> {
    let coloured = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let terminal = match (std::io::stderr().is_terminal(), coloured) {
        (true, true) => Terminal::Coloured,
        (true, false) => Terminal::Plain,
        (false, _) => Terminal::None,
    };
    let logs = Logs::init(&config.telemetry, terminal);
    Ok(Arc::new(
        logs.map_err(|error| Failure::usage(error.to_string()))?,
    ))
}

/// Opens the store and binds every socket.
///
/// # Errors
/// [`Exit::Failed`], by what could not be had.
pub(super) async fn bind(config: &Config, logs: &Arc<Logs>) -> Result<Server, Failure> {
    let logs = Arc::clone(logs);
    let set_filter = move |filter: &str| logs.set_filter(filter).map_err(|error| error.to_string());
    let server = Server::bind(config.clone(), Arc::new(set_filter)).await;
    server.map_err(|error| Failure::new(Exit::Failed, with_causes(&error)))
}

/// Takes over what a running node can of a changed configuration; a bad one
/// leaves everything as it is.
fn reload(sources: &Sources, running: &Config, logs: &Logs) {
    let new = match crate::config::load(sources) {
        Ok(loaded) => loaded,
        Err(error) => {
            tracing::error!(%error, "the configuration was not reloaded");
            return;
        }
    };
    let problems = new.problems();
    if let Some(problem) = problems.first() {
        tracing::error!(%problem, "the configuration was not reloaded");
        return;
    }
    let difference = running.reloadable_difference(&new.config);
    for key in &difference.needs_restart {
        tracing::warn!(key, "takes effect at the next start only");
    }
    match logs.set_filter(&new.config.telemetry.filter) {
        Ok(_) => tracing::info!("the configuration was reloaded"),
        Err(error) => tracing::error!(%error, "the configuration was not reloaded"),
    }
}

/// An error and what caused it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
