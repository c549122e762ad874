//! Challenges and their answers (RFC 3652 §3.5; Handle protocol as deployed).

use crate::wire::handle::envelope::Version;
use crate::wire::handle::malformed::Malformed;
use crate::wire::handle::reader::{Reader, put_bytes, put_u32};
use crate::wire::handle::value::Reference;

/// A digest algorithm of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// MD5, of messages below 2.1.
    Md5,
    /// SHA-1, of messages below 2.7.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl DigestAlgorithm {
    /// The algorithm for a peer that speaks `version`.
    pub fn for_version(version: Version) -> Self {
        if version >= Version::SHA256 {
            Self::Sha256
        } else if version >= Version::NAMED_DIGESTS {
            Self::Sha1
        } else {
            Self::Md5
        }
    }

    /// The number in a message.
    pub const fn number(self) -> u8 {
        match self {
            Self::Md5 => 1,
            Self::Sha1 => 2,
            Self::Sha256 => 3,
        }
    }

    /// Bytes of a digest.
    pub const fn digest_bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The name in the documents of the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
        }
    }

    fn from_number(field: &'static str, number: u8) -> Result<Self, Malformed> {
        match number {
            1 => Ok(Self::Md5),
            2 => Ok(Self::Sha1),
            3 => Ok(Self::Sha256),
            _ => Err(Malformed::Unknown {
                field,
                value: number.into(),
                known: "1 (MD5), 2 (SHA-1), 3 (SHA-256)",
            }),
        }
    }
}

/// The digest of header and body of a request, in its response.
///
/// ```text
/// since 2.1:  algorithm:1  digest
/// before:     digest:bytes, MD5
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestDigest<'a> {
    /// How it was made.
    pub algorithm: DigestAlgorithm,
    /// The digest, as long as its algorithm makes it.
    pub digest: &'a [u8],
}

impl<'a> RequestDigest<'a> {
    /// Reads the digest that the body of a response in `version` begins with.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn read(reader: &mut Reader<'a>, version: Version) -> Result<Self, Malformed> {
        const FIELD: &str = "request digest";
        if version >= Version::NAMED_DIGESTS {
            let number = reader.u8("request digest algorithm")?;
            let algorithm = DigestAlgorithm::from_number("request digest algorithm", number)?;
            let digest = reader.take(FIELD, algorithm.digest_bytes())?;
            return Ok(Self { algorithm, digest });
        }
        let algorithm = DigestAlgorithm::Md5;
        let digest = exactly(FIELD, reader.bytes(FIELD)?, algorithm.digest_bytes())?;
        Ok(Self { algorithm, digest })
    }

    /// Appends the digest, for a response in `version`.
    pub fn write(&self, version: Version, out: &mut Vec<u8>) {
        if version >= Version::NAMED_DIGESTS {
            out.push(self.algorithm.number());
            out.extend_from_slice(self.digest);
        } else {
            put_bytes(out, self.digest);
        }
    }
}

fn exactly<'a>(
    field: &'static str,
    bytes: &'a [u8],
    expected: usize,
) -> Result<&'a [u8], Malformed> {
    if bytes.len() == expected {
        return Ok(bytes);
    }
    Err(Malformed::Mismatch {
        field,
        value: bytes.len().try_into().unwrap_or(u64::MAX),
        expected: expected.try_into().unwrap_or(u64::MAX),
    })
}

/// The body of a response with AUTHENTICATION_NEEDED (RFC 3652 §3.5.1).
///
/// ```text
/// request digest  nonce:bytes
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// The digest of the request that needs a proof.
    pub digest: RequestDigest<'a>,
    /// What the answer must cover besides; 16 bytes as deployed.
    pub nonce: &'a [u8],
}

impl<'a> Challenge<'a> {
    /// Reads the body of a response in `version`. The digest is there whether
    /// or not the flag says so.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(version: Version, body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let digest = RequestDigest::read(&mut reader, version)?;
        let nonce = reader.bytes("nonce")?;
        reader.end("challenge")?;
        Ok(Self { digest, nonce })
    }

    /// Appends the body of a response in `version`.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        self.digest.write(version, out);
        put_bytes(out, self.nonce);
    }
}

