//! Rules that single keys cannot show: names, duplicates, bounds against each
//! other, folders that can be written.

use std::net::SocketAddr;
use std::path::Path;

use nix::unistd::{AccessFlags, eaccess};

use crate::access::limits::{BURST_SECS_MAX, PER_SEC_MAX};
use crate::config::Config;
use crate::config::load::nearest;
use crate::config::problem::Problem;
use crate::face::grpc;
use crate::model::Reference;
use crate::node;
use crate::node::config::{
    GRAPH_BYTES_MAX, NODES_MAX, ORIGIN_CHARS_MAX, RETENTION_DAYS_MAX, RETENTION_DAYS_MIN,
};
use crate::telemetry::check_filter;

/// Largest TTL (RFC 2181 §8).
const TTL_SECS_MAX: u32 = 0x7fff_ffff;
/// Octets of a name on the wire, its root label included (RFC 1035 §2.3.4).
const NAME_BYTES_MAX: usize = 255;
/// Octets of a label (RFC 1035 §2.3.4).
const LABEL_BYTES_MAX: usize = 63;
/// Octets that a zone may take: owner names below it need the rest.
const ZONE_BYTES_MAX: usize = 128;
/// Zones, name servers, addresses and identities of one list.
const LIST_ITEMS_MAX: usize = 64;
/// Characters of what the site information says: it goes out in datagrams.
const SITE_DESCRIPTION_CHARS_MAX: usize = 80;
/// Levels of a log filter.
const LEVELS: &[&str] = &["trace", "debug", "info", "warn", "error", "off"];

/// Every broken rule.
pub(super) fn rules(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    addresses(config, &mut problems);
    names(config, &mut problems);
    admins(config, &mut problems);
    handle_site(config, &mut problems);
    tls_files(config, &mut problems);
    ttls(config, &mut problems);
    sizes(config, &mut problems);
    limits(config, &mut problems);
    trace(config, &mut problems);
    audit(config, &mut problems);
    folders(config, &mut problems);
    filter(config, &mut problems);
    problems
}

/// Every folder that this process cannot write.
pub(super) fn paths(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut check = |key: &str, path: &Path| {
        if let Some(rule) = unwritable(path) {
            problems.push(Problem::of(key, quoted(&path.to_string_lossy()), rule));
        }
    };
    check("store.data_dir", &config.store.data_dir);
    if !config.store.backup_dir.as_os_str().is_empty() {
        check("store.backup_dir", &config.store.backup_dir);
    }
    problems
}

fn addresses(config: &Config, problems: &mut Vec<Problem>) {
    let (http, dns) = (&config.http.listen, &config.dns.listen);
    let tls = &config.tls.listen;
    let handle = &config.handle.listen;
    if http.is_empty() {
        problems.push(Problem::of("http.listen", "[]", "needs an address"));
    }
    let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
    let lists = [
        ("http.listen", http),
        ("tls.listen", tls),
        ("dns.listen", dns),
        ("handle.listen", handle),
    ];
    for (key, list) in lists {
        if list.len() > LIST_ITEMS_MAX {
            let rule = format!("at most {LIST_ITEMS_MAX} addresses");
            problems.push(Problem::of(key, list.len(), rule));
            continue;
        }
        for address in list {
            let other = taken.iter().find(|(_, other)| collide(*other, *address));
            if let Some((other_key, other)) = other {
                let rule = format!("the address is taken by {other} of {other_key}");
                problems.push(Problem::of(key, quoted(&address.to_string()), rule));
            }
            taken.push((key, *address));
        }
    }
}

/// Whether both cannot be bound: the same port, on the same address or on one
/// that stands for all of the family.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let any = a.ip().is_unspecified() || b.ip().is_unspecified();
    let same_host = a.ip() == b.ip() || (any && a.is_ipv4() == b.is_ipv4());
    a.port() != 0 && a.port() == b.port() && same_host
}

