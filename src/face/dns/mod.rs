//! The DNS face: authoritative answers over UDP and TCP.
//!
//! UDP is served by threads of its own, TCP by tasks. Both ask one
//! `Answerer`; see its file for what is answered.

mod answer;
mod cache;
pub mod config;
mod convert;
mod limited;
mod lookup;
mod metrics;
mod place;
mod status;
mod zones;

use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::face::dns::metrics::{Dropped, SAMPLE_INTERVAL};
use crate::net::connections::Observer;
use crate::net::listener::Listener;
use crate::net::tcp;
use crate::net::udp;
use crate::node::Node;
use crate::wire::dns::NameInvalid;

pub use answer::{Answerer, Transport};
pub use config::Config;
pub use limited::Asker;
pub use metrics::{Metrics, Tally};

/// How often the gauges are set.
const GAUGE_INTERVAL: Duration = Duration::from_secs(5);
/// How long a thread rests after its socket failed.
const SOCKET_PAUSE: Duration = Duration::from_millis(50);
/// Octets of a question over TCP: one name and options; a longer frame closes
/// its connection.
const QUESTION_BYTES_MAX: usize = 4096;

/// Why the face could not start.
#[derive(Debug, Error)]
pub enum BindError {
    /// A name in the settings is none.
    #[error("[dns]: {0}")]
    Name(#[from] NameInvalid),
    /// There is nothing to be authoritative for.
    #[error("[dns]: at least one zone and one name server are needed")]
    Incomplete,
    /// A socket could not be bound.
    #[error("[dns] listen: cannot bind {address}")]
    Socket {
        /// The address of the settings.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// The face, its sockets bound.
#[derive(Debug)]
pub struct Dns {
    answerer: Arc<Answerer>,
    metrics: Metrics,
    listeners: Vec<Listener>,
    limits: tcp::Limits,
}

impl Dns {
    /// Reads the names of the settings and binds every socket.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(config: &Config, node: Node, metrics: Metrics) -> Result<Self, BindError> {
        let answerer = Answerer::new(config, node)?;
        if !config.listen.is_empty() && !answerer.zones().is_complete() {
            return Err(BindError::Incomplete);
        }
        let bind = |address: &SocketAddr| {
            Listener::bind(*address, config.udp_threads).map_err(|source| BindError::Socket {
                address: *address,
                source,
            })
        };
        Ok(Self {
            answerer: Arc::new(answerer),
            metrics,
            listeners: config.listen.iter().map(bind).collect::<Result<_, _>>()?,
            limits: tcp::Limits {
                connections_max: config.tcp_connections_max.max(1),
                idle: Duration::from_secs(config.tcp_idle_secs.max(1)),
                question_bytes_max: QUESTION_BYTES_MAX,
            },
        })
    }

    /// The addresses it answers on, UDP and TCP both.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .map(|listener| listener.address)
            .collect()
    }

    /// Serves until `shutdown`, then ends its connections and joins its threads.
    ///
    /// # Errors
    /// Those of the system when a thread or a listener cannot be started.
    pub async fn run(self, shutdown: CancellationToken) -> io::Result<()> {
        let stop = Arc::new(AtomicBool::new(false));
        let tracker = TaskTracker::new();
        let mut threads = Vec::new();
        let mut started = Ok(());
        for listener in self.listeners {
            let worker = Worker {
                answerer: Arc::clone(&self.answerer),
                metrics: self.metrics.clone(),
                stop: Arc::clone(&stop),
            };
            let stream = TcpListener::from_std(listener.stream);
            started = stream.and_then(|stream| {
                worker.start(listener.datagrams, &mut threads)?;
                let tasks = (tracker.clone(), shutdown.child_token());
                let (limits, observer) = (self.limits, worker.observer());
                tracker.spawn(tcp::serve(
                    stream,
                    limits,
                    observer,
                    worker.handler(),
                    tasks,
                ));
                Ok(())
            });
            if started.is_err() {
                shutdown.cancel();
                break;
            }
        }
        if started.is_ok() {
            show_gauges(&self.answerer, &self.metrics, &shutdown).await;
        }
        stop.store(true, Ordering::Relaxed);
        tracker.close();
        tracker.wait().await;
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A thread survives its panics; there is none to pass on.
                let _ended = thread.join();
            }
        });
        let _ended = joined.await;
        started
    }
}

