//! A node inside the test's process: real sockets, a folder of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use idnode::config::Config;
use idnode::model::NodeRole;
use idnode::server::{Addresses, Server};
use idnode::store::{AnyEntry, Batch, Metrics, Store};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Clients;

/// A running node, on ports that the system chose. Dropping it shuts it down
/// and waits until its store is closed.
pub(crate) struct TestNode {
    /// Where it answers HTTP and gRPC.
    pub http: SocketAddr,
    /// Where it answers the same over TLS.
    pub tls: SocketAddr,
    /// Where it answers DNS, over UDP and TCP.
    pub dns: SocketAddr,
    /// Where it answers the Handle protocol, over UDP and TCP.
    pub handle: SocketAddr,
    /// A system administrator's key.
    pub key: String,
    /// A security administrator's key.
    pub security_key: String,
    /// An auditor's key.
    pub auditor_key: String,
    config: Config,
    folder: Option<TempDir>,
    running: Option<Running>,
}

/// The thread of a node and how to end it.
struct Running {
    shutdown: CancellationToken,
    thread: JoinHandle<()>,
}

impl TestNode {
    /// A node with the default settings and an empty store.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A node whose settings `change` sets.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        config.http.listen = vec![any_port];
        config.dns.listen = vec![any_port];
        config.dns.udp_threads = 1;
        config.handle.listen = vec![any_port];
        config.handle.udp_threads = 1;
        config.store.data_dir = folder.path().join("data");
        config.store.cache_bytes = 16 << 20;
        change(&mut config);
        Self::run(config, folder, None).await
    }

    /// A node on a store that `prepare` made or changed.
    pub(crate) async fn start_on(prepare: impl FnOnce(&idnode::store::Config)) -> Self {
        Self::start_with(|config| prepare(&config.store)).await
    }

    /// Puts entries into its directory behind its back, and starts it again.
    pub(crate) async fn seed(self, entries: impl IntoIterator<Item = AnyEntry>) -> Self {
        let put = |batch: &mut Batch<'_>| {
            for entry in entries {
                batch.put_entry(entry).unwrap();
            }
        };
        self.seed_by(put).await
    }

    /// Starts it again with what `fill` puts into its store.
    pub(crate) async fn seed_by(mut self, fill: impl FnOnce(&mut Batch<'_>)) -> Self {
        self.stop();
        {
            let store = Store::open(self.config.store.clone(), Metrics::new()).unwrap();
            let mut batch = Batch::new(&store);
            fill(&mut batch);
            batch.commit().unwrap();
        }
        self.restart().await
    }

    /// Shuts it down and starts it again on the same store, at other ports.
    pub(crate) async fn restart(mut self) -> Self {
        self.stop();
        let keys = Keys {
            system: self.key.clone(),
            security: self.security_key.clone(),
            auditor: self.auditor_key.clone(),
        };
        let (config, folder) = (self.config.clone(), self.folder.take().unwrap());
        Self::run(config, folder, Some(keys)).await
    }

    /// Clients with the system administrator's key.
    pub(crate) fn clients(&self) -> Clients {
        self.clients_with(&self.key)
    }

    /// Clients with the security administrator's key.
    pub(crate) fn security(&self) -> Clients {
        self.clients_with(&self.security_key)
    }

    /// Clients with the auditor's key.
    pub(crate) fn auditor(&self) -> Clients {
        self.clients_with(&self.auditor_key)
    }

    /// Clients with `token`: a key, or that of a session.
    pub(crate) fn clients_with(&self, token: &str) -> Clients {
        Clients::new(&self.http.to_string(), Some(token))
    }

    /// Clients of a caller without a key.
    pub(crate) fn anonymous(&self) -> Clients {
        Clients::new(&self.http.to_string(), None)
    }

    /// Starts a node; `keys` are those that the store has, if any.
    async fn run(config: Config, folder: TempDir, keys: Option<Keys>) -> Self {
        let shutdown = CancellationToken::new();
        let (tell, started) = oneshot::channel();
        let thread = {
            let (config, shutdown) = (config.clone(), shutdown.clone());
            std::thread::spawn(move || serve(config, shutdown, tell))
        };
        let (addresses, new_keys) = started.await.expect("the node starts");
        let keys = keys.unwrap_or_else(|| Keys::of(&new_keys));
        let first = |addresses: &[SocketAddr]| addresses.first().copied();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let Addresses {
            http,
            tls,
            dns,
            handle,
        } = addresses;
        Self {
            http: first(&http).unwrap_or(nowhere),
            tls: first(&tls).unwrap_or(nowhere),
            dns: first(&dns).unwrap_or(nowhere),
            handle: first(&handle).unwrap_or(nowhere),
            key: keys.system,
            security_key: keys.security,
            auditor_key: keys.auditor,
            config,
            folder: Some(folder),
            running: Some(Running { shutdown, thread }),
        }
    }

    fn stop(&mut self) {
        if let Some(Running { shutdown, thread }) = self.running.take() {
            shutdown.cancel();
            let ended = thread.join();
            // The first panic is the one to show.
            assert!(ended.is_ok() || std::thread::panicking(), "the node failed");
        }
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a test must know of a node that has started.
type Started = (Addresses, Vec<(NodeRole, String)>);

/// The keys that a node makes at its first start.
struct Keys {
    system: String,
    security: String,
    auditor: String,
}

impl Keys {
    fn of(made: &[(NodeRole, String)]) -> Self {
        let key = |role: NodeRole| {
            let found = made.iter().find(|(of, _)| *of == role);
            found.map(|(_, key)| key.clone())
        };
        Self {
            // Absent where the store has an operator's key of old.
            system: key(NodeRole::SystemAdministrator).unwrap_or_default(),
            security: key(NodeRole::SecurityAdministrator).expect("a key"),
            auditor: key(NodeRole::Auditor).expect("a key"),
        }
    }
}

/// Runs a node on a runtime of its own, so that it may outlive a test's.
fn serve(config: Config, shutdown: CancellationToken, tell: oneshot::Sender<Started>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async move {
        let set_log_filter = Arc::new(|_: &str| Ok(String::new()));
        let mut server = Server::bind(config, set_log_filter).await.unwrap();
        let keys = server.take_new_keys().into_iter();
        let keys = keys.map(|(role, key)| (role, key.as_str().to_owned()));
        tell.send((server.addresses(), keys.collect())).unwrap();
        server.run(shutdown).await;
    });
}