fn audit(config: &Config, problems: &mut Vec<Problem>) {
    let node::config::Config {
        retention_days,
        origin,
    } = &config.audit;
    if *retention_days != 0 && !(RETENTION_DAYS_MIN..=RETENTION_DAYS_MAX).contains(retention_days) {
        let rule =
            format!("must be {RETENTION_DAYS_MIN} to {RETENTION_DAYS_MAX} days, or 0 for ever");
        problems.push(Problem::of("audit.retention_days", retention_days, rule));
    }
    let barred = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if origin.contains(barred) || origin.chars().count() > ORIGIN_CHARS_MAX {
        let rule =
            format!("must be at most {ORIGIN_CHARS_MAX} characters without spaces and plus signs");
        problems.push(Problem::of("audit.origin", quoted(origin), rule));
    }
}

fn names(config: &Config, problems: &mut Vec<Problem>) {
    let dns = &config.dns;
    let lists = [
        ("dns.zones", &dns.zones, ZONE_BYTES_MAX),
        ("dns.name_servers", &dns.name_servers, NAME_BYTES_MAX),
    ];
    for (key, list, bytes_max) in lists {
        if list.is_empty() {
            problems.push(Problem::of(key, "[]", "needs at least one name"));
        }
        if list.len() > LIST_ITEMS_MAX {
            let rule = format!("at most {LIST_ITEMS_MAX} names");
            problems.push(Problem::of(key, list.len(), rule));
            continue;
        }
        for (position, name) in list.iter().enumerate() {
            problems.extend(name_problem(key, name, bytes_max));
            let earlier = list.iter().take(position);
            if earlier.into_iter().any(|e| e.eq_ignore_ascii_case(name)) {
                problems.push(Problem::of(key, quoted(name), "occurs more than once"));
            }
        }
    }
    let below = |name: &str, zone: &str| {
        let (name, zone) = (name.to_ascii_lowercase(), zone.to_ascii_lowercase());
        name == zone || name.ends_with(&format!(".{zone}"))
    };
    for name in &dns.name_servers {
        if let Some(zone) = dns.zones.iter().find(|zone| below(name, zone)) {
            let rule = format!("must stand outside the zone {zone}, which has no addresses");
            problems.push(Problem::of("dns.name_servers", quoted(name), rule));
        }
    }
    if dns.mailbox.contains('@') {
        let meant = format!("{}.", dns.mailbox.trim_end_matches('.').replace('@', "."));
        let problem = Problem::of(
            "dns.mailbox",
            quoted(&dns.mailbox),
            "must be a name: \"@\" is written as \".\"",
        );
        problems.push(problem.suggest(Some(quoted(&meant))));
    } else {
        problems.extend(name_problem("dns.mailbox", &dns.mailbox, NAME_BYTES_MAX));
    }
}

fn handle_site(config: &Config, problems: &mut Vec<Problem>) {
    let handle = &config.handle;
    if handle.named_address().is_err() {
        let rule = "must be an IP address, or empty for the first of handle.listen".to_owned();
        let address = quoted(&handle.site_address);
        problems.push(Problem::of("handle.site_address", address, rule));
    }
    let chars = handle.site_description.chars().count();
    if chars > SITE_DESCRIPTION_CHARS_MAX {
        let rule = format!("at most {SITE_DESCRIPTION_CHARS_MAX} characters");
        problems.push(Problem::of("handle.site_description", chars, rule));
    }
}

fn tls_files(config: &Config, problems: &mut Vec<Problem>) {
    let tls = &config.tls;
    let files = [
        ("tls.certificate_file", &tls.certificate_file),
        ("tls.key_file", &tls.key_file),
    ];
    for (key, path) in files {
        if !tls.listen.is_empty() && path.as_os_str().is_empty() {
            let rule = "must name a PEM file, since tls.listen has an address";
            problems.push(Problem::of(key, "\"\"", rule));
        }
    }
    if !tls.client_certificates && !tls.client_ca_file.as_os_str().is_empty() {
        let path = quoted(&tls.client_ca_file.to_string_lossy());
        let rule = "has no meaning unless tls.client_certificates is true";
        problems.push(Problem::of("tls.client_ca_file", path, rule));
    }
}

