//! `audit`: lists the audit trail, takes it out, and verifies it: on a running
//! node, or without one.

mod export;
mod held;
mod line;
mod list;
mod offline;

use std::path::{Path, PathBuf};

use serde_json::json;

pub use export::{Broken, ExportWriter};
pub use held::{Held, Witness};
pub use offline::verify_export;

use crate::cli::client::{Client, Connection};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};
use crate::merkle::Checkpoint;
use crate::wire::proto::v1;

/// What can be done with the audit trail.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List entries, the latest first
    List(list::Arguments),
    /// Show the signed checkpoint of the log, or keep it in a file
    #[command(before_help = "\
Examples:
  idnode audit checkpoint
  idnode audit checkpoint --output log.checkpoint")]
    Checkpoint {
        /// Write it to this file
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Write the whole audit trail to a file, by which it can be verified
    #[command(before_help = "\
Examples:
  idnode audit export --output audit.ndjson")]
    Export {
        /// The file
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Verify that the log was not set back or rewritten; of a backup or an
    /// export, every entry
    #[command(before_help = "\
Examples:
  idnode audit verify --checkpoint log.checkpoint
  idnode audit verify audit.ndjson --checkpoint log.checkpoint
  idnode audit verify /var/lib/idnode/backups/before-upgrade --checkpoint log.checkpoint")]
    Verify {
        /// An export, or the folder of a backup; the running node if absent
        path: Option<PathBuf>,
        /// What is trusted.
        #[command(flatten)]
        held: Held,
    },
}

/// Does what `command` says.
///
/// # Errors
/// What the node answered, or why it did not; what is broken.
pub async fn run(
    command: Command,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments, connection, output).await,
        Command::Checkpoint { output: file } => {
            let client = connection.client(output).await?;
            let checkpoint = checkpoint(&client).await?;
            let (_, read) = Witness::default().believe(&checkpoint)?;
            if let Some(path) = file {
                held::replace(&path, &checkpoint.note)?;
            }
            show_checkpoint(&checkpoint, &read, output)
        }
        Command::Export { output: file } => export::run(&file, connection, output).await,
        Command::Verify {
            path: Some(path),
            held,
        } => {
            let witness = held.witness()?;
            offline::run(path, witness, output).await
        }
        Command::Verify { path: None, held } => {
            let client = connection.client(output).await?;
            let witness = held.witness()?;
            let checkpoint = checkpoint(&client).await?;
            let read = consistent(&client, &witness, &checkpoint).await?;
            held.keep(&checkpoint.note)?;
            output.say(witness.meaning());
            show_checkpoint(&checkpoint, &read, output)
        }
    }
}

/// Asks for the latest checkpoint.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn checkpoint(client: &Client) -> Result<v1::Checkpoint, Failure> {
    let request = client.request(v1::GetCheckpointRequest {});
    client.answer(client.audit().get_checkpoint(request)).await
}

/// Verifies a checkpoint's signature, and that its tree begins with the one that
/// is held.
///
/// # Errors
/// [`Exit::Failed`] if the log was set back, rewritten or signed by another.
pub async fn consistent(
    client: &Client,
    witness: &Witness,
    checkpoint: &v1::Checkpoint,
) -> Result<Checkpoint, Failure> {
    let (verifier, read) = witness.believe(checkpoint)?;
    let Some(held) = witness.held(&verifier)? else {
        return Ok(read);
    };
    Witness::check_size(&held, read.size)?;
    let request = client.request(v1::GetConsistencyProofRequest {
        older_size: count(held.size)?,
        size: count(read.size)?,
    });
    let mut audit = client.audit();
    let proof = client.answer(audit.get_consistency_proof(request)).await?;
    let hashes = hashes(&proof.hashes)?;
    crate::merkle::verify_consistency((held.size, &held.root), (read.size, &read.root), &hashes)
        .map_err(|error| held::rewritten(held.size, &error))?;
    Ok(read)
}

/// The hashes of a proof.
///
/// # Errors
/// [`Exit::Failed`] if they are none.
pub fn hashes(found: &[Vec<u8>]) -> Result<Vec<crate::merkle::Hash>, Failure> {
    let hash = |bytes: &Vec<u8>| crate::merkle::Hash::try_from(bytes.as_slice()).ok();
    let hashes: Option<Vec<_>> = found.iter().map(hash).collect();
    hashes
        .filter(|hashes| hashes.len() <= crate::merkle::PROOF_HASHES_MAX)
        .ok_or_else(|| Failure::new(Exit::Failed, "the node's proof has no hashes"))
}

/// A size or position as the API has it.
///
/// # Errors
/// [`Exit::Usage`] if it is too large for any log.
pub fn count(number: u64) -> Result<i64, Failure> {
    i64::try_from(number).map_err(|_| Failure::usage(format!("no log has {number} changes")))
}

fn show_checkpoint(
    checkpoint: &v1::Checkpoint,
    read: &Checkpoint,
    output: &Output,
) -> Result<(), Failure> {
    let Checkpoint { origin, size, root } = read;
    let root = data_encoding::BASE64.encode(root);
    let value = json!({
        "origin": origin,
        "size": size,
        "root": root,
        "log_key": checkpoint.log_key,
        "note": checkpoint.note,
    });
    output.show(&value, || {
        Rows::of_pairs([
            ("origin", origin.clone()),
            ("changes", size.to_string()),
            ("root", root.clone()),
            ("log key", checkpoint.log_key.clone()),
        ])
    })
}

/// A file that could not be read.
fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let text = format!("cannot read {}: {error}", path.display());
    Failure::new(Exit::Usage, text)
}
