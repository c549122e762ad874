//! Diffie-Hellman key exchange of a session (RFC 2631; Handle protocol as
//! deployed), in two known groups of safe primes.

use std::fmt;

use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U512, U1024, U2048, Uint};
use zeroize::Zeroizing;

use crate::crypto::number::{from_bytes, to_bytes};
use crate::crypto::session::{SESSION_KEY_BYTES, SessionKey};
use crate::model::data::PublicKey;

/// Random octets that an exchange needs: the secret exponent, far longer than
/// twice the strength of either group.
pub const DH_RANDOM_BYTES: usize = 64;

/// Why a key exchange does not come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DhRefused {
    /// The peer's key is of another kind.
    #[error("the key is not one for Diffie-Hellman")]
    NotDh,
    /// Not one of [`DhGroup`], whose primes are known to be safe.
    #[error("the group is none of 1024 bits (RFC 2409 §6.2) and 2048 bits (RFC 3526 §3)")]
    GroupUnknown,
    /// The peer's public value would give the secret away.
    #[error("the public value is not within 2..=p-2")]
    OutOfRange,
    /// What is shared has fewer octets than a session key; by chance, never.
    #[error("the shared value is too short for a key")]
    TooShort,
}

/// A known group; its generator is 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhGroup {
    /// Second Oakley group of 1024 bits (RFC 2409 §6.2), what deployed clients
    /// use.
    Bits1024,
    /// Group 14 of 2048 bits (RFC 3526 §3).
    Bits2048,
}

impl DhGroup {
    /// The group of a prime and a generator, both big-endian without leading
    /// zeros.
    pub fn of(prime: &[u8], generator: &[u8]) -> Option<Self> {
        let is = |group: &Self| group.prime() == prime;
        let known = [Self::Bits1024, Self::Bits2048].into_iter().find(is);
        known.filter(|_| generator == [GENERATOR])
    }

    fn prime(self) -> Vec<u8> {
        match self {
            Self::Bits1024 => to_bytes(PRIME_1024.modulus().as_ref()),
            Self::Bits2048 => to_bytes(PRIME_2048.modulus().as_ref()),
        }
    }

    /// `base` to the power of `exponent`, without leading zeros, in a time that
    /// does not depend on the exponent; `None` unless `base` is in 2..=p-2.
    fn power(self, base: &[u8], exponent: &U512) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::Bits1024 => power(&PRIME_1024, base, exponent),
            Self::Bits2048 => power(&PRIME_2048, base, exponent),
        }
    }
}

/// One side's secret of an exchange. It serves once and is erased when dropped.
pub struct DhSecret {
    group: DhGroup,
    exponent: Zeroizing<U512>,
}

impl DhSecret {
    /// A secret made of `random` octets.
    pub fn new(group: DhGroup, random: &[u8; DH_RANDOM_BYTES]) -> Self {
        // The topmost bit keeps the exponent from being small.
        let exponent = U512::from_be_slice(random) | U512::ONE.shl_vartime(U512::BITS - 1);
        Self {
            group,
            exponent: Zeroizing::new(exponent),
        }
    }

    /// What the other side is told.
    pub fn public_key(&self) -> PublicKey {
        let y = self.group.power(&[GENERATOR], &self.exponent);
        PublicKey::Dh {
            y: y.map(|y| y.to_vec()).unwrap_or_default(),
            p: self.group.prime(),
            g: vec![GENERATOR],
        }
    }

    /// The key that is shared with the holder of `peer`.
    ///
    /// # Errors
    /// [`DhRefused`]; also when the other side's group is another one.
    pub fn agree(&self, peer: &PublicKey) -> Result<SessionKey, DhRefused> {
        let PublicKey::Dh { y, p, g } = peer else {
            return Err(DhRefused::NotDh);
        };
        if DhGroup::of(p, g) != Some(self.group) {
            return Err(DhRefused::GroupUnknown);
        }
        let shared = self.group.power(y, &self.exponent);
        session_key(&shared.ok_or(DhRefused::OutOfRange)?)
    }
}

impl fmt::Debug for DhSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DhSecret")
            .field("group", &self.group)
            .finish_non_exhaustive()
    }
}

/// Answers a client's half of an exchange: what the client is told, and the key
/// that is then shared. About 3 ms in 2048 bits, less than 1 ms in 1024.
///
/// # Errors
/// [`DhRefused`].
pub fn respond(
    client: &PublicKey,
    random: &[u8; DH_RANDOM_BYTES],
) -> Result<(PublicKey, SessionKey), DhRefused> {
    let PublicKey::Dh { p, g, .. } = client else {
        return Err(DhRefused::NotDh);
    };
    let group = DhGroup::of(p, g).ok_or(DhRefused::GroupUnknown)?;
    let secret = DhSecret::new(group, random);
    let key = secret.agree(client)?;
    Ok((secret.public_key(), key))
}

const GENERATOR: u8 = 2;

const PRIME_1024: FixedMontyParams<{ U1024::LIMBS }> =
    FixedMontyParams::new(Odd::<U1024>::from_be_hex(
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
         020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
         4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
         EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
    ));

const PRIME_2048: FixedMontyParams<{ U2048::LIMBS }> =
    FixedMontyParams::new(Odd::<U2048>::from_be_hex(
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
         020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
         4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
         EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
         98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
         9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
         E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
         3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF",
    ));

