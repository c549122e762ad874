//! The real binary as a process of its own, to be killed.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
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
    /// Those of the three roles, as the first start printed them.
    keys: Vec<String>,
}

impl NodeProcess {
    /// Starts a node on the store below `folder` and waits until it is ready.
    pub(crate) async fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[]).await
    }

    /// Starts one with further settings, `section.key=value`.
    pub(crate) async fn start_with(folder: &Path, settings: &[&str]) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let handle = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let log = folder.join("log");
        let output = File::options().create(true).append(true).open(&log);
        let output = output.unwrap();
        // As many octets in a core file as the system allows, for the node to forbid.
        let mut child = Command::new("sh")
            .args(["-c", "ulimit -c \"$(ulimit -H -c)\"; exec \"$@\"", "sh"])
            .arg(env!("CARGO_BIN_EXE_idnode"))
            .current_dir(folder)
            .args(["serve", "--set", &format!("http.listen={address}")])
            .args(["--set", "dns.listen="])
            .args(["--set", &format!("handle.listen={handle}")])
            .args(["--set", "handle.udp_threads=1"])
            .args(["--set", "store.cache_bytes=16777216"])
            .arg("--set")
            .arg(format!("store.data_dir={}", folder.join("data").display()))
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
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
        let log = fs::read_to_string(&log).unwrap();
        let keys = keys(&log);
        Self {
            child,
            address,
            handle,
            keys,
        }
    }

    /// Where it answers HTTP and gRPC.
    pub(crate) fn address(&self) -> &str {
        &self.address
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
        self.clients_with(&self.keys[0])
    }

    /// Clients with the security administrator's key.
    pub(crate) fn security(&self) -> Clients {
        self.clients_with(&self.keys[1])
    }

    /// Clients with `token`.
    pub(crate) fn clients_with(&self, token: &str) -> Clients {
        Clients::new(&self.address, Some(token))
    }

    /// The keys that the first start printed.
    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended by itself, or by a signal; how it ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
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

/// The keys that the node printed at its first start.
fn keys(log: &str) -> Vec<String> {
    let words = log.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-');
    let is_key = |word: &&str| word.starts_with(KEY_MARK) && word.len() > 50;
    words.filter(is_key).map(str::to_owned).collect()
}

/// A free port below those that the system gives out by itself (from 32768 up),
/// so that no other test is given it before the node binds it.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 10_000).unwrap();
    let ports =
        std::iter::repeat_with(|| 20_000 + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.take(10_000).find(is_free).expect("a free port")
}
