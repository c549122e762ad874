//! Load over the Handle protocol (RFC 3652): resolution over UDP with a fixed
//! window, over TCP connections that stay open, and over one connection for each
//! request, as clients of old do it; and creation in sessions.

mod create;
mod pool;
mod session;
mod tcp;
mod window;

use std::net::SocketAddr;

use crate::bench::error::Error;
use crate::bench::flood::{Flood, ask};
use crate::bench::report::Report;
use crate::bench::workload::Bound;

pub use crate::bench::handle::create::{HandleCreating, handle_create};
pub use crate::bench::handle::pool::HandlePool;
pub(super) use crate::bench::handle::pool::request;

/// What carries the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Datagrams.
    Udp,
    /// Connections that stay open, with several requests under way on each.
    Tcp,
    /// A connection for each request.
    TcpConnect,
}

/// How a Handle server is asked.
#[derive(Clone, Debug)]
pub struct HandleFlood {
    /// The server.
    pub server: SocketAddr,
    /// What carries the requests.
    pub carrier: Carrier,
    /// Threads that ask over UDP.
    pub threads: usize,
    /// Sockets of each thread, or connections.
    pub connections: usize,
    /// Requests outstanding on each of them; with [`Carrier::TcpConnect`],
    /// connections in the place of each of them.
    pub window: usize,
    /// Whether one request goes over TCP before those over UDP. A server may cut
    /// what it sends to addresses that have not been seen over TCP, so that
    /// nobody else is flooded.
    pub tcp_first: bool,
    /// When it ends.
    pub bound: Bound,
    /// Processes of the server, to be watched.
    pub pids: Vec<u32>,
}

/// Asks the questions of `pool`, over and over, until the bound.
///
/// # Errors
/// [`Error::NoQuestions`], [`Error::Udp`], [`Error::Tcp`], [`Error::Process`],
/// [`Error::Worker`].
pub async fn handle_resolve(pool: HandlePool, how: HandleFlood) -> Result<Report, Error> {
    if pool.count() == 0 {
        return Err(Error::NoQuestions);
    }
    match how.carrier {
        Carrier::Udp => {
            if how.tcp_first {
                tcp::ask_first(&pool, how.server).await?;
            }
            let flood = Flood {
                server: how.server,
                threads: how.threads,
                sockets: how.connections,
                window: how.window,
                per_second: None,
                bound: how.bound,
                pids: how.pids,
            };
            let asked = tokio::task::spawn_blocking(move || ask(&pool, &flood)).await;
            asked.map_err(|_| Error::Worker)?
        }
        Carrier::Tcp | Carrier::TcpConnect => tcp::resolve(pool, how).await,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::thread;

    use super::*;
    use crate::bench::handle::pool::tests::{answer, pool};
    use crate::wire::handle::{
        ENVELOPE_BYTES, Envelope, Marking, PACKET_BYTES_MAX, ResponseCode, packets,
    };

    const SUCCESS: ResponseCode = ResponseCode::SUCCESS;

    fn how(server: SocketAddr, carrier: Carrier) -> HandleFlood {
        HandleFlood {
            server,
            carrier,
            threads: 1,
            connections: 3,
            window: 4,
            tcp_first: false,
            bound: Bound {
                requests: Some(200),
                time: None,
            },
            pids: vec![std::process::id()],
        }
    }

    /// Answers each datagram with `code`, in pieces, until the process ends.
    fn over_udp(code: ResponseCode) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("bound");
        thread::spawn(move || {
            let mut buffer = [0; PACKET_BYTES_MAX];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                let answer = answer(&buffer[..length], code);
                for piece in packets(&answer, Marking::Unmarked).expect("whole") {
                    let mut packet = [0; PACKET_BYTES_MAX];
                    socket
                        .send_to(piece.write(&mut packet), peer)
                        .expect("sent");
                }
            }
        });
        address
    }

    fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
        let mut request = vec![0; ENVELOPE_BYTES];
        stream.read_exact(&mut request).ok()?;
        let bytes = Envelope::decode(&request).expect("20 bytes").message_len();
        request.resize(ENVELOPE_BYTES + bytes.expect("short"), 0);
        stream.read_exact(&mut request[ENVELOPE_BYTES..]).ok()?;
        Some(request)
    }

    /// Answers two requests at a time, the second one first, and the last by
    /// itself; or one, and closes. Until the process ends.
    fn over_tcp(closes: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("accepted");
                thread::spawn(move || {
                    while let Some(first) = request(&mut stream) {
                        let second = (!closes).then(|| request(&mut stream)).flatten();
                        for request in second.iter().chain([&first]) {
                            let answer = answer(request, SUCCESS);
                            stream.write_all(&answer).expect("sent");
                        }
                        if closes {
                            return;
                        }
                    }
                });
            }
        });
        address
    }

    async fn check(how: HandleFlood, existing: f64) -> Report {
        let report = handle_resolve(pool(existing, None), how).await;
        report.expect("asked")
    }

    #[tokio::test]
    async fn counts_answers_in_pieces_once() {
        let right = check(how(over_udp(SUCCESS), Carrier::Udp), 1.0).await;
        assert_eq!((right.requests, right.found), (200, 200));
        assert_eq!((right.wrong, right.lost), (0, 0));
        assert!(right.server.is_some() && right.latency.p50_us > 0.0);
        let wrong = check(how(over_udp(SUCCESS), Carrier::Udp), 0.0).await;
        assert_eq!((wrong.requests, wrong.wrong), (0, 200));
        assert!(wrong.first_wrong.is_some());
        let missing = over_udp(ResponseCode::HANDLE_NOT_FOUND);
        let missing = check(how(missing, Carrier::Udp), 0.0).await;
        assert_eq!((missing.requests, missing.found), (200, 0));
    }

    #[tokio::test]
    async fn shows_itself_over_tcp_first() {
        let mut how = how(over_tcp(true), Carrier::Udp);
        how.tcp_first = true;
        how.bound.requests = Some(0);
        let report = check(how.clone(), 1.0).await;
        assert_eq!((report.requests, report.lost), (0, 0));
        let nobody = UdpSocket::bind("127.0.0.1:0").expect("a port");
        how.server = nobody.local_addr().expect("bound");
        let seen = handle_resolve(pool(1.0, None), how).await;
        assert!(matches!(seen, Err(Error::Tcp { .. })));
    }

    #[tokio::test]
    async fn takes_answers_on_one_connection_in_any_order() {
        // An even number on each connection, since the server waits for two.
        let mut how = how(over_tcp(false), Carrier::Tcp);
        how.connections = 1;
        let right = check(how, 1.0).await;
        assert_eq!((right.requests, right.found), (200, 200));
        assert_eq!((right.wrong, right.lost), (0, 0));
        assert_eq!(right.benchmark, "handle tcp");
    }

    #[tokio::test]
    async fn opens_a_connection_for_each_request() {
        let right = check(how(over_tcp(true), Carrier::TcpConnect), 1.0).await;
        assert_eq!((right.requests, right.wrong, right.lost), (200, 0, 0));
        let closed = handle_resolve(pool(1.0, None), how(over_tcp(true), Carrier::Tcp)).await;
        assert!(matches!(closed, Err(Error::Tcp { .. })));
    }

    #[tokio::test]
    async fn asks_nothing_where_there_is_nothing_to_ask() {
        let how = how(([127, 0, 0, 1], 9).into(), Carrier::Tcp);
        let seen = handle_resolve(HandlePool::default(), how).await;
        assert!(matches!(seen, Err(Error::NoQuestions)));
    }
}
