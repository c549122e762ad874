//! A handle value (RFC 3651 §3.1; RFC 3652 §2.1 as deployed).
//!
//! ```text
//! Index:4  Timestamp:4  TTLType:1  TTL:4  Permission:1
//! Type:string  Data:bytes  References: count:4 *(handle:string index:4)
//! ```

use crate::wire::handle::VALUES_MAX;
use crate::wire::handle::list::{Item, List};
use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::reader::{Reader, put_bytes, put_u32};

/// How long a value may be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ttl {
    /// For this many seconds from when it is received: type 0.
    Relative(u32),
    /// Until this time, in seconds since the epoch: type 1.
    Absolute(u32),
}

/// Who may do what with a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions(pub u8);

impl Permissions {
    /// Administrators may read it.
    pub const ADMIN_READ: Self = Self(0x08);
    /// Administrators may change it.
    pub const ADMIN_WRITE: Self = Self(0x04);
    /// Anyone may read it.
    pub const PUBLIC_READ: Self = Self(0x02);
    /// Anyone may change it.
    pub const PUBLIC_WRITE: Self = Self(0x01);

    /// Whether every permission of `other` is given.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A value at a handle: a reference from a value, a member of a group, an
/// identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The handle, UTF-8 unless the sender breaks the rule.
    pub handle: &'a [u8],
    /// The index of the value; 0 is any.
    pub index: u32,
}

impl<'a> Item<'a> for Reference<'a> {
    const LIST: &'static str = "references";
    const BYTES_MIN: usize = 8;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        Ok(Self {
            handle: reader.bytes("reference handle")?,
            index: reader.u32("reference index")?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.handle);
        put_u32(out, self.index);
    }
}

/// A value of a handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandleValue<'a> {
    /// Its number within the handle. As deployed, a positive signed number.
    pub index: u32,
    /// When it last changed, in seconds since the epoch.
    pub timestamp_secs: u32,
    /// How long it may be kept.
    pub ttl: Ttl,
    /// Who may do what with it.
    pub permissions: Permissions,
    /// What its data is, UTF-8 unless the sender breaks the rule.
    pub value_type: &'a [u8],
    /// Its data.
    pub data: &'a [u8],
    /// Values that it refers to.
    pub references: List<'a, Reference<'a>>,
}

impl<'a> Item<'a> for HandleValue<'a> {
    const LIST: &'static str = "values";
    const BYTES_MIN: usize = 26;
    const COUNT_MAX: usize = VALUES_MAX;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let index = reader.u32("value index")?;
        let timestamp_secs = reader.u32("value timestamp")?;
        let ttl_type = reader.u8("value TTL type")?;
        let ttl_secs = reader.u32("value TTL")?;
        let ttl = match ttl_type {
            0 => Ttl::Relative(ttl_secs),
            1 => Ttl::Absolute(ttl_secs),
            _ => {
                return Err(Malformed::Unknown {
                    field: "value TTL type",
                    value: ttl_type.into(),
                    known: "0 (relative), 1 (absolute)",
                });
            }
        };
        Ok(Self {
            index,
            timestamp_secs,
            ttl,
            permissions: Permissions(reader.u8("value permissions")?),
            value_type: reader.bytes("value type")?,
            data: reader.bytes("value data")?,
            references: List::read(reader)?,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let Self {
            index,
            timestamp_secs,
            ttl,
            permissions,
            value_type,
            data,
            references,
        } = self;
        put_u32(out, *index);
        put_u32(out, *timestamp_secs);
        let (ttl_type, ttl_secs) = match *ttl {
            Ttl::Relative(secs) => (0, secs),
            Ttl::Absolute(at_secs) => (1, at_secs),
        };
        out.push(ttl_type);
        put_u32(out, ttl_secs);
        out.push(permissions.0);
        put_bytes(out, value_type);
        put_bytes(out, data);
        references.write(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::handle::reader::put_size;

    #[test]
    fn refuses_a_ttl_of_another_type() {
        let mut bytes = vec![0; 26];
        assert!(HandleValue::read(&mut Reader::new(&bytes)).is_ok());
        bytes[8] = 2;
        let error = HandleValue::read(&mut Reader::new(&bytes)).expect_err("type 2");
        assert_eq!(
            error.to_string(),
            "value TTL type: 0x2 is not one of 0 (relative), 1 (absolute)"
        );
    }

    #[test]
    fn limits_values() {
        for (count, fits) in [(2048, true), (2049, false)] {
            let mut bytes = Vec::new();
            put_size(&mut bytes, count);
            bytes.extend(vec![0; count * 26]);
            let list = List::<HandleValue<'_>>::read(&mut Reader::new(&bytes));
            assert_eq!(list.is_ok(), fits, "{count}");
        }
    }
}
