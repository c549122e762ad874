//! A client of the Handle protocol, as deployed ones are: it proves who it is
//! by challenge and response, or in a session.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use idnode::crypto::{
    self, DhGroup, DhSecret, DigestAlgorithm, MacAlgorithm, SecretMethod, SessionKey, SignedProof,
};
use idnode::model::data::PublicKey;
use idnode::wire::handle::{
    Challenge, ChallengeAnswer, Credential, DiffieHellmanKey, ENVELOPE_BYTES, Envelope,
    ErrorResponse, Flags, Header, KeyAgreement, Message, MessageWriter, OpCode, Pbkdf2, Reference,
    ResponseCode, SecretKeyMethod, SecretKeyProof, SessionRequest, SessionResponse, Version,
    authenticated_bytes, split_digest,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::DEADLINE;

/// When the requests of tests expire: in 2096.
const EXPIRES_SECS: u32 = 4_000_000_000;

/// A reply, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    /// Its envelope.
    pub envelope: Envelope,
    /// Its header.
    pub header: Header,
    /// The digest of the request, if it came with one.
    pub digest: Option<Vec<u8>>,
    /// The body behind the digest.
    pub body: Vec<u8>,
    /// Its credential.
    pub credential: Vec<u8>,
    /// Envelope and message.
    pub bytes: Vec<u8>,
}

impl Reply {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let envelope = Envelope::decode(bytes).expect("an envelope");
        let message = Message::decode(&bytes[ENVELOPE_BYTES..]).expect("a message");
        let split = split_digest(envelope.version, &message.header, message.body);
        let (digest, body) = split.expect("a digest");
        Self {
            envelope,
            header: message.header,
            digest: digest.map(|digest| digest.digest.to_vec()),
            body: body.to_vec(),
            credential: message.credential.to_vec(),
            bytes: bytes.to_vec(),
        }
    }

    /// Its code.
    pub(crate) fn code(&self) -> ResponseCode {
        self.header.response_code
    }

    /// The text of an error.
    pub(crate) fn text(&self) -> String {
        let error = ErrorResponse::decode(&self.body).expect("an error");
        String::from_utf8(error.message.to_vec()).expect("UTF-8")
    }

    /// Whether `key` signed it.
    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        let Ok(credential) = Credential::decode(&self.credential) else {
            return false;
        };
        let message = Message::decode(&self.bytes[ENVELOPE_BYTES..]).expect("a message");
        let mut covered = Vec::new();
        authenticated_bytes(
            &self.envelope,
            credential.counter,
            message.signed,
            &mut covered,
        );
        let proof = SignedProof {
            hash_algorithm: "SHA-256",
            signature: credential.signature,
        };
        credential.kind == Credential::SIGNED
            && crypto::verify_message(key, &[&covered], &proof).is_ok()
    }
}

/// A request as it goes out: outside any session.
pub(crate) fn request(
    request_id: u32,
    op_code: OpCode,
    flags: Flags,
    encode: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let mut out = Vec::new();
    let envelope = Envelope::new(Version::CURRENT, request_id);
    let header = Header::request(op_code, flags, EXPIRES_SECS);
    let mut writer = MessageWriter::begin(&mut out, &envelope, &header);
    encode(writer.body());
    writer.finish(&[]).expect("fits");
    out
}

/// What a client proves its identity with.
#[derive(Clone, Debug)]
pub(crate) enum Key {
    /// The bytes of an HS_SECKEY, and the number of the MAC to make.
    Secret(Vec<u8>, u8),
    /// A private key.
    Pair(PrivateKey),
}

/// How a private key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signing {
    RsaSha256,
    RsaSha1,
    DsaSha1,
    Sm2,
}

/// A private key in a file, made and used by OpenSSL.
#[derive(Clone, Debug)]
pub(crate) struct PrivateKey {
    folder: Arc<TempDir>,
    signing: Signing,
}

