//! Verification of DSA signatures (FIPS 186-4 §4.7). All numbers are public, so
//! nothing here needs a constant time.

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{NonZero, Odd, U256, U1024, U2048, U3072, Uint};

use crate::crypto::der::two_integers;
use crate::crypto::number::from_bytes;
use crate::crypto::signature::SignatureRefused;

/// The numbers of a DSA key as octets, big-endian.
#[derive(Clone, Copy, Debug)]
pub(super) struct DsaKey<'a> {
    pub(super) q: &'a [u8],
    pub(super) p: &'a [u8],
    pub(super) g: &'a [u8],
    pub(super) y: &'a [u8],
}

impl DsaKey<'_> {
    /// Whether `signature` (DER, RFC 3279 §2.2.2) is of the message with
    /// `digest`. About 5 ms for 3072 bits, less than 1 ms for 1024.
    ///
    /// # Errors
    /// The key is not of 1024, 2048 or 3072 bits with an order of 160, 224 or
    /// 256, or its numbers do not make a group; or the signature is wrong.
    pub(super) fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<(), SignatureRefused> {
        if ![20, 28, 32].contains(&self.q.len()) {
            return Err(SignatureRefused::KeyUnfit);
        }
        let numbers = two_integers(signature).ok_or(SignatureRefused::Wrong)?;
        match self.p.len() {
            128 => self.verify_at::<{ U1024::LIMBS }>(digest, numbers),
            256 => self.verify_at::<{ U2048::LIMBS }>(digest, numbers),
            384 => self.verify_at::<{ U3072::LIMBS }>(digest, numbers),
            _ => Err(SignatureRefused::KeyUnfit),
        }
    }

    fn verify_at<const LIMBS: usize>(
        &self,
        digest: &[u8],
        (r, s): (&[u8], &[u8]),
    ) -> Result<(), SignatureRefused> {
        let group = Group::<LIMBS>::of(self).ok_or(SignatureRefused::KeyUnfit)?;
        // The leftmost bits of the digest, as many as the order has.
        let bytes = digest.len().min(self.q.len());
        let digest = digest.get(..bytes).and_then(from_bytes);
        let is_right = digest
            .zip(from_bytes(r).zip(from_bytes(s)))
            .and_then(|(digest, signature)| group.is_right(&digest, signature));
        is_right
            .filter(|right| *right)
            .map(drop)
            .ok_or(SignatureRefused::Wrong)
    }
}

/// A subgroup of prime order and an element of it, as far as can be checked
/// without proving that numbers are prime.
struct Group<const LIMBS: usize> {
    q: Odd<U256>,
    g: FixedMontyForm<LIMBS>,
    y: FixedMontyForm<LIMBS>,
}

impl<const LIMBS: usize> Group<LIMBS> {
    fn of(key: &DsaKey<'_>) -> Option<Self> {
        let q = from_bytes::<{ U256::LIMBS }>(key.q)?;
        let p = from_bytes::<LIMBS>(key.p)?;
        let fills = |bytes: &[u8]| bytes.first().is_some_and(|first| *first >= 0x80);
        let q = Option::<Odd<U256>>::from(q.to_odd()).filter(|_| fills(key.q))?;
        let p = Option::<Odd<Uint<LIMBS>>>::from(p.to_odd()).filter(|_| fills(key.p))?;
        let below_p = p.wrapping_sub(&Uint::ONE);
        if below_p.rem_vartime(q.as_nz_ref()) != U256::ZERO {
            return None;
        }
        let params = FixedMontyParams::new_vartime(p);
        let one = FixedMontyForm::one(&params);
        let element = |bytes: &[u8]| {
            let number = from_bytes::<LIMBS>(bytes)?;
            let inside = number > Uint::ONE && number < below_p;
            let element = inside.then(|| FixedMontyForm::new(&number, &params))?;
            (element.pow_vartime(q.as_ref()) == one).then_some(element)
        };
        Some(Self {
            q,
            g: element(key.g)?,
            y: element(key.y)?,
        })
    }

