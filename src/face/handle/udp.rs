//! UDP: requests and replies in packets of at most 512 bytes (RFC 3652 §2.3).
//!
//! What the service answers at once is answered by the thread that received it,
//! in buffers that it keeps. What takes longer becomes a task, of which there
//! are only so many. Nobody is sent much more than came from its address unless
//! it is known to own it: who gives a false one cannot have others flooded.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::face::handle::desk::Desk;
use crate::face::handle::metrics::{Dropped, SAMPLE_INTERVAL, Tally};
use crate::face::handle::packets::{packets_bytes, send_all, send_cut};
use crate::face::handle::reassembly::Reassembly;
use crate::face::handle::reply::Reply;
use crate::face::handle::service::{Later, Outcome, Source, Transport, whole};
use crate::net::udp::{Batch, Replies, ReplyTo, Socket};
use crate::wire::handle::{ENVELOPE_BYTES, Envelope, Fragments};

/// How long a thread rests after its socket failed.
const SOCKET_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of replies that a thread keeps room for.
const REPLY_BYTES_KEPT: usize = 64 * 1024;

/// What the threads of all sockets share.
#[derive(Debug)]
pub(super) struct Datagrams {
    pub(super) desk: Arc<Desk>,
    pub(super) reassembly: Mutex<Reassembly>,
    /// How many times a request its reply may be; 0 is no limit.
    pub(super) amplification_max: usize,
    /// Room for requests that take long.
    pub(super) slow: Arc<Semaphore>,
    pub(super) tracker: TaskTracker,
    pub(super) runtime: runtime::Handle,
}

/// Serves a socket until `stop`, past panics and failures.
pub(super) fn serve(socket: &Arc<Socket>, shared: &Arc<Datagrams>, stop: &AtomicBool) {
    let mut worker = Worker {
        socket: Arc::clone(socket),
        shared: Arc::clone(shared),
        reply: Vec::new(),
        tally: Tally::default(),
        until_sample: SAMPLE_INTERVAL,
        now: Duration::ZERO,
    };
    while !stop.load(Ordering::Relaxed) {
        let served = catch_unwind(AssertUnwindSafe(|| {
            socket.serve(stop, &mut |batch| worker.take(batch))
        }));
        match served {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "a UDP socket of the Handle face failed");
                thread::park_timeout(SOCKET_PAUSE);
            }
            Err(_) => tracing::error!("a UDP thread of the Handle face panicked and goes on"),
        }
    }
}

/// How much of a reply may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// All of it.
    Whole,
    /// So many bytes of it.
    Cut(usize),
}

impl Datagrams {
    fn room(&self, reply: &[u8], request_bytes: usize, to: &ReplyTo) -> Room {
        let bytes_max = match self.amplification_max {
            0 => return Room::Whole,
            times => request_bytes.saturating_mul(times),
        };
        let now = || self.desk.service.node().elapsed();
        if packets_bytes(reply) <= bytes_max || self.desk.proven.has(to.peer().ip(), now()) {
            Room::Whole
        } else {
            Room::Cut(bytes_max)
        }
    }
}

/// One thread.
struct Worker {
    socket: Arc<Socket>,
    shared: Arc<Datagrams>,
    reply: Vec<u8>,
    tally: Tally,
    until_sample: u32,
    /// When the batch in work came.
    now: Duration,
}

impl Worker {
    fn take(&mut self, batch: &mut Batch<'_>) {
        // One look at the clock serves all that came together.
        self.now = self.shared.desk.service.node().elapsed();
        batch.exchange(|packet, replies| {
            self.until_sample = self.until_sample.saturating_sub(1);
            if self.until_sample > 0 {
                self.take_packet(packet, replies);
                return;
            }
            self.until_sample = SAMPLE_INTERVAL;
            let desk = Arc::clone(&self.shared.desk);
            let began = desk.service.node().elapsed();
            self.take_packet(packet, replies);
            let took = desk.service.node().elapsed().saturating_sub(began);
            desk.metrics.measure(Transport::Udp, took.as_secs_f64());
        });
        self.tally.flush(&self.shared.desk.metrics);
    }

