//! What a source is told that asks for too much.
//!
//! Over UDP the address may be another's: every second query gets an answer without
//! records and with TC, no longer than it was, and the others none. Whoever owns the
//! address asks again over TCP, where it is counted by itself; whoever does not has
//! gained nothing (response rate limiting with a slip of 2, as name servers do it).
//! Over TCP the answer is REFUSED, with an extended error that says when to come
//! back.

use std::net::IpAddr;
use std::time::Duration;

use crate::face::dns::answer::{Answerer, Transport, brief, brief_truncated};
use crate::face::dns::metrics::{Dropped, Tally};
use crate::node::{Exhausted, Source};
use crate::wire::dns::{ExtendedError, Query, Rcode};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Asker {
    /// How the query came.
    pub transport: Transport,
    /// From which address.
    pub address: IpAddr,
    /// When, as time since some fixed moment.
    pub now: Duration,
}

impl Answerer {
    /// Answers `packet` as [`Answerer::answer`] does, unless its sender asks for too
    /// much.
    pub fn serve(
        &self,
        packet: &[u8],
        asker: &Asker,
        out: &mut [u8],
        tally: &mut Tally,
    ) -> Option<usize> {
        let Asker {
            transport,
            address,
            now,
        } = *asker;
        let source = Source {
            address,
            is_proven: transport == Transport::Tcp,
        };
        match self.node().take_requests(source, 1, now) {
            Ok(()) => self.answer(packet, transport, out, tally),
            Err(exhausted) => {
                tally.limit();
                refuse(packet, transport, exhausted, out, tally)
            }
        }
    }
}

fn refuse(
    packet: &[u8],
    transport: Transport,
    exhausted: Exhausted,
    out: &mut [u8],
    tally: &mut Tally,
) -> Option<usize> {
    let query = Query::read(packet).ok();
    match (transport, query) {
        (Transport::Udp, Some(query)) if tally.slips() => brief_truncated(&query, out, tally),
        (Transport::Udp, _) | (Transport::Tcp, None) => {
            tally.drop_packet(Dropped::Limited);
            None
        }
        (Transport::Tcp, Some(query)) => {
            let retry_ms = exhausted.retry_after.as_micros().div_ceil(1000);
            let error = ExtendedError::RateLimited {
                retry_ms: u32::try_from(retry_ms).unwrap_or(u32::MAX),
            };
            brief(&query, Rcode::Refused, Some(error), out, tally)
        }
    }
}
