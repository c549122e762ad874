//! `trace --to`: the shortest paths from one identifier to another.

use serde_json::json;

use crate::cli::client::Client;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Form, Output, Rows, csv_text};
use crate::cli::trace::found::{Found, name};
use crate::cli::trace::rows::RowShape;
use crate::cli::trace::tree::Look;
use crate::cli::trace::{dot, end, tree};
use crate::model::Identifier;
use crate::wire::proto::v1;

/// Finds the paths and shows them.
///
/// # Errors
/// [`Exit::Missing`] if there is none; [`Exit::Partial`] if the search ended before
/// it knew; what the node answered, or why it did not.
pub(super) async fn run(
    (trace, end, paths_max): (v1::TraceRequest, &Identifier, i32),
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let (start, direction) = (trace.start.clone(), trace.direction());
    let request = client.request(v1::FindPathsRequest {
        trace: Some(v1::TraceRequest {
            page_size: 0,
            ..trace
        }),
        end: end.to_string(),
        paths_max,
    });
    let answer = client.answer(client.links().find_paths(request)).await?;
    let truncated = answer.truncated();
    let v1::FindPathsResponse {
        paths,
        terms,
        truncated: _,
        failures,
    } = answer;
    let paths: Vec<Found> = paths.into_iter().map(|path| chain(path, &terms)).collect();
    show(&paths, (direction, truncated, &failures), output)?;
    let lines: Vec<String> = end::not_followed(&failures).collect();
    end::say(&lines, output);
    match (end::why(truncated), paths.is_empty()) {
        (Some(why), true) => Err(Failure::new(Exit::Partial, format!("no path found: {why}"))),
        (None, true) if !failures.is_empty() => end::all_followed(failures.len()),
        (None, true) => {
            let text = format!("there is no path from {start} to {end} that you may see");
            Err(Failure::new(Exit::Missing, text))
        }
        (Some(_), false) if truncated == v1::TraceLimit::Rows => {
            output.say("there are more paths; allow more with --max-rows");
            end::all_followed(failures.len())
        }
        (Some(why), false) => {
            let text = format!("there may be shorter paths, or more: {why}");
            Err(Failure::new(Exit::Partial, text))
        }
        (None, false) => end::all_followed(failures.len()),
    }
}

/// A path as a trace in which each row was reached from the one before.
fn chain(path: v1::find_paths_response::Path, terms: &[v1::TraceTerms]) -> Found {
    let rows = path
        .rows
        .into_iter()
        .zip(0..)
        .map(|(row, place): (_, u32)| v1::TraceRow {
            depth: place,
            parent: place.saturating_sub(1),
            ..row
        });
    let mut found = Found::default();
    found.add(rows.collect(), terms.to_vec());
    found
}

fn show(
    paths: &[Found],
    (direction, truncated, failures): (v1::TraceDirection, v1::TraceLimit, &[v1::TraceFailure]),
    output: &Output,
) -> Result<(), Failure> {
    let shapes: Vec<Vec<_>> = paths
        .iter()
        .map(|path| {
            let places = 0..path.rows().len();
            places.map(|place| RowShape::new(path, place)).collect()
        })
        .collect();
    match output.form() {
        Form::Json => {
            let whole = json!({
                "paths": shapes,
                "truncated": end::limit_text(truncated),
                "failures": end::failures(failures),
            });
            output.show(&whole, Rows::default)
        }
        Form::Ndjson => shapes.iter().try_for_each(|path| output.line(path)),
        Form::Tree => {
            let look = Look {
                unicode: output.has_unicode(),
                fold: 0,
            };
            let trees: Vec<String> = paths.iter().map(|path| tree::draw(path, look)).collect();
            output.data(&trees.join("\n"))
        }
        Form::Dot => output.data(&merged(paths, direction)),
        Form::Table => output.show(&(), || {
            let mut rows = Rows::with_header(["PATH", "HOP", "IDENTIFIER", "KIND", "STATE"]);
            cells(paths).for_each(|row| rows.push(row));
            rows
        }),
        Form::Csv => {
            let header = ["path", "hop", "identifier", "kind", "state"].map(str::to_owned);
            let text = csv_text(std::iter::once(header).chain(cells(paths)))?;
            output.data(&format!("\u{feff}{text}"))
        }
    }
}

/// The rows of a table of all paths.
fn cells(paths: &[Found]) -> impl Iterator<Item = [String; 5]> {
    paths.iter().zip(1..).flat_map(|(path, number): (_, u32)| {
        path.rows().iter().map(move |row| {
            let terms = path.terms(row);
            [
                number.to_string(),
                row.depth.to_string(),
                name(row).to_owned(),
                terms.map(|terms| terms.kind.clone()).unwrap_or_default(),
                terms
                    .map(|terms| terms.state.to_owned())
                    .unwrap_or_default(),
            ]
        })
    })
}

/// The paths as one graph, each beside the others.
fn merged(paths: &[Found], direction: v1::TraceDirection) -> String {
    let mut text = dot::HEAD.to_owned();
    for (path, number) in paths.iter().zip(1..) {
        let node = format!("p{number}n");
        for place in 0..path.rows().len() {
            text.push_str(&dot::statements(path, place, direction, &node));
        }
    }
    text.push_str(dot::TAIL);
    text
}
