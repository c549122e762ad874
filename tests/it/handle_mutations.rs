//! Random changes of recorded and made Handle messages: no decoder panics, and
//! what one accepts is written and read again as the same.
//!
//! `tests/mutations` runs this file in release, without the rest of the crate.

use idnode::wire::handle::{
    Challenge, ChallengeAnswer, Content, Credential, ENVELOPE_BYTES, Envelope, Flags, Fragments,
    HEADER_BYTES, Header, KeyAgreement, Message, MessageWriter, OpCode, PublicKeyProof, Reference,
    Request, Response, ResponseCode, SecretKeyProof, SessionRequest, Version, describe,
};

use crate::support::{Chance, recorded};

/// Mutations without `IDNODE_HANDLE_MUTATIONS`, which sets another number.
#[cfg(test)]
const MUTATIONS: u64 = 300_000;
/// Changes of one message, at most.
const CHANGES_MAX: u64 = 4;
/// One message in so many is also described for people, which takes longer than
/// all else.
const DESCRIBE_EVERY: u64 = 64;

/// How the mutations fared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    messages: u64,
    malformed_messages: u64,
    bodies: u64,
    malformed_bodies: u64,
    credentials: u64,
    proofs: u64,
    described_bytes: usize,
}

/// Changes messages `count` times and reads each result with every decoder that
/// it may reach.
pub(crate) fn run(count: u64) -> Tally {
    let seeds = seeds();
    let mut chance = Chance::new(1);
    let mut tally = Tally::default();
    let mut scratch = Scratch::default();
    let (mut part, mut packet) = (Vec::new(), Vec::new());
    for number in 0..count {
        let seed = &seeds[chance.index(seeds.len())];
        let other = &seeds[chance.index(seeds.len())];
        packet.clear();
        match chance.below(4) {
            0 => {
                packet.extend_from_slice(&seed.packet);
                change(&mut chance, &mut packet, &other.packet);
            }
            1 => {
                change_part(
                    &mut chance,
                    &mut part,
                    seed.credential(),
                    other.credential(),
                );
                write(seed.start(), seed.body(), &part, &mut packet);
            }
            _ => {
                change_part(&mut chance, &mut part, seed.body(), other.body());
                write(seed.start(), &part, seed.credential(), &mut packet);
            }
        }
        read(&packet, &mut scratch, &mut tally);
        if number % DESCRIBE_EVERY == 0 {
            tally.described_bytes += describe(&packet).to_string().len();
        }
    }
    tally
}

/// A packet to change, and where its parts begin.
struct Seed {
    packet: Vec<u8>,
    credential_at: usize,
}

impl Seed {
    const BODY_AT: usize = ENVELOPE_BYTES + HEADER_BYTES;

    /// Of a piece of a message, the body is all behind the header.
    fn new(packet: Vec<u8>) -> Self {
        let message = Message::decode(&packet[ENVELOPE_BYTES..]);
        let credential_bytes = match message {
            Ok(message) if !message.credential.is_empty() => message.credential.len(),
            Ok(_) | Err(_) => 0,
        };
        Self {
            credential_at: packet.len() - credential_bytes,
            packet,
        }
    }

    fn start(&self) -> &[u8] {
        &self.packet[..Self::BODY_AT]
    }

    fn body(&self) -> &[u8] {
        &self.packet[Self::BODY_AT..(self.credential_at - 4).max(Self::BODY_AT)]
    }

    fn credential(&self) -> &[u8] {
        &self.packet[self.credential_at..]
    }
}

