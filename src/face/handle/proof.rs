//! Challenge and response (RFC 3652 §3.5): a request that needs to be proven
//! waits while the client proves who it is, and is then done on its behalf.

use std::sync::Arc;

use crate::crypto::{DigestAlgorithm, MacAlgorithm, SecretMethod, SecretProof, SignedProof};
use crate::face::handle::challenges::{Challenge, NONCE_BYTES};
use crate::face::handle::convert::identifier;
use crate::face::handle::reply::{Asked, Digest, Reply, digest_algorithm};
use crate::face::handle::service::{Made, Service, Transport};
use crate::face::handle::standing::{Standing, mark_of};
use crate::face::handle::status::Asking;
use crate::model::{Identifier, Reason, Reference, Refusal};
use crate::node::{self, Proof};
use crate::wire::handle::{
    self as wire, ChallengeAnswer, Envelope, Malformed, Message, PublicKeyProof, ResponseCode,
    SecretKeyMethod, SecretKeyProof, VerifyRequest, VerifyResponse, Version,
};

/// Iterations of a stretched secret that are checked for another server: twice
/// what clients send, as nobody need have been challenged for it.
const VERIFIED_ITERATIONS_MAX: u32 = 20_000;

/// What a client says to prove who it is, in bytes of its own.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    identity: Reference,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// As it stands in a message of the version.
    Secret(Version, Vec<u8>),
    Signature {
        hash_algorithm: String,
        signature: Vec<u8>,
    },
}

impl Answer {
    /// Who is to be proven.
    pub(super) const fn identity(&self) -> &Reference {
        &self.identity
    }

    /// Reads the answer in the body of `message`, of a client of `version`.
    ///
    /// # Errors
    /// The reply to one that cannot be read.
    pub(super) fn read(message: &Message<'_>, version: Version) -> Result<Self, Reply> {
        let answer = ChallengeAnswer::decode(message.body).map_err(|m| Reply::malformed(&m))?;
        let identity = reference(answer.identity)?;
        let kind = match answer.key_type {
            ChallengeAnswer::SECRET_KEY => Kind::secret(answer.proof, version)?,
            ChallengeAnswer::PUBLIC_KEY => Kind::signature(answer.proof)?,
            other => {
                let shown = String::from_utf8_lossy(other);
                return Err(Reply::failed(
                    ResponseCode::INVALID_CREDENTIAL,
                    &format!(
                        "unknown authentication type {shown:?}; known are HS_SECKEY and HS_PUBKEY"
                    ),
                ));
            }
        };
        Ok(Self { identity, kind })
    }

    /// Reads what another server wants to be checked.
    fn verified(request: &VerifyRequest<'_>, version: Version) -> Result<Self, Reply> {
        // A signature begins with the length of its algorithm's name, a code
        // with the number of its algorithm.
        let kind = match request.proof.first() {
            Some(0) => Kind::signature(request.proof)?,
            _ => Kind::secret(request.proof, version)?,
        };
        if let Kind::Secret(version, bytes) = &kind
            && let Ok(proof) = secret_proof(*version, bytes)
            && let SecretMethod::Stretched { iterations, .. } = proof.method
            && iterations > VERIFIED_ITERATIONS_MAX
        {
            let text = format!(
                "{iterations} iterations of PBKDF2 are above the limit of {VERIFIED_ITERATIONS_MAX}"
            );
            return Err(Reply::failed(ResponseCode::INVALID_CREDENTIAL, &text));
        }
        Ok(Self {
            identity: reference(request.identity)?,
            kind,
        })
    }

    fn proof<'a>(&'a self, challenge: node::Challenge<'a>) -> Proof<'a> {
        match &self.kind {
            Kind::Secret(version, bytes) => {
                let proof = secret_proof(*version, bytes);
                // It was read before; what proves nothing takes its place.
                let nothing = SecretProof {
                    method: SecretMethod::Digest(DigestAlgorithm::Sha256),
                    mac: &[],
                };
                Proof::Secret {
                    challenge,
                    proof: proof.unwrap_or(nothing),
                }
            }
            Kind::Signature {
                hash_algorithm,
                signature,
            } => Proof::Signature {
                challenge,
                proof: SignedProof {
                    hash_algorithm,
                    signature,
                },
            },
        }
    }
}

impl Kind {
    fn secret(response: &[u8], version: Version) -> Result<Self, Reply> {
        secret_proof(version, response).map_err(|m| Reply::malformed(&m))?;
        Ok(Self::Secret(version, response.to_vec()))
    }

    fn signature(signed_response: &[u8]) -> Result<Self, Reply> {
        let answer = PublicKeyProof::decode(signed_response).map_err(|m| Reply::malformed(&m))?;
        Ok(Self::Signature {
            hash_algorithm: String::from_utf8_lossy(answer.hash).into_owned(),
            signature: answer.signature.to_vec(),
        })
    }
}

