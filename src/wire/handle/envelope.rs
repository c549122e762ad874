//! The envelope in front of each packet (RFC 3652 §2.1.1; DO-IRP v3.0 §2.1).
//!
//! ```text
//!  0  1  MajorVersion
//!  1  1  MinorVersion
//!  2  1  COMPRESSED:1 ENCRYPTED:1 TRUNCATED:1 reserved:3 SuggestedMajorVersion:2
//!  3  1  SuggestedMinorVersion
//!  4  4  SessionId
//!  8  4  RequestId
//! 12  4  SequenceNumber
//! 16  4  MessageLength: header, body and credential of the whole message
//! ```

use std::fmt;

use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::reader::Reader;
use crate::wire::handle::{ENVELOPE_BYTES, MESSAGE_BYTES_MAX};

const COMPRESSED: u8 = 0x80;
const ENCRYPTED: u8 = 0x40;
const TRUNCATED: u8 = 0x20;
/// The bits of the suggested major version, as deployed peers read them;
/// DO-IRP v3.0 §2.1 has five.
const SUGGESTED_MAJOR: u8 = 0x03;

/// A version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Counts breaks.
    pub major: u8,
    /// Counts additions.
    pub minor: u8,
}

impl Version {
    /// The highest version spoken: 2.11.
    pub const CURRENT: Self = Self::new(2, 11);
    /// What a client says that knows nothing of the server: 2.3.
    pub const COMPATIBLE: Self = Self::new(2, 3);
    /// Since then digests name their algorithm: 2.1.
    pub const NAMED_DIGESTS: Self = Self::new(2, 1);
    /// Since then digests are SHA-256, and secret keys are stretched: 2.7.
    pub const SHA256: Self = Self::new(2, 7);
    /// Since then signatures cover the suggested version: 2.8.
    pub const SIGNED_SUGGESTION: Self = Self::new(2, 8);

    /// Version `major.minor`.
    pub const fn new(major: u8, minor: u8) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The envelope of a packet. Over UDP each packet of a message has one, which
/// differ in [`Envelope::sequence`] alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The version in which the message is written.
    pub version: Version,
    /// The message is compressed; no deployed peer does that.
    pub compressed: bool,
    /// What follows is encrypted with the key of the session.
    pub encrypted: bool,
    /// The packet is a piece of a message.
    pub truncated: bool,
    /// The version in which the sender wants to be answered, as it stands; see
    /// [`Envelope::wanted_version`].
    pub suggested: Version,
    /// The session; 0 is none. Some clients take it as a signed number.
    pub session_id: u32,
    /// The client's number for the request, which its responses have too.
    pub request_id: u32,
    /// The place of the packet among those of its message, from 0.
    pub sequence: u32,
    /// Bytes of the whole message behind the envelope: header, body and
    /// credential; of an encrypted message, its encrypted bytes.
    pub message_bytes: u32,
}

impl Envelope {
    /// The envelope of a message in `version`, outside any session, that
    /// suggests [`Version::CURRENT`]; its length is yet to be known.
    pub const fn new(version: Version, request_id: u32) -> Self {
        Self {
            version,
            compressed: false,
            encrypted: false,
            truncated: false,
            suggested: Version::CURRENT,
            session_id: 0,
            request_id,
            sequence: 0,
            message_bytes: 0,
        }
    }

    /// Reads the envelope that `packet` begins with.
    ///
    /// # Errors
    /// [`Malformed::Short`] below 20 bytes. The message length is taken as it
    /// stands: [`Envelope::message_len`] checks it.
    pub fn decode(packet: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(packet);
        let bytes: [u8; ENVELOPE_BYTES] = reader.array("envelope")?;
        let [major, minor, flags, suggested_minor, rest @ ..] = bytes;
        let mut reader = Reader::new(&rest);
        Ok(Self {
            version: Version { major, minor },
            compressed: flags & COMPRESSED != 0,
            encrypted: flags & ENCRYPTED != 0,
            truncated: flags & TRUNCATED != 0,
            suggested: Version {
                major: flags & SUGGESTED_MAJOR,
                minor: suggested_minor,
            },
            session_id: reader.u32("session id")?,
            request_id: reader.u32("request id")?,
            sequence: reader.u32("sequence number")?,
            message_bytes: reader.u32("message length")?,
        })
    }

    /// The bytes of the envelope.
    pub const fn encode(&self) -> [u8; ENVELOPE_BYTES] {
        let mut flags = self.suggested.major & SUGGESTED_MAJOR;
        if self.compressed {
            flags |= COMPRESSED;
        }
        if self.encrypted {
            flags |= ENCRYPTED;
        }
        if self.truncated {
            flags |= TRUNCATED;
        }
        let [s0, s1, s2, s3] = self.session_id.to_be_bytes();
        let [r0, r1, r2, r3] = self.request_id.to_be_bytes();
        let [n0, n1, n2, n3] = self.sequence.to_be_bytes();
        let [l0, l1, l2, l3] = self.message_bytes.to_be_bytes();
        let Version { major, minor } = self.version;
        [
            major,
            minor,
            flags,
            self.suggested.minor,
            s0,
            s1,
            s2,
            s3,
            r0,
            r1,
            r2,
            r3,
            n0,
            n1,
            n2,
            n3,
            l0,
            l1,
            l2,
            l3,
        ]
    }

