//! A store whose entries are those of the first release: it is given its tiles, and
//! goes on from there.

use std::path::Path;

use idnode::model::{Caller, Identifier, Reason};
use idnode::store::codec_types::AuditEntry;

use super::bare::{Bare, PREFIX, administrator, create, delete};
use super::second;

/// The entry as the first release wrote it.
fn bare_form(entry: &AuditEntry) -> Vec<u8> {
    let mut out = vec![1];
    number(&mut out, entry.time.millis());
    bytes(&mut out, entry.actor.as_bytes());
    out.push(entry.action);
    bytes(&mut out, &entry.subject);
    bytes(&mut out, entry.request_id.as_bytes());
    out.push(u8::from(entry.before.is_some()) | u8::from(entry.after.is_some()) << 1);
    for digest in [entry.before, entry.after].into_iter().flatten() {
        out.extend_from_slice(&digest);
    }
    out
}

fn number(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap());
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, u64::try_from(bytes.len()).unwrap());
    out.extend_from_slice(bytes);
}

/// Makes the store below `folder` one of the first release.
fn age(folder: &Path, entries: &[(u64, AuditEntry)]) {
    let (options, path) = (rocksdb::Options::default(), folder.join("db"));
    let names = rocksdb::DB::list_cf(&options, &path).expect("a database");
    let mut db = rocksdb::DB::open_cf(&options, &path, names).expect("opens");
    let audit = db.cf_handle("audit").expect("a column");
    for (position, entry) in entries {
        let form = bare_form(entry);
        db.put_cf(audit, position.to_be_bytes(), form)
            .expect("written");
    }
    for column in ["tiles", "directory", "sealed"] {
        db.drop_cf(column).expect("dropped");
    }
}

#[tokio::test]
async fn a_store_of_the_first_release_is_given_its_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let bare = Bare::open(folder.path());
    bare.fill(300).await;
    let gone = delete(&format!("{PREFIX}/N.5"));
    bare.write(&administrator(), gone).await.expect("deleted");
    let entries = bare.entries();
    bare.close().await;
    age(folder.path(), &entries);

    let bare = Bare::open(folder.path());
    assert_eq!(bare.store.check_counts().expect("reads"), None);
    let aged = bare.store.check_trail().expect("sound");
    assert_eq!((aged.size, aged.entry_count), (302, 302));
    // The root by the second implementation, from the entries alone.
    let mut chain = [0; 32];
    let leaves: Vec<_> = entries
        .iter()
        .map(|(position, entry)| {
            chain = second::sha256(&[&[2], &chain, &bare_form(entry)]);
            let private = entry.after.map(|after| second::sha256(&[&[0; 16], &after]));
            let length = u16::try_from(entry.subject.len()).unwrap();
            second::leaf_hash(
                &[
                    &[1][..],
                    &position.to_be_bytes(),
                    &entry.time.millis().to_be_bytes(),
                    &[entry.action, 0],
                    &length.to_be_bytes(),
                    &entry.subject,
                    &[0; 32],
                    &private.unwrap_or_default(),
                    &chain,
                ]
                .concat(),
            )
        })
        .collect();
    assert_eq!(aged.root, second::root(&leaves));
    // What was made before has no proof; what is made from now on has.
    let prove = |suffix: &str| {
        let identifier = Identifier::parse(&format!("{PREFIX}/{suffix}")).expect("identifier");
        bare.node.prove_record(&Caller::ANONYMOUS, &identifier)
    };
    let refused = prove("N.7").expect_err("no proof");
    assert_eq!(refused.reason(), Reason::RecordUnprovable);
    bare.write(&administrator(), create(&format!("{PREFIX}/NEW"), "x"))
        .await
        .expect("created");
    assert!(!prove("NEW").expect("proven").public_form.is_empty());
    bare.close().await;

    let bare = Bare::open(folder.path());
    let report = bare.store.check_trail().expect("sound");
    assert_eq!(report.size, 303);
    assert_eq!(bare.store.tree().root(302).expect("within"), aged.root);
    bare.add(300, 900).await;
    bare.close().await;
    let bare = Bare::open(folder.path());
    assert_eq!(bare.store.tree().root(302).expect("within"), aged.root);
    bare.close().await;
}
