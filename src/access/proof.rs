//! Proofs of a Handle identity: that a client holds the key which a value of a
//! record keeps (RFC 3652 §3.5; Handle protocol as deployed).

use crate::crypto::{
    SecretProof, SignatureRefused, SignedProof, equal, verify_secret, verify_signature,
};
use crate::model::data::PublicKey;
use crate::model::{Record, Reference, Value};

/// Keys of one record that are tried for an identity of index 0.
const KEYS_TRIED_MAX: usize = 16;
/// What stands in for a secret that is not there, so that the answer takes as
/// long. Nothing is ever proven with it.
const NO_SECRET: &[u8] = b"there is no secret here";

/// What a proof answers: the node's random number and the request it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// The node's random number, as it was sent.
    pub nonce: &'a [u8],
    /// Digest of the request's header and body.
    pub request_digest: &'a [u8],
}

/// How a client shows that it holds an identity's key.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// A code made with the bytes of an `HS_SECKEY`.
    Secret {
        /// What it answers.
        challenge: Challenge<'a>,
        /// The code, and how it is made.
        proof: SecretProof<'a>,
    },
    /// A signature that the key of an `HS_PUBKEY` verifies.
    Signature {
        /// What it answers.
        challenge: Challenge<'a>,
        /// The signature, and how it is made.
        proof: SignedProof<'a>,
    },
    /// The bytes of an `HS_SECKEY` themselves: only over a channel that nobody
    /// reads along.
    Password(&'a [u8]),
}

impl std::fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Secret { .. } => "Proof(secret)",
            Self::Signature { .. } => "Proof(signature)",
            Self::Password(_) => "Proof(password)",
        })
    }
}

/// Why nothing is proven: for the operator's log, not for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The record is not there, or has no value at the index.
    #[error("there is no such key")]
    KeyMissing,
    /// The value is no key of the kind that the proof is made with.
    #[error("the value is no key of this kind")]
    KeyUnfit,
    /// The data of an `HS_PUBKEY` is none.
    #[error("the public key cannot be read")]
    KeyUnreadable,
    /// The code or the password is not that of the secret.
    #[error("the secret does not match")]
    SecretWrong,
    /// The signature does not stand.
    #[error(transparent)]
    Signature(#[from] SignatureRefused),
}

/// Checks that `proof` is made with the key at `identity`'s index of `record`, or
/// at index 0 with one of its first 16 `HS_PUBKEY`s, and returns the key's index.
/// `record` has all its values; `None` takes about as long as one without the
/// key. Up to 40 ms for a stretched secret, 3 ms for each signature.
///
/// # Errors
/// [`Unproven`].
pub fn prove(
    identity: &Reference,
    record: Option<&Record>,
    proof: &Proof<'_>,
) -> Result<u32, Unproven> {
    let user = identity.identifier.to_string();
    let values = record.map_or(&[][..], |record| &record.values);
    // Index 0 stands for public keys: with a secret it finds nothing.
    if identity.index != 0 || !matches!(proof, Proof::Signature { .. }) {
        let value = values.iter().find(|value| value.index == identity.index);
        verify(value, &user, proof)?;
        return Ok(identity.index);
    }
    let is_key = |value: &&Value| value.value_type.is("HS_PUBKEY");
    let mut last = Err(Unproven::KeyMissing);
    for value in values.iter().filter(is_key).take(KEYS_TRIED_MAX) {
        match verify(Some(value), &user, proof) {
            Ok(()) => return Ok(value.index),
            Err(unproven) => last = Err(unproven),
        }
    }
    last
}

fn verify(value: Option<&Value>, user: &str, proof: &Proof<'_>) -> Result<(), Unproven> {
    let fits = |value: &&Value| value.value_type.is(key_type(proof));
    let key = value.filter(fits).map(|value| value.data.as_slice());
    let unfit = match value {
        Some(_) => Unproven::KeyUnfit,
        None => Unproven::KeyMissing,
    };
    let is_right = match proof {
        Proof::Secret { challenge, proof } => {
            let Challenge {
                nonce,
                request_digest,
            } = challenge;
            verify_secret(proof, key.unwrap_or(NO_SECRET), nonce, request_digest)
        }
        Proof::Password(password) => {
            equal(key.unwrap_or(NO_SECRET), password) && !password.is_empty()
        }
        Proof::Signature { challenge, proof } => {
            let Challenge {
                nonce,
                request_digest,
            } = challenge;
            let key = PublicKey::decode(key.ok_or(unfit)?);
            let key = key.map_err(|_| Unproven::KeyUnreadable)?;
            verify_signature(&key, user, nonce, request_digest, proof)?;
            true
        }
    };
    match (key, is_right) {
        (None, _) => Err(unfit),
        (Some(_), true) => Ok(()),
        (Some(_), false) => Err(Unproven::SecretWrong),
    }
}

