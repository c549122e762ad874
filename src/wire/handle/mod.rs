//! The Handle protocol: messages to bytes and back (RFC 3652, DO-IRP v3.0, and
//! what deployed clients and servers of version 2.11 do).
//!
//! Reading borrows from the message and allocates nothing; writing appends to a
//! buffer of the caller's. Digests, codes and signatures are bytes here: what
//! they cover is told ([`Message::signed`], [`authenticated_bytes`]), and
//! computed elsewhere. So is the meaning of HS_* values.
//!
//! ```text
//! packet   = envelope:20 piece          UDP, at most 512 bytes
//! message  = envelope:20 header:24 body credential
//! ```

mod body;
mod challenge;
mod code;
mod credential;
mod describe;
mod envelope;
mod fragment;
mod header;
mod list;
mod malformed;
mod message;
mod reader;
mod request;
mod response;
mod session;
mod value;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use crate::wire::handle::body::{Content, Request, Response};
pub use crate::wire::handle::challenge::{
    Challenge, ChallengeAnswer, DigestAlgorithm, Pbkdf2, PublicKeyProof, RequestDigest,
    SecretKeyMethod, SecretKeyProof, VerifyRequest,
};
pub use crate::wire::handle::code::{Flags, OpCode, ResponseCode};
pub use crate::wire::handle::credential::Credential;
pub use crate::wire::handle::describe::{Description, describe};
pub use crate::wire::handle::envelope::{Envelope, Version};
pub use crate::wire::handle::fragment::{Fragments, Marking, Packet, packets};
pub use crate::wire::handle::header::Header;
pub use crate::wire::handle::list::{Item, Items, List};
pub use crate::wire::handle::malformed::Malformed;
pub use crate::wire::handle::message::{Message, MessageWriter, authenticated_bytes};
pub use crate::wire::handle::reader::Reader;
pub use crate::wire::handle::request::{
    HandleRequest, LoginRequest, RemoveRequest, ResolutionRequest, ValuesRequest,
};
pub use crate::wire::handle::response::{
    CreateResponse, ErrorResponse, ListResponse, ReferralResponse, ResolutionResponse,
    VerifyResponse, encode_resolution_response, split_digest,
};
pub use crate::wire::handle::session::{
    DiffieHellmanKey, KeyAgreement, KeyExchangeRequest, SessionRequest, SessionResponse,
};
pub use crate::wire::handle::value::{HandleValue, Permissions, Reference, Ttl};

/// Bytes of an envelope.
pub const ENVELOPE_BYTES: usize = 20;
/// Bytes of a header.
pub const HEADER_BYTES: usize = 24;
/// Bytes of a UDP packet, at most: what deployed peers send and take.
pub const PACKET_BYTES_MAX: usize = 512;
/// Bytes of a message in each of its UDP packets but the last.
pub const FRAGMENT_BYTES: usize = PACKET_BYTES_MAX - ENVELOPE_BYTES;
/// Bytes of header, body and credential, at most. A longer message is refused.
pub const MESSAGE_BYTES_MAX: usize = 262_144;
/// Bytes of a handle in a response, at most.
pub const HANDLE_BYTES_MAX: usize = 2048;
/// Values of a handle in a message, at most.
pub const VALUES_MAX: usize = 2048;
/// Items of any other list, at most.
pub const ARRAY_ITEMS_MAX: usize = 1_048_576;
/// Handles that a server puts into one message of a list, as deployed.
pub const LIST_HANDLES_PER_MESSAGE: usize = 50;
/// The request id of an error about a message whose own could not be read.
pub const REQUEST_ID_UNKNOWN: u32 = 0xffff_ffff;
