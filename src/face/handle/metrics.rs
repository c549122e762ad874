//! What the Handle face counts.
//!
//! Threads count datagrams on their own and give the counts away per batch;
//! elsewhere each reply is counted as it goes out.

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use crate::face::handle::service::Transport;
use crate::wire::handle::{ENVELOPE_BYTES, Envelope, Header, OpCode, ResponseCode};

/// One duration in so many is measured.
pub(super) const SAMPLE_INTERVAL: u32 = 64;

/// What an operation is as a label; those of one kind together.
const OPERATIONS: [(&str, &[OpCode]); 9] = [
    ("resolve", &[OpCode::RESOLUTION]),
    ("site_info", &[OpCode::GET_SITE_INFO]),
    ("create", &[OpCode::CREATE_HANDLE]),
    ("delete", &[OpCode::DELETE_HANDLE]),
    (
        "change",
        &[
            OpCode::ADD_VALUE,
            OpCode::REMOVE_VALUE,
            OpCode::MODIFY_VALUE,
        ],
    ),
    ("list", &[OpCode::LIST_HANDLES, OpCode::LIST_HOMED_PREFIXES]),
    ("home", &[OpCode::HOME_PREFIX, OpCode::UNHOME_PREFIX]),
    (
        "login",
        &[
            OpCode::CHALLENGE_RESPONSE,
            OpCode::VERIFY_CHALLENGE,
            OpCode::PASSWORD_LOGIN,
            OpCode::LOGIN,
        ],
    ),
    (
        "session",
        &[
            OpCode::SESSION_SETUP,
            OpCode::SESSION_TERMINATE,
            OpCode::SESSION_EXCHANGE_KEY,
        ],
    ),
];
/// Outcomes that are told apart in labels, and what they are for a resolution;
/// all others are "other".
const OUTCOMES: [(ResponseCode, &str); 15] = [
    (ResponseCode::SUCCESS, "ok"),
    (ResponseCode::ERROR, "server_error"),
    (ResponseCode::SERVER_TOO_BUSY, "server_error"),
    (ResponseCode::PROTOCOL_ERROR, "bad_request"),
    (ResponseCode::OPERATION_NOT_SUPPORTED, "bad_request"),
    (ResponseCode::HANDLE_NOT_FOUND, "not_found"),
    (ResponseCode::HANDLE_ALREADY_EXISTS, "bad_request"),
    (ResponseCode::INVALID_HANDLE, "bad_request"),
    (ResponseCode::VALUES_NOT_FOUND, "not_found"),
    (ResponseCode::SERVER_NOT_RESPONSIBLE, "denied"),
    (ResponseCode::SERVICE_REFERRAL, "delegated"),
    (ResponseCode::PREFIX_REFERRAL, "delegated"),
    (ResponseCode::AUTHENTICATION_NEEDED, "denied"),
    (ResponseCode::AUTHENTICATION_FAILED, "denied"),
    (ResponseCode::INSUFFICIENT_PERMISSIONS, "denied"),
];
const OPERATION_COUNT: usize = OPERATIONS.len() + 1;
const OUTCOME_COUNT: usize = OUTCOMES.len() + 1;
const RESPONSE_COUNT: usize = OPERATION_COUNT * OUTCOME_COUNT;

/// Why a datagram got no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// It is no packet of a message.
    Malformed,
    /// It is a reply itself.
    Response,
    /// It came from port 0, to which nothing can be sent.
    SourcePort,
}

impl Dropped {
    const ALL: [Self; 3] = [Self::Malformed, Self::Response, Self::SourcePort];

    const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Response => "response",
            Self::SourcePort => "source_port",
        }
    }
}

/// Handles of the face's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    udp: PerTransport,
    tcp: PerTransport,
    http: PerTransport,
    dropped: Vec<Counter>,
    truncated: Counter,
    /// Requests over UDP of which packets are missing.
    pub(super) unfinished: Gauge,
    /// Sessions open.
    pub(super) sessions: Gauge,
    /// Replies kept.
    pub(super) kept_count: Gauge,
    /// Bytes of the replies kept.
    pub(super) kept_bytes: Gauge,
    /// TCP connections open.
    pub(super) connections: Gauge,
    /// TCP connections closed since there were too many.
    pub(super) displaced: Counter,
    /// TCP connections closed since they kept too much waiting.
    pub(super) hoarded: Counter,
}

