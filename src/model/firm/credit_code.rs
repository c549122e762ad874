//! The unified social credit code: who a firm is to every Chinese authority
//! (GB 32100-2015).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::fault::{Reason, Refusal};

/// Characters of a code.
const CHARS: usize = 18;
/// The characters by their values, 0 to 30: no I, O, S, V and Z (GB 32100-2015,
/// table A.1).
const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
/// The authorities that register: the first character (GB 32100-2015 §5.2).
const AUTHORITIES: &[u8] = b"123456789ANY";
/// The weights of the 17 characters before the check character: the powers of 3
/// modulo 31 (GB 32100-2015 §B.2).
const WEIGHTS: [u32; CHARS - 1] = [
    1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28,
];

/// A unified social credit code whose check character is right, in upper case.
///
/// ```text
/// 1 authority  1 kind  6 division (digits)  9 organization  1 check character
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CreditCode(Box<str>);

impl CreditCode {
    /// Parses a code; lower case is taken as upper.
    ///
    /// # Errors
    /// [`Reason::CreditCodeSyntax`], and [`Reason::CreditCodeCheck`] with the
    /// check character that the others ask for.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let code = text.trim().to_ascii_uppercase();
        let bytes = code.as_bytes();
        let refused = |reason| Refusal::new(reason).field("credit_code").value(text);
        if !is_well_formed(bytes) {
            return Err(refused(Reason::CreditCodeSyntax).limit(CHARS));
        }
        let expected = check_character(bytes);
        if bytes.last().copied() != expected {
            let expected = char::from(expected.unwrap_or_default());
            return Err(refused(Reason::CreditCodeCheck).limit(expected));
        }
        Ok(Self(code.into()))
    }

    /// The code whose first 17 characters are `body`.
    ///
    /// # Errors
    /// [`Reason::CreditCodeSyntax`].
    pub fn completed(body: &str) -> Result<Self, Refusal> {
        let check = check_character(body.as_bytes()).map_or('?', char::from);
        Self::parse(&format!("{body}{check}"))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CreditCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for CreditCode {
    type Error = Refusal;

    fn try_from(text: String) -> Result<Self, Refusal> {
        Self::parse(&text)
    }
}

impl From<CreditCode> for String {
    fn from(code: CreditCode) -> Self {
        code.0.into_string()
    }
}

fn is_well_formed(code: &[u8]) -> bool {
    let division = code.get(2..8).unwrap_or_default();
    code.len() == CHARS
        && code.iter().all(|byte| ALPHABET.contains(byte))
        && code.first().is_some_and(|byte| AUTHORITIES.contains(byte))
        && division.iter().all(u8::is_ascii_digit)
}

/// The check character of the first 17 characters (GB 32100-2015 §B.2).
fn check_character(code: &[u8]) -> Option<u8> {
    let value = |byte: &u8| ALPHABET.iter().position(|known| known == byte);
    let mut sum = 0;
    for (byte, weight) in code.iter().zip(WEIGHTS) {
        sum += u32::try_from(value(byte)?).ok()? * weight;
    }
    let check = usize::try_from((31 - sum % 31) % 31).ok()?;
    ALPHABET.get(check).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first is the worked example of GB 32100-2015; the others are codes
    /// that their holders publish.
    const SOUND: [&str; 5] = [
        "91350100M000100Y43",
        "914403001922038216",
        "9144030071526726XG",
        "91330100799655058B",
        "91110000802100433B",
    ];

    fn check(text: &str, expected: Reason) {
        let refusal = CreditCode::parse(text).expect_err(text);
        assert_eq!(refusal.reason(), expected, "{text}");
        assert_eq!(refusal.field_path(), "credit_code");
    }

    #[test]
    fn takes_codes_in_use() {
        for text in SOUND {
            assert_eq!(CreditCode::parse(text).expect(text).as_str(), text);
            let lower = format!(" {} ", text.to_ascii_lowercase());
            assert_eq!(
                CreditCode::parse(&lower).expect("lower case").as_str(),
                text
            );
        }
    }

    #[test]
    fn completes_a_body_by_its_check_character() {
        for text in SOUND {
            let (body, _) = text.split_at(CHARS - 1);
            assert_eq!(CreditCode::completed(body).expect(body).as_str(), text);
        }
        for body in ["", "9135", "91350100I000100Y4", "91350100M000100Y43", "九"] {
            assert!(CreditCode::completed(body).is_err(), "{body}");
        }
    }

    #[test]
    fn any_one_wrong_character_is_found() {
        for text in SOUND {
            for at in 0..CHARS {
                for other in ALPHABET {
                    let mut bytes = text.as_bytes().to_vec();
                    if bytes[at] == *other {
                        continue;
                    }
                    bytes[at] = *other;
                    let changed = String::from_utf8(bytes).expect("ASCII");
                    assert!(CreditCode::parse(&changed).is_err(), "{changed}");
                }
            }
        }
    }

    #[test]
    fn two_neighbours_in_the_wrong_order_are_found() {
        for text in SOUND {
            for at in 0..CHARS - 1 {
                let mut bytes = text.as_bytes().to_vec();
                bytes.swap(at, at + 1);
                let changed = String::from_utf8(bytes).expect("ASCII");
                let same = changed == text;
                assert_eq!(CreditCode::parse(&changed).is_ok(), same, "{changed}");
            }
        }
    }

    #[test]
    fn refuses_what_is_no_code() {
        for text in [
            "",
            "91350100M000100Y4",
            "91350100M000100Y433",
            "91350100I000100Y43",
            "91350100O000100Y43",
            "B1350100M000100Y43",
            "9135O100M000100Y43",
            "91A50100M000100Y43",
            "九一三五零一零零",
            "91350100M000100Y4\u{ff13}",
            "91350100M000100Y4\0",
        ] {
            check(text, Reason::CreditCodeSyntax);
        }
        check("91350100M000100Y44", Reason::CreditCodeCheck);
        let refusal = CreditCode::parse("91350100M000100Y44").expect_err("no code");
        assert_eq!(refusal.shown_limit(), "3");
    }
}
