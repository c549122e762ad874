//! Who may do what over the Handle protocol: every operation by every kind of caller,
//! in one table. An operation without a row fails.
//!
//! A row tells for each caller, in the order of [`CALLERS`], what it is answered: `y`
//! it may (whatever else is wrong with what it asks), `u` it must prove who it is, `d`
//! it may not, `n` nobody is asked who they are: the node does not do this, or not
//! like this.

use std::collections::BTreeSet;

use idnode::model::data::AdminPermissions;
use idnode::wire::handle::{Flags, OpCode, RemoveRequest, ResponseCode};
use idnode::wire::proto::v1::Value;

use super::{Fixture, SECRET, admin, create, handle_only, resolution, secret, values};
use crate::support::handle::{HandleClient, Identity, Key, Reply};
use crate::support::text;

const FLAGS: Flags = Flags::RESOLUTION.without(Flags::PUBLIC_ONLY);
/// The prefix that is administered.
const PREFIX: &str = "88.118.7";

/// Who asks: nobody in particular, who holds a key that no HS_ADMIN names, whom one
/// lets add values only, whom one lets do all, who operates the node.
const CALLERS: [Option<&str>; 5] = [
    None,
    Some("TEST/STRANGER"),
    Some("TEST/LITTLE"),
    Some("TEST/FULL"),
    Some("TEST/ADMIN"),
];

