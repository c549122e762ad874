//! What careless and hostile clients cost the others: next to nothing. The node
//! runs in a process of its own, so that its memory can be read.
//!
//! The counts are small unless the environment sets others, as
//! `IDNODE_HANDLE_IDLE=10000`; each test prints what it measured.

use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use idnode::wire::handle::{ENVELOPE_BYTES, Envelope, Marking, PACKET_BYTES_MAX, packets};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::{Instant, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::transports::{LARGE, SMALL, cut, fill, long_request, resolve};
use crate::support::handle::{HandleClient, Reply};
use crate::support::{Chance, DEADLINE, NodeProcess, recorded, wait_until};

/// How long deployed clients wait before they send a request again.
const RETRY: Duration = Duration::from_millis(500);

/// A number of the environment, or `usual`.
#[expect(
    clippy::disallowed_methods,
    reason = "the counts of a long run are given from outside"
)]
fn count(name: &str, usual: u32) -> u32 {
    let given = std::env::var(name).ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(usual)
}

async fn start() -> (NodeProcess, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let node = NodeProcess::start(folder.path()).await;
    fill(&node.clients()).await;
    (node, folder)
}

/// A client over UDP that asks again as deployed ones do.
struct Asker {
    socket: UdpSocket,
    next_id: u32,
    retries: u32,
}

impl Asker {
    async fn new(node: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(node).await.unwrap();
        Self {
            socket,
            next_id: 1_000_000,
            retries: 0,
        }
    }

    /// Asks for the small record and gets it.
    async fn ask(&mut self) -> Duration {
        let packets = vec![resolve(self.next_id, SMALL, &[])];
        self.exchange(&packets).await
    }

    /// Sends a request of several packets and gets the beginning of its reply.
    async fn ask_at_length(&mut self) -> Duration {
        let packets = cut(&long_request(self.next_id));
        self.exchange(&packets).await
    }

    async fn exchange(&mut self, packets: &[Vec<u8>]) -> Duration {
        let began = Instant::now();
        for _ in 0..20 {
            for packet in packets {
                self.socket.send(packet).await.unwrap();
            }
            if timeout(RETRY, self.answer()).await.is_ok() {
                self.next_id += 1;
                return began.elapsed();
            }
            self.retries += 1;
        }
        panic!("no reply to {} retries", self.retries);
    }

    async fn answer(&self) {
        let mut packet = [0; 1024];
        loop {
            let bytes = self.socket.recv(&mut packet).await.unwrap();
            let envelope = Envelope::decode(&packet[..bytes]).unwrap();
            if envelope.request_id == self.next_id {
                assert_eq!(packet[24..28], [0, 0, 0, 1], "success");
                return;
            }
        }
    }
}

/// How long `rounds` requests took on a connection that stays open: the time
/// that 99 of 100 were within.
async fn p99_over_tcp(node: SocketAddr, rounds: u32) -> Duration {
    let mut client = HandleClient::connect(node).await;
    let mut times = Vec::new();
    for id in 0..rounds {
        let began = Instant::now();
        let reply = client.exchange(&resolve(id, SMALL, &[])).await;
        times.push(began.elapsed());
        assert_eq!(reply.envelope.request_id, id);
    }
    p99(times)
}

