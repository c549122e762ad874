//! `HS_ADMIN`: who may change a record, and how far (RFC 3651 §3.2.1).

use std::fmt;

use crate::model::data::bytes::{Flaw, Reader};
use crate::model::data::reference;
use crate::model::fault::Refusal;
use crate::model::record::Reference;

/// An administrator of a record: the content of an `HS_ADMIN`.
///
/// ```text
/// admin = u16 permissions, string handle, u32 index, [u16 0]
/// ```
///
/// The two bytes at the end are a form of old servers: read, never written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// What the administrator may do.
    pub permissions: AdminPermissions,
    /// The value that holds the administrator's key, or the `HS_VLIST` of a
    /// group; index 0 stands for any key of the record.
    pub reference: Reference,
}

impl Admin {
    /// Decodes the data of an `HS_ADMIN`.
    ///
    /// # Errors
    /// [`Reason::ValueDataInvalid`](crate::model::Reason::ValueDataInvalid).
    pub fn decode(data: &[u8]) -> Result<Self, Refusal> {
        Self::read(data).map_err(|flaw| flaw.refusal("HS_ADMIN"))
    }

    pub(super) fn read(data: &[u8]) -> Result<Self, Flaw> {
        let mut reader = Reader::new(data);
        let permissions = AdminPermissions::from_bits(reader.u16("permissions")?);
        let reference = reference::read(&mut reader)?;
        if reader.rest() != [0, 0] {
            reader.end()?;
        }
        Ok(Self {
            permissions,
            reference,
        })
    }

    /// Encodes the data of an `HS_ADMIN`.
    pub fn encode(&self) -> Vec<u8> {
        let Self {
            permissions,
            reference,
        } = self;
        let mut out = permissions.bits().to_be_bytes().to_vec();
        reference::put(&mut out, reference);
        out
    }
}

/// What an administrator may do: sixteen bits as on the wire, of which twelve
/// have a meaning in RFC 3651 and a thirteenth in DO-IRP v3.0.
///
/// Display is a binary number of at least twelve digits, [`ADD_HANDLE`] last:
/// `011111110011`.
///
/// [`ADD_HANDLE`]: Self::ADD_HANDLE
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct AdminPermissions(u16);

impl AdminPermissions {
    /// May register identifiers below the prefix.
    pub const ADD_HANDLE: u16 = 0x0001;
    /// May delete the identifier.
    pub const DELETE_HANDLE: u16 = 0x0002;
    /// May register prefixes below the prefix.
    pub const ADD_DERIVED_PREFIX: u16 = 0x0004;
    /// May delete prefixes below the prefix.
    pub const DELETE_DERIVED_PREFIX: u16 = 0x0008;
    /// May change values other than `HS_ADMIN`.
    pub const MODIFY_VALUE: u16 = 0x0010;
    /// May remove values other than `HS_ADMIN`.
    pub const REMOVE_VALUE: u16 = 0x0020;
    /// May add values other than `HS_ADMIN`.
    pub const ADD_VALUE: u16 = 0x0040;
    /// May change `HS_ADMIN` values.
    pub const MODIFY_ADMIN: u16 = 0x0080;
    /// May remove `HS_ADMIN` values.
    pub const REMOVE_ADMIN: u16 = 0x0100;
    /// May add `HS_ADMIN` values.
    pub const ADD_ADMIN: u16 = 0x0200;
    /// May read values that the public may not.
    pub const READ_VALUE: u16 = 0x0400;
    /// May list the identifiers below the prefix.
    pub const LIST_HANDLES: u16 = 0x0800;
    /// May list the prefixes below the prefix (DO-IRP v3.0).
    pub const LIST_DERIVED_PREFIXES: u16 = 0x1000;

    /// The permissions of these bits.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The bits.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether every bit of `needed` is among them.
    pub const fn allow(self, needed: u16) -> bool {
        self.0 & needed == needed
    }

