//! DNS messages: queries are read in place, answers written into a buffer of
//! the caller's, neither with an allocation.
//!
//! Only what an authoritative server of a few record types needs. There is no
//! reader of answers here: the tests read them with an independent decoder.

mod edns;
mod header;
mod message;
mod name;
mod query;
mod question;
mod rdata;
mod reader;

pub use edns::{Edns, ExtendedError, OPT_BYTES};
pub use header::{Flags, HEADER_BYTES, Header, Opcode, Rcode};
pub use message::{Full, Layout, Owner, Record, Section, Writer};
pub use name::{NAME_BYTES_MAX, Name, NameBuf, NameInvalid};
pub use query::{Query, Unsound};
pub use question::{Class, Question, RecordType};
pub use rdata::{CharacterString, Rdata};
