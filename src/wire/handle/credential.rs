//! The credential of a message (RFC 3652 §2.1.4; Handle protocol as deployed).
//!
//! ```text
//! Version:1  Reserved:1  Options:2  Signer: handle:string index:4
//! Type:string  SignedInfoLength:4  ( DigestAlgorithm:string  SignedData:bytes )
//! ```

use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::reader::{Reader, put_bytes, put_size, put_u32};

/// What proves where a message is from: a code or a signature over
/// [`authenticated_bytes`](crate::wire::handle::authenticated_bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credential<'a> {
    /// The version of the layout; 0.
    pub version: u8,
    /// Kept as it stands; 0.
    pub reserved: u8,
    /// Kept as it stands; 0.
    pub options: u16,
    /// The handle of the signer; empty as deployed.
    pub signer: &'a [u8],
    /// As deployed, the counter of the message in its session: from 1, and 0
    /// outside any. RFC 3652 has the index of the signer's key here.
    pub counter: u32,
    /// What it is; see [`Credential::MAC`].
    pub kind: &'a [u8],
    /// "HMAC-SHA256" of a code, "SHA-256" of a signature.
    pub algorithm: &'a [u8],
    /// The code or the signature.
    pub signature: &'a [u8],
}

impl<'a> Credential<'a> {
    /// The kind of a code made with the key of a session.
    pub const MAC: &'static [u8] = b"HS_MAC";
    /// The kind of a signature made with the key of a site.
    pub const SIGNED: &'static [u8] = b"HS_SIGNED";
    /// The algorithm of codes since 2.7.
    pub const HMAC_SHA256: &'static [u8] = b"HMAC-SHA256";
    /// The algorithm of signatures since 2.7.
    pub const SHA256: &'static [u8] = b"SHA-256";

    /// A code over a message with `counter` in its session.
    pub const fn mac(counter: u32, code: &'a [u8]) -> Self {
        Self {
            version: 0,
            reserved: 0,
            options: 0,
            signer: &[],
            counter,
            kind: Self::MAC,
            algorithm: Self::HMAC_SHA256,
            signature: code,
        }
    }

    /// A signature with the key of a site, outside any session.
    pub const fn signed(signature: &'a [u8]) -> Self {
        Self {
            version: 0,
            reserved: 0,
            options: 0,
            signer: &[],
            counter: 0,
            kind: Self::SIGNED,
            algorithm: Self::SHA256,
            signature,
        }
    }

    /// Reads the credential of a message; one without has none to read.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8("credential version")?;
        let reserved = reader.u8("credential reserved")?;
        let options = reader.u16("credential options")?;
        let signer = reader.bytes("signer handle")?;
        let counter = reader.u32("session counter")?;
        let kind = reader.bytes("credential type")?;
        let section = reader.bytes("signed info")?;
        reader.end("credential")?;
        let mut reader = Reader::new(section);
        let algorithm = reader.bytes("digest algorithm")?;
        let signature = reader.bytes("signed data")?;
        reader.end("signed info")?;
        Ok(Self {
            version,
            reserved,
            options,
            signer,
            counter,
            kind,
            algorithm,
            signature,
        })
    }

    /// Appends the credential.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Self {
            version,
            reserved,
            options,
            signer,
            counter,
            kind,
            algorithm,
            signature,
        } = *self;
        out.extend_from_slice(&[version, reserved]);
        out.extend_from_slice(&options.to_be_bytes());
        put_bytes(out, signer);
        put_u32(out, counter);
        put_bytes(out, kind);
        let lengths_bytes = 8;
        let section_bytes = algorithm.len() + signature.len() + lengths_bytes;
        put_size(out, section_bytes);
        put_bytes(out, algorithm);
        put_bytes(out, signature);
    }
}
