//! The Handle face, as its clients see it: over sockets, in their own messages.

mod change;
mod endurance;
mod load;
mod matrix;
mod proof;
mod recorded;
mod refusals;
mod sdk;
mod security;
mod session;
mod transports;

use std::net::SocketAddr;

use idnode::model::data::{Admin, AdminPermissions, PublicKey, Site};
use idnode::model::{Identifier, Reference};
use idnode::wire::handle::{
    Flags, HandleRequest, HandleValue, List, OpCode, Permissions, ResolutionRequest,
    ResolutionResponse, ResponseCode, Ttl, ValuesRequest,
};
use idnode::wire::proto::v1::{self, Value, value};

use crate::support::handle::{HandleClient, Identity, Key, PrivateKey, Reply, Signing, request};
use crate::support::{Clients, TestNode, record, text};

/// The secret of `300:TEST/ADMIN`.
///
/// That of the recording, where it was chosen to be guessed.
const SECRET: &[u8] = b"password";

/// A node with what the recorded exchanges ask for.
struct Fixture {
    node: TestNode,
    /// The key pair of `301:TEST/ADMIN`.
    key: PrivateKey,
}

impl Fixture {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut idnode::config::Config)) -> Self {
        let node = TestNode::start_with(|config| {
            config.access.admins = vec!["300:TEST/ADMIN".into()];
            change(config);
        })
        .await;
        let key = PrivateKey::new(Signing::RsaSha256);
        let clients = node.clients();
        for prefix in ["TEST", "20.500.99999", "0.NA"] {
            clients.home_prefix(prefix).await;
        }
        let url = "https://products.example.com/item/20.500.99999/00000001?lang=en";
        let prefix_admin = admin(100, 0x0fff, 200, "0.NA/20.500.99999");
        let product = vec![text(1, "URL", url), prefix_admin];
        create(&clients, "20.500.99999/00000001", product).await;
        let types = vec![
            text(1, "URL", "https://example.org/a"),
            text(2, "EMAIL", "a@example.org"),
            text(10, "URL.sub", "https://example.org/sub"),
            admin(100, 0x0fff, 300, "TEST/ADMIN"),
        ];
        create(&clients, "TEST/TYPES", types).await;
        let identity = vec![
            admin(100, 0x0fff, 300, "TEST/ADMIN"),
            secret(300, SECRET),
            text(301, "HS_PUBKEY", &key.public_pem()),
        ];
        create(&clients, "TEST/ADMIN", identity).await;
        let prefix = vec![
            admin(100, 0x0fff, 300, "TEST/ADMIN"),
            admin(101, 0x0fff, 301, "TEST/ADMIN"),
            admin(102, 0x0fff, 0, "TEST/OTHER"),
        ];
        create(&clients, "0.NA/TEST", prefix).await;
        Self { node, key }
    }

    fn address(&self) -> SocketAddr {
        self.node.handle
    }

    /// The holder of the secret.
    fn by_secret(&self, method: u8) -> Identity {
        Identity {
            handle: "TEST/ADMIN".into(),
            index: 300,
            key: Key::Secret(SECRET.to_vec(), method),
        }
    }

    /// The holder of the key pair.
    fn by_key(&self) -> Identity {
        Identity {
            handle: "TEST/ADMIN".into(),
            index: 301,
            key: Key::Pair(self.key.clone()),
        }
    }

    async fn client(&self) -> HandleClient {
        HandleClient::connect(self.address()).await
    }

    async fn admin(&self) -> HandleClient {
        HandleClient::connect_as(self.address(), &self.by_secret(0x22)).await
    }

    /// What the node says of itself.
    async fn site(&self) -> Site {
        let mut client = self.client().await;
        let reply = client
            .ask(OpCode::GET_SITE_INFO, Flags::RESOLUTION, handle_only("/"))
            .await;
        assert_eq!(reply.code(), ResponseCode::SUCCESS);
        Site::decode(&reply.body).expect("a site")
    }

    /// The key that it signs with.
    async fn site_key(&self) -> PublicKey {
        let site = self.site().await;
        site.servers[0].public_key.clone().expect("a key")
    }
}

