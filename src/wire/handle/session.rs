//! The setting up of sessions (RFC 3652 §3.8; Handle protocol as deployed).

use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::reader::{Reader, put_bytes, put_u32};
use crate::wire::handle::value::Reference;

/// Deployed peers leave two bytes unused at the end of both messages.
const SURPLUS: [u8; 2] = [0; 2];

/// How client and server come to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyAgreement<'a> {
    /// 1: the server chooses one and encrypts it with this key of the client.
    ClientKey(&'a [u8]),
    /// 2: the client chooses one and encrypts it with the key of the server.
    ServerKey,
    /// 3: the server encrypts it with the public key at this handle.
    HandleKey(Reference<'a>),
    /// 4: Diffie-Hellman, with this public key of the client. DO-IRP v3.0 has
    /// this one alone.
    DiffieHellman(&'a [u8]),
}

impl KeyAgreement<'_> {
    /// The number in a message.
    pub const fn mode(&self) -> u16 {
        match self {
            Self::ClientKey(_) => 1,
            Self::ServerKey => 2,
            Self::HandleKey(_) => 3,
            Self::DiffieHellman(_) => 4,
        }
    }
}

/// A request for a session: SESSION_SETUP.
///
/// ```text
/// mode:2  timeout:4  handle:string  index:4
/// mode 1, 4:  public key:bytes      mode 3:  handle:string  index:4
/// [surplus:2]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionRequest<'a> {
    /// How long the session may be idle, in seconds; 86,400 as deployed.
    pub timeout_secs: u32,
    /// Who the client will claim to be; it proves nothing yet.
    pub identity: Reference<'a>,
    /// How to come to a key.
    pub agreement: KeyAgreement<'a>,
}

impl<'a> SessionRequest<'a> {
    /// Reads the body, with or without the surplus bytes.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let mode = reader.u16("key exchange mode")?;
        let timeout_secs = reader.u32("session timeout")?;
        let identity = Reference {
            handle: reader.bytes("identity handle")?,
            index: reader.u32("identity index")?,
        };
        let agreement = match mode {
            1 => KeyAgreement::ClientKey(reader.bytes("client key")?),
            2 => KeyAgreement::ServerKey,
            3 => KeyAgreement::HandleKey(Reference {
                handle: reader.bytes("key handle")?,
                index: reader.u32("key index")?,
            }),
            4 => KeyAgreement::DiffieHellman(reader.bytes("client key")?),
            _ => {
                return Err(Malformed::Unknown {
                    field: "key exchange mode",
                    value: mode.into(),
                    known: "1, 2, 3, 4",
                });
            }
        };
        end_with_surplus(reader, "session request")?;
        Ok(Self {
            timeout_secs,
            identity,
            agreement,
        })
    }

    /// Appends the body, with the surplus bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.agreement.mode().to_be_bytes());
        put_u32(out, self.timeout_secs);
        put_bytes(out, self.identity.handle);
        put_u32(out, self.identity.index);
        match self.agreement {
            KeyAgreement::ClientKey(key) | KeyAgreement::DiffieHellman(key) => put_bytes(out, key),
            KeyAgreement::ServerKey => {}
            KeyAgreement::HandleKey(Reference { handle, index }) => {
                put_bytes(out, handle);
                put_u32(out, index);
            }
        }
        out.extend_from_slice(&SURPLUS);
    }
}

/// The answer to a [`SessionRequest`]; the number of the session is in the
/// envelope.
///
/// ```text
/// mode:2  data:bytes  [surplus:2]
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionResponse<'a> {
    /// The mode of the request.
    pub mode: u16,
    /// Mode 1 and 3: the encrypted key; 2: the public key of the server; 4: a
    /// [`DiffieHellmanKey`].
    pub data: &'a [u8],
}

impl<'a> SessionResponse<'a> {
    /// Reads what follows the request digest, with or without the surplus
    /// bytes.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let mode = reader.u16("key exchange mode")?;
        let data = reader.bytes("key exchange data")?;
        end_with_surplus(reader, "session response")?;
        Ok(Self { mode, data })
    }

    /// Appends the body, with the surplus bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.mode.to_be_bytes());
        put_bytes(out, self.data);
        out.extend_from_slice(&SURPLUS);
    }
}

/// What the data of a [`SessionResponse`] of mode 4 holds.
///
/// ```text
/// cipher:4  public key
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiffieHellmanKey<'a> {
    /// What the session key is for; see [`DiffieHellmanKey::AES`].
    pub cipher: u32,
    /// The public key of the server, as an HS_PUBKEY value has it.
    pub public_key: &'a [u8],
}

impl<'a> DiffieHellmanKey<'a> {
    /// AES-128-CBC.
    pub const AES: u32 = 3;

    /// Reads the data.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn decode(data: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(data);
        Ok(Self {
            cipher: reader.u32("session cipher")?,
            public_key: reader.rest(),
        })
    }

    /// Appends the data.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_u32(out, self.cipher);
        out.extend_from_slice(self.public_key);
    }
}

/// The key of a session of mode 2, encrypted with the key of the server:
/// SESSION_EXCHANGEKEY.
///
/// ```text
/// encrypted key:bytes
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyExchangeRequest<'a> {
    /// Encrypted: `cipher:4 key`.
    pub encrypted_key: &'a [u8],
}

impl<'a> KeyExchangeRequest<'a> {
    /// Reads the body, with or without the surplus bytes.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let encrypted_key = reader.bytes("encrypted key")?;
        end_with_surplus(reader, "key exchange request")?;
        Ok(Self { encrypted_key })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.encrypted_key);
    }
}

fn end_with_surplus(reader: Reader<'_>, field: &'static str) -> Result<(), Malformed> {
    if reader.rest() == SURPLUS.as_slice() {
        return Ok(());
    }
    reader.end(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bytes_more_mean_nothing() {
        let identity = Reference {
            handle: b"a/b",
            index: 300,
        };
        let request = SessionRequest {
            timeout_secs: 60,
            identity,
            agreement: KeyAgreement::DiffieHellman(b"key"),
        };
        let mut out = Vec::new();
        request.encode(&mut out);
        assert_eq!(SessionRequest::decode(&out), Ok(request));
        let bare = &out[..out.len() - 2];
        assert_eq!(SessionRequest::decode(bare), Ok(request));
        assert!(SessionRequest::decode(&out[..out.len() - 1]).is_err());
        assert!(SessionRequest::decode(&[bare, &[0, 1]].concat()).is_err());
        out[1] = 5;
        let error = SessionRequest::decode(&out).expect_err("mode 5");
        assert_eq!(
            error.to_string(),
            "key exchange mode: 0x5 is not one of 1, 2, 3, 4"
        );
    }
}
