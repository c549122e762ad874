//! What a request is answered with, and how that becomes a message: flags,
//! digest of the request, credential, encryption (RFC 3652 §2.1 to 2.2).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::crypto;
use crate::face::handle::connection::Connection;
use crate::face::handle::convert::put_name;
use crate::face::handle::service::Transport;
use crate::face::handle::sessions::Session;
use crate::face::handle::status::{Asking, status};
use crate::model::{Caller, Reason, Refusal};
use crate::wire::handle::{
    DigestAlgorithm, Envelope, ErrorResponse, Flags, Header, List, Malformed, Message,
    MessageWriter, OpCode, RequestDigest, ResponseCode, Version,
};

/// A request in work: what its reply must echo, and on whose behalf it is.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The envelope that the reply answers.
    pub(super) envelope: Envelope,
    /// The header of the request.
    pub(super) header: Header,
    /// Digest of the request, if it is to be sent back.
    pub(super) digest: Option<Digest>,
    /// The session that the request belongs to.
    pub(super) session: Option<Arc<Session>>,
    /// Who asks.
    pub(super) caller: Caller,
    /// How the request came.
    pub(super) transport: Transport,
    /// From where.
    pub(super) peer: SocketAddr,
    /// On which connection.
    pub(super) connection: Option<Arc<Connection>>,
    /// Whether who logged in on the connection no longer has the key.
    pub(super) login_expired: bool,
}

impl Asked {
    /// Who has one share of what is bounded: an address, or over IPv6 the
    /// network of one customer.
    pub(super) fn source(&self) -> IpAddr {
        match self.peer.ip() {
            IpAddr::V6(address) => {
                let network = u128::from(address) & (u128::MAX << 64);
                IpAddr::V6(network.into())
            }
            v4 @ IpAddr::V4(_) => v4,
        }
    }

    /// The request is the answer to a challenge: from here on it stands for the
    /// request with this header, which waited. Its reply begins with the digest
    /// of the answer, `message`, if either wanted one.
    pub(super) fn answers(&mut self, waited: Header, message: &Message<'_>) {
        let flags = waited.flags | self.header.flags & Flags::REQUEST_DIGEST;
        if flags.contains(Flags::REQUEST_DIGEST) && self.digest.is_none() {
            self.digest = Some(Digest::of(message, self.envelope.reply_version()));
        }
        self.header = waited;
        self.header.flags = flags;
    }

    /// Whether the reply must be signed with the site's key.
    pub(super) fn wants_signature(&self) -> bool {
        self.session.is_none() && self.header.flags.contains(Flags::CERTIFIED)
    }

    /// Whether the client wants public values only.
    pub(super) const fn public_only(&self) -> bool {
        self.header.flags.contains(Flags::PUBLIC_ONLY)
    }
}

/// The digest of a request: its algorithm by the version, and its octets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest(Vec<u8>);

impl Digest {
    /// The digest of `message` for a client of `version`.
    pub(super) fn of(message: &Message<'_>, version: Version) -> Self {
        let algorithm = digest_algorithm(DigestAlgorithm::for_version(version));
        Self(
            crypto::digest(algorithm, &[message.signed])
                .as_ref()
                .to_vec(),
        )
    }

    /// Its octets.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As it stands in a message of `version`.
    fn on_wire(&self, version: Version) -> RequestDigest<'_> {
        RequestDigest {
            algorithm: DigestAlgorithm::for_version(version),
            digest: &self.0,
        }
    }
}

/// The algorithm of a name on the wire.
pub(super) const fn digest_algorithm(algorithm: DigestAlgorithm) -> crypto::DigestAlgorithm {
    match algorithm {
        DigestAlgorithm::Md5 => crypto::DigestAlgorithm::Md5,
        DigestAlgorithm::Sha1 => crypto::DigestAlgorithm::Sha1,
        DigestAlgorithm::Sha256 => crypto::DigestAlgorithm::Sha256,
    }
}

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// How it went.
    pub(super) code: ResponseCode,
    /// Flags beside those that the request gives.
    pub(super) flags: Flags,
    /// The body, behind the digest of the request.
    pub(super) body: Vec<u8>,
    /// The digest that the client must cover, of a challenge.
    pub(super) challenged: Option<Digest>,
    /// The session to name, where it is not the request's own.
    pub(super) session_id: Option<u32>,
}

