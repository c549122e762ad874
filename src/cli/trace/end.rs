//! How a trace ended: what was found, what could not be seen, and what is missing.

use serde_json::{Value, json};

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::trace::found::Found;
use crate::wire::proto::v1::{TraceFailure, TraceLimit, TraceSummary};

/// The lines that say how a trace ended.
pub fn lines(found: &Found, summary: &TraceSummary) -> Vec<String> {
    let hidden = found.rows().iter().filter(|row| row.identifier.is_empty());
    let hidden = hidden.count();
    let again = found.rows().iter().filter(|row| row.again).count();
    let named = found.rows().len().saturating_sub(hidden + again + 1);
    let hops = usize::try_from(summary.depth).unwrap_or(0);
    let mut lines = vec![match named + hidden {
        0 => "nothing found".to_owned(),
        _ => format!(
            "{} in {}",
            counted(named, "identifier", "identifiers"),
            counted(hops, "hop", "hops")
        ),
    }];
    if hidden > 0 {
        lines.push(format!(
            "{} not visible to you",
            counted(hidden, "hop", "hops")
        ));
    }
    if again > 0 {
        let links = counted(again, "more link", "more links");
        lines.push(format!("{links} between them"));
    }
    lines.extend(incomplete(summary));
    lines
}

/// The lines that say what a trace does not have.
pub fn incomplete(summary: &TraceSummary) -> Vec<String> {
    let mut lines = Vec::new();
    let more = usize::try_from(summary.more_count).unwrap_or(0);
    if more > 0 {
        let rows = counted(more, "identifier", "identifiers");
        lines.push(format!("more behind {rows}, not visible to you"));
    }
    if summary.depth_cut {
        lines.push(format!(
            "cut at depth {}: what is behind was not looked at",
            summary.depth
        ));
    }
    if let Some(why) = why(summary.truncated()) {
        lines.push(format!("not everything: {why}"));
    }
    lines.extend(not_followed(&summary.failures));
    lines
}

/// The lines that say which branches could not be followed.
pub fn not_followed(failures: &[TraceFailure]) -> impl Iterator<Item = String> {
    failures.iter().map(|failure| {
        let error = failure.error.clone().unwrap_or_default();
        let further = match failure.further_rows.len() {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        format!(
            "not followed behind {}{further}: node {}: {} [{}]",
            failure.identifier, failure.node, error.message, error.reason
        )
    })
}

/// Why a trace ended before it had found everything.
pub const fn why(limit: TraceLimit) -> Option<&'static str> {
    match limit {
        TraceLimit::Unspecified => None,
        TraceLimit::Rows => Some("there are more rows"),
        TraceLimit::Links => Some("it had looked at as many links as one trace may"),
        TraceLimit::Time => Some("its time was up"),
    }
}

/// A limit in JSON; none if everything was found.
pub const fn limit_text(limit: TraceLimit) -> Option<&'static str> {
    match limit {
        TraceLimit::Unspecified => None,
        TraceLimit::Rows => Some("rows"),
        TraceLimit::Links => Some("links"),
        TraceLimit::Time => Some("time"),
    }
}

/// Branches that could not be followed, in JSON.
pub fn failures(failures: &[TraceFailure]) -> Vec<Value> {
    let shape = |failure: &TraceFailure| {
        let error = failure.error.clone().unwrap_or_default();
        json!({
            "number": failure.row,
            "further_numbers": failure.further_rows,
            "identifier": failure.identifier,
            "node": failure.node,
            "reason": error.reason,
            "message": error.message,
            "message_zh": error.message_zh,
        })
    };
    failures.iter().map(shape).collect()
}

/// The summary in JSON. The shape is stable; `docs/cli.md` documents it.
pub fn shape(summary: &TraceSummary) -> Value {
    json!({
        "row_count": summary.row_count,
        "depth": summary.depth,
        "more_count": summary.more_count,
        "depth_cut": summary.depth_cut,
        "truncated": limit_text(summary.truncated()),
        "failures": failures(&summary.failures),
    })
}

/// A failure if a trace ended early otherwise than it was asked to.
///
/// # Errors
/// [`Exit::Partial`].
pub fn check(summary: &TraceSummary, asked_rows: i32) -> Result<(), Failure> {
    let why = match summary.truncated() {
        TraceLimit::Rows if asked_rows > 0 => None,
        limit => why(limit),
    };
    match why {
        Some(why) => Err(partial(&format!("the trace has not everything: {why}"))
            .hint("ask for less: --depth, --kinds, --from and --until, or begin further on")),
        None => all_followed(summary.failures.len()),
    }
}

/// A failure if so many branches, above 0, could not be followed.
///
/// # Errors
/// [`Exit::Partial`].
pub fn all_followed(failure_count: usize) -> Result<(), Failure> {
    match failure_count {
        0 => Ok(()),
        count => Err(partial(&format!(
            "{} could not be followed",
            counted(count, "branch", "branches")
        ))),
    }
}

/// Says the lines to the person at the terminal.
pub fn say(lines: &[String], output: &Output) {
    output.say_lines(lines.iter().map(String::as_str));
}

/// `1 hop`, `2 hops`.
pub fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn partial(text: &str) -> Failure {
    Failure::new(Exit::Partial, text)
}
