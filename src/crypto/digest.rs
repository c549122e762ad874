//! Digests of requests and secrets (RFC 3652 §2.2.3; Handle protocol as
//! deployed), and SM3 (GB/T 32905) beneath signatures with SM2.

use std::fmt;

use aws_lc_rs::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use md5::Md5;
use sm3::{Digest, Sm3};

/// Octets of the longest digest.
pub const DIGEST_BYTES_MAX: usize = 32;

/// A digest algorithm of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// MD5 (RFC 1321), of clients before protocol 2.1. Broken; it protects
    /// nothing that a newer client does not ask for.
    Md5,
    /// SHA-1 (FIPS 180-4), of clients before protocol 2.7.
    Sha1,
    /// SHA-256 (FIPS 180-4).
    Sha256,
}

impl DigestAlgorithm {
    /// The algorithm of a number on the wire.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Md5),
            2 => Some(Self::Sha1),
            3 => Some(Self::Sha256),
            _ => None,
        }
    }

    /// Its number on the wire.
    pub const fn number(self) -> u8 {
        match self {
            Self::Md5 => 1,
            Self::Sha1 => 2,
            Self::Sha256 => 3,
        }
    }

    /// Octets of a digest: 16, 20 or 32.
    pub const fn digest_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// A digest or a message authentication code: up to [`DIGEST_BYTES_MAX`] octets,
/// without a heap. Where it must be secret-safe, compare with
/// [`equal`](crate::crypto::equal).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DigestBytes {
    bytes: [u8; DIGEST_BYTES_MAX],
    length: usize,
}

impl DigestBytes {
    /// The first [`DIGEST_BYTES_MAX`] octets of `bytes`: no algorithm here has
    /// more.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut padded = [0; DIGEST_BYTES_MAX];
        for (to, from) in padded.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self {
            bytes: padded,
            length: bytes.len().min(DIGEST_BYTES_MAX),
        }
    }
}

impl AsRef<[u8]> for DigestBytes {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Debug for DigestBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = data_encoding::HEXLOWER.encode(self.as_ref());
        f.debug_tuple("DigestBytes").field(&hex).finish()
    }
}

/// The digest of `parts`, one behind the other.
pub fn digest(algorithm: DigestAlgorithm, parts: &[&[u8]]) -> DigestBytes {
    match algorithm {
        DigestAlgorithm::Md5 => {
            let mut context = Md5::new();
            parts.iter().for_each(|part| context.update(part));
            DigestBytes::of(&context.finalize())
        }
        DigestAlgorithm::Sha1 => of_library(&SHA1_FOR_LEGACY_USE_ONLY, parts),
        DigestAlgorithm::Sha256 => of_library(&SHA256, parts),
    }
}

/// SM3 (GB/T 32905) of `parts`, one behind the other.
pub fn sm3(parts: &[&[u8]]) -> DigestBytes {
    let mut context = Sm3::new();
    parts.iter().for_each(|part| context.update(part));
    DigestBytes::of(&context.finalize())
}

fn of_library(algorithm: &'static Algorithm, parts: &[&[u8]]) -> DigestBytes {
    let mut context = Context::new(algorithm);
    parts.iter().for_each(|part| context.update(part));
    DigestBytes::of(context.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn check(algorithm: DigestAlgorithm, message: &str, expected: &str) {
        let whole = digest(algorithm, &[message.as_bytes()]);
        assert_eq!(HEXLOWER.encode(whole.as_ref()), expected);
        assert_eq!(whole.as_ref().len(), algorithm.digest_bytes());
        let (left, right) = message.as_bytes().split_at(message.len() / 2);
        assert_eq!(digest(algorithm, &[left, b"", right]), whole);
    }

    #[test]
    fn md5_as_in_rfc_1321() {
        check(DigestAlgorithm::Md5, "", "d41d8cd98f00b204e9800998ecf8427e");
        let digits = "1234567890".repeat(8);
        check(
            DigestAlgorithm::Md5,
            &digits,
            "57edf4a22be3c955ac49da2e2107b67a",
        );
    }

    #[test]
    fn sha_as_in_fips_180() {
        check(
            DigestAlgorithm::Sha1,
            "abc",
            "a9993e364706816aba3e25717850c26c9cd0d89d",
        );
        check(
            DigestAlgorithm::Sha256,
            "abc",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        );
    }

    #[test]
    fn sm3_as_in_its_standard() {
        let expected = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0";
        assert_eq!(HEXLOWER.encode(sm3(&[b"a", b"bc"]).as_ref()), expected);
    }

    #[test]
    fn numbers_go_there_and_back() {
        for number in 0..=u8::MAX {
            let algorithm = DigestAlgorithm::from_number(number);
            assert_eq!(algorithm.is_some(), (1..=3).contains(&number));
            assert!(algorithm.is_none_or(|known| known.number() == number));
        }
    }
}
