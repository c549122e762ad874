//! What the node proves over gRPC and HTTP, judged by the second implementation.

use std::net::SocketAddr;

use idnode::wire::proto::v1;
use tonic::Code;

use super::second::{self, Hash};
use crate::support::http::http;
use crate::support::{Clients, TestNode, reason, record, text};

const PREFIX: &str = "88.118.7";
/// Changes that a node makes of itself: the keys of its first principals.
const FIRST_KEYS: usize = 3;
/// More than one tile of leaves.
const RECORDS: usize = 300;

async fn filled() -> TestNode {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    for number in 0..RECORDS {
        let (identifier, url) = (format!("{PREFIX}/R.{number}"), "https://a.example/");
        clients.create(&identifier, url).await.expect("created");
    }
    node
}

/// The checkpoint of a node: note, key, size and root.
async fn checkpoint(clients: &Clients) -> (v1::Checkpoint, usize, Hash) {
    let mut audit = clients.audit();
    let answer = audit.get_checkpoint(v1::GetCheckpointRequest {});
    let checkpoint = answer.await.expect("signed").into_inner();
    let read = second::checkpoint(&checkpoint.note, &checkpoint.log_key);
    let (origin, size, root) = read.expect("signed with its key");
    assert!(checkpoint.log_key.starts_with(&format!("{origin}+")));
    (checkpoint, size, root)
}

/// The hashes of the leaves of the first `size` changes, from the tiles.
async fn leaves(address: SocketAddr, size: usize) -> Vec<Hash> {
    let mut leaves = Vec::new();
    while leaves.len() < size {
        let (tile, width) = (leaves.len() / 256, (size - leaves.len()).min(256));
        let partial = if width < 256 {
            format!(".p/{width}")
        } else {
            String::new()
        };
        let (head, body) = http(address, &format!("GET /tile/0/{tile:03}{partial}"), &[]).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.contains("application/octet-stream"), "{head}");
        assert!(head.contains("immutable"), "{head}");
        assert_eq!(body.len(), 32 * width);
        leaves.extend(body.chunks(32).map(|hash| Hash::try_from(hash).unwrap()));
    }
    leaves
}

fn hashes(found: &[Vec<u8>]) -> Vec<Hash> {
    found
        .iter()
        .map(|hash| Hash::try_from(hash.as_slice()).unwrap())
        .collect()
}

#[tokio::test]
async fn tiles_and_proofs_lead_to_the_signed_root() {
    let node = filled().await;
    let anonymous = node.anonymous();
    let (note, size, root) = checkpoint(&anonymous).await;
    assert_eq!(size, FIRST_KEYS + 1 + RECORDS);
    let (head, body) = http(node.http, "GET /checkpoint", &[]).await;
    assert!(
        head.contains("text/plain; charset=utf-8") && head.contains("no-store"),
        "{head}"
    );
    assert_eq!(body, note.note.as_bytes());
    let leaves = leaves(node.http, size).await;
    assert_eq!(second::root(&leaves), root);
    let (_, above) = http(node.http, "GET /tile/1/000.p/1", &[]).await;
    assert_eq!(above, second::root(&leaves[..256]));
    let mut audit = anonymous.audit();
    for index in [0, 1, 127, 255, 256, 257, size - 1] {
        let request = v1::GetInclusionProofRequest {
            position: i64::try_from(index + 1).unwrap(),
            size: i64::try_from(size).unwrap(),
        };
        let proof = audit
            .get_inclusion_proof(request)
            .await
            .expect("within")
            .into_inner();
        assert_eq!(proof.leaf_hash, leaves[index]);
        let found = hashes(&proof.hashes);
        assert_eq!(found, second::path(index, &leaves));
        assert_eq!(
            second::included(index, size, &leaves[index], &found),
            Some(root)
        );
    }
    for older in [1, 2, 3, 128, 255, 256, 257, size] {
        let request = v1::GetConsistencyProofRequest {
            older_size: i64::try_from(older).unwrap(),
            size: 0,
        };
        let proof = audit
            .get_consistency_proof(request)
            .await
            .expect("within")
            .into_inner();
        let found = hashes(&proof.hashes);
        assert_eq!(found, second::proof(older, &leaves));
        let old = second::root(&leaves[..older]);
        assert_eq!(
            second::consistent(older, size, &old, &found),
            Some((old, root))
        );
    }
}

#[tokio::test]
async fn refuses_proofs_of_what_is_not_there() {
    let node = TestNode::start().await;
    let clients = node.clients();
    let (_, size, _) = checkpoint(&clients).await;
    assert_eq!(size, FIRST_KEYS);
    let mut audit = clients.audit();
    for (position, size) in [(0, 1), (2, 1), (1, 4), (-1, 0), (1, -1), (4, 0)] {
        let request = v1::GetInclusionProofRequest { position, size };
        let refused = audit.get_inclusion_proof(request).await;
        let refused = refused.expect_err("not there");
        assert_eq!(
            refused.code(),
            Code::InvalidArgument,
            "{position} of {size}"
        );
    }
    for (older_size, size) in [(2, 1), (1, 4), (-1, 0)] {
        let request = v1::GetConsistencyProofRequest { older_size, size };
        let refused = audit.get_consistency_proof(request).await;
        let refused = refused.expect_err("not there");
        assert_eq!(
            refused.code(),
            Code::InvalidArgument,
            "{older_size} to {size}"
        );
    }
    for path in [
        "0/001",
        "0/000",
        "0/000.p/4",
        "1/000.p/1",
        "x",
        "entries/000",
        "0/../000",
    ] {
        let (head, _) = http(node.http, &format!("GET /tile/{path}"), &[]).await;
        assert!(head.starts_with("HTTP/1.1 404"), "{path}: {head}");
    }
    let (head, body) = http(node.http, "GET /tile/0/000.p/3", &[]).await;
    assert!(
        head.starts_with("HTTP/1.1 200") && body.len() == 96,
        "{head}"
    );
}

