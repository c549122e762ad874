//! Making key pairs for those who sign: operators and firms.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use crypto_bigint::{NonZero, U256, U512};
use sm2::SecretKey;
use sm2::elliptic_curve::sec1::ToSec1Point;
use sm2::pkcs8::EncodePrivateKey;
use zeroize::Zeroizing;

use crate::crypto::pem;
use crate::crypto::site_key::{KeyError, numbers, private_pem};
use crate::model::data::PublicKey;

/// Random octets that a new key needs: twice the length of an SM2 key, so that
/// reducing them favours no number (FIPS 186-5 §A.2.1).
pub const KEY_RANDOM_BYTES: usize = 64;

/// A kind of key pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of 2048 bits.
    Rsa2048,
    /// RSA of 3072 bits.
    Rsa3072,
    /// RSA of 4096 bits.
    Rsa4096,
    /// Ed25519 (RFC 8032), for which the Handle protocol has no public key.
    Ed25519,
    /// SM2 (GB/T 32918).
    Sm2,
}

/// A new key pair. The private half is erased when dropped, and never shown.
pub struct KeyPair {
    /// The private key as PEM text (PKCS #8).
    pub private_pem: Zeroizing<String>,
    /// The public key as PEM text (SubjectPublicKeyInfo).
    pub public_pem: String,
    /// The public key of an `HS_PUBKEY`, where its format has the kind.
    pub public_key: Option<PublicKey>,
}

impl KeyPair {
    /// Makes a key pair. `random` becomes a key of SM2; for the other kinds the
    /// library draws random octets itself. RSA of 4096 bits takes seconds.
    ///
    /// # Errors
    /// [`KeyError::NotMade`].
    pub fn generate(kind: KeyKind, random: &[u8; KEY_RANDOM_BYTES]) -> Result<Self, KeyError> {
        match kind {
            KeyKind::Rsa2048 => Self::rsa(KeySize::Rsa2048),
            KeyKind::Rsa3072 => Self::rsa(KeySize::Rsa3072),
            KeyKind::Rsa4096 => Self::rsa(KeySize::Rsa4096),
            KeyKind::Ed25519 => Self::ed25519(),
            KeyKind::Sm2 => Self::sm2(random),
        }
    }

    fn rsa(size: KeySize) -> Result<Self, KeyError> {
        let pair = rsa::KeyPair::generate(size).map_err(|_| KeyError::NotMade)?;
        let (exponent, modulus) = numbers(&pair).ok_or(KeyError::NotMade)?;
        let public_key = PublicKey::Rsa { exponent, modulus };
        Self::with_public_key(private_pem(&pair)?, public_key)
    }

    fn ed25519() -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::NotMade)?;
        // The first version of PKCS #8, which more programs read.
        let private = pair.to_pkcs8v1().map_err(|_| KeyError::NotMade)?;
        let public: PublicKeyX509Der<'_> =
            pair.public_key().as_der().map_err(|_| KeyError::NotMade)?;
        Ok(Self {
            private_pem: pem::encode("PRIVATE KEY", private.as_ref()),
            public_pem: pem::encode("PUBLIC KEY", public.as_ref()).to_string(),
            public_key: None,
        })
    }

    fn sm2(random: &[u8; KEY_RANDOM_BYTES]) -> Result<Self, KeyError> {
        let secret = sm2_secret(random).ok_or(KeyError::NotMade)?;
        let der = secret.to_pkcs8_der().map_err(|_| KeyError::NotMade)?;
        let point = secret.public_key().as_affine().to_sec1_point(false);
        let point = point.as_bytes().try_into().map_err(|_| KeyError::NotMade)?;
        let private = pem::encode("PRIVATE KEY", der.as_bytes());
        Self::with_public_key(private, PublicKey::Sm2 { point })
    }

    fn with_public_key(
        private_pem: Zeroizing<String>,
        public_key: PublicKey,
    ) -> Result<Self, KeyError> {
        Ok(Self {
            private_pem,
            public_pem: public_key.to_pem().ok_or(KeyError::NotMade)?,
            public_key: Some(public_key),
        })
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair")
            .field("public_pem", &self.public_pem)
            .finish_non_exhaustive()
    }
}

/// Order of the curve of SM2, n (GM/T 0003.5), less 2.
const SM2_ORDER_LESS_2: U256 =
    U256::from_be_hex("fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54121");

