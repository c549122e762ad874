//! What a trace found: its rows in the order of their numbers, and what the links
//! between them have in common.

use std::collections::HashMap;

use crate::cli::link::{firm_of, state_text};
use crate::wire::proto::v1;

/// What stands for a hop that may not be seen.
pub const HIDDEN: &str = "(hidden)";

/// What links have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Their kind.
    pub kind: String,
    /// `stated`, `confirmed`, …
    pub state: &'static str,
    /// The firm that states them; empty: the node's operators.
    pub owner: String,
}

/// The rows of a trace so far. A row's place is its number.
#[derive(Clone, Debug, Default)]
pub struct Found {
    rows: Vec<v1::TraceRow>,
    terms: HashMap<u32, Terms>,
    /// The first row of each identifier, if all links are told.
    firsts: Option<HashMap<String, usize>>,
}

impl Found {
    /// With all links, or only those by which identifiers were first reached.
    pub fn new(all_links: bool) -> Self {
        Self {
            firsts: all_links.then(HashMap::new),
            ..Self::default()
        }
    }

    /// Adds what an answer has; the place of its first row.
    pub fn add(&mut self, rows: Vec<v1::TraceRow>, terms: Vec<v1::TraceTerms>) -> usize {
        for terms in terms {
            let state = state_text(terms.state());
            let v1::TraceTerms {
                number,
                kind,
                state: _,
                owner,
            } = terms;
            let owner = firm_of(&owner).to_owned();
            self.terms.insert(number, Terms { kind, state, owner });
        }
        let first = self.rows.len();
        if let Some(firsts) = &mut self.firsts {
            let is_first = |row: &&v1::TraceRow| !row.again && !row.identifier.is_empty();
            for (row, place) in rows.iter().zip(first..).filter(|(row, _)| is_first(row)) {
                firsts.entry(row.identifier.clone()).or_insert(place);
            }
        }
        self.rows.extend(rows);
        first
    }

    /// Notes of rows that there is more behind them: another node said so later.
    pub fn note_more(&mut self, numbers: &[u32]) {
        for number in numbers {
            let place = usize::try_from(*number).unwrap_or(usize::MAX);
            if let Some(row) = self.rows.get_mut(place) {
                row.more = true;
            }
        }
    }

    /// The rows.
    pub fn rows(&self) -> &[v1::TraceRow] {
        &self.rows
    }

    /// The row from which that at `place` was reached; none of the start.
    pub fn parent(&self, place: usize) -> Option<usize> {
        let row = self.rows.get(place)?;
        // Rows come behind those that they were reached from.
        usize::try_from(row.parent)
            .ok()
            .filter(|parent| *parent < place)
    }

    /// The place of the identifier of the row at `place`: its own, unless it has an earlier
    /// row.
    pub fn first(&self, place: usize) -> usize {
        let row = self.rows.get(place).filter(|row| row.again);
        let first = row.and_then(|row| self.firsts.as_ref()?.get(&row.identifier));
        first.copied().unwrap_or(place)
    }

    /// What the link has by which a row was reached; none of the start and of a
    /// hop that may not be seen.
    pub fn terms(&self, row: &v1::TraceRow) -> Option<&Terms> {
        self.terms.get(&row.terms)
    }
}

/// The identifier of a row, or what stands for one that may not be seen.
pub fn name(row: &v1::TraceRow) -> &str {
    match row.identifier.as_str() {
        "" => HIDDEN,
        identifier => identifier,
    }
}

/// The prefix of an identifier.
pub fn prefix(identifier: &str) -> &str {
    identifier.split_once('/').map_or("", |(prefix, _)| prefix)
}
