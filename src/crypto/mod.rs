//! Secrets and signatures of the Handle protocol: functions on bytes, beneath
//! its messages (RFC 3652 §2.2 and §3.5 to 3.7; DO-IRP v3.0); people's passwords
//! and one-time codes (RFC 9106, RFC 6238); and [`DataKey`], with which personal data
//! is sealed.
//!
//! Chance is passed in, except where the library draws it itself: making an RSA
//! or an Ed25519 key. Only [`SiteKey`], [`SealingKey`] and [`key_file`] touch files.
//! What a message looks like is not known here.

mod certificate;
mod der;
mod dh;
mod digest;
mod dsa;
pub mod key_file;
mod key_pair;
mod mac;
mod number;
mod password;
mod pem;
mod rsa;
mod sealed;
mod secret;
mod session;
mod signature;
mod site_key;
mod sm2;
mod totp;
#[cfg(test)]
mod vectors;

pub use certificate::Certificate;
pub use dh::{DH_RANDOM_BYTES, DhGroup, DhRefused, DhSecret, respond};
pub use digest::{DIGEST_BYTES_MAX, DigestAlgorithm, DigestBytes, digest, sm3};
pub use key_pair::{KEY_RANDOM_BYTES, KeyKind, KeyPair};
pub use mac::{MacAlgorithm, equal, mac};
pub use password::{
    FIRST_PASSWORD_RANDOM_BYTES, PASSWORD_CHARS, PASSWORD_SALT_BYTES, Unhashable, first_password,
    hash_password, is_strong_password, verify_no_password, verify_password,
};
pub use sealed::{DataKey, SEAL_KEY_BYTES, SEAL_NONCE_BYTES, SealKeyError, SealingKey, Unsealed};
pub use secret::{
    KEY_BITS, SALT_BYTES_MAX, STRETCH_ITERATIONS, STRETCH_ITERATIONS_MAX, SecretMethod,
    SecretProof, make_secret_proof, verify_secret,
};
pub use session::{Garbled, IV_BYTES, SESSION_KEY_BYTES, SessionKey};
pub use signature::{SignatureRefused, SignedProof, verify_message, verify_signature};
pub use site_key::{KeyError, KeyUnfit, SITE_HASH_ALGORITHM, SiteKey};
pub use totp::{TOTP_SECRET_BYTES, TOTP_STEP_SECS, TotpSecret};
