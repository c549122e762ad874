//! Records and values: the Handle data model (RFC 3651 §3.1).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use crate::model::data;
use crate::model::fault::{Reason, Refusal};
use crate::model::identifier::Identifier;
use crate::model::limits::{
    RECORD_BYTES_MAX, REFERENCES_PER_VALUE_MAX, TEMPLATE_INDEX, TEMPLATE_VERSION_INDEX,
    TTL_SECS_MAX, VALUE_DATA_BYTES_MAX, VALUE_TYPE_BYTES_MAX, VALUES_PER_RECORD_MAX,
};
use crate::model::readers::Readers;
use crate::model::time::Timestamp;

/// A registered identifier and its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The identifier in the spelling first registered.
    pub identifier: Identifier,
    /// The values, ascending by index, each index once.
    pub values: Vec<Value>,
    /// Who may read it beside its owner. With readers the record is restricted:
    /// for everyone else it is absent. `None`: it is there for everyone, and each
    /// value decides.
    pub readers: Option<Box<Readers>>,
    /// Log position of the last change: the etag. Never repeats for a name.
    pub revision: u64,
    /// When it was registered.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

impl Record {
    /// Whether it is absent for all but its owner and its readers.
    pub fn is_restricted(&self) -> bool {
        self.readers.is_some()
    }

    /// The value at `index`.
    pub fn value(&self, index: u32) -> Option<&Value> {
        let at = self
            .values
            .binary_search_by_key(&index, |value| value.index)
            .ok()?;
        self.values.get(at)
    }

    /// What anybody may read of it: all, the values that anybody may read, or
    /// nothing.
    pub fn public_part(&self) -> Option<Cow<'_, Self>> {
        let is_public = |value: &&Value| value.permissions.public_read();
        let count = self.values.iter().filter(is_public).count();
        if count == 0 || self.is_restricted() {
            return None;
        }
        if count == self.values.len() {
            return Some(Cow::Borrowed(self));
        }
        let values = self.values.iter().filter(is_public).cloned().collect();
        Some(Cow::Owned(Self {
            identifier: self.identifier.clone(),
            values,
            readers: None,
            revision: self.revision,
            created: self.created,
            changed: self.changed,
        }))
    }
}

/// What stays of a deleted identifier: its name is not silently given out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// The identifier in the spelling first registered.
    pub identifier: Identifier,
    /// Log position of the deletion.
    pub revision: u64,
    /// When it was registered.
    pub created: Timestamp,
    /// When it was deleted.
    pub deleted: Timestamp,
    /// Whether its record was restricted: then its owner alone knows of it.
    pub restricted: bool,
}

/// One value of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its index, from 1, unique in the record.
    pub index: u32,
    /// Its type.
    pub value_type: ValueType,
    /// Its data, at most [`VALUE_DATA_BYTES_MAX`] bytes, usually UTF-8.
    pub data: Vec<u8>,
    /// For how long a resolver may keep it.
    pub ttl: Ttl,
    /// Who may read and write it.
    pub permissions: Permissions,
    /// Who may read it beside its owner; the public may not then. `None`: its
    /// permissions decide.
    pub readers: Option<Box<Readers>>,
    /// When it last changed; set by the node.
    pub changed: Timestamp,
    /// Values it refers to, at most [`REFERENCES_PER_VALUE_MAX`].
    pub references: Vec<Reference>,
}

impl Value {
    /// Whether it says the same as `other`, whenever either was set.
    pub fn same_content(&self, other: &Self) -> bool {
        let Self {
            index,
            value_type,
            data,
            ttl,
            permissions,
            readers,
            changed: _,
            references,
        } = self;
        *index == other.index
            && *value_type == other.value_type
            && *data == other.data
            && *ttl == other.ttl
            && *permissions == other.permissions
            && *readers == other.readers
            && *references == other.references
    }

    /// The data as text, if it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.data).ok()
    }
}

/// A value's type: 1 to [`VALUE_TYPE_BYTES_MAX`] bytes of UTF-8 without white
/// space or control characters. Names that begin with `HS_` are the Handle
/// System's own and closed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValueType(Cow<'static, str>);

/// What the names of the Handle System's own types begin with.
const HANDLE_TYPE_BEGIN: &str = "HS_";

