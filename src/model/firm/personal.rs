//! The people of a firm: what the node keeps sealed, shows to few, and erases
//! when it is asked to (Personal Information Protection Law, articles 6, 47, 51).
//!
//! Nothing here shows its content in `Debug` or in a refusal.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::fault::{Reason, Refusal};
use crate::model::firm::text::Text;
use crate::model::limits::{EMAIL_CHARS_MAX, PERSON_CHARS_MAX, PHONE_DIGITS_MAX};

/// Digits of a telephone number at least: short numbers inside a town.
const PHONE_DIGITS_MIN: usize = 5;
/// The weights of the 17 digits before the check character: the powers of 2
/// modulo 11 (GB 11643-1999 §4.2).
const CITIZEN_WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// The check characters by the sum modulo 11 (GB 11643-1999 §4.2).
const CITIZEN_CHECKS: &[u8; 11] = b"10X98765432";

/// The people of a firm.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Personal {
    /// Who answers for the firm by law.
    pub legal_person: LegalPerson,
    /// Whom the node's operators talk to.
    pub contact: Contact,
}

/// Who answers for a firm by law.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalPerson {
    /// The name.
    pub name: Text<PERSON_CHARS_MAX>,
    /// The citizen's number, where an authority asks the node for it.
    pub citizen_number: Option<CitizenNumber>,
}

/// Whom to talk to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The name.
    pub name: Text<PERSON_CHARS_MAX>,
    /// The telephone number.
    pub phone: Phone,
    /// The e-mail address.
    pub email: Email,
}

/// A telephone number, as it was written.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Phone(Box<str>);

/// An e-mail address that mail could go to.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(Box<str>);

/// A citizen's number of 18 characters whose check character is right
/// (GB 11643-1999).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CitizenNumber(Box<str>);

impl Phone {
    /// Parses a number: digits, and between them `+`, `-`, `(`, `)` and spaces.
    ///
    /// # Errors
    /// [`Reason::PhoneInvalid`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        let digit_count = text.bytes().filter(u8::is_ascii_digit).count();
        let sound = (PHONE_DIGITS_MIN..=PHONE_DIGITS_MAX).contains(&digit_count)
            && text.len() <= 2 * PHONE_DIGITS_MAX
            && text.rfind('+').is_none_or(|at| at == 0)
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || b"+-() ".contains(&b));
        if sound {
            return Ok(Self(text.into()));
        }
        Err(Refusal::new(Reason::PhoneInvalid)
            .field("phone")
            .limit(PHONE_DIGITS_MAX))
    }

    /// The number.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Email {
    /// Parses an address: a part of visible ASCII, `@`, and a host name of two
    /// labels or more (RFC 5321 §4.1.2, without quoted parts and literals).
    ///
    /// # Errors
    /// [`Reason::EmailInvalid`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let text = text.trim();
        let sound = text.len() <= EMAIL_CHARS_MAX
            && text
                .split_once('@')
                .is_some_and(|(local, host)| is_local_part(local) && is_host(host));
        if sound {
            return Ok(Self(text.into()));
        }
        Err(Refusal::new(Reason::EmailInvalid)
            .field("email")
            .limit(EMAIL_CHARS_MAX))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_local_part(local: &str) -> bool {
    let is_atom = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&c);
    (1..=64).contains(&local.len())
        && local
            .split('.')
            .all(|atom| !atom.is_empty() && atom.bytes().all(is_atom))
}

fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.contains('.') && host.split('.').all(is_label)
}

impl CitizenNumber {
    /// Parses a number; a small `x` is taken as `X`.
    ///
    /// # Errors
    /// [`Reason::CitizenNumberInvalid`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let number = text.trim().to_ascii_uppercase();
        if citizen_check(number.as_bytes()).is_some() {
            return Ok(Self(number.into()));
        }
        Err(Refusal::new(Reason::CitizenNumberInvalid).field("citizen_number"))
    }

    /// The number.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Something if the check character is right.
