//! UDP, TCP and HTTP: packets, frames and bodies, and what each client may cost.

use std::collections::BTreeMap;

use idnode::config::Config;
use idnode::wire::handle::{
    ENVELOPE_BYTES, Envelope, FRAGMENT_BYTES, Flags, List, MESSAGE_BYTES_MAX, Marking, OpCode,
    PACKET_BYTES_MAX, ResolutionRequest, ResponseCode, packets,
};
use idnode::wire::proto::v1;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::support::handle::{HandleClient, Reply, request};
use crate::support::http::{http, metrics};
use crate::support::{Clients, DEADLINE, TestNode, record, text, wait_until};

pub(super) const SMALL: &str = "88.118.7/small";
pub(super) const LARGE: &str = "88.118.7/large";

/// Registers a small and a large record.
pub(super) async fn fill(clients: &Clients) {
    clients.home_prefix("88.118.7").await;
    clients.create(SMALL, "https://a.example/").await.unwrap();
    let values = (1..=40).map(|index| text(index, "DESC", &"x".repeat(100)));
    let create = v1::CreateRecordRequest {
        record: Some(record(LARGE, values.collect())),
        ..v1::CreateRecordRequest::default()
    };
    clients.registry().create_record(create).await.unwrap();
}

async fn node(change: impl FnOnce(&mut Config)) -> TestNode {
    let node = TestNode::start_with(change).await;
    fill(&node.clients()).await;
    node
}

/// A request to resolve a handle to its values of `types`.
pub(super) fn resolve(id: u32, handle: &str, types: &[&[u8]]) -> Vec<u8> {
    resolve_with(id, handle, types, Flags::RESOLUTION)
}

fn resolve_with(id: u32, handle: &str, types: &[&[u8]], flags: Flags) -> Vec<u8> {
    request(id, OpCode::RESOLUTION, flags, |body| {
        ResolutionRequest {
            handle: handle.as_bytes(),
            indexes: List::EMPTY,
            types: List::from(types),
            auth: None,
        }
        .encode(body);
    })
}

/// The packets of a request.
pub(super) fn cut(request: &[u8]) -> Vec<Vec<u8>> {
    let packets = packets(request, Marking::Marked).expect("a message");
    packets
        .map(|packet| packet.write(&mut [0; PACKET_BYTES_MAX]).to_vec())
        .collect()
}

/// A client over UDP.
struct Udp(UdpSocket);

impl Udp {
    async fn new(node: &TestNode) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
        socket.connect(node.handle).await.expect("connected");
        Self(socket)
    }

    async fn send(&self, packet: &[u8]) {
        self.0.send(packet).await.expect("sent");
    }

    async fn receive(&self) -> Vec<u8> {
        let mut packet = [0; 2048];
        let received = timeout(DEADLINE, self.0.recv(&mut packet)).await;
        let bytes = received.expect("a packet in time").expect("received");
        packet[..bytes].to_vec()
    }

    /// A whole reply: its packets put together.
    async fn reply(&self) -> Reply {
        let mut pieces = BTreeMap::new();
        loop {
            let packet = self.receive().await;
            assert!(packet.len() <= PACKET_BYTES_MAX);
            let envelope = Envelope::decode(&packet).expect("an envelope");
            pieces.insert(envelope.sequence, packet);
            let count = envelope
                .message_len()
                .expect("short")
                .div_ceil(FRAGMENT_BYTES);
            assert_eq!(envelope.truncated, count > 1);
            if pieces.len() == count {
                break;
            }
        }
        let mut whole = pieces[&0][..ENVELOPE_BYTES].to_vec();
        whole.extend(pieces.values().flat_map(|packet| &packet[ENVELOPE_BYTES..]));
        Reply::read(&whole)
    }
}

/// A request of several packets: for many types, of which the last is there.
pub(super) fn long_request(id: u32) -> Vec<u8> {
    let other = [b'x'; 100];
    let mut types = vec![other.as_slice(); 40];
    types.push(b"DESC");
    resolve(id, LARGE, &types)
}

