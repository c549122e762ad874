//! Settings of the Handle face: section `[handle]`.

use std::net::{AddrParseError, IpAddr, SocketAddr};

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
    /// The address that the site information names: the first of `listen` if
    /// empty, which must then be one that clients reach.
    pub site_address: String,
    /// The serial number of the site information; raise it with each change of
    /// the address, the ports or the key.
    pub site_serial: u16,
    /// What the site information says the node is.
    pub site_description: String,
    /// Requests that wait for a proof at once, over UDP and otherwise; the oldest
    /// give way.
    pub challenges_max: usize,
    /// Bytes of the requests that wait, over UDP and otherwise.
    pub challenge_bytes_max: usize,
    /// Sessions open at once; the longest unused gives way.
    pub sessions_max: usize,
    /// Seconds after which an unused session ends.
    pub session_idle_secs: u64,
    /// Whether ID-SDK may log in with a password, which crosses the network as
    /// it is.
    pub password_login: bool,
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
            site_address: String::new(),
            site_serial: 1,
            site_description: "idnode".into(),
            challenges_max: 16_384,
            challenge_bytes_max: 64 << 20,
            sessions_max: 65_536,
            session_idle_secs: 86_400,
            password_login: false,
        }
    }
}

impl Config {
    /// The address that the site information names, if the settings name one.
    ///
    /// # Errors
    /// That `site_address` is none.
    pub fn named_address(&self) -> Result<Option<IpAddr>, AddrParseError> {
        match self.site_address.as_str() {
            "" => Ok(None),
            text => text.parse().map(Some),
        }
    }
}
