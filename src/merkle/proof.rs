//! Verifying proofs (RFC 9162 §2.1.3.2 and §2.1.4.2).

use crate::merkle::{Hash, node_hash};

/// Hashes that a proof may have: two for each halving of 2^64 leaves, and one. A
/// longer proof is none.
pub const PROOF_HASHES_MAX: usize = 129;

/// A proof does not show what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The sizes and indices do not fit each other, or the number of hashes.
    #[error("the proof does not fit the size of the tree")]
    Shape,
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Checks that the leaf with hash `leaf` stands at `index` of the tree of `size`
/// leaves with this `root`.
///
/// # Errors
/// [`Unproven`].
pub fn verify_inclusion(
    (index, leaf): (u64, &Hash),
    (size, root): (u64, &Hash),
    proof: &[Hash],
) -> Result<(), Unproven> {
    if index >= size {
        return Err(Unproven::Shape);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(Unproven::Shape);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            // Levels at which the last node has no sibling.
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(Unproven::Shape);
    }
    same(&hash, root)
}

/// Checks that the tree of `size` leaves with this `root` begins with the older
/// one. Every tree begins with the empty one.
///
/// # Errors
/// [`Unproven`].
pub fn verify_consistency(
    (older_size, older_root): (u64, &Hash),
    (size, root): (u64, &Hash),
    proof: &[Hash],
) -> Result<(), Unproven> {
    if older_size > size || (older_size == 0 || older_size == size) != proof.is_empty() {
        return Err(Unproven::Shape);
    }
    if older_size == 0 {
        return Ok(());
    }
    if older_size == size {
        return same(older_root, root);
    }
    let (mut node, mut last) = (older_size - 1, size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    // A complete older tree is itself the first hash.
    let mut hashes = proof.iter();
    let first = if node == 0 {
        older_root
    } else {
        hashes.next().ok_or(Unproven::Shape)?
    };
    let (mut older_hash, mut hash) = (*first, *first);
    for sibling in hashes {
        if last == 0 {
            return Err(Unproven::Shape);
        }
        if node & 1 == 1 || node == last {
            older_hash = node_hash(sibling, &older_hash);
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(Unproven::Shape);
    }
    same(&older_hash, older_root)?;
    same(&hash, root)
}

fn same(hash: &Hash, root: &Hash) -> Result<(), Unproven> {
    if hash == root {
        Ok(())
    } else {
        Err(Unproven::Root)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::merkle::{
        Node, OutOfRange, consistency_proof, empty_root, inclusion_proof, leaf_hash, root,
    };

    fn leaf(index: u64) -> Hash {
        leaf_hash(&index.to_be_bytes())
    }

    fn read(node: Node) -> Result<Hash, OutOfRange> {
        match node.height {
            0 => Ok(leaf(node.index)),
            _ => {
                let below = |index| {
                    read(Node {
                        height: node.height - 1,
                        index,
                    })
                };
                Ok(node_hash(
                    &below(2 * node.index)?,
                    &below(2 * node.index + 1)?,
                ))
            }
        }
    }

    fn root_of(size: u64) -> Hash {
        root(size, &mut read).expect("within")
    }

    #[test]
    fn every_leaf_is_proven_in_every_tree() {
        for size in 1..70 {
            for index in 0..size {
                let proof = inclusion_proof(index, size, &mut read).expect("within");
                let tree = (size, &root_of(size));
                let verify = |at, leaf: Hash| verify_inclusion((at, &leaf), tree, &proof);
                assert_eq!(verify(index, leaf(index)), Ok(()), "{index} of {size}");
                let other = verify(index, leaf(index + 1));
                assert_eq!(other, Err(Unproven::Root), "{index} of {size}");
                assert!(verify(index + 1, leaf(index)).is_err(), "{index} of {size}");
            }
        }
    }

    #[test]
    fn every_tree_is_proven_to_begin_with_every_older_one() {
        for size in 1..70 {
            for older in 1..=size {
                let proof = consistency_proof(older, size, &mut read).expect("within");
                let verify = |older_root: Hash, root: Hash| {
                    verify_consistency((older, &older_root), (size, &root), &proof)
                };
                let (older_root, root) = (root_of(older), root_of(size));
                assert_eq!(verify(older_root, root), Ok(()), "{older} to {size}");
                assert!(verify(leaf(99), root).is_err(), "{older} to {size}");
                assert!(verify(older_root, leaf(99)).is_err(), "{older} to {size}");
            }
        }
    }

    #[test]
    fn every_tree_begins_with_the_empty_one() {
        let verify =
            |proof: &[Hash]| verify_consistency((0, &empty_root()), (3, &root_of(3)), proof);
        assert_eq!(verify(&[]), Ok(()));
        assert_eq!(verify(&[leaf(0)]), Err(Unproven::Shape));
    }

    #[test]
    fn refuses_proofs_of_another_length() {
        let proof = inclusion_proof(5, 9, &mut read).expect("within");
        let longer = [&proof[..], &[leaf(0)]].concat();
        let shorter = &proof[..proof.len() - 1];
        for proof in [&longer[..], shorter, &[]] {
            let judged = verify_inclusion((5, &leaf(5)), (9, &root_of(9)), proof);
            assert_eq!(judged, Err(Unproven::Shape));
        }
        let proof = consistency_proof(5, 9, &mut read).expect("within");
        let longer = [&proof[..], &[leaf(0)]].concat();
        let shorter = &proof[..proof.len() - 1];
        for proof in [&longer[..], shorter, &[]] {
            let judged = verify_consistency((5, &root_of(5)), (9, &root_of(9)), proof);
            assert_eq!(judged, Err(Unproven::Shape));
        }
    }

    proptest! {
        #[test]
        fn a_flipped_bit_proves_nothing(size in 2u64..300, at: u64, bit: usize) {
            let index = at % size;
            let mut proof = inclusion_proof(index, size, &mut read).expect("within");
            let bit = bit % (proof.len() * 256);
            proof[bit / 256][bit % 256 / 8] ^= 1 << (bit % 8);
            let judged = verify_inclusion((index, &leaf(index)), (size, &root_of(size)), &proof);
            prop_assert_eq!(judged, Err(Unproven::Root));
        }

        #[test]
        fn never_panics_on_other_proofs(
            sizes in (any::<u64>(), any::<u64>()),
            proof in proptest::collection::vec(any::<[u8; 32]>(), 0..PROOF_HASHES_MAX),
        ) {
            let hash = leaf(0);
            let _ = verify_inclusion((sizes.0, &hash), (sizes.1, &hash), &proof).is_ok();
            let _ = verify_consistency((sizes.0, &hash), (sizes.1, &hash), &proof).is_ok();
        }
    }
}