/// The answer to a challenge: RESPONSE_TO_CHALLENGE (RFC 3652 §3.5.2).
///
/// ```text
/// type:string  handle:string  index:4  signed response:bytes
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChallengeAnswer<'a> {
    /// What the proof is made with; see [`ChallengeAnswer::SECRET_KEY`].
    pub key_type: &'a [u8],
    /// Who answers: the handle and the index of its key, 0 for any.
    pub identity: Reference<'a>,
    /// The proof: a [`SecretKeyProof`] or a [`PublicKeyProof`].
    pub proof: &'a [u8],
}

impl<'a> ChallengeAnswer<'a> {
    /// The key type of a shared secret.
    pub const SECRET_KEY: &'static [u8] = b"HS_SECKEY";
    /// The key type of a key pair.
    pub const PUBLIC_KEY: &'static [u8] = b"HS_PUBKEY";

    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let key_type = reader.bytes("authentication type")?;
        let handle = reader.bytes("identity handle")?;
        let index = reader.u32("identity index")?;
        let proof = reader.bytes("signed response")?;
        reader.end("challenge answer")?;
        Ok(Self {
            key_type,
            identity: Reference { handle, index },
            proof,
        })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.key_type);
        put_bytes(out, self.identity.handle);
        put_u32(out, self.identity.index);
        put_bytes(out, self.proof);
    }
}

/// A question to the server that has a secret key whether an answer to a
/// challenge holds: VERIFY_CHALLENGE (RFC 3652 §3.5.3).
///
/// ```text
/// handle:string  index:4  nonce:bytes  request digest:bytes  signed response:bytes
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyRequest<'a> {
    /// Who answered.
    pub identity: Reference<'a>,
    /// The nonce of the challenge.
    pub nonce: &'a [u8],
    /// The digest in the challenge, without its algorithm.
    pub digest: &'a [u8],
    /// The proof: a [`SecretKeyProof`].
    pub proof: &'a [u8],
}

impl<'a> VerifyRequest<'a> {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let handle = reader.bytes("identity handle")?;
        let index = reader.u32("identity index")?;
        let nonce = reader.bytes("nonce")?;
        let digest = reader.bytes("original request digest")?;
        let proof = reader.bytes("signed response")?;
        reader.end("verify request")?;
        Ok(Self {
            identity: Reference { handle, index },
            nonce,
            digest,
            proof,
        })
    }

    /// Appends the body.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.identity.handle);
        put_u32(out, self.identity.index);
        put_bytes(out, self.nonce);
        put_bytes(out, self.digest);
        put_bytes(out, self.proof);
    }
}

/// How a secret key was used. Below, `key` is the secret, `message` is nonce and
/// request digest, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKeyMethod<'a> {
    /// 1, 2, 3, and the bare MD5 before 2.1: digest(key, message, key).
    Digest(DigestAlgorithm),
    /// 0x12 (SHA-1), 0x13 (SHA-256): HMAC(key, message).
    Hmac(DigestAlgorithm),
    /// 0x22: HMAC-SHA1(PBKDF2-HMAC-SHA1(key), message).
    Pbkdf2(Pbkdf2<'a>),
}

/// How a secret key is stretched (RFC 8018 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pbkdf2<'a> {
    /// The salt; 16 bytes as deployed.
    pub salt: &'a [u8],
    /// How often; 10,000 as deployed, at most [`Pbkdf2::ITERATIONS_MAX`].
    pub iterations: u32,
    /// Bits of the stretched key: a multiple of eight, 160 as deployed, at most
    /// [`Pbkdf2::KEY_BITS_MAX`].
    pub key_bits: u32,
}

