//! Records and tombstones.
//!
//! ```text
//! record    = 1  revision  created_ms  (changed_ms - created_ms)  spelling  count  value*
//!           | 2  revision  created_ms  (changed_ms - created_ms)  spelling  readers  count  value*
//! spelling  = 0                        the key is the spelling
//!           | length bytes             as first registered
//! value     = index-delta  type  flags  [ttl]  [changed_ms]  [count reference*]  length data
//!             in version 2: readers behind it
//! type      = n > 0: TYPES[n - 1]  |  0 length bytes
//! flags     = permissions (4 bits) | TTL_DEFAULT | TTL_ABSOLUTE | REFERENCES | CHANGED_WITH_RECORD
//! reference = index  length identifier
//! readers   = 0                                              none: see `model::Readers`
//!           | (count of firms + 1)  id*  count of groups  id*    each behind its length
//! tombstone = 1  revision  created_ms  deleted_ms  spelling
//! ```
//!
//! Version 2 is written where the record or a value of it has readers.

use crate::model::limits::VALUES_PER_RECORD_MAX;
use crate::model::{
    FirmId, GroupId, Identifier, Key, Permissions, Reader, Readers, Record, Reference, Timestamp,
    Tombstone, Ttl, Value, ValueType,
};
use crate::store::Error;
use crate::store::codec::{Cursor, put_bytes, put_number};

const VERSION: u8 = 1;
const VERSION_READERS: u8 = 2;
const TTL_DEFAULT: u8 = 0x10;
const TTL_ABSOLUTE: u8 = 0x20;
const REFERENCES: u8 = 0x40;
const CHANGED_WITH_RECORD: u8 = 0x80;

/// Types that take one byte. Fixed for version 1: entries may be appended, never
/// moved.
const TYPES: &[&str] = &[
    "URL",
    "EMAIL",
    "DESC",
    "HS_ADMIN",
    "HS_SITE",
    "HS_VLIST",
    "HS_PUBKEY",
    "HS_SECKEY",
    "HS_ALIAS",
    "HS_SERV",
    "HS_NAMESPACE",
    "HS_SIGNATURE",
    "HS_CERT",
    "name",
    "brand",
    "model",
    "manufacturer",
    "batch",
    "serial",
    "production_date",
    "expiry",
    "standard",
    "certificate",
    "inspection",
    "gtin",
    "origin",
];

/// Appends the encoding of `record`, stored under `key`.
pub(crate) fn encode(record: &Record, key: &Key, out: &mut Vec<u8>) {
    let Record {
        identifier,
        values,
        readers,
        revision,
        created,
        changed,
    } = record;
    let has_readers = readers.is_some() || values.iter().any(|value| value.readers.is_some());
    out.push(if has_readers {
        VERSION_READERS
    } else {
        VERSION
    });
    put_number(out, *revision);
    put_number(out, created.millis());
    put_number(out, changed.millis().saturating_sub(created.millis()));
    put_spelling(identifier, key, out);
    if has_readers {
        put_readers(readers.as_deref(), out);
    }
    put_number(out, u64::try_from(values.len()).unwrap_or(u64::MAX));
    let mut previous = 0;
    for value in values {
        put_value(value, previous, *changed, out);
        if has_readers {
            put_readers(value.readers.as_deref(), out);
        }
        previous = value.index;
    }
}

fn put_readers(readers: Option<&Readers>, out: &mut Vec<u8>) {
    let Some(readers) = readers else {
        return out.push(0);
    };
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    put_number(out, number(readers.firms().len()).saturating_add(1));
    for firm in readers.firms() {
        put_bytes(out, firm.as_str().as_bytes());
    }
    put_number(out, number(readers.groups().len()));
    for group in readers.groups() {
        put_bytes(out, group.as_str().as_bytes());
    }
}

fn put_spelling(identifier: &Identifier, key: &Key, out: &mut Vec<u8>) {
    if identifier.is_spelled(key.as_bytes()) {
        out.push(0);
    } else {
        put_bytes(out, identifier.to_string().as_bytes());
    }
}

