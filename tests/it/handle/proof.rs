//! Who may: proofs with secrets and key pairs, and the rights that HS_ADMIN
//! values give.

use idnode::wire::handle::Reference;
use idnode::wire::handle::{Flags, OpCode, ResponseCode, VerifyRequest, VerifyResponse};
use idnode::wire::proto::v1;

use super::{
    Fixture, SECRET, admin, assert_code, create, found, handle_only, resolution, secret, shown,
    values,
};
use crate::support::handle::{HandleClient, Identity, Key, PrivateKey, Signing};
use crate::support::{text, wait_until};

const URL: &[(u32, &str, &[u8])] = &[(1, "URL", b"http://a")];

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_use_a_secret_proves_it() {
    let fixture = Fixture::new().await;
    for method in [0x22, 1, 2, 3, 0x12, 0x13] {
        let identity = fixture.by_secret(method);
        let mut client = HandleClient::connect_as(fixture.address(), &identity).await;
        let handle = format!("TEST/SECRET-{method}");
        let reply = client
            .ask(
                OpCode::CREATE_HANDLE,
                Flags::RESOLUTION,
                values(&handle, URL),
            )
            .await;
        assert_code(&reply, ResponseCode::SUCCESS);
        let wrong = Identity {
            key: Key::Secret(b"another secret".to_vec(), method),
            ..identity
        };
        let mut client = HandleClient::connect_as(fixture.address(), &wrong).await;
        let reply = client
            .ask(
                OpCode::DELETE_HANDLE,
                Flags::RESOLUTION,
                handle_only(&handle),
            )
            .await;
        assert_code(&reply, ResponseCode::AUTHENTICATION_FAILED);
        assert_eq!(reply.header.op_code, OpCode::DELETE_HANDLE);
    }
    assert_told(&fixture, &[("authenticate", "AUTHENTICATION_FAILED"); 6]).await;
}

