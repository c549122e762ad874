//! `dev`: runs a node with demo data, for this machine only, without any
//! configuration.

use std::fs::OpenOptions;
use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tokio_util::sync::CancellationToken;

use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::serve;
use crate::cli::signals;
use crate::config::Config;
use crate::demo::Demo;
use crate::model::{OwnerName, SuffixCase};
use crate::server::Addresses;

/// The file with the operator's key, in the data folder.
const KEY_FILE: &str = "operator.key";
/// The demo data: the same for everyone, so that texts can name identifiers.
const DEMO_SEED: u64 = 1;
/// How many identifiers it has.
const DEMO_IDENTIFIERS: u64 = 2_000;

/// Arguments of `dev`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode dev
  idnode dev --data /tmp/idnode")]
pub struct Arguments {
    /// The folder that keeps the data from start to start
    #[arg(long, value_name = "DIR", env = "IDNODE_DATA")]
    data: Option<PathBuf>,
}

/// Runs a node with demo data.
///
/// # Errors
/// [`Exit::Failed`] if the node cannot start.
pub async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let Arguments { data } = arguments;
    let data = data.or_else(data_dir);
    let data = data.ok_or_else(|| {
        Failure::usage("there is no home folder").hint("name one: idnode dev --data DIR")
    })?;
    let mut config = Config::default();
    config.store.data_dir = data.join("store");
    // A developer's disk may be small; the store stays small as well.
    config.store.cache_bytes = 64 << 20;
    config.dns.answer_cache_bytes = 64 << 20;
    config.telemetry.filter = "warn,idnode=info".into();
    let logs = serve::start_logs(&config)?;
    let server = serve::bind(&config, &logs).await?;
    let key_file = data.join(KEY_FILE);
    if let Some(key) = server.new_key() {
        write_key(&key_file, key).map_err(|error| {
            Failure::io(&format!("cannot write {}", key_file.display()), &error)
        })?;
    }
    let demo = Demo::new(DEMO_SEED, DEMO_IDENTIFIERS);
    let loaded = server.load_demo(&demo).await;
    loaded.map_err(|refusal| Failure::new(Exit::Failed, format!("demo data: {refusal}")))?;
    let banner = banner(&server.addresses(), &config.dns.zones, &demo, &key_file);
    output.say_lines(banner.lines());
    let shutdown = CancellationToken::new();
    let work = async {
        server.run(shutdown.clone()).await;
        Ok(())
    };
    signals::until_done(work, shutdown.clone(), output, || {}).await
}

/// What runs where, and what to try.
fn banner(addresses: &Addresses, zones: &[String], demo: &Demo, key_file: &Path) -> String {
    let first = |addresses: &[SocketAddr]| {
        addresses
            .first()
            .map_or_else(|| "nowhere".to_owned(), ToString::to_string)
    };
    let (http, dns) = (first(&addresses.http), first(&addresses.dns));
    let zone = zones.first().map_or("id.example.", String::as_str);
    let identifier = demo.identifier(0);
    let name = OwnerName::of(&identifier, SuffixCase::Folded, zone.len() + 1)
        .map_or_else(|| zone.to_owned(), |name| name.below(zone));
    let (host, port) = dns.rsplit_once(':').unwrap_or((&dns, "53"));
    format!(
        "
idnode is running with {count} identifiers of demo data, for this machine only.

  gRPC and HTTP   http://{http}     (metrics at /metrics, probes at /livez and /readyz)
  DNS             {dns}            (UDP and TCP, zone {zone})
  operator's key  {key_file}

Try {identifier}

  dig @{host} -p {port} {name} NAPTR
  dig @{host} -p {port} {name} TXT
  idnode resolve {identifier}
  idnode resolve {identifier} -o json
  buf curl --http2-prior-knowledge -d '{{\"identifier\": \"{identifier}\"}}' \\
      http://{http}/idnode.v1.Resolution/Resolve
  curl http://{http}/metrics

Ctrl-C stops it; the data stays.",
        count = demo.identifiers(),
        key_file = key_file.display(),
    )
}

/// Writes the key for its owner's eyes only.
fn write_key(path: &Path, key: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{key}")?;
    file.sync_all()
}

/// The folder of `idnode dev` if none is named: `$XDG_DATA_HOME/idnode-dev`, or
/// `~/.local/share/idnode-dev` (XDG Base Directory Specification).
fn data_dir() -> Option<PathBuf> {
    let folder = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let data_home =
        folder("XDG_DATA_HOME").or_else(|| Some(folder("HOME")?.join(".local/share")))?;
    Some(data_home.join("idnode-dev"))
}

/// The file with the operator's key that `idnode dev` writes.
pub fn key_file() -> Option<PathBuf> {
    let named = std::env::var_os("IDNODE_DATA").map(PathBuf::from);
    Some(named.or_else(data_dir)?.join(KEY_FILE))
}
