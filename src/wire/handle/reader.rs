//! A bounded cursor over a message, and what writes the same fields.
//!
//! Numbers are big-endian; a byte string is its length in four bytes and the
//! bytes (RFC 3652 §2.1: "UTF8-String" and byte fields).

use crate::wire::handle::malformed::Malformed;

/// Reads numbers and byte strings in turn; the first that does not fit is an
/// error that names its field.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins at the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes that are not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn take(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], Malformed> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.short(field, count));
        };
        self.rest = rest;
        Ok(taken)
    }

    /// A number of one byte.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn u8(&mut self, field: &'static str) -> Result<u8, Malformed> {
        self.array(field).map(|[byte]| byte)
    }

    /// A number of two bytes.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn u16(&mut self, field: &'static str) -> Result<u16, Malformed> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// A number of four bytes.
    ///
    /// # Errors
    /// [`Malformed::Short`].
    pub fn u32(&mut self, field: &'static str) -> Result<u32, Malformed> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// A length or a count: a number of four bytes up to `limit`. Peers that
    /// compute with signed numbers see a large one as negative.
    ///
    /// # Errors
    /// [`Malformed::Short`], [`Malformed::Above`].
    pub fn size(&mut self, field: &'static str, limit: usize) -> Result<usize, Malformed> {
        let value = self.u32(field)?;
        match usize::try_from(value) {
            Ok(size) if size <= limit => Ok(size),
            Ok(_) | Err(_) => Err(Malformed::Above {
                field,
                value: value.into(),
                limit: limit.try_into().unwrap_or(u64::MAX),
            }),
        }
    }

    /// A byte string: its length, and that many bytes.
    ///
    /// # Errors
    /// [`Malformed::Short`], also for a length beyond what is left.
    pub fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.u32(field)?;
        self.take(field, usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Ends the reading of `field`.
    ///
    /// # Errors
    /// [`Malformed::Trailing`] if bytes are left.
    pub const fn end(self, field: &'static str) -> Result<(), Malformed> {
        match self.rest.len() {
            0 => Ok(()),
            left_bytes => Err(Malformed::Trailing { field, left_bytes }),
        }
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], Malformed> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.short(field, N));
        };
        self.rest = rest;
        Ok(*taken)
    }

    const fn short(&self, field: &'static str, needed_bytes: usize) -> Malformed {
        Malformed::Short {
            field,
            needed_bytes,
            left_bytes: self.rest.len(),
        }
    }
}

/// Appends a number of four bytes.
pub(super) fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_be_bytes());
}

/// Appends a length or count. What does not fit 32 bits is far beyond the limit
/// of a message, which is refused where the message ends.
pub(super) fn put_size(out: &mut Vec<u8>, size: usize) {
    put_u32(out, u32::try_from(size).unwrap_or(u32::MAX));
}

/// Appends a byte string: its length, and the bytes.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_size(out, bytes.len());
    out.extend_from_slice(bytes);
}
