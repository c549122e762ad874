//! Records under a template as JSON documents: `{"name": "…", "poles": 2}`, as
//! the programs of firms have them and the [schema](super::schema) describes
//! them.
//!
//! Numbers and truth values of JSON become the texts that records keep; there
//! and back nothing is lost.

use serde_json::{Map, Value as Json};

use crate::model::fault::{Reason, Refusal};
use crate::model::record::{Permissions, Ttl, Value};
use crate::model::template::item::Item;
use crate::model::template::kind::Kind;
use crate::model::template::version::Version;
use crate::model::time::Timestamp;

impl Version {
    /// The values of a document, ascending by index, not yet checked against the
    /// items' rules.
    ///
    /// # Errors
    /// Each property that is of the wrong type or no item's name:
    /// [`Reason::ItemForm`], [`Reason::ItemNameUnknown`].
    pub fn values_of(&self, document: &Map<String, Json>) -> Result<Vec<Value>, Vec<Refusal>> {
        let (mut values, mut faults) = (Vec::new(), Vec::new());
        for (name, json) in document {
            let found = self
                .items()
                .iter()
                .find(|item| item.name().as_str() == name);
            let Some(item) = found else {
                let refusal = Refusal::new(Reason::ItemNameUnknown);
                faults.push(refusal.field("document").value(name));
                continue;
            };
            match text_of_item(item, json) {
                Some(text) => values.push(value(item, text)),
                None => faults.push(
                    Refusal::new(Reason::ItemForm)
                        .field(format!("values[index={}].data", item.index()))
                        .value(json)
                        .limit(format!("{}: {}", item.name(), json_type(item))),
                ),
            }
        }
        values.sort_unstable_by_key(|value| value.index);
        if faults.is_empty() {
            return Ok(values);
        }
        Err(faults)
    }

    /// The document of a record's values; values that are no items' are left out.
    pub fn document(&self, values: &[Value]) -> Map<String, Json> {
        let of = |value: &Value| {
            let item = self.item(value.index)?;
            let json = json_of_item(item, value.text()?)?;
            Some((item.name().as_str().to_owned(), json))
        };
        values.iter().filter_map(of).collect()
    }
}

fn value(item: &Item, text: String) -> Value {
    Value {
        index: item.index(),
        value_type: item.name().clone(),
        data: text.into_bytes(),
        ttl: Ttl::DEFAULT,
        permissions: Permissions::DEFAULT,
        changed: Timestamp::default(),
        references: Vec::new(),
        readers: None,
    }
}

/// What a document has for an item, for people.
fn json_type(item: &Item) -> &'static str {
    match (item.list(), item.kind()) {
        (Some(_), _) => "a list",
        (None, Kind::Integer(_)) => "an integer",
        (None, Kind::Decimal { .. }) => "a number",
        (None, Kind::Boolean) => "true or false",
        (
            None,
            Kind::Text { .. }
            | Kind::Date(_)
            | Kind::DateTime(_)
            | Kind::Code(_)
            | Kind::Url
            | Kind::Digest(_)
            | Kind::Reference(_)
            | Kind::Composition,
        ) => "a string",
    }
}

fn text_of_item(item: &Item, json: &Json) -> Option<String> {
    if item.list().is_none() {
        return text_of(item.kind(), json);
    }
    let elements = json.as_array()?.iter();
    let texts: Option<Vec<String>> = elements.map(|json| text_of(item.kind(), json)).collect();
    Some(Json::from(texts?).to_string())
}

fn text_of(kind: &Kind, json: &Json) -> Option<String> {
    match (kind, json) {
        (Kind::Integer(_) | Kind::Decimal { .. }, Json::Number(number)) => {
            if let Some(whole) = number.as_i64() {
                return Some(whole.to_string());
            }
            // Rust shows a double without an exponent and with no digit more than
            // it takes to read it again.
            number.as_f64().map(|double| double.to_string())
        }
        (Kind::Boolean, Json::Bool(truth)) => Some(truth.to_string()),
        (Kind::Integer(_) | Kind::Decimal { .. } | Kind::Boolean, _) => None,
        (_, Json::String(text)) => Some(text.clone()),
        (_, _) => None,
    }
}

fn json_of_item(item: &Item, text: &str) -> Option<Json> {
    if item.list().is_none() {
        return json_of(item.kind(), text);
    }
    let texts: Vec<String> = serde_json::from_str(text).ok()?;
    let elements: Option<Vec<Json>> = texts
        .iter()
        .map(|text| json_of(item.kind(), text))
        .collect();
    elements.map(Json::Array)
}

fn json_of(kind: &Kind, text: &str) -> Option<Json> {
    let form = match kind {
        Kind::Integer(_) | Kind::Decimal { .. } | Kind::Boolean => kind.check(text).ok()?,
        Kind::Text { .. }
        | Kind::Date(_)
        | Kind::DateTime(_)
        | Kind::Code(_)
        | Kind::Url
        | Kind::Digest(_)
        | Kind::Reference(_)
        | Kind::Composition => return Some(Json::from(text)),
    };
    // What is checked is a number or a truth value of JSON as it stands.
    serde_json::from_str(&form).ok()
}
