//! The same on every face: of two nodes one holds what is not for the asker, and
//! nobody can tell which, over gRPC, the Handle protocol and the DNS.

use std::time::Duration;

use idnode::model::FirmRole;
use idnode::wire::handle::{Flags, Message, OpCode};
use idnode::wire::proto::v1;
use tokio::net::UdpSocket;
use tonic::Status;

use super::world::{PREFIX, fill, key_of};
use crate::handle::{handle_only, resolution, values};
use crate::support::handle::{HandleClient, request};
use crate::support::{Clients, TestNode, reason, record, text};

/// Two nodes at the same position of their logs. One holds restricted records and
/// a value that is for nobody else; the other has something elsewhere instead.
struct Twins {
    with: TestNode,
    without: TestNode,
}

async fn put(clients: &Clients, record: v1::Record) {
    let request = v1::UpdateRecordRequest {
        record: Some(record),
        allow_missing: true,
        ..v1::UpdateRecordRequest::default()
    };
    clients.registry().update_record(request).await.unwrap();
}

fn restricted(identifier: &str) -> v1::Record {
    v1::Record {
        readers: Some(v1::Readers::default()),
        ..record(identifier, vec![text(1, "URL", "https://canary.example/")])
    }
}

impl Twins {
    async fn start() -> Self {
        let (with, without) = (TestNode::start().await, TestNode::start().await);
        let (with, without) = (with.seed_by(fill).await, without.seed_by(fill).await);
        for node in [&with, &without] {
            let clients = node.clients();
            let open = vec![text(1, "URL", "https://a.example/")];
            put(&clients, record(&format!("{PREFIX}/Open"), open)).await;
        }
        let apart = v1::Value {
            readers: Some(v1::Readers::default()),
            ..text(7, "URL", "https://canary.example/")
        };
        let open = text(1, "URL", "https://a.example/");
        let name = format!("{PREFIX}/Half");
        put(&with.clients(), record(&name, vec![open.clone(), apart])).await;
        put(&without.clients(), record(&name, vec![open])).await;
        for suffix in ["Kept", "Kept.1", "批次.1"] {
            let identifier = format!("{PREFIX}/{suffix}");
            put(&with.clients(), restricted(&identifier)).await;
            let elsewhere = format!("88.118.99/{suffix}");
            put(&without.clients(), restricted(&elsewhere)).await;
        }
        Self { with, without }
    }
}

/// What a call came to, without what tells when it was. Details are maps, and
/// stand in any order.
fn told<T: std::fmt::Debug>(answer: Result<tonic::Response<T>, Status>) -> String {
    match answer {
        Ok(answer) => format!("{:?}", answer.into_inner()),
        Err(status) => {
            let mut details = status.details().to_vec();
            details.sort_unstable();
            format!("{:?} {} {details:?}", status.code(), status.message())
        }
    }
}

/// The same record, whenever it was made.
fn timeless(mut record: v1::Record) -> v1::Record {
    record.create_time = None;
    record.update_time = None;
    for value in &mut record.values {
        value.update_time = None;
    }
    record
}

/// All that gRPC tells of `identifier` to whom `clients` are.
async fn over_grpc(clients: &Clients, identifier: &str) -> Vec<String> {
    let (mut registry, mut resolution) = (clients.registry(), clients.resolution());
    let mut seen = Vec::new();
    for indices in [vec![], vec![7]] {
        let request = v1::ResolveRequest {
            identifier: identifier.to_owned(),
            indices,
            ..v1::ResolveRequest::default()
        };
        let answer = resolution.resolve(request).await;
        seen.push(told(
            answer.map(|a| a.map(|a| timeless(a.record.unwrap_or_default()))),
        ));
    }
    let batch = v1::BatchResolveRequest {
        identifiers: vec![identifier.to_owned(), format!("{PREFIX}/None")],
        ..v1::BatchResolveRequest::default()
    };
    let results = resolution.batch_resolve(batch).await.unwrap().into_inner();
    for result in results.results {
        let mut outcome = result.outcome.unwrap();
        if let v1::resolve_result::Outcome::Record(record) = &mut outcome {
            *record = timeless(std::mem::take(record));
        }
        seen.push(format!("{outcome:?}"));
    }
    let name = format!("records/{identifier}");
    let get = registry.get_record(v1::GetRecordRequest { name: name.clone() });
    seen.push(told(get.await.map(|answer| answer.map(timeless))));
    for page_size in [1, 100] {
        let list = v1::ListRecordsRequest {
            parent: format!("prefixes/{PREFIX}"),
            page_size,
            ..v1::ListRecordsRequest::default()
        };
        let page = registry.list_records(list).await.unwrap().into_inner();
        let records = page.records.into_iter().map(timeless);
        seen.push(format!(
            "{:?} {}",
            records.collect::<Vec<_>>(),
            page.next_page_token
        ));
    }
    let export = v1::ExportRecordsRequest {
        parent: format!("prefixes/{PREFIX}"),
        after: name.clone(),
    };
    let mut messages = registry.export_records(export).await.unwrap().into_inner();
    while let Some(message) = messages.message().await.unwrap() {
        let records = message.records.into_iter().map(timeless);
        seen.push(format!("{:?}", records.collect::<Vec<_>>()));
    }
    let prefix = v1::GetPrefixRequest {
        name: format!("prefixes/{PREFIX}"),
    };
    let prefix = registry.get_prefix(prefix).await.unwrap().into_inner();
    seen.push(format!("{} {}", prefix.active_count, prefix.deleted_count));
    let delete = v1::DeleteRecordRequest {
        name,
        ..v1::DeleteRecordRequest::default()
    };
    seen.push(told(registry.delete_record(delete).await));
    seen
}

