//! The command line against a node: records, prefixes, import and export.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use idnode::cluster;
use idnode::face::grpc::{self, Grpc, ServerInfo, Setup};
use idnode::model::Timestamp;
use idnode::node::{self, Clock, Node};
use idnode::store::{self, Store};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

fn fill(out: &mut [u8]) {
    aws_lc_rs::rand::fill(out).unwrap();
}

struct Served {
    folder: tempfile::TempDir,
    server: String,
    _runtime: tokio::runtime::Runtime,
}

impl Served {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        let config = store::Config {
            data_dir: folder.path().join("data"),
            cache_bytes: 8 << 20,
            write_buffer_bytes: 1 << 20,
            disk_reserve_bytes: 0,
            ..store::Config::default()
        };
        let store = Arc::new(Store::open(config, store::Metrics::new()).expect("opens"));
        let clock = Clock {
            now: || Timestamp::from_millis(1_800_000_000_000),
            elapsed: || Duration::ZERO,
        };
        let log = cluster::Config::default();
        let (node, _writer) =
            Node::start(store, &log, (clock, fill), node::Metrics::new()).expect("starts");
        let keys = runtime.block_on(node.make_first_keys()).expect("keys");
        let (_, key) = keys.first().expect("a system administrator's");
        std::fs::write(folder.path().join("operator.key"), key.as_str()).expect("key file");
        let _guard = runtime.enter();
        let face = Grpc::new(Setup {
            config: grpc::Config::default(),
            node,
            info: ServerInfo {
                version: "0".into(),
                addresses: vec![],
                zones: vec!["id.example.".into()],
            },
            set_log_filter: Arc::new(|_| Ok("info".into())),
            tracker: TaskTracker::new(),
            shutdown: CancellationToken::new(),
            metrics: grpc::Metrics::new(),
        })
        .expect("face");
        runtime.block_on(face.set_serving(true));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("port");
        let server = format!("http://{}", listener.local_addr().expect("address"));
        runtime.spawn(async move { axum::serve(listener, face.routes()).await });
        Self {
            folder,
            server,
            _runtime: runtime,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_idnode"))
            .args(arguments)
            .args(["--server", &self.server])
            .env_clear()
            .env("IDNODE_KEY_FILE", self.path("operator.key"))
            .stdin(Stdio::null())
            .output()
            .expect("the binary runs")
    }

    fn check(&self, arguments: &[&str], exit: i32, stdout: &str, stderr: &str) -> String {
        let output = self.run(arguments);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr);
        let shown = format!("{arguments:?}: {:?}\n{out}\n{err}", output.status.code());
        assert_eq!(output.status.code(), Some(exit), "{shown}");
        assert!(out.contains(stdout), "{shown}");
        assert!(err.contains(stderr), "{shown}");
        out
    }

    fn json(&self, arguments: &[&str], exit: i32) -> serde_json::Value {
        let arguments = [arguments, &["-o", "json"]].concat();
        let out = self.check(&arguments, exit, "", "");
        serde_json::from_str(&out).expect("JSON")
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// A command line with its words, how it ends, what it prints and what it says.
type Step<'a> = (&'a str, i32, &'a str, &'a str);

