//! `HS_SITE`: where a service answers (RFC 3651 §3.2.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::data::bytes::{Flaw, Reader, put_bytes, put_count, too_many};
use crate::model::data::public_key::PublicKey;
use crate::model::fault::Refusal;
use crate::model::limits::{SERVER_INTERFACES_MAX, SITE_ATTRIBUTES_MAX, SITE_SERVERS_MAX};

/// A service site: the content of an `HS_SITE`, `HS_SITE.6`, `HS_SITE.PREFIX`
/// and `HS_NA_DELEGATE`, and the answer to GET_SITE_INFO.
///
/// ```text
/// site      = u16 1, u8 major, u8 minor, u16 serial, u8 primary, u8 hash_option,
///             bytes hash_filter, u32 count, attribute*, u32 count, server*
/// primary   = 80 primary | 40 one of several primaries
/// attribute = string name, string value
/// server    = u32 id, 16 bytes address, bytes public_key, u32 count, interface*
/// address   = IPv6, or 12 zeros and IPv4
/// interface = u8 kind, u8 protocol, u32 port
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// Major and minor version of the protocol that it speaks, as `(2, 11)`.
    pub protocol: (u8, u8),
    /// Grows with each change of the site, and wraps.
    pub serial: u16,
    /// Whether changes are made here.
    pub is_primary: bool,
    /// Whether changes are made at other sites too.
    pub is_multi_primary: bool,
    /// What of an identifier selects the server.
    pub hash_option: HashOption,
    /// Reserved; empty.
    pub hash_filter: Vec<u8>,
    /// At most [`SITE_ATTRIBUTES_MAX`].
    pub attributes: Vec<Attribute>,
    /// At most [`SITE_SERVERS_MAX`].
    pub servers: Vec<Server>,
}

/// A remark on a site, as `desc` and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Which part of an identifier selects the server of a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HashOption {
    /// The prefix.
    Prefix,
    /// The suffix.
    Suffix,
    /// The whole identifier. What a site of one server says.
    #[default]
    All,
}

/// One server of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its number within the site.
    pub id: u32,
    /// Where it listens.
    pub address: IpAddr,
    /// The key whose signatures it gives, if it gives any.
    pub public_key: Option<PublicKey>,
    /// At most [`SERVER_INTERFACES_MAX`], the preferred first.
    pub interfaces: Vec<Interface>,
}

/// One port of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interface {
    /// What it serves.
    pub kind: InterfaceKind,
    /// What carries it.
    pub protocol: InterfaceProtocol,
    /// Its port.
    pub port: u16,
}

/// What an interface serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InterfaceKind {
    /// Nothing at the moment.
    OutOfService,
    /// Changes.
    Admin,
    /// Resolution.
    Query,
    /// Both.
    AdminAndQuery,
}

/// What carries an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InterfaceProtocol {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// The only layout of a site there is.
pub(super) const FORMAT_VERSION: u16 = 1;
const PRIMARY: u8 = 0x80;
const MULTI_PRIMARY: u8 = 0x40;
const ATTRIBUTE_BYTES_MIN: usize = 8;
const SERVER_BYTES_MIN: usize = 28;
const INTERFACE_BYTES: usize = 6;

impl Site {
    /// Decodes the data of an `HS_SITE`, and the answer to GET_SITE_INFO.
    ///
    /// # Errors
    /// [`Reason::ValueDataInvalid`](crate::model::Reason::ValueDataInvalid).
    pub fn decode(data: &[u8]) -> Result<Self, Refusal> {
        Self::read(data).map_err(|flaw| flaw.refusal("HS_SITE"))
    }

    pub(super) fn read(data: &[u8]) -> Result<Self, Flaw> {
        let mut reader = Reader::new(data);
        let format = reader.u16("version")?;
        if format != FORMAT_VERSION {
            let rule = format!("{format} is not {FORMAT_VERSION}");
            return Err(Flaw::new("version", rule));
        }
        let protocol = (reader.u8("protocol")?, reader.u8("protocol")?);
        let serial = reader.u16("serial")?;
        let primary = reader.u8("primary")?;
        if primary & !(PRIMARY | MULTI_PRIMARY) != 0 {
            let rule = format!("{primary:#04x} has bits beside 0x80 and 0x40");
            return Err(Flaw::new("primary", rule));
        }
        let hash_option = HashOption::from_byte(reader.u8("hash_option")?)?;
        let hash_filter = reader.bytes("hash_filter")?.to_vec();
        let attributes = read_attributes(&mut reader)?;
        let servers = read_servers(&mut reader)?;
        reader.end()?;
        Ok(Self {
            protocol,
            serial,
            is_primary: primary & PRIMARY != 0,
            is_multi_primary: primary & MULTI_PRIMARY != 0,
            hash_option,
            hash_filter,
            attributes,
            servers,
        })
    }

