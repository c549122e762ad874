//! The tree, its proofs, and signed checkpoints once more: written from the text
//! of RFC 6962 §2.1, RFC 9162 §2.1 and C2SP signed-note, by recursion as they
//! define them, and sharing nothing with `src/merkle`.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::BASE64;

pub(crate) type Hash = [u8; 32];

pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    context.finish().as_ref().try_into().unwrap()
}

pub(crate) fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256(&[&[0], leaf])
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// "k is the largest power of two smaller than n."
fn split(n: usize) -> usize {
    let mut k = 1;
    while 2 * k < n {
        k *= 2;
    }
    k
}

/// MTH(D\[n\]), of the hashes of the leaves.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// PATH(m, D\[n\]).
pub(crate) fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    if m < k {
        [path(m, left), vec![root(right)]].concat()
    } else {
        [path(m - k, right), vec![root(left)]].concat()
    }
}

/// PROOF(m, D\[n\]).
pub(crate) fn proof(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    subproof(m, leaves, true)
}

fn subproof(m: usize, leaves: &[Hash], is_known: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if is_known {
            Vec::new()
        } else {
            vec![root(leaves)]
        };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    if m <= k {
        [subproof(m, left, is_known), vec![root(right)]].concat()
    } else {
        [subproof(m - k, right, false), vec![root(left)]].concat()
    }
}

/// The root that an inclusion proof leads to; `None` if it has another length.
pub(crate) fn included(m: usize, n: usize, leaf: &Hash, proof: &[Hash]) -> Option<Hash> {
    if n == 1 {
        return proof.is_empty().then_some(*leaf);
    }
    let (last, rest) = proof.split_last()?;
    let k = split(n);
    if m < k {
        Some(node_hash(&included(m, k, leaf, rest)?, last))
    } else {
        Some(node_hash(last, &included(m - k, n - k, leaf, rest)?))
    }
}

/// The old and the new root that a consistency proof leads to from the `old` one;
/// `None` if it has another length.
pub(crate) fn consistent(m: usize, n: usize, old: &Hash, proof: &[Hash]) -> Option<(Hash, Hash)> {
    grown(m, n, Some(old), proof)
}

fn grown(m: usize, n: usize, known: Option<&Hash>, proof: &[Hash]) -> Option<(Hash, Hash)> {
    if m == n {
        return match (known, proof) {
            (Some(old), []) => Some((*old, *old)),
            (None, [hash]) => Some((*hash, *hash)),
            _ => None,
        };
    }
    let (last, rest) = proof.split_last()?;
    let k = split(n);
    if m <= k {
        let (old, new) = grown(m, k, known, rest)?;
        Some((old, node_hash(&new, last)))
    } else {
        let (old, new) = grown(m - k, n - k, None, rest)?;
        Some((node_hash(last, &old), node_hash(last, &new)))
    }
}

/// Origin, size and root of a checkpoint that the key `name+id+key` signed.
pub(crate) fn checkpoint(note: &str, key: &str) -> Option<(String, usize, Hash)> {
    let (text, signatures) = note.rsplit_once("\n\n")?;
    let text = format!("{text}\n");
    let mut key = key.splitn(3, '+');
    let (name, id, key) = (key.next()?, key.next()?, key.next()?);
    let key = BASE64.decode(key.as_bytes()).ok()?;
    assert_eq!((key.len(), key[0]), (33, 1), "not an Ed25519 key");
    let expected = sha256(&[name.as_bytes(), b"\n", &key]);
    assert_eq!(id, data_encoding::HEXLOWER.encode(&expected[..4]));
    let begins = format!("\u{2014} {name} ");
    let line = signatures.lines().find(|line| line.starts_with(&begins))?;
    let signature = BASE64.decode(line.strip_prefix(&begins)?.as_bytes()).ok()?;
    assert_eq!(signature[..4], expected[..4]);
    let public = UnparsedPublicKey::new(&ED25519, &key[1..]);
    public.verify(text.as_bytes(), &signature[4..]).ok()?;
    let mut lines = text.lines();
    let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
    let root = BASE64.decode(root.as_bytes()).ok()?;
    Some((origin.to_owned(), size.parse().ok()?, root.try_into().ok()?))
}

#[test]
fn agrees_with_the_first_implementation() {
    use idnode::merkle;
    let leaves: Vec<Hash> = (0..40u8).map(|n| leaf_hash(&[n])).collect();
    let mut read = |node: merkle::Node| -> Result<Hash, merkle::OutOfRange> {
        let first = usize::try_from(node.index << node.height).unwrap();
        Ok(root(&leaves[first..first + (1 << node.height)]))
    };
    for size in 1..=leaves.len() {
        let tree = &leaves[..size];
        let size = u64::try_from(size).unwrap();
        assert_eq!(merkle::root(size, &mut read), Ok(root(tree)));
        for m in 0..tree.len() {
            let index = u64::try_from(m).unwrap();
            let found = merkle::inclusion_proof(index, size, &mut read).unwrap();
            assert_eq!(found, path(m, tree));
            assert_eq!(
                included(m, tree.len(), &leaves[m], &found),
                Some(root(tree))
            );
            let found = merkle::consistency_proof(index + 1, size, &mut read).unwrap();
            assert_eq!(found, proof(m + 1, tree));
            let old = root(&tree[..=m]);
            let roots = consistent(m + 1, tree.len(), &old, &found);
            assert_eq!(roots, Some((old, root(tree))));
        }
    }
}
