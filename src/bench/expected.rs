//! The DNS records that a record's public values stand for, made a second time
//! for comparison: NAPTR (RFC 3403 §4.1), URI (RFC 7553 §4.5) and TXT (RFC 1035
//! §3.3.14).

use std::fmt::Write;

use crate::bench::question::Kind;
use crate::model::Value;

/// Octets of a character string (RFC 1035 §3.3).
const STRING_BYTES_MAX: usize = 255;
/// Bytes of a value's data above which it has no TXT record.
const TEXT_BYTES_MAX: usize = 1024;

/// Record data of one type, as octets and as a line of a zone file shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Expected {
    /// RDATA.
    pub(super) data: Vec<u8>,
    /// Its presentation form.
    pub(super) text: String,
}

/// The records of `kind` that `values`, ascending by index, stand for.
pub(super) fn expected(kind: Kind, values: &[Value]) -> Vec<Expected> {
    let public = values.iter().filter(|v| v.permissions.public_read());
    match kind {
        Kind::Naptr => (1..).zip(public.filter(is_url)).filter_map(naptr).collect(),
        Kind::Uri => (1..).zip(public.filter(is_url)).filter_map(uri).collect(),
        Kind::Txt => public.filter_map(txt).collect(),
    }
}

/// Whether a page is behind it.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that filter asks for"
)]
fn is_url(value: &&Value) -> bool {
    value.value_type.as_str() == "URL"
}

/// Order 10 x position, preference 10, flags `u`, service `ID2U+url`, a regexp
/// that takes anything, no replacement.
fn naptr((position, value): (u16, &Value)) -> Option<Expected> {
    let target = value.text()?.replace('\\', "\\\\").replace('!', "\\!");
    let regexp = format!("!^.*$!{target}!");
    let service = format!("ID2U+{}", value.value_type.as_str().to_lowercase());
    let order = position.checked_mul(10)?;
    let mut data = Vec::new();
    data.extend_from_slice(&order.to_be_bytes());
    data.extend_from_slice(&10u16.to_be_bytes());
    for part in ["u", &service, &regexp] {
        put_string(part.as_bytes(), &mut data)?;
    }
    data.push(0);
    let text = format!(
        "{order} 10 \"u\" {} {} .",
        quoted(service.as_bytes()),
        quoted(regexp.as_bytes())
    );
    Some(Expected { data, text })
}

/// Priority by position, weight 1, the target as it is.
fn uri((position, value): (u16, &Value)) -> Option<Expected> {
    let mut data = Vec::new();
    data.extend_from_slice(&position.to_be_bytes());
    data.extend_from_slice(&1u16.to_be_bytes());
    data.extend_from_slice(value.text()?.as_bytes());
    let text = format!("{position} 1 {}", quoted(&value.data));
    Some(Expected { data, text })
}

/// `type=value`, cut into strings of 255 octets.
fn txt(value: &Value) -> Option<Expected> {
    if value.data.len() > TEXT_BYTES_MAX {
        return None;
    }
    let whole = format!("{}={}", value.value_type.as_str(), value.text()?);
    let mut data = Vec::new();
    let mut strings = Vec::new();
    for chunk in whole.as_bytes().chunks(STRING_BYTES_MAX) {
        put_string(chunk, &mut data)?;
        strings.push(quoted(chunk));
    }
    Some(Expected {
        data,
        text: strings.join(" "),
    })
}

fn put_string(bytes: &[u8], data: &mut Vec<u8>) -> Option<()> {
    data.push(u8::try_from(bytes.len()).ok()?);
    data.extend_from_slice(bytes);
    Some(())
}

/// A character string in a zone file (RFC 1035 §5.1).
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            b' '..=b'~' => text.push(char::from(*byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(text, "\\{byte:03}")),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Permissions, Timestamp, Ttl, ValueType};

    fn value(index: u32, value_type: &str, data: &str) -> Value {
        Value {
            index,
            value_type: ValueType::parse(value_type).expect("type"),
            data: data.as_bytes().to_vec(),
            ttl: Ttl::DEFAULT,
            permissions: Permissions::DEFAULT,
            readers: None,
            changed: Timestamp::default(),
            references: Vec::new(),
        }
    }

    fn check(kind: Kind, values: &[Value], lines: &[&str]) {
        let seen = expected(kind, values);
        let texts: Vec<_> = seen.iter().map(|e| e.text.as_str()).collect();
        assert_eq!(texts, lines);
    }

    #[test]
    fn values_become_the_records_of_the_plan() {
        let mut hidden = value(3, "URL", "https://hidden.example/");
        hidden.permissions = Permissions::from_bits(Permissions::ADMIN_READ);
        let values = [
            value(1, "URL", "https://a.example/!x"),
            value(2, "name", "阀\"\\"),
            hidden,
            value(4, "URL", "https://b.example/"),
            value(5, "note", &"x".repeat(1025)),
        ];
        check(
            Kind::Naptr,
            &values,
            &[
                "10 10 \"u\" \"ID2U+url\" \"!^.*$!https://a.example/\\\\!x!\" .",
                "20 10 \"u\" \"ID2U+url\" \"!^.*$!https://b.example/!\" .",
            ],
        );
        check(
            Kind::Uri,
            &values,
            &["1 1 \"https://a.example/!x\"", "2 1 \"https://b.example/\""],
        );
        check(
            Kind::Txt,
            &values,
            &[
                "\"URL=https://a.example/!x\"",
                "\"name=\\233\\152\\128\\\"\\\\\"",
                "\"URL=https://b.example/\"",
            ],
        );
    }
}
