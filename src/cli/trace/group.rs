//! `trace --group-by`: how much of what was found each firm has, or each package.

use serde::Serialize;
use serde_json::json;

use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Rows};
use crate::cli::trace::{GroupBy, end, show_list};
use crate::wire::proto::v1;
use crate::wire::proto::v1::group_trace_request::GroupBy as ProtoGroupBy;

/// A group in JSON. The shape is stable; `docs/cli.md` documents it.
#[derive(Debug, Serialize)]
struct GroupShape {
    key: String,
    firm: String,
    count: i64,
    depth: i32,
}

/// Traces and counts what is found.
///
/// # Errors
/// What the node answered, or why it did not;
/// [`Exit::Partial`](crate::cli::failure::Exit::Partial) if the trace ended before
/// it had found everything.
pub(super) async fn run(
    (trace, by, groups_max): (v1::TraceRequest, GroupBy, i32),
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let group_by = match by {
        GroupBy::Firm => ProtoGroupBy::Prefix,
        GroupBy::Package => ProtoGroupBy::Package,
    };
    let request = client.request(v1::GroupTraceRequest {
        trace: Some(v1::TraceRequest {
            page_size: 0,
            ..trace
        }),
        group_by: group_by.into(),
        groups_max,
    });
    let v1::GroupTraceResponse {
        groups,
        summary,
        group_count,
    } = client.answer(client.links().group_trace(request)).await?;
    let summary = summary.unwrap_or_default();
    let shape = |group| {
        let v1::group_trace_response::Group {
            key,
            firm,
            count,
            depth,
        } = group;
        GroupShape {
            key,
            firm,
            count,
            depth,
        }
    };
    let shapes: Vec<GroupShape> = groups.into_iter().map(shape).collect();
    let whole = json!({
        "groups": shapes,
        "group_count": group_count,
        "summary": end::shape(&summary),
    });
    let table = || {
        let key = match by {
            GroupBy::Firm => "PREFIX",
            GroupBy::Package => "PACKAGE",
        };
        let mut rows = Rows::with_header([key, "FIRM", "COUNT", "DEPTH"]);
        for group in &shapes {
            rows.push([
                group.key.clone(),
                group.firm.clone(),
                group.count.to_string(),
                group.depth.to_string(),
            ]);
        }
        rows
    };
    show_list((&whole, &shapes), table, output)?;
    if !output.is_json() {
        let all = usize::try_from(group_count).unwrap_or(0);
        if all > shapes.len() {
            output.say(&format!("{all} groups; allow more with --max-rows"));
        }
        end::say(&end::incomplete(&summary), output);
    }
    end::check(&summary, 0)
}
