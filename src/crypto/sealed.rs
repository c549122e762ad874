//! Personal data and other secrets at rest: AES-256-GCM (NIST SP 800-38D) under
//! a key for each subject, which is itself sealed under the node's one key.
//!
//! Who takes a subject's wrapped key away makes everything sealed under it
//! unreadable at once, wherever copies of it are.
//!
//! ```text
//! wrapped = 1  key id 8  nonce 12  data key 32, encrypted  tag 16
//! sealed  = 1  nonce 12  octets, encrypted  tag 16
//! ```
//!
//! What both are for goes into the tag as associated data: an octet string that
//! lies under another name does not open.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use crate::crypto::key_file;
use crate::crypto::mac::{MacAlgorithm, mac};

/// Octets of the node's key, and of a subject's.
pub const SEAL_KEY_BYTES: usize = 32;
/// Random octets that sealing takes, new each time.
pub const SEAL_NONCE_BYTES: usize = NONCE_LEN;

/// The first line of the node's key file.
const FILE_HEADER: &str = "idnode personal data key 1";
const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 8;
/// Sets the wrapping of keys apart from everything else that is sealed.
const WRAP_CONTEXT: &[u8] = b"data key\0";

/// Why there is no key to seal with.
#[derive(Debug, thiserror::Error)]
pub enum SealKeyError {
    /// The file cannot be read or written.
    #[error("cannot use the key file {}: {source}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("no key for personal data in {}", .path.display())]
    Content {
        /// Which file.
        path: PathBuf,
    },
}

/// Why something does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsealed {
    /// It was sealed under another key of the node: this is not the node that
    /// sealed it, or its key file was lost.
    #[error("it is sealed under another key of the node")]
    OtherKey,
    /// It is damaged, cut, or not what it is taken for.
    #[error("it is damaged, or not what it is taken for")]
    Damaged,
}

/// The node's key. It wraps the keys of subjects and seals nothing else. Erased
/// when dropped; never shown.
pub struct SealingKey {
    key: LessSafeKey,
    id: [u8; KEY_ID_BYTES],
    /// For codes of what is sealed.
    octets: Zeroizing<[u8; SEAL_KEY_BYTES]>,
}

/// A subject's key. Erased when dropped; never shown.
pub struct DataKey {
    key: LessSafeKey,
    octets: Zeroizing<[u8; SEAL_KEY_BYTES]>,
}

impl SealingKey {
    /// The key of these octets.
    pub fn new(octets: &[u8; SEAL_KEY_BYTES]) -> Self {
        let code = mac(MacAlgorithm::Sha256, octets, &[b"idnode key id"]);
        let mut id = [0; KEY_ID_BYTES];
        id.iter_mut()
            .zip(code.as_ref())
            .for_each(|(to, from)| *to = *from);
        Self {
            key: cipher(octets),
            id,
            octets: Zeroizing::new(*octets),
        }
    }