impl PrivateKey {
    /// Makes a key.
    pub(crate) fn new(signing: Signing) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let key = Self { folder, signing };
        let path = key.path();
        match signing {
            Signing::RsaSha256 | Signing::RsaSha1 => {
                openssl(&["genpkey", "-algorithm", "RSA", "-out", &path], &[])
            }
            Signing::DsaSha1 => {
                let parameters = format!("{path}.parameters");
                openssl(&["dsaparam", "-out", &parameters, "1024"], &[]);
                openssl(&["gendsa", "-out", &path, &parameters], &[])
            }
            Signing::Sm2 => {
                let curve = "ec_paramgen_curve:sm2";
                openssl(
                    &[
                        "genpkey",
                        "-algorithm",
                        "EC",
                        "-pkeyopt",
                        curve,
                        "-out",
                        &path,
                    ],
                    &[],
                )
            }
        };
        key
    }

    /// Its public half as PEM text.
    pub(crate) fn public_pem(&self) -> String {
        let pem = openssl(&["pkey", "-in", &self.path(), "-pubout"], &[]);
        String::from_utf8(pem).unwrap()
    }

    /// The hash algorithm as clients name it, and a signature of `message`.
    fn sign(&self, message: &[u8], user: &str) -> (&'static str, Vec<u8>) {
        let path = self.path();
        match self.signing {
            Signing::RsaSha256 => (
                "SHA-256",
                openssl(&["dgst", "-sha256", "-sign", &path], message),
            ),
            Signing::RsaSha1 => ("SHA1", openssl(&["dgst", "-sha1", "-sign", &path], message)),
            Signing::DsaSha1 => ("SHA1", openssl(&["dgst", "-sha1", "-sign", &path], message)),
            Signing::Sm2 => {
                let digest = openssl(&["dgst", "-sm3", "-binary"], message);
                // This command reads files, not its input.
                let input = format!("{path}.input");
                std::fs::write(&input, digest).unwrap();
                let user = format!("distid:{user}");
                let arguments = [
                    "pkeyutl", "-sign", "-inkey", &path, "-rawin", "-digest", "sm3", "-in", &input,
                    "-pkeyopt", &user,
                ];
                ("SM3", openssl(&arguments, &[]))
            }
        }
    }

    fn path(&self) -> String {
        self.folder.path().join("key.pem").display().to_string()
    }
}

/// What `openssl` writes, given `input`.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl is installed: scripts/setup --tests");
    // One that reads no input may be gone already.
    let _gone = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    output.stdout
}

/// Who a client is.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub handle: String,
    pub index: u32,
    pub key: Key,
}

impl Identity {
    /// The body of the answer to a challenge.
    pub(crate) fn answer(&self, nonce: &[u8], digest: &[u8]) -> Vec<u8> {
        let message = [nonce, digest].concat();
        let (key_type, proof) = match &self.key {
            Key::Secret(secret, number) => (
                ChallengeAnswer::SECRET_KEY,
                secret_proof(secret, *number, nonce, digest),
            ),
            Key::Pair(key) => {
                let (algorithm, signature) = key.sign(&message, &self.handle);
                let mut proof = Vec::new();
                put(&mut proof, algorithm.as_bytes());
                put(&mut proof, &signature);
                (ChallengeAnswer::PUBLIC_KEY, proof)
            }
        };
        let mut body = Vec::new();
        ChallengeAnswer {
            key_type,
            identity: Reference {
                handle: self.handle.as_bytes(),
                index: self.index,
            },
            proof: &proof,
        }
        .encode(&mut body);
        body
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
    out.extend_from_slice(bytes);
}

fn secret_proof(secret: &[u8], number: u8, nonce: &[u8], digest: &[u8]) -> Vec<u8> {
    const SALT: [u8; 16] = *b"salt of the test";
    let (method, wire) = match number {
        0x22 => (
            SecretMethod::Stretched {
                salt: &SALT,
                iterations: crypto::STRETCH_ITERATIONS,
                key_bits: crypto::KEY_BITS,
            },
            SecretKeyMethod::Pbkdf2(Pbkdf2 {
                salt: &SALT,
                iterations: crypto::STRETCH_ITERATIONS,
                key_bits: crypto::KEY_BITS,
            }),
        ),
        0x12 | 0x13 => {
            let algorithm = MacAlgorithm::from_number(number).unwrap();
            let wire = match algorithm {
                MacAlgorithm::Sha1 => idnode::wire::handle::DigestAlgorithm::Sha1,
                MacAlgorithm::Sha256 => idnode::wire::handle::DigestAlgorithm::Sha256,
            };
            (SecretMethod::Mac(algorithm), SecretKeyMethod::Hmac(wire))
        }
        _ => {
            let algorithm = DigestAlgorithm::from_number(number).unwrap();
            let wire = match algorithm {
                DigestAlgorithm::Md5 => idnode::wire::handle::DigestAlgorithm::Md5,
                DigestAlgorithm::Sha1 => idnode::wire::handle::DigestAlgorithm::Sha1,
                DigestAlgorithm::Sha256 => idnode::wire::handle::DigestAlgorithm::Sha256,
            };
            (
                SecretMethod::Digest(algorithm),
                SecretKeyMethod::Digest(wire),
            )
        }
    };
    let mac = crypto::make_secret_proof(&method, secret, nonce, digest).expect("a proof");
    let mut out = Vec::new();
    SecretKeyProof {
        method: wire,
        mac: mac.as_ref(),
    }
    .encode(Version::CURRENT, &mut out);
    out
}

/// A session that was set up.
#[derive(Debug)]
pub(crate) struct Session {
    pub id: u32,
    pub key: SessionKey,
    pub counter: u32,
    pub encrypted: bool,
}

/// A client on one connection.
#[derive(Debug)]
pub(crate) struct HandleClient {
    stream: TcpStream,
    next_id: u32,
    pub session: Option<Session>,
    /// Who answers challenges.
    pub identity: Option<Identity>,
}

impl HandleClient {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = timeout(DEADLINE, TcpStream::connect(address)).await;
        let stream = stream.expect("in time").expect("connected");
        stream.set_nodelay(true).expect("set");
        Self {
            stream,
            next_id: 1,
            session: None,
            identity: None,
        }
    }