fn admins(config: &Config, problems: &mut Vec<Problem>) {
    let admins = &config.access.admins;
    if admins.len() > LIST_ITEMS_MAX {
        let rule = format!("at most {LIST_ITEMS_MAX} identities");
        problems.push(Problem::of("access.admins", admins.len(), rule));
        return;
    }
    for admin in admins {
        if let Err(refusal) = Reference::parse(admin) {
            let rule = refusal.to_string();
            problems.push(Problem::of("access.admins", quoted(admin), rule));
        }
    }
}

/// What is wrong with a name of the DNS, if anything.
fn name_problem(key: &str, name: &str, bytes_max: usize) -> Option<Problem> {
    let problem = |rule: String| Some(Problem::of(key, quoted(name), rule));
    if name.is_empty() {
        return problem("the name is empty".to_owned());
    }
    let Some(labels) = name.strip_suffix('.') else {
        let meant = Some(quoted(&format!("{name}.")));
        return problem("a name ends with a dot".to_owned()).map(|p| p.suggest(meant));
    };
    let label_ok = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !labels.split('.').all(label_ok) {
        return problem(format!(
            "labels of a name are 1 to {LABEL_BYTES_MAX} letters, digits, \"-\" and \"_\""
        ));
    }
    if name.len() + 1 > bytes_max {
        return problem(format!("the name takes more than {bytes_max} octets"));
    }
    None
}

fn ttls(config: &Config, problems: &mut Vec<Problem>) {
    let dns = &config.dns;
    let bounded = [
        ("dns.negative_ttl_secs", dns.negative_ttl_secs),
        ("dns.ttl_secs_min", dns.ttl_secs_min),
        ("dns.ttl_secs_max", dns.ttl_secs_max),
    ];
    for (key, secs) in bounded {
        if secs > TTL_SECS_MAX {
            let rule = format!("at most {TTL_SECS_MAX} seconds (RFC 2181 section 8)");
            problems.push(Problem::of(key, secs, rule));
        }
    }
    if dns.ttl_secs_min > dns.ttl_secs_max {
        let rule = format!("not above dns.ttl_secs_max, which is {}", dns.ttl_secs_max);
        problems.push(Problem::of("dns.ttl_secs_min", dns.ttl_secs_min, rule));
    }
}

