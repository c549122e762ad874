//! EDNS(0): the OPT pseudo-record (RFC 6891 §6.1.2) and the extended error
//! option (RFC 8914 §2).
//!
//! ```text
//! NAME:1 = 0   TYPE:2 = 41   CLASS:2 = payload size   TTL:4 = rcode:1 version:1 DO:1 Z:15
//! RDLENGTH:2   *( code:2 length:2 octets )
//! ```

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

/// The extended errors that are sent (RFC 8914 §4), without text: an answer
/// grows by six octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExtendedError {
    /// The operator barred the name (§4.19).
    Prohibited,
    /// The server is not authoritative for the name (§4.21).
    NotAuthoritative,
}

impl ExtendedError {
    /// The INFO-CODE.
    pub const fn number(self) -> u16 {
        match self {
            Self::Prohibited => 18,
            Self::NotAuthoritative => 20,
        }
    }
}
