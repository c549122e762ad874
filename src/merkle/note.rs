//! Notes: texts signed with Ed25519 (C2SP signed-note).
//!
//! ```text
//! text, of one line or several
//!
//! — name base64(key id ‖ signature)
//! ```
//!
//! Keys are texts too, as Go's `golang.org/x/mod/sumdb/note` writes them:
//! `name+id+base64(1 ‖ public key)` to verify with, and
//! `PRIVATE+KEY+name+id+base64(1 ‖ seed)` to sign with; the id in hexadecimal.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use zeroize::Zeroizing;

use crate::merkle::sha256;

/// Random octets that a key is made of.
pub const SEED_BYTES: usize = 32;
/// Signatures of a note that are looked at; those behind them do not count.
pub const SIGNATURE_COUNT_MAX: usize = 16;
/// Octets of a note; a larger one is refused unread.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// The kind of key that a note names.
const ED25519_KIND: u8 = 1;
const PRIVATE_MARK: &str = "PRIVATE+KEY+";
const SIGNATURE_MARK: &str = "\u{2014} ";
const ID_BYTES: usize = 4;
const PUBLIC_KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;

/// Why a key or a note is none, or is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The name of a key is empty, or has spaces, controls or plus signs.
    #[error("the name of a key has no spaces and no plus signs")]
    Name,
    /// A text is no key of this form.
    #[error("not a key of the form name+id+key, for Ed25519")]
    Key,
    /// A text is no signed note.
    #[error("not a signed note")]
    Form,
    /// No signature is of the key that is asked for.
    #[error("not signed with this key")]
    Unsigned,
    /// The signature of the key does not fit the text.
    #[error("the signature is wrong")]
    Signature,
}

/// Signs notes. The private half is never shown.
pub struct Signer {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; SEED_BYTES]>,
    verifier: Verifier,
}

impl Signer {
    /// A key of this name, made of random octets.
    ///
    /// # Errors
    /// [`NoteError::Name`].
    pub fn new(name: &str, seed: &[u8; SEED_BYTES]) -> Result<Self, NoteError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| NoteError::Key)?;
        let mut key = [0; PUBLIC_KEY_BYTES];
        key.copy_from_slice(pair.public_key().as_ref());
        Ok(Self {
            verifier: Verifier::new(name, key)?,
            pair,
            seed: Zeroizing::new(*seed),
        })
    }

    /// Takes a key from its text.
    ///
    /// # Errors
    /// [`NoteError::Name`], [`NoteError::Key`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let text = text.strip_prefix(PRIVATE_MARK).ok_or(NoteError::Key)?;
        let (name, id, seed) = parts(text)?;
        let signer = Self::new(name, &seed)?;
        if signer.verifier.id == id {
            Ok(signer)
        } else {
            Err(NoteError::Key)
        }
    }

    /// The key as text: a secret.
    pub fn to_secret_text(&self) -> Zeroizing<String> {
        let kind_and_seed = Zeroizing::new([&[ED25519_KIND], &self.seed[..]].concat());
        let seed = Zeroizing::new(BASE64.encode(&kind_and_seed));
        let Verifier { name, id, key: _ } = &self.verifier;
        let id = HEXLOWER.encode(id);
        Zeroizing::new(format!("{PRIVATE_MARK}{name}+{id}+{}", *seed))
    }

    /// The half that everybody may know.
    pub const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// The note of `text`, which ends with a line feed and has no controls beside
    /// line feeds. About 20 µs of work.
    ///
    /// # Errors
    /// [`NoteError::Form`] for another text.
    pub fn sign(&self, text: &str) -> Result<String, NoteError> {
        if !is_text(text) || text.len() > NOTE_BYTES_MAX / 2 {
            return Err(NoteError::Form);
        }
        let Verifier { name, id, key: _ } = &self.verifier;
        let signature = self.pair.sign(text.as_bytes());
        let signature = BASE64.encode(&[&id[..], signature.as_ref()].concat());
        Ok(format!("{text}\n{SIGNATURE_MARK}{name} {signature}\n"))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier)
    }
}

