//! What must not work: floods, squatting, races, and bytes that are no paper.

use idnode::model::firm::network;
use idnode::model::limits::{
    APPLICATIONS_PER_NETWORK_MAX, DOCUMENT_BYTES_MAX, DOCUMENTS_PER_FIRM_MAX, DRAFT_DAYS,
};
use idnode::model::{Prefix, SuffixCase};
use idnode::node::PrefixAction;

use super::*;

fn application(prefix: &str) -> Application {
    Application {
        facts: facts(CODE, prefix),
        people: people(),
    }
}

#[tokio::test]
async fn one_network_leaves_so_many_applications_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let apply = async |source: &str| {
        let applied = office
            .node
            .apply_firm(&from(source), application("88.118.7"))
            .await;
        applied.map(|(firm, _)| firm.id.clone())
    };
    let mut first = None;
    for at in 0..APPLICATIONS_PER_NETWORK_MAX {
        // One subscriber has many addresses of IPv6.
        let id = apply(&format!("2001:db8:1:2::{at:x}")).await.expect("room");
        first.get_or_insert(id);
    }
    assert_refused(
        apply("2001:db8:1:2:ffff::1").await,
        Reason::ApplicationsTooMany,
    );
    apply("2001:db8:1:3::1").await.expect("another network");
    apply("192.0.2.1").await.expect("another network");

    // What nobody hands in is forgotten, with the key of its owner and its people.
    wait_days(DRAFT_DAYS + 1);
    apply("2001:db8:1:2:ffff::1").await.expect("room again");
    let first = first.expect("an application");
    let row = format!("firm/{first}/people");
    let mut gone = 0;
    let directory = office.store.directory();
    if directory.find::<Firm>(first.as_str()).is_none() {
        assert_eq!(office.store.sealed(row.as_bytes()).expect("reads"), None);
        gone += 1;
    }
    let firms = directory.all::<Firm>().count();
    let owners = directory.all::<Principal>().count();
    drop(directory);
    assert_eq!(firms, owners, "no key outlives its application");
    assert!(
        firms < APPLICATIONS_PER_NETWORK_MAX,
        "{firms} left, first gone: {gone}"
    );
    office.close().await;
}

#[tokio::test]
async fn an_application_that_was_looked_at_counts_no_longer() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let source = from("192.0.2.1");
    for _ in 0..=APPLICATIONS_PER_NETWORK_MAX {
        let applied = office
            .node
            .apply_firm(&source, application("88.118.7"))
            .await;
        let (firm, key) = applied.expect("room");
        assert_eq!(firm.applied_from, source.source.map(network));
        let owner = office.owner(&firm.id, &key);
        office.attach(&owner, &firm.id).await.expect("attaches");
        office
            .step(&owner, &firm.id, StepKind::Submit)
            .await
            .expect("hands it in");
        office
            .step(&system(), &firm.id, StepKind::Reject)
            .await
            .expect("rejects");
    }
    office.close().await;
}

#[tokio::test]
async fn a_credit_code_stands_for_one_firm() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (first, _) = office.firm(facts(CODE, "88.118.7"), &TO_ACTIVE).await;
    // Anyone may claim to be the firm; nobody is told that it is here.
    let (second, _) = office
        .firm(facts(CODE, "88.118.8"), &[StepKind::Submit])
        .await;
    let refused = office.step(&system(), &second, StepKind::Verify).await;
    let refusal = assert_refused(refused, Reason::CreditCodeTaken);
    assert_eq!(refusal.shown_limit(), first.as_str());
    office
        .step(&security(), &first, StepKind::Retire)
        .await
        .expect("retires");
    office
        .step(&system(), &second, StepKind::Verify)
        .await
        .expect("free again");
    office.close().await;
}

#[tokio::test]
async fn a_prefix_is_given_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let approved = &TO_ACTIVE[..3];
    let (first, _) = office.firm(facts(CODE, "88.118.7"), approved).await;
    let (second, _) = office.firm(facts(OTHER_CODE, "88.118.7"), approved).await;
    office
        .step(&system(), &first, StepKind::Activate)
        .await
        .expect("activates");
    let refused = office.step(&system(), &second, StepKind::Activate).await;
    assert_refused(refused, Reason::PrefixExists);
    let applied = office
        .node
        .apply_firm(&Caller::ANONYMOUS, application("88.118.7"))
        .await;
    assert_refused(applied.map(|(firm, _)| firm), Reason::PrefixExists);
    // One that others use without a firm is not taken over either.
    let home = Change::Prefix {
        prefix: Prefix::parse("88.118.9").expect("a prefix"),
        action: PrefixAction::Create {
            firm: "某厂".into(),
            case: SuffixCase::Folded,
            quota: None,
            home: true,
        },
    };
    let write = Write {
        change: home,
        request_id: None,
    };
    office.node.execute(&system(), write).await.expect("homed");
    let activate = |prefix: &str| {
        let action = FirmAction::Activate {
            prefix: WantedPrefix::parse(prefix).ok(),
            quota: Some(5),
            note: String::new(),
            etag: None,
        };
        change(&second, action)
    };
    assert_refused(
        office.make(&system(), activate("88.118.9")).await,
        Reason::PrefixExists,
    );
    office
        .make(&system(), activate("88.118.8"))
        .await
        .expect("another one");
    let entry = office.node.prefix("88.118.8").expect("it is there");
    assert_eq!(
        (entry.quota, entry.holder.as_ref()),
        (Some(5), Some(&second))
    );
    office.close().await;
}

