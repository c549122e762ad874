//! Streams and pages: import, export, resolution, lists.

use idnode::wire::proto::v1::{
    self, ExportRecordsRequest, ImportRecordsRequest, ImportRecordsResponse, ListRecordsRequest,
    ResolveStreamRequest, import_records_request,
};
use tonic::Code::{InvalidArgument, Unauthenticated};
use tonic::Status;

use super::{PREFIX, assert_refused, data, identifier, position};
use crate::support::{Clients, TestNode, record, text};

fn rows(range: std::ops::Range<usize>, url: &str) -> Vec<v1::Record> {
    let row = |number| {
        record(
            &identifier(format!("{number:06}")),
            vec![text(1, "URL", url)],
        )
    };
    range.map(row).collect()
}

fn message(records: Vec<v1::Record>) -> ImportRecordsRequest {
    ImportRecordsRequest {
        records,
        ..ImportRecordsRequest::default()
    }
}

async fn import(
    clients: &Clients,
    messages: Vec<ImportRecordsRequest>,
) -> Result<Vec<ImportRecordsResponse>, Status> {
    let stream = tokio_stream::iter(messages);
    let mut answers = clients
        .registry()
        .import_records(stream)
        .await?
        .into_inner();
    let mut all = Vec::new();
    while let Some(answer) = answers.message().await? {
        all.push(answer);
    }
    Ok(all)
}

