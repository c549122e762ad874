//! The shape of records in JSON: what `-o json` shows, what NDJSON files hold,
//! and how both stand to the API and to the data model.
//!
//! The shape is stable; `docs/cli.md` documents it.

use bytes::Bytes;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::cli::readers;
use crate::model::data::{self, Typed, json};
use crate::model::record::checked_values;
use crate::model::{Permissions, Reason, Reference, Refusal, Timestamp, Ttl, Value, ValueType};
use crate::wire::proto::v1;

/// A record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordShape {
    /// The identifier.
    pub identifier: String,
    /// Its name in the DNS; empty if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_name: Option<String>,
    /// Changes with every change of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When it was registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_time: Option<String>,
    /// When it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_time: Option<String>,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_time: Option<String>,
    /// Who may read it beside its owner, as `firm:…` and `group:…`; everyone if
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readers: Option<Vec<String>>,
    /// The values, ascending by index.
    #[serde(default)]
    pub values: Vec<ValueShape>,
}

/// A value. One of `data` and `data_base64`, or `handle_data`, or what says the
/// same; one of `ttl` and `expire_time`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ValueShape {
    /// Its index.
    pub index: u32,
    /// Its type.
    #[serde(rename = "type")]
    pub value_type: String,
    /// Its data where that is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// Its data where that is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
    /// What its data says, of the Handle System's own types that are not text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle_data: Option<serde_json::Value>,
    /// Seconds that it may be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u32>,
    /// Until when it may be kept, instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expire_time: Option<String>,
    /// As `rwr-`: administrators read and write, the public reads and writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
    /// Who may read it beside its owner, as `firm:…` and `group:…`; as its
    /// permissions say if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readers: Option<Vec<String>>,
    /// What it refers to, as `index:identifier`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// When it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_time: Option<String>,
}

impl RecordShape {
    /// All that the node tells of a record.
    pub fn shown(record: v1::Record) -> Self {
        let v1::Record {
            name,
            values,
            etag,
            create_time,
            update_time,
            dns_name,
            delete_time,
            readers,
        } = record;
        Self {
            identifier: identifier_of(&name).to_owned(),
            dns_name: Some(dns_name),
            etag: Some(etag),
            create_time: create_time.map(|time| time.to_string()),
            update_time: update_time.map(|time| time.to_string()),
            delete_time: delete_time.map(|time| time.to_string()),
            readers: readers.map(readers::texts),
            values: values.into_iter().map(ValueShape::shown).collect(),
        }
    }

    /// What a file keeps of a record: what registering it again takes.
    pub fn kept(record: v1::Record) -> Self {
        let mut shape = Self::shown(record);
        shape.dns_name = None;
        shape.etag = None;
        shape.create_time = None;
        shape.update_time = None;
        for value in &mut shape.values {
            value.update_time = None;
            value.keep_one_form();
            let default = permissions_text(Permissions::default_of(&value.value_type));
            if value.permissions.as_ref() == Some(&default) {
                value.permissions = None;
            }
        }
        shape
    }
}

