//! Settings of TLS: section `[tls]`.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Settings of TLS. Without an address there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Addresses on which all that `[http]` serves is served over TLS.
    pub listen: Vec<SocketAddr>,
    /// The node's certificate and those above it, as PEM, its own first.
    pub certificate_file: PathBuf,
    /// Its private key, as PEM.
    pub key_file: PathBuf,
    /// Whether clients are asked for a certificate. None is needed.
    pub client_certificates: bool,
    /// The authorities that clients' certificates must be from, as PEM; empty
    /// takes any of which a principal is registered.
    pub client_ca_file: PathBuf,
}
