//! Proofs that a client knows a secret (`HS_SECKEY`): a code over the nonce of
//! the challenge and the digest of the request (RFC 3652 §3.5.2; Handle protocol
//! as deployed).

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use zeroize::Zeroizing;

use crate::crypto::digest::{DigestAlgorithm, DigestBytes, digest};
use crate::crypto::mac::{MacAlgorithm, equal, mac};

/// Octets of salt that a proof may have; longer ones fail. Clients send 16.
pub const SALT_BYTES_MAX: usize = 64;
/// Iterations with which clients stretch a secret.
pub const STRETCH_ITERATIONS: u32 = 10_000;
/// Iterations that a proof may ask for, about 40 ms of work; a proof with more
/// fails unseen, since the client chooses them before anything is proven.
pub const STRETCH_ITERATIONS_MAX: u32 = 100_000;
/// Bits of the key that a secret is stretched to: those of HMAC-SHA1.
pub const KEY_BITS: u32 = 160;

const KEY_BYTES: usize = 20;

/// How a proof is computed of secret, nonce and digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretMethod<'a> {
    /// 0x22: HMAC-SHA1 under the secret stretched by PBKDF2-HMAC-SHA1. What
    /// clients from protocol 2.7 send.
    Stretched {
        /// At most [`SALT_BYTES_MAX`].
        salt: &'a [u8],
        /// 1 to [`STRETCH_ITERATIONS_MAX`].
        iterations: u32,
        /// [`KEY_BITS`] and nothing else.
        key_bits: u32,
    },
    /// 1, 2, 3: a digest of secret, nonce, digest and secret. Also the bare MD5
    /// of clients before protocol 2.1.
    Digest(DigestAlgorithm),
    /// 0x12, 0x13: an HMAC under the secret itself.
    Mac(MacAlgorithm),
}

/// A proof as a client sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretProof<'a> {
    /// How the client computed it.
    pub method: SecretMethod<'a>,
    /// What it came to.
    pub mac: &'a [u8],
}

/// Whether `proof` was made with `secret` for this challenge. Takes a time that
/// depends on the method and on lengths alone; up to 40 ms for
/// [`SecretMethod::Stretched`]. An empty secret proves nothing.
pub fn verify_secret(
    proof: &SecretProof<'_>,
    secret: &[u8],
    nonce: &[u8],
    request_digest: &[u8],
) -> bool {
    make_secret_proof(&proof.method, secret, nonce, request_digest)
        .is_some_and(|expected| equal(expected.as_ref(), proof.mac))
}

/// The code of [`SecretProof`] as a client makes it; `None` when the method is
/// out of its limits or the secret is empty.
pub fn make_secret_proof(
    method: &SecretMethod<'_>,
    secret: &[u8],
    nonce: &[u8],
    request_digest: &[u8],
) -> Option<DigestBytes> {
    if secret.is_empty() {
        return None;
    }
    match *method {
        SecretMethod::Stretched {
            salt,
            iterations,
            key_bits,
        } => {
            let within = salt.len() <= SALT_BYTES_MAX
                && iterations <= STRETCH_ITERATIONS_MAX
                && key_bits == KEY_BITS;
            let iterations = NonZeroU32::new(iterations).filter(|_| within)?;
            let mut key = Zeroizing::new([0; KEY_BYTES]);
            let algorithm = pbkdf2::PBKDF2_HMAC_SHA1;
            pbkdf2::derive(algorithm, iterations, salt, secret, key.as_mut_slice());
            let parts = [nonce, request_digest];
            Some(mac(MacAlgorithm::Sha1, key.as_slice(), &parts))
        }
        SecretMethod::Digest(algorithm) => {
            let parts = [secret, nonce, request_digest, secret];
            Some(digest(algorithm, &parts))
        }
        SecretMethod::Mac(algorithm) => Some(mac(algorithm, secret, &[nonce, request_digest])),
    }
}
