//! A firm's people and papers: sealed, shown to few, and gone when erased.

use std::fs;

use super::*;

/// Whether any file below `folder` holds `needle`.
fn holds(folder: &Path, needle: &[u8]) -> bool {
    fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return holds(&path, needle);
        }
        let bytes = fs::read(&path).expect("a file");
        bytes.windows(needle.len()).any(|window| window == needle)
    })
}

#[tokio::test]
async fn nothing_of_them_is_on_the_disk_in_the_clear() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (_, owner) = office.firm(facts(CODE, "88.118.7"), &[]).await;
    drop(owner);
    office.store.flush().expect("flushes");
    office
        .store
        .backup_create("all", Timestamp::default())
        .expect("a backup");
    office.close().await;
    // What is not personal is found: the search can find something.
    assert!(holds(folder.path(), "温州霁澜川电器有限公司".as_bytes()));
    for secret in [LEGAL_PERSON, PHONE, EMAIL, CITIZEN, "canary-5f1c"] {
        assert!(!holds(folder.path(), secret.as_bytes()), "{secret}");
    }
    let key = folder.path().join("personal-data-key");
    let digits = fs::read_to_string(&key).expect("the key");
    let digits = digits.lines().nth(1).expect("digits").to_owned();
    fs::remove_file(key).expect("removed");
    assert!(
        !holds(folder.path(), digits.as_bytes()),
        "no backup has the key"
    );
}

#[tokio::test]
async fn each_look_is_in_the_log_before_it_is_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, owner) = office.firm(facts(CODE, "88.118.7"), &TO_ACTIVE).await;
    let revision = office
        .node
        .firm(&owner, &id)
        .expect("its own")
        .firm
        .revision;
    for caller in [&owner, &system(), &security()] {
        let before = office.store.position();
        let read = office.node.firm_people(caller, &id).await.expect("it may");
        assert!(read == people());
        assert_eq!(office.store.position(), before + 1);
        let (document, contents) = office
            .node
            .firm_document(caller, &id, 1)
            .await
            .expect("it may");
        assert_eq!((document.number, &**contents), (1, LICENCE));
        assert_eq!(office.store.position(), before + 2);
    }
    let after = office
        .node
        .firm(&owner, &id)
        .expect("its own")
        .firm
        .revision;
    assert_eq!(revision, after, "looking changes nothing");
    let (_, stranger) = office.apply(facts(OTHER_CODE, "88.118.8")).await;
    for caller in [&Caller::ANONYMOUS, &stranger, &auditor()] {
        assert!(office.node.firm_people(caller, &id).await.is_err());
        assert!(office.node.firm_document(caller, &id, 1).await.is_err());
    }
    office.close().await;
}

#[tokio::test]
async fn what_is_erased_is_gone_from_the_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, owner) = office.firm(facts(CODE, "88.118.7"), &TO_ACTIVE).await;
    let names = ["key".to_owned(), "people".to_owned()].map(|what| format!("firm/{id}/{what}"));
    let kept = |office: &Office| {
        let sealed = |name: &String| office.store.sealed(name.as_bytes()).expect("reads");
        names.iter().filter(|name| sealed(name).is_some()).count()
    };
    assert_eq!(kept(&office), 2);
    let erased = office
        .step(&owner, &id, StepKind::Erase)
        .await
        .expect("its own");
    assert_eq!((kept(&office), erased.documents.len()), (0, 0));
    assert_refused(
        office.node.firm_people(&owner, &id).await,
        Reason::PersonalErased,
    );
    assert_refused(
        office.node.firm_document(&owner, &id, 1).await,
        Reason::DocumentNotFound,
    );
    assert_eq!(erased.state, FirmState::Active, "the firm goes on");

    // People can be told again, under a new key.
    let edit = office
        .node
        .firm_edit(&owner, id.clone(), (None, Some(&people())), None);
    office
        .make(&owner, edit.expect("sealed"))
        .await
        .expect("its own");
    assert_eq!(kept(&office), 2);
    assert!(
        office
            .node
            .firm_people(&owner, &id)
            .await
            .expect("told again")
            == people()
    );
    office.close().await;
}

#[tokio::test]
async fn what_is_erased_is_gone_from_the_files_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, owner) = office.firm(facts(CODE, "88.118.7"), &[]).await;
    let (other, _) = office.firm(facts(OTHER_CODE, "88.118.8"), &[]).await;
    let row = |id: &FirmId, what: &str| {
        let name = format!("firm/{id}/{what}");
        office
            .store
            .sealed(name.as_bytes())
            .expect("reads")
            .expect("kept")
    };
    let rows = [row(&id, "key"), row(&id, "people")];
    let others = row(&other, "key");
    office.store.flush().expect("flushes");
    for bytes in rows.iter().chain([&others]) {
        assert!(holds(folder.path(), bytes), "the search can find it");
    }
    office
        .step(&owner, &id, StepKind::Erase)
        .await
        .expect("its own");
    office.node.scrub_firm(&id).expect("scrubs");
    office.close().await;
    for bytes in &rows {
        assert!(!holds(folder.path(), bytes), "a file still holds it");
    }
    assert!(holds(folder.path(), &others));
}

#[tokio::test]
async fn what_was_sealed_before_an_erasure_does_not_come_in_after_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, owner) = office.firm(facts(CODE, "88.118.7"), &[]).await;
    let late = office.attachment(&owner, &id, LICENCE).expect("sealed");
    office
        .step(&owner, &id, StepKind::Erase)
        .await
        .expect("its own");
    assert_refused(office.make(&owner, late).await, Reason::StaleEtag);
    office
        .attach(&owner, &id)
        .await
        .expect("sealed under a new key");
    office.close().await;
}

#[tokio::test]
async fn another_nodes_key_opens_nothing_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, owner) = office.firm(facts(CODE, "88.118.7"), &[]).await;
    office.close().await;
    fs::remove_file(folder.path().join("personal-data-key")).expect("removed");
    let office = Office::open(folder.path());
    assert_refused(
        office.node.firm_people(&owner, &id).await,
        Reason::SealUnreadable,
    );
    assert_refused(office.attach(&owner, &id).await, Reason::SealUnreadable);
    // Erasing needs no key.
    office
        .step(&owner, &id, StepKind::Erase)
        .await
        .expect("its own");
    office.close().await;
}

#[tokio::test]
async fn refusals_and_debug_texts_tell_nothing_of_a_person() {
    let application = Application {
        facts: facts(CODE, "88.118.7"),
        people: people(),
    };
    let shown = format!("{application:?}");
    for secret in [LEGAL_PERSON, PHONE, EMAIL, CITIZEN] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
