//! Etags: a revision as opaque text, `r1a2b` (Google AIP-154).

use crate::model::{Reason, Refusal};

/// The etag of `revision`.
pub(super) fn show(revision: u64) -> String {
    format!("r{revision:x}")
}

/// The revision that `text` asks for; `None` if it is empty.
///
/// # Errors
/// `EtagInvalid` for a text that [`show`] never makes.
pub(super) fn parse(text: &str) -> Result<Option<u64>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    text.strip_prefix('r')
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .filter(|revision| show(*revision) == text)
        .map(Some)
        .ok_or_else(|| Refusal::new(Reason::EtagInvalid).field("etag").value(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Option<u64>, Reason>) {
        assert_eq!(parse(text).map_err(|r| r.reason()), expected, "{text}");
    }

    #[test]
    fn takes_only_what_it_gave_out() {
        check("", Ok(None));
        check("r0", Ok(Some(0)));
        check("r1a2b", Ok(Some(0x1a2b)));
        check(&show(u64::MAX), Ok(Some(u64::MAX)));
        for bad in ["r", "1a", "r01", "r1A", "r+1", "r1ffffffffffffffff", "\"r1\""] {
            check(bad, Err(Reason::EtagInvalid));
        }
    }
}
