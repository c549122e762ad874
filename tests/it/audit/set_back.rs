//! A log that is set back to an older backup, seen by whoever holds a checkpoint.

use std::path::Path;
use std::process::{Command, Output};

use idnode::merkle::{Checkpoint, verified_text, verify_consistency};

use super::bare::{Bare, PREFIX, administrator, create};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let (from, name) = entry
            .map(|entry| (entry.path(), entry.file_name()))
            .expect("an entry");
        if from.is_dir() {
            copy(&from, &to.join(name));
        } else {
            std::fs::copy(&from, to.join(name)).expect("copied");
        }
    }
}

fn read(bare: &Bare) -> (String, Checkpoint) {
    let signed = bare.node.checkpoint().expect("signed");
    let verifier = idnode::merkle::Verifier::parse(&signed.log_key).expect("a key");
    let text = verified_text(&signed.note, &verifier).expect("signed");
    let checkpoint = Checkpoint::parse(text).expect("a checkpoint");
    (signed.note.to_string(), checkpoint)
}

/// `idnode audit verify` of a backup's folder, with a checkpoint and the log's key.
fn verify(backup: &Path, checkpoint: &Path, log_key: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_idnode"))
        .args(["audit", "verify"])
        .arg(backup)
        .arg("--checkpoint")
        .arg(checkpoint)
        .args(["--log-key", log_key])
        .output()
        .expect("runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn the_holder_of_a_newer_checkpoint_finds_out() {
    let root = tempfile::tempdir().unwrap();
    let (data, old) = (root.path().join("data"), root.path().join("old"));
    let bare = Bare::open(&data);
    bare.fill(300).await;
    let now = bare.node.now();
    bare.store.backup_create("before", now).expect("made");
    bare.add(300, 400).await;
    let (note, held) = read(&bare);
    let log_key = bare.node.checkpoint().expect("signed").log_key;
    bare.store.backup_create("after", now).expect("made");
    bare.close().await;
    let checkpoint = root.path().join("log.checkpoint");
    std::fs::write(&checkpoint, &note).expect("written");
    let backups = data.join("backups");

    // Of the backups themselves, without a node.
    let sound = verify(&backups.join("after"), &checkpoint, &log_key);
    assert!(sound.status.success(), "{}", told(&sound));
    let set_back = verify(&backups.join("before"), &checkpoint, &log_key);
    assert_eq!(set_back.status.code(), Some(1));
    assert!(
        told(&set_back).contains("it was set back"),
        "{}",
        told(&set_back)
    );
    let foreign = idnode::merkle::Signer::new("node.example/log", &[8; 32]).expect("a key");
    let foreign = foreign.verifier().to_string();
    let unsigned = verify(&backups.join("after"), &checkpoint, &foreign);
    assert_eq!(unsigned.status.code(), Some(1));
    assert!(
        told(&unsigned).contains("not signed with this key"),
        "{}",
        told(&unsigned)
    );

    // Of a node that goes on from the older one: first it is shorter, later it is
    // another tree, however long it grows.
    copy(&backups.join("before").join("db"), &old.join("db"));
    let bare = Bare::open(&old);
    assert!(read(&bare).1.size < held.size);
    assert!(bare.node.consistency(held.size, None).is_err());
    for number in 0..150 {
        let change = create(&format!("{PREFIX}/OTHER.{number}"), "x");
        bare.write(&administrator(), change).await.expect("created");
    }
    let (_, grown) = read(&bare);
    assert!(grown.size > held.size);
    let proof = bare.node.consistency(held.size, None).expect("within");
    let judged = verify_consistency(
        (held.size, &held.root),
        (grown.size, &grown.root),
        &proof.hashes,
    );
    assert!(judged.is_err());
    bare.store
        .backup_create("forked", bare.node.now())
        .expect("made");
    bare.close().await;
    let forked = verify(&old.join("backups").join("forked"), &checkpoint, &log_key);
    assert_eq!(forked.status.code(), Some(1));
    assert!(
        told(&forked).contains("does not continue"),
        "{}",
        told(&forked)
    );
}