    pub(crate) async fn connect_as(address: SocketAddr, identity: &Identity) -> Self {
        let mut client = Self::connect(address).await;
        client.identity = Some(identity.clone());
        client
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let sent = timeout(DEADLINE, self.stream.write_all(bytes)).await;
        sent.expect("in time").expect("sent");
    }

    /// Sends no more.
    pub(crate) async fn finish(&mut self) {
        self.stream.shutdown().await.expect("shut down");
    }

    /// The next message; `None` once the node closed the connection.
    pub(crate) async fn receive(&mut self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; ENVELOPE_BYTES];
        let read = timeout(DEADLINE, self.stream.read_exact(&mut bytes)).await;
        read.expect("in time").ok()?;
        let envelope = Envelope::decode(&bytes).expect("an envelope");
        let length = usize::try_from(envelope.message_bytes).unwrap();
        bytes.resize(ENVELOPE_BYTES + length, 0);
        let rest = self.stream.read_exact(&mut bytes[ENVELOPE_BYTES..]);
        timeout(DEADLINE, rest).await.expect("in time").ok()?;
        Some(bytes)
    }

    /// Sends bytes as they are and reads one reply.
    pub(crate) async fn exchange(&mut self, bytes: &[u8]) -> Reply {
        self.send(bytes).await;
        Reply::read(&self.receive().await.expect("a reply"))
    }

    /// Asks, in the session if there is one; answers a challenge if it has an
    /// identity.
    pub(crate) async fn ask(
        &mut self,
        op_code: OpCode,
        flags: Flags,
        encode: impl FnOnce(&mut Vec<u8>),
    ) -> Reply {
        let mut body = Vec::new();
        encode(&mut body);
        let reply = self.ask_once(op_code, flags, &body).await;
        let Some(identity) = self.identity.clone() else {
            return reply;
        };
        if reply.code() != ResponseCode::AUTHENTICATION_NEEDED {
            return reply;
        }
        let (session_id, answer) = answer_to(&reply, &identity);
        self.answer(session_id, &answer).await
    }

    /// Asks without answering a challenge.
    pub(crate) async fn ask_once(&mut self, op_code: OpCode, flags: Flags, body: &[u8]) -> Reply {
        let message = self.message(op_code, flags, body, true);
        self.send(&message).await;
        self.reply().await
    }

    /// Answers the challenge of `session_id`.
    pub(crate) async fn answer(&mut self, session_id: u32, body: &[u8]) -> Reply {
        let in_session = self.session.as_ref().map(|session| session.id) == Some(session_id);
        let mut message = self.message(OpCode::CHALLENGE_RESPONSE, Flags::RESOLUTION, body, false);
        if !in_session {
            message[4..8].copy_from_slice(&session_id.to_be_bytes());
        }
        self.send(&message).await;
        self.reply().await
    }

    /// The next reply, decrypted.
    pub(crate) async fn reply(&mut self) -> Reply {
        let bytes = self.receive().await.expect("a reply");
        let envelope = Envelope::decode(&bytes).expect("an envelope");
        if !envelope.encrypted {
            return Reply::read(&bytes);
        }
        let session = self.session.as_ref().expect("a session");
        let plain = session.key.decrypt(&bytes[ENVELOPE_BYTES..]);
        let clear = Envelope {
            encrypted: false,
            ..envelope
        };
        Reply::read(&[clear.encode().as_slice(), &plain.expect("decrypts")].concat())
    }

    /// A message, in the session if there is one.
    pub(crate) fn message(
        &mut self,
        op_code: OpCode,
        flags: Flags,
        body: &[u8],
        with_code: bool,
    ) -> Vec<u8> {
        self.next_id += 1;
        let mut envelope = Envelope::new(Version::CURRENT, self.next_id);
        let header = Header::request(op_code, flags, EXPIRES_SECS);
        let mut out = Vec::new();
        let Some(session) = &mut self.session else {
            let mut writer = MessageWriter::begin(&mut out, &envelope, &header);
            writer.body().extend_from_slice(body);
            writer.finish(&[]).expect("fits");
            return out;
        };
        envelope.session_id = session.id;
        let mut writer = MessageWriter::begin(&mut out, &envelope, &header);
        writer.body().extend_from_slice(body);
        let mut credential = Vec::new();
        if with_code {
            session.counter += 1;
            let mut covered = Vec::new();
            writer.authenticated_bytes(session.counter, &mut covered);
            let code = session.key.mac(MacAlgorithm::Sha256, &[&covered]);
            Credential::mac(session.counter, code.as_ref()).encode(&mut credential);
        }
        writer.finish(&credential).expect("fits");
        if session.encrypted {
            let sealed = session.key.encrypt(&[9; 16], &out[ENVELOPE_BYTES..]);
            let sealed = sealed.expect("encrypts");
            let envelope = Envelope {
                encrypted: true,
                message_bytes: u32::try_from(sealed.len()).unwrap(),
                ..envelope
            };
            return [envelope.encode().as_slice(), &sealed].concat();
        }
        out
    }

    /// Sets a session up for `300:TEST/ADMIN`, whoever the client is, and for a day;
    /// its replies are signed with `site_key`.
    pub(crate) async fn set_up_session(&mut self, site_key: &PublicKey, encrypted: bool) {
        let claimed = ("TEST/ADMIN", 300);
        self.set_up_session_for(claimed, 86_400, site_key, encrypted)
            .await;
    }

    /// Sets a session up for a handle and index, that ends once it is unused for so
    /// long.
    pub(crate) async fn set_up_session_for(
        &mut self,
        (handle, index): (&str, u32),
        timeout_secs: u32,
        site_key: &PublicKey,
        encrypted: bool,
    ) {
        let secret = DhSecret::new(DhGroup::Bits1024, &[0x5a; crypto::DH_RANDOM_BYTES]);
        let public_key = secret.public_key().encode();
        let flags = Flags::RESOLUTION | Flags::CERTIFIED | Flags::REQUEST_DIGEST;
        self.session = None;
        let mut body = Vec::new();
        SessionRequest {
            timeout_secs,
            identity: Reference {
                handle: handle.as_bytes(),
                index,
            },
            agreement: KeyAgreement::DiffieHellman(&public_key),
        }
        .encode(&mut body);
        let reply = self.ask_once(OpCode::SESSION_SETUP, flags, &body).await;
        assert_eq!(reply.code(), ResponseCode::SUCCESS, "{reply:?}");
        assert!(reply.is_signed_by(site_key), "signed");
        let response = SessionResponse::decode(&reply.body).expect("a response");
        let data = DiffieHellmanKey::decode(response.data).expect("a key");
        let server = PublicKey::decode(data.public_key).expect("a key");
        self.session = Some(Session {
            id: reply.envelope.session_id,
            key: secret.agree(&server).expect("a key"),
            counter: 0,
            encrypted,
        });
    }
}