#[derive(Clone, Debug)]
struct PerTransport {
    responses: Vec<Counter>,
    results: Vec<Counter>,
    limited: Counter,
    duration: Histogram,
}

impl Metrics {
    /// Registers the metrics with the recorder in force.
    #[expect(
        clippy::new_without_default,
        reason = "it registers with the recorder in force"
    )]
    pub fn new() -> Self {
        describe_counter!("idnode_resolve_requests_total", "identifiers resolved");
        describe_counter!("idnode_handle_responses_total", "Handle protocol replies");
        describe_counter!("idnode_udp_dropped_total", "datagrams without an answer");
        describe_counter!("idnode_udp_truncated_total", "answers cut to their header");
        describe_counter!(
            "idnode_limited_total",
            "requests of sources that asked for too much"
        );
        describe_histogram!("idnode_resolve_duration_seconds", "time to an answer");
        describe_gauge!("idnode_handle_sessions", "sessions open");
        describe_gauge!("idnode_handle_kept_replies", "replies kept");
        describe_gauge!("idnode_handle_kept_bytes", "bytes of the replies kept");
        describe_gauge!(
            "idnode_handle_unfinished_requests",
            "requests over UDP of which packets are missing"
        );
        let dropped = |reason: &Dropped| {
            counter!("idnode_udp_dropped_total",
                "proto" => "handle_udp", "reason" => reason.label())
        };
        let rejected = |reason| {
            counter!("idnode_connections_rejected_total",
                "listener" => "handle_tcp", "reason" => reason)
        };
        Self {
            udp: PerTransport::new("handle_udp"),
            tcp: PerTransport::new("handle_tcp"),
            http: PerTransport::new("handle_http"),
            dropped: Dropped::ALL.iter().map(dropped).collect(),
            truncated: counter!("idnode_udp_truncated_total", "proto" => "handle_udp"),
            unfinished: gauge!("idnode_handle_unfinished_requests"),
            sessions: gauge!("idnode_handle_sessions"),
            kept_count: gauge!("idnode_handle_kept_replies"),
            kept_bytes: gauge!("idnode_handle_kept_bytes"),
            connections: gauge!("idnode_connections",
                "listener" => "handle_tcp", "state" => "open"),
            displaced: rejected("displaced"),
            hoarded: rejected("memory"),
        }
    }

    const fn of(&self, transport: Transport) -> &PerTransport {
        match transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
            Transport::Http => &self.http,
        }
    }

    /// Counts a reply: an envelope and a message.
    pub(super) fn respond(&self, transport: Transport, reply: &[u8]) {
        self.of(transport).add(place_of(reply), 1);
    }

    /// Counts a request whose sender asks for too much.
    pub(super) fn limit(&self, transport: Transport) {
        self.of(transport).limited.increment(1);
    }

    /// Records one measured duration.
    pub(super) fn measure(&self, transport: Transport, secs: f64) {
        self.of(transport).duration.record(secs);
    }
}

impl PerTransport {
    fn new(proto: &'static str) -> Self {
        let operations = OPERATIONS.iter().map(|(name, _)| *name).chain(["other"]);
        let codes = || {
            let named = OUTCOMES.iter().map(|(code, _)| code.name());
            named.chain(["other"])
        };
        let responses = operations.flat_map(|operation| {
            codes().map(move |code| {
                counter!("idnode_handle_responses_total",
                    "proto" => proto, "op" => operation, "response_code" => code)
            })
        });
        let results = OUTCOMES.iter().map(|(_, result)| *result);
        let results = results.chain(["server_error"]).map(|result| {
            counter!("idnode_resolve_requests_total", "proto" => proto, "result" => result)
        });
        Self {
            responses: responses.collect(),
            results: results.collect(),
            limited: counter!("idnode_limited_total", "proto" => proto),
            duration: histogram!("idnode_resolve_duration_seconds", "proto" => proto),
        }
    }

