//! Sessions: keys agreed on by Diffie-Hellman, codes, counters, encryption.

use idnode::wire::handle::{
    ENVELOPE_BYTES, Envelope, Flags, KeyAgreement, OpCode, Reference, ResponseCode, SessionRequest,
};

use super::{Fixture, SECRET, assert_code, found, handle_only, resolution, values};

const URL: &[(u32, &str, &[u8])] = &[(1, "URL", b"http://a")];
const FLAGS: Flags = Flags::RESOLUTION;

#[tokio::test(flavor = "multi_thread")]
async fn one_proof_serves_for_a_session() {
    let fixture = Fixture::new().await;
    let key = fixture.site_key().await;
    let mut client = fixture.admin().await;
    client.set_up_session(&key, false).await;
    let reply = client
        .ask(OpCode::CREATE_HANDLE, FLAGS, values("TEST/S1", URL))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    // From here on the code of each message is proof enough.
    client.identity = None;
    let reply = client
        .ask(OpCode::CREATE_HANDLE, FLAGS, values("TEST/S1", URL))
        .await;
    assert_code(&reply, ResponseCode::HANDLE_ALREADY_EXISTS);
    let reply = client
        .ask(OpCode::DELETE_HANDLE, FLAGS, handle_only("TEST/S1"))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    assert_eq!(
        reply.envelope.session_id,
        client.session.as_ref().unwrap().id
    );
    let certified = FLAGS | Flags::CERTIFIED;
    let reply = client
        .ask(
            OpCode::RESOLUTION,
            certified,
            resolution("TEST/TYPES", &[1], &[]),
        )
        .await;
    assert_eq!(found(&reply).len(), 1);
    assert!(!reply.credential.is_empty(), "with the session's code");
    let reply = client
        .ask(OpCode::SESSION_TERMINATE, FLAGS, handle_only("/"))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let reply = client
        .ask(OpCode::DELETE_HANDLE, FLAGS, handle_only("TEST/TYPES"))
        .await;
    assert_code(&reply, ResponseCode::SESSION_TIMEOUT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_can_be_encrypted() {
    let fixture = Fixture::new().await;
    let key = fixture.site_key().await;
    let mut client = fixture.admin().await;
    client.set_up_session(&key, true).await;
    let flags = Flags(0x1800_0000);
    for _ in 0..2 {
        let reply = client
            .ask(
                OpCode::RESOLUTION,
                flags,
                resolution("TEST/ADMIN", &[300], &[]),
            )
            .await;
        assert_eq!(found(&reply), [(300, "HS_SECKEY".into(), SECRET.to_vec())]);
    }
    // Damaged: neither says where, nor goes out in clear what was secret.
    let mut message = client.message(OpCode::RESOLUTION, flags, &[0, 0, 0, 0], true);
    let mut texts = Vec::new();
    for at in [ENVELOPE_BYTES, ENVELOPE_BYTES + 17, message.len() - 1] {
        message[at] ^= 0x55;
        client.send(&message).await;
        let reply = client.reply().await;
        assert_code(&reply, ResponseCode::INVALID_SESSION_KEY);
        texts.push(reply.text());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_serves_once() {
    let fixture = Fixture::new().await;
    let key = fixture.site_key().await;
    let mut client = fixture.admin().await;
    client.set_up_session(&key, false).await;
    let reply = client
        .ask(OpCode::CREATE_HANDLE, FLAGS, values("TEST/S1", URL))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let mut body = Vec::new();
    handle_only("TEST/S1")(&mut body);
    let message = client.message(OpCode::DELETE_HANDLE, FLAGS, &body, true);
    let first = client.exchange(&message).await;
    assert_code(&first, ResponseCode::SUCCESS);
    let again = client.exchange(&message).await;
    assert_code(&again, ResponseCode::SESSION_MESSAGE_REJECTED);
    let session = client.session.as_ref().unwrap();
    let expected = format!(
        "Duplicate session counter {} in session {}",
        session.counter, session.id
    );
    assert_eq!(again.text(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_s_messages_need_its_code() {
    let fixture = Fixture::new().await;
    let key = fixture.site_key().await;
    let mut client = fixture.admin().await;
    client.set_up_session(&key, false).await;
    let mut body = Vec::new();
    handle_only("TEST/TYPES")(&mut body);
    let bare = client.message(OpCode::DELETE_HANDLE, FLAGS, &body, false);
    assert_code(
        &client.exchange(&bare).await,
        ResponseCode::INVALID_CREDENTIAL,
    );
    let mut changed = client.message(OpCode::DELETE_HANDLE, FLAGS, &body, true);
    let at = ENVELOPE_BYTES + 24 + 4 + 9;
    changed[at] = b'X';
    assert_code(
        &client.exchange(&changed).await,
        ResponseCode::INVALID_SESSION_KEY,
    );
    let mut elsewhere = client.message(OpCode::DELETE_HANDLE, FLAGS, &body, true);
    elsewhere[4..8].copy_from_slice(&0x0123_4567_u32.to_be_bytes());
    assert_code(
        &client.exchange(&elsewhere).await,
        ResponseCode::SESSION_TIMEOUT,
    );
    let mut numbered = client.message(OpCode::DELETE_HANDLE, FLAGS, &body, true);
    numbered[8] ^= 1;
    assert_code(
        &client.exchange(&numbered).await,
        ResponseCode::INVALID_SESSION_KEY,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_safe_ways_to_a_key_are_taken() {
    let fixture = Fixture::new().await;
    let mut client = fixture.client().await;
    let identity = Reference {
        handle: b"TEST/ADMIN",
        index: 300,
    };
    let mut small = idnode::model::data::PublicKey::Dh {
        y: vec![4],
        p: vec![23],
        g: vec![5],
    }
    .encode();
    let agreements = [
        KeyAgreement::ServerKey,
        KeyAgreement::ClientKey(b"key"),
        KeyAgreement::HandleKey(identity),
        KeyAgreement::DiffieHellman(b"no key"),
        KeyAgreement::DiffieHellman(&small),
    ];
    for agreement in agreements {
        let encode = |out: &mut Vec<u8>| {
            SessionRequest {
                timeout_secs: 60,
                identity,
                agreement,
            }
            .encode(out);
        };
        let reply = client.ask(OpCode::SESSION_SETUP, FLAGS, encode).await;
        assert_code(&reply, ResponseCode::INVALID_SESSION_SETUP);
    }
    small.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_their_connection() {
    let fixture = Fixture::new().await;
    let key = fixture.site_key().await;
    let mut client = fixture.admin().await;
    client.set_up_session(&key, false).await;
    let reply = client
        .ask(OpCode::CREATE_HANDLE, FLAGS, values("TEST/S1", URL))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let mut next = fixture.client().await;
    next.session = client.session.take();
    let reply = next
        .ask(OpCode::DELETE_HANDLE, FLAGS, handle_only("TEST/S1"))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let envelope = Envelope::decode(&reply.bytes).expect("an envelope");
    assert_ne!(envelope.session_id, 0);
}
