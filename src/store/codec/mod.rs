//! How values are encoded. Each begins with a version byte; old decoders stay.
//!
//! Numbers are LEB128 varints; text and bytes carry their length in front.

pub(crate) mod audit;
pub(crate) mod prefix;
pub(crate) mod record;
pub(crate) mod request;
pub(crate) mod restricted;

use crate::store::Error;

/// Appends `number` as a LEB128 varint of 1 to 10 bytes.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends `bytes` behind their length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend_from_slice(bytes);
}

/// Reads a stored value from front to back.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Cursor<'a> {
    /// Reads `bytes` of a `what`, whose first byte must be `version`.
    pub(super) fn new(bytes: &'a [u8], version: u8, what: &'static str) -> Result<Self, Error> {
        match bytes.split_first() {
            Some((first, rest)) if *first == version => Ok(Self { rest, what }),
            Some((first, _)) => Err(Error::Version {
                what,
                version: *first,
            }),
            None => Err(Error::Corrupt { what }),
        }
    }

    pub(super) fn corrupt(&self) -> Error {
        Error::Corrupt { what: self.what }
    }

    pub(super) fn byte(&mut self) -> Result<u8, Error> {
        let (first, rest) = self.rest.split_first().ok_or_else(|| self.corrupt())?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, Error> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                break;
            }
            number |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.corrupt())
    }

    pub(super) fn number_u32(&mut self) -> Result<u32, Error> {
        u32::try_from(self.number()?).map_err(|_| self.corrupt())
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| self.corrupt())?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let count = usize::try_from(self.number()?).map_err(|_| self.corrupt())?;
        self.take(count)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Error> {
        std::str::from_utf8(self.bytes()?).map_err(|_| self.corrupt())
    }

    /// A count of things that take at least a byte each, so that it cannot ask
    /// for more memory than the value has bytes.
    pub(super) fn count(&mut self) -> Result<usize, Error> {
        let count = usize::try_from(self.number()?).map_err(|_| self.corrupt())?;
        if count > self.rest.len() {
            return Err(self.corrupt());
        }
        Ok(count)
    }

    /// Refuses trailing bytes.
    pub(super) fn end(self) -> Result<(), Error> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.corrupt())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_go_there_and_back(number: u64) {
            let mut bytes = vec![1];
            put_number(&mut bytes, number);
            let mut cursor = Cursor::new(&bytes, 1, "test").expect("version");
            prop_assert_eq!(cursor.number().expect("number"), number);
            prop_assert!(cursor.end().is_ok());
        }
    }

    #[test]
    fn refuses_numbers_above_64_bits() {
        let bytes = [
            1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02,
        ];
        assert!(
            Cursor::new(&bytes, 1, "test")
                .expect("version")
                .number()
                .is_err()
        );
    }
}
