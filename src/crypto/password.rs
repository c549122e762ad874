//! People's passwords: Argon2id (RFC 9106 §3), stored as PHC strings.
//!
//! Hashing takes some 20 ms and 19 MiB by design: callers keep it off the
//! runtime's threads and bound how many run at once. The salt is passed in.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::BASE64_NOPAD;
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::mac::equal;

/// Characters of a password.
pub const PASSWORD_CHARS: RangeInclusive<usize> = 12..=128;
/// Random octets of a password's salt.
pub const PASSWORD_SALT_BYTES: usize = 16;
/// Random octets that a first password is made of.
pub const FIRST_PASSWORD_RANDOM_BYTES: usize = 20;

/// Kibibytes, passes and lanes of new hashes: the first choice of the OWASP
/// Password Storage Cheat Sheet.
const COSTS: Costs = Costs {
    memory_kib: 19 * 1024,
    passes: 2,
    lanes: 1,
};
/// The most that a stored hash may cost; one that asks for more matches nothing.
const COSTS_MAX: Costs = Costs {
    memory_kib: 64 * 1024,
    passes: 8,
    lanes: 4,
};
const HASH_BYTES: usize = 32;
/// Characters of a stored hash that is looked at.
const STORED_CHARS_MAX: usize = 160;
/// Kinds of characters among lower case, upper case, digits and others.
const KINDS_MIN: usize = 3;
/// Characters that differ.
const DISTINCT_MIN: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Costs {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// A password cannot be hashed: it is longer than [`PASSWORD_CHARS`] allows, or
/// there is no memory for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password cannot be hashed")]
pub struct Unhashable;

/// Whether a person named `name` may take `password`: [`PASSWORD_CHARS`]
/// characters, none of them a control character, of three kinds among lower case,
/// upper case, digits and others, six of them different, and without the name.
pub fn is_strong_password(name: &str, password: &str) -> bool {
    let count = password.chars().count();
    if !PASSWORD_CHARS.contains(&count) || password.chars().any(char::is_control) {
        return false;
    }
    let kinds = password.chars().map(kind).collect::<BTreeSet<_>>();
    let distinct = password.chars().collect::<BTreeSet<_>>();
    let lower = Zeroizing::new(password.to_lowercase());
    let has_name = !name.is_empty() && lower.contains(&name.to_lowercase());
    kinds.len() >= KINDS_MIN && distinct.len() >= DISTINCT_MIN && !has_name
}

fn kind(character: char) -> u8 {
    match character {
        'a'..='z' => 0,
        'A'..='Z' => 1,
        '0'..='9' => 2,
        _ => 3,
    }
}

/// A password that the node makes for somebody's first sign-in: 32 characters in
/// groups of four, strong by [`is_strong_password`].
pub fn first_password(random: &[u8; FIRST_PASSWORD_RANDOM_BYTES]) -> Zeroizing<String> {
    let encoded = Zeroizing::new(data_encoding::BASE32_NOPAD.encode(random));
    // Room for everything, so that growing leaves no copy behind.
    let mut text = Zeroizing::new(String::with_capacity(64));
    // A digit, a capital, a small letter, whatever chance gives.
    text.push_str("1d");
    for (index, character) in encoded.chars().enumerate() {
        if index % 4 == 0 {
            text.push('-');
        }
        text.push(character);
    }
    text
}

/// The hash of `password` as a PHC string: `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
///
/// # Errors
/// [`Unhashable`].
pub fn hash_password(
    password: &str,
    salt: &[u8; PASSWORD_SALT_BYTES],
) -> Result<String, Unhashable> {
    let hash = argon2id(COSTS, password, salt).ok_or(Unhashable)?;
    let Costs {
        memory_kib,
        passes,
        lanes,
    } = COSTS;
    let (salt, hash) = (
        BASE64_NOPAD.encode(salt),
        BASE64_NOPAD.encode(hash.as_slice()),
    );
    Ok(format!(
        "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${hash}"
    ))
}

/// Whether `stored`, as [`hash_password`] gives it, is the hash of `password`.
/// What cannot be read matches nothing.
pub fn verify_password(stored: &str, password: &str) -> bool {
    let Some(Stored { costs, salt, hash }) = Stored::parse(stored) else {
        return false;
    };
    argon2id(costs, password, &salt).is_some_and(|found| equal(found.as_slice(), &hash))
}

/// Takes as long as [`verify_password`] and matches nothing: for names that are
/// nobody's, so that the time does not tell.
pub fn verify_no_password(password: &str) {
    // The result goes nowhere; hashing calls into code that is not removed.
    drop(argon2id(COSTS, password, &[0; PASSWORD_SALT_BYTES]));
}

/// A stored hash taken apart.
struct Stored {
    costs: Costs,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Stored {
    /// Only what [`hash_password`] could have written, with other costs within
    /// [`COSTS_MAX`].
    fn parse(text: &str) -> Option<Self> {
        if text.len() > STORED_CHARS_MAX {
            return None;
        }
        let rest = text.strip_prefix("$argon2id$v=19$")?;
        let (costs, rest) = rest.split_once('$')?;
        let (salt, hash) = rest.split_once('$')?;
        let mut costs = costs.split(',');
        let mut cost = |name: &str, most: u32| {
            let digits = costs.next()?.strip_prefix(name)?.strip_prefix('=')?;
            let value: u32 = digits.parse().ok()?;
            (1..=most).contains(&value).then_some(value)
        };
        let parsed = Costs {
            memory_kib: cost("m", COSTS_MAX.memory_kib)?,
            passes: cost("t", COSTS_MAX.passes)?,
            lanes: cost("p", COSTS_MAX.lanes)?,
        };
        let (salt, hash) = (
            BASE64_NOPAD.decode(salt.as_bytes()).ok()?,
            BASE64_NOPAD.decode(hash.as_bytes()).ok()?,
        );
        let sound =
            costs.next().is_none() && salt.len() == PASSWORD_SALT_BYTES && hash.len() == HASH_BYTES;
        sound.then_some(Self {
            costs: parsed,
            salt,
            hash,
        })
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("costs", &self.costs)
            .finish_non_exhaustive()
    }
}

/// The hash; `None` where the password is too long, or memory or costs are not to
/// be had. The memory is erased, since it would give the password away to guesses
/// that cost nothing.
fn argon2id(costs: Costs, password: &str, salt: &[u8]) -> Option<Zeroizing<[u8; HASH_BYTES]>> {
    if password.chars().count() > *PASSWORD_CHARS.end() {
        return None;
    }
    let Costs {
        memory_kib,
        passes,
        lanes,
    } = costs;
    let params = Params::new(memory_kib, passes, lanes, Some(HASH_BYTES)).ok()?;
    let count = params.block_count();
    let mut memory = Vec::new();
    memory.try_reserve_exact(count).ok()?;
    memory.resize(count, Block::new());
    let mut hash = Zeroizing::new([0; HASH_BYTES]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hashed = argon2.hash_password_into_with_memory(
        password.as_bytes(),
        salt,
        hash.as_mut_slice(),
        memory.as_mut_slice(),
    );
    memory.iter_mut().for_each(Zeroize::zeroize);
    hashed.ok().map(|()| hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "Korrekt 7 Pferde";

    #[test]
    fn hashes_as_the_reference_implementation() {
        // src/test.c of github.com/P-H-C/phc-winner-argon2, version 0x13.
        for (memory_kib, password, expected) in [
            (
                65_536,
                "password",
                "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
            ),
            (
                256,
                "password",
                "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe",
            ),
            (
                65_536,
                "differentpassword",
                "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde",
            ),
        ] {
            let costs = Costs {
                memory_kib,
                passes: 2,
                lanes: 1,
            };
            let hash = argon2id(costs, password, b"somesalt").expect("hashed");
            let hex = data_encoding::HEXLOWER.encode(hash.as_slice());
            assert_eq!(hex, expected, "{password} {memory_kib}");
        }
    }

    #[test]
    fn a_hash_matches_its_password_alone() {
        let stored = hash_password(PASSWORD, &[7; PASSWORD_SALT_BYTES]).expect("hashed");
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"));
        assert!(verify_password(&stored, PASSWORD));
        assert!(!verify_password(&stored, "Korrekt 7 Pferdf"));
        assert!(!verify_password(&stored, ""));
        let other = hash_password(PASSWORD, &[8; PASSWORD_SALT_BYTES]).expect("hashed");
        assert_ne!(stored, other);
    }

    #[test]
    fn damaged_hashes_match_nothing() {
        let stored = hash_password(PASSWORD, &[7; PASSWORD_SALT_BYTES]).expect("hashed");
        for damaged in [
            String::new(),
            stored.replace("argon2id", "argon2i"),
            stored.replace("v=19", "v=16"),
            stored.replace("m=19456", "m=4294967295"),
            stored.replace("m=19456", "m=0"),
            stored.replace("t=2", "t=99"),
            stored.replace("p=1", "p=1,x=1"),
            stored.replace("p=1", "p=16777215"),
            stored.replace("BwcH", "Bwc"),
            format!("{stored}A"),
            format!("{stored}$"),
            "$".repeat(100_000),
        ] {
            assert!(!verify_password(&damaged, PASSWORD), "{damaged:.200}");
        }
    }

    #[test]
    fn bounds_what_is_hashed() {
        let longest = "é".repeat(*PASSWORD_CHARS.end());
        assert!(hash_password(&longest, &[0; PASSWORD_SALT_BYTES]).is_ok());
        let longer = format!("{longest}é");
        assert_eq!(
            hash_password(&longer, &[0; PASSWORD_SALT_BYTES]),
            Err(Unhashable)
        );
    }

    fn check(name: &str, password: &str, expected: bool) {
        assert_eq!(is_strong_password(name, password), expected, "{password}");
    }

    #[test]
    fn tells_weak_passwords() {
        check("wang", PASSWORD, true);
        check("wang", "Zwölf?Zeichen", true);
        check("wang", "密码 password 1", true);
        check("wang", "Kurz 7 Pfer", false);
        check("wang", "nur kleine buchstaben", false);
        check("wang", "AAAAAAaaaaaa111111", false);
        check("wang", "Wer ist WANG 7?", false);
        check("wang", "Korrekt 7 \u{7}Pferde", false);
        check("wang", &"Aa1!bcd ".repeat(17), false);
        check("", PASSWORD, true);
    }

    #[test]
    fn first_passwords_are_strong() {
        for octet in [0x00, 0x5a, 0xff] {
            let mut random = [octet; FIRST_PASSWORD_RANDOM_BYTES];
            random[..4].copy_from_slice(&[0x12, 0x34, 0x56, 0x78]);
            let password = first_password(&random);
            check("wang", &password, true);
        }
    }
}
