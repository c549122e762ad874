//! Logs and metrics of the process: where they go and how they look. What is
//! logged and counted, each module decides.

pub mod config;
mod logs;
mod panics;
mod process;
mod recorder;

pub use config::{Config, Format};
pub use logs::{Logs, Terminal, check_filter};
pub use panics::count_panics;
pub use recorder::{BuildInfo, Recorder, Scrape};

/// Why telemetry cannot be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of a log filter is none.
    #[error(
        "log filter: {part:?} is no level (error, warn, info, debug, trace, off) and no target=level"
    )]
    Filter {
        /// The part.
        part: String,
    },
    /// A log filter cannot be parsed.
    #[error("log filter: {0}")]
    Syntax(#[from] tracing_subscriber::filter::ParseError),
    /// The process logs already.
    #[error("logs are set up already")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
    /// The filter in force cannot be changed.
    #[error("the log filter cannot be changed")]
    Reload(#[from] tracing_subscriber::reload::Error),
    /// The buckets of a histogram are bad.
    #[error("metrics cannot be set up")]
    Recorder(#[from] metrics_exporter_prometheus::BuildError),
}