impl Reply {
    /// Done, with this body.
    pub(super) const fn done(body: Vec<u8>) -> Self {
        Self {
            code: ResponseCode::SUCCESS,
            flags: Flags::NONE,
            body,
            challenged: None,
            session_id: None,
        }
    }

    /// Not done, and why.
    pub(super) fn failed(code: ResponseCode, text: &str) -> Self {
        let mut body = Vec::with_capacity(4 + text.len());
        ErrorResponse {
            message: text.as_bytes(),
            indexes: List::EMPTY,
        }
        .encode(&mut body);
        Self {
            code,
            flags: Flags::NONE,
            body,
            challenged: None,
            session_id: None,
        }
    }

    /// Not a message of the protocol.
    pub(super) fn malformed(malformed: &Malformed) -> Self {
        Self::failed(ResponseCode::PROTOCOL_ERROR, &malformed.to_string())
    }

    /// Prove who you are.
    pub(super) fn challenge(digest: Digest, nonce: &[u8]) -> Self {
        let mut body = Vec::with_capacity(20);
        put_name(nonce, &mut body);
        Self {
            code: ResponseCode::AUTHENTICATION_NEEDED,
            flags: Flags::REQUEST_DIGEST,
            challenged: Some(digest),
            ..Self::done(body)
        }
    }

    /// Refused by a rule.
    pub(super) fn refused(refusal: &Refusal, asking: Asking) -> Self {
        let text = match (refusal.reason(), refusal.field_path()) {
            (Reason::RecordDeleted, _) => format!(
                "identifier {:?} was deleted; its name is given out again only with the flag OVRW",
                refusal.shown_value()
            ),
            // Which of several values it is about.
            (_, field) if field.contains('[') => format!("{field}: {refusal}"),
            _ => refusal.to_string(),
        };
        Self::failed(status(refusal, asking), &text)
    }

    /// Too much is in work.
    pub(super) fn busy() -> Self {
        Self::failed(
            ResponseCode::SERVER_TOO_BUSY,
            "too many requests wait for a signature or a proof; try again shortly",
        )
    }
}

/// Begins the reply to `asked` in `out`: everything but the credential, which it
/// gets if `is_certified`. What is not there is not announced either.
pub(super) fn begin<'o>(
    asked: &Asked,
    reply: &Reply,
    (origin, is_certified): (Origin, bool),
    out: &'o mut Vec<u8>,
) -> MessageWriter<'o> {
    let digest = reply.challenged.as_ref().or(asked.digest.as_ref());
    let mut flags = asked.header.flags.answering();
    if digest.is_none() {
        flags = flags.without(Flags::REQUEST_DIGEST);
    }
    if !is_certified {
        flags = flags.without(Flags::CERTIFIED);
    }
    let version = asked.envelope.reply_version();
    let envelope = Envelope {
        session_id: reply.session_id.unwrap_or(asked.envelope.session_id),
        ..asked.envelope.reply()
    };
    let header = Header {
        op_code: asked.header.op_code,
        response_code: reply.code.for_version(version),
        flags: flags | reply.flags,
        site_serial: origin.site_serial,
        recursion_count: asked.header.recursion_count,
        reserved: 0,
        expires_secs: origin.now_secs.saturating_add(Header::LIFE_SECS),
        body_bytes: 0,
    };
    let mut writer = MessageWriter::begin(out, &envelope, &header);
    if let Some(digest) = digest {
        digest.on_wire(version).write(version, writer.body());
    }
    writer.body().extend_from_slice(&reply.body);
    writer
}

/// What every reply says of the node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The serial number of its site information.
    pub(super) site_serial: u16,
    /// Its time, in seconds since the epoch.
    pub(super) now_secs: u32,
}

/// The header of a reply to what could not be read: nothing of it is known.
pub(super) const fn unread_header(op_code: OpCode) -> Header {
    Header::request(op_code, Flags::NONE, 0)
}