impl ValueShape {
    /// All that the node tells of a value.
    pub fn shown(value: v1::Value) -> Self {
        let v1::Value {
            index,
            r#type,
            data,
            ttl,
            permissions,
            update_time,
            references,
            handle_data: _,
            readers,
        } = value;
        let bytes = match data {
            Some(v1::value::Data::Binary(bytes)) => bytes,
            Some(v1::value::Data::Text(text)) => Bytes::from(text),
            None => Bytes::new(),
        };
        let handle_data = Typed::of_binary(&r#type, &bytes)
            .as_ref()
            .map(json::to_json);
        let (data, data_base64) = match data::text(&r#type, &bytes) {
            Some(text) => (Some(text.to_owned()), None),
            None => (None, Some(BASE64.encode(&bytes))),
        };
        let (ttl, expire_time) = match ttl {
            Some(v1::value::Ttl::TtlSeconds(secs)) => (Some(secs), None),
            Some(v1::value::Ttl::ExpireTime(time)) => (None, Some(time.to_string())),
            None => (None, None),
        };
        Self {
            index,
            value_type: r#type,
            data,
            data_base64,
            handle_data,
            ttl,
            expire_time,
            permissions: permissions.map(|p| permissions_text(permissions_from_proto(p))),
            readers: readers.map(readers::texts),
            references,
            update_time: update_time.map(|time| time.to_string()),
        }
    }

    /// The value that it describes.
    ///
    /// # Errors
    /// The first broken rule of a single field, named in the refusal.
    pub fn parse(&self) -> Result<Value, Refusal> {
        let data = self.bytes()?;
        let ttl = match (self.ttl, &self.expire_time) {
            (Some(secs), None) => Ttl::Relative(secs),
            (None, Some(text)) => expire_time(text)?,
            (None, None) => Ttl::DEFAULT,
            (Some(secs), Some(_)) => {
                return Err(invalid(
                    "ttl",
                    &secs.to_string(),
                    "either ttl or expire_time",
                ));
            }
        };
        let default = Permissions::default_of(&self.value_type);
        let permissions = self.permissions.as_deref();
        let references = self
            .references
            .iter()
            .map(|text| Reference::parse(text).map_err(|refusal| refusal.field("references")));
        Ok(Value {
            index: self.index,
            value_type: ValueType::parse(&self.value_type)?,
            data,
            ttl,
            permissions: permissions.map_or(Ok(default), permissions_from_text)?,
            readers: self.readers.as_deref().map(readers::of_texts).transpose()?,
            changed: Timestamp::default(),
            references: references.collect::<Result<_, _>>()?,
        })
    }

    /// Drops what its data says where that is its text or is spelled in another
    /// way than usual, and its bytes where they follow from what they say.
    fn keep_one_form(&mut self) {
        let Some(said) = self.handle_data.take() else {
            return;
        };
        let encoded = json::from_json(&self.value_type, said.clone());
        let encoded = encoded
            .and_then(Result::ok)
            .map(|typed| BASE64.encode(&typed.encode()));
        if encoded.is_some() && encoded == self.data_base64 {
            self.data_base64 = None;
            self.handle_data = Some(said);
        }
    }

    fn bytes(&self) -> Result<Vec<u8>, Refusal> {
        let bytes = match (&self.data, &self.data_base64) {
            (Some(text), None) => Some(data_of_text(&self.value_type, text)?),
            (None, Some(text)) => Some(base64(text)?),
            (None, None) => None,
            (Some(_), Some(_)) => {
                return Err(invalid("data_base64", "", "either data or data_base64"));
            }
        };
        let Some(said) = &self.handle_data else {
            return bytes.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("data"));
        };
        let refuse = |rule| invalid("handle_data", &self.value_type, rule);
        let typed = json::from_json(&self.value_type, said.clone())
            .ok_or_else(|| refuse("is no content of the type"))?
            .map_err(|refusal| refusal.field("handle_data"))?;
        match bytes {
            None => Ok(typed.encode()),
            Some(bytes) if Typed::of_binary(&self.value_type, &bytes) == Some(typed) => Ok(bytes),
            Some(_) => Err(refuse("must say what the data says, or stand without it")),
        }
    }
}

/// The data that `text` stands for in a value of `value_type`: what JSON says in
/// the Handle System's own types that are not text, else the text.
///
/// # Errors
/// [`Reason::ValueDataInvalid`] for the field `data`.
pub fn data_of_text(value_type: &str, text: &str) -> Result<Vec<u8>, Refusal> {
    json::data_of_text(value_type, text).unwrap_or_else(|| Ok(text.as_bytes().to_vec()))
}

/// Checks values as those of one record, and gives them as the API has them.
///
/// # Errors
/// The first broken rule, its field as `values[position].…`.
pub fn checked(values: Vec<Value>) -> Result<Vec<v1::Value>, Refusal> {
    let values = checked_values(values)?;
    Ok(values.into_iter().map(to_proto).collect())
}

