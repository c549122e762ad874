//! NDJSON: one record or link a line, in the shape that `-o json` shows.

use std::io::{BufRead, BufReader, Read};
use std::rc::Rc;

use serde::de::DeserializeOwned;

use crate::cli::failure::Failure;
use crate::cli::import::encoding::{Utf8Reader, Watch};
use crate::cli::import::rows::{BadRow, Parsed, Rows, identifier_below};
use crate::cli::readers;
use crate::cli::shape::{RecordShape, checked};
use crate::model::{Prefix, Reason, Refusal};
use crate::wire::proto::v1;

/// What parses a line: its item, or the column, what stands there and the rule.
type Line<T> = dyn Fn(&str) -> Result<T, Wrong>;

/// What is wrong with a line: the column, and the rule.
#[derive(Clone, Debug)]
pub struct Wrong {
    /// The field, or where in the line.
    pub column: String,
    /// The rule.
    pub refusal: Box<Refusal>,
}

impl Wrong {
    /// The rule that a field breaks which the refusal names.
    pub fn new(refusal: Refusal) -> Self {
        Self {
            column: refusal.field_path().to_owned(),
            refusal: Box::new(refusal),
        }
    }

    /// The rule that another field breaks.
    pub fn of(column: &str, refusal: Refusal) -> Self {
        Self {
            column: column.to_owned(),
            refusal: Box::new(refusal),
        }
    }
}

/// Lines of an NDJSON file.
pub struct NdjsonRows<R, T> {
    reader: BufReader<Utf8Reader<R>>,
    watch: Rc<Watch>,
    parse: Box<Line<T>>,
    line: String,
    row: u64,
}

impl<R: Read, T> NdjsonRows<R, T> {
    /// Reads what `reader` decodes; `parse` gets each line that is not blank.
    pub fn new(
        reader: Utf8Reader<R>,
        watch: Rc<Watch>,
        parse: impl Fn(&str) -> Result<T, Wrong> + 'static,
    ) -> Self {
        Self {
            reader: BufReader::new(reader),
            watch,
            parse: Box::new(parse),
            line: String::new(),
            row: 0,
        }
    }

    fn item(&self) -> Result<T, Wrong> {
        if self.watch.malformed() && self.line.contains('\u{fffd}') {
            let rule = "has bytes that are not of its encoding";
            return Err(Wrong::new(invalid("line", &self.line, rule)));
        }
        (self.parse)(&self.line)
    }
}

impl<R: Read> NdjsonRows<R, v1::Record> {
    /// Records, which stand below `prefix` if there is one.
    pub fn of_records(reader: Utf8Reader<R>, watch: Rc<Watch>, prefix: Option<Prefix>) -> Self {
        Self::new(reader, watch, move |line| record(line, prefix.as_ref()))
    }
}

/// The shape that a line is in JSON.
///
/// # Errors
/// Where in the line it is none.
pub fn shape<T: DeserializeOwned>(line: &str) -> Result<T, Wrong> {
    serde_json::from_str(line).map_err(|error| {
        let column = format!("character {}", error.column());
        Wrong::of(&column, invalid("line", line, &error.to_string()))
    })
}

fn record(line: &str, prefix: Option<&Prefix>) -> Result<v1::Record, Wrong> {
    let shape: RecordShape = shape(line)?;
    let identifier = identifier_below(&shape.identifier, prefix)
        .map_err(|refusal| Wrong::of("identifier", refusal.value(&shape.identifier)))?;
    let mut values = Vec::with_capacity(shape.values.len());
    for (position, value) in shape.values.iter().enumerate() {
        let value = value
            .parse()
            .map_err(|refusal| Wrong::new(refusal.within(&format!("values[{position}]"))))?;
        values.push(value);
    }
    let values = checked(values).map_err(Wrong::new)?;
    let readers = shape.readers.as_deref().map(readers::of_texts);
    let readers = readers
        .transpose()
        .map_err(|refusal| Wrong::of("readers", refusal))?;
    Ok(v1::Record {
        name: format!("records/{identifier}"),
        values,
        readers: readers.map(|readers| readers::to_proto(&readers)),
        ..v1::Record::default()
    })
}

