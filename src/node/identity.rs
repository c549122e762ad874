//! Handle identities: who proves to hold a key that a record keeps.

use crate::access::Proof;
use crate::model::{Caller, Reason, Reference, Refusal};
use crate::node::Node;

impl Node {
    /// Names the identities that operate the node; index 0 stands for every key
    /// of the record.
    pub fn set_admins(&self, admins: Vec<Reference>) {
        self.inner.admins.store(admins.into());
    }

    /// Who proves to be `identity`: the holder of the key that is the value at
    /// its index, or of any `HS_PUBKEY` of its record at index 0. The record is
    /// read whatever its permissions. Blocks, for a PBKDF2 as long as that takes.
    ///
    /// # Errors
    /// `IdentityUnknown` if its prefix is not served here;
    /// `AuthenticationFailed` for whatever else is wrong with it or the proof,
    /// which the log tells apart at DEBUG; `Internal`.
    pub fn prove(&self, identity: &Reference, proof: &Proof<'_>) -> Result<Caller, Refusal> {
        let _ = (identity, proof);
        Err(Refusal::new(Reason::AuthenticationFailed))
    }

    /// Whether `proof` is that of `identity`, for another server that asks
    /// (RFC 3652 §3.5.3). Blocks as [`Node::prove`] does.
    ///
    /// # Errors
    /// `IdentityUnknown` if its prefix is not served here; `Internal`.
    pub fn verify_challenge(
        &self,
        identity: &Reference,
        proof: &Proof<'_>,
    ) -> Result<bool, Refusal> {
        match self.prove(identity, proof) {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.reason() == Reason::AuthenticationFailed => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }
}
