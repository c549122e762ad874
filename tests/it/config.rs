//! Configurations: a corpus of bad ones, each found at its place; and which of
//! default, file, environment and flag goes first.

use std::io::Write;

use idnode::config::{Error, Loaded, Origin, Problem, Sources, load};

fn load_text(text: &str) -> Result<Loaded, Vec<Problem>> {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    file.write_all(text.as_bytes()).expect("write");
    let sources = Sources {
        file: Some(file.path().to_owned()),
        ..Sources::default()
    };
    load(&sources).map_err(|error| match error {
        Error::Problems(problems) => problems,
        error @ Error::Unreadable { .. } => panic!("{error}"),
    })
}

/// One problem: text, line, column, key, a part of the rule, the suggestion.
type Bad = (
    &'static str,
    usize,
    usize,
    &'static str,
    &'static str,
    &'static str,
);

const CORPUS: &[Bad] = &[
    // What is no TOML.
    ("[dns\nzones = []", 1, 5, "", "", ""),
    ("[dns]\nzones = [", 2, 10, "", "", ""),
    ("[dns]\nudp_threads == 2", 2, 14, "", "", ""),
    ("[dns]\nmailbox = \"x", 2, 13, "", "", ""),
    (
        "[dns]\nudp_threads = 1\nudp_threads = 2",
        3,
        1,
        "",
        "duplicate key",
        "",
    ),
    ("[log]\n[log]", 2, 2, "", "duplicate key", ""),
    // Sections and keys that there are not.
    ("[dsn]\nzones = []", 1, 2, "dsn", "unknown section", "[dns]"),
    ("[htp]\n", 1, 2, "htp", "unknown section", "[http]"),
    ("\n\n[stroe]\n", 3, 2, "stroe", "unknown section", "[store]"),
    (
        "[telemetri]\n",
        1,
        2,
        "telemetri",
        "unknown section",
        "[telemetry]",
    ),
    ("zones = []", 1, 1, "zones", "unknown section", "dns.zones"),
    ("dns = 3", 1, 1, "dns", "must be a section: [dns]", ""),
    ("[[dns]]\n", 1, 3, "dns", "must be a section", ""),
    (
        "[dns]\nzonse = []",
        2,
        1,
        "dns.zonse",
        "unknown key",
        "zones",
    ),
    (
        "[dns]\n  ttl_min_secs = 1",
        2,
        3,
        "dns.ttl_min_secs",
        "unknown key",
        "ttl_secs_min",
    ),
    (
        "[http]\nlisten_on = []",
        2,
        1,
        "http.listen_on",
        "unknown key",
        "listen",
    ),
    (
        "[store]\ndatadir = \"x\"",
        2,
        1,
        "store.datadir",
        "unknown key",
        "data_dir",
    ),
    (
        "[store]\nfilter = \"x\"",
        2,
        1,
        "store.filter",
        "unknown key",
        "telemetry.filter",
    ),
    ("[grpc]\nqqq = 1", 2, 1, "grpc.qqq", "unknown key", ""),
    ("dns.zonse = []", 1, 5, "dns.zonse", "unknown key", "zones"),
    // Wrong types.
    (
        "[http]\nlisten = \"127.0.0.1:1\"",
        2,
        10,
        "http.listen",
        "must be a list",
        "",
    ),
    (
        "[http]\nlisten = [\"localhost\"]",
        2,
        10,
        "http.listen",
        "an address with a port",
        "",
    ),
    (
        "[dns]\nlisten = [5353]",
        2,
        10,
        "dns.listen",
        "an address with a port",
        "",
    ),
    (
        "[dns]\ntell_version = \"yes\"",
        2,
        16,
        "dns.tell_version",
        "true or false",
        "",
    ),
    (
        "[dns]\nmailbox = 3",
        2,
        11,
        "dns.mailbox",
        "text in quotes",
        "",
    ),
    (
        "[store]\ndata_dir = 3",
        2,
        12,
        "store.data_dir",
        "a path in quotes",
        "",
    ),
    (
        "[telemetry]\nformat = \"jsn\"",
        2,
        10,
        "telemetry.format",
        "must be one of auto, human, json",
        "\"json\"",
    ),
    (
        "[grpc]\ncalls_max = \"many\"",
        2,
        13,
        "grpc.calls_max",
        "a whole number from 0",
        "",
    ),
    (
        "[grpc]\ncalls_max = 1.5",
        2,
        13,
        "grpc.calls_max",
        "a whole number from 0",
        "",
    ),
    (
        "[dns.zones]\nx = 1",
        1,
        6,
        "dns.zones",
        "must be a list",
        "",
    ),
    // Out of range.
    (
        "[dns]\nttl_secs_min = -1",
        2,
        16,
        "dns.ttl_secs_min",
        "from 0 to 4294967295",
        "",
    ),
    (
        "[dns]\nttl_secs_max = 4294967296",
        2,
        16,
        "dns.ttl_secs_max",
        "from 0 to 4294967295",
        "",
    ),
    (
        "[dns]\nttl_secs_max = 2147483648",
        2,
        16,
        "dns.ttl_secs_max",
        "RFC 2181",
        "",
    ),
    (
        "[dns]\nttl_secs_min = 90000",
        2,
        16,
        "dns.ttl_secs_min",
        "not above dns.ttl_secs_max, which is 86400",
        "",
    ),
    (
        "[dns]\ntcp_idle_secs = 0",
        2,
        17,
        "dns.tcp_idle_secs",
        "from 1 to 3600",
        "",
    ),
    (
        "[dns]\nudp_threads = 5000",
        2,
        15,
        "dns.udp_threads",
        "from 0 to 1024",
        "",
    ),
    (
        "[http]\nconnections_max = 0",
        2,
        19,
        "http.connections_max",
        "must be from 1",
        "",
    ),
    (
        "[http]\nheader_timeout_secs = 0",
        2,
        23,
        "http.header_timeout_secs",
        "must be from 1",
        "",
    ),
    (
        "[grpc]\nmessage_bytes_max = 1024",
        2,
        21,
        "grpc.message_bytes_max",
        "must be from 2097152",
        "",
    ),
    (
        "[grpc]\ndeadline_secs = 86400",
        2,
        17,
        "grpc.deadline_secs",
        "from 1 to 3600",
        "",
    ),
    (
        "[store]\ncache_bytes = 0",
        2,
        15,
        "store.cache_bytes",
        "must be from 1048576",
        "",
    ),
    (
        "[store]\nbackground_threads = 0",
        2,
        22,
        "store.background_threads",
        "from 1 to 256",
        "",
    ),
    (
        "[log]\nqueue_count_max = 1",
        0,
        0,
        "log.group_count_max",
        "not above log.queue_count_max, which is 1",
        "",
    ),
    (
        "[log]\ngroup_count_max = 0",
        2,
        19,
        "log.group_count_max",
        "must be from 1",
        "",
    ),
    // Names, addresses, folders, filters.
    (
        "[dns]\nzones = []",
        2,
        9,
        "dns.zones",
        "at least one name",
        "",
    ),
    (
        "[dns]\nzones = [\"id.example\"]",
        2,
        9,
        "dns.zones",
        "ends with a dot",
        "\"id.example.\"",
    ),
    (
        "[dns]\nzones = [\"id..example.\"]",
        2,
        9,
        "dns.zones",
        "labels of a name",
        "",
    ),
    (
        "[dns]\nzones = [\"标识.example.\"]",
        2,
        9,
        "dns.zones",
        "labels of a name",
        "",
    ),
    (
        "[dns]\nzones = [\"a.\", \"A.\"]",
        2,
        9,
        "dns.zones",
        "more than once",
        "",
    ),
    (
        "[access]\nadmins = [\"88.118.7/App_erp\"]",
        2,
        10,
        "access.admins",
        "index:identifier",
        "",
    ),
    (
        "[access]\nadmins = [\"300:0.NA/88.118\", \"1:88.118\"]",
        2,
        10,
        "access.admins",
        "not of the form prefix/suffix",
        "",
    ),
    (
        "[dns]\nname_servers = []",
        2,
        16,
        "dns.name_servers",
        "at least one name",
        "",
    ),
    (
        "[dns]\nmailbox = \"ops@id.example\"",
        2,
        11,
        "dns.mailbox",
        "must be a name",
        "\"ops.id.example.\"",
    ),
    (
        "[http]\nlisten = []",
        2,
        10,
        "http.listen",
        "needs an address",
        "",
    ),
    (
        "[http]\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:1\"]",
        2,
        10,
        "http.listen",
        "is taken by 127.0.0.1:1 of http.listen",
        "",
    ),
    (
        "[dns]\nlisten = [\"0.0.0.0:8480\"]",
        2,
        10,
        "dns.listen",
        "is taken by 127.0.0.1:8480 of http.listen",
        "",
    ),
    (
        "[handle]\nlisten = [\"127.0.0.1:5380\"]",
        2,
        10,
        "handle.listen",
        "is taken by 127.0.0.1:5380 of dns.listen",
        "",
    ),
    (
        "[handle]\nudp_amplification = 3",
        2,
        1,
        "handle.udp_amplification",
        "unknown key",
        "udp_amplification_max",
    ),
    (
        "[handle]\nunfinished_secs = 0",
        2,
        19,
        "handle.unfinished_secs",
        "from 1 to 60",
        "",
    ),
    (
        "[handle]\ntcp_connections_max = 0",
        2,
        23,
        "handle.tcp_connections_max",
        "from 1 to",
        "",
    ),
    (
        "[handle]\ntcp_buffer_bytes_max = 1000",
        2,
        24,
        "handle.tcp_buffer_bytes_max",
        "from 1048576 to",
        "",
    ),
    (
        "[store]\ndata_dir = \"\"",
        2,
        12,
        "store.data_dir",
        "the path is empty",
        "",
    ),
    (
        "[store]\ndata_dir = \"/a\"\nbackup_dir = \"/a\"",
        3,
        14,
        "store.backup_dir",
        "must not be store.data_dir",
        "",
    ),
    (
        "[telemetry]\nfilter = \"inof\"",
        2,
        10,
        "telemetry.filter",
        "inof is no level",
        "\"info\"",
    ),
    (
        "[telemetry]\nfilter = \"idnode=loud\"",
        2,
        10,
        "telemetry.filter",
        "must be a level",
        "",
    ),
    (
        "[telemetry]\nfilter = \"\"",
        2,
        10,
        "telemetry.filter",
        "must be a level",
        "",
    ),
];

