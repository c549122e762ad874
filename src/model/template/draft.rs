//! A version of a template as it is written: by people in files, by clients over
//! gRPC, and in the store. Nothing of it is checked; [`super::Version::new`]
//! does that.

use serde::{Deserialize, Serialize};

/// What a version of a template says. As JSON it is what `idnode template create`
/// takes, and what the shipped templates are written in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draft {
    /// Its name for people: `低压电器`.
    pub label: String,
    /// What it is for, or what changed.
    #[serde(default)]
    pub note: String,
    /// GB/T 4754-2017: a letter, and up to four digits; empty for every industry.
    #[serde(default)]
    pub industry: String,
    /// Where its items are taken from: standards, and documents of the trade.
    #[serde(default)]
    pub sources: Vec<String>,
    /// The items, in any order.
    pub items: Vec<DraftItem>,
}

/// What an item says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftItem {
    /// Index of its value in a record, from 2000.
    pub index: u32,
    /// Its English name, which is its value's type.
    pub name: String,
    /// Its Chinese name.
    pub label: String,
    /// What it says, and in which standard.
    #[serde(default)]
    pub note: String,
    /// What its text is.
    pub kind: DraftKind,
    /// Whether every record has it.
    #[serde(default)]
    pub required: bool,
    /// Whether no two records of a prefix have the same.
    #[serde(default)]
    pub unique: bool,
    /// Whether new records may not have it.
    #[serde(default)]
    pub disabled: bool,
    /// That it is a list, and of how many.
    #[serde(default)]
    pub list: Option<DraftList>,
    /// Who may read its values beside their owner, as `firm:ID` and `group:ID`; that
    /// they are not for everyone.
    #[serde(default)]
    pub readers: Option<Vec<String>>,
}

/// How many elements a list has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftList {
    /// At least; one if nothing is said.
    #[serde(default)]
    pub count_min: Option<u32>,
    /// At most.
    #[serde(default)]
    pub count_max: Option<u32>,
}

/// What the text of an item, or of each element of a list, is.
///
/// Its order is stored: one may be added at the end, none moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DraftKind {
    /// Text.
    Text {
        /// Characters at least.
        #[serde(default)]
        length_min: Option<u32>,
        /// Characters at most.
        #[serde(default)]
        length_max: Option<u32>,
        /// An I-Regexp (RFC 9485) that the whole text matches.
        #[serde(default)]
        pattern: Option<String>,
    },
    /// A whole number.
    Integer {
        /// At least.
        #[serde(default)]
        min: Option<i64>,
        /// At most.
        #[serde(default)]
        max: Option<i64>,
    },
    /// A decimal number, of a unit.
    Decimal {
        /// At least.
        #[serde(default)]
        min: Option<String>,
        /// At most.
        #[serde(default)]
        max: Option<String>,
        /// Digits behind the point at most.
        #[serde(default)]
        scale: Option<u8>,
        /// The unit's sign, which may stand behind the number: `16A`.
        #[serde(default)]
        unit: String,
    },
    /// A day, `2025-01-08`.
    Date {
        /// The first.
        #[serde(default)]
        min: Option<String>,
        /// The last.
        #[serde(default)]
        max: Option<String>,
    },
    /// A point in time, `2025-01-08T16:30:00+08:00`.
    DateTime {
        /// The first.
        #[serde(default)]
        min: Option<String>,
        /// The last.
        #[serde(default)]
        max: Option<String>,
    },
    /// `true` or `false`.
    Boolean {},
    /// One of a list of codes.
    Code {
        /// The codes.
        codes: Vec<DraftCode>,
    },
    /// A page, `https://…`.
    Url {},
    /// The digest of a file, `sha256:…`.
    Digest {
        /// Which algorithms; any that the node knows if empty.
        #[serde(default)]
        algorithms: Vec<String>,
    },
    /// An identifier, or one value of it as `index:identifier`.
    Reference {
        /// Under which prefixes, or below them; under any if empty.
        #[serde(default)]
        prefixes: Vec<String>,
    },
    /// What something is made of: names and percentages that sum to 100.
    Composition {},
}

/// One code of a list of codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DraftCode {
    /// The code, which is the value's text.
    pub code: String,
    /// What it says, for people.
    #[serde(default)]
    pub label: String,
}

impl DraftItem {
    /// About how many bytes it takes.
    pub fn byte_count(&self) -> usize {
        const FIXED_BYTES: usize = 64;
        let texts = [&self.name, &self.label, &self.note];
        let kind = match &self.kind {
            DraftKind::Text { pattern, .. } => pattern.as_ref().map_or(0, String::len),
            DraftKind::Code { codes } => codes
                .iter()
                .map(|code| code.code.len() + code.label.len() + 16)
                .sum(),
            DraftKind::Reference { prefixes: texts } | DraftKind::Digest { algorithms: texts } => {
                texts.iter().map(|text| text.len() + 16).sum()
            }
            DraftKind::Decimal { unit, .. } => unit.len(),
            DraftKind::Integer { .. }
            | DraftKind::Date { .. }
            | DraftKind::DateTime { .. }
            | DraftKind::Boolean {}
            | DraftKind::Url {}
            | DraftKind::Composition {} => 0,
        };
        let readers = self.readers.iter().flatten().map(|text| text.len() + 16);
        FIXED_BYTES + readers.sum::<usize>() + texts.map(String::len).iter().sum::<usize>() + kind
    }
}
