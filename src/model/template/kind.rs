//! What the text of an item may be, and what of a text breaks that.

use std::fmt;
use std::ops::RangeInclusive;

use crate::model::case::SuffixCase;
use crate::model::fault::Reason;
use crate::model::identifier::{Identifier, Prefix};
use crate::model::limits::{DIGEST_ALGORITHMS_MAX, URL_BYTES_MAX};
use crate::model::record::Reference;
use crate::model::template::composition;
use crate::model::template::decimal::Decimal;
use crate::model::template::moment;
use crate::model::template::pattern::Pattern;
use crate::model::template::url;

/// What the text of an item, or of each element of a list, is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text without control characters other than tab and line feed.
    Text {
        /// Characters, least and most.
        length: RangeInclusive<u32>,
        /// What the whole text matches.
        pattern: Option<Pattern>,
    },
    /// A whole number without leading zeros.
    Integer(Bounds<i64>),
    /// A decimal number.
    Decimal {
        /// Least and most.
        bounds: Bounds<Decimal>,
        /// Digits behind the point at most.
        scale: Option<u8>,
        /// The unit's sign, which may stand behind the number; empty without.
        unit: Box<str>,
    },
    /// A day of RFC 3339.
    Date(Bounds<Day>),
    /// A point in time of RFC 3339.
    DateTime(Bounds<Moment>),
    /// `true` or `false`.
    Boolean,
    /// One of some codes.
    Code(Vec<Code>),
    /// An address of the web, in ASCII.
    Url,
    /// The digest of a file: an algorithm's name, a colon, and lower-case
    /// hexadecimal digits.
    Digest(Vec<Algorithm>),
    /// An identifier or a reference to one of its values; under one of the
    /// prefixes or below it if there are any.
    Reference(Vec<Prefix>),
    /// Names and percentages that sum to 100.
    Composition,
}

/// Least and most of what has an order; either may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds<T> {
    /// At least.
    pub min: Option<T>,
    /// At most.
    pub max: Option<T>,
}

/// A day, in the spelling it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    text: Box<str>,
    number: u32,
}

/// A point in time, in the spelling it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    text: Box<str>,
    nanos: i128,
}

/// One code of a list of codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The code.
    pub code: Box<str>,
    /// What it says, for people; may be empty.
    pub label: Box<str>,
}

/// An algorithm for the digests of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256 (FIPS 180-4).
    Sha256,
    /// SHA-512 (FIPS 180-4).
    Sha512,
    /// SM3 (GB/T 32905).
    Sm3,
}

/// What is wrong with a text: a reason, and the rule that it breaks.
pub(super) type Flaw = (Reason, String);

impl Kind {
    /// Checks a text, and gives the form by which it is the same as another:
    /// `1.50 A` and `1.5A` are one.
    ///
    /// # Errors
    /// A [`Flaw`] for the rule that it breaks.
    pub(super) fn check(&self, text: &str) -> Result<String, Flaw> {
        match self {
            Self::Text { length, pattern } => check_text(text, length, pattern.as_ref()),
            Self::Integer(bounds) => {
                let number = integer(text).ok_or_else(|| form("an integer as -12"))?;
                bounds.check(&number, "")?;
                Ok(number.to_string())
            }
            Self::Decimal {
                bounds,
                scale,
                unit,
            } => check_decimal(text, bounds, *scale, unit),
            Self::Date(bounds) => {
                let day = Day::parse(text).ok_or_else(|| form("a day as 2025-01-08"))?;
                bounds.check(&day, "")?;
                Ok(text.to_owned())
            }
            Self::DateTime(bounds) => {
                let rule = "a time as 2025-01-08T16:30:00+08:00";
                let moment = Moment::parse(text).ok_or_else(|| form(rule))?;
                bounds.check(&moment, "")?;
                Ok(moment.nanos.to_string())
            }
            Self::Boolean => match text {
                "true" | "false" => Ok(text.to_owned()),
                _ => Err(form("true or false")),
            },
            Self::Code(codes) => {
                let known = codes.iter().any(|code| code.code.as_ref() == text);
                known
                    .then(|| text.to_owned())
                    .ok_or_else(|| (Reason::ItemCodeUnknown, shown_codes(codes)))
            }
            Self::Url => {
                let rule =
                    format!("an address as https://host/path, at most {URL_BYTES_MAX} bytes");
                let sound = text.len() <= URL_BYTES_MAX && url::is_sound(text);
                sound.then(|| text.to_owned()).ok_or_else(|| form(&rule))
            }
            Self::Digest(algorithms) => {
                let sound = algorithms.iter().any(|algorithm| algorithm.fits(text));
                let names: Vec<_> = algorithms.iter().map(|a| a.name()).collect();
                let rule = format!(
                    "{} and a colon before hexadecimal digits",
                    names.join(" or ")
                );
                sound.then(|| text.to_owned()).ok_or_else(|| form(&rule))
            }
            Self::Reference(prefixes) => check_reference(text, prefixes),
            Self::Composition => composition::check(text)
                .map(|()| text.to_owned())
                .map_err(form),
        }
    }
}

