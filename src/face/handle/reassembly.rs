//! Requests over UDP that come in several packets (RFC 3652 §2.3), put together.
//!
//! Anybody can send packets of requests that never become whole. So there are
//! only so many, of so many bytes, for so long, and so many of one client; what
//! is beyond that ends the oldest. A request takes the memory of what arrived,
//! whatever length it says to have.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::wire::handle::{
    ENVELOPE_BYTES, Envelope, FRAGMENT_BYTES, Fragments, MESSAGE_BYTES_MAX, Malformed,
};

/// Words of 64 bits, one for each packet of the longest message.
const SEEN_WORDS: usize = MESSAGE_BYTES_MAX.div_ceil(FRAGMENT_BYTES).div_ceil(64);

/// What requests that are not whole may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Requests at once.
    pub(super) requests_max: usize,
    /// Requests of one client at once.
    pub(super) requests_per_client_max: usize,
    /// Bytes of all their packets; at least those of one message.
    pub(super) bytes_max: usize,
    /// How long a request may take to become whole.
    pub(super) within: Duration,
}

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whole {
    /// Envelope and message.
    pub(super) message: Vec<u8>,
    /// Bytes of the packets that it came in.
    pub(super) received_bytes: usize,
}

/// Requests that are not whole.
#[derive(Debug)]
pub(super) struct Reassembly {
    limits: Limits,
    unfinished: HashMap<Key, Unfinished>,
    last_turn: u64,
    /// The requests in the order in which they began.
    by_turn: BTreeMap<u64, Key>,
    /// The turns of each client's, in order.
    clients: HashMap<IpAddr, VecDeque<u64>>,
    bytes: usize,
}

/// What the packets of one request have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    peer: SocketAddr,
    request_id: u32,
    session_id: u32,
}

impl Key {
    /// Who has one share of what is bounded: an address, or over IPv6 the
    /// network of one customer.
    fn client(&self) -> IpAddr {
        match self.peer.ip() {
            IpAddr::V6(address) => {
                let network = u128::from(address) & (u128::MAX << 64);
                IpAddr::V6(network.into())
            }
            v4 @ IpAddr::V4(_) => v4,
        }
    }
}

/// One request that is not whole.
#[derive(Debug)]
struct Unfinished {
    turn: u64,
    began: Duration,
    /// That of the packet that came first.
    envelope: Envelope,
    fragments: Fragments,
    seen: [u64; SEEN_WORDS],
    /// The sequence numbers of the packets, as they came.
    arrived: Vec<u16>,
    /// Their pieces, one behind the other.
    pieces: Vec<u8>,
    received_bytes: usize,
}

