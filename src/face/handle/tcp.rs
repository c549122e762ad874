//! TCP: messages one behind the other, each behind its envelope, on a connection
//! that stays open (RFC 3652 §2.3; Handle protocol as deployed).
//!
//! Clients may send the next request before the reply to the last: requests
//! that take long are in work side by side, and replies go out as they are
//! ready. Whoever is slow, silent or does not read waits only for itself: a
//! message must come in time, replies that are not read stop further requests,
//! and memory is that of what arrived.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

use crate::face::handle::service::{Later, Outcome};
use crate::net::connections::Place;
use crate::net::held::{Held, Share};
use crate::wire::handle::{ENVELOPE_BYTES, Envelope};

/// Requests of one connection in work at once; further ones are not read.
const LATER_MAX: usize = 64;
/// Bytes of replies that wait to be sent; with more, nothing is read.
const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// Bytes that a read has room for at first, and at most.
const READ_BYTES_MIN: usize = 2048;
const READ_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a buffer that need not be accounted for, nor given back while the
/// connection is busy.
const SMALL_BYTES: usize = 8 * 1024;
/// How long requests in work and their replies may take once the node stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long and how much is read of a client whose message was refused, so that
/// it gets to read why: closing before would take that from it.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// What came in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Incoming<'a> {
    /// An envelope and the whole message behind it.
    Message(&'a [u8]),
    /// What is none: its envelope, if there is one, and what is wrong.
    Broken(Option<Envelope>, &'a str),
}

/// What a connection bears, and where it stands among others.
#[derive(Debug)]
pub(super) struct Terms {
    /// How long nothing may move.
    pub(super) idle: Duration,
    /// How long a message may take to come.
    pub(super) message: Duration,
    /// What connections keep in memory.
    pub(super) held: Arc<Held>,
    /// Cancelled when the node stops: what is in work is answered.
    pub(super) draining: CancellationToken,
}

/// Gives what comes on `stream` to `take`, with the buffer for the reply, until
/// the client closes, is too slow, or breaks the protocol.
pub(super) async fn converse(
    stream: TcpStream,
    place: Place,
    terms: Arc<Terms>,
    mut take: impl FnMut(Incoming<'_>, &mut Vec<u8>) -> Outcome,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut closing = pin!(place.closing().cancelled());
    let mut conversation = Conversation::new(stream, &place, &terms);
    let mut alarm = pin!(sleep_until(conversation.due(Instant::now())));
    while !conversation.is_over() {
        let event = conversation.event(closing.as_mut(), alarm.as_mut()).await?;
        let now = Instant::now();
        match event {
            Event::Readable => conversation.read()?,
            // The client has as long to take a reply, however long that took.
            Event::Answered => conversation.moved = now,
            Event::Writable => {}
            // As many as fit were taken; others have their turn before the rest.
            Event::Whole => yield_now().await,
            Event::Closing if terms.draining.is_cancelled() => {
                conversation.state = State::Draining(now + DRAIN);
            }
            Event::Closing => return Ok(()),
            Event::Alarm if conversation.due(now) <= now => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Event::Alarm => {}
        }
        conversation.take_messages(now, &mut take);
        conversation.write(now)?;
        conversation.settle();
        let due = conversation.due(now);
        if due < alarm.deadline() || matches!(event, Event::Alarm) {
            alarm.as_mut().reset(due);
        }
    }
    if conversation.state == State::Broken {
        let Conversation { stream, .. } = conversation;
        tokio::select! {
            () = closing => {}
            lingered = linger(stream) => lingered?,
        }
    }
    Ok(())
}

/// Lets a client read why its message was refused.
async fn linger(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let discard = async {
        let mut buffer = vec![0; READ_BYTES_MIN];
        let mut left_bytes = LINGER_BYTES_MAX;
        while left_bytes > 0 {
            match stream.read(&mut buffer).await? {
                0 => break,
                bytes => left_bytes = left_bytes.saturating_sub(bytes),
            }
        }
        Ok(())
    };
    timeout(LINGER, discard).await.unwrap_or(Ok(()))
}

/// What a connection waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// Something may have come.
    Readable,
    /// Replies are ready.
    Answered,
    /// Messages that came before can be taken.
    Whole,
    /// Replies can be sent.
    Writable,
    /// The connection is to end.
    Closing,
    /// It may be too late for something.
    Alarm,
}

/// ```text
/// Open ──► Ended, Broken, Draining ──► closed, once all is answered
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Messages are taken.
    Open,
    /// The client sends no more.
    Ended,
    /// What came is no message; where the next one begins is not known.
    Broken,
    /// The node stops, at this time at the latest.
    Draining(Instant),
}

