//! Logs: one line an event, to standard error.

use std::io;

use parking_lot::Mutex;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::telemetry::{Config, Error, Format};

/// What standard error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminal {
    /// A terminal on which colour is welcome.
    Coloured,
    /// A terminal whose user set `NO_COLOR`.
    Plain,
    /// A file, a pipe, a journal.
    None,
}

/// The process's logs. Dropped, they go on; only the filter stays as it is.
#[derive(Debug)]
pub struct Logs {
    handle: reload::Handle<EnvFilter, Registry>,
    filter: Mutex<String>,
}

impl Logs {
    /// Sets up the logs of the whole process.
    ///
    /// # Errors
    /// [`Error::Filter`] and [`Error::Syntax`] for a bad filter,
    /// [`Error::Twice`].
    pub fn init(config: &Config, terminal: Terminal) -> Result<Self, Error> {
        let (filter, handle) = reload::Layer::new(parse(&config.filter)?);
        let human = match config.format {
            Format::Auto => terminal != Terminal::None,
            Format::Human => true,
            Format::Json => false,
        };
        let lines = human.then(|| {
            fmt::layer()
                .with_ansi(terminal == Terminal::Coloured)
                .with_writer(io::stderr)
        });
        let json = (!human).then(|| {
            fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(true)
                .with_span_list(false)
                .with_writer(io::stderr)
        });
        tracing_subscriber::registry()
            .with(filter)
            .with(lines)
            .with(json)
            .try_init()?;
        Ok(Self {
            handle,
            filter: Mutex::new(config.filter.clone()),
        })
    }

    /// Changes what is logged, and returns the filter in force before.
    ///
    /// # Errors
    /// [`Error::Filter`] and [`Error::Syntax`] for a bad filter; the one before
    /// stays in force.
    pub fn set_filter(&self, filter: &str) -> Result<String, Error> {
        let parsed = parse(filter)?;
        let mut current = self.filter.lock();
        self.handle.reload(parsed)?;
        tracing::info!(filter, previous = %current, "log filter set");
        Ok(std::mem::replace(&mut *current, filter.to_owned()))
    }
}

/// Checks a filter without setting it.
///
/// # Errors
/// [`Error::Filter`] and [`Error::Syntax`] for a bad filter.
pub fn check_filter(filter: &str) -> Result<(), Error> {
    parse(filter).map(drop)
}

/// Parses `info` or `info,idnode::store=debug`.
///
/// A bare word must be a level: `EnvFilter` takes any other for a target, and a
/// misspelt level would silence everything.
fn parse(filter: &str) -> Result<EnvFilter, Error> {
    let parts: Vec<&str> = filter.split(',').map(str::trim).collect();
    for part in &parts {
        let bare = !part.contains(['=', '[']);
        // tracing reads an empty word as "error".
        if part.is_empty() || bare && part.parse::<LevelFilter>().is_err() {
            return Err(Error::Filter {
                part: (*part).to_owned(),
            });
        }
    }
    Ok(EnvFilter::builder().parse(parts.join(","))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filter: &str, expected: bool) {
        assert_eq!(parse(filter).is_ok(), expected, "{filter:?}");
    }

    #[test]
    fn takes_levels_and_targets_only() {
        check("info", true);
        check("INFO,idnode::store=debug", true);
        check("warn, idnode=trace", true);
        check("off", true);
        check("", false);
        check("inof", false);
        check("info,", false);
        check("idnode=loud", false);
        check("info,idnode::store", false);
        let error = parse("inof").expect_err("no level").to_string();
        assert!(error.contains("\"inof\""), "{error}");
    }
}
