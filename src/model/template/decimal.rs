//! Decimal numbers as people write them: exact, and small enough that a double
//! of another program keeps every digit.

use std::cmp::Ordering;
use std::fmt;

use crate::model::limits::DECIMAL_DIGITS_MAX;

/// A decimal number of at most [`DECIMAL_DIGITS_MAX`] digits, without trailing
/// zeros behind the point: `1.50` and `1.5` are one number.
///
/// So many digits survive a double there and back (IEEE 754 §5.12.2), which is
/// what JSON readers take numbers as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    digits: i64,
    scale: u8,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self::whole(0);

    /// The whole number `digits`.
    pub const fn whole(digits: i64) -> Self {
        Self { digits, scale: 0 }
    }

    /// Parses `-12.50`: a sign, digits without leading zeros, and after a point
    /// at least one digit. `None` of any other text, and above the limit.
    pub fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (unsigned, ""),
        };
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let has_leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || has_leading_zero || !is_number(whole) || !is_number(fraction) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        if whole.len() + fraction.len() > DECIMAL_DIGITS_MAX {
            return None;
        }
        let digits: i64 = format!("{whole}{fraction}").parse().ok()?;
        let sign = if unsigned.len() == text.len() { 1 } else { -1 };
        Some(Self {
            digits: sign * digits,
            scale: u8::try_from(fraction.len()).ok()?,
        })
    }

    /// Digits behind the point.
    pub const fn scale(self) -> u8 {
        self.scale
    }

    /// The sum; `None` where it has too many digits.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let (mut digits, mut scale) = (self.at(scale) + other.at(scale), scale);
        while scale > 0 && digits % 10 == 0 {
            digits /= 10;
            scale -= 1;
        }
        let sum = Self {
            digits: i64::try_from(digits).ok()?,
            scale,
        };
        Self::parse(&sum.to_string())
    }

    /// Its digits with `scale` of them behind the point; at least its own scale.
    fn at(self, scale: u8) -> i128 {
        let missing = u32::from(scale.saturating_sub(self.scale));
        i128::from(self.digits) * 10_i128.pow(missing)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        self.at(scale).cmp(&other.at(scale))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scale = usize::from(self.scale);
        let sign = if self.digits < 0 { "-" } else { "" };
        let digits = format!("{:0>width$}", self.digits.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let shown = Decimal::parse(text).map(|number| number.to_string());
        assert_eq!(shown.as_deref(), expected, "{text}");
    }

    #[test]
    fn reads_numbers_as_people_write_them() {
        check("0", Some("0"));
        check("-0", Some("0"));
        check("-0.05", Some("-0.05"));
        check("16.00", Some("16"));
        check("999999999999999", Some("999999999999999"));
        check("0.00000000000001", Some("0.00000000000001"));
        for text in [
            "",
            "-",
            ".5",
            "5.",
            "05",
            "+5",
            "1e3",
            "1,5",
            " 1",
            "１",
            "--1",
            "1.2.3",
            "NaN",
            "1000000000000000",
            "0.000000000000001",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn sums_exactly() {
        let sum = |a: &str, b: &str| Decimal::parse(a)?.checked_add(Decimal::parse(b)?);
        assert_eq!(sum("0.1", "0.2"), Decimal::parse("0.3"));
        assert_eq!(sum("64.5", "35.5"), Some(Decimal::whole(100)));
        assert_eq!(sum("-1", "1"), Some(Decimal::ZERO));
        assert_eq!(sum("999999999999999", "1"), None);
        assert_eq!(sum("99999999999999", "0.01"), None);
    }

    proptest! {
        #[test]
        fn survives_its_text_and_a_double(digits in -999_999_999_999_999_i64..=999_999_999_999_999, at in 0_usize..15) {
            let sign = if digits < 0 { "-" } else { "" };
            let text = format!("{:0>width$}", digits.unsigned_abs(), width = at + 1);
            let (whole, fraction) = text.split_at(text.len() - at);
            let point = if at == 0 { "" } else { "." };
            let text = format!("{sign}{whole}{point}{fraction}");
            let Some(number) = Decimal::parse(&text) else {
                prop_assert!(whole.len() + fraction.len() > DECIMAL_DIGITS_MAX);
                return Ok(());
            };
            prop_assert_eq!(Decimal::parse(&number.to_string()), Some(number));
            let double: f64 = text.parse().expect("a number");
            prop_assert_eq!(Decimal::parse(&double.to_string()), Some(number));
        }

        #[test]
        fn sorts_as_numbers_do(a in -10_000_i64..10_000, b in -10_000_i64..10_000) {
            let of = |number: i64| {
                let text = (f64::from(i32::try_from(number).expect("small")) / 100.0).to_string();
                Decimal::parse(&text).expect("a number")
            };
            prop_assert_eq!(of(a).cmp(&of(b)), a.cmp(&b));
        }
    }
}
