//! Replies to resolutions that anybody gets alike, kept while they are true.
//!
//! The key is all of a request that its reply depends on: versions, flags and
//! body. The request's number and the time are put into the copy.

use crate::node::{Answers, Marks, Node};
use crate::wire::handle::{ENVELOPE_BYTES, Envelope, Flags, HEADER_BYTES, Header, OpCode};

/// Octets of a key; a longer request is answered anew.
const KEY_BYTES_MAX: usize = 512;
/// Octets of versions and flags in a key.
const PREAMBLE_BYTES: usize = 8;
/// Where a message has the number of its request.
const REQUEST_ID_AT: usize = 8;
/// Where a message has the time of its expiry.
const EXPIRES_AT: usize = ENVELOPE_BYTES + 16;
/// Flags with which no two replies are alike.
const ONE_OFF: [Flags; 4] = [
    Flags::CERTIFIED,
    Flags::ENCRYPTED,
    Flags::REQUEST_DIGEST,
    Flags::TOKEN,
];

/// What a reply is kept under.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    bytes: [u8; KEY_BYTES_MAX],
    length: usize,
}

impl Key {
    /// The key of a message, `behind` its envelope; `None` for what is no plain
    /// resolution, or asks for what only some may see.
    pub(super) fn of(envelope: &Envelope, behind: &[u8], is_anonymous: bool) -> Option<Self> {
        let header = Header::decode(behind).ok()?;
        let (head, rest) = behind.split_at_checked(HEADER_BYTES)?;
        let body_bytes = usize::try_from(header.body_bytes).ok()?;
        let (body, tail) = rest.split_at_checked(body_bytes)?;
        let plain = header.op_code == OpCode::RESOLUTION
            && envelope.session_id == 0
            && header.recursion_count == 0
            && matches!(tail, [] | [0, 0, 0, 0])
            && ONE_OFF.iter().all(|flag| !header.flags.contains(*flag))
            && (is_anonymous || header.flags.contains(Flags::PUBLIC_ONLY));
        let is_request = head.get(4..8) == Some(&[0; 4]);
        if !plain || !is_request {
            return None;
        }
        let mut bytes = [0; KEY_BYTES_MAX];
        let length = PREAMBLE_BYTES + body.len();
        let versions = envelope.encode();
        bytes.get_mut(..4)?.copy_from_slice(versions.get(..4)?);
        bytes
            .get_mut(4..PREAMBLE_BYTES)?
            .copy_from_slice(&header.flags.0.to_be_bytes());
        bytes.get_mut(PREAMBLE_BYTES..length)?.copy_from_slice(body);
        Some(Self { bytes, length })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// The replies kept, each a whole message.
#[derive(Debug)]
pub(super) struct Replies(Answers);

impl Replies {
    /// Keeps up to `bytes_max`; 0 keeps none.
    pub(super) fn new(bytes_max: u64) -> Self {
        Self(Answers::new(bytes_max))
    }

    /// Appends the reply under `key` to the request of `envelope`; whether there
    /// is one that is still true.
    pub(super) fn copy(
        &self,
        key: &Key,
        envelope: &Envelope,
        node: &Node,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(kept) = self.0.find(key.as_bytes()) else {
            return false;
        };
        if !kept
            .marks
            .iter()
            .flatten()
            .all(|mark| node.is_current(mark))
        {
            return false;
        }
        let start = out.len();
        if !kept.append(out) {
            return false;
        }
        let now_secs = u32::try_from(node.now().secs()).unwrap_or(u32::MAX);
        put(out, start + REQUEST_ID_AT, envelope.request_id);
        put(
            out,
            start + EXPIRES_AT,
            now_secs.saturating_add(Header::LIFE_SECS),
        );
        true
    }

    /// Keeps a reply.
    pub(super) fn keep(&self, key: &Key, message: &[u8], marks: Marks) {
        self.0.keep(key.as_bytes(), 0, message, &marks);
    }

    /// How many there are, and their bytes.
    pub(super) fn size(&self) -> (usize, u64) {
        self.0.size()
    }
}

fn put(out: &mut [u8], at: usize, number: u32) {
    if let Some(four) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *four = number.to_be_bytes();
    }
}
