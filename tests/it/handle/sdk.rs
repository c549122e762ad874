//! The two SDKs of the industrial Internet: the recorded requests of one octet
//! for octet, and the other's deviations from it. Proofs are made with a key of
//! the tests, as the key of the recording is not known.

use idnode::model::data::{InterfaceProtocol, Site};
use idnode::wire::handle::{
    Challenge, ENVELOPE_BYTES, Envelope, Flags, Header, Message, OpCode, ResponseCode, Version,
};

use super::{admin, assert_code, create, found, resolution, secret, shown};
use crate::support::handle::{HandleClient, Identity, Key, PrivateKey, Reply, Signing, request};
use crate::support::{TestNode, text};

const RECORDED: &str = include_str!("../../data/handle/id-sdk.txt");

/// A node with the identity of the recording.
struct Fixture {
    node: TestNode,
    identity: Identity,
}

impl Fixture {
    async fn new(signing: Signing) -> Self {
        let node = TestNode::start_with(|config| config.handle.password_login = true).await;
        let clients = node.clients();
        for prefix in ["88.100.1", "0.NA"] {
            clients.home_prefix(prefix).await;
        }
        let key = PrivateKey::new(signing);
        let keys = vec![
            secret(300, b"the password"),
            text(301, "HS_PUBKEY", &key.public_pem()),
        ];
        create(&clients, "88.100.1/ADMIN", keys).await;
        let admins = vec![admin(100, 0x0fff, 301, "88.100.1/ADMIN")];
        create(&clients, "0.NA/88.100.1", admins).await;
        let identity = Identity {
            handle: "88.100.1/ADMIN".into(),
            index: 301,
            key: Key::Pair(key),
        };
        Self { node, identity }
    }

    async fn client(&self) -> HandleClient {
        HandleClient::connect(self.node.handle).await
    }
}

/// The recorded requests: their names and octets.
fn recorded() -> Vec<(String, Vec<u8>)> {
    let mut requests: Vec<(String, Vec<u8>)> = Vec::new();
    for line in RECORDED.lines() {
        if let Some(rest) = line.strip_prefix("--> ") {
            let name = rest.split(' ').next().expect("a name");
            requests.push((name.to_owned(), Vec::new()));
            continue;
        }
        let Some((field, hex)) = line.trim().split_once('=') else {
            continue;
        };
        if matches!(field, "env" | "hdr" | "body") {
            let octets = data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex");
            requests.last_mut().expect("a request").1.extend(octets);
        }
    }
    for (_, octets) in &mut requests {
        octets.extend([0; 4]);
    }
    assert!(requests.len() > 12, "{}", requests.len());
    requests
}

