//! What is read of a client's certificate (RFC 5280 §4.1): its digest, by which
//! it is known again, and how long it is valid. Nothing else in it counts.

use crate::crypto::der::{self, SEQUENCE};
use crate::crypto::digest::{DigestAlgorithm, digest};
use crate::crypto::pem;
use crate::model::Timestamp;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version, which certificates of version 1 do not have.
const VERSION: u8 = 0xa0;
const MILLIS_PER_SECOND: u64 = 1000;

/// A certificate, as far as it counts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of the whole (DER).
    pub fingerprint: [u8; 32],
    /// The first moment at which it is valid.
    pub not_before: Timestamp,
    /// The last second in which it is valid; its beginning.
    pub not_after: Timestamp,
}

impl Certificate {
    /// The first certificate of a PEM text; `None` if there is none, or what is
    /// read of it is damaged or before 1970.
    pub fn from_pem(text: &str) -> Option<Self> {
        let der = pem::decode("CERTIFICATE", text)?;
        let (whole, behind) = der::element(SEQUENCE, &der)?;
        if !behind.is_empty() {
            return None;
        }
        let (signed, _) = der::element(SEQUENCE, whole)?;
        let signed = der::element(VERSION, signed).map_or(signed, |(_, behind)| behind);
        let (_, behind_serial) = der::element(INTEGER, signed)?;
        let (_, behind_algorithm) = der::element(SEQUENCE, behind_serial)?;
        let (_, behind_issuer) = der::element(SEQUENCE, behind_algorithm)?;
        let (validity, _) = der::element(SEQUENCE, behind_issuer)?;
        let (not_before, rest) = time(validity)?;
        let (not_after, rest) = time(rest)?;
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(digest(DigestAlgorithm::Sha256, &[&der]).as_ref());
        (rest.is_empty() && not_before <= not_after).then_some(Self {
            fingerprint,
            not_before,
            not_after,
        })
    }
}

/// A time, and what is behind it: `YYMMDDHHMMSSZ` of 1950 to 2049, or
/// `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5).
fn time(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    if let Some((text, behind)) = der::element(UTC_TIME, bytes) {
        let (year, rest) = number::<2>(text)?;
        let year = if year < 50 { 2000 + year } else { 1900 + year };
        return Some((moment(year, rest)?, behind));
    }
    let (text, behind) = der::element(GENERALIZED_TIME, bytes)?;
    let (year, rest) = number::<4>(text)?;
    Some((moment(year, rest)?, behind))
}

/// The moment in `year` that `MMDDHHMMSSZ` says; `None` before 1970.
fn moment(year: u64, rest: &[u8]) -> Option<Timestamp> {
    let (month, rest) = number::<2>(rest)?;
    let (day, rest) = number::<2>(rest)?;
    let (hour, rest) = number::<2>(rest)?;
    let (minute, rest) = number::<2>(rest)?;
    let (second, rest) = number::<2>(rest)?;
    let is_sound = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60
        && rest == b"Z";
    if !is_sound || year < 1970 {
        return None;
    }
    // Years that begin on 1 March: leap days come last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp::from_millis(seconds * MILLIS_PER_SECOND))
}

/// The number that `DIGITS` digits say, and what is behind them.
fn number<const DIGITS: usize>(text: &[u8]) -> Option<(u64, &[u8])> {
    let (digits, behind) = text.split_first_chunk::<DIGITS>()?;
    let mut number = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u64::from(digit - b'0');
    }
    Some((number, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(tag: u8, text: &str, expected: Option<&str>) {
        let mut der = vec![tag, u8::try_from(text.len()).expect("short")];
        der.extend_from_slice(text.as_bytes());
        let seen = time(&der).map(|(moment, _)| moment.to_string());
        assert_eq!(seen.as_deref(), expected, "{text}");
    }

    #[test]
    fn reads_times_as_certificates_write_them() {
        check(UTC_TIME, "260301000000Z", Some("2026-03-01T00:00:00.000Z"));
        check(UTC_TIME, "240229235959Z", Some("2024-02-29T23:59:59.000Z"));
        check(UTC_TIME, "991231235959Z", Some("1999-12-31T23:59:59.000Z"));
        let last = Some("9999-12-31T23:59:59.000Z");
        check(GENERALIZED_TIME, "99991231235959Z", last);
        let first = Some("1970-01-01T00:00:00.000Z");
        check(GENERALIZED_TIME, "19700101000000Z", first);
        for bad in [
            "",
            "2603010000Z",
            "260301000000",
            "260301000000+0100",
            "261301000000Z",
            "260300000000Z",
            "260301240000Z",
            "260301006000Z",
            "500101000000Z",
            "2603010000-1Z",
        ] {
            check(UTC_TIME, bad, None);
        }
    }

    fn made(change: impl FnOnce(&mut rcgen::CertificateParams)) -> rcgen::Certificate {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(["meter".to_owned()]).expect("names");
        change(&mut params);
        params.self_signed(&key).expect("signed")
    }

    #[test]
    fn reads_what_others_write() {
        let certificate = made(|params| {
            params.not_before = rcgen::date_time_ymd(2026, 2, 3);
            params.not_after = rcgen::date_time_ymd(2051, 12, 31);
        });
        let read = Certificate::from_pem(&certificate.pem()).expect("a certificate");
        assert_eq!(read.not_before.to_string(), "2026-02-03T00:00:00.000Z");
        assert_eq!(read.not_after.to_string(), "2051-12-31T00:00:00.000Z");
        let whole = digest(DigestAlgorithm::Sha256, &[certificate.der()]);
        assert_eq!(read.fingerprint, whole.as_ref());
    }

    #[test]
    fn refuses_what_is_none() {
        let whole = made(|_| {});
        let pem = whole.pem();
        let backwards = made(|params| {
            params.not_before = rcgen::date_time_ymd(2027, 1, 1);
            params.not_after = rcgen::date_time_ymd(2026, 1, 1);
        });
        let cut = |count: usize| {
            let der = whole.der().get(..count).unwrap_or_default();
            pem::encode("CERTIFICATE", der).to_string()
        };
        for bad in [
            String::new(),
            pem.replace("CERTIFICATE", "PUBLIC KEY"),
            pem.replacen('M', "*", 1),
            backwards.pem(),
        ] {
            assert_eq!(Certificate::from_pem(&bad), None, "{bad}");
        }
        for count in 0..whole.der().len() {
            assert_eq!(Certificate::from_pem(&cut(count)), None, "{count}");
        }
    }
}
