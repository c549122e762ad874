//! Rows of a trace in columns: what rows have in common is said once, and whoever reads
//! them needs no message for each.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::wire::proto::trace::{MOST, begin, varint};
use crate::wire::proto::{RowParts, v1};

/// Field of the columns in `TraceResponse`.
const COLUMNS: u8 = 4;
/// Fields of `TraceColumns`.
const PREFIXES: u8 = 1;
const PREFIX_NUMBERS: u8 = 2;
const SUFFIXES: u8 = 3;
const SUFFIX_BYTES: u8 = 4;
const DEPTHS: u8 = 5;
const PARENTS: u8 = 6;
const TERMS: u8 = 7;
const MORE: u8 = 8;
const AGAIN: u8 = 9;
/// Rows for which there is room at first.
const ROOM_ROWS: usize = 1_000;
/// Octets of a prefix at most, as the model has it: rows that name a longer one would take
/// any amount of memory to read.
const PREFIX_BYTES_MAX: usize = 64;
/// Prefixes for which there is room.
const ROOM_PREFIXES: usize = 200;
/// Octets of a suffix for which there is room.
const ROOM_SUFFIX: usize = 12;

/// Writes `TraceColumns`, one behind the other.
#[derive(Debug, Default)]
pub(super) struct ColumnsWriter {
    /// Of all columns so far: how many prefixes were told, and their numbers by what is
    /// known of them.
    count: u32,
    by_number: HashMap<u32, u32, RandomState>,
    by_text: HashMap<Box<str>, u32, RandomState>,
    columns: Columns,
}

/// Those in the making: each is what its field holds.
#[derive(Debug, Default)]
struct Columns {
    rows: u32,
    /// Fields already, since each prefix is one.
    prefixes: Vec<u8>,
    prefix_numbers: Vec<u8>,
    suffixes: Vec<u8>,
    suffix_bytes: Vec<u8>,
    depths: Vec<u8>,
    parents: Vec<u8>,
    terms: Vec<u8>,
    more: Vec<u8>,
    again: Vec<u8>,
}

impl ColumnsWriter {
    /// Octets since the last [`flush`](Self::flush), without the heads of fields.
    pub(super) const fn len(&self) -> usize {
        let columns = &self.columns;
        columns.prefixes.len()
            + columns.prefix_numbers.len()
            + columns.suffixes.len()
            + columns.suffix_bytes.len()
            + columns.depths.len()
            + columns.parents.len()
            + columns.terms.len()
            + columns.more.len()
            + columns.again.len()
    }

    /// Writes a row behind those before. Its node is not told: it is the one that is asked.
    pub(super) fn row(&mut self, row: &RowParts<'_>) {
        let columns = &mut self.columns;
        if columns.rows == 0 {
            columns.make_room();
            self.by_number.reserve(ROOM_PREFIXES);
        }
        let (number, suffix) = match row.name {
            Some((prefix, suffix)) => {
                let known = match row.prefix_number {
                    Some(number) => self.by_number.get(&number),
                    None => self.by_text.get(prefix),
                };
                let number = match known {
                    Some(number) => *number,
                    None => self.tell(prefix, row.prefix_number),
                };
                (number, suffix)
            }
            None => (0, ""),
        };
        let columns = &mut self.columns;
        varint(&mut columns.prefix_numbers, number.into());
        columns.suffixes.extend_from_slice(suffix.as_bytes());
        let length = u64::try_from(suffix.len()).unwrap_or(u64::MAX);
        varint(&mut columns.suffix_bytes, length);
        varint(&mut columns.depths, row.depth.into());
        varint(&mut columns.parents, row.parent.into());
        varint(&mut columns.terms, row.terms.into());
        if row.more {
            varint(&mut columns.more, columns.rows.into());
        }
        if row.again {
            varint(&mut columns.again, columns.rows.into());
        }
        columns.rows = columns.rows.saturating_add(1);
    }

    /// Writes a prefix that was not told before; its number from now on.
    #[cold]
    fn tell(&mut self, prefix: &str, number: Option<u32>) -> u32 {
        let prefixes = &mut self.columns.prefixes;
        begin(prefixes, PREFIXES, prefix.len());
        prefixes.extend_from_slice(prefix.as_bytes());
        self.count = self.count.saturating_add(1);
        match number {
            Some(number) => self.by_number.insert(number, self.count),
            None => self.by_text.insert(prefix.into(), self.count),
        };
        self.count
    }