    /// Parses twelve to sixteen binary digits, [`Self::ADD_HANDLE`] last.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let sound = (12..=16).contains(&text.len()) && text.bytes().all(|b| b == b'0' || b == b'1');
        sound.then(|| u16::from_str_radix(text, 2).ok().map(Self))?
    }
}

impl fmt::Display for AdminPermissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012b}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::fault::Reason;
    use crate::model::identifier::Identifier;

    const ADMIN: &[u8] = b"\x0f\xff\x00\x00\x00\x0d0.NA/88.118.7\x00\x00\x00\xc8";

    fn check(data: &[u8], expected: Result<(u16, &str, u32), &str>) {
        let seen = Admin::decode(data);
        match (&seen, expected) {
            (Ok(admin), Ok((bits, handle, index))) => {
                assert_eq!(admin.permissions.bits(), bits);
                assert_eq!(admin.reference.identifier.to_string(), handle);
                assert_eq!(admin.reference.index, index);
            }
            (Err(refusal), Err(rule)) => {
                assert_eq!(refusal.reason(), Reason::ValueDataInvalid);
                assert_eq!(refusal.field_path(), "data");
                assert_eq!(
                    refusal.to_string(),
                    format!("the data is no \"HS_ADMIN\": {rule}")
                );
            }
            (seen, _) => panic!("{seen:?}"),
        }
    }

    #[test]
    fn reads_the_present_form_and_the_old_one() {
        check(ADMIN, Ok((0x0fff, "0.NA/88.118.7", 200)));
        check(
            &[ADMIN, &[0, 0]].concat(),
            Ok((0x0fff, "0.NA/88.118.7", 200)),
        );
        assert_eq!(Admin::decode(ADMIN).expect("valid").encode(), ADMIN);
    }

    #[test]
    fn refuses_what_is_no_administrator() {
        check(b"", Err("permissions: 0 of 2 bytes are there"));
        check(
            b"\x0f\xff\xff\xff\xff\xff",
            Err("handle: 0 of 4294967295 bytes are there"),
        );
        check(
            b"\x0f\xff\0\0\0\0\0\0\0\xc8",
            Err("handle: the identifier is empty"),
        );
        check(
            b"\x0f\xff\0\0\0\x01x\0\0\0\xc8",
            Err("handle: identifier \"x\" is not of the form prefix/suffix"),
        );
        check(&ADMIN[..22], Err("index: 3 of 4 bytes are there"));
        check(&[ADMIN, &[0, 1]].concat(), Err("2 bytes follow its end"));
        check(&[ADMIN, &[0]].concat(), Err("1 bytes follow its end"));
    }

    #[test]
    fn shows_permissions_as_the_field_does() {
        let shown = |bits| AdminPermissions::from_bits(bits).to_string();
        assert_eq!(shown(0x07f3), "011111110011");
        assert_eq!(shown(0), "000000000000");
        assert_eq!(shown(0x1fff), "1111111111111");
        let parsed = |text| AdminPermissions::parse(text).map(AdminPermissions::bits);
        assert_eq!(parsed("011111110011"), Some(0x07f3));
        assert_eq!(parsed("1111111111111111"), Some(0xffff));
        assert_eq!(parsed("11111111111111111"), None);
        assert_eq!(parsed("1111"), None);
        assert_eq!(parsed("01111111001+"), None);
        let some = AdminPermissions::from_bits(0x07f3);
        assert!(some.allow(AdminPermissions::ADD_HANDLE | AdminPermissions::READ_VALUE));
        assert!(!some.allow(AdminPermissions::ADD_HANDLE | AdminPermissions::LIST_HANDLES));
    }

    proptest! {
        #[test]
        fn survives_its_bytes(bits: u16, index: u32, suffix in "\\PC{1,40}") {
            let identifier = Identifier::parse(&format!("88.118.7/{suffix}")).expect("valid");
            let admin = Admin {
                permissions: AdminPermissions::from_bits(bits),
                reference: Reference { index, identifier },
            };
            prop_assert_eq!(Admin::decode(&admin.encode()), Ok(admin));
        }
    }
}
