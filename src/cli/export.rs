//! `export`: writes records to a file, in the forms that `import` takes in.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::client::{Client, Connection};
use crate::cli::failure::{Exit, Failure};
use crate::cli::import::{Format, format_of};
use crate::cli::output::{Output, Rows, csv_text};
use crate::cli::shape::{RecordShape, ValueShape};
use crate::model::Prefix;
use crate::wire::proto::v1;

/// The columns of an exported CSV file.
const HEADER: [&str; 8] = [
    "identifier",
    "index",
    "type",
    "data",
    "encoding",
    "ttl",
    "permissions",
    "references",
];

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode export 88.118.7 --output records.ndjson
  idnode export 88.118.7 --output records.csv
  idnode export --output - | zstd > all.ndjson.zst")]
pub struct Arguments {
    /// The prefix; every prefix of the node if absent
    prefix: Option<String>,
    /// The file; "-" is the standard output
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// How it is laid out; by its name if absent, else NDJSON
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// Writes records to a file. The file appears once it is complete.
///
/// # Errors
/// What the node answered, or why it did not; if the file cannot be written.
pub async fn run(
    arguments: Arguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let path = arguments.output.as_path();
    let standard = path == Path::new("-");
    let by_name = || match path.extension() {
        Some(_) => format_of(path),
        None => Ok(Format::Ndjson),
    };
    let format = arguments.format.map_or_else(by_name, Ok)?;
    let prefix = arguments.prefix.as_deref().map(Prefix::parse).transpose()?;
    let parent = prefix.map_or_else(
        || "prefixes/-".to_owned(),
        |prefix| format!("prefixes/{prefix}"),
    );
    if connection.bearer()?.is_none() {
        output.say("without an operator's key only public values are exported: to import this file with --on-conflict update would remove the others");
    }
    let client = connection.client(output).await?;
    let mut sink = Sink::open(path, output)?;
    let count = copy(&client, parent, format, &mut sink).await?;
    sink.finish(path)?;
    if standard {
        return Ok(());
    }
    let value = json!({"file": path.display().to_string(), "record_count": count});
    output.show(&value, || {
        Rows::of_pairs([
            ("file", path.display().to_string()),
            ("records", count.to_string()),
        ])
    })
}

async fn copy(
    client: &Client,
    parent: String,
    format: Format,
    sink: &mut Sink<'_>,
) -> Result<u64, Failure> {
    let request = v1::ExportRecordsRequest {
        parent,
        after: String::new(),
    };
    let mut registry = client.registry();
    let mut answers = client.answer(registry.export_records(request)).await?;
    if format == Format::Csv {
        // The mark by which spreadsheets know UTF-8.
        let header = csv_text([HEADER.map(str::to_owned)])?;
        sink.write(&format!("\u{feff}{header}"))?;
    }
    let mut progress = sink.output().progress(0);
    let mut count: u64 = 0;
    while let Some(answer) = client.wait(answers.message()).await? {
        count += u64::try_from(answer.records.len()).unwrap_or(0);
        let records = answer.records.into_iter().map(RecordShape::kept);
        let text = match format {
            Format::Ndjson => ndjson_text(records)?,
            Format::Csv => {
                let rows: Result<Vec<_>, Failure> = records.map(csv_rows).collect();
                csv_text(rows?.into_iter().flatten())?
            }
        };
        sink.write(&text)?;
        progress.update(0, &format!("{count} records"));
    }
    progress.finish();
    Ok(count)
}

fn ndjson_text(records: impl Iterator<Item = RecordShape>) -> Result<String, Failure> {
    let mut text = String::new();
    for record in records {
        let line = serde_json::to_string(&record)
            .map_err(|error| Failure::io("cannot write JSON", &error.into()))?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}

/// The rows of a record; one with empty cells if it has no values.
///
/// A record that names readers is refused: read again from rows, which cannot say
/// who may read it, it would be there for everyone.
fn csv_rows(record: RecordShape) -> Result<Vec<[String; 8]>, Failure> {
    let has_readers =
        record.readers.is_some() || record.values.iter().any(|value| value.readers.is_some());
    let RecordShape {
        identifier, values, ..
    } = record;
    if has_readers {
        let why = format!("{identifier} says who may read it, which CSV cannot say");
        return Err(Failure::usage(why).hint("export it as NDJSON: --format ndjson"));
    }
    if values.is_empty() {
        let mut row = [const { String::new() }; 8];
        if let Some(first) = row.first_mut() {
            *first = identifier;
        }
        return Ok(vec![row]);
    }
    let rows = values.into_iter().map(|value| {
        let ValueShape {
            index,
            value_type,
            data,
            data_base64,
            handle_data,
            ttl,
            expire_time,
            permissions,
            references,
            readers: _,
            update_time: _,
        } = value;
        let data = data.or_else(|| handle_data.map(|said| said.to_string()));
        let encoding = data_base64.as_ref().map_or("", |_| "base64");
        let ttl = ttl.map(|secs| secs.to_string()).or(expire_time);
        let references = match references.as_slice() {
            [] => String::new(),
            texts => json!(texts).to_string(),
        };
        [
            identifier.clone(),
            index.to_string(),
            value_type,
            data.or(data_base64).unwrap_or_default(),
            encoding.to_owned(),
            ttl.unwrap_or_default(),
            permissions.unwrap_or_default(),
            references,
        ]
    });
    Ok(rows.collect())
}

/// Where the text goes: a file that is renamed once it is complete, or the
/// standard output.
enum Sink<'a> {
    File(BufWriter<File>, &'a Output),
    Standard(&'a Output),
}

impl<'a> Sink<'a> {
    fn open(path: &Path, output: &'a Output) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::Standard(output));
        }
        let file = File::create(part(path)).map_err(|error| unwritable(path, &error))?;
        Ok(Self::File(BufWriter::new(file), output))
    }

    const fn output(&self) -> &'a Output {
        match self {
            Self::File(_, output) | Self::Standard(output) => output,
        }
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        match self {
            Self::Standard(output) => output.data(text),
            Self::File(file, _) => file
                .write_all(text.as_bytes())
                .map_err(|error| Failure::io("cannot write the export", &error)),
        }
    }

    fn finish(self, path: &Path) -> Result<(), Failure> {
        let Self::File(file, _) = self else {
            return Ok(());
        };
        let file = file
            .into_inner()
            .map_err(|error| unwritable(path, error.error()))?;
        file.sync_all().map_err(|error| unwritable(path, &error))?;
        std::fs::rename(part(path), path).map_err(|error| unwritable(path, &error))
    }
}

/// The name of a file that is not complete.
fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("cannot write {}: {error}", path.display()),
    )
}
