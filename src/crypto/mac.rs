//! Message authentication codes (RFC 2104) and comparison in constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256};

use crate::crypto::digest::DigestBytes;

/// An HMAC of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacAlgorithm {
    /// HMAC-SHA1.
    Sha1,
    /// HMAC-SHA256.
    Sha256,
}

impl MacAlgorithm {
    /// The algorithm of a number on the wire.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0x12 => Some(Self::Sha1),
            0x13 => Some(Self::Sha256),
            _ => None,
        }
    }

    /// Its number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::Sha1 => 0x12,
            Self::Sha256 => 0x13,
        }
    }

    /// The algorithm of a name in a message's credential, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        let is = |known: &Self| known.name().eq_ignore_ascii_case(name);
        [Self::Sha1, Self::Sha256].into_iter().find(is)
    }

    /// Its name in a message's credential.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "HMAC-SHA1",
            Self::Sha256 => "HMAC-SHA256",
        }
    }

    pub(super) fn key(self, key: &[u8]) -> hmac::Key {
        let algorithm = match self {
            Self::Sha1 => HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => HMAC_SHA256,
        };
        hmac::Key::new(algorithm, key)
    }
}

/// The code of `parts`, one behind the other, under `key` of any length.
pub fn mac(algorithm: MacAlgorithm, key: &[u8], parts: &[&[u8]]) -> DigestBytes {
    of_key(&algorithm.key(key), parts)
}

/// Whether both are equal, in a time that depends on their lengths alone.
pub fn equal(left: &[u8], right: &[u8]) -> bool {
    verify_slices_are_equal(left, right).is_ok()
}

pub(super) fn of_key(key: &hmac::Key, parts: &[&[u8]]) -> DigestBytes {
    let mut context = hmac::Context::with_key(key);
    parts.iter().for_each(|part| context.update(part));
    DigestBytes::of(context.sign().as_ref())
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn check(algorithm: MacAlgorithm, key: &[u8], message: &[u8], expected: &str) {
        let whole = mac(algorithm, key, &[message]);
        assert_eq!(HEXLOWER.encode(whole.as_ref()), expected);
        let (left, right) = message.split_at(message.len() / 2);
        assert_eq!(mac(algorithm, key, &[left, right, b""]), whole);
    }

    #[test]
    fn sha256_as_in_rfc_4231() {
        check(
            MacAlgorithm::Sha256,
            &[0x0b; 20],
            b"Hi There",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        );
        check(
            MacAlgorithm::Sha256,
            b"Jefe",
            b"what do ya want for nothing?",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        );
        // A key longer than a block of the digest.
        check(
            MacAlgorithm::Sha256,
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        );
    }

    #[test]
    fn sha1_as_in_rfc_2202() {
        check(
            MacAlgorithm::Sha1,
            b"Jefe",
            b"what do ya want for nothing?",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        );
    }

    #[test]
    fn compares_whole_slices() {
        assert!(equal(b"", b""));
        assert!(equal(b"same", b"same"));
        assert!(!equal(b"same", b"same "));
        assert!(!equal(b"same", b"sane"));
    }

    #[test]
    fn numbers_and_names_go_there_and_back() {
        for algorithm in [MacAlgorithm::Sha1, MacAlgorithm::Sha256] {
            assert_eq!(
                MacAlgorithm::from_number(algorithm.number()),
                Some(algorithm)
            );
            assert_eq!(MacAlgorithm::from_name(algorithm.name()), Some(algorithm));
        }
        assert_eq!(MacAlgorithm::from_number(3), None);
        assert_eq!(MacAlgorithm::from_name("HMAC-MD5"), None);
    }
}
