//! What a verifier holds from before: the log's key, and a checkpoint.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::cli::audit::unreadable;
use crate::cli::failure::{Exit, Failure};
use crate::merkle::{Checkpoint, NOTE_BYTES_MAX, Verifier, verified_text};
use crate::wire::proto::v1;

/// What is trusted, on the command line.
#[derive(Debug, Default, clap::Args)]
pub struct Held {
    /// The key that the log's checkpoints are signed with, as name+id+key. Without
    /// it the key that the node itself names
    #[arg(long, value_name = "NAME+ID+KEY")]
    log_key: Option<String>,
    /// File with a checkpoint of the log from before: what is verified must
    /// continue it. A running node's newer one takes its place
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

/// What is trusted.
#[derive(Clone, Debug, Default)]
pub struct Witness {
    verifier: Option<Verifier>,
    note: Option<String>,
}

impl Held {
    /// Reads it. A checkpoint's file need not be there: it will be.
    ///
    /// # Errors
    /// [`Exit::Usage`] for a key that is none, or a file that cannot be read.
    pub fn witness(&self) -> Result<Witness, Failure> {
        let verifier = match &self.log_key {
            Some(text) => {
                let parsed = Verifier::parse(text.trim());
                let refuse = |error| Failure::usage(format!("--log-key: {error}"));
                Some(parsed.map_err(refuse)?)
            }
            None => None,
        };
        let note = match &self.checkpoint {
            Some(path) if path.exists() => Some(read(path)?),
            Some(_) | None => None,
        };
        Ok(Witness { verifier, note })
    }

    /// Keeps a newer checkpoint in the place of the one before.
    ///
    /// # Errors
    /// [`Exit::Failed`] if the file cannot be written.
    pub fn keep(&self, note: &str) -> Result<(), Failure> {
        match &self.checkpoint {
            Some(path) => replace(path, note),
            None => Ok(()),
        }
    }
}

impl Witness {
    /// Verifies the signature of a checkpoint; gives the key that it was verified
    /// with, and what it says.
    ///
    /// # Errors
    /// [`Exit::Failed`] if it is not signed with the log's key, or says nothing.
    pub fn believe(&self, checkpoint: &v1::Checkpoint) -> Result<(Verifier, Checkpoint), Failure> {
        let verifier = self.verifier(&checkpoint.log_key)?;
        let read = opened(&checkpoint.note, &verifier)?;
        Ok((verifier, read))
    }

    /// The key to verify with: that which is held, else `named`.
    ///
    /// # Errors
    /// [`Exit::Failed`] if neither is one.
    pub fn verifier(&self, named: &str) -> Result<Verifier, Failure> {
        if let Some(verifier) = &self.verifier {
            return Ok(verifier.clone());
        }
        let refuse = |error| Failure::new(Exit::Failed, format!("the log names no key: {error}"));
        Verifier::parse(named).map_err(refuse)
    }

    /// The checkpoint that is held, if there is one.
    ///
    /// # Errors
    /// [`Exit::Failed`] if `verifier` did not sign it.
    pub fn held(&self, verifier: &Verifier) -> Result<Option<Checkpoint>, Failure> {
        let open = |note: &String| opened(note, verifier);
        self.note.as_ref().map(open).transpose()
    }

    /// Whether a checkpoint is held.
    pub const fn has_checkpoint(&self) -> bool {
        self.note.is_some()
    }

    /// What a verification by it means, for people.
    pub const fn meaning(&self) -> &'static str {
        match (&self.verifier, &self.note) {
            (_, Some(_)) => "the log continues the checkpoint that you hold",
            (Some(_), None) => "the log is signed with the key that you hold",
            (None, None) => {
                "the log agrees with itself; whether it is the log of before, a checkpoint tells: --checkpoint FILE"
            }
        }
    }

    /// Refuses a log that is shorter than it was.
    ///
    /// # Errors
    /// [`Exit::Failed`].
    pub fn check_size(held: &Checkpoint, size: u64) -> Result<(), Failure> {
        if held.size <= size {
            return Ok(());
        }
        let text = format!(
            "the log ends at change {size} and had {} when the checkpoint was signed: it was set back",
            held.size
        );
        Err(Failure::new(Exit::Failed, text)
            .hint("an older backup was restored, or changes were removed: ask the operator"))
    }
}

/// The failure of a log that does not begin as it did.
pub(super) fn rewritten(size: u64, error: &dyn std::fmt::Display) -> Failure {
    let text = format!("the log does not continue the checkpoint at change {size}: {error}");
    Failure::new(Exit::Failed, text)
        .hint("changes before it were rewritten, or it is another log: ask the operator")
}

/// Puts a checkpoint into a file, whole or not at all.
pub(super) fn replace(path: &Path, note: &str) -> Result<(), Failure> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = fs::File::create(&part)
        .and_then(|mut file| {
            file.write_all(note.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        let text = format!("cannot write {}: {error}", path.display());
        Failure::new(Exit::Failed, text)
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let limit = u64::try_from(NOTE_BYTES_MAX).unwrap_or(u64::MAX);
    fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_string(&mut text))
        .map_err(|error| unreadable(path, &error))?;
    Ok(text)
}

/// What a note says that `verifier`'s key signed.
pub(super) fn opened(note: &str, verifier: &Verifier) -> Result<Checkpoint, Failure> {
    let refuse = |error: &dyn std::fmt::Display| {
        let text = format!(
            "the checkpoint of {} is not believed: {error}",
            verifier.name()
        );
        Failure::new(Exit::Failed, text)
    };
    let text = verified_text(note, verifier).map_err(|error| refuse(&error))?;
    let checkpoint = Checkpoint::parse(text).map_err(|error| refuse(&error))?;
    if checkpoint.origin == verifier.name() {
        Ok(checkpoint)
    } else {
        Err(refuse(&"it is of another log"))
    }
}
