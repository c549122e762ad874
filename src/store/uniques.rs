//! Keys of the index of values that no two records of a prefix may have.
//!
//! ```text
//! key   = canonical prefix  "/"  template id  0x00  index u32 BE  SHA-256 of the value's form [32]
//! value = canonical suffix of the record
//! ```
//! Prefixes have no "/", ids no 0x00: no two of them give the same key.

use crate::merkle::sha256;
use crate::model::Value;
use crate::model::template::Version;

/// Names a value that may be there once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UniqueKey(Vec<u8>);

impl UniqueKey {
    /// The value of the form with this SHA-256, of the item at `index` of a template,
    /// under a canonical prefix.
    pub fn new(prefix: &str, template: &str, index: u32, hash: &[u8; 32]) -> Self {
        let mut bytes = Vec::with_capacity(prefix.len() + template.len() + 38);
        bytes.extend_from_slice(prefix.as_bytes());
        bytes.push(b'/');
        bytes.extend_from_slice(template.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(&index.to_be_bytes());
        bytes.extend_from_slice(hash);
        Self(bytes)
    }

    /// Those of `values`, ascending by index, of a record that stands under a canonical
    /// prefix and under this version of a template; each with the index of its item.
    pub fn all_of(
        prefix: &str,
        (template, version): (&str, &Version),
        values: &[Value],
    ) -> Vec<(Self, u32)> {
        let key = |(index, form): (u32, String)| {
            let hash = sha256(&[form.as_bytes()]);
            (Self::new(prefix, template, index, &hash), index)
        };
        version.uniques(values).into_iter().map(key).collect()
    }

    /// The prefix and the template that a key is of.
    pub(super) fn whose(bytes: &[u8]) -> Option<(&str, &str)> {
        let slash = bytes.iter().position(|byte| *byte == b'/')?;
        let (prefix, rest) = bytes.split_at_checked(slash)?;
        let template = rest.get(1..)?.split(|byte| *byte == 0).next()?;
        let text = |bytes| std::str::from_utf8(bytes).ok();
        Some((text(prefix)?, text(template)?))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_values_have_one_key() {
        let mut seen = HashSet::new();
        for (prefix, template, index, hash) in [
            ("88.1", "a", 2000, 1),
            ("88.1", "a", 2000, 2),
            ("88.1", "a", 2001, 1),
            ("88.1", "a-b", 2000, 1),
            ("88.11", "a", 2000, 1),
        ] {
            let key = UniqueKey::new(prefix, template, index, &[hash; 32]);
            assert!(seen.insert(key.clone()));
            assert_eq!(UniqueKey::whose(key.as_bytes()), Some((prefix, template)));
        }
    }
}
