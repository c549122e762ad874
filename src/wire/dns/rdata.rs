//! The data of the record types that are served.

use crate::wire::dns::message::{Full, Writer};
use crate::wire::dns::name::Name;
use crate::wire::dns::question::RecordType;

/// Octets of a character-string (RFC 1035 §3.3).
const STRING_BYTES_MAX: usize = 255;

/// A character-string: at most 255 octets (RFC 1035 §3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CharacterString<'a>(&'a [u8]);

impl<'a> CharacterString<'a> {
    /// The string of these octets; `None` above 255.
    pub const fn new(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > STRING_BYTES_MAX {
            return None;
        }
        Some(Self(bytes))
    }
}

/// The data of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rdata<'a> {
    /// RFC 3403 §4.1: `ORDER:2 PREFERENCE:2 FLAGS SERVICES REGEXP REPLACEMENT`.
    Naptr {
        /// Rules are tried in this order.
        order: u16,
        /// Among rules of one order, the preferred one is the least.
        preference: u16,
        /// How to go on: "u" yields a URI.
        flags: CharacterString<'a>,
        /// The service that the rule leads to.
        services: CharacterString<'a>,
        /// The substitution.
        regexp: CharacterString<'a>,
        /// The next name; the root where the substitution stands.
        replacement: Name<'a>,
    },
    /// RFC 7553 §4.5: `PRIORITY:2 WEIGHT:2 TARGET`, the target without a length.
    Uri {
        /// The least is tried first.
        priority: u16,
        /// The share among those of one priority.
        weight: u16,
        /// The URI.
        target: &'a [u8],
    },
    /// RFC 1035 §3.3.14: the text is cut into strings of 255 octets.
    Txt(&'a [u8]),
    /// RFC 1035 §3.3.13: `MNAME RNAME SERIAL:4 REFRESH:4 RETRY:4 EXPIRE:4 MINIMUM:4`.
    Soa {
        /// The primary name server.
        primary: Name<'a>,
        /// The mailbox of the person responsible.
        mailbox: Name<'a>,
        /// The version of the zone.
        serial: u32,
        /// Refresh, retry, expire and minimum, in seconds.
        timers: [u32; 4],
    },
    /// RFC 1035 §3.3.11.
    Ns(Name<'a>),
    /// RFC 2782: `PRIORITY:2 WEIGHT:2 PORT:2 TARGET`, the target uncompressed.
    Srv {
        /// The least is tried first.
        priority: u16,
        /// The share among those of one priority.
        weight: u16,
        /// The port.
        port: u16,
        /// The host.
        target: Name<'a>,
    },
    /// RFC 1035 §3.3.2: `CPU OS`.
    Hinfo {
        /// "RFC8482" in the small answer to ANY.
        cpu: CharacterString<'a>,
        /// Empty there.
        os: CharacterString<'a>,
    },
}

impl Rdata<'_> {
    /// The type of a record with this data.
    pub const fn record_type(&self) -> RecordType {
        match self {
            Self::Naptr { .. } => RecordType::NAPTR,
            Self::Uri { .. } => RecordType::URI,
            Self::Txt(_) => RecordType::TXT,
            Self::Soa { .. } => RecordType::SOA,
            Self::Ns(_) => RecordType::NS,
            Self::Srv { .. } => RecordType::SRV,
            Self::Hinfo { .. } => RecordType::HINFO,
        }
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Result<(), Full> {
        match *self {
            Self::Naptr {
                order,
                preference,
                flags,
                services,
                regexp,
                replacement,
            } => {
                writer.put_u16(order)?;
                writer.put_u16(preference)?;
                put_string(writer, flags.0)?;
                put_string(writer, services.0)?;
                put_string(writer, regexp.0)?;
                writer.put(replacement.as_bytes())
            }
            Self::Uri {
                priority,
                weight,
                target,
            } => {
                writer.put_u16(priority)?;
                writer.put_u16(weight)?;
                writer.put(target)
            }
            Self::Txt([]) => put_string(writer, &[]),
            Self::Txt(text) => text
                .chunks(STRING_BYTES_MAX)
                .try_for_each(|string| put_string(writer, string)),
            Self::Soa {
                primary,
                mailbox,
                serial,
                timers,
            } => {
                writer.put_compressed(primary)?;
                writer.put_compressed(mailbox)?;
                writer.put_serial(serial)?;
                timers.iter().try_for_each(|secs| writer.put_u32(*secs))
            }
            Self::Ns(host) => writer.put_compressed(host),
            Self::Srv {
                priority,
                weight,
                port,
                target,
            } => {
                writer.put_u16(priority)?;
                writer.put_u16(weight)?;
                writer.put_u16(port)?;
                writer.put(target.as_bytes())
            }
            Self::Hinfo { cpu, os } => {
                put_string(writer, cpu.0)?;
                put_string(writer, os.0)
            }
        }
    }
}

/// Callers hold at most 255 octets: a [`CharacterString`] or a chunk of a text.
fn put_string(writer: &mut Writer<'_>, bytes: &[u8]) -> Result<(), Full> {
    let length = u8::try_from(bytes.len()).map_err(|_| Full)?;
    writer.put(&[length])?;
    writer.put(bytes)
}
