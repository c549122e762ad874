//! `idnode trace`: each form of the answer, exactly.

use std::io::Read;
use std::process::Stdio;

use super::{Served, texts};

const TREE: &str = "\
88.118.7/LOT
|-- 88.118.7/CT-1  made_from, stated
|   |-- 88.118.8/B-1  contains, confirmed
|   |   `-- 88.118.8/BOX  contains, stated
|   |       `-- 88.118.8/PLT  packed_in, stated
|   |-- 88.118.8/B-2  contains, stated
|   |   `-- 88.118.8/X  contains, stated
|   |       `-- 88.118.8/Y  contains, stated
|   `-- 88.118.8/B-3  contains, stated
`-- 88.118.7/CT-2  made_from, stated

9 identifiers in 4 hops
";

const HIDDEN: &str = "\
88.118.7/LOT  (more, not visible to you)
└── 88.118.7/CT-1  made_from, stated
    ├── 88.118.8/B-1  contains, confirmed
    │   └── 88.118.8/BOX  contains, stated
    │       └── 88.118.8/PLT  packed_in, stated
    ├── 88.118.8/B-2  contains, stated
    │   └── (hidden)
    │       └── 88.118.8/Y  contains, stated
    └── 88.118.8/B-3  contains, stated

7 identifiers in 4 hops
1 hop not visible to you
more behind 1 identifier, not visible to you
";

const CSV: &str = "\
\u{feff}identifier,prefix,depth,kind,state,parent,more,owner,number,again
88.118.7/LOT,88.118.7,0,,,,more,,0,
88.118.7/CT-1,88.118.7,1,made_from,stated,88.118.7/LOT,,,1,
88.118.8/B-1,88.118.8,2,contains,confirmed,88.118.7/CT-1,,,2,
88.118.8/B-2,88.118.8,2,contains,stated,88.118.7/CT-1,,,3,
88.118.8/B-3,88.118.8,2,contains,stated,88.118.7/CT-1,,,4,
88.118.8/BOX,88.118.8,3,contains,stated,88.118.8/B-1,,,5,
(hidden),,3,,,88.118.8/B-2,,,6,
88.118.8/PLT,88.118.8,4,packed_in,stated,88.118.8/BOX,,,7,
88.118.8/Y,88.118.8,4,contains,stated,(hidden),,,8,
";