#[tokio::test]
async fn a_reply_over_udp_is_at_most_three_times_its_request_until_the_client_is_known() {
    let node = node(|_| {}).await;
    let udp = Udp::new(&node).await;
    let small = resolve(1, SMALL, &[]);
    udp.send(&small).await;
    let reply = udp.reply().await;
    assert_eq!(reply.code(), ResponseCode::SUCCESS);
    assert_eq!(reply.envelope.request_id, 1);

    let large = resolve(2, LARGE, &[]);
    udp.send(&large).await;
    let packet = udp.receive().await;
    assert_eq!(packet.len(), 3 * large.len());
    let cut_off = Envelope::decode(&packet).expect("an envelope");
    assert!(cut_off.truncated && cut_off.message_bytes > 5000);
    // It is one packet: the next belongs to the next request.
    udp.send(&resolve(3, SMALL, &[])).await;
    assert_eq!(udp.reply().await.envelope.request_id, 3);

    let mut tcp = HandleClient::connect(node.handle).await;
    let over_tcp = tcp.exchange(&large).await;
    assert_eq!(over_tcp.envelope.message_bytes, cut_off.message_bytes);
    udp.send(&large).await;
    let over_udp = udp.reply().await;
    assert_eq!(over_udp.body, over_tcp.body);
}

#[tokio::test]
async fn a_limit_of_nothing_is_none() {
    let node = node(|config| config.handle.udp_amplification_max = 0).await;
    let udp = Udp::new(&node).await;
    udp.send(&resolve(1, LARGE, &[])).await;
    let reply = udp.reply().await;
    assert_eq!(reply.code(), ResponseCode::SUCCESS);
    assert!(reply.bytes.len() > 5000);
}

#[tokio::test]
async fn a_request_may_come_in_several_packets_in_any_order() {
    let node = node(|_| {}).await;
    let udp = Udp::new(&node).await;
    let packets = cut(&long_request(7));
    assert!(packets.len() > 8);
    for packet in packets.iter().rev().chain(packets.iter().skip(1)) {
        udp.send(packet).await;
    }
    // What came counts, so that all of the reply may go.
    let reply = udp.reply().await;
    assert_eq!(reply.code(), ResponseCode::SUCCESS);
    assert_eq!(reply.envelope.request_id, 7);
    assert!(reply.bytes.len() > 5000);
    // The copies began a request of their own, which the first packet ends.
    udp.send(&packets[0]).await;
    assert_eq!(udp.reply().await.body, reply.body);
}

#[tokio::test]
async fn unfinished_requests_hold_up_nobody() {
    let node = node(|config| config.handle.unfinished_requests_max = 100).await;
    let (attacker, client) = (Udp::new(&node).await, Udp::new(&node).await);
    let finished = cut(&long_request(9));
    for id in 0..5000 {
        let packets = cut(&long_request(id));
        attacker
            .send(&packets[usize::try_from(id % 3).unwrap()])
            .await;
        if id % 100 == 0 {
            client.send(&resolve(id, SMALL, &[])).await;
            assert_eq!(client.reply().await.envelope.request_id, id);
            for packet in &finished {
                client.send(packet).await;
            }
            assert_eq!(client.reply().await.code(), ResponseCode::SUCCESS);
        }
    }
    // Their time comes, too.
    wait_until("the unfinished are gone", async || {
        metrics(node.http)
            .await
            .contains("idnode_handle_unfinished_requests 0")
    })
    .await;
}

#[tokio::test]
async fn what_is_no_request_gets_little_or_nothing() {
    let node = node(|_| {}).await;
    let udp = Udp::new(&node).await;
    let sound = resolve(1, SMALL, &[]);
    // Silence: replies, packets without a place, and what is too short.
    let mut response = sound.clone();
    response[27] = 1;
    udp.send(&response).await;
    let mut packets = cut(&long_request(2));
    packets[1].truncate(300);
    udp.send(&packets[1]).await;
    udp.send(&[]).await;
    udp.send(&sound[..14]).await;
    udp.send(&sound).await;
    assert_eq!(udp.reply().await.code(), ResponseCode::SUCCESS);
    // Refused: lengths that are not true.
    for (bytes, declared) in [(60, 61), (61, 60), (50, u32::MAX), (600, 580), (2000, 300)] {
        let mut packet = sound.clone();
        packet.resize(bytes, 0);
        packet[16..20].copy_from_slice(&declared.to_be_bytes());
        udp.send(&packet).await;
        if declared == 580 {
            // A packet of a message, and too long for one: it has no place.
            continue;
        }
        let reply = udp.receive().await;
        assert!(reply.len() <= 3 * bytes, "{bytes} {declared}");
        let envelope = Envelope::decode(&reply).expect("an envelope");
        assert_eq!(envelope.request_id, 1);
        assert_eq!(reply[24..28], ResponseCode::PROTOCOL_ERROR.0.to_be_bytes());
    }
}

