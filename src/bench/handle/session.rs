//! A client's side of a session: Diffie-Hellman, a code on each message, and one
//! proof of who it is (RFC 3652 §3.8; Handle protocol as deployed).

use std::io;

use tokio::net::TcpStream;

use crate::bench::handle::window::{ask_once, malformed};
use crate::crypto::{
    DH_RANDOM_BYTES, DhGroup, DhSecret, KEY_BITS, MacAlgorithm, STRETCH_ITERATIONS, SecretMethod,
    SessionKey, make_secret_proof,
};
use crate::model::data::PublicKey;
use crate::wire::handle::{
    Challenge, ChallengeAnswer, Credential, DiffieHellmanKey, ENVELOPE_BYTES, Envelope,
    ErrorResponse, Flags, Header, KeyAgreement, Message, MessageWriter, OpCode, Pbkdf2, Reference,
    ResponseCode, SecretKeyMethod, SecretKeyProof, SessionRequest, SessionResponse, Version,
    split_digest,
};

/// When the requests expire: as late as deployed servers can read.
const EXPIRES_SECS: u32 = 0x7fff_ffff;
/// The idle time that is asked for, in seconds.
const IDLE_SECS: u32 = 86_400;
/// Bytes of the salt that a secret is stretched with.
const SALT_BYTES: usize = 16;

/// Who a client is.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) handle: String,
    pub(super) index: u32,
    pub(super) secret: String,
}

impl Identity {
    fn reference(&self) -> Reference<'_> {
        Reference {
            handle: self.handle.as_bytes(),
            index: self.index,
        }
    }
}

/// A session that was set up.
#[derive(Debug)]
pub(super) struct Session {
    id: u32,
    key: SessionKey,
    /// Of the last message.
    counter: u32,
    covered: Vec<u8>,
    credential: Vec<u8>,
}

impl Session {
    /// Agrees on a key with the server. Its signature is not looked at: what is
    /// measured is the server, not its clients.
    pub(super) async fn set_up(stream: &mut TcpStream, identity: &Identity) -> io::Result<Self> {
        let secret = DhSecret::new(DhGroup::Bits1024, &random::<DH_RANDOM_BYTES>()?);
        let public_key = secret.public_key().encode();
        let asked = SessionRequest {
            timeout_secs: IDLE_SECS,
            identity: identity.reference(),
            agreement: KeyAgreement::DiffieHellman(&public_key),
        };
        let envelope = Envelope::new(Version::CURRENT, 1);
        let flags = Flags::RESOLUTION | Flags::CERTIFIED | Flags::REQUEST_DIGEST;
        let header = Header::request(OpCode::SESSION_SETUP, flags, EXPIRES_SECS);
        let (mut request, mut answer) = (Vec::new(), Vec::new());
        let mut writer = MessageWriter::begin(&mut request, &envelope, &header);
        asked.encode(writer.body());
        writer.finish(&[]).map_err(malformed)?;
        ask_once(stream, &request, &mut answer).await?;
        let (envelope, message) = read(&answer)?;
        if !message.header.response_code.is_success() {
            return Err(refused(envelope.version, &message));
        }
        let body = split_digest(envelope.version, &message.header, message.body);
        let (_, body) = body.map_err(malformed)?;
        let response = SessionResponse::decode(body).map_err(malformed)?;
        let key = DiffieHellmanKey::decode(response.data).map_err(malformed)?;
        let public_key = PublicKey::decode(key.public_key)
            .map_err(|refusal| io::Error::other(refusal.to_string()))?;
        Ok(Self {
            id: envelope.session_id,
            key: secret.agree(&public_key).map_err(io::Error::other)?,
            counter: 0,
            covered: Vec::new(),
            credential: Vec::new(),
        })
    }

