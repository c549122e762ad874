//! Traces: requests to queries, and rows to messages.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::face::grpc::shared::Shared;
use crate::face::grpc::trace_part::{COLUMNS, ROWS};
use crate::face::grpc::{link_convert, name, page, status};
use crate::model::limits::{TRACE_DEPTH_MAX, TRACE_HOPS_MAX, TRACE_STARTS_MAX};
use crate::model::{Caller, Identifier, LinkKind, Reason, Refusal, Terms, Timestamp};
use crate::node::{Failure, Node, Onward, TraceDirection, TraceEnd, TraceLimit, TraceQuery};
use crate::wire::proto::v1;

/// Kinds that one request may name.
const KINDS_MAX: usize = 64;
/// Keys that one request may carry for other nodes.
const ONWARD_KEYS_MAX: usize = 64;
/// Bytes of a node's name among those that a trace came through.
const NODE_NAME_BYTES_MAX: usize = 64;
/// How long one trace may take.
const TRACE_TIME_MAX: Duration = Duration::from_secs(60);
/// Rows of a trace that count as one request of the caller's source.
const ROWS_PER_REQUEST: u64 = 100;

/// A request, and what tells it from others.
pub(super) struct Asked {
    /// What to trace; without rows to leave out.
    pub(super) query: TraceQuery,
    /// What must stay the same from page to page.
    same: String,
    page_token: String,
    /// How far it goes on at other nodes.
    pub(super) onward: Onward,
    /// Whether a trace that ended early can be taken up: not if other nodes have a part
    /// in it.
    has_pages: bool,
}

impl Asked {
    /// Reads a request. `sizes` are the rows that 0 stands for, and the most.
    ///
    /// # Errors
    /// The first field that breaks a rule.
    pub(super) fn new(
        shared: &Shared,
        request: v1::TraceRequest,
        (rows_default, rows_max): (u32, u32),
        until: Duration,
    ) -> Result<Self, Refusal> {
        let v1::TraceRequest {
            start,
            direction: way,
            kinds,
            depth_max,
            valid_from,
            valid_until,
            as_of,
            page_size,
            page_token,
            onward_hops_max,
            onward_keys,
            via,
            all_links,
            further_starts,
            as_columns,
        } = request;
        let rows = match u32::try_from(page_size) {
            Ok(0) => rows_default,
            Ok(size) => size.min(rows_max),
            Err(_) => {
                return Err(Refusal::new(Reason::PageSizeInvalid)
                    .field("page_size")
                    .value(page_size));
            }
        };
        let onward = onward_input(onward_hops_max, onward_keys, via)?;
        let goes_on = shared.node.goes_on(&onward);
        let query = TraceQuery {
            start: link_convert::identifier(&start, "start")?,
            further: further_input(&further_starts)?,
            direction: direction(way)?
                .ok_or_else(|| Refusal::new(Reason::FieldRequired).field("direction"))?,
            kinds: kinds_input(&kinds)?,
            depth_max: depth_input(depth_max)?,
            all_links,
            valid_from: link_convert::optional_moment(valid_from, "valid_from")?,
            valid_until: link_convert::optional_moment(valid_until, "valid_until")?,
            as_of: link_convert::optional_moment(as_of, "as_of")?,
            skip: 0,
            rows_max: rows,
            until,
            form: if as_columns && !goes_on {
                COLUMNS
            } else {
                ROWS
            },
        };
        if let (Some(from), Some(until)) = (query.valid_from, query.valid_until)
            && until <= from
        {
            return Err(Refusal::new(Reason::FieldInvalid)
                .field("valid_until")
                .value(until)
                .limit(format!("later than valid_from, {from}")));
        }
        Ok(Self {
            same: same(shared, &query),
            has_pages: query.further.is_empty() && !goes_on,
            query,
            page_token,
            onward,
        })
    }

    /// Takes up where the token ends.
    ///
    /// # Errors
    /// `PageTokenInvalid`.
    pub(super) fn go_on(&mut self, caller: &Caller) -> Result<(), Refusal> {
        if !self.has_pages && !self.page_token.is_empty() {
            return Err(Refusal::new(Reason::PageTokenInvalid).field("page_token"));
        }
        if let Some(key) = self.page(caller).after(&self.page_token)? {
            let refuse = |_| Refusal::new(Reason::PageTokenInvalid).field("page_token");
            let skip = <[u8; 4]>::try_from(key.as_slice()).map_err(refuse)?;
            self.query.skip = u32::from_be_bytes(skip);
        }
        Ok(())
    }

    /// The token of what follows a trace that ended so; empty if nothing does.
    pub(super) fn token(&self, caller: &Caller, end: &TraceEnd) -> String {
        match end.truncated {
            Some(_) if self.has_pages => self.page(caller).token(&end.next.to_be_bytes()),
            _ => String::new(),
        }
    }

    fn page<'a>(&'a self, caller: &'a Caller) -> page::Query<'a> {
        page::Query {
            method: "Trace",
            parent: &self.same,
            show_deleted: false,
            caller,
        }
    }
}

/// The time of [`Node::elapsed`] at which a trace ends, and how long that is from
/// now: a tenth of the call's time is left for what comes behind it.
pub(super) fn until(node: &Node, deadline: Option<Instant>) -> (Duration, Duration) {
    let left = deadline.map_or(TRACE_TIME_MAX, |deadline| {
        deadline.saturating_duration_since(Instant::now())
    });
    let time = TRACE_TIME_MAX.min(left - left / 10);
    (node.elapsed() + time, time)
}