struct Conversation<'a> {
    stream: TcpStream,
    place: &'a Place,
    terms: &'a Terms,
    share: Share,
    state: State,
    /// What came, of which the first `taken_bytes` are done with.
    input: Vec<u8>,
    taken_bytes: usize,
    /// Replies, of which the first `sent_bytes` were sent.
    output: Vec<u8>,
    sent_bytes: usize,
    later: FuturesUnordered<Later>,
    /// Replies that go on once the client took what was made of them.
    parked: VecDeque<Later>,
    /// When something moved last.
    moved: Instant,
    /// When the message began of which a part is there.
    began: Option<Instant>,
}

impl<'a> Conversation<'a> {
    fn new(stream: TcpStream, place: &'a Place, terms: &'a Terms) -> Self {
        Self {
            stream,
            place,
            terms,
            share: place.share(&terms.held),
            state: State::Open,
            input: Vec::new(),
            taken_bytes: 0,
            output: Vec::new(),
            sent_bytes: 0,
            later: FuturesUnordered::new(),
            parked: VecDeque::new(),
            moved: Instant::now(),
            began: None,
        }
    }

    fn is_over(&self) -> bool {
        let is_answered = self.unsent_bytes() == 0 && self.in_work() == 0;
        match self.state {
            State::Open => false,
            State::Ended => is_answered && !self.has_whole(),
            State::Broken | State::Draining(_) => is_answered,
        }
    }

    /// Requests that are not answered to the end.
    fn in_work(&self) -> usize {
        self.later.len() + self.parked.len()
    }

    /// Whether a message lies there to be taken, or what is none.
    fn has_whole(&self) -> bool {
        let rest = self.input.get(self.taken_bytes..).unwrap_or_default();
        let length = Envelope::decode(rest).map(|envelope| envelope.message_len());
        match length {
            Ok(Ok(length)) => rest.len() >= ENVELOPE_BYTES + length,
            Ok(Err(_)) => true,
            Err(_) => false,
        }
    }

    fn unsent_bytes(&self) -> usize {
        self.output.len().saturating_sub(self.sent_bytes)
    }

    /// Whether one more message is taken.
    fn takes(&self) -> bool {
        matches!(self.state, State::Open | State::Ended)
            && self.in_work() < LATER_MAX
            && self.unsent_bytes() < OUTPUT_BYTES_MAX
    }

    /// When it is too late for what is waited for.
    fn due(&self, now: Instant) -> Instant {
        if let State::Draining(until) = self.state {
            return until;
        }
        let works = self.in_work() > 0 && self.unsent_bytes() == 0;
        // What is in work has its own limits.
        let due = if works { now } else { self.moved } + self.terms.idle;
        let whole = self.began.map(|began| began + self.terms.message);
        whole.map_or(due, |whole| whole.min(due))
    }

