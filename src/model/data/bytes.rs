//! The pieces of which the Handle System's own values are made, read within
//! their bounds and written: integers, and strings and bytes behind their
//! length (RFC 3651 §3.2, RFC 3652 §2.1.4).
//!
//! All integers are big-endian. `string` and `bytes` are a `u32` count of bytes
//! and those bytes; a string is UTF-8.

use std::fmt;

use crate::model::fault::{Reason, Refusal};

/// What is wrong with a value's data, and where in it.
///
/// Says nothing of the bytes themselves, which are input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    place: String,
    rule: String,
}

impl Flaw {
    /// What breaks `rule` at `place`.
    pub(super) fn new(place: &str, rule: impl fmt::Display) -> Self {
        Self {
            place: place.to_owned(),
            rule: rule.to_string(),
        }
    }

    /// Puts `outer` before the place: `port` becomes `interfaces[2].port`.
    pub(super) fn within(self, outer: impl fmt::Display) -> Self {
        let place = if self.place.is_empty() {
            outer.to_string()
        } else {
            format!("{outer}.{}", self.place)
        };
        Self { place, ..self }
    }

    /// The refusal of the data of a value of `value_type`.
    pub(super) fn refusal(self, value_type: &str) -> Refusal {
        let Self { place, rule } = self;
        let colon = if place.is_empty() { "" } else { ": " };
        Refusal::new(Reason::ValueDataInvalid)
            .field("data")
            .value(value_type)
            .limit(format!("{place}{colon}{rule}"))
    }
}

/// Reads a value's data from its front.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `data`.
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, place: &str, count: usize) -> Result<&'a [u8], Flaw> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            let left = self.rest.len();
            return Err(Flaw::new(
                place,
                format!("{left} of {count} bytes are there"),
            ));
        };
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, place: &str) -> Result<[u8; N], Flaw> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(place, N)?);
        Ok(array)
    }

    /// One byte.
    pub(super) fn u8(&mut self, place: &str) -> Result<u8, Flaw> {
        self.array(place).map(u8::from_be_bytes)
    }

    /// Two bytes.
    pub(super) fn u16(&mut self, place: &str) -> Result<u16, Flaw> {
        self.array(place).map(u16::from_be_bytes)
    }

    /// Four bytes.
    pub(super) fn u32(&mut self, place: &str) -> Result<u32, Flaw> {
        self.array(place).map(u32::from_be_bytes)
    }

    /// The sixteen bytes of an address.
    pub(super) fn address(&mut self, place: &str) -> Result<[u8; 16], Flaw> {
        self.array(place)
    }

    /// Bytes behind their length.
    pub(super) fn bytes(&mut self, place: &str) -> Result<&'a [u8], Flaw> {
        let count = self.length(place)?;
        self.take(place, count)
    }

    /// A string behind its length.
    pub(super) fn text(&mut self, place: &str) -> Result<&'a str, Flaw> {
        utf8(place, self.bytes(place)?)
    }

    /// How many items follow: at most `max`, each of at least `bytes_min` bytes.
    pub(super) fn count(
        &mut self,
        place: &str,
        max: usize,
        bytes_min: usize,
    ) -> Result<usize, Flaw> {
        let count = self.length(place)?;
        if count > max {
            return Err(too_many(place, count, max));
        }
        let needed = count * bytes_min;
        if needed > self.rest.len() {
            let left = self.rest.len();
            let rule = format!("{count} take {needed} bytes or more, and {left} are there");
            return Err(Flaw::new(place, rule));
        }
        Ok(count)
    }

    /// Bytes that were not read.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// That nothing follows.
    pub(super) fn end(&self) -> Result<(), Flaw> {
        match self.rest.len() {
            0 => Ok(()),
            surplus => Err(Flaw::new("", format!("{surplus} bytes follow its end"))),
        }
    }

    fn length(&mut self, place: &str) -> Result<usize, Flaw> {
        let length = self.u32(place)?;
        Ok(usize::try_from(length).unwrap_or(usize::MAX))
    }
}

/// More items than the limit.
pub(super) fn too_many(place: &str, count: usize, max: usize) -> Flaw {
    Flaw::new(place, format!("{count} are more than the limit of {max}"))
}

/// `bytes` as text.
pub(super) fn utf8<'a>(place: &str, bytes: &'a [u8]) -> Result<&'a str, Flaw> {
    std::str::from_utf8(bytes).map_err(|_| Flaw::new(place, "is not UTF-8"))
}

/// Appends `bytes` behind their length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a count; those of values fit.
pub(super) fn put_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_be_bytes());
}
