//! What a file gives: records or links, and rows that are none.

use crate::cli::failure::Failure;
use crate::model::limits::{TEMPLATE_INDEX, TEMPLATE_VERSION_INDEX};
use crate::model::record::{TEMPLATE_TYPE, TEMPLATE_VERSION_TYPE};
use crate::model::template::Version;
use crate::model::{Identifier, Language, Prefix, Reason, Refusal};
use crate::wire::proto::v1;

/// The version of a template that the records of a file stand under.
#[derive(Clone, Debug)]
pub struct Under {
    /// The template's id.
    pub id: String,
    /// The version's number.
    pub number: u32,
    /// What it says.
    pub version: Version,
}

impl Under {
    /// Adds to a record the values that name the template, unless it has one.
    pub fn name(&self, record: &mut v1::Record) {
        if record
            .values
            .iter()
            .any(|value| value.index == TEMPLATE_INDEX)
        {
            return;
        }
        let value = |index, value_type: &str, text| v1::Value {
            index,
            r#type: value_type.to_owned(),
            data: Some(v1::value::Data::Text(text)),
            ..v1::Value::default()
        };
        let number = self.number.to_string();
        record.values.extend([
            value(TEMPLATE_INDEX, TEMPLATE_TYPE, self.id.clone()),
            value(TEMPLATE_VERSION_INDEX, TEMPLATE_VERSION_TYPE, number),
        ]);
    }

    /// The item that a field as `values[index=2004].data` is about, by its name;
    /// else the field.
    pub fn column(&self, field: &str) -> String {
        let item = value_index(field).and_then(|index| self.version.item(index));
        item.map_or_else(|| field.to_owned(), |item| item.name().to_string())
    }
}

/// Why a row of a file was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Its line in the file, from 1; the header is line 1.
    pub row: u64,
    /// The column as the header names it, or the field of a JSON object.
    pub column: String,
    /// What stands there.
    pub value: String,
    /// The stable reason.
    pub reason: String,
    /// The rule in English.
    pub english: String,
    /// The rule in Chinese.
    pub chinese: String,
}

impl BadRow {
    /// What `refusal` says of `column`.
    pub fn new(row: u64, column: &str, value: &str, refusal: &Refusal) -> Self {
        Self {
            row,
            column: column.to_owned(),
            value: value.to_owned(),
            reason: refusal.reason().code().to_owned(),
            english: refusal.text(Language::English),
            chinese: refusal.text(Language::Chinese),
        }
    }
}

/// The next of a file.
#[derive(Clone, Debug)]
pub enum Parsed<T> {
    /// A record or a link, and the row at which it begins.
    Item(u64, T),
    /// One that is none: every broken rule of its rows.
    Bad(Vec<BadRow>),
}

/// A file that is read row by row.
pub trait Rows {
    /// What it has.
    type Item;

    /// The next, or `None` at the end.
    ///
    /// # Errors
    /// If the file cannot be read further.
    fn next(&mut self) -> Result<Option<Parsed<Self::Item>>, Failure>;
}

/// Parses an identifier, which must stand below `prefix` if there is one.
///
/// # Errors
/// Those of [`Identifier::parse`]; [`Reason::FieldInvalid`] elsewhere.
pub fn identifier_below(text: &str, prefix: Option<&Prefix>) -> Result<Identifier, Refusal> {
    let identifier = Identifier::parse(text)?;
    match prefix {
        Some(prefix) if identifier.prefix().canonical() != prefix.canonical() => {
            Err(Refusal::new(Reason::FieldInvalid)
                .field("identifier")
                .value(text)
                .limit(format!("must stand below {prefix}")))
        }
        _ => Ok(identifier),
    }
}

/// The index in a field as `values[index=2004].data`.
fn value_index(field: &str) -> Option<u32> {
    let (index, _) = field.strip_prefix("values[index=")?.split_once(']')?;
    index.parse().ok()
}

/// Position and field of `values[3].index`.
pub fn value_position(field: &str) -> Option<(usize, &str)> {
    let (position, rest) = field.strip_prefix("values[")?.split_once(']')?;
    Some((position.parse().ok()?, rest.trim_start_matches('.')))
}