fn put_value(value: &Value, previous_index: u32, record_changed: Timestamp, out: &mut Vec<u8>) {
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
    put_number(out, u64::from(index.wrapping_sub(previous_index)));
    match type_place(value_type.as_str()) {
        Some(at) => put_number(out, u64::try_from(at).unwrap_or_default() + 1),
        None => {
            out.push(0);
            put_bytes(out, value_type.as_str().as_bytes());
        }
    }
    let mut flags = permissions.bits();
    if *ttl == Ttl::DEFAULT {
        flags |= TTL_DEFAULT;
    } else if let Ttl::Absolute(_) = ttl {
        flags |= TTL_ABSOLUTE;
    }
    if !references.is_empty() {
        flags |= REFERENCES;
    }
    if *changed == record_changed {
        flags |= CHANGED_WITH_RECORD;
    }
    out.push(flags);
    match ttl {
        Ttl::Relative(_) if *ttl == Ttl::DEFAULT => {}
        Ttl::Relative(secs) => put_number(out, u64::from(*secs)),
        Ttl::Absolute(secs) => put_number(out, *secs),
    }
    if *changed != record_changed {
        put_number(out, changed.millis());
    }
    if !references.is_empty() {
        put_number(out, u64::try_from(references.len()).unwrap_or(u64::MAX));
        for Reference { index, identifier } in references {
            put_number(out, u64::from(*index));
            put_bytes(out, identifier.to_string().as_bytes());
        }
    }
    put_bytes(out, data);
}

/// Where `name` stands in [`TYPES`].
fn type_place(name: &str) -> Option<usize> {
    let begin = name.as_bytes().first();
    // Few begin alike: most are told apart without a call.
    let is_it = |known: &str| known.as_bytes().first() == begin && known == name;
    TYPES.iter().position(|known| is_it(known))
}

/// Decodes the record stored under `key`.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Version`].
pub(crate) fn decode(key: &[u8], bytes: &[u8]) -> Result<Record, Error> {
    let has_readers = bytes.first() == Some(&VERSION_READERS);
    let version = if has_readers {
        VERSION_READERS
    } else {
        VERSION
    };
    let mut cursor = Cursor::new(bytes, version, "record")?;
    let revision = cursor.number()?;
    let created = cursor.number()?;
    let changed = Timestamp::from_millis(created.saturating_add(cursor.number()?));
    let identifier = spelling(&mut cursor, key)?;
    let readers = if has_readers {
        readers(&mut cursor)?
    } else {
        None
    };
    let count = cursor.count()?;
    if count > VALUES_PER_RECORD_MAX {
        return Err(cursor.corrupt());
    }
    let mut values = Vec::with_capacity(count);
    let mut previous = 0;
    for _ in 0..count {
        let mut value = value(&mut cursor, previous, changed)?;
        if has_readers {
            value.readers = self::readers(&mut cursor)?;
        }
        previous = value.index;
        values.push(value);
    }
    cursor.end()?;
    let created = Timestamp::from_millis(created);
    Ok(Record {
        identifier,
        values,
        readers,
        revision,
        created,
        changed,
    })
}

fn readers(cursor: &mut Cursor<'_>) -> Result<Option<Box<Readers>>, Error> {
    let Some(firm_count) = cursor.count()?.checked_sub(1) else {
        return Ok(None);
    };
    let mut readers = Vec::new();
    for _ in 0..firm_count {
        let firm = FirmId::parse(cursor.text()?).map_err(|_| cursor.corrupt())?;
        readers.push(Reader::Firm(firm));
    }
    for _ in 0..cursor.count()? {
        let group = GroupId::parse(cursor.text()?).map_err(|_| cursor.corrupt())?;
        readers.push(Reader::Group(group));
    }
    let readers = Readers::new(readers).map_err(|_| cursor.corrupt())?;
    Ok(Some(Box::new(readers)))
}

fn spelling(cursor: &mut Cursor<'_>, key: &[u8]) -> Result<Identifier, Error> {
    let spelled = cursor.bytes()?;
    let bytes = if spelled.is_empty() { key } else { spelled };
    Identifier::from_bytes(bytes).map_err(|_| cursor.corrupt())
}

