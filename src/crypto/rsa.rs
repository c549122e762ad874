//! Verification of RSA signatures (RFC 8017 §8.2.2, PKCS #1 v1.5).

use aws_lc_rs::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
};

use crate::crypto::signature::{Hash, SignatureRefused};

/// Octets of the modulus of a key that is looked at: 1024 to 8192 bits.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 128..=1024;
/// Octets of an exponent; work grows with it.
const EXPONENT_BYTES_MAX: usize = 4;

/// The numbers of an RSA key as octets, big-endian, without leading zeros.
#[derive(Clone, Copy, Debug)]
pub(super) struct RsaKey<'a> {
    pub(super) exponent: &'a [u8],
    pub(super) modulus: &'a [u8],
}

impl RsaKey<'_> {
    /// Whether `signature` is of the message that `parts` make. At most 1 ms.
    ///
    /// # Errors
    /// The key is not of 1024 to 8192 bits, or is no RSA key; the hash has no
    /// signatures of RSA; or the signature is wrong.
    pub(super) fn verify(
        &self,
        hash: Hash,
        parts: &[&[u8]],
        signature: &[u8],
    ) -> Result<(), SignatureRefused> {
        let (algorithm, parameters): (&'static Algorithm, _) = match hash {
            Hash::Sha1 => (
                &SHA1_FOR_LEGACY_USE_ONLY,
                &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            ),
            Hash::Sha256 => (&SHA256, &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
            Hash::Sm3 => return Err(SignatureRefused::HashUnfit),
        };
        let within = MODULUS_BYTES.contains(&self.modulus.len())
            && (1..=EXPONENT_BYTES_MAX).contains(&self.exponent.len());
        if !within {
            return Err(SignatureRefused::KeyUnfit);
        }
        let key = PublicKeyComponents {
            n: self.modulus,
            e: self.exponent,
        };
        let key = key.to_parsed_public_key(parameters);
        let key = key.map_err(|_| SignatureRefused::KeyUnfit)?;
        let mut context = Context::new(algorithm);
        parts.iter().for_each(|part| context.update(part));
        key.verify_digest_sig(&context.finish(), signature)
            .map_err(|_| SignatureRefused::Wrong)
    }
}
