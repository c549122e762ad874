//! The life of a link, and how each step of it is refused.

use idnode::wire::proto::v1::link::{Behind, State, Visibility};
use idnode::wire::proto::v1::{self, import_records_request::OnConflict};
use prost_types::Timestamp;
use tonic::Code::{
    Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied,
};
use tonic::{Response, Status};

use super::{Town, id, link, name, name_by, read, seen_by, state, stating};
use crate::grpc::assert_refused;
use crate::support::Clients;

const PART: &str = "a/BOX contains b/PART";

async fn confirm(clients: &Clients, etag: &str) -> Result<v1::Link, Status> {
    let request = v1::ConfirmLinkRequest {
        name: Some(name_by(PART, "a")),
        etag: etag.into(),
        ..v1::ConfirmLinkRequest::default()
    };
    let link = clients.links().confirm_link(request).await;
    link.map(Response::into_inner)
}

async fn dispute(clients: &Clients, reason: &str) -> Result<v1::Link, Status> {
    let request = v1::DisputeLinkRequest {
        name: Some(name_by(PART, "a")),
        reason: reason.into(),
        ..v1::DisputeLinkRequest::default()
    };
    let link = clients.links().dispute_link(request).await;
    link.map(Response::into_inner)
}

async fn withdraw(clients: &Clients, reason: &str) -> Result<v1::Link, Status> {
    let request = v1::WithdrawLinkRequest {
        name: Some(name(PART)),
        reason: reason.into(),
        ..v1::WithdrawLinkRequest::default()
    };
    let link = clients.links().withdraw_link(request).await;
    link.map(Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn is_stated_confirmed_disputed_and_withdrawn() {
    let town = Town::new().await;
    let (a, b) = (town.of("a"), town.of("b"));
    let stated = v1::Link {
        quantity: Some(v1::LinkQuantity {
            amount: "12.50".into(),
            unit: "kg".into(),
        }),
        batch: "批 7".into(),
        valid_from: Some(Timestamp {
            seconds: 1_700_000_000,
            nanos: 0,
        }),
        evidence: vec!["https://a.example/7".into()],
        behind: Behind::Through.into(),
        ..link(PART)
    };
    let made = state(&a, stated.clone()).await.unwrap();
    assert_eq!(made.name, Some(name_by(PART, "a")));
    assert_eq!(made.state(), State::Stated);
    assert_eq!(
        (&made.quantity, &made.batch, &made.evidence),
        (&stated.quantity, &stated.batch, &stated.evidence)
    );
    assert_eq!(
        (made.valid_from, made.valid_until),
        (stated.valid_from, None)
    );
    assert_eq!(
        (made.visibility(), made.behind()),
        (Visibility::Public, Behind::Through)
    );
    assert!(made.create_time.is_some() && made.create_time == made.update_time);
    // What is read is what was answered; no owner named is the caller's firm.
    assert_eq!(read(&a, name(PART)).await.unwrap(), made);
    assert_eq!(
        read(&town.node.anonymous(), name_by(PART, "a"))
            .await
            .unwrap(),
        made
    );
    let nobodys = read(&town.node.anonymous(), name(PART)).await;
    assert_refused(nobodys, (NotFound, "LINK_NOT_FOUND", "name"));

    let confirmed = confirm(&b, &made.etag).await.unwrap();
    assert_eq!(confirmed.state(), State::Confirmed);
    assert_ne!(confirmed.etag, made.etag);
    // A change that changes nothing leaves it as it is.
    assert_eq!(confirm(&b, "").await.unwrap(), confirmed);
    let disputed = dispute(&b, "not ours").await.unwrap();
    assert_eq!(
        (disputed.state(), disputed.note.as_str()),
        (State::Disputed, "not ours")
    );
    let confirmed = confirm(&b, "").await.unwrap();
    assert_eq!(
        (confirmed.state(), confirmed.note.as_str()),
        (State::Confirmed, "")
    );
    let withdrawn = withdraw(&a, "a mistake").await.unwrap();
    assert_eq!(
        (withdrawn.state(), withdrawn.note.as_str()),
        (State::Withdrawn, "a mistake")
    );
    let late = confirm(&b, "").await;
    assert_refused(late, (FailedPrecondition, "LINK_STATE_CONFLICT", "name"));
    // It stays as history, and can be stated again.
    assert_eq!(read(&a, name(PART)).await.unwrap(), withdrawn);
    let again = state(&a, link(PART)).await.unwrap();
    assert_eq!((again.state(), again.note.as_str()), (State::Stated, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_of_other_facts_does_not_count() {
    let town = Town::new().await;
    let (a, b) = (town.of("a"), town.of("b"));
    let made = state(&a, link(PART)).await.unwrap();
    let exists = state(&a, link(PART)).await;
    assert_refused(exists, (AlreadyExists, "LINK_EXISTS", "name"));
    confirm(&b, "").await.unwrap();
    let restate = async |link: v1::Link, rule: OnConflict| {
        let request = v1::StateLinkRequest {
            on_conflict: rule.into(),
            ..stating(link)
        };
        a.links()
            .state_link(request)
            .await
            .map(Response::into_inner)
    };
    let skipped = restate(seen_by(PART, Visibility::Owner), OnConflict::Skip).await;
    assert_eq!(skipped.unwrap().visibility(), Visibility::Public);
    // Who sees it is the owner's affair; what it states is not.
    let hidden = restate(seen_by(PART, Visibility::Ends), OnConflict::Update).await;
    let hidden = hidden.unwrap();
    assert_eq!(
        (hidden.visibility(), hidden.state()),
        (Visibility::Ends, State::Confirmed)
    );
    let other = v1::Link {
        batch: "8".into(),
        ..seen_by(PART, Visibility::Ends)
    };
    let other = restate(other, OnConflict::Update).await.unwrap();
    assert_eq!((other.state(), other.batch.as_str()), (State::Stated, "8"));
    assert_eq!(other.create_time, made.create_time);
    let stale = v1::Link {
        etag: made.etag,
        ..link(PART)
    };
    let stale = restate(stale, OnConflict::Update).await;
    assert_refused(stale, (Aborted, "STALE_ETAG", "etag"));
    let missing = v1::Link {
        etag: other.etag,
        ..link("a/OTHER contains b/PART")
    };
    let missing = restate(missing, OnConflict::Update).await;
    assert_refused(missing, (NotFound, "LINK_NOT_FOUND", "name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_firm_at_both_ends_has_said_all() {
    let town = Town::new().await;
    let own = state(&town.of("a"), link("a/BOX contains a/PART")).await;
    assert_eq!(own.unwrap().state(), State::Confirmed);
    let request = v1::ConfirmLinkRequest {
        name: Some(name_by("a/BOX contains a/PART", "a")),
        ..v1::ConfirmLinkRequest::default()
    };
    let confirmed = town.of("a").links().confirm_link(request).await;
    assert_refused(confirmed, (PermissionDenied, "PERMISSION_DENIED", "name"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_is_for_the_ends_and_tells_that_there_is_more() {
    let town = Town::new().await;
    let bare = v1::Link {
        name: Some(name(PART)),
        ..v1::Link::default()
    };
    let made = state(&town.of("a"), bare).await.unwrap();
    assert_eq!(
        (made.visibility(), made.behind()),
        (Visibility::Ends, Behind::More)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_state_for_the_firm_at_an_end_or_for_nobody() {
    let town = Town::new().await;
    let system = town.node.clients();
    system.home_prefix("88.118.70").await;
    let made = state(&system, link("b/X made_from c/Y")).await.unwrap();
    assert_eq!(made.name.unwrap().owner, "firms/b");
    let mut by_c = link("b/X made_from c/Y");
    by_c.name = Some(name_by("b/X made_from c/Y", "c"));
    let made = state(&system, by_c.clone()).await.unwrap();
    assert_eq!(made.name.unwrap().owner, "firms/c");
    by_c.name = Some(name_by("b/X made_from c/Y", "a"));
    let no_end = state(&system, by_c).await;
    assert_refused(no_end, (InvalidArgument, "FIELD_INVALID", "owner"));
    let nobodys = state(&system, link("88.118.70/X made_from 88.200.1/Y")).await;
    assert_eq!(nobodys.unwrap().name.unwrap().owner, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn says_which_field_is_wrong() {
    let town = Town::new().await;
    let a = town.of("a");
    let check = async |change: fn(&mut v1::Link), reason: &str, field: &str| {
        let mut link = link(PART);
        change(&mut link);
        let refused = state(&a, link).await;
        assert_refused(refused, (InvalidArgument, reason, field));
    };
    let renamed = |link: &mut v1::Link, change: fn(&mut v1::LinkName)| {
        change(link.name.as_mut().unwrap());
    };
    check(|link| link.name = None, "FIELD_REQUIRED", "link.name").await;
    check(
        |link| link.name.as_mut().unwrap().source = "x".into(),
        "IDENTIFIER_SYNTAX",
        "link.name.source",
    )
    .await;
    check(
        |link| link.name.as_mut().unwrap().target.clear(),
        "IDENTIFIER_EMPTY",
        "link.name.target",
    )
    .await;
    check(
        |link| link.name.as_mut().unwrap().kind = "Contains".into(),
        "FIELD_INVALID",
        "link.name.kind",
    )
    .await;
    check(
        |link| link.name.as_mut().unwrap().owner = "a".into(),
        "FIELD_INVALID",
        "link.name.owner",
    )
    .await;
    let amount = |link: &mut v1::Link| {
        link.quantity = Some(v1::LinkQuantity {
            amount: "0".into(),
            unit: String::new(),
        });
    };
    check(amount, "FIELD_INVALID", "link.quantity.amount").await;
    let early = |link: &mut v1::Link| {
        link.valid_from = Some(Timestamp {
            seconds: -1,
            nanos: 0,
        });
    };
    check(early, "FIELD_INVALID", "link.valid_from").await;
    let backwards = |link: &mut v1::Link| {
        link.valid_from = Some(Timestamp {
            seconds: 7,
            nanos: 0,
        });
        link.valid_until = link.valid_from;
    };
    check(backwards, "FIELD_INVALID", "link.valid_until").await;
    let evidence = |link: &mut v1::Link| link.evidence = vec!["x".into(); 17];
    check(evidence, "FIELD_INVALID", "link.evidence").await;
    let batch = |link: &mut v1::Link| link.batch = "x".repeat(101);
    check(batch, "FIELD_INVALID", "link.batch").await;
    check(
        |link| link.visibility = 9,
        "FIELD_INVALID",
        "link.visibility",
    )
    .await;
    check(|link| link.behind = 9, "FIELD_INVALID", "link.behind").await;
    check(|link| link.etag = "x".into(), "ETAG_INVALID", "link.etag").await;
    let nobody = |link: &mut v1::Link| link.set_visibility(Visibility::Readers);
    check(nobody, "FIELD_REQUIRED", "link.readers").await;
    let both = |link: &mut v1::Link| link.readers = Some(v1::Readers::default());
    check(both, "FIELD_INVALID", "link.readers").await;
    let mut itself = link(PART);
    renamed(&mut itself, |name| name.target = id("a/box"));
    let itself = state(&a, itself).await;
    assert_refused(itself, (InvalidArgument, "LINK_TO_ITSELF", "target"));
    let no_link = a.links().state_link(v1::StateLinkRequest::default()).await;
    assert_refused(no_link, (InvalidArgument, "FIELD_REQUIRED", "link"));
    state(&a, link(PART)).await.unwrap();
    let reason = dispute(&town.of("b"), " ").await;
    assert_refused(reason, (InvalidArgument, "FIELD_INVALID", "reason"));
    let long = withdraw(&a, &"x".repeat(501)).await;
    assert_refused(long, (InvalidArgument, "FIELD_INVALID", "reason"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_firms_at_its_ends_have_a_say() {
    let town = Town::new().await;
    let (a, b, c) = (town.of("a"), town.of("b"), town.of("c"));
    let stated = state(&c, link(PART)).await;
    assert_refused(stated, (PermissionDenied, "PERMISSION_DENIED", "name"));
    let stated = state(&town.reader_of("a"), link(PART)).await;
    assert_refused(stated, (PermissionDenied, "PERMISSION_DENIED", ""));
    let mut for_b = link(PART);
    for_b.name = Some(name_by(PART, "b"));
    let for_b = state(&a, for_b).await;
    assert_refused(for_b, (InvalidArgument, "FIELD_INVALID", "owner"));
    state(&a, link(PART)).await.unwrap();
    let own = confirm(&a, "").await;
    assert_refused(own, (PermissionDenied, "PERMISSION_DENIED", "name"));
    let others = confirm(&c, "").await;
    assert_refused(others, (PermissionDenied, "PERMISSION_DENIED", "name"));
    // What the other side says is a link of its own.
    let none = withdraw(&b, "").await;
    assert_refused(none, (NotFound, "LINK_NOT_FOUND", "name"));
    let theirs = state(&b, link(PART)).await.unwrap();
    assert_eq!(theirs.name, Some(name_by(PART, "b")));
    withdraw(&b, "").await.unwrap();
    assert_eq!(read(&a, name(PART)).await.unwrap().state(), State::Stated);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_gets_the_first_answer_and_a_trial_changes_nothing() {
    let town = Town::new().await;
    let a = town.of("a");
    let request = |link: v1::Link, id: &str, validate_only: bool| v1::StateLinkRequest {
        request_id: id.into(),
        validate_only,
        ..stating(link)
    };
    let send = async |request| {
        a.links()
            .state_link(request)
            .await
            .map(Response::into_inner)
    };
    let tried = send(request(link(PART), "", true)).await.unwrap();
    assert_eq!(tried.state(), State::Stated);
    let missing = read(&a, name(PART)).await;
    assert_refused(missing, (NotFound, "LINK_NOT_FOUND", "name"));
    let first = send(request(link(PART), "r-1", false)).await.unwrap();
    withdraw(&a, "").await.unwrap();
    let retried = send(request(link(PART), "r-1", false)).await.unwrap();
    assert_eq!(retried, first);
    assert_eq!(
        read(&a, name(PART)).await.unwrap().state(),
        State::Withdrawn
    );
    let other = send(request(link("a/OTHER contains b/PART"), "r-1", false)).await;
    assert_refused(
        other,
        (FailedPrecondition, "REQUEST_ID_REUSED", "request_id"),
    );
    let bad = send(request(link(PART), "a b", false)).await;
    assert_refused(bad, (InvalidArgument, "REQUEST_ID_INVALID", "request_id"));
}
