//! A node inside the test's process: real sockets, a folder of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use idnode::config::Config;
use idnode::server::{Addresses, Server};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::Clients;

/// A running node, on ports that the system chose. Dropping it shuts it down
/// and waits until its store is closed.
pub(crate) struct TestNode {
    /// Where it answers HTTP and gRPC.
    pub http: SocketAddr,
    /// Where it answers DNS, over UDP and TCP.
    pub dns: SocketAddr,
    /// Where it answers the Handle protocol, over UDP and TCP.
    pub handle: SocketAddr,
    /// An operator's key.
    pub key: String,
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

    /// Shuts it down and starts it again on the same store, at other ports.
    pub(crate) async fn restart(mut self) -> Self {
        self.stop();
        let (config, key) = (self.config.clone(), self.key.clone());
        let folder = self.folder.take().unwrap();
        Self::run(config, folder, Some(key)).await
    }

    /// Clients with the operator's key.
    pub(crate) fn clients(&self) -> Clients {
        Clients::new(&self.http.to_string(), Some(&self.key))
    }

    /// Clients of a caller without a key.
    pub(crate) fn anonymous(&self) -> Clients {
        Clients::new(&self.http.to_string(), None)
    }

    /// Starts a node; `key` is the operator's if the store has one.
    async fn run(config: Config, folder: TempDir, key: Option<String>) -> Self {
        let shutdown = CancellationToken::new();
        let (tell, started) = oneshot::channel();
        let thread = {
            let (config, shutdown) = (config.clone(), shutdown.clone());
            std::thread::spawn(move || serve(config, shutdown, tell))
        };
        let (addresses, new_key) = started.await.expect("the node starts");
        let first = |addresses: &[SocketAddr]| addresses.first().copied();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let Addresses { http, dns, handle } = addresses;
        Self {
            http: first(&http).unwrap_or(nowhere),
            dns: first(&dns).unwrap_or(nowhere),
            handle: first(&handle).unwrap_or(nowhere),
            key: key.or(new_key).expect("an operator's key"),
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
type Started = (Addresses, Option<String>);

/// Runs a node on a runtime of its own, so that it may outlive a test's.
fn serve(config: Config, shutdown: CancellationToken, tell: oneshot::Sender<Started>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async move {
        let set_log_filter = Arc::new(|_: &str| Ok(String::new()));
        let server = Server::bind(config, set_log_filter).await.unwrap();
        let new_key = server.new_key().map(str::to_owned);
        tell.send((server.addresses(), new_key)).unwrap();
        server.run(shutdown).await;
    });
}