/// The Handle System's own types that the node knows.
pub const HANDLE_TYPES: &[&str] = &[
    "HS_ADMIN",
    "HS_ALIAS",
    "HS_CERT",
    "HS_NAMESPACE",
    "HS_NA_DELEGATE",
    "HS_PUBKEY",
    "HS_SECKEY",
    "HS_SERV",
    "HS_SERV.PREFIX",
    "HS_SIGNATURE",
    "HS_SITE",
    "HS_SITE.6",
    "HS_SITE.PREFIX",
    "HS_VLIST",
];

/// Types that most values have; a value with one of them holds no copy of its name.
const COMMON_TYPES: &[&str] = &[
    "URL",
    "EMAIL",
    "DESC",
    "HS_ADMIN",
    "HS_SITE",
    "HS_VLIST",
    "HS_PUBKEY",
    "name",
    "brand",
    "model",
    "manufacturer",
    "batch",
    "serial",
    "production_date",
    "expiry",
    "standard",
    "certificate",
    "inspection",
    "gtin",
    "origin",
];

/// The type of the value that names a record's template, by its id.
pub const TEMPLATE_TYPE: &str = "TEMPLATE";
/// The type of the value that names the version of a record's template, a number.
pub const TEMPLATE_VERSION_TYPE: &str = "TEMPLATE_VERSION";

/// The type whose data is a secret.
const SECRET_KEY: &str = "HS_SECKEY";

impl ValueType {
    /// Parses a type.
    ///
    /// # Errors
    /// [`Reason::TypeInvalid`]; [`Reason::TypeUnknown`] for a name that begins
    /// with `HS_` and is not in [`HANDLE_TYPES`], or is one of them but for case.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        Self::check(text)?;
        Ok(Self(match common(text) {
            Some(common) => Cow::Borrowed(common),
            None => Cow::Owned(text.to_owned()),
        }))
    }

    /// The type `name`, which is one.
    pub(crate) const fn named(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Takes `text` for a type, without copying it.
    ///
    /// # Errors
    /// As [`ValueType::parse`].
    pub fn take(text: String) -> Result<Self, Refusal> {
        Self::check(&text)?;
        Ok(Self(match common(&text) {
            Some(common) => Cow::Borrowed(common),
            None => Cow::Owned(text),
        }))
    }

    fn check(text: &str) -> Result<(), Refusal> {
        let refuse = |reason| Refusal::new(reason).field("type").value(text);
        let is_plain = || text.bytes().all(|byte| byte.is_ascii_graphic());
        let sound = (1..=VALUE_TYPE_BYTES_MAX).contains(&text.len())
            && (is_plain() || !text.chars().any(|c| c.is_control() || c.is_whitespace()));
        if !sound {
            return Err(refuse(Reason::TypeInvalid).limit(VALUE_TYPE_BYTES_MAX));
        }
        let begins = text.get(..HANDLE_TYPE_BEGIN.len());
        if !begins.is_some_and(|begins| begins.eq_ignore_ascii_case(HANDLE_TYPE_BEGIN)) {
            return Ok(());
        }
        // Types compare without case (RFC 3651 §3.1): in another spelling it would
        // be one of them to others and none of them here.
        let is_known = HANDLE_TYPES.contains(&text);
        let resembles = |known: &&str| known.eq_ignore_ascii_case(text);
        if !is_known && (text.starts_with(HANDLE_TYPE_BEGIN) || HANDLE_TYPES.iter().any(resembles))
        {
            return Err(refuse(Reason::TypeUnknown));
        }
        Ok(())
    }

    /// The name, without copying it.
    pub fn into_string(self) -> String {
        self.0.into_owned()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the type `name`; types compare without ASCII case.
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }
}

/// The one of [`COMMON_TYPES`] that `text` is.
fn common(text: &str) -> Option<&'static str> {
    let is_it = |known: &&&str| known.len() == text.len() && **known == text;
    COMMON_TYPES.iter().find(is_it).copied()
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// For how long a value may be kept (RFC 3651 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ttl {
    /// Seconds from the answer, at most [`TTL_SECS_MAX`].
    Relative(u32),
    /// Until this second since 1970-01-01T00:00:00Z.
    Absolute(u64),
}

impl Ttl {
    /// One day, which a value has when nothing is said.
    pub const DEFAULT: Self = Self::Relative(86_400);

    /// Seconds left at `now`, at most [`TTL_SECS_MAX`].
    pub fn remaining_secs(self, now: Timestamp) -> u32 {
        match self {
            Self::Relative(secs) => secs.min(TTL_SECS_MAX),
            Self::Absolute(until) => {
                let left = until.saturating_sub(now.secs());
                u32::try_from(left).map_or(TTL_SECS_MAX, |secs| secs.min(TTL_SECS_MAX))
            }
        }
    }
}

