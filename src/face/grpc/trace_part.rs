//! Answers of traces in the making: rows as they are found, the terms of their links
//! once, and how it ended.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use crate::face::grpc::convert::signed;
use crate::face::grpc::link_convert;
use crate::face::grpc::ready;
use crate::face::grpc::records::ANSWER_BYTES;
use crate::face::grpc::trace_convert::{limit, terms_message};
use crate::node::{FarTerms, FoundRow, Node, OnwardRow, TraceEnd, TraceTaker};
use crate::wire::proto::{Encoded, RowParts, TraceWriter, v1};

/// Forms of an answer: rows as messages, or in columns.
pub(super) const ROWS: u8 = 0;
pub(super) const COLUMNS: u8 = 1;
/// Terms of other nodes have numbers from here on.
const FAR_TERMS: u32 = 1 << 31;

/// A part in the making, and what was told before it.
pub(super) struct Part {
    node: Node,
    answer: TraceWriter,
    /// Rows in it.
    pub(super) rows: usize,
    /// Of all parts so far.
    pub(super) row_count: u32,
    /// Of all parts so far.
    depth: u32,
    /// Of all parts so far.
    pub(super) more_count: u64,
    /// Of those that were taken.
    taken_bytes: usize,
    told: Told,
    /// All parts so far, if they fit into one answer together.
    all: Option<Vec<Bytes>>,
    far: FarNumbers,
}

impl Part {
    /// An empty one, whose rows are told in a form.
    pub(super) fn new(node: &Node, form: u8) -> Self {
        Self {
            node: node.clone(),
            answer: match form {
                COLUMNS => TraceWriter::in_columns(),
                _ => TraceWriter::default(),
            },
            rows: 0,
            row_count: 0,
            depth: 0,
            more_count: 0,
            taken_bytes: 0,
            told: Told::default(),
            all: Some(Vec::new()),
            far: FarNumbers::default(),
        }
    }

    /// Adds a row, and its terms if no part has them.
    pub(super) fn add(&mut self, row: &FoundRow<'_>) {
        if let Some(number) = row.terms
            && self.told.is_new(number)
            && let Some(terms) = self.node.link_terms(number)
        {
            self.answer.terms(&terms_message(number, &terms));
        }
        self.put(&RowParts {
            name: row.name,
            prefix_number: row.prefix_number,
            depth: row.depth.into(),
            parent: row.parent,
            terms: row.terms.map_or(0, |number| number.saturating_add(1)),
            more: row.more,
            node: "",
            again: row.again,
        });
    }

    /// Adds a row that another node may have told.
    pub(super) fn add_onward(&mut self, row: OnwardRow) {
        let OnwardRow {
            row,
            of: _,
            far,
            node: teller,
        } = row;
        let name = row.identifier.as_deref();
        let name = name.and_then(|name| name.split_once('/'));
        let Some(teller) = teller else {
            let number = row.terms;
            return self.add(&FoundRow::new(
                name,
                (row.depth, row.parent),
                number,
                (row.more, row.again),
            ));
        };
        let terms = far.map_or(0, |far| {
            let (number, new) = self.far.number(far);
            new.iter().for_each(|terms| self.answer.terms(terms));
            number
        });
        self.put(&RowParts {
            name,
            prefix_number: None,
            depth: row.depth.into(),
            parent: row.parent,
            terms,
            more: row.more,
            node: &teller,
            again: row.again,
        });
    }

    fn put(&mut self, row: &RowParts<'_>) {
        self.rows += 1;
        self.row_count = self.row_count.saturating_add(1);
        if !row.again {
            self.depth = self.depth.max(row.depth);
        }
        self.more_count += u64::from(row.more);
        self.answer.row(row);
    }

    /// Bytes of all parts so far.
    pub(super) const fn all_bytes(&self) -> usize {
        self.taken_bytes + self.answer.len()
    }

    /// Bytes of the part so far.
    pub(super) const fn bytes(&self) -> usize {
        self.answer.len()
    }

    /// Whether no more fits into an answer.
    pub(super) const fn is_full(&self) -> bool {
        self.answer.len() >= ANSWER_BYTES
    }

