//! What is no request, or not one that can be answered here.

use idnode::wire::handle::{
    ENVELOPE_BYTES, Envelope, Flags, HEADER_BYTES, OpCode, ResponseCode, Version,
};

use super::{Fixture, assert_code, found, handle_only, resolution, values};
use crate::support::handle::{HandleClient, Reply, over_udp, request};

const FLAGS: Flags = Flags::RESOLUTION;

fn plain() -> Vec<u8> {
    request(
        77,
        OpCode::RESOLUTION,
        FLAGS,
        resolution("TEST/TYPES", &[2], &[]),
    )
}

/// `octets` with the message length that they have.
fn measured(mut octets: Vec<u8>) -> Vec<u8> {
    let length = u32::try_from(octets.len() - ENVELOPE_BYTES).unwrap();
    octets[16..20].copy_from_slice(&length.to_be_bytes());
    octets
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_operations_are_named() {
    let fixture = Fixture::new().await;
    let mut client = fixture.client().await;
    for (op_code, code, text) in [
        (
            0,
            ResponseCode::PROTOCOL_ERROR,
            "Unknown opCode in message: 0",
        ),
        (
            77,
            ResponseCode::PROTOCOL_ERROR,
            "Unknown opCode in message: 77",
        ),
        (
            u32::MAX,
            ResponseCode::PROTOCOL_ERROR,
            "Unknown opCode in message: 4294967295",
        ),
        (
            106,
            ResponseCode::OPERATION_NOT_SUPPORTED,
            "operation 106(LIST_DERIVED_PREFIXES) is not supported",
        ),
        (
            1002,
            ResponseCode::OPERATION_NOT_SUPPORTED,
            "operation 1002(DUMP_HANDLES) is not supported",
        ),
    ] {
        let octets = request(5, OpCode(op_code), FLAGS, handle_only("/"));
        let reply = client.exchange(&octets).await;
        assert_code(&reply, code);
        assert_eq!(reply.text(), text);
        assert_eq!(reply.header.op_code, OpCode(op_code));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_bodies_are_protocol_errors_and_cost_nothing_else() {
    let fixture = Fixture::new().await;
    let mut client = fixture.client().await;
    let body_at = ENVELOPE_BYTES + HEADER_BYTES;
    let ops = [
        (OpCode::RESOLUTION, plain()),
        (
            OpCode::CREATE_HANDLE,
            request(
                5,
                OpCode::CREATE_HANDLE,
                FLAGS,
                values("TEST/N", &[(1, "URL", b"a")]),
            ),
        ),
        (
            OpCode::DELETE_HANDLE,
            request(5, OpCode::DELETE_HANDLE, FLAGS, handle_only("TEST/N")),
        ),
        (
            OpCode::LIST_HANDLES,
            request(5, OpCode::LIST_HANDLES, FLAGS, handle_only("0.NA/TEST")),
        ),
    ];
    for (op_code, sound) in &ops {
        // Lengths and counts that are negative, or beyond what is there.
        for length in [0xffff_ffff_u32, 0x7fff_ffff, 0x0010_0001, 0x0000_1000] {
            let mut octets = sound.clone();
            octets[body_at..body_at + 4].copy_from_slice(&length.to_be_bytes());
            let reply = client.exchange(&octets).await;
            assert_code(&reply, ResponseCode::PROTOCOL_ERROR);
            assert_eq!(reply.header.op_code, *op_code);
            assert!(!reply.text().is_empty());
        }
        // A body that goes on, and one that is longer than the message.
        let mut longer = sound.clone();
        longer.splice(longer.len() - 4..longer.len() - 4, [1, 2, 3]);
        let body_bytes = u32::try_from(longer.len() - 4 - body_at).unwrap();
        longer[body_at - 4..body_at].copy_from_slice(&body_bytes.to_be_bytes());
        assert_code(
            &client.exchange(&measured(longer)).await,
            ResponseCode::PROTOCOL_ERROR,
        );
        let mut beyond = sound.clone();
        beyond[body_at - 4..body_at].copy_from_slice(&0xffff_fff0_u32.to_be_bytes());
        assert_code(
            &client.exchange(&beyond).await,
            ResponseCode::PROTOCOL_ERROR,
        );
        let mut trailing = sound.clone();
        trailing.extend([9; 9]);
        assert_code(
            &client.exchange(&measured(trailing)).await,
            ResponseCode::PROTOCOL_ERROR,
        );
    }
    assert_eq!(found(&client.exchange(&plain()).await).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_that_cannot_be_are_not_found() {
    let fixture = Fixture::new().await;
    let mut client = fixture.client().await;
    let long = format!("TEST/{}", "x".repeat(2044));
    for handle in ["", "/", "TEST/", "/x", "TEST ABC/1", "0.SITE/status", &long] {
        let octets = request(5, OpCode::RESOLUTION, FLAGS, resolution(handle, &[], &[]));
        let reply = client.exchange(&octets).await;
        let code = if handle == "0.SITE/status" {
            ResponseCode::SERVER_NOT_RESPONSIBLE
        } else {
            ResponseCode::HANDLE_NOT_FOUND
        };
        assert_code(&reply, code);
    }
    let octets = request(5, OpCode::RESOLUTION, FLAGS, |out| {
        out.extend([0, 0, 0, 7]);
        out.extend(b"TEST/\xff\xfe");
        out.extend([0; 8]);
    });
    assert_code(
        &client.exchange(&octets).await,
        ResponseCode::HANDLE_NOT_FOUND,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_answered_as_they_are_wanted() {
    let fixture = Fixture::new().await;
    let mut client = fixture.client().await;
    for (version, suggested, answered) in [
        ((2, 11), (2, 11), Version::new(2, 11)),
        ((2, 3), (2, 10), Version::new(2, 10)),
        ((2, 0), (2, 0), Version::new(2, 0)),
        ((2, 4), (0, 0), Version::new(2, 4)),
        ((3, 0), (3, 0), Version::new(2, 11)),
        ((5, 0), (0, 0), Version::new(5, 0)),
    ] {
        let mut octets = plain();
        octets[..2].copy_from_slice(&[version.0, version.1]);
        octets[2..4].copy_from_slice(&[suggested.0, suggested.1]);
        for request_id in [0, 1, 0xffff_fffe_u32] {
            octets[8..12].copy_from_slice(&request_id.to_be_bytes());
            let reply = client.exchange(&octets).await;
            assert_eq!(
                reply.envelope.version, answered,
                "{version:?} {suggested:?}"
            );
            assert_eq!(reply.envelope.suggested, Version::CURRENT);
            assert_eq!(reply.envelope.request_id, request_id);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_not_taken_in_datagrams() {
    let fixture = Fixture::new().await;
    let octets = request(5, OpCode::DELETE_HANDLE, FLAGS, handle_only("TEST/TYPES"));
    let replies = over_udp(fixture.address(), &[octets], 1).await;
    let reply = Reply::read(&replies[0]);
    assert_code(&reply, ResponseCode::PROTOCOL_ERROR);
    assert_eq!(
        reply.text(),
        "Received admin request on non-admin interface"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_are_not_answered() {
    let fixture = Fixture::new().await;
    let mut reply = plain();
    reply[ENVELOPE_BYTES + 7] = 1;
    let mut client = fixture.client().await;
    client.send(&reply).await;
    // The next request's answer comes first.
    let answered = client.exchange(&plain()).await;
    assert_eq!(answered.envelope.request_id, 77);
    let replies = over_udp(fixture.address(), &[reply, plain()], 1).await;
    assert_code(&Reply::read(&replies[0]), ResponseCode::SUCCESS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_prefix_does_not_resolve() {
    let fixture = Fixture::new().await;
    let clients = fixture.node.clients();
    let mut client = HandleClient::connect(fixture.address()).await;
    assert_eq!(found(&client.exchange(&plain()).await).len(), 1);
    let request = idnode::wire::proto::v1::SuspendPrefixRequest {
        name: "prefixes/TEST".into(),
        reason: "its licence ran out".into(),
        ..Default::default()
    };
    clients
        .registry()
        .suspend_prefix(request)
        .await
        .expect("suspended");
    let reply = client.exchange(&plain()).await;
    assert_code(&reply, ResponseCode::HANDLE_NOT_FOUND);
    let create = super::request_of(OpCode::CREATE_HANDLE, values("TEST/N", &[(1, "URL", b"a")]));
    let reply = client.exchange(&create).await;
    assert_code(&reply, ResponseCode::OPERATION_NOT_SUPPORTED);
    assert!(reply.text().contains("suspended"), "{}", reply.text());
    let envelope = Envelope::decode(&reply.bytes).expect("an envelope");
    assert_eq!(envelope.session_id, 0);
}
