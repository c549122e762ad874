//! Supply-chain links: typed statements of firms about two identifiers.
//!
//! ```text
//!            confirm                      the other side's firm
//!   stated ──────────► confirmed
//!     ▲ │ ◄─────────── dispute, restate ─┐
//!     │ └─► disputed ──── confirm ──► confirmed
//!     │        │             │
//!     └─ state again ─ withdrawn ◄─ withdraw: its owner, from every state
//! ```
//!
//! A link goes from a source to a target, as it is said: "the assembly contains the
//! part". Its kind tells which of them is upstream ([`Leaning`]), and so which way
//! a trace takes it. One firm states a link of one kind between two identifiers
//! once; another firm's statement is another link.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::fault::{Reason, Refusal};
use crate::model::identifier::Identifier;
use crate::model::ids::FirmId;
use crate::model::limits::{
    LINK_BATCH_CHARS_MAX, LINK_EVIDENCE_BYTES_MAX, LINK_EVIDENCE_MAX, LINK_KIND_CHARS_MAX,
    LINK_UNIT_CHARS_MAX,
};
use crate::model::readers::Readers;
use crate::model::template::Decimal;
use crate::model::time::Timestamp;

/// Which way the target of a link lies from its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leaning {
    /// The target is upstream: the source is made of it or comes from it.
    Up,
    /// The target is downstream: the source went into it.
    Down,
    /// Neither: the source refers to it. Traced only where its kind is asked for.
    Across,
}

/// The kind of a link: one of [`LinkKind::KNOWN`], or a firm's own, which says its
/// leaning: `up-`, `down-` or `see-`, then 1 to [`LINK_KIND_CHARS_MAX`] letters
/// `a` to `z`, digits and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkKind(Box<str>);

impl LinkKind {
    /// The kinds that every node knows.
    pub const KNOWN: [(&'static str, Leaning); 9] = [
        ("made_from", Leaning::Up),
        ("contains", Leaning::Up),
        ("packed_in", Leaning::Down),
        ("shipped_in", Leaning::Down),
        ("supplied_by", Leaning::Up),
        ("certified_by", Leaning::Across),
        ("inspected_by", Leaning::Across),
        ("replaces", Leaning::Across),
        ("same_as", Leaning::Across),
    ];

    /// Parses a kind.
    ///
    /// # Errors
    /// [`Reason::FieldInvalid`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let is_known = Self::KNOWN.iter().any(|(known, _)| *known == text);
        let own = text.split_once('-').filter(|(leaning, name)| {
            let is_letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
            matches!(*leaning, "up" | "down" | "see")
                && (1..=LINK_KIND_CHARS_MAX).contains(&name.len())
                && name.bytes().all(is_letter)
        });
        if is_known || own.is_some() {
            return Ok(Self(text.into()));
        }
        let known = Self::KNOWN.map(|(known, _)| known).join(", ");
        Err(Refusal::new(Reason::FieldInvalid)
            .field("kind")
            .value(text)
            .limit(format!(
                "{known}; or up-, down- or see- and 1 to {LINK_KIND_CHARS_MAX} of a-z, 0-9, _"
            )))
    }

    /// The kind as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Which way its targets lie.
    pub fn leaning(&self) -> Leaning {
        let known = Self::KNOWN.iter().find(|(known, _)| *known == &*self.0);
        match (known, self.0.split_once('-')) {
            (Some((_, leaning)), _) => *leaning,
            (None, Some(("up", _))) => Leaning::Up,
            (None, Some(("down", _))) => Leaning::Down,
            (None, _) => Leaning::Across,
        }
    }
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for LinkKind {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<LinkKind> for String {
    fn from(kind: LinkKind) -> Self {
        kind.0.into()
    }
}

/// How much of the target the source has, or the other way round, as the kind
/// reads: a decimal number and its unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Quantity {
    amount: Box<str>,
    unit: Box<str>,
}

impl Quantity {
    /// Parses `12.5` and `kg`. The amount is above 0; the unit may be empty
    /// (pieces) and has at most [`LINK_UNIT_CHARS_MAX`] characters.
    ///
    /// # Errors
    /// [`Reason::FieldInvalid`].
    pub fn parse(amount: &str, unit: &str) -> Result<Self, Refusal> {
        let is_positive = amount.bytes().any(|b| matches!(b, b'1'..=b'9'));
        if Decimal::parse(amount).is_none() || amount.starts_with('-') || !is_positive {
            return Err(Refusal::new(Reason::FieldInvalid)
                .field("quantity.amount")
                .value(amount)
                .limit("a decimal number above 0"));
        }
        check_text("quantity.unit", unit, LINK_UNIT_CHARS_MAX)?;
        Ok(Self {
            amount: amount.into(),
            unit: unit.into(),
        })
    }

