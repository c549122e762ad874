//! What encoded answers are kept under, and what is kept of them.
//!
//! The key is the question with its letters folded, and whether the client
//! speaks EDNS. Size limits are applied when an answer leaves, so one entry
//! serves UDP and TCP alike.

use crate::wire::dns::{Layout, NAME_BYTES_MAX, Query, Rcode};

/// Octets of a key: a name, a type, a class, and one for EDNS.
const KEY_BYTES_MAX: usize = NAME_BYTES_MAX + 5;

/// The key of a query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    bytes: [u8; KEY_BYTES_MAX],
    length: usize,
}

impl Key {
    /// `None` is not reached: a question is never longer than its parts.
    pub(super) fn of(query: &Query<'_>) -> Option<Self> {
        let question = query.question.as_bytes();
        let name_bytes = query.question.name.as_bytes().len();
        let mut bytes = [0; KEY_BYTES_MAX];
        let length = question.len() + 1;
        bytes.get_mut(..question.len())?.copy_from_slice(question);
        // Length octets are below "A" and stay as they are.
        bytes.get_mut(..name_bytes)?.make_ascii_lowercase();
        *bytes.get_mut(question.len())? = u8::from(query.edns.is_some());
        Some(Self { bytes, length })
    }

    /// Its octets.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// An encoded answer: to id 0, with the flags RD, CD and DO clear.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    /// Its octets.
    pub(super) bytes: Box<[u8]>,
    /// Where the parts stand that differ from answer to answer.
    pub(super) layout: Layout,
    /// Its response code.
    pub(super) rcode: Rcode,
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
