//! Wiring: the only place that knows every part. It reads the clock and draws
//! random numbers, and passes both down as values.
//!
//! [`Server::bind`] opens the store and binds every socket, so that whatever can
//! fail at a start fails there; [`Server::run`] serves until it is told to stop,
//! drains, and closes the store last.

mod log;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};
use zeroize::Zeroizing;

pub use log::LogKeyError;

use crate::config::Config;
use crate::crypto::{KeyError, SiteKey};
use crate::face::dns::{self, Dns};
use crate::face::grpc::{self, Grpc, ServerInfo, SetLogFilter};
use crate::face::handle::{self, Handle};
use crate::face::http::{self, Http, Messages, Readiness};
use crate::merkle::Signer;
use crate::model::{NodeRole, Refusal, Timestamp};
use crate::net::http::{Limits, Metrics as ConnectionMetrics, Server as Connections, Transport};
use crate::net::tls::{self, Acceptor};
use crate::node::{self, Clock, Node};
use crate::peer::{self, Peers};
use crate::store::{self, Store};
use crate::telemetry::{self, BuildInfo, Recorder, Scrape, count_panics};

/// The file below the data folder with the key of the Handle site: made at the
/// first start, and part of who the node is to its clients.
const SITE_KEY_FILE: &str = "handle-site-key.pem";
/// How long connections may take to finish once the node stops.
const CONNECTION_DRAIN: Duration = Duration::from_secs(10);
/// How long all tasks may take then.
const DRAIN: Duration = Duration::from_secs(15);

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store could not be opened.
    #[error("the store in {} cannot be opened", path.display())]
    Store {
        /// Its folder.
        path: PathBuf,
        /// Why.
        source: store::Error,
    },
    /// The DNS face could not start.
    #[error(transparent)]
    Dns(#[from] dns::BindError),
    /// The Handle face could not start.
    #[error(transparent)]
    Handle(#[from] handle::BindError),
    /// An HTTP listener could not be bound.
    #[error("[http] listen: cannot bind {address}")]
    Http {
        /// The address of the settings.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A listener for TLS could not be bound.
    #[error("[tls] listen: cannot bind {address}")]
    TlsAddress {
        /// The address of the settings.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The files of TLS cannot be used.
    #[error("[tls]")]
    Tls(#[from] tls::Error),
    /// The gRPC face could not start.
    #[error("the gRPC face cannot start")]
    Grpc(#[from] grpc::SetupError),
    /// The settings name no identity where they should.
    #[error("[access] admins: {0}")]
    Access(#[from] Refusal),
    /// The key of the Handle site could not be had.
    #[error("[handle]: {0}")]
    SiteKey(#[from] KeyError),
    /// Other nodes cannot be asked.
    #[error("[trace]")]
    Peers(#[from] peer::Error),
    /// The key of the log could not be had.
    #[error("[audit]")]
    LogKey(#[from] LogKeyError),
    /// Metrics could not be set up.
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    /// The first keys could not be made.
    #[error("the keys of the node's first principals cannot be made")]
    Keys(#[source] Refusal),
}

/// Where a server listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// HTTP and gRPC.
    pub http: Vec<SocketAddr>,
    /// The same over TLS.
    pub tls: Vec<SocketAddr>,
    /// DNS, UDP and TCP both.
    pub dns: Vec<SocketAddr>,
    /// The Handle protocol, UDP and TCP both.
    pub handle: Vec<SocketAddr>,
}

/// A node with its store open and its sockets bound.
#[derive(Debug)]
pub struct Server {
    parts: Parts,
    dns: Dns,
    handle: Handle,
    listeners: Vec<TcpListener>,
    tls: Option<Tls>,
    connections: Connections,
    grpc: Grpc,
    http_metrics: Arc<http::Metrics>,
    scrape: Scrape,
    retention_days: u32,
    /// Bytes of the graph of links, and of answers of traces over it.
    graph_bytes_max: (usize, u64),
    new_keys: Vec<(NodeRole, Zeroizing<String>)>,
}

/// What serves TLS.
#[derive(Debug)]
struct Tls {
    acceptor: Arc<Acceptor>,
    listeners: Vec<TcpListener>,
}

/// What outlives the faces.
#[derive(Debug)]
struct Parts {
    node: Node,
    store: Arc<Store>,
    writer: JoinHandle<()>,
    tracker: TaskTracker,
    /// Cancelled when the node drains.
    draining: CancellationToken,
}

impl Server {
    /// Opens the store, makes a key for each role that nobody has, and binds
    /// every socket. Nothing is served yet. `set_log_filter` is what
    /// `SetLogLevel` calls.
    ///
    /// # Errors
    /// [`Error`], by what could not be had.
    pub async fn bind(config: Config, set_log_filter: SetLogFilter) -> Result<Self, Error> {
        let recorder = recorder()?;
        let Config {
            http,
            tls,
            grpc,
            dns,
            handle,
            access,
            limits: rates,
            store,
            audit,
            trace,
            log: changes,
            telemetry: _,
        } = config;
        let parts = open(store, &changes, &recorder)?;
        parts.node.set_admins(access.references()?);
        parts.node.set_limits(&rates);
        parts.node.set_access(&access);
        set_other_nodes(&parts.node, &trace)?;
        parts.node.set_log_key(parts.log_key(&audit)?);
        let zones = dns.zones.clone();
        let metrics = recorder.within(dns::Metrics::new);
        let dns = Dns::bind(&dns, parts.node.clone(), metrics)?;
        let listeners = listen(&http).await?;
        let tls = listen_tls(tls).await?;
        let setup = handle::Setup {
            http: listeners.first().and_then(|first| first.local_addr().ok()),
            key: SiteKey::load_or_create(&parts.store.data_dir().join(SITE_KEY_FILE))?,
            fill_random,
            metrics: recorder.within(handle::Metrics::new),
        };
        let handle = Handle::bind(handle, parts.node.clone(), setup)?;
        let addresses = addresses(&listeners, tls.as_ref(), &dns, &handle);
        let grpc = Grpc::new(grpc::Setup {
            config: grpc,
            node: parts.node.clone(),
            info: ServerInfo {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                addresses: addresses.labelled(),
                zones,
            },
            set_log_filter,
            tracker: parts.tracker.clone(),
            shutdown: parts.draining.clone(),
            metrics: recorder.within(grpc::Metrics::new),
        })?;
        let connections = Connections::new(
            limits(&http),
            recorder.within(ConnectionMetrics::new),
            parts.tracker.clone(),
            parts.draining.clone(),
        );
        // Last: a key of a start that failed would never be shown.
        let new_keys = parts.node.make_first_keys().await.map_err(Error::Keys)?;
        Ok(Self {
            parts,
            dns,
            handle,
            listeners,
            tls,
            connections,
            grpc,
            http_metrics: Arc::new(recorder.within(http::Metrics::new)),
            scrape: recorder.scrape(),
            new_keys,
            retention_days: audit.retention_days,
            graph_bytes_max: (trace.memory_bytes, trace.answer_cache_bytes),
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        addresses(&self.listeners, self.tls.as_ref(), &self.dns, &self.handle)
    }

    /// Accepts TLS, if that is served, and can read its files again.
    pub fn tls(&self) -> Option<Arc<Acceptor>> {
        self.tls.as_ref().map(|tls| Arc::clone(&tls.acceptor))
    }

    /// The keys that were made because nobody had their role. Gives them once, and
    /// keeps them nowhere.
    pub fn take_new_keys(&mut self) -> Vec<(NodeRole, Zeroizing<String>)> {
        std::mem::take(&mut self.new_keys)
    }

    /// Serves until `shutdown`, then lets open requests finish, applies what
    /// waits in the log, and closes the store.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self {
            parts,
            dns,
            handle,
            listeners,
            tls,
            connections,
            grpc,
            http_metrics,
            scrape,
            new_keys: _,
            retention_days,
            graph_bytes_max,
        } = self;
        let graph = parts.keep_graph(graph_bytes_max);
        // Whoever asks before all faces are there is told "not yet".
        grpc.set_serving(false).await;
        let readiness = Arc::new(ArcSwap::from_pointee(Readiness::Starting));
        let (seen, rendered, node) = (Arc::clone(&readiness), scrape.clone(), parts.node.clone());
        let pages = Http {
            node: parts.node.clone(),
            readiness: Arc::new(move || **seen.load()),
            render_metrics: Arc::new(move || {
                node.observe();
                rendered.render()
            }),
            messages: handle
                .answer_messages()
                .map(|answer| Messages::new(answer, handle::MESSAGE_BYTES_MAX)),
            metrics: http_metrics,
        };
        let router = grpc.routes().merge(pages.routes());
        let plain = listeners.into_iter().map(|plain| (plain, Transport::Plain));
        let over_tls = tls.into_iter().flat_map(|tls| {
            let transport = Transport::Tls(tls.acceptor);
            let listeners = tls.listeners.into_iter();
            listeners.map(move |listener| (listener, transport.clone()))
        });
        for (listener, transport) in plain.chain(over_tls) {
            let serve = connections.clone();
            let serve = serve.serve(listener, transport, router.clone());
            parts.tracker.spawn(serve);
        }
        parts.tracker.spawn(scrape.keep(parts.draining.clone()));
        let prune = log::prune(parts.node.clone(), retention_days, parts.draining.clone());
        parts.tracker.spawn(prune);
        let failed = CancellationToken::new();
        let serve_dns = serve("DNS", dns.run(parts.draining.clone()), failed.clone());
        let serve_handle = serve("Handle", handle.run(parts.draining.clone()), failed.clone());
        let faces = [
            parts.tracker.spawn(serve_dns),
            parts.tracker.spawn(serve_handle),
        ];
        grpc.set_serving(true).await;
        readiness.store(Arc::new(Readiness::Ready));
        info!(position = parts.node.applied_position(), "serving");
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = failed.cancelled() => {}
        }
        info!("draining");
        readiness.store(Arc::new(Readiness::Draining));
        grpc.set_serving(false).await;
        parts.draining.cancel();
        for face in faces {
            // A panic was counted and logged where it happened.
            let _ended = face.await;
        }
        parts.close(graph).await;
    }
}

/// What counts, from here on panics too.
fn recorder() -> Result<Recorder, Error> {
    let recorder = Recorder::new(&BuildInfo {
        version: env!("CARGO_PKG_VERSION"),
        revision: option_env!("IDNODE_REVISION").unwrap_or_default(),
        rustc: option_env!("IDNODE_RUSTC").unwrap_or_default(),
    })?;
    recorder.within(count_panics);
    Ok(recorder)
}

/// Serves a face. The node ends with the first that ends, as `failed` tells.
async fn serve(
    face: &'static str,
    serving: impl Future<Output = std::io::Result<()>>,
    failed: CancellationToken,
) {
    let _ended = failed.drop_guard();
    if let Err(error) = serving.await {
        error!(%error, face, "a face failed");
    }
}

impl Parts {
    /// The key that checkpoints are signed with; made at the first start.
    fn log_key(&self, audit: &node::config::Config) -> Result<Signer, Error> {
        let key_file = self.store.data_dir().join(log::LOG_KEY_FILE);
        Ok(log::load_or_create(&key_file, &audit.origin)?)
    }

    /// Has the graph of links kept in memory by a thread, if it may take any.
    fn keep_graph(&self, (bytes_max, answers): (usize, u64)) -> Option<JoinHandle<()>> {
        let kept = self.node.keep_graph(bytes_max, answers);
        kept.unwrap_or_else(|error| {
            warn!(%error, "there is no thread for the graph of links: traces read the store");
            None
        })
    }

    async fn close(self, graph: Option<JoinHandle<()>>) {
        let Self {
            node,
            store,
            writer,
            tracker,
            draining: _,
        } = self;
        tracker.close();
        if tokio::time::timeout(DRAIN, tracker.wait()).await.is_err() {
            warn!(
                tasks = tracker.len(),
                "some requests did not finish in time"
            );
        }
        node.close().await;
        let closed = tokio::task::spawn_blocking(move || {
            // A writer that panicked ended the process.
            let _ended = writer.join();
            let _ended = graph.map(JoinHandle::join);
            store.flush()
        });
        match closed.await {
            Ok(Ok(())) => info!("closed"),
            // Nothing is lost: the next start replays the write-ahead log.
            Ok(Err(error)) => warn!(%error, "the store was not flushed"),
            Err(error) => warn!(%error, "the store was not flushed"),
        }
    }
}

/// Tells a node at which others its traces go on, if there are any.
fn set_other_nodes(node: &Node, trace: &node::config::TraceConfig) -> Result<(), Error> {
    let routes = trace
        .routes()
        .map_err(|error| peer::Error::Url(error.text))?;
    if !routes.is_empty() {
        node.set_other_nodes(Arc::new(Peers::new(routes, &trace.ca_file)?));
    }
    Ok(())
}

/// Binds every address of the HTTP listener.
async fn listen(config: &http::Config) -> Result<Vec<TcpListener>, Error> {
    let mut listeners = Vec::with_capacity(config.listen.len());
    for address in &config.listen {
        let bound = TcpListener::bind(address).await;
        let fail = |source| Error::Http {
            address: *address,
            source,
        };
        listeners.push(bound.map_err(fail)?);
    }
    Ok(listeners)
}

/// Reads the files of TLS and binds every address; `None` if there is none.
async fn listen_tls(config: tls::Config) -> Result<Option<Tls>, Error> {
    if config.listen.is_empty() {
        return Ok(None);
    }
    let mut listeners = Vec::with_capacity(config.listen.len());
    for address in &config.listen {
        let bound = TcpListener::bind(address).await;
        let fail = |source| Error::TlsAddress {
            address: *address,
            source,
        };
        listeners.push(bound.map_err(fail)?);
    }
    let acceptor = Arc::new(Acceptor::load(config)?);
    Ok(Some(Tls {
        acceptor,
        listeners,
    }))
}

fn limits(config: &http::Config) -> Limits {
    Limits {
        connections_max: config.connections_max,
        header_timeout: Duration::from_secs(config.header_timeout_secs),
        streams_per_connection_max: config.streams_per_connection_max,
        drain_timeout: CONNECTION_DRAIN,
    }
}

fn addresses(
    listeners: &[TcpListener],
    tls: Option<&Tls>,
    dns: &Dns,
    handle: &Handle,
) -> Addresses {
    let bound = |listener: &TcpListener| listener.local_addr().ok();
    let over_tls = tls.map_or(&[][..], |tls| &tls.listeners);
    Addresses {
        http: listeners.iter().filter_map(bound).collect(),
        tls: over_tls.iter().filter_map(bound).collect(),
        dns: dns.addresses(),
        handle: handle.addresses(),
    }
}

impl Addresses {
    /// Each with what it serves in front, as `grpc 127.0.0.1:8480`.
    fn labelled(&self) -> Vec<String> {
        let Self {
            http,
            tls,
            dns,
            handle,
        } = self;
        [
            ("grpc", http),
            ("tls", tls),
            ("dns", dns),
            ("handle", handle),
        ]
        .into_iter()
        .flat_map(|(what, addresses)| {
            let labelled = move |address| format!("{what} {address}");
            addresses.iter().map(labelled)
        })
        .collect()
    }
}

fn open(
    config: store::Config,
    log: &crate::cluster::Config,
    recorder: &Recorder,
) -> Result<Parts, Error> {
    let path = config.data_dir.clone();
    let fail = |source| Error::Store {
        path: path.clone(),
        source,
    };
    let metrics = recorder.within(store::Metrics::new);
    let store = Arc::new(Store::open(config, metrics).map_err(fail)?);
    let metrics = recorder.within(node::Metrics::new);
    let (node, writer) =
        Node::start(Arc::clone(&store), log, (clock(), fill_random), metrics).map_err(fail)?;
    let (tracker, draining) = (TaskTracker::new(), CancellationToken::new());
    Ok(Parts {
        node,
        store,
        writer,
        tracker,
        draining,
    })
}

/// Fills `out` with random octets.
#[expect(
    clippy::expect_used,
    reason = "a node without chance could not keep any secret: it must not go on"
)]
fn fill_random(out: &mut [u8]) {
    aws_lc_rs::rand::fill(out).expect("the system gives random octets");
}

/// The machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "here the clock is read, and nowhere below"
)]
fn clock() -> Clock {
    static START: OnceLock<Instant> = OnceLock::new();
    Clock {
        now: || {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let millis = since.unwrap_or_default().as_millis();
            Timestamp::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
        },
        elapsed: || START.get_or_init(Instant::now).elapsed(),
    }
}
