//! From the values of a record to the data of DNS records.
//!
//! | type | from |
//! |---|---|
//! | NAPTR | URL values; EMAIL values as `mailto:`; any other value that is a URI with `//` (`https://…`, `mqtt://…`) but those of the Handle System |
//! | URI | URL values |
//! | TXT | every textual value of at most 1,024 bytes, as `type=value` (RFC 1464) |
//!
//! Textual is UTF-8 without control characters but tab and line ends. Orders
//! and priorities count the values that give the type, in the order of their
//! indices. A rule whose substitution exceeds 255 octets, the length of a
//! character-string, is left out; its URI record still says it.

use crate::model::{Record, Timestamp, Ttl, Value};
use crate::wire::dns::{CharacterString, Name, Rdata, RecordType};

/// Octets above which a value is left out of TXT: the other faces serve it.
const TXT_VALUE_BYTES_MAX: usize = 1024;
/// The step between the orders of NAPTR records, so that there is room between.
const ORDER_STEP: u16 = 10;

/// The data of one DNS record, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    /// A rule that yields a URI.
    Naptr {
        /// From 10, by 10.
        order: u16,
        /// `ID2U+` and the value's type.
        services: String,
        /// `!^.*$!uri!`.
        regexp: String,
    },
    /// A URI.
    Uri {
        /// From 1.
        priority: u16,
        /// The URI.
        target: String,
    },
    /// A text.
    Txt(String),
}

impl Data {
    /// The data as it is written; `None` where a string is too long.
    pub(super) fn as_rdata(&self) -> Option<Rdata<'_>> {
        Some(match self {
            Self::Naptr {
                order,
                services,
                regexp,
            } => Rdata::Naptr {
                order: *order,
                preference: 10,
                flags: CharacterString::new(b"u")?,
                services: CharacterString::new(services.as_bytes())?,
                regexp: CharacterString::new(regexp.as_bytes())?,
                replacement: Name::ROOT,
            },
            Self::Uri { priority, target } => Rdata::Uri {
                priority: *priority,
                weight: 1,
                target: target.as_bytes(),
            },
            Self::Txt(text) => Rdata::Txt(text.as_bytes()),
        })
    }
}

/// The records of one type that a record of the registry gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct RecordSet {
    /// The data, in the order of the values' indices.
    pub(super) data: Vec<Data>,
    /// The least of the values' remaining seconds, unbounded.
    pub(super) ttl_secs: Option<u32>,
    /// Whether a TTL counts down, so that the answer ages.
    pub(super) ages: bool,
}

/// The records of `record_type` that the values of `record` give at `now`.
pub(super) fn record_set(record: &Record, record_type: RecordType, now: Timestamp) -> RecordSet {
    let mut set = RecordSet::default();
    for value in &record.values {
        let position = u16::try_from(set.data.len() + 1).unwrap_or(u16::MAX);
        let data = match record_type {
            RecordType::NAPTR => naptr(value, position),
            RecordType::URI => uri(value, position),
            RecordType::TXT => txt(value),
            _ => None,
        };
        let Some(data) = data.filter(|data| data.as_rdata().is_some()) else {
            continue;
        };
        let left = value.ttl.remaining_secs(now);
        set.ttl_secs = Some(set.ttl_secs.map_or(left, |least| least.min(left)));
        set.ages |= matches!(value.ttl, Ttl::Absolute(_));
        set.data.push(data);
    }
    set
}

fn naptr(value: &Value, position: u16) -> Option<Data> {
    let uri = service_uri(value)?;
    let mut regexp = String::with_capacity(uri.len() + 8);
    regexp.push_str("!^.*$!");
    for character in uri.chars() {
        if matches!(character, '!' | '\\') {
            regexp.push('\\');
        }
        regexp.push(character);
    }
    regexp.push('!');
    Some(Data::Naptr {
        order: position.saturating_mul(ORDER_STEP),
        services: format!("ID2U+{}", value.value_type.as_str().to_ascii_lowercase()),
        regexp,
    })
}

fn uri(value: &Value, position: u16) -> Option<Data> {
    let target = text(value).filter(|text| !text.is_empty())?;
    is_type(value, "URL").then(|| Data::Uri {
        priority: position,
        target: target.to_owned(),
    })
}

fn txt(value: &Value) -> Option<Data> {
    let text = text(value).filter(|text| text.len() <= TXT_VALUE_BYTES_MAX)?;
    let mut line = String::with_capacity(text.len() + 16);
    for character in value.value_type.as_str().chars() {
        // RFC 1464: "=" and "`" in the name are quoted by "`".
        if matches!(character, '=' | '`') {
            line.push('`');
        }
        line.push(character);
    }
    line.push('=');
    line.push_str(text);
    Some(Data::Txt(line))
}

