//! The Handle face: the Handle protocol (RFC 3650-3652) over UDP, TCP and HTTP.
//!
//! UDP is served by threads of its own, TCP by tasks; what comes over HTTP is
//! handed in. All ask one `Service`; see its file for what is answered.

mod challenges;
mod change;
pub mod config;
mod connection;
mod convert;
mod desk;
mod heavy;
mod homing;
mod kept;
mod login;
mod metrics;
mod packets;
mod proof;
mod proven;
mod reassembly;
mod reply;
mod resolution;
mod seal;
mod sealed;
mod service;
mod sessions;
mod setup;
mod site;
mod standing;
mod status;
mod tcp;
mod udp;

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::Semaphore;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::crypto::SiteKey;
use crate::face::handle::desk::Desk;
use crate::face::handle::proven::Proven;
use crate::face::handle::reassembly::Reassembly;
use crate::face::handle::service::Service;
use crate::face::handle::site::Site;
use crate::face::handle::tcp::Terms;
use crate::face::handle::udp::Datagrams;
use crate::net::connections::{Connections, Observer};
use crate::net::held::Held;
use crate::net::listener::Listener;
use crate::net::udp::Socket;
use crate::node::Node;
use crate::wire::handle::{
    ENVELOPE_BYTES, MESSAGE_BYTES_MAX as BEHIND_BYTES_MAX, PACKET_BYTES_MAX,
};

pub use config::Config;
pub use metrics::Metrics;
pub use service::FillRandom;

/// Bytes of a message and its envelope.
pub const MESSAGE_BYTES_MAX: usize = ENVELOPE_BYTES + BEHIND_BYTES_MAX;
/// How often the gauges are set, and requests that never became whole ended.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long requests in work may take once the node stops.
const DRAIN: Duration = Duration::from_secs(11);

/// Answers one message, an envelope and what is behind it; with nothing, where
/// silence is due.
pub type AnswerMessage =
    Arc<dyn Fn(SocketAddr, Bytes) -> Pin<Box<dyn Future<Output = Vec<u8>> + Send>> + Send + Sync>;

/// Why the face could not start.
#[derive(Debug, Error)]
pub enum BindError {
    /// A socket could not be bound.
    #[error("[handle] listen: cannot bind {address}")]
    Socket {
        /// The address of the settings.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// What the face needs beside its settings.
#[derive(Debug)]
pub struct Setup {
    /// Where messages over HTTP are taken, for the site information.
    pub http: Option<SocketAddr>,
    /// The key that replies are signed with.
    pub key: SiteKey,
    /// Where nonces, session numbers and exponents come from.
    pub fill_random: FillRandom,
    /// What is counted.
    pub metrics: Metrics,
}

/// The face, its sockets bound.
#[derive(Debug)]
pub struct Handle {
    config: Config,
    desk: Arc<Desk>,
    listeners: Vec<Listener>,
}

impl Handle {
    /// Binds every socket, and tells `node` what its site is.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(config: Config, node: Node, setup: Setup) -> Result<Self, BindError> {
        let Setup {
            http,
            key,
            fill_random,
            metrics,
        } = setup;
        let bind = |address: &SocketAddr| {
            Listener::bind(*address, config.udp_threads).map_err(|source| BindError::Socket {
                address: *address,
                source,
            })
        };
        let bound = config.listen.iter().map(bind);
        let listeners: Vec<Listener> = bound.collect::<Result<_, _>>()?;
        let addresses = addresses(&listeners);
        let site = Site::new(&config, &addresses, http, key);
        if !listeners.is_empty() {
            node.set_site(site.data.clone());
        }
        let desk = Desk {
            service: Service::new(&config, node, site, fill_random),
            proven: Proven::new(),
            metrics,
        };
        Ok(Self {
            config,
            desk: Arc::new(desk),
            listeners,
        })
    }

    /// The addresses it answers on, UDP and TCP both.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        addresses(&self.listeners)
    }

    /// What answers messages that come over HTTP; `None` where the face is off.
    pub fn answer_messages(&self) -> Option<AnswerMessage> {
        if self.listeners.is_empty() {
            return None;
        }
        let desk = Arc::clone(&self.desk);
        Some(Arc::new(move |peer, body: Bytes| {
            let desk = Arc::clone(&desk);
            Box::pin(async move { desk.take_body(peer, &body).await })
        }))
    }

