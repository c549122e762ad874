//! Asks a node the questions of a set, one after the other over one connection.

use std::fmt::Write;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use aws_lc_rs::digest;
use data_encoding::HEXLOWER;
use serde::Serialize;
use tonic::Status;
use tonic::transport::Channel;

use crate::bench::call::Caller;
use crate::bench::chain::{DAY_SECS, FIRST_DAY_SECS, QuerySet, WINDOW_DAY, file, micros, rows};
use crate::bench::clock;
use crate::bench::error::Error;
use crate::bench::histogram::Tally;
use crate::bench::process::Watch;
use crate::bench::report::{Report, float};
use crate::bench::target::{Target, links};
use crate::demo::ChainGraph;
use crate::wire::proto::v1;
use crate::wire::proto::v1::links_client::LinksClient;

/// The method of traces as streams.
const STREAM_TRACE: &str = "/idnode.v1.Links/StreamTrace";
/// Groups of one answer.
const GROUPS: i32 = 10_000;

/// What to ask.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Nodes of the graph.
    pub nodes: u32,
    /// Which questions.
    pub set: QuerySet,
    /// Where to write a line for each start: the start, how many nodes there are,
    /// and the SHA-256 of their numbers.
    pub digests: Option<PathBuf>,
    /// Processes of the server, to be watched.
    pub pids: Vec<u32>,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct TraceReport {
    /// Latencies until the last row is there, and the server's cost.
    #[serde(flatten)]
    pub report: Report,
    /// Rows of the answers at the median.
    pub rows_p50: u64,
    /// Rows of the largest answer.
    pub rows_max: u64,
    /// Microseconds until the first rows are there, at the median.
    pub first_p50_us: f64,
    /// Microseconds until the first rows are there, of the slowest.
    pub first_max_us: f64,
}

/// What one answer held.
#[derive(Default)]
struct Answer {
    nodes: Vec<u32>,
    /// Lines of groups, ready for the digest.
    groups: Vec<String>,
    first: Duration,
}

/// Asks every question of a set.
///
/// # Errors
/// [`Error::Refused`], [`Error::File`], [`Error::Process`].
pub async fn trace_chain(target: &Target, asked: &Asked) -> Result<TraceReport, Error> {
    let graph = ChainGraph::new(asked.nodes);
    let Some(channel) = target.channels().first() else {
        return Err(Error::NoQuestions);
    };
    let mut client = Client {
        links: links(channel),
        calls: Caller::connect(target).await?,
    };
    let mut out = match &asked.digests {
        Some(path) => {
            let created = std::fs::File::create(path).map_err(file(path.clone()))?;
            Some((BufWriter::new(created), path))
        }
        None => None,
    };
    let watch = Watch::new(&asked.pids);
    let before = watch.used()?;
    let mut tally = Tally::new();
    let mut firsts = Vec::new();
    let mut sizes = Vec::new();
    let mut asking = Duration::ZERO;
    for start in asked.set.nodes(&graph) {
        let began = clock::now();
        let answer = ask(
            &mut client,
            target,
            asked.set,
            request(&graph, asked.set, start),
        )
        .await?;
        let took = clock::now().saturating_duration_since(began);
        asking += took;
        tally.took(took);
        tally.answered += 1;
        firsts.push(answer.first);
        sizes.push(u64::try_from(answer.nodes.len().max(answer.groups.len())).unwrap_or(u64::MAX));
        if let Some((out, path)) = &mut out {
            let line = digest_line(start, answer);
            writeln!(out, "{line}").map_err(file(path.clone()))?;
        }
    }
    let used = before.zip(watch.used()?);
    if let Some((mut out, path)) = out {
        out.flush().map_err(file(path.clone()))?;
    }
    firsts.sort_unstable();
    sizes.sort_unstable();
    let middle = sizes.len() / 2;
    Ok(TraceReport {
        report: Report::new(format!("trace {}", asked.set.name()), &tally, asking, used),
        rows_p50: sizes.get(middle).copied().unwrap_or_default(),
        rows_max: sizes.last().copied().unwrap_or_default(),
        first_p50_us: firsts.get(middle).copied().map_or(0.0, micros),
        first_max_us: firsts.last().copied().map_or(0.0, micros),
    })
}