async fn p99_over_udp(node: SocketAddr, rounds: u32) -> Duration {
    let mut asker = Asker::new(node).await;
    let mut times = Vec::new();
    for _ in 0..rounds {
        times.push(asker.ask().await);
    }
    p99(times)
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Keeps a connection open that does nothing; every other one asked before.
async fn idle(node: SocketAddr, id: u32) -> HandleClient {
    let mut client = HandleClient::connect(node).await;
    if id.is_multiple_of(2) {
        let reply = client.exchange(&resolve(id, SMALL, &[])).await;
        assert_eq!(reply.envelope.request_id, id);
    }
    client
}

/// Sends a request octet by octet, twice a second; comes back when it is closed.
async fn drip(node: SocketAddr) {
    let request = resolve(1, LARGE, &[]);
    let mut ticks = interval(RETRY);
    loop {
        let Ok(mut stream) = TcpStream::connect(node).await else {
            continue;
        };
        for octet in &request {
            ticks.tick().await;
            if stream.write_all(&[*octet]).await.is_err() {
                break;
            }
        }
    }
}

/// Sends requests and reads no reply.
async fn swallow(node: SocketAddr) {
    let requests: Vec<u8> = (0..100).flat_map(|id| resolve(id, LARGE, &[])).collect();
    let socket = TcpSocket::new_v4().unwrap();
    // The less its own system takes for it, the sooner the node has to keep it.
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(node).await.unwrap();
    while stream.write_all(&requests).await.is_ok() {}
    pending::<()>().await;
}

/// Waits until those who read no reply have filled all buffers on the way, and
/// their requests are taken no more: until then they only keep the machine busy.
async fn until_stuck(process: &NodeProcess) {
    let (mut last, mut same) = (String::new(), 0);
    wait_until("nothing is answered any more", async || {
        let metrics = process.metrics().await;
        let lines = metrics.lines();
        let mut counts: Vec<&str> = lines
            .filter(|line| line.starts_with("idnode_handle_responses_total"))
            .collect();
        counts.sort_unstable();
        let counts = counts.join("\n");
        same = if counts == last { same + 1 } else { 0 };
        last = counts;
        same == 20
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_and_slow_connections_cost_only_themselves() {
    let idle_count = count("IDNODE_HANDLE_IDLE", 200);
    let rounds = count("IDNODE_HANDLE_ROUNDS", 1000);
    let (process, _folder) = start().await;
    let node = process.handle();
    p99_over_tcp(node, rounds).await;
    let (tcp_alone, udp_alone) = (
        p99_over_tcp(node, rounds).await,
        p99_over_udp(node, rounds).await,
    );
    let before_bytes = process.memory_bytes();
    let mut idlers = Vec::new();
    for id in 0..idle_count {
        idlers.push(idle(node, id).await);
    }
    let idle_bytes = process.memory_bytes().saturating_sub(before_bytes);
    let tracker = TaskTracker::new();
    let ended = CancellationToken::new();
    for number in 0..idle_count / 10 {
        let ended = ended.clone();
        tracker.spawn(async move {
            let slow = async {
                match number % 2 {
                    0 => drip(node).await,
                    _ => swallow(node).await,
                }
            };
            ended.run_until_cancelled(slow).await
        });
    }
    until_stuck(&process).await;
    let (tcp_beside, udp_beside) = (
        p99_over_tcp(node, rounds).await,
        p99_over_udp(node, rounds).await,
    );
    let slow_bytes = process.memory_bytes().saturating_sub(before_bytes);
    println!(
        "{idle_count} idle, {} slow: p99 over TCP {tcp_alone:?} alone, {tcp_beside:?} beside; \
         over UDP {udp_alone:?}, {udp_beside:?}; memory {} KiB with the idle, {} KiB with all",
        idle_count / 10,
        idle_bytes / 1024,
        slow_bytes / 1024,
    );
    // That nothing stalls; how little it costs is printed, and not judged here.
    let bound = |alone: Duration| 10 * alone + Duration::from_secs(2);
    assert!(tcp_beside < bound(tcp_alone) && udp_beside < bound(udp_alone));
    assert!(idle_bytes < 16 * 1024 * u64::from(idle_count) + (32 << 20));
    // Who was idle is still served.
    for client in idlers.iter_mut().step_by(17) {
        client.exchange(&resolve(1, SMALL, &[])).await;
    }
    ended.cancel();
    tracker.close();
    assert!(timeout(DEADLINE, tracker.wait()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_never_become_whole_stall_nobody() {
    let unfinished_count = count("IDNODE_HANDLE_UNFINISHED", 5000);
    let (process, _folder) = start().await;
    let node = process.handle();
    let mut client = Asker::new(node).await;
    // From many addresses, so that not only the bound of one client holds.
    let mut attackers = Vec::new();
    for number in 0..200 {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + number);
        attackers.push(UdpSocket::bind((address, 0)).await.unwrap());
    }
    client.ask().await;
    let before_bytes = process.memory_bytes();
    let (mut slowest, mut peak_bytes) = (Duration::ZERO, 0);
    for id in 0..unfinished_count {
        let attacker = &attackers[usize::try_from(id).unwrap() % attackers.len()];
        let packets = cut(&long_request(id));
        let packet = &packets[usize::try_from(id / 3).unwrap() % packets.len()];
        attacker.send_to(packet, node).await.unwrap();
        if id.is_multiple_of(50) {
            slowest = slowest.max(client.ask().await);
        }
        if id.is_multiple_of(500) {
            slowest = slowest.max(client.ask_at_length().await);
            peak_bytes = peak_bytes.max(process.memory_bytes());
        }
    }
    let grown_bytes = peak_bytes.saturating_sub(before_bytes);
    println!(
        "{unfinished_count} unfinished: slowest reply {slowest:?}, {} retries, {} KiB more",
        client.retries,
        grown_bytes / 1024
    );
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    assert!(grown_bytes < 64 << 20, "{grown_bytes}");
    wait_until("the unfinished are gone", async || {
        let metrics = process.metrics().await;
        metrics.contains("idnode_handle_unfinished_requests 0\n")
    })
    .await;
}

/// Changes a message at some places.
fn mutate(chance: &mut Chance, message: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..=chance.below(4) {
        let at = chance.index(message.len() + 1);
        let octet = u8::try_from(chance.below(256)).unwrap();
        match chance.below(6) {
            0 => message.truncate(at),
            1 => message.insert(at, octet),
            2 if at < message.len() => drop(message.remove(at)),
            3 => message.extend_from_slice(&other[chance.index(other.len())..]),
            4 if at < message.len() => message[at] ^= 1 << chance.below(8),
            _ if at < message.len() => message[at] = octet,
            _ => {}
        }
    }
    // Mostly the length is right, so that more than it is looked at.
    if chance.below(4) > 0
        && let Some(behind) = message.len().checked_sub(ENVELOPE_BYTES)
    {
        let length = u32::try_from(behind).unwrap();
        message[16..20].copy_from_slice(&length.to_be_bytes());
    }
}

/// Sends what it is given on one connection, then ends it and reads what comes.
async fn pour(node: SocketAddr, messages: &[Vec<u8>]) {
    let mut stream = TcpStream::connect(node).await.unwrap();
    let _refused = stream.write_all(&messages.concat()).await;
    let _closed = stream.shutdown().await;
    let mut replies = Vec::new();
    let _end = timeout(DEADLINE, stream.read_to_end(&mut replies)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_changed_by_chance_leave_the_node_as_it_was() {
    let message_count = count("IDNODE_HANDLE_SOCKET_MESSAGES", 20_000);
    let (process, _folder) = start().await;
    let node = process.handle();
    let mut seeds: Vec<Vec<u8>> = recorded::messages()
        .into_iter()
        .filter(|sent| sent.is_request)
        .map(|sent| sent.bytes)
        .collect();
    seeds.extend([
        resolve(1, SMALL, &[]),
        resolve(2, LARGE, &[]),
        long_request(3),
    ]);
    let mut chance = Chance::new(7);
    let mut client = Asker::new(node).await;
    let attacker = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (mut sent_count, mut early_bytes) = (0, None);
    while sent_count < message_count {
        let mut messages = Vec::new();
        for _ in 0..32 {
            let mut message = seeds[chance.index(seeds.len())].clone();
            let other = chance.index(seeds.len());
            mutate(&mut chance, &mut message, &seeds[other]);
            messages.push(message);
        }
        sent_count += 32;
        if chance.below(4) == 0 {
            pour(node, &messages).await;
        } else {
            for message in &messages {
                for packet in as_datagrams(message) {
                    attacker.send_to(&packet, node).await.unwrap();
                }
            }
            let mut reply = [0; 1024];
            while attacker.try_recv(&mut reply).is_ok() {}
        }
        client.ask().await;
        if sent_count > message_count / 4 && early_bytes.is_none() {
            early_bytes = Some(process.memory_bytes());
        }
    }
    let end_bytes = process.memory_bytes();
    let early_bytes = early_bytes.unwrap_or(end_bytes);
    println!(
        "{sent_count} messages: {} KiB after a quarter, {} KiB at the end, {} retries",
        early_bytes / 1024,
        end_bytes / 1024,
        client.retries
    );
    assert!(end_bytes < early_bytes + (32 << 20));
    let metrics = process.metrics().await;
    assert!(metrics.contains("idnode_panics_total 0\n"), "a panic");
    let mut tcp = HandleClient::connect(node).await;
    let large: Reply = tcp.exchange(&resolve(4, LARGE, &[])).await;
    assert!(large.bytes.len() > 5000);
}

/// A message as packets, if it is whole; as it stands otherwise.
fn as_datagrams(message: &[u8]) -> Vec<Vec<u8>> {
    match packets(message, Marking::Marked) {
        Ok(packets) => packets
            .map(|packet| packet.write(&mut [0; PACKET_BYTES_MAX]).to_vec())
            .collect(),
        Err(_) => vec![message.to_vec()],
    }
}
