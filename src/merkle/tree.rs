//! Roots and proofs of a tree whose complete subtrees can be read (RFC 6962 §2.1,
//! RFC 9162 §2.1.3.1 and §2.1.4.1).

use crate::merkle::{Hash, empty_root, node_hash};

/// A complete subtree: the leaves `index * 2^height` up to, not including,
/// `(index + 1) * 2^height`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// How many halvings it is above its leaves; at most 63.
    pub height: u32,
    /// Which of its height, from 0.
    pub index: u64,
}

/// A proof was asked for of something that is not in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} is not within a tree of {size} leaves")]
pub struct OutOfRange {
    /// The leaf's index, or the older tree's size.
    pub wanted: u64,
    /// The tree's size.
    pub size: u64,
}

/// The root of the tree of the first `size` leaves. `read` gives the hash of a
/// complete subtree within it.
///
/// # Errors
/// Those of `read`.
pub fn root<E>(size: u64, read: &mut impl FnMut(Node) -> Result<Hash, E>) -> Result<Hash, E> {
    if size == 0 {
        return Ok(empty_root());
    }
    hash_of(
        Range {
            first: 0,
            end: size,
        },
        read,
    )
}

/// The hashes that lead from the leaf at `index` to the root of the tree of the
/// first `size` leaves, from the leaf upward.
///
/// # Errors
/// Those of `read`, and [`OutOfRange`] unless `index < size`.
pub fn inclusion_proof<E: From<OutOfRange>>(
    index: u64,
    size: u64,
    read: &mut impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    if index >= size {
        return Err(OutOfRange {
            wanted: index,
            size,
        }
        .into());
    }
    let mut siblings = Vec::new();
    let mut range = Range {
        first: 0,
        end: size,
    };
    while range.count() > 1 {
        let (left, right) = range.halves();
        let inside_left = index < right.first;
        siblings.push(if inside_left { right } else { left });
        range = if inside_left { left } else { right };
    }
    let upward = siblings.into_iter().rev();
    upward.map(|sibling| hash_of(sibling, read)).collect()
}

/// The hashes that show that the tree of the first `size` leaves begins with that
/// of the first `older_size`. Empty if both are the same tree.
///
/// # Errors
/// Those of `read`, and [`OutOfRange`] unless `1 <= older_size <= size`.
pub fn consistency_proof<E: From<OutOfRange>>(
    older_size: u64,
    size: u64,
    read: &mut impl FnMut(Node) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    if older_size == 0 || older_size > size {
        return Err(OutOfRange {
            wanted: older_size,
            size,
        }
        .into());
    }
    let mut parts = Vec::new();
    let mut range = Range {
        first: 0,
        end: size,
    };
    while range.end != older_size {
        let (left, right) = range.halves();
        let ends_left = older_size <= left.end;
        parts.push(if ends_left { right } else { left });
        range = if ends_left { left } else { right };
    }
    // The older tree's own root is known to whoever asks.
    if range.first != 0 {
        parts.push(range);
    }
    let upward = parts.into_iter().rev();
    upward.map(|part| hash_of(part, read)).collect()
}

/// Leaves that stand together below one node of the tree.
#[derive(Clone, Copy, Debug)]
struct Range {
    first: u64,
    end: u64,
}

impl Range {
    const fn count(self) -> u64 {
        self.end - self.first
    }

    /// The two halves of more than one leaf: the left one as large as the largest
    /// power of two that is smaller than the whole.
    const fn halves(self) -> (Self, Self) {
        let left_count = 1 << (u64::BITS - 1 - (self.count() - 1).leading_zeros());
        let middle = self.first + left_count;
        let left = Self {
            first: self.first,
            end: middle,
        };
        let right = Self {
            first: middle,
            end: self.end,
        };
        (left, right)
    }
}

/// The hash of a range: of its complete subtrees from the last one back.
fn hash_of<E>(range: Range, read: &mut impl FnMut(Node) -> Result<Hash, E>) -> Result<Hash, E> {
    let mut nodes = Vec::new();
    let mut first = range.first;
    while first < range.end {
        // Aligned, since each range begins at a multiple of its left half.
        let height = u64::BITS - 1 - (range.end - first).leading_zeros();
        nodes.push(Node {
            height,
            index: first >> height,
        });
        first += 1 << height;
    }
    let mut hash: Option<Hash> = None;
    for node in nodes.into_iter().rev() {
        let left = read(node)?;
        hash = Some(hash.map_or(left, |right| node_hash(&left, &right)));
    }
    Ok(hash.unwrap_or_else(empty_root))
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::merkle::leaf_hash;

    /// The leaves of the Certificate Transparency project's vectors.
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[derive(Debug, PartialEq, Eq)]
    struct Refused(OutOfRange);

    impl From<OutOfRange> for Refused {
        fn from(error: OutOfRange) -> Self {
            Self(error)
        }
    }

    fn read(node: Node) -> Result<Hash, Refused> {
        let first = usize::try_from(node.index << node.height).expect("small");
        let count = 1 << node.height;
        let mut hashes: Vec<Hash> = LEAVES[first..first + count]
            .iter()
            .map(|leaf| leaf_hash(leaf))
            .collect();
        while hashes.len() > 1 {
            hashes = hashes
                .chunks(2)
                .map(|pair| node_hash(&pair[0], &pair[1]))
                .collect();
        }
        Ok(hashes[0])
    }

    fn hex(hashes: &[Hash]) -> Vec<String> {
        hashes.iter().map(|hash| HEXLOWER.encode(hash)).collect()
    }

    #[test]
    fn roots_as_in_the_vectors() {
        for (size, expected) in (1..).zip(ROOTS) {
            let root = root(size, &mut read).expect("read");
            assert_eq!(HEXLOWER.encode(&root), expected, "{size}");
        }
        assert_eq!(root(0, &mut read), Ok(empty_root()));
    }

    #[test]
    fn inclusion_proofs_as_in_the_vectors() {
        let check = |index, size, expected: &[&str]| {
            let proof = inclusion_proof(index, size, &mut read).expect("within");
            assert_eq!(hex(&proof), expected, "{index} of {size}");
        };
        check(0, 1, &[]);
        check(
            0,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        );
        check(
            5,
            8,
            &[
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        );
        check(
            2,
            3,
            &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
        );
    }

    #[test]
    fn consistency_proofs_as_in_the_vectors() {
        let check = |older, size, expected: &[&str]| {
            let proof = consistency_proof(older, size, &mut read).expect("within");
            assert_eq!(hex(&proof), expected, "{older} to {size}");
        };
        check(1, 1, &[]);
        check(
            1,
            8,
            &[
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ],
        );
        check(
            6,
            8,
            &[
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ],
        );
        check(
            2,
            5,
            &[
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ],
        );
    }

    #[test]
    fn refuses_what_is_not_in_the_tree() {
        let wanted = |wanted, size| Err(Refused(OutOfRange { wanted, size }));
        assert_eq!(inclusion_proof(3, 3, &mut read), wanted(3, 3));
        assert_eq!(inclusion_proof(0, 0, &mut read), wanted(0, 0));
        assert_eq!(consistency_proof(0, 3, &mut read), wanted(0, 3));
        assert_eq!(consistency_proof(4, 3, &mut read), wanted(4, 3));
    }
}
