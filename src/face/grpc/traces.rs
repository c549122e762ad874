//! Traces: a page, groups, paths, the difference of two.
//!
//! Each runs on a thread of its own, so many at once, unless it is done in a moment;
//! what is refused is told before one begins.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Response;

use crate::face::grpc::convert::signed;
use crate::face::grpc::link_convert;
use crate::face::grpc::ready;
use crate::face::grpc::records::ANSWER_BYTES;
use crate::face::grpc::shared::{Shared, TRACES_MAX};
use crate::face::grpc::trace_convert::{Asked, failures, limit, requests, terms_message};
use crate::face::grpc::trace_part::{FarNumbers, Page, Part, Told};
use crate::model::limits::{
    TRACE_GROUPS_MAX, TRACE_PAGE_ROWS_MAX, TRACE_PATHS_MAX, TRACE_ROWS_MAX,
};
use crate::model::{Caller, Reason, Refusal};
use crate::node::{
    Found, FoundPaths, Group, GroupBy, Grouped, KeptTrace, Node, OnwardRow, TraceDifference,
    TraceEnd, TraceLimit, TracePath, TraceProgress, TraceTaker, Tracing,
};
use crate::wire::proto::v1::group_trace_request;
use crate::wire::proto::v1::{
    CompareTracesRequest, CompareTracesResponse, FindPathsRequest, FindPathsResponse,
    GroupTraceRequest, GroupTraceResponse, TraceRequest, TraceResponse, TraceSummary,
    find_paths_response, group_trace_response,
};
use crate::wire::proto::{Encoded, v1};

pub(super) use crate::face::grpc::trace_convert::{direction, direction_name, until};

/// Rows of an answer, if the client names no number.
const PAGE_ROWS: u32 = 1_000;
/// Groups that are told, if the client names no number.
const GROUPS: usize = 1_000;
/// Paths that are told, if the client names no number.
const PATHS: usize = 10;
/// What takes no longer over the graph in memory is done where the call is read: to
/// wake a thread, and be woken by it, costs about as much.
const AT_ONCE: Duration = Duration::from_micros(300);

/// The sizes of a trace that is looked at as a whole.
pub(super) const WHOLE: (u32, u32) = (TRACE_ROWS_MAX, TRACE_ROWS_MAX);

/// Does `work` on a thread that may block, if not too many are in work.
///
/// # Errors
/// `Overloaded`; those of `work`.
pub(super) async fn bounded<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce(&Node) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let permit = Arc::clone(&shared.traces)
        .try_acquire_owned()
        .map_err(|_| Refusal::new(Reason::Overloaded).limit(TRACES_MAX))?;
    let bound = move |node: &Node| {
        let _permit = permit;
        work(node)
    };
    shared.blocking(bound).await?
}

/// Does `work` as [`bounded`], and ends after a round number of milliseconds since `began`: what
/// it looked at in vain is not to be told from the time.
async fn quietly<T: Send + 'static>(
    shared: &Shared,
    began: Duration,
    work: impl FnOnce(&Node) -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    let done = bounded(shared, work).await;
    rest(shared.node.quiet_since(began)).await;
    done
}