/// All that the Handle protocol tells of it to a client that proves nothing.
async fn over_handle(node: &TestNode, identifier: &str) -> String {
    let mut client = HandleClient::connect(node.handle).await;
    let mut seen = String::new();
    for indexes in [&[][..], &[7]] {
        for flags in [Flags::RESOLUTION, Flags::NONE] {
            let body = resolution(identifier, indexes, &[]);
            let octets = request(5, OpCode::RESOLUTION, flags, body);
            let reply = client.exchange(&octets).await;
            let values = Message::decode(&reply.body).is_ok();
            seen += &format!("{} {values} {};", reply.code(), reply.body.len());
        }
    }
    let one: &[(u32, &str, &[u8])] = &[(7, "DESC", b"x")];
    for op_code in [
        OpCode::CREATE_HANDLE,
        OpCode::ADD_VALUE,
        OpCode::MODIFY_VALUE,
    ] {
        let octets = request(5, op_code, Flags::RESOLUTION, values(identifier, one));
        seen += &format!("{};", client.exchange(&octets).await.code());
    }
    let octets = request(
        5,
        OpCode::DELETE_HANDLE,
        Flags::NONE,
        handle_only(identifier),
    );
    seen + &format!("{};", client.exchange(&octets).await.code())
}

/// Everything but the question that the DNS tells of `name`: the second half of
/// the header, and so how many records of which section there are.
async fn over_dns(node: &TestNode, name: &str) -> String {
    let mut query = vec![0, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        query.push(u8::try_from(label.len()).unwrap());
        query.extend_from_slice(label.as_bytes());
    }
    query.extend([0, 1, 0, 0, 1]);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.send_to(&query, node.dns).await.unwrap();
    let mut buffer = [0; 2048];
    let received = tokio::time::timeout(Duration::from_secs(20), socket.recv(&mut buffer));
    let length = received.await.expect("an answer in time").unwrap();
    format!("{length} {:?}", &buffer[2..12])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_face_tells_what_is_hidden_from_what_is_not_there() {
    let Twins { with, without } = Twins::start().await;
    for suffix in ["Kept", "KEPT", "Kept.1", "批次.1", "Half", "Open", "None"] {
        let identifier = format!("{PREFIX}/{suffix}");
        for key in [None, Some(FirmRole::Reader), Some(FirmRole::Owner)] {
            let clients = |node: &TestNode| match key {
                Some(role) => node.clients_with(&key_of("c", role)),
                None => node.anonymous(),
            };
            let seen = over_grpc(&clients(&with), &identifier).await;
            let told = over_grpc(&clients(&without), &identifier).await;
            assert_eq!(seen.len(), told.len());
            for (seen, told) in seen.iter().zip(told) {
                assert_eq!(*seen, told, "{identifier} {key:?}");
                assert!(!seen.contains("canary"), "{seen}");
            }
        }
        let seen = over_handle(&with, &identifier).await;
        assert_eq!(
            seen,
            over_handle(&without, &identifier).await,
            "{identifier}"
        );
    }
    for name in ["kept", "1.kept", "open", "half", "none", "1.none"] {
        let name = format!("{name}._id.7.118.88.id.example");
        let seen = over_dns(&with, &name).await;
        assert_eq!(seen, over_dns(&without, &name).await, "{name}");
    }
    // What is hidden is there all the same, for whom it is for.
    let record = with.clients().resolve(&format!("{PREFIX}/Kept")).await;
    assert!(record.unwrap().readers.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_are_set_and_taken_away_over_grpc() {
    let node = TestNode::start().await.seed_by(fill).await;
    let clients = node.clients_with(&key_of("a", FirmRole::Registrar));
    let identifier = format!("{PREFIX}/A");
    clients
        .create(&identifier, "https://a.example/")
        .await
        .unwrap();
    let set = async |readers: Option<v1::Readers>| {
        let request = v1::SetReadersRequest {
            name: format!("records/{identifier}"),
            readers,
            ..v1::SetReadersRequest::default()
        };
        clients.registry().set_readers(request).await
    };
    let is_there = async || node.anonymous().resolve(&identifier).await.is_ok();
    assert!(is_there().await);
    let record = set(Some(v1::Readers::default()))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(record.readers, Some(v1::Readers::default()));
    assert!(!is_there().await);
    let record = set(None).await.unwrap().into_inner();
    assert_eq!(record.readers, None);
    assert!(is_there().await);
    let nobody = v1::Readers {
        firms: vec!["nobody-knows".into()],
        groups: Vec::new(),
    };
    let refused = set(Some(nobody)).await.unwrap_err();
    assert_eq!(reason(&refused), "FIRM_NOT_FOUND");
    let request = v1::SetReadersRequest {
        name: format!("records/{identifier}"),
        ..v1::SetReadersRequest::default()
    };
    let refused = node.anonymous().registry().set_readers(request).await;
    assert_eq!(reason(&refused.unwrap_err()), "KEY_REQUIRED");
}

/// Keys of owners of firms "b" and "c".
fn others(node: &TestNode) -> [Clients; 2] {
    ["b", "c"].map(|firm| node.clients_with(&key_of(firm, FirmRole::Owner)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_firm_shares_by_a_group() {
    let node = TestNode::start().await.seed_by(fill).await;
    let owner = node.clients_with(&key_of("a", FirmRole::Owner));
    let others = others(&node);
    let identifier = format!("{PREFIX}/lot.1");
    let group = v1::Group {
        owner: "firms/a".into(),
        display_name: "采购商".into(),
        members: vec!["firms/c".into()],
        ..v1::Group::default()
    };
    let make = v1::CreateGroupRequest {
        group: Some(group),
        request_id: "once".into(),
        ..v1::CreateGroupRequest::default()
    };
    let group = owner.sharing().create_group(make.clone()).await.unwrap();
    let group = group.into_inner();
    let again = owner.sharing().create_group(make).await.unwrap();
    assert_eq!(again.into_inner(), group);
    let id = group.name.strip_prefix("groups/").unwrap().to_owned();
    let readers = v1::Readers {
        firms: Vec::new(),
        groups: vec![id],
    };
    let shared = v1::Record {
        readers: Some(readers),
        ..record(&identifier, vec![text(1, "URL", "https://a.example/")])
    };
    put(&owner, shared).await;
    let reads = async |clients: &Clients| clients.resolve(&identifier).await.is_ok();
    assert!(!reads(&others[0]).await && reads(&others[1]).await);
    for other in &others {
        for name in [&group.name, "groups/none"] {
            let get = v1::GetGroupRequest { name: name.into() };
            let refused = other.sharing().get_group(get).await.unwrap_err();
            assert_eq!(reason(&refused), "GROUP_NOT_FOUND");
        }
    }
    let delete = v1::DeleteGroupRequest {
        name: group.name,
        etag: group.etag,
        ..v1::DeleteGroupRequest::default()
    };
    owner.sharing().delete_group(delete).await.unwrap();
    assert!(!reads(&others[1]).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_firm_shares_by_a_link() {
    let node = TestNode::start().await.seed_by(fill).await;
    let owner = node.clients_with(&key_of("a", FirmRole::Owner));
    let identifier = format!("{PREFIX}/lot.1");
    put(&owner, restricted(&identifier)).await;
    let share = v1::Share {
        owner: "firms/a".into(),
        purpose: "a recall".into(),
        targets: vec![format!("{PREFIX}/lot.*")],
        expire_time: Some(prost_types::Timestamp {
            seconds: in_a_day(),
            nanos: 0,
        }),
        ..v1::Share::default()
    };
    let make = v1::CreateShareRequest {
        share: Some(share),
        ..v1::CreateShareRequest::default()
    };
    let made = owner.sharing().create_share(make).await.unwrap();
    let made = made.into_inner();
    let (share, guest) = (made.share.unwrap(), node.clients_with(&made.token));
    assert!(guest.resolve(&identifier).await.is_ok());
    for other in others(&node) {
        for name in [&share.name, "shares/none"] {
            let get = v1::GetShareRequest { name: name.into() };
            let refused = other.sharing().get_share(get).await.unwrap_err();
            assert_eq!(reason(&refused), "SHARE_NOT_FOUND");
        }
        let list = v1::ListSharesRequest {
            parent: "firms/a".into(),
            ..v1::ListSharesRequest::default()
        };
        let refused = other.sharing().list_shares(list).await.unwrap_err();
        assert_eq!(reason(&refused), "PERMISSION_DENIED");
    }
    let withdraw = v1::WithdrawShareRequest {
        name: share.name,
        ..v1::WithdrawShareRequest::default()
    };
    owner.sharing().withdraw_share(withdraw).await.unwrap();
    let refused = guest.resolve(&identifier).await.unwrap_err();
    assert_eq!(reason(&refused), "KEY_INVALID");
}

/// Seconds since 1970 a day from now.
fn in_a_day() -> i64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    i64::try_from(since.as_secs()).unwrap() + 86_400
}
