//! The command line of links and traces, through the binary against a node.

mod dev;
mod import;
mod keep;
mod trace;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::support::TestNode;

/// A node, and a folder for keys and files.
struct Served {
    folder: tempfile::TempDir,
    node: TestNode,
}

impl Served {
    /// A node with the prefixes 88.118.7 and 88.118.8.
    async fn start() -> Self {
        let node = TestNode::start().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("operator.key"), &node.key).unwrap();
        let served = Self { folder, node };
        for prefix in ["88.118.7", "88.118.8"] {
            let create = format!("prefix create {prefix} --firm F{prefix} --home");
            served.check(&create, 0, "active", "");
        }
        served
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn server(&self) -> String {
        format!("http://{}", self.node.http)
    }

    /// Runs `line`, its words parted by spaces, as a system administrator.
    fn run(&self, line: &str) -> Output {
        self.command(line)
            .env("IDNODE_KEY_FILE", self.path("operator.key"))
            .output()
            .unwrap()
    }

    /// Runs `line` without a key, in a locale with more than ASCII.
    fn run_as_anyone(&self, line: &str) -> Output {
        let command = &mut self.command(line);
        command.env("LANG", "C.UTF-8").output().unwrap()
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_idnode"));
        command
            .args(line.split(' '))
            .args(["--server", &self.server()])
            .env_clear()
            .env("IDNODE_DATA", self.path("nowhere"))
            .stdin(Stdio::null());
        command
    }

    /// Checks how `line` ends, and that it prints and says these parts.
    fn check(&self, line: &str, exit: i32, stdout: &str, stderr: &str) -> String {
        let output = self.run(line);
        let (out, err) = texts(&output);
        let shown = format!("{line}: {:?}\n{out}\n{err}", output.status.code());
        assert_eq!(output.status.code(), Some(exit), "{shown}");
        assert!(out.contains(stdout), "{shown}");
        assert!(err.contains(stderr), "{shown}");
        out
    }

    fn json(&self, line: &str, exit: i32) -> serde_json::Value {
        let out = self.check(&format!("{line} -o json"), exit, "", "");
        serde_json::from_str(&out).unwrap()
    }

    /// Registers a small chain and states its links:
    ///
    /// ```text
    /// 7/LOT <- 7/CT-1 <- 8/B-1, 8/B-2, 8/B-3 <- 8/BOX -> 8/PLT (not registered)
    ///       <- 7/CT-2   for its ends only; more behind it
    /// 8/B-2 <- 8/X      for its ends only; others see what is behind it, 8/Y
    /// ```
    fn chain(&self) {
        for name in ["LOT", "CT-1", "CT-2"] {
            self.check(&format!("put 88.118.7/{name} --value 1:A=x"), 0, "", "");
        }
        for name in ["B-1", "B-2", "B-3", "BOX", "X", "Y"] {
            self.check(&format!("put 88.118.8/{name} --value 1:A=x"), 0, "", "");
        }
        for link in [
            "88.118.7/CT-1 made_from 88.118.7/LOT --visibility public --quantity 2.5 --unit kg",
            "88.118.7/CT-2 made_from 88.118.7/LOT",
            "88.118.8/B-1 contains 88.118.7/CT-1 --visibility public",
            "88.118.8/B-2 contains 88.118.7/CT-1 --visibility public",
            "88.118.8/B-3 contains 88.118.7/CT-1 --visibility public",
            "88.118.8/BOX contains 88.118.8/B-1 --visibility public",
            "88.118.8/BOX packed_in 88.118.8/PLT --visibility public --from 2025-02-01",
            "88.118.8/X contains 88.118.8/B-2 --behind through",
            "88.118.8/Y contains 88.118.8/X --visibility public",
        ] {
            self.check(&format!("link state {link}"), 0, "stated", "");
        }
        self.check(
            "link confirm 88.118.8/B-1 contains 88.118.7/CT-1",
            0,
            "confirmed",
            "",
        );
    }
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
