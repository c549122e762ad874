//! What the DNS face counts: locally per thread, given away per batch.

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};

use crate::face::dns::answer::Transport;
use crate::wire::dns::{Rcode, RecordType};

/// Query types that are told apart in labels; all others are "other".
const TYPES: [(RecordType, &str); 9] = [
    (RecordType::NAPTR, "NAPTR"),
    (RecordType::TXT, "TXT"),
    (RecordType::URI, "URI"),
    (RecordType::A, "A"),
    (RecordType::AAAA, "AAAA"),
    (RecordType::SOA, "SOA"),
    (RecordType::NS, "NS"),
    (RecordType::SRV, "SRV"),
    (RecordType::ANY, "ANY"),
];
const TYPE_COUNT: usize = TYPES.len() + 1;
const RESPONSE_COUNT: usize = Rcode::ALL.len() * TYPE_COUNT;
/// One duration in so many is measured.
pub(super) const SAMPLE_INTERVAL: u32 = 64;

/// Why a packet got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// Shorter than a header.
    Malformed,
    /// An answer itself.
    Response,
    /// From port 0, to which nothing can be sent.
    SourcePort,
    /// From a source that asks for too much.
    Limited,
}

impl Dropped {
    const ALL: [Self; 4] = [
        Self::Malformed,
        Self::Response,
        Self::SourcePort,
        Self::Limited,
    ];

    const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Response => "response",
            Self::SourcePort => "source_port",
            Self::Limited => "limited",
        }
    }
}

/// Handles of the face's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    udp: PerTransport,
    tcp: PerTransport,
    cache_hits: Counter,
    cache_misses: Counter,
    /// Answers kept.
    pub(super) cache_entries: Gauge,
    /// Bytes of the answers kept.
    pub(super) cache_bytes: Gauge,
    /// TCP connections open.
    pub(super) connections: Gauge,
    /// TCP connections closed since there were too many.
    pub(super) displaced: Counter,
}

#[derive(Clone, Debug)]
struct PerTransport {
    responses: Vec<Counter>,
    results: Vec<Counter>,
    dropped: Vec<Counter>,
    truncated: Counter,
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
        describe_counter!("idnode_dns_responses_total", "DNS answers");
        describe_counter!("idnode_udp_dropped_total", "datagrams without an answer");
        describe_counter!("idnode_udp_truncated_total", "answers cut to their header");
        describe_counter!(
            "idnode_limited_total",
            "requests of sources that asked for too much"
        );
        describe_counter!(
            "idnode_answer_cache_hits_total",
            "answers taken from the cache"
        );
        describe_counter!("idnode_answer_cache_misses_total", "answers made anew");
        describe_gauge!("idnode_answer_cache_entries", "answers kept");
        describe_gauge!("idnode_answer_cache_bytes", "bytes of the answers kept");
        describe_histogram!("idnode_resolve_duration_seconds", "time to an answer");
        Self {
            udp: PerTransport::new("dns_udp"),
            tcp: PerTransport::new("dns_tcp"),
            cache_hits: counter!("idnode_answer_cache_hits_total"),
            cache_misses: counter!("idnode_answer_cache_misses_total"),
            cache_entries: gauge!("idnode_answer_cache_entries"),
            cache_bytes: gauge!("idnode_answer_cache_bytes"),
            connections: gauge!("idnode_connections", "listener" => "dns_tcp", "state" => "open"),
            displaced: counter!("idnode_connections_rejected_total", "reason" => "displaced"),
        }
    }

    const fn of(&self, transport: Transport) -> &PerTransport {
        match transport {
            Transport::Udp => &self.udp,
            Transport::Tcp => &self.tcp,
        }
    }
}

impl PerTransport {
    fn new(proto: &'static str) -> Self {
        let types = || TYPES.iter().map(|(_, name)| *name).chain(["other"]);
        let response = |(rcode, qtype)| {
            counter!("idnode_dns_responses_total",
                "proto" => proto, "rcode" => rcode, "qtype" => qtype)
        };
        let pairs = Rcode::ALL
            .iter()
            .flat_map(|rcode| types().map(move |qtype| (rcode.name(), qtype)));
        let result = |rcode: &Rcode| {
            counter!("idnode_resolve_requests_total",
                "proto" => proto, "result" => result(*rcode))
        };
        let dropped = |reason: &Dropped| {
            counter!("idnode_udp_dropped_total",
                "proto" => proto, "reason" => reason.label())
        };
        Self {
            responses: pairs.map(response).collect(),
            results: Rcode::ALL.iter().map(result).collect(),
            dropped: Dropped::ALL.iter().map(dropped).collect(),
            truncated: counter!("idnode_udp_truncated_total", "proto" => proto),
            limited: counter!("idnode_limited_total", "proto" => proto),
            duration: histogram!("idnode_resolve_duration_seconds", "proto" => proto),
        }
    }
}