#[test]
fn finds_every_problem_of_the_corpus_at_its_place() {
    assert!(CORPUS.len() >= 40);
    let mut wrong = Vec::new();
    for (text, line, column, key, rule, suggestion) in CORPUS {
        let Err(problems) = load_text(text) else {
            wrong.push(format!("{text:?} passes"));
            continue;
        };
        let [problem] = problems.as_slice() else {
            wrong.push(format!("{text:?}: {problems:#?}"));
            continue;
        };
        let place = match &problem.origin {
            Origin::File { line, column, .. } => (*line, *column),
            _ => (0, 0),
        };
        let suggested = problem.suggestion.as_deref().unwrap_or_default();
        if place != (*line, *column)
            || problem.key != *key
            || !problem.rule.contains(rule)
            || suggested != *suggestion
        {
            wrong.push(format!("{text:?}: at {place:?} {problem:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn reports_every_problem_at_once() {
    let text = "[dns]\nzonse = []\nudp_threads = \"x\"\n[log]\nqueue = 1\n";
    let problems = load_text(text).expect_err("three problems");
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(shown[0].ends_with(":2:1: dns.zonse: unknown key; did you mean zones?"));
    assert!(shown[1].contains(":3:15: dns.udp_threads = \"x\": must be a whole number"));
    assert!(shown[2].contains(":5:1: log.queue: unknown key"));
}

#[test]
fn a_flag_goes_before_the_environment_before_the_file_before_the_default() {
    let mut file = tempfile::NamedTempFile::new().expect("file");
    file.write_all(b"[dns]\nudp_threads = 1\ntcp_idle_secs = 1\nttl_secs_min = 1\n")
        .expect("write");
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let sources = Sources {
        file: Some(file.path().to_owned()),
        environment: vec![
            pair("IDNODE_DNS__UDP_THREADS", "2"),
            pair("IDNODE_DNS__TCP_IDLE_SECS", "2"),
            pair("IDNODE_HTTP__LISTEN", "127.0.0.1:1, [::1]:2"),
            pair("IDNODE_SERVER", "not a setting"),
        ],
        flags: vec![
            pair("dns.udp_threads", "3"),
            pair("dns.tell_version", "true"),
        ],
    };
    let Loaded { config, origins } = load(&sources).expect("sound");
    assert_eq!(config.dns.udp_threads, 3);
    assert_eq!(config.dns.tcp_idle_secs, 2);
    assert_eq!(config.dns.ttl_secs_min, 1);
    assert_eq!(config.dns.ttl_secs_max, 86_400);
    assert_eq!(config.http.listen.len(), 2);
    assert!(config.dns.tell_version);
    let origin = |key: &str| origins[key].to_string();
    assert_eq!(origin("dns.udp_threads"), "flag --set dns.udp_threads");
    assert_eq!(
        origin("dns.tcp_idle_secs"),
        "environment IDNODE_DNS__TCP_IDLE_SECS"
    );
    assert!(origin("dns.ttl_secs_min").ends_with(":4:16"));
    assert_eq!(origin("dns.ttl_secs_max"), "default");
}

#[test]
fn environment_and_flags_are_checked_as_a_file_is() {
    for (name, value, part) in [
        (
            "IDNODE_DSN__ZONES",
            "x.",
            "unknown section; did you mean [dns]?",
        ),
        ("IDNODE_DNS__ZONE", "x.", "unknown key; did you mean zones?"),
        ("IDNODE_DNS__UDP_THREADS", "two", "must be a whole number"),
        ("IDNODE_DNS__TELL_VERSION", "yes", "must be true or false"),
        ("IDNODE_HTTP__LISTEN", "8480", "an address with a port"),
    ] {
        let sources = Sources {
            environment: vec![(name.to_owned(), value.to_owned())],
            ..Sources::default()
        };
        let Err(Error::Problems(problems)) = load(&sources) else {
            panic!("{name} passes");
        };
        let text = problems[0].to_string();
        assert!(text.starts_with(&format!("environment {name}: ")), "{text}");
        assert!(text.contains(part), "{text}");
    }
    let sources = Sources {
        flags: vec![("udp_threads".to_owned(), "2".to_owned())],
        ..Sources::default()
    };
    let Err(Error::Problems(problems)) = load(&sources) else {
        panic!("a key without its section passes");
    };
    assert!(
        problems[0]
            .to_string()
            .ends_with("did you mean dns.udp_threads?")
    );
}

#[test]
fn names_folders_that_cannot_be_written() {
    let file = tempfile::NamedTempFile::new().expect("file");
    let below = file.path().join("data");
    let text = format!("[store]\ndata_dir = {:?}\n", below.display().to_string());
    let loaded = load_text(&text).expect("its rules are kept");
    let problems = loaded.problems();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].to_string().contains(":2:12: store.data_dir"));
    assert!(problems[0].rule.contains("is not a folder"));
}
