//! HTTP/1.1 and HTTP/2 connections, without meaning.
//!
//! An accept loop of our own: a client that sends its header slowly, opens too
//! many streams or resets them in a flood costs only itself, and a failed accept
//! does not end the listener.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

/// How long the listener rests after it could not accept: usually the process
/// has no file descriptor left until some connection ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Silence on an HTTP/2 connection after which it is asked for a sign of life.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long that sign may take.
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// Streams that a client may reset before they were accepted (CVE-2023-44487).
const PENDING_RESETS_MAX: usize = 20;
/// Octets of one request's header fields.
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// Octets that a client may send ahead on one HTTP/2 stream, and connection.
const WINDOW_BYTES: (u32, u32) = (1 << 20, 4 << 20);

/// What a listener bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once; one more is closed at once.
    pub connections_max: usize,
    /// In which a request's header must have come.
    pub header_timeout: Duration,
    /// Streams open at once on one HTTP/2 connection.
    pub streams_per_connection_max: u32,
    /// How long a connection may take to finish once the listener stops.
    pub drain: Duration,
}

/// Counts connections.
#[derive(Clone)]
pub struct Metrics {
    open: Gauge,
    rejected: Counter,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("net::http::Metrics")
    }
}

impl Metrics {
    /// Registers the metrics with the recorder in force.
    pub fn new() -> Self {
        describe_gauge!("idnode_connections", "connections open, by listener");
        describe_counter!(
            "idnode_connections_rejected_total",
            "connections closed at once"
        );
        Self {
            open: gauge!("idnode_connections", "listener" => "http", "state" => "open"),
            rejected: counter!("idnode_connections_rejected_total", "listener" => "http", "reason" => "too_many"),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Serves `service` on `listener` until `shutdown`. Each connection is a task on
/// `tracker` that finishes its requests then, within the limit.
pub async fn serve<S, B>(
    listener: TcpListener,
    service: S,
    limits: Limits,
    metrics: Metrics,
    (tracker, shutdown): (TaskTracker, CancellationToken),
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(
        limits.connections_max.min(Semaphore::MAX_PERMITS),
    ));
    let builder = Arc::new(builder(limits));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            metrics.rejected.increment(1);
            continue;
        };
        let connection = Connection {
            builder: Arc::clone(&builder),
            open: Open::new(metrics.open.clone(), permit),
            shutdown: shutdown.clone(),
            drain: limits.drain,
        };
        tracker.spawn(connection.serve(stream, service.clone()));
    }
}

fn builder(limits: Limits) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection_max)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .initial_stream_window_size(WINDOW_BYTES.0)
        .initial_connection_window_size(WINDOW_BYTES.1)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    builder
}

/// Counted open for as long as it lives.
struct Open {
    gauge: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Open {
    fn new(gauge: Gauge, permit: OwnedSemaphorePermit) -> Self {
        gauge.increment(1.0);
        Self {
            gauge,
            _permit: permit,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}

struct Connection {
    builder: Arc<Builder<TokioExecutor>>,
    open: Open,
    shutdown: CancellationToken,
    drain: Duration,
}

impl Connection {
    async fn serve<S, B>(self, stream: TcpStream, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let Self {
            builder,
            open,
            shutdown,
            drain,
        } = self;
        // Without it small answers wait for the client's delayed acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection ended before it began");
            return;
        }
        let service = TowerToHyperService::new(service);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                match tokio::time::timeout(drain, connection).await {
                    Ok(ended) => ended,
                    Err(_) => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "a connection failed");
        }
        drop(open);
    }
}