/// The type of the values that hold a key for `proof`.
const fn key_type(proof: &Proof<'_>) -> &'static str {
    match proof {
        Proof::Secret { .. } | Proof::Password(_) => "HS_SECKEY",
        Proof::Signature { .. } => "HS_PUBKEY",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{
        DigestAlgorithm, KEY_BITS, MacAlgorithm, SITE_HASH_ALGORITHM, STRETCH_ITERATIONS,
        SecretMethod, SiteKey, make_secret_proof,
    };
    use crate::model::{Permissions, Timestamp, Ttl, ValueType};

    const CHALLENGE: Challenge<'static> = Challenge {
        nonce: b"0123456789abcdef",
        request_digest: b"digest of the request",
    };

    fn value(index: u32, value_type: &str, data: &[u8]) -> Value {
        Value {
            index,
            value_type: ValueType::parse(value_type).expect("a type"),
            data: data.to_vec(),
            ttl: Ttl::DEFAULT,
            permissions: Permissions::from_bits(0),
            readers: None,
            changed: Timestamp::default(),
            references: Vec::new(),
        }
    }

    fn identity(index: u32) -> Reference {
        Reference::parse(&format!("{index}:88.118.7/App_erp")).expect("a reference")
    }

    fn record(values: Vec<Value>) -> Record {
        Record {
            identifier: identity(0).identifier,
            values,
            readers: None,
            revision: 1,
            created: Timestamp::default(),
            changed: Timestamp::default(),
        }
    }

    fn check(index: u32, values: Vec<Value>, proof: &Proof<'_>, expected: Result<u32, Unproven>) {
        let seen = prove(&identity(index), Some(&record(values)), proof);
        assert_eq!(seen, expected, "{index} by {proof:?}");
    }

    #[test]
    fn a_secret_proves_its_own_value_only() {
        let stretched = SecretMethod::Stretched {
            salt: b"salt",
            iterations: STRETCH_ITERATIONS,
            key_bits: KEY_BITS,
        };
        let methods = [
            stretched,
            SecretMethod::Digest(DigestAlgorithm::Md5),
            SecretMethod::Mac(MacAlgorithm::Sha256),
        ];
        let values = || {
            vec![
                value(300, "HS_SECKEY", b"secret"),
                value(301, "HS_SECKEY", b"another"),
                value(302, "DESC", b"secret"),
                value(303, "HS_PUBKEY", b"secret"),
            ]
        };
        for method in methods {
            let Challenge {
                nonce,
                request_digest,
            } = CHALLENGE;
            let made = |secret| make_secret_proof(&method, secret, nonce, request_digest);
            let mac = made(b"secret").expect("within limits");
            let proof = |mac, challenge| Proof::Secret {
                challenge,
                proof: SecretProof { method, mac },
            };
            let right = proof(mac.as_ref(), CHALLENGE);
            check(300, values(), &right, Ok(300));
            check(301, values(), &right, Err(Unproven::SecretWrong));
            check(302, values(), &right, Err(Unproven::KeyUnfit));
            check(303, values(), &right, Err(Unproven::KeyUnfit));
            check(304, values(), &right, Err(Unproven::KeyMissing));
            check(0, values(), &right, Err(Unproven::KeyMissing));
            let other = Challenge {
                nonce: b"another nonce...",
                ..CHALLENGE
            };
            let replayed = proof(mac.as_ref(), other);
            check(300, values(), &replayed, Err(Unproven::SecretWrong));
            // What stands in for a secret proves nothing.
            let stand_in = made(NO_SECRET).expect("within limits");
            let guessed = proof(stand_in.as_ref(), CHALLENGE);
            check(304, values(), &guessed, Err(Unproven::KeyMissing));
            let nobody = prove(&identity(300), None, &guessed);
            assert_eq!(nobody, Err(Unproven::KeyMissing));
        }
    }

    #[test]
    fn a_password_is_the_secret_itself() {
        let values = || {
            vec![
                value(300, "HS_SECKEY", b"secret"),
                value(301, "HS_SECKEY", b""),
            ]
        };
        check(300, values(), &Proof::Password(b"secret"), Ok(300));
        for wrong in [&b""[..], b"Secret", b"secret ", NO_SECRET] {
            let password = Proof::Password(wrong);
            check(300, values(), &password, Err(Unproven::SecretWrong));
            check(302, values(), &password, Err(Unproven::KeyMissing));
        }
        let empty = Proof::Password(b"");
        check(301, values(), &empty, Err(Unproven::SecretWrong));
    }

    #[test]
    fn a_signature_proves_the_key_that_verifies_it() {
        let [mine, other] = [(); 2].map(|()| SiteKey::generate().expect("a key"));
        let public = |key: &SiteKey| key.public_key().encode();
        let values = || {
            vec![
                value(300, "HS_PUBKEY", &public(&other)),
                value(301, "HS_PUBKEY", b"garbled"),
                value(302, "HS_PUBKEY", &public(&mine)),
                value(303, "DESC", &public(&mine)),
            ]
        };
        let Challenge {
            nonce,
            request_digest,
        } = CHALLENGE;
        let signature = mine.sign(&[nonce, request_digest]).expect("signs");
        let signed = |signature| Proof::Signature {
            challenge: CHALLENGE,
            proof: SignedProof {
                hash_algorithm: SITE_HASH_ALGORITHM,
                signature,
            },
        };
        let right = signed(&signature);
        check(302, values(), &right, Ok(302));
        check(0, values(), &right, Ok(302));
        let wrong = Unproven::Signature(SignatureRefused::Wrong);
        check(300, values(), &right, Err(wrong));
        check(301, values(), &right, Err(Unproven::KeyUnreadable));
        check(303, values(), &right, Err(Unproven::KeyUnfit));
        check(304, values(), &right, Err(Unproven::KeyMissing));
        check(0, values(), &signed(b"no signature"), Err(wrong));
        check(0, vec![], &right, Err(Unproven::KeyMissing));

        let mut many: Vec<_> = (1..=16).map(|at| value(at, "HS_PUBKEY", b"x")).collect();
        many.push(value(17, "HS_PUBKEY", &public(&mine)));
        check(0, many.clone(), &right, Err(Unproven::KeyUnreadable));
        check(17, many.clone(), &right, Ok(17));
        many.remove(0);
        check(0, many, &right, Ok(17));
    }
}