/// The recorded messages, and some whose like was not recorded.
fn seeds() -> Vec<Seed> {
    let mut seeds = recorded::packets()
        .into_iter()
        .map(|sent| sent.bytes)
        .collect::<Vec<_>>();
    for sent in recorded::messages() {
        let code = [0; 4] == sent.bytes[ENVELOPE_BYTES + 4..ENVELOPE_BYTES + 8];
        let is_encrypted = sent.bytes[2] & 0x40 != 0;
        assert!(is_encrypted || code == sent.is_request, "{}", sent.origin);
        seeds.push(sent.bytes);
    }
    let identity = Reference {
        handle: b"0.NA/20.500.1",
        index: 300,
    };
    let agreements = [
        KeyAgreement::ClientKey(&[7; 64]),
        KeyAgreement::ServerKey,
        KeyAgreement::HandleKey(identity),
    ];
    for agreement in agreements {
        let request = SessionRequest {
            timeout_secs: 86_400,
            identity,
            agreement,
        };
        let mut body = Vec::new();
        request.encode(&mut body);
        let (version, op_code) = (Version::CURRENT, OpCode::SESSION_SETUP);
        seeds.push(message(version, op_code, ResponseCode::REQUEST, &body));
    }
    // A challenge of old, whose digest has a length and no algorithm.
    let digest_and_nonce = [&[0, 0, 0, 16][..], &[1; 16], &[0, 0, 0, 16], &[2; 16]].concat();
    let (version, needed) = (Version::new(2, 0), ResponseCode::AUTHENTICATION_NEEDED);
    let op_code = OpCode::CREATE_HANDLE;
    seeds.push(message(version, op_code, needed, &digest_and_nonce));
    seeds.into_iter().map(Seed::new).collect()
}

fn message(version: Version, op_code: OpCode, response_code: ResponseCode, body: &[u8]) -> Vec<u8> {
    let mut header = Header::request(op_code, Flags::RESOLUTION, 1_800_000_000);
    header.response_code = response_code;
    let mut out = Vec::new();
    let mut writer = MessageWriter::begin(&mut out, &Envelope::new(version, 7), &header);
    writer.body().extend_from_slice(body);
    writer.finish(&[]).expect("short").to_vec()
}

/// Writes a message whose lengths are right, so that what changed in a part
/// reaches the decoders of that part.
fn write(start: &[u8], body: &[u8], credential: &[u8], packet: &mut Vec<u8>) {
    let envelope = Envelope::decode(start).expect("20 octets");
    let header = Header::decode(&start[ENVELOPE_BYTES..]).expect("24 octets");
    let mut writer = MessageWriter::begin(packet, &envelope, &header);
    writer.body().extend_from_slice(body);
    writer.finish(credential).expect("short");
}

fn change_part(chance: &mut Chance, part: &mut Vec<u8>, own: &[u8], other: &[u8]) {
    part.clear();
    part.extend_from_slice(own);
    change(chance, part, other);
}

fn change(chance: &mut Chance, packet: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=chance.below(CHANGES_MAX) {
        let at = chance.index(packet.len() + 1);
        match chance.below(9) {
            0 => packet.truncate(at),
            1 => packet.insert(at, octet(chance)),
            2 if at < packet.len() => drop(packet.remove(at)),
            3 if !other.is_empty() => {
                packet.extend_from_slice(&other[chance.index(other.len())..]);
            }
            4 if at < packet.len() => packet[at] ^= 1 << chance.below(8),
            5 => put(packet, at, &length(chance).to_be_bytes()),
            6 => {
                let code = one_of(chance, OpCode::ALL).0;
                put(packet, ENVELOPE_BYTES, &code.to_be_bytes());
            }
            7 => {
                let code = one_of(chance, ResponseCode::ALL).0;
                put(packet, ENVELOPE_BYTES + 4, &code.to_be_bytes());
            }
            _ => put(packet, at, &[octet(chance)]),
        }
    }
}

fn one_of<T: Copy>(chance: &mut Chance, items: &[T]) -> T {
    items[chance.index(items.len())]
}

fn octet(chance: &mut Chance) -> u8 {
    const EDGES: [u8; 8] = [0, 1, 2, 0x1f, 0x20, 0x7f, 0x80, 0xff];
    match chance.below(2) {
        0 => one_of(chance, &EDGES),
        _ => u8::try_from(chance.below(256)).expect("eight bits"),
    }
}

