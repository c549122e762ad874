//! Whether the index of unique values agrees with the records.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::model::Record;
use crate::model::template::{Template, named};
use crate::store::columns::Column;
use crate::store::uniques::UniqueKey;
use crate::store::{Error, Store, scan};

/// What the records say of the index, record by record.
///
/// A record from before its template was made may lack rows, and one of a template
/// that is not, or no longer, for its prefix has none that count.
pub(super) struct UniquesCheck<'s> {
    store: &'s Store,
    /// Rows that a record has.
    held_count: u64,
}

impl<'s> UniquesCheck<'s> {
    pub(super) const fn new(store: &'s Store) -> Self {
        Self {
            store,
            held_count: 0,
        }
    }

    /// Compares the rows of the record under the canonical `key`. What does not agree,
    /// if anything.
    pub(super) fn record(&mut self, key: &[u8], record: &Record) -> Result<Option<String>, Error> {
        let Some((id, Some(version))) = named(&record.values) else {
            return Ok(None);
        };
        let prefix = record.identifier.prefix().canonical();
        let Some(template) = self.template(&prefix, id) else {
            return Ok(None);
        };
        let Some((_, published)) = template.version_named(version) else {
            return Ok(None);
        };
        let suffix = key.get(prefix.len() + 1..);
        let is_older = record.created < template.created();
        let named = (id, &*published.version);
        for (row, index) in UniqueKey::all_of(&prefix, named, &record.values) {
            let owner = self.store.get(Column::Uniques, row.as_bytes())?;
            if owner.is_some() && owner.as_deref() == suffix {
                self.held_count += 1;
            } else if !is_older {
                let shown = &record.identifier;
                return Ok(Some(format!(
                    "record {shown} has the unique value {index} of {id}, and the index says {}",
                    owner.map_or_else(|| "nobody has".into(), |_| "another has".to_owned())
                )));
            }
        }
        Ok(None)
    }

    /// Whether there are rows that no record has, once all records were compared.
    pub(super) fn end(self) -> Result<Option<String>, Error> {
        let mut row_count = 0u64;
        let visit = &mut |key: &[u8], _: &[u8]| {
            let whose = UniqueKey::whose(key);
            let is_left_out = whose.is_some_and(|(prefix, id)| self.template(prefix, id).is_none());
            row_count += u64::from(!is_left_out);
            Ok(ControlFlow::Continue(()))
        };
        scan::each(self.store, Column::Uniques, b"", None, visit)?;
        let held_count = self.held_count;
        Ok((row_count != held_count).then(|| {
            format!("the index has {row_count} unique values, and records have {held_count}")
        }))
    }

    /// The template `id` if records under `prefix` may stand under it.
    fn template(&self, prefix: &str, id: &str) -> Option<Arc<Template>> {
        let kept = self.store.directory().find::<Template>(id).cloned();
        let template = kept.or_else(|| Template::shipped(id).cloned())?;
        let prefixes = self.store.prefixes();
        let holder = prefixes.get(prefix)?.entry.holder.as_ref();
        template.is_for(holder).then_some(template)
    }
}
