//! A link in JSON and in files, and the way between that and the API.

use serde::{Deserialize, Serialize};

use crate::cli::readers;
use crate::demo::SupplyLink;
use crate::model;
use crate::model::link::{Behind, Facts, Quantity};
use crate::model::{FirmId, Identifier, LinkKind, Reason, Refusal, Timestamp};
use crate::wire::proto::v1;
use crate::wire::proto::v1::link::{Behind as ProtoBehind, State, Visibility};

/// A link. The shape is stable; `docs/cli.md` documents it. What the node sets is
/// shown, and not read from files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkShape {
    /// What the statement is about.
    pub source: String,
    /// `contains`, `made_from`, …, or a kind of a firm's own.
    pub kind: String,
    /// What it is linked to.
    pub target: String,
    /// The firm that states it; absent: the caller's, or the node's operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// `stated`, `confirmed`, `disputed` or `withdrawn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// How much: a decimal number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<String>,
    /// Of what; pieces if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Batch number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// From when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// Until when it holds, exclusively.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// URLs, identifiers, digests and event ids that show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// `public`, `ends`, `readers` or `owner`; `ends` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<String>,
    /// With `readers`: who, as `firm:…` and `group:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readers: Option<Vec<String>>,
    /// `more`, `nothing` or `through`; `more` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<String>,
    /// Why it is disputed or was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Changes with every change of the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When it was stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_time: Option<String>,
    /// When it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_time: Option<String>,
    /// The ends that are not registered here: `source`, `target`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dangling: Vec<String>,
}

impl LinkShape {
    /// All that the node tells of a link.
    pub fn shown(link: v1::Link) -> Self {
        let (visibility, behind, state) = (link.visibility(), link.behind(), link.state());
        let v1::Link {
            name,
            quantity,
            batch,
            valid_from,
            valid_until,
            evidence,
            visibility: _,
            readers,
            behind: _,
            state: _,
            note,
            etag,
            create_time,
            update_time,
            source_dangling,
            target_dangling,
        } = link;
        let v1::LinkName {
            source,
            kind,
            target,
            owner,
        } = name.unwrap_or_default();
        let v1::LinkQuantity { amount, unit } = quantity.unwrap_or_default();
        let ends = [(source_dangling, "source"), (target_dangling, "target")];
        let dangling = ends.iter().filter(|(dangles, _)| *dangles);
        Self {
            source,
            kind,
            target,
            owner: some(firm_of(&owner).to_owned()),
            state: some(state_text(state).to_owned()),
            quantity: some(amount),
            unit: some(unit),
            batch: some(batch),
            valid_from: valid_from.map(|time| time.to_string()),
            valid_until: valid_until.map(|time| time.to_string()),
            evidence,
            visibility: some(visibility_text(visibility).to_owned()),
            readers: readers.map(readers::texts),
            behind: some(behind_text(behind).to_owned()),
            note: some(note),
            etag: some(etag),
            create_time: create_time.map(|time| time.to_string()),
            update_time: update_time.map(|time| time.to_string()),
            dangling: dangling.map(|(_, end)| (*end).to_owned()).collect(),
        }
    }

    /// A link of the demo, whose owner is known to the node alone.
    pub fn of_demo(link: &SupplyLink) -> Self {
        let SupplyLink {
            firm: _,
            source,
            kind,
            target,
            facts,
            visibility,
            behind,
            answer: _,
        } = link;
        let Facts {
            quantity,
            batch,
            valid_from,
            valid_until,
            evidence,
        } = facts.clone();
        let (visibility, readers) = match visibility {
            model::Visibility::Public => (Visibility::Public, None),
            model::Visibility::Ends => (Visibility::Ends, None),
            model::Visibility::Readers(of) => (
                Visibility::Readers,
                Some(readers::texts(readers::to_proto(of))),
            ),
            model::Visibility::Owner => (Visibility::Owner, None),
        };
        Self {
            source: source.to_string(),
            kind: kind.to_string(),
            target: target.to_string(),
            quantity: quantity.as_ref().map(|q| q.amount().to_owned()),
            unit: quantity.and_then(|q| some(q.unit().to_owned())),
            batch: some(batch),
            valid_from: valid_from.map(|time| time.to_string()),
            valid_until: valid_until.map(|time| time.to_string()),
            evidence,
            visibility: some(visibility_text(visibility).to_owned()),
            readers,
            behind: some(behind_text(behind_to_proto(*behind)).to_owned()),
            ..Self::default()
        }
    }

