//! Whoever asks for too much is told so on each face in its own terms, and is
//! served again once the time is over that was named.

mod firms;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::opt::EdnsOption;
use idnode::config::{Error, Sources, load};
use idnode::wire::handle::{Flags, List, OpCode, ResolutionRequest, ResponseCode};
use idnode::wire::proto::v1::{self, export_audit_entries_response::Part};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::dns::{query, shown};
use crate::support::handle::{HandleClient, request};
use crate::support::http::http;
use crate::support::{DEADLINE, TestNode, reason, wait_until};

/// Requests at once that a source has in these tests.
const BURST: u32 = 20;
/// More requests than a source has, however slow the machine is that tests.
const TOO_MANY: usize = 200;
const NAME: &str = "id.example.";

#[test]
fn settings_out_of_range_are_named() {
    let check = |key: &str, text: &str, rule: &str| {
        let sources = Sources {
            flags: vec![(format!("limits.{key}"), text.to_owned())],
            ..Sources::default()
        };
        let Err(Error::Problems(problems)) = load(&sources) else {
            panic!("{key} = {text} passes");
        };
        assert_eq!(problems[0].key, format!("limits.{key}"));
        assert!(problems[0].rule.contains(rule), "{}", problems[0].rule);
    };
    check("exempt_networks", "10.0.0.0/8,10/33", "must be a network");
    let most = "must be from 0 to 1000000";
    check("source_requests_per_sec", "1000001", most);
    check("firm_writes_per_sec", "1000001", most);
    // What is earned back in an hour.
    check(
        "firm_writes_burst",
        "18000001",
        "must be from 1 to 18000000",
    );
    check("source_requests_burst", "0", "must be from 1 to");
}

/// A node that takes one request a second of a source, and [`BURST`] at once.
async fn strict() -> TestNode {
    TestNode::start_with(|config| {
        config.limits.source_requests_per_sec = 1;
        config.limits.source_requests_burst = BURST;
        config.limits.exempt_networks = Vec::new();
    })
    .await
}

/// The first refusal of calls that go on until there is one.
async fn first_refusal(node: &TestNode) -> (usize, Status) {
    let anonymous = node.anonymous();
    for count in 0..TOO_MANY {
        let refusal = anonymous.resolve("88.118.7/a").await.unwrap_err();
        if refusal.code() != Code::NotFound {
            return (count, refusal);
        }
    }
    panic!("{TOO_MANY} calls were answered");
}

#[tokio::test]
async fn grpc_says_what_is_left_and_when_to_come_back() {
    let node = strict().await;
    let (served_count, refusal) = first_refusal(&node).await;
    assert!(served_count >= 20, "{served_count}");
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    assert_eq!(reason(&refusal), "RATE_LIMITED");
    let details = refusal.get_error_details();
    let delay = details.retry_info().and_then(|info| info.retry_delay);
    let delay = delay.expect("told when to come back");
    assert!(delay > Duration::ZERO && delay <= Duration::from_secs(1));
    let quota = details.quota_failure().expect("told which quota");
    assert_eq!(quota.violations[0].subject, "sources/127.0.0.1");
    let metadata = &details.error_info().expect("info").metadata;
    assert_eq!(metadata.get("left").map(String::as_str), Some("0"));
    assert_eq!(metadata.get("limit").map(String::as_str), Some("1"));
    wait_until("the source may ask again", async || {
        let refusal = node.anonymous().resolve("88.118.7/a").await.unwrap_err();
        refusal.code() == Code::NotFound
    })
    .await;
}

#[tokio::test]
async fn a_batch_counts_each_of_its_items() {
    let node = strict().await;
    let batch = |count: u32| v1::BatchResolveRequest {
        identifiers: (0..count).map(|n| format!("88.118.7/{n}")).collect(),
        ..v1::BatchResolveRequest::default()
    };
    let mut resolution = node.anonymous().resolution();
    resolution.batch_resolve(batch(BURST - 1)).await.unwrap();
    let refusal = resolution.batch_resolve(batch(BURST - 1)).await;
    assert_eq!(reason(&refusal.unwrap_err()), "RATE_LIMITED");
}

