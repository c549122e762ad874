//! Records of an import, read where they lie.

use ::bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, bool, bytes, encode_key, encode_varint, int32};
use prost::encoding::{encoded_len_varint, key_len, skip_field};
use prost::{DecodeError, Message};

use crate::wire::proto::fields::{Content, Fields};
use crate::wire::proto::v1;

const ON_CONFLICT: u32 = 1;
const VALIDATE_ONLY: u32 = 2;
const RECORDS: u32 = 3;
const BULK: u32 = 4;

/// `ImportRecordsRequest`, whose records stay encoded until each is read: a plain one
/// needs no message of its own, whose making and freeing would take as long as storing it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportRecords {
    /// What to do with an identifier that is registered already: an `OnConflict`.
    pub on_conflict: i32,
    /// Judge only.
    pub validate_only: bool,
    /// Write many together.
    pub bulk: bool,
    octets: Vec<u8>,
    /// Where each record ends.
    ends: Vec<usize>,
    /// One that is being read.
    one: Vec<u8>,
}

/// A record with nothing but its name and plain values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainRecord<'a> {
    /// Its resource name.
    pub name: &'a str,
    /// Its values in the order in which they stand.
    pub values: &'a [PlainValue<'a>],
}

/// A value with nothing but what most values have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlainValue<'a> {
    /// Its index.
    pub index: u32,
    /// Its type.
    pub value_type: &'a str,
    /// Its data; UTF-8 where it was sent as text.
    pub data: &'a [u8],
    /// Seconds for which it may be kept.
    pub ttl_seconds: Option<u32>,
    /// Who may read and write it.
    pub permissions: Option<v1::Permissions>,
}

/// A record as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Sent<'a> {
    /// One that has no rare fields.
    Plain(PlainRecord<'a>),
    /// Any other.
    Whole(Box<v1::Record>),
}

impl ImportRecords {
    /// How many records there are.
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Gives each record to `each`.
    ///
    /// # Errors
    /// A record that is not one, by the rules of protobuf: those before it were given.
    pub fn for_each(&self, mut each: impl FnMut(Sent<'_>)) -> Result<(), DecodeError> {
        let mut values = Vec::new();
        for octets in self.encoded() {
            values.clear();
            match plain(octets, &mut values) {
                Some(name) => each(Sent::Plain(PlainRecord {
                    name,
                    values: &values,
                })),
                None => each(Sent::Whole(Box::new(v1::Record::decode(octets)?))),
            }
        }
        Ok(())
    }

    fn encoded(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let record = self.octets.get(start..*end).unwrap_or_default();
            start = *end;
            record
        })
    }
}

/// Reads a record that has nothing but a name and plain values, which join `values`; its
/// name. `None` for any other, and for what is none.
fn plain<'a>(octets: &'a [u8], values: &mut Vec<PlainValue<'a>>) -> Option<&'a str> {
    const NAME: u32 = 1;
    const VALUES: u32 = 2;
    let mut name = "";
    for field in Fields::of(octets) {
        match field? {
            (NAME, Content::Octets(text)) => name = std::str::from_utf8(text).ok()?,
            (VALUES, Content::Octets(value)) => values.push(plain_value(value)?),
            _ => return None,
        }
    }
    Some(name)
}

fn plain_value(octets: &[u8]) -> Option<PlainValue<'_>> {
    const INDEX: u32 = 1;
    const TYPE: u32 = 2;
    const TEXT: u32 = 3;
    const BINARY: u32 = 4;
    const TTL_SECONDS: u32 = 5;
    const PERMISSIONS: u32 = 7;
    let mut value = PlainValue::default();
    for field in Fields::of(octets) {
        match field? {
            (INDEX, Content::Number(number)) => value.index = u32::try_from(number).ok()?,
            (TYPE, Content::Octets(text)) => value.value_type = std::str::from_utf8(text).ok()?,
            (TEXT, Content::Octets(text)) => {
                value.data = std::str::from_utf8(text).ok()?.as_bytes();
            }
            (BINARY, Content::Octets(data)) => value.data = data,
            (TTL_SECONDS, Content::Number(number)) => {
                value.ttl_seconds = Some(u32::try_from(number).ok()?);
            }
            (PERMISSIONS, Content::Octets(granted)) if value.permissions.is_none() => {
                value.permissions = Some(v1::Permissions::decode(granted).ok()?);
            }
            _ => return None,
        }
    }
    Some(value)
}

