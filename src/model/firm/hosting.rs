//! Who serves the identifiers of a firm: this node, or servers of the firm's own.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::data::{
    HashOption, Interface, InterfaceKind, InterfaceProtocol, Server as SiteServer, Site,
};
use crate::model::fault::{Reason, Refusal};
use crate::model::limits::FIRM_SERVERS_MAX;

/// The version of the protocol that a site says it speaks: the one that deployed
/// clients are content with.
const PROTOCOL: (u8, u8) = (2, 10);

/// Who serves the identifiers below a firm's prefix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hosting {
    /// This node.
    Hosted,
    /// Servers of the firm's own; the node tells clients where they are.
    Routed(Servers),
}

/// 1 to [`FIRM_SERVERS_MAX`] servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Server>", into = "Vec<Server>")]
pub struct Servers(Vec<Server>);

/// A server that speaks the Handle protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Where it answers.
    pub address: IpAddr,
    /// On which ports.
    pub ports: Ports,
}

/// Ports of a server; at least one is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Over TCP.
    pub tcp: Option<u16>,
    /// Over UDP.
    pub udp: Option<u16>,
    /// Over HTTP.
    pub http: Option<u16>,
}

impl Servers {
    /// Takes servers.
    ///
    /// # Errors
    /// [`Reason::FieldRequired`] without any, [`Reason::ServersTooMany`], and
    /// [`Reason::ServerInvalid`] for an address that nobody else can reach, one
    /// named twice, and a server without a port.
    pub fn new(servers: Vec<Server>) -> Result<Self, Refusal> {
        let refused = |reason| Refusal::new(reason).field("servers");
        if servers.is_empty() {
            return Err(refused(Reason::FieldRequired));
        }
        if servers.len() > FIRM_SERVERS_MAX {
            return Err(refused(Reason::ServersTooMany)
                .value(servers.len())
                .limit(FIRM_SERVERS_MAX));
        }
        for (at, server) in servers.iter().enumerate() {
            let before = servers.iter().take(at);
            let twice = before.clone().any(|other| other.address == server.address);
            let flaw = if twice {
                Some("it is named twice")
            } else {
                server.flaw()
            };
            if let Some(flaw) = flaw {
                return Err(Refusal::new(Reason::ServerInvalid)
                    .field(format!("servers[{at}]"))
                    .value(server.address)
                    .limit(flaw));
            }
        }
        Ok(Self(servers))
    }

    /// The servers.
    pub fn all(&self) -> &[Server] {
        &self.0
    }

    /// The data of the `HS_SITE` that tells where they are. `serial` grows with
    /// each change.
    pub fn site(&self, serial: u16) -> Vec<u8> {
        let servers = (1..).zip(&self.0).map(|(id, server)| server.told(id));
        let site = Site {
            protocol: PROTOCOL,
            serial,
            is_primary: true,
            is_multi_primary: false,
            hash_option: HashOption::All,
            hash_filter: Vec::new(),
            attributes: Vec::new(),
            servers: servers.collect(),
        };
        site.encode()
    }
}

impl TryFrom<Vec<Server>> for Servers {
    type Error = Refusal;

    fn try_from(servers: Vec<Server>) -> Result<Self, Refusal> {
        Self::new(servers)
    }
}

impl From<Servers> for Vec<Server> {
    fn from(servers: Servers) -> Self {
        servers.0
    }
}

impl Server {
    /// What keeps clients from reaching it.
    fn flaw(&self) -> Option<&'static str> {
        let Ports { tcp, udp, http } = self.ports;
        let ports = [tcp, udp, http];
        if ports.iter().all(Option::is_none) {
            return Some("it has no port");
        }
        if ports.contains(&Some(0)) {
            return Some("port 0 is none");
        }
        let address = self.address.to_canonical();
        let is_link_local = match address {
            IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
            IpAddr::V6(ip) => ip.is_unicast_link_local(),
        };
        let reaches_nobody = address.is_unspecified()
            || address.is_loopback()
            || address.is_multicast()
            || is_link_local;
        reaches_nobody.then_some("others cannot reach it")
    }

    fn told(&self, id: u32) -> SiteServer {
        let Ports { tcp, udp, http } = self.ports;
        // TCP first: a deployed resolver takes the first that it finds.
        let ports = [
            (tcp, InterfaceProtocol::Tcp, InterfaceKind::AdminAndQuery),
            (udp, InterfaceProtocol::Udp, InterfaceKind::Query),
            (http, InterfaceProtocol::Http, InterfaceKind::AdminAndQuery),
        ];
        let interface = |(port, protocol, kind): (Option<u16>, _, _)| {
            Some(Interface {
                kind,
                protocol,
                port: port?,
            })
        };
        SiteServer {
            id,
            address: self.address,
            public_key: None,
            interfaces: ports.into_iter().filter_map(interface).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(address: &str, tcp: Option<u16>) -> Server {
        Server {
            address: address.parse().expect("an address"),
            ports: Ports {
                tcp,
                udp: None,
                http: None,
            },
        }
    }

    fn check(servers: Vec<Server>, expected: Reason, field: &str) {
        let refusal = Servers::new(servers).expect_err("refused");
        assert_eq!((refusal.reason(), refusal.field_path()), (expected, field));
    }

    #[test]
    fn tells_where_the_servers_are() {
        let ports = Ports {
            tcp: Some(2641),
            udp: Some(2641),
            http: Some(8000),
        };
        let first = Server {
            ports,
            ..server("192.0.2.7", None)
        };
        let servers = Servers::new(vec![first, server("2001:db8::7", Some(2641))]);
        let site = Site::decode(&servers.expect("sound").site(3)).expect("an HS_SITE");
        assert_eq!((site.serial, site.servers.len()), (3, 2));
        assert_eq!(site.servers[0].address.to_string(), "192.0.2.7");
        let told = site.servers[0].interfaces.iter();
        let told: Vec<_> = told.map(|port| (port.protocol, port.port)).collect();
        let expected = [
            (InterfaceProtocol::Tcp, 2641),
            (InterfaceProtocol::Udp, 2641),
            (InterfaceProtocol::Http, 8000),
        ];
        assert_eq!(told, expected);
        assert_eq!(site.servers[1].interfaces.len(), 1);
    }

    #[test]
    fn refuses_servers_that_nobody_can_reach() {
        for address in [
            "0.0.0.0",
            "127.0.0.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "224.0.0.1",
            "ff02::1",
            "169.254.169.254",
            "fe80::1",
            "255.255.255.255",
        ] {
            let servers = vec![server("192.0.2.1", Some(1)), server(address, Some(1))];
            check(servers, Reason::ServerInvalid, "servers[1]");
        }
        check(
            vec![server("192.0.2.1", None)],
            Reason::ServerInvalid,
            "servers[0]",
        );
        check(
            vec![server("192.0.2.1", Some(0))],
            Reason::ServerInvalid,
            "servers[0]",
        );
        let twice = vec![server("192.0.2.1", Some(1)), server("192.0.2.1", Some(2))];
        check(twice, Reason::ServerInvalid, "servers[1]");
        check(Vec::new(), Reason::FieldRequired, "servers");
        let many = (0..=FIRM_SERVERS_MAX).map(|at| server(&format!("192.0.2.{at}"), Some(1)));
        check(many.collect(), Reason::ServersTooMany, "servers");
    }
}
