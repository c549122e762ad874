//! `audit export`: the whole trail in a file, verified on the way.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde::Serialize;
use serde_json::json;

use crate::cli::audit::held::opened;
use crate::cli::audit::line::{End, FORMAT, Line, Start, text};
use crate::cli::client::Connection;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};
use crate::merkle::Verifier;
use crate::model::Language;
use crate::store::Trail;
use crate::wire::proto::v1;
use crate::wire::proto::v1::export_audit_entries_response::Part;

/// Writes the whole audit trail to `path`. The file appears once it is complete.
///
/// # Errors
/// What the node answered, or why it did not; if the trail is broken, or the file
/// cannot be written.
pub(super) async fn run(
    path: &Path,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let client = connection.client(output).await?;
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let unwritable = |error: std::io::Error| {
        let text = format!("cannot write {}: {error}", path.display());
        Failure::new(Exit::Failed, text)
    };
    let file = File::create(&part).map_err(unwritable)?;
    let mut writer = ExportWriter::new(BufWriter::new(file));
    let mut audit = client.audit();
    let request = v1::ExportAuditEntriesRequest {};
    let mut answers = client.answer(audit.export_audit_entries(request)).await?;
    let mut progress = output.progress(0);
    while let Some(answer) = client.wait(answers.message()).await? {
        if let Some(part) = answer.part {
            writer.take(part).map_err(|error| match error {
                Broken::Sent(_) => Failure::new(Exit::Failed, error.to_string()),
                Broken::File(error) => unwritable(error),
            })?;
        }
        let size = writer.trail.edge().size();
        progress.update(0, &format!("{size} entries"));
    }
    progress.finish();
    if !writer.is_done {
        return Err(Failure::new(
            Exit::Failed,
            "the node ended the export early",
        ));
    }
    let size = writer.trail.edge().size();
    let file = writer
        .file
        .into_inner()
        .map_err(|error| unwritable(error.into_error()))?;
    file.sync_all().map_err(unwritable)?;
    std::fs::rename(&part, path).map_err(unwritable)?;
    let file = path.display().to_string();
    output.show(&json!({"file": file, "entry_count": size}), || {
        Rows::of_pairs([("file", file.clone()), ("entries", size.to_string())])
    })
}

/// Writes an export part by part, and verifies it on the way.
#[derive(Debug)]
pub struct ExportWriter<W> {
    file: W,
    trail: Trail,
    log_key: String,
    is_done: bool,
}

/// Why a part could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// What the node sends is broken.
    #[error("what the node sends is broken: {0}")]
    Sent(String),
    /// It cannot be written.
    #[error(transparent)]
    File(#[from] std::io::Error),
}

impl<W: Write> ExportWriter<W> {
    /// A writer of nothing yet.
    pub fn new(file: W) -> Self {
        Self {
            file,
            trail: Trail::default(),
            log_key: String::new(),
            is_done: false,
        }
    }

    /// Whether the last part was taken.
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Takes the next part.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn take(&mut self, part: Part) -> Result<(), Broken> {
        let broken = |error: &dyn std::fmt::Display| Broken::Sent(error.to_string());
        match part {
            Part::Start(v1::AuditExportStart { log_key, trail }) => {
                self.trail = Trail::decode(&trail).map_err(|error| broken(&error))?;
                let start = Start {
                    format: FORMAT.to_owned(),
                    log_key: log_key.clone(),
                    trail: BASE64.encode(&trail),
                };
                self.log_key = log_key;
                self.write(&start)
            }
            Part::Entries(v1::AuditExportEntries { entries }) => {
                for bytes in entries {
                    let (entry, _) = self.trail.take(&bytes).map_err(|error| broken(&error))?;
                    let line = Line::new(self.trail.edge().size(), &entry, &bytes);
                    self.write(&line)?;
                }
                Ok(())
            }
            Part::Checkpoint(checkpoint) => {
                let verifier = Verifier::parse(&self.log_key).map_err(|error| broken(&error))?;
                let said = opened(&checkpoint, &verifier);
                let said = said.map_err(|failure| broken(&failure.text(Language::English)))?;
                let edge = self.trail.edge();
                if (said.size, said.root) != (edge.size(), edge.root()) {
                    return Err(broken(&"its checkpoint is of another tree"));
                }
                self.is_done = true;
                self.write(&End { checkpoint })
            }
        }
    }

    fn write<T: Serialize>(&mut self, line: &T) -> Result<(), Broken> {
        let text = text(line).map_err(|error| Broken::Sent(error.to_string()))?;
        Ok(self.file.write_all(text.as_bytes())?)
    }
}
