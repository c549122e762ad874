//! Settings of the log: section `[log]`.

use serde::{Deserialize, Serialize};

/// Settings of the log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Changes that may wait to be applied before further ones are refused.
    pub queue_count_max: usize,
    /// Changes that share one sync at most.
    pub group_count_max: usize,
    /// Bytes of changes that share one sync; the change that exceeds them is
    /// the group's last.
    pub group_bytes_max: usize,
    /// Microseconds that a group waits at most for more changes to share its sync, where
    /// some of other callers came while the last one was written; never longer than that
    /// took.
    pub share_micros_max: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue_count_max: 131_072,
            group_count_max: 8192,
            group_bytes_max: 32 << 20,
            share_micros_max: 2_000,
        }
    }
}
