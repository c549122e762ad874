//! Typed contents as JSON, in the manner of the field's HTTP APIs.
//!
//! ```text
//! HS_ADMIN   {"handle":"0.NA/88.118.7","index":200,"permissions":"011111110011"}
//! HS_VLIST   [{"handle":"88.118.7/App_erp","index":300}]
//! HS_PUBKEY  {"kty":"RSA","n":…,"e":…}              JWK (RFC 7517); taken as PEM text too
//!            {"kty":"DSA","p":…,"q":…,"g":…,"y":…}  numbers: Base64url, big-endian
//!            {"kty":"DH","p":…,"g":…,"y":…}
//!            {"kty":"EC","crv":"SM2","x":…,"y":…}
//! HS_SITE    {"version":1,"protocolVersion":"2.11","serialNumber":1,
//!             "primarySite":true,"multiPrimary":false,"hashOption":2,
//!             "attributes":[{"name":"desc","value":"…"}],
//!             "servers":[{"serverId":1,"address":"192.0.2.1","publicKey":{"kty":…},
//!               "interfaces":[{"query":true,"admin":true,"protocol":"TCP","port":2641}]}]}
//! ```
//!
//! `permissions` are binary digits, the right to list identifiers first and to
//! add them last. `hashOption` is 0 for the prefix, 1 for the suffix, and 2, the
//! whole identifier, if it is absent. A server's `publicKey` may also be PEM
//! text, or `{"format":"base64","value":…}` around the binary form, as existing
//! `siteinfo.json` files have it. Other types are a JSON string: their text.
//! Unknown members are refused, except those of a JWK.

use std::net::IpAddr;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::data::bytes::Flaw;
use crate::model::data::public_key::is_pem;
use crate::model::data::reference::identifier;
use crate::model::data::site::FORMAT_VERSION;
use crate::model::data::spki::stripped;
use crate::model::data::{
    Admin, AdminPermissions, Attribute, Form, HashOption, Interface, InterfaceKind,
    InterfaceProtocol, PublicKey, ReferenceList, Server, Site, Typed,
};
use crate::model::fault::Refusal;
use crate::model::record::Reference;

/// Characters of the JSON parser's own words that a refusal repeats.
const DETAIL_CHARS_MAX: usize = 160;

/// `typed` as JSON.
pub fn to_json(typed: &Typed) -> Value {
    match typed {
        Typed::Site(site) => json(&SiteJson::of(site)),
        Typed::Admin(admin) => json(&AdminJson::of(admin)),
        Typed::ReferenceList(list) => {
            let items = list.references.iter().map(ReferenceJson::of);
            json(&items.collect::<Vec<_>>())
        }
        Typed::PublicKey(key) => json(&KeyJson::of(key)),
        Typed::Identifier(identifier) => Value::String(identifier.to_string()),
        Typed::Namespace(namespace) => Value::String(namespace.xml().to_owned()),
        Typed::Jws(jws) => Value::String(jws.as_str().to_owned()),
    }
}

/// The content of a value of `value_type` from its JSON; `None` where the type
/// gives data no form.
///
/// # Errors
/// [`Reason::ValueDataInvalid`](crate::model::Reason::ValueDataInvalid), its
/// field `data`.
pub fn from_json(value_type: &str, value: Value) -> Option<Result<Typed, Refusal>> {
    let read = read(Form::of(value_type)?, value);
    Some(read.map_err(|flaw| flaw.refusal(value_type)))
}

/// The data that `text`, written by a person, stands for: the JSON of an
/// `HS_SITE`, `HS_ADMIN`, `HS_VLIST` or `HS_PUBKEY` is encoded, PEM is data as it
/// is. `None` where the text of every value of the type is its data.
///
/// # Errors
/// [`Reason::ValueDataInvalid`](crate::model::Reason::ValueDataInvalid), its
/// field `data`.
pub fn data_of_text(value_type: &str, text: &str) -> Option<Result<Vec<u8>, Refusal>> {
    let form = Form::of(value_type).filter(|form| form.is_binary())?;
    let data = if form == Form::PublicKey && is_pem(text.as_bytes()) {
        PublicKey::read_pem(text).map(|_| text.as_bytes().to_vec())
    } else {
        serde_json::from_str(text)
            .map_err(|error| unparsed(&error))
            .and_then(|value| read(form, value))
            .map(|typed| typed.encode())
    };
    Some(data.map_err(|flaw| flaw.refusal(value_type)))
}

