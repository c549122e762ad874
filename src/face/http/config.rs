//! Settings of the HTTP listener: section `[http]`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Settings of the HTTP listener, which also carries gRPC.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses to answer on.
    pub listen: Vec<SocketAddr>,
    /// Connections open at once; further ones are closed at once.
    pub connections_max: usize,
    /// Seconds in which a request's header must have come.
    pub header_timeout_secs: u64,
    /// Streams open at once on one HTTP/2 connection.
    pub streams_per_connection_max: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8480))],
            connections_max: 10_000,
            header_timeout_secs: 5,
            streams_per_connection_max: 256,
        }
    }
}
