//! Templates between messages and the files that people write.

use serde_json::{Map, Value as Json, json};

use crate::cli::failure::Failure;
use crate::model::template::draft::{DraftCode, DraftItem, DraftKind, DraftList};
use crate::model::template::{Draft, Version};
use crate::wire::proto::v1;
use crate::wire::proto::v1::template_item::Kind;

/// Keys of a shown template that its file need not have: the node sets them.
const OUTPUT_ONLY: [&str; 7] = [
    "template",
    "firm",
    "version",
    "latest_version",
    "etag",
    "create_time",
    "version_time",
];

/// A template as JSON: what a file of it has, and what the node tells of it.
///
/// # Errors
/// If the node is newer than this program.
pub fn shape(template: v1::Template) -> Result<Json, Failure> {
    let v1::Template {
        name,
        firm,
        version,
        latest_version,
        etag,
        create_time,
        version_time,
        ..
    } = &template;
    let mut shape = json!({
        "template": id_of(name),
        "firm": firm.strip_prefix("firms/").unwrap_or(firm),
        "version": version,
        "latest_version": latest_version,
        "etag": etag,
        "create_time": create_time.as_ref().map(ToString::to_string),
        "version_time": version_time.as_ref().map(ToString::to_string),
    });
    let draft = serde_json::to_value(draft_of(template)?);
    let draft = draft.map_err(|error| Failure::io("cannot write JSON", &error.into()))?;
    if let (Some(shape), Json::Object(draft)) = (shape.as_object_mut(), without_nulls(draft)) {
        shape.extend(draft);
    }
    Ok(shape)
}

/// The draft that a file holds: JSON as [`shape`] makes it.
///
/// # Errors
/// [`Exit::Usage`](crate::cli::failure::Exit::Usage) with the line and what is
/// wrong there.
pub fn draft_of_file(text: &str) -> Result<Draft, Failure> {
    let wrong = |error: serde_json::Error| Failure::usage(format!("no template: {error}"));
    let mut object: Map<String, Json> = serde_json::from_str(text).map_err(wrong)?;
    for key in OUTPUT_ONLY {
        object.remove(key);
    }
    serde_json::from_value(Json::Object(object)).map_err(wrong)
}

/// The version that a message holds.
///
/// # Errors
/// If the node is newer than this program.
pub fn version_of(template: v1::Template) -> Result<Version, Failure> {
    Version::new(&draft_of(template)?).map_err(|_| newer())
}

/// The id of `templates/{id}`.
pub fn id_of(name: &str) -> &str {
    name.strip_prefix("templates/").unwrap_or(name)
}

fn newer() -> Failure {
    Failure::usage("the template has what this program does not know; it is older than the node")
}

fn without_nulls(json: Json) -> Json {
    match json {
        Json::Object(object) => object
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        Json::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

fn draft_of(template: v1::Template) -> Result<Draft, Failure> {
    let v1::Template {
        label,
        note,
        industry,
        sources,
        items,
        ..
    } = template;
    let items: Option<Vec<DraftItem>> = items.into_iter().map(item_draft).collect();
    Ok(Draft {
        label,
        note,
        industry,
        sources,
        items: items.ok_or_else(newer)?,
    })
}

/// The message of a draft, under the name `templates/{id}`.
pub fn message(id: &str, draft: Draft) -> v1::Template {
    let Draft {
        label,
        note,
        industry,
        sources,
        items,
    } = draft;
    v1::Template {
        name: format!("templates/{id}"),
        label,
        note,
        industry,
        sources,
        items: items.into_iter().map(item_message).collect(),
        ..v1::Template::default()
    }
}

fn item_draft(item: v1::TemplateItem) -> Option<DraftItem> {
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
    } = item;
    Some(DraftItem {
        index,
        name,
        label,
        note,
        kind: kind_draft(kind?)?,
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

fn kind_draft(kind: Kind) -> Option<DraftKind> {
    let given = |text: String| (!text.is_empty()).then_some(text);
    Some(match kind {
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
            scale: scale.map(u8::try_from).transpose().ok()?,
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

fn item_message(item: DraftItem) -> v1::TemplateItem {
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
    } = item;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::template::sector;

    #[test]
    fn a_shown_template_is_a_file_of_it() {
        for (id, version) in sector::all() {
            let shown = shape(message(id, version.draft())).expect("a shape");
            let draft = draft_of_file(&shown.to_string()).expect("a draft");
            assert_eq!(Version::new(&draft).as_ref(), Ok(version.as_ref()), "{id}");
            assert_eq!(
                version_of(message(id, draft)).ok().as_ref(),
                Some(&**version)
            );
        }
    }

    #[test]
    fn a_file_says_nothing_that_is_not_read() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"label": "x", "items": [], "colour": 1}"#,
        ] {
            assert!(draft_of_file(text).is_err(), "{text}");
        }
        let draft = draft_of_file(r#"{"label": "x", "items": [], "etag": "r1"}"#);
        assert!(draft.is_ok(), "the node judges it");
    }
}
