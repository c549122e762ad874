//! The read path: cache, store, delegation.

use crate::model::Identifier;

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

/// A type to select: the type itself, or with a trailing dot it and its subtypes
/// (RFC 3652 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeFilter(Box<str>);

impl TypeFilter {
    /// A filter for `text`.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }
}