/// Waits for `time`, if it is any: a timer that is due at once goes off with the next
/// millisecond.
pub(super) async fn rest(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Begins a trace where the call was read, for a moment. `None`: it needs a thread
/// for that.
pub(super) fn begin(
    node: &Node,
    tracing: &mut Tracing,
    taker: &mut dyn TraceTaker,
) -> Result<Option<TraceProgress>, Refusal> {
    match tracing.is_in_memory() {
        true => tracing.go(node.elapsed() + AT_ONCE, taker).map(Some),
        false => Ok(None),
    }
}

/// Traces, and answers with a page of rows. An answer that was kept goes out as it is,
/// if the client takes it so.
///
/// # Errors
/// The first field that breaks a rule; `Overloaded`, `RateLimited`.
pub(super) async fn trace(
    shared: &Arc<Shared>,
    caller: Caller,
    request: TraceRequest,
    (deadline, as_is): (Option<Instant>, bool),
) -> Result<Response<Encoded<TraceResponse>>, Refusal> {
    let (until, _) = until(&shared.node, deadline);
    let request = TraceRequest {
        further_starts: Vec::new(),
        // A page is of this node alone.
        onward_hops_max: 0,
        via: Vec::new(),
        ..request
    };
    let mut asked = Asked::new(shared, request, (PAGE_ROWS, TRACE_PAGE_ROWS_MAX), until)?;
    asked.go_on(&caller)?;
    // A client that goes away ends the walk.
    let gone = CancellationToken::new();
    let _guard = gone.clone().drop_guard();
    let mut tracing = match shared.node.find_trace(&caller, &asked.query)? {
        Found::Kept(kept) => {
            let count = requests(kept.row_count.into());
            shared.node.admit_items(&caller, count)?;
            shared.metrics.traced(true);
            return Ok(match as_is {
                true => ready::response(Encoded::new(Bytes::new()), kept.octets.clone()),
                false => Response::new(kept_message(&kept)),
            });
        }
        Found::New(tracing) => tracing,
    };
    shared.metrics.traced(false);
    let mut page = Page::new(&shared.node, asked.query.form, gone);
    let progress = begin(&shared.node, &mut tracing, &mut page)?;
    let is_done = |progress: &TraceProgress| !progress.rests || page.part.is_full();
    let progress = match progress.filter(is_done) {
        Some(progress) => progress,
        None => {
            let work = move |_: &Node| {
                let progress = tracing.go(until, &mut page)?;
                Ok(((tracing, page), progress))
            };
            let (went_on, progress) = bounded(shared, work).await?;
            (tracing, page) = went_on;
            progress
        }
    };
    rest(progress.quiet).await;
    let mut part = page.part;
    let count = requests(part.row_count.into());
    shared.node.admit_items(&caller, count)?;
    let end = page_end(&asked, &part, progress.end);
    let summary = part.summary(&end, asked.token(&caller, &end));
    let message = part.end(&summary);
    tracing.keep(&end, (part.all_bytes(), || part.whole()));
    Ok(Response::new(message))
}

/// How a trace ends that has a part for its only page.
fn page_end(asked: &Asked, part: &Part, end: TraceEnd) -> TraceEnd {
    match part.row_count < end.row_count {
        false => end,
        // The page is full of bytes: it ends within what was given at once.
        true => TraceEnd {
            is_depth_cut: false,
            truncated: Some(TraceLimit::Rows),
            next: asked.query.skip.saturating_add(part.row_count),
            ..end
        },
    }
}

/// An answer that was kept, for a client that is to have it packed.
pub(super) fn kept_message(kept: &KeptTrace) -> Encoded<TraceResponse> {
    Encoded::new(ready::message(&kept.octets))
}

/// A request for a whole trace, within another.
fn whole(
    shared: &Shared,
    request: Option<TraceRequest>,
    field: &'static str,
    until: Duration,
) -> Result<Asked, Refusal> {
    let request = request.ok_or_else(|| Refusal::new(Reason::FieldRequired).field(field))?;
    let request = TraceRequest {
        page_size: 0,
        page_token: String::new(),
        all_links: false,
        further_starts: Vec::new(),
        ..request
    };
    Asked::new(shared, request, WHOLE, until).map_err(|refusal| refusal.within(field))
}

/// How many to tell: `default` for 0, at most `max`.
fn told_max(
    number: i32,
    field: &'static str,
    (default, max): (usize, usize),
) -> Result<usize, Refusal> {
    match usize::try_from(number) {
        Ok(0) => Ok(default),
        Ok(number) => Ok(number.min(max)),
        Err(_) => Err(Refusal::new(Reason::FieldInvalid)
            .field(field)
            .value(number)
            .limit("0 or more")),
    }
}

/// Traces, and counts for each prefix or package.
///
/// # Errors
/// As [`trace`].
pub(super) async fn group(
    shared: &Arc<Shared>,
    caller: Caller,
    request: GroupTraceRequest,
    deadline: Option<Instant>,
) -> Result<GroupTraceResponse, Refusal> {
    let GroupTraceRequest {
        trace,
        group_by,
        groups_max,
    } = request;
    let (until, _) = until(&shared.node, deadline);
    let asked = whole(shared, trace, "trace", until)?;
    let by = match group_trace_request::GroupBy::try_from(group_by) {
        Ok(group_trace_request::GroupBy::Unspecified | group_trace_request::GroupBy::Prefix) => {
            GroupBy::Prefix
        }
        Ok(group_trace_request::GroupBy::Package) => GroupBy::Package,
        Err(_) => return Err(link_convert::no_such("group_by", group_by, "a GroupBy")),
    };
    let groups_max = told_max(groups_max, "groups_max", (GROUPS, TRACE_GROUPS_MAX))?;
    let work = move |node: &Node| {
        let trace = (&asked.query, &asked.onward);
        let (grouped, quiet) = node.group_trace(&caller, trace, by, groups_max)?;
        node.admit_items(&caller, requests(grouped.end.row_count.into()))?;
        Ok((group_message(grouped), quiet))
    };
    let (message, quiet) = bounded(shared, work).await?;
    rest(quiet).await;
    Ok(message)
}

fn group_message(grouped: Grouped) -> GroupTraceResponse {
    let Grouped {
        groups,
        group_count,
        more_count,
        end,
        failures: failed,
    } = grouped;
    let mut bytes = 0;
    let group = |group: Group| {
        let Group {
            key,
            firm,
            count,
            depth,
        } = group;
        group_trace_response::Group {
            key,
            firm,
            count: signed(count),
            depth: depth.into(),
        }
    };
    let fits = |group: &group_trace_response::Group| {
        bytes += group.encoded_len();
        bytes <= ANSWER_BYTES
    };
    GroupTraceResponse {
        groups: groups.into_iter().map(group).take_while(fits).collect(),
        summary: Some(TraceSummary {
            row_count: end.row_count.into(),
            depth: end.depth.into(),
            more_count: signed(more_count),
            depth_cut: end.is_depth_cut,
            truncated: limit(end.truncated).into(),
            next_page_token: String::new(),
            failures: failures(failed),
            more_rows: Vec::new(),
        }),
        group_count: count(group_count),
    }
}

/// Finds the shortest paths to another identifier.
///
/// # Errors
/// As [`trace`].
pub(super) async fn paths(
    shared: &Arc<Shared>,
    caller: Caller,
    request: FindPathsRequest,
    deadline: Option<Instant>,
) -> Result<FindPathsResponse, Refusal> {
    let FindPathsRequest {
        trace,
        end,
        paths_max,
    } = request;
    let (until, _) = until(&shared.node, deadline);
    let asked = whole(shared, trace, "trace", until)?;
    let to = link_convert::identifier(&end, "end")?;
    let paths_max = told_max(paths_max, "paths_max", (PATHS, TRACE_PATHS_MAX))?;
    let began = shared.node.elapsed();
    let work = move |node: &Node| {
        let trace = (&asked.query, &asked.onward);
        let FoundPaths {
            paths,
            mut truncated,
            failures: failed,
        } = node.trace_paths(&caller, trace, &to, paths_max)?;
        let mut writing = Writing::new(node);
        let (mut rows, mut bytes) = (0_usize, 0);
        for path in paths {
            if bytes >= ANSWER_BYTES {
                truncated = Some(TraceLimit::Rows);
                break;
            }
            rows = rows.saturating_add(path.len());
            bytes += writing.path(path);
        }
        node.admit_items(&caller, requests(wide(rows)))?;
        let mut answer = writing.answer;
        answer.truncated = limit(truncated).into();
        answer.failures = failures(failed);
        Ok(answer)
    };
    quietly(shared, began, work).await
}

/// Writes paths, and the terms of their links once.
struct Writing<'a> {
    node: &'a Node,
    answer: FindPathsResponse,
    told: Told,
    far: FarNumbers,
}

