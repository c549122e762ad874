//! A message behind its envelope (RFC 3652 §2.1), and the writing of one.
//!
//! ```text
//! header:24  body:BodyLength  credential: length:4 *bytes
//! ```

use crate::wire::handle::envelope::{Envelope, Version};
use crate::wire::handle::header::Header;
use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::reader::{Reader, put_bytes, put_u32};
use crate::wire::handle::{ENVELOPE_BYTES, HEADER_BYTES, MESSAGE_BYTES_MAX};

/// A message, borrowed from its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The header.
    pub header: Header,
    /// The body; see `request` and `response` for what it holds.
    pub body: &'a [u8],
    /// The credential; empty without one. See [`crate::wire::handle::Credential`].
    pub credential: &'a [u8],
    /// Header and body as they stand: what digests, codes and signatures cover.
    pub signed: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the bytes behind an envelope: of all packets of the message, and
    /// decrypted. A message that ends with its body, as id-pointer-sdk sends,
    /// has no credential.
    ///
    /// # Errors
    /// [`Malformed`] for a message beyond [`MESSAGE_BYTES_MAX`], lengths that do
    /// not fit it, or bytes behind the credential.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        check_length(bytes.len())?;
        let header = Header::decode(bytes)?;
        let body_bytes = header.body_len()?;
        let mut reader = Reader::new(bytes.get(HEADER_BYTES..).unwrap_or_default());
        let body = reader.take("body", body_bytes)?;
        let signed = bytes.get(..HEADER_BYTES + body_bytes).unwrap_or(bytes);
        let credential = match reader.rest() {
            [] => &[],
            _ => reader.bytes("credential")?,
        };
        reader.end("message")?;
        Ok(Self {
            header,
            body,
            credential,
            signed,
        })
    }
}

fn check_length(bytes: usize) -> Result<(), Malformed> {
    if bytes <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    Err(Malformed::Above {
        field: "message length",
        value: bytes.try_into().unwrap_or(u64::MAX),
        limit: MESSAGE_BYTES_MAX.try_into().unwrap_or(u64::MAX),
    })
}

/// Writes a message at the end of a buffer: envelope and header at once, the
/// body as the caller appends it, and their lengths at the end. A message that
/// is not finished stays in the buffer, with lengths that are not true.
#[derive(Debug)]
pub struct MessageWriter<'b> {
    out: &'b mut Vec<u8>,
    envelope: Envelope,
    start: usize,
}

impl<'b> MessageWriter<'b> {
    /// Begins a message; the lengths in `envelope` and `header` are not looked
    /// at.
    pub fn begin(out: &'b mut Vec<u8>, envelope: &Envelope, header: &Header) -> Self {
        let start = out.len();
        out.extend_from_slice(&envelope.encode());
        header.write(out);
        Self {
            out,
            envelope: *envelope,
            start,
        }
    }

    /// The buffer, for the body to be appended. What stands there already is
    /// not to be changed.
    pub const fn body(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Ends the body and appends what a code or a signature of this message
    /// covers; see [`authenticated_bytes`].
    pub fn authenticated_bytes(&mut self, counter: u32, covered: &mut Vec<u8>) {
        self.end_body();
        let signed = self.out.get(self.start + ENVELOPE_BYTES..);
        authenticated_bytes(&self.envelope, counter, signed.unwrap_or_default(), covered);
    }

    /// Ends the message with its credential, which may be empty, and returns
    /// its bytes with the envelope.
    ///
    /// # Errors
    /// [`Malformed::Above`] beyond [`MESSAGE_BYTES_MAX`]; the buffer is then as
    /// it was before the message.
    pub fn finish(mut self, credential: &[u8]) -> Result<&'b [u8], Malformed> {
        self.end_body();
        put_bytes(self.out, credential);
        let Self { out, start, .. } = self;
        let message_bytes = out.len() - start - ENVELOPE_BYTES;
        if let Err(error) = check_length(message_bytes) {
            out.truncate(start);
            return Err(error);
        }
        patch_u32(out, start + ENVELOPE_BYTES - 4, message_bytes);
        Ok(out.get(start..).unwrap_or_default())
    }

    fn end_body(&mut self) {
        let body_start = self.start + ENVELOPE_BYTES + HEADER_BYTES;
        let body_bytes = self.out.len().saturating_sub(body_start);
        patch_u32(self.out, body_start - 4, body_bytes);
    }
}

/// Writes a length over four bytes that stand for it. One beyond 32 bits is
/// beyond the limit of a message, which [`MessageWriter::finish`] refuses.
fn patch_u32(out: &mut [u8], at: usize, number: usize) {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    if let Some(four) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *four = number.to_be_bytes();
    }
}

