//! Settings of the node itself: sections `[audit]` and `[trace]`.

use serde::{Deserialize, Serialize};

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

/// Bytes of the graph of links that can be asked for: 1 TiB.
pub const GRAPH_BYTES_MAX: u64 = 1 << 40;

/// Settings of tracing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct TraceConfig {
    /// Bytes that the graph of links may take in memory; 0 keeps none.
    pub memory_bytes: usize,
}

impl Default for TraceConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
        }
    }
}
