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
/// Iterations that a proof may ask for, about 30 ms of work; a proof with more
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
/// depends on the method and on lengths alone; up to 30 ms for
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
            let key = stretch(secret, salt, iterations);
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

/// PBKDF2-HMAC-SHA1 (RFC 8018 §5.2).
fn stretch(secret: &[u8], salt: &[u8], iterations: NonZeroU32) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA1;
    pbkdf2::derive(algorithm, iterations, salt, secret, key.as_mut_slice());
    key
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::crypto::vectors::vector;

    const SECRET: &[u8] = b"a secret";

    /// The codes are Python's, as `hmac.new(key, b"noncedigest", "sha1")` and
    /// `hashlib.sha1(b"a secretnoncedigesta secret")`.
    fn check(method: SecretMethod<'_>, expected: &str) {
        let mac = HEXLOWER.decode(expected.as_bytes()).expect("hex");
        let proof = SecretProof { method, mac: &mac };
        assert!(verify_secret(&proof, SECRET, b"nonce", b"digest"));
        let made = make_secret_proof(&method, SECRET, b"nonce", b"digest");
        assert_eq!(made.expect("within limits").as_ref(), mac);
        assert!(!verify_secret(&proof, b"another", b"nonce", b"digest"));
        assert!(!verify_secret(&proof, SECRET, b"Nonce", b"digest"));
        assert!(!verify_secret(&proof, SECRET, b"nonce", b"Digest"));
        let shorter = mac.split_last().expect("not empty").1;
        let proof = SecretProof {
            method,
            mac: shorter,
        };
        assert!(!verify_secret(&proof, SECRET, b"nonce", b"digest"));
    }

    fn stretched(salt: &[u8], iterations: u32, key_bits: u32) -> SecretMethod<'_> {
        SecretMethod::Stretched {
            salt,
            iterations,
            key_bits,
        }
    }

    #[test]
    fn every_form_proves_the_secret() {
        let digests = [
            (DigestAlgorithm::Md5, "eecfafe5d26e7ca4a5debe76dedab6d7"),
            (
                DigestAlgorithm::Sha1,
                "fb5a911e182d922590b44827dd8b52a7992b0299",
            ),
            (
                DigestAlgorithm::Sha256,
                "23c9edff60076c1d77befdb49e5104811d88040d6c9018d5dec2342bdc79d710",
            ),
        ];
        for (algorithm, expected) in digests {
            check(SecretMethod::Digest(algorithm), expected);
        }
        check(
            SecretMethod::Mac(MacAlgorithm::Sha1),
            "e98225fcbb831213c3aa153126cc746b56d6fa0b",
        );
        check(
            SecretMethod::Mac(MacAlgorithm::Sha256),
            "3caf16cc899358c4434a9c646fe5b81f04131e8bdd1f8089b19956c30ac09e7d",
        );
        check(
            stretched(b"salt", 2, KEY_BITS),
            "9a587805ba6116aa7737727d897739c783b1503b",
        );
    }

    #[test]
    fn takes_what_deployed_clients_sent() {
        let (salt, mac) = (vector("secret.salt"), vector("secret.mac"));
        let method = stretched(&salt, STRETCH_ITERATIONS, KEY_BITS);
        let proof = SecretProof { method, mac: &mac };
        let (nonce, digest) = (vector("secret.nonce"), vector("secret.digest"));
        assert!(verify_secret(&proof, b"password", &nonce, &digest));
        assert!(!verify_secret(&proof, b"Password", &nonce, &digest));

        let mac = vector("sha1.mac");
        let method = SecretMethod::Digest(DigestAlgorithm::Sha1);
        let proof = SecretProof { method, mac: &mac };
        let (nonce, digest) = (vector("sha1.nonce"), vector("sha1.digest"));
        assert!(verify_secret(&proof, b"password", &nonce, &digest));
    }

    #[test]
    fn stretches_as_in_rfc_6070() {
        let cases = [
            (1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"),
            (2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"),
            (4096, "4b007901b765489abead49d926f721d065a429c1"),
        ];
        for (iterations, expected) in cases {
            let iterations = NonZeroU32::new(iterations).expect("not zero");
            let key = stretch(b"password", b"salt", iterations);
            assert_eq!(HEXLOWER.encode(key.as_slice()), expected);
        }
    }

    #[test]
    fn refuses_work_without_bounds() {
        let refused = [
            stretched(b"salt", 0, KEY_BITS),
            stretched(b"salt", STRETCH_ITERATIONS_MAX + 1, KEY_BITS),
            stretched(b"salt", u32::MAX, KEY_BITS),
            stretched(b"salt", 1, KEY_BITS + 8),
            stretched(b"salt", 1, 0),
            stretched(&[0; SALT_BYTES_MAX + 1], 1, KEY_BITS),
        ];
        for method in refused {
            let made = make_secret_proof(&method, SECRET, b"nonce", b"digest");
            assert_eq!(made, None, "{method:?}");
        }
        let at_limit = stretched(&[0; SALT_BYTES_MAX], 1, KEY_BITS);
        assert!(make_secret_proof(&at_limit, SECRET, b"", b"").is_some());
    }

    #[test]
    fn an_empty_secret_proves_nothing() {
        let method = SecretMethod::Mac(MacAlgorithm::Sha256);
        let mac = mac(MacAlgorithm::Sha256, b"", &[b"nonce", b"digest"]);
        let proof = SecretProof {
            method,
            mac: mac.as_ref(),
        };
        assert!(!verify_secret(&proof, b"", b"nonce", b"digest"));
    }

    #[test]
    fn an_empty_code_proves_nothing() {
        let method = SecretMethod::Mac(MacAlgorithm::Sha1);
        let proof = SecretProof { method, mac: b"" };
        assert!(!verify_secret(&proof, SECRET, b"nonce", b"digest"));
    }
}