    /// The link that it states, as the API has it.
    ///
    /// # Errors
    /// The first broken rule, its field in the refusal.
    pub fn stated(&self) -> Result<v1::Link, Refusal> {
        let quantity = match (self.quantity.as_deref(), self.unit.as_deref()) {
            (Some(amount), unit) => Some(Quantity::parse(amount, unit.unwrap_or_default())),
            (None, Some(unit)) => return Err(invalid("unit", unit, "stands beside a quantity")),
            (None, None) => None,
        };
        let quantity = quantity.transpose().map_err(|refusal| {
            let in_unit = refusal.field_path() == "quantity.unit";
            refusal.field(if in_unit { "unit" } else { "quantity" })
        })?;
        let [valid_from, valid_until] = [
            ("valid_from", &self.valid_from),
            ("valid_until", &self.valid_until),
        ]
        .map(|(field, text)| text.as_deref().map(|text| time(field, text)).transpose());
        let (valid_from, valid_until) = (valid_from?, valid_until?);
        let facts = Facts {
            quantity,
            batch: self.batch.clone().unwrap_or_default(),
            valid_from: valid_from.as_ref().map(timestamp),
            valid_until: valid_until.as_ref().map(timestamp),
            evidence: self.evidence.clone(),
        };
        facts.check()?;
        let (visibility, readers) = self.seen_by()?;
        let behind = self.behind.as_deref().map_or(Ok(Behind::More), behind_of)?;
        Ok(v1::Link {
            name: Some(self.name()?),
            quantity: facts.quantity.map(|quantity| v1::LinkQuantity {
                amount: quantity.amount().to_owned(),
                unit: quantity.unit().to_owned(),
            }),
            batch: facts.batch,
            valid_from,
            valid_until,
            evidence: facts.evidence,
            visibility: visibility.into(),
            readers,
            behind: behind_to_proto(behind).into(),
            etag: self.etag.clone().unwrap_or_default(),
            ..v1::Link::default()
        })
    }

    /// Which link it is.
    fn name(&self) -> Result<v1::LinkName, Refusal> {
        let owner = self.owner.as_deref().map(owner).transpose()?;
        name([&self.source, &self.kind, &self.target], owner)
    }

    fn seen_by(&self) -> Result<(Visibility, Option<v1::Readers>), Refusal> {
        let visibility = match (self.visibility.as_deref(), &self.readers) {
            (None, Some(_)) => Visibility::Readers,
            (None, None) => Visibility::Ends,
            (Some(text), _) => visibility_of(text)?,
        };
        let readers = match (visibility, &self.readers) {
            (Visibility::Readers, Some(texts)) => Some(readers::of_texts(texts)?),
            (Visibility::Readers, None) => {
                let rule = "say who: firm:… or group:…";
                return Err(invalid("readers", "", rule));
            }
            (_, Some(_)) => {
                let rule = "readers stand with the visibility readers only";
                return Err(invalid("visibility", visibility_text(visibility), rule));
            }
            (_, None) => None,
        };
        Ok((
            visibility,
            readers.map(|readers| readers::to_proto(&readers)),
        ))
    }
}

/// The name of a link: its source, kind and target, and `firms/…` if somebody is
/// named who states it.
///
/// # Errors
/// Those of [`Identifier::parse`] and [`LinkKind::parse`].
pub fn name(
    [source, kind, target]: [&str; 3],
    owner: Option<FirmId>,
) -> Result<v1::LinkName, Refusal> {
    let identifier = |field, text| Identifier::parse(text).map_err(|refusal| refusal.field(field));
    Ok(v1::LinkName {
        source: identifier("source", source)?.to_string(),
        kind: LinkKind::parse(kind)?.to_string(),
        target: identifier("target", target)?.to_string(),
        owner: owner.map(|id| format!("firms/{id}")).unwrap_or_default(),
    })
}

/// The firm that `text` names, as an id or as `firms/…`.
///
/// # Errors
/// [`Reason::IdInvalid`] for the field `owner`.
pub fn owner(text: &str) -> Result<FirmId, Refusal> {
    FirmId::parse(firm_of(text)).map_err(|refusal| refusal.field("owner"))
}

/// The id in `firms/…`.
pub fn firm_of(name: &str) -> &str {
    name.strip_prefix("firms/").unwrap_or(name)
}

/// Reads a point in time: RFC 3339, or a date, which begins at midnight UTC.
///
/// # Errors
/// [`Reason::FieldInvalid`] for `field`.
pub fn time(field: &'static str, text: &str) -> Result<prost_types::Timestamp, Refusal> {
    let time: Option<prost_types::Timestamp> = text.trim().parse().ok();
    time.filter(|time| time.seconds >= 0).ok_or_else(|| {
        invalid(
            field,
            text,
            "a time as 2026-12-31T16:00:00Z, or a date as 2026-12-31",
        )
    })
}

