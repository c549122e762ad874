//! Requests for many identifiers.

use bytes::{Buf, BufMut};
use prost::encoding::{DecodeContext, WireType, encode_key, encode_varint, string, uint32};
use prost::encoding::{encoded_len_varint, key_len, skip_field};
use prost::{DecodeError, Message};

const IDENTIFIERS: u32 = 1;
const TYPES: u32 = 2;
const INDICES: u32 = 3;

/// `BatchResolveRequest` or `ResolveStreamRequest`, which have the same fields. The
/// identifiers stand in one text: a string of its own for each would take as long as
/// finding its result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResolveMany {
    /// The types that are asked for.
    pub types: Vec<String>,
    /// The indices that are asked for.
    pub indices: Vec<u32>,
    text: String,
    /// Where each identifier ends.
    ends: Vec<usize>,
    /// One that is being read.
    one: String,
}

impl ResolveMany {
    /// How many identifiers there are.
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The identifier at `at`.
    pub fn get(&self, at: usize) -> Option<&str> {
        let end = *self.ends.get(at)?;
        let before = at.checked_sub(1).and_then(|before| self.ends.get(before));
        self.text.get(before.copied().unwrap_or_default()..end)
    }

    fn identifiers(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

impl Message for ResolveMany {
    fn encode_raw(&self, out: &mut impl BufMut) {
        for identifier in self.identifiers() {
            encode_key(IDENTIFIERS, WireType::LengthDelimited, out);
            encode_varint(u64::try_from(identifier.len()).unwrap_or_default(), out);
            out.put_slice(identifier.as_bytes());
        }
        string::encode_repeated(TYPES, &self.types, out);
        uint32::encode_packed(INDICES, &self.indices, out);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        from: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            IDENTIFIERS => {
                string::merge(wire_type, &mut self.one, from, context)?;
                self.text.push_str(&self.one);
                self.ends.push(self.text.len());
                Ok(())
            }
            TYPES => string::merge_repeated(wire_type, &mut self.types, from, context),
            INDICES => uint32::merge_repeated(wire_type, &mut self.indices, from, context),
            _ => skip_field(wire_type, tag, from, context),
        }
    }

    fn encoded_len(&self) -> usize {
        let text = |identifier: &str| {
            let length = identifier.len();
            let prefix = encoded_len_varint(u64::try_from(length).unwrap_or_default());
            key_len(IDENTIFIERS) + prefix + length
        };
        self.identifiers().map(text).sum::<usize>()
            + string::encoded_len_repeated(TYPES, &self.types)
            + uint32::encoded_len_packed(INDICES, &self.indices)
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::proto::v1;

    proptest! {
        #[test]
        fn reads_what_the_generated_message_reads(
            identifiers in prop::collection::vec(".{0,200}", 0..20),
            types in prop::collection::vec("[A-Z.]{0,9}", 0..4),
            indices in prop::collection::vec(any::<u32>(), 0..4),
        ) {
            let message = v1::BatchResolveRequest { identifiers, types, indices };
            let octets = message.encode_to_vec();
            let many = ResolveMany::decode(octets.as_slice()).unwrap();
            prop_assert_eq!(many.len(), message.identifiers.len());
            prop_assert_eq!(many.is_empty(), message.identifiers.is_empty());
            let read = many.identifiers().collect::<Vec<&str>>();
            prop_assert_eq!(read, message.identifiers);
            prop_assert_eq!(&many.types, &message.types);
            prop_assert_eq!(&many.indices, &message.indices);
            prop_assert_eq!(many.get(many.len()), None);
            prop_assert_eq!(many.encode_to_vec(), octets);
        }

        #[test]
        fn refuses_what_the_generated_message_refuses(octets in prop::collection::vec(any::<u8>(), 0..60)) {
            let message = v1::BatchResolveRequest::decode(octets.as_slice());
            let many = ResolveMany::decode(octets.as_slice());
            prop_assert_eq!(many.is_ok(), message.is_ok());
        }
    }
}
