//! One link: stated, judged, withdrawn, listed; what wants looking after.

use super::Served;

#[tokio::test]
async fn states_a_link_and_leads_it_through_its_life() {
    let node = Served::start().await;
    let name = "88.118.8/BOX contains 88.118.7/P";
    let state = format!("link state {name} --quantity 2.5 --unit kg --batch B1 --from 2025-01-08");
    let link = node.json(&format!("{state} --evidence a --evidence b"), 0);
    assert_eq!(link["source"], "88.118.8/BOX");
    assert_eq!(
        (&link["quantity"], &link["unit"]),
        (&"2.5".into(), &"kg".into())
    );
    assert_eq!(link["valid_from"], "2025-01-08T00:00:00Z");
    assert_eq!(link["evidence"], serde_json::json!(["a", "b"]));
    assert_eq!(
        (&link["visibility"], &link["behind"]),
        (&"ends".into(), &"more".into())
    );
    assert_eq!(link["state"], "stated");
    assert_eq!(link["dangling"], serde_json::json!(["source", "target"]));
    node.check(&state, 5, "", "[LINK_EXISTS]");
    node.check(&format!("{state} --on-conflict update"), 0, "2.5 kg", "");
    let etag = node.json(&format!("link get {name}"), 0)["etag"].clone();
    let etag = etag.as_str().unwrap();
    let seen = format!("link state {name} --reader-firm oujiang --etag {etag}");
    let dry = node.check(
        &format!("{seen} --dry-run"),
        0,
        "readers: firm:oujiang",
        "nothing was",
    );
    assert!(!dry.contains("quantity"), "{dry}");
    node.check(&seen, 0, "readers: firm:oujiang", "");
    node.check(&seen, 5, "", "[STALE_ETAG]");
    node.check(
        &format!("link confirm {name} --request-id r-1"),
        0,
        "confirmed",
        "",
    );
    node.check(
        &format!("link dispute {name} --reason never"),
        0,
        "disputed",
        "",
    );
    let shown = node.check(&format!("link get {name}"), 0, "never", "");
    assert!(shown.contains("not registered  source, target"), "{shown}");
    node.check(
        &format!("link withdraw {name} --reason twice"),
        0,
        "withdrawn",
        "",
    );
    node.check(
        &format!("link confirm {name}"),
        5,
        "",
        "[LINK_STATE_CONFLICT]",
    );
    let listed = |options| node.json(&format!("link list 88.118.7/P{options}"), 0)["links"].clone();
    assert_eq!(listed(""), serde_json::json!([]));
    assert_eq!(listed(" --withdrawn --down")[0]["note"], "twice");
    assert_eq!(listed(" --withdrawn --up"), serde_json::json!([]));
}

#[tokio::test]
async fn refuses_what_no_link_can_be_before_the_node_is_asked() {
    let node = Served::start().await;
    for (line, exit, stderr) in [
        (
            "link get x contains 88.118.7/P",
            2,
            "(source) [IDENTIFIER_SYNTAX]",
        ),
        (
            "link get 88.118.7/P holds 88.118.7/Q",
            2,
            "(kind) [FIELD_INVALID]",
        ),
        (
            "link state 88.118.7/P contains 88.118.7/Q --quantity 0",
            2,
            "(quantity)",
        ),
        (
            "link state 88.118.7/P contains 88.118.7/Q --from soon",
            2,
            "(valid_from)",
        ),
        (
            "link state 88.118.7/P contains 88.118.7/Q --unit kg",
            2,
            "--quantity",
        ),
        (
            "link state 88.118.7/P contains 88.118.7/Q --visibility readers",
            2,
            "(readers)",
        ),
        (
            "link state 88.118.7/P contains 88.118.7/P",
            2,
            "[LINK_TO_ITSELF]",
        ),
        ("link dispute 88.118.7/P contains 88.118.7/Q", 2, "--reason"),
        (
            "link get 88.118.7/P contains 88.118.7/Q",
            3,
            "idnode link list",
        ),
        ("trace 88.118.7/P", 2, "--up|--down"),
        ("trace 88.118.7/P --up --down", 2, "cannot be used"),
        (
            "trace 88.118.7/P --up --kinds contains,holds",
            2,
            "[FIELD_INVALID]",
        ),
        ("trace 88.118.7/P --up --as-of soon", 2, "(as_of)"),
        (
            "trace 88.118.7/P --up --to 88.118.7/Q --group-by firm",
            2,
            "cannot be used",
        ),
        ("trace 88.118.7/P --up -o xml", 2, "dot"),
        ("link list 88.118.7/P -o csv", 2, "json"),
    ] {
        node.check(line, exit, "", stderr);
    }
}

#[tokio::test]
async fn lists_inspects_and_checks() {
    let node = Served::start().await;
    node.chain();
    let listed = node.check("link list 88.118.8/BOX", 0, "", "");
    let expected = "\
\x20SOURCE        KIND       TARGET        QUANTITY  STATE   OWNER  NOT REGISTERED
 88.118.8/BOX  contains   88.118.8/B-1            stated
 88.118.8/BOX  packed_in  88.118.8/PLT            stated         target
";
    assert_eq!(listed, expected);
    let up = node.json("link list 88.118.8/BOX --up", 0);
    assert_eq!(up["links"].as_array().unwrap().len(), 1, "{up}");
    let limited = node.check("link list 88.118.7/CT-1 --limit 2", 0, "", "more than 2");
    assert_eq!(limited.lines().count(), 3, "{limited}");
    let found = node.json("link inspect 88.118.8", 0);
    let dangling = found["findings"].as_array().unwrap().iter();
    let mut dangling = dangling.filter(|finding| finding["matter"] == "dangling");
    let first = dangling.next().unwrap();
    assert_eq!(first["link"]["target"], "88.118.8/PLT");
    assert_eq!(first["link"]["dangling"], serde_json::json!(["target"]));
    node.check("link inspect 88.118.8", 0, "target not registered", "");
    let checked = node.json("link check", 0);
    assert_eq!(
        (&checked["link_count"], &checked["fault"]),
        (&9.into(), &"".into())
    );
}
