//! Serves HTTP/1.1 and HTTP/2 connections: the accept loop and its limits.
//!
//! Of its own, since neither `axum::serve` nor tonic's server bounds the time
//! in which a header must come. A failed accept never ends the loop; a panic in
//! a connection's task costs that connection. What is served plain and what over
//! TLS shares its limits.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::rt::Executor;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use crate::net::tls::{Acceptor, ClientCertificate};

/// How long the loop rests after a failed accept, as when there are no more file
/// descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(50);
/// Streams that a client reset before they were accepted (CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 20;
/// How often an idle HTTP/2 connection is asked whether its client is there.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long its answer may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of one request's header.
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// Bytes that a client may send ahead on one stream, and on all of a connection.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// Bytes that wait to be sent on one stream.
const SEND_BUFFER_BYTES: usize = 64 << 10;
/// Bytes of the preface with which a client opens HTTP/2 (RFC 9113 §3.4).
/// Until as many have come, hyper cannot tell the version and has no time limit.
const PREFACE_BYTES: usize = 24;

/// Limits of one server, over all its listeners.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once; further ones are closed at once.
    pub connections_max: usize,
    /// How long a request's header may take to come, and a TLS handshake before.
    pub header_timeout: Duration,
    /// Streams open at once on one HTTP/2 connection.
    pub streams_per_connection_max: u32,
    /// How long connections may go on once the server shuts down.
    pub drain_timeout: Duration,
}

/// What the server measures.
pub struct Metrics {
    open: Gauge,
    rejected_full: Counter,
    rejected_accept: Counter,
    rejected_tls: Counter,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("http::Metrics")
    }
}

impl Metrics {
    /// Registers the metrics with the recorder in force.
    pub fn new() -> Self {
        describe_gauge!("idnode_connections", "connections that are open");
        describe_counter!(
            "idnode_connections_rejected_total",
            "connections that were not served"
        );
        let rejected = |reason| counter!("idnode_connections_rejected_total", "listener" => "http", "reason" => reason);
        Self {
            open: gauge!("idnode_connections", "listener" => "http", "state" => "open"),
            rejected_full: rejected("full"),
            rejected_accept: rejected("accept"),
            rejected_tls: rejected("tls"),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Whose a request is: an extension of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// What a listener's connections are carried by.
#[derive(Clone, Debug)]
pub enum Transport {
    /// TCP as it is.
    Plain,
    /// TLS.
    Tls(Arc<Acceptor>),
}

/// What all listeners of one server share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Server {
    limits: Limits,
    permits: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    tracker: TaskTracker,
    shutdown: CancellationToken,
}

impl Server {
    /// A server whose connections live on `tracker` until they end, or until
    /// `drain_timeout` after `shutdown`.
    pub fn new(
        limits: Limits,
        metrics: Metrics,
        tracker: TaskTracker,
        shutdown: CancellationToken,
    ) -> Self {
        let permits = limits.connections_max.min(Semaphore::MAX_PERMITS);
        Self {
            limits,
            permits: Arc::new(Semaphore::new(permits)),
            metrics: Arc::new(metrics),
            tracker,
            shutdown,
        }
    }

    /// Accepts connections over `transport` and serves `service` on them until
    /// shutdown; then closes the listener. The connections drain by themselves.
    pub async fn serve<S, B>(self, listener: TcpListener, transport: Transport, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let builder = self.builder();
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    self.metrics.rejected_accept.increment(1);
                    tracing::debug!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_REST).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
                self.metrics.rejected_full.increment(1);
                continue;
            };
            let connection = self.clone();
            let service = Introducing {
                peer: Peer(peer),
                certificate: None,
                service: service.clone(),
            };
            let (builder, transport) = (builder.clone(), transport.clone());
            self.tracker.spawn(async move {
                connection.metrics.open.increment(1.0);
                let _open = Closing {
                    metrics: Arc::clone(&connection.metrics),
                    _permit: permit,
                };
                // Answers are small and complete: waiting to fill a segment only
                // delays.
                if stream.set_nodelay(true).is_err() {
                    return;
                }
                match transport {
                    Transport::Plain => connection.run(stream, &builder, service).await,
                    Transport::Tls(acceptor) => {
                        let opened = connection.shake_hands(&acceptor, stream).await;
                        let Some((stream, certificate)) = opened else {
                            return;
                        };
                        let service = Introducing {
                            certificate,
                            ..service
                        };
                        connection.run(stream, &builder, service).await;
                    }
                }
            });
        }
    }

    /// The connection above TLS; `None` where the handshake fails, or takes longer
    /// than a header may.
    async fn shake_hands(
        &self,
        acceptor: &Acceptor,
        stream: TcpStream,
    ) -> Option<(TlsStream<TcpStream>, Option<ClientCertificate>)> {
        let handshake = tokio::time::timeout(self.limits.header_timeout, acceptor.accept(stream));
        let opened = tokio::select! {
            () = self.shutdown.cancelled() => return None,
            opened = handshake => opened,
        };
        match opened {
            Ok(Ok(opened)) => return Some(opened),
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
        self.metrics.rejected_tls.increment(1);
        None
    }

    async fn run<T, S, B>(self, stream: T, builder: &Builder<Tracked>, service: S)
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let received = Arc::new(AtomicUsize::new(0));
        let io = TokioIo::new(Counted {
            stream,
            received: Arc::clone(&received),
        });
        let connection = builder.serve_connection(io, TowerToHyperService::new(service));
        let mut connection = std::pin::pin!(connection);
        let opening = tokio::time::sleep(self.limits.header_timeout);
        let mut opening = std::pin::pin!(opening);
        let mut opened = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => return tell(ended),
                () = self.shutdown.cancelled() => break,
                () = opening.as_mut(), if !opened => {
                    if received.load(Ordering::Relaxed) < PREFACE_BYTES {
                        return;
                    }
                    opened = true;
                }
            }
        }
        connection.as_mut().graceful_shutdown();
        let drained = tokio::time::timeout(self.limits.drain_timeout, connection).await;
        drained.map_or_else(|_| tracing::debug!("a connection did not drain"), tell);
    }

    fn builder(&self) -> Builder<Tracked> {
        let mut builder = Builder::new(Tracked(self.tracker.clone()));
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.limits.streams_per_connection_max)
            .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_header_list_size(HEADER_BYTES_MAX)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER_BYTES);
        builder
    }
}

