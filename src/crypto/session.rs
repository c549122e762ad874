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