    /// The number as it was written.
    pub fn amount(&self) -> &str {
        &self.amount
    }

    /// The unit; empty for pieces.
    pub fn unit(&self) -> &str {
        &self.unit
    }
}

/// What a link states beside who and what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Facts {
    /// How much.
    pub quantity: Option<Quantity>,
    /// Batch number; at most [`LINK_BATCH_CHARS_MAX`] characters.
    pub batch: String,
    /// From when it holds; `None`: from ever.
    pub valid_from: Option<Timestamp>,
    /// Until when it holds, exclusively; `None`: for good.
    pub valid_until: Option<Timestamp>,
    /// Documents (URLs, identifiers, digests) and event ids that show it; at most
    /// [`LINK_EVIDENCE_MAX`] of 1 to [`LINK_EVIDENCE_BYTES_MAX`] bytes.
    pub evidence: Vec<String>,
}

impl Facts {
    /// Checks the limits.
    ///
    /// # Errors
    /// [`Reason::FieldInvalid`].
    pub fn check(&self) -> Result<(), Refusal> {
        let invalid = |field: &'static str, value: String, limit: String| {
            Err(Refusal::new(Reason::FieldInvalid)
                .field(field)
                .value(value)
                .limit(limit))
        };
        check_text("batch", &self.batch, LINK_BATCH_CHARS_MAX)?;
        if let (Some(from), Some(until)) = (self.valid_from, self.valid_until)
            && until <= from
        {
            let limit = format!("later than valid_from, {from}");
            return invalid("valid_until", until.to_string(), limit);
        }
        if self.evidence.len() > LINK_EVIDENCE_MAX {
            let limit = format!("at most {LINK_EVIDENCE_MAX}");
            return invalid("evidence", self.evidence.len().to_string(), limit);
        }
        for document in &self.evidence {
            let bytes = document.len();
            if !(1..=LINK_EVIDENCE_BYTES_MAX).contains(&bytes)
                || document.chars().any(char::is_control)
            {
                let limit =
                    format!("1 to {LINK_EVIDENCE_BYTES_MAX} bytes without control characters");
                return invalid("evidence", document.clone(), limit);
            }
        }
        Ok(())
    }
}

fn check_text(field: &'static str, text: &str, chars_max: usize) -> Result<(), Refusal> {
    if text.chars().count() <= chars_max && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Refusal::new(Reason::FieldInvalid)
        .field(field)
        .value(text)
        .limit(format!(
            "at most {chars_max} characters, no control characters"
        )))
}

/// Where a link stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LinkState {
    /// Stated by one side.
    Stated,
    /// Confirmed by both.
    Confirmed,
    /// Disputed by the other side.
    Disputed,
    /// Taken back by its owner. Kept as history.
    Withdrawn,
}

/// Who sees a link beside its owner.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Visibility {
    /// Everyone.
    Public,
    /// The firms that hold the prefixes at its ends: one up, one down.
    Ends,
    /// These firms and groups of the owner's.
    Readers(Readers),
    /// Nobody.
    Owner,
}

/// What a trace tells of a link to somebody who does not see it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Behind {
    /// That there is more here.
    #[default]
    More,
    /// Nothing.
    Nothing,
    /// That there is one more step, and what is visible behind it.
    Through,
}

/// All that a trace must know of a link beside its ends and times. Few differ, so
/// each is kept once and numbered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Terms {
    /// Its kind.
    pub kind: LinkKind,
    /// Where it stands.
    pub state: LinkState,
    /// The firm that states it; `None`: the node's operators.
    pub owner: Option<FirmId>,
    /// Who sees it.
    pub visibility: Visibility,
    /// What a trace tells of it to others.
    pub behind: Behind,
}

/// What tells one link from all others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkName {
    /// What the statement is about.
    pub source: Identifier,
    /// Its kind.
    pub kind: LinkKind,
    /// What it is linked to.
    pub target: Identifier,
    /// The firm that states it; `None`: the node's operators.
    pub owner: Option<FirmId>,
}

impl fmt::Display for LinkName {
    /// `SOURCE kind TARGET by OWNER`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            source,
            kind,
            target,
            owner,
        } = self;
        write!(f, "{source} {kind} {target}")?;
        match owner {
            Some(owner) => write!(f, " by {owner}"),
            None => Ok(()),
        }
    }
}