    /// Serves until `shutdown`, then answers what is in work, ends its
    /// connections and joins its threads.
    ///
    /// # Errors
    /// Those of the system when a thread or a listener cannot be started.
    pub async fn run(self, shutdown: CancellationToken) -> io::Result<()> {
        let stop = Arc::new(AtomicBool::new(false));
        let tracker = TaskTracker::new();
        let (sockets, streams): (Vec<_>, Vec<_>) = self
            .listeners
            .into_iter()
            .map(|listener| (listener.datagrams, listener.stream))
            .unzip();
        let datagrams = Arc::new(datagrams(&self.config, &self.desk, &tracker));
        let mut threads = Vec::new();
        let sockets = sockets.into_iter().flatten();
        let mut started = start_threads(sockets, &datagrams, &stop, &mut threads);
        if started.is_ok() {
            let tasks = (tracker.clone(), shutdown.clone());
            started = serve_streams(streams, &self.config, &self.desk, &tasks);
        }
        if started.is_ok() {
            look_after(&datagrams, &shutdown).await;
        } else {
            shutdown.cancel();
        }
        stop.store(true, Ordering::Relaxed);
        tracker.close();
        if timeout(DRAIN, tracker.wait()).await.is_err() {
            tracing::warn!(requests = tracker.len(), "some requests were not answered");
        }
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

fn addresses(listeners: &[Listener]) -> Vec<SocketAddr> {
    listeners.iter().map(|listener| listener.address).collect()
}

fn datagrams(config: &Config, desk: &Arc<Desk>, tracker: &TaskTracker) -> Datagrams {
    let limits = reassembly::Limits {
        requests_max: config.unfinished_requests_max,
        requests_per_client_max: config.unfinished_requests_per_client_max,
        bytes_max: config.unfinished_bytes_max,
        within: Duration::from_secs(config.unfinished_secs),
    };
    Datagrams {
        desk: Arc::clone(desk),
        reassembly: Mutex::new(Reassembly::new(limits)),
        amplification_max: config.udp_amplification_max,
        slow: Arc::new(Semaphore::new(config.udp_slow_requests_max)),
        tracker: tracker.clone(),
        runtime: runtime::Handle::current(),
    }
}

/// Starts a thread for each socket.
fn start_threads(
    sockets: impl Iterator<Item = Socket>,
    shared: &Arc<Datagrams>,
    stop: &Arc<AtomicBool>,
    threads: &mut Vec<JoinHandle<()>>,
) -> io::Result<()> {
    for mut socket in sockets {
        socket.part_at(PACKET_BYTES_MAX);
        let builder = thread::Builder::new().name(format!("handle-udp-{}", threads.len()));
        let (socket, shared, stop) = (Arc::new(socket), Arc::clone(shared), Arc::clone(stop));
        threads.push(builder.spawn(move || udp::serve(&socket, &shared, &stop))?);
    }
    Ok(())
}

/// Accepts connections on each of `streams`, which share their limits.
fn serve_streams(
    streams: Vec<std::net::TcpListener>,
    config: &Config,
    desk: &Arc<Desk>,
    tasks: &(TaskTracker, CancellationToken),
) -> io::Result<()> {
    let observer = Observer {
        open: desk.metrics.connections.clone(),
        displaced: desk.metrics.displaced.clone(),
    };
    let connections = Connections::new(config.tcp_connections_max, observer);
    let terms = Arc::new(Terms {
        idle: Duration::from_secs(config.tcp_idle_secs),
        message: Duration::from_secs(config.tcp_message_secs),
        held: Held::new(config.tcp_buffer_bytes_max, desk.metrics.hoarded.clone()),
        draining: tasks.1.clone(),
    });
    for stream in streams {
        let stream = TcpListener::from_std(stream)?;
        let (desk, terms) = (Arc::clone(desk), Arc::clone(&terms));
        let converse = move |stream, peer, place| {
            tcp::converse(stream, place, Arc::clone(&terms), desk.visit(peer))
        };
        let serving = Arc::clone(&connections).serve(stream, converse, tasks.clone());
        tasks.0.spawn(serving);
    }
    Ok(())
}

/// Ends requests that never became whole and sets the gauges, until `shutdown`.
async fn look_after(datagrams: &Datagrams, shutdown: &CancellationToken) {
    let mut ticks = interval(LOOK_INTERVAL);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {
                let now = datagrams.desk.service.node().elapsed();
                let mut reassembly = datagrams.reassembly.lock();
                reassembly.expire(now);
                let count = reassembly.count();
                drop(reassembly);
                let (service, metrics) = (&datagrams.desk.service, &datagrams.desk.metrics);
                let shown = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
                metrics.unfinished.set(shown(count));
                metrics.sessions.set(shown(service.session_count()));
                let (kept_count, kept_bytes) = service.replies().size();
                metrics.kept_count.set(shown(kept_count));
                // In whole KiB, which an f64 holds exactly.
                let kib = u32::try_from(kept_bytes / 1024).unwrap_or(u32::MAX);
                metrics.kept_bytes.set(f64::from(kib) * 1024.0);
            }
        }
    }
}
