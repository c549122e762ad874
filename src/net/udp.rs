//! UDP in batches: several threads, each with its own socket of one address
//! (`SO_REUSEPORT`), each receiving and sending many datagrams in one call.
//!
//! Nothing is allocated for a datagram. An answer leaves from the address that
//! was asked, at once or later: a socket bound to one address has no other; one
//! bound to the wildcard address is told by the kernel (`IP_PKTINFO`, RFC 3542
//! §6.2) and tells it back.

mod outbox;

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo, UdpGsoSegment};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg, setsockopt};
use socket2::{Domain, Protocol, Type};

pub use outbox::ReplyTo;

use outbox::{Datagram, Outbox, headers, send_one};

/// Datagrams received or sent in one call.
pub const BATCH_COUNT_MAX: usize = 32;
/// Octets kept of a datagram; the rest of a longer one is cut off.
pub const RECEIVED_BYTES_MAX: usize = 2048;
/// Octets of an answer: the largest that crosses the paths in use today without
/// fragments (DNS Flag Day 2020).
pub const SENT_BYTES_MAX: usize = 1232;

/// How long a thread waits before it looks whether it is to stop.
const WAIT: Duration = Duration::from_millis(100);
/// Octets that the kernel holds for a thread which is busy; it may give fewer.
const KERNEL_BUFFER_BYTES: usize = 4 << 20;

/// One of the sockets of an address.
#[derive(Debug)]
pub struct Socket {
    socket: UdpSocket,
    wildcard: bool,
    /// Octets of the datagrams that the system parts what it is given into.
    parts_bytes: Option<usize>,
}

impl Socket {
    /// Binds a socket that shares `address` with others of this process's user.
    ///
    /// # Errors
    /// Those of the system.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        socket.set_reuse_port(true)?;
        // The kernel takes what it may; a smaller buffer only drops earlier.
        let _smaller = socket.set_recv_buffer_size(KERNEL_BUFFER_BYTES);
        let _smaller = socket.set_send_buffer_size(KERNEL_BUFFER_BYTES);
        socket.set_read_timeout(Some(WAIT))?;
        socket.set_write_timeout(Some(WAIT))?;
        let wildcard = address.ip().is_unspecified();
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        if wildcard && address.is_ipv6() {
            setsockopt(&socket.as_fd(), Ipv6RecvPacketInfo, &true)?;
        } else if wildcard {
            setsockopt(&socket.as_fd(), Ipv4PacketInfo, &true)?;
        }
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        Ok(Self {
            socket,
            wildcard,
            parts_bytes: None,
        })
    }

    /// Has the system part what it is given into datagrams of `bytes`, where it
    /// can (`UDP_SEGMENT`, Linux 4.18): an answer in several then costs little
    /// more than one. Nothing sent may be longer than `bytes`.
    pub fn part_at(&mut self, bytes: usize) {
        let Ok(size) = i32::try_from(bytes) else {
            return;
        };
        let parts = setsockopt(&self.socket.as_fd(), UdpGsoSegment, &size);
        self.parts_bytes = parts.is_ok().then_some(bytes);
    }

    /// The address it is bound to, with the port that the system chose for 0.
    ///
    /// # Errors
    /// Those of the system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Gives each batch of datagrams to `handler` and sends what it answers,
    /// until `stop` is set, which is noticed within 100 ms. Blocks its thread.
    ///
    /// A datagram that cannot be sent is dropped; UDP promises no more.
    ///
    /// # Errors
    /// Those of the system that receiving again does not cure.
    pub fn serve(
        &self,
        stop: &AtomicBool,
        handler: &mut impl FnMut(&mut Batch<'_>),
    ) -> io::Result<()> {
        let mut buffers = Buffers::new(self.wildcard, self.parts_bytes);
        while !stop.load(Ordering::Relaxed) {
            match buffers.receive(&self.socket) {
                Ok(received_count) => {
                    handler(&mut buffers.batch(&self.socket, received_count));
                    buffers.outbox.send(&self.socket);
                }
                // Nothing came, a signal did, or an ICMP error for an earlier
                // answer was waiting.
                Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED | Errno::ENOBUFS) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Sends one datagram, also while another thread serves. One that cannot be
    /// sent at once is dropped.
    pub fn send_to(&self, packet: &[u8], to: &ReplyTo) {
        send_one(&self.socket, packet, to);
    }
}

/// Datagrams received together.
#[derive(Debug)]
pub struct Batch<'a> {
    socket: &'a UdpSocket,
    received: &'a [Datagram],
    packets: &'a [[u8; RECEIVED_BYTES_MAX]],
    outbox: &'a mut Outbox,
}

impl Batch<'_> {
    /// Gives each datagram and its sender to `answer`, with room for the answer;
    /// it returns the answer's length, or `None` for silence.
    pub fn answer(
        &mut self,
        mut answer: impl FnMut(&[u8], SocketAddr, &mut [u8]) -> Option<usize>,
    ) {
        for (datagram, packet) in self.received.iter().zip(self.packets) {
            let Some((to, packet)) = datagram.whole(packet) else {
                continue;
            };
            // There are as many places as datagrams.
            let Some(room) = self.outbox.room() else {
                return;
            };
            if let Some(bytes) = answer(packet, to.peer(), room) {
                self.outbox.take(bytes, to);
            }
        }
    }

    /// Gives each datagram to `exchange`, with what sends any number of answers
    /// to its sender.
    pub fn exchange(&mut self, mut exchange: impl FnMut(&[u8], &mut Replies<'_>)) {
        for (datagram, packet) in self.received.iter().zip(self.packets) {
            let Some((to, packet)) = datagram.whole(packet) else {
                continue;
            };
            let mut replies = Replies {
                to,
                socket: self.socket,
                outbox: self.outbox,
                goes_on: false,
            };
            exchange(packet, &mut replies);
        }
    }
}

/// Sends answers to one datagram.
#[derive(Debug)]
pub struct Replies<'a> {
    to: &'a ReplyTo,
    socket: &'a UdpSocket,
    outbox: &'a mut Outbox,
    /// Whether what waits to be sent ends with an answer of these.
    goes_on: bool,
}

