//! Settings of the DNS face: section `[dns]`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// Settings of the DNS face.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses to answer on, UDP and TCP both. None switches the face off.
    pub listen: Vec<SocketAddr>,
    /// The zones the node is authoritative for, as `id.example.`; at least one.
    pub zones: Vec<String>,
    /// Names of the zones' name servers, with the final dot; at least one. They
    /// stand outside the zones: the face has no addresses to answer with.
    pub name_servers: Vec<String>,
    /// TCP and UDP port of the Handle service on the first name server, as SRV
    /// records at `_hdl._tcp` and `_hdl._udp` name it; 0 names none.
    pub handle_port: u16,
    /// Mailbox of the person responsible, as a name: `hostmaster.id.example.`
    pub mailbox: String,
    /// Seconds of SOA TTL and minimum: how long a negative answer is kept.
    pub negative_ttl_secs: u32,
    /// Seconds below which no answer's TTL goes.
    pub ttl_secs_min: u32,
    /// Seconds above which no answer's TTL goes.
    pub ttl_secs_max: u32,
    /// Bytes of encoded answers kept; 0 keeps none.
    pub answer_cache_bytes: u64,
    /// Threads that serve UDP on each address; 0 is one for each core.
    pub udp_threads: usize,
    /// TCP connections open at once; the longest idle one gives way.
    pub tcp_connections_max: usize,
    /// Seconds after which an idle TCP connection is closed (RFC 7766 §6.2.3).
    pub tcp_idle_secs: u64,
    /// Whether CHAOS `version.bind` and the apex TXT tell the version.
    pub tell_version: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5380))],
            zones: vec!["id.example.".into()],
            name_servers: vec!["ns1.example.".into()],
            handle_port: 0,
            mailbox: "hostmaster.id.example.".into(),
            negative_ttl_secs: 300,
            ttl_secs_min: 60,
            ttl_secs_max: 86_400,
            answer_cache_bytes: 256 << 20,
            udp_threads: 0,
            tcp_connections_max: 10_000,
            tcp_idle_secs: 10,
            tell_version: false,
        }
    }
}
