//! Between values on the wire and values of a record.

use crate::model::{
    Identifier, Permissions, Reason, Reference, Refusal, Timestamp, Ttl, Value, ValueType,
};
use crate::wire::handle::{self as wire, CreateResponse, HandleValue, Item, List};

/// The largest index: deployed clients take it as a signed number.
const INDEX_MAX: u32 = 0x7fff_ffff;
/// The prefix whose records describe prefixes.
pub(super) const PREFIX_RECORDS: &str = "0.NA/";

/// The identifier that a handle on the wire names: without a slash it is a
/// prefix, and its record is meant (Handle protocol as deployed).
///
/// # Errors
/// Those of [`Identifier::from_bytes`].
pub(super) fn identifier(handle: &[u8]) -> Result<Identifier, Refusal> {
    if handle.is_empty() || handle.contains(&b'/') {
        return Identifier::from_bytes(handle);
    }
    Identifier::from_bytes(&[PREFIX_RECORDS.as_bytes(), handle].concat())
}

/// The identifier that a change is about: whole, as a prefix alone is none that
/// a client would mean to change.
///
/// # Errors
/// Those of [`Identifier::from_bytes`].
pub(super) fn subject(handle: &[u8]) -> Result<Identifier, Refusal> {
    Identifier::from_bytes(handle)
}

/// A value as a client sends it; its time is the node's to set.
///
/// # Errors
/// Those of [`ValueType::parse`] and [`Identifier::from_bytes`], for the value
/// at `position`.
pub(super) fn value(position: usize, sent: &HandleValue<'_>) -> Result<Value, Refusal> {
    let within = |refusal: Refusal| refusal.within(&format!("values[{position}]"));
    let name = std::str::from_utf8(sent.value_type).map_err(|_| {
        let shown = String::from_utf8_lossy(sent.value_type);
        within(Refusal::new(Reason::TypeInvalid).field("type").value(shown))
    })?;
    if sent.index > INDEX_MAX {
        let refusal = Refusal::new(Reason::FieldInvalid).field("index");
        let limit = format!("value indexes must be positive and at most {INDEX_MAX}");
        return Err(within(refusal.value(sent.index).limit(limit)));
    }
    let references = sent.references.iter().map(|reference| {
        Ok(Reference {
            index: reference.index,
            identifier: Identifier::from_bytes(reference.handle)?,
        })
    });
    let references: Result<Vec<_>, Refusal> = references.collect();
    Ok(Value {
        index: sent.index,
        value_type: ValueType::parse(name).map_err(within)?,
        data: sent.data.to_vec(),
        ttl: match sent.ttl {
            wire::Ttl::Relative(secs) => Ttl::Relative(secs),
            wire::Ttl::Absolute(until) => Ttl::Absolute(until.into()),
        },
        permissions: Permissions::from_bits(sent.permissions.0),
        readers: None,
        changed: Timestamp::default(),
        references: references.map_err(within)?,
    })
}

/// All values of a request.
///
/// # Errors
/// As [`value`], for the first that is unsound.
pub(super) fn values(sent: List<'_, HandleValue<'_>>) -> Result<Vec<Value>, Refusal> {
    let each = sent.iter().enumerate();
    each.map(|(position, sent)| value(position, &sent))
        .collect()
}

/// Appends a handle or a name: its length, and its bytes.
pub(super) fn put_name(name: &[u8], out: &mut Vec<u8>) {
    CreateResponse { handle: name }.encode(out);
}

/// Appends a count. One beyond 32 bits is beyond every message.
pub(super) fn put_count(count: usize, out: &mut Vec<u8>) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_be_bytes());
}

/// Appends a handle and values, as a resolution and a referral have them.
pub(super) fn put_values(handle: &[u8], values: &[Value], out: &mut Vec<u8>) {
    put_name(handle, out);
    put_count(values.len(), out);
    for value in values {
        put_value(value, out);
    }
}

/// Appends `value` as it is sent to clients.
fn put_value(value: &Value, out: &mut Vec<u8>) {
    let Value {
        index,
        value_type,
        data,
        ttl,
        permissions,
        readers: _,
        changed,
        references,
    } = value;
    let texts: Vec<(u32, String)> = references
        .iter()
        .map(|reference| (reference.index, reference.identifier.to_string()))
        .collect();
    let references: Vec<wire::Reference<'_>> = texts
        .iter()
        .map(|(index, text)| wire::Reference {
            handle: text.as_bytes(),
            index: *index,
        })
        .collect();
    HandleValue {
        index: *index,
        timestamp_secs: u32::try_from(changed.secs()).unwrap_or(u32::MAX),
        ttl: match *ttl {
            Ttl::Relative(secs) => wire::Ttl::Relative(secs),
            Ttl::Absolute(until) => wire::Ttl::Absolute(u32::try_from(until).unwrap_or(u32::MAX)),
        },
        permissions: wire::Permissions(permissions.bits()),
        value_type: value_type.as_str().as_bytes(),
        data,
        references: List::from(references.as_slice()),
    }
    .write(out);
}
