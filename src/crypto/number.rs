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

#[cfg(test)]
mod tests {
    use crypto_bigint::{U256, U1024};

    use super::*;

    #[test]
    fn octets_go_there_and_back_without_leading_zeros() {
        for bytes in [&[][..], &[1], &[0x80, 0], &[0xff; 32]] {
            let narrow: U256 = from_bytes(bytes).expect("fits");
            assert_eq!(to_bytes(&narrow), bytes);
            let wide: U1024 = from_bytes(bytes).expect("fits");
            assert_eq!(to_bytes(&wide), bytes);
        }
        let padded: U256 = from_bytes(&[0, 0, 7]).expect("fits");
        assert_eq!(to_bytes(&padded), [7]);
    }

    #[test]
    fn a_number_that_does_not_fit_is_none() {
        assert_eq!(from_bytes::<{ U256::LIMBS }>(&[0; 33]), None);
    }
}
