//! All prefixes with their counts, in memory, in canonical order.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use crate::model::{PrefixEntry, PrefixState};
use crate::store::columns::Column;
use crate::store::{Error, Store, codec, scan};

/// One prefix and how many identifiers it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixRow {
    /// The prefix.
    pub entry: Arc<PrefixEntry>,
    /// How many identifiers.
    pub counts: Counts,
    /// The most labels ([`label_count`](crate::model::owner_name::label_count)) that the
    /// suffix of an identifier below it ever had, 0 where there was none: nothing lies
    /// below a name of so many. `None` if some were registered before this was told.
    pub labels_max: Option<u16>,
}

/// How many identifiers a prefix has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Identifiers that are registered.
    pub active: u64,
    /// Identifiers that were deleted and not given out again.
    pub deleted: u64,
    /// Of those registered, the restricted.
    pub restricted_active: u64,
    /// Of those deleted, the restricted.
    pub restricted_deleted: u64,
}

impl Counts {
    /// Identifiers that are there for everyone.
    pub const fn open(&self) -> u64 {
        self.active.saturating_sub(self.restricted_active)
    }

    /// Identifiers of which everyone may know that they were deleted.
    pub const fn open_deleted(&self) -> u64 {
        self.deleted.saturating_sub(self.restricted_deleted)
    }

    /// Each count, with that of `other` put to it by `put`.
    fn with(&self, other: &Self, put: fn(u64, u64) -> u64) -> Self {
        Self {
            active: put(self.active, other.active),
            deleted: put(self.deleted, other.deleted),
            restricted_active: put(self.restricted_active, other.restricted_active),
            restricted_deleted: put(self.restricted_deleted, other.restricted_deleted),
        }
    }

    /// Whether any identifier is restricted, or was before it was deleted.
    pub const fn has_restricted(&self) -> bool {
        self.restricted_active > 0 || self.restricted_deleted > 0
    }
}

/// Every prefix, by its canonical form.
#[derive(Clone, Debug, Default)]
pub struct Prefixes {
    rows: BTreeMap<String, PrefixRow>,
    totals: Counts,
    entry_changes: u64,
}

impl Prefixes {
    pub(super) fn load(store: &Store) -> Result<Self, Error> {
        let mut loaded = Self::default();
        scan::each(store, Column::Prefixes, b"", None, &mut |key, value| {
            let canonical =
                std::str::from_utf8(key).map_err(|_| Error::Corrupt { what: "prefix" })?;
            let entry = Arc::new(codec::prefix::decode(value)?);
            let (counts, labels_max) = match store.get(Column::Counts, key)? {
                Some(bytes) => codec::prefix::decode_counts(&bytes)?,
                None => (Counts::default(), Some(0)),
            };
            let row = PrefixRow {
                entry,
                counts,
                labels_max,
            };
            loaded.set(canonical, row);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(loaded)
    }

    /// The row of a canonical prefix.
    pub fn get(&self, canonical: &str) -> Option<&PrefixRow> {
        self.rows.get(canonical)
    }

    /// Rows in canonical order, from behind `after`.
    pub fn after<'a>(
        &'a self,
        after: Option<&str>,
    ) -> impl Iterator<Item = (&'a str, &'a PrefixRow)> + use<'a> {
        let start = after.map_or(Bound::Unbounded, |text| Bound::Excluded(text.to_owned()));
        self.rows
            .range((start, Bound::Unbounded))
            .map(|(canonical, row)| (canonical.as_str(), row))
    }

    /// Whether a prefix whose state `counts` stands properly below `canonical`.
    pub fn has_below(&self, canonical: &str, counts: fn(&PrefixState) -> bool) -> bool {
        let beginning = format!("{canonical}.");
        self.rows
            .range(beginning.clone()..)
            .take_while(|(below, _)| below.starts_with(&beginning))
            .any(|(_, row)| counts(&row.entry.state))
    }

    /// How many prefixes there are.
    pub fn count(&self) -> usize {
        self.rows.len()
    }

    /// Identifiers that are registered, below all prefixes.
    pub fn active(&self) -> u64 {
        self.totals.active
    }

    /// Identifiers that were deleted, below all prefixes.
    pub fn deleted(&self) -> u64 {
        self.totals.deleted
    }

    /// Identifiers below all prefixes that everyone may know of: registered, and
    /// deleted.
    pub(super) fn open(&self) -> (u64, u64) {
        (self.totals.open(), self.totals.open_deleted())
    }

    /// How often an entry was put since the start, counts apart: who holds which prefix
    /// is the same as long as this is.
    pub const fn entry_changes(&self) -> u64 {
        self.entry_changes
    }

    pub(super) fn set(&mut self, canonical: &str, row: PrefixRow) {
        self.totals = self.totals.with(&row.counts, u64::saturating_add);
        let entry = Arc::clone(&row.entry);
        let before = self.rows.insert(canonical.to_owned(), row);
        if let Some(before) = &before {
            self.totals = self.totals.with(&before.counts, u64::saturating_sub);
        }
        let is_same = before.is_some_and(|before| Arc::ptr_eq(&before.entry, &entry));
        self.entry_changes += u64::from(!is_same);
    }
}
