//! Signatures under public keys (`HS_PUBKEY`, and the keys of servers in
//! `HS_SITE`): answers to challenges, and certified messages (RFC 3652 §2.2.3
//! and §3.5.2; Handle protocol as deployed).

use crate::crypto::digest::{DigestAlgorithm, DigestBytes, digest, sm3};
use crate::crypto::dsa::DsaKey;
use crate::crypto::rsa::RsaKey;
use crate::crypto::sm2;
use crate::model::data::PublicKey;

/// Why a signature does not stand. What differs is for the operator's log; a
/// client is told no more than that it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureRefused {
    /// A hash algorithm that is not known.
    #[error("the hash algorithm is none of SHA-256, SHA1 and SM3")]
    HashUnknown,
    /// A hash algorithm that keys of this kind do not sign with.
    #[error("the hash algorithm does not go with the kind of key")]
    HashUnfit,
    /// A key of a size, or with numbers, that prove nothing.
    #[error("the key is too small, too large or degenerate")]
    KeyUnfit,
    /// A key for another purpose.
    #[error("the key is not for signatures")]
    KeyNotForSignatures,
    /// The signature is not of this message under this key.
    #[error("the signature does not match")]
    Wrong,
}

/// A hash algorithm of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
    Sm3,
}

impl Hash {
    fn from_name(name: &str) -> Result<Self, SignatureRefused> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("SHA-256") || is("SHA256") {
            Ok(Self::Sha256)
        } else if is("SHA1") || is("SHA-1") {
            Ok(Self::Sha1)
        } else if is("SM3") {
            Ok(Self::Sm3)
        } else {
            Err(SignatureRefused::HashUnknown)
        }
    }

    fn digest(self, parts: &[&[u8]]) -> DigestBytes {
        match self {
            Self::Sha1 => digest(DigestAlgorithm::Sha1, parts),
            Self::Sha256 => digest(DigestAlgorithm::Sha256, parts),
            Self::Sm3 => sm3(parts),
        }
    }
}

/// A signed answer to a challenge, as a client sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedProof<'a> {
    /// "SHA-256", "SHA256", "SHA1", "SHA-1" or "SM3", in any case.
    pub hash_algorithm: &'a str,
    /// RSA: PKCS #1 v1.5. DSA and SM2: DER.
    pub signature: &'a [u8],
}

/// Checks that the holder of `key` signed the nonce of a challenge and the digest
/// of the request. `user` is the identifier under which the client presents the
/// key, as it spelt it; only SM2 covers it. Up to 3 ms.
///
/// # Errors
/// [`SignatureRefused`].
pub fn verify_signature(
    key: &PublicKey,
    user: &str,
    nonce: &[u8],
    request_digest: &[u8],
    proof: &SignedProof<'_>,
) -> Result<(), SignatureRefused> {
    verify(key, user, &[nonce, request_digest], proof)
}

/// Checks that the holder of `key` signed the message that `parts` make, one
/// behind the other: a certified response.
///
/// # Errors
/// [`SignatureRefused`].
pub fn verify_message(
    key: &PublicKey,
    parts: &[&[u8]],
    proof: &SignedProof<'_>,
) -> Result<(), SignatureRefused> {
    verify(key, "", parts, proof)
}

fn verify(
    key: &PublicKey,
    user: &str,
    parts: &[&[u8]],
    proof: &SignedProof<'_>,
) -> Result<(), SignatureRefused> {
    let hash = Hash::from_name(proof.hash_algorithm)?;
    let signature = proof.signature;
    match (key, hash) {
        (PublicKey::Rsa { exponent, modulus }, hash) => {
            RsaKey { exponent, modulus }.verify(hash, parts, signature)
        }
        (PublicKey::Dsa { q, p, g, y }, Hash::Sha1 | Hash::Sha256) => {
            DsaKey { q, p, g, y }.verify(hash.digest(parts).as_ref(), signature)
        }
        (PublicKey::Sm2 { point }, Hash::Sm3) => sm2::verify(point, user, parts, signature),
        (PublicKey::Dh { .. }, _) => Err(SignatureRefused::KeyNotForSignatures),
        (PublicKey::Dsa { .. } | PublicKey::Sm2 { .. }, _) => Err(SignatureRefused::HashUnfit),
    }
}