#[tokio::test]
async fn lists_and_exports_count_each_record_that_they_give() {
    let node = TestNode::start_with(|config| {
        config.limits.source_requests_per_sec = 10;
        config.limits.source_requests_burst = 40;
        config.limits.exempt_networks = Vec::new();
    })
    .await;
    let clients = node.clients();
    clients.home_prefix("88.118.7").await;
    for number in 0..15 {
        let name = format!("88.118.7/{number}");
        clients.create(&name, "https://a.example/").await.unwrap();
    }
    let list = v1::ListRecordsRequest {
        parent: "prefixes/88.118.7".into(),
        ..v1::ListRecordsRequest::default()
    };
    let mut registry = node.anonymous().registry();
    let mut refusals = 0;
    for _ in 0..10 {
        match registry.list_records(list.clone()).await {
            Ok(page) => assert_eq!(page.into_inner().records.len(), 15),
            Err(refusal) => {
                assert_eq!(reason(&refusal), "RATE_LIMITED");
                refusals += 1;
            }
        }
    }
    assert!(refusals > 0, "ten lists are 150 records");
    let request = v1::ExportRecordsRequest {
        parent: "prefixes/88.118.7".into(),
        ..v1::ExportRecordsRequest::default()
    };
    // An export waits for what a list would be refused.
    let mut export = None;
    wait_until("an export begins", async || {
        let mut registry = node.anonymous().registry();
        export = registry.export_records(request.clone()).await.ok();
        export.is_some()
    })
    .await;
    let mut exported = export.expect("begun").into_inner();
    let mut count = 0;
    while let Some(message) = exported.message().await.unwrap() {
        count += message.records.len();
    }
    assert_eq!(count, 15);
}

#[tokio::test]
async fn an_export_of_the_audit_trail_counts_each_entry() {
    let node = TestNode::start_with(|config| {
        config.limits.source_requests_per_sec = 10;
        config.limits.source_requests_burst = 40;
        config.limits.exempt_networks = Vec::new();
    })
    .await;
    let began = tokio::time::Instant::now();
    let clients = node.clients();
    clients.home_prefix("88.118.7").await;
    for number in 0..15 {
        let name = format!("88.118.7/{number}");
        clients.create(&name, "https://a.example/").await.unwrap();
    }
    let mut count = 0;
    for _ in 0..3 {
        let mut audit = node.auditor().audit();
        let request = v1::ExportAuditEntriesRequest {};
        // It waits for its entries; to be let in it need not wait.
        let mut export = None;
        wait_until("an export begins", async || {
            export = audit.export_audit_entries(request).await.ok();
            export.is_some()
        })
        .await;
        let mut parts = export.expect("begun").into_inner();
        while let Some(message) = parts.message().await.unwrap() {
            if let Some(Part::Entries(part)) = message.part {
                count += part.entries.len();
            }
        }
    }
    assert!(count >= 48, "{count}");
    // With 16 changes that is 24 more than a burst.
    assert!(
        began.elapsed() >= Duration::from_millis(2400),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_stream_waits_until_it_may_go_on() {
    let node = TestNode::start_with(|config| {
        config.limits.source_requests_per_sec = 100;
        config.limits.source_requests_burst = 100;
        config.limits.exempt_networks = Vec::new();
    })
    .await;
    let message = v1::ResolveStreamRequest {
        identifiers: (0..100).map(|n| format!("88.118.7/{n}")).collect(),
        ..v1::ResolveStreamRequest::default()
    };
    let messages = tokio_stream::iter(vec![message; 3]);
    let began = tokio::time::Instant::now();
    let mut resolution = node.anonymous().resolution();
    let mut answers = resolution
        .resolve_stream(messages)
        .await
        .unwrap()
        .into_inner();
    let mut answer_count = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        assert_eq!(answer.results.len(), 100);
        answer_count += 1;
    }
    assert_eq!(answer_count, 3);
    // The first message is paid by the burst, each further one in a second.
    assert!(
        began.elapsed() >= Duration::from_millis(1900),
        "{:?}",
        began.elapsed()
    );
}

/// Asks over UDP until `enough` answers were cut, and returns the others.
fn ask_over_udp(to: SocketAddr, enough: usize) -> Vec<String> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bound");
    socket.set_read_timeout(Some(DEADLINE)).expect("set");
    let packet = query(NAME, 2, Some(1232));
    for _ in 0..TOO_MANY {
        socket.send_to(&packet, to).expect("sent");
    }
    let (mut cut_count, mut others) = (0, Vec::new());
    while cut_count < enough {
        let mut answer = [0; 2048];
        let bytes = socket.recv(&mut answer).expect("answered");
        let answer = &answer[..bytes];
        if shown(answer) == "NoError tc" {
            assert!(bytes <= packet.len(), "no longer than the question");
            cut_count += 1;
        } else {
            others.push(shown(answer));
        }
    }
    others
}

