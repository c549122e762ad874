//! The one DNS owner name of an identifier, computed without a lookup in both
//! directions, given the case rule of its prefix.
//!
//! ```text
//! plain    <suffix labels, reversed>._id.<prefix labels, reversed>.<zone>
//! escaped  <base32hex chunks of the canonical suffix, in order>._b32.<prefix labels, reversed>.<zone>
//! ```
//! Plain when the suffix, split at ".", gives labels of 1 to 63 letters,
//! digits, "-" and "_" of which none begins with "_", and the whole name fits
//! 255 octets (RFC 1035 §2.3.4); under a case-sensitive prefix always escaped.
//! This file knows labels, not messages: `wire::dns` writes them.

use crate::model::case::SuffixCase;
use crate::model::identifier::{Identifier, Prefix};

/// Octets of a label (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Octets of a name on the wire, its root label included (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 255;
/// The label that stands above plain suffixes.
pub const PLAIN_LABEL: &str = "_id";
/// The label that stands above escaped suffixes.
pub const ESCAPED_LABEL: &str = "_b32";
const BASE32HEX: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";

/// The owner name of an identifier below a zone, lower case, without the
/// zone's own labels. Leftmost label first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OwnerName {
    labels: Vec<String>,
    suffix_label_count: usize,
}

impl OwnerName {
    /// The owner name of `identifier` below a zone that takes `zone_bytes`
    /// octets on the wire (its root label included), or `None` where the
    /// suffix is too long for any.
    pub fn of(identifier: &Identifier, case: SuffixCase, zone_bytes: usize) -> Option<Self> {
        let suffix = identifier.suffix().canonical(case);
        Self::plain(identifier.prefix(), &suffix, case, zone_bytes)
            .or_else(|| Self::escaped(identifier.prefix(), &suffix, zone_bytes))
    }

    /// The text of [`OwnerName::below`] for the owner name of `identifier`, without
    /// taking a plain one apart.
    pub fn text(
        identifier: &Identifier,
        case: SuffixCase,
        (zone, zone_bytes): (&str, usize),
    ) -> Option<String> {
        let (prefix, suffix) = (identifier.prefix().as_str(), identifier.suffix().as_str());
        // Each label with what stands behind it: a dot here, its length on the wire.
        let bytes = suffix.len() + 1 + PLAIN_LABEL.len() + 1 + prefix.len() + 1;
        if !is_plain(suffix, case) || zone_bytes + bytes > NAME_BYTES_MAX {
            return Self::of(identifier, case, zone_bytes).map(|name| name.below(zone));
        }
        let zone = zone.trim_end_matches('.');
        let mut text = String::with_capacity(bytes + zone.len() + 1);
        for label in suffix
            .rsplit('.')
            .chain([PLAIN_LABEL])
            .chain(prefix.rsplit('.'))
        {
            text.push_str(label);
            text.push('.');
        }
        text.make_ascii_lowercase();
        if !zone.is_empty() {
            text.push_str(zone);
            text.push('.');
        }
        Some(text)
    }

    fn plain(prefix: &Prefix, suffix: &str, case: SuffixCase, zone_bytes: usize) -> Option<Self> {
        if !is_plain(suffix, case) {
            return None;
        }
        let suffix_labels = suffix.rsplit('.').map(str::to_owned).collect();
        Self::assemble(suffix_labels, PLAIN_LABEL, prefix, zone_bytes)
    }

    fn escaped(prefix: &Prefix, suffix: &str, zone_bytes: usize) -> Option<Self> {
        // Longer than any name: not worth encoding.
        if suffix.len() > NAME_BYTES_MAX {
            return None;
        }
        let text = base32hex(suffix.as_bytes());
        let chunks = text.as_bytes().chunks(LABEL_BYTES_MAX);
        let suffix_labels = chunks
            .map(|c| String::from_utf8_lossy(c).into_owned())
            .collect();
        Self::assemble(suffix_labels, ESCAPED_LABEL, prefix, zone_bytes)
    }

