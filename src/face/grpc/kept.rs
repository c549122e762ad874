//! Results of resolution that anybody gets alike, encoded and kept while they are
//! true.
//!
//! The key is all that a result depends on beside the store: the identifier as it was
//! asked for, and which values were. So the common question is answered without
//! reading the identifier.

use crate::node::{Answers, Kept, KeyHash, Marks, Node};

/// Octets of a key; a longer question is answered anew.
const KEY_BYTES_MAX: usize = 1_024;

/// What a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Whether it is a record; if not, that there is none.
    pub(super) is_found: bool,
    /// Whether callers who are known get it too.
    pub(super) is_for_all: bool,
}

impl Kind {
    fn to_word(self) -> u64 {
        u64::from(self.is_found) | u64::from(self.is_for_all) << 1
    }

    const fn of_word(word: u64) -> Self {
        Self {
            is_found: word & 1 != 0,
            is_for_all: word & 2 != 0,
        }
    }
}

/// The results kept: each a `ResolveResult`, encoded.
pub(super) struct Results(Answers);

impl Results {
    /// Keeps up to `bytes_max` octets; 0 keeps none.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self(Answers::new(bytes_max))
    }

    /// The hash of a key.
    pub(super) fn hash(&self, key: &[u8]) -> KeyHash {
        self.0.hash(key)
    }

    /// Waits for the memory of many results at once.
    pub(super) fn touch(&self, hashes: &[KeyHash], node: &Node) {
        self.0.touch(hashes, &|mark| node.is_current(mark));
    }

    /// The result under `key`, if there is one that is still true and for the caller.
    pub(super) fn find(
        &self,
        (hash, key): (KeyHash, &[u8]),
        node: &Node,
        is_anonymous: bool,
    ) -> Option<(Kept<'_>, Kind)> {
        let kept = self.0.find_hashed(hash, key)?;
        let mut marks = kept.marks.iter().flatten();
        let is_current = marks.all(|mark| node.is_current(mark));
        let kind = Kind::of_word(kept.own);
        let is_for_caller = is_anonymous || kind.is_for_all;
        (is_current && is_for_caller).then_some((kept, kind))
    }

    /// Keeps a result under `key`; its marks were taken before it was made.
    pub(super) fn keep(&self, key: &[u8], octets: &[u8], kind: Kind, marks: &Marks) {
        if key.len() <= KEY_BYTES_MAX {
            self.0.keep(key, kind.to_word(), octets, marks);
        }
    }

    /// How many there are, and their bytes.
    pub(super) fn size(&self) -> (usize, u64) {
        self.0.size()
    }
}
