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
    } = answer;
    let value = json!({
        "only_first": only_first,
        "only_second": only_second,
        "only_first_count": only_first_count,
        "only_second_count": only_second_count,
        "first_truncated": first_truncated,
        "second_truncated": second_truncated,
    });
    let alone = |only_in| {
        move |identifier| Alone {
            identifier,
            only_in,
        }
    };
    let firsts = only_first.iter().map(String::as_str).map(alone("first"));
    let seconds = only_second.iter().map(String::as_str).map(alone("second"));
    let all: Vec<Alone<'_>> = firsts.chain(seconds).collect();
    let table = || {
        let mut rows = Rows::with_header(["IDENTIFIER", "ONLY IN"]);
        for Alone {
            identifier,
            only_in,
        } in &all
        {
            rows.push([(*identifier).to_owned(), (*only_in).to_owned()]);
        }
        rows
    };
    show_list((&value, &all), table, output)?;
    if !output.is_json() {
        output.say(&format!(
            "{only_first_count} only in the first trace, {only_second_count} only in the second"
        ));
    }
    match truncated.into_iter().find_map(end::why) {
        Some(why) => {
            let text = format!("not everything was compared: {why}");
            Err(Failure::new(Exit::Partial, text))
        }
        None => Ok(()),
    }
}