/// A value as the API has it, but for its time.
pub fn to_proto(value: Value) -> v1::Value {
    let Value {
        index,
        value_type,
        data,
        ttl,
        permissions,
        readers,
        changed: _,
        references,
    } = value;
    let data = match String::from_utf8(data) {
        Ok(text) => v1::value::Data::Text(text),
        Err(error) => v1::value::Data::Binary(Bytes::from(error.into_bytes())),
    };
    let ttl = match ttl {
        Ttl::Relative(secs) => v1::value::Ttl::TtlSeconds(secs),
        Ttl::Absolute(until) => v1::value::Ttl::ExpireTime(prost_types::Timestamp {
            seconds: i64::try_from(until).unwrap_or(i64::MAX),
            nanos: 0,
        }),
    };
    let has = |bit: u8| permissions.bits() & bit != 0;
    v1::Value {
        index,
        r#type: value_type.as_str().to_owned(),
        data: Some(data),
        ttl: Some(ttl),
        permissions: Some(v1::Permissions {
            admin_read: has(Permissions::ADMIN_READ),
            admin_write: has(Permissions::ADMIN_WRITE),
            public_read: has(Permissions::PUBLIC_READ),
            public_write: has(Permissions::PUBLIC_WRITE),
        }),
        update_time: None,
        references: references.iter().map(ToString::to_string).collect(),
        handle_data: None,
        readers: readers.map(|readers| readers::to_proto(&readers)),
    }
}

/// The identifier of a resource name `records/{identifier}`.
pub fn identifier_of(name: &str) -> &str {
    name.strip_prefix("records/").unwrap_or(name)
}

/// Reads a point in time as RFC 3339 spells it, in whole seconds.
///
/// # Errors
/// [`Reason::FieldInvalid`] for the field `expire_time`.
pub fn expire_time(text: &str) -> Result<Ttl, Refusal> {
    let time: Option<prost_types::Timestamp> = text.parse().ok();
    let seconds = time.and_then(|time| u64::try_from(time.seconds).ok());
    seconds
        .map(Ttl::Absolute)
        .ok_or_else(|| invalid("expire_time", text, "a time as 2026-12-31T16:00:00Z"))
}

/// Reads base 64 (RFC 4648 section 4).
///
/// # Errors
/// [`Reason::FieldInvalid`] for the field `data_base64`.
pub fn base64(text: &str) -> Result<Vec<u8>, Refusal> {
    BASE64.decode(text.as_bytes()).map_err(|_| {
        invalid(
            "data_base64",
            text,
            "base 64 with padding (RFC 4648 section 4)",
        )
    })
}

/// Reads permissions: `rwr-`.
///
/// # Errors
/// [`Reason::FieldInvalid`] for the field `permissions`.
pub fn permissions_from_text(text: &str) -> Result<Permissions, Refusal> {
    let letters = [
        ('r', Permissions::ADMIN_READ),
        ('w', Permissions::ADMIN_WRITE),
        ('r', Permissions::PUBLIC_READ),
        ('w', Permissions::PUBLIC_WRITE),
    ];
    let mut bits = 0;
    let mut characters = text.chars();
    for (letter, bit) in letters {
        match characters.next() {
            Some('-') => {}
            Some(c) if c == letter => bits |= bit,
            _ => return Err(invalid("permissions", text, PERMISSIONS_RULE)),
        }
    }
    if characters.next().is_some() {
        return Err(invalid("permissions", text, PERMISSIONS_RULE));
    }
    Ok(Permissions::from_bits(bits))
}

const PERMISSIONS_RULE: &str =
    "four characters as rwr-: administrators read and write, the public reads and writes";

/// Permissions as text, `rwr-`.
pub fn permissions_text(permissions: Permissions) -> String {
    let bits = permissions.bits();
    let letter = |bit: u8, letter: char| if bits & bit == 0 { '-' } else { letter };
    [
        letter(Permissions::ADMIN_READ, 'r'),
        letter(Permissions::ADMIN_WRITE, 'w'),
        letter(Permissions::PUBLIC_READ, 'r'),
        letter(Permissions::PUBLIC_WRITE, 'w'),
    ]
    .iter()
    .collect()
}

fn permissions_from_proto(permissions: v1::Permissions) -> Permissions {
    let v1::Permissions {
        admin_read,
        admin_write,
        public_read,
        public_write,
    } = permissions;
    let bits = [
        (admin_read, Permissions::ADMIN_READ),
        (admin_write, Permissions::ADMIN_WRITE),
        (public_read, Permissions::PUBLIC_READ),
        (public_write, Permissions::PUBLIC_WRITE),
    ];
    let set = bits.iter().filter(|(on, _)| *on);
    Permissions::from_bits(set.fold(0, |all, (_, bit)| all | bit))
}