/// How a connection ended is the client's matter.
fn tell(ended: Result<(), Box<dyn StdError + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection failed");
    }
}

/// Tells a service whose each request is.
#[derive(Clone)]
struct Introducing<S> {
    peer: Peer,
    certificate: Option<ClientCertificate>,
    service: S,
}

impl<S, B> Service<Request<B>> for Introducing<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        if let Some(certificate) = self.certificate {
            request.extensions_mut().insert(certificate);
        }
        self.service.call(request)
    }
}

/// Counts a connection as closed when it is dropped, however it ends.
struct Closing {
    metrics: Arc<Metrics>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.metrics.open.decrement(1.0);
    }
}

/// Puts the tasks of a connection's streams onto the server's tracker.
#[derive(Clone)]
struct Tracked(TaskTracker);

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// A connection that counts what it receives.
struct Counted<T> {
    stream: T,
    received: Arc<AtomicUsize>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let count = buffer.filled().len().saturating_sub(before);
        self.received.fetch_add(count, Ordering::Relaxed);
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const TEST_LIMIT: Duration = Duration::from_secs(20);

    /// A server that answers everything with "hi", and how it ends.
    async fn start(connections_max: usize) -> (SocketAddr, CancellationToken, TaskTracker) {
        let limits = Limits {
            connections_max,
            header_timeout: Duration::from_millis(300),
            streams_per_connection_max: 8,
            drain_timeout: Duration::from_secs(5),
        };
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let server = Server::new(limits, Metrics::new(), tracker.clone(), shutdown.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("bound");
        let service = tower::service_fn(|request: Request<Incoming>| async move {
            let peer = request.extensions().get().map(|Peer(peer)| peer.ip());
            assert_eq!(peer, Some(std::net::Ipv4Addr::LOCALHOST.into()));
            Ok::<_, Infallible>(Response::new("hi".to_owned()))
        });
        tracker.spawn(server.serve(listener, Transport::Plain, service));
        (address, shutdown, tracker)
    }

    async fn talk(address: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(request).await.expect("sent");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(TEST_LIMIT, stream.read_to_end(&mut answer)).await;
        // A reset is an end too.
        drop(read.expect("the server ends the connection"));
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn cuts_slow_headers_and_drains() {
        let (address, shutdown, tracker) = start(10).await;
        let whole = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        assert!(talk(address, whole).await.ends_with("hi"));
        for slow in [
            &b""[..],
            b"PRI * HTTP/2.0\r\n",
            b"GET / HTTP/1.1\r\nHost: example\r\nX: ",
        ] {
            assert!(!talk(address, slow).await.contains("200"), "{slow:?}");
        }
        shutdown.cancel();
        tracker.close();
        let ended = tokio::time::timeout(TEST_LIMIT, tracker.wait()).await;
        assert!(ended.is_ok() && TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn closes_connections_above_the_limit() {
        let (address, _shutdown, _tracker) = start(1).await;
        let mut first = TcpStream::connect(address).await.expect("connected");
        let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        first.write_all(request).await.expect("sent");
        let mut one = [0; 1];
        first.read_exact(&mut one).await.expect("answered");
        assert_eq!(talk(address, request).await, "");
    }
}