    /// Encodes the data of an `HS_SITE`, and the answer to GET_SITE_INFO.
    pub fn encode(&self) -> Vec<u8> {
        let Self {
            protocol: (major, minor),
            serial,
            is_primary,
            is_multi_primary,
            hash_option,
            hash_filter,
            attributes,
            servers,
        } = self;
        let mut out = FORMAT_VERSION.to_be_bytes().to_vec();
        out.extend_from_slice(&[*major, *minor]);
        out.extend_from_slice(&serial.to_be_bytes());
        let primary = if *is_primary { PRIMARY } else { 0 };
        out.push(primary | if *is_multi_primary { MULTI_PRIMARY } else { 0 });
        out.push(hash_option.byte());
        put_bytes(&mut out, hash_filter);
        put_count(&mut out, attributes.len());
        for Attribute { name, value } in attributes {
            put_bytes(&mut out, name.as_bytes());
            put_bytes(&mut out, value.as_bytes());
        }
        put_count(&mut out, servers.len());
        for server in servers {
            server.put(&mut out);
        }
        out
    }

    /// Major and minor version of a protocol from `major.minor`.
    pub fn parse_protocol(text: &str) -> Option<(u8, u8)> {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }

    /// Itself, if its lists are not too long.
    pub(super) fn checked(self) -> Result<Self, Flaw> {
        let at_most = |place: &str, count: usize, max: usize| match count > max {
            true => Err(too_many(place, count, max)),
            false => Ok(()),
        };
        at_most("attributes", self.attributes.len(), SITE_ATTRIBUTES_MAX)?;
        at_most("servers", self.servers.len(), SITE_SERVERS_MAX)?;
        for (at, server) in self.servers.iter().enumerate() {
            let place = format!("servers[{at}].interfaces");
            at_most(&place, server.interfaces.len(), SERVER_INTERFACES_MAX)?;
        }
        Ok(self)
    }
}

impl HashOption {
    /// The byte that stands for it.
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Prefix => 0,
            Self::Suffix => 1,
            Self::All => 2,
        }
    }

    /// The option that `byte` stands for.
    pub(super) fn from_byte(byte: u8) -> Result<Self, Flaw> {
        match byte {
            0 => Ok(Self::Prefix),
            1 => Ok(Self::Suffix),
            2 => Ok(Self::All),
            _ => Err(Flaw::new("hash_option", format!("{byte} is not 0, 1 or 2"))),
        }
    }
}

impl Server {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        let id = reader.u32("id")?;
        let address = address(reader.address("address")?);
        let key = reader.bytes("public_key")?;
        let public_key = if key.is_empty() {
            None
        } else {
            let key = PublicKey::read(key).map_err(|flaw| flaw.within("public_key"))?;
            Some(key)
        };
        let count = reader.count("interfaces", SERVER_INTERFACES_MAX, INTERFACE_BYTES)?;
        let interfaces = (0..count)
            .map(|at| {
                let interface = Interface::read(reader);
                interface.map_err(|flaw| flaw.within(format!("interfaces[{at}]")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            id,
            address,
            public_key,
            interfaces,
        })
    }

    fn put(&self, out: &mut Vec<u8>) {
        let Self {
            id,
            address,
            public_key,
            interfaces,
        } = self;
        out.extend_from_slice(&id.to_be_bytes());
        let address = match address {
            IpAddr::V4(address) => Ipv6Addr::from(u128::from(address.to_bits())),
            IpAddr::V6(address) => *address,
        };
        out.extend_from_slice(&address.octets());
        let key = public_key.as_ref().map(PublicKey::encode);
        put_bytes(out, &key.unwrap_or_default());
        put_count(out, interfaces.len());
        for interface in interfaces {
            interface.put(out);
        }
    }
}

impl Interface {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        let kind = match reader.u8("kind")? {
            0 => InterfaceKind::OutOfService,
            1 => InterfaceKind::Admin,
            2 => InterfaceKind::Query,
            3 => InterfaceKind::AdminAndQuery,
            byte => return Err(Flaw::new("kind", format!("{byte} is not 0 to 3"))),
        };
        let protocol = match reader.u8("protocol")? {
            0 => InterfaceProtocol::Udp,
            1 => InterfaceProtocol::Tcp,
            2 => InterfaceProtocol::Http,
            3 => InterfaceProtocol::Https,
            byte => return Err(Flaw::new("protocol", format!("{byte} is not 0 to 3"))),
        };
        let port = reader.u32("port")?;
        let port = u16::try_from(port)
            .map_err(|_| Flaw::new("port", format!("{port} is above {}", u16::MAX)))?;
        Ok(Self {
            kind,
            protocol,
            port,
        })
    }