impl Replies<'_> {
    /// Where answers go, for one that comes later.
    pub const fn to(&self) -> &ReplyTo {
        self.to
    }

    /// Sends `packet`, cut to [`SENT_BYTES_MAX`], with others or soon.
    pub fn push(&mut self, packet: &[u8]) {
        if self.goes_on && self.outbox.join(packet) {
            return;
        }
        if self.outbox.room().is_none() {
            self.outbox.send(self.socket);
        }
        self.goes_on = true;
        let Some(room) = self.outbox.room() else {
            return;
        };
        let bytes = packet.len().min(room.len());
        if let (Some(room), Some(packet)) = (room.get_mut(..bytes), packet.get(..bytes)) {
            room.copy_from_slice(packet);
            self.outbox.take(bytes, self.to);
        }
    }
}

/// Everything a thread needs, allocated once.
struct Buffers {
    headers: MultiHeaders<SockaddrStorage>,
    received: [Datagram; BATCH_COUNT_MAX],
    packets: Box<[[u8; RECEIVED_BYTES_MAX]; BATCH_COUNT_MAX]>,
    outbox: Outbox,
    wildcard: bool,
}

impl Buffers {
    fn new(wildcard: bool, parts_bytes: Option<usize>) -> Self {
        Self {
            headers: headers(wildcard),
            received: [Datagram::NONE; BATCH_COUNT_MAX],
            packets: Box::new([[0; RECEIVED_BYTES_MAX]; BATCH_COUNT_MAX]),
            outbox: Outbox::new(wildcard, parts_bytes),
            wildcard,
        }
    }