/// Who may read and write a value (RFC 3651 §3.1): four bits, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permissions(u8);

impl Permissions {
    /// The public may write.
    pub const PUBLIC_WRITE: u8 = 0x01;
    /// The public may read.
    pub const PUBLIC_READ: u8 = 0x02;
    /// Administrators may write.
    pub const ADMIN_WRITE: u8 = 0x04;
    /// Administrators may read.
    pub const ADMIN_READ: u8 = 0x08;
    /// Administrators read and write, the public reads.
    pub const DEFAULT: Self = Self(Self::ADMIN_READ | Self::ADMIN_WRITE | Self::PUBLIC_READ);
    /// Administrators read and write: what a secret has.
    pub const SECRET: Self = Self(Self::ADMIN_READ | Self::ADMIN_WRITE);

    /// What a value of `value_type` has when nothing is said.
    pub fn default_of(value_type: &str) -> Self {
        if value_type == SECRET_KEY {
            Self::SECRET
        } else {
            Self::DEFAULT
        }
    }

    /// The permissions of the low four bits; the others are dropped.
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0x0f)
    }

    /// The four bits.
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether the public may read.
    pub const fn public_read(self) -> bool {
        self.0 & Self::PUBLIC_READ != 0
    }

    /// The same, but that the public may not read.
    #[must_use]
    pub const fn not_public(self) -> Self {
        Self(self.0 & !Self::PUBLIC_READ)
    }

    /// Whether administrators may read.
    pub const fn admin_read(self) -> bool {
        self.0 & Self::ADMIN_READ != 0
    }

    /// Whether administrators may write.
    pub const fn admin_write(self) -> bool {
        self.0 & Self::ADMIN_WRITE != 0
    }
}

impl Default for Permissions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A reference to one value of a record, `300:88.118.7/App_erp`; index 0 means
/// the whole record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The value's index.
    pub index: u32,
    /// The record's identifier.
    pub identifier: Identifier,
}

impl Reference {
    /// Parses `index:identifier`.
    ///
    /// # Errors
    /// [`Reason::FieldInvalid`] without an index, and those of
    /// [`Identifier::parse`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let parts = text
            .split_once(':')
            .and_then(|(index, id)| Some((index.parse().ok()?, id)));
        let Some((index, identifier)) = parts else {
            return Err(Refusal::new(Reason::FieldInvalid)
                .field("reference")
                .value(text)
                .limit("index:identifier"));
        };
        Ok(Self {
            index,
            identifier: Identifier::parse(identifier)?,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.index, self.identifier)
    }
}

/// Puts values in order and checks them as the values of one record. The public
/// may not read those that have readers.
///
/// # Errors
/// The first broken rule, its field as `values[position].…`:
/// [`Reason::ValuesTooMany`], [`Reason::IndexZero`],
/// [`Reason::IndexDuplicate`], [`Reason::IndexReserved`],
/// [`Reason::ValueTooLong`], [`Reason::ReferencesTooMany`],
/// [`Reason::TtlOutOfRange`], [`Reason::ValueSecretPublic`],
/// [`Reason::ValueDataInvalid`], [`Reason::RecordTooLarge`].
pub fn checked_values(mut values: Vec<Value>) -> Result<Vec<Value>, Refusal> {
    if values.len() > VALUES_PER_RECORD_MAX {
        return Err(Refusal::new(Reason::ValuesTooMany)
            .field("values")
            .value(values.len())
            .limit(VALUES_PER_RECORD_MAX));
    }
    // Most come in order: then none repeats an index.
    let ascend = values.is_sorted_by(|one, next| one.index < next.index);
    let mut seen = HashSet::with_capacity(if ascend { 0 } else { values.len() });
    let mut bytes = 0;
    for (position, value) in values.iter().enumerate() {
        let within = |refusal: Refusal| refusal.within(&format!("values[{position}]"));
        check_value(value).map_err(within)?;
        if !ascend && !seen.insert(value.index) {
            let refusal = Refusal::new(Reason::IndexDuplicate)
                .field("index")
                .value(value.index);
            return Err(within(refusal));
        }
        let references = value.references.iter().map(|r| r.identifier.byte_count());
        let readers = value.readers.as_ref().map_or(0, |r| r.byte_count());
        bytes += value.data.len() + value.value_type.0.len() + references.sum::<usize>() + readers;
    }
    if bytes > RECORD_BYTES_MAX {
        return Err(Refusal::new(Reason::RecordTooLarge)
            .field("values")
            .value(bytes)
            .limit(RECORD_BYTES_MAX));
    }
    for value in &mut values {
        if value.readers.is_some() {
            value.permissions = value.permissions.not_public();
        }
    }
    if !ascend {
        values.sort_unstable_by_key(|value| value.index);
    }
    Ok(values)
}

