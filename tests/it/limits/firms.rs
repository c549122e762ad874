//! Writes count for the firm of whoever writes, whichever way it takes, and for
//! nobody else.

use std::time::Duration;

use idnode::model::FirmRole;
use idnode::wire::handle::{Flags, OpCode, ResponseCode};
use idnode::wire::proto::v1::{self, batch_write_request};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{BURST, TOO_MANY};
use crate::handle::{self, admin, secret, values};
use crate::rights::world::{OTHER_PREFIX, PREFIX, fill, key_of};
use crate::support::handle::{HandleClient, Identity, Key, Reply};
use crate::support::{Clients, TestNode, reason, record, text, wait_until};

/// A node with firms "a" and "c", each of which may write so much.
async fn node(per_sec: u32, burst: u32) -> TestNode {
    let node = TestNode::start_with(|config| {
        config.limits.firm_writes_per_sec = per_sec;
        config.limits.firm_writes_burst = burst;
    })
    .await;
    node.seed_by(fill).await
}

fn member(node: &TestNode, firm: &str, role: FirmRole) -> Clients {
    node.clients_with(&key_of(firm, role))
}

fn created(prefix: &str, suffix: &str) -> v1::CreateRecordRequest {
    let values = vec![text(1, "URL", "https://a.example/")];
    v1::CreateRecordRequest {
        record: Some(record(&format!("{prefix}/{suffix}"), values)),
        ..v1::CreateRecordRequest::default()
    }
}

async fn create(clients: &Clients, prefix: &str, suffix: &str) -> Result<(), Status> {
    let request = created(prefix, suffix);
    clients.registry().create_record(request).await.map(drop)
}

/// Writes until a write is refused, and returns how many were made before.
async fn use_up(clients: &Clients, prefix: &str, stem: &str) -> (usize, Status) {
    for count in 0..TOO_MANY {
        if let Err(refusal) = create(clients, prefix, &format!("{stem}-{count}")).await {
            return (count, refusal);
        }
    }
    panic!("{TOO_MANY} writes were made");
}

#[tokio::test]
async fn a_firm_is_told_whose_writes_are_used_up_and_others_go_on() {
    let node = node(1, BURST).await;
    let owner = member(&node, "a", FirmRole::Owner);
    let (count, refusal) = use_up(&owner, PREFIX, "one").await;
    assert!(count >= 20, "{count}");
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    assert_eq!(reason(&refusal), "RATE_LIMITED");
    let details = refusal.get_error_details();
    let quota = details.quota_failure().expect("told which quota");
    assert_eq!(quota.violations[0].subject, "firms/a");
    let metadata = &details.error_info().expect("info").metadata;
    assert_eq!(metadata.get("left").map(String::as_str), Some("0"));
    assert!(details.retry_info().is_some(), "told when to come back");
    // A colleague has the same writes: one is earned in a second, not twenty.
    let registrar = member(&node, "a", FirmRole::Registrar);
    let (count, refusal) = use_up(&registrar, PREFIX, "two").await;
    assert!(count < 20, "{count}");
    assert_eq!(reason(&refusal), "RATE_LIMITED");
    owner.resolve(&format!("{PREFIX}/one-0")).await.unwrap();
    let other = member(&node, "c", FirmRole::Owner);
    create(&other, OTHER_PREFIX, "x").await.unwrap();
    for number in 0..TOO_MANY {
        let suffix = format!("operator-{number}");
        create(&node.clients(), PREFIX, &suffix).await.unwrap();
    }
}