/// A number that a length or a count may be mistaken for.
fn length(chance: &mut Chance) -> u32 {
    const EDGES: [u32; 10] = [
        0,
        1,
        4,
        492,
        2048,
        2049,
        262_144,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
    ];
    match chance.below(2) {
        0 => one_of(chance, &EDGES),
        _ => u32::try_from(chance.below(64)).expect("six bits"),
    }
}

fn put(packet: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(place) = packet.get_mut(at..at + octets.len()) {
        place.copy_from_slice(octets);
    }
}

/// Buffers that are used for one message after the other.
#[derive(Default)]
struct Scratch {
    body: Vec<u8>,
    rest: Vec<u8>,
}

fn read(packet: &[u8], scratch: &mut Scratch, tally: &mut Tally) {
    let Ok(envelope) = Envelope::decode(packet) else {
        assert!(packet.len() < ENVELOPE_BYTES);
        return;
    };
    let mut known = packet[..ENVELOPE_BYTES].to_owned();
    known[2] &= 0xe3;
    assert_eq!(envelope.encode().as_slice(), known);
    assert!(envelope.reply_version() <= Version::CURRENT || envelope.reply_version().major == 5);
    let rest = &packet[ENVELOPE_BYTES..];
    if let Ok(fragments) = Fragments::of(&envelope)
        && let Ok(place) = fragments.place(&envelope, rest.len())
    {
        assert_eq!(place.len(), rest.len());
        assert!(place.end <= fragments.message_bytes());
    }
    let Ok(message) = Message::decode(rest) else {
        tally.malformed_messages += 1;
        return;
    };
    tally.messages += 1;
    assert_eq!(message.signed, &rest[..HEADER_BYTES + message.body.len()]);
    read_body(envelope.version, &message, scratch, tally);
    if let Ok(credential) = Credential::decode(message.credential) {
        scratch.rest.clear();
        credential.encode(&mut scratch.rest);
        assert_eq!(scratch.rest, message.credential);
        tally.credentials += 1;
    }
}

fn read_body(version: Version, message: &Message<'_>, scratch: &mut Scratch, tally: &mut Tally) {
    let Message { header, body, .. } = message;
    scratch.body.clear();
    if header.response_code == ResponseCode::REQUEST {
        let Ok(request) = Request::decode(header.op_code, body) else {
            tally.malformed_bodies += 1;
            return;
        };
        request.encode(&mut scratch.body);
        assert_eq!(Request::decode(header.op_code, &scratch.body), Ok(request));
        if let Request::Answer(ChallengeAnswer { proof, .. }) = request {
            read_proof(version, proof, &mut scratch.rest, tally);
        }
    } else {
        let Ok(response) = Response::decode(version, header, body) else {
            tally.malformed_bodies += 1;
            return;
        };
        response.encode(version, &mut scratch.body);
        assert_eq!(
            Response::decode(version, header, &scratch.body),
            Ok(response)
        );
        if let Content::Challenge(nonce) = response.content {
            let challenge = Challenge::decode(version, body).expect("it was one");
            assert_eq!(challenge.nonce, nonce);
        }
    }
    tally.bodies += 1;
}

fn read_proof(version: Version, proof: &[u8], out: &mut Vec<u8>, tally: &mut Tally) {
    if let Ok(decoded) = SecretKeyProof::decode(version, proof) {
        out.clear();
        decoded.encode(version, out);
        assert_eq!(out, proof);
        tally.proofs += 1;
    }
    if let Ok(decoded) = PublicKeyProof::decode(proof) {
        out.clear();
        decoded.encode(out);
        assert_eq!(out, proof);
        tally.proofs += 1;
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the number of a long run is given from outside"
)]
fn mutation_count() -> u64 {
    std::env::var("IDNODE_HANDLE_MUTATIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(MUTATIONS)
}

#[test]
fn no_mutation_panics_or_is_read_in_two_ways() {
    let tally = run(mutation_count());
    println!("{tally:?}");
    assert!(tally.messages > 0 && tally.malformed_messages > 0);
    assert!(tally.bodies > 0 && tally.malformed_bodies > 0);
    assert!(tally.credentials > 0 && tally.proofs > 0);
}
