//! Settings of logs: section `[telemetry]`.

use serde::{Deserialize, Serialize};

/// Settings of logs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What is logged: `info`, or `info,idnode::store=debug`.
    pub filter: String,
    /// How: for people on a terminal and as JSON elsewhere (`auto`), or always
    /// one of the two.
    pub format: Format,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Human on a terminal, JSON elsewhere.
    #[default]
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            filter: "info".into(),
            format: Format::Auto,
        }
    }
}
