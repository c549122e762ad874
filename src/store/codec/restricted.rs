//! Rows of the column `restricted`: identifiers that are absent for all but
//! their owner and their readers.
//!
//! ```text
//! key of a row    = 0  canonical identifier
//! row             = 1  kind  body        kind 0: record  1: tombstone, as in codec::record
//! key of a grant  = reader  canonical identifier
//! reader          = 1 id-of-a-firm 0  |  2 id-of-a-group 0
//! grant           = empty                each reader of a record that is there has one
//! ```

use std::sync::Arc;

use crate::model::{Key, Reader, Record, Tombstone};
use crate::store::Error;
use crate::store::codec::{Cursor, record};

const VERSION: u8 = 1;
const RECORD: u8 = 0;
const TOMBSTONE: u8 = 1;
/// What the key of a row begins with.
pub(crate) const ROW: u8 = 0;
/// What the keys of all grants are greater than, and the keys of rows are not.
pub(crate) const ROW_END: u8 = 1;
const FIRM: u8 = 1;
const GROUP: u8 = 2;
/// Bytes of a row before its body.
const HEAD_BYTES: usize = 2;

/// An identifier that is absent for all but its owner and its readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restricted {
    /// It is registered.
    Active(Arc<Record>),
    /// It was deleted.
    Deleted(Tombstone),
}

/// The key of the row of `key`.
pub(crate) fn row_key(key: &[u8]) -> Vec<u8> {
    [&[ROW], key].concat()
}

/// What the keys of all grants to `reader` begin with.
pub(crate) fn grants_of(reader: &Reader) -> Vec<u8> {
    let (kind, id) = match reader {
        Reader::Firm(firm) => (FIRM, firm.as_str()),
        Reader::Group(group) => (GROUP, group.as_str()),
    };
    // No id has this byte, so that none is the beginning of another.
    [&[kind], id.as_bytes(), &[0]].concat()
}

/// The key of the grant of `key` to `reader`.
pub(crate) fn grant_key(reader: &Reader, key: &[u8]) -> Vec<u8> {
    [&grants_of(reader), key].concat()
}

/// Appends the row of a registered identifier and gives the record's encoding.
pub(crate) fn encode_record<'o>(record: &Record, key: &Key, out: &'o mut Vec<u8>) -> &'o [u8] {
    out.extend([VERSION, RECORD]);
    record::encode(record, key, out);
    out.get(HEAD_BYTES..).unwrap_or_default()
}

/// The record's encoding in a row of a registered identifier.
pub(crate) fn body(row: &[u8]) -> &[u8] {
    row.get(HEAD_BYTES..).unwrap_or_default()
}

/// Appends the row of a deleted identifier.
pub(crate) fn encode_tombstone(tombstone: &Tombstone, key: &Key, out: &mut Vec<u8>) {
    out.extend([VERSION, TOMBSTONE]);
    record::encode_tombstone(tombstone, key, out);
}

/// Decodes the row of `key`.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Version`].
pub(crate) fn decode(key: &[u8], bytes: &[u8]) -> Result<Restricted, Error> {
    let mut cursor = Cursor::new(bytes, VERSION, "restricted row")?;
    let kind = cursor.byte()?;
    let body = bytes.get(HEAD_BYTES..).unwrap_or_default();
    match kind {
        RECORD => {
            let record = record::decode(key, body)?;
            // One without readers would be hidden from nobody.
            if !record.is_restricted() {
                return Err(cursor.corrupt());
            }
            Ok(Restricted::Active(Arc::new(record)))
        }
        TOMBSTONE => {
            let tombstone = record::decode_tombstone(key, body)?;
            Ok(Restricted::Deleted(Tombstone {
                restricted: true,
                ..tombstone
            }))
        }
        _ => Err(cursor.corrupt()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Identifier, Readers, SuffixCase, Timestamp};

    #[test]
    fn rows_go_there_and_back() {
        let identifier = Identifier::parse("88.118.7/A").expect("an identifier");
        let key = identifier.key(SuffixCase::Folded);
        let mut record = Record {
            identifier: identifier.clone(),
            values: Vec::new(),
            readers: Some(Box::new(Readers::default())),
            revision: 3,
            created: Timestamp::from_millis(1),
            changed: Timestamp::from_millis(2),
        };
        let mut bytes = Vec::new();
        let body = encode_record(&record, &key, &mut bytes).to_vec();
        assert_eq!(
            record::decode(key.as_bytes(), &body).as_ref().ok(),
            Some(&record)
        );
        let seen = decode(key.as_bytes(), &bytes).expect("decodes");
        assert_eq!(seen, Restricted::Active(Arc::new(record.clone())));
        let cut = bytes.get(..bytes.len() - 1).expect("some");
        assert!(decode(key.as_bytes(), cut).is_err());
        record.readers = None;
        bytes.clear();
        let _body = encode_record(&record, &key, &mut bytes);
        assert!(decode(key.as_bytes(), &bytes).is_err());

        let tombstone = Tombstone {
            identifier,
            revision: 4,
            created: Timestamp::from_millis(1),
            deleted: Timestamp::from_millis(2),
            restricted: true,
        };
        bytes.clear();
        encode_tombstone(&tombstone, &key, &mut bytes);
        let seen = decode(key.as_bytes(), &bytes).expect("decodes");
        assert_eq!(seen, Restricted::Deleted(tombstone));
        for bad in [&b""[..], b"\x01", b"\x01\x02", b"\x02\x00"] {
            assert!(decode(key.as_bytes(), bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn grants_are_told_apart() {
        let reader = |text| Reader::parse(text).expect("a reader");
        let key = grant_key(&reader("firm:a"), b"88.118.7/a");
        assert_eq!(key, b"\x01a\x0088.118.7/a");
        assert!(key.starts_with(&grants_of(&reader("firm:a"))));
        for other in ["group:a", "firm:a-", "firm:aa"] {
            assert!(!key.starts_with(&grants_of(&reader(other))), "{other}");
        }
    }
}
