//! Proofs of a Handle identity (RFC 3652 §3.5; Handle protocol as deployed).

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
    /// A MAC with the bytes of an `HS_SECKEY`.
    Secret {
        /// What it answers.
        challenge: Challenge<'a>,
        /// An octet for the algorithm, and the MAC behind it.
        response: &'a [u8],
    },
    /// A MAC with the bytes of an `HS_SECKEY` as clients before 2.1 sent it: 16
    /// octets of MD5 and no algorithm.
    OldSecret {
        /// What it answers.
        challenge: Challenge<'a>,
        /// The MAC.
        mac: &'a [u8],
    },
    /// A signature that the key of an `HS_PUBKEY` verifies.
    Signature {
        /// What it answers.
        challenge: Challenge<'a>,
        /// `SHA-256`, `SHA1`, `SM3` and the like, as the client names it.
        hash_algorithm: &'a str,
        /// The signature.
        signature: &'a [u8],
    },
    /// The bytes of an `HS_SECKEY` themselves: only over a channel that nobody
    /// reads along.
    Password(&'a [u8]),
}

impl std::fmt::Debug for Proof<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Secret { .. } | Self::OldSecret { .. } => "Proof(secret)",
            Self::Signature { .. } => "Proof(signature)",
            Self::Password(_) => "Proof(password)",
        })
    }
}
