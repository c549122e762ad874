//! From a message to its reply.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::node::Node;
use crate::wire::handle::{
    ENVELOPE_BYTES, Envelope, ErrorResponse, Flags, Header, List, Message, MessageWriter, OpCode,
    REQUEST_ID_UNKNOWN, ResponseCode, Version,
};

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// In datagrams, whose sender's address may be false.
    Udp,
    /// On a connection.
    Tcp,
    /// In a request over HTTP.
    Http,
}

/// Where a message came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    /// How it came.
    pub(super) transport: Transport,
    /// From which address.
    pub(super) peer: SocketAddr,
    /// On which connection, over TCP.
    pub(super) connection: Option<&'a Arc<Connection>>,
}

/// A reply in the making: whole messages, each behind its envelope.
pub(super) type Later = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// What becomes of a whole message.
pub(super) enum Outcome {
    /// The reply was appended.
    Answered,
    /// The reply takes a while.
    Later(Later),
    /// Silence is due.
    Silent,
}

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Connection;

/// Answers messages. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Service {
    node: Node,
}

impl Service {
    /// A service of `node`.
    pub(super) const fn new(node: Node) -> Self {
        Self { node }
    }

    /// What is known of a new connection.
    pub(super) fn connect(&self) -> Arc<Connection> {
        Arc::default()
    }

    /// The node.
    pub(super) const fn node(&self) -> &Node {
        &self.node
    }

    /// Answers `message`, an envelope and the whole message behind it, into
    /// `out`.
    pub(super) fn take(&self, message: &[u8], source: &Source<'_>, out: &mut Vec<u8>) -> Outcome {
        let Ok(envelope) = Envelope::decode(message) else {
            return Outcome::Silent;
        };
        let behind = message.get(ENVELOPE_BYTES..).unwrap_or_default();
        let Ok(message) = Message::decode(behind) else {
            out.extend(self.protocol_error(Some(envelope), "not a message"));
            return Outcome::Answered;
        };
        if message.header.response_code != ResponseCode::REQUEST {
            return Outcome::Silent;
        }
        let header = Header {
            response_code: ResponseCode::OPERATION_NOT_SUPPORTED,
            ..message.header
        };
        let text = format!("{source:?}");
        failed(&envelope.reply(), &header, &text, out);
        Outcome::Answered
    }

    /// The error reply to a message that cannot be taken apart, and to which no
    /// other follows on its connection.
    pub(super) fn protocol_error(&self, envelope: Option<Envelope>, text: &str) -> Vec<u8> {
        let envelope = envelope.unwrap_or(Envelope::new(Version::COMPATIBLE, REQUEST_ID_UNKNOWN));
        let header = Header {
            response_code: ResponseCode::PROTOCOL_ERROR,
            ..Header::request(OpCode(0), Flags::NONE, 0)
        };
        let mut out = Vec::new();
        failed(&envelope.reply(), &header, text, &mut out);
        out
    }
}

fn failed(envelope: &Envelope, header: &Header, text: &str, out: &mut Vec<u8>) {
    let mut writer = MessageWriter::begin(out, envelope, header);
    ErrorResponse {
        message: text.as_bytes(),
        indexes: List::EMPTY,
    }
    .encode(writer.body());
    // A short text fits.
    let _fits = writer.finish(&[]);
}
