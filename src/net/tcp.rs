//! TCP conversations in frames of a two-octet length each (RFC 7766 §8).
//!
//! Clients may send the next question before the answer to the last (§6.2.1.1);
//! answers come in the order of the questions. Each connection is a task of its
//! own: one that is slow waits only for itself.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Octets of the largest answer: the length has sixteen bits.
pub const ANSWER_BYTES_MAX: usize = 65_535;
/// How long the listener rests after it could not accept: usually the process
/// has no file descriptor left until some connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Octets of answers that are gathered before they are sent.
const GATHERED_BYTES_MAX: usize = 64 * 1024;
/// Connections that wait to be accepted.
const BACKLOG_COUNT: i32 = 1024;
/// Octets of the length before a frame.
const LENGTH_BYTES: usize = 2;

/// What a listener bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once. One more closes the longest idle.
    pub connections_max: usize,
    /// How long a connection may take to send its next whole frame, or to take
    /// an answer, before it is closed.
    pub idle: Duration,
    /// Octets of a question; a longer one closes its connection.
    pub question_bytes_max: usize,
}

/// Counts what happens to connections.
#[derive(Clone, Debug)]
pub struct Observer {
    /// Connections open.
    pub open: metrics::Gauge,
    /// Connections closed because there were too many.
    pub displaced: metrics::Counter,
    /// Connections ended by a panic of the handler.
    pub panics: metrics::Counter,
}

/// Binds `address`, alone among TCP listeners and for its own family only.
///
/// # Errors
/// Those of the system.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG_COUNT)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Accepts connections until `shutdown`, each a task on `tasks`, and gives the
/// whole frames of each to `handler`.
pub async fn serve<H>(
    listener: TcpListener,
    limits: Limits,
    observer: Observer,
    handler: H,
    tasks: (TaskTracker, CancellationToken),
) where
    H: FnMut(&mut Burst<'_>) + Clone + Send + 'static,
{
    let (tracker, shutdown) = tasks;
    let connections = Arc::new(Connections {
        limits,
        observer,
        open: Mutex::new(Open::default()),
    });
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let connection = Connections::enter(&connections, shutdown.child_token());
                tracker.spawn(converse(connection, stream, peer, handler.clone()));
            }
            Err(error) => {
                tracing::debug!(%error, "could not accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Frames of one connection that arrived together.
#[derive(Debug)]
pub struct Burst<'a> {
    input: &'a mut BytesMut,
    output: &'a mut Vec<u8>,
    peer: SocketAddr,
}

impl Burst<'_> {
    /// Gives each frame and its sender to `answer`, with room for an answer of
    /// [`ANSWER_BYTES_MAX`]; it returns the answer's length, or `None` for
    /// silence.
    pub fn answer(
        &mut self,
        mut answer: impl FnMut(&[u8], SocketAddr, &mut [u8]) -> Option<usize>,
    ) {
        while self.output.len() < GATHERED_BYTES_MAX {
            let Some(end) = whole_frame(self.input) else {
                return;
            };
            let frame = self.input.split_to(end);
            let start = self.output.len();
            let behind = start + LENGTH_BYTES;
            self.output.resize(behind + ANSWER_BYTES_MAX, 0);
            let room = self.output.get_mut(behind..).unwrap_or_default();
            let question = frame.get(LENGTH_BYTES..).unwrap_or_default();
            let bytes = answer(question, self.peer, room);
            let length = bytes.and_then(|bytes| Some((bytes, u16::try_from(bytes).ok()?)));
            match length {
                Some((bytes, length)) => {
                    if let Some(place) = self.output.get_mut(start..behind) {
                        place.copy_from_slice(&length.to_be_bytes());
                    }
                    self.output.truncate(behind + bytes);
                }
                None => self.output.truncate(start),
            }
        }
    }
}

/// The end of the first frame, if it is whole.
fn whole_frame(input: &BytesMut) -> Option<usize> {
    let end = LENGTH_BYTES + declared_bytes(input)?;
    (input.len() >= end).then_some(end)
}

/// The length that the first frame declares.
fn declared_bytes(input: &BytesMut) -> Option<usize> {
    (input.len() >= LENGTH_BYTES).then(|| usize::from(input.as_ref().get_u16()))
}

async fn converse<H>(
    connection: Connection,
    mut stream: TcpStream,
    peer: SocketAddr,
    mut handler: H,
) where
    H: FnMut(&mut Burst<'_>),
{
    let ended = tokio::select! {
        () = connection.closing.cancelled() => Ok(()),
        ended = exchange(&connection, &mut stream, peer, &mut handler) => ended,
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

/// Reads frames and sends answers until the client closes or is too slow.
async fn exchange<H>(
    connection: &Connection,
    stream: &mut TcpStream,
    peer: SocketAddr,
    handler: &mut H,
) -> io::Result<()>
where
    H: FnMut(&mut Burst<'_>),
{
    let limits = connection.all.limits;
    stream.set_nodelay(true)?;
    let mut input = BytesMut::new();
    loop {
        let deadline = Instant::now() + limits.idle;
        while whole_frame(&input).is_none() {
            if declared_bytes(&input).is_some_and(|bytes| bytes > limits.question_bytes_max) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            input.reserve(LENGTH_BYTES + limits.question_bytes_max.min(512));
            if timeout_at(deadline, stream.read_buf(&mut input)).await?? == 0 {
                return Ok(());
            }
        }
        connection.touch();
        let mut output = Vec::new();
        let mut burst = Burst {
            input: &mut input,
            output: &mut output,
            peer,
        };
        handler(&mut burst);
        timeout(limits.idle, stream.write_all(&output)).await??;
    }
}

/// All open connections of a listener.
struct Connections {
    limits: Limits,
    observer: Observer,
    open: Mutex<Open>,
}

/// Connections in the order of their last frame, the longest idle first.
#[derive(Default)]
struct Open {
    last_turn: u64,
    by_turn: BTreeMap<u64, CancellationToken>,
}

impl Open {
    fn next_turn(&mut self) -> u64 {
        self.last_turn += 1;
        self.last_turn
    }
}

impl Connections {
    fn enter(all: &Arc<Self>, closing: CancellationToken) -> Connection {
        let mut open = all.open.lock();
        if open.by_turn.len() >= all.limits.connections_max
            && let Some((_, longest_idle)) = open.by_turn.pop_first()
        {
            longest_idle.cancel();
            all.observer.displaced.increment(1);
        }
        let turn = open.next_turn();
        open.by_turn.insert(turn, closing.clone());
        all.observer.open.increment(1.0);
        Connection {
            all: Arc::clone(all),
            turn: Mutex::new(turn),
            closing,
        }
    }
}

/// One connection's place among them all; leaves it when dropped.
struct Connection {
    all: Arc<Connections>,
    turn: Mutex<u64>,
    closing: CancellationToken,
}

impl Connection {
    /// Moves to the end of the queue of the idle.
    fn touch(&self) {
        let mut turn = self.turn.lock();
        let mut open = self.all.open.lock();
        // Absent once displaced: it is closing and takes no new place.
        if let Some(closing) = open.by_turn.remove(&turn) {
            *turn = open.next_turn();
            open.by_turn.insert(*turn, closing);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let turn = *self.turn.lock();
        self.all.open.lock().by_turn.remove(&turn);
        self.all.observer.open.decrement(1.0);
        if std::thread::panicking() {
            self.all.observer.panics.increment(1);
        }
    }
}