/// Reads a direction; `None` if it is left open.
///
/// # Errors
/// `FieldInvalid` for a number that stands for nothing.
pub(super) fn direction(number: i32) -> Result<Option<TraceDirection>, Refusal> {
    match v1::TraceDirection::try_from(number) {
        Ok(v1::TraceDirection::Unspecified) => Ok(None),
        Ok(v1::TraceDirection::Up) => Ok(Some(TraceDirection::Up)),
        Ok(v1::TraceDirection::Down) => Ok(Some(TraceDirection::Down)),
        Err(_) => Err(link_convert::no_such(
            "direction",
            number,
            "a TraceDirection",
        )),
    }
}

/// The name of a direction.
pub(super) fn direction_name(direction: TraceDirection) -> &'static str {
    match direction {
        TraceDirection::Up => "up",
        TraceDirection::Down => "down",
    }
}

fn kinds_input(kinds: &[String]) -> Result<Vec<LinkKind>, Refusal> {
    if kinds.len() > KINDS_MAX {
        return Err(Refusal::new(Reason::FieldInvalid)
            .field("kinds")
            .value(kinds.len())
            .limit(format!("at most {KINDS_MAX}")));
    }
    let kind = |(at, text): (usize, &String)| {
        LinkKind::parse(text).map_err(|refusal| refusal.field(format!("kinds[{at}]")))
    };
    let kinds: Result<Vec<_>, _> = kinds.iter().enumerate().map(kind).collect();
    let mut kinds = kinds?;
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

fn further_input(starts: &[String]) -> Result<Vec<Identifier>, Refusal> {
    let further_max = TRACE_STARTS_MAX - 1;
    if starts.len() > further_max {
        return Err(Refusal::new(Reason::FieldInvalid)
            .field("further_starts")
            .value(starts.len())
            .limit(format!("at most {further_max}")));
    }
    let start = |(at, text): (usize, &String)| {
        link_convert::identifier(text, "further_starts")
            .map_err(|refusal| refusal.field(format!("further_starts[{at}]")))
    };
    starts.iter().enumerate().map(start).collect()
}

fn onward_input(
    hops_max: i32,
    keys: HashMap<String, String>,
    via: Vec<String>,
) -> Result<Onward, Refusal> {
    let invalid = |field: &'static str, value: String, limit: String| {
        let refusal = Refusal::new(Reason::FieldInvalid).field(field);
        Err(refusal.value(value).limit(limit))
    };
    let read = u16::try_from(hops_max).ok();
    let Some(hops_max) = read.filter(|hops| *hops <= TRACE_HOPS_MAX) else {
        let limit = format!("0 to {TRACE_HOPS_MAX}");
        return invalid("onward_hops_max", hops_max.to_string(), limit);
    };
    if keys.len() > ONWARD_KEYS_MAX {
        let limit = format!("at most {ONWARD_KEYS_MAX}");
        return invalid("onward_keys", keys.len().to_string(), limit);
    }
    let via_max = usize::from(TRACE_HOPS_MAX);
    if via.len() > via_max || via.iter().any(|name| name.len() > NODE_NAME_BYTES_MAX) {
        let limit = format!("at most {via_max} of {NODE_NAME_BYTES_MAX} bytes");
        return invalid("via", via.len().to_string(), limit);
    }
    Ok(Onward {
        hops_max,
        via,
        keys: keys.into_iter().collect(),
    })
}

fn depth_input(depth: i32) -> Result<u16, Refusal> {
    let read = u16::try_from(depth).ok();
    read.filter(|depth| *depth <= TRACE_DEPTH_MAX)
        .ok_or_else(|| {
            Refusal::new(Reason::FieldInvalid)
                .field("depth_max")
                .value(depth)
                .limit(format!("0 to {TRACE_DEPTH_MAX}"))
        })
}

fn same(shared: &Shared, query: &TraceQuery) -> String {
    let kinds: Vec<&str> = query.kinds.iter().map(LinkKind::as_str).collect();
    let time = |time: Option<Timestamp>| time.map(Timestamp::millis);
    format!(
        "{} {} {} {} {:?} {:?} {:?} {}",
        direction_name(query.direction),
        kinds.join(","),
        query.depth_max,
        query.all_links,
        time(query.valid_from),
        time(query.valid_until),
        time(query.as_of),
        shared.canonical(&query.start),
    )
}

/// Terms of links, as a message.
pub(super) fn terms_message(number: u32, terms: &Terms) -> v1::TraceTerms {
    let Terms {
        kind,
        state,
        owner,
        visibility: _,
        behind: _,
    } = terms;
    v1::TraceTerms {
        number: number.saturating_add(1),
        kind: kind.to_string(),
        state: link_convert::state_message(*state).into(),
        owner: owner.as_ref().map(name::of_firm).unwrap_or_default(),
    }
}

/// Branches that could not be followed, as messages.
pub(super) fn failures(failures: Vec<Failure>) -> Vec<v1::TraceFailure> {
    let message = |failure: Failure| v1::TraceFailure {
        row: failure.row.into(),
        further_rows: failure.further_rows,
        identifier: failure.identifier,
        node: failure.node,
        error: Some(status::item_error(&failure.refusal)),
    };
    failures.into_iter().map(message).collect()
}

/// Why a trace ended early, as a message.
pub(super) fn limit(limit: Option<TraceLimit>) -> v1::TraceLimit {
    match limit {
        None => v1::TraceLimit::Unspecified,
        // Whoever takes the rows takes as many as an answer holds.
        Some(TraceLimit::Rows | TraceLimit::Taker) => v1::TraceLimit::Rows,
        Some(TraceLimit::Hops) => v1::TraceLimit::Links,
        Some(TraceLimit::Time) => v1::TraceLimit::Time,
    }
}

/// As how many requests `rows` rows count.
pub(super) fn requests(rows: u64) -> usize {
    usize::try_from(rows.div_ceil(ROWS_PER_REQUEST)).unwrap_or(usize::MAX)
}
