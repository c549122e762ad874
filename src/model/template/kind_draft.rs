//! Kinds of items from what is written of them, and back.

use std::collections::HashSet;
use std::fmt;

use crate::model::identifier::Prefix;
use crate::model::limits::{
    DECIMAL_DIGITS_MAX, DIGEST_ALGORITHMS_MAX, ITEM_CODES_MAX, ITEM_PREFIXES_MAX, LABEL_CHARS_MAX,
    UNIT_CHARS_MAX, VALUE_DATA_BYTES_MAX,
};
use crate::model::template::decimal::Decimal;
use crate::model::template::draft::{DraftCode, DraftKind};
use crate::model::template::kind::{Algorithm, Bounds, Code, Day, Kind, Moment};
use crate::model::template::pattern::Pattern;

/// A part of a draft that is unsound.
#[derive(Debug)]
pub(super) struct Unsound {
    /// The field, as `pattern` or `codes[3].code`; empty for the whole.
    pub(super) field: String,
    /// What stands there.
    pub(super) value: String,
    /// The rule, in English.
    pub(super) rule: String,
}

impl Unsound {
    pub(super) fn new(
        field: impl Into<String>,
        value: impl fmt::Display,
        rule: impl Into<String>,
    ) -> Self {
        Self {
            field: field.into(),
            value: value.to_string(),
            rule: rule.into(),
        }
    }
}

impl Kind {
    /// The kind that `draft` describes.
    ///
    /// # Errors
    /// Each part of it that is unsound: the field, its text and the rule.
    pub(super) fn new(draft: &DraftKind) -> Result<Self, Vec<Unsound>> {
        match draft {
            DraftKind::Text {
                length_min,
                length_max,
                pattern,
            } => text(*length_min, *length_max, pattern.as_deref()),
            DraftKind::Integer { min, max } => Bounds::new(*min, *max).map(Self::Integer),
            DraftKind::Decimal {
                min,
                max,
                scale,
                unit,
            } => decimal((min, max), *scale, unit),
            DraftKind::Date { min, max } => {
                bounds(min, max, "a day as 2025-01-08", Day::parse).map(Self::Date)
            }
            DraftKind::DateTime { min, max } => {
                let rule = "a time as 2025-01-08T16:30:00+08:00";
                bounds(min, max, rule, Moment::parse).map(Self::DateTime)
            }
            DraftKind::Boolean {} => Ok(Self::Boolean),
            DraftKind::Code { codes: drafts } => codes(drafts),
            DraftKind::Url {} => Ok(Self::Url),
            DraftKind::Digest { algorithms } => digest(algorithms),
            DraftKind::Reference { prefixes } => reference(prefixes),
            DraftKind::Composition {} => Ok(Self::Composition),
        }
    }

    /// What [`Kind::new`] makes this kind of.
    pub(super) fn draft(&self) -> DraftKind {
        match self {
            Self::Text { length, pattern } => DraftKind::Text {
                length_min: Some(*length.start()),
                length_max: Some(*length.end()),
                pattern: pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
            },
            Self::Integer(Bounds { min, max }) => DraftKind::Integer {
                min: *min,
                max: *max,
            },
            Self::Decimal {
                bounds: Bounds { min, max },
                scale,
                unit,
            } => DraftKind::Decimal {
                min: min.as_ref().map(ToString::to_string),
                max: max.as_ref().map(ToString::to_string),
                scale: *scale,
                unit: unit.as_ref().to_owned(),
            },
            Self::Date(Bounds { min, max }) => DraftKind::Date {
                min: min.as_ref().map(ToString::to_string),
                max: max.as_ref().map(ToString::to_string),
            },
            Self::DateTime(Bounds { min, max }) => DraftKind::DateTime {
                min: min.as_ref().map(ToString::to_string),
                max: max.as_ref().map(ToString::to_string),
            },
            Self::Boolean => DraftKind::Boolean {},
            Self::Code(codes) => DraftKind::Code {
                codes: codes.iter().map(Code::draft).collect(),
            },
            Self::Url => DraftKind::Url {},
            Self::Digest(algorithms) => DraftKind::Digest {
                algorithms: algorithms.iter().map(|a| a.name().to_owned()).collect(),
            },
            Self::Reference(prefixes) => DraftKind::Reference {
                prefixes: prefixes.iter().map(ToString::to_string).collect(),
            },
            Self::Composition => DraftKind::Composition {},
        }
    }
}

impl<T: PartialOrd + fmt::Display> Bounds<T> {
    fn new(min: Option<T>, max: Option<T>) -> Result<Self, Vec<Unsound>> {
        if let (Some(min), Some(max)) = (&min, &max)
            && min > max
        {
            return Err(vec![Unsound::new("max", max, format!("at least {min}"))]);
        }
        Ok(Self { min, max })
    }
}

impl Code {
    fn draft(&self) -> DraftCode {
        let Self { code, label } = self;
        DraftCode {
            code: code.as_ref().to_owned(),
            label: label.as_ref().to_owned(),
        }
    }
}

fn text(
    length_min: Option<u32>,
    length_max: Option<u32>,
    pattern: Option<&str>,
) -> Result<Kind, Vec<Unsound>> {
    let bytes_max = u32::try_from(VALUE_DATA_BYTES_MAX).unwrap_or(u32::MAX);
    let (least, most) = (length_min.unwrap_or(1), length_max.unwrap_or(bytes_max));
    let mut unsound = Vec::new();
    if most == 0 || most > bytes_max {
        unsound.push(Unsound::new(
            "length_max",
            most,
            format!("1 to {bytes_max}"),
        ));
    } else if least > most {
        unsound.push(Unsound::new("length_min", least, format!("at most {most}")));
    }
    let pattern = match pattern.map(Pattern::parse).transpose() {
        Ok(parsed) => parsed,
        Err(rule) => {
            unsound.push(Unsound::new("pattern", pattern.unwrap_or_default(), rule));
            None
        }
    };
    if unsound.is_empty() {
        return Ok(Kind::Text {
            length: least..=most,
            pattern,
        });
    }
    Err(unsound)
}