async fn export(clients: &Clients, after: &str) -> Vec<v1::Record> {
    let request = ExportRecordsRequest {
        parent: format!("prefixes/{PREFIX}"),
        after: after.to_owned(),
    };
    let stream = clients.registry().export_records(request).await;
    let mut stream = stream.unwrap().into_inner();
    let mut all = Vec::new();
    while let Some(message) = stream.message().await.unwrap() {
        assert!((1..=1000).contains(&message.records.len()));
        all.extend(message.records);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_and_exports_the_same() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let chunks = (0..12).map(|chunk| message(rows(chunk * 500..(chunk + 1) * 500, "one")));
    let answers = import(&clients, chunks.collect()).await.unwrap();
    let covered: Vec<i64> = answers.iter().map(|answer| answer.covered_count).collect();
    let expected: Vec<i64> = (1..=12).map(|chunk| chunk * 500).collect();
    assert_eq!(covered, expected);
    let created: i64 = answers.iter().map(|answer| answer.created_count).sum();
    assert_eq!(created, 6000);
    let exported = export(&node.anonymous(), "").await;
    let names: Vec<&str> = exported.iter().map(|record| record.name.as_str()).collect();
    let sent = rows(0..6000, "one");
    let sent: Vec<&str> = sent.iter().map(|record| record.name.as_str()).collect();
    assert_eq!(names, sent);
    let rest = export(&clients, names[5989]).await;
    assert_eq!(rest.len(), 10);
    assert_eq!(rest[0].name, names[5990]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_rejects_bad_rows_and_goes_on() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let mut first = rows(0..3, "one");
    first[1].values[0].index = 0;
    let mut second = rows(2..5, "two");
    second[1].name = "not a name".into();
    let answers = import(&clients, vec![message(first), message(second)])
        .await
        .unwrap();
    let rejected: Vec<(i64, &str)> = answers
        .iter()
        .flat_map(|answer| &answer.rejections)
        .map(|rejection| {
            let error = rejection.error.as_ref().expect("an error");
            assert!(!error.message_zh.is_ascii());
            (rejection.position, error.reason.as_str())
        })
        .collect();
    let expected = [
        (1, "INDEX_ZERO"),
        (3, "RECORD_EXISTS"),
        (4, "FIELD_INVALID"),
    ];
    assert_eq!(rejected, expected);
    assert_eq!((answers[0].created_count, answers[1].created_count), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_knows_what_is_being_written() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    // Each message has half of the one before it once more.
    let messages = (0..20).map(|number| message(rows(number * 400..number * 400 + 800, "one")));
    let answers = import(&clients, messages.collect()).await.unwrap();
    let created: Vec<i64> = answers.iter().map(|answer| answer.created_count).collect();
    let expected = [800].into_iter().chain([400; 19]).collect::<Vec<_>>();
    assert_eq!(created, expected);
    for answer in &answers[1..] {
        let rejected = &answer.rejections;
        assert_eq!(rejected.len(), 400);
        let is_known = |error: &v1::ItemError| error.reason == "RECORD_EXISTS";
        assert!(
            rejected
                .iter()
                .all(|one| one.error.as_ref().is_some_and(is_known))
        );
    }
    let request = v1::GetPrefixRequest {
        name: format!("prefixes/{PREFIX}"),
    };
    let prefix = clients.registry().get_prefix(request).await.unwrap();
    assert_eq!(prefix.into_inner().active_count, 8_400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_does_with_known_rows_as_its_first_message_says() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    import(&clients, vec![message(rows(0..4, "one"))])
        .await
        .unwrap();
    let with = |rule: import_records_request::OnConflict, url| ImportRecordsRequest {
        on_conflict: rule.into(),
        ..message(rows(0..4, url))
    };
    let skip = with(import_records_request::OnConflict::Skip, "two");
    let answers = import(&clients, vec![skip]).await.unwrap();
    assert_eq!(answers[0].skipped_count, 4);
    let trial = ImportRecordsRequest {
        validate_only: true,
        ..with(import_records_request::OnConflict::Update, "two")
    };
    let before = position(&clients).await;
    let answers = import(&clients, vec![trial]).await.unwrap();
    assert_eq!(answers[0].updated_count, 4);
    assert_eq!(position(&clients).await, before, "something changed");
    let same = with(import_records_request::OnConflict::Update, "one");
    let answers = import(&clients, vec![same]).await.unwrap();
    assert_eq!(answers[0].unchanged_count, 4);
    let update = with(import_records_request::OnConflict::Update, "two");
    let answers = import(&clients, vec![update]).await.unwrap();
    assert_eq!(answers[0].updated_count, 4);
    let seen = clients.resolve(&identifier("000003")).await.unwrap();
    assert_eq!(data(&seen, 1), "two");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_is_refused_as_a_whole() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let before = position(&clients).await;
    let refused = import(&node.anonymous(), vec![message(rows(0..1, "x"))]).await;
    assert_refused(refused, (Unauthenticated, "KEY_REQUIRED", ""));
    let refused = import(&clients, vec![message(Vec::new())]).await;
    assert_refused(refused, (InvalidArgument, "BATCH_EMPTY", "records"));
    let refused = import(&clients, vec![message(rows(0..2001, "x"))]).await;
    assert_refused(refused, (InvalidArgument, "BATCH_TOO_LARGE", "records"));
    // The first stands in the audit trail.
    crate::support::wait_until("an attempt, and no change", async || {
        position(&clients).await == before + 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    import(&clients, vec![message(rows(0..250, "x"))])
        .await
        .unwrap();
    let mut names = Vec::new();
    let mut token = String::new();
    let mut page_count = 0;
    loop {
        let request = ListRecordsRequest {
            parent: format!("prefixes/{PREFIX}"),
            page_token: token,
            ..ListRecordsRequest::default()
        };
        let page = clients.registry().list_records(request).await.unwrap();
        let page = page.into_inner();
        names.extend(page.records.into_iter().map(|record| record.name));
        page_count += 1;
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let expected = rows(0..250, "x").into_iter().map(|record| record.name);
    assert_eq!(names, expected.collect::<Vec<_>>());
    assert_eq!(page_count, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_records_ends_early() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let large = "x".repeat(60_000);
    for chunk in 0..4 {
        let records = rows(chunk * 25..(chunk + 1) * 25, &large);
        import(&clients, vec![message(records)]).await.unwrap();
    }
    let mut seen = 0;
    let mut token = String::new();
    loop {
        let request = ListRecordsRequest {
            parent: format!("prefixes/{PREFIX}"),
            page_size: 1000,
            page_token: token,
            ..ListRecordsRequest::default()
        };
        // A page above 4 MiB would fail here: clients take no more by default.
        let page = clients.registry().list_records(request).await.unwrap();
        let page = page.into_inner();
        assert!(page.records.len() < 100);
        seen += page.records.len();
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, 100);
    assert_eq!(export(&clients, "").await.len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_deleted_records_to_operators() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    import(&clients, vec![message(rows(0..3, "x"))])
        .await
        .unwrap();
    let delete = v1::DeleteRecordRequest {
        name: format!("records/{}", identifier("000001")),
        ..v1::DeleteRecordRequest::default()
    };
    clients.registry().delete_record(delete).await.unwrap();
    let request = || ListRecordsRequest {
        parent: format!("prefixes/{PREFIX}"),
        show_deleted: true,
        ..ListRecordsRequest::default()
    };
    let listed = clients.registry().list_records(request()).await.unwrap();
    let deleted: Vec<bool> = listed
        .get_ref()
        .records
        .iter()
        .map(|record| record.delete_time.is_some())
        .collect();
    assert_eq!(deleted, [false, true, false]);
    let refused = node.anonymous().registry().list_records(request()).await;
    assert_refused(refused, (Unauthenticated, "KEY_REQUIRED", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn resolves_as_identifiers_come_in() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    import(&clients, vec![message(rows(0..500, "x"))])
        .await
        .unwrap();
    let ask = |range: std::ops::Range<usize>| ResolveStreamRequest {
        identifiers: range
            .map(|number| identifier(format!("{number:06}")))
            .collect(),
        ..ResolveStreamRequest::default()
    };
    // Few are resolved at once, many on another thread: the order stays.
    let asked = [0..1, 1..200, 200..203, 203..500];
    let stream = tokio_stream::iter(asked.clone().map(ask));
    let answers = node.anonymous().resolution().resolve_stream(stream).await;
    let mut answers = answers.unwrap().into_inner();
    for range in asked {
        let answer = answers
            .message()
            .await
            .unwrap()
            .expect("an answer for each");
        let names: Vec<String> = answer
            .results
            .into_iter()
            .map(|result| match result.outcome {
                Some(v1::resolve_result::Outcome::Record(record)) => record.name,
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = rows(range, "x").into_iter().map(|record| record.name);
        assert_eq!(names, expected.collect::<Vec<_>>());
    }
    assert!(answers.message().await.unwrap().is_none());
}
