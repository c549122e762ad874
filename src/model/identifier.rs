//! Identifiers: `prefix "/" suffix`, as the field spells them.
//!
//! ```text
//! identifier = prefix "/" suffix
//! national   = ("86" | "88") "." node "." enterprise      digits; leading zeros count
//! generic    = segment *("." segment)                     any Handle prefix: 20.500.12345, 0.NA
//! suffix     = 1*octet                                    UTF-8, opaque, also with "/"
//! ```

use std::fmt;

use crate::model::case::SuffixCase;
use crate::model::fault::{Reason, Refusal};
use crate::model::key::Key;
use crate::model::limits::{
    IDENTIFIER_BYTES_MAX, NATIONAL_NODE_DIGITS_MAX, PREFIX_CHARS_MAX, PREFIX_SEGMENT_BYTES_MAX,
};

/// The prefix of the records of prefixes, `0.NA/88.118.7` (RFC 3651 §3).
const PREFIX_RECORDS: &str = "0.NA";

/// A prefix as it was spelled: 1 to [`PREFIX_CHARS_MAX`] ASCII letters, digits
/// and `-` in dot-separated segments of at most [`PREFIX_SEGMENT_BYTES_MAX`].
/// Below `86` and `88` every segment is digits: country, node, enterprise.
///
/// Equality is that of the spelling; [`Prefix::canonical`] compares.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(Box<str>);

impl Prefix {
    /// Parses a prefix.
    ///
    /// # Errors
    /// [`Reason::PrefixSyntax`], or [`Reason::NationalPrefixSyntax`] below `86`
    /// and `88`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let segment_ok = |segment: &str| {
            (1..=PREFIX_SEGMENT_BYTES_MAX).contains(&segment.len())
                && segment
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if text.len() > PREFIX_CHARS_MAX || !text.split('.').all(segment_ok) {
            return Err(Refusal::new(Reason::PrefixSyntax)
                .field("prefix")
                .value(text)
                .limit(PREFIX_CHARS_MAX));
        }
        let prefix = Self(text.into());
        if prefix.is_national() && !national_ok(text) {
            return Err(Refusal::new(Reason::NationalPrefixSyntax)
                .field("prefix")
                .value(text)
                .limit(NATIONAL_NODE_DIGITS_MAX));
        }
        Ok(prefix)
    }

    /// The prefix of the records of prefixes, `0.NA`.
    pub fn of_prefixes() -> Self {
        Self(PREFIX_RECORDS.into())
    }

    /// The spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The canonical form, by which prefixes compare: ASCII letters folded.
    pub fn canonical(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The prefix that it is derived from: `88.118` of `88.118.7`.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let (parent, _) = self.0.rsplit_once('.')?;
        Some(Self(parent.into()))
    }

    /// Whether its identifiers are the records of prefixes: whether it is `0.NA`.
    pub fn holds_prefix_records(&self) -> bool {
        self.0.eq_ignore_ascii_case(PREFIX_RECORDS)
    }

    /// Whether it stands below `86` or `88`, the national identifiers.
    pub fn is_national(&self) -> bool {
        matches!(self.0.split('.').next(), Some("86" | "88"))
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Country alone, with a node, or with a node and an enterprise.
fn national_ok(text: &str) -> bool {
    let mut segments = text.split('.').skip(1);
    let digits = |segment: &str| segment.bytes().all(|b| b.is_ascii_digit());
    let node_ok = segments
        .next()
        .is_none_or(|s| digits(s) && s.len() <= NATIONAL_NODE_DIGITS_MAX);
    let enterprise_ok = segments.next().is_none_or(digits);
    node_ok && enterprise_ok && segments.next().is_none()
}

/// A suffix: at least one byte of UTF-8, otherwise opaque. Its length is
/// bounded by that of the whole identifier.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Suffix(Box<str>);

impl Suffix {
    /// The spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The canonical form under `case`.
    pub fn canonical(&self, case: SuffixCase) -> String {
        match case {
            SuffixCase::Folded => self.0.to_ascii_lowercase(),
            SuffixCase::Sensitive => self.0.to_string(),
        }
    }
}

/// One identifier as it was spelled: at most [`IDENTIFIER_BYTES_MAX`] bytes.
///
/// Equality is that of the spelling; two spellings are the same identifier when
/// their [`Identifier::key`]s are equal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identifier {
    prefix: Prefix,
    suffix: Suffix,
}

