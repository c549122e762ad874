//! Settings of the Handle face: section `[handle]`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Settings of the Handle face.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses to answer on, UDP and TCP both. None switches the face off,
    /// also over HTTP.
    pub listen: Vec<SocketAddr>,
    /// Bytes of encoded replies kept; 0 keeps none.
    pub answer_cache_bytes: u64,
    /// Threads that serve UDP on each address; 0 is one for each core.
    pub udp_threads: usize,
    /// How many times the bytes of a request its reply over UDP may have, as
    /// long as nobody proved to own the address it came from; 0 is no limit.
    pub udp_amplification_max: usize,
    /// Requests over UDP in work at once that take longer than a look at the
    /// store; further ones are refused.
    pub udp_slow_requests_max: usize,
    /// Requests over UDP of which packets are missing; one more ends the oldest.
    pub unfinished_requests_max: usize,
    /// The same, of one client's address (over IPv6, of its /64 network).
    pub unfinished_requests_per_client_max: usize,
    /// Bytes of all requests over UDP of which packets are missing; more end the
    /// oldest.
    pub unfinished_bytes_max: usize,
    /// Seconds in which all packets of a request must have come.
    pub unfinished_secs: u64,
    /// TCP connections open at once; the longest idle one gives way.
    pub tcp_connections_max: usize,
    /// Seconds after which a TCP connection is closed on which nothing moves.
    pub tcp_idle_secs: u64,
    /// Seconds in which a message that has begun must have come over TCP.
    pub tcp_message_secs: u64,
    /// Bytes that TCP connections may keep waiting, of requests of which more is
    /// to come and of answers that nobody reads; more close the connection that
    /// has kept some for longest.
    pub tcp_buffer_bytes_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 2641))],
            answer_cache_bytes: 256 << 20,
            udp_threads: 0,
            udp_amplification_max: 3,
            udp_slow_requests_max: 256,
            unfinished_requests_max: 4096,
            unfinished_requests_per_client_max: 64,
            unfinished_bytes_max: 32 << 20,
            unfinished_secs: 5,
            tcp_connections_max: 16_384,
            tcp_idle_secs: 300,
            tcp_message_secs: 10,
            tcp_buffer_bytes_max: 256 << 20,
        }
    }
}
