//! Who may do what over the Handle protocol: every operation by every kind of caller,
//! in one table. An operation without a row fails.
//!
//! A row tells for each caller, in the order of [`Party::ALL`], what it is answered: `y`
//! it may (whatever else is wrong with what it asks), `u` it must prove who it is, `f`
//! its proof fails, `d` it may not, `e` there is no such session, or no longer, `n`
//! nobody is asked who they are: the node does not do this, or not like this.

mod scene;

use std::collections::BTreeSet;

use idnode::wire::handle::{OpCode, RemoveRequest, ResponseCode};

use super::{handle_only, resolution, values};
use crate::support::handle::Reply;
use scene::{PREFIX, Party, Scene, hidden, target};

/// An operation, the letters of its callers (spaces part those of one kind), and its
/// body for one of them.
type Row = (OpCode, &'static str, fn(usize) -> Vec<u8>);

const ROWS: &[Row] = &[
    (OpCode::RESOLUTION, "yyyyy yyyyyy e yyyyyy", |_| {
        let mut body = Vec::new();
        resolution(&target(0), &[], &[b"URL"])(&mut body);
        body
    }),
    // A value that the public may not read.
    (OpCode::RESOLUTION, "uddyy uuuddu e fffddf", |_| hidden()),
    (OpCode::GET_SITE_INFO, "yyyyy yyyyyy e yyyyyy", |_| {
        named("/")
    }),
    (OpCode::CREATE_HANDLE, "uddyy uuuddu e fffddf", |caller| {
        with_value(&format!("{PREFIX}/NEW-{caller}"), 1)
    }),
    (OpCode::ADD_VALUE, "udyyy uuuddu e fffddf", |caller| {
        with_value(&target(caller), 2)
    }),
    (OpCode::MODIFY_VALUE, "uddyy uuuddu e fffddf", |caller| {
        with_value(&target(caller), 1)
    }),
    (OpCode::REMOVE_VALUE, "uddyy uuuddu e fffddf", |caller| {
        let mut body = Vec::new();
        RemoveRequest {
            handle: target(caller).as_bytes(),
            indexes: (&[1][..]).into(),
        }
        .encode(&mut body);
        body
    }),
    (OpCode::DELETE_HANDLE, "uddyy uuuddu e fffddf", |caller| {
        named(&target(caller))
    }),
    (OpCode::LIST_HANDLES, "uddyy uuuddu e fffddf", |_| {
        named(&format!("0.NA/{PREFIX}"))
    }),
    (
        OpCode::LIST_DERIVED_PREFIXES,
        "nnnnn nnnnnn e nnnnnn",
        |_| named(&format!("0.NA/{PREFIX}")),
    ),
    (OpCode::HOME_PREFIX, "udddy uuuddu e fffddf", |_| {
        named("0.NA/88.118.9")
    }),
    (OpCode::UNHOME_PREFIX, "udddy uuuddu e fffddf", |_| {
        named("0.NA/88.118.9")
    }),
    (OpCode::LIST_HOMED_PREFIXES, "udddy uuuddu e fffddf", |_| {
        named("/")
    }),
    // Answers to no challenge, and what is no body.
    (OpCode::CHALLENGE_RESPONSE, "nnnnn nnnnnn e nnnnnn", |_| {
        named("/")
    }),
    (OpCode::VERIFY_CHALLENGE, "nnnnn nnnnnn e nnnnnn", |_| {
        named("/")
    }),
    (OpCode::SESSION_SETUP, "nnnnn nnnnnn e nnnnnn", |_| {
        named("/")
    }),
    (
        OpCode::SESSION_EXCHANGE_KEY,
        "nnnnn nnnnnn e nnnnnn",
        |_| named("/"),
    ),
    (OpCode::LOGIN, "nnnnn nnnnnn e nnnnnn", |_| named("/")),
    (OpCode::PASSWORD_LOGIN, "nnnnn nnnnnn e nnnnnn", |_| {
        named("/")
    }),
    // What mirrors of old asked for.
    (OpCode::GET_NEXT_TXN_ID, "nnnnn nnnnnn e nnnnnn", |_| {
        named("/")
    }),
    (OpCode::RETRIEVE_TXN_LOG, "nnnnn nnnnnn e nnnnnn", |_| {
        named("/")
    }),
    (OpCode::DUMP_HANDLES, "nnnnn nnnnnn e nnnnnn", |_| {
        named("/")
    }),
    (OpCode::BACKUP_SERVER, "nnnnn nnnnnn e nnnnnn", |_| {
        named("/")
    }),
    // Last: whoever has a session has none any more.
    (OpCode::SESSION_TERMINATE, "eeeee yyyyyy e eeeeee", |_| {
        named("/")
    }),
];

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

fn letters(row: &'static str) -> impl Iterator<Item = char> {
    row.chars().filter(|letter| *letter != ' ')
}

fn letter(reply: &Reply) -> char {
    match reply.code() {
        ResponseCode::AUTHENTICATION_NEEDED => 'u',
        ResponseCode::AUTHENTICATION_FAILED => 'f',
        ResponseCode::INVALID_ADMIN | ResponseCode::INSUFFICIENT_PERMISSIONS => 'd',
        ResponseCode::SESSION_TIMEOUT => 'e',
        ResponseCode::PROTOCOL_ERROR
        | ResponseCode::OPERATION_NOT_SUPPORTED
        | ResponseCode::AUTHENTICATION_TIMEOUT
        | ResponseCode::SESSION_FAILED
        | ResponseCode::INVALID_SESSION_SETUP => 'n',
        // Neither yes nor no: the row is not of this.
        ResponseCode::ERROR
        | ResponseCode::SERVER_TOO_BUSY
        | ResponseCode::AUTHENTICATION_ERROR
        | ResponseCode::INVALID_CREDENTIAL
        | ResponseCode::INVALID_SESSION_KEY
        | ResponseCode::SESSION_MESSAGE_REJECTED => '?',
        _ => 'y',
    }
}

#[test]
fn every_operation_has_a_row_and_every_row_a_letter_for_each_caller() {
    let with_row: BTreeSet<u32> = ROWS.iter().map(|(op_code, ..)| op_code.0).collect();
    let all: BTreeSet<u32> = OpCode::ALL.iter().map(|op_code| op_code.0).collect();
    assert_eq!(all, with_row, "operations, and rows");
    for (op_code, row, _) in ROWS {
        assert_eq!(letters(row).count(), Party::ALL.len(), "{op_code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_may_what_the_table_says() {
    let mut scene = Box::pin(Scene::new()).await;
    let mut wrong = Vec::new();
    for (op_code, row, body) in ROWS {
        for ((caller, party), expected) in Party::ALL.iter().enumerate().zip(letters(row)) {
            let reply = scene.ask(caller, *op_code, &body(caller)).await;
            if letter(&reply) != expected {
                let (letter, said) = (letter(&reply), super::shown(&reply));
                wrong.push(format!(
                    "{op_code} by {party:?}: {letter}, not {expected}: {said}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