    /// The message length, within its limit.
    ///
    /// # Errors
    /// [`Malformed::Above`] beyond [`MESSAGE_BYTES_MAX`].
    pub fn message_len(&self) -> Result<usize, Malformed> {
        Reader::new(&self.message_bytes.to_be_bytes()).size("message length", MESSAGE_BYTES_MAX)
    }

    /// The version in which the sender wants to be answered: the suggested one,
    /// or that of the message where none is suggested.
    pub const fn wanted_version(&self) -> Version {
        match self.suggested.major {
            0 => self.version,
            _ => self.suggested,
        }
    }

    /// The version of a response to a request with this envelope: what is
    /// wanted, but at most [`Version::CURRENT`]; 5.x, which a very old client
    /// says by mistake, is echoed (Handle protocol as deployed).
    pub fn reply_version(&self) -> Version {
        match self.wanted_version() {
            odd @ Version { major: 5, .. } => odd,
            wanted => wanted.min(Version::CURRENT),
        }
    }

    /// The envelope of a response to a request with this one, in the same
    /// session; its length is yet to be known.
    #[must_use]
    pub fn reply(&self) -> Self {
        Self {
            session_id: self.session_id,
            ..Self::new(self.reply_version(), self.request_id)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; ENVELOPE_BYTES] = [
        2, 10, 0xe2, 11, 0x80, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 3, 0, 0, 1, 2,
    ];

    #[test]
    fn goes_there_and_back() {
        let envelope = Envelope::decode(&BYTES).expect("whole");
        assert_eq!(envelope.version, Version::new(2, 10));
        assert_eq!(envelope.suggested, Version::new(2, 11));
        assert!(envelope.compressed && envelope.encrypted && envelope.truncated);
        assert_eq!(envelope.session_id, 0x8000_0001);
        assert_eq!(envelope.request_id, 0xffff_fffe);
        assert_eq!(envelope.sequence, 3);
        assert_eq!(envelope.message_len(), Ok(0x102));
        assert_eq!(envelope.encode(), BYTES);
        let short = Envelope::decode(&BYTES[..19]).expect_err("short");
        assert_eq!(short.to_string(), "envelope: needs 20 bytes, 19 are left");
    }

    #[test]
    fn reads_two_bits_of_the_suggested_major() {
        let mut bytes = BYTES;
        bytes[2] = 0x1e;
        let envelope = Envelope::decode(&bytes).expect("whole");
        assert_eq!(envelope.suggested.major, 2);
        assert!(!envelope.compressed && !envelope.encrypted && !envelope.truncated);
    }

    #[test]
    fn limits_the_message() {
        for (message_bytes, fits) in [
            (0, true),
            (262_144, true),
            (262_145, false),
            (u32::MAX, false),
        ] {
            let mut envelope = Envelope::new(Version::CURRENT, 1);
            envelope.message_bytes = message_bytes;
            assert_eq!(envelope.message_len().is_ok(), fits, "{message_bytes}");
        }
    }

    fn check(version: (u8, u8), suggested: (u8, u8), expected: (u8, u8)) {
        let mut envelope = Envelope::new(Version::new(version.0, version.1), 7);
        envelope.suggested = Version::new(suggested.0, suggested.1);
        envelope.session_id = 4;
        envelope.sequence = 2;
        envelope.encrypted = true;
        let envelope = Envelope::decode(&envelope.encode()).expect("whole");
        let reply = envelope.reply();
        assert_eq!(reply.version, Version::new(expected.0, expected.1));
        assert_eq!(reply.suggested, Version::CURRENT);
        assert_eq!((reply.session_id, reply.request_id), (4, 7));
        assert_eq!((reply.sequence, reply.encrypted), (0, false));
    }

    #[test]
    fn answers_in_the_version_that_is_wanted() {
        check((2, 11), (2, 11), (2, 11));
        check((2, 3), (2, 11), (2, 11));
        check((2, 3), (2, 10), (2, 10));
        check((2, 11), (2, 4), (2, 4));
        check((2, 0), (0, 0), (2, 0));
        check((2, 5), (0, 11), (2, 5));
        check((2, 0), (2, 0), (2, 0));
        check((1, 0), (0, 0), (1, 0));
        check((3, 0), (3, 0), (2, 11));
        check((3, 0), (0, 0), (2, 11));
        check((2, 12), (2, 12), (2, 11));
        check((5, 0), (0, 0), (5, 0));
        check((255, 0), (0, 0), (2, 11));
    }
}
