//! The command line, as a process: what it prints where, and how it ends.

use std::io::Write;
use std::process::{Command, Output, Stdio};

/// Runs `idnode` with `arguments`, in an environment of its own.
fn idnode(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_idnode"))
        .args(arguments)
        .env_clear()
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn check(arguments: &[&str], exit: i32, stdout: &str, stderr: &str) {
    let output = idnode(arguments, &[]);
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(exit),
        "{arguments:?}: {out}{err}"
    );
    assert!(out.contains(stdout), "{arguments:?} prints {out}");
    assert!(err.contains(stderr), "{arguments:?} says {err}");
}

/// An address where nothing listens.
const NOBODY: &str = "http://127.0.0.1:9";

#[test]
fn help_leads_with_examples_and_ends_with_exit_codes() {
    let output = idnode(&["--help"], &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    assert!(text.starts_with("Examples:"), "{text}");
    assert!(text.contains("7  partly done"), "{text}");
}

#[test]
fn tells_wrong_usage_with_what_was_meant() {
    check(&["resolv", "88.118.7/a"], 2, "", "'resolve'");
    check(&["resolve", "--typ", "URL", "x"], 2, "", "'--type'");
    check(&["resolve"], 2, "", "<IDENTIFIER>");
    check(
        &["put", "88.118.7/a", "--value", "URL=x"],
        2,
        "",
        "INDEX:TYPE=DATA",
    );
    check(&["status", "--timeout", "5d"], 2, "", "unknown unit");
    check(&["status", "--server", "nonsense"], 2, "", "must be a URL");
    check(
        &["status", "--key-file", "/nowhere"],
        2,
        "",
        "cannot read the key file /nowhere",
    );
    check(&["backup", "restore", "a"], 2, "", "add --yes");
    check(&["import", "/nowhere.csv"], 2, "", "/nowhere.csv");
}

#[test]
fn refuses_identifiers_before_any_node_is_asked() {
    check(&["get", "88.118.7"], 2, "", "[IDENTIFIER_SYNTAX]");
    check(&["resolve", "88.118.x"], 2, "", "[NATIONAL_PREFIX_SYNTAX]");
    check(&["list", "88.118.x"], 2, "", "[NATIONAL_PREFIX_SYNTAX]");
    check(
        &["put", "88.118.7/a", "--value", "1:A=x", "--value", "1:B=y"],
        2,
        "",
        "[INDEX_DUPLICATE]",
    );
}

#[test]
fn tells_that_no_node_answers_and_what_to_do() {
    check(
        &["resolve", "88.118.7/a", "--server", NOBODY],
        6,
        "",
        "idnode dev",
    );
    check(&["health", "--server", NOBODY], 6, "", "no node answers");
    let output = idnode(&["status", "-o", "json", "--server", NOBODY], &[]);
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).expect("JSON");
    assert_eq!(error["error"]["exit_code"], 6);
    assert!(output.stdout.is_empty());
}

#[test]
fn explains_reasons_in_both_languages() {
    check(&["errors", "lookup", "stale_etag"], 0, "已过期", "");
    check(
        &["errors", "lookup", "STALE_ETGA"],
        3,
        "",
        "did you mean STALE_ETAG?",
    );
    let output = idnode(&["errors", "list", "-o", "json"], &[]);
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let reasons = list["reasons"].as_array().expect("a list");
    assert_eq!(reasons.len(), idnode::model::Reason::ALL.len());
    let output = idnode(&["get", "88.118.7"], &[("LANG", "zh_CN.UTF-8")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.starts_with("错误：") && text.contains("格式"),
        "{text}"
    );
}

#[test]
fn checks_and_shows_configurations() {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    file.write_all(b"[dns]\nzonse = []\n").expect("write");
    let path = file.path().to_str().expect("text");
    check(
        &["config", "check", path],
        2,
        "",
        ":2:1: dns.zonse: unknown key; did you mean zones?",
    );
    check(
        &["config", "check", "/nowhere.toml"],
        2,
        "",
        "/nowhere.toml",
    );
    check(
        &["config", "show", "--origin", "--set", "dns.udp_threads=3"],
        0,
        "udp_threads = 3  # flag --set dns.udp_threads",
        "",
    );
    let output = idnode(&["config", "default"], &[]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        idnode::config::DEFAULT_FILE
    );
    let output = idnode(&["config", "show", "--effective"], &[]);
    let text = String::from_utf8_lossy(&output.stdout);
    let shown: idnode::config::Config = toml::from_str(&text).expect("TOML");
    assert_eq!(shown, idnode::config::Config::default());
}

#[test]
fn prints_completions() {
    for shell in ["bash", "zsh", "fish"] {
        check(&["completions", shell], 0, "idnode", "");
    }
}
