//! Reads any packet as a DNS query and echoes what of it is sound: no panic, and
//! an echo is never longer than the packet.

#![no_main]

use idnode::wire::dns::{Query, Rcode, Writer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let Ok(query) = Query::read(packet) else {
        return;
    };
    let mut out = [0; 512];
    let flags = query.header.flags.answering();
    let mut writer = Writer::new(&mut out, query.header.id, flags).expect("512 octets");
    writer
        .question(&query.question)
        .expect("at most 259 octets");
    if let Some(edns) = query.edns {
        writer
            .opt(&edns, Rcode::NoError, None)
            .expect("eleven octets");
    }
    let layout = writer.finish(Rcode::NoError);
    assert!(layout.bytes <= packet.len());
    let mut response = out[..layout.bytes].to_vec();
    response[2] &= 0x7f;
    let again = Query::read(&response).expect("an echo is sound");
    assert_eq!(again.question, query.question);
});