/// An operation, the letters of its callers, and its body for one of them.
type Row = (OpCode, &'static str, fn(usize) -> Vec<u8>);

const ROWS: &[Row] = &[
    (OpCode::RESOLUTION, "yyyyy", |_| {
        let mut body = Vec::new();
        resolution(&target(0), &[], &[b"URL"])(&mut body);
        body
    }),
    // A value that the public may not read.
    (OpCode::RESOLUTION, "uddyy", |_| {
        let mut body = Vec::new();
        resolution(&target(0), &[3], &[])(&mut body);
        body
    }),
    (OpCode::GET_SITE_INFO, "yyyyy", |_| named("/")),
    (OpCode::CREATE_HANDLE, "uddyy", |caller| {
        with_value(&format!("{PREFIX}/NEW-{caller}"), 1)
    }),
    (OpCode::ADD_VALUE, "udyyy", |caller| {
        with_value(&target(caller), 2)
    }),
    (OpCode::MODIFY_VALUE, "uddyy", |caller| {
        with_value(&target(caller), 1)
    }),
    (OpCode::REMOVE_VALUE, "uddyy", |caller| {
        let mut body = Vec::new();
        RemoveRequest {
            handle: target(caller).as_bytes(),
            indexes: (&[1][..]).into(),
        }
        .encode(&mut body);
        body
    }),
    (OpCode::DELETE_HANDLE, "uddyy", |caller| {
        named(&target(caller))
    }),
    (OpCode::LIST_HANDLES, "uddyy", |_| {
        named(&format!("0.NA/{PREFIX}"))
    }),
    (OpCode::LIST_DERIVED_PREFIXES, "nnnnn", |_| {
        named(&format!("0.NA/{PREFIX}"))
    }),
    (OpCode::HOME_PREFIX, "udddy", |_| named("0.NA/88.118.9")),
    (OpCode::UNHOME_PREFIX, "udddy", |_| named("0.NA/88.118.9")),
    (OpCode::LIST_HOMED_PREFIXES, "udddy", |_| named("/")),
    // Answers to no challenge, ends of no session, and what is no body.
    (OpCode::CHALLENGE_RESPONSE, "nnnnn", |_| named("/")),
    (OpCode::VERIFY_CHALLENGE, "nnnnn", |_| named("/")),
    (OpCode::SESSION_SETUP, "nnnnn", |_| named("/")),
    (OpCode::SESSION_TERMINATE, "nnnnn", |_| named("/")),
    (OpCode::SESSION_EXCHANGE_KEY, "nnnnn", |_| named("/")),
    (OpCode::LOGIN, "nnnnn", |_| named("/")),
    (OpCode::PASSWORD_LOGIN, "nnnnn", |_| named("/")),
    // What mirrors of old asked for.
    (OpCode::GET_NEXT_TXN_ID, "nnnnn", |_| named("/")),
    (OpCode::RETRIEVE_TXN_LOG, "nnnnn", |_| named("/")),
    (OpCode::DUMP_HANDLES, "nnnnn", |_| named("/")),
    (OpCode::BACKUP_SERVER, "nnnnn", |_| named("/")),
];

/// The record that a caller changes.
fn target(caller: usize) -> String {
    format!("{PREFIX}/OLD-{caller}")
}

fn named(handle: &str) -> Vec<u8> {
    let mut body = Vec::new();
    handle_only(handle)(&mut body);
    body
}

fn with_value(handle: &str, index: u32) -> Vec<u8> {
    let mut body = Vec::new();
    values(handle, &[(index, "URL", b"https://b.example/")])(&mut body);
    body
}

async fn scene() -> Fixture {
    let fixture = Fixture::new().await;
    let clients = fixture.node.clients();
    for prefix in [PREFIX, "88.118.9"] {
        clients.home_prefix(prefix).await;
    }
    for identity in ["TEST/STRANGER", "TEST/LITTLE", "TEST/FULL"] {
        create(&clients, identity, vec![secret(300, SECRET)]).await;
    }
    let admins = || {
        vec![
            admin(100, 0x0fff, 300, "TEST/FULL"),
            admin(101, AdminPermissions::ADD_VALUE, 300, "TEST/LITTLE"),
        ]
    };
    create(&clients, &format!("0.NA/{PREFIX}"), admins()).await;
    for caller in 0..CALLERS.len() {
        let mut values = admins();
        values.push(text(1, "URL", "https://a.example/"));
        values.push(Value {
            r#type: "DESC".into(),
            ..secret(3, b"hidden")
        });
        create(&clients, &target(caller), values).await;
    }
    fixture
}

fn letter(reply: &Reply) -> char {
    match reply.code() {
        ResponseCode::AUTHENTICATION_NEEDED | ResponseCode::AUTHENTICATION_FAILED => 'u',
        ResponseCode::INVALID_ADMIN | ResponseCode::INSUFFICIENT_PERMISSIONS => 'd',
        ResponseCode::PROTOCOL_ERROR
        | ResponseCode::OPERATION_NOT_SUPPORTED
        | ResponseCode::AUTHENTICATION_TIMEOUT
        | ResponseCode::SESSION_TIMEOUT
        | ResponseCode::SESSION_FAILED
        | ResponseCode::INVALID_SESSION_SETUP => 'n',
        _ => 'y',
    }
}

#[test]
fn every_operation_has_a_row_and_every_row_a_letter_for_each_caller() {
    let with_row: BTreeSet<u32> = ROWS.iter().map(|(op_code, ..)| op_code.0).collect();
    let all: BTreeSet<u32> = OpCode::ALL.iter().map(|op_code| op_code.0).collect();
    assert_eq!(all, with_row, "operations, and rows");
    for (op_code, letters, _) in ROWS {
        assert_eq!(letters.len(), CALLERS.len(), "{op_code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_may_what_the_table_says() {
    let fixture = scene().await;
    let mut wrong = Vec::new();
    for (op_code, letters, body) in ROWS {
        for ((caller, identity), expected) in CALLERS.iter().enumerate().zip(letters.chars()) {
            let mut client = HandleClient::connect(fixture.address()).await;
            client.identity = identity.map(|handle| Identity {
                handle: handle.into(),
                index: 300,
                key: Key::Secret(SECRET.to_vec(), 0x13),
            });
            let body = body(caller);
            let reply = client
                .ask(*op_code, FLAGS, |out| out.extend_from_slice(&body))
                .await;
            if letter(&reply) != expected {
                let (letter, said) = (letter(&reply), super::shown(&reply));
                wrong.push(format!("{identity:?}: {letter}, not {expected}: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
