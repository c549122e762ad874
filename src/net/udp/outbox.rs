//! Datagrams on their way out: to whom, from which address, and many in one call.

use std::io::IoSlice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage,
    sendmmsg, sendmsg,
};

use crate::net::udp::{BATCH_COUNT_MAX, SENT_BYTES_MAX};

/// Octets of datagrams that the system is given in one piece.
const JOINED_BYTES_MAX: usize = 2048;

/// Whom to answer, and from which address.
#[derive(Clone, Copy, Debug)]
pub struct ReplyTo {
    peer: SocketAddr,
    storage: SockaddrStorage,
    local: Local,
}

impl ReplyTo {
    /// Who asked.
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn of(message: &RecvMsg<'_, '_, SockaddrStorage>, wildcard: bool) -> Option<Self> {
        let storage = message.address?;
        let peer = match storage.as_sockaddr_in() {
            Some(v4) => SocketAddrV4::from(*v4).into(),
            None => SocketAddrV6::from(*storage.as_sockaddr_in6()?).into(),
        };
        let local = if wildcard {
            Local::of(message)
        } else {
            Local::Bound
        };
        Some(Self {
            peer,
            storage,
            local,
        })
    }
}

/// How long a datagram is, and where an answer to it goes; nowhere if its
/// sender is none that can be answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram {
    pub(super) bytes: usize,
    pub(super) to: Option<ReplyTo>,
}

impl Datagram {
    pub(super) const NONE: Self = Self { bytes: 0, to: None };

    /// Its sender and its octets, which stand at the start of `packet`.
    pub(super) fn whole<'a>(&'a self, packet: &'a [u8]) -> Option<(&'a ReplyTo, &'a [u8])> {
        self.to.as_ref().zip(packet.get(..self.bytes))
    }

    fn local(&self) -> Local {
        self.to.map_or(Local::Bound, |to| to.local)
    }
}

/// The address that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Local {
    /// The one the socket is bound to.
    Bound,
    /// One of several.
    V4(Ipv4Addr),
    /// One of several, and its interface if it is of that link only.
    V6(Ipv6Addr, libc::c_uint),
}

impl Local {
    fn of(message: &RecvMsg<'_, '_, SockaddrStorage>) -> Self {
        let Ok(mut infos) = message.cmsgs() else {
            return Self::Bound;
        };
        infos
            .find_map(|info| match info {
                ControlMessageOwned::Ipv4PacketInfo(info) => Some(Self::V4(Ipv4Addr::from(
                    info.ipi_spec_dst.s_addr.to_ne_bytes(),
                ))),
                ControlMessageOwned::Ipv6PacketInfo(info) => {
                    let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    let interface = match IpAddr::V6(address) {
                        IpAddr::V6(v6) if v6.is_unicast_link_local() => info.ipi6_ifindex,
                        IpAddr::V4(_) | IpAddr::V6(_) => 0,
                    };
                    Some(Self::V6(address, interface))
                }
                _ => None,
            })
            .unwrap_or(Self::Bound)
    }

    /// Runs `send` with the control data that makes a datagram leave from here.
    fn with_control<T>(self, send: impl FnOnce(&[ControlMessage<'_>]) -> T) -> T {
        match self {
            Self::Bound => send(&[]),
            Self::V4(address) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: libc::in_addr {
                        s_addr: u32::from_ne_bytes(address.octets()),
                    },
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                send(&[ControlMessage::Ipv4PacketInfo(&info)])
            }
            Self::V6(address, interface) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr {
                        s6_addr: address.octets(),
                    },
                    ipi6_ifindex: interface,
                };
                send(&[ControlMessage::Ipv6PacketInfo(&info)])
            }
        }
    }
}

/// Room for the headers of a batch, and for control data on a socket bound to
/// the wildcard address.
pub(super) fn headers(wildcard: bool) -> MultiHeaders<SockaddrStorage> {
    let space = wildcard.then(|| nix::cmsg_space!(libc::in6_pktinfo));
    MultiHeaders::preallocate(BATCH_COUNT_MAX, space)
}

/// Datagrams that wait to be sent together.
#[derive(Debug)]
pub(super) struct Outbox {
    headers: MultiHeaders<SockaddrStorage>,
    datagrams: [Datagram; BATCH_COUNT_MAX],
    packets: Box<[[u8; JOINED_BYTES_MAX]; BATCH_COUNT_MAX]>,
    count: usize,
    parts_bytes: Option<usize>,
}

impl Outbox {
    pub(super) fn new(wildcard: bool, parts_bytes: Option<usize>) -> Self {
        Self {
            headers: headers(wildcard),
            datagrams: [Datagram::NONE; BATCH_COUNT_MAX],
            packets: Box::new([[0; JOINED_BYTES_MAX]; BATCH_COUNT_MAX]),
            count: 0,
            parts_bytes,
        }
    }