fn check_value(value: &Value) -> Result<(), Refusal> {
    if value.index == 0 {
        return Err(Refusal::new(Reason::IndexZero).field("index"));
    }
    if let Some(types) = reserved_for(value.index)
        && !types.contains(&value.value_type.as_str())
    {
        let meant = if types.is_empty() {
            "the node".to_owned()
        } else {
            types.join(", ")
        };
        return Err(Refusal::new(Reason::IndexReserved)
            .field("index")
            .value(value.index)
            .limit(meant));
    }
    if value.data.len() > VALUE_DATA_BYTES_MAX {
        return Err(Refusal::new(Reason::ValueTooLong)
            .field("data")
            .value(value.index)
            .limit(VALUE_DATA_BYTES_MAX));
    }
    if value.references.len() > REFERENCES_PER_VALUE_MAX {
        return Err(Refusal::new(Reason::ReferencesTooMany)
            .field("references")
            .value(value.index)
            .limit(REFERENCES_PER_VALUE_MAX));
    }
    if let Ttl::Relative(secs) = value.ttl
        && secs > TTL_SECS_MAX
    {
        return Err(Refusal::new(Reason::TtlOutOfRange)
            .field("ttl")
            .value(secs)
            .limit(TTL_SECS_MAX));
    }
    let value_type = value.value_type.as_str();
    if value_type == SECRET_KEY {
        let refuse = |field: &'static str| {
            Refusal::new(Reason::ValueSecretPublic)
                .field(field)
                .value(value.index)
                .limit(SECRET_KEY)
        };
        if value.permissions.public_read() {
            return Err(refuse("permissions"));
        }
        if value
            .readers
            .as_ref()
            .is_some_and(|readers| readers.count() > 0)
        {
            return Err(refuse("readers"));
        }
    }
    data::check(value_type, &value.data)
}

