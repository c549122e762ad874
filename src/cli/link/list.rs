//! `link list` and `link inspect`: the links at an identifier, and those of a
//! prefix that want looking after.

use serde::Serialize;
use serde_json::json;

use crate::cli::client::Connection;
use crate::cli::failure::Failure;
use crate::cli::link::{LinkShape, amount};
use crate::cli::output::{Output, Rows};
use crate::model::{Identifier, Prefix};
use crate::wire::proto::v1;
use crate::wire::proto::v1::inspect_links_response::Matter;

/// Links that one call of `list` asks for.
const PAGE_LINKS: usize = 1000;
/// Identifiers that one call of `inspect` looks at.
const PAGE_IDENTIFIERS: i32 = 1000;

/// Arguments of `link list`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode link list 88.118.7/BOX-1
  idnode link list 88.118.7/BOX-1 --up --withdrawn -o json")]
pub struct ListArguments {
    /// The identifier
    identifier: String,
    /// Only upstream: what it is made of, and where that came from
    #[arg(long, conflicts_with = "down")]
    up: bool,
    /// Only downstream: what it went into
    #[arg(long)]
    down: bool,
    /// Also what was withdrawn
    #[arg(long)]
    withdrawn: bool,
    /// List at most so many; `trace` follows any number
    #[arg(long, value_name = "COUNT", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// Arguments of `link inspect`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode link inspect 88.118.7
  idnode link inspect 88.118.7 --limit 100 -o json

Finds links at the identifiers of the prefix that are
  dangling       an end is not registered here: not yet, no longer, or elsewhere
  asymmetric     the firm at the other end neither confirmed nor disputed them
  contradictory  disputed, or the firms at their ends say different things
  cyclic         leading back to where they came from")]
pub struct InspectArguments {
    /// The prefix
    prefix: String,
    /// Tell at most so many
    #[arg(long, value_name = "COUNT", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

/// What is the matter with a link, in JSON. The shape is stable; `docs/cli.md`
/// documents it.
#[derive(Debug, Serialize)]
struct FindingShape {
    matter: &'static str,
    link: LinkShape,
}

/// Lists the links at an identifier.
///
/// # Errors
/// What the node answered, or why it did not.
pub(super) async fn run(
    arguments: ListArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let identifier = Identifier::parse(&arguments.identifier)?.to_string();
    let direction = match (arguments.up, arguments.down) {
        (true, _) => v1::TraceDirection::Up,
        (false, true) => v1::TraceDirection::Down,
        (false, false) => v1::TraceDirection::Unspecified,
    };
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let client = connection.client(output).await?;
    let mut links: Vec<LinkShape> = Vec::new();
    let mut page_token = String::new();
    loop {
        let missing = limit.saturating_sub(links.len()).min(PAGE_LINKS);
        let request = client.request(v1::ListLinksRequest {
            identifier: identifier.clone(),
            direction: direction.into(),
            page_size: i32::try_from(missing).unwrap_or(i32::MAX),
            page_token,
            show_withdrawn: arguments.withdrawn,
        });
        let page = client.answer(client.links().list_links(request)).await?;
        links.extend(page.links.into_iter().map(LinkShape::shown));
        page_token = page.next_page_token;
        if page_token.is_empty() || links.len() >= limit {
            break;
        }
    }
    let more = !page_token.is_empty();
    say_if_more(more, limit, output);
    output.show(&json!({"links": links, "more": more}), || {
        let header = [
            "SOURCE",
            "KIND",
            "TARGET",
            "QUANTITY",
            "STATE",
            "OWNER",
            "NOT REGISTERED",
        ];
        let mut rows = Rows::with_header(header);
        for link in &links {
            rows.push([
                link.source.clone(),
                link.kind.clone(),
                link.target.clone(),
                amount(link),
                link.state.clone().unwrap_or_default(),
                link.owner.clone().unwrap_or_default(),
                link.dangling.join(", "),
            ]);
        }
        rows
    })
}

/// Finds what wants looking after.
///
/// # Errors
/// What the node answered, or why it did not.
pub(super) async fn inspect(
    arguments: InspectArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let parent = format!("prefixes/{}", Prefix::parse(&arguments.prefix)?);
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let client = connection.client(output).await?;
    let mut findings: Vec<FindingShape> = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = client.request(v1::InspectLinksRequest {
            parent: parent.clone(),
            page_size: PAGE_IDENTIFIERS,
            page_token,
        });
        let page = client.answer(client.links().inspect_links(request)).await?;
        findings.extend(page.findings.into_iter().map(|finding| FindingShape {
            matter: matter_text(finding.matter()),
            link: LinkShape::shown(finding.link.unwrap_or_default()),
        }));
        page_token = page.next_page_token;
        if page_token.is_empty() || findings.len() > limit {
            break;
        }
    }
    let more = !page_token.is_empty() || findings.len() > limit;
    findings.truncate(limit);
    say_if_more(more, limit, output);
    output.show(&json!({"findings": findings, "more": more}), || {
        let header = [
            "MATTER", "SOURCE", "KIND", "TARGET", "OWNER", "STATE", "NOTE",
        ];
        let mut rows = Rows::with_header(header);
        for FindingShape { matter, link } in &findings {
            let note = match link.dangling.as_slice() {
                [] => link.note.clone().unwrap_or_default(),
                ends => format!("{} not registered", ends.join(" and ")),
            };
            rows.push([
                (*matter).to_owned(),
                link.source.clone(),
                link.kind.clone(),
                link.target.clone(),
                link.owner.clone().unwrap_or_default(),
                link.state.clone().unwrap_or_default(),
                note,
            ]);
        }
        rows
    })
}

fn say_if_more(more: bool, limit: usize, output: &Output) {
    if more {
        output.say(&format!(
            "there are more than {limit}: allow more with --limit"
        ));
    }
}

const fn matter_text(matter: Matter) -> &'static str {
    match matter {
        Matter::Unspecified => "",
        Matter::Dangling => "dangling",
        Matter::Asymmetric => "asymmetric",
        Matter::Contradictory => "contradictory",
        Matter::Cyclic => "cyclic",
    }
}