/// A key, its value, and the least and the greatest that it may be.
type Size = (&'static str, u64, u64, u64);

fn bounds(sizes: &[Size], problems: &mut Vec<Problem>) {
    for (key, value, least, most) in sizes {
        if !(least..=most).contains(&value) {
            let rule = format!("must be from {least} to {most}");
            problems.push(Problem::of(key, value, rule));
        }
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Those of `[handle]`. What is kept of messages has room for a few at least.
fn handle_sizes(config: &Config) -> Vec<Size> {
    let handle = &config.handle;
    let counts = [
        ("handle.udp_threads", handle.udp_threads, 0, 1024),
        (
            "handle.udp_amplification_max",
            handle.udp_amplification_max,
            0,
            1000,
        ),
        (
            "handle.udp_slow_requests_max",
            handle.udp_slow_requests_max,
            1,
            1 << 20,
        ),
        (
            "handle.unfinished_requests_max",
            handle.unfinished_requests_max,
            1,
            1 << 24,
        ),
        (
            "handle.unfinished_requests_per_client_max",
            handle.unfinished_requests_per_client_max,
            1,
            1 << 24,
        ),
        (
            "handle.unfinished_bytes_max",
            handle.unfinished_bytes_max,
            1 << 20,
            1 << 40,
        ),
        (
            "handle.tcp_connections_max",
            handle.tcp_connections_max,
            1,
            1 << 24,
        ),
        (
            "handle.tcp_buffer_bytes_max",
            handle.tcp_buffer_bytes_max,
            1 << 20,
            1 << 40,
        ),
        ("handle.challenges_max", handle.challenges_max, 1, 1 << 24),
        (
            "handle.challenge_bytes_max",
            handle.challenge_bytes_max,
            1 << 20,
            1 << 40,
        ),
        ("handle.sessions_max", handle.sessions_max, 1, 1 << 24),
    ];
    let counts = counts.map(|(key, count, least, most)| (key, wide(count), least, most));
    counts.into_iter().chain(handle_times(config)).collect()
}

/// Those of `[handle]` that are no counts: bytes of replies, and times.
fn handle_times(config: &Config) -> [Size; 5] {
    let handle = &config.handle;
    [
        (
            "handle.answer_cache_bytes",
            handle.answer_cache_bytes,
            0,
            1 << 40,
        ),
        (
            "handle.session_idle_secs",
            handle.session_idle_secs,
            1,
            86_400 * 365,
        ),
        ("handle.unfinished_secs", handle.unfinished_secs, 1, 60),
        ("handle.tcp_idle_secs", handle.tcp_idle_secs, 1, 86_400),
        ("handle.tcp_message_secs", handle.tcp_message_secs, 1, 600),
    ]
}

/// Those of `[access]`.
fn access_sizes(config: &Config) -> [Size; 5] {
    let access = &config.access;
    let failures = u64::from(access.sign_in_failures_max);
    let (idle, lifetime) = (access.session_idle_secs, access.session_lifetime_secs);
    [
        ("access.sign_in_failures_max", failures, 1, 100),
        ("access.lockout_secs", access.lockout_secs, 1, 86_400 * 7),
        ("access.session_idle_secs", idle, 1, 86_400),
        ("access.session_lifetime_secs", lifetime, 1, 86_400 * 7),
        ("access.sessions_max", wide(access.sessions_max), 1, 1 << 24),
    ]
}

/// Numbers with a least and a greatest value.
fn sizes(config: &Config, problems: &mut Vec<Problem>) {
    let Config {
        http,
        tls: _,
        grpc: _,
        dns,
        handle: _,
        access: _,
        limits: _,
        store,
        audit: _,
        trace: _,
        log,
        telemetry: _,
    } = config;
    let streams = u64::from(http.streams_per_connection_max);
    let threads = u64::from(store.background_threads);
    let udp_threads = wide(dns.udp_threads);
    let sizes = [
        (
            "http.connections_max",
            wide(http.connections_max),
            1,
            1 << 24,
        ),
        ("http.header_timeout_secs", http.header_timeout_secs, 1, 600),
        ("http.streams_per_connection_max", streams, 1, 1 << 20),
        ("dns.answer_cache_bytes", dns.answer_cache_bytes, 0, 1 << 40),
        ("dns.udp_threads", udp_threads, 0, 1024),
        (
            "dns.tcp_connections_max",
            wide(dns.tcp_connections_max),
            1,
            1 << 24,
        ),
        ("dns.tcp_idle_secs", dns.tcp_idle_secs, 1, 3600),
        ("store.cache_bytes", store.cache_bytes, 1 << 20, 1 << 44),
        (
            "store.write_buffer_bytes",
            store.write_buffer_bytes,
            1 << 20,
            1 << 34,
        ),
        ("store.background_threads", threads, 1, 256),
        ("log.queue_count_max", wide(log.queue_count_max), 1, 1 << 24),
        ("log.group_count_max", wide(log.group_count_max), 1, 1 << 24),
    ];
    bounds(&sizes, problems);
    bounds(&grpc_sizes(config), problems);
    bounds(&handle_sizes(config), problems);
    bounds(&access_sizes(config), problems);
    if log.group_count_max > log.queue_count_max {
        let rule = format!(
            "not above log.queue_count_max, which is {}",
            log.queue_count_max
        );
        problems.push(Problem::of(
            "log.group_count_max",
            log.group_count_max,
            rule,
        ));
    }
}

/// Those of `[grpc]`.
fn grpc_sizes(config: &Config) -> [Size; 4] {
    let grpc::Config {
        message_bytes_max,
        calls_max,
        deadline_secs,
        answer_cache_bytes,
    } = config.grpc;
    let message_bytes = wide(message_bytes_max);
    [
        // A record takes up to 1 MiB, and its framing comes on top.
        ("grpc.message_bytes_max", message_bytes, 2 << 20, 1 << 30),
        ("grpc.calls_max", wide(calls_max), 1, 1 << 24),
        ("grpc.deadline_secs", deadline_secs, 1, 3600),
        ("grpc.answer_cache_bytes", answer_cache_bytes, 0, 1 << 40),
    ]
}

/// Rates, and bursts that are earned back in a sensible time.
fn limits(config: &Config, problems: &mut Vec<Problem>) {
    let limits = &config.limits;
    let pairs = [
        (
            (
                "limits.source_requests_per_sec",
                limits.source_requests_per_sec,
            ),
            ("limits.source_requests_burst", limits.source_requests_burst),
        ),
        (
            ("limits.firm_writes_per_sec", limits.firm_writes_per_sec),
            ("limits.firm_writes_burst", limits.firm_writes_burst),
        ),
    ];
    for ((rate_key, per_sec), (burst_key, burst)) in pairs {
        let (rate, burst) = (u64::from(per_sec), u64::from(burst));
        let burst_max = rate.max(1) * BURST_SECS_MAX;
        let sizes = [
            (rate_key, rate, 0, u64::from(PER_SEC_MAX)),
            (burst_key, burst, 1, burst_max),
        ];
        // Without a rate the burst is not read.
        let count = if per_sec == 0 { 1 } else { 2 };
        bounds(sizes.get(..count).unwrap_or_default(), problems);
    }
    let networks = limits.exempt_networks.len();
    if networks > LIST_ITEMS_MAX {
        let rule = format!("at most {LIST_ITEMS_MAX} networks");
        problems.push(Problem::of("limits.exempt_networks", networks, rule));
    }
}

fn trace(config: &Config, problems: &mut Vec<Problem>) {
    let bytes = wide(config.trace.memory_bytes);
    let answer_bytes = config.trace.answer_cache_bytes;
    let sizes = [
        ("trace.memory_bytes", bytes, 0, GRAPH_BYTES_MAX),
        ("trace.answer_cache_bytes", answer_bytes, 0, 1 << 40),
    ];
    bounds(&sizes, problems);
    let count = config.trace.nodes.len();
    if count > NODES_MAX {
        let rule = format!("at most {NODES_MAX} nodes");
        problems.push(Problem::of("trace.nodes", count, rule));
    }
    if let Err(error) = config.trace.routes() {
        problems.push(Problem::of("trace.nodes", quoted(&error.text), error.rule));
    }
}

fn folders(config: &Config, problems: &mut Vec<Problem>) {
    let store = &config.store;
    if store.data_dir.as_os_str().is_empty() {
        problems.push(Problem::of("store.data_dir", "\"\"", "the path is empty"));
    } else if store.backup_dir == store.data_dir {
        let value = quoted(&store.backup_dir.to_string_lossy());
        let rule = "must not be store.data_dir itself";
        problems.push(Problem::of("store.backup_dir", value, rule));
    }
}

/// A filter that does not parse, or that misspells a level.
fn filter(config: &Config, problems: &mut Vec<Problem>) {
    let text = &config.telemetry.filter;
    let problem = |rule: String| Problem::of("telemetry.filter", quoted(text), rule);
    for directive in text.split(',').map(str::trim) {
        let level = directive.rsplit('=').next().unwrap_or_default();
        if LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
            continue;
        }
        if let Some(meant) = nearest(level, LEVELS.iter().copied()) {
            let problem = problem(format!("{level} is no level"));
            problems.push(problem.suggest(Some(quoted(meant))));
            return;
        }
    }
    if text.trim().is_empty() || check_filter(text).is_err() {
        let rule = "must be a level, or module=level pairs: \"info,idnode::store=debug\"";
        problems.push(problem(rule.to_owned()));
    }
}

/// Why a folder cannot be made or written, if it cannot.
fn unwritable(path: &Path) -> Option<String> {
    for ancestor in path.ancestors() {
        let ancestor = if ancestor.as_os_str().is_empty() {
            Path::new(".")
        } else {
            ancestor
        };
        let Ok(metadata) = std::fs::metadata(ancestor) else {
            continue;
        };
        if !metadata.is_dir() {
            return Some(format!("{} is not a folder", ancestor.display()));
        }
        let flags = AccessFlags::W_OK | AccessFlags::X_OK;
        return eaccess(ancestor, flags)
            .err()
            .map(|error| format!("{} cannot be written: {error}", ancestor.display()));
    }
    Some("no part of the path exists".to_owned())
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}
