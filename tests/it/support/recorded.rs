//! The exchanges in `tests/data/handle`, packet by packet: what deployed Handle
//! clients and servers really send. Knows no codec, so that every codec can be
//! checked against it.

const HANDLE_SERVER: &str = include_str!("../../data/handle/handle-server-2.11.txt");
const ID_SDK: &str = include_str!("../../data/handle/id-sdk.txt");

/// Octets of an envelope; its sequence number begins at 12.
const ENVELOPE_BYTES: usize = 20;

/// Something that was sent, and where it is recorded.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// File and line.
    pub(crate) origin: String,
    /// Whether the client sent it.
    pub(crate) is_request: bool,
    /// It, from the envelope on.
    pub(crate) bytes: Vec<u8>,
}

/// Every packet.
pub(crate) fn packets() -> Vec<Sent> {
    let mut packets = handle_server();
    packets.extend(id_sdk());
    packets
}

/// Every message, put together where it was sent in several packets.
pub(crate) fn messages() -> Vec<Sent> {
    let mut messages: Vec<Sent> = Vec::new();
    for packet in packets() {
        match messages.last_mut() {
            Some(message) if packet.bytes[12..16] != [0; 4] => {
                message.bytes.extend(&packet.bytes[ENVELOPE_BYTES..]);
            }
            _ => messages.push(packet),
        }
    }
    messages
}

/// Lines such as `UDP> 81 bytes: 020b…`.
fn handle_server() -> Vec<Sent> {
    let mut packets = Vec::new();
    for (index, line) in HANDLE_SERVER.lines().enumerate() {
        let Some((head, hex)) = line.split_once(" bytes: ") else {
            continue;
        };
        let origin = format!("handle-server-2.11.txt:{}", index + 1);
        let (direction, length) = head.trim().split_once(' ').expect("a length");
        let bytes = from_hex(hex);
        assert_eq!(length, bytes.len().to_string(), "{origin}");
        packets.push(Sent {
            origin,
            is_request: direction.ends_with('>'),
            bytes,
        });
    }
    assert_eq!(packets.len(), 108);
    packets
}

/// Requests in three lines, `env=`, `hdr=` and `body=`, below a line that begins
/// with `-->` and has what follows the body; responses in one line.
fn id_sdk() -> Vec<Sent> {
    let mut packets: Vec<Sent> = Vec::new();
    let mut behind_body = Vec::new();
    for (index, line) in ID_SDK.lines().enumerate() {
        let origin = format!("id-sdk.txt:{}", index + 1);
        let line = line.trim();
        if line.starts_with("-->") {
            let (_, hex) = line.split_once("credbytes=").expect("what follows");
            behind_body = from_hex(hex);
        } else if let Some(hex) = line.strip_prefix("<-- ") {
            packets.push(Sent {
                origin,
                is_request: false,
                bytes: from_hex(hex),
            });
        } else if let Some(hex) = line.strip_prefix("env=") {
            packets.push(Sent {
                origin,
                is_request: true,
                bytes: from_hex(hex),
            });
        } else if let Some(hex) = line.strip_prefix("hdr=") {
            let request = packets.last_mut().expect("an envelope");
            request.bytes.extend(from_hex(hex));
        } else if let Some(hex) = line.strip_prefix("body=") {
            let request = packets.last_mut().expect("an envelope");
            request.bytes.extend(from_hex(hex));
            request.bytes.append(&mut behind_body);
        }
    }
    assert_eq!(packets.len(), 28);
    packets
}

fn from_hex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).expect("hexadecimal");
    let pair = |pair: &[u8]| u8::try_from(digit(pair[0]) << 4 | digit(pair[1]));
    let digits = text.trim().as_bytes();
    digits
        .chunks(2)
        .map(|two| pair(two).expect("eight bits"))
        .collect()
}