    async fn event(
        &mut self,
        mut closing: Pin<&mut WaitForCancellationFuture<'_>>,
        mut alarm: Pin<&mut Sleep>,
    ) -> io::Result<Event> {
        poll_fn(|context| {
            if let Poll::Ready(ready) = self.poll_event(context) {
                return Poll::Ready(ready);
            }
            let drains = matches!(self.state, State::Draining(_));
            if !drains && closing.as_mut().poll(context).is_ready() {
                return Poll::Ready(Ok(Event::Closing));
            }
            alarm.as_mut().poll(context).map(|()| Ok(Event::Alarm))
        })
        .await
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Event>> {
        let mut answered = false;
        loop {
            while let Poll::Ready(Some(made)) = self.later.poll_next_unpin(context) {
                self.output.extend_from_slice(&made.bytes);
                self.parked.extend(made.rest);
                answered = true;
            }
            // What goes on being made waits until the client took what was.
            if self.unsent_bytes() >= OUTPUT_BYTES_MAX {
                break;
            }
            let Some(next) = self.parked.pop_front() else {
                break;
            };
            self.later.push(next);
        }
        if answered {
            return Poll::Ready(Ok(Event::Answered));
        }
        if self.unsent_bytes() > 0
            && let Poll::Ready(ready) = self.stream.poll_write_ready(context)
        {
            return Poll::Ready(ready.map(|()| Event::Writable));
        }
        if self.takes() && self.has_whole() {
            return Poll::Ready(Ok(Event::Whole));
        }
        if self.takes()
            && self.state == State::Open
            && let Poll::Ready(ready) = self.stream.poll_read_ready(context)
        {
            return Poll::Ready(ready.map(|()| Event::Readable));
        }
        Poll::Pending
    }

    /// Reads what is there, into as much room again as came before.
    fn read(&mut self) -> io::Result<()> {
        self.input.drain(..self.taken_bytes);
        self.taken_bytes = 0;
        if self.input.len() == self.input.capacity() {
            let bytes = self.input.len().clamp(READ_BYTES_MIN, READ_BYTES_MAX);
            self.input.reserve_exact(bytes);
        }
        match self.stream.try_read_buf(&mut self.input) {
            Ok(0) => self.state = State::Ended,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes the messages that are whole, as long as there is room for replies.
    fn take_messages(
        &mut self,
        now: Instant,
        take: &mut impl FnMut(Incoming<'_>, &mut Vec<u8>) -> Outcome,
    ) {
        let before_bytes = self.taken_bytes;
        while self.takes() {
            let rest = self.input.get(self.taken_bytes..).unwrap_or_default();
            let Ok(envelope) = Envelope::decode(rest) else {
                break;
            };
            let incoming = match envelope.message_len() {
                Err(malformed) => {
                    self.state = State::Broken;
                    let text = malformed.to_string();
                    let broken = Incoming::Broken(Some(envelope), &text);
                    let outcome = take(broken, &mut self.output);
                    self.answer(outcome);
                    break;
                }
                Ok(length) => rest.get(..ENVELOPE_BYTES + length),
            };
            let Some(message) = incoming else { break };
            self.taken_bytes += message.len();
            let outcome = take(Incoming::Message(message), &mut self.output);
            self.answer(outcome);
        }
        if self.taken_bytes > before_bytes {
            self.place.touch();
            self.moved = now;
            self.began = None;
        }
        let leaves = self.taken_bytes < self.input.len() && !self.has_whole();
        if self.state == State::Ended && leaves {
            self.refuse_part(take);
        }
        let waits = self.state == State::Open && leaves;
        self.began = waits.then(|| self.began.unwrap_or(now));
    }

    /// Answers the part of a message behind which the client ended.
    fn refuse_part(&mut self, take: &mut impl FnMut(Incoming<'_>, &mut Vec<u8>) -> Outcome) {
        let rest = self.input.get(self.taken_bytes..).unwrap_or_default();
        let envelope = Envelope::decode(rest).ok();
        let text = match envelope.map(|envelope| envelope.message_bytes) {
            None => "Invalid message length".to_owned(),
            Some(expected) => {
                let received = rest.len().saturating_sub(ENVELOPE_BYTES);
                format!("Expecting {expected} bytes, only received {received}")
            }
        };
        let outcome = take(Incoming::Broken(envelope, &text), &mut self.output);
        self.answer(outcome);
        self.taken_bytes = self.input.len();
    }

    fn answer(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Later(later) => self.later.push(later),
            Outcome::Answered | Outcome::Silent => {}
        }
    }

    /// Sends what the client takes.
    fn write(&mut self, now: Instant) -> io::Result<()> {
        while self.unsent_bytes() > 0 {
            let unsent = self.output.get(self.sent_bytes..).unwrap_or_default();
            match self.stream.try_write(unsent) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(bytes) => {
                    self.sent_bytes += bytes;
                    self.moved = now;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives back the memory that is not used, and accounts for the rest.
    fn settle(&mut self) {
        if self.taken_bytes == self.input.len() {
            self.input = Vec::new();
            self.taken_bytes = 0;
        }
        if self.unsent_bytes() == 0 {
            self.output = Vec::new();
            self.sent_bytes = 0;
        } else if self.sent_bytes > OUTPUT_BYTES_MAX {
            self.output.drain(..self.sent_bytes);
            self.output.shrink_to(OUTPUT_BYTES_MAX);
            self.sent_bytes = 0;
        }
        let bytes = self.input.capacity() + self.output.capacity();
        self.share.set(if bytes > SMALL_BYTES { bytes } else { 0 });
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use metrics::{Counter, Gauge};
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;
    use tokio_util::task::TaskTracker;

    use super::*;
    use crate::face::handle::service::Made;
    use crate::net::connections::{Connections, Observer, bind};
    use crate::wire::handle::{MESSAGE_BYTES_MAX, Version};

    /// Far more than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(30);
    const LONG: Duration = Duration::from_secs(600);
    const SHORT: Duration = Duration::from_millis(200);
    const LARGE_BYTES: usize = 200_000;

    /// What a test sees of its server, and how it lets requests go on.
    #[derive(Clone, Debug)]
    struct Server {
        address: SocketAddr,
        taken: Arc<AtomicUsize>,
        released: Arc<Semaphore>,
        draining: CancellationToken,
        tracker: TaskTracker,
    }

    /// A server of messages that say how they are to be answered.
    fn serve(idle: Duration, message: Duration, held_bytes_max: usize) -> Server {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("bound");
        let listener = TcpListener::from_std(listener).expect("in the runtime");
        let server = Server {
            address: listener.local_addr().expect("bound"),
            taken: Arc::default(),
            released: Arc::new(Semaphore::new(0)),
            draining: CancellationToken::new(),
            tracker: TaskTracker::new(),
        };
        let terms = Arc::new(Terms {
            idle,
            message,
            held: Held::new(held_bytes_max, Counter::noop()),
            draining: server.draining.clone(),
        });
        let observer = Observer {
            open: Gauge::noop(),
            displaced: Counter::noop(),
        };
        let (taken, released) = (Arc::clone(&server.taken), Arc::clone(&server.released));
        let converse_with = move |stream, _, place| {
            let (taken, released) = (Arc::clone(&taken), Arc::clone(&released));
            let take = move |incoming: Incoming<'_>, out: &mut Vec<u8>| {
                taken.fetch_add(1, Ordering::Relaxed);
                answer(incoming, &released, out)
            };
            converse(stream, place, Arc::clone(&terms), take)
        };
        let tasks = (server.tracker.clone(), server.draining.clone());
        let connections = Connections::new(100, observer);
        let serving = connections.serve(listener, converse_with, tasks);
        server.tracker.spawn(serving);
        server
    }

    fn answer(incoming: Incoming<'_>, released: &Arc<Semaphore>, out: &mut Vec<u8>) -> Outcome {
        let message = match incoming {
            Incoming::Message(message) => message.to_vec(),
            Incoming::Broken(envelope, text) => {
                let id = envelope.map_or(0, |envelope| envelope.request_id);
                out.extend(framed(id, text.as_bytes()));
                return Outcome::Answered;
            }
        };
        let id = Envelope::decode(&message).expect("an envelope").request_id;
        match &message[ENVELOPE_BYTES..] {
            b"panic" => panic!("as asked"),
            b"silent" => Outcome::Silent,
            b"large" => {
                out.extend(framed(id, &[7; LARGE_BYTES]));
                Outcome::Answered
            }
            b"endless" => {
                fn more() -> Made {
                    Made {
                        bytes: framed(0, &[7; LARGE_BYTES]),
                        rest: Some(Box::pin(async { more() })),
                    }
                }
                Outcome::Later(Box::pin(async { more() }))
            }
            b"later" => {
                let released = Arc::clone(released);
                Outcome::Later(Box::pin(async move {
                    released.acquire().await.expect("open").forget();
                    message.into()
                }))
            }
            _ => {
                out.extend(message);
                Outcome::Answered
            }
        }
    }

    /// A message behind its envelope.
    fn framed(request_id: u32, message: &[u8]) -> Vec<u8> {
        let envelope = Envelope {
            message_bytes: message.len().try_into().expect("short"),
            ..Envelope::new(Version::CURRENT, request_id)
        };
        [&envelope.encode(), message].concat()
    }

    async fn connect(server: &Server) -> TcpStream {
        let stream = TcpStream::connect(server.address).await.expect("connected");
        stream.set_nodelay(true).expect("set");
        stream
    }

    async fn send(stream: &mut TcpStream, bytes: &[u8]) {
        stream.write_all(bytes).await.expect("sent");
    }

    /// The next reply: its request and its message; `None` at the end.
    async fn reply(stream: &mut TcpStream) -> Option<(u32, Vec<u8>)> {
        let read = async {
            let mut envelope = [0; ENVELOPE_BYTES];
            stream.read_exact(&mut envelope).await.ok()?;
            let envelope = Envelope::decode(&envelope).ok()?;
            let mut message = vec![0; envelope.message_len().ok()?];
            stream.read_exact(&mut message).await.ok()?;
            Some((envelope.request_id, message))
        };
        timeout(PATIENCE, read).await.expect("a reply or the end")
    }

    async fn reply_id(stream: &mut TcpStream) -> Option<u32> {
        reply(stream).await.map(|(id, _)| id)
    }

    async fn wait_until(what: &str, condition: impl Fn() -> bool) {
        let waiting = async {
            while !condition() {
                yield_now().await;
            }
        };
        assert!(timeout(PATIENCE, waiting).await.is_ok(), "{what}");
    }

    #[tokio::test]
    async fn messages_may_be_split_anywhere() {
        let server = serve(LONG, LONG, usize::MAX);
        let mut stream = connect(&server).await;
        for octet in framed(1, b"octet by octet") {
            send(&mut stream, &[octet]).await;
            yield_now().await;
        }
        let expected = Some((1, b"octet by octet".to_vec()));
        assert_eq!(reply(&mut stream).await, expected);
        let two = [framed(2, b"first"), framed(3, b"")].concat();
        for at in 0..=two.len() {
            let (before, behind) = two.split_at(at);
            let taken = server.taken.load(Ordering::Relaxed);
            send(&mut stream, before).await;
            // Where the first is whole, it is taken alone.
            if at >= ENVELOPE_BYTES + 5 {
                let taken_first = || server.taken.load(Ordering::Relaxed) > taken;
                wait_until("the first is taken", taken_first).await;
            }
            send(&mut stream, behind).await;
            assert_eq!(reply(&mut stream).await, Some((2, b"first".to_vec())));
            assert_eq!(reply(&mut stream).await, Some((3, Vec::new())));
        }
    }

    #[tokio::test]
    async fn replies_go_out_as_they_are_ready() {
        let server = serve(SHORT, LONG, usize::MAX);
        let mut stream = connect(&server).await;
        let requests = [
            framed(1, b"later"),
            framed(2, b"silent"),
            framed(3, b"at once"),
            framed(4, b"later"),
            framed(5, b"at once"),
        ];
        send(&mut stream, &requests.concat()).await;
        assert_eq!(reply_id(&mut stream).await, Some(3));
        assert_eq!(reply_id(&mut stream).await, Some(5));
        // A connection with requests in work is not idle; one without ends.
        let mut witness = connect(&server).await;
        assert_eq!(reply_id(&mut witness).await, None);
        server.released.add_permits(2);
        assert_eq!(reply_id(&mut stream).await, Some(1));
        assert_eq!(reply_id(&mut stream).await, Some(4));
        // Now it is.
        assert_eq!(reply_id(&mut stream).await, None);
    }

    #[tokio::test]
    async fn only_so_many_requests_are_in_work() {
        let server = serve(LONG, LONG, usize::MAX);
        let mut stream = connect(&server).await;
        let count = 3 * LATER_MAX;
        let ids = 0..u32::try_from(count).expect("few");
        let requests: Vec<u8> = ids.clone().flat_map(|id| framed(id, b"later")).collect();
        send(&mut stream, &requests).await;
        let taken = || server.taken.load(Ordering::Relaxed);
        wait_until("requests are taken", || taken() >= LATER_MAX).await;
        // Others are served meanwhile.
        let mut other = connect(&server).await;
        send(&mut other, &framed(9, b"at once")).await;
        assert_eq!(reply_id(&mut other).await, Some(9));
        assert_eq!(taken(), LATER_MAX + 1);
        server.released.add_permits(count);
        let mut answered = Vec::new();
        for _ in ids.clone() {
            answered.extend(reply_id(&mut stream).await);
        }
        answered.sort_unstable();
        assert!(answered.into_iter().eq(ids));
    }

    #[tokio::test]
    async fn what_is_no_message_is_refused_and_the_last() {
        let server = serve(LONG, LONG, usize::MAX);
        for too_long in [MESSAGE_BYTES_MAX + 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff] {
            let mut stream = connect(&server).await;
            let mut broken = framed(2, b"");
            let length = u32::try_from(too_long).expect("four octets");
            broken[16..].copy_from_slice(&length.to_be_bytes());
            let requests = [
                framed(1, b"sound"),
                broken,
                framed(3, b"lost"),
                vec![0; 5000],
            ];
            send(&mut stream, &requests.concat()).await;
            assert_eq!(reply_id(&mut stream).await, Some(1));
            let (id, text) = reply(&mut stream).await.expect("a refusal");
            let expected = format!("message length: {too_long} is above the limit of 262144");
            assert_eq!((id, text), (2, expected.into_bytes()));
            assert_eq!(reply(&mut stream).await, None);
        }
    }

    #[tokio::test]
    async fn a_part_of_a_message_is_refused_at_the_end() {
        let server = serve(LONG, LONG, usize::MAX);
        let check = async |part: &[u8], expected: Option<&str>| {
            let mut stream = connect(&server).await;
            send(&mut stream, &framed(1, b"later")).await;
            send(&mut stream, part).await;
            stream.shutdown().await.expect("shut down");
            server.released.add_permits(1);
            let mut texts = Vec::new();
            while let Some((_, text)) = reply(&mut stream).await {
                texts.push(String::from_utf8(text).expect("text"));
            }
            texts.retain(|text| text != "later");
            assert_eq!(texts, expected.into_iter().collect::<Vec<_>>());
        };
        check(&[], None).await;
        check(
            &framed(2, &[0; 54])[..40],
            Some("Expecting 54 bytes, only received 20"),
        )
        .await;
        check(&[2, 11], Some("Invalid message length")).await;
    }

    #[tokio::test]
    async fn the_slow_are_closed() {
        let check = async |idle, message, part: &[u8]| {
            let server = serve(idle, message, usize::MAX);
            let mut stream = connect(&server).await;
            send(&mut stream, &framed(1, b"at once")).await;
            assert_eq!(reply_id(&mut stream).await, Some(1));
            send(&mut stream, part).await;
            assert_eq!(reply(&mut stream).await, None);
        };
        check(SHORT, LONG, &[]).await;
        check(LONG, SHORT, &[2]).await;
        check(LONG, SHORT, &framed(2, b"most of it")[..29]).await;
    }

    #[tokio::test]
    async fn a_reply_without_end_goes_on_while_it_is_read() {
        let server = serve(SHORT, LONG, usize::MAX);
        let mut stream = connect(&server).await;
        send(&mut stream, &framed(0, b"endless")).await;
        for _ in 0..100 {
            let part = reply(&mut stream).await.expect("the next part");
            assert_eq!(part.1.len(), LARGE_BYTES);
        }
        wait_until("it is closed", || server.tracker.len() == 1).await;
    }

    #[tokio::test]
    async fn whoever_does_not_read_is_not_served_on() {
        let server = serve(SHORT, LONG, usize::MAX);
        let mut stream = connect(&server).await;
        let requests: Vec<u8> = (0..1000).flat_map(|id| framed(id, b"large")).collect();
        send(&mut stream, &requests).await;
        // The server ends the connection; nothing was read until then.
        wait_until("it is closed", || server.tracker.len() == 1).await;
        assert!(server.taken.load(Ordering::Relaxed) < 200);
    }

    #[tokio::test]
    async fn a_panic_costs_its_connection_alone() {
        let server = serve(LONG, LONG, usize::MAX);
        let (mut first, mut second) = (connect(&server).await, connect(&server).await);
        send(&mut first, &framed(1, b"panic")).await;
        assert_eq!(reply(&mut first).await, None);
        send(&mut second, &framed(2, b"at once")).await;
        assert_eq!(reply_id(&mut second).await, Some(2));
    }

    #[tokio::test]
    async fn whoever_keeps_memory_gives_way() {
        let server = serve(LONG, LONG, 300_000);
        let part = &framed(1, &[0; LARGE_BYTES])[..LARGE_BYTES - 1000];
        let mut streams = Vec::new();
        for _ in 0..5 {
            let mut stream = connect(&server).await;
            send(&mut stream, part).await;
            // A whole message of another goes through.
            let mut other = connect(&server).await;
            send(&mut other, &framed(2, &[1; LARGE_BYTES])).await;
            assert_eq!(reply_id(&mut other).await, Some(2));
            streams.push(stream);
        }
        assert_eq!(reply(&mut streams[0]).await, None);
    }

    #[tokio::test]
    async fn requests_in_work_are_answered_when_the_node_stops() {
        let server = serve(LONG, LONG, usize::MAX);
        let (mut busy, mut idle) = (connect(&server).await, connect(&server).await);
        send(&mut idle, &framed(1, b"at once")).await;
        assert_eq!(reply_id(&mut idle).await, Some(1));
        send(&mut busy, &framed(2, b"later")).await;
        let taken = || server.taken.load(Ordering::Relaxed);
        wait_until("both are taken", || taken() == 2).await;
        server.draining.cancel();
        assert_eq!(reply(&mut idle).await, None);
        server.released.add_permits(1);
        assert_eq!(reply_id(&mut busy).await, Some(2));
        assert_eq!(reply(&mut busy).await, None);
        server.tracker.close();
        let ended = timeout(PATIENCE, server.tracker.wait()).await;
        assert!(ended.is_ok());
    }
}
