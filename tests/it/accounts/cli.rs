//! The command line: signing in, and keeping principals.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::World;

const PASSWORD: &str = "Korrekt 7 Pferde";

/// Runs `idnode` at `node` with `key`, if any, and `input`; sessions are kept below
/// `state`.
fn run(server: &str, state: &Path, key: &str, input: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idnode"));
    command
        .args(arguments)
        .args(["--server", server])
        .env("XDG_STATE_HOME", state)
        .env("IDNODE_DATA", state)
        .env_remove("IDNODE_KEY")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if !key.is_empty() {
        command.env("IDNODE_KEY", key);
    }
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn json(output: &Output) -> serde_json::Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_sign_in_and_out() {
    let world = World::start().await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().to_owned();
    let server = format!("http://{}", world.node.http);
    let security = world.node.security_key.clone();
    let work = move || {
        let run = |key: &str, input: &str, arguments: &[&str]| {
            run(&server, &state, key, input, arguments)
        };
        let create = [
            "person", "create", "wang", "--role", "owner", "--firm", "f-1", "-o", "json",
        ];
        let made = json(&run(&security, "", &create));
        let first = made["first_password"].as_str().unwrap().to_owned();
        assert_eq!(run("", "", &["logout"]).status.code(), Some(3));
        let input = format!("{first}\n\n\n");
        let refused = run("", &input, &["login", "wang@f-1"]);
        assert_eq!(refused.status.code(), Some(4), "{refused:?}");
        let input = format!("{first}\n\n{PASSWORD}\n");
        let signed_in = run("", &input, &["login", "wang@f-1", "-o", "json"]);
        assert_eq!(json(&signed_in)["name"], "wang");
        let sessions = fs::read_dir(state.join("idnode")).unwrap();
        let files = sessions
            .map(|entry| entry.unwrap().path())
            .collect::<Vec<_>>();
        assert_eq!(files.len(), 1);
        let mode = fs::metadata(&files[0]).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let token = fs::read_to_string(&files[0]).unwrap();
        for output in [&refused, &signed_in] {
            let said = [output.stdout.as_slice(), &output.stderr].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(!said.contains(&token) && !said.contains(PASSWORD) && !said.contains(&first));
        }
        let me = json(&run("", "", &["whoami", "-o", "json"]));
        assert_eq!(me["principal"]["role"], "owner");
        let changed = format!("{PASSWORD}\nAndere 8 Pferde\n");
        assert!(run("", &changed, &["password"]).status.success());
        // The firm is the caller's own where none is named.
        let listed = json(&run("", "", &["person", "list", "-o", "json"]));
        assert_eq!(listed["principals"][0]["name"], "wang");
        assert!(run("", "", &["logout"]).status.success());
        assert!(!files[0].exists());
        let me = json(&run("", "", &["whoami", "-o", "json"]));
        assert_eq!(me["actor"], "anonymous");
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}

/// What a test of keys runs commands with.
struct Desk {
    server: String,
    state: tempfile::TempDir,
    security: String,
    _world: World,
}

impl Desk {
    async fn new() -> Self {
        let world = World::start().await;
        Self {
            server: format!("http://{}", world.node.http),
            state: tempfile::tempdir().unwrap(),
            security: world.node.security_key.clone(),
            _world: world,
        }
    }

    fn run(&self, key: &str, arguments: &[&str]) -> Output {
        run(&self.server, self.state.path(), key, "", arguments)
    }

    /// What a command of the security administrator answers.
    fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let arguments = [arguments, &["-o", "json"]].concat();
        json(&self.run(&self.security, &arguments))
    }
}

const CREATE: [&str; 7] = [
    "key",
    "create",
    "erp",
    "--role",
    "registrar",
    "--firm",
    "f-1",
];

#[tokio::test(flavor = "multi_thread")]
async fn keys_go_into_files_that_nobody_else_reads() {
    let desk = Desk::new().await;
    tokio::task::block_in_place(|| {
        let path = desk.state.path().join("erp.key");
        let scope = [
            "--prefix",
            "88.118.7",
            "--verb",
            "write",
            "--network",
            "127.0.0.1",
        ];
        let more = [
            "--expires",
            "2999-01-01",
            "--output",
            path.to_str().unwrap(),
        ];
        let arguments = [&CREATE[..], &scope, &more].concat();
        let made = desk.json(&arguments);
        assert_eq!(made["prefixes"][0], "88.118.7");
        assert_eq!(made["networks"][0], "127.0.0.1/32");
        assert_eq!(made["expire_time"], "2999-01-01T00:00:00Z");
        assert!(made.get("key").is_none());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let key = fs::read_to_string(&path).unwrap();
        let me = json(&desk.run(&key, &["whoami", "-o", "json"]));
        assert_eq!(me["actor"], made["id"]);
        // Nothing is made that could go nowhere.
        let again = desk.run(&desk.security, &arguments);
        assert_eq!(again.status.code(), Some(5), "{again:?}");
        let listed = desk.json(&["key", "list", "--firm", "f-1"]);
        assert_eq!(listed["principals"].as_array().unwrap().len(), 2);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_rotated_changed_and_revoked() {
    let desk = Desk::new().await;
    tokio::task::block_in_place(|| {
        let made = desk.json(&CREATE);
        let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
        let rotate = ["key", "rotate", id, "--overlap", "0", "-o", "json"];
        let rotated = json(&desk.run(key, &rotate));
        let new = rotated["key"].as_str().unwrap();
        assert_eq!(desk.run(key, &["whoami"]).status.code(), Some(4));
        assert!(desk.run(new, &["whoami"]).status.success());
        let confined = desk.json(&["key", "update", id, "--prefix", "88.118.7"]);
        assert_eq!(confined["prefixes"][0], "88.118.7");
        let updated = desk.json(&["key", "update", id, "--role", "reader", "--unconfined"]);
        assert_eq!(updated["role"], "reader");
        assert_eq!(updated["prefixes"].as_array().unwrap().len(), 0);
        let nothing = desk.run(&desk.security, &["key", "update", id]);
        assert_eq!(nothing.status.code(), Some(2));
        let disabled = desk.json(&["key", "disable", id, "--reason", "audit"]);
        assert_eq!(disabled["disable_reason"], "audit");
        assert_eq!(desk.json(&["key", "enable", id])["state"], "active");
        assert_eq!(desk.json(&["key", "revoke", id])["state"], "revoked");
        let made = desk.json(&["operator", "create-key", "archive", "--role", "auditor"]);
        assert_eq!(made["role"], "auditor");
        let listed = desk.json(&["operator", "list"]);
        assert_eq!(listed["principals"].as_array().unwrap().len(), 4);
    });
}
