//! Traces: which way, how far, of what, when; in pages, as a stream, and by another
//! client.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::SystemTime;

use idnode::wire::proto::v1::{self, TraceLimit, TraceRequest, link::State};
use prost_types::Timestamp;
use tonic::Code::InvalidArgument;
use tonic::codec::CompressionEncoding;

use super::{
    Town, down, found, id, link, name, seconds_from_now, short, shown, state, state_all, trace, up,
};
use crate::grpc::assert_refused;
use crate::support::http::metrics;
use crate::support::{Clients, TestNode, reason, tool, wait_until};

/// A shop's box of two parts, which share a lot; and one that the lot also went into.
const GRAPH: [&str; 7] = [
    "a/BOX contains b/PART1",
    "a/BOX contains b/PART2",
    "b/PART1 made_from c/LOT",
    "b/PART2 made_from c/LOT",
    "c/LOT up-smelted_from c/ORE",
    "b/OTHER made_from c/LOT",
    "a/BOX packed_in a/PALLET",
];

#[tokio::test(flavor = "multi_thread")]
async fn goes_up_and_down_each_identifier_once() {
    let town = Town::new().await;
    state_all(&town, &GRAPH).await;
    state(&town.of("a"), link("a/BOX same_as b/PART1"))
        .await
        .unwrap();
    let nobody = town.node.anonymous();
    // The start is spelled as it was asked for.
    let box_up = ["a/box", "b/PART1", "b/PART2", "c/LOT", "c/ORE"];
    let traced = trace(&nobody, up("a/box")).await.unwrap();
    assert_eq!(shown(&traced.rows), box_up);
    let rows: Vec<_> = traced
        .rows
        .iter()
        .map(|row| (row.depth, row.parent))
        .collect();
    assert_eq!(rows, [(0, 0), (1, 0), (1, 0), (2, 1), (3, 3)]);
    // Each row has the terms of the link that it was reached by.
    let terms = |row: &v1::TraceRow| {
        let terms = traced.terms.iter().find(|terms| terms.number == row.terms);
        terms.map(|terms| (terms.kind.as_str(), terms.owner.as_str(), terms.state()))
    };
    let stated = State::Stated;
    let expected = [
        None,
        Some(("contains", "firms/a", stated)),
        Some(("contains", "firms/a", stated)),
        Some(("made_from", "firms/b", stated)),
        Some(("up-smelted_from", "firms/c", State::Confirmed)),
    ];
    let seen: Vec<_> = traced.rows.iter().map(terms).collect();
    assert_eq!(seen, expected);
    assert_eq!(traced.terms.len(), 3);
    let summary = traced.summary.unwrap();
    assert_eq!(
        (summary.row_count, summary.depth, summary.depth_cut),
        (5, 3, false)
    );
    assert_eq!(summary.truncated(), TraceLimit::Unspecified);
    assert_eq!(summary.next_page_token, "");
    let lot_down = [
        "c/LOT", "b/PART1", "b/PART2", "b/OTHER", "a/BOX", "a/PALLET",
    ];
    assert_eq!(found(&nobody, down("c/LOT")).await, lot_down);
    assert_eq!(found(&nobody, up("b/UNKNOWN")).await, ["b/UNKNOWN"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_as_far_and_over_what_is_asked_for() {
    let town = Town::new().await;
    state_all(&town, &GRAPH).await;
    let nobody = town.node.anonymous();
    let request = TraceRequest {
        depth_max: 1,
        ..up("a/BOX")
    };
    let traced = trace(&nobody, request).await.unwrap();
    assert_eq!(shown(&traced.rows), ["a/BOX", "b/PART1", "b/PART2"]);
    assert!(traced.summary.unwrap().depth_cut);
    let of_kinds = |kinds: &[&str]| TraceRequest {
        kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        ..up("a/BOX")
    };
    assert_eq!(found(&nobody, of_kinds(&["made_from"])).await, ["a/BOX"]);
    assert_eq!(
        found(&nobody, of_kinds(&["contains", "made_from"])).await,
        ["a/BOX", "b/PART1", "b/PART2", "c/LOT"]
    );
    // Links across are followed where they are asked for.
    state(&town.of("a"), link("a/BOX same_as c/BOX"))
        .await
        .unwrap();
    assert_eq!(
        found(&nobody, of_kinds(&["same_as"])).await,
        ["a/BOX", "c/BOX"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_ends() {
    let town = Town::new().await;
    let links = [
        "a/1 made_from a/2",
        "a/2 made_from a/3",
        "a/3 made_from a/1",
    ];
    state_all(&town, &links).await;
    assert_eq!(found(&town.of("a"), up("a/2")).await, ["a/2", "a/3", "a/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keeps_to_links_that_hold_in_a_window() {
    let town = Town::new().await;
    let a = town.of("a");
    let at = |seconds: i64| Some(Timestamp { seconds, nanos: 0 });
    let (early, late) = (1_500_000_000, 1_600_000_000);
    for (text, from, until) in [
        ("a/BOX contains b/ALWAYS", None, None),
        ("a/BOX contains b/EARLY", None, at(early)),
        ("a/BOX contains b/LATE", at(late), None),
    ] {
        let link = v1::Link {
            valid_from: from,
            valid_until: until,
            ..link(text)
        };
        state(&a, link).await.unwrap();
    }
    let within = |from, until| TraceRequest {
        valid_from: from,
        valid_until: until,
        ..up("a/BOX")
    };
    let all = ["a/BOX", "b/ALWAYS", "b/EARLY", "b/LATE"];
    assert_eq!(found(&a, within(None, None)).await, all);
    let from_early = within(at(early), at(late));
    assert_eq!(found(&a, from_early).await, ["a/BOX", "b/ALWAYS"]);
    let before = within(None, at(early));
    assert_eq!(found(&a, before).await, ["a/BOX", "b/ALWAYS", "b/EARLY"]);
    let after = within(at(late), None);
    assert_eq!(found(&a, after).await, ["a/BOX", "b/ALWAYS", "b/LATE"]);
    assert_eq!(found(&a, within(at(early - 1), at(late + 1))).await, all);
}

fn now_secs() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_links_as_they_stood() {
    let town = Town::new().await;
    let a = town.of("a");
    state(&a, link("a/BOX contains b/PART")).await.unwrap();
    let stated = seconds_from_now(0);
    let began = now_secs();
    wait_until("the next seconds", async || now_secs() > began + 1).await;
    let withdraw = v1::WithdrawLinkRequest {
        name: Some(name("a/BOX contains b/PART")),
        ..v1::WithdrawLinkRequest::default()
    };
    a.links().withdraw_link(withdraw).await.unwrap();
    assert_eq!(found(&a, up("a/BOX")).await, ["a/BOX"]);
    let as_of = |time| TraceRequest {
        as_of: Some(time),
        ..up("a/BOX")
    };
    let then = trace(&a, as_of(stated)).await.unwrap();
    assert_eq!(shown(&then.rows), ["a/BOX", "b/PART"]);
    assert_eq!(then.terms[0].state(), State::Withdrawn);
    assert_eq!(found(&a, as_of(seconds_from_now(-3600))).await, ["a/BOX"]);
    assert_eq!(found(&a, as_of(seconds_from_now(60))).await, ["a/BOX"]);
}

/// A lot in thousands of parts, each in a box of ten.
pub(super) async fn fan_out(town: &Town, count: usize) {
    let (b, a) = (town.of("b"), town.of("a"));
    let parts = (0..count).map(|part| link(&format!("b/P{part:05} made_from c/LOT")));
    let boxes = (0..count).map(|part| {
        let text = format!("a/BOX{:04} contains b/P{part:05}", part / 10);
        link(&text)
    });
    for (clients, links) in [(b, parts.collect::<Vec<_>>()), (a, boxes.collect())] {
        let messages: Vec<_> = links
            .chunks(2000)
            .map(|links| v1::ImportLinksRequest {
                links: links.to_vec(),
                ..v1::ImportLinksRequest::default()
            })
            .collect();
        let stream = tokio_stream::iter(messages);
        let answers = clients.links().import_links(stream).await;
        let mut answers = answers.unwrap().into_inner();
        while let Some(answer) = answers.message().await.unwrap() {
            assert!(answer.rejections.is_empty(), "{:?}", answer.rejections[0]);
        }
    }
}

async fn pages(clients: &Clients, request: &TraceRequest, size: i32) -> Vec<v1::TraceRow> {
    let (mut rows, mut page_token) = (Vec::new(), String::new());
    loop {
        let page = TraceRequest {
            page_size: size,
            page_token,
            ..request.clone()
        };
        let page = trace(clients, page).await.unwrap();
        let summary = page.summary.unwrap();
        assert!(page.rows.len() <= usize::try_from(size).unwrap());
        // An answer explains itself.
        let told: BTreeSet<u32> = page.terms.iter().map(|terms| terms.number).collect();
        let used = page
            .rows
            .iter()
            .map(|row| row.terms)
            .filter(|terms| *terms > 0);
        assert_eq!(told, used.collect());
        rows.extend(page.rows);
        if summary.next_page_token.is_empty() {
            assert_eq!(summary.truncated(), TraceLimit::Unspecified);
            return rows;
        }
        assert_eq!(summary.truncated(), TraceLimit::Rows);
        page_token = summary.next_page_token;
    }
}

pub(super) async fn streamed(clients: &Clients, request: TraceRequest) -> Vec<v1::TraceResponse> {
    let stream = clients.links().stream_trace(request).await;
    let mut stream = stream.unwrap().into_inner();
    let mut parts = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        parts.push(part);
    }
    parts
}

/// How many answers that were kept were told, by other nodes of this process too.
pub(super) async fn kept_hits(node: &TestNode) -> u64 {
    let metrics = metrics(node.http).await;
    let hits = |line: &str| {
        line.strip_prefix("idnode_trace_kept_hits_total ")?
            .parse()
            .ok()
    };
    metrics.lines().find_map(hits).unwrap_or(0)
}

/// Waits until the graph is in memory.
pub(super) async fn in_memory(node: &TestNode) {
    let is_there = async || {
        let check = v1::CheckLinksRequest { counts_only: true };
        let check = node.clients().links().check_links(check).await;
        check.unwrap().into_inner().in_memory
    };
    wait_until("the graph", is_there).await;
}

/// An answer that was kept is the one that was found, whether it goes out as it is or
/// packed, in one message or as a stream.
#[tokio::test(flavor = "multi_thread")]
async fn kept_answers_are_as_they_were_found() {
    let town = Town::new().await;
    state_all(&town, &GRAPH).await;
    let nobody = town.node.anonymous();
    let kept = async || kept_hits(&town.node).await;
    in_memory(&town.node).await;
    for request in [up("a/BOX"), down("c/LOT")] {
        let found = trace(&nobody, request.clone()).await.unwrap();
        assert!(found.rows.len() > 3);
        let alone = std::slice::from_ref(&found);
        // The second time asked it is kept. A stream that is walked may come in parts.
        assert_eq!(trace(&nobody, request.clone()).await.unwrap(), found);
        let before = kept().await;
        assert_eq!(trace(&nobody, request.clone()).await.unwrap(), found);
        assert_eq!(streamed(&nobody, request.clone()).await, alone);
        for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
            let mut packed = nobody.links().accept_compressed(encoding);
            let answer = packed.trace(request.clone()).await.unwrap();
            assert!(answer.metadata().contains_key("grpc-encoding"));
            assert_eq!(answer.into_inner(), found);
            let stream = packed.stream_trace(request.clone()).await.unwrap();
            let mut stream = stream.into_inner();
            assert_eq!(stream.message().await.unwrap(), Some(found.clone()));
            assert_eq!(stream.message().await.unwrap(), None);
        }
        // Other nodes of this process count too.
        assert!(kept().await - before >= 6);
    }
}

async fn pages_and_streams_agree(town: &Town) {
    let nobody = town.node.anonymous();
    let request = down("c/LOT");
    let whole = TraceRequest {
        page_size: 10_000,
        ..request.clone()
    };
    let whole = trace(&nobody, whole).await.unwrap();
    assert_eq!(whole.rows.len(), 1 + 3_000 + 300);
    let names: BTreeSet<_> = whole.rows.iter().map(|row| &row.identifier).collect();
    assert_eq!(names.len(), whole.rows.len());
    // A thousand, if no number is named.
    let default = trace(&nobody, request.clone()).await.unwrap();
    assert_eq!(default.rows, whole.rows[..1000]);
    assert_eq!(pages(&nobody, &request, 700).await, whole.rows);
    let parts = streamed(&nobody, request.clone()).await;
    // The first leaves at once, with what is there, and only the last is summed up.
    assert!(!parts[0].rows.is_empty() && whole.rows.starts_with(&parts[0].rows));
    let (last, before) = parts.split_last().unwrap();
    assert!(before.iter().all(|part| part.summary.is_none()));
    let rows: Vec<_> = parts.iter().flat_map(|part| part.rows.clone()).collect();
    assert_eq!(rows, whole.rows);
    let terms: Vec<_> = parts.iter().flat_map(|part| part.terms.clone()).collect();
    assert_eq!(terms, whole.terms);
    assert_eq!(last.summary, whole.summary);
    // A stream of so many rows can be gone on with.
    let few = TraceRequest {
        page_size: 1500,
        ..request.clone()
    };
    let parts = streamed(&nobody, few.clone()).await;
    let rows: Vec<_> = parts.iter().flat_map(|part| part.rows.clone()).collect();
    assert_eq!(rows, whole.rows[..1500]);
    let summary = parts.last().and_then(|part| part.summary.clone()).unwrap();
    assert_eq!(summary.truncated(), TraceLimit::Rows);
    let rest = TraceRequest {
        page_token: summary.next_page_token.clone(),
        page_size: 0,
        ..request.clone()
    };
    let parts = streamed(&nobody, rest).await;
    let rows: Vec<_> = parts.iter().flat_map(|part| part.rows.clone()).collect();
    assert_eq!(rows, whole.rows[1500..]);
    // A token is for its own query and its own caller.
    let other = TraceRequest {
        page_token: summary.next_page_token.clone(),
        depth_max: 7,
        ..request.clone()
    };
    let refusal = (InvalidArgument, "PAGE_TOKEN_INVALID", "page_token");
    assert_refused(trace(&nobody, other).await, refusal);
    let others = TraceRequest {
        page_token: summary.next_page_token,
        ..request
    };
    assert_refused(trace(&town.of("a"), others).await, refusal);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_streams_are_the_same_rows_over_the_graph_in_memory() {
    let town = Town::new().await;
    fan_out(&town, 3_000).await;
    pages_and_streams_agree(&town).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_streams_are_the_same_rows_over_the_lists() {
    let town = Town::with(|config| config.trace.memory_bytes = 0).await;
    fan_out(&town, 3_000).await;
    pages_and_streams_agree(&town).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_long_identifiers_ends_early_and_loses_none() {
    let town = Town::new().await;
    let part = |number: usize| link(&format!("b/{number:02000} made_from c/LOT"));
    for chunk in 0..4 {
        let message = v1::ImportLinksRequest {
            links: (chunk * 500..chunk * 500 + 500).map(part).collect(),
            ..v1::ImportLinksRequest::default()
        };
        let stream = tokio_stream::iter([message]);
        let answers = town.of("b").links().import_links(stream).await;
        let mut answers = answers.unwrap().into_inner();
        while let Some(answer) = answers.message().await.unwrap() {
            assert_eq!(answer.created_count, 500);
        }
    }
    let nobody = town.node.anonymous();
    let request = TraceRequest {
        page_size: 10_000,
        ..down("c/LOT")
    };
    let first = trace(&nobody, request.clone()).await.unwrap();
    assert!((1_000..2_000).contains(&first.rows.len()));
    let rows = pages(&nobody, &request, 10_000).await;
    assert_eq!(rows.len(), 2_001);
    let parts = streamed(&nobody, request).await;
    let streamed: Vec<_> = parts.into_iter().flat_map(|part| part.rows).collect();
    assert_eq!(streamed, rows);
    // Differences end early too, and tell how many there are.
    let difference = v1::CompareTracesRequest {
        first: Some(down("c/LOT")),
        second: Some(down("c/OTHER")),
    };
    let difference = nobody.links().compare_traces(difference).await.unwrap();
    let difference = difference.into_inner();
    assert_eq!(difference.only_first_count, 2_001);
    assert!((500..2_000).contains(&difference.only_first.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_as_a_request_for_each_hundred_rows() {
    let town = Town::with(|config| {
        config.limits.source_requests_per_sec = 1;
        config.limits.source_requests_burst = 30;
        config.limits.exempt_networks = Vec::new();
    })
    .await;
    fan_out(&town, 2_000).await;
    let nobody = town.node.anonymous();
    let request = TraceRequest {
        page_size: 10_000,
        ..down("c/LOT")
    };
    // 23 of 30, then what came back in the meantime.
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(trace(&nobody, request.clone()).await);
    }
    assert_eq!(answers[0].as_ref().unwrap().rows.len(), 1 + 2_000 + 200);
    let refused = answers.into_iter().find_map(Result::err).expect("too many");
    assert_eq!(reason(&refused), "RATE_LIMITED");
}

#[tokio::test(flavor = "multi_thread")]
async fn says_which_field_is_wrong() {
    let town = Town::new().await;
    let nobody = town.node.anonymous();
    let check = async |change: fn(&mut TraceRequest), reason: &str, field: &str| {
        let mut request = up("a/BOX");
        change(&mut request);
        let refusal = (InvalidArgument, reason, field);
        assert_refused(trace(&nobody, request.clone()).await, refusal);
        let stream = nobody.links().stream_trace(request.clone()).await;
        assert_refused(stream, refusal);
        // The same within another request; its pages are not read.
        if !field.starts_with("page") {
            let group = v1::GroupTraceRequest {
                trace: Some(request),
                ..v1::GroupTraceRequest::default()
            };
            let field = format!("trace.{field}");
            let refusal = (InvalidArgument, reason, field.as_str());
            assert_refused(nobody.links().group_trace(group).await, refusal);
        }
    };
    check(|ask| ask.start.clear(), "IDENTIFIER_EMPTY", "start").await;
    check(|ask| ask.start = "x".into(), "IDENTIFIER_SYNTAX", "start").await;
    check(|ask| ask.direction = 0, "FIELD_REQUIRED", "direction").await;
    check(|ask| ask.direction = 9, "FIELD_INVALID", "direction").await;
    let kind = |ask: &mut TraceRequest| ask.kinds = vec!["contains".into(), "x".into()];
    check(kind, "FIELD_INVALID", "kinds[1]").await;
    let many = |ask: &mut TraceRequest| ask.kinds = vec!["contains".into(); 65];
    check(many, "FIELD_INVALID", "kinds").await;
    check(|ask| ask.depth_max = -1, "FIELD_INVALID", "depth_max").await;
    check(|ask| ask.depth_max = 1001, "FIELD_INVALID", "depth_max").await;
    check(|ask| ask.page_size = -1, "PAGE_SIZE_INVALID", "page_size").await;
    let token = |ask: &mut TraceRequest| ask.page_token = "x".into();
    check(token, "PAGE_TOKEN_INVALID", "page_token").await;
    let early = |ask: &mut TraceRequest| ask.as_of = Some(at(-1));
    check(early, "FIELD_INVALID", "as_of").await;
    let backwards = |ask: &mut TraceRequest| {
        (ask.valid_from, ask.valid_until) = (Some(at(7)), Some(at(7)));
    };
    check(backwards, "FIELD_INVALID", "valid_until").await;
}

fn at(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn buf_traces_too() {
    let Some(buf) = tool("buf") else { return };
    let town = Town::new().await;
    state_all(&town, &GRAPH).await;
    let url = format!("http://{}/idnode.v1.Links/Trace", town.node.http);
    let body = format!(
        r#"{{"start": "{}", "direction": "TRACE_DIRECTION_DOWN"}}"#,
        id("c/ORE")
    );
    let mut command = Command::new(buf);
    command
        .args(["curl", "--protocol", "grpc", "--http2-prior-knowledge"])
        .args(["--data", &body, &url]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let traced: serde_json::Value = serde_json::from_str(&text).expect(&text);
    let rows = traced["rows"].as_array().unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| short(row["identifier"].as_str().unwrap()))
        .collect();
    let expected = [
        "c/ORE", "c/LOT", "b/PART1", "b/PART2", "b/OTHER", "a/BOX", "a/PALLET",
    ];
    assert_eq!(names, expected);
    assert_eq!(traced["summary"]["depth"], 4);
}