#[tokio::test]
async fn requests_on_one_connection_may_follow_each_other() {
    let node = node(|_| {}).await;
    let mut tcp = HandleClient::connect(node.handle).await;
    for octet in resolve(1, SMALL, &[]) {
        tcp.send(&[octet]).await;
    }
    let reply = Reply::read(&tcp.receive().await.expect("a reply"));
    assert_eq!(reply.code(), ResponseCode::SUCCESS);
    let all: Vec<u8> = (0..500)
        .flat_map(|id| resolve(id, [SMALL, LARGE][usize::try_from(id % 2).unwrap()], &[]))
        .collect();
    tcp.send(&all).await;
    for id in 0..500 {
        let reply = Reply::read(&tcp.receive().await.expect("a reply"));
        assert_eq!(reply.envelope.request_id, id);
        assert_eq!(reply.code(), ResponseCode::SUCCESS);
    }
}

#[tokio::test]
async fn requests_that_came_together_are_all_answered_whatever_the_replies_take() {
    let node = node(|_| {}).await;
    for ends in [false, true] {
        let mut tcp = HandleClient::connect(node.handle).await;
        // One read of the node, and more replies than it keeps waiting.
        let all: Vec<u8> = (0..24).flat_map(|id| resolve(id, LARGE, &[])).collect();
        tcp.send(&all).await;
        if ends {
            tcp.finish().await;
        }
        let mut reply_bytes = 0;
        for id in 0..24 {
            let reply = Reply::read(&tcp.receive().await.expect("a reply"));
            assert_eq!(reply.envelope.request_id, id);
            assert_eq!(reply.code(), ResponseCode::SUCCESS);
            reply_bytes += reply.bytes.len();
        }
        assert!(all.len() < 2048 && reply_bytes > 80_000, "{reply_bytes}");
        if ends {
            assert!(tcp.receive().await.is_none());
        }
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_and_the_last() {
    let node = node(|_| {}).await;
    let mut tcp = HandleClient::connect(node.handle).await;
    let mut broken = resolve(2, SMALL, &[]);
    let length = u32::try_from(MESSAGE_BYTES_MAX + 1).unwrap();
    broken[16..20].copy_from_slice(&length.to_be_bytes());
    tcp.send(&[resolve(1, SMALL, &[]), broken].concat()).await;
    let sound = Reply::read(&tcp.receive().await.expect("a reply"));
    assert_eq!(sound.code(), ResponseCode::SUCCESS);
    let refused = Reply::read(&tcp.receive().await.expect("a refusal"));
    assert_eq!(refused.code(), ResponseCode::PROTOCOL_ERROR);
    assert_eq!(tcp.receive().await, None);
}

#[tokio::test]
async fn connections_that_do_nothing_give_way_and_end() {
    let node = node(|config| {
        config.handle.tcp_connections_max = 2;
        config.handle.tcp_idle_secs = 1;
    })
    .await;
    let ask = async |client: &mut HandleClient| {
        let reply = client.exchange(&resolve(1, SMALL, &[])).await;
        assert_eq!(reply.code(), ResponseCode::SUCCESS);
    };
    let mut first = HandleClient::connect(node.handle).await;
    let mut second = HandleClient::connect(node.handle).await;
    ask(&mut first).await;
    ask(&mut second).await;
    ask(&mut first).await;
    let mut third = HandleClient::connect(node.handle).await;
    ask(&mut third).await;
    assert_eq!(second.receive().await, None);
    ask(&mut first).await;
    let rejected =
        "idnode_connections_rejected_total{listener=\"handle_tcp\",reason=\"displaced\"} 1";
    assert!(metrics(node.http).await.contains(rejected));
    assert_eq!(first.receive().await, None);
    assert_eq!(third.receive().await, None);
}

#[tokio::test]
async fn a_message_comes_over_http_with_the_header_that_asks_for_one() {
    const ACCEPT: &str = "\r\nAccept: application/x-hdl-message\r\n";
    let node = node(|_| {}).await;
    let mut tcp = HandleClient::connect(node.handle).await;
    let expected = tcp.exchange(&resolve(5, LARGE, &[])).await;
    for path in ["/", "/any/path?at=all", "/metrics", "/livez"] {
        let head = format!("POST {path}{ACCEPT}");
        let (head, body) = http(node.http, &head, &resolve(6, LARGE, &[])).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        assert!(head.contains("content-type: application/x-hdl-message\r\n"));
        let reply = Reply::read(&body);
        assert_eq!(
            (reply.envelope.request_id, reply.body),
            (6, expected.body.clone())
        );
    }
    let check = async |head: &str, body: &[u8], expected: &str| {
        let (head, _) = http(node.http, head, body).await;
        assert!(head.starts_with(expected), "{head}");
    };
    let request = resolve(7, SMALL, &[]);
    check("POST /", &request, "HTTP/1.1 404").await;
    check("POST /metrics", &request, "HTTP/1.1 405").await;
    check(&format!("GET /{ACCEPT}"), &[], "HTTP/1.1 404").await;
    let too_long = vec![0; ENVELOPE_BYTES + MESSAGE_BYTES_MAX + 1];
    check(&format!("POST /{ACCEPT}"), &too_long, "HTTP/1.1 413").await;
    let mut response = request.clone();
    response[27] = 1;
    check(&format!("POST /{ACCEPT}"), &response, "HTTP/1.1 400").await;
    // What is no message is refused in the protocol's own words.
    for broken in [&request[..request.len() - 1], &request[..10], &[]] {
        let (head, body) = http(node.http, &format!("POST /{ACCEPT}"), broken).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert_eq!(Reply::read(&body).code(), ResponseCode::PROTOCOL_ERROR);
    }
}

#[tokio::test]
async fn a_reply_that_takes_long_comes_over_udp_too() {
    let node = node(|_| {}).await;
    let mut tcp = HandleClient::connect(node.handle).await;
    let signed = |id| resolve_with(id, SMALL, &[], Flags::RESOLUTION | Flags::CERTIFIED);
    let over_tcp = tcp.exchange(&signed(1)).await;
    assert!(!over_tcp.credential.is_empty());
    let udp = Udp::new(&node).await;
    for id in 0..20 {
        udp.send(&signed(id)).await;
    }
    let mut ids = Vec::new();
    for _ in 0..20 {
        let reply = udp.reply().await;
        assert_eq!(reply.code(), ResponseCode::SUCCESS);
        assert_eq!(reply.body, over_tcp.body);
        ids.push(reply.envelope.request_id);
    }
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..20));
}

