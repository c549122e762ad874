//! The header of a message (RFC 1035 §4.1.1).
//!
//! ```text
//!  0  2  ID
//!  2  2  QR:1 OPCODE:4 AA:1 TC:1 RD:1 | RA:1 Z:1 AD:1 CD:1 RCODE:4
//!  4  2  QDCOUNT
//!  6  2  ANCOUNT
//!  8  2  NSCOUNT
//! 10  2  ARCOUNT
//! ```

use crate::wire::dns::reader::Reader;

/// Octets of a header.
pub const HEADER_BYTES: usize = 12;

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The client's number for the query.
    pub id: u16,
    /// Flags, opcode and the low bits of the response code.
    pub flags: Flags,
    /// Entries in the question, answer, authority and additional sections.
    pub counts: [u16; 4],
}

impl Header {
    /// The header that `packet` begins with; `None` if it is shorter.
    pub fn read(packet: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(packet, 0);
        Some(Self {
            id: reader.u16()?,
            flags: Flags(reader.u16()?),
            counts: [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?],
        })
    }

    /// The octets of the header.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let [questions, answers, authorities, additionals] = self.counts.map(u16::to_be_bytes);
        let parts = [
            self.id.to_be_bytes(),
            self.flags.0.to_be_bytes(),
            questions,
            answers,
            authorities,
            additionals,
        ];
        let mut bytes = [0; HEADER_BYTES];
        for (two, part) in bytes.chunks_exact_mut(2).zip(parts) {
            two.copy_from_slice(&part);
        }
        bytes
    }
}

/// The second pair of octets: flags, opcode, response code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// QR: the message is an answer.
    pub const RESPONSE: Self = Self(0x8000);
    /// AA: the answer is of an authoritative server.
    pub const AUTHORITATIVE: Self = Self(0x0400);
    /// TC: the answer did not fit.
    pub const TRUNCATED: Self = Self(0x0200);
    /// RD: the client wants recursion.
    pub const RECURSION_DESIRED: Self = Self(0x0100);
    /// CD: the client checks signatures itself (RFC 4035 §3.2.2).
    pub const CHECKING_DISABLED: Self = Self(0x0010);
    /// The bits that an answer takes over from its query: RD, and CD as
    /// RFC 4035 §3.1.6 has it.
    pub const ECHOED: Self = Self(Self::RECURSION_DESIRED.0 | Self::CHECKING_DISABLED.0);

    const OPCODE: u16 = 0x7800;

    /// Whether every bit of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The bits that both have.
    #[must_use]
    pub const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The operation asked for.
    pub const fn opcode(self) -> Opcode {
        Opcode(self.0 & Self::OPCODE)
    }

    /// Flags of an answer to a query with these: QR, the opcode, RD and CD.
    #[must_use]
    pub const fn answering(self) -> Self {
        Self::RESPONSE
            .with(self.only(Self(Self::OPCODE)))
            .with(self.only(Self::ECHOED))
    }

    /// These flags with the low four bits of `rcode`.
    #[must_use]
    pub const fn with_rcode(self, rcode: Rcode) -> Self {
        Self(self.0 & !0xf | rcode.number() & 0xf)
    }
}

/// An operation, where it stands in the flags (RFC 1035 §4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opcode(u16);

impl Opcode {
    /// A standard query, the only one served.
    pub const QUERY: Self = Self(0);
}

/// The response codes that are sent (RFC 1035 §4.1.1, RFC 6891 §9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rcode {
    /// The name exists, whether or not it has records of the type.
    NoError,
    /// The query breaks the format.
    FormErr,
    /// The server failed.
    ServFail,
    /// The name does not exist, nor anything below it.
    NxDomain,
    /// The operation is not implemented.
    NotImp,
    /// The server does not serve this.
    Refused,
    /// The version of EDNS is not spoken here.
    BadVers,
}

impl Rcode {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 7] = [
        Self::NoError,
        Self::FormErr,
        Self::ServFail,
        Self::NxDomain,
        Self::NotImp,
        Self::Refused,
        Self::BadVers,
    ];

    /// The number, up to 12 bits: the upper eight travel in the OPT record.
    pub const fn number(self) -> u16 {
        match self {
            Self::NoError => 0,
            Self::FormErr => 1,
            Self::ServFail => 2,
            Self::NxDomain => 3,
            Self::NotImp => 4,
            Self::Refused => 5,
            Self::BadVers => 16,
        }
    }

    /// The name, as IANA lists it, in upper case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoError => "NOERROR",
            Self::FormErr => "FORMERR",
            Self::ServFail => "SERVFAIL",
            Self::NxDomain => "NXDOMAIN",
            Self::NotImp => "NOTIMP",
            Self::Refused => "REFUSED",
            Self::BadVers => "BADVERS",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_there_and_back() {
        let bytes = [0x12, 0x34, 0x01, 0x20, 0, 1, 0, 2, 0, 3, 0, 4];
        let header = Header::read(&bytes).expect("whole");
        assert_eq!(header.counts, [1, 2, 3, 4]);
        assert!(header.flags.contains(Flags::RECURSION_DESIRED));
        assert_eq!(header.to_bytes(), bytes);
        assert_eq!(Header::read(&bytes[..11]), None);
    }

    #[test]
    fn echoes_opcode_and_two_flags_only() {
        let all = Flags(0x7fff);
        assert_eq!(all.answering(), Flags(0x8000 | 0x7800 | 0x0110));
        assert_eq!(
            all.answering().with_rcode(Rcode::BadVers).0 & 0xf,
            0,
            "the low four of sixteen"
        );
    }
}