    fn add(&self, place: usize, count: u64) {
        if let Some(counter) = self.responses.get(place) {
            counter.increment(count);
        }
        // The places of resolutions are the first.
        if let Some(counter) = self.results.get(place) {
            counter.increment(count);
        }
    }
}

/// Where a reply is counted: by operation, then by outcome.
fn place_of(reply: &[u8]) -> usize {
    let behind = reply.get(ENVELOPE_BYTES..).unwrap_or_default();
    let (operation, outcome) = match (Envelope::decode(reply), Header::decode(behind)) {
        (
            Ok(Envelope {
                encrypted: false, ..
            }),
            Ok(header),
        ) => {
            let operation = OPERATIONS
                .iter()
                .position(|(_, codes)| codes.contains(&header.op_code));
            let outcome = OUTCOMES
                .iter()
                .position(|(code, _)| *code == header.response_code);
            (operation, outcome)
        }
        _ => (None, None),
    };
    operation.unwrap_or(OPERATIONS.len()) * OUTCOME_COUNT + outcome.unwrap_or(OUTCOMES.len())
}

/// Counts of one thread since they were last given away.
#[derive(Debug)]
pub(super) struct Tally {
    /// How often each reply was given.
    responses: [u32; RESPONSE_COUNT],
    /// Which of them were given at all.
    given: Vec<usize>,
    dropped: [u32; Dropped::ALL.len()],
    truncated: u32,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            responses: [0; RESPONSE_COUNT],
            given: Vec::with_capacity(RESPONSE_COUNT),
            dropped: [0; Dropped::ALL.len()],
            truncated: 0,
        }
    }
}

impl Tally {
    /// Counts a reply.
    pub(super) fn respond(&mut self, reply: &[u8]) {
        let place = place_of(reply);
        if let Some(count) = self.responses.get_mut(place) {
            if *count == 0 {
                self.given.push(place);
            }
            *count = count.saturating_add(1);
        }
    }

    /// Counts a datagram without a reply.
    pub(super) fn drop_packet(&mut self, reason: Dropped) {
        let at = Dropped::ALL.iter().position(|known| *known == reason);
        if let Some(count) = at.and_then(|at| self.dropped.get_mut(at)) {
            *count = count.saturating_add(1);
        }
    }

    /// Counts a reply of which only a part was sent.
    pub(super) const fn truncate(&mut self) {
        self.truncated = self.truncated.saturating_add(1);
    }

    /// Gives all counts to `metrics` and begins anew.
    pub(super) fn flush(&mut self, metrics: &Metrics) {
        for place in self.given.drain(..) {
            if let Some(count) = self.responses.get_mut(place) {
                metrics.udp.add(place, u64::from(std::mem::take(count)));
            }
        }
        let dropped = self.dropped.iter_mut().zip(&metrics.dropped);
        for (count, counter) in dropped.chain([(&mut self.truncated, &metrics.truncated)]) {
            if *count > 0 {
                counter.increment(u64::from(std::mem::take(count)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::handle::{Flags, MessageWriter, Version};

    #[test]
    fn replies_are_counted_by_operation_and_outcome() {
        let check = |op_code, response_code, encrypted, expected| {
            let envelope = Envelope {
                encrypted,
                ..Envelope::new(Version::CURRENT, 1)
            };
            let header = Header {
                response_code,
                ..Header::request(op_code, Flags::NONE, 0)
            };
            let mut reply = Vec::new();
            let writer = MessageWriter::begin(&mut reply, &envelope, &header);
            writer.finish(&[]).expect("short");
            assert_eq!(place_of(&reply), expected);
        };
        let (resolve, success) = (OpCode::RESOLUTION, ResponseCode::SUCCESS);
        check(resolve, success, false, 0);
        check(resolve, ResponseCode::HANDLE_NOT_FOUND, false, 5);
        check(resolve, ResponseCode(9999), false, 15);
        check(OpCode::MODIFY_VALUE, success, false, 4 * OUTCOME_COUNT);
        check(OpCode(9999), success, false, RESPONSE_COUNT - OUTCOME_COUNT);
        check(resolve, success, true, RESPONSE_COUNT - 1);
        assert_eq!(place_of(&[]), RESPONSE_COUNT - 1);
    }
}