    /// Puts what was written behind `out`, as a field of `TraceResponse`.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        let columns = &mut self.columns;
        if columns.rows == 0 {
            return;
        }
        columns.rows = 0;
        let mut fields = [
            (PREFIX_NUMBERS, &mut columns.prefix_numbers),
            (SUFFIXES, &mut columns.suffixes),
            (SUFFIX_BYTES, &mut columns.suffix_bytes),
            (DEPTHS, &mut columns.depths),
            (PARENTS, &mut columns.parents),
            (TERMS, &mut columns.terms),
            (MORE, &mut columns.more),
            (AGAIN, &mut columns.again),
        ];
        let mut head = Vec::with_capacity(fields.len() * MOST);
        let mut length = columns.prefixes.len();
        for (field, octets) in fields.iter().filter(|(_, octets)| !octets.is_empty()) {
            head.clear();
            begin(&mut head, *field, octets.len());
            length += head.len() + octets.len();
        }
        out.reserve(length + MOST);
        begin(out, COLUMNS, length);
        out.append(&mut columns.prefixes);
        for (field, octets) in &mut fields {
            if !octets.is_empty() {
                begin(out, *field, octets.len());
                out.append(octets);
            }
        }
    }
}

impl Columns {
    fn make_room(&mut self) {
        self.suffixes.reserve(ROOM_ROWS * ROOM_SUFFIX);
        for (column, octets) in [
            (&mut self.prefix_numbers, 2),
            (&mut self.suffix_bytes, 1),
            (&mut self.depths, 1),
            (&mut self.parents, 2),
            (&mut self.terms, 1),
        ] {
            column.reserve(ROOM_ROWS * octets);
        }
    }
}

/// Reads rows out of columns, in the order in which a call gives them.
#[derive(Debug, Default)]
pub struct ColumnsReader {
    /// Of all columns so far.
    prefixes: Vec<String>,
}

/// Columns that are no rows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnsError {
    /// A column has fewer or more entries than there are rows.
    #[error("column {column} has {entries} entries for {rows} rows")]
    Length {
        /// The field of `TraceColumns`.
        column: &'static str,
        /// What it has.
        entries: usize,
        /// What `depths` has.
        rows: usize,
    },
    /// More prefixes than rows, or a longer one than there are.
    #[error("{prefixes} prefixes for {rows} rows, of at most {PREFIX_BYTES_MAX} octets each")]
    Prefixes {
        /// How many there are.
        prefixes: usize,
        /// How many rows.
        rows: usize,
    },
    /// A number for which there is no prefix.
    #[error("no prefix has the number {0}")]
    Prefix(u32),
    /// The suffixes of the rows are not those that there are.
    #[error("suffix_bytes do not divide suffixes, of {0} bytes")]
    Suffixes(usize),
    /// A place of `more` or `again` that no row has.
    #[error("no row has the place {0}")]
    Place(u32),
}

impl ColumnsReader {
    /// The rows of `columns`.
    ///
    /// # Errors
    /// [`ColumnsError`]; what comes behind them cannot be read then.
    pub fn rows(&mut self, columns: v1::TraceColumns) -> Result<Vec<v1::TraceRow>, ColumnsError> {
        let v1::TraceColumns {
            prefixes,
            prefix_numbers,
            suffixes,
            suffix_bytes,
            depths,
            parents,
            terms,
            more,
            again,
        } = columns;
        let rows = depths.len();
        for (column, entries) in [
            ("prefix_numbers", prefix_numbers.len()),
            ("suffix_bytes", suffix_bytes.len()),
            ("parents", parents.len()),
            ("terms", terms.len()),
        ] {
            if entries != rows {
                return Err(ColumnsError::Length {
                    column,
                    entries,
                    rows,
                });
            }
        }
        let is_long = |prefix: &String| prefix.len() > PREFIX_BYTES_MAX;
        if prefixes.len() > rows || prefixes.iter().any(is_long) {
            let prefixes = prefixes.len();
            return Err(ColumnsError::Prefixes { prefixes, rows });
        }
        self.prefixes.extend(prefixes);
        let mut left = suffixes.as_str();
        let mut read = Vec::with_capacity(rows);
        let names = prefix_numbers.into_iter().zip(suffix_bytes);
        let places = depths.into_iter().zip(parents).zip(terms);
        for ((prefix, bytes), ((depth, parent), terms)) in names.zip(places) {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            let parted = left.split_at_checked(bytes);
            let (suffix, behind) = parted.ok_or(ColumnsError::Suffixes(suffixes.len()))?;
            left = behind;
            read.push(v1::TraceRow {
                identifier: self.identifier(prefix, suffix)?,
                depth,
                parent,
                terms,
                ..v1::TraceRow::default()
            });
        }
        if !left.is_empty() {
            return Err(ColumnsError::Suffixes(suffixes.len()));
        }
        note(&mut read, &more, |row| row.more = true)?;
        note(&mut read, &again, |row| row.again = true)?;
        Ok(read)
    }