    fn is_right(&self, digest: &U256, (r, s): (U256, U256)) -> Option<bool> {
        let q: &NonZero<U256> = self.q.as_nz_ref();
        let inside = |number: &U256| *number != U256::ZERO && number < self.q.as_ref();
        if !inside(&r) || !inside(&s) {
            return None;
        }
        let w = Option::<U256>::from(s.invert_odd_mod_vartime(&self.q))?;
        let digest = digest.rem_vartime(q);
        let v = self.g.pow_vartime(&digest.mul_mod(&w, q)) * self.y.pow_vartime(&r.mul_mod(&w, q));
        Some(v.retrieve().rem_vartime(q) == r)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::digest::{DigestAlgorithm, digest};
    use crate::crypto::vectors::{key, vector};
    use crate::model::data::PublicKey;

    struct Numbers {
        q: Vec<u8>,
        p: Vec<u8>,
        g: Vec<u8>,
        y: Vec<u8>,
    }

    fn numbers() -> Numbers {
        match key("dsa2048.key") {
            PublicKey::Dsa { q, p, g, y } => Numbers { q, p, g, y },
            other => panic!("{other:?}"),
        }
    }

    fn check(change: impl FnOnce(&mut Numbers), expected: Result<(), SignatureRefused>) {
        let mut numbers = numbers();
        change(&mut numbers);
        let Numbers { q, p, g, y } = &numbers;
        let signed = digest(DigestAlgorithm::Sha256, &[b"the nonce and the digest"]);
        let signature = vector("dsa2048.sha256");
        let verified = DsaKey { q, p, g, y }.verify(signed.as_ref(), &signature);
        assert_eq!(verified, expected);
    }

    #[test]
    fn refuses_numbers_that_make_no_group() {
        let unfit = Err(SignatureRefused::KeyUnfit);
        check(|_| (), Ok(()));
        check(|key| key.g = vec![1], unfit);
        check(|key| key.g = vec![], unfit);
        // Of another order.
        check(|key| key.g = vec![2], unfit);
        check(|key| key.g = key.p.clone(), unfit);
        check(|key| key.y = vec![1], unfit);
        check(|key| key.y = vec![3], unfit);
        check(|key| key.y = vec![0xff; 256], unfit);
        // p - 1 has the order 2.
        check(
            |key| key.y = [&key.p[..255], &[key.p[255] - 1]].concat(),
            unfit,
        );
        // Even, too small, of no known size, of no divisor of p - 1.
        check(|key| key.p[255] &= 0xfe, unfit);
        check(|key| key.p[0] = 0x7f, unfit);
        check(|key| key.p = vec![0xff; 64], unfit);
        check(|key| key.p = vec![0xff; 1025], unfit);
        check(|key| key.p = vec![], unfit);
        check(|key| key.q[31] &= 0xfe, unfit);
        check(|key| key.q[31] ^= 2, unfit);
        check(|key| key.q = vec![1], unfit);
        check(|key| key.q = vec![], unfit);
        check(|key| key.q = vec![0xff; 64], unfit);
        // Another key of the same group.
        check(|key| key.y = key.g.clone(), Err(SignatureRefused::Wrong));
    }

    #[test]
    fn refuses_signatures_outside_the_order() {
        let Numbers { q, p, g, y } = &numbers();
        let key = DsaKey { q, p, g, y };
        let number = |bytes: &[u8]| {
            let mut number = vec![2, u8::try_from(bytes.len()).expect("short")];
            number.extend_from_slice(bytes);
            number
        };
        let order = [&[0], q.as_slice()].concat();
        for (r, s) in [
            (&[0][..], &[1][..]),
            (&[1], &[0]),
            (&order, &[1]),
            (&[1], &order),
            (&[1; 40], &[1]),
            (&[1], &[1]),
        ] {
            let content = [number(r), number(s)].concat();
            let mut der = vec![0x30, u8::try_from(content.len()).expect("short")];
            der.extend_from_slice(&content);
            let verified = key.verify(&[7; 32], &der);
            assert_eq!(verified, Err(SignatureRefused::Wrong), "{r:?} {s:?}");
        }
    }
}
