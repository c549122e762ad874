//! What the tree's leaves say of one change each.
//!
//! ```text
//! leaf    = 1  position 8  time_ms 8  action 1  outcome 1  length 2  subject
//!           public 32  private 32  chain 32                    numbers big-endian
//! public  = SHA-256 of what anybody may read of the subject since; zeros if nothing
//! private = SHA-256(salt ‖ SHA-256 of all of it); zeros if nothing
//! chain   = hash that ends with this change's entry in the audit trail
//! ```
//!
//! Leaf `position - 1` of the tree is that of the change at `position`. A leaf is
//! shown to whoever may read its subject; its hash is public, and tells nothing,
//! since nobody else knows the chain.

use crate::merkle::hash::LEAF;
use crate::merkle::{HASH_BYTES, Hash, sha256};

/// Octets of a subject; a longer one is refused.
pub const SUBJECT_BYTES_MAX: usize = 4096;

const VERSION: u8 = 1;
const FIXED_BYTES: usize = 1 + 8 + 8 + 1 + 1 + 2 + 3 * HASH_BYTES;

/// What the tree says of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf<'a> {
    /// Its position in the log.
    pub position: u64,
    /// When it was asked for, in milliseconds since the epoch.
    pub time_millis: u64,
    /// What was done, as the audit trail numbers it.
    pub action: u8,
    /// What came of it, as the audit trail numbers it: 0 is done.
    pub outcome: u8,
    /// What was changed: at most [`SUBJECT_BYTES_MAX`].
    pub subject: &'a [u8],
    /// What anybody may read of it since.
    pub public: Hash,
    /// All of it, under a salt.
    pub private: Hash,
    /// The end of the audit trail's chain.
    pub chain: Hash,
}

/// Octets are not a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a leaf of the tree")]
pub struct NotLeaf;

impl<'a> Leaf<'a> {
    /// Appends the encoding.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Self {
            position,
            time_millis,
            action,
            outcome,
            subject,
            public,
            private,
            chain,
        } = self;
        out.push(VERSION);
        out.extend_from_slice(&position.to_be_bytes());
        out.extend_from_slice(&time_millis.to_be_bytes());
        out.extend_from_slice(&[*action, *outcome]);
        let length = u16::try_from(subject.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(subject);
        for hash in [public, private, chain] {
            out.extend_from_slice(hash);
        }
    }

    /// Decodes a leaf.
    ///
    /// # Errors
    /// [`NotLeaf`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, NotLeaf> {
        let mut rest = bytes;
        let [version] = take(&mut rest)?;
        if version != VERSION {
            return Err(NotLeaf);
        }
        let position = u64::from_be_bytes(take(&mut rest)?);
        let time_millis = u64::from_be_bytes(take(&mut rest)?);
        let [action, outcome] = take(&mut rest)?;
        let length = usize::from(u16::from_be_bytes(take(&mut rest)?));
        let (subject, mut rest) = rest.split_at_checked(length).ok_or(NotLeaf)?;
        let leaf = Self {
            position,
            time_millis,
            action,
            outcome,
            subject,
            public: take(&mut rest)?,
            private: take(&mut rest)?,
            chain: take(&mut rest)?,
        };
        if rest.is_empty() && length <= SUBJECT_BYTES_MAX {
            Ok(leaf)
        } else {
            Err(NotLeaf)
        }
    }

    /// Its hash in the tree.
    pub fn hash(&self) -> Hash {
        let mut bytes = Vec::with_capacity(1 + FIXED_BYTES + self.subject.len());
        bytes.push(LEAF);
        self.encode(&mut bytes);
        sha256(&[&bytes])
    }
}

fn take<const COUNT: usize>(rest: &mut &[u8]) -> Result<[u8; COUNT], NotLeaf> {
    let (taken, left) = rest.split_first_chunk().ok_or(NotLeaf)?;
    *rest = left;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::leaf_hash;

    fn leaf(subject: &[u8]) -> Leaf<'_> {
        Leaf {
            position: 7,
            time_millis: 1_800_000_000_000,
            action: 1,
            outcome: 0,
            subject,
            public: [1; 32],
            private: [2; 32],
            chain: [3; 32],
        }
    }

    /// Written by the first release that has leaves: the form never changes.
    #[test]
    fn encodes_as_the_first_release_did() {
        let mut bytes = Vec::new();
        leaf(b"88.1/a").encode(&mut bytes);
        let expected = [
            "01",
            "0000000000000007",
            "000001a3185c5000",
            "01",
            "00",
            "0006",
            "38382e312f61",
            &"01".repeat(32),
            &"02".repeat(32),
            &"03".repeat(32),
        ];
        assert_eq!(HEXLOWER.encode(&bytes), expected.concat());
    }

    #[test]
    fn its_hash_is_that_of_its_octets() {
        let mut bytes = Vec::new();
        leaf(b"88.1/a").encode(&mut bytes);
        assert_eq!(leaf(b"88.1/a").hash(), leaf_hash(&bytes));
    }

    #[test]
    fn goes_there_and_back() {
        for subject in [&b""[..], b"88.118.7/a", &[0xff; SUBJECT_BYTES_MAX]] {
            let mut bytes = Vec::new();
            leaf(subject).encode(&mut bytes);
            assert_eq!(Leaf::decode(&bytes), Ok(leaf(subject)));
            for end in 0..bytes.len() {
                assert_eq!(Leaf::decode(&bytes[..end]), Err(NotLeaf));
            }
            bytes.push(0);
            assert_eq!(Leaf::decode(&bytes), Err(NotLeaf));
        }
        let mut bytes = Vec::new();
        leaf(&[0; SUBJECT_BYTES_MAX + 1]).encode(&mut bytes);
        assert_eq!(Leaf::decode(&bytes), Err(NotLeaf));
    }

    proptest! {
        #[test]
        fn never_panics_on_other_octets(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Leaf::decode(&bytes).is_ok();
        }
    }
}
