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
/// key, as it spelt it; only SM2 covers it. Up to 5 ms.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::vectors::{key, vector};

    /// What the vectors of `made.hex` sign.
    const SIGNED: [&[u8]; 2] = [b"the nonce ", b"and the digest"];

    fn check(key: &PublicKey, hash_algorithm: &str, signature: &[u8]) {
        let [nonce, digest] = SIGNED;
        let proof = SignedProof {
            hash_algorithm,
            signature,
        };
        assert_eq!(verify_signature(key, "u", nonce, digest, &proof), Ok(()));
        assert_eq!(verify_message(key, &SIGNED, &proof), Ok(()));
        assert_eq!(
            verify_signature(key, "u", digest, nonce, &proof),
            Err(SignatureRefused::Wrong)
        );
        for index in [0, signature.len() / 2, signature.len() - 1] {
            let mut damaged = signature.to_vec();
            damaged[index] ^= 1;
            let proof = SignedProof {
                hash_algorithm,
                signature: &damaged,
            };
            assert_eq!(
                verify_message(key, &SIGNED, &proof),
                Err(SignatureRefused::Wrong),
                "octet {index}"
            );
        }
        for wrong in [&[][..], &signature[1..], &[signature, &[0]].concat()] {
            let proof = SignedProof {
                hash_algorithm,
                signature: wrong,
            };
            assert_eq!(
                verify_message(key, &SIGNED, &proof),
                Err(SignatureRefused::Wrong)
            );
        }
    }

    fn refused(key: &PublicKey, hash_algorithm: &str, signature: &[u8]) -> SignatureRefused {
        let proof = SignedProof {
            hash_algorithm,
            signature,
        };
        verify_message(key, &SIGNED, &proof).expect_err("must not be taken")
    }

    #[test]
    fn takes_rsa_with_both_hashes() {
        for bits in [1024, 4096] {
            let key = key(&format!("rsa{bits}.key"));
            check(&key, "SHA1", &vector(&format!("rsa{bits}.sha1")));
            check(&key, "SHA-256", &vector(&format!("rsa{bits}.sha256")));
        }
    }

    #[test]
    fn takes_dsa_of_all_sizes_with_both_hashes() {
        for bits in [1024, 2048, 3072] {
            let key = key(&format!("dsa{bits}.key"));
            check(&key, "SHA1", &vector(&format!("dsa{bits}.sha1")));
            check(&key, "SHA-256", &vector(&format!("dsa{bits}.sha256")));
        }
    }

    #[test]
    fn takes_every_spelling_of_a_hash() {
        let (key, sha1, sha256) = (
            key("rsa1024.key"),
            vector("rsa1024.sha1"),
            vector("rsa1024.sha256"),
        );
        for (name, signature) in [
            ("SHA-1", &sha1),
            ("sha1", &sha1),
            ("SHA256", &sha256),
            ("Sha-256", &sha256),
        ] {
            check(&key, name, signature);
        }
        for unknown in ["", "MD5", "SHA-512", "SHA256withRSA"] {
            assert_eq!(
                refused(&key, unknown, &sha256),
                SignatureRefused::HashUnknown
            );
        }
        assert_eq!(refused(&key, "SHA1", &sha256), SignatureRefused::Wrong);
    }

    #[test]
    fn takes_the_login_of_id_sdk() {
        let (nonce, digest) = (vector("sdk.nonce"), vector("sdk.digest"));
        let proof = SignedProof {
            hash_algorithm: "SHA-256",
            signature: &vector("sdk.signature"),
        };
        let verify = |key: &PublicKey| verify_signature(key, "", &nonce, &digest, &proof);
        assert_eq!(verify(&key("sdk.key")), Ok(()));
        assert_eq!(verify(&key("site.key")), Err(SignatureRefused::Wrong));
    }

    #[test]
    fn takes_a_certified_response_of_a_deployed_server() {
        let (prefix, message) = (vector("site.prefix"), vector("site.message"));
        let proof = SignedProof {
            hash_algorithm: "SHA-256",
            signature: &vector("site.signature"),
        };
        let verify = |parts: &[&[u8]]| verify_message(&key("site.key"), parts, &proof);
        assert_eq!(verify(&[&prefix, &message]), Ok(()));
        assert_eq!(verify(&[&message]), Err(SignatureRefused::Wrong));
    }

    #[test]
    fn takes_the_sm2_login_of_id_pointer_sdk() {
        let (nonce, digest) = (vector("sm2.nonce"), vector("sm2.digest"));
        let signature = vector("sm2.signature");
        assert_eq!(
            sm3(&[&nonce, &digest]).as_ref(),
            vector("sm2.message"),
            "what the client signed"
        );
        let verify = |user: &str, hash_algorithm, digest: &[u8]| {
            let proof = SignedProof {
                hash_algorithm,
                signature: &signature,
            };
            verify_signature(&key("sm2.key"), user, &nonce, digest, &proof)
        };
        let user = "88.100.1/App_erp";
        assert_eq!(verify(user, "SM3", &digest), Ok(()));
        assert_eq!(
            verify("88.100.1/app_erp", "SM3", &digest),
            Err(SignatureRefused::Wrong),
            "the user is part of what is signed"
        );
        assert_eq!(verify(user, "SM3", &nonce), Err(SignatureRefused::Wrong));
        assert_eq!(
            verify(user, "SHA-256", &digest),
            Err(SignatureRefused::HashUnfit)
        );
        let too_long = "u".repeat(8192);
        assert_eq!(
            verify(&too_long, "SM3", &digest),
            Err(SignatureRefused::KeyUnfit)
        );
    }

    #[test]
    fn refuses_sm2_points_off_the_curve() {
        let signature = vector("sm2.signature");
        for point in [[4; 65], [0; 65]] {
            let key = PublicKey::Sm2 { point };
            assert_eq!(refused(&key, "SM3", &signature), SignatureRefused::KeyUnfit);
        }
    }

    #[test]
    fn refuses_sm2_signatures_of_zero() {
        let key = key("sm2.key");
        let zeros = [0x30, 6, 2, 1, 0, 2, 1, 0];
        assert_eq!(refused(&key, "SM3", &zeros), SignatureRefused::Wrong);
        let ones = [0x30, 6, 2, 1, 1, 2, 1, 1];
        assert_eq!(refused(&key, "SM3", &ones), SignatureRefused::Wrong);
    }

    #[test]
    fn refuses_keys_that_do_not_sign() {
        let key = key("dh.client");
        assert_eq!(
            refused(&key, "SHA-256", &[0; 128]),
            SignatureRefused::KeyNotForSignatures
        );
        let dsa = self::key("dsa1024.key");
        assert_eq!(refused(&dsa, "SM3", &[]), SignatureRefused::HashUnfit);
        let rsa = self::key("rsa1024.key");
        assert_eq!(refused(&rsa, "SM3", &[]), SignatureRefused::HashUnfit);
    }
}
