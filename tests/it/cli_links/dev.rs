//! The story that `idnode dev` tells, as its banner has it; and the files of
//! `idnode demo generate`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use super::{Served, text, texts};

/// A running `idnode dev`. Killed when dropped.
struct Dev {
    child: Child,
    banner: String,
}

impl Dev {
    /// Starts it and reads what it prints until the story is told.
    fn start(data: &std::path::Path) -> Self {
        let listen = ["http", "dns", "handle"].map(|face| format!("{face}.listen=127.0.0.1:0"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_idnode"))
            .args(["dev", "--data", text(data)])
            .args(listen.iter().flat_map(|setting| ["--set", setting]))
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut banner = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            banner.push_str(&line);
            banner.push('\n');
            if line.contains("--key-file") {
                break;
            }
        }
        Self { child, banner }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn idnode(line: &str, data: &std::path::Path) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_idnode"))
        .args(line.split(' ').filter(|word| !word.is_empty()).skip(1))
        .env_clear()
        .env("IDNODE_DATA", data)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{line}: {out}{err}");
    (out, err)
}

#[test]
fn the_demo_tells_a_story_that_is_so() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let dev = Dev::start(&data);
    let lines = dev.banner.lines().map(str::trim);
    let traces: Vec<&str> = lines
        .filter(|line| line.starts_with("idnode trace"))
        .collect();
    let [down, group, path] = traces.as_slice() else {
        panic!("three commands: {}", dev.banner);
    };
    let (tree, _) = idnode(down, &data);
    assert!(tree.contains("63 identifiers in 5 hops"), "{tree}");
    let (groups, _) = idnode(group, &data);
    assert!(groups.contains("断路器"), "{groups}");
    let (way, _) = idnode(path, &data);
    assert!(way.contains("/PLT."), "{way}");
    // One firm sees what is its own, what is public, and that there is more.
    let (_, key) = dev.banner.split_once("--key-file ").unwrap();
    let own = format!("{down} --key-file {}", key.trim());
    let (own, _) = idnode(&own, &data);
    assert!(own.contains("(hidden)"), "{own}");
    let at = down.split("--server").nth(1).unwrap();
    let (found, _) = idnode(
        &format!("idnode link inspect 88.118.2010 --server{at}"),
        &data,
    );
    assert!(found.contains("dangling"), "{found}");
    let (found, _) = idnode(
        &format!("idnode link inspect 88.118.2006 --server{at}"),
        &data,
    );
    assert!(
        found.contains("contradictory") && found.contains("disputed"),
        "{found}"
    );
}

#[tokio::test]
async fn generated_links_can_be_imported() {
    let node = Served::start().await;
    let [records, prefixes] = ["r.ndjson", "p.csv"].map(|name| node.path(name));
    for (name, count) in [("l.csv", 658), ("l.ndjson", 658)] {
        let links = node.path(name);
        let generate = format!(
            "demo generate --identifiers 10 --output {} --prefixes {} --links {}",
            text(&records),
            text(&prefixes),
            text(&links),
        );
        node.check(&generate, 0, "", "203 records under 22 prefixes");
        if name == "l.csv" {
            for row in std::fs::read_to_string(&prefixes).unwrap().lines().skip(1) {
                let (prefix, firm) = row.split_once(',').unwrap();
                let create = format!("prefix create {prefix} --firm {firm} --home");
                let output = node.run(&create);
                let known = ["88.118.7", "88.118.8"].contains(&prefix);
                assert!(output.status.success() || known, "{create}");
            }
            node.json(&format!("import {}", text(&records)), 0);
        }
        let import = format!("link import {} --on-conflict update", text(&links));
        let taken = node.json(&import, 0);
        let counted = taken["created_count"].as_u64().unwrap();
        let counted = counted + taken["unchanged_count"].as_u64().unwrap();
        assert_eq!(counted, count, "{name}: {taken}");
    }
}