impl Message for ImportRecords {
    fn encode_raw(&self, out: &mut impl BufMut) {
        if self.on_conflict != 0 {
            int32::encode(ON_CONFLICT, &self.on_conflict, out);
        }
        if self.validate_only {
            bool::encode(VALIDATE_ONLY, &self.validate_only, out);
        }
        for record in self.encoded() {
            encode_key(RECORDS, WireType::LengthDelimited, out);
            encode_varint(u64::try_from(record.len()).unwrap_or_default(), out);
            out.put_slice(record);
        }
        if self.bulk {
            bool::encode(BULK, &self.bulk, out);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        from: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            ON_CONFLICT => int32::merge(wire_type, &mut self.on_conflict, from, context),
            VALIDATE_ONLY => bool::merge(wire_type, &mut self.validate_only, from, context),
            BULK => bool::merge(wire_type, &mut self.bulk, from, context),
            RECORDS => {
                bytes::merge(wire_type, &mut self.one, from, context)?;
                self.octets.extend_from_slice(&self.one);
                self.ends.push(self.octets.len());
                Ok(())
            }
            _ => skip_field(wire_type, tag, from, context),
        }
    }

    fn encoded_len(&self) -> usize {
        let rules = v1::ImportRecordsRequest {
            on_conflict: self.on_conflict,
            validate_only: self.validate_only,
            records: Vec::new(),
            bulk: self.bulk,
        };
        let of = |record: &[u8]| {
            let length = record.len();
            let prefix = encoded_len_varint(u64::try_from(length).unwrap_or_default());
            key_len(RECORDS) + prefix + length
        };
        rules.encoded_len() + self.encoded().map(of).sum::<usize>()
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::proto::v1::value::{Data, Ttl};

    fn readers() -> impl Strategy<Value = Option<v1::Readers>> {
        let ids = || prop::collection::vec("[a-z]{1,8}", 0..3);
        let readers = (ids(), ids()).prop_map(|(firms, groups)| v1::Readers { firms, groups });
        prop::option::weighted(0.1, readers)
    }

    fn values() -> impl Strategy<Value = v1::Value> {
        let data = prop_oneof![
            ".{0,40}".prop_map(Data::Text),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|data| Data::Binary(data.into())),
        ];
        let permissions = any::<[bool; 4]>().prop_map(|[a, b, c, d]| v1::Permissions {
            admin_read: a,
            admin_write: b,
            public_read: c,
            public_write: d,
        });
        let references = prop::collection::vec("[0-9]{1,3}:88\\.1/[a-z]{1,5}", 0..2);
        (
            any::<u32>(),
            "[A-Za-z_.]{0,12}",
            prop::option::of(data),
            prop::option::of(any::<u32>()),
            prop::option::of(permissions),
            prop_oneof![9 => Just(Vec::new()), 1 => references],
            readers(),
        )
            .prop_map(
                |(index, r#type, data, ttl, permissions, references, readers)| v1::Value {
                    index,
                    r#type,
                    data,
                    ttl: ttl.map(Ttl::TtlSeconds),
                    permissions,
                    update_time: None,
                    references,
                    handle_data: None,
                    readers,
                },
            )
    }

    fn records() -> impl Strategy<Value = v1::Record> {
        let etags = prop_oneof![9 => Just(String::new()), 1 => "[0-9]{1,5}"];
        let values = prop::collection::vec(values(), 0..6);
        (".{0,60}", values, etags, readers()).prop_map(|(name, values, etag, readers)| v1::Record {
            name,
            values,
            etag,
            readers,
            ..v1::Record::default()
        })
    }

