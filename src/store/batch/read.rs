//! What a batch holds, what the one before it holds, and what the store has, read as one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::PrefixEntry;
use crate::model::{FirmId, Key, Record, Tombstone};
use crate::store::batch::Batch;
use crate::store::codec_types::RequestRow;
use crate::store::columns::Column;
use crate::store::directory::{AnyEntry, Entry, EntryKey};
use crate::store::held::Held;
use crate::store::prefixes::PrefixRow;
use crate::store::restricted::Restricted;
use crate::store::uniques::UniqueKey;
use crate::store::{Error, codec};

impl Batch<'_> {
    /// What this batch or the one before it holds, if `find` finds it in either.
    fn pending<T>(&self, find: impl Fn(&Held) -> Option<T>) -> Option<T> {
        find(&self.held).or_else(|| find(self.before.as_ref()?))
    }

    /// The record under `key`, unless it is restricted, as this batch leaves it.
    ///
    /// # Errors
    /// As [`Store::record`](crate::store::Store::record).
    pub fn record(&self, key: &Key) -> Result<Option<Arc<Record>>, Error> {
        let octets = key.as_bytes();
        let find = |held: &Held| {
            let row = held.records.find(octets)?;
            Some(
                row.map(|row| codec::record::decode(octets, row))
                    .transpose(),
            )
        };
        let record = match self.pending(find) {
            Some(pending) => pending?,
            None => self.store.record(key)?,
        };
        Ok(record.map(Arc::new))
    }

    /// The tombstone under `key`, unless it is restricted, as this batch leaves it.
    ///
    /// # Errors
    /// As [`Store::record`](crate::store::Store::record).
    pub fn tombstone(&self, key: &Key) -> Result<Option<Tombstone>, Error> {
        match self.pending(|held| held.tombstones.get(key).cloned()) {
            Some(pending) => Ok(pending),
            None => self.store.tombstone(key),
        }
    }

    /// What is kept of `key` as restricted, as this batch leaves it.
    ///
    /// # Errors
    /// As [`Store::record`](crate::store::Store::record).
    pub fn restricted(&self, key: &Key) -> Result<Option<Restricted>, Error> {
        match self.pending(|held| held.restricted.get(key).cloned()) {
            Some(pending) => Ok(pending),
            None => self.store.restricted(key),
        }
    }

    /// The row of a canonical prefix, as this batch leaves it.
    pub fn prefix(&self, canonical: &str) -> Option<PrefixRow> {
        match self.pending(|held| held.prefixes.get(canonical).cloned()) {
            Some(pending) => Some(pending),
            None => self.store.prefixes().get(canonical).cloned(),
        }
    }

    /// The `T` named `id`, as this batch leaves it.
    pub fn entry<T: Entry>(&self, id: &str) -> Option<Arc<T>> {
        // Few batches have entries; every command asks for its caller's.
        let pending = match self.entries.is_empty() {
            true => None,
            false => self.entries.get(&EntryKey::of::<T>(id)),
        };
        match pending {
            Some(pending) => pending.as_ref().and_then(T::from_any).map(Arc::clone),
            None => self.store.directory().find::<T>(id).map(Arc::clone),
        }
    }

    /// Every `T` that is as `wanted` says, as this batch leaves them. Looks at all.
    pub fn entries<T: Entry>(&self, wanted: impl Fn(&T) -> bool) -> Vec<Arc<T>> {
        let is_pending = |entry: &T| self.entries.contains_key(&EntryKey::of::<T>(entry.id()));
        let pending = self.entries.values().flatten().filter_map(T::from_any);
        let mut found: Vec<_> = pending.filter(|entry| wanted(entry)).cloned().collect();
        let directory = self.store.directory();
        let stored = directory.all::<T>();
        found.extend(
            stored
                .filter(|entry| wanted(entry) && !is_pending(entry))
                .cloned(),
        );
        found
    }

    /// The prefixes that a firm holds, as this batch leaves them. Looks at all.
    pub fn held_prefixes(&self, firm: &FirmId) -> Vec<PrefixRow> {
        let is_holder = |row: &PrefixRow| row.entry.holder.as_ref() == Some(firm);
        let mut rows = BTreeMap::new();
        let stored = self.store.prefixes();
        rows.extend(stored.after(None));
        for held in self.before.as_deref().into_iter().chain([&self.held]) {
            rows.extend(held.prefixes.iter().map(|(key, row)| (key.as_str(), row)));
        }
        let of_firm = rows.into_values().filter(|row| is_holder(row));
        of_firm.cloned().collect()
    }

    /// The encrypted bytes under `key`, as this batch leaves them.
    ///
    /// # Errors
    /// As [`Store::record`](crate::store::Store::record).
    pub fn sealed(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        match self.sealed.get(key) {
            Some(pending) => Ok(pending.clone()),
            None => self.store.sealed(key),
        }
    }

    /// The canonical suffix of the record that has a unique value, as this batch
    /// leaves it.
    ///
    /// # Errors
    /// As [`Store::record`](crate::store::Store::record).
    pub fn unique(&self, key: &UniqueKey) -> Result<Option<Vec<u8>>, Error> {
        match self.pending(|held| held.uniques.get(key).cloned()) {
            Some(pending) => Ok(pending),
            None => self.store.get(Column::Uniques, key.as_bytes()),
        }
    }

    /// What is remembered of a request id.
    ///
    /// # Errors
    /// As [`Store::record`](crate::store::Store::record).
    pub fn request(&self, id: &str) -> Result<Option<RequestRow>, Error> {
        if let Some(pending) = self.pending(|held| held.requests.get(id).cloned()) {
            return Ok(Some(pending));
        }
        match self.store.get(Column::Requests, id.as_bytes())? {
            Some(bytes) => codec::request::decode(&bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The record that a remembered answer holds.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Version`].
    pub fn answered_record(row: &RequestRow) -> Result<Record, Error> {
        codec::record::decode(&row.subject, &row.answer)
    }

    /// The entry of the directory that a remembered answer holds.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Version`].
    pub fn answered_entry(row: &RequestRow) -> Result<AnyEntry, Error> {
        AnyEntry::decode(&row.subject, &row.answer)
    }

    /// The prefix that a remembered answer holds.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Version`].
    pub fn answered_prefix(row: &RequestRow) -> Result<PrefixEntry, Error> {
        codec::prefix::decode(&row.answer)
    }
}
