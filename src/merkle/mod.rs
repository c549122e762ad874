//! A Merkle tree over a list that only grows: hashes and proofs (RFC 6962 §2.1,
//! RFC 9162 §2.1), the tiles that it is kept and served in (C2SP tlog-tiles), and
//! signed checkpoints (C2SP tlog-checkpoint, signed-note).
//!
//! Pure: no I/O, no clock, no chance. What its leaves stand for is not known here,
//! beyond the form of a [`Leaf`].

mod checkpoint;
mod edge;
mod hash;
mod leaf;
mod note;
mod proof;
mod tile;
mod tree;

pub use checkpoint::{Checkpoint, NotCheckpoint};
pub use edge::{Edge, NotAnEdge};
pub use hash::{HASH_BYTES, Hash, empty_root, leaf_hash, node_hash, sha256};
pub use leaf::{Leaf, NotLeaf, SUBJECT_BYTES_MAX};
pub use note::{
    NOTE_BYTES_MAX, NoteError, SEED_BYTES, SIGNATURE_COUNT_MAX, Signer, Verifier, verified_text,
};
pub use proof::{PROOF_HASHES_MAX, Unproven, verify_consistency, verify_inclusion};
pub use tile::{TILE_BYTES, TILE_HASHES, Tile, TileName, TilePath, subtree};
pub use tree::{Node, OutOfRange, consistency_proof, inclusion_proof, root};