/// The types that a reserved index may carry; `None` where any may stand.
/// An empty list: nobody may set it.
fn reserved_for(index: u32) -> Option<&'static [&'static str]> {
    match index {
        100 => Some(&["HS_ADMIN"]),
        200 => Some(&["HS_VLIST"]),
        300 | 301 => Some(&["HS_PUBKEY", "HS_SECKEY"]),
        400 => Some(&["HS_SIGNATURE", "HS_CERT"]),
        TEMPLATE_INDEX => Some(&[TEMPLATE_TYPE]),
        TEMPLATE_VERSION_INDEX => Some(&[TEMPLATE_VERSION_TYPE]),
        1999 => Some(&[]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::readers::Reader;

    fn value(index: u32, value_type: &str, data: &[u8]) -> Value {
        Value {
            index,
            value_type: ValueType::parse(value_type).expect("type"),
            data: data.to_vec(),
            ttl: Ttl::DEFAULT,
            permissions: Permissions::DEFAULT,
            readers: None,
            changed: Timestamp::default(),
            references: Vec::new(),
        }
    }

    fn check(values: Vec<Value>, expected: Result<&[u32], (Reason, &str)>) {
        let seen = checked_values(values);
        let seen = match &seen {
            Ok(values) => Ok(values.iter().map(|v| v.index).collect::<Vec<_>>()),
            Err(refusal) => Err((refusal.reason(), refusal.field_path())),
        };
        assert_eq!(seen, expected.map(<[u32]>::to_vec));
    }

    #[test]
    fn takes_a_text_for_a_type_as_it_parses_it() {
        let texts = [
            "URL",
            "产品",
            "",
            " a",
            "a\u{7f}",
            "a\u{3000}b",
            "HS_ADMIN",
            "hs_admin",
            "HS_X",
            "hs_x",
            "HS",
        ];
        for text in texts.into_iter().chain(HANDLE_TYPES.iter().copied()) {
            assert_eq!(ValueType::take(text.to_owned()), ValueType::parse(text));
        }
        let sound = |text| ValueType::parse(text).is_ok();
        assert_eq!(
            texts.map(sound),
            [
                true, true, false, false, false, false, true, false, false, true, true
            ]
        );
        // The others are not looked at.
        assert!(
            HANDLE_TYPES
                .iter()
                .all(|name| name.starts_with(HANDLE_TYPE_BEGIN))
        );
    }

    #[test]
    fn sorts_values_and_refuses_broken_ones() {
        check(
            vec![value(7, "URL", b"b"), value(1, "URL", b"a")],
            Ok(&[1, 7]),
        );
        check(
            vec![value(0, "URL", b"")],
            Err((Reason::IndexZero, "values[0].index")),
        );
        check(
            vec![value(1, "URL", b""), value(1, "EMAIL", b"")],
            Err((Reason::IndexDuplicate, "values[1].index")),
        );
        check(
            vec![value(100, "URL", b"")],
            Err((Reason::IndexReserved, "values[0].index")),
        );
        let admin = b"\x07\xf3\0\0\0\x03a/b\0\0\0\xc8";
        check(vec![value(100, "HS_ADMIN", admin)], Ok(&[100]));
        check(
            vec![value(1, "URL", b""), value(100, "HS_ADMIN", b"")],
            Err((Reason::ValueDataInvalid, "values[1].data")),
        );
        let mut secret = value(300, "HS_SECKEY", b"\xff");
        check(
            vec![secret.clone()],
            Err((Reason::ValueSecretPublic, "values[0].permissions")),
        );
        secret.permissions = Permissions::default_of("HS_SECKEY");
        check(vec![secret], Ok(&[300]));
        check(
            vec![value(1999, "DESC", b"")],
            Err((Reason::IndexReserved, "values[0].index")),
        );
        let long = vec![0; VALUE_DATA_BYTES_MAX + 1];
        check(
            vec![value(2, "DESC", &long)],
            Err((Reason::ValueTooLong, "values[0].data")),
        );
        let many = (1..=2049).map(|i| value(i + 2000, "DESC", b"")).collect();
        check(many, Err((Reason::ValuesTooMany, "values")));
        let large = (1..=17)
            .map(|i| value(i + 2000, "DESC", &long[..65536]))
            .collect();
        check(large, Err((Reason::RecordTooLarge, "values")));
        let mut late = value(1, "URL", b"");
        late.ttl = Ttl::Relative(u32::MAX);
        check(vec![late], Err((Reason::TtlOutOfRange, "values[0].ttl")));
    }

    #[test]
    fn the_public_does_not_read_what_has_readers() {
        let readers = |texts: &[&str]| {
            let readers = texts
                .iter()
                .map(|text| Reader::parse(text).expect("a reader"));
            Some(Box::new(Readers::new(readers).expect("few")))
        };
        for named in [&["firm:a"][..], &[]] {
            let mut shared = value(1, "URL", b"");
            shared.readers = readers(named);
            let values = checked_values(vec![shared, value(2, "URL", b"")]).expect("sound");
            assert!(!values[0].permissions.public_read() && values[0].permissions.admin_read());
            assert!(values[1].permissions.public_read());
        }
        let mut secret = value(300, "HS_SECKEY", b"x");
        secret.permissions = Permissions::SECRET;
        secret.readers = readers(&["firm:a"]);
        check(
            vec![secret.clone()],
            Err((Reason::ValueSecretPublic, "values[0].readers")),
        );
        secret.readers = readers(&[]);
        check(vec![secret], Ok(&[300]));
    }

    #[test]
    fn knows_types_of_the_handle_system_only() {
        let reason = |text: &str| ValueType::parse(text).map_err(|r| r.reason());
        assert!(reason("HS_SITE").is_ok() && reason("产品名称").is_ok() && reason("gtin").is_ok());
        assert_eq!(reason("HS_NONSENSE"), Err(Reason::TypeUnknown));
        assert_eq!(reason("hs_Seckey"), Err(Reason::TypeUnknown));
        assert!(reason("hs_code").is_ok());
        assert_eq!(reason(""), Err(Reason::TypeInvalid));
        assert_eq!(reason("a b"), Err(Reason::TypeInvalid));
        assert_eq!(reason(&"x".repeat(129)), Err(Reason::TypeInvalid));
    }

    #[test]
    fn counts_down_an_absolute_ttl() {
        let now = Timestamp::from_millis(5_000);
        assert_eq!(Ttl::Absolute(65).remaining_secs(now), 60);
        assert_eq!(Ttl::Absolute(3).remaining_secs(now), 0);
        assert_eq!(Ttl::Absolute(u64::MAX).remaining_secs(now), TTL_SECS_MAX);
    }
}
