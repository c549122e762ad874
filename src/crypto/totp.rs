//! One-time codes that change with the time (RFC 6238): HMAC-SHA1, six digits,
//! a new one every 30 seconds, as every authenticator application has them.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use crate::crypto::mac::{MacAlgorithm, equal, mac};

/// Random octets of a secret (RFC 4226 §4, R6: 160 bits).
pub const TOTP_SECRET_BYTES: usize = 20;
/// Seconds for which a code counts.
pub const TOTP_STEP_SECS: u64 = 30;
/// Digits of a code.
const DIGITS: usize = 6;
const MODULUS: u32 = 1_000_000;
/// Steps that a client's clock may be behind or ahead (RFC 6238 §5.2).
const DRIFT_STEPS: u64 = 1;

/// What a person's authenticator and the node share. Erased when dropped; shown
/// only by [`TotpSecret::uri`].
#[derive(Clone)]
pub struct TotpSecret(Zeroizing<[u8; TOTP_SECRET_BYTES]>);

impl TotpSecret {
    /// The secret of these octets.
    pub fn new(octets: &[u8; TOTP_SECRET_BYTES]) -> Self {
        Self(Zeroizing::new(*octets))
    }

    /// Its octets, to be sealed.
    pub fn octets(&self) -> &[u8; TOTP_SECRET_BYTES] {
        &self.0
    }

    /// What an authenticator application reads: `otpauth://totp/…`, for the
    /// account `name` at `issuer`.
    pub fn uri(&self, issuer: &str, name: &str) -> Zeroizing<String> {
        let secret = Zeroizing::new(BASE32_NOPAD.encode(self.0.as_slice()));
        let (issuer, name) = (escaped(issuer), escaped(name));
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{name}?secret={}&issuer={issuer}",
            *secret
        ))
    }

    /// The step whose code `code` is, if it counts at `unix_secs`: the current
    /// step, the one before or the one behind, and later than `used`, since a
    /// code serves once. The time taken does not depend on the code.
    pub fn verify(&self, code: &str, unix_secs: u64, used: Option<u64>) -> Option<u64> {
        let current = unix_secs / TOTP_STEP_SECS;
        let steps = current.saturating_sub(DRIFT_STEPS)..=current.saturating_add(DRIFT_STEPS);
        let mut found = None;
        for step in steps {
            let is_match = equal(self.code(step).as_bytes(), code.as_bytes());
            if is_match && used.is_none_or(|used| used < step) {
                found = found.or(Some(step));
            }
        }
        found
    }

    /// The code of a step.
    pub fn code(&self, step: u64) -> Zeroizing<String> {
        let number = self.truncated(step) % MODULUS;
        Zeroizing::new(format!("{number:0DIGITS$}"))
    }

    /// Dynamic truncation (RFC 4226 §5.3).
    fn truncated(&self, step: u64) -> u32 {
        let parts = [&step.to_be_bytes()[..]];
        let code = mac(MacAlgorithm::Sha1, self.0.as_slice(), &parts);
        let code = code.as_ref();
        let offset = code.last().map_or(0, |last| usize::from(last & 0x0f));
        let four = code.get(offset..).and_then(<[u8]>::first_chunk::<4>);
        u32::from_be_bytes(four.copied().unwrap_or_default()) & 0x7fff_ffff
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TotpSecret").finish_non_exhaustive()
    }
}

/// `text` as one part of a URI (RFC 3986 §2.1).
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8; TOTP_SECRET_BYTES] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, SHA1, of which the last six digits are ours.
        for (unix_secs, expected) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            let secret = TotpSecret::new(SECRET);
            let step = unix_secs / TOTP_STEP_SECS;
            assert_eq!(secret.truncated(step) % 100_000_000, expected);
            let six = format!("{:06}", expected % MODULUS);
            assert_eq!(*secret.code(step), six);
        }
    }

    fn check(code_of: u64, at_step: u64, used: Option<u64>, expected: Option<u64>) {
        let secret = TotpSecret::new(SECRET);
        let code = secret.code(code_of);
        let found = secret.verify(&code, at_step * TOTP_STEP_SECS + 7, used);
        assert_eq!(found, expected, "{code_of} at {at_step} after {used:?}");
    }

    #[test]
    fn a_code_counts_for_three_steps_and_once() {
        check(1000, 1000, None, Some(1000));
        check(1000, 1001, None, Some(1000));
        check(1001, 1000, None, Some(1001));
        check(1000, 1002, None, None);
        check(1002, 1000, None, None);
        check(1000, 1000, Some(1000), None);
        check(1000, 1001, Some(1000), None);
        check(1001, 1001, Some(1000), Some(1001));
        check(1000, 1001, Some(1001), None);
        check(0, 0, None, Some(0));
    }

    #[test]
    fn refuses_what_is_no_code() {
        let secret = TotpSecret::new(SECRET);
        let code = secret.code(1000);
        let at = 1000 * TOTP_STEP_SECS;
        let longer = format!("{}0", *code);
        let (cut, _) = code.split_at(5);
        for wrong in ["", "0", "000000", " ", &longer, cut] {
            assert_eq!(secret.verify(wrong, at, None), None, "{wrong}");
        }
        let end = u64::MAX;
        assert_eq!(secret.verify("abcdef", end, None), None);
    }

    #[test]
    fn names_the_account_and_shows_nothing_else() {
        let secret = TotpSecret::new(SECRET);
        let uri = secret.uri("idnode 88.118", "王 wang");
        let expected = "otpauth://totp/idnode%2088.118:%E7%8E%8B%20wang\
            ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=idnode%2088.118";
        assert_eq!(*uri, expected);
        assert_eq!(format!("{secret:?}"), "TotpSecret { .. }");
    }
}
