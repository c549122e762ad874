//! The contents of the Handle System's own values to messages and back.

use std::net::IpAddr;

use crate::model::data::{
    Admin, AdminPermissions, Attribute, HashOption, Interface, InterfaceKind, InterfaceProtocol,
    PublicKey, ReferenceList, Server, Site, Typed,
};
use crate::model::{Reason, Reference, Refusal};
use crate::wire::proto::v1;
use crate::wire::proto::v1::handle_data::Content;
use crate::wire::proto::v1::handle_public_key::Key;

/// What `data` of a value of `value_type` says, where that is not its text.
pub(super) fn message(value_type: &str, data: &[u8]) -> Option<Box<v1::HandleData>> {
    let content = match Typed::of_binary(value_type, data)? {
        Typed::Site(site) => Content::Site(site_message(site)),
        Typed::Admin(admin) => Content::Admin(v1::HandleAdmin {
            reference: admin.reference.to_string(),
            permissions: admin.permissions.bits().into(),
        }),
        Typed::ReferenceList(list) => Content::ReferenceList(v1::HandleReferenceList {
            references: list.references.iter().map(Reference::to_string).collect(),
        }),
        Typed::PublicKey(key) => Content::PublicKey(key_message(key)),
        Typed::Identifier(_) | Typed::Namespace(_) | Typed::Jws(_) => return None,
    };
    Some(Box::new(v1::HandleData {
        content: Some(content),
    }))
}

/// The data of a value of `value_type` that says `message`, and that `data` must
/// be too if it is there.
///
/// # Errors
/// The first rule that is broken, its field as `handle_data.…`.
pub(super) fn data(
    value_type: &str,
    message: v1::HandleData,
    data: Option<&[u8]>,
) -> Result<Vec<u8>, Refusal> {
    let v1::HandleData { content } = message;
    let Some(content) = content else {
        return Err(Refusal::new(Reason::FieldRequired).field("handle_data.content"));
    };
    let typed = typed(content).map_err(|refusal| refusal.within("handle_data"))?;
    if !typed.fits(value_type) {
        return Err(invalid(
            "handle_data",
            value_type,
            "is no content of the type",
        ));
    }
    let encoded = typed.encode();
    let Some(data) = data else {
        return Ok(encoded);
    };
    // By what they say: one content can have several spellings.
    let said = Typed::of_binary(value_type, data);
    if said.is_none() || said != Typed::of_binary(value_type, &encoded) {
        let rule = "must say what the data says, or stand without it";
        return Err(invalid("handle_data", value_type, rule));
    }
    Ok(data.to_vec())
}

fn typed(content: Content) -> Result<Typed, Refusal> {
    Ok(match content {
        Content::Site(site) => Typed::Site(self::site(site)?),
        Content::Admin(admin) => Typed::Admin(self::admin(admin)?),
        Content::ReferenceList(list) => {
            let v1::HandleReferenceList { references } = list;
            let parsed = references.iter().enumerate().map(|(at, text)| {
                Reference::parse(text)
                    .map_err(|refusal| refusal.field(format!("reference_list.references[{at}]")))
            });
            let references = parsed.collect::<Result<_, _>>()?;
            Typed::ReferenceList(ReferenceList { references })
        }
        Content::PublicKey(key) => {
            let key = self::key(key).map_err(|refusal| refusal.within("public_key"))?;
            Typed::PublicKey(key)
        }
    })
}

fn admin(admin: v1::HandleAdmin) -> Result<Admin, Refusal> {
    let v1::HandleAdmin {
        reference,
        permissions,
    } = admin;
    Ok(Admin {
        permissions: AdminPermissions::from_bits(sixteen("admin.permissions", permissions)?),
        reference: Reference::parse(&reference)
            .map_err(|refusal| refusal.field("admin.reference"))?,
    })
}