    fn take_packet(&mut self, packet: &[u8], replies: &mut Replies<'_>) {
        if replies.to().peer().port() == 0 {
            return self.tally.drop_packet(Dropped::SourcePort);
        }
        let Ok(envelope) = Envelope::decode(packet) else {
            return self.refuse(packet, None, "Invalid message length", replies);
        };
        let fragments = match Fragments::of(&envelope) {
            Ok(fragments) => fragments,
            Err(malformed) => {
                return self.refuse(packet, Some(envelope), &malformed.to_string(), replies);
            }
        };
        let piece = packet.get(ENVELOPE_BYTES..).unwrap_or_default();
        if fragments.count() > 1 {
            return self.take_piece(&envelope, piece, replies);
        }
        if piece.len() != fragments.message_bytes() {
            return self.refuse(packet, Some(envelope), "Invalid message length", replies);
        }
        self.take_message(packet, packet.len(), replies);
    }

    fn take_piece(&mut self, envelope: &Envelope, piece: &[u8], replies: &mut Replies<'_>) {
        let peer = replies.to().peer();
        let mut reassembly = self.shared.reassembly.lock();
        let taken = reassembly.take(self.now, peer, envelope, piece);
        drop(reassembly);
        match taken {
            Ok(None) => {}
            Ok(Some(whole)) => {
                self.take_message(&whole.message, whole.received_bytes, replies);
            }
            Err(_) => self.tally.drop_packet(Dropped::Malformed),
        }
    }

    /// Takes a whole message, which came in packets of `request_bytes`.
    fn take_message(&mut self, message: &[u8], request_bytes: usize, replies: &mut Replies<'_>) {
        let source = Source {
            transport: Transport::Udp,
            peer: replies.to().peer(),
            now: self.now,
            connection: None,
        };
        self.reply.clear();
        let outcome = self.shared.desk.admit(message, &source, &mut self.reply);
        match outcome {
            Outcome::Answered => self.deliver(request_bytes, replies),
            Outcome::Silent => self.tally.drop_packet(Dropped::Response),
            Outcome::Later(later) => {
                if !self.start(later, request_bytes, replies.to()) {
                    let busy = Reply::busy();
                    let desk = Arc::clone(&self.shared.desk);
                    desk.service
                        .turn_away(message, &source, &busy, &mut self.reply);
                    self.deliver(request_bytes, replies);
                }
            }
        }
    }

    /// Answers what is no message or packet.
    fn refuse(
        &mut self,
        packet: &[u8],
        envelope: Option<Envelope>,
        text: &str,
        replies: &mut Replies<'_>,
    ) {
        self.tally.drop_packet(Dropped::Malformed);
        self.reply = self.shared.desk.service.protocol_error(envelope, text);
        self.deliver(packet.len(), replies);
    }

    /// Sends the reply.
    fn deliver(&mut self, request_bytes: usize, replies: &mut Replies<'_>) {
        self.tally.respond(&self.reply);
        match self.shared.room(&self.reply, request_bytes, replies.to()) {
            Room::Whole => send_all(&self.reply, |packet| replies.push(packet)),
            Room::Cut(bytes_max) => {
                self.tally.truncate();
                send_cut(&self.reply, bytes_max, |packet| replies.push(packet));
            }
        }
        self.reply.clear();
        self.reply.shrink_to(REPLY_BYTES_KEPT);
    }

    /// Has a task send the reply once there is one; whether there is room for it.
    fn start(&self, later: Later, request_bytes: usize, to: &ReplyTo) -> bool {
        let Ok(place) = Arc::clone(&self.shared.slow).try_acquire_owned() else {
            return false;
        };
        let (shared, socket, to) = (Arc::clone(&self.shared), Arc::clone(&self.socket), *to);
        let work = async move {
            let reply = whole(later).await;
            let mut tally = Tally::default();
            tally.respond(&reply);
            match shared.room(&reply, request_bytes, &to) {
                Room::Whole => send_all(&reply, |packet| socket.send_to(packet, &to)),
                Room::Cut(bytes_max) => {
                    tally.truncate();
                    send_cut(&reply, bytes_max, |packet| socket.send_to(packet, &to));
                }
            }
            tally.flush(&shared.desk.metrics);
            drop(place);
        };
        self.shared.tracker.spawn_on(work, &self.shared.runtime);
        true
    }
}