    /// Puts `packet` behind the last one, where the system parts them again:
    /// behind whole parts, of which it is one, or the last.
    pub(super) fn join(&mut self, packet: &[u8]) -> bool {
        let Some(parts_bytes) = self.parts_bytes else {
            return false;
        };
        let last = self.count.checked_sub(1);
        let last = last.and_then(|last| Some((self.datagrams.get_mut(last)?, last)));
        let Some((datagram, last)) = last else {
            return false;
        };
        let fits = packet.len() <= parts_bytes && datagram.bytes % parts_bytes == 0;
        let end = datagram.bytes + packet.len();
        let place = self.packets.get_mut(last);
        let place = place.and_then(|place| place.get_mut(datagram.bytes..end));
        match place {
            Some(place) if fits => place.copy_from_slice(packet),
            _ => return false,
        }
        datagram.bytes = end;
        true
    }

    /// Room for the next datagram; `None` when all is taken.
    pub(super) fn room(&mut self) -> Option<&mut [u8]> {
        let packet = self.packets.get_mut(self.count)?;
        packet.get_mut(..SENT_BYTES_MAX)
    }

    /// Takes the first `bytes` of the room.
    pub(super) fn take(&mut self, bytes: usize, to: &ReplyTo) {
        if let Some(datagram) = self.datagrams.get_mut(self.count) {
            *datagram = Datagram {
                bytes,
                to: Some(*to),
            };
            self.count += 1;
        }
    }

    /// Sends everything, what leaves from one local address together.
    pub(super) fn send(&mut self, socket: &UdpSocket) {
        let count = std::mem::take(&mut self.count);
        let mut start = 0;
        while let Some(first) = self.datagrams.get(start..count).and_then(<[_]>::first) {
            let local = first.local();
            let same = |datagram: &&Datagram| datagram.local() == local;
            let rest = self.datagrams.get(start..count).unwrap_or_default();
            let end = start + rest.iter().take_while(same).count();
            start += match self.send_run(socket, start, end, local) {
                Ok(sent_count) => sent_count.max(1),
                // One that cannot be sent is left out, the others go on.
                Err(_) => {
                    self.send_parted(socket, start);
                    1
                }
            };
        }
    }

    /// Sends the parts of what the system did not take in one piece, as it does
    /// not where a network device leaves checksums to it.
    pub(super) fn send_parted(&self, socket: &UdpSocket, index: usize) {
        let (Some(datagram), Some(packet), Some(parts_bytes)) = (
            self.datagrams.get(index),
            self.packets.get(index),
            self.parts_bytes,
        ) else {
            return;
        };
        if let Some((to, joined)) = datagram.whole(packet)
            && joined.len() > parts_bytes
        {
            for part in joined.chunks(parts_bytes) {
                send_one(socket, part, to);
            }
        }
    }

    fn send_run(
        &mut self,
        socket: &UdpSocket,
        start: usize,
        end: usize,
        local: Local,
    ) -> Result<usize, Errno> {
        let mut peers = [None; BATCH_COUNT_MAX];
        let mut slices = [[IoSlice::new(&[])]; BATCH_COUNT_MAX];
        let run = self.datagrams.iter().zip(self.packets.iter());
        let places = peers.iter_mut().zip(&mut slices);
        let mut count = 0;
        for ((datagram, packet), (peer, slice)) in run.take(end).skip(start).zip(places) {
            *peer = datagram.to.map(|to| to.storage);
            *slice = [IoSlice::new(
                packet.get(..datagram.bytes).unwrap_or_default(),
            )];
            count += 1;
        }
        if let Local::V4(_) = local {
            // Control data is sent as long as its room: that of IPv4's own.
            let space = Some(nix::cmsg_space!(libc::in_pktinfo));
            self.headers = MultiHeaders::preallocate(count, space);
        }
        let headers = &mut self.headers;
        local.with_control(|control| {
            let sent = sendmmsg(
                socket.as_raw_fd(),
                headers,
                slices.iter().take(count),
                peers.get(..count).unwrap_or_default(),
                control,
                MsgFlags::empty(),
            )?;
            Ok(sent.count())
        })
    }
}

/// Sends one datagram, or drops it.
pub(super) fn send_one(socket: &UdpSocket, packet: &[u8], to: &ReplyTo) {
    let fd = socket.as_raw_fd();
    let slices = [IoSlice::new(packet)];
    let _dropped = to.local.with_control(|control| {
        let peer = Some(&to.storage);
        sendmsg(fd, &slices, control, MsgFlags::MSG_DONTWAIT, peer)
    });
}