    /// Reads the key from the file at `path`, or writes a new one there, readable
    /// for its owner alone.
    ///
    /// # Errors
    /// [`SealKeyError`]; what is in the file stays as it is.
    pub fn load_or_create(path: &Path, fill_random: fn(&mut [u8])) -> Result<Self, SealKeyError> {
        let fail = |source| SealKeyError::File {
            path: path.to_owned(),
            source,
        };
        match key_file::read(path) {
            Ok(text) => Self::from_text(&text).ok_or_else(|| SealKeyError::Content {
                path: path.to_owned(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut octets = Zeroizing::new([0; SEAL_KEY_BYTES]);
                fill_random(octets.as_mut_slice());
                let digits = Zeroizing::new(HEXLOWER.encode(octets.as_slice()));
                let text = Zeroizing::new(format!("{FILE_HEADER}\n{}\n", *digits));
                key_file::create(path, &text).map_err(fail)?;
                Ok(Self::new(&octets))
            }
            Err(error) => Err(fail(error)),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let digits = text.trim_end().strip_prefix(FILE_HEADER)?.trim_start();
        let octets = Zeroizing::new(HEXLOWER.decode(digits.as_bytes()).ok()?);
        Some(Self::new(octets.as_slice().try_into().ok()?))
    }

    /// Wraps the key of `subject`. `nonce` is random and new each time.
    pub fn wrap(&self, key: &DataKey, subject: &[u8], nonce: [u8; SEAL_NONCE_BYTES]) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.id);
        let context = [WRAP_CONTEXT, subject].concat();
        seal(&self.key, nonce, &context, key.octets.as_slice(), out)
    }

    /// The key of `subject` that [`wrap`](Self::wrap) wrapped.
    ///
    /// # Errors
    /// [`Unsealed`].
    pub fn unwrap(&self, wrapped: &[u8], subject: &[u8]) -> Result<DataKey, Unsealed> {
        let rest = wrapped.strip_prefix(&[VERSION]).ok_or(Unsealed::Damaged)?;
        let (id, rest) = rest
            .split_first_chunk::<KEY_ID_BYTES>()
            .ok_or(Unsealed::Damaged)?;
        if *id != self.id {
            return Err(Unsealed::OtherKey);
        }
        let context = [WRAP_CONTEXT, subject].concat();
        let octets = open(&self.key, rest, &context)?;
        let octets = octets.as_slice().try_into();
        octets.map(DataKey::new).map_err(|_| Unsealed::Damaged)
    }

    /// A code of `parts` that nobody can guess the parts by: stands for them
    /// where two requests are compared.
    pub fn code(&self, parts: &[&[u8]]) -> [u8; 32] {
        let key = mac(
            MacAlgorithm::Sha256,
            self.octets.as_slice(),
            &[b"idnode code"],
        );
        let code = mac(MacAlgorithm::Sha256, key.as_ref(), parts);
        let mut out = [0; 32];
        out.iter_mut()
            .zip(code.as_ref())
            .for_each(|(to, from)| *to = *from);
        out
    }
}

impl DataKey {
    /// The key of these octets, which are random.
    pub fn new(octets: &[u8; SEAL_KEY_BYTES]) -> Self {
        Self {
            key: cipher(octets),
            octets: Zeroizing::new(*octets),
        }
    }

    /// Seals `plain` as `what`. `nonce` is random and new each time; one key
    /// seals far less than the 2^32 times at which that ceases to be enough.
    pub fn seal(&self, plain: &[u8], what: &[u8], nonce: [u8; SEAL_NONCE_BYTES]) -> Vec<u8> {
        seal(&self.key, nonce, what, plain, vec![VERSION])
    }

    /// Opens what [`seal`](Self::seal) sealed as `what`.
    ///
    /// # Errors
    /// [`Unsealed::Damaged`].
    pub fn open(&self, sealed: &[u8], what: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealed> {
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(Unsealed::Damaged)?;
        open(&self.key, rest, what)
    }
}

#[expect(
    clippy::expect_used,
    reason = "the library takes every key of this length"
)]
fn cipher(octets: &[u8; SEAL_KEY_BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, octets).expect("32 octets"))
}

/// Appends nonce, ciphertext and tag to `out`.
#[expect(
    clippy::expect_used,
    reason = "the library refuses only what is longer than 64 GiB"
)]
fn seal(
    key: &LessSafeKey,
    nonce: [u8; SEAL_NONCE_BYTES],
    what: &[u8],
    plain: &[u8],
    mut out: Vec<u8>,
) -> Vec<u8> {
    let mut sealed = plain.to_vec();
    out.extend_from_slice(&nonce);
    key.seal_in_place_append_tag(Nonce::from(&nonce), Aad::from(what), &mut sealed)
        .expect("it fits");
    out.append(&mut sealed);
    out
}

