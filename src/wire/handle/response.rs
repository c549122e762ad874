//! The bodies of responses (RFC 3652 §3).
//!
//! Where the header has the flag RRDG, the digest of the request comes first;
//! [`split_digest`] takes it off, and each type here reads what follows it.
//! A response to GET_SITE_INFO is an HS_SITE record there, without a length; a
//! response to ADD_VALUE, REMOVE_VALUE, MODIFY_VALUE, DELETE_HANDLE, HOME_NA,
//! UNHOME_NA and LOGIN has nothing there.

use crate::wire::handle::HANDLE_BYTES_MAX;
use crate::wire::handle::challenge::RequestDigest;
use crate::wire::handle::code::{Flags, ResponseCode};
use crate::wire::handle::envelope::Version;
use crate::wire::handle::header::Header;
use crate::wire::handle::list::{Item, List};
use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::reader::{Reader, put_bytes, put_size};
use crate::wire::handle::value::HandleValue;

/// Takes the digest of the request off the body of a response in `version`: it
/// is there if the header has RRDG, and in each challenge.
///
/// # Errors
/// [`Malformed`].
pub fn split_digest<'a>(
    version: Version,
    header: &Header,
    body: &'a [u8],
) -> Result<(Option<RequestDigest<'a>>, &'a [u8]), Malformed> {
    let is_challenge = header.response_code == ResponseCode::AUTHENTICATION_NEEDED;
    if !is_challenge && !header.flags.contains(Flags::REQUEST_DIGEST) {
        return Ok((None, body));
    }
    let mut reader = Reader::new(body);
    let digest = RequestDigest::read(&mut reader, version)?;
    Ok((Some(digest), reader.rest()))
}

/// The values of a handle (RFC 3652 §3.2.2).
///
/// ```text
/// handle:string  count:4 *value
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolutionResponse<'a> {
    /// The handle, in the spelling of the request.
    pub handle: &'a [u8],
    /// Its values.
    pub values: List<'a, HandleValue<'a>>,
}

impl<'a> ResolutionResponse<'a> {
    /// Reads what follows the request digest.
    ///
    /// # Errors
    /// [`Malformed`], also above [`HANDLE_BYTES_MAX`] or
    /// [`VALUES_MAX`](crate::wire::handle::VALUES_MAX).
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let handle = handle(&mut reader)?;
        let values = List::read(&mut reader)?;
        reader.end("resolution response")?;
        Ok(Self { handle, values })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        encode_resolution_response(out, self.handle, self.values);
    }
}

/// Appends the body of a resolution response with values that come one by one.
///
/// Deployed clients refuse more than [`VALUES_MAX`](crate::wire::handle::VALUES_MAX).
pub fn encode_resolution_response<'v>(
    out: &mut Vec<u8>,
    handle: &[u8],
    values: impl IntoIterator<Item = HandleValue<'v>>,
) {
    put_bytes(out, handle);
    let count_at = out.len();
    put_size(out, 0);
    let mut count = 0u32;
    for value in values {
        value.write(out);
        count = count.saturating_add(1);
    }
    if let Some(four) = out.get_mut(count_at..).and_then(<[u8]>::first_chunk_mut) {
        *four = count.to_be_bytes();
    }
}

/// The handle that was created (RFC 3652 §3.3.4).
///
/// ```text
/// handle:string
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateResponse<'a> {
    /// The handle; empty from a server of old, which sends no body.
    pub handle: &'a [u8],
}

impl<'a> CreateResponse<'a> {
    /// Reads what follows the request digest.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let handle = match body {
            [] => &[],
            _ => handle(&mut reader)?,
        };
        reader.end("create response")?;
        Ok(Self { handle })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.handle);
    }
}

/// Handles or prefixes, of LIST_HANDLES and LIST_HOMED_NAS (RFC 3652 §3.6). All
/// messages but the last of a response have the flag CONT.
///
/// ```text
/// count:4 *(handle:string)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListResponse<'a> {
    /// The handles; as deployed, 50 in a message.
    pub handles: List<'a, &'a [u8]>,
}

