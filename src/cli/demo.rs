//! `idnode demo`: data to try things with.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::link::LinkShape;
use crate::cli::output::Output;
use crate::demo::{Demo, Supply};
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
  idnode demo generate --identifiers 1000000 --output demo.ndjson --prefixes prefixes.csv
  idnode demo generate --output demo.ndjson --prefixes prefixes.csv --links links.csv")]
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
    /// Write the links of a supply chain here, as `idnode link import` reads them:
    /// CSV if the name ends so, else NDJSON. Its records and prefixes then stand behind
    /// the others
    #[arg(long, value_name = "FILE")]
    links: Option<PathBuf>,
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
    let data = Data::new(&asked);
    if let Some(path) = &asked.prefixes {
        let written = File::create(path).and_then(|file| data.write_prefixes(file));
        written.map_err(|error| failed(path, &error))?;
    }
    if let Some(path) = &asked.links {
        let written = File::create(path).and_then(|file| data.write_links(path, file));
        written.map_err(|error| failed(path, &error))?;
    }
    match &asked.output {
        Some(path) => {
            let written = File::create(path).and_then(|file| data.write(asked.format, file));
            written.map_err(|error| failed(path, &error))?;
            let (records, prefixes) = (data.record_count(), data.prefixes().count());
            output.say(&format!(
                "{records} records under {prefixes} prefixes: {}",
                path.display()
            ));
            Ok(())
        }
        None => match data.write(asked.format, io::stdout().lock()) {
            // The reader has enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| Failure::io("cannot write the records", &error)),
        },
    }
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::io(&format!("cannot write {}", path.display()), error)
}

/// What is written.
struct Data {
    demo: Demo,
    chain: Option<Supply>,
}

impl Data {
    fn new(asked: &Generate) -> Self {
        let demo = Demo::new(asked.seed, asked.identifiers);
        let chain = asked.links.as_ref().map(|_| demo.supply());
        Self { demo, chain }
    }

    fn records(&self) -> impl Iterator<Item = (Identifier, Vec<Value>)> {
        let own = (0..self.demo.identifiers()).map(|position| self.demo.record(position));
        let chain = self.chain.iter().flat_map(Supply::records);
        own.chain(chain.map(|(_, identifier, values)| (identifier, values)))
    }

    fn record_count(&self) -> u64 {
        let chain = self.chain.iter().flat_map(Supply::records).count();
        self.demo.identifiers() + u64::try_from(chain).unwrap_or(0)
    }

    fn prefixes(&self) -> impl Iterator<Item = (String, &str)> {
        let own = self.demo.prefixes();
        let own = own.map(|(prefix, firm)| (prefix.to_string(), firm));
        let chain = self.chain.iter().flat_map(Supply::firms);
        own.chain(chain.map(|firm| (firm.prefix(), firm.name.as_str())))
    }

    fn write(&self, format: Format, sink: impl Write) -> io::Result<()> {
        let sink = BufWriter::with_capacity(1 << 20, sink);
        match format {
            Format::Ndjson => write_ndjson(self.records(), sink),
            Format::Csv => write_csv(self.records(), sink),
        }
    }

    fn write_prefixes(&self, sink: impl Write) -> io::Result<()> {
        let mut rows = csv::Writer::from_writer(sink);
        rows.write_record(["prefix", "firm"])?;
        for (prefix, firm) in self.prefixes() {
            rows.write_record([&prefix, firm])?;
        }
        rows.flush()
    }

    /// Writes the links of the chain; who states them is whoever imports them.
    fn write_links(&self, path: &Path, sink: impl Write) -> io::Result<()> {
        let links = self.chain.iter().flat_map(Supply::links);
        let links = links.map(LinkShape::of_demo);
        if path.extension().is_some_and(|end| end == "csv") {
            return write_link_rows(links, sink);
        }
        let mut sink = BufWriter::new(sink);
        for link in links {
            serde_json::to_writer(&mut sink, &link)?;
            sink.write_all(b"\n")?;
        }
        sink.flush()
    }
}

/// The columns that links of the demo have.
const LINK_HEADER: [&str; 9] = [
    "source",
    "kind",
    "target",
    "quantity",
    "unit",
    "batch",
    "valid_from",
    "visibility",
    "behind",
];

fn write_link_rows(links: impl Iterator<Item = LinkShape>, sink: impl Write) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(sink);
    rows.write_record(LINK_HEADER)?;
    for link in links {
        let cell = |text: Option<String>| text.unwrap_or_default();
        rows.write_record([
            link.source,
            link.kind,
            link.target,
            cell(link.quantity),
            cell(link.unit),
            cell(link.batch),
            cell(link.valid_from),
            cell(link.visibility),
            cell(link.behind),
        ])?;
    }
    rows.flush()
}

fn write_ndjson(
    records: impl Iterator<Item = (Identifier, Vec<Value>)>,
    mut sink: impl Write,
) -> io::Result<()> {
    for record in records {
        serde_json::to_writer(&mut sink, &object(&record))?;
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

fn write_csv(
    records: impl Iterator<Item = (Identifier, Vec<Value>)>,
    sink: impl Write,
) -> io::Result<()> {
    let mut rows = csv::Writer::from_writer(sink);
    rows.write_record(["identifier", "index", "type", "data"])?;
    for (identifier, values) in records {
        let identifier = identifier.to_string();
        for value in values {
            let index = value.index.to_string();
            let data = value.text().unwrap_or_default();
            rows.write_record([&identifier, &index, value.value_type.as_str(), data])?;
        }
    }
    rows.flush()
}