fn walk(node: &Served, steps: &[Step<'_>]) {
    for (line, exit, stdout, stderr) in steps {
        let words: Vec<&str> = line.split(' ').collect();
        node.check(&words, *exit, stdout, stderr);
    }
}

#[test]
fn leads_prefixes_through_their_states() {
    let node = Served::start();
    let steps = [
        ("put 88.118.7/a --value 1:A=x", 3, "", "[PREFIX_NOT_HOMED]"),
        (
            "prefix create 88.118.7 --firm 温州某厂",
            0,
            "registered",
            "prefix home",
        ),
        ("prefix home 88.118.7", 0, "active", ""),
        ("prefix create 88.118.7 --firm x", 5, "", "[PREFIX_EXISTS]"),
        ("put 88.118.7/a --value 1:A=x", 0, "x", ""),
        ("prefix update 88.118.7 --quota 1", 0, "quota", ""),
        ("put 88.118.7/b --value 1:A=x", 1, "", "[QUOTA_EXCEEDED]"),
        ("prefix suspend 88.118.7 --reason x", 0, "suspended", ""),
        ("resolve 88.118.7/a", 4, "", "[PREFIX_SUSPENDED]"),
        ("prefix activate 88.118.7", 0, "active", ""),
        ("prefix list", 0, "温州某厂", ""),
    ];
    walk(&node, &steps);
}

#[test]
fn keeps_records() {
    let node = Served::start();
    let create = "prefix create 88.118.7 --firm x --home";
    let put = "put 88.118.7/DZ47-63 --value 1:URL=https://a.example/";
    walk(
        &node,
        &[(create, 0, "active", ""), (put, 0, "a.example", "")],
    );
    let record = node.json(&["get", "88.118.7/dz47-63"], 0);
    assert_eq!(record["dns_name"], "dz47-63._id.7.118.88.id.example.");
    let etag = record["etag"].as_str().expect("etag");
    let create_only = format!("{put} --create-only");
    let changed = format!("put 88.118.7/DZ47-63 --value 1:URL=https://b.example/ --etag {etag}");
    let steps = [
        (create_only.as_str(), 5, "", "[RECORD_EXISTS]"),
        (&changed, 0, "b.example", ""),
        (&changed, 5, "", "[STALE_ETAG]"),
        ("resolve 88.118.7/dz47-63", 0, "b.example", "dz47-63._id"),
        ("get 88.118.7/none", 3, "", "[RECORD_NOT_FOUND]"),
        ("list 88.118.7", 0, "88.118.7/DZ47-63", ""),
        (
            "delete 88.118.7/DZ47-63 --dry-run",
            0,
            "",
            "nothing was changed",
        ),
        ("delete 88.118.7/DZ47-63", 0, "DZ47-63", ""),
        (put, 5, "", "[RECORD_DELETED]"),
        (
            "put 88.118.7/DZ47-63 --value 1:A=x --reuse-deleted",
            0,
            "x",
            "",
        ),
    ];
    walk(&node, &steps);
}

#[test]
fn watches_the_node_and_backs_it_up() {
    let node = Served::start();
    let folder = node.path("data/backups/one");
    let restored = node.path("restored");
    let verify = format!("backup verify --offline {}", text(&folder));
    let restore = format!(
        "backup restore --offline {} {}",
        text(&folder),
        text(&restored)
    );
    let steps = [
        ("status", 0, "identifiers", ""),
        ("log-level debug", 0, "info", ""),
        ("backup create one", 0, "one", ""),
        ("backup create one", 5, "", "[BACKUP_EXISTS]"),
        ("backup list", 0, "one", ""),
        ("backup verify one", 0, "one", "sound"),
        ("backup verify two", 3, "", "[BACKUP_NOT_FOUND]"),
        ("backup restore one --yes", 0, "one", "restart"),
        (&verify, 0, "one", "sound"),
        (&restore, 0, "one", ""),
        (&restore, 5, "", "is not empty"),
    ];
    walk(&node, &steps);
}

#[test]
fn an_export_imported_again_changes_nothing() {
    let node = Served::start();
    node.check(
        &["prefix", "create", "88.118.7", "--firm", "x", "--home"],
        0,
        "",
        "",
    );
    let file = node.path("a.csv");
    let mut rows = String::from("suffix,产品名称,1:URL,batch\n");
    for number in 0..2500 {
        rows.push_str(&format!(
            "p.{number},断路器 {number},https://a.example/{number},=1+{number}\n"
        ));
    }
    rows.push_str("bad\u{0},,,x\np.1,twice,,\n");
    std::fs::write(&file, rows.replace("bad\u{0}", "")).expect("write");
    let import = ["import", text(&file), "--prefix", "88.118.7"];
    let dry = node.json(&[import.as_slice(), &["--dry-run"]].concat(), 7);
    // A dry run sees what is registered and the chunk that it judges, so the
    // identifier that occurs again 2,500 rows later is found by the import only.
    assert_eq!(dry["created_count"], 2501, "{dry}");
    assert_eq!(dry["refused_count"], 1, "{dry}");
    let report = node.path("refused.csv");
    let first = node.json(
        &[import.as_slice(), &["--report", text(&report)]].concat(),
        7,
    );
    assert_eq!(first["created_count"], 2500, "{first}");
    let refused = std::fs::read_to_string(&report).expect("report");
    assert!(refused.contains("2502,suffix,,SUFFIX_EMPTY"), "{refused}");
    assert!(
        refused.contains("2503,identifier,88.118.7/p.1,RECORD_EXISTS"),
        "{refused}"
    );
    assert!(!node.path("a.csv.idnode-resume").exists());

    let value = node.path("value");
    std::fs::write(&value, [0xff, 0xfe]).expect("write");
    let binary = format!("7:RAW={}", text(&value));
    node.check(
        &[
            "put",
            "88.118.7/bin",
            "--value-file",
            &binary,
            "--permissions",
            "-wr-",
            "--ttl",
            "5",
        ],
        0,
        "",
        "",
    );
    for name in ["out.csv", "out.ndjson"] {
        let out = node.path(name);
        node.check(
            &["export", "88.118.7", "--output", text(&out)],
            0,
            "2501",
            "",
        );
        let again = node.json(&["import", text(&out), "--on-conflict", "update"], 0);
        assert_eq!(again["unchanged_count"], 2501, "{name}: {again}");
        let again = node.json(&["import", text(&out), "--on-conflict", "skip"], 0);
        assert_eq!(again["record_count"], 2501, "{name}: {again}");
    }
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_stood() {
    kill_and_resume(true, &[]);
}

#[test]
fn an_import_that_is_killed_unheard_goes_on_from_the_start() {
    kill_and_resume(false, &[]);
}

#[test]
fn an_import_in_bulk_that_is_killed_goes_on_where_it_stood() {
    kill_and_resume(true, &["--bulk"]);
}

/// Kills an import with `options` once the node acknowledged some of it, or before, and
/// resumes it.
fn kill_and_resume(heard: bool, options: &[&str]) {
    const COUNT: u64 = 40_000;
    let node = Served::start();
    node.check(
        &["prefix", "create", "88.118.7", "--firm", "x", "--home"],
        0,
        "",
        "",
    );
    let file = node.path("a.csv");
    let mut rows = String::from("identifier,name\n");
    for number in 0..COUNT {
        rows.push_str(&format!("88.118.7/{number},断路器 {number}\n"));
    }
    std::fs::write(&file, rows).expect("write");
    let mut import = Command::new(env!("CARGO_BIN_EXE_idnode"))
        .args(["import", text(&file), "--server", &node.server])
        .args(options)
        .env_clear()
        .env("IDNODE_KEY_FILE", node.path("operator.key"))
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let state = node.path("a.csv.idnode-resume");
    let heard_of = |state: &Path| {
        let kept = std::fs::read_to_string(state).unwrap_or_default();
        !kept.is_empty() && !kept.contains(r#""covered_count":0,"#)
    };
    while !(state.exists() && (!heard || heard_of(&state))) {
        assert!(
            import.try_wait().expect("a child").is_none(),
            "ended too soon"
        );
        std::thread::yield_now();
    }
    import.kill().expect("killed");
    import.wait().expect("ended");
    let rest = node.json(&["import", text(&file), "--resume"], 0);
    assert_eq!(rest["created_count"], COUNT, "{rest}");
    if heard {
        assert_ne!(rest["resumed_count"], 0, "{rest}");
    }
    assert!(!state.exists());
    node.check(&["prefix", "show", "88.118.7"], 0, &COUNT.to_string(), "");
}