impl<T: PartialOrd + fmt::Display> Bounds<T> {
    fn check(&self, value: &T, unit: &str) -> Result<(), Flaw> {
        let above = self.min.as_ref().is_none_or(|min| value >= min);
        let below = self.max.as_ref().is_none_or(|max| value <= max);
        if above && below {
            return Ok(());
        }
        let space = if unit.is_empty() { "" } else { " " };
        let rule = match (&self.min, &self.max) {
            (Some(min), Some(max)) => format!("{min} to {max}{space}{unit}"),
            (Some(min), None) => format!("at least {min}{space}{unit}"),
            (_, Some(max)) => format!("at most {max}{space}{unit}"),
            (None, None) => String::new(),
        };
        Err((Reason::ItemOutOfRange, rule))
    }
}

impl Day {
    /// Parses `2025-01-08`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = moment::date(text)?;
        Some(Self {
            text: text.into(),
            number,
        })
    }
}

impl PartialOrd for Day {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.number.partial_cmp(&other.number)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Moment {
    /// Parses `2025-01-08T16:30:00+08:00`.
    pub fn parse(text: &str) -> Option<Self> {
        let nanos = moment::date_time(text)?;
        Some(Self {
            text: text.into(),
            nanos,
        })
    }
}

impl PartialOrd for Moment {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.nanos.partial_cmp(&other.nanos)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; DIGEST_ALGORITHMS_MAX] = [Self::Sha256, Self::Sha512, Self::Sm3];

    /// Its name before the colon.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
            Self::Sm3 => "sm3",
        }
    }

    /// Hexadecimal digits of a digest.
    pub const fn digit_count(self) -> usize {
        match self {
            Self::Sha256 | Self::Sm3 => 64,
            Self::Sha512 => 128,
        }
    }

    fn fits(self, text: &str) -> bool {
        let digits = text
            .strip_prefix(self.name())
            .and_then(|rest| rest.strip_prefix(':'));
        digits.is_some_and(|digits| {
            digits.len() == self.digit_count()
                && digits
                    .bytes()
                    .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    }
}

fn form(rule: &str) -> Flaw {
    (Reason::ItemForm, rule.to_owned())
}

/// A whole number without leading zeros.
fn integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let sound = digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    sound.then(|| text.parse().ok())?
}

/// Whether `text` has no control characters but tab and line feed.
pub(super) fn is_plain(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\t' | '\n'))
}

fn check_text(
    text: &str,
    length: &RangeInclusive<u32>,
    pattern: Option<&Pattern>,
) -> Result<String, Flaw> {
    if !is_plain(text) {
        return Err(form("text without control characters"));
    }
    let count = u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    if !length.contains(&count) {
        let rule = format!("{} to {}", length.start(), length.end());
        return Err((Reason::ItemLength, rule));
    }
    match pattern.filter(|pattern| !pattern.matches(text)) {
        Some(pattern) => Err((Reason::ItemPattern, pattern.to_string())),
        None => Ok(text.to_owned()),
    }
}

fn check_decimal(
    text: &str,
    bounds: &Bounds<Decimal>,
    scale: Option<u8>,
    unit: &str,
) -> Result<String, Flaw> {
    let number = match text.strip_suffix(unit) {
        Some(number) if number.len() < text.len() => number.strip_suffix(' ').unwrap_or(number),
        _ => text,
    };
    let decimal = Decimal::parse(number).ok_or_else(|| {
        if unit.is_empty() {
            form("a decimal number as -12.5")
        } else {
            form(&format!(
                "a decimal number as 12.5, or with its unit as 12.5 {unit}"
            ))
        }
    })?;
    if let Some(scale) = scale.filter(|scale| decimal.scale() > *scale) {
        return Err(form(&format!(
            "a number with at most {scale} digits behind the point"
        )));
    }
    bounds.check(&decimal, unit)?;
    Ok(decimal.to_string())
}

fn check_reference(text: &str, prefixes: &[Prefix]) -> Result<String, Flaw> {
    let rule = "an identifier as 88.118.7/X, or one of its values as 300:88.118.7/X";
    let reference = Identifier::parse(text)
        .map(|identifier| Reference {
            index: 0,
            identifier,
        })
        .or_else(|_| Reference::parse(text))
        .map_err(|_| form(rule))?;
    let canonical = reference.identifier.prefix().canonical();
    let lies_in = |prefix: &Prefix| {
        let rest = canonical.strip_prefix(prefix.canonical().as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    if !prefixes.is_empty() && !prefixes.iter().any(lies_in) {
        let names: Vec<_> = prefixes.iter().map(ToString::to_string).collect();
        let rule = format!("an identifier under {}", names.join(" or "));
        return Err(form(&rule));
    }
    // Most prefixes fold; where one does not, two names are taken for one.
    let suffix = reference.identifier.suffix().canonical(SuffixCase::Folded);
    Ok(format!("{}:{canonical}/{suffix}", reference.index))
}

/// The codes as an error text shows them: the first ones, and how many follow.
fn shown_codes(codes: &[Code]) -> String {
    const SHOWN: usize = 12;
    let first: Vec<&str> = codes.iter().take(SHOWN).map(|code| &*code.code).collect();
    let more = codes.len().saturating_sub(SHOWN);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{rest}", first.join(", "))
}
