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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(exponent: &[u8], modulus: &[u8], expected: SignatureRefused) {
        let key = RsaKey { exponent, modulus };
        let signature = vec![1; modulus.len()];
        let verified = key.verify(Hash::Sha256, &[b"message"], &signature);
        assert_eq!(verified, Err(expected), "{} octets", modulus.len());
    }

    #[test]
    fn refuses_keys_that_prove_nothing_or_cost_too_much() {
        let unfit = SignatureRefused::KeyUnfit;
        check(&[3], &[], unfit);
        check(&[3], &[0xff; 127], unfit);
        check(&[3], &[0xff; 1025], unfit);
        check(&[], &[0xff; 128], unfit);
        check(&[0xff; 5], &[0xff; 128], unfit);
        // A leading zero is no part of a number here.
        check(&[0, 3], &[0xff; 128], unfit);
    }

    #[test]
    fn under_a_degenerate_key_no_signature_is_right() {
        // With the exponent 1 a signature would be the padded digest itself.
        let modulus = [0xff; 128];
        let mut digest = Context::new(&SHA256);
        digest.update(b"message");
        let digest = digest.finish();
        let prefix = [
            0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
            0x01, 0x05, 0x00, 0x04, 0x20,
        ];
        let mut forged = vec![0, 1];
        forged.resize(128 - 1 - prefix.len() - 32, 0xff);
        forged.push(0);
        forged.extend_from_slice(&prefix);
        forged.extend_from_slice(digest.as_ref());
        let key = RsaKey {
            exponent: &[1],
            modulus: &modulus,
        };
        let verified = key.verify(Hash::Sha256, &[b"message"], &forged);
        assert!(verified.is_err(), "{verified:?}");
        let key = RsaKey {
            exponent: &[2],
            modulus: &modulus,
        };
        let verified = key.verify(Hash::Sha256, &[b"message"], &forged);
        assert!(verified.is_err(), "{verified:?}");
    }
}