fn open(key: &LessSafeKey, sealed: &[u8], what: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealed> {
    let (nonce, rest) = sealed
        .split_first_chunk::<SEAL_NONCE_BYTES>()
        .ok_or(Unsealed::Damaged)?;
    let mut plain = Zeroizing::new(rest.to_vec());
    let length = key
        .open_in_place(Nonce::from(nonce), Aad::from(what), &mut plain)
        .map_err(|_| Unsealed::Damaged)?
        .len();
    plain.truncate(length);
    Ok(plain)
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealingKey").finish_non_exhaustive()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NONCE: [u8; SEAL_NONCE_BYTES] = [9; SEAL_NONCE_BYTES];

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).expect("hex")
    }

    /// Test case 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega),
    /// annex B.
    #[test]
    fn seals_as_the_specification_says() {
        let octets = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let key = DataKey::new(octets.as_slice().try_into().expect("32"));
        let plain = hex(concat!(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        ));
        let nonce = hex("cafebabefacedbaddecaf888").try_into().expect("12");
        let what = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let sealed = key.seal(&plain, &what, nonce);
        let expected = hex(concat!(
            "01cafebabefacedbaddecaf888",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
            "76fc6ece0f4e1768cddf8853bb2d551b"
        ));
        assert_eq!(sealed, expected);
        assert_eq!(*key.open(&sealed, &what).expect("opens"), plain);
    }

    #[test]
    fn opens_nothing_that_was_touched_or_moved() {
        let key = DataKey::new(&[1; SEAL_KEY_BYTES]);
        let sealed = key.seal("李某某".as_bytes(), b"firm/a", NONCE);
        assert_eq!(
            key.open(&sealed, b"firm/a").as_deref(),
            Ok(&"李某某".as_bytes().to_vec())
        );
        assert_eq!(key.open(&sealed, b"firm/b"), Err(Unsealed::Damaged));
        let other = DataKey::new(&[2; SEAL_KEY_BYTES]);
        assert_eq!(other.open(&sealed, b"firm/a"), Err(Unsealed::Damaged));
        for at in 0..sealed.len() {
            assert_eq!(key.open(&sealed[..at], b"firm/a"), Err(Unsealed::Damaged));
            let mut touched = sealed.clone();
            touched[at] ^= 0x10;
            assert_eq!(
                key.open(&touched, b"firm/a"),
                Err(Unsealed::Damaged),
                "{at}"
            );
        }
    }

    #[test]
    fn wraps_the_keys_of_subjects() {
        let node = SealingKey::new(&[3; SEAL_KEY_BYTES]);
        let key = DataKey::new(&[4; SEAL_KEY_BYTES]);
        let wrapped = node.wrap(&key, b"firm/a", NONCE);
        let back = node.unwrap(&wrapped, b"firm/a").expect("opens");
        let sealed = key.seal(b"plain", b"x", NONCE);
        assert_eq!(*back.open(&sealed, b"x").expect("the same key"), b"plain");
        let why = |result: Result<DataKey, Unsealed>| result.expect_err("closed");
        assert_eq!(why(node.unwrap(&wrapped, b"firm/b")), Unsealed::Damaged);
        assert_eq!(
            why(node.unwrap(&wrapped[..20], b"firm/a")),
            Unsealed::Damaged
        );
        assert_eq!(why(node.unwrap(b"", b"firm/a")), Unsealed::Damaged);
        let other = SealingKey::new(&[5; SEAL_KEY_BYTES]);
        assert_eq!(why(other.unwrap(&wrapped, b"firm/a")), Unsealed::OtherKey);
    }

    #[test]
    fn codes_depend_on_the_key_and_on_all_parts() {
        let node = SealingKey::new(&[3; SEAL_KEY_BYTES]);
        let code = node.code(&[b"a", b"b"]);
        assert_eq!(code, node.code(&[b"ab"]));
        assert_ne!(code, node.code(&[b"ac"]));
        assert_ne!(code, SealingKey::new(&[4; SEAL_KEY_BYTES]).code(&[b"ab"]));
    }

    #[test]
    fn the_key_file_is_made_once_and_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        let made = SealingKey::load_or_create(&path, |out| out.fill(7)).expect("made");
        let again = SealingKey::load_or_create(&path, |out| out.fill(8)).expect("read");
        assert_eq!(made.id, again.id);
        let text = fs::read_to_string(&path).expect("text");
        for bad in [
            "",
            "idnode",
            text.get(..40).expect("long enough"),
            &text.replace('0', "g"),
            &format!("{text}00"),
        ] {
            fs::write(&path, bad).expect("written");
            let refused = SealingKey::load_or_create(&path, |out| out.fill(8));
            let refused = refused.expect_err("no key");
            assert!(matches!(refused, SealKeyError::Content { .. }), "{refused}");
            assert_eq!(fs::read_to_string(&path).expect("text"), bad);
        }
    }

    #[test]
    fn shows_no_key() {
        let node = SealingKey::new(&[3; SEAL_KEY_BYTES]);
        assert_eq!(format!("{node:?}"), "SealingKey { .. }");
        let key = DataKey::new(&[3; SEAL_KEY_BYTES]);
        assert_eq!(format!("{key:?}"), "DataKey { .. }");
    }
}