/// Registers an identifier as the operator.
pub(crate) async fn create(clients: &Clients, identifier: &str, values: Vec<Value>) {
    let request = v1::CreateRecordRequest {
        record: Some(record(identifier, values)),
        ..v1::CreateRecordRequest::default()
    };
    let created = clients.registry().create_record(request).await;
    created.unwrap_or_else(|status| panic!("{identifier}: {status:?}"));
}

/// An HS_ADMIN.
pub(crate) fn admin(index: u32, bits: u16, admin_index: u32, identifier: &str) -> Value {
    let admin = Admin {
        permissions: AdminPermissions::from_bits(bits),
        reference: Reference {
            index: admin_index,
            identifier: Identifier::parse(identifier).unwrap(),
        },
    };
    Value {
        index,
        r#type: "HS_ADMIN".into(),
        data: Some(value::Data::Binary(admin.encode().into())),
        ..Value::default()
    }
}

/// A value that only administrators may read.
pub(crate) fn secret(index: u32, data: &[u8]) -> Value {
    Value {
        index,
        r#type: "HS_SECKEY".into(),
        data: Some(value::Data::Binary(data.to_vec().into())),
        permissions: Some(v1::Permissions {
            admin_read: true,
            admin_write: true,
            ..v1::Permissions::default()
        }),
        ..Value::default()
    }
}

/// The body of a request that names a handle only.
pub(crate) fn handle_only(handle: &str) -> impl FnOnce(&mut Vec<u8>) {
    move |out| {
        HandleRequest {
            handle: handle.as_bytes(),
        }
        .encode(out);
    }
}

/// The body of a resolution.
pub(crate) fn resolution<'a>(
    handle: &'a str,
    indexes: &'a [u32],
    types: &'a [&'a [u8]],
) -> impl FnOnce(&mut Vec<u8>) + 'a {
    move |out| {
        ResolutionRequest {
            handle: handle.as_bytes(),
            indexes: List::from(indexes),
            types: List::from(types),
            auth: None,
        }
        .encode(out);
    }
}

/// The body of a request with values: index, type, data.
pub(crate) fn values<'a>(
    handle: &'a str,
    values: &'a [(u32, &'a str, &'a [u8])],
) -> impl FnOnce(&mut Vec<u8>) + 'a {
    move |out| {
        let values: Vec<HandleValue<'_>> = values
            .iter()
            .map(|(index, value_type, data)| HandleValue {
                index: *index,
                timestamp_secs: 1_700_000_000,
                ttl: Ttl::Relative(86_400),
                permissions: Permissions(if *value_type == "HS_SECKEY" {
                    0x0c
                } else {
                    0x0e
                }),
                value_type: value_type.as_bytes(),
                data,
                references: List::EMPTY,
            })
            .collect();
        ValuesRequest {
            handle: handle.as_bytes(),
            values: List::from(values.as_slice()),
        }
        .encode(out);
    }
}

/// The values of a resolution: index, type, data.
fn found(reply: &Reply) -> Vec<(u32, String, Vec<u8>)> {
    assert_eq!(reply.code(), ResponseCode::SUCCESS, "{}", shown(reply));
    let response = ResolutionResponse::decode(&reply.body).expect("values");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8");
    response
        .values
        .iter()
        .map(|value| (value.index, text(value.value_type), value.data.to_vec()))
        .collect()
}

/// A reply for the message of an assertion.
fn shown(reply: &Reply) -> String {
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    format!("{} {}: {body:?}", reply.header.op_code, reply.code())
}

/// Checks the code of a reply.
#[track_caller]
fn assert_code(reply: &Reply, code: ResponseCode) {
    assert_eq!(reply.code(), code, "{}", shown(reply));
}

/// A request with the usual flags.
fn request_of(op_code: OpCode, encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    request(5, op_code, Flags::RESOLUTION, encode)
}