/// Verifies notes that one key signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    id: [u8; ID_BYTES],
    key: [u8; PUBLIC_KEY_BYTES],
}

impl Verifier {
    fn new(name: &str, key: [u8; PUBLIC_KEY_BYTES]) -> Result<Self, NoteError> {
        let barred = |c: char| c.is_whitespace() || c.is_control() || c == '+';
        if name.is_empty() || name.contains(barred) {
            return Err(NoteError::Name);
        }
        let hash = sha256(&[name.as_bytes(), b"\n", &[ED25519_KIND], &key]);
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(hash.split_at(ID_BYTES).0);
        Ok(Self {
            name: name.to_owned(),
            id,
            key,
        })
    }

    /// Takes a key from its text.
    ///
    /// # Errors
    /// [`NoteError::Name`], [`NoteError::Key`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let (name, id, key) = parts(text)?;
        let verifier = Self::new(name, *key)?;
        if verifier.id == id {
            Ok(verifier)
        } else {
            Err(NoteError::Key)
        }
    }

    /// The key's name, which is its log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Octets of the public key.
    pub const fn key(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.key
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, id, key } = self;
        let id = HEXLOWER.encode(id);
        let key = BASE64.encode(&[&[ED25519_KIND], &key[..]].concat());
        write!(f, "{name}+{id}+{key}")
    }
}

/// The text of a note that `verifier`'s key signed. Signatures of other keys are
/// passed over.
///
/// # Errors
/// [`NoteError::Form`], [`NoteError::Unsigned`], [`NoteError::Signature`].
pub fn verified_text<'n>(note: &'n str, verifier: &Verifier) -> Result<&'n str, NoteError> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(NoteError::Form);
    }
    let at = note.rfind("\n\n").ok_or(NoteError::Form)?;
    let (text, signatures) = note.split_at_checked(at + 1).ok_or(NoteError::Form)?;
    let signatures = signatures.strip_prefix('\n').ok_or(NoteError::Form)?;
    if !is_text(text) || !is_text(signatures) {
        return Err(NoteError::Form);
    }
    let mut is_signed = false;
    for line in signatures.lines().take(SIGNATURE_COUNT_MAX) {
        let line = line.strip_prefix(SIGNATURE_MARK).ok_or(NoteError::Form)?;
        let (name, signature) = line.split_once(' ').ok_or(NoteError::Form)?;
        let signature = BASE64
            .decode(signature.as_bytes())
            .map_err(|_| NoteError::Form)?;
        let (id, signature) = signature
            .split_at_checked(ID_BYTES)
            .ok_or(NoteError::Form)?;
        if name == verifier.name && id == verifier.id {
            let key = UnparsedPublicKey::new(&ED25519, &verifier.key);
            let is_right = signature.len() == SIGNATURE_BYTES
                && key.verify(text.as_bytes(), signature).is_ok();
            if !is_right {
                return Err(NoteError::Signature);
            }
            is_signed = true;
        }
    }
    if is_signed {
        Ok(text)
    } else {
        Err(NoteError::Unsigned)
    }
}

/// Whether a text is lines without controls, each with its end.
fn is_text(text: &str) -> bool {
    text.ends_with('\n') && !text.contains(|c: char| c < ' ' && c != '\n')
}

/// Name, id and octets of a key.
type Parts<'t> = (&'t str, [u8; ID_BYTES], Zeroizing<[u8; 32]>);

