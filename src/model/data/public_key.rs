//! `HS_PUBKEY`: public keys in the Handle System's own form and as PEM
//! (RFC 3651 §3.2.4; the SM2 form as clients of China's system write it).

use crate::model::data::bytes::{Flaw, Reader, put_bytes, utf8};
use crate::model::data::spki;
use crate::model::fault::Refusal;
use crate::model::limits::{
    DSA_ORDER_BITS, GROUP_MODULUS_BITS, RSA_EXPONENT_BITS, RSA_MODULUS_BITS,
};

/// A public key: the content of an `HS_PUBKEY`, and the key of a server of an
/// `HS_SITE`. Numbers are unsigned, big-endian, without leading zeros.
///
/// ```text
/// key    = string "RSA_PUB_KEY", u16 flags, number exponent, number modulus, u32 0
///        | string "DSA_PUB_KEY", u16 flags, number q, number p, number g, number y
///        | string "DH_PUB_KEY",  u16 flags, number y, number p, number g
///        | string "SM2_PUB_KEY", u16 flags, bytes PEM
///        | PEM                              text: RSA, DSA, SM2
/// number = bytes                            two's complement, not negative
/// ```
///
/// `flags` are reserved: written as 0, not looked at. The four zero bytes are what
/// deployed software writes behind an RSA key; they may be absent, and stand behind
/// any other. The lengths of numbers are bounded; whether a number is prime or a
/// point lies on its curve is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA.
    Rsa {
        /// Public exponent: odd, [`RSA_EXPONENT_BITS`].
        exponent: Vec<u8>,
        /// Modulus: odd, [`RSA_MODULUS_BITS`].
        modulus: Vec<u8>,
    },
    /// DSA (FIPS 186-4).
    Dsa {
        /// Order of the subgroup, [`DSA_ORDER_BITS`].
        q: Vec<u8>,
        /// Modulus, [`GROUP_MODULUS_BITS`].
        p: Vec<u8>,
        /// Generator, below the modulus.
        g: Vec<u8>,
        /// The key, below the modulus.
        y: Vec<u8>,
    },
    /// Diffie-Hellman.
    Dh {
        /// The key, below the modulus.
        y: Vec<u8>,
        /// Modulus, [`GROUP_MODULUS_BITS`].
        p: Vec<u8>,
        /// Generator, below the modulus.
        g: Vec<u8>,
    },
    /// SM2 (GB/T 32918).
    Sm2 {
        /// The uncompressed point: 04, x, y.
        point: [u8; SM2_POINT_BYTES],
    },
}

/// Bytes of an uncompressed point of the SM2 curve.
pub const SM2_POINT_BYTES: usize = 65;

const RSA: &str = "RSA_PUB_KEY";
const DSA: &str = "DSA_PUB_KEY";
const DH: &str = "DH_PUB_KEY";
const SM2: &str = "SM2_PUB_KEY";
/// What deployed software writes behind an RSA key.
const SURPLUS: [u8; 4] = [0; 4];

impl PublicKey {
    /// Decodes the data of an `HS_PUBKEY`, in the binary form or as PEM.
    ///
    /// # Errors
    /// [`Reason::ValueDataInvalid`](crate::model::Reason::ValueDataInvalid).
    pub fn decode(data: &[u8]) -> Result<Self, Refusal> {
        Self::read(data).map_err(|flaw| flaw.refusal("HS_PUBKEY"))
    }

    /// Decodes PEM text: `-----BEGIN PUBLIC KEY-----` (RFC 7468 §13), with any
    /// ends of lines.
    ///
    /// # Errors
    /// [`Reason::ValueDataInvalid`](crate::model::Reason::ValueDataInvalid).
    pub fn from_pem(pem: &str) -> Result<Self, Refusal> {
        Self::read_pem(pem).map_err(|flaw| flaw.refusal("HS_PUBKEY"))
    }