    /// Waits for one datagram and takes what else is there.
    fn receive(&mut self, socket: &UdpSocket) -> Result<usize, Errno> {
        if self.wildcard {
            // The kernel leaves the length of the last control data in place of
            // the room for the next.
            self.headers = headers(true);
        }
        let mut slices = self
            .packets
            .each_mut()
            .map(|packet| [IoSliceMut::new(packet)]);
        let messages = recvmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices.iter_mut(),
            MsgFlags::MSG_WAITFORONE,
            None,
        )?;
        let mut count = 0;
        for (place, message) in self.received.iter_mut().zip(messages) {
            *place = Datagram {
                bytes: message.bytes,
                to: ReplyTo::of(&message, self.wildcard),
            };
            count += 1;
        }
        Ok(count)
    }

    fn batch<'a>(&'a mut self, socket: &'a UdpSocket, received_count: usize) -> Batch<'a> {
        Batch {
            socket,
            received: self.received.get(..received_count).unwrap_or_default(),
            packets: self.packets.as_slice(),
            outbox: &mut self.outbox,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
    use std::thread;

    use super::*;

    /// Serves `handler` on `address` while `ask` runs.
    fn with_server(
        address: &str,
        parts_bytes: Option<usize>,
        mut handler: impl FnMut(&Socket, &mut Batch<'_>) + Send,
        ask: impl FnOnce(u16),
    ) {
        let mut socket = Socket::bind(address.parse().expect("an address")).expect("bound");
        if let Some(bytes) = parts_bytes {
            socket.part_at(bytes);
        }
        let port = socket.address().expect("an address").port();
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let serving = scope.spawn(|| socket.serve(&stop, &mut |batch| handler(&socket, batch)));
            ask(port);
            stop.store(true, Ordering::Relaxed);
            serving.join().expect("no panic").expect("no error");
        });
    }

    /// Serves an echo that is silent to "-" on `address` while `ask` runs.
    fn with_echo(address: &str, ask: impl FnOnce(u16)) {
        let echo = |_: &Socket, batch: &mut Batch<'_>| {
            batch.answer(|packet, peer, room| {
                assert_ne!(peer.port(), 0);
                room.get_mut(..packet.len())?.copy_from_slice(packet);
                (packet != b"-").then_some(packet.len())
            });
        };
        with_server(address, None, echo, ask);
    }

    fn client(address: &str) -> UdpSocket {
        let client = UdpSocket::bind(address).expect("bound");
        let patience = Some(Duration::from_secs(10));
        client.set_read_timeout(patience).expect("set");
        client
    }

    fn check(server: &str, asked: IpAddr, client_address: &str) {
        with_echo(server, |port| {
            let client = client(client_address);
            let count = 3 * BATCH_COUNT_MAX;
            for number in 0..count {
                client.send_to(b"-", (asked, port)).expect("sent");
                let question = format!("question {number}");
                client
                    .send_to(question.as_bytes(), (asked, port))
                    .expect("sent");
            }
            for number in 0..count {
                let mut answer = [0; 64];
                let (bytes, from) = client.recv_from(&mut answer).expect("answered");
                assert_eq!(from.ip(), asked, "from the address that was asked");
                assert_eq!(&answer[..bytes], format!("question {number}").as_bytes());
            }
        });
    }

    #[test]
    fn answers_each_datagram_in_order() {
        check("127.0.0.1:0", Ipv4Addr::LOCALHOST.into(), "127.0.0.1:0");
    }

    #[test]
    fn answers_over_ipv6() {
        if UdpSocket::bind("[::1]:0").is_ok() {
            check("[::1]:0", Ipv6Addr::LOCALHOST.into(), "[::1]:0");
        }
    }

    #[test]
    fn answers_from_the_address_that_was_asked() {
        let second = Ipv4Addr::new(127, 0, 0, 2);
        check("0.0.0.0:0", second.into(), "127.0.0.1:0");
    }

    fn check_several(server: &str, asked: IpAddr, client_address: &str) {
        check_parts(server, asked, client_address, None);
        check_parts(server, asked, client_address, Some(500));
    }

    fn check_parts(server: &str, asked: IpAddr, client_address: &str, parts: Option<usize>) {
        let answer_often = |socket: &Socket, batch: &mut Batch<'_>| {
            batch.exchange(|packet, replies| {
                let to = *replies.to();
                for number in 0..packet[0] {
                    replies.push(&[number; 500]);
                }
                replies.push(&[packet[0]; 20]);
                // Beside the batch, as another thread does.
                socket.send_to(&[packet[0]; 500], &to);
            });
        };
        with_server(server, parts, answer_often, |port| {
            let client = client(client_address);
            let each = u8::try_from(BATCH_COUNT_MAX).expect("few") * 2 + 1;
            for count in [1, each] {
                client.send_to(&[count], (asked, port)).expect("sent");
                let mut got = Vec::new();
                for _ in 0..=u16::from(count) + 1 {
                    let mut answer = [0; 600];
                    let (bytes, from) = client.recv_from(&mut answer).expect("answered");
                    assert_eq!(from.ip(), asked, "from the address that was asked");
                    got.push((answer[0], bytes));
                }
                got.sort_unstable();
                let short = (count, 20);
                let long = (0..=count).map(|number| (number, 500));
                let mut expected: Vec<_> = long.chain([short]).collect();
                expected.sort_unstable();
                assert_eq!(got, expected);
            }
        });
    }

    #[test]
    fn sends_several_answers_and_later_ones_from_where_it_was_asked() {
        check_several("127.0.0.1:0", Ipv4Addr::LOCALHOST.into(), "127.0.0.1:0");
        let second = Ipv4Addr::new(127, 0, 0, 2);
        check_several("0.0.0.0:0", second.into(), "127.0.0.1:0");
        if UdpSocket::bind("[::1]:0").is_ok() {
            check_several("[::1]:0", Ipv6Addr::LOCALHOST.into(), "[::1]:0");
            check_several("[::]:0", Ipv6Addr::LOCALHOST.into(), "[::1]:0");
        }
    }

    #[test]
    fn parts_by_itself_what_the_system_does_not() {
        let socket = Socket::bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
        let client = client("127.0.0.1:0");
        let server = socket.address().expect("an address");
        client.send_to(b"?", server).expect("sent");
        let mut buffers = Buffers::new(false, Some(500));
        assert_eq!(buffers.receive(&socket.socket), Ok(1));
        let to = buffers.received[0].to.expect("a sender");
        let outbox = &mut buffers.outbox;
        assert!(!outbox.join(&[1; 500]), "there is none before it");
        outbox.take(500, &to);
        assert!(outbox.join(&[2; 500]) && outbox.join(&[3; 20]));
        assert!(!outbox.join(&[4; 20]), "the last part was short");
        outbox.send_parted(&socket.socket, 0);
        for expected in [500, 500, 20] {
            let mut answer = [0; 600];
            assert_eq!(client.recv(&mut answer).expect("answered"), expected);
        }
    }

    #[test]
    fn cuts_what_is_longer_than_its_room() {
        let socket = Socket::bind("127.0.0.1:0".parse().expect("an address")).expect("bound");
        let to = socket.address().expect("an address");
        let client = client("127.0.0.1:0");
        client.send_to(&[7; 5000], to).expect("sent");
        let mut buffers = Buffers::new(false, None);
        assert_eq!(buffers.receive(&socket.socket), Ok(1));
        assert_eq!(buffers.received[0].bytes, RECEIVED_BYTES_MAX);
    }
}
