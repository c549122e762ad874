//! The hashes of the tree (RFC 6962 §2.1).

use aws_lc_rs::digest::{Context, SHA256, digest};

/// Octets of a hash.
pub const HASH_BYTES: usize = 32;

/// SHA-256 of something, or the hash of a node of the tree.
pub type Hash = [u8; HASH_BYTES];

/// Octets that are joined before they are hashed.
const JOINED_BYTES_MAX: usize = 256;
/// What a leaf is hashed behind, so that none passes for an inner node.
pub(super) const LEAF: u8 = 0;
/// What the two halves of an inner node are hashed behind.
const NODE: u8 = 1;

/// SHA-256 of `parts`, one behind the other.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    if let [part] = parts {
        return of(digest(&SHA256, part).as_ref());
    }
    // One call of the library costs as much as hashing two blocks.
    let mut joined = [0; JOINED_BYTES_MAX];
    if let Some(joined) = join(parts, &mut joined) {
        return of(digest(&SHA256, joined).as_ref());
    }
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    of(context.finish().as_ref())
}

/// The hash of a leaf: `SHA-256(0x00 ‖ leaf)`.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256(&[&[LEAF], leaf])
}

/// The hash of a node above two others: `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut joined = [NODE; 1 + 2 * HASH_BYTES];
    let (_, hashes) = joined.split_at_mut(1);
    let (first, second) = hashes.split_at_mut(HASH_BYTES);
    first.copy_from_slice(left);
    second.copy_from_slice(right);
    sha256(&[&joined])
}

/// The root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    sha256(&[&[]])
}

/// `parts` one behind the other in `room`, if that is large enough.
fn join<'r>(parts: &[&[u8]], room: &'r mut [u8]) -> Option<&'r [u8]> {
    let mut end = 0;
    for part in parts {
        let next = end + part.len();
        room.get_mut(end..next)?.copy_from_slice(part);
        end = next;
    }
    room.get(..end)
}

fn of(bytes: &[u8]) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(bytes);
    hash
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// The vectors of the Certificate Transparency project for RFC 6962.
    #[test]
    fn hashes_as_in_rfc_6962() {
        let check = |hash: Hash, expected| assert_eq!(HEXLOWER.encode(&hash), expected);
        check(
            empty_root(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        );
        check(
            leaf_hash(b""),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        );
        check(
            node_hash(&leaf_hash(b""), &leaf_hash(&[0])),
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        );
    }

    #[test]
    fn parts_make_one_whole() {
        assert_eq!(sha256(&[b"ab", b"", b"c"]), sha256(&[b"abc"]));
        let long = [7; 2 * JOINED_BYTES_MAX];
        for at in [0, 1, JOINED_BYTES_MAX - 1, JOINED_BYTES_MAX, long.len()] {
            let (left, right) = long.split_at(at);
            assert_eq!(sha256(&[left, right]), sha256(&[&long]), "{at}");
            assert_eq!(sha256(&[left, b""]), sha256(&[left]), "{at}");
        }
    }
}
