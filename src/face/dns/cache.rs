//! What encoded answers are kept under, and what is kept of them.
//!
//! The key is the question with its letters folded, and whether the client
//! speaks EDNS. Size limits are applied when an answer leaves, so one entry
//! serves UDP and TCP alike.

use crate::node::Kept;
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

/// What an answer is: where its parts stand, and its response code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Where the serial stands; 0 without one.
    pub(super) serial_at: u16,
    /// Where the OPT record stands; 0 without one.
    pub(super) opt_at: u16,
    /// Its response code.
    pub(super) rcode: Rcode,
}

impl Shape {
    /// Of a message whose offsets fit 16 bits, as those of all do.
    pub(super) fn new(layout: Layout, rcode: Rcode) -> Option<Self> {
        Some(Self {
            serial_at: u16::try_from(layout.serial_at).ok()?,
            opt_at: u16::try_from(layout.opt_at).ok()?,
            rcode,
        })
    }

    /// The same as a word.
    pub(super) fn to_word(self) -> u64 {
        let rcode = Rcode::ALL.iter().position(|rcode| *rcode == self.rcode);
        let rcode = u64::try_from(rcode.unwrap_or_default()).unwrap_or_default();
        u64::from(self.serial_at) | u64::from(self.opt_at) << 16 | rcode << 32
    }

    /// What [`to_word`](Self::to_word) gave.
    pub(super) fn of_word(word: u64) -> Self {
        let [a, b, c, d, rcode, ..] = word.to_le_bytes();
        Self {
            serial_at: u16::from_le_bytes([a, b]),
            opt_at: u16::from_le_bytes([c, d]),
            rcode: *Rcode::ALL
                .get(usize::from(rcode))
                .unwrap_or(&Rcode::ServFail),
        }
    }
}

/// An encoded answer: to id 0, with the flags RD, CD and DO clear.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    /// Its octets.
    pub(super) bytes: Box<[u8]>,
    /// What it is.
    pub(super) shape: Shape,
}

/// The octets of an answer, made now or kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Octets<'a> {
    /// Made now.
    New(&'a [u8]),
    /// Kept.
    Kept(&'a Kept<'a>),
}

impl Octets<'_> {
    /// How many there are.
    pub(super) fn len(self) -> usize {
        match self {
            Octets::New(bytes) => bytes.len(),
            Octets::Kept(kept) => kept.len(),
        }
    }

    /// Copies them to `out`, which has that length; `false` if they gave way.
    pub(super) fn copy(self, out: &mut [u8]) -> bool {
        match self {
            Octets::New(bytes) => {
                out.copy_from_slice(bytes);
                true
            }
            Octets::Kept(kept) => kept.copy(out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_a_word() {
        for rcode in Rcode::ALL {
            let shape = Shape {
                serial_at: 0x1234,
                opt_at: 0xfedc,
                rcode,
            };
            assert_eq!(Shape::of_word(shape.to_word()), shape);
        }
    }
}
