//! Entries that are older than the retention fall; what they prove stays.

use std::sync::atomic::{AtomicU64, Ordering};

use idnode::cli::audit::{ExportWriter, Witness, verify_export};
use idnode::merkle::{Leaf, leaf_hash, verify_inclusion};
use idnode::model::{Caller, Identifier, Timestamp};
use idnode::node::AuditPart;
use idnode::registry::audit::Action;
use idnode::wire::proto::v1;
use idnode::wire::proto::v1::export_audit_entries_response::Part;

use super::bare::{BEGINNING, Bare, PREFIX, administrator, auditor, create, delete};
use crate::support::wait_until;

const DAY_MILLIS: u64 = 86_400_000;
static NOW: AtomicU64 = AtomicU64::new(BEGINNING);

fn now() -> Timestamp {
    Timestamp::from_millis(NOW.load(Ordering::Relaxed))
}

fn prune(bare: &Bare) -> u64 {
    let mut total = 0;
    loop {
        match bare.node.prune_audit(180).expect("pruned") {
            0 => return total,
            count => total += count,
        }
    }
}

/// Whether a record is proven to anybody.
fn is_proven(bare: &Bare, identifier: &str) -> bool {
    let identifier = Identifier::parse(identifier).expect("identifier");
    let proven = bare
        .node
        .prove_record(&Caller::ANONYMOUS, &identifier)
        .expect("proven");
    let leaf = Leaf::decode(&proven.leaf).expect("a leaf");
    let mut tree = bare.store.tree();
    let root = tree.root(proven.checkpoint.size).expect("within");
    let index = leaf.position - 1;
    let hash = leaf_hash(&proven.leaf);
    let tree = (proven.checkpoint.size, &root);
    verify_inclusion((index, &hash), tree, &proven.inclusion.hashes).is_ok()
        && leaf.public == idnode::merkle::sha256(&[&proven.public_form])
}

#[tokio::test]
async fn old_entries_fall_and_their_records_stay_proven() {
    let folder = tempfile::tempdir().unwrap();
    let bare = Bare::open_at(folder.path(), now);
    bare.fill(600).await;
    let gone = delete(&format!("{PREFIX}/N.5"));
    bare.write(&administrator(), gone).await.expect("deleted");
    NOW.store(BEGINNING + 179 * DAY_MILLIS, Ordering::Relaxed);
    bare.add(600, 900).await;
    assert_eq!(prune(&bare), 0, "nothing is older than 180 days");
    let before = bare.store.check_trail().expect("sound");
    NOW.store(BEGINNING + 181 * DAY_MILLIS, Ordering::Relaxed);
    // Whole tiles alone; the third has newer entries.
    assert_eq!(prune(&bare), 512);
    assert_eq!(prune(&bare), 0);
    let last = || bare.entries().pop().expect("one");
    wait_until("that they fell is told", async || last().0 > before.size).await;
    let (_, told) = last();
    assert_eq!(&*told.subject, b"entries 1-512");
    assert_eq!(Action::from_number(told.action), Some(Action::PruneAudit));
    let after = bare.store.check_trail().expect("sound");
    let root = bare.store.tree().root(before.size).expect("within");
    assert_eq!((after.size, root), (before.size + 1, before.root));
    assert_eq!(after.entry_count, before.entry_count - 512 + 1);
    assert_eq!(
        bare.entries().first().map(|(position, _)| *position),
        Some(513)
    );
    assert!(is_proven(&bare, &format!("{PREFIX}/N.7")));
    assert!(is_proven(&bare, &format!("{PREFIX}/N.899")));
    // What stays of an entry names nobody.
    let provable = bare.store.provable(9).expect("it stays");
    assert!(!String::from_utf8_lossy(&provable.leaf.octets).contains("test"));
    assert!(bare.store.provable(7).is_err(), "its record is deleted");
    let consistent = bare.node.consistency(100, None);
    assert!(consistent.is_ok(), "the tree is whole");
    bare.close().await;

    let bare = Bare::open_at(folder.path(), now);
    assert_eq!(bare.store.check_trail().expect("sound"), after);
    bare.write(&administrator(), create(&format!("{PREFIX}/LATER"), "x"))
        .await
        .expect("created");
    assert_eq!(bare.store.check_counts().expect("reads"), None);
    let mut export = Vec::new();
    let mut writer = ExportWriter::new(&mut export);
    let mut take = |part| {
        let part = match part {
            AuditPart::Start(log_key, trail) => {
                Part::Start(v1::AuditExportStart { log_key, trail })
            }
            AuditPart::Entries(entries) => Part::Entries(v1::AuditExportEntries { entries }),
            AuditPart::Checkpoint(signed) => Part::Checkpoint(signed.note.to_string()),
        };
        writer.take(part).expect("sound");
        std::ops::ControlFlow::Continue(())
    };
    bare.node
        .export_audit(&auditor(), &mut take)
        .expect("an auditor");
    let report = verify_export(&export[..], &Witness::default()).expect("sound");
    assert_eq!(
        (report.size, report.entry_count),
        (after.size + 1, after.entry_count + 1)
    );
    bare.close().await;
}

#[tokio::test]
async fn nothing_falls_without_a_retention() {
    let folder = tempfile::tempdir().unwrap();
    let bare = Bare::open(folder.path());
    bare.fill(600).await;
    assert_eq!(bare.node.prune_audit(0), Ok(0));
    bare.close().await;
}
