//! Handle identities: who proves to hold a key that a record keeps.

use std::net::IpAddr;

use aws_lc_rs::digest::{Context, SHA256};

use crate::access::{Proof, is_named_by, prove};
use crate::model::{Caller, Identity, Reason, Record, Reference, Refusal, Who};
use crate::node::{Node, told};
use crate::resolve::{Unresolved, stored};

/// SHA-256 of a key's type and data.
pub type KeyDigest = [u8; 32];

impl Node {
    /// Names the identities that operate the node; index 0 stands for every key
    /// of the record.
    pub fn set_admins(&self, admins: Vec<Reference>) {
        self.inner.admins.store(admins.into());
    }

    /// Who proves from `source` to be `identity`: the holder of the key that is the value at
    /// its index, or of any `HS_PUBKEY` of its record at index 0. The record is
    /// read whatever its permissions. Blocks, for a PBKDF2 as long as that takes.
    ///
    /// # Errors
    /// `IdentityUnknown` if its prefix is not served here;
    /// `AuthenticationFailed` for whatever else is wrong with it or the proof,
    /// which the log tells apart at DEBUG; `Internal`.
    pub fn prove(
        &self,
        identity: &Reference,
        proof: &Proof<'_>,
        source: Option<IpAddr>,
    ) -> Result<Caller, Refusal> {
        let record = self.kept(identity).inspect_err(|refusal| {
            self.inner.sign_ins.unproven(refusal.reason());
        })?;
        let index = prove(identity, record.as_ref(), proof).map_err(|why| {
            tracing::debug!(%identity, ?proof, %why, "an identity was not proven");
            let reason = Reason::AuthenticationFailed;
            self.refuse_unproven(reason, &identity.to_string(), source)
        })?;
        self.inner.sign_ins.identity();
        // As registered, so that the audit trail spells each in one way.
        let identifier = record.map_or_else(|| identity.identifier.clone(), |r| r.identifier);
        let reference = Reference { index, identifier };
        let store = &*self.inner.store;
        let admins = self.inner.admins.load();
        let is_operator = admins
            .iter()
            .any(|admin| is_named_by(store, &reference, admin));
        Ok(Caller::of(Who::Identity(Identity::new(
            reference,
            is_operator,
        ))))
    }

    /// The key that `reference` names, as a digest of the value; `None` if it is
    /// not there, or its prefix is not served. Reads the disk on a miss.
    pub fn key_digest(&self, reference: &Reference) -> Option<KeyDigest> {
        let record = self.kept(reference).ok().flatten()?;
        let value = record.value(reference.index)?;
        let mut context = Context::new(&SHA256);
        context.update(value.value_type.as_str().as_bytes());
        context.update(&[0]);
        context.update(&value.data);
        let mut digest = KeyDigest::default();
        digest.copy_from_slice(context.finish().as_ref());
        Some(digest)
    }

    /// Whether `proof` is that of `identity`, for another server that asks from `source`
    /// (RFC 3652 §3.5.3). Blocks as [`Node::prove`] does.
    ///
    /// # Errors
    /// `IdentityUnknown` if its prefix is not served here; `Internal`.
    pub fn verify_challenge(
        &self,
        identity: &Reference,
        proof: &Proof<'_>,
        source: Option<IpAddr>,
    ) -> Result<bool, Refusal> {
        match self.prove(identity, proof, source) {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.reason() == Reason::AuthenticationFailed => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    /// The record that holds an identity's keys, with all its values.
    fn kept(&self, identity: &Reference) -> Result<Option<Record>, Refusal> {
        let Reference { identifier, .. } = identity;
        match stored(&self.inner.store, identifier) {
            Ok(record) => Ok(Some(record)),
            Err(Unresolved::Refused(refusal)) if refusal.reason() == Reason::RecordNotFound => {
                Ok(None)
            }
            Err(Unresolved::Refused(refusal)) => {
                tracing::debug!(%identity, why = %refusal, "an identity was not proven");
                Err(Refusal::new(Reason::IdentityUnknown).value(identity))
            }
            Err(Unresolved::Store(error)) => Err(told(&error)),
        }
    }
}
