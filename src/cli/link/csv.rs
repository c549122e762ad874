//! Links in CSV: one a row. A row of which a cell is wrong is not taken.

use std::io::Read;
use std::rc::Rc;

use crate::cli::failure::Failure;
use crate::cli::import::encoding::{Utf8Reader, Watch};
use crate::cli::import::rows::{BadRow, Parsed, Rows};
use crate::cli::import::table::Table;
use crate::cli::link::LinkShape;
use crate::model::{Reason, Refusal};
use crate::wire::proto::v1;

/// The columns and their spellings; the first one is the field's name.
pub const COLUMNS: [&[&str]; 13] = [
    &["source", "源标识", "标识"],
    &["kind", "关系", "关系类型"],
    &["target", "目标标识"],
    &["owner", "声明企业"],
    &["quantity", "数量"],
    &["unit", "单位"],
    &["batch", "批次号", "批次"],
    &["valid_from", "生效时间"],
    &["valid_until", "失效时间"],
    &["evidence", "凭证"],
    &["visibility", "可见性"],
    &["readers", "可见方"],
    &["behind", "隐藏方式"],
];
/// The columns that every file has.
const NEEDED: usize = 3;

/// Links of a CSV file.
pub struct CsvLinks<R> {
    table: Table<R>,
    /// For each of [`COLUMNS`], where it stands.
    places: [Option<usize>; COLUMNS.len()],
}

impl<R: Read> CsvLinks<R> {
    /// Reads what `reader` decodes; its first row is the header.
    ///
    /// # Errors
    /// [`Exit::Usage`](crate::cli::failure::Exit::Usage) if the header says nothing
    /// sure.
    pub fn new(reader: Utf8Reader<R>, watch: Rc<Watch>, delimiter: u8) -> Result<Self, Failure> {
        let table = Table::new(reader, watch, delimiter)?;
        let places = places(table.header())?;
        Ok(Self { table, places })
    }

    /// The link of the row.
    fn link(&self) -> Result<v1::Link, Refusal> {
        let cells = self
            .places
            .map(|place| place.map_or("", |place| self.table.cell(place).trim()));
        let [
            source,
            kind,
            target,
            owner,
            quantity,
            unit,
            batch,
            valid_from,
            valid_until,
            evidence,
            visibility,
            readers,
            behind,
        ] = cells;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let shape = LinkShape {
            source: source.to_owned(),
            kind: kind.to_owned(),
            target: target.to_owned(),
            owner: some(owner),
            quantity: some(quantity),
            unit: some(unit),
            batch: some(batch),
            valid_from: some(valid_from),
            valid_until: some(valid_until),
            evidence: list("evidence", evidence)?,
            visibility: some(visibility),
            readers: match readers {
                "" => None,
                readers => Some(readers.split_whitespace().map(str::to_owned).collect()),
            },
            behind: some(behind),
            ..LinkShape::default()
        };
        shape.stated()
    }

    /// The name that the column of a field has in the file.
    fn column(&self, field: &str) -> &str {
        let at = COLUMNS
            .iter()
            .position(|names| names.first() == Some(&field));
        let place = at.and_then(|at| self.places.get(at).copied().flatten());
        place.map_or("", |place| {
            self.table.header().get(place).map_or("", String::as_str)
        })
    }
}

impl<R: Read> Rows for CsvLinks<R> {
    type Item = v1::Link;

    fn next(&mut self) -> Result<Option<Parsed<v1::Link>>, Failure> {
        let Some(line) = self.table.read()? else {
            return Ok(None);
        };
        let mut bad = Vec::new();
        self.table.check_cells(line, &mut bad);
        match self.link() {
            Ok(link) if bad.is_empty() => return Ok(Some(Parsed::Item(line, link))),
            Ok(_) => {}
            Err(refusal) => {
                let column = self.column(refusal.field_path());
                bad.push(BadRow::new(line, column, refusal.shown_value(), &refusal));
            }
        }
        Ok(Some(Parsed::Bad(bad)))
    }
}

/// Several texts in one cell: a JSON list, or one alone.
fn list(field: &'static str, cell: &str) -> Result<Vec<String>, Refusal> {
    match cell {
        "" => Ok(Vec::new()),
        cell if cell.starts_with('[') => serde_json::from_str(cell).map_err(|_| {
            Refusal::new(Reason::FieldInvalid)
                .field(field)
                .value(cell)
                .limit("one text, or a JSON list of texts")
        }),
        cell => Ok(vec![cell.to_owned()]),
    }
}