fn site_message(site: Site) -> v1::HandleSite {
    let Site {
        protocol: (major, minor),
        serial,
        is_primary,
        is_multi_primary,
        hash_option,
        hash_filter,
        attributes,
        servers,
    } = site;
    let hash_option = match hash_option {
        HashOption::Prefix => v1::HandleHashOption::Prefix,
        HashOption::Suffix => v1::HandleHashOption::Suffix,
        HashOption::All => v1::HandleHashOption::All,
    };
    let attributes = attributes.into_iter();
    v1::HandleSite {
        protocol_version: format!("{major}.{minor}"),
        serial_number: serial.into(),
        primary: is_primary,
        multi_primary: is_multi_primary,
        hash_option: hash_option.into(),
        hash_filter,
        attributes: attributes
            .map(|Attribute { name, value }| v1::HandleSiteAttribute { name, value })
            .collect(),
        servers: servers.into_iter().map(server_message).collect(),
    }
}

fn site(site: v1::HandleSite) -> Result<Site, Refusal> {
    let v1::HandleSite {
        protocol_version,
        serial_number,
        primary,
        multi_primary,
        hash_option,
        hash_filter,
        attributes,
        servers,
    } = site;
    let Some(protocol) = Site::parse_protocol(&protocol_version) else {
        let rule = "major.minor, as 2.11";
        return Err(invalid("site.protocol_version", &protocol_version, rule));
    };
    let hash_option = match v1::HandleHashOption::try_from(hash_option) {
        Ok(v1::HandleHashOption::Prefix) => HashOption::Prefix,
        Ok(v1::HandleHashOption::Suffix) => HashOption::Suffix,
        Ok(v1::HandleHashOption::All | v1::HandleHashOption::Unspecified) => HashOption::All,
        Err(_) => {
            let rule = "a HandleHashOption";
            return Err(invalid("site.hash_option", hash_option, rule));
        }
    };
    let servers = servers.into_iter().enumerate().map(|(at, server)| {
        self::server(server).map_err(|refusal| refusal.within(&format!("site.servers[{at}]")))
    });
    let attributes = attributes.into_iter();
    Ok(Site {
        protocol,
        serial: sixteen("site.serial_number", serial_number)?,
        is_primary: primary,
        is_multi_primary: multi_primary,
        hash_option,
        hash_filter,
        attributes: attributes
            .map(|v1::HandleSiteAttribute { name, value }| Attribute { name, value })
            .collect(),
        servers: servers.collect::<Result<_, _>>()?,
    })
}

fn server_message(server: Server) -> v1::HandleServer {
    let Server {
        id,
        address,
        public_key,
        interfaces,
    } = server;
    v1::HandleServer {
        server_id: id,
        address: address.to_string(),
        public_key: public_key.map(key_message),
        interfaces: interfaces.into_iter().map(interface_message).collect(),
    }
}

fn server(server: v1::HandleServer) -> Result<Server, Refusal> {
    let v1::HandleServer {
        server_id,
        address,
        public_key,
        interfaces,
    } = server;
    let parsed: Option<IpAddr> = address.parse().ok();
    let interfaces = interfaces.into_iter().enumerate().map(|(at, one)| {
        interface(one).map_err(|refusal| refusal.within(&format!("interfaces[{at}]")))
    });
    Ok(Server {
        id: server_id,
        address: parsed.ok_or_else(|| invalid("address", &address, "an IPv4 or IPv6 address"))?,
        interfaces: interfaces.collect::<Result<_, _>>()?,
        public_key: public_key
            .map(key)
            .transpose()
            .map_err(|refusal| refusal.within("public_key"))?,
    })
}

fn interface_message(interface: Interface) -> v1::HandleInterface {
    let Interface {
        kind,
        protocol,
        port,
    } = interface;
    let protocol = match protocol {
        InterfaceProtocol::Udp => v1::HandleInterfaceProtocol::Udp,
        InterfaceProtocol::Tcp => v1::HandleInterfaceProtocol::Tcp,
        InterfaceProtocol::Http => v1::HandleInterfaceProtocol::Http,
        InterfaceProtocol::Https => v1::HandleInterfaceProtocol::Https,
    };
    v1::HandleInterface {
        query: kind.query(),
        admin: kind.admin(),
        protocol: protocol.into(),
        port: port.into(),
    }
}