/// Registers below [`PREFIX`] as `identity` until that is refused, and returns how
/// many were made before.
async fn use_up_by_handle(node: &TestNode, identity: &Identity, stem: &str) -> (usize, Reply) {
    let mut client = HandleClient::connect_as(node.handle, identity).await;
    for count in 0..TOO_MANY {
        let name = format!("{PREFIX}/{stem}-{count}");
        let body = [(1, "URL", &b"https://a.example/"[..])];
        let flags = Flags::RESOLUTION;
        let reply = client
            .ask(OpCode::CREATE_HANDLE, flags, values(&name, &body))
            .await;
        if reply.code() != ResponseCode::SUCCESS {
            return (count, reply);
        }
    }
    panic!("{TOO_MANY} identifiers were made");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_identity_of_a_firm_makes_counts_with_what_its_members_do() {
    let node = node(1, BURST).await;
    let identity = Identity {
        handle: format!("{PREFIX}/APP"),
        index: 300,
        key: Key::Secret(b"password".to_vec(), 0x13),
    };
    let clients = node.clients();
    handle::create(&clients, &identity.handle, vec![secret(300, b"password")]).await;
    let admins = vec![admin(100, 0x0fff, 300, &identity.handle)];
    handle::create(&clients, &format!("0.NA/{PREFIX}"), admins).await;
    let (count, reply) = use_up_by_handle(&node, &identity, "one").await;
    assert!(count >= 20, "{count}");
    assert_eq!(reply.code(), ResponseCode::SERVER_TOO_BUSY);
    assert_eq!(reply.header.op_code, OpCode::CREATE_HANDLE);
    let text = reply.text();
    let told = "\"firms/a\" may make 1 requests a second and has 0 left; try again in ";
    assert!(text.starts_with(told), "{text}");
    // A member has the same writes, and what is left of them its identities have: one
    // is earned in a second, not twenty.
    let owner = member(&node, "a", FirmRole::Owner);
    let (count, refusal) = use_up(&owner, PREFIX, "two").await;
    assert!(count < 20, "{count}");
    assert_eq!(reason(&refusal), "RATE_LIMITED");
    let (count, reply) = use_up_by_handle(&node, &identity, "three").await;
    assert!(count < 20, "{count}");
    assert_eq!(reply.code(), ResponseCode::SERVER_TOO_BUSY);
    // Others go on, whoever reads does, and so does the firm in time.
    let other = member(&node, "c", FirmRole::Owner);
    create(&other, OTHER_PREFIX, "x").await.unwrap();
    owner.resolve(&format!("{PREFIX}/one-0")).await.unwrap();
    let mut round = 0;
    wait_until("the firm may write again", async || {
        round += 1;
        let stem = format!("later-{round}");
        use_up_by_handle(&node, &identity, &stem).await.0 > 0
    })
    .await;
}

#[tokio::test]
async fn who_tries_below_the_prefix_of_another_spends_its_own() {
    let node = node(1, BURST).await;
    let stranger = member(&node, "c", FirmRole::Owner);
    for count in 0..TOO_MANY {
        let refusal = create(&stranger, PREFIX, "x")
            .await
            .expect_err("not its own");
        if reason(&refusal) == "RATE_LIMITED" {
            assert!(count >= 20, "{count}");
            let details = refusal.get_error_details();
            let quota = details.quota_failure().expect("told which quota");
            assert_eq!(quota.violations[0].subject, "firms/c");
            let owner = member(&node, "a", FirmRole::Owner);
            let (count, _) = use_up(&owner, PREFIX, "own").await;
            assert!(count >= 20, "{count}");
            return;
        }
    }
    panic!("{TOO_MANY} attempts were judged");
}

#[tokio::test]
async fn batches_and_changes_of_the_office_count_too() {
    let node = node(1, BURST).await;
    let owner = member(&node, "a", FirmRole::Owner);
    let batch = |stem: &str| v1::BatchWriteRequest {
        items: (0..BURST - 1)
            .map(|number| created(PREFIX, &format!("{stem}-{number}")))
            .map(|request| batch_write_request::Item {
                change: Some(batch_write_request::item::Change::Create(request)),
            })
            .collect(),
        ..v1::BatchWriteRequest::default()
    };
    owner.registry().batch_write(batch("one")).await.unwrap();
    let refusal = owner.registry().batch_write(batch("two")).await;
    assert_eq!(reason(&refusal.unwrap_err()), "RATE_LIMITED");
    for _ in 0..TOO_MANY {
        let group = v1::CreateGroupRequest {
            group: Some(v1::Group {
                owner: "firms/a".into(),
                display_name: "Buyers".into(),
                ..v1::Group::default()
            }),
            ..v1::CreateGroupRequest::default()
        };
        if let Err(refusal) = owner.sharing().create_group(group).await {
            assert_eq!(reason(&refusal), "RATE_LIMITED");
            return;
        }
    }
    panic!("{TOO_MANY} groups were made");
}

#[tokio::test]
async fn an_import_waits_until_it_may_go_on() {
    let node = node(100, 100).await;
    let owner = member(&node, "a", FirmRole::Owner);
    let messages = (0..3).map(|message| v1::ImportRecordsRequest {
        records: (0..100)
            .filter_map(|row| created(PREFIX, &format!("{message}-{row}")).record)
            .collect(),
        ..v1::ImportRecordsRequest::default()
    });
    let messages: Vec<_> = messages.collect();
    let began = tokio::time::Instant::now();
    let mut registry = owner.registry();
    let import = registry.import_records(tokio_stream::iter(messages)).await;
    let mut answers = import.unwrap().into_inner();
    while answers.message().await.unwrap().is_some() {}
    assert!(
        began.elapsed() >= Duration::from_millis(1900),
        "{:?}",
        began.elapsed()
    );
    owner.resolve(&format!("{PREFIX}/2-99")).await.unwrap();
}

#[tokio::test]
async fn a_full_prefix_has_nothing_left_and_names_no_time() {
    let node = TestNode::start().await;
    let clients = node.clients();
    let prefix = v1::Prefix {
        name: format!("prefixes/{PREFIX}"),
        firm: "A firm".into(),
        quota: Some(1),
        ..v1::Prefix::default()
    };
    let request = v1::CreatePrefixRequest {
        prefix: Some(prefix),
        home: true,
        ..v1::CreatePrefixRequest::default()
    };
    clients.registry().create_prefix(request).await.unwrap();
    create(&clients, PREFIX, "one").await.unwrap();
    let refusal = create(&clients, PREFIX, "two").await.unwrap_err();
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    assert_eq!(reason(&refusal), "QUOTA_EXCEEDED");
    let details = refusal.get_error_details();
    let quota = details.quota_failure().expect("told which quota");
    assert_eq!(quota.violations[0].subject, format!("prefixes/{PREFIX}"));
    let metadata = &details.error_info().expect("info").metadata;
    assert_eq!(metadata.get("left").map(String::as_str), Some("0"));
    assert_eq!(metadata.get("limit").map(String::as_str), Some("1"));
    assert!(details.retry_info().is_none(), "time alone frees none");
}
