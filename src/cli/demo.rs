//! `idnode demo`: data to try things with.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::demo::Demo;
use crate::model::{Identifier, Value};

/// Makes demo data.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Write records of invented firms, as `idnode import` reads them
    #[command(before_help = "\
Examples:
  idnode demo generate --identifiers 1000 --format csv --output demo.csv
  idnode demo generate --identifiers 1000000 --output demo.ndjson --prefixes prefixes.csv")]
    Generate(Generate),
}

#[derive(Debug, clap::Args)]
struct Generate {
    /// How many records
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    identifiers: u64,
    /// Another number gives other data
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Of the records
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    /// Write the records here instead of to the standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write the prefixes and their firms here, as CSV
    #[arg(long, value_name = "FILE")]
    prefixes: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// One JSON object a line
    Ndjson,
    /// One value a row: identifier, index, type, data
    Csv,
}

/// Makes what is asked for.
///
/// # Errors
/// If a file cannot be written.
#[expect(clippy::unused_async, reason = "every command is awaited")]
pub async fn run(args: DemoArgs, output: &Output) -> Result<(), Failure> {
    let Command::Generate(asked) = args.command;
    let demo = Demo::new(asked.seed, asked.identifiers);
    if let Some(path) = &asked.prefixes {
        let written = File::create(path).and_then(|file| write_prefixes(&demo, file));
        written.map_err(|error| failed(path, &error))?;
    }
    match &asked.output {
        Some(path) => {
            let written = File::create(path).and_then(|file| write(&demo, asked.format, file));
            written.map_err(|error| failed(path, &error))?;
            output.say(&format!(
                "{} records under {} prefixes: {}",
                demo.identifiers(),
                demo.firms().len(),
                path.display()
            ));
            Ok(())
        }
        None => match write(&demo, asked.format, io::stdout().lock()) {
            // The reader has enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| Failure::io("cannot write the records", &error)),
        },
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::io(&format!("cannot write {}", path.display()), error)
}

fn write(demo: &Demo, format: Format, sink: impl Write) -> io::Result<()> {
    let sink = BufWriter::with_capacity(1 << 20, sink);
    match format {
        Format::Ndjson => write_ndjson(demo, sink),
        Format::Csv => write_csv(demo, sink),
    }
}

fn write_ndjson(demo: &Demo, mut sink: impl Write) -> io::Result<()> {
    for position in 0..demo.identifiers() {
        serde_json::to_writer(&mut sink, &object(&demo.record(position)))?;
        sink.write_all(b"\n")?;
    }
    sink.flush()
}

/// `{"identifier": "…", "values": [{"index": 1, "type": "URL", "data": "…"}]}`
fn object((identifier, values): &(Identifier, Vec<Value>)) -> serde_json::Value {
    let value = |value: &Value| {
        json!({
            "index": value.index,
            "type": value.value_type.as_str(),
            "data": value.text(),
        })
    };
    json!({
        "identifier": identifier.to_string(),
        "values": values.iter().map(value).collect::<Vec<_>>(),
    })
}

fn write_csv(demo: &Demo, sink: impl Write) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(sink);
    rows.write_record(["identifier", "index", "type", "data"])?;
    for position in 0..demo.identifiers() {
        let (identifier, values) = demo.record(position);
        let identifier = identifier.to_string();
        for value in values {
            let index = value.index.to_string();
            let data = value.text().unwrap_or_default();
            rows.write_record([&identifier, &index, value.value_type.as_str(), data])?;
        }
    }
    rows.flush()
}

fn write_prefixes(demo: &Demo, sink: impl Write) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(sink);
    rows.write_record(["prefix", "firm"])?;
    for (prefix, firm) in demo.prefixes() {
        rows.write_record([prefix.as_str(), firm])?;
    }
    rows.flush()
}
