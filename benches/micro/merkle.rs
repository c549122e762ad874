//! What a change costs in the tree: its leaf, and its share of the tiles.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use idnode::merkle::{
    Edge, Hash, Leaf, Node, OutOfRange, Signer, inclusion_proof, leaf_hash, node_hash, root,
    sha256, verify_inclusion,
};

/// Leaves pushed at once: two hundred complete tiles.
const LEAVES: u64 = 51_200;

fn sample() -> Leaf<'static> {
    Leaf {
        position: 1_000_000,
        time_millis: 1_800_000_000_000,
        action: 1,
        outcome: 0,
        subject: b"88.118.7/dz47-63-2p-c16-230v",
        public: [1; 32],
        private: [2; 32],
        chain: [3; 32],
    }
}

/// The hash of one leaf.
#[divan::bench]
fn leaf(bencher: Bencher<'_, '_>) {
    let leaf = sample();
    bencher.bench(|| black_box(&leaf).hash());
}

/// One link of the chain, over an entry of usual length.
#[divan::bench]
fn chain(bencher: Bencher<'_, '_>) {
    let entry = [7; 190];
    bencher.bench(|| sha256(&[&[2], &[3; 32], black_box(&entry)]));
}

/// Appending to the right edge, complete tiles included.
#[divan::bench]
fn push(bencher: Bencher<'_, '_>) {
    bencher
        .counter(ItemsCount::new(LEAVES))
        .with_inputs(Edge::default)
        .bench_local_values(|mut edge| {
            for index in 0..LEAVES {
                black_box(edge.push([1; 32]));
                black_box(index);
            }
            edge
        });
}

/// Signing a checkpoint.
#[divan::bench]
fn sign(bencher: Bencher<'_, '_>) {
    let signer = Signer::new("node.example/log", &[7; 32]).expect("a key");
    let text = "node.example/log\n1000000\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
    bencher.bench(|| signer.sign(black_box(text)).expect("a note"));
}

/// Verifying a proof in a tree of a million leaves, all of them alike.
#[divan::bench]
fn verify(bencher: Bencher<'_, '_>) {
    let size = 1 << 20;
    let leaf = leaf_hash(b"");
    let mut read = |node: Node| -> Result<Hash, OutOfRange> {
        Ok((0..node.height).fold(leaf, |hash, _| node_hash(&hash, &hash)))
    };
    let proof = inclusion_proof(77, size, &mut read).expect("within");
    let root = root(size, &mut read).expect("within");
    bencher.bench(|| verify_inclusion((77, black_box(&leaf)), (size, &root), black_box(&proof)));
}