    fn put(self, out: &mut Vec<u8>) {
        let Self {
            kind,
            protocol,
            port,
        } = self;
        out.push(match kind {
            InterfaceKind::OutOfService => 0,
            InterfaceKind::Admin => 1,
            InterfaceKind::Query => 2,
            InterfaceKind::AdminAndQuery => 3,
        });
        out.push(match protocol {
            InterfaceProtocol::Udp => 0,
            InterfaceProtocol::Tcp => 1,
            InterfaceProtocol::Http => 2,
            InterfaceProtocol::Https => 3,
        });
        out.extend_from_slice(&u32::from(port).to_be_bytes());
    }
}

impl InterfaceKind {
    /// The kind that serves these.
    pub const fn serving(admin: bool, query: bool) -> Self {
        match (admin, query) {
            (false, false) => Self::OutOfService,
            (true, false) => Self::Admin,
            (false, true) => Self::Query,
            (true, true) => Self::AdminAndQuery,
        }
    }

    /// Whether it serves changes.
    pub const fn admin(self) -> bool {
        matches!(self, Self::Admin | Self::AdminAndQuery)
    }

    /// Whether it serves resolution.
    pub const fn query(self) -> bool {
        matches!(self, Self::Query | Self::AdminAndQuery)
    }
}

fn read_attributes(reader: &mut Reader<'_>) -> Result<Vec<Attribute>, Flaw> {
    let count = reader.count("attributes", SITE_ATTRIBUTES_MAX, ATTRIBUTE_BYTES_MIN)?;
    (0..count)
        .map(|at| {
            let place = format!("attributes[{at}]");
            let name = reader.text(&place)?.to_owned();
            let value = reader.text(&place)?.to_owned();
            Ok(Attribute { name, value })
        })
        .collect()
}

fn read_servers(reader: &mut Reader<'_>) -> Result<Vec<Server>, Flaw> {
    let count = reader.count("servers", SITE_SERVERS_MAX, SERVER_BYTES_MIN)?;
    (0..count)
        .map(|at| Server::read(reader).map_err(|flaw| flaw.within(format!("servers[{at}]"))))
        .collect()
}

