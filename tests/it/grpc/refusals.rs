//! Bad input: each has its own reason, both languages, its code, and changes
//! nothing.

use idnode::wire::proto::v1;
use prost::Message;
use prost_types::FieldMask;
use tonic::Code::{
    Aborted, AlreadyExists, InvalidArgument, NotFound, PermissionDenied, ResourceExhausted,
    Unauthenticated,
};
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;

use super::{PREFIX, assert_refused, create, identifier, position};
use crate::support::{Clients, TestNode, record, text};

#[tokio::test(flavor = "multi_thread")]
async fn refuses_bad_names_and_values() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let before = position(&clients).await;
    let good = || vec![text(1, "URL", "https://example.com")];
    let id = identifier("a");
    let name = |name: &str| v1::Record {
        name: name.into(),
        values: good(),
        ..v1::Record::default()
    };
    let cases = [
        (name(""), "FIELD_REQUIRED", "record.name"),
        (name(&id), "FIELD_INVALID", "record.name"),
        (name("records/"), "IDENTIFIER_EMPTY", "record.name"),
        (
            record(&identifier("x".repeat(2048)), good()),
            "IDENTIFIER_TOO_LONG",
            "record.name",
        ),
        (
            record("88.118.7", good()),
            "IDENTIFIER_SYNTAX",
            "record.name",
        ),
        (record("88.118.7/", good()), "SUFFIX_EMPTY", "record.name"),
        (record("88..7/a", good()), "PREFIX_SYNTAX", "record.name"),
        (
            record("88.x.7/a", good()),
            "NATIONAL_PREFIX_SYNTAX",
            "record.name",
        ),
        (
            record(&id, vec![text(1, "a b", "")]),
            "TYPE_INVALID",
            "record.values[0].type",
        ),
        (
            record(&id, vec![text(1, "HS_X", "")]),
            "TYPE_UNKNOWN",
            "record.values[0].type",
        ),
    ];
    for (record, reason, field) in cases {
        let refused = clients.registry().create_record(create(record)).await;
        assert_refused(refused, (InvalidArgument, reason, field));
    }
    assert_eq!(position(&clients).await, before, "something changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_values_that_no_record_has() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let before = position(&clients).await;
    let id = identifier("a");
    let mut late = text(1, "URL", "");
    late.ttl = Some(v1::value::Ttl::TtlSeconds(u32::MAX));
    let long_value = "x".repeat(65_537);
    let many = (1..=2049).map(|index| text(index + 2000, "DESC", ""));
    let cases = [
        (vec![text(0, "URL", "")], "INDEX_ZERO"),
        (
            vec![text(1, "URL", ""), text(1, "DESC", "")],
            "INDEX_DUPLICATE",
        ),
        (vec![text(100, "URL", "")], "INDEX_RESERVED"),
        (vec![text(1, "URL", &long_value)], "VALUE_TOO_LONG"),
        (vec![late], "TTL_OUT_OF_RANGE"),
        (many.collect(), "VALUES_TOO_MANY"),
    ];
    for (values, reason) in cases {
        let refused = clients
            .registry()
            .create_record(create(record(&id, values)))
            .await;
        let status = refused.expect_err(reason);
        assert_eq!(crate::support::reason(&status), reason, "{status:?}");
        assert_eq!(status.code(), InvalidArgument);
    }
    assert_eq!(position(&clients).await, before, "something changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_what_the_state_forbids() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    clients.home_prefix("88.118.9").await;
    let id = identifier("a");
    clients.create(&id, "https://a.example").await.unwrap();
    clients.create("88.118.9/a", "x").await.unwrap();
    let suspend = v1::SuspendPrefixRequest {
        name: "prefixes/88.118.9".into(),
        reason: "audit".into(),
        ..v1::SuspendPrefixRequest::default()
    };
    clients.registry().suspend_prefix(suspend).await.unwrap();
    let before = position(&clients).await;

    let refuse = async |identifier: &str, code, reason| {
        let refused = clients.create(identifier, "x").await.expect_err(reason);
        let seen = (refused.code(), crate::support::reason(&refused));
        assert_eq!(seen, (code, reason.to_owned()), "{identifier}");
    };
    refuse("88.118.404/a", NotFound, "PREFIX_NOT_HOMED").await;
    refuse("88.118.9/b", PermissionDenied, "PREFIX_SUSPENDED").await;
    refuse(&id, AlreadyExists, "RECORD_EXISTS").await;

    let resolved = node.anonymous().resolve("88.118.9/a").await;
    assert_eq!(resolved.expect_err("suspended").code(), PermissionDenied);
    let resolved = node.anonymous().resolve(&identifier("none")).await;
    assert_eq!(resolved.expect_err("missing").code(), NotFound);

    let delete = |etag: &str| v1::DeleteRecordRequest {
        name: format!("records/{id}"),
        etag: etag.into(),
        ..v1::DeleteRecordRequest::default()
    };
    let stale = clients.registry().delete_record(delete("r0")).await;
    assert_refused(stale, (Aborted, "STALE_ETAG", "etag"));
    let bad = clients.registry().delete_record(delete("7")).await;
    assert_refused(bad, (InvalidArgument, "ETAG_INVALID", "etag"));
    // What was refused under the barred prefix stands in the audit trail.
    crate::support::wait_until("an attempt, and no change", async || {
        position(&clients).await == before + 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_callers_without_a_good_key() {
    let node = TestNode::start().await;
    node.clients().home_prefix(PREFIX).await;
    let before = position(&node.clients()).await;
    let wanted = || create(record(&identifier("a"), vec![text(1, "URL", "x")]));
    let refused = node.anonymous().registry().create_record(wanted()).await;
    assert_refused(refused, (Unauthenticated, "KEY_REQUIRED", ""));
    for bad in ["nonsense", "idnode_0000_0000"] {
        let stranger = Clients::new(&node.http.to_string(), Some(bad));
        let refused = stranger.registry().create_record(wanted()).await;
        assert_refused(refused, (Unauthenticated, "KEY_INVALID", ""));
    }
    let mut basic = Request::new(wanted());
    let header = "Basic YTpi".parse().unwrap();
    basic.metadata_mut().insert("authorization", header);
    let refused = node.anonymous().registry().create_record(basic).await;
    assert_refused(refused, (Unauthenticated, "KEY_INVALID", ""));
    let refused = node
        .anonymous()
        .node()
        .create_backup(v1::CreateBackupRequest::default())
        .await;
    assert_refused(refused, (Unauthenticated, "KEY_REQUIRED", ""));
    // They stand in the audit trail.
    crate::support::wait_until("five attempts, and no change", async || {
        position(&node.clients()).await == before + 5
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_bad_batches_masks_and_ids() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let before = position(&clients).await;
    let batch = |count: usize| v1::BatchWriteRequest {
        items: vec![v1::batch_write_request::Item::default(); count],
        ..v1::BatchWriteRequest::default()
    };
    let refused = clients.registry().batch_write(batch(0)).await;
    assert_refused(refused, (InvalidArgument, "BATCH_EMPTY", "items"));
    let refused = clients.registry().batch_write(batch(2001)).await;
    assert_refused(refused, (InvalidArgument, "BATCH_TOO_LARGE", "items"));
    let resolve = v1::BatchResolveRequest {
        identifiers: vec![identifier("a"); 2001],
        ..v1::BatchResolveRequest::default()
    };
    let refused = clients.resolution().batch_resolve(resolve).await;
    assert_refused(refused, (InvalidArgument, "BATCH_TOO_LARGE", "identifiers"));

    let update = v1::UpdateRecordRequest {
        record: Some(record(&identifier("a"), Vec::new())),
        update_mask: Some(FieldMask {
            paths: vec!["etag".into()],
        }),
        ..v1::UpdateRecordRequest::default()
    };
    let refused = clients.registry().update_record(update).await;
    assert_refused(
        refused,
        (InvalidArgument, "FIELD_MASK_INVALID", "update_mask"),
    );

    let mut bad_id = create(record(&identifier("a"), vec![text(1, "URL", "x")]));
    bad_id.request_id = "two words".into();
    let refused = clients.registry().create_record(bad_id).await;
    assert_refused(
        refused,
        (InvalidArgument, "REQUEST_ID_INVALID", "request_id"),
    );
    assert_eq!(position(&clients).await, before, "something changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_a_page_token_of_another_query() {
    let node = TestNode::start().await;
    let clients = node.clients();
    for number in 0..3 {
        clients.home_prefix(&format!("88.118.{number}")).await;
        for suffix in ["a", "b"] {
            let id = format!("88.118.{number}/{suffix}");
            clients.create(&id, "x").await.unwrap();
        }
    }
    let list = |parent: &str, token: &str| v1::ListRecordsRequest {
        parent: parent.into(),
        page_size: 1,
        page_token: token.into(),
        ..v1::ListRecordsRequest::default()
    };
    let token = {
        let request = list("prefixes/88.118.0", "");
        let page = clients.registry().list_records(request).await.unwrap();
        page.into_inner().next_page_token
    };
    let wrong = (InvalidArgument, "PAGE_TOKEN_INVALID", "page_token");
    // A token of an operator is not one of the public.
    for (clients, parent, token) in [
        (&clients, "prefixes/88.118.1", token.as_str()),
        (&clients, "prefixes/88.118.0", "AAAA"),
        (&node.anonymous(), "prefixes/88.118.0", &token),
    ] {
        let request = list(parent, token);
        let refused = clients.registry().list_records(request).await;
        assert_refused(refused, wrong);
    }
    let prefixes = v1::ListPrefixesRequest {
        page_token: token,
        ..v1::ListPrefixesRequest::default()
    };
    let refused = clients.registry().list_prefixes(prefixes).await;
    assert_refused(refused, wrong);
    let negative = v1::ListPrefixesRequest {
        page_size: -1,
        ..v1::ListPrefixesRequest::default()
    };
    let refused = clients.registry().list_prefixes(negative).await;
    assert_refused(refused, (InvalidArgument, "PAGE_SIZE_INVALID", "page_size"));
}

/// A request whose text need not be UTF-8.
#[derive(Clone, PartialEq, Message)]
struct RawResolveRequest {
    #[prost(bytes = "vec", tag = "1")]
    identifier: Vec<u8>,
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_an_identifier_that_is_not_utf8() {
    let node = TestNode::start().await;
    let endpoint = Endpoint::from_shared(format!("http://{}", node.http)).unwrap();
    let mut grpc = Grpc::new(endpoint.connect().await.unwrap());
    grpc.ready().await.unwrap();
    let request = Request::new(RawResolveRequest {
        identifier: b"88.118.7/\xff".to_vec(),
    });
    let path = PathAndQuery::from_static("/idnode.v1.Resolution/Resolve");
    let codec = tonic_prost::ProstCodec::<_, v1::ResolveResponse>::default();
    let refused = grpc.unary(request, path, codec).await;
    assert_refused(
        refused,
        (InvalidArgument, "IDENTIFIER_NOT_UTF8", "identifier"),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_a_message_that_is_too_large() {
    let node = TestNode::start_with(|config| config.grpc.message_bytes_max = 10_000).await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let before = position(&clients).await;
    let large = || record(&identifier("a"), vec![text(1, "DESC", &"x".repeat(20_000))]);
    let too_large = (ResourceExhausted, "MESSAGE_TOO_LARGE", "");
    let refused = clients.registry().create_record(create(large())).await;
    assert_refused(refused, too_large);
    // Small on the way, large once unpacked.
    let mut packed = clients
        .registry()
        .send_compressed(tonic::codec::CompressionEncoding::Zstd);
    assert_refused(packed.create_record(create(large())).await, too_large);
    let message = v1::ImportRecordsRequest {
        records: vec![large()],
        ..v1::ImportRecordsRequest::default()
    };
    let messages = tokio_stream::once(message);
    let import = clients.registry().import_records(messages).await;
    let mut answers = import.unwrap().into_inner();
    assert_refused(answers.message().await, too_large);
    assert_eq!(position(&clients).await, before, "something changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_bad_requests_to_the_node() {
    let node = TestNode::start().await;
    let clients = node.clients();
    let mut api = clients.node();
    let operation = |name: &str| v1::GetOperationRequest { name: name.into() };
    let refused = api.get_operation(operation("operations/99")).await;
    assert_refused(refused, (NotFound, "OPERATION_NOT_FOUND", "name"));
    let refused = api.get_operation(operation("99")).await;
    assert_refused(refused, (InvalidArgument, "FIELD_INVALID", "name"));
    let wait = v1::WaitOperationRequest {
        name: "operations/1".into(),
        timeout: None,
    };
    let refused = api.wait_operation(wait).await;
    assert_refused(refused, (NotFound, "OPERATION_NOT_FOUND", "name"));
    let verify = v1::VerifyBackupRequest {
        name: "first".into(),
    };
    let refused = api.verify_backup(verify).await;
    assert_refused(refused, (InvalidArgument, "FIELD_INVALID", "name"));
}