const DOT: &str = "\
digraph trace {
  rankdir=LR;
  node [shape=box];
  n0 [label=\"88.118.8/BOX\"];
  n1 [label=\"88.118.8/B-1\"];
  n1 -> n0 [label=\"contains, stated\"];
  n2 [label=\"88.118.7/CT-1\"];
  n2 -> n1 [label=\"contains, confirmed\"];
  n3 [label=\"88.118.7/LOT\"];
  n3 -> n2 [label=\"made_from, stated\"];
}
";

#[tokio::test]
async fn shows_a_trace_in_every_form() {
    let node = Served::start().await;
    node.chain();
    let down = "trace 88.118.7/LOT --down";
    assert_eq!(node.check(down, 0, "", ""), TREE);
    let (out, err) = texts(&node.run_as_anyone(down));
    assert_eq!((out.as_str(), err.as_str()), (HIDDEN, ""));
    let (out, err) = texts(&node.run_as_anyone(&format!("{down} -o csv")));
    assert_eq!(out, CSV);
    assert!(err.contains("more behind 1 identifier"), "{err}");
    let dot = node.check("trace 88.118.8/BOX --up -o dot", 0, "", "3 identifiers");
    assert_eq!(dot, DOT);
    let table = node.check(
        &format!("{down} --depth 1 -o table"),
        0,
        "",
        "cut at depth 1",
    );
    let expected = "\
\x20DEPTH  IDENTIFIER     KIND       STATE   PARENT        NOTE
 0      88.118.7/LOT
 1      88.118.7/CT-1  made_from  stated  88.118.7/LOT
 1      88.118.7/CT-2  made_from  stated  88.118.7/LOT
";
    assert_eq!(table, expected);
}

#[tokio::test]
async fn all_links_are_shown_where_they_are_asked_for() {
    let node = Served::start().await;
    node.chain();
    node.check("link state 88.118.8/BOX made_from 88.118.7/CT-1", 0, "", "");
    let up = "trace 88.118.8/BOX --up --all-links";
    let tree = node.check(up, 0, "", "");
    let expected = "\
88.118.8/BOX
|-- 88.118.7/CT-1  made_from, stated
|   `-- 88.118.7/LOT  made_from, stated
`-- 88.118.8/B-1  contains, stated
    `-- 88.118.7/CT-1  contains, confirmed  (again)

3 identifiers in 2 hops
1 more link between them
";
    assert_eq!(tree, expected);
    let dot = node.check(&format!("{up} -o dot"), 0, "", "1 more link");
    assert_eq!(dot.matches("[label=\"88.118.7/CT-1\"]").count(), 1, "{dot}");
    let arrow = "  n1 -> n2 [label=\"contains, confirmed\"];\n";
    assert!(dot.contains(arrow), "{dot}");
    let csv = node.check(&format!("{up} -o csv"), 0, "", "");
    let row = "88.118.7/CT-1,88.118.7,2,contains,confirmed,88.118.8/B-1,,,4,again\n";
    assert!(csv.contains(row), "{csv}");
    let table = node.check(&format!("{up} -o table"), 0, "", "");
    assert!(
        table.ends_with("confirmed  88.118.8/B-1   again\n"),
        "{table}"
    );
    let whole = node.json(up, 0);
    let again: Vec<_> = (0..5)
        .map(|at| whole["rows"][at]["again"].clone())
        .collect();
    assert_eq!(
        serde_json::json!([null, null, null, null, true]),
        serde_json::json!(again)
    );
    let grouped = format!("{up} --group-by firm");
    node.check(&grouped, 2, "", "cannot be used with");
}

#[tokio::test]
async fn programs_get_a_trace_as_json() {
    let node = Served::start().await;
    node.chain();
    let down = "trace 88.118.7/LOT --down";
    let (out, _) = texts(&node.run_as_anyone(&format!("{down} -o ndjson")));
    let rows = out.lines().map(|line| serde_json::from_str(line).unwrap());
    let rows: Vec<serde_json::Value> = rows.collect();
    assert_eq!(rows.len(), 9);
    let hidden = serde_json::json!({
        "number": 6, "identifier": null, "prefix": null, "depth": 3, "kind": null,
        "state": null, "owner": null, "parent_number": 3, "parent": "88.118.8/B-2",
        "more": false,
    });
    assert_eq!(rows[6], hidden);
    assert_eq!(rows[8]["parent"], serde_json::Value::Null);
    let whole = node.json(&format!("{down} --max-rows 3"), 0);
    assert_eq!(whole["rows"].as_array().unwrap().len(), 3);
    assert_eq!(whole["summary"]["truncated"], "rows");
    let kinds = node.json(&format!("{down} --kinds made_from"), 0);
    assert_eq!(kinds["summary"]["row_count"], 3);
    // The box is packed in February only.
    let early = node.json(&format!("{down} --until 2025-02-01"), 0);
    assert_eq!(early["summary"]["row_count"], 9);
    let never = node.json(&format!("{down} --as-of 2025-02-01"), 0);
    assert_eq!(never["summary"]["row_count"], 1);
    let unknown = node.check("trace 88.118.7/NONE --up", 0, "88.118.7/NONE", "");
    assert!(unknown.contains("nothing found"), "{unknown}");
}

#[tokio::test]
async fn folds_groups_finds_paths_and_compares() {
    let node = Served::start().await;
    node.chain();
    let folded = node.check("trace 88.118.7/CT-1 --down --fold 1 --depth 1", 0, "", "");
    assert!(folded.contains("`-- ... and 2 more\n"), "{folded}");
    let down = "trace 88.118.7/LOT --down";
    let groups = node.check(&format!("{down} --group-by firm"), 0, "", "");
    let expected = "\
\x20PREFIX    FIRM       COUNT  DEPTH
 88.118.8  F88.118.8  7      2
 88.118.7  F88.118.7  3      0
";
    assert_eq!(groups, expected);
    let packages = node.json(&format!("{down} --group-by package"), 0);
    assert_eq!(packages["groups"][0]["key"], "88.118.8/PLT");
    assert_eq!(packages["groups"][0]["count"], 1);
    let csv = node.check(&format!("{down} --group-by firm -o csv"), 0, "", "");
    assert!(
        csv.starts_with("\u{feff}prefix,firm,count,depth\n88.118.8,"),
        "{csv}"
    );
    let path = node.check(&format!("{down} --to 88.118.8/BOX"), 0, "", "");
    let expected = "\
88.118.7/LOT
`-- 88.118.7/CT-1  made_from, stated
    `-- 88.118.8/B-1  contains, confirmed
        `-- 88.118.8/BOX  contains, stated
";
    assert_eq!(path, expected);
    let rows = node.check(&format!("{down} --to 88.118.7/CT-1 -o csv"), 0, "", "");
    let expected = "\u{feff}path,hop,identifier,kind,state\n1,0,88.118.7/LOT,,\n\
                    1,1,88.118.7/CT-1,made_from,stated\n";
    assert_eq!(rows, expected);
    node.check(
        "trace 88.118.7/CT-2 --down --to 88.118.8/BOX",
        3,
        "",
        "no path",
    );
    let graph = node.check(&format!("{down} --to 88.118.7/CT-1 -o dot"), 0, "", "");
    assert!(graph.contains("\n  p1n0 -> p1n1 [label="), "{graph}");
    let compare = "trace 88.118.8/B-1 --up --compare 88.118.8/BOX";
    let said = "0 only in the first trace, 1 only in the second";
    let differs = node.check(compare, 0, "", said);
    let expected = "\
\x20IDENTIFIER    ONLY IN
 88.118.8/BOX  second
";
    assert_eq!(differs, expected);
    let then = format!("{down} --compare-as-of 2025-02-01");
    let differs = node.json(&then, 0);
    assert_eq!(differs["only_first_count"], 9, "{differs}");
    node.check(&format!("{then} -o dot"), 2, "", "there is no graph");
}

#[tokio::test]
async fn ends_quietly_when_nobody_reads_on() {
    let node = Served::start().await;
    node.chain();
    let mut command = node.command("trace 88.118.7/LOT --down -o ndjson");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    let mut stderr = child.stderr.take().unwrap();
    stderr.read_to_string(&mut err).unwrap();
    child.wait().unwrap();
    assert_eq!(err, "");
}
