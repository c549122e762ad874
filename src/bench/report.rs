//! What a benchmark says in the end.

use std::time::Duration;

use serde::Serialize;

use crate::bench::histogram::Tally;
use crate::bench::process::Use;

/// What a benchmark measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Which one: `dns`, `grpc-resolve unary`, `import`.
    pub benchmark: String,
    /// Requests answered as they should be: one for each identifier or
    /// question, however many a message carries.
    pub requests: u64,
    /// Of these, those that say the subject exists.
    pub found: u64,
    /// Requests answered otherwise.
    pub wrong: u64,
    /// Requests without an answer in time.
    pub lost: u64,
    /// Answers over UDP that were cut off, so that a client would ask again over TCP.
    pub truncated: u64,
    /// How long it took.
    pub seconds: f64,
    /// Requests in a second.
    pub per_second: f64,
    /// Latency of a message: of a request, or of a batch where it carries one.
    pub latency: Latency,
    /// What it cost the server, if its process was named.
    pub server: Option<ServerCost>,
    /// Bytes on the node's disk for each identifier, where it was asked.
    pub disk_bytes_per_identifier: Option<f64>,
    /// The first wrong answer.
    pub first_wrong: Option<String>,
}

/// Percentiles of latency, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Half take no longer.
    pub p50_us: f64,
    /// 90 % take no longer.
    pub p90_us: f64,
    /// 99 % take no longer.
    pub p99_us: f64,
    /// 99.9 % take no longer.
    pub p999_us: f64,
    /// None takes longer.
    pub max_us: f64,
}

/// What requests cost the server.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ServerCost {
    /// Microseconds of CPU for each request, all threads, user and system.
    pub cpu_us_per_request: f64,
    /// Seconds of CPU in all.
    pub cpu_seconds: f64,
    /// Bytes resident at the end.
    pub resident_bytes: u64,
}

impl Report {
    pub(super) fn new(
        benchmark: impl Into<String>,
        tally: &Tally,
        time: Duration,
        used: Option<(Use, Use)>,
    ) -> Self {
        let micros = |nanos: u64| float(nanos) / 1_000.0;
        let at = |quantile| micros(tally.latency.value_at_quantile(quantile));
        let seconds = time.as_secs_f64();
        Self {
            benchmark: benchmark.into(),
            requests: tally.answered,
            found: tally.found,
            wrong: tally.wrong,
            lost: tally.lost,
            truncated: tally.truncated,
            seconds,
            per_second: float(tally.answered) / seconds.max(1e-9),
            latency: Latency {
                p50_us: at(0.5),
                p90_us: at(0.9),
                p99_us: at(0.99),
                p999_us: at(0.999),
                max_us: micros(tally.latency.max()),
            },
            server: used.map(|(before, after)| cost(before, after, tally.answered)),
            disk_bytes_per_identifier: None,
            first_wrong: tally.first_wrong.clone(),
        }
    }
}

fn cost(before: Use, after: Use, requests: u64) -> ServerCost {
    let micros = after.cpu_micros.saturating_sub(before.cpu_micros);
    ServerCost {
        cpu_us_per_request: float(micros) / float(requests.max(1)),
        cpu_seconds: float(micros) / 1e6,
        resident_bytes: after.resident_bytes,
    }
}

/// A count as a float, for rates: exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "rates need no 16th digit")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}
