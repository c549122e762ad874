//! `status` and `log-level`: how the node is, and what it logs.

use serde::Serialize;

use crate::cli::client::Connection;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Rows};
use crate::wire::proto::v1;

/// Arguments of `log-level`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode log-level debug
  idnode log-level info,idnode::store=debug")]
pub struct LogLevelArguments {
    /// A level (trace, debug, info, warn, error, off), or module=level pairs
    filter: String,
}

/// How a node is, in JSON. The shape is stable; `docs/cli.md` documents it.
#[derive(Debug, Serialize)]
struct StatusShape {
    version: String,
    ready: bool,
    writable: bool,
    applied_position: i64,
    start_time: Option<String>,
    prefix_count: i64,
    active_count: i64,
    deleted_count: i64,
    disk_bytes: i64,
    disk_free_bytes: i64,
    addresses: Vec<String>,
    zones: Vec<String>,
}

impl From<v1::Status> for StatusShape {
    fn from(status: v1::Status) -> Self {
        let v1::Status {
            version,
            ready,
            applied_position,
            start_time,
            prefix_count,
            active_count,
            deleted_count,
            disk_bytes,
            disk_free_bytes,
            addresses,
            zones,
            writable,
        } = status;
        Self {
            version,
            ready,
            writable,
            applied_position,
            start_time: start_time.map(|time| time.to_string()),
            prefix_count,
            active_count,
            deleted_count,
            disk_bytes,
            disk_free_bytes,
            addresses,
            zones,
        }
    }
}

/// Shows how the node is.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn status(connection: &Connection, output: &Output) -> Result<(), Failure> {
    let client = connection.client(output).await?;
    let request = client.request(v1::GetStatusRequest {});
    let status = client.answer(client.node().get_status(request)).await?;
    let shape = StatusShape::from(status);
    if shape.start_time.is_none() {
        output
            .say("version and readiness only: the rest needs an operator's key (--key-file FILE)");
    }
    output.show(&shape, || {
        let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        let mut pairs = vec![
            ("version", shape.version.clone()),
            ("ready", yes(shape.ready)),
        ];
        if let Some(start_time) = &shape.start_time {
            pairs.extend([
                ("writable", yes(shape.writable)),
                ("applied position", shape.applied_position.to_string()),
                ("started", start_time.clone()),
                ("prefixes", shape.prefix_count.to_string()),
                ("identifiers", shape.active_count.to_string()),
                ("deleted", shape.deleted_count.to_string()),
                ("disk used", bytes_text(shape.disk_bytes)),
                ("disk free", bytes_text(shape.disk_free_bytes)),
                ("addresses", shape.addresses.join(", ")),
                ("zones", shape.zones.join(", ")),
            ]);
        }
        Rows::of_pairs(pairs)
    })
}

/// Changes what the node logs.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn log_level(
    arguments: LogLevelArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let filter = arguments.filter;
    let client = connection.client(output).await?;
    let request = client.request(v1::SetLogLevelRequest {
        filter: filter.clone(),
    });
    let answer = client.answer(client.node().set_log_level(request)).await?;
    let value = serde_json::json!({
        "filter": filter,
        "previous_filter": answer.previous_filter,
    });
    output.show(&value, || {
        Rows::of_pairs([("filter", filter), ("before", answer.previous_filter)])
    })
}

/// Bytes for people: `1.5 GiB`.
pub fn bytes_text(bytes: i64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let (mut tenths, mut unit) = (bytes.saturating_mul(10), "B");
    for larger in units {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = larger;
    }
    if unit == "B" {
        return format!("{bytes} B");
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::bytes_text;

    #[test]
    fn spells_bytes() {
        let rows = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1536, "1.5 KiB"),
            (1 << 30, "1.0 GiB"),
        ];
        for (bytes, text) in rows {
            assert_eq!(bytes_text(bytes), text);
        }
    }
}
