//! Settings of the gRPC face: section `[grpc]`.

use serde::{Deserialize, Serialize};

/// Settings of the gRPC face. It is served on the address of `[http]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bytes of one message from a client; larger ones are refused.
    pub message_bytes_max: usize,
    /// Calls in work at once, over all connections; further ones are refused.
    pub calls_max: usize,
    /// Seconds a unary call may take if the client names no deadline.
    pub deadline_secs: u64,
    /// Bytes of encoded results of resolution that are kept; 0 keeps none.
    pub answer_cache_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            message_bytes_max: 8 << 20,
            calls_max: 4096,
            deadline_secs: 30,
            answer_cache_bytes: 256 << 20,
        }
    }
}
