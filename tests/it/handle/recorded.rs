//! Exchanges recorded with a deployed server, against this one: the requests
//! octet for octet, the replies equal but for times, keys and digests of keys.

use idnode::model::data::Site;
use idnode::wire::handle::{
    ENVELOPE_BYTES, Envelope, Message, OpCode, ReferralResponse, ResolutionResponse, ResponseCode,
    split_digest,
};

use super::{Fixture, admin, create, shown};
use crate::support::handle::{HandleClient, Reply, answer_to, over_udp};
use crate::support::text;

const RECORDED: &str = include_str!("../../data/handle/handle-server-2.11.txt");

/// The packets of one exchange: whether over UDP, whether from the client.
struct Packet {
    udp: bool,
    request: bool,
    bytes: Vec<u8>,
}

/// The packets below the heading that begins with `title`.
fn packets(title: &str) -> Vec<Packet> {
    let heading = format!("# {title}");
    let section = RECORDED
        .lines()
        .skip_while(|line| !line.starts_with(&heading))
        .skip(1)
        .take_while(|line| !line.starts_with('#'));
    let packets: Vec<Packet> = section
        .filter_map(|line| {
            let (head, hex) = line.trim().split_once(" bytes: ")?;
            let (direction, _) = head.split_once(' ')?;
            Some(Packet {
                udp: direction.starts_with("UDP"),
                request: direction.ends_with('>'),
                bytes: data_encoding::HEXLOWER.decode(hex.as_bytes()).ok()?,
            })
        })
        .collect();
    assert!(!packets.is_empty(), "nothing is recorded as {title:?}");
    packets
}

/// The first request and the packets of its reply.
fn exchange(title: &str) -> (Vec<u8>, bool, Vec<Vec<u8>>) {
    let mut packets = packets(title).into_iter();
    let request = packets.next().expect("a request");
    assert!(request.request);
    let replies = packets.take_while(|packet| !packet.request);
    let replies = replies.map(|packet| packet.bytes).collect();
    (request.bytes, request.udp, replies)
}

/// A message of its packets.
fn joined(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut whole = packets[0].clone();
    for packet in &packets[1..] {
        whole.extend_from_slice(&packet[ENVELOPE_BYTES..]);
    }
    // The bit TRUNCATED of a piece is not that of the message.
    whole[2] &= !0x20;
    whole
}

async fn asked(fixture: &Fixture, title: &str) -> (Reply, Reply) {
    let (request, udp, expected) = exchange(title);
    let got = if udp {
        let replies = over_udp(fixture.address(), &[request], expected.len()).await;
        joined(&replies)
    } else {
        let mut client = fixture.client().await;
        client.send(&request).await;
        client.receive().await.expect("a reply")
    };
    (Reply::read(&got), Reply::read(&joined(&expected)))
}

/// Compares what must be equal: envelope but length, header but time and
/// length.
fn assert_alike(title: &str, got: &Reply, expected: &Reply) {
    let envelope = |reply: &Reply| Envelope {
        message_bytes: 0,
        ..reply.envelope
    };
    assert_eq!(envelope(got), envelope(expected), "{title}");
    let header = |reply: &Reply| {
        let header = reply.header;
        (
            header.op_code,
            header.response_code,
            header.flags,
            header.site_serial,
        )
    };
    assert_eq!(header(got), header(expected), "{title}: {}", shown(got));
    assert_eq!(
        got.digest, expected.digest,
        "{title}: the digest of the request"
    );
}

