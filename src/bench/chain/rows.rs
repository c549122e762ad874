//! Answers of traces, of which only the numbers of the nodes are taken: read in place,
//! as a client does that puts them into a table of its own. A message and strings for
//! each row would take longer than the node takes to find it.

use prost::Message;

use crate::wire::proto::{Content, Fields, v1};

/// Fields of `TraceResponse`.
const ROWS: u32 = 1;
const SUMMARY: u32 = 3;
const COLUMNS: u32 = 4;
/// Fields of `TraceColumns`.
const PREFIX_NUMBERS: u32 = 2;
const SUFFIXES: u32 = 3;
const SUFFIX_BYTES: u32 = 4;

/// Takes the nodes of a `TraceResponse`, whose rows are columns: the numbers that the
/// suffixes of their identifiers are. Gives the summary, if it has one; `None` of what is
/// no such answer: of rows as messages too, which an older node tells.
pub(super) fn read(answer: &[u8], nodes: &mut Vec<u32>) -> Option<Option<v1::TraceSummary>> {
    let mut summary = None;
    for field in Fields::of(answer) {
        match field? {
            (SUMMARY, Content::Octets(octets)) => {
                summary = Some(v1::TraceSummary::decode(octets).ok()?);
            }
            (COLUMNS, Content::Octets(octets)) => columns(octets, nodes)?,
            (ROWS, _) => return None,
            _ => {}
        }
    }
    Some(summary)
}

fn columns(octets: &[u8], nodes: &mut Vec<u32>) -> Option<()> {
    let (mut prefixes, mut suffixes, mut lengths): (&[u8], &[u8], &[u8]) = (&[], &[], &[]);
    for field in Fields::of(octets) {
        match field? {
            (PREFIX_NUMBERS, Content::Octets(column)) => prefixes = column,
            (SUFFIXES, Content::Octets(column)) => suffixes = column,
            (SUFFIX_BYTES, Content::Octets(column)) => lengths = column,
            _ => {}
        }
    }
    // Each takes an octet of this column at least.
    nodes.reserve(lengths.len());
    while let Some(length) = varint(&mut lengths) {
        let (suffix, behind) = suffixes.split_at_checked(usize::try_from(length).ok()?)?;
        suffixes = behind;
        // A hop that may not be seen has no prefix.
        if varint(&mut prefixes)? != 0 {
            nodes.push(number(suffix)?);
        }
    }
    (lengths.is_empty() && suffixes.is_empty() && prefixes.is_empty()).then_some(())
}

/// Takes a number, if there is one.
#[inline]
fn varint(octets: &mut &[u8]) -> Option<u32> {
    let (&first, behind) = octets.split_first()?;
    *octets = behind;
    if first & 0x80 == 0 {
        return Some(first.into());
    }
    let (mut number, mut shift) = (u64::from(first & 0x7f), 7_u32);
    loop {
        let (octet, behind) = octets.split_first()?;
        *octets = behind;
        number |= u64::from(octet & 0x7f).checked_shl(shift)?;
        if octet & 0x80 == 0 {
            return u32::try_from(number).ok();
        }
        shift += 7;
    }
}

#[inline]
fn number(digits: &[u8]) -> Option<u32> {
    let (mut number, rest) = match digits.split_first_chunk() {
        Some((eight, rest)) => (eight_digits(*eight)?, rest),
        None => (0, digits),
    };
    for octet in rest {
        let digit = octet.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    Some(number)
}

/// The number that eight digits are, at once: pairs, fours, and all of them.
#[inline]
fn eight_digits(digits: [u8; 8]) -> Option<u32> {
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    const ZEROS: u64 = 0x3030_3030_3030_3030;
    let octets = u64::from_le_bytes(digits);
    let sixes = octets.wrapping_add(0x0606_0606_0606_0606);
    if octets & HIGH != ZEROS || sixes & HIGH != ZEROS {
        return None;
    }
    let ones = octets & !HIGH;
    let pairs = ones.wrapping_mul(10).wrapping_add(ones >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let all = fours.wrapping_mul(10_000).wrapping_add(fours >> 32);
    u32::try_from(all & 0xffff_ffff).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_of_any_length() {
        for value in [0, 7, 99_999_999, 12_345_678, 100_000_000, u32::MAX] {
            assert_eq!(number(value.to_string().as_bytes()), Some(value));
            assert_eq!(number(format!("{value:012}").as_bytes()), Some(value));
        }
        for text in [
            "4294967296",
            "1234567x",
            "x2345678",
            "12:45678",
            "12/45678",
            "12345678-",
        ] {
            assert_eq!(number(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn reads_the_numbers_of_rows() {
        let summary = v1::TraceSummary {
            row_count: 4,
            next_page_token: "next".to_owned(),
            ..v1::TraceSummary::default()
        };
        let some = |numbers: &[u32], suffixes: &str, lengths: &[u32]| v1::TraceColumns {
            prefixes: vec!["88.101.1000".to_owned()],
            prefix_numbers: numbers.to_vec(),
            suffixes: suffixes.to_owned(),
            suffix_bytes: lengths.to_vec(),
            depths: vec![1; numbers.len()],
            ..v1::TraceColumns::default()
        };
        let answer = |columns| v1::TraceResponse {
            columns,
            terms: vec![v1::TraceTerms::default()],
            summary: Some(summary.clone()),
            ..v1::TraceResponse::default()
        };
        let read_all = |answer: &v1::TraceResponse| {
            let mut nodes = Vec::new();
            read(&answer.encode_to_vec(), &mut nodes).map(|summary| (nodes, summary))
        };
        let whole = answer(vec![
            some(&[1, 0, 300], "000000017123456789", &[9, 0, 9]),
            some(&[2], "7", &[1]),
        ]);
        assert_eq!(
            read_all(&whole),
            Some((vec![17, 123_456_789, 7], Some(summary.clone())))
        );
        for spoilt in [
            some(&[1], "000000017", &[8]),
            some(&[1], "000000017", &[10]),
            some(&[1, 1], "000000017", &[9]),
            some(&[1], "00000001x", &[9]),
            some(&[1], "9999999999", &[10]),
        ] {
            assert_eq!(read_all(&answer(vec![spoilt])), None);
        }
        assert_eq!(read(b"\x22\x07abc", &mut Vec::new()), None);
        let mut as_messages = answer(Vec::new());
        as_messages.rows.push(v1::TraceRow::default());
        assert_eq!(read_all(&as_messages), None);
        assert_eq!(varint(&mut [0xff; 9].as_slice()), None);
        assert_eq!(varint(&mut b"\xff\xff\xff\xff\x1f".as_slice()), None);
        assert_eq!(
            varint(&mut b"\xff\xff\xff\xff\x0f".as_slice()),
            Some(u32::MAX)
        );
    }
}