/// The proof of a secret in a message of `version`.
fn secret_proof(version: Version, bytes: &[u8]) -> Result<SecretProof<'_>, Malformed> {
    let SecretKeyProof { method, mac } = SecretKeyProof::decode(version, bytes)?;
    let method = match method {
        SecretKeyMethod::Digest(algorithm) => SecretMethod::Digest(digest_algorithm(algorithm)),
        SecretKeyMethod::Hmac(wire::DigestAlgorithm::Sha256) => {
            SecretMethod::Mac(MacAlgorithm::Sha256)
        }
        SecretKeyMethod::Hmac(_) => SecretMethod::Mac(MacAlgorithm::Sha1),
        SecretKeyMethod::Pbkdf2(wire::Pbkdf2 {
            salt,
            iterations,
            key_bits,
        }) => SecretMethod::Stretched {
            salt,
            iterations,
            key_bits,
        },
    };
    Ok(SecretProof { method, mac })
}

/// The value that a reference on the wire names.
pub(super) fn reference(sent: wire::Reference<'_>) -> Result<Reference, Reply> {
    let identifier: Identifier = identifier(sent.handle).map_err(|refusal| {
        Reply::failed(ResponseCode::AUTHENTICATION_FAILED, &refusal.to_string())
    })?;
    Ok(Reference {
        index: sent.index,
        identifier,
    })
}

impl Service {
    /// Asks the client to prove who it is, and keeps `message` (header, body and
    /// credential) until it did.
    pub(super) fn challenge(&self, asked: &Asked, message: &[u8]) -> Reply {
        let Ok(decoded) = Message::decode(message) else {
            return Reply::failed(ResponseCode::PROTOCOL_ERROR, "");
        };
        let kept = self.kept_message(asked, message);
        let table = self.challenges(asked.transport);
        let in_session = asked.session.as_ref().map(|session| session.id);
        let repeated = in_session.and_then(|id| Some((id, table.same(id, &kept)?)));
        let (session_id, challenge) = match repeated {
            Some(repeated) => repeated,
            None => {
                let session_id = in_session.unwrap_or_else(|| self.free_number());
                let challenge = Challenge {
                    message: kept,
                    nonce: self.nonce(),
                    digest: Digest::of(&decoded, asked.envelope.reply_version()),
                    source: asked.source(),
                    session: asked.session.as_ref().map(Arc::downgrade),
                };
                if !table.keep(session_id, challenge.clone(), self.node().elapsed()) {
                    return Reply::failed(
                        ResponseCode::SERVER_TOO_BUSY,
                        "too many requests from this address wait for their proofs",
                    );
                }
                (session_id, challenge)
            }
        };
        Reply {
            session_id: Some(session_id),
            ..Reply::challenge(challenge.digest, &challenge.nonce)
        }
    }

    /// The envelope and message as they are done again once proven: in clear.
    fn kept_message(&self, asked: &Asked, message: &[u8]) -> Vec<u8> {
        let envelope = Envelope {
            encrypted: false,
            ..asked.envelope
        };
        [envelope.encode().as_slice(), message].concat()
    }

    /// Fresh random octets.
    pub(super) fn nonce(&self) -> [u8; NONCE_BYTES] {
        let mut nonce = [0; NONCE_BYTES];
        self.fill_random(&mut nonce);
        nonce
    }

    /// Takes the answer to a challenge and does what waited for it.
    pub(super) async fn answer_challenge(&self, asked: Asked, message: Message<'_>) -> Made {
        let answer = Answer::read(&message, asked.envelope.reply_version());
        let Some(challenge) = self.waiting(&asked) else {
            return self.answer_login(asked, answer, &message).await.into();
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(reply) => return self.sealed(asked, reply).await.into(),
        };
        let waited = challenge.message.get(wire::ENVELOPE_BYTES..);
        let waited = waited.unwrap_or_default();
        let Ok(request) = Message::decode(waited) else {
            let reply = Reply::failed(ResponseCode::AUTHENTICATION_ERROR, "");
            return self.sealed(asked, reply).await.into();
        };
        let mut asked = asked;
        asked.answers(request.header, &message);
        if asked.session.is_none() {
            asked.envelope.session_id = 0;
        }
        let claimed = asked.session.as_ref().and_then(|s| s.claimed.as_ref());
        if claimed.is_some_and(|claimed| !is_same(claimed, answer.identity())) {
            self.refuse_unproven(&asked, &answer);
            let text = "the proof is of another identity than the session was set up for";
            let reply = Reply::failed(ResponseCode::AUTHENTICATION_FAILED, text);
            return self.sealed(asked, reply).await.into();
        }
        let proven = self
            .proven(&asked, answer, challenge.nonce, challenge.digest)
            .await;
        match proven {
            Err(reply) => self.sealed(asked, reply).await.into(),
            Ok(standing) => {
                asked.caller = standing.caller().clone().with_source(Some(asked.peer.ip()));
                if let Some(session) = &asked.session {
                    session.stand(standing);
                    self.touch_session(session);
                }
                self.perform(asked, waited).await
            }
        }
    }

