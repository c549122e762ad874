//! `trace --compare`, `--compare-as-of`: what differs between two traces.

use serde::Serialize;
use serde_json::json;

use crate::cli::client::Client;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};
use crate::cli::trace::{end, show_list};
use crate::wire::proto::v1;

/// An identifier that one trace has alone, in JSON.
#[derive(Debug, Serialize)]
struct Alone<'a> {
    identifier: &'a str,
    only_in: &'static str,
}

/// Compares two traces.
///
/// # Errors
/// [`Exit::Partial`] if either ended before it had found everything; what the node
/// answered, or why it did not.
pub(super) async fn run(
    (first, second): (v1::TraceRequest, v1::TraceRequest),
    client: &Client,
    output: &Output,
) -> Result<(), Failure> {
    let whole = |trace| {
        Some(v1::TraceRequest {
            page_size: 0,
            ..trace
        })
    };
    let request = client.request(v1::CompareTracesRequest {
        first: whole(first),
        second: whole(second),
    });
    let answer = client
        .answer(client.links().compare_traces(request))
        .await?;
    let truncated = [answer.first_truncated(), answer.second_truncated()];
    let [first_truncated, second_truncated] = truncated.map(end::limit_text);
    let v1::CompareTracesResponse {
        only_first,
        only_second,
        only_first_count,
        only_second_count,
        first_truncated: _,
        second_truncated: _,
        first_failures,
        second_failures,
    } = answer;
    let value = json!({
        "only_first": only_first,
        "only_second": only_second,
        "only_first_count": only_first_count,
        "only_second_count": only_second_count,
        "first_truncated": first_truncated,
        "second_truncated": second_truncated,
        "first_failures": end::failures(&first_failures),
        "second_failures": end::failures(&second_failures),
    });
    let all: Vec<Alone<'_>> = [("first", &only_first), ("second", &only_second)]
        .into_iter()
        .flat_map(|(only_in, identifiers)| {
            identifiers.iter().map(move |identifier| Alone {
                identifier,
                only_in,
            })
        })
        .collect();
    show_list((&value, &all), || table(&all), output)?;
    if !output.is_json() {
        output.say(&format!(
            "{only_first_count} only in the first trace, {only_second_count} only in the second"
        ));
        let failures = [&first_failures, &second_failures].map(|all| end::not_followed(all));
        let lines: Vec<String> = failures.into_iter().flatten().collect();
        end::say(&lines, output);
    }
    match truncated.into_iter().find_map(end::why) {
        Some(why) => {
            let text = format!("not everything was compared: {why}");
            Err(Failure::new(Exit::Partial, text))
        }
        None => end::all_followed(first_failures.len() + second_failures.len()),
    }
}

fn table(all: &[Alone<'_>]) -> Rows {
    let mut rows = Rows::with_header(["IDENTIFIER", "ONLY IN"]);
    for Alone {
        identifier,
        only_in,
    } in all
    {
        rows.push([(*identifier).to_owned(), (*only_in).to_owned()]);
    }
    rows
}
