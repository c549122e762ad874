//! Other nodes: a trace that comes to one of their prefixes goes on there over gRPC,
//! as any client's would.

use std::collections::HashMap;
use std::fmt;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::model::limits::{TRACE_ROWS_MAX, TRACE_STARTS_MAX};
use crate::model::{FirmId, LinkKind, LinkState, Prefix, Reason, Refusal, Timestamp};
use crate::net::tls::{self, Connector, Trust};
use crate::node::{
    Failure, FarEnd, FarRow, FarTerms, OnwardAsk, OtherNodes, TraceDirection, TraceLimit,
    TraceQuery, TraceRow,
};
use crate::wire::proto::v1;
use crate::wire::proto::v1::links_client::LinksClient;

/// Bytes of one answer; a part of a stream is smaller.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Kinds of links, firms and states that one answer tells of together.
const TERMS_MAX: usize = 100_000;
/// Characters of what another node says of why it failed.
const WHY_CHARS_MAX: usize = 300;
/// How long to try to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Branches that another node may fail to follow, and is heard of.
const FAILURES_MAX: usize = 256;

/// Why other nodes cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The authorities cannot be read.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// A URL is none.
    #[error("{0:?} is no URL of a node")]
    Url(String),
}

/// Other nodes, each connected to when it is first asked.
pub struct Peers {
    peers: Vec<Peer>,
    runtime: Handle,
}

struct Peer {
    prefix: Prefix,
    name: Arc<str>,
    channel: Channel,
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.peers.iter().map(|peer| &peer.name);
        f.debug_list().entries(names).finish()
    }
}

impl Peers {
    /// Waits for `work` until then. Blocks.
    fn wait<T>(&self, until: Instant, work: impl Future<Output = T>) -> Option<T> {
        // A timer is made within a runtime.
        let bounded = async { timeout_at(until, work).await.ok() };
        self.runtime.block_on(bounded)
    }

    /// The nodes of `routes`, a prefix and a URL each. `ca_file` has the authorities
    /// that they are trusted by; the system's if it is empty. Within a runtime.
    ///
    /// # Errors
    /// [`Error`].
    pub fn new(routes: Vec<(Prefix, String)>, ca_file: &Path) -> Result<Self, Error> {
        let trust = match ca_file.as_os_str().is_empty() {
            true => Trust::System,
            false => Trust::File(ca_file.to_owned()),
        };
        let peer = |(prefix, url): (Prefix, String)| {
            let endpoint = Endpoint::from_shared(url.clone())
                .map_err(|_| Error::Url(url.clone()))?
                .connect_timeout(CONNECT_TIMEOUT)
                .tcp_nodelay(true);
            let channel = match url.starts_with("https://") {
                true => {
                    endpoint.connect_with_connector_lazy(Connector::new(&trust, None, &[b"h2"])?)
                }
                false => endpoint.connect_lazy(),
            };
            Ok(Peer {
                name: prefix.canonical().into(),
                prefix,
                channel,
            })
        };
        let peers: Result<_, Error> = routes.into_iter().map(peer).collect();
        Ok(Self {
            peers: peers?,
            runtime: Handle::current(),
        })
    }
}

impl OtherNodes for Peers {
    fn of(&self, prefix: &Prefix) -> Option<Arc<str>> {
        let mut asked = Some(prefix.clone());
        while let Some(prefix) = asked {
            let canonical = prefix.canonical();
            let has = |peer: &&Peer| peer.prefix.canonical() == canonical;
            if let Some(peer) = self.peers.iter().find(has) {
                return Some(Arc::clone(&peer.name));
            }
            asked = prefix.parent();
        }
        None
    }

    fn trace(
        &self,
        node: &str,
        ask: &OnwardAsk<'_>,
        give: &mut dyn FnMut(Vec<FarRow>) -> ControlFlow<()>,
    ) -> Result<FarEnd, Refusal> {
        let failed = |why: &str| {
            let refusal = Refusal::new(Reason::OtherNodeFailed);
            refusal.value(node).limit(why)
        };
        let peer = self.peers.iter().find(|peer| &*peer.name == node);
        let peer = peer.ok_or_else(|| failed("it is not in the settings"))?;
        let mut request = Request::new(message(ask));
        request.set_timeout(ask.time);
        if let Some(key) = ask.key {
            let header: Result<MetadataValue<Ascii>, _> = format!("Bearer {key}").parse();
            let header = header.map_err(|_| failed("the key is none"))?;
            request.metadata_mut().insert("authorization", header);
        }
        let client = LinksClient::new(peer.channel.clone());
        let mut client = client.max_decoding_message_size(ANSWER_BYTES_MAX);
        let told = |status: &Status| failed(&why(status));
        let until = Instant::now() + ask.time;
        let mut parts = self
            .wait(until, client.stream_trace(request))
            .ok_or_else(|| failed("its time is over"))?
            .map_err(|status| told(&status))?
            .into_inner();
        let mut terms = HashMap::new();
        loop {
            // Rows are given while nothing is waited for: whoever takes them may wait.
            let part = self
                .wait(until, parts.message())
                .ok_or_else(|| failed("its time is over"))?
                .map_err(|status| told(&status))?
                .ok_or_else(|| failed("its answer has no end"))?;
            terms.extend(part.terms.into_iter().filter_map(far_terms));
            if terms.len() > TERMS_MAX {
                return Err(failed("it tells of too many kinds and firms"));
            }
            let row = |row| far_row(row, &terms);
            let rows: Vec<_> = part.rows.into_iter().map(row).collect();
            if !rows.is_empty() && give(rows).is_break() {
                return Ok(FarEnd::default());
            }
            if let Some(summary) = part.summary {
                return Ok(end(summary));
            }
        }
    }
}