fn read(form: Form, value: Value) -> Result<Typed, Flaw> {
    match form {
        Form::Site => parsed::<SiteJson>(value)?.site().map(Typed::Site),
        Form::Admin => parsed::<AdminJson>(value)?.admin().map(Typed::Admin),
        Form::ReferenceList => {
            let items = parsed::<Vec<ReferenceJson>>(value)?.into_iter();
            let references = items.enumerate().map(|(at, item)| {
                let reference = item.reference();
                reference.map_err(|flaw| flaw.within(format!("references[{at}]")))
            });
            let references = references.collect::<Result<_, _>>()?;
            let list = ReferenceList { references }.checked()?;
            Ok(Typed::ReferenceList(list))
        }
        Form::PublicKey => public_key(value).map(Typed::PublicKey),
        Form::Identifier | Form::Namespace | Form::Jws => {
            form.read(parsed::<String>(value)?.as_bytes())
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReferenceJson {
    handle: String,
    index: u32,
}

impl ReferenceJson {
    fn of(reference: &Reference) -> Self {
        let Reference { index, identifier } = reference;
        Self {
            handle: identifier.to_string(),
            index: *index,
        }
    }

    fn reference(self) -> Result<Reference, Flaw> {
        let Self { handle, index } = self;
        let identifier = identifier("handle", handle.as_bytes())?;
        Ok(Reference { index, identifier })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdminJson {
    handle: String,
    index: u32,
    permissions: String,
}

impl AdminJson {
    fn of(admin: &Admin) -> Self {
        let Admin {
            permissions,
            reference,
        } = admin;
        let ReferenceJson { handle, index } = ReferenceJson::of(reference);
        Self {
            handle,
            index,
            permissions: permissions.to_string(),
        }
    }

    fn admin(self) -> Result<Admin, Flaw> {
        let Self {
            handle,
            index,
            permissions,
        } = self;
        let reference = ReferenceJson { handle, index }.reference()?;
        let permissions = AdminPermissions::parse(&permissions)
            .ok_or_else(|| Flaw::new("permissions", "12 to 16 binary digits are needed"))?;
        Ok(Admin {
            permissions,
            reference,
        })
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SiteJson {
    #[serde(default = "format_version")]
    version: u16,
    protocol_version: String,
    serial_number: u16,
    #[serde(default)]
    primary_site: bool,
    #[serde(default)]
    multi_primary: bool,
    #[serde(default = "all", skip_serializing_if = "is_all")]
    hash_option: u8,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    hash_filter: String,
    #[serde(default)]
    attributes: Vec<AttributeJson>,
    servers: Vec<ServerJson>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AttributeJson {
    name: String,
    value: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ServerJson {
    server_id: u32,
    address: IpAddr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<Value>,
    interfaces: Vec<InterfaceJson>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InterfaceJson {
    query: bool,
    admin: bool,
    protocol: ProtocolJson,
    port: u16,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum ProtocolJson {
    Udp,
    Tcp,
    Http,
    Https,
}

const fn format_version() -> u16 {
    FORMAT_VERSION
}

const fn all() -> u8 {
    HashOption::All.byte()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes what it may skip by reference"
)]
const fn is_all(byte: &u8) -> bool {
    *byte == all()
}

impl SiteJson {
    fn of(site: &Site) -> Self {
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
        let attributes = attributes
            .iter()
            .map(|Attribute { name, value }| AttributeJson {
                name: name.clone(),
                value: value.clone(),
            });
        Self {
            version: FORMAT_VERSION,
            protocol_version: format!("{major}.{minor}"),
            serial_number: *serial,
            primary_site: *is_primary,
            multi_primary: *is_multi_primary,
            hash_option: hash_option.byte(),
            hash_filter: BASE64.encode(hash_filter),
            attributes: attributes.collect(),
            servers: servers.iter().map(ServerJson::of).collect(),
        }
    }

    fn site(self) -> Result<Site, Flaw> {
        let Self {
            version,
            protocol_version,
            serial_number,
            primary_site,
            multi_primary,
            hash_option,
            hash_filter,
            attributes,
            servers,
        } = self;
        if version != FORMAT_VERSION {
            let rule = format!("{version} is not {FORMAT_VERSION}");
            return Err(Flaw::new("version", rule));
        }
        let protocol = Site::parse_protocol(&protocol_version)
            .ok_or_else(|| Flaw::new("protocolVersion", "major.minor is needed, as 2.11"))?;
        let servers = servers.into_iter().enumerate().map(|(at, server)| {
            let server = server.server();
            server.map_err(|flaw| flaw.within(format!("servers[{at}]")))
        });
        let attributes = attributes
            .into_iter()
            .map(|AttributeJson { name, value }| Attribute { name, value });
        let site = Site {
            protocol,
            serial: serial_number,
            is_primary: primary_site,
            is_multi_primary: multi_primary,
            hash_option: HashOption::from_byte(hash_option)?,
            hash_filter: base64("hashFilter", &hash_filter)?,
            attributes: attributes.collect(),
            servers: servers.collect::<Result<_, _>>()?,
        };
        site.checked()
    }
}

impl ServerJson {
    fn of(server: &Server) -> Self {
        let Server {
            id,
            address,
            public_key,
            interfaces,
        } = server;
        Self {
            server_id: *id,
            address: *address,
            public_key: public_key.as_ref().map(|key| json(&KeyJson::of(key))),
            interfaces: interfaces
                .iter()
                .map(|one| InterfaceJson::of(*one))
                .collect(),
        }
    }

    fn server(self) -> Result<Server, Flaw> {
        let Self {
            server_id,
            address,
            public_key: key,
            interfaces,
        } = self;
        let key = key.map(public_key).transpose();
        Ok(Server {
            id: server_id,
            address,
            public_key: key.map_err(|flaw| flaw.within("publicKey"))?,
            interfaces: interfaces
                .into_iter()
                .map(InterfaceJson::interface)
                .collect(),
        })
    }
}

impl InterfaceJson {
    const fn of(interface: Interface) -> Self {
        let Interface {
            kind,
            protocol,
            port,
        } = interface;
        let protocol = match protocol {
            InterfaceProtocol::Udp => ProtocolJson::Udp,
            InterfaceProtocol::Tcp => ProtocolJson::Tcp,
            InterfaceProtocol::Http => ProtocolJson::Http,
            InterfaceProtocol::Https => ProtocolJson::Https,
        };
        Self {
            query: kind.query(),
            admin: kind.admin(),
            protocol,
            port,
        }
    }

    const fn interface(self) -> Interface {
        let Self {
            query,
            admin,
            protocol,
            port,
        } = self;
        let protocol = match protocol {
            ProtocolJson::Udp => InterfaceProtocol::Udp,
            ProtocolJson::Tcp => InterfaceProtocol::Tcp,
            ProtocolJson::Http => InterfaceProtocol::Http,
            ProtocolJson::Https => InterfaceProtocol::Https,
        };
        Interface {
            kind: InterfaceKind::serving(admin, query),
            protocol,
            port,
        }
    }
}

/// A key as JWK. Members that it does not know are not looked at (RFC 7517 §4).
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kty")]
enum KeyJson {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "DSA")]
    Dsa {
        p: String,
        q: String,
        g: String,
        y: String,
    },
    #[serde(rename = "DH")]
    Dh { p: String, g: String, y: String },
    #[serde(rename = "EC")]
    Ec { crv: String, x: String, y: String },
}

const SM2_CURVE: &str = "SM2";
const COORDINATE_BYTES: usize = 32;

impl KeyJson {
    fn of(key: &PublicKey) -> Self {
        let text = |number: &[u8]| BASE64URL_NOPAD.encode(number);
        match key {
            PublicKey::Rsa { exponent, modulus } => Self::Rsa {
                n: text(modulus),
                e: text(exponent),
            },
            PublicKey::Dsa { q, p, g, y } => Self::Dsa {
                p: text(p),
                q: text(q),
                g: text(g),
                y: text(y),
            },
            PublicKey::Dh { y, p, g } => Self::Dh {
                p: text(p),
                g: text(g),
                y: text(y),
            },
            PublicKey::Sm2 { point } => {
                let (_, coordinates) = point.split_at(1);
                let (x, y) = coordinates.split_at(COORDINATE_BYTES);
                Self::Ec {
                    crv: SM2_CURVE.to_owned(),
                    x: text(x),
                    y: text(y),
                }
            }
        }
    }

    fn key(self) -> Result<PublicKey, Flaw> {
        let key = match self {
            Self::Rsa { n, e } => PublicKey::Rsa {
                exponent: number("e", &e)?,
                modulus: number("n", &n)?,
            },
            Self::Dsa { p, q, g, y } => PublicKey::Dsa {
                q: number("q", &q)?,
                p: number("p", &p)?,
                g: number("g", &g)?,
                y: number("y", &y)?,
            },
            Self::Dh { p, g, y } => PublicKey::Dh {
                y: number("y", &y)?,
                p: number("p", &p)?,
                g: number("g", &g)?,
            },
            Self::Ec { crv, x, y } => {
                if crv != SM2_CURVE {
                    return Err(Flaw::new("crv", format!("is not {SM2_CURVE}")));
                }
                let x = coordinate("x", &x)?;
                let y = coordinate("y", &y)?;
                let mut point = [4; 1 + 2 * COORDINATE_BYTES];
                let bytes = x.into_iter().chain(y);
                point
                    .iter_mut()
                    .skip(1)
                    .zip(bytes)
                    .for_each(|(to, byte)| *to = byte);
                PublicKey::Sm2 { point }
            }
        };
        key.within_limits()
    }
}

/// The binary form in Base64, as `siteinfo.json` files have it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Base64Json {
    format: String,
    value: String,
}

/// A key as JWK, as PEM text or around its binary form.
fn public_key(value: Value) -> Result<PublicKey, Flaw> {
    if let Value::String(pem) = &value {
        return PublicKey::read_pem(pem);
    }
    if value.get("format").is_none() {
        return parsed::<KeyJson>(value)?.key();
    }
    let Base64Json { format, value } = parsed(value)?;
    if format != "base64" {
        return Err(Flaw::new("format", "is not base64"));
    }
    PublicKey::read(&base64("value", &value)?)
}

fn number(place: &str, text: &str) -> Result<Vec<u8>, Flaw> {
    Ok(stripped(&base64url(place, text)?).to_vec())
}

fn coordinate(place: &str, text: &str) -> Result<[u8; COORDINATE_BYTES], Flaw> {
    let bytes = base64url(place, text)?;
    let rule = || format!("has {} bytes and not {COORDINATE_BYTES}", bytes.len());
    let fixed = bytes.as_slice().try_into();
    fixed.map_err(|_| Flaw::new(place, rule()))
}

fn base64url(place: &str, text: &str) -> Result<Vec<u8>, Flaw> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
    bytes.map_err(|_| Flaw::new(place, "is not Base64url without padding"))
}

fn base64(place: &str, text: &str) -> Result<Vec<u8>, Flaw> {
    let bytes = BASE64.decode(text.as_bytes());
    bytes.map_err(|_| Flaw::new(place, "is not Base64"))
}

fn parsed<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, Flaw> {
    serde_json::from_value(value).map_err(|error| unparsed(&error))
}

/// The parser's words, which may repeat the input.
fn unparsed(error: &serde_json::Error) -> Flaw {
    let text = error.to_string();
    let mut shown = String::new();
    for character in text.chars().take(DETAIL_CHARS_MAX) {
        if character.is_control() {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    Flaw::new("", format!("JSON: {shown}"))
}

/// What these types are in JSON, always.
fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: &str = r#"{"protocolVersion":"2.11","serialNumber":1,"primarySite":true,
        "servers":[{"serverId":1,"address":"2001:db8::7","interfaces":[
            {"query":true,"admin":false,"protocol":"UDP","port":2641}]}]}"#;

    fn check(value_type: &str, text: &str, expected: Result<&str, &str>) {
        let seen = data_of_text(value_type, text).expect("binary");
        match (seen, expected) {
            (Ok(data), Ok(json)) => {
                let seen = Typed::of_binary(value_type, &data).expect("content");
                assert_eq!(
                    to_json(&seen),
                    serde_json::from_str::<Value>(json).expect("JSON")
                );
            }
            (Err(refusal), Err(rule)) => {
                let text = refusal.to_string();
                assert_eq!(text, format!("the data is no \"{value_type}\": {rule}"));
            }
            (seen, _) => panic!("{value_type} {text}: {seen:?}"),
        }
    }

    #[test]
    fn says_an_administrator() {
        let admin = r#"{"handle":"0.NA/88.118.7","index":200,"permissions":"011111110011"}"#;
        check("HS_ADMIN", admin, Ok(admin));
        check(
            "HS_ADMIN",
            "",
            Err("JSON: EOF while parsing a value at line 1 column 0"),
        );
        check(
            "HS_ADMIN",
            r#"{"handle":"a/b","index":1}"#,
            Err("JSON: missing field `permissions`"),
        );
        check(
            "HS_ADMIN",
            r#"{"handle":"a/b","index":-1,"permissions":"011111110011"}"#,
            Err("JSON: invalid value: integer `-1`, expected u32"),
        );
        check(
            "HS_ADMIN",
            r#"{"handle":"a","index":1,"permissions":"011111110011"}"#,
            Err("handle: identifier \"a\" is not of the form prefix/suffix"),
        );
        check(
            "HS_ADMIN",
            r#"{"handle":"a/b","index":1,"permissions":"rwx"}"#,
            Err("permissions: 12 to 16 binary digits are needed"),
        );
        check(
            "HS_ADMIN",
            "{\"\\u001bx\":1}",
            Err("JSON: unknown field `\\u{1b}x`, expected one of `handle`, `index`, `permissions`"),
        );
    }

    #[test]
    fn says_a_group() {
        let list = r#"[{"handle":"a/b","index":300},{"handle":"0.NA/88.1","index":0}]"#;
        check("HS_VLIST", list, Ok(list));
        check("HS_VLIST", "[]", Ok("[]"));
        check(
            "HS_VLIST",
            r#"[{"handle":"a/b","index":300},{"handle":"","index":0}]"#,
            Err("references[1].handle: the identifier is empty"),
        );
    }

    #[test]
    fn says_a_site() {
        let whole = r#"{"version":1,"protocolVersion":"2.11","serialNumber":1,"primarySite":true,
            "multiPrimary":false,"attributes":[],"servers":[{"serverId":1,"address":"2001:db8::7",
            "interfaces":[{"query":true,"admin":false,"protocol":"UDP","port":2641}]}]}"#;
        check("HS_SITE", SITE, Ok(whole));
        check("HS_NA_DELEGATE", SITE, Ok(whole));
        let keyed = |key: &str| {
            SITE.replace(
                "\"interfaces\"",
                &format!("\"publicKey\":{key},\"interfaces\""),
            )
        };
        let pem = include_str!("../../../tests/data/values/rsa.pem");
        let quoted = Value::String(pem.to_owned()).to_string();
        let Some(Ok(data)) = data_of_text("HS_SITE", &keyed(&quoted)) else {
            panic!("PEM within a site");
        };
        let binary = PublicKey::from_pem(pem).expect("valid").encode();
        let wrapped = format!(
            r#"{{"format":"base64","value":"{}"}}"#,
            BASE64.encode(&binary)
        );
        assert_eq!(data_of_text("HS_SITE", &keyed(&wrapped)), Some(Ok(data)));
        check(
            "HS_SITE",
            &keyed("{}"),
            Err("servers[0].publicKey: JSON: missing field `kty`"),
        );
        check(
            "HS_SITE",
            &SITE.replace("2.11", "2"),
            Err("protocolVersion: major.minor is needed, as 2.11"),
        );
        check(
            "HS_SITE",
            &SITE.replace("UDP", "SCTP"),
            Err("JSON: unknown variant `SCTP`, expected one of `UDP`, `TCP`, `HTTP`, `HTTPS`"),
        );
    }

    #[test]
    fn says_a_key() {
        let sm2 = r#"{"kty":"EC","crv":"SM2","x":"-fyPg5sQcuFu0Fb0xstCi9CtiEPMeOfuxW19uFw61zw",
            "y":"9eNepEUtLnoSm4iCv2Qvg9zwYTbDigZmYaE086-9wrA"}"#;
        check("HS_PUBKEY", sm2, Ok(sm2));
        let with_use = sm2.replace("\"kty\"", "\"use\":\"sig\",\"kty\"");
        check("HS_PUBKEY", &with_use, Ok(sm2));
        check(
            "HS_PUBKEY",
            &sm2.replace("SM2", "P-256"),
            Err("crv: is not SM2"),
        );
        check(
            "HS_PUBKEY",
            &sm2.replace("9eN", "9+N"),
            Err("y: is not Base64url without padding"),
        );
        check(
            "HS_PUBKEY",
            &sm2.replace("9eNe", ""),
            Err("y: has 29 bytes and not 32"),
        );
        check(
            "HS_PUBKEY",
            r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#,
            Err("modulus: has 17 bits; the limits are 512 and 16384"),
        );
        let pem = include_str!("../../../tests/data/values/dsa.pem");
        let data = data_of_text("HS_PUBKEY", pem).expect("binary");
        assert_eq!(data.as_deref(), Ok(pem.as_bytes()), "PEM is data as it is");
        assert!(matches!(data_of_text("HS_PUBKEY", "-----"), Some(Err(_))));
    }

    #[test]
    fn leaves_text_alone() {
        assert_eq!(data_of_text("HS_SERV", "a/b"), None);
        assert_eq!(data_of_text("URL", "{}"), None);
        assert_eq!(Typed::of_binary("HS_SERV", b"a/b"), None);
        assert_eq!(Typed::of_binary("HS_ADMIN", b"x"), None);
        let alias = from_json("HS_ALIAS", Value::String("a/b".to_owned())).expect("typed");
        assert_eq!(alias.map(|typed| typed.encode()), Ok(b"a/b".to_vec()));
    }
}