impl Pbkdf2<'_> {
    /// The most iterations. A client chooses them and the server computes them:
    /// without a limit, one message could keep a core busy for an hour.
    pub const ITERATIONS_MAX: u32 = 100_000;
    /// The most bits of a stretched key: each 160 cost all iterations again.
    pub const KEY_BITS_MAX: u32 = 512;
}

/// The proof of a secret key: what [`ChallengeAnswer::proof`] holds for
/// HS_SECKEY.
///
/// ```text
/// since 2.1:  method:1  mac
///   method 0x22:  0x22  salt:bytes  iterations:4  key bits:4  mac:bytes
/// before:     MD5
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretKeyProof<'a> {
    /// How it was made.
    pub method: SecretKeyMethod<'a>,
    /// The code, as long as the method makes it.
    pub mac: &'a [u8],
}

impl<'a> SecretKeyProof<'a> {
    const HMAC_SHA1: u8 = 0x12;
    const HMAC_SHA256: u8 = 0x13;
    const PBKDF2_SHA1: u8 = 0x22;

    /// Reads the proof in a message of `version`.
    ///
    /// # Errors
    /// [`Malformed`], also for a stretching beyond the limits of [`Pbkdf2`].
    pub fn decode(version: Version, bytes: &'a [u8]) -> Result<Self, Malformed> {
        const FIELD: &str = "secret key proof";
        if version < Version::NAMED_DIGESTS {
            let algorithm = DigestAlgorithm::Md5;
            return Ok(Self {
                method: SecretKeyMethod::Digest(algorithm),
                mac: exactly(FIELD, bytes, algorithm.digest_bytes())?,
            });
        }
        let mut reader = Reader::new(bytes);
        let number = reader.u8("secret key method")?;
        let (method, mac_bytes) = match number {
            1..=3 => {
                let algorithm = DigestAlgorithm::from_number("secret key method", number)?;
                (SecretKeyMethod::Digest(algorithm), algorithm.digest_bytes())
            }
            Self::HMAC_SHA1 => (SecretKeyMethod::Hmac(DigestAlgorithm::Sha1), 20),
            Self::HMAC_SHA256 => (SecretKeyMethod::Hmac(DigestAlgorithm::Sha256), 32),
            Self::PBKDF2_SHA1 => {
                let method = SecretKeyMethod::Pbkdf2(Pbkdf2::read(&mut reader)?);
                let mac = exactly(FIELD, reader.bytes(FIELD)?, 20)?;
                reader.end(FIELD)?;
                return Ok(Self { method, mac });
            }
            _ => {
                return Err(Malformed::Unknown {
                    field: "secret key method",
                    value: number.into(),
                    known: "0x1, 0x2, 0x3, 0x12, 0x13, 0x22",
                });
            }
        };
        let mac = exactly(FIELD, reader.rest(), mac_bytes)?;
        Ok(Self { method, mac })
    }

    /// Appends the proof, for a message of `version`.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        let number = match self.method {
            SecretKeyMethod::Digest(algorithm) => algorithm.number(),
            SecretKeyMethod::Hmac(DigestAlgorithm::Sha256) => Self::HMAC_SHA256,
            SecretKeyMethod::Hmac(DigestAlgorithm::Md5 | DigestAlgorithm::Sha1) => Self::HMAC_SHA1,
            SecretKeyMethod::Pbkdf2(Pbkdf2 {
                salt,
                iterations,
                key_bits,
            }) => {
                out.push(Self::PBKDF2_SHA1);
                put_bytes(out, salt);
                put_u32(out, iterations);
                put_u32(out, key_bits);
                put_bytes(out, self.mac);
                return;
            }
        };
        if version >= Version::NAMED_DIGESTS {
            out.push(number);
        }
        out.extend_from_slice(self.mac);
    }
}

impl<'a> Pbkdf2<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let salt = reader.bytes("salt")?;
        let iterations = at_most(
            "iterations",
            reader.u32("iterations")?,
            Self::ITERATIONS_MAX,
        )?;
        let key_bits = at_most("key bits", reader.u32("key bits")?, Self::KEY_BITS_MAX)?;
        if iterations == 0 || key_bits == 0 || key_bits % 8 != 0 {
            return Err(Malformed::Unknown {
                field: "iterations and key bits",
                value: u64::from(iterations) << 32 | u64::from(key_bits),
                known: "some iterations and a multiple of 8 bits",
            });
        }
        Ok(Self {
            salt,
            iterations,
            key_bits,
        })
    }
}

