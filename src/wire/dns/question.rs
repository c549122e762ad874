//! The question: a name, a type and a class (RFC 1035 §4.1.2).
//!
//! ```text
//! QNAME  QTYPE:2  QCLASS:2
//! ```

use crate::wire::dns::name::Name;
use crate::wire::dns::reader::Reader;

/// A record type, or a query type such as [`RecordType::ANY`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecordType(pub u16);

impl RecordType {
    /// An IPv4 address (RFC 1035 §3.4.1).
    pub const A: Self = Self(1);
    /// A name server (RFC 1035 §3.3.11).
    pub const NS: Self = Self(2);
    /// The start of a zone (RFC 1035 §3.3.13).
    pub const SOA: Self = Self(6);
    /// What a host is (RFC 1035 §3.3.2); also the small answer to ANY (RFC 8482 §4.2).
    pub const HINFO: Self = Self(13);
    /// Text (RFC 1035 §3.3.14).
    pub const TXT: Self = Self(16);
    /// An IPv6 address (RFC 3596 §2.1).
    pub const AAAA: Self = Self(28);
    /// Where a service is (RFC 2782).
    pub const SRV: Self = Self(33);
    /// A rewrite rule (RFC 3403 §4).
    pub const NAPTR: Self = Self(35);
    /// The pseudo-record of EDNS (RFC 6891 §6.1).
    pub const OPT: Self = Self(41);
    /// An incremental zone transfer (RFC 1995).
    pub const IXFR: Self = Self(251);
    /// A zone transfer (RFC 5936).
    pub const AXFR: Self = Self(252);
    /// Any type (RFC 8482).
    pub const ANY: Self = Self(255);
    /// A URI (RFC 7553 §4).
    pub const URI: Self = Self(256);
}

/// A class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Class(pub u16);

impl Class {
    /// The Internet (RFC 1035 §3.2.4).
    pub const IN: Self = Self(1);
    /// CHAOS, by which servers tell about themselves (RFC 4892).
    pub const CH: Self = Self(3);
}

/// The question of a query, borrowed from its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The name asked for, in the spelling of the client.
    pub name: Name<'a>,
    /// The type asked for.
    pub record_type: RecordType,
    /// The class asked for.
    pub class: Class,
    bytes: &'a [u8],
}

impl<'a> Question<'a> {
    pub(super) fn read(packet: &'a [u8], reader: &mut Reader<'a>) -> Option<Self> {
        let start = reader.position();
        let name = Name::read(reader)?;
        let record_type = RecordType(reader.u16()?);
        let class = Class(reader.u16()?);
        let bytes = packet.get(start..reader.position())?;
        Some(Self {
            name,
            record_type,
            class,
            bytes,
        })
    }

    /// The octets of the question, to be echoed as they are.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}
