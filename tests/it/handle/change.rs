//! Changes and lists.

use idnode::wire::handle::{
    CreateResponse, Flags, ListResponse, OpCode, RemoveRequest, ResponseCode,
};

use super::{Fixture, assert_code, found, handle_only, resolution, shown, values};
use crate::support::handle::{HandleClient, Reply, answer_to};
use crate::support::http::http;
use crate::support::{reason, record, text};

const FLAGS: Flags = Flags::RESOLUTION;
const OVER: Flags = Flags(FLAGS.0 | Flags::OVERWRITE.0);
const URL: &[(u32, &str, &[u8])] = &[(1, "URL", b"http://a")];

fn indexes<'a>(handle: &'a str, indexes: &'a [u32]) -> impl FnOnce(&mut Vec<u8>) + 'a {
    move |out| {
        RemoveRequest {
            handle: handle.as_bytes(),
            indexes: indexes.into(),
        }
        .encode(out);
    }
}

async fn resolved(client: &mut HandleClient, handle: &str) -> Reply {
    client
        .ask(OpCode::RESOLUTION, FLAGS, resolution(handle, &[], &[]))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn values_come_and_go() {
    let fixture = Fixture::new().await;
    let mut client = fixture.admin().await;
    let reply = client
        .ask(OpCode::CREATE_HANDLE, FLAGS, values("TEST/C1", URL))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let created = CreateResponse::decode(&reply.body).expect("a handle");
    assert_eq!(created.handle, b"TEST/C1");
    assert!(!reply.header.flags.contains(Flags::OVERWRITE));
    let email = [(2, "EMAIL", &b"x@y"[..])];
    let reply = client
        .ask(OpCode::ADD_VALUE, FLAGS, values("test/c1", &email))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let reply = client
        .ask(OpCode::ADD_VALUE, FLAGS, values("TEST/C1", &email))
        .await;
    assert_code(&reply, ResponseCode::VALUE_ALREADY_EXISTS);
    let changed = [(2, "EMAIL", &b"z@y"[..])];
    let reply = client
        .ask(OpCode::MODIFY_VALUE, FLAGS, values("TEST/C1", &changed))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let missing = [(3, "EMAIL", &b"z@y"[..])];
    let reply = client
        .ask(OpCode::MODIFY_VALUE, FLAGS, values("TEST/C1", &missing))
        .await;
    assert_code(&reply, ResponseCode::VALUES_NOT_FOUND);
    let seen = found(&resolved(&mut client, "TEST/C1").await);
    assert_eq!(seen[1], (2, "EMAIL".into(), b"z@y".to_vec()));
    let reply = client
        .ask(OpCode::REMOVE_VALUE, FLAGS, indexes("TEST/C1", &[2]))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let reply = client
        .ask(OpCode::REMOVE_VALUE, FLAGS, indexes("TEST/C1", &[2]))
        .await;
    assert_code(&reply, ResponseCode::VALUES_NOT_FOUND);
    assert_eq!(found(&resolved(&mut client, "TEST/C1").await).len(), 1);
    let reply = client
        .ask(OpCode::DELETE_HANDLE, FLAGS, handle_only("TEST/C1"))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    assert_code(
        &resolved(&mut client, "TEST/C1").await,
        ResponseCode::HANDLE_NOT_FOUND,
    );
    let reply = client
        .ask(OpCode::DELETE_HANDLE, FLAGS, handle_only("TEST/C1"))
        .await;
    assert_code(&reply, ResponseCode::HANDLE_NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn overwriting_says_so() {
    let fixture = Fixture::new().await;
    let mut client = fixture.admin().await;
    let reply = client
        .ask(OpCode::CREATE_HANDLE, OVER, values("TEST/O", URL))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    assert!(!reply.header.flags.contains(Flags::OVERWRITE), "it is new");
    let other = [(7, "DESC", &b"other"[..])];
    let reply = client
        .ask(OpCode::CREATE_HANDLE, OVER, values("TEST/O", &other))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    assert!(reply.header.flags.contains(Flags::OVERWRITE));
    assert_eq!(
        found(&resolved(&mut client, "TEST/O").await),
        [(7, "DESC".into(), b"other".to_vec())]
    );
    let both = [(7, "DESC", &b"changed"[..]), (8, "DESC", &b"new"[..])];
    let reply = client
        .ask(OpCode::ADD_VALUE, OVER, values("TEST/O", &both))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let seen = found(&resolved(&mut client, "TEST/O").await);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].2, b"changed");
    // The name of a deleted one is taken up again only when that is said.
    let reply = client
        .ask(OpCode::DELETE_HANDLE, FLAGS, handle_only("TEST/O"))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let reply = client
        .ask(OpCode::CREATE_HANDLE, FLAGS, values("TEST/O", URL))
        .await;
    assert_code(&reply, ResponseCode::HANDLE_ALREADY_EXISTS);
    let reply = client
        .ask(OpCode::CREATE_HANDLE, OVER, values("TEST/O", URL))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suffix_can_be_minted() {
    let fixture = Fixture::new().await;
    let mut client = fixture.admin().await;
    let mint = FLAGS | Flags::MINT;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let reply = client
            .ask(OpCode::CREATE_HANDLE, mint, values("TEST/M-", URL))
            .await;
        assert_code(&reply, ResponseCode::SUCCESS);
        let created = CreateResponse::decode(&reply.body)
            .expect("a handle")
            .handle;
        let handle = String::from_utf8(created.to_vec()).expect("UTF-8");
        assert!(
            handle.starts_with("TEST/M-") && handle.len() == 7 + 36,
            "{handle}"
        );
        assert_eq!(found(&resolved(&mut client, &handle).await).len(), 1);
        seen.push(handle);
    }
    assert_ne!(seen[0], seen[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_checked_before_a_proof_is_asked_for() {
    let fixture = Fixture::new().await;
    let mut client = fixture.client().await;
    let zero = [(0, "URL", &b"x"[..])];
    let twice = [(1, "URL", &b"x"[..]), (1, "URL", &b"y"[..])];
    let wrong = [(100, "URL", &b"x"[..])];
    let long = vec![b'x'; 70_000];
    let long = [(1, "URL", long.as_slice())];
    for (handle, sent, code) in [
        ("OTHER/1", URL, ResponseCode::SERVER_NOT_RESPONSIBLE),
        ("TEST/TYPES", URL, ResponseCode::HANDLE_ALREADY_EXISTS),
        ("TEST/N", &zero, ResponseCode::INVALID_VALUE),
        ("TEST/N", &twice, ResponseCode::VALUE_ALREADY_EXISTS),
        ("TEST/N", &wrong, ResponseCode::INVALID_VALUE),
        ("TEST/N", &long, ResponseCode::INVALID_VALUE),
        ("TEST/N", &[], ResponseCode::INVALID_VALUE),
        ("TEST/", URL, ResponseCode::INVALID_HANDLE),
        ("", URL, ResponseCode::INVALID_HANDLE),
    ] {
        let reply = client
            .ask(OpCode::CREATE_HANDLE, FLAGS, values(handle, sent))
            .await;
        assert_eq!(reply.code(), code, "{handle}: {}", shown(&reply));
        assert!(!reply.text().is_empty(), "{handle}");
    }
    let gone = [(77, "URL", &b"x"[..])];
    let reply = client
        .ask(OpCode::MODIFY_VALUE, FLAGS, values("TEST/TYPES", &gone))
        .await;
    assert_code(&reply, ResponseCode::VALUES_NOT_FOUND);
    let reply = client
        .ask(OpCode::REMOVE_VALUE, FLAGS, indexes("TEST/TYPES", &[77]))
        .await;
    assert_code(&reply, ResponseCode::VALUES_NOT_FOUND);
    let reply = client
        .ask(OpCode::HOME_PREFIX, FLAGS, handle_only("TEST/X"))
        .await;
    assert_code(&reply, ResponseCode::INVALID_HANDLE);
    assert!(
        reply.text().contains("it is not a prefix handle"),
        "{}",
        reply.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_comes_in_several_messages() {
    let fixture = Fixture::new().await;
    let clients = fixture.node.clients();
    for number in 0..1120 {
        let identifier = format!("20.500.99999/{number:04}");
        clients
            .create(&identifier, "http://a")
            .await
            .expect("created");
    }
    let mut client = fixture.admin().await;
    let reply = client
        .ask(
            OpCode::LIST_HANDLES,
            FLAGS,
            handle_only("0.NA/20.500.99999"),
        )
        .await;
    let mut names = Vec::new();
    let mut counts = Vec::new();
    let mut reply = reply;
    loop {
        assert_code(&reply, ResponseCode::SUCCESS);
        let list = ListResponse::decode(&reply.body).expect("a list");
        counts.push(list.handles.len());
        names.extend(list.handles.iter().map(<[u8]>::to_vec));
        if !reply.header.flags.contains(Flags::CONTINUOUS) {
            break;
        }
        reply = client.reply().await;
    }
    assert_eq!(counts.len(), 23);
    assert_eq!(counts.iter().sum::<usize>(), 1121);
    assert_eq!(names[1], b"20.500.99999/00000001");
    assert_eq!(names[1120], b"20.500.99999/1119");
}

#[tokio::test(flavor = "multi_thread")]
async fn prefixes_are_homed_and_unhomed() {
    let fixture = Fixture::new().await;
    let mut client = fixture.admin().await;
    let (home, unhome) = (OpCode::HOME_PREFIX, OpCode::UNHOME_PREFIX);
    for (op_code, code) in [
        (unhome, ResponseCode::SERVER_NOT_RESPONSIBLE),
        (home, ResponseCode::SUCCESS),
        (unhome, ResponseCode::SUCCESS),
        (home, ResponseCode::SUCCESS),
    ] {
        let reply = client.ask(op_code, FLAGS, handle_only("0.NA/NEWP")).await;
        assert_code(&reply, code);
    }
    let reply = client
        .ask(OpCode::LIST_HOMED_PREFIXES, FLAGS, handle_only("/"))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let list = ListResponse::decode(&reply.body).expect("a list");
    let names: Vec<&[u8]> = list.handles.iter().collect();
    assert_eq!(
        names,
        [
            &b"0.NA/0.NA"[..],
            b"0.NA/20.500.99999",
            b"0.NA/NEWP",
            b"0.NA/TEST"
        ]
    );
    // Identifiers below an unhomed prefix are kept, and not answered for.
    let clients = fixture.node.clients();
    clients.create("NEWP/1", "http://a").await.expect("created");
    let reply = client.ask(unhome, FLAGS, handle_only("0.NA/NEWP")).await;
    assert_code(&reply, ResponseCode::SUCCESS);
    assert_code(
        &resolved(&mut client, "NEWP/1").await,
        ResponseCode::SERVER_NOT_RESPONSIBLE,
    );
    let refused = clients.resolve("NEWP/1").await.expect_err("unhomed");
    assert_eq!(reason(&refused), "PREFIX_NOT_HOMED");
    let reply = client.ask(home, FLAGS, handle_only("0.NA/NEWP")).await;
    assert_code(&reply, ResponseCode::SUCCESS);
    assert_eq!(found(&resolved(&mut client, "NEWP/1").await).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_over_http_is_whole_or_refused() {
    use batch_write_request::item::Change;
    use idnode::wire::proto::v1::{self, batch_write_request};
    let fixture = Fixture::new().await;
    let list = |prefix: &'static str| {
        let fixture = &fixture;
        async move {
            let head = "POST /\r\nAccept: application/x-hdl-message\r\n";
            let request = super::request_of(OpCode::LIST_HANDLES, handle_only(prefix));
            let (_, challenge) = http(fixture.node.http, head, &request).await;
            let identity = fixture.by_secret(2);
            let (session_id, body) = answer_to(&Reply::read(&challenge), &identity);
            let mut answer = super::request_of(OpCode::CHALLENGE_RESPONSE, |out| {
                out.extend_from_slice(&body);
            });
            answer[4..8].copy_from_slice(&session_id.to_be_bytes());
            let (_, listed) = http(fixture.node.http, head, &answer).await;
            Reply::read(&listed)
        }
    };
    let few = list("0.NA/TEST").await;
    assert_code(&few, ResponseCode::SUCCESS);
    assert_eq!(
        ListResponse::decode(&few.body)
            .expect("a list")
            .handles
            .len(),
        2
    );
    let clients = fixture.node.clients();
    for batch in 0..6 {
        let items = (0..2000).map(|number| {
            let values = vec![text(1, "URL", "http://a")];
            let identifier = format!("TEST/{batch}-{number}");
            let create = v1::CreateRecordRequest {
                record: Some(record(&identifier, values)),
                ..v1::CreateRecordRequest::default()
            };
            batch_write_request::Item {
                change: Some(Change::Create(create)),
            }
        });
        let request = v1::BatchWriteRequest {
            items: items.collect(),
            ..v1::BatchWriteRequest::default()
        };
        clients
            .registry()
            .batch_write(request)
            .await
            .expect("written");
    }
    let many = list("0.NA/TEST").await;
    assert_code(&many, ResponseCode::OPERATION_NOT_SUPPORTED);
    assert!(many.text().contains("12002 identifiers"), "{}", many.text());
}