fn interface(interface: v1::HandleInterface) -> Result<Interface, Refusal> {
    let v1::HandleInterface {
        query,
        admin,
        protocol,
        port,
    } = interface;
    let protocol = match v1::HandleInterfaceProtocol::try_from(protocol) {
        Ok(v1::HandleInterfaceProtocol::Udp) => InterfaceProtocol::Udp,
        Ok(v1::HandleInterfaceProtocol::Tcp) => InterfaceProtocol::Tcp,
        Ok(v1::HandleInterfaceProtocol::Http) => InterfaceProtocol::Http,
        Ok(v1::HandleInterfaceProtocol::Https) => InterfaceProtocol::Https,
        Ok(v1::HandleInterfaceProtocol::Unspecified) | Err(_) => {
            return Err(invalid("protocol", protocol, "UDP, TCP, HTTP or HTTPS"));
        }
    };
    Ok(Interface {
        kind: InterfaceKind::serving(admin, query),
        protocol,
        port: sixteen("port", port)?,
    })
}

fn key_message(key: PublicKey) -> v1::HandlePublicKey {
    let key = match key {
        PublicKey::Rsa { exponent, modulus } => Key::Rsa(v1::HandleRsaKey { modulus, exponent }),
        PublicKey::Dsa { q, p, g, y } => Key::Dsa(v1::HandleDsaKey { p, q, g, y }),
        PublicKey::Dh { y, p, g } => Key::Dh(v1::HandleDhKey { p, g, y }),
        PublicKey::Sm2 { point } => Key::Sm2Point(point.to_vec()),
    };
    v1::HandlePublicKey { key: Some(key) }
}

fn key(key: v1::HandlePublicKey) -> Result<PublicKey, Refusal> {
    let v1::HandlePublicKey { key } = key;
    Ok(match key {
        None => return Err(Refusal::new(Reason::FieldRequired).field("key")),
        Some(Key::Rsa(v1::HandleRsaKey { modulus, exponent })) => {
            PublicKey::Rsa { exponent, modulus }
        }
        Some(Key::Dsa(v1::HandleDsaKey { p, q, g, y })) => PublicKey::Dsa { q, p, g, y },
        Some(Key::Dh(v1::HandleDhKey { p, g, y })) => PublicKey::Dh { y, p, g },
        Some(Key::Sm2Point(point)) => {
            let count = point.len();
            let point = point.try_into();
            let point = point.map_err(|_: Vec<u8>| {
                invalid("sm2_point", format!("{count} bytes"), "65 bytes: 04, x, y")
            })?;
            PublicKey::Sm2 { point }
        }
    })
}

fn sixteen(field: &'static str, number: u32) -> Result<u16, Refusal> {
    u16::try_from(number).map_err(|_| invalid(field, number, "at most 65535"))
}

