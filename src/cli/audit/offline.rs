//! `audit verify` of an export or of a backup, without a node.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use serde_json::json;

use crate::cli::audit::held::{Witness, opened, rewritten};
use crate::cli::audit::line::{End, FORMAT, Line, Start, read, text};
use crate::cli::audit::unreadable;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};
use crate::merkle::{Checkpoint, Hash};
use crate::store::backup;
use crate::store::{Trail, TrailReport};

/// Bytes of one line; a longer one is none.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Verifies what is at `path`: a backup if that is a folder, else an export.
///
/// # Errors
/// [`Exit::Failed`] by what is broken, set back or rewritten.
pub(super) async fn run(path: PathBuf, witness: Witness, output: &Output) -> Result<(), Failure> {
    let meaning = witness.meaning();
    let verifying = tokio::task::spawn_blocking(move || verify(&path, &witness));
    let verified = verifying.await;
    let report = verified.map_err(|error| Failure::chained(Exit::Failed, &error))??;
    output.say(meaning);
    show(&report, output)
}

/// Verifies what is at `path` by what `witness` holds.
///
/// # Errors
/// As [`run`].
fn verify(path: &Path, witness: &Witness) -> Result<TrailReport, Failure> {
    if path.is_dir() {
        return verify_backup(path, witness);
    }
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    verify_export(BufReader::new(file), witness)
}

/// A backup holds no checkpoint: it is verified by the one that is held.
fn verify_backup(folder: &Path, witness: &Witness) -> Result<TrailReport, Failure> {
    let held = match witness.verifier("") {
        Ok(verifier) => witness.held(&verifier)?,
        Err(_) if witness.has_checkpoint() => {
            let text = "a backup does not name the key of its log";
            return Err(Failure::usage(text).hint("name it: --log-key NAME+ID+KEY"));
        }
        Err(_) => None,
    };
    let size = held.as_ref().map_or(0, |held| held.size);
    let (report, root) = backup::verify_trail(folder, size)
        .map_err(|error| Failure::chained(Exit::Failed, &error))?;
    if let Some(held) = held {
        Witness::check_size(&held, report.size)?;
        check_root(&held, root)?;
    }
    Ok(report)
}

/// Verifies an export by what `witness` holds.
///
/// # Errors
/// [`Exit::Failed`] by what is broken, set back or rewritten.
pub fn verify_export(reader: impl BufRead, witness: &Witness) -> Result<TrailReport, Failure> {
    let mut lines = Lines { reader, number: 0 };
    let fail = |text: String| Failure::new(Exit::Failed, text);
    let early = || Failure::new(Exit::Failed, "the export ends early");
    let start: Start = read(1, &lines.next()?.ok_or_else(early)?)?;
    if start.format != FORMAT {
        return Err(fail(format!(
            "the export is of the format {:?}",
            start.format
        )));
    }
    let verifier = witness.verifier(&start.log_key)?;
    if verifier.to_string() != start.log_key {
        return Err(fail(format!("the export is of the log {}", start.log_key)));
    }
    let held = witness.held(&verifier)?;
    let trail = BASE64.decode(start.trail.as_bytes()).ok();
    let trail = trail.and_then(|bytes| Trail::decode(&bytes).ok());
    let mut trail = trail.ok_or_else(|| fail("line 1 of the export has no trail".to_owned()))?;
    let mut report = TrailReport::default();
    let mut root = held.as_ref().and_then(|held| root_at(&trail, held.size));
    loop {
        let found = lines.next()?.ok_or_else(early)?;
        let number = lines.number;
        if let Ok(End { checkpoint }) = read::<End>(number, &found) {
            let said = opened(&checkpoint, &verifier)?;
            report.size = trail.edge().size();
            report.root = trail.edge().root();
            if (said.size, said.root) != (report.size, report.root) {
                return Err(fail(
                    "the checkpoint of the export is of another tree".to_owned(),
                ));
            }
            break;
        }
        let line: Line = read(number, &found)?;
        let broken = |what: &dyn std::fmt::Display| fail(format!("line {number}: {what}"));
        let bytes = BASE64.decode(line.entry.as_bytes());
        let bytes = bytes.map_err(|error| broken(&error))?;
        let (entry, _) = trail.take(&bytes).map_err(|error| broken(&error))?;
        let expected = Line::new(trail.edge().size(), &entry, &bytes);
        let expected = text(&expected).map_err(|error| broken(&error))?;
        if expected.trim_end() != found {
            return Err(broken(&"it does not say what its entry holds"));
        }
        report.count(&entry);
        root = root.or_else(|| root_at(&trail, held.as_ref()?.size));
    }
    if lines.next()?.is_some() {
        return Err(fail("the export goes on behind its end".to_owned()));
    }
    if let Some(held) = held {
        Witness::check_size(&held, report.size)?;
        check_root(&held, root)?;
    }
    Ok(report)
}

/// The root of the trail's tree, if it has this size.
fn root_at(trail: &Trail, size: u64) -> Option<Hash> {
    let edge = trail.edge();
    (edge.size() == size).then(|| edge.root())
}

fn check_root(held: &Checkpoint, root: Option<Hash>) -> Result<(), Failure> {
    match root {
        Some(root) if root == held.root => Ok(()),
        Some(_) => Err(rewritten(held.size, &"its tree had another root")),
        None => {
            let text = format!(
                "the checkpoint is of change {}, which fell to the retention",
                held.size
            );
            Err(Failure::new(Exit::Failed, text))
        }
    }
}

/// The lines of a file, none longer than [`LINE_BYTES_MAX`].
struct Lines<R> {
    reader: R,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<String>, Failure> {
        let mut line = String::new();
        let mut limited = (&mut self.reader).take(LINE_BYTES_MAX);
        self.number += 1;
        let number = self.number;
        let fail = |what: &dyn std::fmt::Display| {
            Failure::new(Exit::Failed, format!("line {number} of the export: {what}"))
        };
        let count = limited.read_line(&mut line).map_err(|error| fail(&error))?;
        if count == 0 {
            return Ok(None);
        }
        match line.strip_suffix('\n') {
            Some(line) => Ok(Some(line.to_owned())),
            None => Err(fail(&"it has no end")),
        }
    }
}

fn show(report: &TrailReport, output: &Output) -> Result<(), Failure> {
    let TrailReport {
        size,
        root,
        entry_count,
        refused_count,
        omitted_count,
    } = report;
    let root = BASE64.encode(root);
    let value = json!({
        "size": size,
        "root": root,
        "entry_count": entry_count,
        "refused_count": refused_count,
        "omitted_count": omitted_count,
    });
    output.show(&value, || {
        Rows::of_pairs([
            ("changes", size.to_string()),
            ("root", root.clone()),
            ("entries", entry_count.to_string()),
            ("refused", refused_count.to_string()),
            ("omitted", omitted_count.to_string()),
        ])
    })
}
