//! Firms on the command line: from an empty form to a prefix.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{CODE, EMAIL, LEGAL_PERSON, LICENCE, PHONE};
use crate::support::TestNode;

/// A folder with what an applicant has, and the node's address.
struct Desk {
    folder: tempfile::TempDir,
    server: String,
}

impl Desk {
    fn new(node: &TestNode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let desk = Self {
            folder,
            server: format!("http://{}", node.http),
        };
        fs::write(desk.path("licence.pdf"), LICENCE).unwrap();
        for (file, key) in [
            ("system.key", &node.key),
            ("security.key", &node.security_key),
        ] {
            fs::write(desk.path(file), key).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `idnode` in the folder, with the key in `key_file` if one is named.
    fn run(&self, key_file: &str, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_idnode"));
        command
            .args(line.split(' '))
            .args(["--server", &self.server])
            .current_dir(self.folder.path())
            .env_clear()
            .stdin(Stdio::null());
        if !key_file.is_empty() {
            command.env("IDNODE_KEY_FILE", self.path(key_file));
        }
        command.output().unwrap()
    }

    #[track_caller]
    fn check(&self, key_file: &str, line: &str, exit: i32) -> String {
        let output = self.run(key_file, line);
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{line}\n{out}\n{err}");
        out
    }

    #[track_caller]
    fn json(&self, key_file: &str, line: &str) -> serde_json::Value {
        let out = self.check(key_file, &format!("{line} -o json"), 0);
        serde_json::from_str(&out).unwrap()
    }

    /// Fills in the empty form.
    fn fill_in(&self) {
        let form = self.check("", "firm form", 0);
        let filled = [
            ("name", "温州霁澜川电器有限公司"),
            ("credit_code", CODE),
            ("region", "330382"),
            ("address", "柳市镇电器大道 1 号"),
            ("industry", "C3823"),
            ("wanted_prefix", "88.118.7"),
            ("legal_person", LEGAL_PERSON),
            ("contact", LEGAL_PERSON),
            ("phone", PHONE),
            ("email", EMAIL),
        ]
        .iter()
        .fold(form, |form, (key, value)| {
            let filled = form.replace(
                &format!("\n{key} = \"\""),
                &format!("\n{key} = \"{value}\""),
            );
            assert_ne!(form, filled, "the form has {key}");
            filled
        });
        fs::write(self.path("application.toml"), filled).unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_empty_form_to_a_prefix() {
    let node = TestNode::start().await;
    let desk = Desk::new(&node);
    desk.fill_in();
    let dry = desk.json("", "firm apply application.toml --dry-run");
    assert_eq!(
        (&dry["firm"]["state"], &dry["owner_key"]),
        (&"draft".into(), &"".into())
    );
    let applied = desk.json(
        "",
        "firm apply application.toml --document business-licence=licence.pdf --owner-key-file owner.key --submit",
    );
    assert_eq!(
        (&applied["firm"]["state"], &applied["owner_key"]),
        (&"submitted".into(), &"".into())
    );
    assert_eq!(mode(&desk.path("owner.key")), 0o600);
    let firm = applied["firm"]["firm"].as_str().unwrap().to_owned();

    let listed = desk.json("system.key", "firm list --state submitted");
    assert_eq!(listed["firms"][0]["firm"], *firm);
    let people = desk.json("system.key", &format!("firm show {firm} --people"));
    assert_eq!(people["email"], EMAIL);
    desk.check(
        "system.key",
        &format!("firm document {firm} 1 --to seen.pdf"),
        0,
    );
    assert_eq!(fs::read(desk.path("seen.pdf")).unwrap(), LICENCE);
    assert_eq!(mode(&desk.path("seen.pdf")), 0o600);
    desk.check(
        "system.key",
        &format!("firm document {firm} 1 --to seen.pdf"),
        2,
    );

    desk.check("security.key", &format!("firm verify {firm}"), 4);
    desk.check("system.key", &format!("firm verify {firm} --note seen"), 0);
    desk.check("system.key", &format!("firm approve {firm}"), 4);
    desk.check("security.key", &format!("firm approve {firm}"), 0);
    desk.check("", &format!("firm show {firm}"), 3);
    let active = desk.json("system.key", &format!("firm activate {firm} --quota 5"));
    assert_eq!(active["prefixes"][0], "88.118.7");
    desk.check(
        "owner.key",
        "put 88.118.7/A-1 --value 1:URL=https://a.example/",
        0,
    );
    let shown = desk.check("", &format!("firm show {firm}"), 0);
    assert!(
        shown.contains("88.118.7") && !shown.contains(CODE),
        "{shown}"
    );
    let shown = desk.check("owner.key", &format!("firm show {firm}"), 0);
    assert!(
        shown.contains("浙江省温州市") && shown.contains("电气机械和器材制造业"),
        "{shown}"
    );
    desk.check(
        "security.key",
        &format!("firm suspend {firm} --reason inspection"),
        0,
    );
    desk.check("", "resolve 88.118.7/A-1", 4);
    desk.check("security.key", &format!("firm reinstate {firm}"), 0);
    desk.check("", "resolve 88.118.7/A-1", 0);
    desk.check("owner.key", &format!("firm erase {firm}"), 2);
    desk.check("owner.key", &format!("firm erase {firm} --yes"), 0);
    desk.check("owner.key", &format!("firm show {firm} --people"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_found_before_anything_is_sent() {
    let node = TestNode::start().await;
    let desk = Desk::new(&node);
    desk.fill_in();
    for line in [
        "firm apply nothing.toml",
        "firm apply application.toml --document passport=licence.pdf",
        "firm apply application.toml --document business-licence=nothing.pdf",
        "firm apply application.toml --owner-key-file licence.pdf",
        "firm apply licence.pdf",
        "firm show A",
    ] {
        desk.check("", line, 2);
    }
    let listed = desk.json("system.key", "firm list");
    assert_eq!(listed["firms"], serde_json::json!([]));
    assert_eq!(fs::read(desk.path("licence.pdf")).unwrap(), LICENCE);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_changed_until_it_is_right() {
    let node = TestNode::start().await;
    let desk = Desk::new(&node);
    desk.fill_in();
    let applied = desk.json("", "firm apply application.toml --owner-key-file owner.key");
    let firm = applied["firm"]["firm"].as_str().unwrap().to_owned();
    desk.check("owner.key", &format!("firm submit {firm}"), 5);
    desk.check(
        "owner.key",
        &format!("firm attach {firm} other=licence.pdf"),
        0,
    );
    desk.check(
        "owner.key",
        &format!("firm attach {firm} business-licence=licence.pdf"),
        0,
    );
    let left = desk.json("owner.key", &format!("firm detach {firm} 1"));
    assert_eq!(left["documents"][0]["number"], 2);
    let form = fs::read_to_string(desk.path("application.toml")).unwrap();
    fs::write(
        desk.path("edit.toml"),
        form.replace("88.118.7\"", "88.118.8\""),
    )
    .unwrap();
    let edited = desk.json("owner.key", &format!("firm edit {firm} edit.toml"));
    assert_eq!(edited["wanted_prefix"], "88.118.8");
    desk.check("owner.key", &format!("firm submit {firm}"), 0);
    desk.check("owner.key", &format!("firm edit {firm} edit.toml"), 5);
    let rejected = desk.json(
        "system.key",
        &format!("firm reject {firm} --reason unreadable"),
    );
    assert_eq!(
        (&rejected["state"], &rejected["reason"]),
        (&"rejected".into(), &"unreadable".into())
    );
}
