//! The terms of links, numbered, in memory.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::model::{FirmId, Terms};
use crate::store::codec;
use crate::store::columns::Column;
use crate::store::{Error, Store, scan};

/// Terms, and how many links have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TermsRow {
    /// The terms.
    pub terms: Arc<Terms>,
    /// How many links have them.
    pub count: u64,
}

/// All terms by number, from 0.
#[derive(Clone, Debug, Default)]
pub struct TermsTable {
    rows: Vec<TermsRow>,
    numbers: HashMap<Arc<Terms>, u32>,
    /// How many terms each owner has.
    owned: HashMap<Option<FirmId>, usize>,
}

impl TermsTable {
    pub(in crate::store) fn load(store: &Store) -> Result<Self, Error> {
        let mut loaded = Self::default();
        scan::each(store, Column::Terms, b"", None, &mut |key, value| {
            let (count, terms) = codec::link::decode_terms(value)?;
            let number = super::node(key)?;
            if usize::try_from(number) != Ok(loaded.rows.len()) {
                return Err(Error::Corrupt {
                    what: "terms of links",
                });
            }
            loaded.set(
                number,
                TermsRow {
                    terms: Arc::new(terms),
                    count,
                },
            );
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(loaded)
    }

    /// The row with a number.
    pub fn row(&self, number: u32) -> Option<&TermsRow> {
        self.rows.get(usize::try_from(number).ok()?)
    }

    /// The number of `terms`, if any link has had them.
    pub fn number(&self, terms: &Terms) -> Option<u32> {
        self.numbers.get(terms).copied()
    }

    /// Every row in the order of numbers.
    pub fn rows(&self) -> &[TermsRow] {
        &self.rows
    }

    /// How many different terms `owner` has.
    pub fn count_of(&self, owner: Option<&FirmId>) -> usize {
        self.owned.get(&owner.cloned()).copied().unwrap_or_default()
    }

    /// Puts a row at the end, or in the place of one that has its number.
    pub(super) fn set(&mut self, number: u32, row: TermsRow) {
        match usize::try_from(number)
            .ok()
            .and_then(|at| self.rows.get_mut(at))
        {
            Some(kept) => *kept = row,
            None => {
                self.numbers.insert(Arc::clone(&row.terms), number);
                *self.owned.entry(row.terms.owner.clone()).or_default() += 1;
                self.rows.push(row);
            }
        }
    }
}