fn decimal(
    (min, max): (&Option<String>, &Option<String>),
    scale: Option<u8>,
    unit: &str,
) -> Result<Kind, Vec<Unsound>> {
    let rule = &format!("a decimal number as 12.5, at most {DECIMAL_DIGITS_MAX} digits");
    let (bounds, mut unsound) = match bounds(min, max, rule, Decimal::parse) {
        Ok(bounds) => (Some(bounds), Vec::new()),
        Err(unsound) => (None, unsound),
    };
    if let Some(scale) = scale.filter(|scale| *scale > 14) {
        unsound.push(Unsound::new("scale", scale, "at most 14"));
    }
    let characters = unit.chars().count();
    let is_strange = |c: char| c.is_control() || c.is_whitespace() || c.is_ascii_digit();
    // What could be read as a part of the number is no sign of a unit.
    if characters > UNIT_CHARS_MAX || unit.chars().any(is_strange) || unit.starts_with(['.', '-']) {
        let rule = format!("at most {UNIT_CHARS_MAX} characters, without spaces and digits");
        unsound.push(Unsound::new("unit", unit, rule));
    }
    match bounds {
        Some(bounds) if unsound.is_empty() => Ok(Kind::Decimal {
            bounds,
            scale,
            unit: unit.into(),
        }),
        _ => Err(unsound),
    }
}

fn bounds<T: PartialOrd + fmt::Display>(
    min: &Option<String>,
    max: &Option<String>,
    rule: &str,
    parse: fn(&str) -> Option<T>,
) -> Result<Bounds<T>, Vec<Unsound>> {
    let mut unsound = Vec::new();
    let mut read = |field: &str, text: &Option<String>| {
        let text = text.as_deref()?;
        let parsed = parse(text);
        if parsed.is_none() {
            unsound.push(Unsound::new(field, text, rule));
        }
        parsed
    };
    let (min, max) = (read("min", min), read("max", max));
    if unsound.is_empty() {
        return Bounds::new(min, max);
    }
    Err(unsound)
}

fn codes(drafts: &[DraftCode]) -> Result<Kind, Vec<Unsound>> {
    if drafts.is_empty() || drafts.len() > ITEM_CODES_MAX {
        let rule = format!("1 to {ITEM_CODES_MAX} codes");
        return Err(vec![Unsound::new("codes", drafts.len(), rule)]);
    }
    let (mut codes, mut unsound, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for (position, DraftCode { code, label }) in drafts.iter().enumerate() {
        let length = code.chars().count();
        let is_trimmed = code.trim() == code;
        if length == 0
            || length > LABEL_CHARS_MAX
            || !is_trimmed
            || code.chars().any(char::is_control)
        {
            let rule = format!(
                "1 to {LABEL_CHARS_MAX} characters, none of them control characters, no space at the ends"
            );
            unsound.push(Unsound::new(format!("codes[{position}].code"), code, rule));
        } else if !seen.insert(code) {
            unsound.push(Unsound::new(
                format!("codes[{position}].code"),
                code,
                "each code once",
            ));
        }
        if label.chars().count() > LABEL_CHARS_MAX || label.chars().any(char::is_control) {
            let rule =
                format!("at most {LABEL_CHARS_MAX} characters, none of them control characters");
            unsound.push(Unsound::new(
                format!("codes[{position}].label"),
                label,
                rule,
            ));
        }
        codes.push(Code {
            code: code.as_str().into(),
            label: label.as_str().into(),
        });
    }
    if unsound.is_empty() {
        return Ok(Kind::Code(codes));
    }
    Err(unsound)
}

fn digest(names: &[String]) -> Result<Kind, Vec<Unsound>> {
    if names.is_empty() {
        return Ok(Kind::Digest(Algorithm::ALL.to_vec()));
    }
    let (mut algorithms, mut unsound) = (Vec::new(), Vec::new());
    for (position, name) in names.iter().enumerate().take(DIGEST_ALGORITHMS_MAX + 1) {
        let known = Algorithm::ALL.into_iter().find(|a| a.name() == name);
        match known.filter(|algorithm| !algorithms.contains(algorithm)) {
            Some(algorithm) => algorithms.push(algorithm),
            None => {
                let field = format!("algorithms[{position}]");
                unsound.push(Unsound::new(
                    field,
                    name,
                    "sha256, sha512 and sm3, each once",
                ));
            }
        }
    }
    if unsound.is_empty() {
        return Ok(Kind::Digest(algorithms));
    }
    Err(unsound)
}

fn reference(drafts: &[String]) -> Result<Kind, Vec<Unsound>> {
    if drafts.len() > ITEM_PREFIXES_MAX {
        let rule = format!("at most {ITEM_PREFIXES_MAX} prefixes");
        return Err(vec![Unsound::new("prefixes", drafts.len(), rule)]);
    }
    let (mut prefixes, mut unsound) = (Vec::new(), Vec::new());
    for (position, text) in drafts.iter().enumerate() {
        match Prefix::parse(text) {
            Ok(prefix) => prefixes.push(prefix),
            Err(_) => {
                let field = format!("prefixes[{position}]");
                unsound.push(Unsound::new(field, text, "a prefix as 88.118.7"));
            }
        }
    }
    if unsound.is_empty() {
        return Ok(Kind::Reference(prefixes));
    }
    Err(unsound)
}