/// The URI of a value with a service meaning.
fn service_uri(value: &Value) -> Option<String> {
    let text = text(value).filter(|text| !text.is_empty())?;
    if is_type(value, "URL") {
        return Some(text.to_owned());
    }
    if is_type(value, "EMAIL") {
        return text.contains('@').then(|| format!("mailto:{text}"));
    }
    let is_handle_type = value.value_type.as_str().starts_with("HS_");
    (!is_handle_type && is_uri_with_authority(text)).then(|| text.to_owned())
}

/// `scheme "://"` and visible ASCII (RFC 3986 §3).
fn is_uri_with_authority(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return false;
    };
    let scheme_octet = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(scheme_octet)
        && !rest.is_empty()
        && rest.bytes().all(|b| b.is_ascii_graphic())
}

fn is_type(value: &Value, name: &str) -> bool {
    value.value_type.as_str().eq_ignore_ascii_case(name)
}

fn text(value: &Value) -> Option<&str> {
    let is_plain = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    value.text().filter(|text| text.chars().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Identifier, Permissions, ValueType};

    fn record(values: &[(&str, &[u8], Ttl)]) -> Record {
        let values = values
            .iter()
            .zip(1..)
            .map(|((kind, data, ttl), index)| Value {
                index,
                value_type: ValueType::parse(kind).expect("a type"),
                data: data.to_vec(),
                ttl: *ttl,
                permissions: Permissions::DEFAULT,
                readers: None,
                changed: Timestamp::default(),
                references: Vec::new(),
            });
        Record {
            identifier: Identifier::parse("88.118.7/a").expect("an identifier"),
            values: values.collect(),
            readers: None,
            revision: 1,
            created: Timestamp::default(),
            changed: Timestamp::default(),
        }
    }

    fn shown(set: &RecordSet) -> Vec<String> {
        let show = |data: &Data| match data {
            Data::Naptr {
                order,
                services,
                regexp,
            } => format!("{order} {services} {regexp}"),
            Data::Uri { priority, target } => format!("{priority} {target}"),
            Data::Txt(text) => text.clone(),
        };
        set.data.iter().map(show).collect()
    }

    fn check(record_type: RecordType, expected: &[&str]) {
        let day = Ttl::DEFAULT;
        let record = record(&[
            ("URL", b"https://a.example/!\\", day),
            ("DESC", "批次 A".as_bytes(), day),
            ("EMAIL", b"a@b.example", day),
            ("a=b", b"c=d", day),
            ("HS_ADMIN", b"\x00\x01", day),
            ("api", b"mqtt://broker.example/x", day),
            ("HS_SERV", b"x://y", day),
            ("long", &[b'x'; 1025], day),
            ("URL", b"https://b.example/", day),
        ]);
        let set = record_set(&record, record_type, Timestamp::default());
        assert_eq!(shown(&set), expected);
    }

    #[test]
    fn gives_each_type_from_its_values() {
        check(
            RecordType::NAPTR,
            &[
                r"10 ID2U+url !^.*$!https://a.example/\!\\!",
                "20 ID2U+email !^.*$!mailto:a@b.example!",
                "30 ID2U+api !^.*$!mqtt://broker.example/x!",
                "40 ID2U+url !^.*$!https://b.example/!",
            ],
        );
        check(
            RecordType::URI,
            &[r"1 https://a.example/!\", "2 https://b.example/"],
        );
        check(
            RecordType::TXT,
            &[
                r"URL=https://a.example/!\",
                "DESC=批次 A",
                "EMAIL=a@b.example",
                "a`=b=c=d",
                "api=mqtt://broker.example/x",
                "HS_SERV=x://y",
                "URL=https://b.example/",
            ],
        );
        check(RecordType::A, &[]);
    }

    #[test]
    fn keeps_the_least_ttl_of_the_values_it_shows() {
        let url = |ttl| ("URL", &b"https://a.example/"[..], ttl);
        let now = Timestamp::from_millis(10_000);
        let set =
            |values: [(&str, &[u8], Ttl); 2]| record_set(&record(&values), RecordType::URI, now);
        let both = set([url(Ttl::Relative(50)), url(Ttl::Absolute(40))]);
        assert_eq!((both.ttl_secs, both.ages), (Some(30), true));
        let other = set([url(Ttl::Relative(50)), ("DESC", b"x", Ttl::Absolute(40))]);
        assert_eq!((other.ttl_secs, other.ages), (Some(50), false));
    }

    #[test]
    fn leaves_out_a_rule_that_fits_no_string() {
        let long = format!("https://a.example/{}", "x".repeat(250));
        let record = record(&[("URL", long.as_bytes(), Ttl::DEFAULT)]);
        let count = |kind| record_set(&record, kind, Timestamp::default()).data.len();
        assert_eq!((count(RecordType::NAPTR), count(RecordType::URI)), (0, 1));
    }
}
