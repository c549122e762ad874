//! Proof that every rule can fail, and does so only for what it is about.

use std::collections::BTreeSet;

use super::rules::{FILE_LINES_MAX, RULES, Rule};
use super::source::Source;

/// For each rule files that break it, each by itself.
const BROKEN: &[(&str, &str, &str)] = &[
    ("arrows", "src/model/x.rs", "use crate::store::Store;"),
    (
        "arrows",
        "src/store/x.rs",
        "fn f() -> crate::registry::Command {}",
    ),
    (
        "arrows",
        "src/face/dns/x.rs",
        "use crate::face::grpc::Config;",
    ),
    ("arrows", "src/face/dns/x.rs", "use crate::wire::proto::v1;"),
    (
        "arrows",
        "src/face/dns/x.rs",
        "use crate::wire::{dns, proto};",
    ),
    (
        "arrows",
        "src/face/grpc/mod.rs",
        "use crate::store::Snapshot;",
    ),
    ("arrows", "src/wire/dns/x.rs", "use crate::wire::proto;"),
    ("arrows", "src/main.rs", "use idnode::server::Server;"),
    ("arrows", "src/surprise.rs", ""),
    (
        "grouped imports",
        "src/cli/x.rs",
        "use crate::{model, wire};",
    ),
    (
        "grouped imports",
        "tests/it/x.rs",
        "use idnode::{model, wire};",
    ),
    (
        "ways around the arrows",
        "src/face/dns/a/b.rs",
        "use super::super::super::grpc;",
    ),
    (
        "ways around the arrows",
        "src/face/dns/mod.rs",
        "use super::grpc;",
    ),
    (
        "ways around the arrows",
        "src/store/mod.rs",
        "use super::registry::decide;",
    ),
    (
        "crates in their place",
        "src/resolve/x.rs",
        "use rocksdb::DB;",
    ),
    (
        "crates in their place",
        "src/node.rs",
        "fn f() -> Result<(), tonic::Status> {}",
    ),
    (
        "crates in their place",
        "src/face/dns/x.rs",
        "use axum::Router;",
    ),
    (
        "crates in their place",
        "src/store/x.rs",
        "use anyhow::Context;",
    ),
    ("pure modules", "src/model/x.rs", "pub async fn f() {}"),
    (
        "pure modules",
        "src/wire/dns/x.rs",
        "use tokio::io::AsyncRead;",
    ),
    (
        "pure modules",
        "src/demo/x.rs",
        "static M: Mutex<u8> = Mutex::new(0);",
    ),
    (
        "clock and chance",
        "src/access/x.rs",
        "use aws_lc_rs::rand::fill;",
    ),
    (
        "clock and chance",
        "src/store/x.rs",
        "let t = std::time::Instant::now();",
    ),
    (
        "clock and chance",
        "src/node.rs",
        "use std::time::{Duration, SystemTime};",
    ),
    ("file doc", "src/model/x.rs", "\u{0}"),
    (
        "undone work",
        "src/model/x.rs",
        concat!("// TO", "DO: later"),
    ),
    ("undone work", "tests/it/x.rs", concat!("// FIX", "ME")),
    (
        "test attributes",
        "tests/it/x.rs",
        "#[test]\n#[ignore = \"slow\"]",
    ),
    (
        "test attributes",
        "src/model/x.rs",
        "#[should_panic(expected = \"x\")]",
    ),
    (
        "exceptions to lints",
        "src/model/x.rs",
        "#[allow(dead_code)]",
    ),
    (
        "exceptions to lints",
        "src/lib.rs",
        "#![allow(unsafe_code)]",
    ),
];

/// What looks like a broken rule and is none.
const SOUND: &[(&str, &str)] = &[
    (
        "src/store/x.rs",
        "use crate::model::Key;\nuse crate::store::codec::v1;",
    ),
    (
        "src/store/x.rs",
        "/// See [`decide`](crate::registry::decide).\nfn f() {}",
    ),
    (
        "src/face/dns/x.rs",
        "use crate::wire::dns::Message;\nuse super::Config;",
    ),
    (
        "src/face/dns/mod.rs",
        "pub mod config;\n#[cfg(test)]\nmod tests {\n    use super::*;\n}",
    ),
    (
        "src/server.rs",
        "use crate::face::grpc;\nuse std::time::SystemTime;",
    ),
    (
        "src/model/x.rs",
        "let text = \"tokio::spawn and rocksdb::DB\";",
    ),
    (
        "src/face/http/x.rs",
        "use axum::Router;\nuse std::time::Duration;",
    ),
    ("src/net/http.rs", "use axum::Router;"),
    ("src/net/tcp.rs", "use tokio::time::Instant;"),
    (
        "src/main.rs",
        "fn main() -> ExitCode { idnode::cli::run() }",
    ),
    (
        "tests/it/x.rs",
        "use idnode::store::Store;\nuse tonic::Code;",
    ),
];

/// The file at `path` with a file doc above `body`, unless that is a NUL.
fn file(path: &str, body: &str) -> Source {
    let doc = if body == "\u{0}" {
        ""
    } else {
        "//! What it is.\n"
    };
    Source::new(path, &format!("{doc}{body}\n"))
}

#[test]
fn every_rule_can_fail() {
    let broken_by = |source: &Source| {
        let fails = |(name, rule): &Rule| (!rule(source).is_empty()).then_some(*name);
        RULES.iter().filter_map(fails).collect::<BTreeSet<_>>()
    };
    let mut tried = BTreeSet::new();
    for (rule, path, body) in BROKEN {
        assert_eq!(
            broken_by(&file(path, body)),
            BTreeSet::from([*rule]),
            "{path}: {body}"
        );
        tried.insert(*rule);
    }
    let long = "\n".repeat(FILE_LINES_MAX);
    assert_eq!(
        broken_by(&file("src/model/x.rs", &long)),
        BTreeSet::from(["length"])
    );
    tried.insert("length");
    assert_eq!(tried, RULES.iter().map(|(name, _)| *name).collect());

    for (path, body) in SOUND {
        assert_eq!(
            broken_by(&file(path, body)),
            BTreeSet::new(),
            "{path}: {body}"
        );
    }
    let tested = format!(
        "#[cfg(test)]\nmod tests {{{}}}",
        "\n".repeat(FILE_LINES_MAX)
    );
    assert_eq!(broken_by(&file("src/model/x.rs", &tested)), BTreeSet::new());
}
