//! `idnode link import`: what is taken, what is refused, and what goes on.

use super::{Served, text};

#[tokio::test]
async fn takes_links_and_tells_every_row_that_it_does_not() {
    let node = Served::start().await;
    let file = node.path("links.csv");
    let rows = "\
源标识,关系,目标标识,数量,单位,生效时间,可见性,可见方
88.118.8/BOX-1,contains,88.118.7/P-1,1,,2025-01-08,public,
88.118.8/BOX-1,contains,88.118.7/P-2,2.5,kg,,,firm:oujiang

88.118.8/BOX-1,holds,88.118.7/P-3,,,,,
88.118.8/BOX-1,contains,88.118.7/P-4,none,,,,
88.118.8/BOX-1,contains,88.118.8/box-1,,,,,
88.200.1/BOX-1,contains,88.200.1/P-1,,,,,
";
    let (gb, _, _) = encoding_rs::GB18030.encode(rows);
    std::fs::write(&file, gb).unwrap();
    let import = format!("link import {}", text(&file));
    let dry = node.json(&format!("{import} --dry-run"), 7);
    let counts = |value: &serde_json::Value| {
        ["link_count", "created_count", "refused_count"].map(|key| value[key].as_u64().unwrap())
    };
    assert_eq!(counts(&dry), [6, 2, 4], "{dry}");
    assert_eq!(
        node.json("link list 88.118.8/BOX-1", 0)["links"],
        serde_json::json!([])
    );
    let report = node.path("refused.csv");
    let taken = node.json(&format!("{import} --report {}", text(&report)), 7);
    assert_eq!(counts(&taken), [6, 2, 4], "{taken}");
    let refused = std::fs::read_to_string(&report).unwrap();
    for part in [
        "5,关系,holds,FIELD_INVALID",
        "6,数量,none,FIELD_INVALID",
        "7,target,88.118.8/BOX-1 contains 88.118.8/box-1,LINK_TO_ITSELF",
        "8,",
        "PREFIX_NOT_HOMED",
    ] {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert!(!node.path("links.csv.idnode-resume").exists());
    let link = node.json("link get 88.118.8/BOX-1 contains 88.118.7/P-2", 0);
    assert_eq!(link["readers"], serde_json::json!(["firm:oujiang"]));
    assert_eq!(link["unit"], "kg");
    let again = node.json(&import, 7);
    assert_eq!(counts(&again), [6, 0, 6], "{again}");
    let again = node.json(&format!("{import} --on-conflict update"), 7);
    assert_eq!(again["unchanged_count"], 2, "{again}");
    let header = node.path("bad.csv");
    std::fs::write(&header, "source,kind,taget\n").unwrap();
    let bad = format!("link import {}", text(&header));
    node.check(&bad, 2, "", "did you mean target?");
}

#[tokio::test]
async fn takes_what_it_shows_as_json() {
    let node = Served::start().await;
    node.chain();
    let file = node.path("links.ndjson");
    let mut lines = String::new();
    for identifier in ["88.118.7/LOT", "88.118.8/BOX"] {
        let listed = node.json(&format!("link list {identifier}"), 0);
        for link in listed["links"].as_array().unwrap() {
            lines.push_str(&format!("{link}\n"));
        }
    }
    lines.push_str("{\"source\": \"88.118.7/LOT\", \"kind\": \"contains\"}\n");
    std::fs::write(&file, lines).unwrap();
    let import = format!("link import {} --on-conflict update", text(&file));
    let taken = node.json(&import, 7);
    assert_eq!(taken["unchanged_count"], 4, "{taken}");
    node.check(&import, 7, "", "missing field `target`");
}

#[tokio::test]
async fn goes_on_where_it_was_ended() {
    const COUNT: u64 = 6_000;
    let node = Served::start().await;
    let file = node.path("many.csv");
    let mut rows = String::from("source,kind,target\n");
    for number in 0..COUNT {
        rows.push_str(&format!(
            "88.118.8/B-{number},contains,88.118.7/CT-{number}\n"
        ));
    }
    std::fs::write(&file, rows).unwrap();
    let line = format!("link import {}", text(&file));
    let mut import = node
        .command(&line)
        .env("IDNODE_KEY_FILE", node.path("operator.key"))
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let state = node.path("many.csv.idnode-resume");
    while !state.exists() {
        assert!(import.try_wait().unwrap().is_none(), "ended too soon");
        std::thread::yield_now();
    }
    import.kill().unwrap();
    import.wait().unwrap();
    let rest = node.json(&format!("{line} --resume"), 0);
    assert_eq!(rest["created_count"], COUNT, "{rest}");
    assert!(!state.exists());
    let again = node.json(&format!("{line} --on-conflict skip"), 0);
    assert_eq!(again["skipped_count"], COUNT, "{again}");
}
