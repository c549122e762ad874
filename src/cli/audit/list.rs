//! `audit list`.

use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::json;

use crate::cli::client::Connection;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Rows};
use crate::wire::proto::v1;

/// Entries asked for at once.
const PAGE_ENTRIES: i32 = 1000;

/// Arguments of `audit list`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode audit list
  idnode audit list --subject 88.118.7/DZ47-63
  idnode audit list --refused --limit 20 -o json")]
pub struct Arguments {
    /// Only entries about this identifier, prefix or firm
    #[arg(long)]
    subject: Option<String>,
    /// Only entries of this key, person or identity
    #[arg(long)]
    actor: Option<String>,
    /// Only refused attempts
    #[arg(long)]
    refused: bool,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// The first ones first
    #[arg(long)]
    oldest_first: bool,
}

/// An entry in JSON. The shape is stable; `docs/cli.md` documents it.
#[derive(Debug, Serialize)]
struct Shape {
    position: i64,
    time: Option<String>,
    actor: String,
    source: String,
    action: String,
    subject: String,
    request_id: String,
    refused_reason: String,
    before_digest: String,
    after_digest: String,
    omitted_count: i64,
}

impl From<v1::AuditEntry> for Shape {
    fn from(entry: v1::AuditEntry) -> Self {
        let v1::AuditEntry {
            position,
            time,
            actor,
            source,
            action,
            subject,
            request_id,
            refused_reason,
            before_digest,
            after_digest,
            omitted_count,
        } = entry;
        Self {
            position,
            time: time.map(|time| time.to_string()),
            actor,
            source,
            action,
            subject,
            request_id,
            refused_reason,
            before_digest: HEXLOWER.encode(&before_digest),
            after_digest: HEXLOWER.encode(&after_digest),
            omitted_count,
        }
    }
}

/// Lists entries.
///
/// # Errors
/// What the node answered, or why it did not.
pub(super) async fn run(
    arguments: Arguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let Arguments {
        subject,
        actor,
        refused,
        limit,
        oldest_first,
    } = arguments;
    let client = connection.client(output).await?;
    let mut shapes: Vec<Shape> = Vec::new();
    let mut token = String::new();
    let more = loop {
        let missing = limit.saturating_sub(shapes.len());
        let request = client.request(v1::ListAuditEntriesRequest {
            page_size: i32::try_from(missing).map_or(PAGE_ENTRIES, |n| n.clamp(1, PAGE_ENTRIES)),
            page_token: token,
            subject: subject.clone().unwrap_or_default(),
            actor: actor.clone().unwrap_or_default(),
            refused_only: refused,
            descending: !oldest_first,
        });
        let page = client
            .answer(client.audit().list_audit_entries(request))
            .await?;
        shapes.extend(page.entries.into_iter().map(Shape::from));
        token = page.next_page_token;
        if token.is_empty() || shapes.len() >= limit {
            break !token.is_empty();
        }
    };
    output.show(&json!({"entries": shapes, "more": more}), || {
        let header = [
            "POSITION", "TIME", "ACTOR", "FROM", "ACTION", "SUBJECT", "OUTCOME",
        ];
        let mut rows = Rows::with_header(header);
        for shape in &shapes {
            let outcome = match shape.refused_reason.as_str() {
                "" => "done",
                reason => reason,
            };
            rows.push([
                shape.position.to_string(),
                shape.time.clone().unwrap_or_default(),
                shape.actor.clone(),
                shape.source.clone(),
                shape.action.clone(),
                shape.subject.clone(),
                outcome.to_owned(),
            ]);
        }
        rows
    })
}
