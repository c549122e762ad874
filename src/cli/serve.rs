//! `serve`: runs a node until it is told to stop.

use std::sync::Arc;

use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio_util::sync::CancellationToken;

use crate::cli::config::{self, Settings};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::signals;
use crate::config::{Loaded, Sources};
use crate::model::NodeRole;
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
    let logs = logs(&loaded, output)?;
    let mut server = Box::pin(bind(&loaded, &logs)).await?;
    for (role, key) in server.take_new_keys() {
        let whose = match role {
            NodeRole::SystemAdministrator | NodeRole::SecurityAdministrator => "a",
            NodeRole::Auditor => "an",
        };
        let role = role_text(role);
        output.say(&format!(
            "a key of {whose} {role} was made; it is shown this once, so keep it:"
        ));
        output.say(&key);
    }
    let tls = server.tls();
    let shutdown = CancellationToken::new();
    let work = async {
        server.run(shutdown.clone()).await;
        Ok(())
    };
    let mut current = loaded;
    let reload = || {
        reload(&sources, &mut current, &logs, output);
        if let Some(tls) = &tls {
            match tls.reload() {
                Ok(()) => output.say("the certificate files are in force"),
                Err(error) => {
                    output.failure(&Failure::chained(Exit::Failed, &error));
                    output.say("the certificates stayed as they were");
                }
            }
        }
    };
    Box::pin(signals::until_done(work, shutdown.clone(), output, reload)).await
}

/// A role of the node in words.
pub const fn role_text(role: NodeRole) -> &'static str {
    match role {
        NodeRole::SystemAdministrator => "system administrator",
        NodeRole::SecurityAdministrator => "security administrator",
        NodeRole::Auditor => "auditor",
    }
}

/// Sets up the logs of the process.
///
/// # Errors
/// [`Exit::Usage`] for a filter that is none.
pub fn logs(loaded: &Loaded, output: &Output) -> Result<Arc<Logs>, Failure> {
    let terminal = if output.has_color() {
        Terminal::Coloured
    } else if output.talks_to_terminal() {
        Terminal::Plain
    } else {
        Terminal::None
    };
    let logs = Logs::init(&loaded.config.telemetry, terminal);
    logs.map(Arc::new)
        .map_err(|error| Failure::chained(Exit::Usage, &error))
}

/// Opens the store and binds every socket.
///
/// # Errors
/// [`Exit::Failed`] if that cannot be done.
pub async fn bind(loaded: &Loaded, logs: &Arc<Logs>) -> Result<Server, Failure> {
    raise_file_limit();
    forbid_core_files();
    let logs = Arc::clone(logs);
    let set_filter = move |filter: &str| {
        let set = logs.set_filter(filter);
        set.map_err(|error| error.to_string())
    };
    let bound = Server::bind(loaded.config.clone(), Arc::new(set_filter)).await;
    bound.map_err(|error| Failure::chained(Exit::Failed, &error))
}

/// Lets this process open as many files as it may: each connection is one, and
/// so is each table of the store, which could not write without them.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open files stays as it is");
    }
}

/// Lets the system keep no core file of this process, whose memory holds what
/// clients prove themselves with, and lets none but root look into it.
fn forbid_core_files() {
    let forbidden = set_dumpable(false).and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0));
    if let Err(error) = forbidden {
        tracing::warn!(%error, "a crash may leave a core file, which would hold secrets");
    }
}

/// Takes over what a running node can of a configuration that changed; a bad
/// one changes nothing.
fn reload(sources: &Sources, current: &mut Loaded, logs: &Logs, output: &Output) {
    let new = match config::load(sources, output) {
        Ok(new) => new,
        Err(failure) => {
            output.failure(&failure);
            output.say("the configuration stays as it was");
            return;
        }
    };
    let difference = current.config.reloadable_difference(&new.config);
    if !difference.reloadable.is_empty() {
        let filter = &new.config.telemetry.filter;
        if let Err(error) = logs.set_filter(filter) {
            output.failure(&Failure::chained(Exit::Failed, &error));
            return;
        }
        current.config.telemetry.filter.clone_from(filter);
    }
    for key in &difference.reloadable {
        output.say(&format!("{key} is in force"));
    }
    for key in &difference.needs_restart {
        output.say(&format!("{key} changed: it needs a restart"));
    }
}