#[tokio::test]
async fn papers_are_bounded_and_what_they_seem() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, owner) = office.apply(facts(CODE, "88.118.7")).await;
    let attach = async |contents: &[u8]| {
        let change = office.attachment(&owner, &id, contents)?;
        office.make(&owner, change).await
    };
    for bad in [&b""[..], b"<html><script>", b"MZ\x90\0", b"PK\x03\x04"] {
        assert_refused(attach(bad).await, Reason::DocumentTypeInvalid);
    }
    let mut large = LICENCE.to_vec();
    large.resize(DOCUMENT_BYTES_MAX + 1, 0);
    assert_refused(attach(&large).await, Reason::DocumentTooLarge);
    large.pop();
    for _ in 0..4 {
        attach(&large).await.expect("room");
    }
    assert_refused(attach(LICENCE).await, Reason::DocumentTooLarge);
    for number in 1..=4 {
        let action = FirmAction::Detach { number, etag: None };
        office
            .make(&owner, change(&id, action))
            .await
            .expect("there");
    }
    for _ in 0..DOCUMENTS_PER_FIRM_MAX {
        attach(LICENCE).await.expect("room");
    }
    assert_refused(attach(LICENCE).await, Reason::DocumentsTooMany);
    let action = FirmAction::Detach {
        number: 1,
        etag: None,
    };
    assert_refused(
        office.make(&owner, change(&id, action)).await,
        Reason::DocumentNotFound,
    );
    office.close().await;
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_and_another_request_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, owner) = office.apply(facts(CODE, "88.118.7")).await;
    let attach = async |contents: &[u8]| {
        // Sealed anew each time, with another nonce.
        let change = office.attachment(&owner, &id, contents).expect("sealed");
        office.make_once(&owner, change, Some("a-1")).await
    };
    let first = attach(LICENCE).await.expect("attaches");
    let again = attach(LICENCE).await.expect("the first answer");
    assert_eq!((first.documents.len(), &first), (1, &again));
    assert_refused(attach(b"%PDF-other").await, Reason::RequestIdReused);

    let edit = |email: &str| {
        let mut people = people();
        people.contact.email = Email::parse(email).expect("an address");
        let edit = office
            .node
            .firm_edit(&owner, id.clone(), (None, Some(&people)), None);
        edit.expect("sealed")
    };
    office
        .make_once(&owner, edit("a@f7.example"), Some("e-1"))
        .await
        .expect("edits");
    office
        .make_once(&owner, edit("a@f7.example"), Some("e-1"))
        .await
        .expect("the first answer");
    let other = office
        .make_once(&owner, edit("b@f7.example"), Some("e-1"))
        .await;
    assert_refused(other, Reason::RequestIdReused);
    office.close().await;
}

#[tokio::test]
async fn etags_keep_two_editors_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (id, owner) = office.apply(facts(CODE, "88.118.7")).await;
    let seen = office
        .node
        .firm(&owner, &id)
        .expect("its own")
        .firm
        .revision;
    let edit = |prefix: &str| {
        let facts = Some(facts(CODE, prefix));
        let edit = office
            .node
            .firm_edit(&owner, id.clone(), (facts, None), Some(seen));
        edit.expect("an edit")
    };
    office.make(&owner, edit("88.118.8")).await.expect("first");
    assert_refused(
        office.make(&owner, edit("88.118.9")).await,
        Reason::StaleEtag,
    );
    let nothing = office
        .node
        .firm_edit(&owner, id.clone(), (None, None), None);
    assert_refused(nothing, Reason::FieldRequired);
    office.close().await;
}

#[tokio::test]
async fn a_firm_that_is_not_there_is_not_found_by_those_who_may() {
    let folder = tempfile::tempdir().expect("a folder");
    let office = Office::open(folder.path());
    let (_, stranger) = office.apply(facts(CODE, "88.118.7")).await;
    let absent = FirmId::parse("absent").expect("an id");
    let refused = office.step(&system(), &absent, StepKind::Verify).await;
    assert_refused(refused, Reason::FirmNotFound);
    // Who may not is told the same of a firm that is there and one that is not.
    for kind in [StepKind::Submit, StepKind::Reject, StepKind::Erase] {
        let refused = office.step(&stranger, &absent, kind).await;
        assert_refused(refused, Reason::PermissionDenied);
    }
    office.close().await;
}
