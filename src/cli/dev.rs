//! `dev`: runs a node with demo data, for this machine only, without any
//! configuration.

use std::path::PathBuf;

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;

/// Arguments of `dev`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode dev
  idnode dev --data /tmp/idnode")]
pub struct Arguments {
    /// The folder that keeps the data from start to start
    #[arg(long, value_name = "DIR", env = "IDNODE_DATA")]
    data: Option<PathBuf>,
}

/// Runs a node with demo data.
///
/// # Errors
/// [`Exit::Failed`] if the node cannot start.
#[expect(clippy::unused_async, reason = "the server awaits")]
pub async fn run(arguments: Arguments, _output: &Output) -> Result<(), Failure> {
    let Arguments { data } = arguments;
    let data = data.or_else(data_dir);
    let data = data.ok_or_else(|| {
        Failure::usage("there is no home folder").hint("name one: idnode dev --data DIR")
    })?;
    Err(Failure::new(
        Exit::Failed,
        format!("this build has no server for {}", data.display()),
    ))
}

/// The folder of `idnode dev` if none is named: `$XDG_DATA_HOME/idnode-dev`, or
/// `~/.local/share/idnode-dev` (XDG Base Directory Specification).
fn data_dir() -> Option<PathBuf> {
    let folder = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let data_home =
        folder("XDG_DATA_HOME").or_else(|| Some(folder("HOME")?.join(".local/share")))?;
    Some(data_home.join("idnode-dev"))
}

/// The file with the operator's key that `idnode dev` writes.
pub fn key_file() -> Option<PathBuf> {
    let named = std::env::var_os("IDNODE_DATA").map(PathBuf::from);
    Some(named.or_else(data_dir)?.join("operator.key"))
}