    /// The part; the next one goes on from there.
    pub(super) fn take(&mut self) -> Encoded<v1::TraceResponse> {
        self.rows = 0;
        let part = self.answer.take();
        self.taken_bytes += part.octets().len();
        let bytes = |all: &Vec<Bytes>| all.iter().map(Bytes::len).sum::<usize>();
        self.all = self.all.take().filter(|all| bytes(all) < ANSWER_BYTES);
        if let Some(all) = &mut self.all {
            all.push(part.octets().clone());
        }
        part
    }

    /// All parts as one message behind its head, if that is no larger than a part may be.
    pub(super) fn whole(&self) -> Option<Bytes> {
        let parts = self.all.as_ref()?;
        // Messages behind one another are one message.
        (self.taken_bytes <= ANSWER_BYTES).then(|| ready::framed(parts))
    }

    /// The last part, with how all of it ended.
    pub(super) fn end(&mut self, summary: &v1::TraceSummary) -> Encoded<v1::TraceResponse> {
        self.answer.summary(summary);
        self.take()
    }

    /// How all of it ended.
    pub(super) fn summary(&self, end: &TraceEnd, next_page_token: String) -> v1::TraceSummary {
        v1::TraceSummary {
            row_count: self.row_count.into(),
            depth: i32::try_from(self.depth).unwrap_or(i32::MAX),
            more_count: signed(self.more_count),
            depth_cut: end.is_depth_cut,
            truncated: limit(end.truncated).into(),
            next_page_token,
            failures: Vec::new(),
            more_rows: Vec::new(),
        }
    }
}

/// The numbers of terms that other nodes told.
#[derive(Default)]
pub(super) struct FarNumbers(HashMap<Arc<FarTerms>, u32>);

impl FarNumbers {
    /// The number of terms, and the terms as a message the first time.
    pub(super) fn number(&mut self, far: Arc<FarTerms>) -> (u32, Option<v1::TraceTerms>) {
        let Self(numbers) = self;
        if let Some(number) = numbers.get(&far) {
            return (*number, None);
        }
        let count = u32::try_from(numbers.len()).unwrap_or_default();
        let number = FAR_TERMS | count;
        let message = v1::TraceTerms {
            number,
            kind: far.kind.clone(),
            state: far
                .state
                .map_or(v1::link::State::Unspecified, link_convert::state_message)
                .into(),
            owner: far.owner.clone(),
        };
        numbers.insert(far, number);
        (number, Some(message))
    }
}

/// Fills one part, and wants no more rows than it takes.
pub(super) struct Page {
    pub(super) part: Part,
    gone: CancellationToken,
}

impl Page {
    /// An empty one, whose rows are told in a form; `gone` is cancelled once nobody waits
    /// for it.
    pub(super) fn new(node: &Node, form: u8, gone: CancellationToken) -> Self {
        let part = Part::new(node, form);
        Self { part, gone }
    }
}

impl TraceTaker for Page {
    fn row(&mut self, row: FoundRow<'_>) {
        if !self.part.is_full() {
            self.part.add(&row);
        }
    }

    fn pause(&mut self) -> ControlFlow<()> {
        match self.part.is_full() || self.gone.is_cancelled() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

/// The numbers of terms that were told.
#[derive(Default)]
pub(super) struct Told {
    /// The last one: links of one firm and kind come one behind the other.
    last: Option<u32>,
    words: Vec<u64>,
}

impl Told {
    /// Whether `number` was not told before; it is from now on.
    pub(super) fn is_new(&mut self, number: u32) -> bool {
        if self.last == Some(number) {
            return false;
        }
        self.last = Some(number);
        let (index, bit) = (number as usize / 64, 1 << (number % 64));
        if index >= self.words.len() {
            self.words.resize(index + 1, 0);
        }
        let word = self.words.get_mut(index);
        word.is_some_and(|word| {
            let is_new = *word & bit == 0;
            *word |= bit;
            is_new
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_new_once() {
        let mut told = Told::default();
        let asked = [0, 0, 63, 64, 0, 64, 1_000_000, 63];
        let new: Vec<bool> = asked
            .into_iter()
            .map(|number| told.is_new(number))
            .collect();
        let expected = [true, false, true, true, false, false, true, false];
        assert_eq!(new, expected);
    }
}
