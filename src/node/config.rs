//! Settings of the node itself: sections `[audit]` and `[trace]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::Prefix;

/// Days for which entries must be kept: six months, as GB/T 22239 and the
/// Cybersecurity Law of China (article 21) ask.
pub const RETENTION_DAYS_MIN: u32 = 180;
/// Days that can be asked for: a hundred years.
pub const RETENTION_DAYS_MAX: u32 = 36_525;
/// Characters of the log's name.
pub const ORIGIN_CHARS_MAX: usize = 255;

/// Settings of the audit trail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Days for which entries are kept, [`RETENTION_DAYS_MIN`] at least; for ever
    /// if 0.
    pub retention_days: u32,
    /// The log's name in its checkpoints, used when its key is made: without
    /// spaces and plus signs. Made of the key if empty.
    pub origin: String,
}

/// Other nodes that can be named.
pub const NODES_MAX: usize = 1_000;
/// Bytes of the graph of links that can be asked for: 1 TiB.
pub const GRAPH_BYTES_MAX: u64 = 1 << 40;

/// Settings of tracing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceConfig {
    /// Bytes that the graph of links may take in memory; 0 keeps none.
    pub memory_bytes: usize,
    /// Bytes of answers of traces that are kept while nothing that they tell has
    /// changed; 0 keeps none. None are kept without the graph in memory.
    pub answer_cache_bytes: u64,
    /// Other nodes at which traces go on: each a prefix and the URL of the node that
    /// has what is below it, `88.200 https://node.example:8443`. The prefix is the
    /// node's name.
    pub nodes: Vec<String>,
    /// PEM file with the authorities that these nodes' certificates are of; those of
    /// the system if empty.
    pub ca_file: PathBuf,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            answer_cache_bytes: 256 << 20,
            nodes: Vec::new(),
            ca_file: PathBuf::new(),
        }
    }
}

impl TraceConfig {
    /// The other nodes: the prefix, and the URL.
    ///
    /// # Errors
    /// [`RouteError`].
    pub fn routes(&self) -> Result<Vec<(Prefix, String)>, RouteError> {
        self.nodes.iter().map(|text| route(text)).collect()
    }
}

/// A text that names no node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule}")]
pub struct RouteError {
    /// The text.
    pub text: String,
    /// What it must be.
    pub rule: String,
}

fn route(text: &str) -> Result<(Prefix, String), RouteError> {
    let fail = |rule: String| RouteError {
        text: text.to_owned(),
        rule,
    };
    let is_url = |url: &&str| url.starts_with("http://") || url.starts_with("https://");
    let (prefix, url) = text
        .split_once(' ')
        .map(|(prefix, url)| (prefix, url.trim()))
        .filter(|(_, url)| is_url(url))
        .ok_or_else(|| fail("must be a prefix, a space and an http:// or https:// URL".into()))?;
    let prefix = Prefix::parse(prefix).map_err(|refusal| fail(refusal.to_string()))?;
    Ok((prefix, url.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_nodes_are_a_prefix_and_a_url() {
        let config = |text: &str| TraceConfig {
            nodes: vec![text.to_owned()],
            ..TraceConfig::default()
        };
        let routes = config("88.200  https://node.example:8443").routes();
        let prefix = Prefix::parse("88.200").expect("a prefix");
        let url = "https://node.example:8443".to_owned();
        assert_eq!(routes, Ok(vec![(prefix, url)]));
        for bad in [
            "",
            "88.200",
            "https://a",
            "88.200 ftp://a",
            "8 8 https://a",
            "/ http://a",
        ] {
            assert_eq!(config(bad).routes().expect_err("none").text, bad);
        }
    }
}
