//! One address on which a protocol is spoken over UDP and TCP both.

use std::io;
use std::net::SocketAddr;
use std::thread;

use crate::net::connections;
use crate::net::udp;

/// Ports tried where the system chooses one that both UDP and TCP must have.
const PORT_TRIES: usize = 16;

/// The sockets of one address.
#[derive(Debug)]
pub struct Listener {
    /// The address, with the port that the system chose for 0.
    pub address: SocketAddr,
    /// A socket for each thread.
    pub datagrams: Vec<udp::Socket>,
    /// Where connections come.
    pub stream: std::net::TcpListener,
}

impl Listener {
    /// Binds `address`, with `thread_count` sockets for UDP; 0 is one for each
    /// core. With port 0 the system chooses one port for UDP and TCP both.
    ///
    /// # Errors
    /// Those of the system.
    pub fn bind(address: SocketAddr, thread_count: usize) -> io::Result<Self> {
        let thread_count = match thread_count {
            0 => thread::available_parallelism().map_or(1, usize::from),
            count => count,
        };
        let mut tries = if address.port() == 0 { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            match Self::try_bind(address, thread_count) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
                bound => return bound,
            }
        }
    }

    /// Binds TCP first: its socket is exclusive, so a port that the system chose
    /// belongs to nobody else's group of UDP sockets.
    fn try_bind(address: SocketAddr, thread_count: usize) -> io::Result<Self> {
        let stream = connections::bind(address)?;
        let address = stream.local_addr()?;
        let datagrams = (0..thread_count)
            .map(|_| udp::Socket::bind(address))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            address,
            datagrams,
            stream,
        })
    }
}