    fn assemble(
        suffix_labels: Vec<String>,
        marker: &str,
        prefix: &Prefix,
        zone_bytes: usize,
    ) -> Option<Self> {
        let suffix_label_count = suffix_labels.len();
        let mut labels = suffix_labels;
        labels.push(marker.to_owned());
        labels.extend(prefix.canonical().rsplit('.').map(str::to_owned));
        let bytes = zone_bytes + labels.iter().map(|label| label.len() + 1).sum::<usize>();
        (bytes <= NAME_BYTES_MAX).then_some(Self {
            labels,
            suffix_label_count,
        })
    }

    /// All labels below the zone, leftmost first.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The labels that stand for the suffix, leftmost first.
    pub fn suffix_labels(&self) -> &[String] {
        self.labels
            .get(..self.suffix_label_count)
            .unwrap_or_default()
    }

    /// Whether it is the escaped form.
    pub fn is_escaped(&self) -> bool {
        self.labels
            .get(self.suffix_label_count)
            .is_some_and(|label| label == ESCAPED_LABEL)
    }

    /// The whole name below `zone` (presentation form without escapes: every
    /// label is letters, digits, "-" and "_"), with the final dot.
    pub fn below(&self, zone: &str) -> String {
        let zone = zone.trim_end_matches('.');
        let mut name = self.labels.join(".");
        if !zone.is_empty() {
            name.push('.');
            name.push_str(zone);
        }
        name.push('.');
        name
    }
}

/// What the labels to the left of `_id` or `_b32` spell: the suffix, folded to
/// lower case where it is plain, exact where it was escaped.
///
/// `None` if they spell no suffix: bad base32hex, not UTF-8, a plain label that
/// the plain form does not have. Whether the identifier's owner name is this
/// one, the caller checks with [`OwnerName::of`] once it knows the case rule.
pub fn suffix_from_labels(labels: &[&str], escaped: bool) -> Option<String> {
    if labels.is_empty() {
        return None;
    }
    if escaped {
        return String::from_utf8(decode_base32hex(&labels.concat())?).ok();
    }
    let mut suffix = String::new();
    for label in labels.iter().rev() {
        if !is_plain_label(label) {
            return None;
        }
        if !suffix.is_empty() {
            suffix.push('.');
        }
        suffix.push_str(&label.to_ascii_lowercase());
    }
    Some(suffix)
}

/// Whether a suffix has the plain form, if the name is short enough; where it is
/// not, the escaped form is too long as well.
pub fn is_plain(suffix: &str, case: SuffixCase) -> bool {
    case == SuffixCase::Folded && suffix.split('.').all(is_plain_label)
}

/// How many labels the plain owner name of a suffix has, if it has one: a name properly
/// below it has more.
pub fn label_count(suffix: &str) -> u16 {
    let dots = suffix.bytes().filter(|octet| *octet == b'.').count();
    u16::try_from(dots).unwrap_or(u16::MAX).saturating_add(1)
}

fn is_plain_label(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len())
        && !label.starts_with('_')
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Base 32 with the extended hex alphabet, lower case, no padding (RFC 4648 §7).
fn base32hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut buffer, mut bit_count) = (0u32, 0u32);
    let mut push = |five: u32| {
        let at = usize::try_from(five & 31).unwrap_or_default();
        let digit = BASE32HEX.get(at).copied().unwrap_or_default();
        text.push(char::from(digit));
    };
    for byte in bytes {
        buffer = (buffer << 8 | u32::from(*byte)) & 0xfff;
        bit_count += 8;
        while bit_count >= 5 {
            bit_count -= 5;
            push(buffer >> bit_count);
        }
    }
    if bit_count > 0 {
        push(buffer << (5 - bit_count));
    }
    text
}