fn request(graph: &ChainGraph, set: QuerySet, start: u32) -> v1::TraceRequest {
    let (prefix, suffix) = graph.identifier(start);
    let until = FIRST_DAY_SECS + i64::from(WINDOW_DAY) * DAY_SECS;
    let direction = match set.is_up() {
        true => v1::TraceDirection::Up,
        false => v1::TraceDirection::Down,
    };
    v1::TraceRequest {
        start: format!("{prefix}/{suffix}"),
        direction: direction.into(),
        as_columns: true,
        valid_until: (set == QuerySet::LotsWindow).then_some(prost_types::Timestamp {
            seconds: until,
            nanos: 0,
        }),
        ..v1::TraceRequest::default()
    }
}

async fn ask(
    client: &mut Client,
    target: &Target,
    set: QuerySet,
    request: v1::TraceRequest,
) -> Result<Answer, Error> {
    match set {
        QuerySet::LotsGrouped => ask_groups(client, target, request).await,
        _ => ask_stream(client, request).await,
    }
}

/// Connections to the node.
struct Client {
    links: LinksClient<Channel>,
    /// For answers that are read in place.
    calls: Caller,
}

/// Asks for all of it, in one message or as it is found.
async fn ask_stream(client: &mut Client, mut request: v1::TraceRequest) -> Result<Answer, Error> {
    let mut answer = Answer::default();
    let began = clock::now();
    loop {
        let mut parts = client.calls.call(STREAM_TRACE, &request).await?;
        request.page_token.clear();
        while let Some(part) = parts.next().await? {
            if answer.nodes.is_empty() {
                answer.first = clock::now().saturating_duration_since(began);
            }
            let read = rows::read(&part, &mut answer.nodes);
            if let Some(summary) = read.ok_or_else(|| Status::internal("no columns of rows"))? {
                request.page_token = summary.next_page_token;
            }
        }
        // A stream has a million rows at most.
        if request.page_token.is_empty() {
            return Ok(answer);
        }
    }
}

async fn ask_groups(
    client: &mut Client,
    target: &Target,
    trace: v1::TraceRequest,
) -> Result<Answer, Error> {
    let began = clock::now();
    let grouped = client
        .links
        .group_trace(target.request(v1::GroupTraceRequest {
            trace: Some(trace),
            group_by: v1::group_trace_request::GroupBy::Prefix.into(),
            groups_max: GROUPS,
        }))
        .await?;
    let groups = grouped.into_inner().groups;
    Ok(Answer {
        nodes: Vec::new(),
        groups: groups
            .iter()
            .map(|group| format!("{}={}", group.key, group.count))
            .collect(),
        first: clock::now().saturating_duration_since(began),
    })
}

/// `START COUNT SHA-256`, of the numbers or groups in ascending order with commas
/// between them.
fn digest_line(start: u32, answer: Answer) -> String {
    let Answer {
        mut nodes,
        mut groups,
        ..
    } = answer;
    let mut text = String::new();
    let count = nodes.len().max(groups.len());
    nodes.sort_unstable();
    for node in nodes {
        let comma = if text.is_empty() { "" } else { "," };
        let _never_fails = write!(text, "{comma}{node}");
    }
    if !groups.is_empty() {
        groups.sort_unstable();
        text = groups.join(",");
    }
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    format!("{start} {count} {}", HEXLOWER.encode(digest.as_ref()))
}

/// Used by what reports rates.
pub(super) fn per_second(count: u64, seconds: f64) -> f64 {
    float(count) / seconds.max(1e-9)
}
