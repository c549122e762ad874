//! `template check`: what of a file a template does not take.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde_json::{Map, Value as Json, json};

use crate::cli::client::{Client, Connection};
use crate::cli::failure::{Exit, Failure};
use crate::cli::import::encoding::Encoding;
use crate::cli::import::parse::{self, Piece, Source};
use crate::cli::import::report::Report;
use crate::cli::import::rows::{BadRow, Under};
use crate::cli::import::subject::Records;
use crate::cli::import::{Format, format_of};
use crate::cli::output::{Output, Rows};
use crate::cli::shape::checked;
use crate::cli::template::{data, fetch, parse_version};
use crate::model::{Prefix, Refusal};
use crate::wire::proto::v1;

/// Bytes of a file of JSON documents, which is read as a whole.
const DOCUMENTS_BYTES_MAX: u64 = 64 << 20;
/// Records of one request.
const RECORDS_PER_CALL: usize = 1000;

/// Arguments of `template check`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The template; `valves@2` for a version that is not the latest
    template: String,
    /// Records as `import` takes them, or JSON documents as the schema has them
    file: PathBuf,
    /// Below which all identifiers stand; needed where the file has suffixes
    #[arg(long)]
    prefix: Option<String>,
    /// How a file of records is laid out; by its name if absent
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How the file is encoded
    #[arg(long, value_enum, default_value_t)]
    encoding: Encoding,
    /// Write every fault to this CSV file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What a check came to.
#[derive(Default)]
struct Tally {
    record_count: u64,
    faulty_count: u64,
}

/// Checks a file.
///
/// # Errors
/// [`Exit::Partial`] if it has faults; what the node answered, or why it did not.
pub(super) async fn run(
    arguments: Arguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let (id, version) = parse_version(&arguments.template)?;
    let client = connection.client(output).await?;
    let fetched = fetch(&client, &id, version).await?;
    let under = Arc::new(Under {
        id,
        number: fetched.version,
        version: data::version_of(fetched)?,
    });
    let report = Report::new(arguments.report.as_deref(), false, output)?;
    let mut checking = Checking {
        client: &client,
        under,
        report,
        tally: Tally::default(),
    };
    let is_json = arguments.file.extension().is_some_and(|end| end == "json");
    if arguments.format.is_none() && is_json {
        checking.documents(&arguments.file).await?;
    } else {
        checking.rows(&arguments).await?;
    }
    let Checking { report, tally, .. } = checking;
    report.finish()?;
    tell(&tally, &arguments, output)
}

fn tell(tally: &Tally, arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let Tally {
        record_count,
        faulty_count,
    } = tally;
    let value = json!({
        "file": arguments.file.display().to_string(),
        "record_count": record_count,
        "faulty_count": faulty_count,
    });
    output.show(&value, || {
        Rows::of_pairs([
            ("records", record_count.to_string()),
            ("with faults", faulty_count.to_string()),
        ])
    })?;
    if *faulty_count == 0 {
        return Ok(());
    }
    let text = format!("{faulty_count} of {record_count} records have faults");
    let failure = Failure::new(Exit::Partial, text);
    Err(match &arguments.report {
        Some(report) => failure.hint(format!("they stand in {}", report.display())),
        None => failure.hint("write all of them to a file: --report faults.csv"),
    })
}

struct Checking<'a> {
    client: &'a Client,
    under: Arc<Under>,
    report: Report,
    tally: Tally,
}

impl Checking<'_> {
    /// Checks a file of records, which may be of any length.
    async fn rows(&mut self, arguments: &Arguments) -> Result<(), Failure> {
        let path = &arguments.file;
        let format = match arguments.format {
            Some(format) => format,
            None => format_of(path)?,
        };
        let source = Source {
            path: path.clone(),
            format,
            encoding: arguments.encoding,
            skip_count: 0,
            subject: Records {
                prefix: arguments.prefix.as_deref().map(Prefix::parse).transpose()?,
                under: Some(Arc::clone(&self.under)),
                bulk: false,
            },
        };
        let mut pieces = parse::begin(source, Arc::new(AtomicU64::new(0)))?;
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Items(records, rows) => self.check(records, &rows).await?,
                Piece::Bad(bad) => self.note(&bad)?,
                Piece::Failed(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Checks JSON documents: one object, or a list of them.
    async fn documents(&mut self, path: &Path) -> Result<(), Failure> {
        let documents = documents(path)?;
        let (mut records, mut rows) = (Vec::new(), Vec::new());
        for (row, document) in (1..).zip(&documents) {
            let values = self.under.version.values_of(document);
            let record = values.and_then(|values| checked(values).map_err(|refusal| vec![refusal]));
            match record {
                Ok(values) => {
                    rows.push(row);
                    records.push(v1::Record {
                        values,
                        ..v1::Record::default()
                    });
                }
                Err(faults) => {
                    let bad = |fault: &Refusal| {
                        let column = self.under.column(fault.field_path());
                        BadRow::new(row, &column, fault.shown_value(), fault)
                    };
                    let bad: Vec<BadRow> = faults.iter().map(bad).collect();
                    self.note(&bad)?;
                }
            }
            if records.len() == RECORDS_PER_CALL {
                self.check(std::mem::take(&mut records), &std::mem::take(&mut rows))
                    .await?;
            }
        }
        if records.is_empty() {
            return Ok(());
        }
        self.check(records, &rows).await
    }

    async fn check(&mut self, records: Vec<v1::Record>, rows: &[u64]) -> Result<(), Failure> {
        let request = self.client.request(v1::CheckRecordsRequest {
            name: format!("templates/{}", self.under.id),
            version: self.under.number,
            records,
        });
        let mut templates = self.client.templates();
        let answer = self.client.answer(templates.check_records(request)).await?;
        for (result, row) in answer.results.into_iter().zip(rows) {
            let faults = result.faults.into_iter();
            let bad: Vec<BadRow> = faults
                .map(|fault| BadRow {
                    row: *row,
                    column: self.under.column(&fault.field),
                    value: String::new(),
                    reason: fault.reason,
                    english: fault.message,
                    chinese: fault.message_zh,
                })
                .collect();
            if bad.is_empty() {
                self.tally.record_count += 1;
            } else {
                self.note(&bad)?;
            }
        }
        Ok(())
    }

    /// Notes a record with faults.
    fn note(&mut self, bad: &[BadRow]) -> Result<(), Failure> {
        self.tally.record_count += 1;
        self.tally.faulty_count += 1;
        bad.iter().try_for_each(|bad| self.report.add(bad))
    }
}

fn documents(path: &Path) -> Result<Vec<Map<String, Json>>, Failure> {
    let fail =
        |error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let mut text = String::new();
    let opened = std::fs::File::open(path).map_err(fail)?;
    let bytes = opened
        .take(DOCUMENTS_BYTES_MAX + 1)
        .read_to_string(&mut text);
    if u64::try_from(bytes.map_err(fail)?).unwrap_or(u64::MAX) > DOCUMENTS_BYTES_MAX {
        let text = format!(
            "{} is larger than {DOCUMENTS_BYTES_MAX} bytes",
            path.display()
        );
        return Err(Failure::usage(text).hint("write one document a line as NDJSON records"));
    }
    let wrong = |error: serde_json::Error| Failure::usage(format!("no JSON documents: {error}"));
    match serde_json::from_str(&text).map_err(wrong)? {
        Json::Object(document) => Ok(vec![document]),
        list => serde_json::from_value(list).map_err(wrong),
    }
}
