//! Replies in datagrams (RFC 3652 §2.3), and how much of one goes to an address
//! that nobody proved to own.

use crate::wire::handle::{
    ENVELOPE_BYTES, Envelope, FRAGMENT_BYTES, HEADER_BYTES, Marking, PACKET_BYTES_MAX, Packet,
    packets,
};

/// Bytes of the datagrams that `reply`, whole messages each behind its envelope,
/// takes.
pub(super) fn packets_bytes(reply: &[u8]) -> usize {
    if reply.len() <= PACKET_BYTES_MAX {
        return reply.len();
    }
    let bytes = |message: &[u8]| {
        let piece_bytes = message.len().saturating_sub(ENVELOPE_BYTES);
        piece_bytes + piece_bytes.div_ceil(FRAGMENT_BYTES).max(1) * ENVELOPE_BYTES
    };
    messages(reply).map(bytes).sum()
}

/// Gives the datagrams of `reply` to `send`.
pub(super) fn send_all(reply: &[u8], mut send: impl FnMut(&[u8])) {
    let mut buffer = [0; PACKET_BYTES_MAX];
    for message in messages(reply) {
        if message.len() <= PACKET_BYTES_MAX {
            send(message);
            continue;
        }
        // A message of the node's own is as long as it says.
        let Ok(packets) = packets(message, Marking::Marked) else {
            continue;
        };
        for packet in packets {
            send(packet.write(&mut buffer));
        }
    }
}

/// Gives the first datagram of `reply` to `send`, cut to `bytes_max` and marked
/// as truncated, so that the client comes back over TCP. Nothing, where not even
/// the header fits. Returns whether something was sent.
pub(super) fn send_cut(reply: &[u8], bytes_max: usize, send: impl FnOnce(&[u8])) -> bool {
    let Ok(envelope) = Envelope::decode(reply) else {
        return false;
    };
    let behind = reply.get(ENVELOPE_BYTES..).unwrap_or_default();
    let piece_bytes = bytes_max
        .min(PACKET_BYTES_MAX)
        .saturating_sub(ENVELOPE_BYTES)
        .min(behind.len());
    if piece_bytes < HEADER_BYTES {
        return false;
    }
    let packet = Packet {
        envelope: Envelope {
            truncated: true,
            ..envelope
        }
        .encode(),
        piece: behind.get(..piece_bytes).unwrap_or_default(),
    };
    send(packet.write(&mut [0; PACKET_BYTES_MAX]));
    true
}

/// The messages of a reply, each with its envelope.
fn messages(reply: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = reply;
    std::iter::from_fn(move || {
        let length = Envelope::decode(rest).ok()?.message_len().ok()?;
        let (message, behind) = rest.split_at_checked(ENVELOPE_BYTES + length)?;
        rest = behind;
        Some(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::handle::Version;

    /// A message of `length` bytes behind its envelope.
    fn message(request_id: u32, length: usize) -> Vec<u8> {
        let envelope = Envelope {
            message_bytes: length.try_into().expect("short"),
            ..Envelope::new(Version::CURRENT, request_id)
        };
        let mut message = envelope.encode().to_vec();
        message.extend((0..length).map(|at| u8::try_from(at % 251).expect("a byte")));
        message
    }

    fn sent(reply: &[u8]) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        send_all(reply, |packet| sent.push(packet.to_vec()));
        sent
    }

    #[test]
    fn a_reply_lies_in_packets_of_512_bytes() {
        for (length, expected) in [
            (24, &[44][..]),
            (492, &[512]),
            (493, &[512, 21]),
            (984, &[512, 512]),
            (985, &[512, 512, 21]),
        ] {
            let reply = message(7, length);
            let packets = sent(&reply);
            let lengths: Vec<usize> = packets.iter().map(Vec::len).collect();
            assert_eq!(lengths, expected);
            assert_eq!(packets_bytes(&reply), expected.iter().sum::<usize>());
            let mut joined = Vec::new();
            for (number, packet) in packets.iter().enumerate() {
                let envelope = Envelope::decode(packet).expect("an envelope");
                assert_eq!(usize::try_from(envelope.sequence), Ok(number));
                assert_eq!(envelope.message_len(), Ok(length));
                assert_eq!(envelope.truncated, packets.len() > 1);
                joined.extend_from_slice(&packet[ENVELOPE_BYTES..]);
            }
            assert_eq!(joined, reply[ENVELOPE_BYTES..]);
        }
    }

    #[test]
    fn several_messages_stay_apart() {
        let reply = [message(1, 100), message(1, 600), message(1, 30)].concat();
        let lengths: Vec<usize> = sent(&reply).iter().map(Vec::len).collect();
        assert_eq!(lengths, [120, 512, 128, 50]);
        assert_eq!(packets_bytes(&reply), 120 + 512 + 128 + 50);
    }

    #[test]
    fn a_cut_reply_says_how_long_it_is() {
        let check = |length, bytes_max, expected: Option<usize>| {
            let reply = message(9, length);
            let mut packet = None;
            let is_sent = send_cut(&reply, bytes_max, |sent| packet = Some(sent.to_vec()));
            assert_eq!(is_sent, expected.is_some());
            assert_eq!(packet.as_ref().map(Vec::len), expected);
            let Some(packet) = packet else { return };
            let envelope = Envelope::decode(&packet).expect("an envelope");
            assert!(envelope.truncated);
            assert_eq!((envelope.sequence, envelope.request_id), (0, 9));
            assert_eq!(envelope.message_len(), Ok(length));
            assert_eq!(
                packet[ENVELOPE_BYTES..],
                reply[ENVELOPE_BYTES..packet.len()]
            );
        };
        check(5000, 183, Some(183));
        check(5000, 4000, Some(512));
        check(5000, 44, Some(44));
        check(5000, 43, None);
        check(5000, 0, None);
        check(100, 4000, Some(120));
    }
}