fn invalid(field: &'static str, value: impl std::fmt::Display, rule: &str) -> Refusal {
    Refusal::new(Reason::FieldInvalid)
        .field(field)
        .value(value)
        .limit(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADMIN: &[u8] = b"\x07\xf3\0\0\0\x0d0.NA/88.118.7\0\0\0\xc8";

    /// Type and data of each recorded value.
    fn recorded() -> Vec<(&'static str, Vec<u8>)> {
        let lines = include_str!("../../../tests/data/values/recorded.hex").lines();
        let values = lines.filter(|line| !line.starts_with('#')).map(|line| {
            let (value_type, hex) = line.split_once(' ').expect("type and data");
            let data = data_encoding::HEXLOWER.decode(hex.as_bytes());
            (value_type, data.expect("hex"))
        });
        values.collect()
    }

    fn spelled(value_type: &str, data: &[u8]) -> v1::HandleData {
        *message(value_type, data).expect("content")
    }

    fn check(
        value_type: &str,
        message: v1::HandleData,
        bytes: Option<&[u8]>,
        expected: (Reason, &str),
    ) {
        let refusal = data(value_type, message, bytes).expect_err("refused");
        assert_eq!(
            (refusal.reason(), refusal.field_path()),
            expected,
            "{refusal}"
        );
    }

    #[test]
    fn recorded_values_survive_there_and_back() {
        for (value_type, bytes) in recorded() {
            let spelled = spelled(value_type, &bytes);
            assert_eq!(data(value_type, spelled.clone(), None), Ok(bytes.clone()));
            assert_eq!(data(value_type, spelled, Some(&bytes)), Ok(bytes));
        }
        for value_type in ["HS_VLIST", "HS_PUBKEY"] {
            let pem = include_bytes!("../../../tests/data/values/dsa.pem");
            let bytes: &[u8] = if value_type == "HS_VLIST" {
                b"\0\0\0\x01\0\0\0\x03a/b\0\0\0\0"
            } else {
                pem
            };
            let spelled = spelled(value_type, bytes);
            assert_eq!(
                data(value_type, spelled, Some(bytes)).as_deref(),
                Ok(bytes),
                "as it was spelled"
            );
        }
        assert!(message("HS_SERV", b"a/b").is_none());
        assert!(message("URL", b"a/b").is_none());
        assert!(message("HS_ADMIN", b"a/b").is_none());
    }

    #[test]
    fn data_and_what_it_says_must_agree() {
        let admin = || spelled("HS_ADMIN", ADMIN);
        let old_form = [ADMIN, &[0, 0]].concat();
        assert_eq!(
            data("HS_ADMIN", admin(), Some(&old_form)),
            Ok(old_form.clone())
        );
        let mut other = ADMIN.to_vec();
        other[1] = 0;
        check(
            "HS_ADMIN",
            admin(),
            Some(&other),
            (Reason::FieldInvalid, "handle_data"),
        );
        check(
            "HS_ADMIN",
            admin(),
            Some(b""),
            (Reason::FieldInvalid, "handle_data"),
        );
        check(
            "HS_VLIST",
            admin(),
            None,
            (Reason::FieldInvalid, "handle_data"),
        );
        check("URL", admin(), None, (Reason::FieldInvalid, "handle_data"));
        let nothing = v1::HandleData::default();
        check(
            "HS_ADMIN",
            nothing,
            None,
            (Reason::FieldRequired, "handle_data.content"),
        );
    }

    #[test]
    fn names_the_field_that_breaks_a_rule() {
        let site = |change: fn(&mut v1::HandleSite)| {
            let (_, bytes) = recorded()
                .into_iter()
                .find(|(kind, _)| *kind == "HS_SITE")
                .expect("a site");
            let mut message = spelled("HS_SITE", &bytes);
            if let Some(Content::Site(site)) = &mut message.content {
                change(site);
            }
            message
        };
        let refused =
            |change, field| check("HS_SITE", site(change), None, (Reason::FieldInvalid, field));
        refused(
            |s| s.protocol_version = "2".into(),
            "handle_data.site.protocol_version",
        );
        refused(
            |s| s.serial_number = 65_536,
            "handle_data.site.serial_number",
        );
        refused(|s| s.hash_option = 4, "handle_data.site.hash_option");
        refused(
            |s| s.servers[0].address = "a".into(),
            "handle_data.site.servers[0].address",
        );
        refused(
            |s| s.servers[0].interfaces[1].protocol = 0,
            "handle_data.site.servers[0].interfaces[1].protocol",
        );
        refused(
            |s| s.servers[0].interfaces[2].port = 65_536,
            "handle_data.site.servers[0].interfaces[2].port",
        );
        refused(
            |s| {
                s.servers[0].public_key = Some(v1::HandlePublicKey {
                    key: Some(Key::Sm2Point(vec![4])),
                });
            },
            "handle_data.site.servers[0].public_key.sm2_point",
        );
        let list = v1::HandleReferenceList {
            references: vec!["1:a/b".into(), "a/b".into()],
        };
        let list = v1::HandleData {
            content: Some(Content::ReferenceList(list)),
        };
        let field = "handle_data.reference_list.references[1]";
        check("HS_VLIST", list, None, (Reason::FieldInvalid, field));
        let admin = v1::HandleAdmin {
            reference: "200:".into(),
            permissions: 0,
        };
        let admin = v1::HandleData {
            content: Some(Content::Admin(admin)),
        };
        let field = "handle_data.admin.reference";
        check("HS_ADMIN", admin, None, (Reason::IdentifierEmpty, field));
    }
}
