//! The log: for people on a terminal, JSON elsewhere.

use std::io::IsTerminal;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::telemetry::config::{Config, Format};

/// A log filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("log filter {filter:?} is not of the form \"info\" or \"info,idnode::store=debug\": {why}")]
pub struct BadFilter {
    filter: String,
    why: String,
}

/// The filter in force, which can be changed while the node runs.
#[derive(Clone)]
pub struct LogFilter {
    handle: Option<reload::Handle<EnvFilter, Registry>>,
    current: Arc<Mutex<String>>,
}

impl std::fmt::Debug for LogFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LogFilter({})", self.current.lock())
    }
}

impl LogFilter {
    /// A filter that filters nothing: of a node without a log, as in tests.
    pub fn detached() -> Self {
        Self {
            handle: None,
            current: Arc::default(),
        }
    }

    /// Puts `filter` in force and gives the one before.
    ///
    /// # Errors
    /// [`BadFilter`]; the one before stays.
    pub fn set(&self, filter: &str) -> Result<String, BadFilter> {
        let parsed = parse(filter)?;
        let mut current = self.current.lock();
        if let Some(handle) = &self.handle {
            handle.reload(parsed).map_err(|error| bad(filter, &error))?;
        }
        Ok(std::mem::replace(&mut *current, filter.to_owned()))
    }
}

/// Starts the process's log. Once a process.
///
/// # Errors
/// [`BadFilter`], also if a log runs already.
pub fn start_log(config: &Config) -> Result<LogFilter, BadFilter> {
    let (filter, handle) = reload::Layer::new(parse(&config.filter)?);
    let terminal = std::io::stderr().is_terminal();
    let human = match config.format {
        Format::Auto => terminal,
        Format::Human => true,
        Format::Json => false,
    };
    let registry = tracing_subscriber::registry().with(filter);
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(colours);
    let started = if human {
        registry.with(lines).try_init()
    } else {
        registry.with(lines.json().flatten_event(true)).try_init()
    };
    started.map_err(|error| bad(&config.filter, &error))?;
    let current = Arc::new(Mutex::new(config.filter.clone()));
    Ok(LogFilter {
        handle: Some(handle),
        current,
    })
}

fn parse(filter: &str) -> Result<EnvFilter, BadFilter> {
    if filter.trim().is_empty() {
        return Err(bad(filter, &"it is empty"));
    }
    EnvFilter::try_new(filter).map_err(|error| bad(filter, &error))
}

fn bad(filter: &str, why: &dyn std::fmt::Display) -> BadFilter {
    BadFilter {
        filter: filter.to_owned(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_leaves_the_one_before() {
        let filter = LogFilter::detached();
        assert!(filter.set("info,idnode::store=debug").is_ok());
        for bad in ["", "idnode=loud", "a=b=c"] {
            assert!(filter.set(bad).is_err(), "{bad}");
        }
        assert_eq!(
            filter.set("warn").expect("sound"),
            "info,idnode::store=debug"
        );
    }
}
