//! The trace itself, shown as it is found where the form allows it.

use serde_json::json;

use crate::cli::client::Client;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Form, Output};
use crate::cli::trace::found::Found;
use crate::cli::trace::rows::RowShape;
use crate::cli::trace::tree::Look;
use crate::cli::trace::{dot, end, rows, tree};
use crate::wire::proto::{ColumnsError, ColumnsReader, v1};

/// Traces and shows what is found.
///
/// # Errors
/// What the node answered, or why it did not; [`Exit::Partial`] if the trace ended
/// before it had found everything.
pub(super) async fn run(
    (request, fold): (v1::TraceRequest, usize),
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let (direction, asked_rows) = (request.direction(), request.page_size);
    let all_links = request.all_links;
    let mut links = client.links();
    let mut answers = client.answer(links.stream_trace(request)).await?;
    let mut found = Found::new(all_links);
    let mut reader = ColumnsReader::default();
    let mut summary = None;
    begin(output)?;
    while let Some(answer) = client.wait(answers.message()).await? {
        let v1::TraceResponse {
            mut rows,
            terms,
            summary: last,
            columns,
        } = answer;
        for columns in columns {
            let read = reader.rows(columns);
            rows.extend(read.map_err(|error| unreadable(&error))?);
        }
        let first = found.add(rows, terms);
        summary = last.or(summary);
        go_on(&found, first, direction, output)?;
    }
    let Some(summary) = summary else {
        let text = "the node ended the trace without saying how it ended";
        return Err(Failure::new(Exit::Unavailable, text));
    };
    found.note_more(&summary.more_rows);
    let lines = end::lines(&found, &summary);
    match output.form() {
        Form::Tree => {
            let look = Look {
                unicode: output.has_unicode(),
                fold,
            };
            let tree = tree::draw(&found, look);
            output.data(&format!("{tree}\n{}\n", lines.join("\n")))?;
        }
        Form::Json => {
            let places = 0..found.rows().len();
            let shapes: Vec<_> = places.map(|place| RowShape::new(&found, place)).collect();
            let whole = json!({"rows": shapes, "summary": end::shape(&summary)});
            output.show(&whole, || rows::table(&found))?;
        }
        Form::Table => {
            output.show(&(), || rows::table(&found))?;
            end::say(&lines, output);
        }
        Form::Dot => {
            output.data(dot::TAIL)?;
            end::say(&lines, output);
        }
        Form::Csv | Form::Ndjson => end::say(&lines, output),
    }
    end::check(&summary, asked_rows)
}

fn unreadable(error: &ColumnsError) -> Failure {
    Failure::new(Exit::Unavailable, format!("the node's answer: {error}"))
}

/// Shows what comes before the rows.
fn begin(output: &Output) -> Result<(), Failure> {
    match output.form() {
        Form::Csv => output.data(&rows::csv_head()?),
        Form::Dot => output.data(dot::HEAD),
        Form::Tree | Form::Table | Form::Json | Form::Ndjson => Ok(()),
    }
}

/// Shows the rows from `first` on, unless they are shown all at once.
fn go_on(
    found: &Found,
    first: usize,
    direction: v1::TraceDirection,
    output: &Output,
) -> Result<(), Failure> {
    let places = first..found.rows().len();
    match output.form() {
        Form::Csv => output.data(&rows::csv_rows(found, first)?),
        Form::Dot => {
            let statements = places.map(|place| dot::statements(found, place, direction, "n"));
            output.data(&statements.collect::<String>())
        }
        Form::Ndjson => {
            let mut text = String::new();
            for shape in places.filter_map(|place| RowShape::new(found, place)) {
                let line = serde_json::to_string(&shape)
                    .map_err(|error| Failure::io("cannot write JSON", &error.into()))?;
                text.push_str(&line);
                text.push('\n');
            }
            output.data(&text)
        }
        Form::Tree | Form::Table | Form::Json => Ok(()),
    }
}