fn value(
    cursor: &mut Cursor<'_>,
    previous_index: u32,
    record_changed: Timestamp,
) -> Result<Value, Error> {
    let delta = cursor.number_u32()?;
    let index = previous_index
        .checked_add(delta)
        .ok_or_else(|| cursor.corrupt())?;
    let value_type = match cursor.number()? {
        0 => ValueType::parse(cursor.text()?).map_err(|_| cursor.corrupt())?,
        code => {
            let at = usize::try_from(code - 1).map_err(|_| cursor.corrupt())?;
            ValueType::named(TYPES.get(at).ok_or_else(|| cursor.corrupt())?)
        }
    };
    let flags = cursor.byte()?;
    let ttl = if flags & TTL_DEFAULT != 0 {
        Ttl::DEFAULT
    } else if flags & TTL_ABSOLUTE != 0 {
        Ttl::Absolute(cursor.number()?)
    } else {
        Ttl::Relative(cursor.number_u32()?)
    };
    let changed = if flags & CHANGED_WITH_RECORD != 0 {
        record_changed
    } else {
        Timestamp::from_millis(cursor.number()?)
    };
    let mut references = Vec::new();
    if flags & REFERENCES != 0 {
        for _ in 0..cursor.count()? {
            let index = cursor.number_u32()?;
            let identifier =
                Identifier::from_bytes(cursor.bytes()?).map_err(|_| cursor.corrupt())?;
            references.push(Reference { index, identifier });
        }
    }
    let data = cursor.bytes()?.to_vec();
    let permissions = Permissions::from_bits(flags);
    Ok(Value {
        index,
        value_type,
        data,
        ttl,
        permissions,
        readers: None,
        changed,
        references,
    })
}

/// Appends the encoding of `tombstone`, stored under `key`. Whether it is
/// restricted, its column says.
pub(crate) fn encode_tombstone(tombstone: &Tombstone, key: &Key, out: &mut Vec<u8>) {
    let Tombstone {
        identifier,
        revision,
        created,
        deleted,
        restricted: _,
    } = tombstone;
    out.push(VERSION);
    put_number(out, *revision);
    put_number(out, created.millis());
    put_number(out, deleted.millis());
    put_spelling(identifier, key, out);
}