/// Appends what the code (HS_MAC) or the signature (HS_SIGNED) of a message
/// covers: since 2.8 the version, the suggested version, session, request,
/// counter, header and body; in 2.7 without the suggested version; before, the
/// header and body alone (RFC 3652 §2.2.4; Handle protocol as deployed).
///
/// ```text
/// MajorVersion:1 MinorVersion:1 [SuggestedMajor:1 SuggestedMinor:1]
/// SessionId:4 RequestId:4 SessionCounter:4 header body
/// ```
///
/// `counter` is that of the message in its session, 0 outside any; `signed` is
/// [`Message::signed`].
pub fn authenticated_bytes(
    envelope: &Envelope,
    counter: u32,
    signed: &[u8],
    covered: &mut Vec<u8>,
) {
    if envelope.version >= Version::SHA256 {
        let Version { major, minor } = envelope.version;
        covered.extend_from_slice(&[major, minor]);
        if envelope.version >= Version::SIGNED_SUGGESTION {
            let Version { major, minor } = envelope.suggested;
            covered.extend_from_slice(&[major, minor]);
        }
        put_u32(covered, envelope.session_id);
        put_u32(covered, envelope.request_id);
        put_u32(covered, counter);
    }
    covered.extend_from_slice(signed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::handle::code::{Flags, OpCode};

    fn written(body: &[u8], credential: &[u8]) -> Vec<u8> {
        let header = Header::request(OpCode::RESOLUTION, Flags::NONE, 0);
        let envelope = Envelope::new(Version::CURRENT, 1);
        let mut out = Vec::new();
        let mut writer = MessageWriter::begin(&mut out, &envelope, &header);
        writer.body().extend_from_slice(body);
        writer.finish(credential).expect("short").to_vec()
    }

    #[test]
    fn a_message_may_end_with_its_body() {
        let whole = written(b"body", b"credential");
        let rest = &whole[ENVELOPE_BYTES..];
        let message = Message::decode(rest).expect("whole");
        assert_eq!(
            (message.body, message.credential),
            (&b"body"[..], &b"credential"[..])
        );
        assert_eq!(message.signed, &rest[..HEADER_BYTES + 4]);
        let message = Message::decode(message.signed).expect("without a credential");
        assert_eq!((message.body, message.credential), (&b"body"[..], &b""[..]));
    }

    #[test]
    fn refuses_a_message_beyond_the_limit() {
        let fits = MESSAGE_BYTES_MAX - HEADER_BYTES - 4;
        assert!(Message::decode(&written(&vec![0; fits], b"")[ENVELOPE_BYTES..]).is_ok());
        let header = Header::request(OpCode::RESOLUTION, Flags::NONE, 0);
        let mut out = b"before".to_vec();
        let envelope = Envelope::new(Version::CURRENT, 1);
        let mut writer = MessageWriter::begin(&mut out, &envelope, &header);
        writer.body().extend(vec![0; fits + 1]);
        let error = writer.finish(b"").expect_err("too long");
        assert_eq!(
            error.to_string(),
            "message length: 262145 is above the limit of 262144"
        );
        assert_eq!(out, b"before");
        assert!(Message::decode(&vec![0; MESSAGE_BYTES_MAX + 1]).is_err());
    }

    fn check(version: Version, expected: &[u8]) {
        let mut envelope = Envelope::new(version, 0x0102_0304);
        envelope.session_id = 5;
        let header = Header::request(OpCode::RESOLUTION, Flags::NONE, 0);
        let (mut out, mut covered) = (Vec::new(), Vec::new());
        let mut writer = MessageWriter::begin(&mut out, &envelope, &header);
        writer.body().extend_from_slice(b"body");
        writer.authenticated_bytes(9, &mut covered);
        let message = writer.finish(b"credential").expect("short");
        let signed = &message[ENVELOPE_BYTES..][..HEADER_BYTES + 4];
        assert_eq!(covered, [expected, signed].concat(), "{version}");
        assert_eq!(Header::decode(signed).expect("whole").body_bytes, 4);
    }

    #[test]
    fn a_code_covers_more_in_each_version() {
        check(Version::new(2, 6), b"");
        check(
            Version::new(2, 7),
            b"\x02\x07\0\0\0\x05\x01\x02\x03\x04\0\0\0\x09",
        );
        check(
            Version::new(2, 8),
            b"\x02\x08\x02\x0b\0\0\0\x05\x01\x02\x03\x04\0\0\0\x09",
        );
    }
}
