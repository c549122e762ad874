//! The key that a site signs with: certified responses, and its half of a key
//! exchange (RFC 3652 §2.2.3 and §3.7; Handle protocol as deployed).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256};
use zeroize::Zeroizing;

use crate::crypto::der::two_integers;
use crate::crypto::{key_file, pem};
use crate::model::data::PublicKey;

/// The name of the hash algorithm of a site's signatures, as they carry it.
pub const SITE_HASH_ALGORITHM: &str = "SHA-256";

const PKCS8: &str = "PRIVATE KEY";
const PKCS1: &str = "RSA PRIVATE KEY";

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("cannot use the key file {}: {source}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("no usable key in {}: {source}", .path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeyUnfit,
    },
    /// The library did not make a key: it has no random octets.
    #[error("the cryptographic library made no key")]
    NotMade,
}

/// Why a text is no key of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyUnfit {
    /// There is no private key in it, or it is encrypted.
    #[error("not a private key in PEM without a pass phrase (PKCS #8 or PKCS #1)")]
    NotPem,
    /// The key is not one that a site can sign with.
    #[error("not an RSA key of 2048 to 8192 bits")]
    NotRsa,
}

/// A site's RSA key pair, of 2048 to 8192 bits. The private half is never shown.
#[derive(Clone)]
pub struct SiteKey {
    pair: rsa::KeyPair,
    exponent: Vec<u8>,
    modulus: Vec<u8>,
}