impl<'a> Writing<'a> {
    fn new(node: &'a Node) -> Self {
        Self {
            node,
            answer: FindPathsResponse::default(),
            told: Told::default(),
            far: FarNumbers::default(),
        }
    }

    /// Writes a path; how many octets it takes.
    fn path(&mut self, path: TracePath) -> usize {
        let path = find_paths_response::Path {
            rows: path.into_iter().map(|row| self.row(row)).collect(),
        };
        let octets = path.encoded_len();
        self.answer.paths.push(path);
        octets
    }

    /// A row of a path, which has no parent.
    fn row(&mut self, row: OnwardRow) -> v1::TraceRow {
        let OnwardRow {
            row,
            of: _,
            far,
            node,
        } = row;
        let terms = match (far, row.terms) {
            (Some(far), _) => {
                let (number, new) = self.far.number(far);
                self.answer.terms.extend(new);
                number
            }
            (None, Some(number)) => {
                if self.told.is_new(number)
                    && let Some(terms) = self.node.link_terms(number)
                {
                    self.answer.terms.push(terms_message(number, &terms));
                }
                number.saturating_add(1)
            }
            (None, None) => 0,
        };
        v1::TraceRow {
            identifier: row.identifier.unwrap_or_default(),
            depth: row.depth.into(),
            terms,
            node: node.as_deref().unwrap_or_default().to_owned(),
            ..v1::TraceRow::default()
        }
    }
}

/// Compares two traces, each of which has half of the time.
///
/// # Errors
/// As [`trace`].
pub(super) async fn compare(
    shared: &Arc<Shared>,
    caller: Caller,
    request: CompareTracesRequest,
    deadline: Option<Instant>,
) -> Result<CompareTracesResponse, Refusal> {
    let CompareTracesRequest { first, second } = request;
    let (until, time) = until(&shared.node, deadline);
    let first = whole(shared, first, "first", until.saturating_sub(time / 2))?;
    let second = whole(shared, second, "second", until)?;
    let began = shared.node.elapsed();
    let work = move |node: &Node| {
        let traces = [&first, &second].map(|asked| (&asked.query, &asked.onward));
        let difference = node.compare_traces(&caller, traces, TRACE_GROUPS_MAX)?;
        let TraceDifference {
            only_first,
            only_second,
            counts: [first_count, second_count],
            truncated: [first_limit, second_limit],
            failures: [first_failures, second_failures],
        } = difference;
        let told = only_first.len() + only_second.len();
        node.admit_items(&caller, requests(wide(told)))?;
        Ok(CompareTracesResponse {
            only_first: fitting(only_first),
            only_second: fitting(only_second),
            only_first_count: count(first_count),
            only_second_count: count(second_count),
            first_truncated: limit(first_limit).into(),
            second_truncated: limit(second_limit).into(),
            first_failures: failures(first_failures),
            second_failures: failures(second_failures),
        })
    };
    quietly(shared, began, work).await
}

/// As many as fit into half of an answer.
fn fitting(mut identifiers: Vec<String>) -> Vec<String> {
    let mut bytes = 0;
    let fits = |identifier: &&String| {
        bytes += identifier.len();
        bytes <= ANSWER_BYTES / 2
    };
    let fitting = identifiers.iter().take_while(fits).count();
    identifiers.truncate(fitting);
    identifiers
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn count(number: usize) -> i64 {
    signed(wide(number))
}
