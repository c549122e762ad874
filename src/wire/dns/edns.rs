//! EDNS(0): the OPT pseudo-record (RFC 6891 §6.1.2) and the extended error
//! option (RFC 8914 §2).
//!
//! ```text
//! NAME:1 = 0   TYPE:2 = 41   CLASS:2 = payload size   TTL:4 = rcode:1 version:1 DO:1 Z:15
//! RDLENGTH:2   *( code:2 length:2 octets )
//! ```

use std::io::Write;

use crate::wire::dns::reader::Reader;

/// Octets of an OPT record without options.
pub const OPT_BYTES: usize = 11;
/// DO, in the last two octets of the TTL (RFC 3225 §3).
pub(super) const DNSSEC_OK: u16 = 0x8000;
/// The code of the extended error option (RFC 8914 §2).
pub(super) const EXTENDED_ERROR: u16 = 15;

/// What the OPT record of a query says. Its options are checked for their
/// form and otherwise left alone: none is understood, and RFC 6891 §6.1.2 wants
/// such ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edns {
    /// Octets that the client can take in one UDP message, as it says.
    pub payload_bytes: u16,
    /// The version spoken; 0 is the only one there is.
    pub version: u8,
    /// DO: the client wants signatures.
    pub dnssec_ok: bool,
}

impl Edns {
    /// Reads an OPT record from behind its type.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let payload_bytes = reader.u16()?;
        let _extended_rcode = reader.u8()?;
        let version = reader.u8()?;
        let flags = reader.u16()?;
        let length = usize::from(reader.u16()?);
        let mut options = Reader::new(reader.take(length)?, 0);
        while !options.is_at_end() {
            let _code = options.u16()?;
            let length = usize::from(options.u16()?);
            options.take(length)?;
        }
        Some(Self {
            payload_bytes,
            version,
            dnssec_ok: flags & DNSSEC_OK != 0,
        })
    }
}

/// Octets of the longest text of an extended error.
const ERROR_TEXT_BYTES_MAX: usize = 48;

/// The extended errors that are sent (RFC 8914 §4). Those whose code says all go
/// without text: an answer grows by six octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtendedError {
    /// The client asked for too much; there is no code for that (§4.1), so that a
    /// text says so and when to come back.
    RateLimited {
        /// Milliseconds until the client may ask again.
        retry_ms: u32,
    },
    /// The operator barred the name (§4.19).
    Prohibited,
    /// The server is not authoritative for the name (§4.21).
    NotAuthoritative,
}

impl ExtendedError {
    /// The INFO-CODE.
    pub const fn number(self) -> u16 {
        match self {
            Self::RateLimited { .. } => 0,
            Self::Prohibited => 18,
            Self::NotAuthoritative => 20,
        }
    }

    /// Gives the EXTRA-TEXT, which may be empty, to `put`.
    pub(super) fn with_text<T>(self, put: impl FnOnce(&[u8]) -> T) -> T {
        let mut buffer = [0; ERROR_TEXT_BYTES_MAX];
        let mut rest = buffer.as_mut_slice();
        if let Self::RateLimited { retry_ms } = self {
            // The longest number leaves room.
            let _fits = write!(rest, "rate limited; try again in {retry_ms} ms");
        }
        let left = rest.len();
        let text = buffer.get(..ERROR_TEXT_BYTES_MAX - left);
        put(text.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_when_to_come_back_whatever_the_number() {
        let check = |error: ExtendedError, expected: &str| {
            error.with_text(|text| assert_eq!(text, expected.as_bytes()));
        };
        let limited = |retry_ms| ExtendedError::RateLimited { retry_ms };
        check(limited(0), "rate limited; try again in 0 ms");
        check(
            limited(u32::MAX),
            "rate limited; try again in 4294967295 ms",
        );
        check(ExtendedError::Prohibited, "");
    }
}