const fn result(rcode: Rcode) -> &'static str {
    match rcode {
        Rcode::NoError => "ok",
        Rcode::NxDomain => "not_found",
        Rcode::FormErr | Rcode::NotImp | Rcode::BadVers => "bad_request",
        Rcode::Refused => "denied",
        Rcode::ServFail => "server_error",
    }
}

/// Counts of one thread or connection since they were last given away.
#[derive(Debug)]
pub struct Tally {
    /// How often each response was given.
    responses: [u32; RESPONSE_COUNT],
    /// Which of them were given at all: one bit each.
    given: u128,
    dropped: [u32; 4],
    truncated: u32,
    limited: u32,
    /// Whether the next that is refused over UDP gets no answer.
    is_silent: bool,
    cache_hits: u32,
    cache_misses: u32,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            responses: [0; RESPONSE_COUNT],
            given: 0,
            dropped: [0; 4],
            truncated: 0,
            limited: 0,
            is_silent: false,
            cache_hits: 0,
            cache_misses: 0,
        }
    }
}

impl Tally {
    /// Counts an answer.
    pub(super) fn respond(&mut self, rcode: Rcode, record_type: RecordType) {
        let qtype = TYPES
            .iter()
            .position(|(known, _)| *known == record_type)
            .unwrap_or(TYPES.len());
        let row = Rcode::ALL
            .iter()
            .position(|known| *known == rcode)
            .unwrap_or_default();
        let at = row * TYPE_COUNT + qtype;
        if let Some(count) = self.responses.get_mut(at) {
            *count = count.saturating_add(1);
            self.given |= 1 << at;
        }
    }

    /// Counts a packet without an answer.
    pub(super) fn drop_packet(&mut self, reason: Dropped) {
        let at = Dropped::ALL.iter().position(|known| *known == reason);
        if let Some(count) = at.and_then(|at| self.dropped.get_mut(at)) {
            *count = count.saturating_add(1);
        }
    }

    /// Counts an answer that did not fit.
    pub(super) const fn truncate(&mut self) {
        self.truncated = self.truncated.saturating_add(1);
    }

    /// Counts a query whose sender asks for too much.
    pub(super) const fn limit(&mut self) {
        self.limited = self.limited.saturating_add(1);
    }

    /// Whether a query that is refused over UDP gets an answer: every second does.
    pub(super) const fn slips(&mut self) -> bool {
        self.is_silent = !self.is_silent;
        self.is_silent
    }

    /// Counts an answer taken from the cache, or made anew.
    pub(super) const fn cache(&mut self, hit: bool) {
        let count = if hit {
            &mut self.cache_hits
        } else {
            &mut self.cache_misses
        };
        *count = count.saturating_add(1);
    }

    /// Gives all counts to `metrics` and begins anew.
    pub(super) fn flush(&mut self, metrics: &Metrics, transport: Transport) {
        let of = metrics.of(transport);
        let mut given = std::mem::take(&mut self.given);
        while given != 0 {
            let at = usize::try_from(given.trailing_zeros()).unwrap_or_default();
            given &= given - 1;
            let (Some(count), Some(counter)) = (self.responses.get_mut(at), of.responses.get(at))
            else {
                continue;
            };
            let count = u64::from(std::mem::take(count));
            counter.increment(count);
            if let Some(result) = of.results.get(at / TYPE_COUNT) {
                result.increment(count);
            }
        }
        for (count, counter) in self.dropped.iter_mut().zip(&of.dropped) {
            give(count, counter);
        }
        give(&mut self.truncated, &of.truncated);
        give(&mut self.limited, &of.limited);
        give(&mut self.cache_hits, &metrics.cache_hits);
        give(&mut self.cache_misses, &metrics.cache_misses);
    }

    /// Records one measured duration.
    pub(super) fn measure(metrics: &Metrics, transport: Transport, secs: f64) {
        metrics.of(transport).duration.record(secs);
    }
}

fn give(count: &mut u32, counter: &Counter) {
    if *count > 0 {
        counter.increment(u64::from(std::mem::take(count)));
    }
}
