//! What not everyone may read: a private value, and a restricted record.

use std::fmt::Debug;

use idnode::wire::handle::{Flags, List, OpCode, ResolutionRequest};
use idnode::wire::proto::v1;
use tonic::{Response, Status};

use super::{Told, hidden};
use crate::support::handle::HandleClient;
use crate::support::{Clients, NodeProcess, record, text};

const PRIVATE_VALUE: &str = "Kanarienvogel-2217-verborgen";
const RESTRICTED_VALUE: &str = "Kanarienvogel-3358-beschraenkt";
const RESTRICTED_NAME: &str = "Kanarienvogel-4419-Name";
/// The record that has a private value.
const OPEN: &str = "88.118.7/Offen";

/// Keeps both, changes them in ways that are refused, and has all who may not read
/// them ask: what they are told is searched like refusals are.
pub(super) async fn use_private(node: &NodeProcess, told: &mut Told) {
    told.value("a private value", PRIVATE_VALUE);
    told.value("a value of a restricted record", RESTRICTED_VALUE);
    told.value("the name of a restricted record", RESTRICTED_NAME);
    let clients = node.clients();
    let restricted = v1::Record {
        readers: Some(v1::Readers::default()),
        ..record(
            &format!("88.118.7/{RESTRICTED_NAME}"),
            vec![text(1, "NOTE", RESTRICTED_VALUE)],
        )
    };
    let open = record(OPEN, vec![hidden(1, "NOTE", PRIVATE_VALUE)]);
    for record in [open, restricted] {
        let request = v1::CreateRecordRequest {
            record: Some(record),
            ..v1::CreateRecordRequest::default()
        };
        let mut registry = clients.registry();
        registry.create_record(request.clone()).await.unwrap();
    }
    let seen = answers(&clients).await;
    for canary in [PRIVATE_VALUE, RESTRICTED_VALUE, RESTRICTED_NAME] {
        assert!(
            seen.contains(canary),
            "a system administrator sees {canary}"
        );
    }
    for others in [Clients::new(node.address(), None), node.security()] {
        let seen = answers(&others).await;
        assert!(seen.contains(OPEN), "{seen}");
        told.refusals.push(seen);
    }
    let mut client = HandleClient::connect(node.handle()).await;
    for handle in [OPEN, &format!("88.118.7/{RESTRICTED_NAME}")] {
        let encode = |body: &mut Vec<u8>| {
            ResolutionRequest {
                handle: handle.as_bytes(),
                indexes: List::EMPTY,
                types: List::EMPTY,
                auth: None,
            }
            .encode(body);
        };
        let reply = client.ask(OpCode::RESOLUTION, Flags::RESOLUTION, encode);
        let reply = reply.await;
        // The name itself is what was asked for.
        let said = String::from_utf8_lossy(&reply.bytes).replace(RESTRICTED_NAME, "");
        told.refusals.push(said);
    }
}

/// All that `clients` are told of what is below the prefix, unless it says nothing
/// but what they asked for.
async fn answers(clients: &Clients) -> String {
    let mut registry = clients.registry();
    let get = v1::GetRecordRequest {
        name: format!("records/{OPEN}"),
    };
    let list = v1::ListRecordsRequest {
        parent: "prefixes/88.118.7".into(),
        ..v1::ListRecordsRequest::default()
    };
    let export = v1::ExportRecordsRequest {
        parent: "prefixes/88.118.7".into(),
        ..v1::ExportRecordsRequest::default()
    };
    let mut said = vec![
        shown(registry.get_record(get).await),
        shown(registry.list_records(list).await),
        format!("{:?}", clients.resolve(OPEN).await),
    ];
    let mut exported = registry.export_records(export).await.unwrap().into_inner();
    while let Some(message) = exported.message().await.unwrap() {
        said.push(format!("{message:?}"));
    }
    said.join("\n")
}

fn shown<T: Debug>(answer: Result<Response<T>, Status>) -> String {
    format!("{:?}", answer.map(Response::into_inner))
}