/// IPv4 where the first twelve bytes are zero; but `::1` is no `0.0.0.1`.
fn address(octets: [u8; 16]) -> IpAddr {
    let address = Ipv6Addr::from(octets);
    match u32::try_from(address.to_bits()) {
        Ok(bits) if bits == 0 || bits >= 0x0100_0000 => IpAddr::V4(Ipv4Addr::from_bits(bits)),
        _ => IpAddr::V6(address),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn site() -> Site {
        let interface = |kind, protocol, port| Interface {
            kind,
            protocol,
            port,
        };
        Site {
            protocol: (2, 11),
            serial: 7,
            is_primary: true,
            is_multi_primary: false,
            hash_option: HashOption::All,
            hash_filter: Vec::new(),
            attributes: vec![Attribute {
                name: "desc".to_owned(),
                value: "节点".to_owned(),
            }],
            servers: vec![Server {
                id: 1,
                address: "192.0.2.7".parse().expect("address"),
                public_key: None,
                interfaces: vec![
                    interface(InterfaceKind::AdminAndQuery, InterfaceProtocol::Tcp, 2641),
                    interface(InterfaceKind::Query, InterfaceProtocol::Udp, 2641),
                    interface(InterfaceKind::OutOfService, InterfaceProtocol::Https, 443),
                    interface(InterfaceKind::Admin, InterfaceProtocol::Http, 8000),
                ],
            }],
        }
    }

    /// The bytes of [`site`] with `bytes` from `offset` on.
    fn changed(offset: usize, bytes: &[u8]) -> Vec<u8> {
        let mut data = site().encode();
        data[offset..offset + bytes.len()].copy_from_slice(bytes);
        data
    }

    fn check(data: &[u8], rule: &str) {
        let refusal = Site::decode(data).expect_err(rule);
        assert_eq!(
            refusal.to_string(),
            format!("the data is no \"HS_SITE\": {rule}")
        );
    }

    #[test]
    fn lays_out_a_site() {
        let site = site();
        let expected = b"\0\x01\x02\x0b\0\x07\x80\x02\0\0\0\0\0\0\0\x01\0\0\0\x04desc\
            \0\0\0\x06\xe8\x8a\x82\xe7\x82\xb9\0\0\0\x01\0\0\0\x01\
            \0\0\0\0\0\0\0\0\0\0\0\0\xc0\0\x02\x07\0\0\0\0\0\0\0\x04\
            \x03\x01\0\0\x0a\x51\x02\0\0\0\x0a\x51\0\x03\0\0\x01\xbb\x01\x02\0\0\x1f\x40";
        assert_eq!(site.encode(), expected);
        assert_eq!(Site::decode(expected), Ok(site));
    }

    #[test]
    fn refuses_what_is_no_site() {
        let data = site().encode();
        for end in 0..data.len() {
            assert!(Site::decode(&data[..end]).is_err(), "{end}");
        }
        check(&changed(0, &[0, 2]), "version: 2 is not 1");
        check(
            &changed(6, &[0xa0]),
            "primary: 0xa0 has bits beside 0x80 and 0x40",
        );
        check(&changed(7, &[3]), "hash_option: 3 is not 0, 1 or 2");
        check(
            &changed(12, &[0xff; 4]),
            "attributes: 4294967295 are more than the limit of 256",
        );
        check(&changed(20, &[0xff]), "attributes[0]: is not UTF-8");
        check(
            &changed(34, &[0, 0, 1, 0]),
            "servers: 256 take 7168 bytes or more, and 52 are there",
        );
        check(
            &changed(58, &[0, 0, 0, 1]),
            "servers[0].public_key.type: 1 of 4 bytes are there",
        );
        check(
            &changed(62, &[0, 0, 0, 65]),
            "servers[0].interfaces: 65 are more than the limit of 64",
        );
        check(
            &changed(66, &[4]),
            "servers[0].interfaces[0].kind: 4 is not 0 to 3",
        );
        check(
            &changed(73, &[4]),
            "servers[0].interfaces[1].protocol: 4 is not 0 to 3",
        );
        check(
            &changed(68, &[0, 1, 0, 0]),
            "servers[0].interfaces[0].port: 65536 is above 65535",
        );
        check(&[data, vec![0]].concat(), "1 bytes follow its end");
    }

    #[test]
    fn refuses_more_than_its_limits() {
        let mut wide = site();
        wide.servers = vec![wide.servers[0].clone(); SITE_SERVERS_MAX + 1];
        assert!(wide.checked().is_err());
        let mut wide = site();
        wide.servers[0].interfaces = vec![wide.servers[0].interfaces[0]; SERVER_INTERFACES_MAX + 1];
        assert!(wide.checked().is_err());
        let mut wide = site();
        wide.attributes = vec![wide.attributes[0].clone(); SITE_ATTRIBUTES_MAX + 1];
        assert!(wide.checked().is_err());
        assert!(site().checked().is_ok());
    }

    proptest! {
        #[test]
        fn keeps_every_address(octets: [u8; 16], last: [u8; 4]) {
            let mut ipv4 = [0; 16];
            ipv4[12..].copy_from_slice(&last);
            for octets in [octets, ipv4] {
                let data = changed(42, &octets);
                let decoded = Site::decode(&data).expect("valid");
                prop_assert_eq!(decoded.encode(), data);
            }
        }
    }

    #[test]
    fn tells_the_two_kinds_of_address_apart() {
        let shown = |octets: [u8; 16]| address(octets).to_string();
        let mut octets = [0; 16];
        assert_eq!(shown(octets), "0.0.0.0");
        octets[15] = 1;
        assert_eq!(shown(octets), "::1");
        octets[12] = 127;
        assert_eq!(shown(octets), "127.0.0.1");
        octets[0] = 0x20;
        assert_eq!(shown(octets), "2000::7f00:1");
    }
}
