//! Answers of traces, written row by row: a message and strings for each of a
//! hundred thousand rows would cost more than to find them.

use prost::encoding::{encoded_len_varint, message};

use crate::wire::proto::columns::ColumnsWriter;
use crate::wire::proto::{Encoded, v1};

/// Fields of `TraceResponse`.
const ROWS: u8 = 1;
const TERMS: u32 = 2;
const SUMMARY: u32 = 3;

/// What a `TraceRow` holds.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowParts<'a> {
    /// Prefix and suffix of the identifier, between which a slash goes.
    pub name: Option<(&'a str, &'a str)>,
    /// A number that no row with another prefix has; not all rows need one. Prefixes are
    /// found by it in columns.
    pub prefix_number: Option<u32>,
    /// `TraceRow.depth`.
    pub depth: u32,
    /// `TraceRow.parent`.
    pub parent: u32,
    /// `TraceRow.terms`.
    pub terms: u32,
    /// `TraceRow.more`.
    pub more: bool,
    /// `TraceRow.node`.
    pub node: &'a str,
    /// `TraceRow.again`.
    pub again: bool,
}

/// A `TraceResponse` in the making.
#[derive(Debug, Default)]
pub struct TraceWriter {
    octets: Vec<u8>,
    /// If rows are told so.
    columns: Option<ColumnsWriter>,
}

impl TraceWriter {
    /// One that tells rows as `TraceColumns`.
    pub fn in_columns() -> Self {
        Self {
            octets: Vec::new(),
            columns: Some(ColumnsWriter::default()),
        }
    }

    /// Octets so far; of columns without the heads of their fields.
    pub const fn len(&self) -> usize {
        let columns = match &self.columns {
            Some(columns) => columns.len(),
            None => 0,
        };
        self.octets.len() + columns
    }

    /// Whether nothing was written yet.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes a row behind those before.
    #[inline]
    pub fn row(&mut self, row: &RowParts<'_>) {
        match &mut self.columns {
            Some(columns) => columns.row(row),
            None => self.message(row),
        }
    }

    /// Writes a row as a message.
    fn message(&mut self, row: &RowParts<'_>) {
        let name = row
            .name
            .map_or(0, |(prefix, suffix)| prefix.len() + 1 + suffix.len());
        let length = text_len(name)
            + number_len(row.depth)
            + number_len(row.parent)
            + number_len(row.terms)
            + number_len(row.more.into())
            + text_len(row.node.len())
            + number_len(row.again.into());
        let out = &mut self.octets;
        let room = if out.is_empty() { ROOM } else { 0 };
        out.reserve(room.max(length + 2 * MOST));
        begin(out, ROWS, length);
        if let Some((prefix, suffix)) = row.name {
            begin(out, 1, name);
            out.extend_from_slice(prefix.as_bytes());
            out.push(b'/');
            out.extend_from_slice(suffix.as_bytes());
        }
        number(out, 2, row.depth);
        number(out, 3, row.parent);
        number(out, 4, row.terms);
        number(out, 5, row.more.into());
        if !row.node.is_empty() {
            begin(out, 6, row.node.len());
            out.extend_from_slice(row.node.as_bytes());
        }
        number(out, 7, row.again.into());
    }

    /// Writes terms.
    pub fn terms(&mut self, terms: &v1::TraceTerms) {
        message::encode(TERMS, terms, &mut self.octets);
    }

    /// Writes the summary.
    pub fn summary(&mut self, summary: &v1::TraceSummary) {
        message::encode(SUMMARY, summary, &mut self.octets);
    }

    /// What was written since the last time.
    pub fn take(&mut self) -> Encoded<v1::TraceResponse> {
        if let Some(columns) = &mut self.columns {
            columns.flush(&mut self.octets);
        }
        Encoded::new(std::mem::take(&mut self.octets))
    }
}

/// Octets of a number at most.
pub(super) const MOST: usize = 10;
/// Octets for which there is room at first: some hundred rows.
const ROOM: usize = 1 << 14;
/// Wire types of a number and of what has a length, in the key of a field below 16.
const NUMBER: u8 = 0;
const LENGTH: u8 = 2;

/// Begins a field of `length` octets.
#[inline]
pub(super) fn begin(out: &mut Vec<u8>, field: u8, length: usize) {
    out.push(field << 3 | LENGTH);
    varint(out, wide(length));
}

#[inline]
fn number(out: &mut Vec<u8>, field: u8, number: u32) {
    if number != 0 {
        out.push(field << 3 | NUMBER);
        varint(out, number.into());
    }
}

