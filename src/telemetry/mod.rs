//! Logs and metrics of the process.
//!
//! Logs go to standard error through `tracing`; their filter changes while the
//! node runs. Metrics go to a recorder of this value, not to a global one: each
//! module registers its own under [`Telemetry::record`].

pub mod config;
mod log;
mod process;

use metrics::{Counter, counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

pub use config::Config;
pub use log::{BadFilter, LogFilter, start_log};

/// Upper bounds of the buckets of durations, in seconds.
const DURATION_BUCKETS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
    5.0,
];
/// Upper bounds of the buckets of sizes and counts.
const SIZE_BUCKETS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    1_048_576.0,
];

/// Why metrics could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be set up: {0}")]
pub struct Error(#[from] metrics_exporter_prometheus::BuildError);

/// The metrics of one node.
pub struct Telemetry {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    process: process::Metrics,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Telemetry")
    }
}

impl Telemetry {
    /// Sets up an empty set of metrics.
    ///
    /// # Errors
    /// [`Error`] if the buckets are refused, which they are not.
    pub fn new() -> Result<Self, Error> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), DURATION_BUCKETS)?
            .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), SIZE_BUCKETS)?
            .set_buckets_for_metric(Matcher::Suffix("_size".into()), SIZE_BUCKETS)?
            .build_recorder();
        let handle = recorder.handle();
        let process = metrics::with_local_recorder(&recorder, || {
            describe_gauge!(
                "idnode_build_info",
                "1; what is running stands in the labels"
            );
            gauge!("idnode_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            process::Metrics::new()
        });
        Ok(Self {
            recorder,
            handle,
            process,
        })
    }

    /// Runs `register` so that the metrics which it makes belong to this value.
    pub fn record<T>(&self, register: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&self.recorder, register)
    }

    /// All metrics in the Prometheus text format 0.0.4.
    pub fn render(&self) -> String {
        self.process.observe();
        self.handle.run_upkeep();
        self.handle.render()
    }

    /// Counts every panic of the process from here on, and logs it.
    pub fn count_panics(&self) {
        let panics: Counter = self.record(|| {
            describe_counter!("idnode_panics_total", "tasks and threads that panicked");
            counter!("idnode_panics_total")
        });
        panics.absolute(0);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            panics.increment(1);
            let place = panic
                .location()
                .map(ToString::to_string)
                .unwrap_or_default();
            tracing::error!(place, "panicked");
            before(panic);
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_metrics_of_two_nodes_apart() {
        let (one, two) = (
            Telemetry::new().expect("sets up"),
            Telemetry::new().expect("sets up"),
        );
        one.record(|| counter!("idnode_test_total").increment(7));
        assert!(one.render().contains("idnode_test_total 7"));
        assert!(!two.render().contains("idnode_test_total"));
        assert!(two.render().contains("process_resident_memory_bytes"));
        assert!(two.render().contains("idnode_build_info{version="));
    }
}
