//! `link import`: takes in links from a file, as `import` takes in records.

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status, Streaming};

use crate::cli::client::{Client, Connection};
use crate::cli::failure::Failure;
use crate::cli::import::ndjson::{self, NdjsonRows, Wrong};
use crate::cli::import::rows::Rows;
use crate::cli::import::subject::{Acknowledged, Rejected, Subject, Text, count};
use crate::cli::import::{FileArguments, Format, bring};
use crate::cli::link::csv::CsvLinks;
use crate::cli::link::{LinkShape, firm_of, owner};
use crate::cli::output::Output;
use crate::model::Reason;
use crate::wire::proto::v1;
use crate::wire::proto::v1::import_records_request::OnConflict;

/// Links at a source among which one is looked for that may be there already; one
/// that stands behind them is told as refused.
const LISTED_MAX: i32 = 1000;

/// Arguments of `link import`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode link import links.csv --dry-run
  idnode link import links.csv --on-conflict update --report refused.csv
  idnode link import links.ndjson --owner oujiang --resume

Columns of a CSV file: source, kind, target, and any of owner, quantity, unit, batch,
valid_from, valid_until, evidence, visibility, readers, behind; or 源标识, 关系, 目标标识, …")]
pub struct Arguments {
    #[command(flatten)]
    file: FileArguments,
    /// The firm that states the links which name none; the caller's if absent
    #[arg(long, value_name = "FIRM")]
    owner: Option<String>,
}

/// Imports a file of links.
///
/// # Errors
/// [`Exit::Partial`](crate::cli::failure::Exit::Partial) if rows were not taken;
/// what the node answered, or why it did not.
pub(super) async fn run(
    arguments: Arguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let Arguments {
        file,
        owner: stated_by,
    } = arguments;
    let found = file.find()?;
    let stated_by = stated_by.as_deref().map(owner).transpose()?;
    let links = Links {
        owner: stated_by.map(|id| format!("firms/{id}")),
    };
    let options = format!("links {:?} {}", links.owner, file.options(connection));
    let client = connection.client(output).await?;
    bring((file, found), (links, options), &client, output).await
}

/// Links, stated by a firm where they name none themselves.
#[derive(Clone, Debug)]
struct Links {
    /// `firms/…`
    owner: Option<String>,
}

impl Subject for Links {
    type Item = v1::Link;
    type Request = v1::ImportLinksRequest;
    type Answer = v1::ImportLinksResponse;

    const WORD: &'static str = "links";
    const COUNT: &'static str = "link_count";
    const EXISTS: Reason = Reason::LinkExists;

    fn rows(&self, text: Text) -> Result<Box<dyn Rows<Item = v1::Link>>, Failure> {
        let Text {
            reader,
            watch,
            format,
            delimiter,
        } = text;
        Ok(match format {
            Format::Csv => Box::new(CsvLinks::new(reader, watch, delimiter)?),
            Format::Ndjson => Box::new(NdjsonRows::new(reader, watch, |line| {
                let shape: LinkShape = ndjson::shape(line)?;
                // A revision is of the node that gave it.
                let link = shape.stated().map_err(Wrong::new)?;
                Ok(v1::Link {
                    etag: String::new(),
                    ..link
                })
            })),
        })
    }

    fn complete(&self, link: &mut v1::Link) {
        if let (Some(owner), Some(name)) = (&self.owner, &mut link.name)
            && name.owner.is_empty()
        {
            name.owner.clone_from(owner);
        }
    }

    fn request(
        &self,
        links: Vec<v1::Link>,
        on_conflict: OnConflict,
        validate_only: bool,
    ) -> v1::ImportLinksRequest {
        v1::ImportLinksRequest {
            on_conflict: on_conflict.into(),
            validate_only,
            links,
        }
    }

    async fn begin(
        client: &Client,
        requests: mpsc::Receiver<v1::ImportLinksRequest>,
    ) -> Result<Response<Streaming<v1::ImportLinksResponse>>, Status> {
        let mut links = client.links();
        links.import_links(ReceiverStream::new(requests)).await
    }

    fn acknowledged(answer: v1::ImportLinksResponse) -> Acknowledged {
        let v1::ImportLinksResponse {
            covered_count,
            created_count,
            updated_count,
            unchanged_count,
            skipped_count,
            rejections,
        } = answer;
        let rejected = rejections.into_iter().map(|rejection| Rejected {
            position: count(rejection.position),
            name: shown(rejection.name.unwrap_or_default()),
            error: rejection.error.unwrap_or_default(),
        });
        Acknowledged {
            covered_count: count(covered_count),
            created_count: count(created_count),
            updated_count: count(updated_count),
            unchanged_count: count(unchanged_count),
            skipped_count: count(skipped_count),
            rejected: rejected.collect(),
        }
    }

    async fn is_there(client: &Client, sent: v1::Link) -> Result<bool, Failure> {
        let name = sent.name.clone().unwrap_or_default();
        let sent = facts(sent);
        if !name.owner.is_empty() {
            let request = client.request(v1::GetLinkRequest { name: Some(name) });
            let there = client.answer(client.links().get_link(request)).await?;
            return Ok(facts(there) == sent);
        }
        // The node alone knows for whom it took it.
        let request = client.request(v1::ListLinksRequest {
            identifier: name.source.clone(),
            page_size: LISTED_MAX,
            ..v1::ListLinksRequest::default()
        });
        let there = client.answer(client.links().list_links(request)).await?;
        let is_same = |link: v1::Link| {
            let found = link.name.clone().unwrap_or_default();
            (&found.source, &found.kind, &found.target) == (&name.source, &name.kind, &name.target)
                && facts(link) == sent
        };
        Ok(there.links.into_iter().any(is_same))
    }

    /// `name` is the API's word for all that names a link.
    fn column(&self, field: &str) -> String {
        let field = field.strip_prefix("link.").unwrap_or(field);
        let field = field.strip_prefix("name.").unwrap_or(field);
        match field {
            "" | "name" => "source".to_owned(),
            "quantity.amount" => "quantity".to_owned(),
            "quantity.unit" => "unit".to_owned(),
            field => field.to_owned(),
        }
    }
}

/// A link's name on one line.
fn shown(name: v1::LinkName) -> String {
    let v1::LinkName {
        source,
        kind,
        target,
        owner,
    } = name;
    match firm_of(&owner) {
        "" => format!("{source} {kind} {target}"),
        firm => format!("{source} {kind} {target} by {firm}"),
    }
}

/// What a link states, without what the node sets.
fn facts(link: v1::Link) -> LinkShape {
    LinkShape {
        source: String::new(),
        kind: String::new(),
        target: String::new(),
        owner: None,
        state: None,
        note: None,
        etag: None,
        create_time: None,
        update_time: None,
        dangling: Vec::new(),
        ..LinkShape::shown(link)
    }
}
