//! The codec as a whole: against recorded exchanges, and by properties that hold
//! for any message.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};

use super::*;

#[path = "../../../tests/it/support/recorded.rs"]
mod recorded;

/// Writes what was read of a whole message, field by field.
fn encode(envelope: &Envelope, message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::begin(&mut out, envelope, &message.header);
    if message.header.response_code == ResponseCode::REQUEST {
        let request = Request::decode(message.header.op_code, message.body).expect("a request");
        assert!(!matches!(request, Request::Unknown(_)));
        request.encode(writer.body());
    } else {
        let response = Response::decode(envelope.version, &message.header, message.body);
        let response = response.expect("a response");
        assert!(!matches!(response.content, Content::Unknown(_)));
        response.encode(envelope.version, writer.body());
    }
    let mut credential = Vec::new();
    if !message.credential.is_empty() {
        let decoded = Credential::decode(message.credential).expect("a credential");
        decoded.encode(&mut credential);
    }
    writer.finish(&credential).expect("short enough").to_vec()
}

fn open(bytes: &[u8]) -> Option<(Envelope, Message<'_>)> {
    let envelope = Envelope::decode(bytes).expect("an envelope");
    let rest = &bytes[ENVELOPE_BYTES..];
    assert_eq!(envelope.message_len(), Ok(rest.len()));
    let open = !envelope.encrypted;
    open.then(|| (envelope, Message::decode(rest).expect("a message")))
}

#[test]
fn every_recorded_message_is_written_as_it_was_read() {
    let mut encrypted = 0;
    for sent in recorded::messages() {
        let Some((envelope, message)) = open(&sent.bytes) else {
            encrypted += 1;
            continue;
        };
        let is_request = message.header.response_code == ResponseCode::REQUEST;
        assert_eq!(is_request, sent.is_request, "{}", sent.origin);
        assert_eq!(encode(&envelope, &message), sent.bytes, "{}", sent.origin);
    }
    assert_eq!(encrypted, 4);
}

#[test]
fn every_recorded_packet_has_its_place() {
    let packets = recorded::packets();
    let mut several = 0;
    for sent in recorded::messages() {
        let envelope = Envelope::decode(&sent.bytes).expect("an envelope");
        let fragments = Fragments::of(&envelope).expect("short enough");
        if sent.bytes.len() <= PACKET_BYTES_MAX || fragments.count() == 1 {
            continue;
        }
        let own = packets.iter().filter(|packet| {
            let of = Envelope::decode(&packet.bytes).expect("an envelope");
            of.request_id == envelope.request_id && packet.is_request == sent.is_request
        });
        let own = own
            .map(|packet| packet.bytes.as_slice())
            .collect::<Vec<_>>();
        assert_eq!(own.len(), fragments.count(), "{}", sent.origin);
        let mut whole = vec![0; fragments.message_bytes()];
        for packet in own.iter().rev() {
            let of = Envelope::decode(packet).expect("an envelope");
            let piece = &packet[ENVELOPE_BYTES..];
            let place = fragments.place(&of, piece.len()).expect("a place");
            whole[place].copy_from_slice(piece);
        }
        assert_eq!(whole, sent.bytes[ENVELOPE_BYTES..], "{}", sent.origin);
        let mut buffer = [0; PACKET_BYTES_MAX];
        let cut = super::packets(&sent.bytes, Marking::Unmarked).expect("a message");
        let cut = cut.map(|packet| packet.write(&mut buffer).to_vec());
        assert!(cut.eq(own), "{}", sent.origin);
        several += 1;
    }
    assert_eq!(several, 6);
}

/// What is digested is what deployed peers digest.
#[test]
fn recorded_digests_are_of_header_and_body() {
    let mut asked = HashMap::new();
    let mut checked = 0;
    for sent in recorded::messages() {
        let Some((envelope, message)) = open(&sent.bytes) else {
            continue;
        };
        if sent.is_request {
            asked.insert(
                envelope.request_id,
                digest::digest(&digest::SHA256, message.signed),
            );
            continue;
        }
        let found = split_digest(envelope.version, &message.header, message.body);
        let (Some(found), _) = found.expect("a response") else {
            continue;
        };
        assert_eq!(found.algorithm, DigestAlgorithm::Sha256);
        let expected = &asked[&envelope.request_id];
        assert_eq!(found.digest, expected.as_ref(), "{}", sent.origin);
        checked += 1;
    }
    assert_eq!(checked, 20);
}

/// What is signed is what deployed servers sign.
#[test]
fn recorded_signatures_are_of_the_authenticated_bytes() {
    let (mut site_key, mut checked) = (None, 0);
    let messages = recorded::messages();
    let is_first = |sent: &&recorded::Sent| sent.origin.starts_with("handle-server");
    for sent in messages.iter().filter(is_first) {
        let Some((_, message)) = open(&sent.bytes) else {
            continue;
        };
        if !sent.is_request && message.header.op_code == OpCode::GET_SITE_INFO {
            site_key = Some(rsa_key(message.body));
        }
    }
    let (exponent, modulus) = site_key.expect("site information");
    let key = RsaPublicKeyComponents {
        n: modulus,
        e: exponent,
    };
    for sent in messages.iter().filter(is_first) {
        let Some((envelope, message)) = open(&sent.bytes) else {
            continue;
        };
        let Ok(credential) = Credential::decode(message.credential) else {
            continue;
        };
        if credential.kind != Credential::SIGNED {
            continue;
        }
        let mut covered = Vec::new();
        authenticated_bytes(&envelope, credential.counter, message.signed, &mut covered);
        let verified = key.verify(&RSA_PKCS1_2048_8192_SHA256, &covered, credential.signature);
        assert_eq!(verified, Ok(()), "{}", sent.origin);
        assert_eq!(credential, Credential::signed(credential.signature));
        checked += 1;
    }
    assert_eq!(checked, 7);
}

