//! The header of a message (RFC 3652 §2.1.2).
//!
//! ```text
//!  0  4  OpCode
//!  4  4  ResponseCode: 0 in a request
//!  8  4  OpFlag
//! 12  2  SiteInfoSerialNumber
//! 14  1  RecursionCount
//! 15  1  reserved
//! 16  4  ExpirationTime
//! 20  4  BodyLength
//! ```

use crate::wire::handle::code::{Flags, OpCode, ResponseCode};
use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::reader::Reader;
use crate::wire::handle::{HEADER_BYTES, MESSAGE_BYTES_MAX};

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What is asked.
    pub op_code: OpCode,
    /// How it went; [`ResponseCode::REQUEST`] in a request.
    pub response_code: ResponseCode,
    /// How it is asked.
    pub flags: Flags,
    /// The serial number of the site information that a client has, 0xffff if
    /// it has none; of a server, its own.
    pub site_serial: u16,
    /// How often the request was handed on.
    pub recursion_count: u8,
    /// Kept as it stands; 0.
    pub reserved: u8,
    /// When the message expires, in seconds since the epoch. Clients check it
    /// for certified responses.
    pub expires_secs: u32,
    /// Bytes of the body.
    pub body_bytes: u32,
}

impl Header {
    /// The site serial of a client that has no site information.
    pub const SITE_SERIAL_UNKNOWN: u16 = 0xffff;
    /// How long a message is good unless something says otherwise.
    pub const LIFE_SECS: u32 = 43_200;

    /// The header of a request of a client that has no site information; the
    /// length of its body is yet to be known.
    pub const fn request(op_code: OpCode, flags: Flags, expires_secs: u32) -> Self {
        Self {
            op_code,
            response_code: ResponseCode::REQUEST,
            flags,
            site_serial: Self::SITE_SERIAL_UNKNOWN,
            recursion_count: 0,
            reserved: 0,
            expires_secs,
            body_bytes: 0,
        }
    }

    /// Reads the header that `message` begins with.
    ///
    /// # Errors
    /// [`Malformed::Short`] below 24 bytes.
    pub fn decode(message: &[u8]) -> Result<Self, Malformed> {
        let bytes: [u8; HEADER_BYTES] = Reader::new(message).array("header")?;
        let mut reader = Reader::new(&bytes);
        Ok(Self {
            op_code: OpCode(reader.u32("op code")?),
            response_code: ResponseCode(reader.u32("response code")?),
            flags: Flags(reader.u32("flags")?),
            site_serial: reader.u16("site serial")?,
            recursion_count: reader.u8("recursion count")?,
            reserved: reader.u8("reserved")?,
            expires_secs: reader.u32("expiration")?,
            body_bytes: reader.u32("body length")?,
        })
    }

    /// Appends the header.
    pub fn write(&self, out: &mut Vec<u8>) {
        let Self {
            op_code,
            response_code,
            flags,
            site_serial,
            recursion_count,
            reserved,
            expires_secs,
            body_bytes,
        } = *self;
        for number in [op_code.0, response_code.0, flags.0] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(&site_serial.to_be_bytes());
        out.extend_from_slice(&[recursion_count, reserved]);
        out.extend_from_slice(&expires_secs.to_be_bytes());
        out.extend_from_slice(&body_bytes.to_be_bytes());
    }

    /// The body length, within the limit of a message.
    ///
    /// # Errors
    /// [`Malformed::Above`] beyond [`MESSAGE_BYTES_MAX`].
    pub fn body_len(&self) -> Result<usize, Malformed> {
        Reader::new(&self.body_bytes.to_be_bytes()).size("body length", MESSAGE_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_there_and_back() {
        let bytes =
            *b"\0\0\0\x64\0\0\x01\x92\x99\x80\0\0\xff\xfe\x03\x09\x6b\x05\x3e\x13\0\0\x01\x02";
        let header = Header::decode(&bytes).expect("whole");
        assert_eq!(header.op_code, OpCode::CREATE_HANDLE);
        assert_eq!(header.response_code, ResponseCode::AUTHENTICATION_NEEDED);
        assert_eq!(header.flags, Flags(0x9980_0000));
        assert_eq!(header.site_serial, 0xfffe);
        assert_eq!((header.recursion_count, header.reserved), (3, 9));
        assert_eq!(header.expires_secs, 0x6b05_3e13);
        assert_eq!(header.body_len(), Ok(0x102));
        let mut out = Vec::new();
        header.write(&mut out);
        assert_eq!(out, bytes);
        assert!(Header::decode(&bytes[..23]).is_err());
    }

    #[test]
    fn takes_no_length_for_negative() {
        let mut header = Header::request(OpCode::RESOLUTION, Flags::NONE, 0);
        header.body_bytes = 0xffff_fff0;
        let error = header.body_len().expect_err("beyond the limit");
        assert_eq!(
            error.to_string(),
            "body length: 4294967280 is above the limit of 262144"
        );
    }
}
