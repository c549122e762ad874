//! The Handle codec on the common request and its reply, and what a session's
//! message and a signed reply cost beside it.

use divan::{Bencher, black_box};
use idnode::crypto::{DhGroup, DhSecret, MacAlgorithm, SessionKey, SiteKey, respond};
use idnode::wire::handle::{
    ENVELOPE_BYTES, Envelope, Flags, HandleValue, Header, List, Message, MessageWriter, OpCode,
    Permissions, ResolutionRequest, ResponseCode, Ttl, Version, encode_resolution_response,
};

const HANDLE: &[u8] = b"88.118.7/DZ47-63.20250108.000123";

/// A resolution of one type.
fn request() -> Vec<u8> {
    let mut out = Vec::new();
    let envelope = Envelope::new(Version::CURRENT, 7);
    let header = Header::request(OpCode::RESOLUTION, Flags::RESOLUTION, 0);
    let mut writer = MessageWriter::begin(&mut out, &envelope, &header);
    let types: &[&[u8]] = &[b"URL"];
    ResolutionRequest {
        handle: HANDLE,
        indexes: List::EMPTY,
        types: List::from(types),
        auth: None,
    }
    .encode(writer.body());
    writer.finish(&[]).expect("fits");
    out
}

fn values() -> Vec<HandleValue<'static>> {
    let value = |index, value_type: &'static str, data: &'static str| HandleValue {
        index,
        timestamp_secs: 1_700_000_000,
        ttl: Ttl::Relative(86_400),
        permissions: Permissions(0x0e),
        value_type: value_type.as_bytes(),
        data: data.as_bytes(),
        references: List::EMPTY,
    };
    vec![
        value(1, "URL", "https://f7.example.com/p/DZ47-63/000123"),
        value(2000, "name", "小型断路器 DZ47-63"),
        value(2004, "batch", "20250108-01"),
    ]
}

#[divan::bench]
fn read_resolution(bencher: Bencher<'_, '_>) {
    let packet = request();
    bencher.bench(|| {
        let packet = black_box(&packet);
        let envelope = Envelope::decode(packet).expect("an envelope");
        let behind = packet.get(ENVELOPE_BYTES..).expect("a message");
        let message = Message::decode(behind).expect("a message");
        let request = ResolutionRequest::decode(message.body).expect("a request");
        (envelope.request_id, request.types.len())
    });
}

#[divan::bench]
fn write_reply(bencher: Bencher<'_, '_>) {
    let values = values();
    let mut out = Vec::with_capacity(512);
    bencher.bench_local(move || {
        out.clear();
        let envelope = Envelope::new(Version::CURRENT, 7);
        let header = Header {
            response_code: ResponseCode::SUCCESS,
            ..Header::request(OpCode::RESOLUTION, Flags::RESOLUTION, 0)
        };
        let mut writer = MessageWriter::begin(&mut out, &envelope, &header);
        encode_resolution_response(writer.body(), HANDLE, values.iter().copied());
        writer.finish(&[]).expect("fits").len()
    });
}

#[divan::bench]
fn session_code(bencher: Bencher<'_, '_>) {
    let key = SessionKey::new(&[7; 32]);
    let message = request();
    bencher.bench(|| key.mac(MacAlgorithm::Sha256, &[black_box(&message)]));
}

#[divan::bench]
fn site_signature(bencher: Bencher<'_, '_>) {
    let key = SiteKey::generate().expect("a key");
    let message = request();
    bencher.bench(|| key.sign(&[black_box(&message)]).expect("signed"));
}

#[divan::bench]
fn key_exchange(bencher: Bencher<'_, '_>) {
    let client = DhSecret::new(DhGroup::Bits1024, &[9; 64]).public_key();
    bencher.bench(|| respond(black_box(&client), &[5; 64]).expect("agreed"));
}
