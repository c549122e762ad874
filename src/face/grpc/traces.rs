//! Traces: a page, a stream, groups, paths, the difference of two.
//!
//! Each runs on a thread of its own, so many at once; what is refused is told before
//! one begins.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::face::grpc::convert::signed;
use crate::face::grpc::link_convert;
use crate::face::grpc::outgoing::{Answers, End, Outgoing};
use crate::face::grpc::records::ANSWER_BYTES;
use crate::face::grpc::shared::{Shared, TRACE_STREAMS_MAX, TRACES_MAX};
use crate::face::grpc::trace_convert::{Asked, Part, failures, limit, requests};
use crate::model::limits::{
    TRACE_GROUPS_MAX, TRACE_PAGE_ROWS_MAX, TRACE_PATHS_MAX, TRACE_ROWS_MAX,
};
use crate::model::{Caller, Reason, Refusal};
use crate::node::{
    Group, GroupBy, Grouped, Node, OnwardEnd, OnwardRow, TraceDifference, TraceEnd, TraceLimit,
    TraceRow,
};
use crate::wire::proto::v1::group_trace_request;
use crate::wire::proto::v1::{
    CompareTracesRequest, CompareTracesResponse, FindPathsRequest, FindPathsResponse,
    GroupTraceRequest, GroupTraceResponse, TraceRequest, TraceResponse, TraceSummary,
    find_paths_response, group_trace_response,
};

pub(super) use crate::face::grpc::trace_convert::{direction, direction_name, until};

/// Rows of an answer, if the client names no number.
const PAGE_ROWS: u32 = 1_000;
/// Rows of one part of a stream.
const PART_ROWS: usize = 1_000;
/// A part is sent after that time, however few rows it has.
const PART_AFTER: Duration = Duration::from_millis(20);
/// Groups that are told, if the client names no number.
const GROUPS: usize = 1_000;
/// Paths that are told, if the client names no number.
const PATHS: usize = 10;

/// The sizes of a trace that is looked at as a whole.
const WHOLE: (u32, u32) = (TRACE_ROWS_MAX, TRACE_ROWS_MAX);

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

/// Traces, and answers with a page of rows.
///
/// # Errors
/// The first field that breaks a rule; `Overloaded`, `RateLimited`.
pub(super) async fn trace(
    shared: &Arc<Shared>,
    caller: Caller,
    request: TraceRequest,
    deadline: Option<Instant>,
) -> Result<TraceResponse, Refusal> {
    let (until, _) = until(&shared.node, deadline);
    let mut asked = Asked::new(shared, request, (PAGE_ROWS, TRACE_PAGE_ROWS_MAX), until)?;
    asked.go_on(&caller)?;
    // A client that goes away ends the walk.
    let gone = CancellationToken::new();
    let _guard = gone.clone().drop_guard();
    bounded(shared, move |node| page(node, &caller, &asked, &gone)).await
}

fn page(
    node: &Node,
    caller: &Caller,
    asked: &Asked,
    gone: &CancellationToken,
) -> Result<TraceResponse, Refusal> {
    let mut part = Part::default();
    let mut give = |rows: Vec<TraceRow>| {
        for row in rows {
            if part.bytes >= ANSWER_BYTES || gone.is_cancelled() {
                return ControlFlow::Break(());
            }
            part.add(node, row);
        }
        ControlFlow::Continue(())
    };
    let mut end = node.trace(caller, &asked.query, &mut give)?;
    if part.row_count < end.row_count {
        // The page is full of bytes: it ends within what was given at once.
        end = TraceEnd {
            is_depth_cut: false,
            truncated: Some(TraceLimit::Rows),
            next: asked.query.skip.saturating_add(part.row_count),
            ..end
        };
    }
    node.admit_items(caller, requests(part.row_count.into()))?;
    part.message.summary = Some(part.summary(&end, asked.token(caller, &end)));
    Ok(part.message)
}

/// Begins to trace and returns the parts.
///
/// # Errors
/// As [`trace`].
pub(super) fn stream(
    shared: &Arc<Shared>,
    caller: Caller,
    request: TraceRequest,
    deadline: Option<Instant>,
) -> Result<Answers<TraceResponse>, Refusal> {
    let (until, _) = until(&shared.node, deadline);
    let mut asked = Asked::new(shared, request, WHOLE, until)?;
    asked.go_on(&caller)?;
    let permit = Arc::clone(&shared.trace_streams)
        .try_acquire_owned()
        .map_err(|_| Refusal::new(Reason::Overloaded).limit(TRACE_STREAMS_MAX))?;
    let (outgoing, answers) = Outgoing::new(shared, caller, deadline);
    let mut giving = Giving {
        node: shared.node.clone(),
        outgoing,
        part: Part::default(),
        counted: 1,
        sent: None,
    };
    shared.tracker.spawn_blocking(move || {
        let _permit = permit;
        let ended = giving.run(&asked);
        giving.outgoing.end(ended);
    });
    Ok(answers)
}