fn timestamp(time: &prost_types::Timestamp) -> Timestamp {
    let [seconds, nanos] =
        [time.seconds, time.nanos.into()].map(|part: i64| u64::try_from(part).unwrap_or(0));
    Timestamp::from_millis(seconds.saturating_mul(1000) + nanos / 1_000_000)
}

/// A state as it is shown; empty for one that we do not know.
pub fn state_text(state: State) -> &'static str {
    match state {
        State::Unspecified => "",
        State::Stated => "stated",
        State::Confirmed => "confirmed",
        State::Disputed => "disputed",
        State::Withdrawn => "withdrawn",
    }
}

const fn visibility_text(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Unspecified => "",
        Visibility::Public => "public",
        Visibility::Ends => "ends",
        Visibility::Readers => "readers",
        Visibility::Owner => "owner",
    }
}

fn visibility_of(text: &str) -> Result<Visibility, Refusal> {
    let known = [
        Visibility::Public,
        Visibility::Ends,
        Visibility::Readers,
        Visibility::Owner,
    ];
    let found = known.into_iter().find(|v| visibility_text(*v) == text);
    found.ok_or_else(|| invalid("visibility", text, "public, ends, readers or owner"))
}

const fn behind_text(behind: ProtoBehind) -> &'static str {
    match behind {
        ProtoBehind::Unspecified => "",
        ProtoBehind::More => "more",
        ProtoBehind::Nothing => "nothing",
        ProtoBehind::Through => "through",
    }
}

fn behind_of(text: &str) -> Result<Behind, Refusal> {
    match text {
        "more" => Ok(Behind::More),
        "nothing" => Ok(Behind::Nothing),
        "through" => Ok(Behind::Through),
        _ => Err(invalid("behind", text, "more, nothing or through")),
    }
}

const fn behind_to_proto(behind: Behind) -> ProtoBehind {
    match behind {
        Behind::More => ProtoBehind::More,
        Behind::Nothing => ProtoBehind::Nothing,
        Behind::Through => ProtoBehind::Through,
    }
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn invalid(field: &'static str, value: &str, rule: &str) -> Refusal {
    Refusal::new(Reason::FieldInvalid)
        .field(field)
        .value(value)
        .limit(rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> LinkShape {
        LinkShape {
            source: "88.118.7/BOX-1".into(),
            kind: "contains".into(),
            target: "88.118.8/P-1".into(),
            ..LinkShape::default()
        }
    }

    #[test]
    fn a_link_goes_there_and_back() {
        let given = LinkShape {
            owner: Some("oujiang".into()),
            quantity: Some("2.5".into()),
            unit: Some("kg".into()),
            batch: Some("B-1".into()),
            valid_from: Some("2025-01-08".into()),
            evidence: vec!["https://a.example/1".into()],
            readers: Some(vec!["firm:a".into(), "group:b".into()]),
            behind: Some("through".into()),
            ..link()
        };
        let stated = given.stated().expect("sound");
        let expected = LinkShape {
            valid_from: Some("2025-01-08T00:00:00Z".into()),
            visibility: Some("readers".into()),
            ..given
        };
        assert_eq!(LinkShape::shown(stated), expected);
        let plain = LinkShape::shown(link().stated().expect("sound"));
        assert_eq!(plain.visibility.as_deref(), Some("ends"));
        assert_eq!(plain.behind.as_deref(), Some("more"));
    }

    #[test]
    fn names_the_field_of_what_is_wrong() {
        let check = |change: fn(&mut LinkShape), field| {
            let mut shape = link();
            change(&mut shape);
            assert_eq!(shape.stated().expect_err(field).field_path(), field);
        };
        check(|l| l.source = "x".into(), "source");
        check(|l| l.target = String::new(), "target");
        check(|l| l.kind = "holds".into(), "kind");
        check(|l| l.owner = Some("A b".into()), "owner");
        check(|l| l.quantity = Some("none".into()), "quantity");
        check(|l| l.unit = Some("kg".into()), "unit");
        check(
            |l| (l.quantity, l.unit) = (Some("1".into()), Some("k\ng".into())),
            "unit",
        );
        check(|l| l.valid_from = Some("soon".into()), "valid_from");
        check(
            |l| {
                l.valid_from = Some("2025-01-08".into());
                l.valid_until = Some("2025-01-07".into());
            },
            "valid_until",
        );
        check(|l| l.visibility = Some("all".into()), "visibility");
        check(|l| l.visibility = Some("readers".into()), "readers");
        check(|l| l.readers = Some(vec!["me".into()]), "readers");
        check(|l| l.behind = Some("less".into()), "behind");
        check(|l| l.evidence = vec![String::new()], "evidence");
    }
}
