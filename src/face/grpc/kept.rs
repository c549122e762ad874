//! Results of resolution that anybody gets alike, encoded and kept while they are
//! true.
//!
//! The key is all that a result depends on beside the store: the identifier as it was
//! asked for, and which values were. So the common question is answered without
//! reading the identifier.

use std::sync::Arc;

use crate::face::grpc::metrics::Resolved;
use crate::node::{Answers, Kept, Marks, Node};

/// Octets of a key; a longer question is answered anew.
const KEY_BYTES_MAX: usize = 1_024;

/// A result.
#[derive(Debug)]
pub(super) struct Encoded {
    /// `ResolveResult`, encoded.
    pub(super) octets: Box<[u8]>,
    /// What it counts as.
    pub(super) resolved: Resolved,
    /// Whether callers who are known get it too.
    pub(super) is_for_all: bool,
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

/// A result, kept or not.
pub(super) type Result = Arc<Kept<Encoded>>;

/// The results kept.
pub(super) struct Results(Answers<Encoded>);

impl Results {
    /// Keeps up to `bytes_max` octets; 0 keeps none.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self(Answers::new(bytes_max))
    }

    /// The result under `key`, if there is one that is still true and for the caller.
    pub(super) fn find(&self, key: &[u8], node: &Node, is_anonymous: bool) -> Option<Result> {
        let kept = self.0.find(key)?;
        let is_current = kept
            .marks
            .iter()
            .flatten()
            .all(|mark| node.is_current(mark));
        let is_for_caller = is_anonymous || kept.answer.is_for_all;
        (is_current && is_for_caller).then_some(kept)
    }

    /// Keeps a result under `key`; its marks were taken before it was made.
    pub(super) fn keep(&self, key: &[u8], answer: Encoded, marks: Marks) -> Result {
        match key.len() <= KEY_BYTES_MAX {
            true => self.0.keep(key, answer, marks),
            false => Arc::new(Kept { answer, marks }),
        }
    }

    /// How many there are, and their bytes.
    pub(super) fn size(&self) -> (usize, u64) {
        self.0.size()
    }
}
