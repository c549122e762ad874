//! The service as the transports see it: what goes out is counted and timed, and
//! whoever exchanged a message over TCP is known by its address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::face::handle::connection::Connection;
use crate::face::handle::metrics::{Metrics, SAMPLE_INTERVAL};
use crate::face::handle::proven::Proven;
use crate::face::handle::reply::Reply;
use crate::face::handle::service::{Outcome, Service, Source, Transport, whole};
use crate::face::handle::status::Asking;
use crate::face::handle::tcp::Incoming;
use crate::node;
use crate::wire::handle::{ENVELOPE_BYTES, Envelope};

/// How often an address is proven anew on a connection that stays open.
const PROVE_EVERY: Duration = Duration::from_secs(60);

/// What all transports share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) service: Service,
    pub(super) proven: Proven,
    pub(super) metrics: Metrics,
}

impl Desk {
    /// Takes what came from `source` over TCP or HTTP.
    pub(super) fn take(
        self: &Arc<Self>,
        incoming: Incoming<'_>,
        source: &Source<'_>,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let start = out.len();
        let outcome = match incoming {
            Incoming::Message(message) => self.admit(message, source, out),
            Incoming::Broken(envelope, text) => {
                out.extend(self.service.protocol_error(envelope, text));
                Outcome::Answered
            }
        };
        match outcome {
            Outcome::Answered => {
                let reply = out.get(start..).unwrap_or_default();
                self.metrics.respond(source.transport, reply);
                Outcome::Answered
            }
            Outcome::Later(later) => {
                let (desk, transport) = (Arc::clone(self), source.transport);
                Outcome::Later(Box::pin(async move {
                    let made = later.await;
                    desk.metrics.respond(transport, &made.bytes);
                    made
                }))
            }
            Outcome::Silent => Outcome::Silent,
        }
    }

    /// Takes a whole message, unless its sender asks for too much.
    pub(super) fn admit(&self, message: &[u8], source: &Source<'_>, out: &mut Vec<u8>) -> Outcome {
        let node = self.service.node();
        let asking = node::Source {
            address: source.peer.ip(),
            is_proven: source.transport != Transport::Udp,
        };
        let Err(exhausted) = node.take_requests(asking, 1, source.now) else {
            return self.service.take(message, source, out);
        };
        self.metrics.limit(source.transport);
        let reply = Reply::refused(&node.limited(asking, exhausted), Asking::Read);
        self.service.turn_away(message, source, &reply, out);
        Outcome::Answered
    }

    /// Takes the body of a request over HTTP, which is one message.
    pub(super) async fn take_body(self: &Arc<Self>, peer: SocketAddr, body: &[u8]) -> Vec<u8> {
        let envelope = Envelope::decode(body).ok();
        let length = envelope.and_then(|envelope| envelope.message_len().ok());
        let incoming = if length.is_some_and(|length| ENVELOPE_BYTES + length == body.len()) {
            Incoming::Message(body)
        } else {
            Incoming::Broken(envelope, "Invalid message length")
        };
        let source = Source {
            transport: Transport::Http,
            peer,
            now: self.service.node().elapsed(),
            connection: None,
        };
        let mut reply = Vec::new();
        match self.take(incoming, &source, &mut reply) {
            Outcome::Answered | Outcome::Silent => reply,
            Outcome::Later(later) => whole(later).await,
        }
    }

    /// What takes the messages of a new connection.
    pub(super) fn visit(
        self: &Arc<Self>,
        peer: SocketAddr,
    ) -> impl FnMut(Incoming<'_>, &mut Vec<u8>) -> Outcome + use<> {
        let desk = Arc::clone(self);
        let connection: Arc<Connection> = desk.service.connect();
        let mut proves_at = Duration::ZERO;
        let mut until_sample = 1;
        move |incoming, out| {
            let began = desk.service.node().elapsed();
            let source = Source {
                transport: Transport::Tcp,
                peer,
                now: began,
                connection: Some(&connection),
            };
            if began >= proves_at {
                desk.proven.add(peer.ip(), began);
                proves_at = began + PROVE_EVERY;
            }
            let outcome = desk.take(incoming, &source, out);
            until_sample -= 1;
            if until_sample == 0 {
                until_sample = SAMPLE_INTERVAL;
                let took = desk.service.node().elapsed().saturating_sub(began);
                desk.metrics.measure(Transport::Tcp, took.as_secs_f64());
            }
            outcome
        }
    }
}
