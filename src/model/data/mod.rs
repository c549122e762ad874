//! The contents of the Handle System's own values: what the bytes of an
//! `HS_SITE`, `HS_ADMIN`, `HS_PUBKEY` and the like say (RFC 3651 §3.2, and the
//! Handle protocol as deployed).
//!
//! Each type decodes bytes of any origin, in bounds, and encodes itself to the
//! bytes that Handle servers and clients read. `HS_SECKEY` is bytes without a
//! form, and therefore not here.

mod admin;
mod bytes;
pub mod json;
mod jws;
mod namespace;
mod public_key;
mod reference;
mod site;
mod spki;

pub use admin::{Admin, AdminPermissions};
pub use jws::Jws;
pub use namespace::Namespace;
pub use public_key::{PublicKey, SM2_POINT_BYTES};
pub use reference::ReferenceList;
pub use site::{Attribute, HashOption, Interface, InterfaceKind, InterfaceProtocol, Server, Site};

use crate::model::data::bytes::Flaw;
use crate::model::fault::Refusal;
use crate::model::identifier::Identifier;

/// The content of a value of one of the Handle System's own types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// `HS_SITE`, `HS_SITE.6`, `HS_SITE.PREFIX`, `HS_NA_DELEGATE`.
    Site(Site),
    /// `HS_ADMIN`.
    Admin(Admin),
    /// `HS_VLIST`.
    ReferenceList(ReferenceList),
    /// `HS_PUBKEY`.
    PublicKey(PublicKey),
    /// `HS_ALIAS`, `HS_SERV`, `HS_SERV.PREFIX`.
    Identifier(Identifier),
    /// `HS_NAMESPACE`.
    Namespace(Namespace),
    /// `HS_SIGNATURE`, `HS_CERT`.
    Jws(Jws),
}

/// The form that the data of a type has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Site,
    Admin,
    ReferenceList,
    PublicKey,
    Identifier,
    Namespace,
    Jws,
}

impl Form {
    fn of(value_type: &str) -> Option<Self> {
        Some(match value_type {
            "HS_SITE" | "HS_SITE.6" | "HS_SITE.PREFIX" | "HS_NA_DELEGATE" => Self::Site,
            "HS_ADMIN" => Self::Admin,
            "HS_VLIST" => Self::ReferenceList,
            "HS_PUBKEY" => Self::PublicKey,
            "HS_ALIAS" | "HS_SERV" | "HS_SERV.PREFIX" => Self::Identifier,
            "HS_NAMESPACE" => Self::Namespace,
            "HS_SIGNATURE" | "HS_CERT" => Self::Jws,
            _ => return None,
        })
    }

    /// Whether its data is not text.
    const fn is_binary(self) -> bool {
        match self {
            Self::Site | Self::Admin | Self::ReferenceList | Self::PublicKey => true,
            Self::Identifier | Self::Namespace | Self::Jws => false,
        }
    }

    fn read(self, data: &[u8]) -> Result<Typed, Flaw> {
        match self {
            Self::Site => Site::read(data).map(Typed::Site),
            Self::Admin => Admin::read(data).map(Typed::Admin),
            Self::ReferenceList => ReferenceList::read(data).map(Typed::ReferenceList),
            Self::PublicKey => PublicKey::read(data).map(Typed::PublicKey),
            Self::Identifier => reference::identifier("", data).map(Typed::Identifier),
            Self::Namespace => Namespace::read(data).map(Typed::Namespace),
            Self::Jws => Jws::read(data).map(Typed::Jws),
        }
    }
}

impl Typed {
    /// The content of `data` as that of a value of `value_type`; `None` where the
    /// type gives data no form.
    ///
    /// # Errors
    /// [`Reason::ValueDataInvalid`](crate::model::Reason::ValueDataInvalid),
    /// its field `data`.
    pub fn of(value_type: &str, data: &[u8]) -> Option<Result<Self, Refusal>> {
        let read = Form::of(value_type)?.read(data);
        Some(read.map_err(|flaw| flaw.refusal(value_type)))
    }

    /// The content of `data` where that is not text to read: that of an `HS_SITE`
    /// and its kin, an `HS_ADMIN`, `HS_VLIST` or `HS_PUBKEY`. `None` of other types,
    /// and where `data` is no content of the type.
    pub fn of_binary(value_type: &str, data: &[u8]) -> Option<Self> {
        let form = Form::of(value_type).filter(|form| form.is_binary())?;
        form.read(data).ok()
    }

    /// The data of the value.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Site(site) => site.encode(),
            Self::Admin(admin) => admin.encode(),
            Self::ReferenceList(list) => list.encode(),
            Self::PublicKey(key) => key.encode(),
            Self::Identifier(identifier) => identifier.to_string().into_bytes(),
            Self::Namespace(namespace) => namespace.encode(),
            Self::Jws(jws) => jws.encode(),
        }
    }

    /// Whether a value of `value_type` has content of this form.
    pub fn fits(&self, value_type: &str) -> bool {
        let form = match self {
            Self::Site(_) => Form::Site,
            Self::Admin(_) => Form::Admin,
            Self::ReferenceList(_) => Form::ReferenceList,
            Self::PublicKey(_) => Form::PublicKey,
            Self::Identifier(_) => Form::Identifier,
            Self::Namespace(_) => Form::Namespace,
            Self::Jws(_) => Form::Jws,
        };
        Form::of(value_type) == Some(form)
    }
}