/// Checks which attempts the audit trail has, each from where the tests run.
async fn assert_told(fixture: &Fixture, expected: &[(&str, &str)]) {
    let auditor = fixture.node.auditor();
    let told = async || {
        let request = v1::ListAuditEntriesRequest {
            refused_only: true,
            ..v1::ListAuditEntriesRequest::default()
        };
        let listed = auditor.audit().list_audit_entries(request).await;
        listed.expect("an auditor").into_inner().entries
    };
    wait_until("the attempts told", async || {
        told().await.len() == expected.len()
    })
    .await;
    for (entry, expected) in told().await.iter().zip(expected) {
        assert_eq!((&*entry.action, &*entry.refused_reason), *expected);
        assert_eq!(entry.source, "127.0.0.1", "{entry:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_key_pair_proves_it() {
    let fixture = Fixture::new().await;
    let clients = fixture.node.clients();
    for (number, signing) in [
        Signing::RsaSha256,
        Signing::RsaSha1,
        Signing::DsaSha1,
        Signing::Sm2,
    ]
    .into_iter()
    .enumerate()
    {
        let key = PrivateKey::new(signing);
        let holder = format!("TEST/HOLDER-{number}");
        let pem = key.public_pem().replace('\n', "\r\n");
        let keys = vec![text(300, "HS_PUBKEY", &pem), text(1, "DESC", "a holder")];
        create(&clients, &holder, keys).await;
        let subject = format!("TEST/OF-{number}");
        let granted = vec![text(1, "URL", "http://a"), admin(100, 0x0fff, 300, &holder)];
        create(&clients, &subject, granted).await;
        for index in [300, 0] {
            let identity = Identity {
                handle: holder.clone(),
                index,
                key: Key::Pair(key.clone()),
            };
            let mut client = HandleClient::connect_as(fixture.address(), &identity).await;
            let body = [(1, "URL", &b"http://changed"[..])];
            let reply = client
                .ask(
                    OpCode::MODIFY_VALUE,
                    Flags::RESOLUTION,
                    values(&subject, &body),
                )
                .await;
            assert_code(&reply, ResponseCode::SUCCESS);
        }
        let other = Identity {
            handle: holder,
            index: 300,
            key: Key::Pair(PrivateKey::new(signing)),
        };
        let mut client = HandleClient::connect_as(fixture.address(), &other).await;
        let reply = client
            .ask(
                OpCode::DELETE_HANDLE,
                Flags::RESOLUTION,
                handle_only(&subject),
            )
            .await;
        assert_code(&reply, ResponseCode::AUTHENTICATION_FAILED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_no_admin_value_names_may_change_nothing() {
    let fixture = Fixture::new().await;
    let clients = fixture.node.clients();
    let stranger = Identity {
        handle: "TEST/STRANGER".into(),
        index: 300,
        key: Key::Secret(SECRET.to_vec(), 0x13),
    };
    let values_of = vec![secret(300, SECRET), admin(100, 0x0fff, 300, "TEST/ADMIN")];
    create(&clients, "TEST/STRANGER", values_of).await;
    let mut client = HandleClient::connect_as(fixture.address(), &stranger).await;
    let flags = Flags::RESOLUTION;
    let reply = client
        .ask(OpCode::CREATE_HANDLE, flags, values("TEST/N", URL))
        .await;
    assert_code(&reply, ResponseCode::INVALID_ADMIN);
    let reply = client
        .ask(OpCode::DELETE_HANDLE, flags, handle_only("TEST/TYPES"))
        .await;
    assert_code(&reply, ResponseCode::INVALID_ADMIN);
    let reply = client
        .ask(OpCode::LIST_HANDLES, flags, handle_only("0.NA/TEST"))
        .await;
    assert_code(&reply, ResponseCode::INVALID_ADMIN);
    for op_code in [
        OpCode::LIST_HOMED_PREFIXES,
        OpCode::HOME_PREFIX,
        OpCode::UNHOME_PREFIX,
    ] {
        let reply = client.ask(op_code, flags, handle_only("0.NA/TEST")).await;
        assert_code(&reply, ResponseCode::INSUFFICIENT_PERMISSIONS);
    }
    // May add values, and nothing else.
    let some = vec![
        text(1, "URL", "http://a"),
        admin(100, 0x0040, 300, "TEST/STRANGER"),
    ];
    create(&clients, "TEST/SOME", some).await;
    let more = [(2, "EMAIL", &b"a@b"[..])];
    let reply = client
        .ask(OpCode::ADD_VALUE, flags, values("TEST/SOME", &more))
        .await;
    assert_code(&reply, ResponseCode::SUCCESS);
    let reply = client
        .ask(OpCode::MODIFY_VALUE, flags, values("TEST/SOME", &more))
        .await;
    assert_code(&reply, ResponseCode::INSUFFICIENT_PERMISSIONS);
    let over = Flags::RESOLUTION | Flags::OVERWRITE;
    let changed = [(2, "EMAIL", &b"c@d"[..])];
    let reply = client
        .ask(OpCode::ADD_VALUE, over, values("TEST/SOME", &changed))
        .await;
    assert_code(&reply, ResponseCode::INSUFFICIENT_PERMISSIONS);
    let expected = [
        ("create-record", "NOT_ADMIN"),
        ("delete-record", "NOT_ADMIN"),
        ("read-private", "NOT_ADMIN"),
        ("operate", "PERMISSION_DENIED"),
        ("home-prefix", "PERMISSION_DENIED"),
        ("unhome-prefix", "PERMISSION_DENIED"),
        ("modify-values", "PERMISSION_DENIED"),
        ("modify-values", "PERMISSION_DENIED"),
    ];
    assert_told(&fixture, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_values_are_for_who_may_read_them() {
    let fixture = Fixture::new().await;
    let mut admin = fixture.admin().await;
    // Without PUBL, and with what standard clients set besides.
    let flags = Flags(0x1800_0000);
    let body = || resolution("TEST/ADMIN", &[300], &[]);
    let reply = admin.ask(OpCode::RESOLUTION, flags, body()).await;
    assert_eq!(found(&reply), [(300, "HS_SECKEY".into(), SECRET.to_vec())]);
    let reply = admin
        .ask(OpCode::RESOLUTION, Flags::RESOLUTION, body())
        .await;
    assert_code(&reply, ResponseCode::VALUES_NOT_FOUND);
    let clients = fixture.node.clients();
    create(&clients, "TEST/STRANGER", vec![secret(300, b"its own")]).await;
    let stranger = Identity {
        handle: "TEST/STRANGER".into(),
        index: 300,
        key: Key::Secret(b"its own".to_vec(), 3),
    };
    let mut client = HandleClient::connect_as(fixture.address(), &stranger).await;
    let reply = client.ask(OpCode::RESOLUTION, flags, body()).await;
    assert_code(&reply, ResponseCode::INSUFFICIENT_PERMISSIONS);
    let mut anonymous = fixture.client().await;
    let reply = anonymous
        .ask(
            OpCode::RESOLUTION,
            Flags::RESOLUTION,
            resolution("TEST/ADMIN", &[], &[]),
        )
        .await;
    let seen: Vec<u32> = found(&reply).into_iter().map(|(index, ..)| index).collect();
    assert_eq!(seen, [100, 301]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_can_be_checked_for_another_server() {
    let fixture = Fixture::new().await;
    let (nonce, digest) = ([7; 16], [8; 32]);
    for (identity, method) in [
        (fixture.by_secret(2), 0),
        (fixture.by_key(), 0),
        (fixture.by_secret(2), 1),
    ] {
        let body = identity.answer(&nonce, &digest);
        let answer = idnode::wire::handle::ChallengeAnswer::decode(&body).expect("an answer");
        let mut proof = answer.proof.to_vec();
        if method == 1 {
            *proof.last_mut().expect("octets") ^= 1;
        }
        let mut client = fixture.client().await;
        let encode = |out: &mut Vec<u8>| {
            VerifyRequest {
                identity: Reference {
                    handle: identity.handle.as_bytes(),
                    index: identity.index,
                },
                nonce: &nonce,
                digest: &digest,
                proof: &proof,
            }
            .encode(out);
        };
        let reply = client
            .ask(OpCode::VERIFY_CHALLENGE, Flags::RESOLUTION, encode)
            .await;
        assert_code(&reply, ResponseCode::SUCCESS);
        let holds = VerifyResponse::decode(&reply.body)
            .expect("a verdict")
            .holds;
        assert_eq!(holds, method == 0, "{}", shown(&reply));
    }
}
