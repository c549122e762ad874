//! Metrics: one recorder for the process, which `server` hands to the modules.

use std::fmt;
use std::time::Duration;

use metrics::{describe_gauge, gauge};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use tokio_util::sync::CancellationToken;

use crate::telemetry::{Error, process};

/// Upper bounds of durations, in seconds.
const SECONDS: &[f64] = &[
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
    5.0,
];
/// Upper bounds of sizes, in bytes.
const BYTES: &[f64] = &[
    64.0,
    128.0,
    256.0,
    512.0,
    1232.0,
    4096.0,
    65_536.0,
    1_048_576.0,
    8_388_608.0,
];
/// Upper bounds of the number of changes that share a sync.
const GROUP: &[f64] = &[
    1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 8192.0,
];
/// How often observations that no one fetched are folded into their buckets, so
/// that they take no memory.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// What a binary was built from.
#[derive(Clone, Debug)]
pub struct BuildInfo {
    /// As `0.1.0`.
    pub version: &'static str,
    /// The commit; empty if unknown.
    pub revision: &'static str,
    /// The compiler; empty if unknown.
    pub rustc: &'static str,
}

/// The process's recorder. There is no global one: what registers metrics runs
/// within [`Recorder::within`].
pub struct Recorder(PrometheusRecorder);

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// A recorder with `idnode_build_info` in it.
    ///
    /// # Errors
    /// [`Error::Recorder`].
    pub fn new(build: &BuildInfo) -> Result<Self, Error> {
        let group = Matcher::Full("idnode_commit_group_size".into());
        let recorder = PrometheusBuilder::new()
            .set_buckets(SECONDS)?
            .set_buckets_for_metric(Matcher::Suffix("_bytes".into()), BYTES)?
            .set_buckets_for_metric(group, GROUP)?
            .build_recorder();
        let recorder = Self(recorder);
        let BuildInfo {
            version,
            revision,
            rustc,
        } = build.clone();
        recorder.within(|| {
            describe_gauge!("idnode_build_info", "what the binary was built from");
            gauge!("idnode_build_info",
                "version" => version, "revision" => revision, "rustc" => rustc)
            .set(1.0);
        });
        Ok(recorder)
    }

    /// Does `work`, in which the metrics macros register with this recorder.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(&self.0, work)
    }

    /// Renders what is recorded.
    pub fn scrape(&self) -> Scrape {
        Scrape(self.0.handle())
    }
}

/// Renders what a recorder holds. Cheap to clone.
#[derive(Clone)]
pub struct Scrape(PrometheusHandle);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl Scrape {
    /// All metrics and those of the process, in the Prometheus text format
    /// 0.0.4. Reads `/proc`.
    pub fn render(&self) -> String {
        let mut text = self.0.render();
        text.push_str(&process::render());
        text
    }

    /// Keeps observations from piling up until `shutdown`. To be run once for
    /// each recorder, whether or not anyone scrapes it.
    pub async fn keep(self, shutdown: CancellationToken) {
        let mut interval = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = interval.tick() => self.0.run_upkeep(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics::{counter, histogram};

    use super::*;

    #[test]
    fn renders_what_was_recorded_within() {
        let build = BuildInfo {
            version: "1.2.3",
            revision: "abc",
            rustc: "1.95",
        };
        let recorder = Recorder::new(&build).expect("buckets");
        recorder.within(|| {
            counter!("idnode_x_total").increment(3);
            histogram!("idnode_x_seconds").record(0.002);
        });
        let text = recorder.scrape().render();
        for line in [
            "idnode_build_info{version=\"1.2.3\",revision=\"abc\",rustc=\"1.95\"} 1",
            "idnode_x_total 3",
            "idnode_x_seconds_bucket{le=\"0.001\"} 0",
            "idnode_x_seconds_bucket{le=\"0.0025\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(text.contains("\nprocess_open_fds "));
    }
}