    /// Has the audit trail tell of an answer that is not of whom it must be of.
    pub(super) fn refuse_unproven(&self, asked: &Asked, answer: &Answer) {
        let (reason, who) = (Reason::AuthenticationFailed, answer.identity().to_string());
        let _refusal = self
            .node()
            .refuse_unproven(reason, &who, Some(asked.peer.ip()));
    }

    /// Takes the answer to a login, if one waits on the connection.
    async fn answer_login(
        &self,
        asked: Asked,
        answer: Result<Answer, Reply>,
        message: &Message<'_>,
    ) -> Vec<u8> {
        let (id, now) = (asked.envelope.session_id, self.node().elapsed());
        let connection = asked.connection.as_ref();
        if let Some(login) = connection.and_then(|c| c.take_login(id, now)) {
            return self.finish_login(asked, answer, login, message).await;
        }
        let text = "no challenge waits for this answer, or its time has passed";
        let reply = Reply::failed(ResponseCode::AUTHENTICATION_TIMEOUT, text);
        self.sealed(asked, reply).await
    }

    /// The challenge that an answer is for: of the number that it names, and of
    /// the session that it is in.
    fn waiting(&self, asked: &Asked) -> Option<Challenge> {
        let (id, now) = (asked.envelope.session_id, self.node().elapsed());
        let own = self
            .challenges(asked.transport)
            .take(id, asked.source(), now);
        // The answer to a challenge over UDP may come over TCP.
        let udp = || {
            self.challenges(Transport::Udp)
                .take(id, asked.source(), now)
        };
        let found = own.or_else(udp);
        found.filter(|challenge| challenge.is_of(asked.session.as_ref()))
    }

    /// Who proved to be there.
    ///
    /// # Errors
    /// The reply to who did not.
    pub(super) async fn proven(
        &self,
        asked: &Asked,
        answer: Answer,
        nonce: [u8; NONCE_BYTES],
        digest: Digest,
    ) -> Result<Standing, Reply> {
        let (node, source) = (self.node().clone(), asked.peer.ip());
        let prove = move || {
            let challenge = node::Challenge {
                nonce: &nonce,
                request_digest: digest.as_bytes(),
            };
            let identity = answer.identity();
            // Before the key is read, so that a change in between is noticed.
            let mark = mark_of(&node, identity);
            let caller = node.prove(identity, &answer.proof(challenge), Some(source))?;
            let standing = Standing::of(&node, caller, mark);
            standing.ok_or_else(|| {
                let (reason, who) = (Reason::AuthenticationFailed, identity.to_string());
                node.refuse_unproven(reason, &who, Some(source))
            })
        };
        let heavy = self.heavy(asked.transport);
        let outcome = heavy.run(asked.source(), prove).await;
        let outcome = outcome.ok_or_else(Reply::busy)?;
        outcome.map_err(|refusal| unproven(&refusal))
    }

    /// Checks a proof for another server (RFC 3652 §3.5.3).
    pub(super) async fn verify_challenge(&self, asked: &Asked, message: Message<'_>) -> Reply {
        let request = match VerifyRequest::decode(message.body) {
            Ok(request) => request,
            Err(malformed) => return Reply::malformed(&malformed),
        };
        let answer = match Answer::verified(&request, asked.envelope.reply_version()) {
            Ok(answer) => answer,
            Err(reply) => return reply,
        };
        let (nonce, digest) = (request.nonce.to_vec(), request.digest.to_vec());
        let (node, source) = (self.node().clone(), asked.peer.ip());
        let verify = move || {
            let challenge = node::Challenge {
                nonce: &nonce,
                request_digest: &digest,
            };
            node.verify_challenge(answer.identity(), &answer.proof(challenge), Some(source))
        };
        match self
            .heavy(asked.transport)
            .run(asked.source(), verify)
            .await
        {
            None => Reply::busy(),
            Some(Ok(holds)) => {
                let mut body = Vec::new();
                VerifyResponse { holds }.encode(&mut body);
                Reply::done(body)
            }
            Some(Err(refusal)) => Reply::refused(&refusal, Asking::Read),
        }
    }
}

/// Whether both name the same value, in whatever spelling.
fn is_same(left: &Reference, right: &Reference) -> bool {
    let folded = |reference: &Reference| reference.identifier.to_string().to_ascii_lowercase();
    left.index == right.index && folded(left) == folded(right)
}

fn unproven(refusal: &Refusal) -> Reply {
    let code = match refusal.reason() {
        Reason::AuthenticationFailed | Reason::IdentityUnknown => {
            ResponseCode::AUTHENTICATION_FAILED
        }
        _ => ResponseCode::AUTHENTICATION_ERROR,
    };
    Reply::failed(code, &refusal.to_string())
}
