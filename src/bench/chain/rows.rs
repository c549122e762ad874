//! Answers of traces, of which only the numbers of the nodes are taken: read in place,
//! as a client does that puts them into a table of its own. A message and strings for
//! each row would take longer than the node takes to find it.

use bytes::{Buf, BufMut};
use prost::encoding::{
    DecodeContext, WireType, check_wire_type, decode_varint, message, skip_field,
};
use prost::{DecodeError, Message};

use crate::wire::proto::{Content, Fields, v1};

/// Fields of `TraceResponse`.
const ROWS: u32 = 1;
const SUMMARY: u32 = 3;
/// Field of the identifier in `TraceRow`.
const IDENTIFIER: u32 = 1;

/// `TraceResponse`, as far as the benchmark reads it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rows {
    /// The numbers of the rows' nodes: the suffixes of their identifiers.
    pub(super) nodes: Vec<u32>,
    /// With the last part.
    pub(super) summary: Option<v1::TraceSummary>,
}

impl Message for Rows {
    fn encode_raw(&self, _out: &mut impl BufMut) {}

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        from: &mut impl Buf,
        context: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            ROWS => {
                check_wire_type(WireType::LengthDelimited, wire_type)?;
                let length = usize::try_from(decode_varint(from)?).unwrap_or(usize::MAX);
                // A message is read in one piece.
                let Some(row) = from.chunk().get(..length) else {
                    // Refused as every field is that is cut.
                    return skip_field(wire_type, tag, &mut [1_u8].as_slice(), context);
                };
                for field in Fields::of(row).flatten() {
                    if let (IDENTIFIER, Content::Octets(identifier)) = field {
                        self.nodes.extend(number(identifier));
                    }
                }
                from.advance(length);
                Ok(())
            }
            SUMMARY => {
                let summary = self.summary.get_or_insert_default();
                message::merge(wire_type, summary, from, context)
            }
            _ => skip_field(wire_type, tag, from, context),
        }
    }

    fn encoded_len(&self) -> usize {
        0
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The number behind the last slash; of a placeholder, whose identifier is empty, none.
fn number(identifier: &[u8]) -> Option<u32> {
    let mut number = 0_u32;
    let mut scale = 1_u32;
    for octet in identifier.iter().rev() {
        match octet {
            b'0'..=b'9' => {
                number = number.checked_add(u32::from(octet - b'0').checked_mul(scale)?)?;
                scale = scale.saturating_mul(10);
            }
            b'/' => return Some(number),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_numbers_of_rows() {
        let row = |identifier: &str, depth| v1::TraceRow {
            identifier: identifier.to_owned(),
            depth,
            parent: 300,
            terms: 1,
            more: true,
            node: "elsewhere".to_owned(),
            again: true,
        };
        let answer = v1::TraceResponse {
            rows: vec![
                row("88.101.1000/000000017", 0),
                row("", 1),
                row("88.9/123456789", 2),
                row("88.9/x1", 2),
            ],
            terms: vec![v1::TraceTerms::default()],
            summary: Some(v1::TraceSummary {
                row_count: 4,
                next_page_token: "next".to_owned(),
                ..v1::TraceSummary::default()
            }),
        };
        let octets = answer.encode_to_vec();
        let rows = Rows::decode(octets.as_slice()).unwrap();
        assert_eq!(rows.nodes, [17, 123_456_789]);
        assert_eq!(rows.summary, answer.summary);
        assert!(Rows::decode(&octets[..octets.len() - 1]).is_err());
    }
}
