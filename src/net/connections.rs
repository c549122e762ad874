//! TCP connections: accepted, counted, and closed where there are too many.
//!
//! Each is a task of its own. What is spoken on it is the caller's matter. So is
//! when it did something whole: the one for which that is longest ago gives way
//! to a new one. A panic in a connection's task costs that connection.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::net::held::{Held, Share};

/// How long the listener rests after it could not accept: usually the process
/// has no file descriptor left until some connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes that the kernel may keep for a connection in each direction; it counts
/// twice as many, with its own bookkeeping.
const SYSTEM_BUFFER_BYTES: usize = 256 * 1024;
/// Connections that wait to be accepted.
const BACKLOG_COUNT: i32 = 1024;

/// Counts what happens to connections.
#[derive(Clone, Debug)]
pub struct Observer {
    /// Connections open.
    pub open: metrics::Gauge,
    /// Connections closed because there were too many.
    pub displaced: metrics::Counter,
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
    // Connections inherit both: left to itself the kernel would keep megabytes
    // for each client that does not read.
    socket.set_send_buffer_size(SYSTEM_BUFFER_BYTES)?;
    socket.set_recv_buffer_size(SYSTEM_BUFFER_BYTES)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG_COUNT)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Connections that share a limit, of one listener or of several.
#[derive(Debug)]
pub struct Connections {
    connections_max: usize,
    observer: Observer,
    open: Mutex<Open>,
}

/// Connections in the order of what they last did, the longest idle first.
#[derive(Debug, Default)]
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
    /// Up to `connections_max` at once; one more closes the longest idle.
    pub fn new(connections_max: usize, observer: Observer) -> Arc<Self> {
        Arc::new(Self {
            connections_max,
            observer,
            open: Mutex::default(),
        })
    }

    /// Accepts connections until `shutdown`, each a task on `tasks` that runs
    /// what `converse` makes of it. That is to end when its place is to be left
    /// ([`Place::closing`]), as it is at `shutdown`, too.
    pub async fn serve<F>(
        self: Arc<Self>,
        listener: TcpListener,
        converse: impl Fn(TcpStream, SocketAddr, Place) -> F,
        tasks: (TaskTracker, CancellationToken),
    ) where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let (tracker, shutdown) = tasks;
        loop {
            let accepted = tokio::select! {
                () = shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let place = self.enter(shutdown.child_token());
                    let conversation = converse(stream, peer, place);
                    tracker.spawn(async move {
                        if let Err(error) = conversation.await {
                            tracing::debug!(%peer, %error, "connection ended");
                        }
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "could not accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn enter(self: &Arc<Self>, closing: CancellationToken) -> Place {
        let mut open = self.open.lock();
        if open.by_turn.len() >= self.connections_max
            && let Some((_, longest_idle)) = open.by_turn.pop_first()
        {
            longest_idle.cancel();
            self.observer.displaced.increment(1);
        }
        let turn = open.next_turn();
        open.by_turn.insert(turn, closing.clone());
        self.observer.open.increment(1.0);
        Place {
            all: Arc::clone(self),
            turn: Mutex::new(turn),
            closing,
        }
    }
}

/// One connection's place among them all; leaves it when dropped.
#[derive(Debug)]
pub struct Place {
    all: Arc<Connections>,
    turn: Mutex<u64>,
    closing: CancellationToken,
}

impl Place {
    /// Moves to the end of the queue of the idle.
    pub fn touch(&self) {
        let mut turn = self.turn.lock();
        let mut open = self.all.open.lock();
        // Absent once displaced: it is closing and takes no new place.
        if let Some(closing) = open.by_turn.remove(&turn) {
            *turn = open.next_turn();
            open.by_turn.insert(*turn, closing);
        }
    }

    /// Cancelled when the connection is to end.
    pub const fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// A share of `held`, which closes this connection where others need it.
    pub fn share(&self, held: &Arc<Held>) -> Share {
        held.share(self.closing.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let turn = *self.turn.lock();
        self.all.open.lock().by_turn.remove(&turn);
        self.all.observer.open.decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::timeout;

    use super::*;

    /// Far more than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Answers each octet with itself, and panics at "!".
    async fn echo(mut stream: TcpStream, place: Place) -> io::Result<()> {
        loop {
            let octet = tokio::select! {
                () = place.closing().cancelled() => return Ok(()),
                octet = stream.read_u8() => octet?,
            };
            assert_ne!(octet, b'!');
            place.touch();
            stream.write_u8(octet).await?;
        }
    }

    /// What comes back for `octet`; `None` from a connection that was closed.
    async fn ask(stream: &mut TcpStream, octet: u8) -> Option<u8> {
        stream.write_u8(octet).await.ok()?;
        let answer = timeout(PATIENCE, stream.read_u8()).await;
        answer.expect("an answer or the end").ok()
    }

    #[tokio::test]
    async fn the_longest_idle_gives_way_and_a_panic_costs_one() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("bound");
        let listener = TcpListener::from_std(listener).expect("in the runtime");
        let address = listener.local_addr().expect("bound");
        let observer = Observer {
            open: metrics::Gauge::noop(),
            displaced: metrics::Counter::noop(),
        };
        let connections = Connections::new(2, observer);
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let tasks = (tracker.clone(), shutdown.clone());
        let serving =
            Arc::clone(&connections).serve(listener, |stream, _, place| echo(stream, place), tasks);
        tracker.spawn(serving);
        let connect = || async { TcpStream::connect(address).await.expect("connected") };
        let (mut first, mut second) = (connect().await, connect().await);
        assert_eq!(ask(&mut first, b'a').await, Some(b'a'));
        assert_eq!(ask(&mut second, b'b').await, Some(b'b'));
        assert_eq!(ask(&mut first, b'c').await, Some(b'c'));
        let mut third = connect().await;
        assert_eq!(ask(&mut third, b'd').await, Some(b'd'));
        assert_eq!(ask(&mut second, b'e').await, None);
        assert_eq!(ask(&mut third, b'!').await, None);
        assert_eq!(ask(&mut first, b'f').await, Some(b'f'));
        shutdown.cancel();
        tracker.close();
        timeout(PATIENCE, tracker.wait()).await.expect("all end");
        assert!(connections.open.lock().by_turn.is_empty());
    }
}