/// Strict inverse of [`base32hex`] but for case: no padding, no stray bits.
fn decode_base32hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut buffer, mut bit_count) = (0u32, 0u32);
    for character in text.chars() {
        let five = character.to_digit(32)?;
        buffer = (buffer << 5 | five) & 0xfff;
        bit_count += 5;
        if bit_count >= 8 {
            bit_count -= 8;
            bytes.push(u8::try_from(buffer >> bit_count & 0xff).ok()?);
        }
    }
    let stray = buffer & ((1 << bit_count) - 1);
    (bit_count < 5 && stray == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, case: SuffixCase, expected: Option<&str>) {
        let id = Identifier::parse(text).expect("valid");
        let zone = "id.example.";
        let name = OwnerName::of(&id, case, 12).map(|name| name.below(zone));
        assert_eq!(name.as_deref(), expected, "{text}");
    }

    #[test]
    fn names_identifiers_as_the_plan_has_them() {
        use SuffixCase::{Folded, Sensitive};
        check(
            "88.118.7/DZ47-63.20250108.000123",
            Folded,
            Some("000123.20250108.dz47-63._id.7.118.88.id.example."),
        );
        check(
            "88.118.7/a",
            Sensitive,
            Some("c4._b32.7.118.88.id.example."),
        );
        check(
            "0.NA/88.118.7",
            Folded,
            Some("7.118.88._id.na.0.id.example."),
        );
        check(
            "88.118.7/_a",
            Folded,
            Some("btgg._b32.7.118.88.id.example."),
        );
        check(
            "88.118.7/a..b",
            Folded,
            Some("c4n2sog._b32.7.118.88.id.example."),
        );
        check(&format!("88.118.7/{}", "长".repeat(60)), Folded, None);
    }

    #[test]
    fn escapes_in_the_alphabet_of_rfc_4648_section_10() {
        for (plain, text) in [
            ("f", "co"),
            ("fo", "cpng"),
            ("foo", "cpnmu"),
            ("foob", "cpnmuog"),
            ("fooba", "cpnmuoj1"),
            ("foobar", "cpnmuoj1e8"),
        ] {
            assert_eq!(base32hex(plain.as_bytes()), text);
            assert_eq!(
                decode_base32hex(&text.to_uppercase()).as_deref(),
                Some(plain.as_bytes())
            );
        }
        assert_eq!(decode_base32hex("cp"), None, "stray bits");
        assert_eq!(decode_base32hex("c"), None, "half a byte");
        assert_eq!(decode_base32hex("w0"), None, "outside the alphabet");
    }

    proptest! {
        #[test]
        fn the_text_is_that_of_the_labels(suffix in "(\\PC{1,30}|[a-zA-Z0-9_.-]{1,40}|[a-z]{50}\\.[a-z]{60}\\.[a-z]{60}\\.[a-z]{1,60})", sensitive: bool, zone in "(|\\.|id\\.example\\.?|ID\\.Example\\.)") {
            let case = if sensitive { SuffixCase::Sensitive } else { SuffixCase::Folded };
            let id = Identifier::parse(&format!("88.118.A7/{suffix}").replace("88", "87")).expect("valid");
            let bytes = zone.trim_matches('.').len() + 2;
            let labels = OwnerName::of(&id, case, bytes).map(|name| name.below(&zone));
            prop_assert_eq!(OwnerName::text(&id, case, (&zone, bytes)), labels);
        }

        #[test]
        fn goes_there_and_back(suffix in "(\\PC{1,30}|[a-zA-Z0-9_.-]{1,40})", sensitive: bool) {
            let case = if sensitive { SuffixCase::Sensitive } else { SuffixCase::Folded };
            let id = Identifier::parse(&format!("88.118.7/{suffix}")).expect("valid");
            if let Some(name) = OwnerName::of(&id, case, 12) {
                prop_assert!(name.labels().iter().all(|l| (1..=63).contains(&l.len())));
                let labels: Vec<&str> = name.suffix_labels().iter().map(String::as_str).collect();
                let back = suffix_from_labels(&labels, name.is_escaped());
                prop_assert_eq!(back, Some(id.suffix().canonical(case)));
            }
        }
    }
}
