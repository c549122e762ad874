//! The prefix that a firm applies for.

use serde::{Deserialize, Serialize};

use crate::model::fault::{Reason, Refusal};
use crate::model::identifier::Prefix;

/// A prefix below which a firm may register: any but that of the prefixes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WantedPrefix(Prefix);

impl WantedPrefix {
    /// Parses a prefix.
    ///
    /// # Errors
    /// Those of [`Prefix::parse`]; [`Reason::FieldInvalid`] for `0.NA` and what
    /// is below it, which belong to no firm.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let prefix =
            Prefix::parse(text.trim()).map_err(|refusal| refusal.field("wanted_prefix"))?;
        let canonical = prefix.canonical();
        let of_prefixes = Prefix::of_prefixes().canonical();
        let below = canonical.strip_prefix(&of_prefixes);
        if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')) {
            return Err(Refusal::new(Reason::FieldInvalid)
                .field("wanted_prefix")
                .value(text)
                .limit("it belongs to the Handle System"));
        }
        Ok(Self(prefix))
    }

    /// The prefix.
    pub const fn prefix(&self) -> &Prefix {
        &self.0
    }
}

impl TryFrom<String> for WantedPrefix {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<WantedPrefix> for String {
    fn from(wanted: WantedPrefix) -> Self {
        wanted.0.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_prefixes_of_firms_only() {
        assert!(WantedPrefix::parse("88.118.7").is_ok());
        assert!(WantedPrefix::parse("0.NAB").is_ok());
        for text in ["", "0.NA", "0.na.7", "88..7", "88.118.7/x", "88.118.x"] {
            let refusal = WantedPrefix::parse(text).expect_err(text);
            assert_eq!(refusal.field_path(), "wanted_prefix", "{text}");
        }
    }
}