/// A link as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which one.
    pub name: LinkName,
    /// What it states.
    pub facts: Facts,
    /// Where it stands.
    pub state: LinkState,
    /// Who sees it beside its owner.
    pub visibility: Visibility,
    /// What a trace tells of it to those who do not see it.
    pub behind: Behind,
    /// Why it is disputed or was withdrawn.
    pub note: String,
    /// Log position of its last change: the etag.
    pub revision: u64,
    /// When it was stated, or stated again after it was withdrawn.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

impl Link {
    /// What a trace must know of it.
    pub fn terms(&self) -> Terms {
        Terms {
            kind: self.name.kind.clone(),
            state: self.state,
            owner: self.name.owner.clone(),
            visibility: self.visibility.clone(),
            behind: self.behind,
        }
    }

    /// The end that lies upstream, and the other. Of a link across, the target
    /// counts as upstream: it was there before it was referred to.
    pub fn input_and_output(&self) -> (&Identifier, &Identifier) {
        let LinkName { source, target, .. } = &self.name;
        match self.name.kind.leaning() {
            Leaning::Up | Leaning::Across => (target, source),
            Leaning::Down => (source, target),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_say_which_way_they_lead() {
        for (text, leaning) in LinkKind::KNOWN {
            assert_eq!(LinkKind::parse(text).expect("known").leaning(), leaning);
        }
        for (text, leaning) in [
            ("up-welded_from", Leaning::Up),
            ("down-mounted_in_2", Leaning::Down),
            ("see-photo", Leaning::Across),
        ] {
            assert_eq!(LinkKind::parse(text).expect("own").leaning(), leaning);
        }
        let long = format!("up-{}", "a".repeat(LINK_KIND_CHARS_MAX + 1));
        for bad in [
            "", "Contains", "up-", "up-A", "side-x", "up-a-b", "welded", &long,
        ] {
            let refusal = LinkKind::parse(bad).expect_err("no kind");
            assert_eq!(refusal.reason(), Reason::FieldInvalid, "{bad}");
        }
    }

    #[test]
    fn the_upstream_end_follows_from_the_kind() {
        let identifier = |text| Identifier::parse(text).expect("an identifier");
        let check = |kind, input, output| {
            let link = Link {
                name: LinkName {
                    source: identifier("88.1.1/box"),
                    kind: LinkKind::parse(kind).expect("a kind"),
                    target: identifier("88.1.2/part"),
                    owner: None,
                },
                facts: Facts::default(),
                state: LinkState::Stated,
                visibility: Visibility::Public,
                behind: Behind::More,
                note: String::new(),
                revision: 1,
                created: Timestamp::default(),
                changed: Timestamp::default(),
            };
            let (input, output) = (identifier(input), identifier(output));
            assert_eq!(link.input_and_output(), (&input, &output), "{kind}");
        };
        check("contains", "88.1.2/part", "88.1.1/box");
        check("packed_in", "88.1.1/box", "88.1.2/part");
        check("same_as", "88.1.2/part", "88.1.1/box");
    }

    #[test]
    fn quantities_are_positive_decimals() {
        let quantity = Quantity::parse("12.50", "kg").expect("a quantity");
        assert_eq!((quantity.amount(), quantity.unit()), ("12.50", "kg"));
        for (amount, unit) in [
            ("", ""),
            ("0", "kg"),
            ("0.00", ""),
            ("-1", "kg"),
            ("1e3", ""),
            ("1", "k\ng"),
            ("1", "a unit that is far too long"),
        ] {
            let refusal = Quantity::parse(amount, unit).expect_err("no quantity");
            assert_eq!(refusal.reason(), Reason::FieldInvalid, "{amount} {unit}");
        }
    }

    #[test]
    fn facts_have_limits() {
        let good = Facts {
            valid_from: Some(Timestamp::from_millis(1)),
            valid_until: Some(Timestamp::from_millis(2)),
            evidence: vec!["x".into(); LINK_EVIDENCE_MAX],
            ..Facts::default()
        };
        assert_eq!(good.check(), Ok(()));
        let bad = [
            Facts {
                batch: "长".repeat(LINK_BATCH_CHARS_MAX + 1),
                ..good.clone()
            },
            Facts {
                valid_until: Some(Timestamp::from_millis(1)),
                ..good.clone()
            },
            Facts {
                evidence: vec!["x".into(); LINK_EVIDENCE_MAX + 1],
                ..good.clone()
            },
            Facts {
                evidence: vec![String::new()],
                ..good
            },
        ];
        for facts in bad {
            let refusal = facts.check().expect_err("beyond a limit");
            assert_eq!(refusal.reason(), Reason::FieldInvalid, "{facts:?}");
        }
    }
}
