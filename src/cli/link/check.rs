//! `link check`.

use serde_json::json;

use crate::cli::client::Connection;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};
use crate::wire::proto::v1;

/// Has the node compare all that it keeps of links.
///
/// # Errors
/// [`Exit::Failed`] if something does not agree; what the node answered, or why it
/// did not.
pub(super) async fn run(
    counts_only: bool,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let client = connection.client(output).await?;
    let request = client.request(v1::CheckLinksRequest { counts_only });
    let found = client.answer(client.links().check_links(request)).await?;
    let v1::CheckLinksResponse {
        identifier_count,
        link_count,
        in_memory,
        memory_link_count,
        memory_bytes,
        fault,
    } = found;
    let value = json!({
        "identifier_count": identifier_count,
        "link_count": link_count,
        "in_memory": in_memory,
        "memory_link_count": memory_link_count,
        "memory_bytes": memory_bytes,
        "fault": fault,
    });
    output.show(&value, || {
        let graph = match in_memory {
            true => format!("{memory_link_count} links, {memory_bytes} bytes"),
            false => "no: traces read the store".to_owned(),
        };
        Rows::of_pairs([
            ("identifiers", identifier_count.to_string()),
            ("links", link_count.to_string()),
            ("in memory", graph),
        ])
    })?;
    match fault.as_str() {
        "" => Ok(()),
        fault => Err(Failure::new(Exit::Failed, fault)
            .hint("links that change meanwhile may be told as a fault: check again")),
    }
}
