//! One bit of the audit trail, of its tiles or of an export is another: it is found
//! out, whichever it is.

use std::ops::ControlFlow;
use std::path::Path;

use idnode::cli::audit::{ExportWriter, Witness, verify_export};
use idnode::model::Caller;
use idnode::node::AuditPart;
use idnode::store::{self, Store, TrailReport};
use idnode::wire::proto::v1;
use idnode::wire::proto::v1::export_audit_entries_response::Part;

use super::bare::{Bare, PREFIX, auditor, config, create, delete};
use crate::support::{Chance, is_slow};

/// Bits that are flipped.
const FLIPS: usize = 1000;
/// Of these on the disk, unless the long rounds are asked for: each opens the store
/// twice.
const FLIPS_ON_DISK: usize = 40;

/// A store with more than two tiles of changes, refused attempts among them.
async fn filled(folder: &Path) -> Vec<u8> {
    let bare = Bare::open(folder);
    bare.fill(600).await;
    for number in 0..20 {
        let change = create(&format!("{PREFIX}/A.{number}"), "x");
        bare.write(&Caller::ANONYMOUS, change)
            .await
            .expect_err("no key");
    }
    let gone = delete(&format!("{PREFIX}/N.3"));
    bare.write(&super::bare::administrator(), gone)
        .await
        .expect("deleted");
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
        ControlFlow::Continue(())
    };
    bare.node
        .export_audit(&auditor(), &mut take)
        .expect("an auditor");
    assert!(writer.is_done());
    bare.close().await;
    export
}

fn check(folder: &Path) -> Result<TrailReport, store::Error> {
    Store::open(config(folder), store::Metrics::new())?.check_trail()
}

/// The database below `folder`, with nothing above it.
fn raw(folder: &Path) -> rocksdb::DB {
    let (options, path) = (rocksdb::Options::default(), folder.join("db"));
    let names = rocksdb::DB::list_cf(&options, &path).expect("a database");
    rocksdb::DB::open_cf(&options, &path, names).expect("opens")
}

#[tokio::test]
async fn any_bit_of_an_entry_or_a_tile() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()).await);
    let sound = check(folder.path()).expect("sound");
    assert_eq!((sound.size, sound.refused_count), (622, 20));
    let mut rows: Vec<(&str, Vec<u8>, Vec<u8>)> = Vec::new();
    let db = raw(folder.path());
    for column in ["audit", "tiles"] {
        let handle = db.cf_handle(column).expect("a column");
        let found = db.iterator_cf(handle, rocksdb::IteratorMode::Start);
        rows.extend(found.map(|row| {
            let (key, value) = row.expect("reads");
            (column, key.into(), value.into())
        }));
    }
    drop(db);
    assert_eq!(rows.len(), 622 + 2);
    let mut chance = Chance::new(8);
    let flips = if is_slow() { FLIPS } else { FLIPS_ON_DISK };
    let mut found_out = 0;
    for flip in 0..flips {
        // Every eighth in a tile: there are few of them.
        let at = if flip % 8 == 0 {
            622 + chance.index(2)
        } else {
            chance.index(622)
        };
        let (column, key, value) = &rows[at];
        let bit = chance.index(8 * value.len());
        let mut flipped = value.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        put(folder.path(), column, key, &flipped);
        match check(folder.path()) {
            Ok(_) => panic!("bit {bit} of {column} {key:?} is not found out"),
            Err(_) => found_out += 1,
        }
        put(folder.path(), column, key, value);
    }
    assert_eq!(check(folder.path()).expect("sound again"), sound);
    eprintln!("{found_out} of {flips} flipped bits on the disk found out");
}

fn put(folder: &Path, column: &str, key: &[u8], value: &[u8]) {
    let db = raw(folder);
    db.put_cf(db.cf_handle(column).expect("a column"), key, value)
        .expect("written");
}

#[tokio::test]
async fn a_missing_or_added_row() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()).await);
    for (column, key) in [
        ("audit", 5u64.to_be_bytes().to_vec()),
        ("audit", 300u64.to_be_bytes().to_vec()),
        ("audit", 622u64.to_be_bytes().to_vec()),
        ("tiles", [&[0u8][..], &1u64.to_be_bytes()].concat()),
    ] {
        let db = raw(folder.path());
        let handle = db.cf_handle(column).expect("a column");
        let value = db.get_cf(handle, &key).expect("reads").expect("there");
        db.delete_cf(handle, &key).expect("removed");
        drop(db);
        check(folder.path()).expect_err("a row is missing");
        put(folder.path(), column, &key, &value);
    }
    let beyond = 623u64.to_be_bytes();
    let db = raw(folder.path());
    let handle = db.cf_handle("audit").expect("a column");
    let copy = db
        .get_cf(handle, 622u64.to_be_bytes())
        .expect("reads")
        .expect("there");
    drop(db);
    put(folder.path(), "audit", &beyond, &copy);
    check(folder.path()).expect_err("a row too many");
}

/// Whoever rewrites an entry may rewrite the chain behind it; the records still tell.
#[tokio::test]
async fn a_record_that_is_not_as_its_entry_left_it() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()).await);
    let key = format!("{PREFIX}/n.7");
    let db = raw(folder.path());
    let handle = db.cf_handle("records").expect("a column");
    let value = db.get_cf(handle, &key).expect("reads").expect("there");
    drop(db);
    for bit in [8 * (value.len() - 1), 8 * value.len() - 1] {
        let mut flipped = value.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        put(folder.path(), "records", key.as_bytes(), &flipped);
        let error = check(folder.path()).expect_err("another record");
        assert!(error.to_string().contains("its subject"), "{error}");
    }
    put(folder.path(), "records", key.as_bytes(), &value);
    check(folder.path()).expect("sound again");
}

#[tokio::test]
async fn any_bit_of_an_export() {
    let folder = tempfile::tempdir().unwrap();
    let export = filled(folder.path()).await;
    let witness = Witness::default();
    let report = verify_export(&export[..], &witness).expect("sound");
    assert_eq!(
        (report.size, report.entry_count, report.refused_count),
        (622, 622, 20)
    );
    let mut chance = Chance::new(9);
    let mut found_out = 0;
    for _ in 0..FLIPS {
        let bit = chance.index(8 * export.len());
        let mut flipped = export.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match verify_export(&flipped[..], &witness) {
            Ok(_) => panic!("bit {bit} is not found out"),
            Err(_) => found_out += 1,
        }
    }
    eprintln!("{found_out} of {FLIPS} flipped bits of an export found out");
    for end in [0, 1, export.len() / 2, export.len() - 1] {
        verify_export(&export[..end], &witness).expect_err("it ends early");
    }
    let doubled = [&export[..], &export[..]].concat();
    verify_export(&doubled[..], &witness).expect_err("it goes on");
}