/// What a proof says of one record, judged by the second implementation: whether
/// the public form, the whole form, are those of the leaf.
async fn prove(clients: &Clients, identifier: &str) -> (v1::RecordProof, bool, bool) {
    let request = v1::ProveRecordRequest {
        identifier: identifier.to_owned(),
    };
    let proof = clients
        .audit()
        .prove_record(request)
        .await
        .expect("proven")
        .into_inner();
    let checkpoint = proof.checkpoint.clone().unwrap();
    let signed = second::checkpoint(&checkpoint.note, &checkpoint.log_key);
    let (_, size, root) = signed.expect("signed");
    let inclusion = proof.inclusion.clone().unwrap();
    let index = usize::try_from(inclusion.position - 1).unwrap();
    let leaf = second::leaf_hash(&proof.leaf);
    let found = hashes(&inclusion.hashes);
    assert_eq!(second::included(index, size, &leaf, &found), Some(root));
    // leaf = … public 32  private 32  chain 32
    let end = proof.leaf.len();
    let (public, private) = (
        &proof.leaf[end - 96..end - 64],
        &proof.leaf[end - 64..end - 32],
    );
    let is_public = second::sha256(&[&proof.public_form]) == public;
    let whole = second::sha256(&[&proof.whole_form]);
    let is_whole = second::sha256(&[&proof.salt, &whole]) == private;
    (proof, is_public, is_whole)
}

#[tokio::test]
async fn proves_a_record_to_whoever_may_read_it() {
    let node = TestNode::start().await;
    let (clients, anonymous) = (node.clients(), node.anonymous());
    clients.home_prefix(PREFIX).await;
    let mut hidden = text(2, "DESC", "a trade secret");
    hidden.permissions = Some(v1::Permissions {
        admin_read: true,
        admin_write: true,
        ..v1::Permissions::default()
    });
    let values = vec![text(1, "URL", "https://a.example/"), hidden.clone()];
    for (suffix, values) in [("MIXED", values), ("HIDDEN", vec![hidden])] {
        let request = v1::CreateRecordRequest {
            record: Some(record(&format!("{PREFIX}/{suffix}"), values)),
            ..v1::CreateRecordRequest::default()
        };
        clients
            .registry()
            .create_record(request)
            .await
            .expect("created");
    }
    clients
        .create(&format!("{PREFIX}/OPEN"), "https://b.example/")
        .await
        .expect("created");

    let (proof, is_public, is_whole) = prove(&anonymous, &format!("{PREFIX}/open")).await;
    assert!(is_public && !is_whole && proof.whole_form.is_empty());
    assert_eq!(proof.record.unwrap().values.len(), 1);

    let (proof, is_public, is_whole) = prove(&anonymous, &format!("{PREFIX}/MIXED")).await;
    assert!(is_public && !is_whole && proof.salt.is_empty());
    let form = String::from_utf8_lossy(&proof.public_form).into_owned();
    assert!(
        form.contains("https://a.example/") && !form.contains("secret"),
        "{form}"
    );
    let (proof, is_public, is_whole) = prove(&clients, &format!("{PREFIX}/MIXED")).await;
    assert!(is_public && is_whole);
    assert_eq!(proof.record.unwrap().values.len(), 2);

    let (proof, is_public, is_whole) = prove(&anonymous, &format!("{PREFIX}/HIDDEN")).await;
    assert!(!is_public && !is_whole && proof.public_form.is_empty());
    assert!(proof.record.unwrap().values.is_empty());
    let (_, _, is_whole) = prove(&clients, &format!("{PREFIX}/HIDDEN")).await;
    assert!(is_whole);

    let request = v1::ProveRecordRequest {
        identifier: format!("{PREFIX}/ABSENT"),
    };
    let refused = anonymous
        .audit()
        .prove_record(request)
        .await
        .expect_err("not there");
    assert_eq!(reason(&refused), "RECORD_NOT_FOUND");
}

#[tokio::test]
async fn the_tree_goes_on_where_it_was_after_a_restart() {
    let node = filled().await;
    let (before, size, root) = checkpoint(&node.anonymous()).await;
    let node = node.restart().await;
    let (after, _, _) = checkpoint(&node.anonymous()).await;
    assert_eq!(after, before);
    for number in 0..10 {
        let identifier = format!("{PREFIX}/S.{number}");
        node.clients()
            .create(&identifier, "https://a.example/")
            .await
            .expect("created");
    }
    let (_, grown_size, grown) = checkpoint(&node.anonymous()).await;
    let leaves = leaves(node.http, grown_size).await;
    assert_eq!(second::root(&leaves), grown);
    assert_eq!(second::root(&leaves[..size]), root);
}