fn at_most(field: &'static str, value: u32, limit: u32) -> Result<u32, Malformed> {
    if value <= limit {
        return Ok(value);
    }
    Err(Malformed::Above {
        field,
        value: value.into(),
        limit: limit.into(),
    })
}

/// The proof of a key pair: what [`ChallengeAnswer::proof`] holds for HS_PUBKEY.
/// The signature covers nonce and request digest, one behind the other.
///
/// ```text
/// hash:string  signature:bytes
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKeyProof<'a> {
    /// The hash: "SHA-256", "SHA1"; "SM3" with an SM2 key (id-pointer-sdk).
    pub hash: &'a [u8],
    /// The signature: PKCS#1 v1.5 of an RSA key, DER of a DSA or SM2 key.
    pub signature: &'a [u8],
}

impl<'a> PublicKeyProof<'a> {
    /// Reads the proof.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let hash = reader.bytes("hash algorithm")?;
        let signature = reader.bytes("signature")?;
        reader.end("public key proof")?;
        Ok(Self { hash, signature })
    }

    /// Appends the proof.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.hash);
        put_bytes(out, self.signature);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_of_old_has_a_length() {
        let digest = RequestDigest {
            algorithm: DigestAlgorithm::Md5,
            digest: &[7; 16],
        };
        let old = Version::new(2, 0);
        let mut out = Vec::new();
        digest.write(old, &mut out);
        assert_eq!(out, [&[0, 0, 0, 16][..], &[7; 16]].concat());
        assert_eq!(RequestDigest::read(&mut Reader::new(&out), old), Ok(digest));
        out[3] = 15;
        let error = RequestDigest::read(&mut Reader::new(&out), old).expect_err("15 bytes");
        assert_eq!(error.to_string(), "request digest: 15 instead of 16");
    }

    #[test]
    fn the_version_chooses_the_digest() {
        for (version, number) in [
            (Version::new(2, 0), 1),
            (Version::new(2, 1), 2),
            (Version::new(2, 6), 2),
            (Version::new(2, 7), 3),
            (Version::CURRENT, 3),
        ] {
            assert_eq!(DigestAlgorithm::for_version(version).number(), number);
        }
    }

    fn check(salt: &[u8], iterations: u32, key_bits: u32, expected: Result<(), &str>) {
        let stretching = Pbkdf2 {
            salt,
            iterations,
            key_bits,
        };
        let mut out = Vec::new();
        let method = SecretKeyMethod::Pbkdf2(stretching);
        SecretKeyProof {
            method,
            mac: &[1; 20],
        }
        .encode(Version::CURRENT, &mut out);
        let read = SecretKeyProof::decode(Version::CURRENT, &out).map(drop);
        assert_eq!(
            read.map_err(|error| error.to_string()),
            expected.map_err(str::to_owned)
        );
    }

    #[test]
    fn limits_what_a_client_makes_the_server_compute() {
        check(b"salt", 10_000, 160, Ok(()));
        check(b"", 1, 8, Ok(()));
        check(b"salt", 100_000, 512, Ok(()));
        check(
            b"salt",
            100_001,
            160,
            Err("iterations: 100001 is above the limit of 100000"),
        );
        check(
            b"salt",
            10_000,
            520,
            Err("key bits: 520 is above the limit of 512"),
        );
        let odd = "iterations and key bits: 0x27100000009c is not one of \
                   some iterations and a multiple of 8 bits";
        check(b"salt", 10_000, 156, Err(odd));
        let none = "iterations and key bits: 0xa0 is not one of \
                    some iterations and a multiple of 8 bits";
        check(b"salt", 0, 160, Err(none));
    }
}