fn power<const LIMBS: usize>(
    params: &FixedMontyParams<LIMBS>,
    base: &[u8],
    exponent: &U512,
) -> Option<Zeroizing<Vec<u8>>> {
    let base = from_bytes::<LIMBS>(base)?;
    let last = params.modulus().as_ref().wrapping_sub(&Uint::ONE);
    // The two other elements of small order, 1 and p-1, are kept out here. That
    // an element outside the subgroup tells one bit of the exponent is harmless:
    // each serves once.
    if base <= Uint::ONE || base >= last {
        return None;
    }
    let power = FixedMontyForm::new(&base, params).pow(exponent);
    Some(Zeroizing::new(to_bytes(&*Zeroizing::new(power.retrieve()))))
}

/// The first octets of what is shared, without leading zeros.
fn session_key(shared: &[u8]) -> Result<SessionKey, DhRefused> {
    let begin = shared.iter().take_while(|byte| **byte == 0).count();
    let significant = shared.get(begin..).unwrap_or_default();
    let key = significant.first_chunk::<SESSION_KEY_BYTES>();
    Ok(SessionKey::new(key.ok_or(DhRefused::TooShort)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::mac::MacAlgorithm;
    use crate::crypto::vectors::{key, vector};

    fn random(name: &str) -> [u8; DH_RANDOM_BYTES] {
        vector(name).try_into().expect("64 octets")
    }

    fn check(group: DhGroup, bits: u32) {
        let vector = |name: &str| vector(&format!("dh{bits}.{name}"));
        let client = DhSecret::new(group, &random(&format!("dh{bits}.client.random")));
        let PublicKey::Dh { y, p, g } = client.public_key() else {
            panic!("not a key for Diffie-Hellman");
        };
        assert_eq!(y, vector("client.y"));
        assert_eq!((8 * p.len(), g), (bits as usize, vec![2]));
        let server_random = random(&format!("dh{bits}.server.random"));
        let (server, shared) = respond(&client.public_key(), &server_random).expect("a key");
        assert!(matches!(&server, PublicKey::Dh { y, .. } if *y == vector("server.y")));
        // What is shared begins with a zero, which is no part of the key.
        let expected = SessionKey::new(&vector("key").try_into().expect("32 octets"));
        let code = |key: &SessionKey| key.mac(MacAlgorithm::Sha256, &[b"message"]);
        assert_eq!(code(&shared), code(&expected));
        assert_eq!(
            code(&client.agree(&server).expect("a key")),
            code(&expected)
        );
    }

    #[test]
    fn both_sides_agree_in_both_groups() {
        check(DhGroup::Bits1024, 1024);
        check(DhGroup::Bits2048, 2048);
    }

    #[test]
    fn knows_the_group_of_deployed_clients_and_servers() {
        for name in ["dh.client", "dh.server"] {
            let PublicKey::Dh { y, p, g } = key(name) else {
                panic!("not a key for Diffie-Hellman");
            };
            assert_eq!(DhGroup::of(&p, &g), Some(DhGroup::Bits1024), "{name}");
            assert!(y.len() <= 128);
            assert!(respond(&key(name), &[7; DH_RANDOM_BYTES]).is_ok());
        }
    }

    #[test]
    fn refuses_public_values_of_small_order() {
        let group = DhGroup::Bits1024;
        let p = group.prime();
        let less = |by: u8| [&p[..127], &[p[127] - by]].concat();
        let over = [&[1], p.as_slice()].concat();
        let answer = |y: Vec<u8>| {
            let client = PublicKey::Dh {
                y,
                p: p.clone(),
                g: vec![2],
            };
            respond(&client, &[7; DH_RANDOM_BYTES]).map(drop)
        };
        for y in [vec![], vec![0], vec![1], less(1), less(0), over] {
            assert_eq!(answer(y), Err(DhRefused::OutOfRange));
        }
        assert_eq!(answer(vec![2]), Ok(()));
        assert_eq!(answer(less(2)), Ok(()));
    }

    #[test]
    fn refuses_other_groups_and_other_keys() {
        let of = |p: &[u8], g: &[u8]| PublicKey::Dh {
            y: vec![5],
            p: p.to_vec(),
            g: g.to_vec(),
        };
        let prime = DhGroup::Bits1024.prime();
        let unknown = [
            of(&prime, &[3]),
            of(&prime, &[]),
            of(&[23], &[2]),
            of(&[], &[]),
        ];
        for key in unknown {
            let answer = respond(&key, &[7; DH_RANDOM_BYTES]).map(drop);
            assert_eq!(answer, Err(DhRefused::GroupUnknown));
        }
        let answer = respond(&key("rsa1024.key"), &[7; DH_RANDOM_BYTES]).map(drop);
        assert_eq!(answer, Err(DhRefused::NotDh));
        let secret = DhSecret::new(DhGroup::Bits2048, &[7; DH_RANDOM_BYTES]);
        let shared = secret.agree(&of(&prime, &[2])).map(drop);
        assert_eq!(shared, Err(DhRefused::GroupUnknown));
    }

    #[test]
    fn refuses_a_shared_value_that_is_too_short() {
        let short = [&[0; 100][..], &[1; 31]].concat();
        assert_eq!(session_key(&short).map(drop), Err(DhRefused::TooShort));
        let enough = [&[0; 100][..], &[1; 32]].concat();
        assert_eq!(session_key(&enough).map(drop), Ok(()));
    }

    #[test]
    fn shows_no_secret() {
        let shown = format!("{:?}", DhSecret::new(DhGroup::Bits1024, &[0xab; 64]));
        assert_eq!(shown, "DhSecret { group: Bits1024, .. }");
    }
}