/// What a status says, without what the transport adds.
fn why(status: &Status) -> String {
    match status.message() {
        "" => status.code().to_string(),
        message => short(message.to_owned()),
    }
}

fn message(ask: &OnwardAsk<'_>) -> v1::TraceRequest {
    let TraceQuery {
        start,
        further,
        direction,
        kinds,
        depth_max,
        all_links,
        valid_from,
        valid_until,
        as_of,
        skip: _,
        rows_max,
        until: _,
        form: _,
    } = &ask.query;
    let direction = match direction {
        TraceDirection::Up => v1::TraceDirection::Up,
        TraceDirection::Down => v1::TraceDirection::Down,
    };
    v1::TraceRequest {
        start: start.to_string(),
        further_starts: further.iter().map(ToString::to_string).collect(),
        direction: direction.into(),
        kinds: kinds.iter().map(ToString::to_string).collect(),
        depth_max: i32::from(*depth_max),
        valid_from: valid_from.map(moment),
        valid_until: valid_until.map(moment),
        as_of: as_of.map(moment),
        page_size: i32::try_from(*rows_max).unwrap_or(i32::MAX),
        onward_hops_max: i32::from(ask.onward.hops_max),
        via: ask.onward.via.clone(),
        all_links: *all_links,
        ..v1::TraceRequest::default()
    }
}

fn moment(time: Timestamp) -> prost_types::Timestamp {
    let millis = time.millis();
    prost_types::Timestamp {
        seconds: i64::try_from(millis / 1000).unwrap_or(i64::MAX),
        nanos: i32::try_from(millis % 1000 * 1_000_000).unwrap_or_default(),
    }
}

/// Terms by their number; none of what no link has.
fn far_terms(terms: v1::TraceTerms) -> Option<(u32, Arc<FarTerms>)> {
    let state = state(terms.state());
    let v1::TraceTerms {
        number,
        kind,
        state: _,
        owner,
    } = terms;
    let is_firm = owner.is_empty()
        || owner
            .strip_prefix("firms/")
            .is_some_and(|id| FirmId::parse(id).is_ok());
    let is_known = number > 0 && is_firm && LinkKind::parse(&kind).is_ok();
    is_known.then(|| (number, Arc::new(FarTerms { kind, state, owner })))
}

fn far_row(row: v1::TraceRow, terms: &HashMap<u32, Arc<FarTerms>>) -> FarRow {
    let known = terms.get(&row.terms).cloned();
    FarRow {
        row: TraceRow {
            identifier: (!row.identifier.is_empty()).then_some(row.identifier),
            depth: u16::try_from(row.depth).unwrap_or(u16::MAX),
            parent: row.parent,
            terms: None,
            more: row.more,
            again: row.again,
            place: None,
        },
        terms: known,
    }
}

fn state(state: v1::link::State) -> Option<LinkState> {
    match state {
        v1::link::State::Unspecified => None,
        v1::link::State::Stated => Some(LinkState::Stated),
        v1::link::State::Confirmed => Some(LinkState::Confirmed),
        v1::link::State::Disputed => Some(LinkState::Disputed),
        v1::link::State::Withdrawn => Some(LinkState::Withdrawn),
    }
}

fn end(summary: v1::TraceSummary) -> FarEnd {
    let truncated = match summary.truncated() {
        v1::TraceLimit::Unspecified if summary.truncated == 0 => None,
        v1::TraceLimit::Rows => Some(TraceLimit::Rows),
        v1::TraceLimit::Time => Some(TraceLimit::Time),
        v1::TraceLimit::Links | v1::TraceLimit::Unspecified => Some(TraceLimit::Hops),
    };
    let failure = |failure: v1::TraceFailure| Failure {
        row: u32::try_from(failure.row).unwrap_or(u32::MAX),
        further_rows: {
            let further = failure.further_rows.into_iter();
            further.take(TRACE_STARTS_MAX).collect()
        },
        identifier: short(failure.identifier),
        refusal: Refusal::new(Reason::OtherNodeFailed)
            .value(&failure.node)
            .limit(short(
                failure.error.map(|error| error.message).unwrap_or_default(),
            )),
        node: short(failure.node),
    };
    let most = usize::try_from(TRACE_ROWS_MAX).unwrap_or(usize::MAX);
    let failures = summary.failures.into_iter().take(FAILURES_MAX);
    FarEnd {
        truncated,
        more_rows: summary.more_rows.into_iter().take(most).collect(),
        failures: failures.map(failure).collect(),
    }
}

/// A text of another node, no longer than it need be.
fn short(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(WHY_CHARS_MAX) {
        text.truncate(end);
    }
    text
}