/// The message that answers the challenge of a login.
fn login_answer(challenge: &Reply, identity: &Identity, session_id: u32) -> Vec<u8> {
    let message = Message::decode(&challenge.bytes[ENVELOPE_BYTES..]).expect("a message");
    let body = Challenge::decode(challenge.envelope.version, message.body).expect("a challenge");
    let body = identity.answer(body.nonce, body.digest.digest);
    let flags = Flags(0x1080_0000);
    let mut answer = request(0x65dd_41a7, OpCode::CHALLENGE_RESPONSE, flags, |out| {
        out.extend_from_slice(&body);
    });
    answer[4..8].copy_from_slice(&session_id.to_be_bytes());
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn id_sdk_works_as_recorded() {
    let fixture = Fixture::new(Signing::RsaSha256).await;
    let mut client = fixture.client().await;
    let expected = [
        ("GET_SITE", ResponseCode::SUCCESS),
        ("LOGIN_ID_SYSTEM", ResponseCode::AUTHENTICATION_NEEDED),
        ("CHALLENGE_ANSWER", ResponseCode::SUCCESS),
        ("CREATE", ResponseCode::SUCCESS),
        ("CREATE", ResponseCode::HANDLE_ALREADY_EXISTS),
        ("RESOLUTION", ResponseCode::SUCCESS),
        ("RESOLUTION", ResponseCode::SUCCESS),
        ("ADD_VALUE", ResponseCode::SUCCESS),
        ("MODIFY_VALUE", ResponseCode::SUCCESS),
        ("REMOVE_VALUE", ResponseCode::SUCCESS),
        ("DELETE", ResponseCode::SUCCESS),
        ("RESOLUTION", ResponseCode::HANDLE_NOT_FOUND),
        // The account of the recording is none here.
        ("PWD_LOGIN", ResponseCode::AUTHENTICATION_FAILED),
        ("RESOLUTION", ResponseCode::HANDLE_NOT_FOUND),
    ];
    let requests = recorded();
    let names: Vec<&str> = requests.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, expected.map(|(name, _)| name));
    let mut challenge = None;
    for ((name, octets), (_, code)) in requests.iter().zip(expected) {
        let reply = match (name.as_str(), &challenge) {
            ("CHALLENGE_ANSWER", Some(challenge)) => {
                let answer = login_answer(challenge, &fixture.identity, 0);
                client.exchange(&answer).await
            }
            _ => client.exchange(octets).await,
        };
        assert_eq!(reply.code(), code, "{name}: {}", shown(&reply));
        let sent = Envelope::decode(octets).expect("an envelope");
        match name.as_str() {
            "GET_SITE" => {
                let site = Site::decode(&reply.body).expect("a site");
                let first = site.servers[0].interfaces[0];
                assert_eq!(first.protocol, InterfaceProtocol::Tcp, "TCP must be first");
                assert_eq!(reply.envelope.version, Version::new(2, 10));
            }
            "LOGIN_ID_SYSTEM" => {
                let body = &octets[ENVELOPE_BYTES..octets.len() - 4];
                let digest =
                    idnode::crypto::digest(idnode::crypto::DigestAlgorithm::Sha256, &[body]);
                assert_eq!(reply.digest.as_deref(), Some(digest.as_ref()));
                assert_eq!(reply.header.op_code, OpCode::LOGIN);
                challenge = Some(reply.clone());
            }
            // An op code of 200 here breaks both SDKs.
            "CHALLENGE_ANSWER" => assert_eq!(reply.header.op_code, OpCode::LOGIN),
            _ => {}
        }
        if name != "CHALLENGE_ANSWER" {
            assert_eq!(reply.envelope.request_id, sent.request_id, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn id_pointer_sdk_works_with_its_deviations() {
    let fixture = Fixture::new(Signing::Sm2).await;
    let mut client = fixture.client().await;
    let session_id = 10_001;
    // Its login ends with the body: no length of a credential.
    let login = |handle: &str| {
        let mut octets = request(7, OpCode::LOGIN, Flags::REQUEST_DIGEST, |out| {
            idnode::wire::handle::LoginRequest {
                identity: idnode::wire::handle::Reference {
                    handle: handle.as_bytes(),
                    index: 301,
                },
            }
            .encode(out);
        });
        octets.truncate(octets.len() - 4);
        let length = u32::try_from(octets.len() - ENVELOPE_BYTES).unwrap();
        octets[16..20].copy_from_slice(&length.to_be_bytes());
        octets[4..8].copy_from_slice(&u32::to_be_bytes(session_id));
        octets
    };
    let challenge = client.exchange(&login("88.100.1/ADMIN")).await;
    assert_code(&challenge, ResponseCode::AUTHENTICATION_NEEDED);
    assert_eq!(challenge.envelope.session_id, session_id);
    let answer = login_answer(&challenge, &fixture.identity, session_id);
    let reply = client.exchange(&answer).await;
    assert_code(&reply, ResponseCode::SUCCESS);
    assert_eq!(reply.header.op_code, OpCode::LOGIN);
    let in_its_session = |mut octets: Vec<u8>| {
        octets[4..8].copy_from_slice(&u32::to_be_bytes(session_id));
        octets
    };
    let body = [(2000, "name", "断路器".as_bytes())];
    let create = request(
        8,
        OpCode::CREATE_HANDLE,
        Flags::NONE,
        super::values("88.100.1/P", &body),
    );
    let reply = client.exchange(&in_its_session(create)).await;
    assert_code(&reply, ResponseCode::SUCCESS);
    // Its resolutions have one field more.
    let resolve = request(9, OpCode::RESOLUTION, Flags::NONE, |out| {
        resolution("88.100.1/P", &[], &[])(out);
        out.extend([0; 4]);
    });
    for _ in 0..2 {
        let reply = client.exchange(&in_its_session(resolve.clone())).await;
        assert_eq!(found(&reply), [(2000, "name".into(), "断路器".into())]);
        assert_eq!(reply.envelope.session_id, session_id);
    }
    let heartbeat = request(
        10,
        OpCode::RESOLUTION,
        Flags::NONE,
        resolution("0", &[], &[]),
    );
    let reply = client.exchange(&in_its_session(heartbeat)).await;
    assert_eq!(found(&reply), []);
    // Another connection is nobody in particular, whatever number it says.
    let mut other = fixture.client().await;
    let delete = request(
        11,
        OpCode::DELETE_HANDLE,
        Flags::NONE,
        super::handle_only("88.100.1/P"),
    );
    let reply = other.exchange(&in_its_session(delete)).await;
    assert_code(&reply, ResponseCode::AUTHENTICATION_NEEDED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_refused_with_the_login_s_op_code() {
    let fixture = Fixture::new(Signing::RsaSha256).await;
    let mut client = fixture.client().await;
    let (_, login) = recorded().remove(1);
    let challenge = client.exchange(&login).await;
    let other = Identity {
        key: Key::Pair(PrivateKey::new(Signing::RsaSha256)),
        ..fixture.identity.clone()
    };
    let reply = client.exchange(&login_answer(&challenge, &other, 0)).await;
    assert_code(&reply, ResponseCode::AUTHENTICATION_FAILED);
    assert_eq!(reply.header.op_code, OpCode::LOGIN);
    // The challenge is used up, even for the right key.
    let reply = client
        .exchange(&login_answer(&challenge, &fixture.identity, 0))
        .await;
    assert_code(&reply, ResponseCode::AUTHENTICATION_TIMEOUT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_logs_in_where_it_may() {
    let fixture = Fixture::new(Signing::RsaSha256).await;
    let operator = fixture.node.key.clone();
    let operator_id = operator.split('_').nth(1).expect("an id").to_owned();
    for (account, password, code) in [
        ("88.100.1/ADMIN", "the password", ResponseCode::SUCCESS),
        (
            "88.100.1/ADMIN",
            "another",
            ResponseCode::AUTHENTICATION_FAILED,
        ),
        (
            "88.100.1/NOBODY",
            "the password",
            ResponseCode::AUTHENTICATION_FAILED,
        ),
        (&operator_id, &operator, ResponseCode::SUCCESS),
        ("admin", &operator, ResponseCode::AUTHENTICATION_FAILED),
    ] {
        let mut client = fixture.client().await;
        let types = [password.as_bytes()];
        let login = request(
            3,
            OpCode::PASSWORD_LOGIN,
            Flags::NONE,
            resolution(account, &[], &types),
        );
        let reply = client.exchange(&login).await;
        assert_eq!(reply.code(), code, "{account}: {}", shown(&reply));
        assert_eq!(reply.header.op_code, OpCode::PASSWORD_LOGIN);
    }
    let cautious = TestNode::start().await;
    let mut client = HandleClient::connect(cautious.handle).await;
    let (_, login) = recorded().remove(12);
    let reply = client.exchange(&login).await;
    assert_code(&reply, ResponseCode::OPERATION_NOT_SUPPORTED);
    let header = Header::decode(&reply.bytes[ENVELOPE_BYTES..]).expect("a header");
    assert_eq!(header.op_code, OpCode::PASSWORD_LOGIN);
}