impl Identifier {
    /// Parses `prefix/suffix`.
    ///
    /// # Errors
    /// [`Reason::IdentifierEmpty`], [`Reason::IdentifierTooLong`],
    /// [`Reason::IdentifierSyntax`] without a `/`, [`Reason::SuffixEmpty`], and
    /// those of [`Prefix::parse`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let refuse = |reason| Refusal::new(reason).field("identifier").value(text);
        if text.is_empty() {
            return Err(refuse(Reason::IdentifierEmpty));
        }
        if text.len() > IDENTIFIER_BYTES_MAX {
            return Err(refuse(Reason::IdentifierTooLong).limit(IDENTIFIER_BYTES_MAX));
        }
        let Some((prefix, suffix)) = text.split_once('/') else {
            return Err(refuse(Reason::IdentifierSyntax));
        };
        let prefix = Prefix::parse(prefix)?;
        if suffix.is_empty() {
            return Err(refuse(Reason::SuffixEmpty));
        }
        Ok(Self {
            prefix,
            suffix: Suffix(suffix.into()),
        })
    }

    /// Parses `prefix/suffix`, or a prefix alone, which stands for the record of
    /// that prefix.
    ///
    /// # Errors
    /// Those of [`Identifier::parse`]; [`Reason::PrefixSyntax`] and
    /// [`Reason::NationalPrefixSyntax`] for a prefix alone.
    pub fn parse_or_prefix(text: &str) -> Result<Self, Refusal> {
        if text.is_empty() || text.contains('/') {
            return Self::parse(text);
        }
        Prefix::parse(text).map(|prefix| Self::of_prefix(&prefix))
    }

    /// The identifier of the record of `prefix`: `0.NA/88.118.7`.
    pub fn of_prefix(prefix: &Prefix) -> Self {
        Self {
            prefix: Prefix::of_prefixes(),
            suffix: Suffix(prefix.0.clone()),
        }
    }

    /// The prefix whose record it is; `None` unless it is that of a prefix.
    pub fn as_prefix(&self) -> Option<Prefix> {
        if !self.prefix.holds_prefix_records() {
            return None;
        }
        Prefix::parse(self.suffix.as_str()).ok()
    }

    /// Parses bytes from outside.
    ///
    /// # Errors
    /// [`Reason::IdentifierNotUtf8`], and those of [`Identifier::parse`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(bytes).map_err(|_| {
            Refusal::new(Reason::IdentifierNotUtf8)
                .field("identifier")
                .value(String::from_utf8_lossy(bytes))
        })?;
        Self::parse(text)
    }

    /// The prefix.
    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// The suffix.
    pub fn suffix(&self) -> &Suffix {
        &self.suffix
    }

    /// Bytes of the spelling.
    pub fn byte_count(&self) -> usize {
        self.prefix.0.len() + 1 + self.suffix.0.len()
    }

    /// Whether `bytes` are its spelling.
    pub fn is_spelled(&self, bytes: &[u8]) -> bool {
        let behind = bytes.strip_prefix(self.prefix.0.as_bytes());
        let suffix = behind.and_then(|behind| behind.strip_prefix(b"/"));
        suffix == Some(self.suffix.0.as_bytes())
    }

    /// The canonical key, given the case rule of the prefix.
    pub fn key(&self, case: SuffixCase) -> Key {
        let mut bytes = Vec::with_capacity(self.prefix.0.len() + 1 + self.suffix.0.len());
        bytes.extend_from_slice(self.prefix.0.as_bytes());
        bytes.make_ascii_lowercase();
        bytes.push(b'/');
        let behind = bytes.len();
        bytes.extend_from_slice(self.suffix.0.as_bytes());
        if case == SuffixCase::Folded
            && let Some(suffix) = bytes.get_mut(behind..)
        {
            suffix.make_ascii_lowercase();
        }
        Key::new(bytes)
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.prefix.0, self.suffix.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<(&str, &str), Reason>) {
        let parsed = Identifier::parse(text);
        let seen = parsed
            .as_ref()
            .map(|id| (id.prefix().as_str(), id.suffix().as_str()))
            .map_err(Refusal::reason);
        assert_eq!(seen, expected, "{text:?}");
    }

    #[test]
    fn parses_what_the_field_uses() {
        check("88.1021.150/002", Ok(("88.1021.150", "002")));
        check("88.118.8/JXDY2106023", Ok(("88.118.8", "JXDY2106023")));
        check(
            "88.608.8889/a/b:c_批次 A",
            Ok(("88.608.8889", "a/b:c_批次 A")),
        );
        check("0.NA/88.118.7", Ok(("0.NA", "88.118.7")));
        check("20.500.12345/abc", Ok(("20.500.12345", "abc")));
        check("86.709.0042/x", Ok(("86.709.0042", "x")));
        check("88/118", Ok(("88", "118")));
    }

    #[test]
    fn refuses_what_breaks_the_grammar() {
        check("", Err(Reason::IdentifierEmpty));
        check("88.118.7", Err(Reason::IdentifierSyntax));
        check("88.118.7/", Err(Reason::SuffixEmpty));
        check("/x", Err(Reason::PrefixSyntax));
        check("88..7/x", Err(Reason::PrefixSyntax));
        check("88.118.7 /x", Err(Reason::PrefixSyntax));
        check("前缀/x", Err(Reason::PrefixSyntax));
        check("88.118.a7/x", Err(Reason::NationalPrefixSyntax));
        check("88.11800.7/x", Err(Reason::NationalPrefixSyntax));
        check("88.118.7.1/x", Err(Reason::NationalPrefixSyntax));
        check(
            &format!("{}/x", "a.".repeat(40) + "a"),
            Err(Reason::PrefixSyntax),
        );
        check(
            &format!("88.118.7/{}", "x".repeat(2039)),
            Ok(("88.118.7", &"x".repeat(2039))),
        );
        check(
            &format!("88.118.7/{}", "x".repeat(2040)),
            Err(Reason::IdentifierTooLong),
        );
        let not_utf8 = Identifier::from_bytes(b"88.118.7/\xff").expect_err("not UTF-8");
        assert_eq!(not_utf8.reason(), Reason::IdentifierNotUtf8);
    }

    #[test]
    fn a_prefix_has_a_record_of_its_own() {
        let prefix = Prefix::parse("88.118.7").expect("a prefix");
        let record = Identifier::of_prefix(&prefix);
        assert_eq!(Identifier::parse("0.NA/88.118.7"), Ok(record.clone()));
        assert_eq!(Identifier::parse_or_prefix("88.118.7"), Ok(record.clone()));
        assert_eq!(record.as_prefix(), Some(prefix.clone()));
        for other in ["88.118.7/1", "0.NA/88.118.a", "0.NA/a b", "0.NA.1/88"] {
            let other = Identifier::parse_or_prefix(other).expect("an identifier");
            assert_eq!(other.as_prefix(), None, "{other}");
        }
        let folded = Identifier::parse("0.na/88.118.7").expect("an identifier");
        assert_eq!(folded.as_prefix(), Some(prefix.clone()));
        let parent = prefix.parent().expect("derived");
        assert_eq!(parent.as_str(), "88.118");
        let none = parent.parent().and_then(|top| top.parent());
        assert_eq!(none, None);
        for (text, reason) in [
            ("", Reason::IdentifierEmpty),
            ("88 118", Reason::PrefixSyntax),
            ("88.118.x", Reason::NationalPrefixSyntax),
            ("88.118.7/", Reason::SuffixEmpty),
        ] {
            let refusal = Identifier::parse_or_prefix(text).expect_err("malformed");
            assert_eq!(refusal.reason(), reason, "{text}");
        }
    }

    #[test]
    fn keeps_leading_zeros_apart() {
        let key = |text: &str| {
            Identifier::parse(text)
                .expect("valid")
                .key(SuffixCase::Folded)
        };
        assert_ne!(key("88.101.0042/1"), key("88.101.42/1"));
    }

    proptest! {
        #[test]
        fn spelling_survives_and_case_folds(prefix in "[0-9a-zA-Z-]{1,9}(\\.[0-9a-z]{1,5}){0,3}", suffix in "\\PC{1,40}") {
            prop_assume!(!prefix.starts_with("86") && !prefix.starts_with("88"));
            let text = format!("{prefix}/{suffix}");
            let id = Identifier::parse(&text).expect("valid");
            prop_assert_eq!(&id.to_string(), &text);
            prop_assert!(id.is_spelled(text.as_bytes()) && !id.is_spelled(&text.as_bytes()[1..]));
            let upper = Identifier::parse(&text.to_ascii_uppercase()).expect("valid");
            prop_assert_eq!(id.key(SuffixCase::Folded), upper.key(SuffixCase::Folded));
            let key = id.key(SuffixCase::Sensitive);
            prop_assert_eq!(key.suffix(), suffix.as_bytes());
            let canonical = id.prefix().canonical();
            prop_assert_eq!(key.prefix(), canonical.as_bytes());
        }
    }
}
