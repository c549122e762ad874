//! The read path: what a caller asks of a record, and how an answer that was
//! made from it is known to be current.

mod prefix_record;
mod stamps;

pub use prefix_record::Site;
pub use stamps::{Slot, Stamp, Stamps};

use std::sync::Arc;

use crate::model::{Identifier, Reason, Record, Refusal, Value};
use crate::store::{Error, PrefixRow, Restricted, Sight, Store};

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

    /// Whether `value` is among what is asked for.
    pub fn selects(&self, value: &Value) -> bool {
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
/// (RFC 3652 §3.1). ASCII case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeFilter(Box<str>);

impl TypeFilter {
    /// A filter for `text`.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    fn selects(&self, value_type: &str) -> bool {
        let begins = |with: &str| {
            let beginning = value_type.as_bytes().get(..with.len());
            beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(with.as_bytes()))
        };
        match self.0.strip_suffix('.') {
            Some(parent) => value_type.eq_ignore_ascii_case(parent) || begins(&self.0),
            None => value_type.eq_ignore_ascii_case(&self.0),
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

/// What somebody sees of the restricted identifiers of a prefix. Asked only where
/// there are some, about an identifier that is not there for everyone.
pub type Seen<'s> = dyn Fn(&PrefixRow) -> Result<Sight, Error> + 's;

/// Reads the record of `identifier`, with every value, if it is there for
/// everyone or `seen`. The record of a prefix that is active here tells `site`,
/// and is there if none is stored.
///
/// # Errors
/// [`Reason::PrefixNotHomed`], [`Reason::PrefixSuspended`],
/// [`Reason::RecordNotFound`]; [`Unresolved::Store`].
pub fn resolve(
    store: &Store,
    site: Option<&Site>,
    seen: &Seen<'_>,
    identifier: &Identifier,
) -> Result<Record, Unresolved> {
    if identifier.prefix().holds_prefix_records() {
        return prefix_record::prefix_record(store, site, identifier);
    }
    stored_seen(store, seen, identifier)
}

/// Reads the record that is stored of `identifier`, with every value, if it is
/// there for everyone.
///
/// # Errors
/// As [`resolve`].
pub fn stored(store: &Store, identifier: &Identifier) -> Result<Record, Unresolved> {
    stored_seen(store, &|_| Ok(Sight::Nothing), identifier)
}

/// Reads the record that is stored of `identifier`, with every value, if it is
/// there for everyone or `seen`.
///
/// # Errors
/// As [`resolve`].
pub fn stored_seen(
    store: &Store,
    seen: &Seen<'_>,
    identifier: &Identifier,
) -> Result<Record, Unresolved> {
    let canonical = identifier.prefix().canonical();
    let row = store.prefixes().get(&canonical).cloned();
    let row = row.ok_or_else(|| {
        Refusal::new(Reason::PrefixNotHomed)
            .field("identifier")
            .value(identifier.prefix())
    })?;
    row.entry.serving()?;
    let key = identifier.key(row.entry.case);
    if let Some(record) = store.record(&key)? {
        return Ok(record);
    }
    if row.counts.has_restricted()
        && let Some(Restricted::Active(record)) = store.restricted_seen(&key, &seen(&row)?)?
    {
        return Ok(Arc::unwrap_or_clone(record));
    }
    Err(Refusal::new(Reason::RecordNotFound)
        .field("identifier")
        .value(identifier)
        .into())
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

    #[test]
    fn types_compare_without_ascii_case() {
        let selects = |filter: &str, name: &str| TypeFilter::new(filter).selects(name);
        assert!(selects("url", "URL") && selects("URL", "Url") && selects("url.", "URL.X"));
        assert!(selects("产品名称", "产品名称") && !selects("产品", "产品名称"));
        assert!(!selects("É", "é") && !selects("url.", "ur") && !selects("url", ""));
    }
}
