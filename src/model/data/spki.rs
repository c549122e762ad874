//! Public keys as PEM: SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in DER
//! (X.690), of the three kinds that the field writes so.
//!
//! ```text
//! SEQUENCE { SEQUENCE { algorithm, parameters }, BIT STRING key }
//!
//! RSA  1.2.840.113549.1.1.1   NULL                   SEQUENCE { modulus, exponent }
//! DSA  1.2.840.10040.4.1      SEQUENCE { p, q, g }   y
//! SM2  1.2.840.10045.2.1      1.2.156.10197.1.301    04, x, y
//! ```

use data_encoding::BASE64;

use crate::model::data::bytes::Flaw;
use crate::model::data::public_key::{PublicKey, SM2_POINT_BYTES};

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";
/// Characters of a line (RFC 7468 §2).
const LINE_CHARS: usize = 64;
/// Characters of a line as Java's MIME encoder has them.
const CLIENT_LINE_CHARS: usize = 76;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const NULL: u8 = 0x05;
const OBJECT_ID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const DSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const SM2_CURVE: &[u8] = &[0x2a, 0x81, 0x1c, 0xcf, 0x55, 1, 0x82, 0x2d];

/// The key that `pem` spells; the sizes of its numbers are not checked.
pub(super) fn read_pem(pem: &str) -> Result<PublicKey, Flaw> {
    let body = pem.trim().strip_prefix(BEGIN);
    let body = body.and_then(|rest| rest.strip_suffix(END));
    let Some(body) = body else {
        return Err(Flaw::new("pem", format!("is not {BEGIN} to {END}")));
    };
    let base64: Vec<u8> = body.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let der = BASE64
        .decode(&base64)
        .map_err(|_| Flaw::new("pem", "is not Base64"))?;
    read_der(&der)
}

/// `key` as PEM; none of a Diffie-Hellman key.
pub(super) fn pem(key: &PublicKey) -> Option<String> {
    let mut text = wrapped(&der(key)?, LINE_CHARS, "\n");
    text.push('\n');
    Some(text)
}

/// An SM2 key as clients put it into its binary form.
pub(super) fn sm2_client_pem(point: &[u8; SM2_POINT_BYTES]) -> String {
    wrapped(&sm2_der(point), CLIENT_LINE_CHARS, "\r\n")
}

/// The two's complement of `number`: a zero before a first bit that is set.
pub(super) fn signed(number: &[u8]) -> Vec<u8> {
    let leads = number.first().is_none_or(|byte| *byte >= 0x80);
    let mut out = Vec::with_capacity(number.len() + 1);
    out.extend(leads.then_some(0));
    out.extend_from_slice(number);
    out
}

/// The number whose two's complement `bytes` are.
pub(super) fn unsigned(place: &str, bytes: &[u8]) -> Result<Vec<u8>, Flaw> {
    match bytes.first() {
        None => Err(Flaw::new(place, "is empty")),
        Some(0x80..) => Err(Flaw::new(place, "is negative")),
        Some(_) => Ok(stripped(bytes).to_vec()),
    }
}