/// The session that a challenge names, and the body of the answer to it.
pub(crate) fn answer_to(reply: &Reply, identity: &Identity) -> (u32, Vec<u8>) {
    let message = Message::decode(&reply.bytes[ENVELOPE_BYTES..]);
    let body = message
        .map(|message| message.body.to_vec())
        .unwrap_or_default();
    let body = if body.is_empty() {
        // Decrypted: taken apart already.
        [
            vec![3],
            reply.digest.clone().unwrap_or_default(),
            reply.body.clone(),
        ]
        .concat()
    } else {
        body
    };
    let challenge = Challenge::decode(reply.envelope.version, &body).expect("a challenge");
    let answer = identity.answer(challenge.nonce, challenge.digest.digest);
    (reply.envelope.session_id, answer)
}

/// Sends packets over UDP and gives what comes back within `patience`.
pub(crate) async fn over_udp(
    address: SocketAddr,
    packets: &[Vec<u8>],
    count: usize,
) -> Vec<Vec<u8>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    for packet in packets {
        socket.send_to(packet, address).await.expect("sent");
    }
    let mut replies = Vec::new();
    while replies.len() < count {
        let mut buffer = [0; 2048];
        let received = timeout(Duration::from_secs(20), socket.recv(&mut buffer)).await;
        let length = received.expect("a reply in time").expect("received");
        replies.push(buffer[..length].to_vec());
    }
    replies
}
