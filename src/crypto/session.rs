//! The key of a session: codes over its messages (RFC 3652 §2.2.3) and their
//! encryption (Handle protocol as deployed).

use std::fmt;

use aws_lc_rs::cipher::{
    AES_128, AES_128_KEY_LEN, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey,
    PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use crate::crypto::digest::DigestBytes;
use crate::crypto::mac::{MacAlgorithm, equal, mac, of_key};

/// Octets of a session's key.
pub const SESSION_KEY_BYTES: usize = 32;
/// Octets of the initialization vector before an encrypted message.
pub const IV_BYTES: usize = 16;

const BLOCK_BYTES: usize = 16;

/// What cannot be decrypted. There is one such error, and what answers it must
/// not differ from what answers a wrong code, or senders could decrypt by asking
/// (a padding oracle).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message cannot be decrypted")]
pub struct Garbled;

/// What both ends of a session share. Erased when dropped; never shown.
#[derive(Clone)]
pub struct SessionKey {
    bytes: Zeroizing<[u8; SESSION_KEY_BYTES]>,
    /// The key of HMAC-SHA256, ready for use with each message.
    sha256: hmac::Key,
}

impl SessionKey {
    /// The key of these octets.
    pub fn new(bytes: &[u8; SESSION_KEY_BYTES]) -> Self {
        Self {
            bytes: Zeroizing::new(*bytes),
            sha256: MacAlgorithm::Sha256.key(bytes),
        }
    }

    /// The code of `parts`, one behind the other.
    pub fn mac(&self, algorithm: MacAlgorithm, parts: &[&[u8]]) -> DigestBytes {
        match algorithm {
            MacAlgorithm::Sha1 => mac(algorithm, self.bytes.as_slice(), parts),
            MacAlgorithm::Sha256 => of_key(&self.sha256, parts),
        }
    }

    /// Whether `code` is that of `parts`, in a time that does not depend on it.
    pub fn verify_mac(&self, algorithm: MacAlgorithm, parts: &[&[u8]], code: &[u8]) -> bool {
        equal(self.mac(algorithm, parts).as_ref(), code)
    }

    /// Encrypts with AES-128 in CBC mode (NIST SP 800-38A §6.2) under the first
    /// half of the key, padded as PKCS #7 says. `iv` is random, new for each
    /// message, and becomes the first octets of the result.
    ///
    /// # Errors
    /// The library refuses; not by anything in `plain`.
    pub fn encrypt(&self, iv: &[u8; IV_BYTES], plain: &[u8]) -> Result<Vec<u8>, Garbled> {
        let mut sealed = Vec::with_capacity(plain.len() + BLOCK_BYTES);
        sealed.extend_from_slice(plain);
        let key = self
            .cipher_key()
            .and_then(PaddedBlockEncryptingKey::cbc_pkcs7);
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        key.and_then(|key| key.less_safe_encrypt(&mut sealed, context))
            .map_err(|_| Garbled)?;
        let mut out = Vec::with_capacity(IV_BYTES + sealed.len());
        out.extend_from_slice(iv);
        out.append(&mut sealed);
        Ok(out)
    }

    /// Decrypts what [`encrypt`](Self::encrypt) makes.
    ///
    /// # Errors
    /// [`Garbled`]: of no length that encryption gives, or of another key, or
    /// damaged.
    pub fn decrypt(&self, sealed: &[u8]) -> Result<Vec<u8>, Garbled> {
        let (iv, sealed) = sealed.split_first_chunk::<IV_BYTES>().ok_or(Garbled)?;
        if sealed.is_empty() || !sealed.len().is_multiple_of(BLOCK_BYTES) {
            return Err(Garbled);
        }
        let mut plain = sealed.to_vec();
        let key = self
            .cipher_key()
            .and_then(PaddedBlockDecryptingKey::cbc_pkcs7);
        let context = DecryptionContext::Iv128(FixedLength::from(iv));
        let length = key
            .and_then(|key| Ok(key.decrypt(&mut plain, context)?.len()))
            .map_err(|_| Garbled)?;
        plain.truncate(length);
        Ok(plain)
    }

    fn cipher_key(&self) -> Result<UnboundCipherKey, Unspecified> {
        let half = self.bytes.get(..AES_128_KEY_LEN).unwrap_or_default();
        UnboundCipherKey::new(&AES_128, half)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    fn hex<const BYTES: usize>(text: &str) -> [u8; BYTES] {
        let bytes = HEXLOWER.decode(text.as_bytes()).expect("hex");
        bytes.try_into().expect("as many octets")
    }

    /// Key and initialization vector of NIST SP 800-38A §F.2.1; the second half
    /// of the session's key has no part in encryption.
    fn nist() -> (SessionKey, [u8; IV_BYTES]) {
        let half: [u8; 16] = hex("2b7e151628aed2a6abf7158809cf4f3c");
        let mut bytes = [0xee; SESSION_KEY_BYTES];
        bytes[..16].copy_from_slice(&half);
        let iv = hex("000102030405060708090a0b0c0d0e0f");
        (SessionKey::new(&bytes), iv)
    }

    #[test]
    fn encrypts_as_in_nist_sp_800_38a() {
        let (key, iv) = nist();
        let plain: [u8; 64] = hex(concat!(
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
            "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
        ));
        let expected: [u8; 64] = hex(concat!(
            "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2",
            "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
        ));
        let sealed = key.encrypt(&iv, &plain).expect("encrypts");
        assert_eq!(sealed[..IV_BYTES], iv);
        assert_eq!(sealed[IV_BYTES..][..64], expected);
        // A whole block of padding follows whole blocks.
        assert_eq!(sealed.len(), IV_BYTES + 64 + BLOCK_BYTES);
        assert_eq!(key.decrypt(&sealed), Ok(plain.to_vec()));
    }

    #[test]
    fn every_length_goes_there_and_back() {
        let (key, iv) = nist();
        for length in 0..50 {
            let plain = vec![7; length];
            let sealed = key.encrypt(&iv, &plain).expect("encrypts");
            assert_eq!(sealed.len() % BLOCK_BYTES, 0);
            assert_eq!(key.decrypt(&sealed), Ok(plain));
        }
    }

    #[test]
    fn refuses_what_it_did_not_encrypt() {
        let (key, iv) = nist();
        let sealed = key.encrypt(&iv, b"a message").expect("encrypts");
        for length in 0..sealed.len() {
            assert_eq!(key.decrypt(&sealed[..length]), Err(Garbled), "{length}");
        }
        let other = SessionKey::new(&[1; SESSION_KEY_BYTES]);
        assert_ne!(other.decrypt(&sealed), Ok(b"a message".to_vec()));
        // The last octet of the padding, which is 7, becomes 0, then 17.
        for change in [7, 7 ^ 17] {
            let mut damaged = sealed.clone();
            damaged[IV_BYTES - 1] ^= change;
            assert_eq!(key.decrypt(&damaged), Err(Garbled), "{change}");
        }
    }

    #[test]
    fn codes_are_of_the_whole_key() {
        let bytes = [0x0b; SESSION_KEY_BYTES];
        let key = SessionKey::new(&bytes);
        for algorithm in [MacAlgorithm::Sha1, MacAlgorithm::Sha256] {
            let code = key.mac(algorithm, &[b"one", b"two"]);
            assert_eq!(code, mac(algorithm, &bytes, &[b"onetwo"]));
            assert!(key.verify_mac(algorithm, &[b"onetwo"], code.as_ref()));
            assert!(!key.verify_mac(algorithm, &[b"onetwO"], code.as_ref()));
            assert!(!key.verify_mac(algorithm, &[b"onetwo"], &code.as_ref()[1..]));
            assert!(!key.verify_mac(algorithm, &[b"onetwo"], b""));
            let other = SessionKey::new(&[0x0c; SESSION_KEY_BYTES]);
            assert!(!other.verify_mac(algorithm, &[b"onetwo"], code.as_ref()));
        }
    }

    #[test]
    fn shows_no_key() {
        assert_eq!(format!("{:?}", nist().0), "SessionKey { .. }");
    }
}