impl Reassembly {
    /// No request.
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            unfinished: HashMap::new(),
            last_turn: 0,
            by_turn: BTreeMap::new(),
            clients: HashMap::new(),
            bytes: 0,
        }
    }

    /// Takes a packet of `peer` at `now`: `envelope` and the piece behind it.
    /// The request, once it is whole.
    ///
    /// A packet that came before is left out, whatever it holds.
    ///
    /// # Errors
    /// [`Malformed`] of a packet that has no place in its request.
    pub(super) fn take(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        envelope: &Envelope,
        piece: &[u8],
    ) -> Result<Option<Whole>, Malformed> {
        self.expire(now);
        let key = Key {
            peer,
            request_id: envelope.request_id,
            session_id: envelope.session_id,
        };
        let known = self.unfinished.get(&key);
        let fragments = match known {
            Some(known) => known.fragments,
            None => Fragments::of(envelope)?,
        };
        fragments.place(envelope, piece.len())?;
        if known.is_none() {
            self.begin(key, now, envelope, fragments);
        }
        let Some(unfinished) = self.unfinished.get_mut(&key) else {
            return Ok(None);
        };
        self.bytes += unfinished.take(envelope.sequence, piece);
        if unfinished.arrived.len() == fragments.count() {
            return Ok(self.remove(&key).map(|whole| whole.join()));
        }
        while self.bytes > self.limits.bytes_max && self.remove_oldest() {}
        Ok(None)
    }

    /// Ends the requests that are too old at `now`.
    pub(super) fn expire(&mut self, now: Duration) {
        while let Some((_, oldest)) = self.by_turn.first_key_value() {
            let oldest = *oldest;
            let began = self.unfinished.get(&oldest).map(|request| request.began);
            if began.is_some_and(|began| now.saturating_sub(began) < self.limits.within) {
                return;
            }
            self.remove(&oldest);
        }
    }

    /// How many requests there are.
    pub(super) fn count(&self) -> usize {
        self.unfinished.len()
    }

    fn begin(&mut self, key: Key, now: Duration, envelope: &Envelope, fragments: Fragments) {
        let limits = self.limits;
        let of_client = self.clients.get(&key.client());
        if let Some(turns) = of_client
            && turns.len() >= limits.requests_per_client_max
            && let Some(oldest) = turns.front().and_then(|turn| self.by_turn.get(turn))
        {
            let oldest = *oldest;
            self.remove(&oldest);
        }
        while self.unfinished.len() >= limits.requests_max && self.remove_oldest() {}
        self.last_turn += 1;
        let turn = self.last_turn;
        self.by_turn.insert(turn, key);
        let turns = self.clients.entry(key.client()).or_default();
        turns.push_back(turn);
        self.unfinished.insert(
            key,
            Unfinished {
                turn,
                began: now,
                envelope: *envelope,
                fragments,
                seen: [0; SEEN_WORDS],
                arrived: Vec::new(),
                pieces: Vec::new(),
                received_bytes: 0,
            },
        );
    }

    /// Whether there was one.
    fn remove_oldest(&mut self) -> bool {
        let oldest = self.by_turn.first_key_value().map(|(_, key)| *key);
        oldest.is_some_and(|oldest| self.remove(&oldest).is_some())
    }

    fn remove(&mut self, key: &Key) -> Option<Unfinished> {
        let removed = self.unfinished.remove(key)?;
        self.bytes = self.bytes.saturating_sub(removed.pieces.capacity());
        self.by_turn.remove(&removed.turn);
        let client = key.client();
        if let Some(turns) = self.clients.get_mut(&client) {
            turns.retain(|turn| *turn != removed.turn);
            if turns.is_empty() {
                self.clients.remove(&client);
            }
        }
        Some(removed)
    }
}

impl Unfinished {
    /// Takes a piece that fits its place, and returns the bytes of memory that
    /// it took.
    fn take(&mut self, sequence: u32, piece: &[u8]) -> usize {
        let (Ok(number), Ok(word)) = (
            u16::try_from(sequence),
            usize::try_from(sequence / u64::BITS),
        ) else {
            return 0;
        };
        let bit = 1 << (sequence % u64::BITS);
        match self.seen.get_mut(word) {
            Some(seen) if *seen & bit == 0 => *seen |= bit,
            _ => return 0,
        }
        let before = self.pieces.capacity();
        self.arrived.push(number);
        self.pieces.extend_from_slice(piece);
        self.received_bytes += ENVELOPE_BYTES + piece.len();
        self.pieces.capacity() - before
    }