/// The parts of a key's text.
fn parts(text: &str) -> Result<Parts<'_>, NoteError> {
    let mut parts = text.splitn(3, '+');
    let mut part = || parts.next().ok_or(NoteError::Key);
    let (name, id, key) = (part()?, part()?, part()?);
    let id = HEXLOWER.decode(id.as_bytes()).map_err(|_| NoteError::Key)?;
    let id = <[u8; ID_BYTES]>::try_from(id).map_err(|_| NoteError::Key)?;
    let key = BASE64.decode(key.as_bytes()).map_err(|_| NoteError::Key)?;
    let key = Zeroizing::new(key);
    match key.split_first() {
        Some((&ED25519_KIND, key)) => {
            let octets = <[u8; 32]>::try_from(key).map_err(|_| NoteError::Key)?;
            Ok((name, id, Zeroizing::new(octets)))
        }
        _ => Err(NoteError::Key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Key and note of the documentation of `golang.org/x/mod/sumdb/note`.
    const SECRET: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
    const PUBLIC: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const SIGNATURE: &str = "\n\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

    #[test]
    fn signs_as_the_first_implementation_does() {
        let signer = Signer::parse(SECRET).expect("a key");
        assert_eq!(*signer.to_secret_text(), SECRET);
        assert_eq!(signer.verifier().to_string(), PUBLIC);
        assert_eq!(signer.verifier(), &Verifier::parse(PUBLIC).expect("a key"));
        let note = signer.sign(TEXT).expect("a note");
        assert_eq!(note, format!("{TEXT}{SIGNATURE}"));
        assert_eq!(verified_text(&note, signer.verifier()), Ok(TEXT));
    }

    #[test]
    fn believes_only_what_its_key_signed() {
        let peter = Signer::parse(SECRET).expect("a key");
        let other = Signer::new("PeterNeumann", &[7; SEED_BYTES]).expect("a key");
        let check = |note: &str, expected| {
            assert_eq!(verified_text(note, peter.verifier()), expected, "{note}");
        };
        let note = peter.sign(TEXT).expect("a note");
        let foreign = other.sign(TEXT).expect("a note");
        check(&foreign, Err(NoteError::Unsigned));
        // Signed by both: the other's signature is passed over.
        let both = format!("{foreign}{}", SIGNATURE.trim_start_matches('\n'));
        check(&both, Ok(TEXT));
        check(&note.replace("answer", "Answer"), Err(NoteError::Signature));
        let other_key = note.replace("ZJkuBS", "ZJkuBT");
        check(&other_key, Err(NoteError::Signature));
        for text in [
            "",
            "\n",
            "text\n",
            "a\n\n",
            "a\n\n\u{2014} b\n",
            "a\n\n\u{2014} b !\n",
        ] {
            check(text, Err(NoteError::Form));
        }
        check(
            &note.replace("problem,\n", "problem,\r\n"),
            Err(NoteError::Form),
        );
        check(
            &format!("{}{note}", "a".repeat(NOTE_BYTES_MAX)),
            Err(NoteError::Form),
        );
        check(note.trim_end(), Err(NoteError::Form));
    }

    #[test]
    fn the_text_ends_at_the_last_empty_line() {
        let signer = Signer::parse(SECRET).expect("a key");
        let note = signer.sign("a\n\nb\n").expect("a note");
        assert_eq!(verified_text(&note, signer.verifier()), Ok("a\n\nb\n"));
        for text in ["", "a", "a\tb\n"] {
            assert_eq!(signer.sign(text), Err(NoteError::Form), "{text}");
        }
    }

    #[test]
    fn refuses_texts_that_are_no_keys() {
        for text in [
            "",
            "a",
            "a+b",
            "a+b+c",
            "PeterNeumann+c74f20a3+",
            "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "PeterNeumann+c74f20a3+Ahpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
            SECRET,
        ] {
            assert!(Verifier::parse(text).is_err(), "{text}");
        }
        assert!(Signer::parse(PUBLIC).is_err());
        let named = |name| Signer::new(name, &[7; SEED_BYTES]).map(drop);
        assert_eq!(named("node.example/log"), Ok(()));
        for name in ["", "a b", "a+b", "a\n", "a\u{3000}b"] {
            assert_eq!(named(name), Err(NoteError::Name), "{name}");
        }
    }

    #[test]
    fn shows_no_secret() {
        let signer = Signer::parse(SECRET).expect("a key");
        assert_eq!(format!("{signer:?}"), format!("Signer({PUBLIC})"));
    }
}
