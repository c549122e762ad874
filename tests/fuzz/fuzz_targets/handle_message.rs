//! Reads any packet as a Handle message: no panic, and what a decoder accepts is
//! written and read again as the same.

#![no_main]

use idnode::wire::handle::{
    Credential, ENVELOPE_BYTES, Envelope, Message, Request, Response, ResponseCode, describe,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let _described = describe(packet).to_string();
    let Ok(envelope) = Envelope::decode(packet) else {
        return;
    };
    let Ok(message) = Message::decode(&packet[ENVELOPE_BYTES..]) else {
        return;
    };
    let Message { header, body, .. } = message;
    let mut out = Vec::new();
    if header.response_code == ResponseCode::REQUEST {
        if let Ok(request) = Request::decode(header.op_code, body) {
            request.encode(&mut out);
            assert_eq!(Request::decode(header.op_code, &out), Ok(request));
        }
    } else if let Ok(response) = Response::decode(envelope.version, &header, body) {
        response.encode(envelope.version, &mut out);
        assert_eq!(Response::decode(envelope.version, &header, &out), Ok(response));
    }
    if let Ok(credential) = Credential::decode(message.credential) {
        out.clear();
        credential.encode(&mut out);
        assert_eq!(out, message.credential);
    }
});