    /// Encodes the binary form.
    pub fn encode(&self) -> Vec<u8> {
        let (name, numbers): (_, &[&Vec<u8>]) = match self {
            Self::Rsa { exponent, modulus } => (RSA, &[exponent, modulus]),
            Self::Dsa { q, p, g, y } => (DSA, &[q, p, g, y]),
            Self::Dh { y, p, g } => (DH, &[y, p, g]),
            Self::Sm2 { .. } => (SM2, &[]),
        };
        let mut out = Vec::new();
        put_bytes(&mut out, name.as_bytes());
        out.extend_from_slice(&[0, 0]);
        for number in numbers {
            put_bytes(&mut out, &spki::signed(number));
        }
        match self {
            Self::Rsa { .. } => out.extend_from_slice(&SURPLUS),
            Self::Dsa { .. } | Self::Dh { .. } => {}
            Self::Sm2 { point } => {
                put_bytes(&mut out, spki::sm2_client_pem(point).as_bytes());
            }
        }
        out
    }

    /// PEM text with its last end of line; none of a Diffie-Hellman key, which
    /// the field does not write so.
    pub fn to_pem(&self) -> Option<String> {
        spki::pem(self)
    }

    /// Itself, if its numbers are within their limits.
    ///
    /// # Errors
    /// [`Reason::ValueDataInvalid`](crate::model::Reason::ValueDataInvalid).
    pub fn checked(self) -> Result<Self, Refusal> {
        self.within_limits()
            .map_err(|flaw| flaw.refusal("HS_PUBKEY"))
    }

    pub(super) fn read(data: &[u8]) -> Result<Self, Flaw> {
        if is_pem(data) {
            return Self::read_pem(utf8("", data)?);
        }
        let mut reader = Reader::new(data);
        let kind = reader.text("type")?;
        let known = [RSA, DSA, DH, SM2];
        if !known.contains(&kind) {
            let rule = format!("is none of {}, and there is no PEM", known.join(", "));
            return Err(Flaw::new("type", rule));
        }
        reader.u16("flags")?;
        let key = if kind == SM2 {
            let key = Self::read_pem(utf8("pem", reader.bytes("pem")?)?)?;
            let is_sm2 = matches!(key, Self::Sm2 { .. });
            is_sm2
                .then_some(key)
                .ok_or_else(|| Flaw::new("pem", "is no SM2 key"))?
        } else {
            Self::read_numbers(kind, &mut reader)?
        };
        if reader.rest() != SURPLUS {
            reader.end()?;
        }
        key.within_limits()
    }

    pub(super) fn read_pem(pem: &str) -> Result<Self, Flaw> {
        spki::read_pem(pem)?.within_limits()
    }

    fn read_numbers(kind: &str, reader: &mut Reader<'_>) -> Result<Self, Flaw> {
        let mut number = |place| spki::unsigned(place, reader.bytes(place)?);
        Ok(match kind {
            RSA => Self::Rsa {
                exponent: number("exponent")?,
                modulus: number("modulus")?,
            },
            DSA => Self::Dsa {
                q: number("q")?,
                p: number("p")?,
                g: number("g")?,
                y: number("y")?,
            },
            _ => Self::Dh {
                y: number("y")?,
                p: number("p")?,
                g: number("g")?,
            },
        })
    }

    pub(super) fn within_limits(self) -> Result<Self, Flaw> {
        match &self {
            Self::Rsa { exponent, modulus } => {
                bits_within("exponent", exponent, &RSA_EXPONENT_BITS)?;
                odd("exponent", exponent)?;
                bits_within("modulus", modulus, &RSA_MODULUS_BITS)?;
                odd("modulus", modulus)?;
            }
            Self::Dsa { q, p, g, y } => {
                bits_within("q", q, &DSA_ORDER_BITS)?;
                bits_within("p", p, &GROUP_MODULUS_BITS)?;
                odd("p", p)?;
                below("g", g, p)?;
                below("y", y, p)?;
            }
            Self::Dh { y, p, g } => {
                bits_within("p", p, &GROUP_MODULUS_BITS)?;
                odd("p", p)?;
                below("y", y, p)?;
                below("g", g, p)?;
            }
            Self::Sm2 { point } if point.first() != Some(&4) => {
                return Err(Flaw::new("point", "is not uncompressed"));
            }
            Self::Sm2 { .. } => {}
        }
        Ok(self)
    }
}

