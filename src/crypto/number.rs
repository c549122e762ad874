//! Numbers of fixed widths from big-endian octets, and back.

use crypto_bigint::Uint;

/// Octets of the widest number, of 4096 bits.
const BYTES_MAX: usize = 512;

/// The number of big-endian octets; `None` if it is wider than `LIMBS`.
pub(super) fn from_bytes<const LIMBS: usize>(bytes: &[u8]) -> Option<Uint<LIMBS>> {
    let mut buffer = [0; BYTES_MAX];
    let padded = buffer.get_mut(..Uint::<LIMBS>::BYTES)?;
    let begin = padded.len().checked_sub(bytes.len())?;
    padded.get_mut(begin..)?.copy_from_slice(bytes);
    Some(Uint::from_be_slice(padded))
}

/// Big-endian octets without leading zeros, so that the length tells the size.
pub(super) fn to_bytes<const LIMBS: usize>(number: &Uint<LIMBS>) -> Vec<u8> {
    let limbs = number.as_words().iter().rev();
    let bytes = limbs.flat_map(|limb| limb.to_be_bytes());
    bytes.skip_while(|byte| *byte == 0).collect()
}
