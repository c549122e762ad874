//! Messages in UDP packets (RFC 3652 §2.3; Handle protocol as deployed).
//!
//! A message of more than [`FRAGMENT_BYTES`] is cut into pieces of that size,
//! the last one shorter. Each packet has the envelope of the message with its
//! sequence number; the message length stays that of the whole.

use std::ops::Range;

use crate::wire::handle::envelope::Envelope;
use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::{ENVELOPE_BYTES, FRAGMENT_BYTES, PACKET_BYTES_MAX};

/// Whether the packets of a cut message say so by the bit TRUNCATED. DO-IRP v3.0
/// wants it; deployed clients set it and ignore it, deployed servers do not set
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marking {
    /// Each packet of a message in several says so.
    Marked,
    /// None does.
    Unmarked,
}

/// One packet of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its envelope.
    pub envelope: [u8; ENVELOPE_BYTES],
    /// Its piece of the message, at most [`FRAGMENT_BYTES`].
    pub piece: &'a [u8],
}

impl Packet<'_> {
    /// The bytes of the packet, written over the start of `buffer`.
    pub fn write<'b>(&self, buffer: &'b mut [u8; PACKET_BYTES_MAX]) -> &'b [u8] {
        let (envelope, rest) = buffer.split_at_mut(ENVELOPE_BYTES);
        envelope.copy_from_slice(&self.envelope);
        for (to, from) in rest.iter_mut().zip(self.piece) {
            *to = *from;
        }
        let packet_bytes = ENVELOPE_BYTES + self.piece.len();
        buffer.get(..packet_bytes).unwrap_or(buffer)
    }
}

/// Cuts a message, which begins with its envelope, into packets; one that fits
/// a packet is a single one and unmarked.
///
/// # Errors
/// [`Malformed`] if the bytes are not an envelope and as many bytes as it says.
pub fn packets(
    message: &[u8],
    marking: Marking,
) -> Result<impl ExactSizeIterator<Item = Packet<'_>>, Malformed> {
    let envelope = Envelope::decode(message)?;
    let rest = message.get(ENVELOPE_BYTES..).unwrap_or_default();
    let fragments = Fragments::of(&envelope)?;
    if rest.len() != fragments.message_bytes {
        return Err(mismatch(
            "message length",
            rest.len(),
            fragments.message_bytes,
        ));
    }
    let truncated = marking == Marking::Marked && fragments.count() > 1;
    Ok((0..fragments.count()).map(move |index| Packet {
        envelope: Envelope {
            truncated,
            sequence: u32::try_from(index).unwrap_or(u32::MAX),
            ..envelope
        }
        .encode(),
        piece: rest.get(fragments.range(index)).unwrap_or_default(),
    }))
}

/// How a message lies in packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragments {
    message_bytes: usize,
}

impl Fragments {
    /// The packets of the message that a packet with this envelope is of.
    ///
    /// # Errors
    /// [`Malformed::Above`] beyond the limit of a message.
    pub fn of(envelope: &Envelope) -> Result<Self, Malformed> {
        let message_bytes = envelope.message_len()?;
        Ok(Self { message_bytes })
    }

    /// Bytes of the whole message behind the envelope.
    pub const fn message_bytes(self) -> usize {
        self.message_bytes
    }

    /// How many packets the message takes: 1 to 533.
    pub const fn count(self) -> usize {
        match self.message_bytes.div_ceil(FRAGMENT_BYTES) {
            0 => 1,
            count => count,
        }
    }

    /// Where in the message the piece of `piece_bytes` behind this envelope
    /// lies.
    ///
    /// # Errors
    /// [`Malformed`] if the envelope tells another message length, a sequence
    /// number beyond the last packet, or the piece is not exactly as long as the
    /// packet at that place must be.
    pub fn place(self, envelope: &Envelope, piece_bytes: usize) -> Result<Range<usize>, Malformed> {
        let message_bytes = envelope.message_len()?;
        if message_bytes != self.message_bytes {
            return Err(mismatch(
                "message length",
                message_bytes,
                self.message_bytes,
            ));
        }
        let last = self.count() - 1;
        let sequence = usize::try_from(envelope.sequence).unwrap_or(usize::MAX);
        if sequence > last {
            return Err(Malformed::Above {
                field: "sequence number",
                value: envelope.sequence.into(),
                limit: last.try_into().unwrap_or(u64::MAX),
            });
        }
        let range = self.range(sequence);
        if piece_bytes != range.len() {
            return Err(mismatch("piece of the message", piece_bytes, range.len()));
        }
        Ok(range)
    }

    /// What of the message the packet at `index` has, which is below the count.
    const fn range(self, index: usize) -> Range<usize> {
        let start = index.saturating_mul(FRAGMENT_BYTES);
        let end = start.saturating_add(FRAGMENT_BYTES);
        if end < self.message_bytes {
            start..end
        } else {
            start..self.message_bytes
        }
    }
}

fn mismatch(field: &'static str, value: usize, expected: usize) -> Malformed {
    Malformed::Mismatch {
        field,
        value: value.try_into().unwrap_or(u64::MAX),
        expected: expected.try_into().unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::handle::envelope::Version;

    fn check(of: u32, sequence: u32, piece_bytes: usize, expected: Result<Range<usize>, &str>) {
        let mut envelope = Envelope::new(Version::CURRENT, 1);
        envelope.message_bytes = of;
        let fragments = Fragments::of(&envelope).expect("short");
        envelope.sequence = sequence;
        let place = fragments.place(&envelope, piece_bytes);
        assert_eq!(
            place.map_err(|error| error.to_string()),
            expected.map_err(str::to_owned)
        );
    }

    #[test]
    fn every_piece_has_one_place_and_one_length() {
        check(0, 0, 0, Ok(0..0));
        check(100, 0, 100, Ok(0..100));
        check(492, 0, 492, Ok(0..492));
        check(493, 0, 492, Ok(0..492));
        check(493, 1, 1, Ok(492..493));
        check(262_144, 532, 400, Ok(261_744..262_144));
        check(100, 0, 99, Err("piece of the message: 99 instead of 100"));
        check(493, 0, 491, Err("piece of the message: 491 instead of 492"));
        check(493, 1, 2, Err("piece of the message: 2 instead of 1"));
        check(492, 1, 0, Err("sequence number: 1 is above the limit of 0"));
        check(
            262_144,
            u32::MAX,
            492,
            Err("sequence number: 4294967295 is above the limit of 532"),
        );
    }

    #[test]
    fn pieces_of_two_messages_do_not_fit_together() {
        let mut envelope = Envelope::new(Version::CURRENT, 1);
        envelope.message_bytes = 600;
        let fragments = Fragments::of(&envelope).expect("short");
        assert_eq!((fragments.count(), fragments.message_bytes()), (2, 600));
        envelope.message_bytes = 601;
        let error = fragments.place(&envelope, 492).expect_err("another length");
        assert_eq!(error.to_string(), "message length: 601 instead of 600");
        envelope.message_bytes = 262_145;
        assert!(Fragments::of(&envelope).is_err());
    }

    #[test]
    fn cuts_only_whole_messages() {
        let mut envelope = Envelope::new(Version::CURRENT, 1);
        envelope.message_bytes = 5;
        let message = [envelope.encode().as_slice(), &[0; 4]].concat();
        assert!(packets(&message, Marking::Marked).is_err());
        assert!(packets(&message[..19], Marking::Marked).is_err());
    }
}