fn citizen_check(number: &[u8]) -> Option<()> {
    let (check, digits) = number.split_last()?;
    if digits.len() != CITIZEN_WEIGHTS.len() {
        return None;
    }
    let mut sum = 0;
    for (digit, weight) in digits.iter().zip(CITIZEN_WEIGHTS) {
        sum += char::from(*digit).to_digit(10)? * weight;
    }
    let expected = CITIZEN_CHECKS.get(usize::try_from(sum % 11).ok()?)?;
    (expected == check).then_some(())
}

/// Writes that there is something, and nothing of it.
macro_rules! hidden {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}
hidden!(Personal LegalPerson Contact Phone Email CitizenNumber);

/// From and to text, for what is a checked text.
macro_rules! from_text {
    ($($name:ident)*) => {$(
        impl TryFrom<String> for $name {
            type Error = Refusal;

            fn try_from(text: String) -> Result<Self, Refusal> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.into_string()
            }
        }
    )*};
}
from_text!(Phone Email CitizenNumber);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_telephone_numbers_as_they_are_written() {
        for text in [
            "0577-62773888",
            "+86 577 6277 3888",
            "(0577)62773888",
            "13800000000",
            "12315",
        ] {
            assert_eq!(Phone::parse(text).expect(text).as_str(), text);
        }
        for text in [
            "",
            "1234",
            "1+234567",
            "0577-6277388a",
            "１２３４５６",
            "123456\n",
            "1".repeat(21).as_str(),
        ] {
            let sound = text.trim() != text;
            assert_eq!(Phone::parse(text).is_ok(), sound, "{text:?}");
        }
    }

    #[test]
    fn takes_addresses_that_mail_could_go_to() {
        for text in [
            "li.wei@f7.wenzhou.example",
            "a+b@x.cn",
            "o'x@a-b.example.com",
        ] {
            assert_eq!(Email::parse(text).expect(text).as_str(), text);
        }
        let long = format!("{}@a.example", "x".repeat(65));
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@a.example",
            "a@b",
            "a b@c.example",
            "a@-b.example",
            "a@b..c",
            "a..b@c.example",
            ".a@c.example",
            "a@b.example\r\nBcc: x@y.example",
            "a@b@c.example",
            "李@c.example",
            "a@[127.0.0.1]",
            &long,
        ] {
            let refusal = Email::parse(text).expect_err(text);
            assert_eq!(refusal.reason(), Reason::EmailInvalid);
            assert_eq!(refusal.shown_value(), "", "personal data is not repeated");
        }
    }

    #[test]
    fn checks_the_check_character_of_a_citizens_number() {
        // The examples of GB 11643-1999, annex A.
        for text in [
            "11010519491231002X",
            "440524188001010014",
            "11010519491231002x",
        ] {
            assert!(CitizenNumber::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "110105194912310021",
            "1101051949123100",
            "11010519491231002Y",
            "X10105194912310021",
            "１１０１０５１９４９１２３１００２Ｘ",
        ] {
            let refusal = CitizenNumber::parse(text).expect_err(text);
            assert_eq!(refusal.shown_value(), "", "personal data is not repeated");
        }
    }

    #[test]
    fn shows_nothing_of_a_person() {
        let name = Text::parse("李某某", "name").expect("a name");
        let personal = Personal {
            legal_person: LegalPerson {
                name: name.clone(),
                citizen_number: CitizenNumber::parse("11010519491231002X").ok(),
            },
            contact: Contact {
                name,
                phone: Phone::parse("0577-62773888").expect("a number"),
                email: Email::parse("li@f7.wenzhou.example").expect("an address"),
            },
        };
        assert_eq!(format!("{personal:?}"), "Personal(..)");
        let Personal {
            legal_person,
            contact,
        } = personal;
        let shown = format!(
            "{legal_person:?} {contact:?} {:?} {:?}",
            contact.phone, contact.email
        );
        assert_eq!(shown, "LegalPerson(..) Contact(..) Phone(..) Email(..)");
    }
}
