//! Who the node is to the Handle system: its HS_SITE (RFC 3651 §3.2.2) and the
//! key that it signs with.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::crypto::SiteKey;
use crate::face::handle::config::Config;
use crate::model::data::{
    Attribute, HashOption, Interface, InterfaceKind, InterfaceProtocol, Server, Site as SiteRecord,
};

/// The version that the site says it speaks: the one that all deployed clients
/// were seen to be content with. Messages are spoken to up to 2.11.
const PROTOCOL: (u8, u8) = (2, 10);
/// The number of the one server.
const SERVER_ID: u32 = 1;

/// Who the node is.
#[derive(Debug)]
pub(super) struct Site {
    /// The data of its HS_SITE.
    pub(super) data: Vec<u8>,
    /// The serial number in it.
    pub(super) serial: u16,
    /// What it signs with.
    pub(super) key: SiteKey,
}

impl Site {
    /// The site of a node that answers on `listening` and, over HTTP, on `http`.
    pub(super) fn new(
        config: &Config,
        listening: &[SocketAddr],
        http: Option<SocketAddr>,
        key: SiteKey,
    ) -> Self {
        let first = listening.first().copied();
        let named = config.named_address().ok().flatten();
        let address = named
            .or_else(|| Some(first?.ip()).filter(|ip| !ip.is_unspecified()))
            .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let port = first.map_or(0, |address| address.port());
        let interface = |kind, protocol, port| Interface {
            kind,
            protocol,
            port,
        };
        // TCP first: a deployed resolver takes the first that it finds.
        let mut interfaces = vec![
            interface(InterfaceKind::AdminAndQuery, InterfaceProtocol::Tcp, port),
            interface(InterfaceKind::Query, InterfaceProtocol::Udp, port),
        ];
        interfaces.extend(http.map(|http| {
            interface(
                InterfaceKind::AdminAndQuery,
                InterfaceProtocol::Http,
                http.port(),
            )
        }));
        let record = SiteRecord {
            protocol: PROTOCOL,
            serial: config.site_serial,
            is_primary: true,
            is_multi_primary: false,
            hash_option: HashOption::All,
            hash_filter: Vec::new(),
            attributes: vec![Attribute {
                name: "desc".into(),
                value: config.site_description.clone(),
            }],
            servers: vec![Server {
                id: SERVER_ID,
                address,
                public_key: Some(key.public_key()),
                interfaces,
            }],
        };
        Self {
            data: record.encode(),
            serial: config.site_serial,
            key,
        }
    }
}
