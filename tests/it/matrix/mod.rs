//! Who may call what: every method of the API, taken from its descriptors, by every
//! kind of caller, in one table. A method without a row fails, and so does a row
//! without a method.
//!
//! A row tells for each caller, in the order of [`Party::ALL`], what it is answered:
//! `y` it may (whatever else is wrong with what it asks), `u` it must prove who it
//! is, `d` it may not, `-` there is no such thing.

mod accounts;
mod audit;
mod call;
mod firms;
mod links;
mod node;
mod registry;
mod resolution;
mod scene;
mod sharing;
mod templates;

use std::collections::BTreeSet;

use idnode::wire::proto::DESCRIPTORS;
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::{Code, Status};

use call::call;
use scene::{Party, Scene};

/// One method and who may call it.
pub(super) struct Row {
    /// As `Registry/CreateRecord`.
    method: &'static str,
    /// One letter for each caller; spaces part those of one kind.
    expected: &'static str,
    /// The request that the caller makes.
    request: fn(&Scene, Party) -> Vec<u8>,
    /// What became of it, where that is said in a message.
    judge: fn(&[Vec<u8>]) -> Code,
}

/// A row whose outcome is the status of the call.
macro_rules! row {
    ($method:literal, $expected:expr, $request:expr) => {
        row!($method, $expected, $request, |_| tonic::Code::Ok)
    };
    ($method:literal, $expected:expr, $request:expr, $judge:expr) => {
        crate::matrix::Row {
            method: $method,
            expected: $expected,
            request: |scene, party| {
                let request: fn(&crate::matrix::scene::Scene, crate::matrix::scene::Party) -> _ =
                    $request;
                prost::Message::encode_to_vec(&request(scene, party))
            },
            judge: $judge,
        }
    };
}
pub(super) use row;

/// The rows of all services.
fn rows() -> impl Iterator<Item = &'static Row> {
    [
        registry::ROWS,
        resolution::ROWS,
        node::ROWS,
        accounts::ROWS,
        audit::ROWS,
        firms::ROWS,
        links::ROWS,
        sharing::ROWS,
        templates::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// Every method of the API, as `Registry/CreateRecord`.
fn methods() -> BTreeSet<String> {
    let files = FileDescriptorSet::decode(DESCRIPTORS).expect("descriptors");
    let mut methods = BTreeSet::new();
    for service in files.file.iter().flat_map(|file| &file.service) {
        for method in &service.method {
            methods.insert(format!("{}/{}", service.name(), method.name()));
        }
    }
    methods
}

/// What an answer says of whether its caller may.
fn letter(outcome: Code) -> char {
    match outcome {
        Code::Unauthenticated => 'u',
        Code::PermissionDenied => 'd',
        Code::NotFound => '-',
        Code::Unknown | Code::Internal | Code::Unimplemented | Code::Cancelled => '?',
        _ => 'y',
    }
}

fn shown(answered: &Result<Vec<Vec<u8>>, Status>, row: &Row) -> (char, String) {
    match answered {
        Ok(messages) => {
            let code = (row.judge)(messages);
            (letter(code), format!("{code:?}"))
        }
        Err(status) => (letter(status.code()), status.to_string()),
    }
}

#[test]
fn every_method_has_a_row_and_every_row_a_letter_for_each_caller() {
    let mut with_row = BTreeSet::new();
    for row in rows() {
        with_row.insert(row.method.to_owned());
        let letters: Vec<_> = row.expected.chars().filter(|c| *c != ' ').collect();
        assert_eq!(letters.len(), Party::ALL.len(), "{}", row.method);
        assert!(
            letters.iter().all(|c| "yud-".contains(*c)),
            "{}",
            row.method
        );
    }
    assert_eq!(methods(), with_row, "methods, and rows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_caller_may_what_the_table_says() {
    let scene = Scene::new().await;
    let mut wrong = Vec::new();
    for row in rows() {
        let path = format!("/idnode.v1.{}", row.method);
        let letters = row.expected.chars().filter(|c| *c != ' ');
        for (party, expected) in Party::ALL.into_iter().zip(letters) {
            let request = (row.request)(&scene, party);
            let channel = scene.channel();
            let answered = call(channel, scene.bearer(party), &path, request).await;
            let (letter, text) = shown(&answered, row);
            if letter != expected {
                wrong.push(format!(
                    "{} by {party:?}: {letter}, not {expected}: {text}",
                    row.method
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