    /// The request, of which every packet has come.
    fn join(&self) -> Whole {
        let envelope = Envelope {
            truncated: false,
            sequence: 0,
            ..self.envelope
        };
        let message_bytes = self.fragments.message_bytes();
        let mut message = vec![0; ENVELOPE_BYTES + message_bytes];
        let (head, behind) = message.split_at_mut(ENVELOPE_BYTES);
        head.copy_from_slice(&envelope.encode());
        let mut pieces = self.pieces.as_slice();
        for number in &self.arrived {
            let start = usize::from(*number) * FRAGMENT_BYTES;
            let place = behind.get_mut(start..).unwrap_or_default();
            let piece_bytes = place.len().min(FRAGMENT_BYTES);
            let (piece, rest) = pieces.split_at(piece_bytes.min(pieces.len()));
            for (to, from) in place.iter_mut().zip(piece) {
                *to = *from;
            }
            pieces = rest;
        }
        Whole {
            message,
            received_bytes: self.received_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::handle::Version;

    const LIMITS: Limits = Limits {
        requests_max: 100,
        requests_per_client_max: 10,
        bytes_max: 1 << 20,
        within: Duration::from_secs(5),
    };

    fn peer(number: u32) -> SocketAddr {
        let [_, b, c, d] = number.to_be_bytes();
        SocketAddr::from(([10, b, c, d], 2000))
    }

    fn message(length: usize) -> Vec<u8> {
        (0..=250).cycle().take(length).collect()
    }

    /// The packets of a message of `length` bytes: envelope and piece of each.
    fn packets(request_id: u32, length: usize) -> Vec<(Envelope, Vec<u8>)> {
        let message = message(length);
        let pieces = (0..).zip(message.chunks(FRAGMENT_BYTES));
        pieces
            .map(|(sequence, piece)| {
                let envelope = Envelope {
                    message_bytes: length.try_into().expect("short"),
                    sequence,
                    truncated: true,
                    ..Envelope::new(Version::CURRENT, request_id)
                };
                (envelope, piece.to_vec())
            })
            .collect()
    }

    fn give(
        reassembly: &mut Reassembly,
        peer: SocketAddr,
        (envelope, piece): &(Envelope, Vec<u8>),
    ) -> Option<Whole> {
        let taken = reassembly.take(Duration::ZERO, peer, envelope, piece);
        taken.expect("it has a place")
    }

    fn assert_empty(reassembly: &Reassembly) {
        assert_eq!(reassembly.bytes, 0);
        assert!(reassembly.unfinished.is_empty());
        assert!(reassembly.by_turn.is_empty() && reassembly.clients.is_empty());
    }

    proptest! {
        #[test]
        fn a_request_is_whole_in_any_order(
            length in FRAGMENT_BYTES + 1..8 * FRAGMENT_BYTES,
            order in proptest::collection::vec(0..8_usize, 0..20),
        ) {
            let mut reassembly = Reassembly::new(LIMITS);
            let sent = packets(7, length);
            let missing = (0..sent.len()).filter(|number| !order.contains(number));
            let numbers = order.iter().copied().chain(missing);
            let mut whole = None;
            for number in numbers.filter(|number| *number < sent.len()) {
                // What comes behind the last that was missing begins anew.
                if whole.is_none() {
                    whole = give(&mut reassembly, peer(1), &sent[number]);
                }
            }
            let whole = whole.expect("whole");
            prop_assert_eq!(whole.received_bytes, length + sent.len() * ENVELOPE_BYTES);
            let envelope = Envelope::decode(&whole.message).expect("an envelope");
            prop_assert_eq!(
                envelope,
                Envelope { truncated: false, sequence: 0, ..sent[0].0 }
            );
            prop_assert_eq!(&whole.message[ENVELOPE_BYTES..], message(length));
            assert_empty(&reassembly);
        }
    }

    #[test]
    fn the_longest_message_is_put_together() {
        let mut reassembly = Reassembly::new(LIMITS);
        let sent = packets(7, MESSAGE_BYTES_MAX);
        assert_eq!(sent.len(), 533);
        let (last, others) = sent.split_last().expect("many");
        for packet in others.iter().rev() {
            assert_eq!(give(&mut reassembly, peer(1), packet), None);
        }
        let whole = give(&mut reassembly, peer(1), last).expect("whole");
        assert_eq!(whole.message.len(), ENVELOPE_BYTES + MESSAGE_BYTES_MAX);
    }

    #[test]
    fn requests_differ_by_address_number_and_session() {
        let mut reassembly = Reassembly::new(LIMITS);
        let mine = packets(7, 600);
        let mut in_session = packets(7, 600);
        in_session[1].0.session_id = 9;
        assert_eq!(give(&mut reassembly, peer(1), &mine[0]), None);
        assert_eq!(give(&mut reassembly, peer(2), &mine[1]), None);
        assert_eq!(give(&mut reassembly, peer(1), &packets(8, 600)[1]), None);
        assert_eq!(give(&mut reassembly, peer(1), &in_session[1]), None);
        assert_eq!(reassembly.count(), 4);
        assert!(give(&mut reassembly, peer(1), &mine[1]).is_some());
    }

    #[test]
    fn a_packet_without_a_place_changes_nothing() {
        let mut reassembly = Reassembly::new(LIMITS);
        let sent = packets(7, 1200);
        assert_eq!(give(&mut reassembly, peer(1), &sent[0]), None);
        let mut check = |change: fn(&mut (Envelope, Vec<u8>))| {
            let mut packet = sent[1].clone();
            change(&mut packet);
            let taken = reassembly.take(Duration::ZERO, peer(1), &packet.0, &packet.1);
            assert!(taken.is_err(), "{packet:?}");
        };
        check(|(envelope, _)| envelope.message_bytes = 1201);
        check(|(envelope, _)| envelope.message_bytes = u32::MAX);
        check(|(envelope, _)| envelope.sequence = 3);
        check(|(envelope, _)| envelope.sequence = u32::MAX);
        check(|(_, piece)| piece.truncate(491));
        check(|(_, piece)| piece.push(0));
        check(|(_, piece)| piece.clear());
        assert_eq!(give(&mut reassembly, peer(1), &sent[2]), None);
        assert!(give(&mut reassembly, peer(1), &sent[1]).is_some());
        assert_empty(&reassembly);
    }

    #[test]
    fn too_late_is_too_late() {
        let mut reassembly = Reassembly::new(LIMITS);
        let sent = packets(7, 600);
        let mut at = |secs, number: usize| {
            let (envelope, piece) = &sent[number];
            let now = Duration::from_secs(secs);
            let taken = reassembly.take(now, peer(1), envelope, piece);
            taken.expect("it has a place").is_some()
        };
        assert!(!at(0, 0));
        assert!(at(4, 1));
        assert!(!at(10, 0));
        assert!(!at(15, 1), "the first is gone");
        assert!(at(16, 0), "the second is not");
        assert!(!at(20, 0));
        reassembly.expire(Duration::from_secs(25));
        assert_empty(&reassembly);
    }

    #[test]
    fn the_oldest_ends_where_there_are_too_many() {
        let mut reassembly = Reassembly::new(LIMITS);
        // Another client's, which stays.
        let other = packets(1, 600);
        for number in 0..1000 {
            give(&mut reassembly, peer(1), &packets(number, 600)[0]);
            if number == 900 {
                give(&mut reassembly, peer(2), &other[0]);
            }
        }
        assert_eq!(reassembly.count(), LIMITS.requests_per_client_max + 1);
        assert!(give(&mut reassembly, peer(1), &packets(990, 600)[1]).is_some());
        assert!(give(&mut reassembly, peer(1), &packets(989, 600)[1]).is_none());
        assert!(give(&mut reassembly, peer(2), &other[1]).is_some());
        for number in 0..10_000 {
            give(&mut reassembly, peer(number), &packets(5, 600)[0]);
            assert!(reassembly.count() <= LIMITS.requests_max);
        }
        assert!(give(&mut reassembly, peer(9_900), &packets(5, 600)[1]).is_some());
        assert!(give(&mut reassembly, peer(9_899), &packets(5, 600)[1]).is_none());
    }

    #[test]
    fn clients_of_one_network_share() {
        let mut reassembly = Reassembly::new(LIMITS);
        for number in 0..1000_u16 {
            let address = format!("[2001:db8::{number:x}]:2000");
            let peer = address.parse().expect("an address");
            give(&mut reassembly, peer, &packets(5, 600)[0]);
        }
        assert_eq!(reassembly.count(), LIMITS.requests_per_client_max);
    }

    #[test]
    fn memory_is_that_of_what_arrived_and_bounded() {
        let mut reassembly = Reassembly::new(LIMITS);
        give(
            &mut reassembly,
            peer(1),
            &packets(1, MESSAGE_BYTES_MAX)[400],
        );
        assert!(reassembly.bytes <= 2 * FRAGMENT_BYTES);
        for number in 0..20 {
            for packet in packets(5, MESSAGE_BYTES_MAX).iter().skip(1) {
                give(&mut reassembly, peer(number), packet);
                assert!(reassembly.bytes <= LIMITS.bytes_max);
            }
        }
        assert!(reassembly.count() < 10);
    }
}