/// Seven bits at a time, the low ones first.
#[inline]
pub(super) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

const fn text_len(length: usize) -> usize {
    match length {
        0 => 0,
        length => 1 + encoded_len_varint(length as u64) + length,
    }
}

const fn number_len(number: u32) -> usize {
    match number {
        0 => 0,
        number => 1 + encoded_len_varint(number as u64),
    }
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use prost::Message;

    use super::*;
    use crate::wire::proto::{ColumnsReader, Write};

    fn row_strategy() -> impl Strategy<Value = v1::TraceRow> {
        let identifier = prop_oneof![
            1 => Just(String::new()),
            2 => "[0-9.]{1,8}/.{0,200}",
            3 => "[12]/.{0,20}",
        ];
        let number = || prop_oneof![Just(0_u32), 0..300_u32, any::<u32>()];
        let rest = (number(), number(), number(), any::<[bool; 2]>(), ".{0,9}");
        (identifier, rest).prop_map(
            |(identifier, (depth, parent, terms, [more, again], node))| v1::TraceRow {
                identifier,
                depth,
                parent,
                terms,
                more,
                node,
                again,
            },
        )
    }

    /// Some have a number for their prefix, and some not.
    fn parts(row: &v1::TraceRow) -> RowParts<'_> {
        let name = row.identifier.split_once('/');
        let number = |prefix: &str| {
            let octets = prefix.bytes().map(u32::from);
            octets.fold(0_u32, |number, octet| {
                number.wrapping_mul(12).wrapping_add(octet - 45)
            })
        };
        RowParts {
            name,
            prefix_number: name
                .map(|(prefix, _)| number(prefix))
                .filter(|_| !row.depth.is_multiple_of(3)),
            depth: row.depth,
            parent: row.parent,
            terms: row.terms,
            more: row.more,
            node: &row.node,
            again: row.again,
        }
    }

    proptest! {
        #[test]
        fn is_read_as_it_was_meant(
            rows in vec(row_strategy(), 0..5),
            number in any::<u32>(),
            kind in ".{0,9}",
        ) {
            let terms = v1::TraceTerms { number, kind, ..v1::TraceTerms::default() };
            let summary = v1::TraceSummary { depth: 7, ..v1::TraceSummary::default() };
            let mut writer = TraceWriter::default();
            for row in &rows {
                writer.row(&parts(row));
                writer.terms(&terms);
            }
            writer.summary(&summary);
            let count = rows.len();
            let expected = v1::TraceResponse {
                rows,
                terms: vec![terms; count],
                summary: Some(summary),
                columns: Vec::new(),
            };
            let length = writer.len();
            let mut octets = Vec::new();
            writer.take().write(&mut octets);
            prop_assert_eq!((length, writer.is_empty()), (octets.len(), true));
            prop_assert_eq!(octets.len(), expected.encoded_len());
            prop_assert_eq!(v1::TraceResponse::decode(octets.as_slice()), Ok(expected));
        }

        #[test]
        fn columns_are_read_as_the_rows_that_they_tell(
            rows in vec(row_strategy(), 0..9),
            parts_of in 1..5_usize,
        ) {
            let mut writer = TraceWriter::in_columns();
            let mut reader = ColumnsReader::default();
            // As a client reads one part after the other, or all of them as one message.
            let (mut read, mut whole) = (Vec::new(), Vec::new());
            for some in rows.chunks(parts_of) {
                some.iter().for_each(|row| writer.row(&parts(row)));
                let length = writer.len();
                let part = writer.take();
                prop_assert!(writer.is_empty() && part.octets().len() >= length);
                whole.extend_from_slice(part.octets());
                let part = v1::TraceResponse::decode(part.octets().clone()).unwrap();
                prop_assert_eq!((part.rows.len(), part.columns.len()), (0, 1));
                for columns in part.columns {
                    read.extend(reader.rows(columns).unwrap());
                }
            }
            let mut expected = rows;
            // Rows of other nodes are told as messages.
            expected.iter_mut().for_each(|row| row.node.clear());
            prop_assert_eq!(&read, &expected);
            let whole = v1::TraceResponse::decode(whole.as_slice()).unwrap();
            let mut reader = ColumnsReader::default();
            let all = whole.columns.into_iter().map(|columns| reader.rows(columns).unwrap());
            prop_assert_eq!(all.flatten().collect::<Vec<_>>(), expected);
        }
    }
}