/// Sets the gauges every few seconds until `shutdown`.
async fn show_gauges(answerer: &Answerer, metrics: &Metrics, shutdown: &CancellationToken) {
    let mut ticks = interval(GAUGE_INTERVAL);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {
                let (entries, bytes) = answerer.answers().size();
                let shown = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
                metrics.cache_entries.set(shown(u64::try_from(entries).unwrap_or(u64::MAX)));
                // In whole KiB, which an f64 holds exactly.
                metrics.cache_bytes.set(shown(bytes / 1024) * 1024.0);
            }
        }
    }
}

/// What the threads and connections of a listener share.
#[derive(Debug)]
struct Worker {
    answerer: Arc<Answerer>,
    metrics: Metrics,
    stop: Arc<AtomicBool>,
}

impl Worker {
    /// Starts a thread for each socket.
    fn start(
        &self,
        sockets: Vec<udp::Socket>,
        threads: &mut Vec<JoinHandle<()>>,
    ) -> io::Result<()> {
        for socket in sockets {
            let builder = thread::Builder::new().name(format!("dns-udp-{}", threads.len()));
            let answerer = Arc::clone(&self.answerer);
            let metrics = self.metrics.clone();
            let stop = Arc::clone(&self.stop);
            threads.push(builder.spawn(move || {
                serve_datagrams(&socket, &answerer, &metrics, &stop);
            })?);
        }
        Ok(())
    }

    fn observer(&self) -> Observer {
        Observer {
            open: self.metrics.connections.clone(),
            displaced: self.metrics.displaced.clone(),
        }
    }

    /// The handler of TCP connections.
    fn handler(&self) -> impl FnMut(&mut tcp::Burst<'_>) + Clone + Send + 'static {
        let answerer = Arc::clone(&self.answerer);
        let metrics = self.metrics.clone();
        move |burst: &mut tcp::Burst<'_>| {
            let mut tally = Tally::default();
            let now = answerer.elapsed();
            let mut first = Some(now);
            burst.answer(|packet, peer, out| {
                let asker = Asker {
                    transport: Transport::Tcp,
                    address: peer.ip(),
                    now,
                };
                let bytes = answerer.serve(packet, &asker, out, &mut tally);
                if let Some(began) = first.take() {
                    Tally::measure(
                        &metrics,
                        Transport::Tcp,
                        answerer.elapsed().saturating_sub(began).as_secs_f64(),
                    );
                }
                bytes
            });
            tally.flush(&metrics, Transport::Tcp);
        }
    }
}

/// Serves a socket until `stop`, past panics and failures.
fn serve_datagrams(
    socket: &udp::Socket,
    answerer: &Answerer,
    metrics: &Metrics,
    stop: &AtomicBool,
) {
    while !stop.load(Ordering::Relaxed) {
        let mut tally = Tally::default();
        let mut until_sample = SAMPLE_INTERVAL;
        let served = catch_unwind(AssertUnwindSafe(|| {
            socket.serve(stop, &mut |batch| {
                // One look at the clock serves all that came together.
                let now = answerer.elapsed();
                batch.answer(|packet, peer, out| {
                    if peer.port() == 0 {
                        tally.drop_packet(Dropped::SourcePort);
                        return None;
                    }
                    let asker = Asker {
                        transport: Transport::Udp,
                        address: peer.ip(),
                        now,
                    };
                    until_sample -= 1;
                    if until_sample > 0 {
                        return answerer.serve(packet, &asker, out, &mut tally);
                    }
                    until_sample = SAMPLE_INTERVAL;
                    let began = answerer.elapsed();
                    let bytes = answerer.serve(packet, &asker, out, &mut tally);
                    Tally::measure(
                        metrics,
                        Transport::Udp,
                        answerer.elapsed().saturating_sub(began).as_secs_f64(),
                    );
                    bytes
                });
                tally.flush(metrics, Transport::Udp);
            })
        }));
        match served {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "a UDP socket of the DNS face failed");
                thread::park_timeout(SOCKET_PAUSE);
            }
            Err(_) => {
                tracing::error!("a UDP thread of the DNS face panicked and goes on");
            }
        }
    }
}