impl SiteKey {
    /// Makes a key of 2048 bits; takes a tenth of a second or several.
    ///
    /// # Errors
    /// [`KeyError::NotMade`].
    pub fn generate() -> Result<Self, KeyError> {
        let pair = rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::NotMade)?;
        Self::of(pair).map_err(|_| KeyError::NotMade)
    }

    /// Takes a key from PEM text: PKCS #8 (RFC 5208) or PKCS #1 (RFC 8017 §A.1.2).
    ///
    /// # Errors
    /// [`KeyUnfit`].
    pub fn from_pem(text: &str) -> Result<Self, KeyUnfit> {
        let pair = if let Some(der) = pem::decode(PKCS8, text) {
            rsa::KeyPair::from_pkcs8(&der)
        } else {
            let der = pem::decode(PKCS1, text).ok_or(KeyUnfit::NotPem)?;
            rsa::KeyPair::from_der(&der)
        };
        Self::of(pair.map_err(|_| KeyUnfit::NotRsa)?)
    }

    /// The private key as PEM text (PKCS #8).
    ///
    /// # Errors
    /// [`KeyError::NotMade`]: the library does not give the key out.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        private_pem(&self.pair)
    }

    /// Reads a key from a file with [`from_pem`](Self::from_pem).
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::Content`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let text = key_file::read(path).map_err(|source| file_error(path, source))?;
        Self::from_pem(&text).map_err(|source| KeyError::Content {
            path: path.to_owned(),
            source,
        })
    }

    /// Writes the private key to a new file that its owner alone may read.
    ///
    /// # Errors
    /// [`KeyError::File`], also when the file exists.
    pub fn store(&self, path: &Path) -> Result<(), KeyError> {
        key_file::create(path, &self.to_pem()?).map_err(|source| file_error(path, source))
    }

    /// Reads the key at `path`; if there is no such file, makes a key and stores
    /// it there.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        match Self::load(path) {
            Err(KeyError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate()?;
                key.store(path)?;
                Ok(key)
            }
            other => other,
        }
    }

    /// The half that everybody may know.
    pub fn public_key(&self) -> PublicKey {
        PublicKey::Rsa {
            exponent: self.exponent.clone(),
            modulus: self.modulus.clone(),
        }
    }

    /// Octets of a signature: those of the modulus.
    pub const fn signature_bytes(&self) -> usize {
        self.modulus.len()
    }

    /// Signs the message that `parts` make, one behind the other: PKCS #1 v1.5
    /// with SHA-256 (RFC 8017 §8.2.1). About 1 ms of work for 2048 bits.
    ///
    /// # Errors
    /// [`KeyError::NotMade`]: the library does not sign; not by anything in
    /// `parts`.
    pub fn sign(&self, parts: &[&[u8]]) -> Result<Vec<u8>, KeyError> {
        let mut context = Context::new(&SHA256);
        parts.iter().for_each(|part| context.update(part));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign_digest(&RSA_PKCS1_SHA256, &context.finish(), &mut signature)
            .map_err(|_| KeyError::NotMade)?;
        Ok(signature)
    }

    fn of(pair: rsa::KeyPair) -> Result<Self, KeyUnfit> {
        let (exponent, modulus) = numbers(&pair).ok_or(KeyUnfit::NotRsa)?;
        Ok(Self {
            pair,
            exponent,
            modulus,
        })
    }
}

impl fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiteKey")
            .field("bits", &(8 * self.modulus.len()))
            .finish_non_exhaustive()
    }
}

/// The private half as PEM text (PKCS #8).
pub(super) fn private_pem(pair: &rsa::KeyPair) -> Result<Zeroizing<String>, KeyError> {
    let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::NotMade)?;
    Ok(pem::encode(PKCS8, der.as_ref()))
}

/// Exponent and modulus.
pub(super) fn numbers(pair: &rsa::KeyPair) -> Option<(Vec<u8>, Vec<u8>)> {
    let (modulus, exponent) = two_integers(pair.public_key().as_ref())?;
    Some((exponent.to_vec(), modulus.to_vec()))
}

fn file_error(path: &Path, source: io::Error) -> KeyError {
    KeyError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::LazyLock;

    use super::*;
    use crate::crypto::signature::{SignatureRefused, SignedProof, verify_message};

    static KEY: LazyLock<SiteKey> = LazyLock::new(|| SiteKey::generate().expect("a key"));

    #[test]
    fn what_it_signs_its_public_key_verifies() {
        let signature = KEY.sign(&[b"a ", b"message"]).expect("a signature");
        assert_eq!(signature.len(), KEY.signature_bytes());
        let proof = SignedProof {
            hash_algorithm: SITE_HASH_ALGORITHM,
            signature: &signature,
        };
        let key = KEY.public_key();
        assert_eq!(verify_message(&key, &[b"a message"], &proof), Ok(()));
        assert_eq!(
            verify_message(&key, &[b"a Message"], &proof),
            Err(SignatureRefused::Wrong)
        );
    }

    #[test]
    fn goes_to_a_file_and_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("site.pem");
        KEY.store(&path).expect("stored");
        let loaded = SiteKey::load(&path).expect("loaded");
        assert_eq!(loaded.public_key(), KEY.public_key());
        let again = KEY.store(&path).expect_err("it is there");
        assert!(matches!(again, KeyError::File { .. }), "{again}");
        let kept = SiteKey::load_or_create(&path).expect("loaded");
        assert_eq!(kept.public_key(), KEY.public_key());
    }

    #[test]
    fn a_missing_file_becomes_a_new_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("site.pem");
        assert!(SiteKey::load(&path).is_err());
        let made = SiteKey::load_or_create(&path).expect("made");
        let loaded = SiteKey::load_or_create(&path).expect("loaded");
        assert_eq!(loaded.public_key(), made.public_key());
    }

    #[test]
    fn reads_pkcs1_too() {
        // PKCS #8 holds PKCS #1 behind 26 octets.
        let pkcs8 = pem::decode(PKCS8, &KEY.to_pem().expect("text")).expect("PEM");
        let text = pem::encode(PKCS1, &pkcs8[26..]);
        let key = SiteKey::from_pem(&text).expect("a key");
        assert_eq!(key.public_key(), KEY.public_key());
    }

    #[test]
    fn a_file_without_a_key_is_kept_and_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("site.pem");
        for (text, expected) in [
            (String::new(), KeyUnfit::NotPem),
            ("no key".to_owned(), KeyUnfit::NotPem),
            (pem::encode(PKCS8, &[1; 64]).to_string(), KeyUnfit::NotRsa),
        ] {
            fs::write(&path, &text).expect("written");
            let refused = SiteKey::load_or_create(&path).expect_err("no key");
            let is_expected =
                matches!(&refused, KeyError::Content { source, .. } if *source == expected);
            assert!(is_expected, "{refused}");
            assert_eq!(fs::read_to_string(&path).expect("text"), text);
        }
    }

    #[test]
    fn shows_no_key() {
        assert_eq!(format!("{:?}", *KEY), "SiteKey { bits: 2048, .. }");
    }
}
