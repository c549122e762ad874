//! The real binary as a process of its own, to be killed.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use idnode::wire::proto::v1;

use super::http::metrics;
use super::{Clients, wait_until};

/// What an operator's key begins with.
const KEY_MARK: &str = "idnode_";

/// A node in a process of its own. Killed when dropped.
pub(crate) struct NodeProcess {
    child: Child,
    address: String,
    handle: SocketAddr,
    key: String,
}

impl NodeProcess {
    /// Starts a node on the store below `folder` and waits until it is ready.
    pub(crate) async fn start(folder: &Path) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let handle = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let log = folder.join("log");
        let output = File::options().create(true).append(true).open(&log);
        let output = output.unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_idnode"))
            .args(["serve", "--set", &format!("http.listen={address}")])
            .args(["--set", "dns.listen="])
            .args(["--set", &format!("handle.listen={handle}")])
            .args(["--set", "handle.udp_threads=1"])
            .args(["--set", "store.cache_bytes=16777216"])
            .arg("--set")
            .arg(format!("store.data_dir={}", folder.join("data").display()))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let anonymous = Clients::new(&address, None);
        wait_until("the node is ready", async || {
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "{}", fs::read_to_string(&log).unwrap());
            let status = anonymous.node().get_status(v1::GetStatusRequest {}).await;
            status.is_ok_and(|status| status.into_inner().ready)
        })
        .await;
        let key = first_key(&fs::read_to_string(&log).unwrap());
        Self {
            child,
            address,
            handle,
            key,
        }
    }

    /// Where it answers the Handle protocol.
    pub(crate) fn handle(&self) -> SocketAddr {
        self.handle
    }

    /// Its metrics.
    pub(crate) async fn metrics(&self) -> String {
        metrics(self.address.parse().unwrap()).await
    }

    /// Bytes of memory that it has in use.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.trim().parse::<u64>().ok()).unwrap() * 1024
    }

    /// Clients with the operator's key.
    pub(crate) fn clients(&self) -> Clients {
        Clients::new(&self.address, Some(&self.key))
    }

    /// Ends it with SIGKILL, at once.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        self.end();
    }
}

/// The key that the node printed at its first start.
fn first_key(log: &str) -> String {
    let (_, behind) = log.split_once(KEY_MARK).expect("a key in the log");
    let key = behind.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    format!("{KEY_MARK}{}", key.into_iter().next().unwrap())
}

/// A free port below those that the system gives out by itself (from 32768 up),
/// so that no other test is given it before the node binds it.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 10_000).unwrap();
    let ports =
        std::iter::repeat_with(|| 20_000 + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.take(10_000).find(is_free).expect("a free port")
}
