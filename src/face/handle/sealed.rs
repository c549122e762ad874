//! How the service lets replies go: signed, with a session's code, encrypted,
//! or in clear.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::crypto::IV_BYTES;
use crate::face::handle::reply::{Asked, Origin, Reply};
use crate::face::handle::seal;
use crate::face::handle::service::{Service, Source, Transport, unsessioned};
use crate::wire::handle::{
    ENVELOPE_BYTES, Envelope, Flags, Header, MESSAGE_BYTES_MAX, OpCode, REQUEST_ID_UNKNOWN,
    ResponseCode, Version,
};

/// Bytes by which encryption lengthens a message, at most.
const ENCRYPTION_BYTES: usize = 32;

impl Service {
    /// The error reply to a message that cannot be taken apart, and to which no
    /// other follows on its connection.
    pub(super) fn protocol_error(&self, envelope: Option<Envelope>, text: &str) -> Vec<u8> {
        let envelope = envelope.unwrap_or(Envelope {
            suggested: Version::COMPATIBLE,
            ..Envelope::new(Version::COMPATIBLE, REQUEST_ID_UNKNOWN)
        });
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        let source = Source {
            transport: Transport::Tcp,
            peer: nobody,
            now: Duration::ZERO,
            connection: None,
        };
        let asked = unsessioned(envelope, &source);
        let mut out = Vec::with_capacity(128);
        let reply = Reply::failed(ResponseCode::PROTOCOL_ERROR, text);
        seal::clear(&asked, &reply, self.origin(), &mut out);
        out
    }

    /// The reply to a message that is not looked into, in clear.
    pub(super) fn turn_away(
        &self,
        message: &[u8],
        source: &Source<'_>,
        reply: &Reply,
        out: &mut Vec<u8>,
    ) {
        let Ok(envelope) = Envelope::decode(message) else {
            return;
        };
        let mut asked = unsessioned(envelope, source);
        let behind = message.get(ENVELOPE_BYTES..).unwrap_or_default();
        if !envelope.encrypted
            && let Ok(header) = Header::decode(behind)
        {
            asked.header = header;
        }
        asked.envelope.encrypted = false;
        seal::clear(&asked, reply, self.origin(), out);
    }

    /// Replies of several messages, up to the first that could not be signed; and
    /// whether that are all.
    pub(super) async fn sealed_all(&self, asked: &Asked, replies: Vec<Reply>) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        for reply in replies {
            match self.try_sealed(asked.clone(), reply).await {
                Ok(message) => out.extend(message),
                Err(message) => {
                    out.extend(message);
                    return (out, false);
                }
            }
        }
        (out, true)
    }

    /// The reply as a message: signed if asked for, else as the session wants.
    pub(super) async fn sealed(&self, asked: Asked, reply: Reply) -> Vec<u8> {
        match self.try_sealed(asked, reply).await {
            Ok(message) | Err(message) => message,
        }
    }

    /// The same; or that there is no room to sign it.
    async fn try_sealed(&self, asked: Asked, reply: Reply) -> Result<Vec<u8>, Vec<u8>> {
        let origin = self.origin();
        let mut out = Vec::with_capacity(128 + reply.body.len());
        if !asked.wants_signature() {
            self.seal(&asked, &reply, &mut out);
            return Ok(out);
        }
        let (site, source) = (Arc::clone(self.site()), asked.source());
        let unsigned = asked.clone();
        let opened = reply.session_id;
        let sign = move || seal::signed(&asked, &reply, origin, &site.key);
        let heavy = self.heavy(unsigned.transport);
        if let Some(message) = heavy.run(source, sign).await {
            return Ok(message);
        }
        // Nobody is told of a session that was set up.
        if unsigned.header.op_code == OpCode::SESSION_SETUP
            && let Some(id) = opened
        {
            self.close_session(id);
        }
        self.seal(&unsigned, &Reply::busy(), &mut out);
        Err(out)
    }

    /// Appends the reply without a signature; encrypted if the request was.
    pub(super) fn seal(&self, asked: &Asked, reply: &Reply, out: &mut Vec<u8>) {
        let start = out.len();
        seal::clear(asked, reply, self.origin(), out);
        let encrypts = asked.envelope.encrypted || asked.header.flags.contains(Flags::ENCRYPTED);
        if let Some(session) = asked.session.as_ref().filter(|_| encrypts) {
            if out.len() - start > ENVELOPE_BYTES + MESSAGE_BYTES_MAX - ENCRYPTION_BYTES {
                out.truncate(start);
                seal::too_long(asked, self.origin(), out);
            }
            let mut iv = [0; IV_BYTES];
            self.fill_random(&mut iv);
            seal::encrypt(session, &iv, start, out);
        }
    }

    fn origin(&self) -> Origin {
        Origin {
            site_serial: self.site().serial,
            now_secs: u32::try_from(self.node().now().secs()).unwrap_or(u32::MAX),
        }
    }
}
