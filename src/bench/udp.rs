//! Many datagrams in one call (sendmmsg, recvmmsg), to and from one peer.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg, sendmmsg};

use crate::bench::encoded::Datagram;

/// Datagrams in one call at most.
pub(super) const BATCH_MAX: usize = 32;
/// Octets of a datagram that is received; more than any name server sends
/// unasked.
const DATAGRAM_BYTES_MAX: usize = 4096;
/// Octets of the kernel's buffers for a socket, as far as it grants them.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// Room for one call's datagrams; shared by the sockets of a thread.
pub(super) struct Batch {
    headers: MultiHeaders<()>,
    buffers: Vec<[u8; DATAGRAM_BYTES_MAX]>,
    lengths: Vec<usize>,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH_MAX, None),
            buffers: vec![[0; DATAGRAM_BYTES_MAX]; BATCH_MAX],
            lengths: Vec::with_capacity(BATCH_MAX),
        }
    }

    /// Sends datagrams; returns how many the kernel took.
    pub(super) fn send(
        &mut self,
        socket: &UdpSocket,
        datagrams: &[Datagram<'_>],
    ) -> io::Result<usize> {
        let slices: Vec<[IoSlice<'_>; 2]> = datagrams
            .iter()
            .map(|datagram| datagram.parts().map(IoSlice::new))
            .collect();
        let peers = [None::<()>; BATCH_MAX];
        let sent = sendmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices.iter(),
            peers,
            [],
            MsgFlags::empty(),
        );
        match sent {
            Ok(results) => Ok(results.count()),
            // A full buffer, or a refusal (ICMP) of something sent before.
            Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::EINTR) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Receives what has come, without waiting.
    pub(super) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.lengths.clear();
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
            .buffers
            .iter_mut()
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        let received = recvmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices.iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        );
        match received {
            Ok(results) => self.lengths.extend(results.map(|message| message.bytes)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        Ok(self.lengths.len())
    }

    /// The datagrams of the last [`Batch::receive`].
    pub(super) fn received(&self) -> impl Iterator<Item = &[u8]> {
        let pairs = self.buffers.iter().zip(&self.lengths);
        pairs.filter_map(|(buffer, length)| buffer.get(..*length))
    }
}

/// A socket that speaks to `server` only.
pub(super) fn connected(server: SocketAddr, timeout: Option<Duration>) -> io::Result<UdpSocket> {
    let any: SocketAddr = if server.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0u16; 8], 0).into()
    };
    let socket = UdpSocket::bind(any)?;
    let options = socket2::SockRef::from(&socket);
    options.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
    options.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
    socket.connect(server)?;
    socket.set_read_timeout(timeout)?;
    Ok(socket)
}