    /// Appends a request with its code; `encode` appends its body.
    pub(super) fn write(
        &mut self,
        op_code: OpCode,
        request_id: u32,
        out: &mut Vec<u8>,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> io::Result<()> {
        self.counter = self.counter.wrapping_add(1);
        let header = Header::request(op_code, Flags::RESOLUTION, EXPIRES_SECS);
        let mut writer = MessageWriter::begin(out, &self.envelope(request_id), &header);
        encode(writer.body());
        self.covered.clear();
        writer.authenticated_bytes(self.counter, &mut self.covered);
        let code = self.key.mac(MacAlgorithm::Sha256, &[&self.covered]);
        self.credential.clear();
        Credential::mac(self.counter, code.as_ref()).encode(&mut self.credential);
        writer.finish(&self.credential).map_err(malformed)?;
        Ok(())
    }

    /// Sends a request and proves who it is from where the server wants to know.
    /// Gives the answer to the request.
    pub(super) async fn ask(
        &mut self,
        stream: &mut TcpStream,
        request: &[u8],
        identity: &Identity,
    ) -> io::Result<Vec<u8>> {
        let mut answer = Vec::new();
        ask_once(stream, request, &mut answer).await?;
        let (envelope, message) = read(&answer)?;
        if message.header.response_code != ResponseCode::AUTHENTICATION_NEEDED {
            return Ok(answer);
        }
        let challenge = Challenge::decode(envelope.version, message.body).map_err(malformed)?;
        let header = Header::request(OpCode::CHALLENGE_RESPONSE, Flags::RESOLUTION, EXPIRES_SECS);
        let proof = proof(identity, &challenge)?;
        let mut request = Vec::new();
        let mut writer = MessageWriter::begin(&mut request, &self.envelope(1), &header);
        ChallengeAnswer {
            key_type: ChallengeAnswer::SECRET_KEY,
            identity: identity.reference(),
            proof: &proof,
        }
        .encode(writer.body());
        writer.finish(&[]).map_err(malformed)?;
        ask_once(stream, &request, &mut answer).await?;
        Ok(answer)
    }

    fn envelope(&self, request_id: u32) -> Envelope {
        Envelope {
            session_id: self.id,
            ..Envelope::new(Version::CURRENT, request_id)
        }
    }
}

/// The proof that deployed clients make: of the stretched secret.
fn proof(identity: &Identity, challenge: &Challenge<'_>) -> io::Result<Vec<u8>> {
    let salt = random::<SALT_BYTES>()?;
    let method = SecretMethod::Stretched {
        salt: &salt,
        iterations: STRETCH_ITERATIONS,
        key_bits: KEY_BITS,
    };
    let (secret, digest) = (identity.secret.as_bytes(), challenge.digest.digest);
    let mac = make_secret_proof(&method, secret, challenge.nonce, digest);
    let mac = mac.ok_or_else(|| io::Error::other("the identity has no secret"))?;
    let mut proof = Vec::new();
    SecretKeyProof {
        method: SecretKeyMethod::Pbkdf2(Pbkdf2 {
            salt: &salt,
            iterations: STRETCH_ITERATIONS,
            key_bits: KEY_BITS,
        }),
        mac: mac.as_ref(),
    }
    .encode(Version::CURRENT, &mut proof);
    Ok(proof)
}

/// Envelope and message of an answer.
pub(super) fn read(answer: &[u8]) -> io::Result<(Envelope, Message<'_>)> {
    let envelope = Envelope::decode(answer).map_err(malformed)?;
    let rest = answer.get(ENVELOPE_BYTES..).unwrap_or_default();
    let message = Message::decode(rest).map_err(malformed)?;
    Ok((envelope, message))
}

/// What a server says that did not do what it was asked.
pub(super) fn refused(version: Version, message: &Message<'_>) -> io::Error {
    let code = message.header.response_code;
    let body = split_digest(version, &message.header, message.body);
    let text = body.and_then(|(_, body)| ErrorResponse::decode(body));
    let text = text.map(|error| String::from_utf8_lossy(error.message));
    io::Error::other(format!("answered with {code} {}", text.unwrap_or_default()))
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| io::Error::other("the system gives no random bytes"))?;
    Ok(bytes)
}