/// Exponent and modulus of the one RSA key in an HS_SITE record.
fn rsa_key(site: &[u8]) -> (&[u8], &[u8]) {
    let name = b"RSA_PUB_KEY";
    let at = site.windows(name.len()).position(|window| window == name);
    let mut reader = Reader::new(&site[at.expect("a key") + name.len() + 2..]);
    let exponent = reader.bytes("exponent").expect("an exponent");
    let modulus = reader.bytes("modulus").expect("a modulus");
    (exponent, modulus.strip_prefix(&[0]).unwrap_or(modulus))
}

#[test]
fn recorded_proofs_are_written_as_they_were_read() {
    let (mut secret_keys, mut public_keys) = (0, 0);
    for sent in recorded::messages() {
        let Some((envelope, message)) = open(&sent.bytes) else {
            continue;
        };
        if !sent.is_request {
            continue;
        }
        let mut out = Vec::new();
        let proof = match Request::decode(message.header.op_code, message.body) {
            Ok(Request::Answer(answer)) if answer.key_type == ChallengeAnswer::PUBLIC_KEY => {
                let proof = PublicKeyProof::decode(answer.proof).expect("a proof");
                assert_eq!(proof.hash, b"SHA-256");
                assert_eq!(proof.signature.len(), 256);
                proof.encode(&mut out);
                public_keys += 1;
                answer.proof
            }
            Ok(Request::Answer(ChallengeAnswer { proof, .. }))
            | Ok(Request::Verify(VerifyRequest { proof, .. })) => {
                let decoded = SecretKeyProof::decode(envelope.version, proof);
                let decoded = decoded.expect("a proof");
                if let SecretKeyMethod::Pbkdf2(stretching) = decoded.method {
                    assert_eq!(stretching.salt.len(), 16);
                    assert_eq!((stretching.iterations, stretching.key_bits), (10_000, 160));
                }
                decoded.encode(envelope.version, &mut out);
                secret_keys += 1;
                proof
            }
            _ => continue,
        };
        assert_eq!(out, proof, "{}", sent.origin);
    }
    assert_eq!((secret_keys, public_keys), (8, 2));
}

/// The recording has each packet decoded by another codec: its handles and
/// values are those that are described here.
#[test]
fn recorded_messages_are_described_as_another_codec_does() {
    let mut described = HashSet::new();
    for sent in recorded::messages() {
        let description = describe(&sent.bytes).to_string();
        assert!(
            !description.contains("malformed"),
            "{}: {description}",
            sent.origin
        );
        described.extend(description.lines().map(str::to_owned));
    }
    let text = include_str!("../../../tests/data/handle/handle-server-2.11.txt");
    let lines = text.lines().map(str::trim_start);
    let fields = lines.filter(|line| {
        line.starts_with("handle='") || line.starts_with("value idx=") || line.starts_with("nonce=")
    });
    let mut compared = 0;
    for line in fields {
        assert!(described.contains(line), "{line}");
        compared += 1;
    }
    assert_eq!(compared, 88);
}

/// A message that ends with its body is whole; any other cut is noticed.
#[test]
fn refuses_every_truncation_but_one() {
    for sent in recorded::messages() {
        let Some((_, message)) = open(&sent.bytes) else {
            continue;
        };
        let rest = &sent.bytes[ENVELOPE_BYTES..];
        for end in 0..rest.len() {
            let cut = Message::decode(&rest[..end]);
            assert_eq!(
                cut.is_ok(),
                end == message.signed.len(),
                "{} cut to {end}",
                sent.origin
            );
        }
        let longer = [rest, &[0]].concat();
        assert!(Message::decode(&longer).is_err(), "{}", sent.origin);
    }
}

/// A body that ends within a field is malformed, apart from fields that may be
/// missing.
#[test]
fn refuses_truncated_bodies() {
    for sent in recorded::messages() {
        let Some((envelope, message)) = open(&sent.bytes) else {
            continue;
        };
        let Message { header, body, .. } = message;
        for end in 0..body.len() {
            let cut = &body[..end];
            let is_whole = if sent.is_request {
                Request::decode(header.op_code, cut).is_ok()
            } else {
                Response::decode(envelope.version, &header, cut).is_ok()
            };
            let expected = may_end(&message, end);
            assert_eq!(is_whole, expected, "{} cut to {end}", sent.origin);
        }
    }
}

/// Whether a body may end there, before its own end.
fn may_end(message: &Message<'_>, end: usize) -> bool {
    let Message { header, body, .. } = message;
    let digest = usize::from(header.flags.contains(Flags::REQUEST_DIGEST)) * 33;
    match (header.response_code, header.op_code) {
        // Before two bytes that mean nothing.
        (_, OpCode::SESSION_SETUP) => end == body.len() - 2,
        (ResponseCode::REQUEST, _) => false,
        (ResponseCode::AUTHENTICATION_NEEDED, _) => false,
        // The record has no length of its own.
        (ResponseCode::SUCCESS, OpCode::GET_SITE_INFO) => true,
        // Before the handle, as servers of old send it.
        (ResponseCode::SUCCESS, OpCode::CREATE_HANDLE) => end == digest,
        (ResponseCode::SUCCESS, _) => false,
        // Before the values.
        (ResponseCode::PREFIX_REFERRAL, _) => end == digest + 4,
        // Before the text.
        _ => end == digest,
    }
}
