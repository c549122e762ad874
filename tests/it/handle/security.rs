//! What must not work: proofs in another's place, keys that are gone, questions
//! that only cost.

use idnode::wire::handle::{ENVELOPE_BYTES, Flags, OpCode, Reference, ResponseCode, VerifyRequest};
use idnode::wire::proto::v1;

use super::{
    Fixture, SECRET, admin, assert_code, create, found, handle_only, resolution, secret, values,
};
use crate::support::handle::{HandleClient, Identity, Key, Reply, answer_to, over_udp, request};

const FLAGS: Flags = Flags::RESOLUTION;
const URL: &[(u32, &str, &[u8])] = &[(1, "URL", b"http://a")];

/// Replaces the secret of `TEST/ADMIN`.
async fn replace_secret(fixture: &Fixture) {
    let request = v1::ModifyValuesRequest {
        name: "records/TEST/ADMIN".into(),
        values: vec![secret(300, b"another secret")],
        ..v1::ModifyValuesRequest::default()
    };
    let clients = fixture.node.clients();
    clients
        .registry()
        .modify_values(request)
        .await
        .expect("modified");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_replaced_proves_nothing_any_more() {
    let fixture = Fixture::new().await;
    let site_key = fixture.site_key().await;
    let mut client = fixture.admin().await;
    client.set_up_session(&site_key, false).await;
    let reply = client
        .ask(OpCode::CREATE_HANDLE, FLAGS, values("TEST/S1", URL))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    // Another change of the record, not of the key: nothing to prove again.
    let clients = fixture.node.clients();
    let add = v1::AddValuesRequest {
        name: "records/TEST/ADMIN".into(),
        values: vec![crate::support::text(1, "DESC", "an administrator")],
        ..v1::AddValuesRequest::default()
    };
    clients.registry().add_values(add).await.expect("added");
    client.identity = None;
    let reply = client
        .ask(OpCode::DELETE_HANDLE, FLAGS, handle_only("TEST/S1"))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    replace_secret(&fixture).await;
    let reply = client
        .ask(OpCode::CREATE_HANDLE, FLAGS, values("TEST/S2", URL))
        .await;
    assert_code(&reply, ResponseCode::AUTHENTICATION_NEEDED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_whose_key_was_replaced_is_told_to_log_in_again() {
    let fixture = Fixture::with(|config| config.handle.password_login = true).await;
    let mut client = fixture.client().await;
    let login = |id| {
        request(
            id,
            OpCode::PASSWORD_LOGIN,
            Flags::NONE,
            resolution("TEST/ADMIN", &[], &[SECRET]),
        )
    };
    assert_code(&client.exchange(&login(1)).await, ResponseCode::SUCCESS);
    let create =
        |id, handle: &str| request(id, OpCode::CREATE_HANDLE, Flags::NONE, values(handle, URL));
    let reply = client.exchange(&create(2, "TEST/L1")).await;
    assert_code(&reply, ResponseCode::SUCCESS);
    replace_secret(&fixture).await;
    for id in [3, 4] {
        let reply = client.exchange(&create(id, "TEST/L2")).await;
        assert_code(&reply, ResponseCode::LOGIN_EXPIRED);
    }
    let reply = client.exchange(&login(5)).await;
    assert_code(&reply, ResponseCode::AUTHENTICATION_FAILED);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_of_the_session_number_that_it_logged_in_under() {
    let fixture = Fixture::with(|config| config.handle.password_login = true).await;
    let mut client = fixture.client().await;
    let under = |mut octets: Vec<u8>, session_id: u32| {
        octets[4..8].copy_from_slice(&session_id.to_be_bytes());
        octets
    };
    let login = request(
        1,
        OpCode::PASSWORD_LOGIN,
        Flags::NONE,
        resolution("TEST/ADMIN", &[], &[SECRET]),
    );
    let reply = client.exchange(&under(login, 10_001)).await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let delete = || {
        request(
            2,
            OpCode::DELETE_HANDLE,
            Flags::NONE,
            handle_only("TEST/TYPES"),
        )
    };
    let reply = client.exchange(&under(delete(), 10_002)).await;
    assert_code(&reply, ResponseCode::AUTHENTICATION_NEEDED);
    let reply = client.exchange(&under(delete(), 10_001)).await;
    assert_code(&reply, ResponseCode::SUCCESS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_takes_the_proof_of_its_own_identity_only() {
    let fixture = Fixture::new().await;
    let clients = fixture.node.clients();
    create(&clients, "TEST/STRANGER", vec![secret(300, b"its own")]).await;
    let granted = vec![
        crate::support::text(1, "URL", "http://a"),
        admin(100, 0x0fff, 300, "TEST/STRANGER"),
    ];
    create(&clients, "TEST/OWN", granted).await;
    let stranger = Identity {
        handle: "TEST/STRANGER".into(),
        index: 300,
        key: Key::Secret(b"its own".to_vec(), 3),
    };
    // The session is set up for 300:TEST/ADMIN.
    let mut client = HandleClient::connect_as(fixture.address(), &stranger).await;
    client
        .set_up_session(&fixture.site_key().await, false)
        .await;
    let reply = client
        .ask(OpCode::DELETE_HANDLE, FLAGS, handle_only("TEST/OWN"))
        .await;
    assert_code(&reply, ResponseCode::AUTHENTICATION_FAILED);
    client.session = None;
    let reply = client
        .ask(OpCode::DELETE_HANDLE, FLAGS, handle_only("TEST/OWN"))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_only_where_the_challenge_was_given() {
    let fixture = Fixture::new().await;
    let mut asking = fixture.client().await;
    let mut body = Vec::new();
    handle_only("TEST/TYPES")(&mut body);
    let challenge = asking.ask_once(OpCode::DELETE_HANDLE, FLAGS, &body).await;
    assert_code(&challenge, ResponseCode::AUTHENTICATION_NEEDED);
    let (session_id, answer) = answer_to(&challenge, &fixture.by_secret(0x22));
    // In a session of its own the answer names that session, not the challenge.
    let mut other = fixture.client().await;
    other.set_up_session(&fixture.site_key().await, false).await;
    let own_id = other.session.as_ref().expect("a session").id;
    let reply = other.answer(own_id, &answer).await;
    assert_code(&reply, ResponseCode::AUTHENTICATION_TIMEOUT);
    let reply = asking.answer(session_id, &answer).await;
    assert_code(&reply, ResponseCode::SUCCESS);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_match_is_answered_alike_and_harms_nobody() {
    let fixture = Fixture::new().await;
    let mut client = fixture.admin().await;
    client.set_up_session(&fixture.site_key().await, true).await;
    let mut codes = Vec::new();
    for round in 0..10 {
        let mut body = Vec::new();
        handle_only("TEST/TYPES")(&mut body);
        let mut message = client.message(OpCode::DELETE_HANDLE, FLAGS, &body, true);
        // Each round elsewhere: in padding, code, header.
        let at = message.len() - 1 - round * 9;
        message[at] ^= 1;
        client.send(&message).await;
        let reply = client.reply().await;
        codes.push((
            reply.code(),
            reply.header.op_code,
            reply.envelope.encrypted,
            reply.text(),
        ));
    }
    // A proof that nobody asked for, and of a challenge when there was none.
    let unasked = client.message(OpCode::CHALLENGE_RESPONSE, FLAGS, &[0; 30], false);
    client.send(&unasked).await;
    let reply = client.reply().await;
    codes.push((
        reply.code(),
        reply.header.op_code,
        reply.envelope.encrypted,
        reply.text(),
    ));
    let first = codes[0].clone();
    assert_eq!(first.0, ResponseCode::INVALID_SESSION_KEY);
    assert_eq!((first.1, first.2), (OpCode(0), false));
    assert!(codes.iter().all(|code| *code == first), "{codes:?}");
    // Whoever holds the key goes on.
    client.identity = None;
    let reply = client
        .ask(
            OpCode::RESOLUTION,
            FLAGS,
            resolution("TEST/TYPES", &[1], &[]),
        )
        .await;
    assert_eq!(found(&reply).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dear_is_not_done_for_anybody() {
    let fixture = Fixture::new().await;
    let verify = request(5, OpCode::VERIFY_CHALLENGE, FLAGS, |out| {
        VerifyRequest {
            identity: Reference {
                handle: b"TEST/ADMIN",
                index: 300,
            },
            nonce: &[7; 16],
            digest: &[8; 32],
            proof: &[2; 21],
        }
        .encode(out);
    });
    let replies = over_udp(fixture.address(), &[verify], 1).await;
    assert_code(&Reply::read(&replies[0]), ResponseCode::PROTOCOL_ERROR);
    // One question with many selectors is many questions.
    let mut client = fixture.client().await;
    let indexes: Vec<u32> = (1..=256).collect();
    let octets = request(
        6,
        OpCode::RESOLUTION,
        FLAGS,
        resolution("TEST/TYPES", &indexes, &[]),
    );
    assert_eq!(found(&client.exchange(&octets).await).len(), 4);
    let octets = request(
        7,
        OpCode::RESOLUTION,
        FLAGS,
        resolution("TEST/TYPES", &indexes, &[b"URL"]),
    );
    let reply = client.exchange(&octets).await;
    assert_code(&reply, ResponseCode::PROTOCOL_ERROR);
    let text = "the request names 257 indexes and types; the limit is 256";
    assert_eq!(reply.text(), text);
    let mut compressed = request(
        8,
        OpCode::RESOLUTION,
        FLAGS,
        resolution("TEST/TYPES", &[], &[]),
    );
    compressed[2] |= 0x80;
    let reply = client.exchange(&compressed).await;
    assert_code(&reply, ResponseCode::PROTOCOL_ERROR);
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_announce_only_what_they_carry() {
    let fixture = Fixture::new().await;
    let mut client = fixture.client().await;
    let flags = FLAGS | Flags::REQUEST_DIGEST | Flags::CERTIFIED;
    // To a session that is none: with a digest, and signed as wanted.
    let mut octets = request(5, OpCode::DELETE_HANDLE, flags, handle_only("TEST/TYPES"));
    let length = octets.len();
    octets.truncate(length - 4);
    let mut credential = Vec::new();
    idnode::wire::handle::Credential::mac(1, &[0; 32]).encode(&mut credential);
    octets.extend(u32::try_from(credential.len()).unwrap().to_be_bytes());
    octets.extend(&credential);
    let message_bytes = u32::try_from(octets.len() - ENVELOPE_BYTES).unwrap();
    octets[16..20].copy_from_slice(&message_bytes.to_be_bytes());
    octets[4..8].copy_from_slice(&0x0123_4567_u32.to_be_bytes());
    let reply = client.exchange(&octets).await;
    assert_code(&reply, ResponseCode::SESSION_TIMEOUT);
    assert!(reply.digest.is_some());
    assert_eq!(
        reply.header.flags.contains(Flags::CERTIFIED),
        !reply.credential.is_empty()
    );
    assert!(reply.text().starts_with("Invalid session id"));
}