/// Whether `data` is meant as PEM: the binary form begins with a zero.
pub(super) fn is_pem(data: &[u8]) -> bool {
    data.trim_ascii_start().starts_with(b"-----")
}

fn bits_within(
    place: &str,
    number: &[u8],
    limits: &std::ops::RangeInclusive<usize>,
) -> Result<(), Flaw> {
    let bits = bit_count(number);
    if limits.contains(&bits) {
        return Ok(());
    }
    let (least, most) = (limits.start(), limits.end());
    let rule = format!("has {bits} bits; the limits are {least} and {most}");
    Err(Flaw::new(place, rule))
}

fn odd(place: &str, number: &[u8]) -> Result<(), Flaw> {
    let is_odd = number.last().is_some_and(|byte| byte % 2 == 1);
    is_odd
        .then_some(())
        .ok_or_else(|| Flaw::new(place, "is even"))
}

/// That `number` is above 1 and below `modulus`; both without leading zeros.
fn below(place: &str, number: &[u8], modulus: &[u8]) -> Result<(), Flaw> {
    let is_below = (number.len(), number) < (modulus.len(), modulus);
    if is_below && number > [1].as_slice() {
        return Ok(());
    }
    Err(Flaw::new(place, "is not above 1 and below p"))
}

fn bit_count(number: &[u8]) -> usize {
    let first = number.first().map_or(0, |byte| byte.leading_zeros());
    (number.len() * 8).saturating_sub(usize::try_from(first).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RSA_PEM: &str = include_str!("../../../tests/data/values/rsa.pem");
    const DSA_PEM: &str = include_str!("../../../tests/data/values/dsa.pem");
    const P256_PEM: &str = include_str!("../../../tests/data/values/p256.pem");
    const SM2_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoEcz1UBgi0DQgAE+fyPg5sQcuFu0Fb0xstCi9CtiEPM\n\
        eOfuxW19uFw61zz1416kRS0uehKbiIK/ZC+D3PBhNsOKBmZhoTTzzr3CsA==\n\
        -----END PUBLIC KEY-----\n";

    fn check(data: &[u8], rule: &str) {
        let refusal = PublicKey::decode(data).expect_err(rule);
        let text = refusal.to_string();
        assert_eq!(text, format!("the data is no \"HS_PUBKEY\": {rule}"));
    }

    fn binary(name: &str, numbers: &[&[u8]]) -> Vec<u8> {
        let mut data = Vec::new();
        put_bytes(&mut data, name.as_bytes());
        data.extend_from_slice(&[0, 0]);
        for number in numbers {
            put_bytes(&mut data, number);
        }
        data
    }

    #[test]
    fn reads_pem_and_writes_the_same() {
        for pem in [RSA_PEM, DSA_PEM, SM2_PEM] {
            let key = PublicKey::decode(pem.as_bytes()).expect("valid");
            assert_eq!(key.to_pem().as_deref(), Some(pem));
            let crlf = pem.replace('\n', "\r\n");
            assert_eq!(PublicKey::decode(crlf.as_bytes()).as_ref(), Ok(&key));
            let one_line = pem.replace('\n', "");
            assert_eq!(PublicKey::from_pem(&one_line).as_ref(), Ok(&key));
            assert_eq!(PublicKey::decode(&key.encode()), Ok(key));
        }
    }

    #[test]
    fn reads_an_rsa_key_with_and_without_its_surplus() {
        let short = binary(RSA, &[&[3], &[1; 65]]);
        let long = [short.as_slice(), &SURPLUS].concat();
        let key = PublicKey::decode(&short).expect("valid");
        assert_eq!(key.encode(), long);
        assert_eq!(PublicKey::decode(&long), Ok(key));
    }

    #[test]
    fn reads_the_numbers_of_each_kind() {
        let (five, top) = ([5].as_slice(), [vec![0, 0x80], vec![1; 63]].concat());
        let order = [vec![1], vec![7; 20]].concat();
        let key = PublicKey::decode(&binary(DH, &[five, &top, &[2]])).expect("valid");
        let (y, p, g) = (vec![5], top[1..].to_vec(), vec![2]);
        assert_eq!(key, PublicKey::Dh { y, p, g });
        assert_eq!(key.to_pem(), None);
        assert_eq!(key.encode(), binary(DH, &[five, &top, &[2]]));
        let data = binary(DSA, &[&order, &top, &[2], five]);
        let key = PublicKey::decode(&data).expect("valid");
        assert!(matches!(&key, PublicKey::Dsa { q, y, .. } if *q == order && *y == five));
        assert_eq!(key.encode(), data);
    }

    #[test]
    fn refuses_what_is_no_key() {
        let odd = [vec![0x7f], vec![1; 63]].concat();
        check(b"", "type: 0 of 4 bytes are there");
        check(
            &binary("EC_PUB_KEY", &[]),
            "type: is none of RSA_PUB_KEY, DSA_PUB_KEY, DH_PUB_KEY, SM2_PUB_KEY, and there is no PEM",
        );
        check(&binary(RSA, &[&[3]]), "modulus: 0 of 4 bytes are there");
        check(&binary(RSA, &[&[3], &[]]), "modulus: is empty");
        check(&binary(RSA, &[&[3], &[0x80; 64]]), "modulus: is negative");
        check(
            &binary(RSA, &[&[3], &odd]),
            "modulus: has 511 bits; the limits are 512 and 16384",
        );
        check(
            &binary(RSA, &[&[3], &[1; 2049]]),
            "modulus: has 16385 bits; the limits are 512 and 16384",
        );
        check(&binary(RSA, &[&[3], &[2; 65]]), "modulus: is even");
        check(
            &binary(RSA, &[&[1], &[1; 65]]),
            "exponent: has 1 bits; the limits are 2 and 64",
        );
        check(
            &binary(RSA, &[&[1; 9], &[1; 65]]),
            "exponent: has 65 bits; the limits are 2 and 64",
        );
        check(
            &binary(RSA, &[&[3], &[1; 65], &[3]]),
            "5 bytes follow its end",
        );
        check(
            &binary(DH, &[&[1], &[1; 65], &[2]]),
            "y: is not above 1 and below p",
        );
        check(
            &binary(DH, &[&[3], &[1; 65], &[1; 65]]),
            "g: is not above 1 and below p",
        );
        check(
            &binary(DSA, &[&[3], &[1; 65], &[2], &[2]]),
            "q: has 2 bits; the limits are 160 and 512",
        );
        check(&binary(SM2, &[RSA_PEM.as_bytes()]), "pem: is no SM2 key");
        check(&binary(SM2, &[&[0xff]]), "pem: is not UTF-8");
    }

    #[test]
    fn refuses_what_is_no_pem() {
        check(
            P256_PEM.as_bytes(),
            "pem: the curve is not that of SM2, 1.2.156.10197.1.301",
        );
        let of =
            |body: &str| format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----");
        check(of("*").as_bytes(), "pem: is not Base64");
        check(of("").as_bytes(), "pem: its DER ends early");
        check(of("MA==").as_bytes(), "pem: its DER ends early");
        check(
            of("MIA=").as_bytes(),
            "pem: its DER has a length that is not the shortest",
        );
        check(
            of("MIEBAA==").as_bytes(),
            "pem: its DER has a length that is not the shortest",
        );
        check(
            of("AgEB").as_bytes(),
            "pem: its DER has tag 0x02 where 0x30 is needed",
        );
        check(of("MACA").as_bytes(), "pem: its DER has more than it needs");
        check(
            b"-----BEGIN PRIVATE KEY-----",
            "pem: is not -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----",
        );
        let der = data_encoding::BASE64.decode(
            RSA_PEM
                .lines()
                .filter(|line| !line.starts_with('-'))
                .collect::<String>()
                .as_bytes(),
        );
        let der = der.expect("base64");
        for end in 0..der.len() {
            let cut = of(&data_encoding::BASE64.encode(&der[..end]));
            assert!(PublicKey::from_pem(&cut).is_err(), "{end}");
        }
    }
}
