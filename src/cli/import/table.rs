//! A CSV file as rows of cells: where each row stands, and what of it is no text.

use std::io::Read;
use std::rc::Rc;

use csv::StringRecord;

use crate::cli::failure::Failure;
use crate::cli::import::csv::unguarded;
use crate::cli::import::encoding::{Utf8Reader, Watch};
use crate::cli::import::rows::BadRow;
use crate::model::{Reason, Refusal};

/// Bytes of a file that are read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// A CSV file whose header is read; a row at a time.
pub struct Table<R> {
    reader: csv::Reader<Utf8Reader<R>>,
    watch: Rc<Watch>,
    header: Vec<String>,
    row: StringRecord,
    /// Lines that the end of a row adds by the time the row is read: none where
    /// it is CR LF, of which the reader takes the LF with the next row.
    end_lines: u64,
}

impl<R: Read> Table<R> {
    /// Reads what `reader` decodes; its first row is the header.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn new(reader: Utf8Reader<R>, watch: Rc<Watch>, delimiter: u8) -> Result<Self, Failure> {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .has_headers(false)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(reader);
        let mut header = StringRecord::new();
        reader
            .read_record(&mut header)
            .map_err(|error| unreadable(&error))?;
        let end_lines = reader.position().line() - 1;
        let names = header.iter().map(|name| unguarded(name).trim().to_owned());
        Ok(Self {
            reader,
            watch,
            header: names.collect(),
            row: StringRecord::new(),
            end_lines: end_lines.saturating_sub(inner_lines(&header)),
        })
    }

    /// The names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Reads the next row that is not blank; its line, or `None` at the end.
    ///
    /// # Errors
    /// If the file cannot be read further.
    pub fn read(&mut self) -> Result<Option<u64>, Failure> {
        loop {
            self.watch.row_done();
            let more = self
                .reader
                .read_record(&mut self.row)
                .map_err(|error| unreadable(&error))?;
            // The reader's own mark stands before the blank lines that it skips; a
            // last row without an end of line has none to subtract.
            let mark = self.row.position().map_or(0, csv::Position::line);
            let behind = self.reader.position().line();
            let line = behind.saturating_sub(self.end_lines + inner_lines(&self.row));
            if !more {
                return Ok(None);
            }
            if !self.row.iter().all(str::is_empty) {
                return Ok(Some(line.max(mark)));
            }
        }
    }

    /// The cells of the row as they stand in the file.
    pub fn cells(&self) -> impl Iterator<Item = &str> {
        self.row.iter()
    }

    /// A cell of the row; empty where there is none.
    pub fn cell(&self, at: usize) -> &str {
        unguarded(self.row.get(at).unwrap_or_default())
    }

    /// Notes cells that hold no text, and cells beyond the header.
    pub fn check_cells(&self, line: u64, bad: &mut Vec<BadRow>) {
        let count = self.header.len();
        for (position, cell) in self.row.iter().enumerate() {
            let column = self.header.get(position).map(String::as_str);
            if column.is_none() && !cell.is_empty() {
                let rule = format!("the header has {count} columns");
                let refusal = invalid("cell", cell, &rule);
                let column = format!("column {}", position + 1);
                bad.push(BadRow::new(line, &column, cell, &refusal));
            }
            if self.watch.malformed() && cell.contains('\u{fffd}') {
                let refusal = invalid("cell", cell, "has bytes that are not of its encoding");
                let column = column.unwrap_or_default();
                bad.push(BadRow::new(line, column, cell, &refusal));
            }
        }
    }
}

/// Ends of lines within the cells of a row.
fn inner_lines(row: &StringRecord) -> u64 {
    let newlines = row.iter().flat_map(str::bytes).filter(|b| *b == b'\n');
    u64::try_from(newlines.count()).unwrap_or(0)
}

fn invalid(field: &'static str, value: &str, rule: &str) -> Refusal {
    Refusal::new(Reason::FieldInvalid)
        .field(field)
        .value(value)
        .limit(rule)
}

fn unreadable(error: &csv::Error) -> Failure {
    Failure::usage(format!("cannot read the file further: {error}"))
}

impl<R> std::fmt::Debug for Table<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").finish_non_exhaustive()
    }
}
