//! The bodies of requests (RFC 3652 §3).
//!
//! Handles and types are the bytes as they stand: what is no UTF-8, the server
//! answers by its own code. A body that ends early or late is malformed.

use crate::wire::handle::list::List;
use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::reader::{Reader, put_bytes, put_u32};
use crate::wire::handle::value::{HandleValue, Reference};

/// What a resolution asks for (RFC 3652 §3.2.1), without allocation: the lists
/// are read where they stand.
///
/// ```text
/// handle:string  count:4 *(index:4)  count:4 *(type:string)  [auth:bytes]
/// ```
///
/// A password login of ID-SDK is laid out so too: its handle is the account,
/// its one type the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResolutionRequest<'a> {
    /// The handle.
    pub handle: &'a [u8],
    /// Values at these indexes; none and no types: all.
    pub indexes: List<'a, u32>,
    /// Values of these types too.
    pub types: List<'a, &'a [u8]>,
    /// The field that id-pointer-sdk appends: empty, or a signed token.
    pub auth: Option<&'a [u8]>,
}

impl<'a> ResolutionRequest<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let handle = reader.bytes("handle")?;
        let indexes = List::read(&mut reader)?;
        let types = List::read(&mut reader)?;
        let auth = match reader.rest() {
            [] => None,
            _ => Some(reader.bytes("auth")?),
        };
        reader.end("resolution request")?;
        Ok(Self {
            handle,
            indexes,
            types,
            auth,
        })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Self {
            handle,
            indexes,
            types,
            auth,
        } = self;
        put_bytes(out, handle);
        indexes.write(out);
        types.write(out);
        if let Some(auth) = auth {
            put_bytes(out, auth);
        }
    }
}

/// A body of a handle alone: GET_SITE_INFO, DELETE_HANDLE, LIST_HANDLES,
/// HOME_NA, UNHOME_NA, LIST_HOMED_NAS, SESSION_TERMINATE and the like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandleRequest<'a> {
    /// The handle; "/" where none is meant.
    pub handle: &'a [u8],
}

impl<'a> HandleRequest<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let handle = reader.bytes("handle")?;
        reader.end("handle request")?;
        Ok(Self { handle })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.handle);
    }
}

/// A handle and values: CREATE_HANDLE, ADD_VALUE, MODIFY_VALUE (RFC 3652 §3.3).
///
/// ```text
/// handle:string  count:4 *value
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValuesRequest<'a> {
    /// The handle.
    pub handle: &'a [u8],
    /// The values, at most [`crate::wire::handle::VALUES_MAX`].
    pub values: List<'a, HandleValue<'a>>,
}

impl<'a> ValuesRequest<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let handle = reader.bytes("handle")?;
        let values = List::read(&mut reader)?;
        reader.end("values request")?;
        Ok(Self { handle, values })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.handle);
        self.values.write(out);
    }
}

/// A handle and indexes: REMOVE_VALUE (RFC 3652 §3.3.3).
///
/// ```text
/// handle:string  count:4 *(index:4)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoveRequest<'a> {
    /// The handle.
    pub handle: &'a [u8],
    /// The indexes of the values to remove.
    pub indexes: List<'a, u32>,
}

impl<'a> RemoveRequest<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let handle = reader.bytes("handle")?;
        let indexes = List::read(&mut reader)?;
        reader.end("remove request")?;
        Ok(Self { handle, indexes })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.handle);
        self.indexes.write(out);
    }
}

/// A login of ID-SDK or id-pointer-sdk: who will answer the challenge.
///
/// ```text
/// handle:string  index:4
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginRequest<'a> {
    /// The identity: the handle and the index of its public key.
    pub identity: Reference<'a>,
}

impl<'a> LoginRequest<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let handle = reader.bytes("identity handle")?;
        let index = reader.u32("identity index")?;
        reader.end("login request")?;
        Ok(Self {
            identity: Reference { handle, index },
        })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.identity.handle);
        put_u32(out, self.identity.index);
    }
}
