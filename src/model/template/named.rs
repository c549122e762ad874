//! Which version of which template the values of a record name: value 1000 names the
//! template, value 1001 the version.

use crate::model::ids::FirmId;
use crate::model::limits::{TEMPLATE_INDEX, TEMPLATE_VERSION_INDEX};
use crate::model::record::{TEMPLATE_TYPE, TEMPLATE_VERSION_TYPE, Value};
use crate::model::template::history::{Published, Template};

/// What values, ascending by index, name: a template, and a version if they do.
pub fn named(values: &[Value]) -> Option<(&str, Option<&str>)> {
    let id = value_of(values, TEMPLATE_INDEX, TEMPLATE_TYPE)?;
    let version = value_of(values, TEMPLATE_VERSION_INDEX, TEMPLATE_VERSION_TYPE);
    Some((
        id.text().unwrap_or_default(),
        version.map(|value| value.text().unwrap_or_default()),
    ))
}

/// The value at `index` of values, ascending by index, if it is of this type.
pub fn value_of<'a>(values: &'a [Value], index: u32, value_type: &str) -> Option<&'a Value> {
    let at = values
        .binary_search_by_key(&index, |value| value.index)
        .ok()?;
    values
        .get(at)
        .filter(|value| value.value_type.as_str() == value_type)
}

impl Template {
    /// Whether records under a prefix of `holder` may stand under it.
    pub fn is_for(&self, holder: Option<&FirmId>) -> bool {
        self.firm().is_none() || self.firm() == holder
    }

    /// The version whose number, from 1, is written like this: digits without leading
    /// zeros.
    pub fn version_named(&self, text: &str) -> Option<(u32, &Published)> {
        let sound = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = sound.then(|| text.parse().ok())??;
        Some((number, self.version(number)?))
    }
}