    fn identifier(&self, prefix: u32, suffix: &str) -> Result<String, ColumnsError> {
        let Some(place) = prefix.checked_sub(1) else {
            return Ok(String::new());
        };
        let found = usize::try_from(place)
            .ok()
            .and_then(|place| self.prefixes.get(place));
        let found = found.ok_or(ColumnsError::Prefix(prefix))?;
        Ok([found, "/", suffix].concat())
    }
}

fn note(
    rows: &mut [v1::TraceRow],
    places: &[u32],
    set: impl Fn(&mut v1::TraceRow),
) -> Result<(), ColumnsError> {
    for &place in places {
        let row = usize::try_from(place)
            .ok()
            .and_then(|place| rows.get_mut(place));
        set(row.ok_or(ColumnsError::Place(place))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns() -> v1::TraceColumns {
        v1::TraceColumns {
            prefixes: vec!["88.1".to_owned(), "88.2".to_owned()],
            prefix_numbers: vec![1, 0, 2],
            suffixes: "aé/b".to_owned(),
            suffix_bytes: vec![1, 0, 4],
            depths: vec![0, 1, 1],
            parents: vec![0, 0, 0],
            terms: vec![0, 0, 7],
            more: vec![1],
            again: vec![2],
        }
    }

    #[test]
    fn numbers_prefixes_from_columns_to_columns() {
        let mut reader = ColumnsReader::default();
        let rows = reader.rows(columns()).unwrap();
        let named: Vec<_> = rows.iter().map(|row| row.identifier.as_str()).collect();
        assert_eq!(named, ["88.1/a", "", "88.2/é/b"]);
        assert_eq!(rows[2].terms, 7);
        let noted = rows.iter().map(|row| (row.more, row.again));
        assert!(noted.eq([(false, false), (true, false), (false, true)]));
        let next = v1::TraceColumns {
            prefixes: vec!["88.3".to_owned()],
            prefix_numbers: vec![3, 2, 1],
            ..columns()
        };
        let rows = reader.rows(next).unwrap();
        let named: Vec<_> = rows.iter().map(|row| row.identifier.as_str()).collect();
        assert_eq!(named, ["88.3/a", "88.2/", "88.1/é/b"]);
    }

    #[test]
    fn refuses_columns_that_are_no_rows() {
        type Spoil = fn(&mut v1::TraceColumns);
        let spoilt: [(Spoil, &str); 11] = [
            (
                |columns| columns.prefix_numbers.truncate(2),
                "prefix_numbers has 2",
            ),
            (
                |columns| columns.suffix_bytes.push(0),
                "suffix_bytes has 4 entries for 3",
            ),
            (|columns| columns.parents.clear(), "parents has 0"),
            (|columns| columns.depths.push(1), "for 4 rows"),
            (
                |columns| columns.prefix_numbers[2] = 3,
                "no prefix has the number 3",
            ),
            (
                |columns| columns.suffix_bytes[2] = 5,
                "do not divide suffixes, of 5",
            ),
            (
                |columns| columns.suffix_bytes[2] = 3,
                "do not divide suffixes, of 5",
            ),
            // Within a character.
            (
                |columns| columns.suffix_bytes[0] = 2,
                "do not divide suffixes, of 5",
            ),
            (|columns| columns.again[0] = 3, "no row has the place 3"),
            (
                |columns| columns.prefixes.resize(4, "88.4".to_owned()),
                "4 prefixes for 3 rows",
            ),
            (
                |columns| columns.prefixes[0] = "8".repeat(65),
                "of at most 64 octets",
            ),
        ];
        for (spoil, expected) in spoilt {
            let mut columns = columns();
            spoil(&mut columns);
            let refused = ColumnsReader::default().rows(columns).unwrap_err();
            let text = refused.to_string();
            assert!(text.contains(expected), "{text}");
        }
    }
}