/// A secret of 1 to n - 2, as the standard wants it.
fn sm2_secret(random: &[u8; KEY_RANDOM_BYTES]) -> Option<SecretKey> {
    let random = Zeroizing::new(U512::from_be_slice(random));
    let order = Option::<NonZero<U256>>::from(SM2_ORDER_LESS_2.to_nz())?;
    let secret = Zeroizing::new(random.rem(&order).wrapping_add(&U256::ONE));
    let bytes = Zeroizing::new(<[u8; 32]>::from(secret.to_be_bytes()));
    SecretKey::from_slice(bytes.as_slice()).ok()
}

#[cfg(test)]
mod tests {
    use sm2::dsa::SigningKey;
    use sm2::dsa::signature::Signer;

    use super::*;
    use crate::crypto::digest::sm3;
    use crate::crypto::signature::{SignedProof, verify_message, verify_signature};
    use crate::crypto::site_key::{SITE_HASH_ALGORITHM, SiteKey};

    const RANDOM: [u8; KEY_RANDOM_BYTES] = [0x5a; KEY_RANDOM_BYTES];

    fn check(kind: KeyKind) -> KeyPair {
        let pair = KeyPair::generate(kind, &RANDOM).expect("a key");
        assert!(
            pair.private_pem
                .starts_with("-----BEGIN PRIVATE KEY-----\n")
        );
        assert!(pair.public_pem.starts_with("-----BEGIN PUBLIC KEY-----\n"));
        let shown = format!("{pair:?}");
        assert!(!shown.contains("PRIVATE"), "{shown}");
        if let Some(key) = &pair.public_key {
            assert_eq!(PublicKey::decode(&key.encode()).as_ref(), Ok(key));
            assert_eq!(
                PublicKey::decode(pair.public_pem.as_bytes()).as_ref(),
                Ok(key)
            );
        }
        pair
    }

    #[test]
    fn rsa_keys_sign() {
        let pair = check(KeyKind::Rsa3072);
        let private = SiteKey::from_pem(&pair.private_pem).expect("an RSA key");
        let proof = SignedProof {
            hash_algorithm: SITE_HASH_ALGORITHM,
            signature: &private.sign(&[b"message"]).expect("a signature"),
        };
        let key = pair.public_key.expect("an RSA key");
        assert_eq!(verify_message(&key, &[b"message"], &proof), Ok(()));
    }

    #[test]
    fn ed25519_keys_are_no_value() {
        let pair = check(KeyKind::Ed25519);
        assert_eq!(pair.public_key, None);
        let der = pem::decode("PRIVATE KEY", &pair.private_pem).expect("PEM");
        let private = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).expect("a key");
        let public: PublicKeyX509Der<'_> = private.public_key().as_der().expect("DER");
        let expected = pem::encode("PUBLIC KEY", public.as_ref());
        assert_eq!(pair.public_pem, *expected);
    }

    #[test]
    fn sm2_keys_sign() {
        let pair = check(KeyKind::Sm2);
        let key = pair.public_key.expect("an SM2 key");
        let secret = sm2_secret(&RANDOM).expect("a key");
        let signer = SigningKey::new("firm/1", &secret).expect("a name");
        let signature = signer.sign(sm3(&[b"nonce", b"digest"]).as_ref());
        let signature = signature.to_der();
        let proof = SignedProof {
            hash_algorithm: "SM3",
            signature: signature.as_ref(),
        };
        let verified = verify_signature(&key, "firm/1", b"nonce", b"digest", &proof);
        assert_eq!(verified, Ok(()));
    }

    #[test]
    fn sm2_secrets_are_within_the_order() {
        let one = sm2_secret(&[0; KEY_RANDOM_BYTES]).expect("1 is the least");
        assert_eq!(one.to_bytes()[31], 1);
        let mut largest = [0; KEY_RANDOM_BYTES];
        largest[32..].copy_from_slice(&SM2_ORDER_LESS_2.wrapping_sub(&U256::ONE).to_be_bytes());
        let largest = sm2_secret(&largest).expect("n - 2 is the greatest");
        assert_eq!(largest.to_bytes()[..], SM2_ORDER_LESS_2.to_be_bytes()[..]);
    }
}
