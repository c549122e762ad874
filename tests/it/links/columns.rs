//! Traces whose rows are told in columns: the same rows, in every way of asking.

use idnode::wire::proto::ColumnsReader;
use idnode::wire::proto::v1::{self, TraceRequest, TraceRow, link::Behind, link::Visibility};

use super::traces::{fan_out, in_memory, kept_hits, streamed};
use super::{Town, down, link, seen_by, state, state_all, trace, up};
use crate::support::Clients;

fn in_columns(request: &TraceRequest) -> TraceRequest {
    TraceRequest {
        as_columns: true,
        ..request.clone()
    }
}

/// An answer with its columns as rows.
fn unpacked(answer: v1::TraceResponse, reader: &mut ColumnsReader) -> v1::TraceResponse {
    assert!(answer.rows.is_empty(), "told twice");
    let columns = answer.columns.into_iter();
    v1::TraceResponse {
        rows: columns
            .flat_map(|columns| reader.rows(columns).unwrap())
            .collect(),
        columns: Vec::new(),
        ..answer
    }
}

/// What a trace and a stream answer in columns; the whole of the stream as one.
async fn both(clients: &Clients, request: &TraceRequest) -> [v1::TraceResponse; 2] {
    let answer = trace(clients, in_columns(request)).await.unwrap();
    let answer = unpacked(answer, &mut ColumnsReader::default());
    let mut reader = ColumnsReader::default();
    let mut whole = v1::TraceResponse::default();
    for part in streamed(clients, in_columns(request)).await {
        let part = unpacked(part, &mut reader);
        whole.rows.extend(part.rows);
        whole.terms.extend(part.terms);
        whole.summary = part.summary;
    }
    [answer, whole]
}

async fn pages(clients: &Clients, request: &TraceRequest, size: i32) -> Vec<TraceRow> {
    let (mut rows, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = TraceRequest {
            page_size: size,
            page_token,
            ..in_columns(request)
        };
        let page = trace(clients, page).await.unwrap();
        // Prefixes are numbered anew in each call.
        let page = unpacked(page, &mut ColumnsReader::default());
        rows.extend(page.rows);
        page_token = page.summary.unwrap().next_page_token;
        if page_token.is_empty() {
            return rows;
        }
    }
}

async fn agree_on_many(town: &Town) {
    fan_out(town, 5_000).await;
    let nobody = town.node.anonymous();
    let request = TraceRequest {
        page_size: 10_000,
        ..down("c/LOT")
    };
    // More than a part holds.
    let parts = streamed(&nobody, in_columns(&request)).await;
    assert!(parts.len() > 1, "{}", parts.len());
    let expected = trace(&nobody, request.clone()).await.unwrap();
    assert_eq!(expected.rows.len(), 1 + 5_000 + 500);
    for _ in 0..3 {
        let [answer, stream] = both(&nobody, &request).await;
        assert_eq!(answer, expected);
        assert_eq!(stream, expected);
    }
    assert_eq!(pages(&nobody, &request, 700).await, expected.rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn are_the_same_rows_over_the_graph_in_memory() {
    let town = Town::new().await;
    in_memory(&town.node).await;
    agree_on_many(&town).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn are_the_same_rows_over_the_lists() {
    let town = Town::with(|config| config.trace.memory_bytes = 0).await;
    agree_on_many(&town).await;
}

/// Hidden hops, what is not told, and links to what has a row; each asked again and again
/// in both forms, so that what was kept of one is not told for the other.
#[tokio::test(flavor = "multi_thread")]
async fn tell_all_that_rows_tell_whether_kept_or_not() {
    let town = Town::new().await;
    let links = [
        "a/BOX contains b/PART1",
        "a/BOX contains b/PART2",
        "b/PART1 made_from c/LOT/7",
        "b/PART2 made_from c/LOT/7",
    ];
    state_all(&town, &links).await;
    for (source, behind) in [("PART1", Behind::Through), ("PART2", Behind::More)] {
        let text = format!("b/{source} made_from b/SECRET.{source}");
        let hidden = v1::Link {
            behind: behind.into(),
            ..seen_by(&text, Visibility::Owner)
        };
        state(&town.of("b"), hidden).await.unwrap();
    }
    let open = link("b/SECRET.PART1 made_from c/ORE-矿");
    state(&town.of("b"), open).await.unwrap();
    in_memory(&town.node).await;
    let nobody = town.node.anonymous();
    for all_links in [false, true] {
        let request = TraceRequest {
            all_links,
            ..up("a/box")
        };
        let expected = trace(&nobody, request.clone()).await.unwrap();
        let is_told = |is: fn(&TraceRow) -> bool| expected.rows.iter().any(is);
        assert!(is_told(|row| row.more) && is_told(|row| row.identifier.is_empty()));
        assert!(is_told(|row| row.identifier.ends_with("/ORE-矿")));
        assert_eq!(is_told(|row| row.again), all_links);
        let before = kept_hits(&town.node).await;
        for _ in 0..4 {
            let answers = both(&nobody, &request).await;
            assert_eq!(answers, [expected.clone(), expected.clone()]);
            assert_eq!(trace(&nobody, request.clone()).await.unwrap(), expected);
            let alone = std::slice::from_ref(&expected);
            assert_eq!(streamed(&nobody, request.clone()).await, alone);
        }
        // Of four times four in two forms all but the first two of columns, and that of rows
        // which made it the second.
        assert!(kept_hits(&town.node).await - before >= 13);
        // Who sees more has an answer of their own.
        let own = trace(&town.of("b"), in_columns(&request)).await.unwrap();
        let own = unpacked(own, &mut ColumnsReader::default());
        assert!(own.rows.iter().all(|row| !row.identifier.is_empty()));
    }
}
