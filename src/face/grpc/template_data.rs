//! Templates between the model and messages.

use crate::face::grpc::convert;
use crate::model::template::draft::{DraftCode, DraftItem, DraftKind, DraftList};
use crate::model::template::{Draft, Template, Version, refusal_of};
use crate::model::{Reason, Refusal};
use crate::node::etag;
use crate::wire::proto::v1;
use crate::wire::proto::v1::template_item::Kind;

/// The message of one version of a template, with its items.
pub(super) fn whole(template: &Template, number: u32) -> v1::Template {
    let mut message = without_items(template, number);
    if let Some(published) = template.version(number) {
        let items = published.version.items().iter();
        message.items = items.map(|item| item_message(item.draft())).collect();
    }
    message
}

/// The same without its items, as lists have it.
pub(super) fn without_items(template: &Template, number: u32) -> v1::Template {
    let (latest_version, latest) = template.latest();
    let published = template.version(number);
    let version = published.map_or(latest, |published| &published.version);
    let is_shipped = template.revision() == 0;
    let time = |at| convert::time(at);
    v1::Template {
        name: format!("templates/{}", template.id()),
        firm: template
            .firm()
            .map_or_else(String::new, |firm| format!("firms/{firm}")),
        version: number,
        latest_version,
        label: version.label().to_owned(),
        note: version.note().to_owned(),
        industry: version.industry().to_owned(),
        sources: version.sources().map(str::to_owned).collect(),
        items: Vec::new(),
        etag: etag(template.revision()),
        create_time: (!is_shipped).then(|| time(template.created())),
        version_time: published
            .filter(|published| published.at != Default::default())
            .map(|published| time(published.at)),
    }
}

/// The version that a message describes.
///
/// # Errors
/// Every unsound part of it, in one refusal, its field as
/// `template.items[3].kind.pattern`.
pub(super) fn version(message: v1::Template) -> Result<Version, Refusal> {
    let v1::Template {
        label,
        note,
        industry,
        sources,
        items,
        ..
    } = message;
    let mut missing = Vec::new();
    let mut drafts = Vec::with_capacity(items.len().min(1024));
    for (position, item) in items.into_iter().enumerate() {
        match item_draft(item) {
            Ok(draft) => drafts.push(draft),
            Err(refusal) => missing.push(refusal.within(&format!("items[{position}]"))),
        }
    }
    let draft = Draft {
        label,
        note,
        industry,
        sources,
        items: drafts,
    };
    let checked = match refusal_of(missing) {
        Some(refusal) => Err(refusal),
        None => Version::new(&draft)
            .map_err(|faults| refusal_of(faults).unwrap_or_else(|| Refusal::new(Reason::Internal))),
    };
    checked.map_err(|refusal| refusal.within("template"))
}

fn item_draft(message: v1::TemplateItem) -> Result<DraftItem, Refusal> {
    let v1::TemplateItem {
        index,
        name,
        label,
        note,
        required,
        unique,
        disabled,
        list,
        readers,
        kind,
    } = message;
    let kind = kind.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("kind"))?;
    Ok(DraftItem {
        index,
        name,
        label,
        note,
        kind: kind_draft(kind)?,
        required,
        unique,
        disabled,
        list: list.map(|v1::ElementCount { min, max }| DraftList {
            count_min: min,
            count_max: max,
        }),
        readers: readers.map(reader_texts),
    })
}

fn kind_draft(kind: Kind) -> Result<DraftKind, Refusal> {
    let given = |text: String| (!text.is_empty()).then_some(text);
    Ok(match kind {
        Kind::Text(v1::TextKind {
            length_min,
            length_max,
            pattern,
        }) => DraftKind::Text {
            length_min,
            length_max,
            pattern: given(pattern),
        },
        Kind::Integer(v1::IntegerKind { min, max }) => DraftKind::Integer { min, max },
        Kind::Decimal(v1::DecimalKind {
            min,
            max,
            scale,
            unit,
        }) => DraftKind::Decimal {
            min: given(min),
            max: given(max),
            scale: scale.map(digits).transpose()?,
            unit,
        },
        Kind::Date(v1::DateKind { min, max }) => DraftKind::Date {
            min: given(min),
            max: given(max),
        },
        Kind::DateTime(v1::DateTimeKind { min, max }) => DraftKind::DateTime {
            min: given(min),
            max: given(max),
        },
        Kind::Boolean(v1::BooleanKind {}) => DraftKind::Boolean {},
        Kind::Code(v1::CodeKind { codes }) => DraftKind::Code {
            codes: codes
                .into_iter()
                .map(|v1::code_kind::Code { code, label }| DraftCode { code, label })
                .collect(),
        },
        Kind::Url(v1::UrlKind {}) => DraftKind::Url {},
        Kind::Digest(v1::DigestKind { algorithms }) => DraftKind::Digest { algorithms },
        Kind::Reference(v1::ReferenceKind { prefixes }) => DraftKind::Reference { prefixes },
        Kind::Composition(v1::CompositionKind {}) => DraftKind::Composition {},
    })
}

