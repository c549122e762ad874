//! The read path: what a caller asks of a record, and how an answer that was
//! made from it is known to be current.

mod stamps;

pub use stamps::{Stamp, Stamps};

use crate::model::{Identifier, Reason, Record, Refusal, Value};
use crate::store::{Error, Store};

/// What to resolve.
#[derive(Clone, Debug)]
pub struct Query {
    /// The identifier.
    pub identifier: Identifier,
    /// Only values of these types. Both lists empty: all; else either selects.
    pub types: Vec<TypeFilter>,
    /// Only values at these indices.
    pub indices: Vec<u32>,
}

impl Query {
    /// A query for all values of `identifier`.
    pub fn all(identifier: Identifier) -> Self {
        Self {
            identifier,
            types: Vec::new(),
            indices: Vec::new(),
        }
    }

    fn selects(&self, value: &Value) -> bool {
        if self.types.is_empty() && self.indices.is_empty() {
            return true;
        }
        self.indices.contains(&value.index)
            || self
                .types
                .iter()
                .any(|filter| filter.selects(value.value_type.as_str()))
    }
}

/// A type to select: the type itself, or with a trailing dot it and its subtypes
/// (RFC 3652 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeFilter(Box<str>);

impl TypeFilter {
    /// A filter for `text`.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    fn selects(&self, value_type: &str) -> bool {
        match self.0.strip_suffix('.') {
            Some(parent) => value_type == parent || value_type.starts_with(&*self.0),
            None => value_type == &*self.0,
        }
    }
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unresolved {
    /// A rule says so.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Reads what `query` asks for, with every value that it selects.
///
/// # Errors
/// [`Reason::PrefixNotHomed`], [`Reason::PrefixSuspended`],
/// [`Reason::RecordNotFound`]; [`Unresolved::Store`].
pub fn resolve(store: &Store, query: &Query) -> Result<Record, Unresolved> {
    let Query { identifier, .. } = query;
    let canonical = identifier.prefix().canonical();
    let entry = store
        .prefixes()
        .get(&canonical)
        .map(|row| row.entry.clone());
    let entry = entry.ok_or_else(|| {
        Refusal::new(Reason::PrefixNotHomed)
            .field("identifier")
            .value(identifier.prefix())
    })?;
    entry.serving()?;
    let record = store.record(&identifier.key(entry.case))?.ok_or_else(|| {
        Refusal::new(Reason::RecordNotFound)
            .field("identifier")
            .value(identifier)
    })?;
    let Record {
        identifier,
        mut values,
        revision,
        created,
        changed,
    } = record;
    values.retain(|value| query.selects(value));
    Ok(Record {
        identifier,
        values,
        revision,
        created,
        changed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_dot_selects_subtypes() {
        let selects = |filter: &str, name: &str| TypeFilter::new(filter).selects(name);
        assert!(selects("URL", "URL") && !selects("URL", "URL.x") && !selects("URL", "URLS"));
        assert!(selects("HS_SITE.", "HS_SITE.6") && selects("HS_SITE.", "HS_SITE"));
        assert!(!selects("HS_SITE.", "HS_SITES"));
    }
}
