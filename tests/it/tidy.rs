//! The architecture and the house rules as a test: reads the sources and fails
//! on what breaks them. Clippy's lints are not repeated here.
//!
//! A new arrow is a change to [`MAY_NAME`], with its reason in the commit.

mod examples;
mod rules;
mod source;

use std::path::Path;
use std::process::Command;

use rules::{Finding, RULES};
use source::Source;

/// Which modules of the crate a module may name. The longest row that fits
/// speaks for a file; naming a module includes what is below it.
const MAY_NAME: &[(&str, &str)] = &[
    // Pure: no I/O, no clock, no async. The children do not know each other.
    ("model", ""),
    ("wire", ""),
    ("wire::dns", ""),
    ("wire::handle", ""),
    ("wire::proto", ""),
    ("merkle", ""),
    // Machinery that knows no identifier.
    ("crypto", "model"),
    ("net", ""),
    ("telemetry", ""),
    // The core: from what is kept to what is done with it.
    ("store", "model merkle"),
    ("access", "model crypto store"),
    ("cluster", "model store"),
    ("registry", "model store access"),
    ("resolve", "model store"),
    ("trace", ""),
    (
        "node",
        "model merkle crypto store access cluster registry resolve trace",
    ),
    // The edge: a face knows its own wire and the node, never another face.
    ("face", ""),
    ("face::dns", "model wire::dns net node"),
    ("face::grpc", "model wire::proto net node"),
    ("face::handle", "model wire::handle crypto net node"),
    ("face::http", "model net node"),
    // Other nodes, asked as any client asks.
    ("peer", "model wire::proto net node"),
    // Data that looks like the real thing, and the load made of it.
    ("demo", "model"),
    ("bench", "model wire crypto net demo store"),
    // The top.
    (
        "config",
        "model net telemetry store access cluster registry resolve node face",
    ),
    (
        "server",
        "model merkle wire crypto net telemetry store access cluster registry resolve node face peer demo config",
    ),
    (
        "cli",
        "model merkle wire crypto net telemetry store demo bench config server",
    ),
    ("main", "cli"),
    ("lib", ""),
];

/// Which modules may name a crate. Crates that stand nowhere here are free.
const ONLY_IN: &[(&str, &str)] = &[
    ("rocksdb", "store"),
    ("md5", "crypto"),
    ("sm2", "crypto"),
    ("sm3", "crypto"),
    ("crypto_bigint", "crypto"),
    ("tonic", "wire::proto face::grpc peer cli bench"),
    ("tonic_prost", "wire::proto"),
    ("tonic_health", "face::grpc"),
    ("tonic_reflection", "face::grpc"),
    ("tonic_types", "face::grpc cli"),
    ("prost", "wire::proto face::grpc cli bench"),
    ("prost_types", "wire::proto face::grpc peer cli bench"),
    ("argon2", "crypto"),
    ("tokio_rustls", "net"),
    ("axum", "face::http face::grpc net::http server"),
    ("hyper", "net face::http face::grpc"),
    ("hyper_util", "net"),
    ("socket2", "net bench"),
    ("metrics_exporter_prometheus", "telemetry server"),
    ("tracing_subscriber", "telemetry config"),
    ("clap", "cli"),
    ("clap_complete", "cli"),
    ("anyhow", "cli"),
    ("comfy_table", "cli"),
    ("indicatif", "cli"),
    ("csv", "cli"),
    ("encoding_rs", "cli"),
    ("hdrhistogram", "bench"),
];

fn all_sources() -> Vec<Source> {
    ["src", "tests/it", "benches"]
        .into_iter()
        .flat_map(Source::all_below)
        .collect()
}

fn assert_none(findings: &[Finding]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn the_sources_keep_the_rules() {
    let sources = all_sources();
    assert!(sources.len() > 20, "found only {} files", sources.len());
    let broken = |source| RULES.iter().flat_map(move |(_, rule)| rule(source));
    assert_none(&sources.iter().flat_map(broken).collect::<Vec<_>>());
}

#[test]
fn every_file_belongs_to_a_module() {
    let sources = all_sources();
    let roots = [
        "src/lib.rs",
        "src/main.rs",
        "tests/it/main.rs",
        "benches/micro/main.rs",
    ];
    let dead = sources
        .iter()
        .filter(|source| !roots.contains(&source.path.as_str()))
        .filter(|source| !is_declared(source, &sources))
        .map(|source| format!("{}:1: no module declares this file", source.path))
        .collect::<Vec<_>>();
    assert_none(&dead);
}

/// Whether the file that `source` belongs below says `mod` and its name, or one
/// beside it names its path.
fn is_declared(source: &Source, sources: &[Source]) -> bool {
    let path = source.path.strip_suffix(".rs").unwrap();
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let (folder, name) = path.rsplit_once('/').unwrap();
    let parents = ["", "/mod", "/lib", "/main"].map(|file| format!("{folder}{file}.rs"));
    let line = format!("mod {name};");
    let at_path = format!("#[path = \"{name}.rs\"]");
    let is_beside = |other: &&Source| other.path.rsplit_once('/').unwrap().0 == folder;
    if sources
        .iter()
        .filter(is_beside)
        .any(|other| other.text.contains(&at_path))
    {
        return true;
    }
    sources
        .iter()
        .filter(|source| parents.contains(&source.path))
        .flat_map(|parent| parent.code.lines())
        .any(|found| found == line || found.ends_with(&format!(" {line}")))
}

#[test]
fn failing_seeds_are_committed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join(".git").exists() {
        return;
    }
    for what in [
        &["--others"][..],
        &["--others", "--ignored", "--exclude-standard"],
    ] {
        let output = Command::new("git")
            .arg("ls-files")
            .args(what)
            .arg("--")
            .arg(":(glob)**/proptest-regressions/**")
            .arg(":(glob)**/*.proptest-regressions")
            .current_dir(root)
            .output();
        // Where git is missing, nobody commits either.
        let Ok(output) = output else { return };
        let uncommitted = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(uncommitted, "", "commit these seeds with the fix");
    }
}
