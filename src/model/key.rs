//! The canonical bytes by which identifiers are compared, stored and sorted.

use std::fmt;

/// Canonical bytes of an identifier: the prefix with ASCII letters folded,
/// `/`, and the suffix, folded or not as its prefix rules.
///
/// Two spellings are one identifier exactly when their keys are equal. Since a
/// prefix never contains `/`, all keys of a prefix stand together in byte
/// order, and below them in the order of their suffixes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Box<[u8]>);

impl Key {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into_boxed_slice())
    }

    /// The bytes, as they are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The part before the first `/`: the canonical prefix.
    pub fn prefix(&self) -> &[u8] {
        self.0
            .split(|byte| *byte == b'/')
            .next()
            .unwrap_or_default()
    }

    /// The part behind the first `/`: the canonical suffix.
    pub fn suffix(&self) -> &[u8] {
        let behind = self.prefix().len() + 1;
        self.0.get(behind..).unwrap_or_default()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", String::from_utf8_lossy(&self.0))
    }
}
