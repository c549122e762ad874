//! `group` and `share`: with whom a firm shares what not everyone may read; and
//! `readers`: who may read a record.

mod group;
mod share;

use crate::cli::client::Connection;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Rows};
use crate::cli::readers::{self, ReaderArgument};
use crate::cli::records::{WriteArguments, note_dry_run};
use crate::cli::shape::RecordShape;
use crate::model::{FirmId, Identifier};
use crate::wire::proto::v1;

pub use group::{GroupCommand, group};
pub use share::{ShareCommand, share};

/// Groups or shares that one call of `list` asks for: all that a firm may have.
const PAGE_SIZE: i32 = 1000;

/// Arguments of `readers`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode readers 88.118.7/A-1 firm:aokang group:7m2kq4xw3v5ta
  idnode readers 88.118.7/A-1 nobody
  idnode readers 88.118.7/A-1 --everyone")]
pub struct ReadersArguments {
    /// The identifier
    identifier: String,
    /// Who may know of it beside its owner: firm:ID, group:ID or nobody; it is not
    /// there for everyone else
    #[arg(value_name = "WHO", required_unless_present = "everyone")]
    readers: Vec<ReaderArgument>,
    /// It is there for everyone; each value decides
    #[arg(long, conflicts_with = "readers")]
    everyone: bool,
    /// Change it only if this is its etag still
    #[arg(long)]
    etag: Option<String>,
    #[command(flatten)]
    write: WriteArguments,
}

/// Sets who may read a record.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn set_readers(
    arguments: ReadersArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let ReadersArguments {
        identifier,
        readers,
        everyone: _,
        etag,
        write,
    } = arguments;
    let identifier = Identifier::parse(&identifier)?;
    let readers = readers::of_arguments(&readers)?;
    let request_id = write.request_id()?;
    let client = connection.client(output).await?;
    let request = client.request(v1::SetReadersRequest {
        name: format!("records/{identifier}"),
        readers: readers.map(|readers| readers::to_proto(&readers)),
        etag: etag.unwrap_or_default(),
        request_id,
        validate_only: write.dry_run,
    });
    let record = client
        .answer(client.registry().set_readers(request))
        .await?;
    note_dry_run(write.dry_run, output);
    let shape = RecordShape::shown(record);
    output.show(&shape, || {
        let shown = shape
            .readers
            .as_ref()
            .map(|readers| match readers.is_empty() {
                true => "nobody beside its owner".to_owned(),
                false => readers.join(" "),
            });
        Rows::of_pairs([
            ("identifier", shape.identifier.clone()),
            ("readers", shown.unwrap_or_else(|| "everyone".to_owned())),
            ("etag", shape.etag.clone().unwrap_or_default()),
        ])
    })
}

/// The id behind the collection of a resource name.
fn id_of(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

fn firm_name(id: &str) -> Result<String, Failure> {
    Ok(format!("firms/{}", FirmId::parse(id)?))
}

fn firm_names(ids: &[String]) -> Result<Vec<String>, Failure> {
    ids.iter().map(|id| firm_name(id)).collect()
}