/// The answers to questions over TCP, until one is refused; and that one.
fn ask_over_tcp(to: SocketAddr) -> (usize, Vec<u8>) {
    let mut stream = TcpStream::connect(to).expect("connected");
    stream.set_read_timeout(Some(DEADLINE)).expect("set");
    let packet = query(NAME, 2, Some(1232));
    let length = u16::try_from(packet.len()).expect("short").to_be_bytes();
    for count in 0..TOO_MANY {
        stream
            .write_all(&[&length, &packet[..]].concat())
            .expect("sent");
        let mut length = [0; 2];
        stream.read_exact(&mut length).expect("a length");
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).expect("an answer");
        if shown(&answer).starts_with("Refused") {
            return (count, answer);
        }
    }
    panic!("{TOO_MANY} questions were answered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dns_cuts_over_udp_and_refuses_over_tcp() {
    let node = strict().await;
    let dns = node.dns;
    let run = move || (ask_over_udp(dns, 10), ask_over_tcp(dns));
    let asked = tokio::task::spawn_blocking(run).await.expect("no panic");
    let (answered, (served_count, refused)) = asked;
    assert!(answered.len() >= 20, "{}", answered.len());
    assert!(
        answered
            .iter()
            .all(|answer| answer.starts_with("NoError aa ["))
    );
    // Datagrams count apart: a false address takes nothing from its owner.
    assert!(served_count >= 20, "{served_count}");
    assert_eq!(shown(&refused), "Refused +15");
    let message = Message::from_vec(&refused).expect("readable");
    let option = message.edns.and_then(|edns| {
        let options = &edns.options().options;
        options.iter().find_map(|(_, option)| match option {
            EdnsOption::Unknown(15, data) => Some(data.clone()),
            _ => None,
        })
    });
    let option = option.expect("an extended error");
    let text = String::from_utf8_lossy(&option[2..]).into_owned();
    assert_eq!(option[..2], [0, 0]);
    assert!(text.starts_with("rate limited; try again in "), "{text}");
    // The one address is used up; HTTP says so too, and still says that it lives.
    let (head, _) = http(node.http, "GET /metrics", &[]).await;
    assert!(head.starts_with("HTTP/1.1 429"), "{head}");
}

#[tokio::test]
async fn handle_says_that_it_is_busy() {
    let node = strict().await;
    let mut client = HandleClient::connect(node.handle).await;
    let resolve = request(7, OpCode::RESOLUTION, Flags::RESOLUTION, |body| {
        ResolutionRequest {
            handle: b"88.118.7/a",
            indexes: List::EMPTY,
            types: List::EMPTY,
            auth: None,
        }
        .encode(body);
    });
    for count in 0..TOO_MANY {
        let reply = client.exchange(&resolve).await;
        if reply.code() == ResponseCode::SERVER_NOT_RESPONSIBLE {
            continue;
        }
        assert!(count >= 20, "{count}");
        assert_eq!(reply.code(), ResponseCode::SERVER_TOO_BUSY);
        let text = reply.text();
        assert!(text.contains("may make 1 requests a second"), "{text}");
        let accept = "POST /\r\nAccept: application/x-hdl-message\r\n";
        let (head, body) = http(node.http, accept, &resolve).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let reply = crate::support::handle::Reply::read(&body);
        assert_eq!(reply.code(), ResponseCode::SERVER_TOO_BUSY);
        return;
    }
    panic!("{TOO_MANY} requests were answered");
}

#[tokio::test]
async fn http_answers_429_but_to_probes() {
    let node = strict().await;
    first_refusal(&node).await;
    let (head, body) = http(node.http, "GET /nothing", &[]).await;
    assert!(head.starts_with("HTTP/1.1 429"), "{head}");
    assert!(
        head.to_ascii_lowercase().contains("retry-after: 1\r\n"),
        "{head}"
    );
    let problem: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(problem["reason"], "RATE_LIMITED");
    for probe in ["GET /livez", "GET /readyz"] {
        for _ in 0..3 {
            let (head, _) = http(node.http, probe, &[]).await;
            assert!(head.starts_with("HTTP/1.1 200"), "{probe}: {head}");
        }
    }
}

#[tokio::test]
async fn an_exempt_network_and_a_node_without_limits_refuse_nobody() {
    for rate in [0, 1] {
        let node = TestNode::start_with(|config| {
            config.limits.source_requests_per_sec = rate;
            config.limits.source_requests_burst = 1;
            if rate == 0 {
                config.limits.exempt_networks = Vec::new();
            }
        })
        .await;
        for _ in 0..50 {
            let refusal = node.anonymous().resolve("88.118.7/a").await.unwrap_err();
            assert_eq!(refusal.code(), Code::NotFound);
        }
    }
}