/// The text of `data`, where that is how a person reads and writes it: UTF-8, but
/// not the binary form of an `HS_ADMIN`, which can be UTF-8 by chance.
pub fn text<'a>(value_type: &str, data: &'a [u8]) -> Option<&'a str> {
    let is_binary = Form::of(value_type).is_some_and(Form::is_binary);
    if is_binary && !public_key::is_pem(data) && Typed::of_binary(value_type, data).is_some() {
        return None;
    }
    std::str::from_utf8(data).ok()
}

/// Checks the data of a value that is to be written: the types by whose content
/// the node or a resolver acts must be sound. Signed statements are for those who
/// check their signatures.
///
/// # Errors
/// [`Reason::ValueDataInvalid`](crate::model::Reason::ValueDataInvalid), its
/// field `data`.
pub fn check(value_type: &str, data: &[u8]) -> Result<(), Refusal> {
    match Form::of(value_type) {
        None | Some(Form::Jws) => Ok(()),
        Some(form) => {
            let read = form.read(data).map_err(|flaw| flaw.refusal(value_type));
            read.map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::fault::Reason;
    use crate::model::record::HANDLE_TYPES;

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

    #[test]
    fn recorded_values_survive_bytes_and_json() {
        let values = recorded();
        assert!(values.len() > 8);
        for (value_type, data) in values {
            let typed = Typed::of(value_type, &data).expect("typed").expect("valid");
            assert!(typed.fits(value_type));
            assert_eq!(typed.encode(), data, "{value_type}");
            assert_eq!(Typed::of_binary(value_type, &data), Some(typed.clone()));
            let json = json::to_json(&typed);
            let again = json::from_json(value_type, json.clone()).expect("typed");
            assert_eq!(again.as_ref(), Ok(&typed), "{json}");
            let text = json::data_of_text(value_type, &json.to_string()).expect("binary");
            assert_eq!(text, Ok(data));
        }
    }

    #[test]
    fn every_own_type_but_a_secret_has_a_form() {
        for value_type in HANDLE_TYPES {
            let has_form = Typed::of(value_type, b"").is_some();
            assert_eq!(has_form, *value_type != "HS_SECKEY", "{value_type}");
        }
        assert!(Typed::of("URL", b"").is_none());
    }

    #[test]
    fn a_refusal_names_the_type_that_was_asked_for() {
        let refusal = Typed::of("HS_NA_DELEGATE", b"x")
            .expect("typed")
            .expect_err("broken");
        assert_eq!(refusal.reason(), Reason::ValueDataInvalid);
        let rule = "version: 1 of 2 bytes are there";
        assert_eq!(
            refusal.to_string(),
            format!("the data is no \"HS_NA_DELEGATE\": {rule}")
        );
    }

    #[test]
    fn checks_what_is_acted_upon() {
        let reason = |value_type, data: &[u8]| check(value_type, data).map_err(|r| r.reason());
        assert_eq!(reason("HS_SERV", b"0.NA/88.118"), Ok(()));
        assert_eq!(reason("HS_ALIAS", b""), Err(Reason::ValueDataInvalid));
        assert_eq!(reason("HS_CERT", b"\xff"), Ok(()));
        assert_eq!(reason("HS_SECKEY", b"\xff"), Ok(()));
        assert_eq!(reason("URL", b"\xff"), Ok(()));
    }

    #[test]
    fn tells_what_a_person_reads() {
        let list = b"\0\0\0\x01\0\0\0\x03a/b\0\0\0\x07";
        assert_eq!(text("HS_VLIST", list), None, "UTF-8 by chance");
        assert_eq!(text("DESC", list), std::str::from_utf8(list).ok());
        let pem = include_bytes!("../../../tests/data/values/rsa.pem");
        assert_eq!(text("HS_PUBKEY", pem), std::str::from_utf8(pem).ok());
        assert_eq!(text("HS_SERV", b"a/b"), Some("a/b"));
        assert_eq!(text("HS_SERV", b"\xff"), None);
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_refused_or_survive(data: Vec<u8>, at: usize, byte: u8, which: usize) {
            let mut values = recorded();
            values.push(("HS_NAMESPACE", b"<namespace a='&#9;'><status>x</status></namespace>".to_vec()));
            values.push(("HS_CERT", b"eyJhbGciOiJSUzI1NiJ9.e30.AQAB".to_vec()));
            values.push(("HS_VLIST", b"\0\0\0\x01\0\0\0\x03a/b\0\0\0\0".to_vec()));
            let (_, mut near) = values[which % values.len()].clone();
            let position = at % near.len();
            near[position] = byte;
            for data in [data, near] {
                for value_type in HANDLE_TYPES {
                    let Some(Ok(typed)) = Typed::of(value_type, &data) else { continue };
                    let again = Typed::of(value_type, &typed.encode());
                    prop_assert_eq!(again, Some(Ok(typed.clone())));
                    let json = json::to_json(&typed);
                    prop_assert_eq!(json::from_json(value_type, json), Some(Ok(typed)));
                }
            }
        }
    }
}