/// `number` without leading zeros.
pub(super) fn stripped(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn read_der(der: &[u8]) -> Result<PublicKey, Flaw> {
    let (outer, rest) = tagged(der, SEQUENCE)?;
    nothing(rest)?;
    let (algorithm, rest) = tagged(outer, SEQUENCE)?;
    let (bits, rest) = tagged(rest, BIT_STRING)?;
    nothing(rest)?;
    let Some((0, key)) = bits.split_first().map(|(unused, key)| (*unused, key)) else {
        return Err(malformed("a bit string of whole bytes is needed"));
    };
    let (id, parameters) = tagged(algorithm, OBJECT_ID)?;
    match id {
        RSA => read_rsa(parameters, key),
        DSA => read_dsa(parameters, key),
        EC => read_sm2(parameters, key),
        _ => Err(malformed("the algorithm is not RSA, DSA or SM2")),
    }
}

fn read_rsa(parameters: &[u8], key: &[u8]) -> Result<PublicKey, Flaw> {
    let (null, rest) = tagged(parameters, NULL)?;
    nothing(null)?;
    nothing(rest)?;
    let (numbers, rest) = tagged(key, SEQUENCE)?;
    nothing(rest)?;
    let (modulus, rest) = integer("modulus", numbers)?;
    let (exponent, rest) = integer("exponent", rest)?;
    nothing(rest)?;
    Ok(PublicKey::Rsa { exponent, modulus })
}

fn read_dsa(parameters: &[u8], key: &[u8]) -> Result<PublicKey, Flaw> {
    let (numbers, rest) = tagged(parameters, SEQUENCE)?;
    nothing(rest)?;
    let (p, rest) = integer("p", numbers)?;
    let (q, rest) = integer("q", rest)?;
    let (g, rest) = integer("g", rest)?;
    nothing(rest)?;
    let (y, rest) = integer("y", key)?;
    nothing(rest)?;
    Ok(PublicKey::Dsa { q, p, g, y })
}

fn read_sm2(parameters: &[u8], key: &[u8]) -> Result<PublicKey, Flaw> {
    let (curve, rest) = tagged(parameters, OBJECT_ID)?;
    nothing(rest)?;
    if curve != SM2_CURVE {
        return Err(malformed(
            "the curve is not that of SM2, 1.2.156.10197.1.301",
        ));
    }
    let point = key
        .try_into()
        .map_err(|_| malformed("the point has not 65 bytes"))?;
    Ok(PublicKey::Sm2 { point })
}

/// The content behind `tag`, and what follows it.
fn tagged(der: &[u8], tag: u8) -> Result<(&[u8], &[u8]), Flaw> {
    let cut = || malformed("its DER ends early");
    let (found, rest) = der.split_first().ok_or_else(cut)?;
    if *found != tag {
        let rule = format!("its DER has tag {found:#04x} where {tag:#04x} is needed");
        return Err(malformed(&rule));
    }
    let (first, rest) = rest.split_first().ok_or_else(cut)?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        // Two bytes of length are above any limit of a value.
        let count = usize::from(*first & 0x7f);
        let (bytes, rest) = rest.split_at_checked(count).ok_or_else(cut)?;
        let length = bytes.iter().fold(0, |sum, b| sum << 8 | usize::from(*b));
        let shortest = match count {
            1 => length >= 0x80,
            2 => length >= 0x100,
            _ => false,
        };
        if !shortest {
            return Err(malformed("its DER has a length that is not the shortest"));
        }
        (length, rest)
    };
    rest.split_at_checked(length).ok_or_else(cut)
}

fn integer<'a>(place: &str, der: &'a [u8]) -> Result<(Vec<u8>, &'a [u8]), Flaw> {
    let (bytes, rest) = tagged(der, INTEGER)?;
    Ok((unsigned(place, bytes)?, rest))
}

fn nothing(rest: &[u8]) -> Result<(), Flaw> {
    let is_nothing = rest.is_empty();
    is_nothing
        .then_some(())
        .ok_or_else(|| malformed("its DER has more than it needs"))
}

fn malformed(rule: &str) -> Flaw {
    Flaw::new("pem", rule)
}

fn der(key: &PublicKey) -> Option<Vec<u8>> {
    match key {
        PublicKey::Rsa { exponent, modulus } => {
            let numbers = [
                put(INTEGER, &signed(modulus)),
                put(INTEGER, &signed(exponent)),
            ];
            Some(info(
                RSA,
                &put(NULL, &[]),
                &put(SEQUENCE, &numbers.concat()),
            ))
        }
        PublicKey::Dsa { q, p, g, y } => {
            let numbers = [p, q, g].map(|number| put(INTEGER, &signed(number)));
            let parameters = put(SEQUENCE, &numbers.concat());
            Some(info(DSA, &parameters, &put(INTEGER, &signed(y))))
        }
        PublicKey::Sm2 { point } => Some(sm2_der(point)),
        PublicKey::Dh { .. } => None,
    }
}

fn sm2_der(point: &[u8; SM2_POINT_BYTES]) -> Vec<u8> {
    info(EC, &put(OBJECT_ID, SM2_CURVE), point)
}

fn info(algorithm: &[u8], parameters: &[u8], key: &[u8]) -> Vec<u8> {
    let algorithm = [put(OBJECT_ID, algorithm).as_slice(), parameters].concat();
    let bits = [&[0], key].concat();
    let parts = [put(SEQUENCE, &algorithm), put(BIT_STRING, &bits)];
    put(SEQUENCE, &parts.concat())
}

fn put(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = stripped(&length);
    let mut out = vec![tag];
    if content.len() >= 0x80 {
        out.push(0x80 | u8::try_from(length.len()).unwrap_or_default());
    }
    if content.is_empty() {
        out.push(0);
    }
    out.extend_from_slice(length);
    out.extend_from_slice(content);
    out
}

fn wrapped(der: &[u8], line_chars: usize, line_end: &str) -> String {
    let base64 = BASE64.encode(der);
    let mut text = BEGIN.to_owned();
    for (at, character) in base64.chars().enumerate() {
        if at % line_chars == 0 {
            text.push_str(line_end);
        }
        text.push(character);
    }
    text.push_str(line_end);
    text.push_str(END);
    text
}
