//! `import`: takes in records from a file, of any length. `link import` takes in
//! links the same way.
//!
//! ```text
//! file ─► encoding ─► csv | ndjson ─► parse (own thread) ─► send ─► node
//!                                        bad rows ─► report ◄─ refusals
//! ```

pub mod columns;
pub mod csv;
pub mod encoding;
pub mod ndjson;
pub mod parse;
pub mod report;
pub mod resume;
pub mod rows;
pub mod send;
pub mod subject;
pub mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde_json::json;

use crate::cli::client::{Client, Connection};
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};
use crate::cli::template;
use crate::model::Prefix;
use crate::wire::proto::v1::import_records_request as proto;

use encoding::Encoding;
pub use parse::Format;
use parse::Source;
use report::Report;
use resume::Resume;
use rows::Under;
use send::{Ended, Sending, Terms};
use subject::{Records, Subject};

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode import products.csv --prefix 88.118.7 --dry-run
  idnode import products.csv --prefix 88.118.7 --on-conflict update --report refused.csv
  idnode import valves.csv --prefix 88.118.7 --template valves
  idnode import records.ndjson --resume

Columns of a CSV file: identifier (or suffix, with --prefix), then either index,
type, data and ttl, or one for each value: 2000:name, name, 产品名称.")]
pub struct Arguments {
    #[command(flatten)]
    file: FileArguments,
    /// Below which all identifiers stand; needed where the file has suffixes
    #[arg(long)]
    prefix: Option<String>,
    /// The template that the records stand under: columns are its items. `valves@2`
    /// for a version that is not the latest
    #[arg(long)]
    template: Option<String>,
    /// For many millions of records in the order of their identifiers: the node writes up
    /// to 32,768 of them together, and other changes wait meanwhile
    #[arg(long)]
    bulk: bool,
}

/// What every import takes.
#[derive(Debug, clap::Args)]
pub struct FileArguments {
    /// The file
    file: PathBuf,
    /// Judge every item, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// What happens to what is there already
    #[arg(long, value_enum, default_value_t)]
    on_conflict: OnConflict,
    /// Go on where an earlier import of the file was ended
    #[arg(long, conflicts_with = "dry_run")]
    resume: bool,
    /// How the file is laid out; by its name if absent
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How the file is encoded
    #[arg(long, value_enum, default_value_t)]
    encoding: Encoding,
    /// Write every row that is not taken to this CSV file
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What happens to what is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnConflict {
    /// Leave it as it is
    Skip,
    /// Replace it
    Update,
    /// Report it, and leave it as it is
    #[default]
    Fail,
}

impl From<OnConflict> for proto::OnConflict {
    fn from(on_conflict: OnConflict) -> Self {
        match on_conflict {
            OnConflict::Skip => Self::Skip,
            OnConflict::Update => Self::Update,
            OnConflict::Fail => Self::Fail,
        }
    }
}

/// Imports a file of records.
///
/// # Errors
/// [`Exit::Partial`] if rows were not taken; what the node answered, or why it
/// did not.
pub async fn run(
    arguments: Arguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let Arguments {
        file,
        prefix,
        template,
        bulk,
    } = arguments;
    let found = file.find()?;
    let named = template.as_ref();
    let options = format!(
        "{} {prefix:?} {:?} {:?} {:?}{}",
        connection.server,
        file.on_conflict,
        file.format,
        file.encoding,
        named.map_or_else(String::new, |name| format!(" {name}"))
    );
    let prefix = prefix.as_deref().map(Prefix::parse).transpose()?;
    let client = connection.client(output).await?;
    let under = match &template {
        Some(template) => Some(Arc::new(under(template, &client).await?)),
        None => None,
    };
    let subject = Records {
        prefix,
        under,
        bulk,
    };
    bring((file, found), (subject, options), &client, output).await
}

/// A file that is there.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    bytes: u64,
    format: Format,
}

