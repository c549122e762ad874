//! Text that people wrote and people read: in one line, in bounds, showing what
//! it holds.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::fault::{Reason, Refusal};

/// A line of 1 to `MAX` characters without blanks around it, and without
/// characters that would not show or show others in another order.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MAX: usize>(Box<str>);

impl<const MAX: usize> Text<MAX> {
    /// Takes a text; blanks around it are dropped. A refusal names `field`, and
    /// never the text: it may be personal.
    ///
    /// # Errors
    /// [`Reason::TextInvalid`].
    pub fn parse(text: &str, field: &'static str) -> Result<Self, Refusal> {
        let text = text.trim();
        let sound = !text.is_empty() && text.chars().count() <= MAX && !text.contains(is_unseen);
        if sound {
            return Ok(Self(text.into()));
        }
        Err(Refusal::new(Reason::TextInvalid).field(field).limit(MAX))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Shows no text: it may be personal.
impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes)", self.0.len())
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text, "text")
    }
}

impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0.into_string()
    }
}

/// Whether a character is a control, moves the direction of writing, or has no
/// width: with these two texts can look alike and differ.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_line_within_its_bounds() {
        let text = Text::<5>::parse("  温州 某厂 ", "name").expect("a line");
        assert_eq!(text.as_str(), "温州 某厂");
        assert_eq!(format!("{text:?}"), "Text(13 bytes)");
    }

    #[test]
    fn refuses_what_does_not_show_and_repeats_none_of_it() {
        for bad in [
            "",
            "   ",
            "六个字符太长",
            "a\nb",
            "a\0",
            "a\u{202e}b",
            "a\u{200b}",
            "\u{feff}a",
            "a\u{7f}",
            "a\u{85}b",
        ] {
            let refusal = Text::<5>::parse(bad, "name").expect_err("no line");
            assert_eq!(refusal.reason(), Reason::TextInvalid, "{bad:?}");
            assert_eq!((refusal.field_path(), refusal.shown_value()), ("name", ""));
        }
    }
}
