//! Changes: conditions, retries, trials, batches; and who sees what of them.

use idnode::wire::proto::v1::{self, batch_write_request, batch_write_response};
use tonic::Code::{self, FailedPrecondition};

use super::{PREFIX, assert_refused, create, data, identifier, position, private};
use crate::support::{TestNode, reason, record, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_gets_the_first_answer() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let request = |url: &str| v1::CreateRecordRequest {
        request_id: "order-17".into(),
        ..create(record(&identifier("a"), vec![text(1, "URL", url)]))
    };
    let first = clients
        .registry()
        .create_record(request("x"))
        .await
        .unwrap();
    let before = position(&clients).await;
    let again = clients
        .registry()
        .create_record(request("x"))
        .await
        .unwrap();
    assert_eq!(first.into_inner(), again.into_inner());
    let other = clients.registry().create_record(request("y")).await;
    assert_refused(
        other,
        (FailedPrecondition, "REQUEST_ID_REUSED", "request_id"),
    );
    assert_eq!(position(&clients).await, before, "something changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_etag_makes_a_change_conditional() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let id = identifier("a");
    let first = clients.create(&id, "one").await.unwrap();
    let update = |etag: &str, url: &str| v1::UpdateRecordRequest {
        record: Some(v1::Record {
            etag: etag.into(),
            ..record(&id, vec![text(1, "URL", url)])
        }),
        ..v1::UpdateRecordRequest::default()
    };
    let second = clients
        .registry()
        .update_record(update(&first.etag, "two"))
        .await;
    let second = second.unwrap().into_inner();
    assert_ne!(second.etag, first.etag);
    assert_eq!(data(&second, 1), "two");
    let stale = clients
        .registry()
        .update_record(update(&first.etag, "three"))
        .await;
    let status = stale.expect_err("stale");
    assert_eq!(status.code(), Code::Aborted);
    assert!(status.message().contains(&second.etag), "{status:?}");
    assert_eq!(data(&clients.resolve(&id).await.unwrap(), 1), "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_added_modified_and_removed() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let id = identifier("a");
    let name = format!("records/{id}");
    clients.create(&id, "one").await.unwrap();
    let add = v1::AddValuesRequest {
        name: name.clone(),
        values: vec![text(2000, "name", "小型断路器")],
        ..v1::AddValuesRequest::default()
    };
    clients.registry().add_values(add.clone()).await.unwrap();
    let again = clients.registry().add_values(add).await;
    assert_eq!(again.expect_err("there").code(), Code::AlreadyExists);
    let modify = v1::ModifyValuesRequest {
        name: name.clone(),
        values: vec![text(1, "URL", "two")],
        ..v1::ModifyValuesRequest::default()
    };
    clients.registry().modify_values(modify).await.unwrap();
    let remove = v1::RemoveValuesRequest {
        name: name.clone(),
        indices: vec![2000],
        ..v1::RemoveValuesRequest::default()
    };
    clients
        .registry()
        .remove_values(remove.clone())
        .await
        .unwrap();
    let again = clients.registry().remove_values(remove).await;
    assert_eq!(again.expect_err("gone").code(), Code::NotFound);
    let resolved = clients.resolve(&id).await.unwrap();
    assert_eq!(
        (resolved.values.len(), data(&resolved, 1).as_str()),
        (1, "two")
    );
    assert!(
        resolved.dns_name.starts_with("a._id.7.118.88."),
        "{}",
        resolved.dns_name
    );

    let delete = v1::DeleteRecordRequest {
        name,
        ..v1::DeleteRecordRequest::default()
    };
    clients.registry().delete_record(delete).await.unwrap();
    let gone = clients.resolve(&id).await.expect_err("deleted");
    assert_eq!(gone.code(), Code::NotFound);
    let again = clients
        .create(&id, "x")
        .await
        .expect_err("not given out again");
    assert_eq!(reason(&again), "RECORD_DELETED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_changes_nothing() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let before = position(&clients).await;
    let trial = v1::CreateRecordRequest {
        validate_only: true,
        ..create(record(&identifier("a"), vec![text(1, "URL", "x")]))
    };
    let judged = clients.registry().create_record(trial).await.unwrap();
    assert_eq!(data(judged.get_ref(), 1), "x");
    let prefix = v1::CreatePrefixRequest {
        prefix: Some(v1::Prefix {
            name: "prefixes/88.118.8".into(),
            firm: "瓯江电器".into(),
            ..v1::Prefix::default()
        }),
        validate_only: true,
        ..v1::CreatePrefixRequest::default()
    };
    clients.registry().create_prefix(prefix).await.unwrap();
    assert_eq!(position(&clients).await, before, "something changed");
    let missing = clients.resolve(&identifier("a")).await;
    assert_eq!(missing.expect_err("missing").code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_item_of_a_batch_stands_for_itself() {
    use batch_write_request::item::Change;
    use batch_write_response::result::Outcome;
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let make = |suffix: &str, index| {
        let values = vec![text(index, "URL", "x")];
        Change::Create(create(record(&identifier(suffix), values)))
    };
    let changes = [
        Some(make("a", 1)),
        Some(make("b", 0)),
        None,
        Some(make("A", 1)),
        Some(make("c", 1)),
    ];
    let request = v1::BatchWriteRequest {
        items: changes
            .into_iter()
            .map(|change| batch_write_request::Item { change })
            .collect(),
        request_id: "batch-1".into(),
        validate_only: false,
    };
    let answer = clients
        .registry()
        .batch_write(request.clone())
        .await
        .unwrap();
    let results = &answer.get_ref().results;
    let reasons: Vec<&str> = results
        .iter()
        .map(|result| match &result.outcome {
            Some(Outcome::Record(_)) => "ok",
            Some(Outcome::Error(error)) => {
                assert!(!error.message_zh.is_ascii() && !error.message.is_empty());
                error.reason.as_str()
            }
            None => "none",
        })
        .collect();
    let expected = ["ok", "INDEX_ZERO", "FIELD_REQUIRED", "RECORD_EXISTS", "ok"];
    assert_eq!(reasons, expected);
    let before = position(&clients).await;
    let again = clients.registry().batch_write(request).await.unwrap();
    assert_eq!(again.get_ref().results[0], results[0]);
    assert_eq!(again.get_ref().results[4], results[4]);
    assert_eq!(
        position(&clients).await,
        before,
        "a retry changed something"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_identifier_of_a_batch_is_resolved_for_itself() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    for suffix in ["a", "c"] {
        clients.create(&identifier(suffix), "x").await.unwrap();
    }
    let all = ["a", "c", "none"].map(identifier);
    let request = v1::BatchResolveRequest {
        identifiers: all.iter().cycle().take(300).cloned().collect(),
        ..v1::BatchResolveRequest::default()
    };
    let resolved = node.anonymous().resolution().batch_resolve(request).await;
    let results = resolved.unwrap().into_inner().results;
    assert_eq!(results.len(), 300);
    for (position, result) in results.into_iter().enumerate() {
        match result.outcome.expect("an outcome") {
            v1::resolve_result::Outcome::Record(found) => {
                assert_eq!(found.name, format!("records/{}", all[position % 3]));
            }
            v1::resolve_result::Outcome::Error(error) => {
                assert_eq!(
                    (position % 3, error.reason.as_str()),
                    (2, "RECORD_NOT_FOUND")
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn never_shows_hidden_values_without_a_key() {
    const SECRET: &str = "canary-7f3a";
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let id = identifier("a");
    let hidden = private(text(2, "DESC", SECRET));
    let made = create(record(&id, vec![text(1, "URL", "x"), hidden]));
    let made = clients.registry().create_record(made).await.unwrap();
    assert_eq!(data(made.get_ref(), 2), SECRET);

    let anonymous = node.anonymous();
    let name = format!("records/{id}");
    let parent = format!("prefixes/{PREFIX}");
    let mut shown = format!("{:?}", anonymous.resolve(&id).await);
    let request = v1::GetRecordRequest { name };
    shown += &format!("{:?}", anonymous.registry().get_record(request).await);
    let request = v1::ResolveRequest {
        identifier: id.clone(),
        indices: vec![2],
        ..v1::ResolveRequest::default()
    };
    shown += &format!("{:?}", anonymous.resolution().resolve(request).await);
    let request = v1::BatchResolveRequest {
        identifiers: vec![id.clone()],
        ..v1::BatchResolveRequest::default()
    };
    shown += &format!("{:?}", anonymous.resolution().batch_resolve(request).await);
    let request = v1::ListRecordsRequest {
        parent: parent.clone(),
        ..v1::ListRecordsRequest::default()
    };
    shown += &format!("{:?}", anonymous.registry().list_records(request).await);
    let request = v1::ExportRecordsRequest {
        parent,
        ..v1::ExportRecordsRequest::default()
    };
    let export = anonymous.registry().export_records(request).await;
    let mut export = export.unwrap().into_inner();
    while let Some(message) = export.message().await.unwrap() {
        shown += &format!("{message:?}");
    }
    assert!(shown.matches("records/88.118.7/a").count() >= 5, "{shown}");
    assert!(!shown.contains(SECRET), "{shown}");
    let seen = clients.resolve(&id).await.unwrap();
    assert_eq!(data(&seen, 2), SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_are_made_behind_the_call() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let mut api = clients.node();
    let wait = |name: String| v1::WaitOperationRequest {
        name,
        timeout: None,
    };
    let make = || v1::CreateBackupRequest {
        backup_id: "first".into(),
    };
    let begun = api.create_backup(make()).await.unwrap().into_inner();
    let done = api
        .wait_operation(wait(begun.name))
        .await
        .unwrap()
        .into_inner();
    let Some(v1::operation::Result::Backup(backup)) = done.result else {
        panic!("{done:?}");
    };
    assert!(done.done && backup.name == "backups/first" && backup.file_count > 0);
    let begun = api.create_backup(make()).await.unwrap().into_inner();
    let done = api
        .wait_operation(wait(begun.name))
        .await
        .unwrap()
        .into_inner();
    let Some(v1::operation::Result::Error(error)) = done.result else {
        panic!("{done:?}");
    };
    assert_eq!(error.reason, "BACKUP_EXISTS");
    assert_eq!(error.code, i32::from(Code::AlreadyExists));
    let verify = v1::VerifyBackupRequest {
        name: backup.name.clone(),
    };
    let begun = api.verify_backup(verify).await.unwrap().into_inner();
    let done = api
        .wait_operation(wait(begun.name))
        .await
        .unwrap()
        .into_inner();
    assert!(
        matches!(done.result, Some(v1::operation::Result::Backup(_))),
        "{done:?}"
    );
    let listed = api.list_backups(v1::ListBackupsRequest {}).await.unwrap();
    assert_eq!(listed.into_inner().backups, [backup]);
    let listed = api.list_operations(v1::ListOperationsRequest {}).await;
    let operations = listed.unwrap().into_inner().operations;
    assert_eq!(operations.len(), 3);
    assert_eq!(operations[0].name, "operations/3");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_alone_resolves_to_its_record_and_types_without_case() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    clients.home_prefix("0.NA").await;
    let of_prefix = format!("0.NA/{PREFIX}");
    let values = vec![
        text(7, "DESC", "a firm"),
        text(8, "URL", "https://a.example"),
    ];
    let request = create(record(&of_prefix, values));
    clients.registry().create_record(request).await.unwrap();
    let request = v1::ResolveRequest {
        identifier: PREFIX.into(),
        types: vec!["desc".into()],
        ..v1::ResolveRequest::default()
    };
    let resolved = node.anonymous().resolution().resolve(request).await;
    let resolved = resolved.unwrap().into_inner().record.unwrap();
    assert_eq!(resolved.name, format!("records/{of_prefix}"));
    let types: Vec<_> = resolved.values.iter().map(|v| v.r#type.as_str()).collect();
    assert_eq!(types, ["DESC"]);
    let unknown = node.anonymous().resolve("88.118.9").await.unwrap_err();
    assert_eq!(reason(&unknown), "RECORD_NOT_FOUND");
}