impl<'a> ListResponse<'a> {
    /// Reads what follows the request digest.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let handles = List::read(&mut reader)?;
        reader.end("list response")?;
        Ok(Self { handles })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.handles.write(out);
    }
}

/// Why a request failed (RFC 3652 §3.3; DO-IRP v3.0 §2.3).
///
/// ```text
/// [message:string [count:4 *(index:4)]]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorResponse<'a> {
    /// A text for people; may be empty.
    pub message: &'a [u8],
    /// The values that it is about; not written where there are none.
    pub indexes: List<'a, u32>,
}

impl<'a> ErrorResponse<'a> {
    /// Reads what follows the request digest.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let message = match body {
            [] => &[],
            _ => reader.bytes("error message")?,
        };
        let indexes = match reader.rest() {
            [] => List::EMPTY,
            _ => List::read(&mut reader)?,
        };
        reader.end("error response")?;
        Ok(Self { message, indexes })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.message);
        if !self.indexes.is_empty() {
            self.indexes.write(out);
        }
    }
}

/// Where else to ask: SERVICE_REFERRAL and PREFIX_REFERRAL (RFC 3652 §3.4).
///
/// ```text
/// handle:string  [count:4 *value]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferralResponse<'a> {
    /// The handle that has the site information; empty if it is in the values.
    pub handle: &'a [u8],
    /// HS_SITE.PREFIX and the like; not written where there are none.
    pub values: List<'a, HandleValue<'a>>,
}

impl<'a> ReferralResponse<'a> {
    /// Reads what follows the request digest.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let handle = handle(&mut reader)?;
        let values = match reader.rest() {
            [] => List::EMPTY,
            _ => List::read(&mut reader)?,
        };
        reader.end("referral response")?;
        Ok(Self { handle, values })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.handle);
        if !self.values.is_empty() {
            self.values.write(out);
        }
    }
}

/// Whether an answer to a challenge holds: VERIFY_CHALLENGE.
///
/// ```text
/// holds:1
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyResponse {
    /// Whether it holds.
    pub holds: bool,
}

impl VerifyResponse {
    /// Reads what follows the request digest.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let number = reader.u8("verification")?;
        reader.end("verify response")?;
        match number {
            0 => Ok(Self { holds: false }),
            1 => Ok(Self { holds: true }),
            _ => Err(Malformed::Unknown {
                field: "verification",
                value: number.into(),
                known: "0, 1",
            }),
        }
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.holds));
    }
}

/// A handle as deployed clients take it from a response.
fn handle<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    const FIELD: &str = "handle";
    let length = reader.size(FIELD, HANDLE_BYTES_MAX)?;
    reader.take(FIELD, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_a_handle() {
        for (length, fits) in [(2048, true), (2049, false)] {
            let mut out = Vec::new();
            encode_resolution_response(&mut out, &vec![b'a'; length], []);
            assert_eq!(ResolutionResponse::decode(&out).is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn what_servers_of_old_leave_out_is_empty() {
        assert_eq!(CreateResponse::decode(b"").expect("empty").handle, b"");
        let error = ErrorResponse::decode(b"").expect("empty");
        assert_eq!(error.message, b"");
        assert!(error.indexes.is_empty());
        let referral = ReferralResponse::decode(b"\0\0\0\x01a").expect("no values");
        assert_eq!(referral.handle, b"a");
        assert!(referral.values.is_empty());
    }

    #[test]
    fn a_verification_is_one_or_nothing() {
        for (body, expected) in [
            (&b"\x01"[..], Some(true)),
            (b"\0", Some(false)),
            (b"\x02", None),
            (b"", None),
            (b"\x01\0", None),
        ] {
            let holds = VerifyResponse::decode(body)
                .ok()
                .map(|response| response.holds);
            assert_eq!(holds, expected);
        }
    }
}