/// The handle and the values without their times.
fn content(reply: &Reply) -> (Vec<u8>, Vec<String>) {
    let response = ResolutionResponse::decode(&reply.body).expect("values");
    let values = response.values.iter().map(|value| {
        format!(
            "{} {:?} {:?} {} {}",
            value.index,
            value.ttl,
            value.permissions,
            value.value_type.escape_ascii(),
            value.data.escape_ascii()
        )
    });
    (response.handle.to_vec(), values.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn resolutions_are_answered_as_recorded() {
    // The deployed server sends more than it was sent; so does this one here.
    let fixture = Fixture::with(|config| config.handle.udp_amplification_max = 0).await;
    for title in [
        "resolve all values, UDP",
        "resolve type=URL index=[], UDP",
        "resolve types=URL. (subtypes), UDP",
        "resolve index=2,100, UDP",
        "resolve lower-case handle, UDP",
        "resolve with request digest flag, UDP",
        "resolve all values, TCP",
    ] {
        // Kept replies must be the same as fresh ones.
        for _ in 0..2 {
            let (got, expected) = asked(&fixture, title).await;
            assert_alike(title, &got, &expected);
            assert_eq!(content(&got), content(&expected), "{title}");
            let length = |reply: &Reply| reply.bytes.len();
            assert_eq!(length(&got), length(&expected), "{title}");
        }
    }
    for title in ["resolve not found, UDP", "resolve values not found, UDP"] {
        let (got, expected) = asked(&fixture, title).await;
        assert_alike(title, &got, &expected);
        assert_eq!(got.body, expected.body, "{title}");
    }
    let title = "resolve not homed prefix, UDP";
    let (got, expected) = asked(&fixture, title).await;
    assert_alike(title, &got, &expected);
    assert_eq!(got.text(), "prefix \"OTHER\" is not homed on this node");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_resolution_is_signed() {
    let fixture = Fixture::new().await;
    let title = "resolve certified (signed response), TCP";
    let (got, expected) = asked(&fixture, title).await;
    assert_alike(title, &got, &expected);
    assert_eq!(content(&got), content(&expected));
    let key = fixture.site_key().await;
    assert!(got.is_signed_by(&key));
    assert!(!expected.is_signed_by(&key), "by another server's key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_record_comes_in_several_packets() {
    let fixture = Fixture::with(|config| config.handle.udp_amplification_max = 0).await;
    let title = "resolve prefix handle (multi packet";
    let (got, expected) = asked(&fixture, title).await;
    assert_alike(title, &got, &expected);
    let (handle, _) = content(&got);
    assert_eq!(handle, b"0.NA/TEST");
    let response = ResolutionResponse::decode(&got.body).expect("values");
    let site = response
        .values
        .iter()
        .find(|value| value.value_type == b"HS_SITE");
    let site = Site::decode(site.expect("a site").data).expect("a site");
    assert_eq!(site, fixture.site().await);
    assert!(got.bytes.len() > 512);
    // The bare prefix is the same record.
    let mut client = fixture.client().await;
    let bare = client
        .ask(
            OpCode::RESOLUTION,
            idnode::wire::handle::Flags::RESOLUTION,
            super::resolution("TEST", &[], &[b"HS_SITE"]),
        )
        .await;
    let found = super::found(&bare);
    assert_eq!(found.len(), 1);
    assert_eq!(Site::decode(&found[0].2), Ok(site));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_site_is_told_to_whoever_asks() {
    let fixture = Fixture::new().await;
    let title = "get site info, TCP";
    let (got, expected) = asked(&fixture, title).await;
    assert_alike(title, &got, &expected);
    let (ours, theirs) = (Site::decode(&got.body), Site::decode(&expected.body));
    let (ours, theirs) = (ours.expect("a site"), theirs.expect("a site"));
    assert_eq!(ours.servers.len(), theirs.servers.len());
    assert!(ours.is_primary && theirs.is_primary);
    let first = ours.servers[0].interfaces[0];
    assert_eq!(first.port, fixture.address().port());
    assert_eq!(first.protocol, idnode::model::data::InterfaceProtocol::Tcp);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_proof_is_challenged() {
    let fixture = Fixture::new().await;
    for title in [
        "resolve restricted value w/o auth -> challenge, TCP",
        "create without auth info -> challenge, TCP",
        "list handles of 0.NA/TEST, TCP",
        "list homed prefixes, TCP",
        "home prefix 0.NA/NEWP, TCP",
        "unhome prefix 0.NA/NEWP, TCP",
    ] {
        let (request, _, expected) = exchange(title);
        let mut client = HandleClient::connect(fixture.address()).await;
        let mut got = client.exchange(&request).await;
        assert_ne!(got.envelope.session_id, 0, "{title}");
        let mut expected = Reply::read(&expected[0]);
        expected.envelope.session_id = 0;
        let session_id = std::mem::take(&mut got.envelope.session_id);
        assert_alike(title, &got, &expected);
        assert_eq!(got.body.len(), expected.body.len(), "{title}: the nonce");
        got.envelope.session_id = session_id;
        let (session_id, answer) = answer_to(&got, &fixture.by_secret(0x22));
        let done = client.answer(session_id, &answer).await;
        assert_eq!(
            done.code(),
            ResponseCode::SUCCESS,
            "{title}: {}",
            shown(&done)
        );
        assert_eq!(done.header.op_code, got.header.op_code, "{title}");
        assert_eq!(done.envelope.session_id, 0, "{title}");
        let again = client.answer(session_id, &answer).await;
        assert_eq!(
            again.code(),
            ResponseCode::AUTHENTICATION_TIMEOUT,
            "{title}: once"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prefix_below_one_that_is_delegated_is_referred() {
    let fixture = Fixture::with(|config| config.handle.udp_amplification_max = 0).await;
    let title = "prefix referral: resolve 0.NA/TEST.SUB";
    let (_, _, recorded) = exchange(title);
    let recorded = Reply::read(&joined(&recorded));
    let referral = ReferralResponse::decode(&recorded.body).expect("a referral");
    let site = referral.values.iter().next().expect("a value");
    let clients = fixture.node.clients();
    let value = idnode::wire::proto::v1::Value {
        index: site.index,
        r#type: "HS_SITE.PREFIX".into(),
        data: Some(idnode::wire::proto::v1::value::Data::Binary(
            site.data.to_vec().into(),
        )),
        ..Default::default()
    };
    let request = idnode::wire::proto::v1::AddValuesRequest {
        name: "records/0.NA/TEST".into(),
        values: vec![value],
        ..Default::default()
    };
    clients.registry().add_values(request).await.expect("added");
    let (got, expected) = asked(&fixture, title).await;
    assert_alike(title, &got, &expected);
    let ours = ReferralResponse::decode(&got.body).expect("a referral");
    assert_eq!(ours.handle, b"");
    let data = |values: &ReferralResponse<'_>| -> Vec<Vec<u8>> {
        values
            .values
            .iter()
            .map(|value| value.data.to_vec())
            .collect()
    };
    assert_eq!(data(&ours), data(&referral));
    let title = "same with doNotRefer flag, UDP";
    let (got, expected) = asked(&fixture, title).await;
    assert_alike(title, &got, &expected);
    assert_eq!(got.body, expected.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_routed_prefix_is_referred_to_its_own_site() {
    let fixture = Fixture::new().await;
    let clients = fixture.node.clients();
    let mut site = fixture.site().await;
    site.serial = 7;
    let site = idnode::wire::proto::v1::Value {
        index: 1,
        r#type: "HS_SITE".into(),
        data: Some(idnode::wire::proto::v1::value::Data::Binary(
            site.encode().into(),
        )),
        ..Default::default()
    };
    let values = vec![
        site,
        admin(100, 0x0fff, 300, "TEST/ADMIN"),
        text(2, "DESC", "routed"),
    ];
    create(&clients, "0.NA/77.1", values).await;
    let mut client = fixture.client().await;
    let flags = idnode::wire::handle::Flags::RESOLUTION;
    let body = || super::resolution("77.1/x", &[], &[]);
    let reply = client.ask(OpCode::RESOLUTION, flags, body()).await;
    assert_eq!(
        reply.code(),
        ResponseCode::SERVICE_REFERRAL,
        "{}",
        shown(&reply)
    );
    let referral = ReferralResponse::decode(&reply.body).expect("a referral");
    assert_eq!(referral.handle, b"");
    let types: Vec<&[u8]> = referral
        .values
        .iter()
        .map(|value| value.value_type)
        .collect();
    assert_eq!(types, [b"HS_SITE"]);
    let here = flags | idnode::wire::handle::Flags::DO_NOT_REFER;
    let reply = client.ask(OpCode::RESOLUTION, here, body()).await;
    assert_eq!(reply.code(), ResponseCode::SERVER_NOT_RESPONSIBLE);
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_of_old_are_told_so() {
    let fixture = Fixture::new().await;
    let title = "get next txn id, TCP";
    let (got, expected) = asked(&fixture, title).await;
    assert_alike(title, &got, &expected);
    assert_eq!(got.body, expected.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_s_question_is_answered_and_signed() {
    let fixture = Fixture::new().await;
    let title = "verify challenge (op 201) HS_SECKEY, TCP";
    let (got, expected) = asked(&fixture, title).await;
    assert_alike(title, &got, &expected);
    assert_eq!(got.body, [1]);
    assert_eq!(expected.body, [1]);
    assert!(got.is_signed_by(&fixture.site_key().await));
}

#[test]
fn every_exchange_decodes() {
    let messages = RECORDED
        .lines()
        .filter_map(|line| line.trim().split_once(" bytes: "));
    let mut count = 0;
    for (_, hex) in messages {
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex");
        let envelope = Envelope::decode(&bytes).expect("an envelope");
        let whole = envelope.message_len() == Ok(bytes.len() - ENVELOPE_BYTES);
        if !envelope.encrypted && whole {
            let message = Message::decode(&bytes[ENVELOPE_BYTES..]).expect("a message");
            if message.header.response_code != ResponseCode::REQUEST {
                split_digest(envelope.version, &message.header, message.body).expect("a body");
            }
            count += 1;
        }
    }
    assert!(count > 80, "only {count}");
}