impl<R: Read, T> Rows for NdjsonRows<R, T> {
    type Item = T;

    fn next(&mut self) -> Result<Option<Parsed<T>>, Failure> {
        loop {
            self.line.clear();
            self.watch.row_done();
            let count = self
                .reader
                .read_line(&mut self.line)
                .map_err(|error| Failure::io(&format!("line {}", self.row + 1), &error))?;
            if count == 0 {
                return Ok(None);
            }
            self.row += 1;
            if self.line.trim().is_empty() {
                continue;
            }
            return Ok(Some(match self.item() {
                Ok(item) => Parsed::Item(self.row, item),
                Err(Wrong { column, refusal }) => {
                    let value = refusal.shown_value();
                    Parsed::Bad(vec![BadRow::new(self.row, &column, value, &refusal)])
                }
            }));
        }
    }
}

fn invalid(field: &'static str, value: &str, rule: &str) -> Refusal {
    Refusal::new(Reason::FieldInvalid)
        .field(field)
        .value(value)
        .limit(rule)
}

impl<R, T> std::fmt::Debug for NdjsonRows<R, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NdjsonRows").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn read(text: &str, prefix: Option<&str>) -> Vec<Parsed<v1::Record>> {
        let watch = Rc::new(Watch::default());
        let consumed = Arc::new(AtomicU64::new(0));
        let reader = Utf8Reader::new(
            text.as_bytes(),
            encoding_rs::UTF_8,
            Rc::clone(&watch),
            consumed,
        );
        let prefix = prefix.map(|p| Prefix::parse(p).expect("prefix"));
        let mut rows = NdjsonRows::of_records(reader, watch, prefix);
        std::iter::from_fn(|| rows.next().expect("readable")).collect()
    }

    #[test]
    fn reads_records_line_by_line() {
        let text = "{\"identifier\":\"88.118.7/a\",\"values\":[{\"index\":1,\"type\":\"URL\",\"data\":\"x\",\"ttl\":60}]}\n\n{\"identifier\":\"88.118.7/b\",\"values\":[]}";
        let parsed = read(text, Some("88.118.7"));
        match parsed.as_slice() {
            [Parsed::Item(1, a), Parsed::Item(3, b)] => {
                assert_eq!(a.name, "records/88.118.7/a");
                assert_eq!(a.values.len(), 1);
                assert_eq!(b.name, "records/88.118.7/b");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_row_field_and_reason_of_bad_lines() {
        let value = |fields: &str| {
            format!(
                "{{\"identifier\":\"88.118.7/a\",\"values\":[{{\"index\":2,\"type\":\"B\",\"data\":\"\"}},{{{fields}}}]}}"
            )
        };
        let rows = [
            ("{".to_owned(), "character 1", "FIELD_INVALID"),
            (
                "{\"identifier\":\"x\"}".to_owned(),
                "identifier",
                "IDENTIFIER_SYNTAX",
            ),
            (
                "{\"identifier\":\"88.118.8/x\"}".to_owned(),
                "identifier",
                "FIELD_INVALID",
            ),
            (
                value("\"index\":2,\"type\":\"A\",\"data\":\"\""),
                "values[1].index",
                "INDEX_DUPLICATE",
            ),
            (
                value("\"index\":0,\"type\":\"A\",\"data\":\"\""),
                "values[1].index",
                "INDEX_ZERO",
            ),
            (
                value("\"index\":1,\"type\":\"A\""),
                "values[1].data",
                "FIELD_REQUIRED",
            ),
            (
                value("\"index\":1,\"type\":\"HS_X\",\"data\":\"\""),
                "values[1].type",
                "TYPE_UNKNOWN",
            ),
            (
                value("\"index\":1,\"type\":\"A\",\"data_base64\":\"?\""),
                "values[1].data_base64",
                "FIELD_INVALID",
            ),
        ];
        for (line, column, reason) in rows {
            match read(&format!("\n{line}"), Some("88.118.7")).as_slice() {
                [Parsed::Bad(bad)] => {
                    assert_eq!(bad[0].row, 2, "{line}");
                    assert_eq!(bad[0].column, column, "{line}");
                    assert_eq!(bad[0].reason, reason, "{line}");
                }
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
