//! Verification of SM2 signatures (GB/T 32918.2) as clients of China's system
//! make them: the message is itself an SM3 digest, and the signer's
//! distinguishing identifier is the user's identifier.

use sm2::dsa::signature::Verifier;
use sm2::dsa::{Signature, VerifyingKey};

use crate::crypto::der::two_integers;
use crate::crypto::digest::sm3;
use crate::crypto::signature::SignatureRefused;

/// Octets of a number modulo the order.
const SCALAR_BYTES: usize = 32;

/// Whether `signature` (DER) is of the SM3 digest of `parts`, by the holder of
/// the key `point` (04, x, y) named `user`.
///
/// # Errors
/// The point is not on the curve; the name is longer than 8191 octets; or the
/// signature is wrong.
pub(super) fn verify(
    point: &[u8],
    user: &str,
    parts: &[&[u8]],
    signature: &[u8],
) -> Result<(), SignatureRefused> {
    let key = VerifyingKey::from_sec1_bytes(user, point);
    let key = key.map_err(|_| SignatureRefused::KeyUnfit)?;
    let signature = parse(signature).ok_or(SignatureRefused::Wrong)?;
    key.verify(sm3(parts).as_ref(), &signature)
        .map_err(|_| SignatureRefused::Wrong)
}

fn parse(der: &[u8]) -> Option<Signature> {
    let (r, s) = two_integers(der)?;
    let mut bytes = [0; 2 * SCALAR_BYTES];
    let (left, right) = bytes.split_at_mut(SCALAR_BYTES);
    for (to, number) in [(left, r), (right, s)] {
        let begin = SCALAR_BYTES.checked_sub(number.len())?;
        to.get_mut(begin..)?.copy_from_slice(number);
    }
    Signature::from_slice(&bytes).ok()
}
