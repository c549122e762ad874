//! References to values of other records, alone and as a list (`HS_VLIST`).

use crate::model::data::bytes::{Flaw, Reader, put_bytes, put_count, too_many};
use crate::model::fault::Refusal;
use crate::model::identifier::Identifier;
use crate::model::limits::REFERENCE_LIST_ITEMS_MAX;
use crate::model::record::Reference;

/// The members of a group: the content of an `HS_VLIST` (RFC 3651 §3.2.5).
///
/// ```text
/// list      = u32 count, reference*
/// reference = string handle, u32 index       index 0: any value of the record
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReferenceList {
    /// At most [`REFERENCE_LIST_ITEMS_MAX`], in their order.
    pub references: Vec<Reference>,
}

/// Bytes of the shortest reference: an empty handle.
const REFERENCE_BYTES_MIN: usize = 8;

impl ReferenceList {
    /// Decodes the data of an `HS_VLIST`.
    ///
    /// # Errors
    /// [`Reason::ValueDataInvalid`](crate::model::Reason::ValueDataInvalid).
    pub fn decode(data: &[u8]) -> Result<Self, Refusal> {
        Self::read(data).map_err(|flaw| flaw.refusal("HS_VLIST"))
    }

    pub(super) fn read(data: &[u8]) -> Result<Self, Flaw> {
        let mut reader = Reader::new(data);
        let count = reader.count("references", REFERENCE_LIST_ITEMS_MAX, REFERENCE_BYTES_MIN)?;
        let references = (0..count)
            .map(|at| read(&mut reader).map_err(|flaw| flaw.within(format!("references[{at}]"))))
            .collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(Self { references })
    }

    /// Encodes the data of an `HS_VLIST`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_count(&mut out, self.references.len());
        for reference in &self.references {
            put(&mut out, reference);
        }
        out
    }

    /// Itself, if it is not too long.
    pub(super) fn checked(self) -> Result<Self, Flaw> {
        let count = self.references.len();
        if count > REFERENCE_LIST_ITEMS_MAX {
            return Err(too_many("references", count, REFERENCE_LIST_ITEMS_MAX));
        }
        Ok(self)
    }
}

/// Reads a handle and the index of one of its values.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Reference, Flaw> {
    let identifier = identifier("handle", reader.bytes("handle")?)?;
    let index = reader.u32("index")?;
    Ok(Reference { index, identifier })
}

/// Appends a handle and the index of one of its values.
pub(super) fn put(out: &mut Vec<u8>, reference: &Reference) {
    let Reference { index, identifier } = reference;
    put_bytes(out, identifier.to_string().as_bytes());
    out.extend_from_slice(&index.to_be_bytes());
}

/// The identifier that `bytes` spell.
pub(super) fn identifier(place: &str, bytes: &[u8]) -> Result<Identifier, Flaw> {
    Identifier::from_bytes(bytes).map_err(|refusal| Flaw::new(place, refusal))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &[u8], expected: Result<&[&str], &str>) {
        let seen = ReferenceList::decode(data);
        match (&seen, expected) {
            (Ok(list), Ok(expected)) => {
                let shown = list.references.iter().map(ToString::to_string);
                assert_eq!(shown.collect::<Vec<_>>(), expected);
                assert_eq!(list.encode(), data);
            }
            (Err(refusal), Err(rule)) => {
                assert_eq!(
                    refusal.to_string(),
                    format!("the data is no \"HS_VLIST\": {rule}")
                );
            }
            (seen, _) => panic!("{seen:?}"),
        }
    }

    #[test]
    fn reads_the_members_of_a_group() {
        check(&[0; 4], Ok(&[]));
        check(
            b"\0\0\0\x02\0\0\0\x03a/b\0\0\x01\x2c\0\0\0\x08\xe4\xbc\x81/x\xe4\xb8\x9a\0\0\0\0",
            Err(
                "references[1].handle: prefix \"企\" must be 1 to 64 characters: segments of letters, digits and \"-\", separated by dots",
            ),
        );
        check(
            b"\0\0\0\x02\0\0\0\x03a/b\0\0\x01\x2c\0\0\0\x05a/\xe4\xb8\x9a\0\0\0\0",
            Ok(&["300:a/b", "0:a/业"]),
        );
    }

    #[test]
    fn reserves_nothing_for_items_that_are_not_there() {
        check(
            b"\xff\xff\xff\xff",
            Err("references: 4294967295 are more than the limit of 4096"),
        );
        check(
            b"\0\0\x10\0\0\0\0\x03a/b\0\0\0\x01",
            Err("references: 4096 take 32768 bytes or more, and 11 are there"),
        );
        check(
            b"\0\0\0\x01\0\0\0\x03a/b\0\0\0\x01\0",
            Err("1 bytes follow its end"),
        );
        let identifier = Identifier::parse("a/b").expect("valid");
        let references = vec![
            Reference {
                index: 1,
                identifier
            };
            REFERENCE_LIST_ITEMS_MAX + 1
        ];
        assert!(ReferenceList { references }.checked().is_err());
    }
}