/// A trace whose rows are given as they are found.
struct Giving {
    node: Node,
    outgoing: Outgoing<TraceResponse>,
    part: Part,
    /// Requests that the rows were counted as so far: the call itself was one.
    counted: usize,
    /// When the last part left.
    sent: Option<Instant>,
}

impl Giving {
    fn run(&mut self, asked: &Asked) -> Result<(), End> {
        let (node, caller) = (self.node.clone(), self.outgoing.caller().clone());
        let mut broken = None;
        let mut give = |rows| match self.take(rows) {
            Ok(()) => ControlFlow::Continue(()),
            Err(end) => {
                broken = Some(end);
                ControlFlow::Break(())
            }
        };
        let which = (&asked.query, &asked.onward);
        let traced = match asked.onward.hops_max > 0 || !asked.onward.via.is_empty() {
            true => node.trace_onward(&caller, which, &mut give),
            false => {
                let mut give = |rows: Vec<TraceRow>| give(rows.into_iter().map(own).collect());
                let ended = node.trace(&caller, &asked.query, &mut give);
                ended.map(|end| OnwardEnd {
                    end,
                    ..OnwardEnd::default()
                })
            }
        };
        if let Some(end) = broken {
            return Err(end);
        }
        let OnwardEnd {
            end,
            failures: failed,
            more_rows,
        } = traced.map_err(End::Refused)?;
        self.part.more_count += wide(more_rows.len());
        let mut summary = self.part.summary(&end, asked.token(&caller, &end));
        summary.failures = failures(failed);
        summary.more_rows = more_rows;
        self.part.message.summary = Some(summary);
        self.flush()
    }

    fn take(&mut self, rows: Vec<OnwardRow>) -> Result<(), End> {
        for row in rows {
            self.part.add_onward(&self.node, row);
            let is_full = self.part.message.rows.len() >= PART_ROWS;
            if is_full || self.part.bytes >= ANSWER_BYTES {
                self.flush()?;
            }
        }
        let is_due = self.sent.is_none_or(|sent| sent.elapsed() >= PART_AFTER);
        match is_due && !self.part.message.rows.is_empty() {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), End> {
        let counted = requests(self.part.row_count.into());
        let further = counted.saturating_sub(self.counted);
        self.outgoing
            .wait_until_allowed(further.saturating_add(1))?;
        self.counted = counted.max(self.counted);
        self.part.bytes = 0;
        let message = std::mem::take(&mut self.part.message);
        self.outgoing.send(message)?;
        self.sent = Some(Instant::now());
        Ok(())
    }
}

/// A row of this node.
const fn own(row: TraceRow) -> OnwardRow {
    OnwardRow {
        row,
        far: None,
        node: None,
    }
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
        let grouped = node.group_trace(&caller, &asked.query, by, groups_max)?;
        node.admit_items(&caller, requests(grouped.end.row_count.into()))?;
        Ok(group_message(grouped))
    };
    bounded(shared, work).await
}

fn group_message(grouped: Grouped) -> GroupTraceResponse {
    let Grouped {
        groups,
        group_count,
        more_count,
        end,
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
        bytes += prost::Message::encoded_len(group);
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
            failures: Vec::new(),
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
    let work = move |node: &Node| {
        let found = node.trace_paths(&caller, &asked.query, &to, paths_max)?;
        let (found, mut truncated) = found;
        let mut part = Part::default();
        let mut paths = Vec::new();
        let mut rows = 0_usize;
        for path in found {
            if part.bytes >= ANSWER_BYTES {
                truncated = Some(TraceLimit::Rows);
                break;
            }
            rows = rows.saturating_add(path.len());
            let bare = |row: TraceRow| TraceRow {
                parent: 0,
                more: false,
                ..row
            };
            let path = path.into_iter().map(|row| part.row(node, bare(row)));
            paths.push(find_paths_response::Path {
                rows: path.collect(),
            });
        }
        node.admit_items(&caller, requests(wide(rows)))?;
        Ok(FindPathsResponse {
            paths,
            terms: part.message.terms,
            truncated: limit(truncated).into(),
        })
    };
    bounded(shared, work).await
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
    let work = move |node: &Node| {
        let queries = [&first.query, &second.query];
        let difference = node.compare_traces(&caller, queries, TRACE_GROUPS_MAX)?;
        let TraceDifference {
            only_first,
            only_second,
            counts: [first_count, second_count],
            truncated: [first_limit, second_limit],
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
        })
    };
    bounded(shared, work).await
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
