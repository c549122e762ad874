//! `idnode audit` and `idnode verify` against a node.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{TestNode, wait_until};

/// Runs `idnode` towards `node`, with the key in a file unless it is empty.
async fn run(node: &TestNode, key: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let mut command = Command::new(env!("CARGO_BIN_EXE_idnode"));
    command
        .args(["--server", &format!("http://{}", node.http), "-o", "json"])
        .args(arguments)
        .env_remove("IDNODE_KEY")
        .env("XDG_STATE_HOME", folder.path())
        .env("HOME", folder.path());
    if !key.is_empty() {
        std::fs::write(&file, key).unwrap();
        command.arg("--key-file").arg(&file);
    }
    let running = tokio::task::spawn_blocking(move || command.output().unwrap());
    running.await.unwrap()
}

fn json(output: &Output) -> Value {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identifier_is_verified_by_anyone() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix("88.118.7").await;
    let url = "https://a.example/";
    for number in 0..5 {
        let identifier = format!("88.118.7/R.{number}");
        clients.create(&identifier, url).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let held = text(&folder.path().join("log.checkpoint"));
    let verify = ["verify", "88.118.7/r.2", "--checkpoint", &held];
    let verified = json(&run(&node, "", &verify).await);
    assert_eq!(verified["identifier"], "88.118.7/R.2");
    assert_eq!(
        (&verified["position"], &verified["size"]),
        (&7.into(), &9.into())
    );
    assert_eq!(verified["proven_values"], Value::from(vec![1]));
    // The checkpoint is kept, and what comes later continues it.
    clients.create("88.118.7/LATER", url).await.unwrap();
    let verified = json(&run(&node, "", &verify).await);
    assert_eq!(verified["size"], 10);
    let online = ["audit", "verify", "--checkpoint", &held];
    assert_eq!(json(&run(&node, "", &online).await)["size"], 10);
    let absent = run(&node, "", &["verify", "88.118.7/ABSENT"]).await;
    assert_eq!(absent.status.code(), Some(3));
    let foreign = idnode::merkle::Signer::new("node.example/log", &[8; 32]).unwrap();
    let foreign = foreign.verifier().to_string();
    let verify = ["verify", "88.118.7/R.2", "--log-key", &foreign];
    let refused = run(&node, "", &verify).await;
    assert_eq!(refused.status.code(), Some(1));
    // Another node is another log.
    let other = TestNode::start().await;
    let refused = run(&other, "", &online).await;
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("not signed with this key"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_auditor_lists_exports_and_verifies() {
    let node = TestNode::start().await;
    node.clients().home_prefix("88.118.7").await;
    let refused = node.anonymous().create("88.118.7/a", "x").await;
    assert!(refused.is_err());
    let listed = async || {
        let list = ["audit", "list", "--refused"];
        json(&run(&node, &node.auditor_key, &list).await)
    };
    let is_told = async || listed().await["entries"][0].is_object();
    wait_until("the attempt told", is_told).await;
    let entry = &listed().await["entries"][0];
    assert_eq!(entry["action"], "create-record");
    assert_eq!(entry["refused_reason"], "KEY_REQUIRED");
    assert_eq!(entry["subject"], "88.118.7/a");
    let folder = tempfile::tempdir().unwrap();
    let export = text(&folder.path().join("audit.ndjson"));
    let held = text(&folder.path().join("held"));
    let arguments = ["audit", "export", "--output", &export];
    let exported = json(&run(&node, &node.auditor_key, &arguments).await);
    assert_eq!(exported["entry_count"], 5);
    let denied = run(&node, &node.key, &arguments).await;
    assert_eq!(denied.status.code(), Some(4));
    let checkpoint = ["audit", "checkpoint", "--output", &held];
    let checkpoint = json(&run(&node, "", &checkpoint).await);
    let log_key = checkpoint["log_key"].as_str().unwrap();
    let verify = ["audit", "verify", &export, "--log-key", log_key];
    let verified = json(&run(&node, "", &verify).await);
    assert_eq!(
        (&verified["size"], &verified["refused_count"]),
        (&5.into(), &1.into())
    );
    // The attempt at the export came later than the export.
    let verify = ["audit", "verify", &export, "--checkpoint", &held];
    let judged = run(&node, "", &verify).await;
    let told = String::from_utf8_lossy(&judged.stderr);
    assert!(
        judged.status.success() || told.contains("it was set back"),
        "{told}"
    );
    let denied = run(&node, &node.key, &["audit", "list"]).await;
    assert_eq!(denied.status.code(), Some(4));
}
