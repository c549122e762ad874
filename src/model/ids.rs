//! Names of what the node keeps beside records: firms, principals, groups,
//! shares and templates.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::fault::{Reason, Refusal};
use crate::model::limits::ID_CHARS_MAX;

/// Declares an id: a type of its own for each kind of thing, so that one is not
/// taken for another.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $field:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Parses an id: 1 to [`ID_CHARS_MAX`] lower-case letters, digits
            /// and `-`.
            ///
            /// # Errors
            /// [`Reason::IdInvalid`].
            pub fn parse(text: &str) -> Result<Self, Refusal> {
                checked(text, $field).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Refusal;

            fn try_from(text: String) -> Result<Self, Refusal> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.into_string()
            }
        }
    };
}

id! {
    /// Names a firm, from its application on.
    FirmId, "firm"
}
id! {
    /// Names a principal: a person, a key or a certificate.
    PrincipalId, "principal"
}
id! {
    /// Names a group of firms.
    GroupId, "group"
}
id! {
    /// Names a share link.
    ShareId, "share"
}
id! {
    /// Names a template, of a firm or of a sector, whatever its version.
    TemplateId, "template"
}

fn checked(text: &str, field: &'static str) -> Result<Box<str>, Refusal> {
    let sound = (1..=ID_CHARS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if sound {
        return Ok(text.into());
    }
    Err(Refusal::new(Reason::IdInvalid)
        .field(field)
        .value(text)
        .limit(ID_CHARS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_lower_case_letters_digits_and_hyphens() {
        for text in ["a", "low-voltage", "0f3c9a12", &"x".repeat(ID_CHARS_MAX)] {
            assert_eq!(FirmId::parse(text).expect("an id").as_str(), text);
        }
        let long = "x".repeat(ID_CHARS_MAX + 1);
        for text in ["", "A", "a/b", "a b", "a_b", "企业", "a\0", &long] {
            let refusal = FirmId::parse(text).expect_err("no id");
            assert_eq!(refusal.reason(), Reason::IdInvalid, "{text}");
            assert_eq!(refusal.field_path(), "firm");
        }
    }
}