#[tokio::test]
async fn whoever_asks_for_too_much_dear_work_is_told_so() {
    let node = node(|config| config.handle.udp_slow_requests_max = 1).await;
    // Known, so that it gets all of a reply.
    let mut tcp = HandleClient::connect(node.handle).await;
    tcp.exchange(&resolve(1, SMALL, &[])).await;
    let udp = Udp::new(&node).await;
    for id in 0..50 {
        let flags = Flags::RESOLUTION | Flags::CERTIFIED;
        udp.send(&resolve_with(id, SMALL, &[], flags)).await;
    }
    let (mut ids, mut codes) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        let reply = udp.reply().await;
        ids.push(reply.envelope.request_id);
        codes.push(reply.code());
    }
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..50));
    assert!(codes.contains(&ResponseCode::SUCCESS));
    assert!(codes.contains(&ResponseCode::SERVER_TOO_BUSY));
}

#[tokio::test]
async fn what_is_answered_is_counted() {
    let node = node(|_| {}).await;
    let udp = Udp::new(&node).await;
    for id in 0..3 {
        udp.send(&resolve(id, SMALL, &[])).await;
        udp.reply().await;
    }
    udp.send(&resolve(4, "88.118.7/none", &[])).await;
    udp.reply().await;
    let mut tcp = HandleClient::connect(node.handle).await;
    tcp.exchange(&resolve(5, SMALL, &[])).await;
    wait_until("all are counted", async || {
        let metrics = metrics(node.http).await;
        [
            "idnode_handle_responses_total{proto=\"handle_udp\",op=\"resolve\",response_code=\"SUCCESS\"} 3",
            "idnode_handle_responses_total{proto=\"handle_udp\",op=\"resolve\",response_code=\"HANDLE_NOT_FOUND\"} 1",
            "idnode_handle_responses_total{proto=\"handle_tcp\",op=\"resolve\",response_code=\"SUCCESS\"} 1",
            "idnode_resolve_requests_total{proto=\"handle_udp\",result=\"ok\"} 3",
            "idnode_resolve_requests_total{proto=\"handle_udp\",result=\"not_found\"} 1",
            "idnode_connections{listener=\"handle_tcp\",state=\"open\"} 1",
        ]
        .iter()
        .all(|line| metrics.contains(line))
    })
    .await;
}