impl FileArguments {
    /// Looks for the file.
    ///
    /// # Errors
    /// [`Exit::Usage`] if it is none, or if its name does not tell how it is laid
    /// out.
    pub fn find(&self) -> Result<Found, Failure> {
        let path = self.file.as_path();
        let metadata = std::fs::metadata(path)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))?;
        if !metadata.is_file() {
            return Err(Failure::usage(format!("{} is not a file", path.display())));
        }
        Ok(Found {
            bytes: metadata.len(),
            format: match self.format {
                Some(format) => format,
                None => format_of(path)?,
            },
        })
    }

    /// What decides with the file what an import does: one that is resumed must
    /// have the same.
    pub fn options(&self, connection: &Connection) -> String {
        format!(
            "{} {:?} {:?} {:?}",
            connection.server, self.on_conflict, self.format, self.encoding
        )
    }

    /// The state to go on from, or to keep; none of a dry run.
    fn resume<S: Subject>(
        &self,
        options: String,
        output: &Output,
    ) -> Result<Option<Resume>, Failure> {
        if self.dry_run {
            return Ok(None);
        }
        if Resume::exists(&self.file) && !self.resume {
            output.say("an import of this file was ended before; --resume would go on with it");
        }
        let resume = Resume::open(&self.file, options, self.resume)?;
        let covered_count = resume.tally().covered_count;
        if self.resume {
            output.say(&format!("going on behind {covered_count} {}", S::WORD));
        }
        Ok(Some(resume))
    }
}

/// Brings to a node what a file has.
///
/// # Errors
/// As [`run`].
pub async fn bring<S: Subject>(
    (arguments, found): (FileArguments, Found),
    (subject, options): (S, String),
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let resume = arguments.resume::<S>(options, output)?;
    let skip_count = resume.as_ref().map_or(0, |r| r.tally().covered_count);
    let source = Source {
        path: arguments.file.clone(),
        format: found.format,
        encoding: arguments.encoding,
        skip_count,
        subject: subject.clone(),
    };
    let report = Report::new(arguments.report.as_deref(), arguments.resume, output)?;
    let progress = output.progress(found.bytes);
    let consumed = Arc::new(AtomicU64::new(0));
    let pieces = parse::begin(source, Arc::clone(&consumed))?;
    let terms = Terms {
        on_conflict: arguments.on_conflict.into(),
        validate_only: arguments.dry_run,
        subject,
    };
    let sending = Sending::new(client, terms, resume, consumed, (report, progress));
    let ended = sending.run(pieces).await?;
    tell::<S>(&ended, &arguments, skip_count, output)
}

/// The version of a template that `valves` or `valves@2` names.
async fn under(template: &str, client: &Client) -> Result<Under, Failure> {
    let (id, version) = template::parse_version(template)?;
    let fetched = template::fetch(client, &id, version).await?;
    Ok(Under {
        id,
        number: fetched.version,
        version: template::data::version_of(fetched)?,
    })
}

fn tell<S: Subject>(
    ended: &Ended,
    arguments: &FileArguments,
    resumed_count: u64,
    output: &Output,
) -> Result<(), Failure> {
    let Ended { tally, bad_count } = ended;
    let refused_count = bad_count + tally.rejected_count;
    let record_count = tally.covered_count + bad_count;
    let value = json!({
        "file": arguments.file.display().to_string(),
        "dry_run": arguments.dry_run,
        "resumed_count": resumed_count,
        S::COUNT: record_count,
        "created_count": tally.created_count,
        "updated_count": tally.updated_count,
        "unchanged_count": tally.unchanged_count,
        "skipped_count": tally.skipped_count,
        "refused_count": refused_count,
    });
    output.show(&value, || {
        Rows::of_pairs([
            (S::WORD, record_count.to_string()),
            ("created", tally.created_count.to_string()),
            ("updated", tally.updated_count.to_string()),
            ("unchanged", tally.unchanged_count.to_string()),
            ("skipped", tally.skipped_count.to_string()),
            ("refused", refused_count.to_string()),
        ])
    })?;
    if arguments.dry_run {
        output.say("dry run: nothing was changed");
    }
    if refused_count == 0 {
        return Ok(());
    }
    let text = format!("{refused_count} of {record_count} {} were refused", S::WORD);
    let failure = Failure::new(Exit::Partial, text);
    Err(match &arguments.report {
        Some(report) => failure.hint(format!("they stand in {}", report.display())),
        None => failure.hint("write all of them to a file: --report refused.csv"),
    })
}

/// How a file is laid out, from its name.
///
/// # Errors
/// [`Exit::Usage`] for a spreadsheet, and for a name that tells nothing.
pub fn format_of(path: &Path) -> Result<Format, Failure> {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str() {
        Some("csv" | "tsv" | "txt") => Ok(Format::Csv),
        Some("ndjson" | "jsonl" | "json") => Ok(Format::Ndjson),
        Some("xlsx" | "xls" | "ods" | "et") => Err(Failure::usage(format!(
            "{} is a spreadsheet; save it as CSV (UTF-8)",
            path.display()
        ))),
        _ => Err(Failure::usage(format!(
            "the name {} does not tell the format",
            path.display()
        ))
        .hint("name it: --format csv, or --format ndjson")),
    }
}
