//! A trace row by row: for tables, for spreadsheets, for programs.

use serde::Serialize;

use crate::cli::failure::Failure;
use crate::cli::output::{Rows, csv_text};
use crate::cli::trace::found::{Found, name, prefix};
use crate::wire::proto::v1;

/// The columns of a CSV file.
const HEADER: [&str; 10] = [
    "identifier",
    "prefix",
    "depth",
    "kind",
    "state",
    "parent",
    "more",
    "owner",
    "number",
    "again",
];

/// A row in JSON. The shape is stable; `docs/cli.md` documents it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowShape<'a> {
    /// From 0, the start.
    number: usize,
    /// Absent of a hop that may not be seen.
    identifier: Option<&'a str>,
    prefix: Option<&'a str>,
    depth: u32,
    kind: Option<&'a str>,
    state: Option<&'a str>,
    /// The firm that states the link.
    owner: Option<&'a str>,
    /// The number of the row that it was reached from.
    parent_number: Option<usize>,
    parent: Option<&'a str>,
    /// Whether there is more behind it that may not be seen.
    more: bool,
    /// Whether the identifier has an earlier row: this one is only a link to it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    again: bool,
    /// The node that told of it; absent if it is the one that was asked.
    #[serde(skip_serializing_if = "str::is_empty")]
    node: &'a str,
}

impl<'a> RowShape<'a> {
    /// The row at `place`.
    pub fn new(found: &'a Found, place: usize) -> Option<Self> {
        let row = found.rows().get(place)?;
        let parent_number = found.parent(place);
        let parent = parent_number.and_then(|parent| found.rows().get(parent));
        let terms = found.terms(row);
        let identifier = seen(row);
        Some(Self {
            number: place,
            identifier,
            prefix: identifier.map(prefix),
            depth: row.depth,
            kind: terms.map(|terms| terms.kind.as_str()),
            state: terms.map(|terms| terms.state),
            owner: terms
                .map(|terms| terms.owner.as_str())
                .filter(|id| !id.is_empty()),
            parent_number,
            parent: parent.and_then(seen),
            more: row.more,
            again: row.again,
            node: &row.node,
        })
    }
}

fn seen(row: &v1::TraceRow) -> Option<&str> {
    Some(row.identifier.as_str()).filter(|identifier| !identifier.is_empty())
}

/// The mark by which spreadsheets know UTF-8, and the header.
///
/// # Errors
/// If memory cannot be written.
pub fn csv_head() -> Result<String, Failure> {
    Ok(format!("\u{feff}{}", csv_text([HEADER])?))
}

/// The rows from `first` on as CSV.
///
/// # Errors
/// If memory cannot be written.
pub fn csv_rows(found: &Found, first: usize) -> Result<String, Failure> {
    csv_text((first..found.rows().len()).map(|place| cells(found, place)))
}

/// The whole trace as a table.
pub fn table(found: &Found) -> Rows {
    let header = ["DEPTH", "IDENTIFIER", "KIND", "STATE", "PARENT", "NOTE"];
    let mut rows = Rows::with_header(header);
    for (place, row) in found.rows().iter().enumerate() {
        let [identifier, _, depth, kind, state, parent, ..] = cells(found, place);
        let mut notes = Vec::new();
        if row.more {
            notes.push("more, not visible to you".to_owned());
        }
        if row.again {
            notes.push("again".to_owned());
        }
        if !row.node.is_empty() {
            notes.push(format!("at node {}", row.node));
        }
        rows.push([depth, identifier, kind, state, parent, notes.join("; ")]);
    }
    rows
}

fn cells(found: &Found, place: usize) -> [String; 10] {
    let Some(row) = found.rows().get(place) else {
        return Default::default();
    };
    let parent = found
        .parent(place)
        .and_then(|parent| found.rows().get(parent));
    let terms = found.terms(row);
    [
        name(row).to_owned(),
        prefix(&row.identifier).to_owned(),
        row.depth.to_string(),
        terms.map(|terms| terms.kind.clone()).unwrap_or_default(),
        terms
            .map(|terms| terms.state.to_owned())
            .unwrap_or_default(),
        parent
            .map(|parent| name(parent).to_owned())
            .unwrap_or_default(),
        if row.more { "more" } else { "" }.to_owned(),
        terms.map(|terms| terms.owner.clone()).unwrap_or_default(),
        place.to_string(),
        if row.again { "again" } else { "" }.to_owned(),
    ]
}