fn places(header: &[String]) -> Result<[Option<usize>; COLUMNS.len()], Failure> {
    let mut places = [None; COLUMNS.len()];
    for (place, name) in header.iter().enumerate() {
        let wrong = |fault: String| {
            Failure::usage(format!("header, column {}, {name:?}: {fault}", place + 1))
        };
        let folded = name.to_lowercase();
        let at = COLUMNS
            .iter()
            .position(|names| names.contains(&folded.as_str()));
        let at = at.ok_or_else(|| wrong(unknown(&folded)))?;
        let Some(known) = places.get_mut(at) else {
            continue;
        };
        if let Some(first) = *known {
            return Err(wrong(format!("means the same as column {}", first + 1)));
        }
        *known = Some(place);
    }
    let missing = COLUMNS.iter().zip(&places).take(NEEDED);
    let missing = missing.filter(|(_, place)| place.is_none());
    match missing.filter_map(|(names, _)| names.first()).next() {
        Some(name) => Err(Failure::usage(format!("the header has no column {name}"))),
        None => Ok(places),
    }
}

fn unknown(name: &str) -> String {
    let alike = COLUMNS
        .iter()
        .flat_map(|names| names.iter())
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b));
    match alike {
        Some((_, alike)) => format!("unknown; did you mean {alike}?"),
        None => "unknown".to_owned(),
    }
}

impl<R> std::fmt::Debug for CsvLinks<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CsvLinks").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;

    fn open(text: &str) -> Result<CsvLinks<&[u8]>, Failure> {
        let watch = Rc::new(Watch::default());
        let consumed = Arc::new(AtomicU64::new(0));
        let utf8 = encoding_rs::UTF_8;
        let reader = Utf8Reader::new(text.as_bytes(), utf8, Rc::clone(&watch), consumed);
        CsvLinks::new(reader, watch, b',')
    }

    #[test]
    fn reads_links_in_both_languages() {
        let check = |header: &str| {
            let text = format!(
                "{header}\n88.1.1/box,contains,88.1.2/p,2.5,kg,\"[\"\"a\"\", \"\"b\"\"]\",firm:x group:y\n"
            );
            let mut rows = open(&text).expect("a header");
            let Some(Parsed::Item(2, link)) = rows.next().expect("readable") else {
                panic!("no link: {header}");
            };
            let shape = LinkShape::shown(link);
            assert_eq!(shape.target, "88.1.2/p");
            assert_eq!(shape.unit.as_deref(), Some("kg"));
            assert_eq!(shape.evidence, ["a", "b"]);
            assert_eq!(shape.visibility.as_deref(), Some("readers"));
            assert!(rows.next().expect("readable").is_none());
        };
        check("source,kind,target,quantity,unit,evidence,readers");
        check("源标识,关系,目标标识,数量,单位,凭证,可见方");
    }

    #[test]
    fn names_row_and_column_of_what_is_wrong() {
        let check = |row: &str, column: &str| {
            let header = "Source,kind,目标标识,quantity,valid_from,evidence";
            let text = format!("{header}\n\n{row}\n");
            let mut rows = open(&text).expect("a header");
            match rows.next().expect("readable") {
                Some(Parsed::Bad(bad)) => {
                    assert_eq!((bad[0].row, bad[0].column.as_str()), (3, column), "{row}");
                }
                other => panic!("{row}: {other:?}"),
            }
        };
        check("x,contains,88.1.2/p,,,", "Source");
        check("88.1.1/a,holds,88.1.2/p,,,", "kind");
        check("88.1.1/a,contains,,,,", "目标标识");
        check("88.1.1/a,contains,88.1.2/p,-1,,", "quantity");
        check("88.1.1/a,contains,88.1.2/p,,soon,", "valid_from");
        check("88.1.1/a,contains,88.1.2/p,,,[x", "evidence");
        check("88.1.1/a,contains,88.1.2/p,,,,more", "column 7");
    }

    #[test]
    fn refuses_headers_that_say_nothing_sure() {
        let check = |header: &str, part: &str| {
            let failure = open(header).expect_err(header);
            let text = failure.text(crate::model::Language::English).to_owned();
            assert!(text.contains(part), "{header}: {text}");
            assert_eq!(failure.exit().code(), 2);
        };
        check("source,kind", "no column target");
        check("source,kind,targte", "did you mean target?");
        check("source,kind,target,源标识", "same as column 1");
        check("source,kind,target,colour", "unknown");
    }
}