/// Decodes the tombstone stored under `key`.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Version`].
pub(crate) fn decode_tombstone(key: &[u8], bytes: &[u8]) -> Result<Tombstone, Error> {
    let mut cursor = Cursor::new(bytes, VERSION, "tombstone")?;
    let revision = cursor.number()?;
    let created = Timestamp::from_millis(cursor.number()?);
    let deleted = Timestamp::from_millis(cursor.number()?);
    let identifier = spelling(&mut cursor, key)?;
    cursor.end()?;
    Ok(Tombstone {
        identifier,
        revision,
        created,
        deleted,
        restricted: false,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn types_that_take_one_byte_are_types() {
        for name in TYPES {
            assert_eq!(ValueType::parse(name), Ok(ValueType::named(name)));
        }
    }
    use crate::model::SuffixCase;

    fn readers(texts: &[&str]) -> Box<Readers> {
        let readers = texts
            .iter()
            .map(|text| Reader::parse(text).expect("a reader"));
        Box::new(Readers::new(readers).expect("few"))
    }

    fn any_readers() -> impl Strategy<Value = Option<Box<Readers>>> {
        prop_oneof![
            4 => Just(None),
            1 => Just(Some(readers(&[]))),
            1 => Just(Some(readers(&["firm:b", "firm:a", "group:buyers"]))),
        ]
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let ttl = prop_oneof![
            Just(Ttl::DEFAULT),
            any::<u32>().prop_map(Ttl::Relative),
            any::<u64>().prop_map(Ttl::Absolute),
        ];
        let types = prop_oneof![Just("URL"), Just("产品名称"), Just("HS_SITE"), Just("x")];
        let data = proptest::collection::vec(any::<u8>(), 0..40);
        (
            1u32..,
            types,
            data,
            ttl,
            0u8..16,
            any_readers(),
            0u64..5000,
            0u32..3,
        )
            .prop_map(
                |(index, value_type, data, ttl, bits, readers, changed, reference_count)| Value {
                    index,
                    value_type: ValueType::parse(value_type).expect("type"),
                    data,
                    ttl,
                    permissions: Permissions::from_bits(bits),
                    readers,
                    changed: Timestamp::from_millis(changed),
                    references: (0..reference_count)
                        .map(|i| {
                            Reference::parse(&format!("{i}:88.118.7/App_{i}")).expect("reference")
                        })
                        .collect(),
                },
            )
    }

    proptest! {
        #[test]
        fn records_go_there_and_back(mut values in proptest::collection::vec(any_value(), 0..9), readers in any_readers(), created in 0u64..1 << 45, after in 0u64..4000, upper: bool) {
            values.sort_by_key(|value| value.index);
            values.dedup_by_key(|value| value.index);
            let text = if upper { "88.118.7/ABC" } else { "88.118.7/abc" };
            let identifier = Identifier::parse(text).expect("identifier");
            let key = identifier.key(SuffixCase::Folded);
            let record = Record {
                identifier,
                values,
                readers,
                revision: after,
                created: Timestamp::from_millis(created),
                changed: Timestamp::from_millis(created + after),
            };
            let mut bytes = Vec::new();
            encode(&record, &key, &mut bytes);
            prop_assert_eq!(&decode(key.as_bytes(), &bytes).expect("decodes"), &record);
            for end in 0..bytes.len() {
                prop_assert!(decode(key.as_bytes(), &bytes[..end]).is_err());
            }
        }

        #[test]
        fn never_panics_on_other_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = bytes;
            for version in [VERSION, VERSION_READERS] {
                if let Some(first) = bytes.first_mut() {
                    *first = version;
                }
                let _ = decode(b"88.118.7/abc", &bytes).is_ok();
            }
            let _ = decode_tombstone(b"88.118.7/abc", &bytes).is_ok();
        }
    }

    #[test]
    fn writes_version_2_only_where_there_are_readers() {
        let identifier = Identifier::parse("88.118.7/abc").expect("identifier");
        let key = identifier.key(SuffixCase::Folded);
        let value = Value {
            index: 1,
            value_type: ValueType::parse("URL").expect("type"),
            data: b"a".to_vec(),
            ttl: Ttl::DEFAULT,
            permissions: Permissions::SECRET,
            readers: None,
            changed: Timestamp::from_millis(10),
            references: Vec::new(),
        };
        let mut record = Record {
            identifier,
            values: vec![value],
            readers: None,
            revision: 7,
            created: Timestamp::from_millis(10),
            changed: Timestamp::from_millis(10),
        };
        let encoded = |record: &Record| {
            let mut bytes = Vec::new();
            encode(record, &key, &mut bytes);
            bytes
        };
        let first = b"\x01\x07\x0a\x00\x00\x01\x01\x01\x9c\x01a";
        assert_eq!(encoded(&record), first);
        record.readers = Some(readers(&["firm:b"]));
        let second = b"\x02\x07\x0a\x00\x00\x02\x01b\x00\x01\x01\x01\x9c\x01a\x00";
        assert_eq!(encoded(&record), second);
        record.readers = None;
        record.values[0].readers = Some(readers(&["group:g"]));
        let third = b"\x02\x07\x0a\x00\x00\x00\x01\x01\x01\x9c\x01a\x01\x01\x01g";
        assert_eq!(encoded(&record), third);
    }

    /// Written by the first release: a later one must still read it.
    #[test]
    fn reads_version_1() {
        let bytes = b"\x01\x07\x0a\x02\x0c88.118.7/ABC\x02\x01\x01\x9e\x0bhttps://a.b\xcf\x0f\x00\x03ram\x8e\x3c\x01\x02";
        let record = decode(b"88.118.7/abc", bytes).expect("decodes");
        assert_eq!(record.identifier.to_string(), "88.118.7/ABC");
        assert_eq!(
            (
                record.revision,
                record.created.millis(),
                record.changed.millis()
            ),
            (7, 10, 12)
        );
        assert_eq!(record.values[0].data, b"https://a.b");
        assert_eq!(
            (record.values[1].index, record.values[1].ttl),
            (2000, Ttl::Relative(60))
        );
    }
}
