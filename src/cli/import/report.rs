//! Where the rows go that were not taken: all of them into a file, if one is
//! named; the first ones before the person's eyes.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::cli::failure::Failure;
use crate::cli::import::csv::guarded;
use crate::cli::import::rows::BadRow;
use crate::cli::output::Output;
use crate::model::Language;

/// Rows that are shown; a report file holds all.
const SHOWN_MAX: u64 = 1000;
/// Characters of a cell that are shown; a report file holds all.
const CELL_CHARS_MAX: usize = 60;

/// Where the rows go that were not taken.
pub struct Report {
    file: Option<csv::Writer<File>>,
    output: Output,
    /// Rules broken so far.
    count: u64,
}

impl Report {
    /// A report that also goes to `path`; behind what is there, if it goes on
    /// with an earlier run.
    ///
    /// # Errors
    /// If that cannot be written.
    pub fn new(path: Option<&Path>, goes_on: bool, output: &Output) -> Result<Self, Failure> {
        let file = path
            .map(|path| begin(path, goes_on))
            .transpose()
            .map_err(|error| failed(&error))?;
        Ok(Self {
            file,
            output: output.clone(),
            count: 0,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn add(&mut self, bad: &BadRow) -> Result<(), Failure> {
        self.count += 1;
        if self.count <= SHOWN_MAX {
            self.show(bad);
        } else if self.count == SHOWN_MAX + 1 && self.file.is_none() {
            self.output
                .say("further rows are counted only; --report FILE keeps all");
        }
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let BadRow {
            row,
            column,
            value,
            reason,
            english,
            chinese,
        } = bad;
        let (row, column, value) = (row.to_string(), guarded(column), guarded(value));
        let cells = [&row, &column, &value, reason, english, chinese];
        file.write_record(cells)
            .map_err(|error| failed(&error.into()))
    }

    fn show(&self, bad: &BadRow) {
        let mut value: String = bad.value.chars().take(CELL_CHARS_MAX).collect();
        if value.len() < bad.value.len() {
            value.push('…');
        }
        if self.output.is_json() {
            let line = serde_json::json!({
                "row": bad.row,
                "column": bad.column,
                "value": value,
                "reason": bad.reason,
                "message": bad.english,
                "message_zh": bad.chinese,
            });
            self.output.say(&line.to_string());
            return;
        }
        let (row, column) = match self.output.language() {
            Language::English => ("row", "column"),
            Language::Chinese => ("行", "列"),
        };
        let text = match self.output.language() {
            Language::Chinese if !bad.chinese.is_empty() => &bad.chinese,
            Language::English | Language::Chinese => &bad.english,
        };
        self.output.say(&format!(
            "{row} {}, {column} {}, {value:?}: {text} [{}]",
            bad.row, bad.column, bad.reason
        ));
    }

    /// How many rules were broken.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(self) -> Result<u64, Failure> {
        if let Some(mut file) = self.file {
            file.flush().map_err(|error| failed(&error))?;
        }
        Ok(self.count)
    }
}

/// Opens the report: a new one with the mark that spreadsheets need and the
/// header, or that of the run before, which goes on.
fn begin(path: &Path, goes_on: bool) -> std::io::Result<csv::Writer<File>> {
    if goes_on && path.exists() {
        let file = File::options().append(true).open(path)?;
        return Ok(csv::Writer::from_writer(file));
    }
    let mut file = File::create(path)?;
    file.write_all("\u{feff}".as_bytes())?;
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(["row", "column", "value", "reason", "message", "message_zh"])?;
    Ok(writer)
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::io("cannot write the report", error)
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}