/// A count of digits; above what a byte holds no number has so many.
fn digits(scale: u32) -> Result<u8, Refusal> {
    u8::try_from(scale).map_err(|_| {
        Refusal::new(Reason::FieldInvalid)
            .field("kind.scale")
            .value(scale)
            .limit("at most 14")
    })
}

fn item_message(draft: DraftItem) -> v1::TemplateItem {
    let DraftItem {
        index,
        name,
        label,
        note,
        kind,
        required,
        unique,
        disabled,
        list,
        readers,
    } = draft;
    v1::TemplateItem {
        index,
        name,
        label,
        note,
        required,
        unique,
        disabled,
        list: list.map(
            |DraftList {
                 count_min,
                 count_max,
             }| v1::ElementCount {
                min: count_min,
                max: count_max,
            },
        ),
        readers: readers.map(|texts| readers_message(&texts)),
        kind: Some(kind_message(kind)),
    }
}

/// Readers as drafts have them: `firm:ID`, `group:ID`.
fn reader_texts(readers: v1::Readers) -> Vec<String> {
    let v1::Readers { firms, groups } = readers;
    let firms = firms.into_iter().map(|id| format!("firm:{id}"));
    let groups = groups.into_iter().map(|id| format!("group:{id}"));
    firms.chain(groups).collect()
}

/// The inverse of [`reader_texts`].
fn readers_message(texts: &[String]) -> v1::Readers {
    let of = |mark| {
        let ids = texts.iter().filter_map(move |text| text.strip_prefix(mark));
        ids.map(str::to_owned).collect()
    };
    v1::Readers {
        firms: of("firm:"),
        groups: of("group:"),
    }
}

fn kind_message(kind: DraftKind) -> Kind {
    match kind {
        DraftKind::Text {
            length_min,
            length_max,
            pattern,
        } => Kind::Text(v1::TextKind {
            length_min,
            length_max,
            pattern: pattern.unwrap_or_default(),
        }),
        DraftKind::Integer { min, max } => Kind::Integer(v1::IntegerKind { min, max }),
        DraftKind::Decimal {
            min,
            max,
            scale,
            unit,
        } => Kind::Decimal(v1::DecimalKind {
            min: min.unwrap_or_default(),
            max: max.unwrap_or_default(),
            scale: scale.map(u32::from),
            unit,
        }),
        DraftKind::Date { min, max } => Kind::Date(v1::DateKind {
            min: min.unwrap_or_default(),
            max: max.unwrap_or_default(),
        }),
        DraftKind::DateTime { min, max } => Kind::DateTime(v1::DateTimeKind {
            min: min.unwrap_or_default(),
            max: max.unwrap_or_default(),
        }),
        DraftKind::Boolean {} => Kind::Boolean(v1::BooleanKind {}),
        DraftKind::Code { codes } => Kind::Code(v1::CodeKind {
            codes: codes
                .into_iter()
                .map(|DraftCode { code, label }| v1::code_kind::Code { code, label })
                .collect(),
        }),
        DraftKind::Url {} => Kind::Url(v1::UrlKind {}),
        DraftKind::Digest { algorithms } => Kind::Digest(v1::DigestKind { algorithms }),
        DraftKind::Reference { prefixes } => Kind::Reference(v1::ReferenceKind { prefixes }),
        DraftKind::Composition {} => Kind::Composition(v1::CompositionKind {}),
    }
}
