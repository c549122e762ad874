//! What something is made of: `羊毛 60% 聚酯纤维 40%`.

use crate::model::limits::{COMPOSITION_PARTS_MAX, LABEL_CHARS_MAX};
use crate::model::template::decimal::Decimal;

/// The form of a composition for JSON Schema, which cannot sum.
pub(super) const ECMA: &str = "^([^%]*[^%0-9.][0-9]+(\\.[0-9]+)?%)+$";

/// What may stand between two parts.
const SEPARATORS: &[char] = &[' ', ',', ';', '、', '，', '；'];

/// Checks that `text` is parts, each a name and a percentage above 0 with at most
/// two digits behind the point, that sum to 100 (GB/T 29862 asks so of fibres).
///
/// # Errors
/// The rule that it breaks, in English.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    const FORM: &str = "names and percentages as cotton 60% silk 40%";
    let Some(parts) = text.strip_suffix('%') else {
        return Err(FORM);
    };
    let mut sum = Decimal::ZERO;
    for (position, part) in parts.split('%').enumerate() {
        if position >= COMPOSITION_PARTS_MAX {
            return Err("at most 32 parts");
        }
        let named = part.trim_start_matches(SEPARATORS);
        // The first part begins the text; each other one is set off from it.
        if (position == 0) == (named.len() < part.len()) {
            return Err(FORM);
        }
        let share = share(named).ok_or(FORM)?;
        sum = sum.checked_add(share).ok_or(FORM)?;
    }
    if sum == Decimal::whole(100) {
        return Ok(());
    }
    Err("percentages that sum to 100")
}

/// The percentage of one part: a name, perhaps a space, a number.
fn share(part: &str) -> Option<Decimal> {
    let name = part.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = part.strip_prefix(name)?;
    let name = name.strip_suffix(' ').unwrap_or(name);
    let is_sound = !name.is_empty()
        && !name.ends_with(' ')
        && name.chars().count() <= LABEL_CHARS_MAX
        && !name.chars().any(char::is_control);
    let share = Decimal::parse(number)?;
    (is_sound && share > Decimal::ZERO && share.scale() <= 2).then_some(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_to_a_hundred() {
        let pattern = regex::Regex::new(ECMA).expect("pattern");
        for text in [
            "羊毛 60% 聚酯纤维 40%",
            "棉100%",
            "棉 64.5%、锦纶 30.5%，氨纶 5%",
            "PA6 97.5% EVA 2.5%",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
            assert!(pattern.is_match(text), "{text}");
        }
        for text in [
            "",
            "%",
            "100%",
            "棉",
            "棉 60%",
            "棉 60% 涤 41%",
            "棉 60%涤 40%",
            "棉 -10% 涤 110%",
            "棉 0% 涤 100%",
            " 棉 100%",
            "棉 100% ",
            "棉  100%",
            "棉 33.333% 涤 66.667%",
            "棉\n100%",
            "棉 1e2%",
        ] {
            assert!(check(text).is_err(), "{text}");
        }
        let many = "棉 1% ".repeat(100);
        assert_eq!(check(many.trim_end()), Err("at most 32 parts"));
    }
}
