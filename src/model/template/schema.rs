//! A version of a template as a JSON Schema (draft 2020-12), for the programs of
//! firms: it describes the documents of [`super::document`].
//!
//! What JSON Schema cannot say stands in `description` and in keywords of the
//! trade: bounds of days as `formatMinimum` (of ajv-formats), a unit as
//! `x-unit`. That a value is unique, and that percentages sum to 100, only the
//! node can tell.

use serde_json::{Map, Number, Value as Json, json};

use crate::model::limits::{DECIMAL_DIGITS_MAX, URL_BYTES_MAX};
use crate::model::template::decimal::Decimal;
use crate::model::template::item::{Item, ItemState};
use crate::model::template::kind::{Bounds, Code, Kind};
use crate::model::template::version::Version;
use crate::model::template::{composition, url};

/// What a text never has: control characters but tab and line feed.
const PLAIN: &str = "^[^\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f]*$";
const DATE: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$";
const DATE_TIME: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

impl Version {
    /// The schema, under `id`: the address by which others name it.
    pub fn schema(&self, id: &str) -> Json {
        let mut properties = Map::new();
        let mut required = Vec::new();
        let active = |item: &&std::sync::Arc<Item>| item.state() == ItemState::Active;
        for item in self.items().iter().filter(active) {
            let name = item.name().as_str();
            if item.is_required() {
                required.push(Json::from(name));
            }
            properties.insert(name.to_owned(), item_schema(item));
        }
        let mut schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": id,
            "title": self.label(),
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        describe(&mut schema, self.note());
        schema
    }
}

fn item_schema(item: &Item) -> Json {
    let element = kind_schema(item.kind());
    let mut schema = match item.list() {
        None => element,
        Some(count) => json!({
            "type": "array",
            "items": element,
            "minItems": count.start(),
            "maxItems": count.end(),
            "uniqueItems": item.is_unique(),
        }),
    };
    set(&mut schema, "title", item.label());
    set(&mut schema, "x-index", item.index());
    if item.is_unique() {
        set(&mut schema, "x-unique", true);
    }
    describe(&mut schema, item.note());
    schema
}

fn kind_schema(kind: &Kind) -> Json {
    match kind {
        Kind::Text { length, pattern } => {
            let mut schema = json!({
                "type": "string",
                "minLength": length.start(),
                "maxLength": length.end(),
                "pattern": PLAIN,
            });
            if let Some(pattern) = pattern {
                set(&mut schema, "allOf", json!([{ "pattern": pattern.ecma() }]));
            }
            schema
        }
        Kind::Integer(Bounds { min, max }) => json!({
            "type": "integer",
            "minimum": min.unwrap_or(i64::MIN),
            "maximum": max.unwrap_or(i64::MAX),
        }),
        Kind::Decimal {
            bounds,
            scale,
            unit,
        } => decimal_schema(*bounds, *scale, unit),
        Kind::Date(bounds) => format_schema("date", DATE, bounds),
        Kind::DateTime(bounds) => format_schema("date-time", DATE_TIME, bounds),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Code(codes) => code_schema(codes),
        Kind::Url => json!({
            "type": "string",
            "format": "uri",
            "maxLength": URL_BYTES_MAX,
            "pattern": url::ECMA,
        }),
        Kind::Digest(algorithms) => {
            let forms: Vec<String> = algorithms
                .iter()
                .map(|algorithm| {
                    format!(
                        "{}:[0-9a-f]{{{}}}",
                        algorithm.name(),
                        algorithm.digit_count()
                    )
                })
                .collect();
            json!({ "type": "string", "pattern": format!("^({})$", forms.join("|")) })
        }
        Kind::Reference(prefixes) => {
            let names: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
            let mut schema = json!({ "type": "string", "pattern": "^([0-9]+:)?[^/]+/[^]+$" });
            if !names.is_empty() {
                set(&mut schema, "x-prefixes", names);
            }
            schema
        }
        Kind::Composition => json!({ "type": "string", "pattern": composition::ECMA }),
    }
}

/// A number; every one has bounds, those of its digits if no others.
fn decimal_schema(bounds: Bounds<Decimal>, scale: Option<u8>, unit: &str) -> Json {
    let Bounds { min, max } = bounds;
    let largest = "9".repeat(DECIMAL_DIGITS_MAX);
    let mut schema = json!({
        "type": "number",
        "minimum": min.map_or_else(|| number(&format!("-{largest}")), decimal),
        "maximum": max.map_or_else(|| number(&largest), decimal),
    });
    if let Some(scale) = scale {
        set(&mut schema, "multipleOf", number(&format!("1e-{scale}")));
    }
    if !unit.is_empty() {
        set(&mut schema, "x-unit", unit);
    }
    schema
}

/// One of the codes; with their labels where they have some.
fn code_schema(codes: &[Code]) -> Json {
    if codes.iter().all(|code| code.label.is_empty()) {
        let names: Vec<&str> = codes.iter().map(|code| code.code.as_ref()).collect();
        return json!({ "type": "string", "enum": names });
    }
    let each = codes.iter().map(|Code { code, label }| {
        json!({ "const": code, "title": if label.is_empty() { code } else { label } })
    });
    json!({ "type": "string", "oneOf": each.collect::<Vec<_>>() })
}

fn format_schema<T: ToString>(format: &str, pattern: &str, bounds: &Bounds<T>) -> Json {
    let mut schema = json!({ "type": "string", "format": format, "pattern": pattern });
    if let Some(min) = &bounds.min {
        set(&mut schema, "formatMinimum", min.to_string());
    }
    if let Some(max) = &bounds.max {
        set(&mut schema, "formatMaximum", max.to_string());
    }
    schema
}

fn decimal(decimal: Decimal) -> Json {
    number(&decimal.to_string())
}

/// A number by its text; a double keeps all digits of a decimal.
fn number(text: &str) -> Json {
    let whole = text.parse::<i64>().map(Number::from);
    let any = whole.ok().or_else(|| Number::from_f64(text.parse().ok()?));
    any.map_or(Json::Null, Json::Number)
}

fn set(schema: &mut Json, key: &str, value: impl Into<Json>) {
    if let Some(object) = schema.as_object_mut() {
        object.insert(key.to_owned(), value.into());
    }
}

fn describe(schema: &mut Json, note: &str) {
    if !note.is_empty() {
        set(schema, "description", note);
    }
}

#[cfg(test)]
mod tests;