fn invalid(field: &'static str, value: &str, rule: &str) -> Refusal {
    Refusal::new(Reason::FieldInvalid)
        .field(field)
        .value(value)
        .limit(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_go_there_and_back() {
        for bits in 0..16 {
            let permissions = Permissions::from_bits(bits);
            let text = permissions_text(permissions);
            assert_eq!(permissions_from_text(&text), Ok(permissions), "{text}");
        }
        for wrong in ["", "rwr", "rwr--", "wrwr", "1110"] {
            assert!(permissions_from_text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_kept_record_goes_there_and_back() {
        let values = vec![
            Value {
                index: 1,
                value_type: ValueType::parse("URL").expect("type"),
                data: b"https://a.example/".to_vec(),
                ttl: Ttl::Relative(60),
                permissions: Permissions::from_bits(Permissions::ADMIN_READ),
                readers: None,
                changed: Timestamp::default(),
                references: vec![Reference::parse("300:88.118.7/App_erp").expect("reference")],
            },
            Value {
                index: 2,
                value_type: ValueType::parse("RAW").expect("type"),
                data: vec![0xff, 0x00],
                ttl: Ttl::Absolute(1_800_000_000),
                permissions: Permissions::SECRET,
                readers: Some(readers::of_texts(&["firm:a".to_owned()]).expect("a reader")),
                changed: Timestamp::default(),
                references: Vec::new(),
            },
        ];
        let record = v1::Record {
            name: "records/88.118.7/a".into(),
            values: checked(values.clone()).expect("sound"),
            ..v1::Record::default()
        };
        let text = serde_json::to_string(&RecordShape::kept(record)).expect("json");
        let back: RecordShape = serde_json::from_str(&text).expect("shape");
        assert_eq!(back.identifier, "88.118.7/a");
        let back: Vec<Value> = back
            .values
            .iter()
            .map(|v| v.parse().expect("value"))
            .collect();
        assert_eq!(back, values, "{text}");
    }

    fn shown(value_type: &str, data: &[u8]) -> ValueShape {
        ValueShape::shown(v1::Value {
            index: 1,
            r#type: value_type.to_owned(),
            data: Some(v1::value::Data::Binary(Bytes::copy_from_slice(data))),
            ..v1::Value::default()
        })
    }

    #[test]
    fn keeps_what_data_says_where_that_gives_the_data_again() {
        let check = |value_type, bytes: &[u8], expected: [bool; 3]| {
            let mut shape = shown(value_type, bytes);
            assert_eq!(shape.parse().map(|value| value.data).as_deref(), Ok(bytes));
            shape.keep_one_form();
            let forms = [
                shape.data.is_some(),
                shape.data_base64.is_some(),
                shape.handle_data.is_some(),
            ];
            assert_eq!(forms, expected, "{shape:?}");
            assert_eq!(shape.parse().map(|value| value.data).as_deref(), Ok(bytes));
        };
        let list = b"\0\0\0\x01\0\0\0\x03a/b\0\0\0\x07";
        let admin = b"\0\x03\0\0\0\x03a/b\0\0\0\x07\0\0";
        let pem = include_bytes!("../../tests/data/values/rsa.pem");
        check("HS_VLIST", list, [false, false, true]);
        check("HS_ADMIN", &admin[..13], [false, false, true]);
        check("HS_ADMIN", admin, [false, true, false]);
        check("HS_PUBKEY", pem, [true, false, false]);
        check("HS_SERV", b"a/b", [true, false, false]);
        check("RAW", b"\xff", [false, true, false]);
    }

    #[test]
    fn refuses_what_contradicts_itself() {
        let list = b"\0\0\0\x01\0\0\0\x03a/b\0\0\0\x07";
        let check = |change: fn(&mut ValueShape), reason, field| {
            let mut shape = shown("HS_VLIST", list);
            change(&mut shape);
            let refusal = shape.parse().expect_err(field);
            assert_eq!((refusal.reason(), refusal.field_path()), (reason, field));
        };
        let (wrong, none) = (Reason::FieldInvalid, Reason::ValueDataInvalid);
        check(
            |s| s.data_base64 = Some("AAAAAA==".into()),
            wrong,
            "handle_data",
        );
        check(|s| s.data = Some("[]".into()), wrong, "data_base64");
        check(|s| s.value_type = "URL".into(), wrong, "handle_data");
        check(|s| s.handle_data = Some(1.into()), none, "handle_data");
        check(
            |s| (s.data_base64, s.data, s.handle_data) = (None, Some("x".into()), None),
            none,
            "data",
        );
    }
}