    /// The message of what was sent; the data of a plain one are octets.
    fn whole(sent: Sent<'_>) -> (v1::Record, bool) {
        let plain = match sent {
            Sent::Plain(plain) => plain,
            Sent::Whole(record) => return (*record, false),
        };
        let value = |value: &PlainValue<'_>| v1::Value {
            index: value.index,
            r#type: value.value_type.to_owned(),
            data: Some(Data::Binary(value.data.to_vec().into())),
            ttl: value.ttl_seconds.map(Ttl::TtlSeconds),
            permissions: value.permissions,
            ..v1::Value::default()
        };
        let record = v1::Record {
            name: plain.name.to_owned(),
            values: plain.values.iter().map(value).collect(),
            ..v1::Record::default()
        };
        (record, true)
    }

    /// As a plain record is compared.
    fn with_octets(mut record: v1::Record) -> v1::Record {
        for value in &mut record.values {
            let data = match value.data.take() {
                Some(Data::Text(text)) => text.into_bytes().into(),
                Some(Data::Binary(octets)) => octets,
                None => ::bytes::Bytes::new(),
            };
            value.data = Some(Data::Binary(data));
        }
        record
    }

    fn has_rare(record: &v1::Record) -> bool {
        let is_rare = |value: &v1::Value| value.readers.is_some() || !value.references.is_empty();
        !record.etag.is_empty() || record.readers.is_some() || record.values.iter().any(is_rare)
    }

    fn read(import: &ImportRecords) -> Result<Vec<(v1::Record, bool)>, DecodeError> {
        let mut read = Vec::new();
        import.for_each(|sent| read.push(whole(sent)))?;
        Ok(read)
    }

    proptest! {
        #[test]
        fn reads_what_the_generated_message_reads(
            records in prop::collection::vec(records(), 0..6),
            (on_conflict, validate_only, bulk) in (0..4_i32, any::<bool>(), any::<bool>()),
        ) {
            let message = v1::ImportRecordsRequest { on_conflict, validate_only, records, bulk };
            let octets = message.encode_to_vec();
            let import = ImportRecords::decode(octets.as_slice()).unwrap();
            prop_assert_eq!(import.len(), message.records.len());
            prop_assert_eq!(read(&import).unwrap().len(), import.len());
            prop_assert_eq!(import.is_empty(), message.records.is_empty());
            prop_assert_eq!(import.encode_to_vec(), octets);
            let rules = (import.on_conflict, import.validate_only, import.bulk);
            prop_assert_eq!(rules, (on_conflict, validate_only, bulk));
            for ((record, is_plain), sent) in read(&import).unwrap().into_iter().zip(message.records) {
                prop_assert_eq!(is_plain, !has_rare(&sent));
                prop_assert_eq!(record, if is_plain { with_octets(sent) } else { sent });
            }
        }

        #[test]
        fn reads_broken_messages_as_the_generated_one(
            record in records(),
            cut in any::<prop::sample::Index>(),
            (at, octet) in (any::<prop::sample::Index>(), any::<u8>()),
        ) {
            let mut octets = record.encode_to_vec();
            if let Some(place) = (!octets.is_empty()).then(|| at.index(octets.len())) {
                octets[place] = octet;
            }
            octets.truncate(cut.index(octets.len() + 1).max(octets.len() / 2));
            let mut import = ImportRecords { octets, ..ImportRecords::default() };
            import.ends.push(import.octets.len());
            let generated = v1::Record::decode(import.octets.as_slice());
            match (read(&import), generated) {
                (Ok(read), Ok(generated)) => {
                    prop_assert_eq!(read.len(), 1);
                    for (record, is_plain) in read {
                        let same = if is_plain { with_octets(generated.clone()) } else { generated.clone() };
                        prop_assert_eq!(record, same);
                    }
                }
                (read, generated) => prop_assert_eq!(read.is_err(), generated.is_err()),
            }
        }

        #[test]
        fn refuses_what_the_generated_message_refuses(
            octets in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let message = v1::ImportRecordsRequest::decode(octets.as_slice());
            let import = ImportRecords::decode(octets.as_slice());
            let is_read = import.is_ok_and(|import| read(&import).is_ok());
            prop_assert_eq!(is_read, message.is_ok());
        }
    }
}
