//! One question to one server, and its answer: over UDP with its repeats and its
//! pieces, or over TCP.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{Instant, timeout_at};

use crate::cli::failure::{Exit, Failure};
use crate::cli::handle::route::Question;
use crate::cli::handle::{Direction, Scribe};
use crate::cli::site::EXPIRES_SECS;
use crate::wire::handle::{
    ENVELOPE_BYTES, Envelope, Flags, Fragments, Header, Malformed, Marking, MessageWriter, OpCode,
    PACKET_BYTES_MAX, ResolutionRequest, Version, packets,
};

/// How long each sending over UDP waits for its answer, as deployed clients do.
const WAITS: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_millis(1_000),
    Duration::from_millis(1_500),
];
/// Bytes of a datagram that is looked at; a longer one is none of the protocol.
const DATAGRAM_BYTES_MAX: usize = 4096;

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
}

impl Transport {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Asks servers, and notes what is sent and received.
#[derive(Debug)]
pub(super) struct Exchange<'s, 'o> {
    /// The one transport to use, if there is one.
    wanted: Option<Transport>,
    first: Transport,
    scribe: &'s mut Scribe<'o>,
}

impl<'s, 'o> Exchange<'s, 'o> {
    pub(super) fn new(wanted: Option<Transport>, scribe: &'s mut Scribe<'o>) -> Self {
        Self {
            wanted,
            first: wanted.unwrap_or(Transport::Udp),
            scribe,
        }
    }

    /// Begins with `transport` from here on.
    pub(super) const fn prefer(&mut self, transport: Transport) {
        self.first = transport;
    }

    pub(super) fn say(&self, text: &str) -> Result<(), Failure> {
        self.scribe.say(text)
    }

    /// The answer of `server` to `question`, from its envelope on.
    pub(super) async fn ask(
        &mut self,
        server: SocketAddr,
        question: &Question,
    ) -> Result<Vec<u8>, Failure> {
        let message = request(question)?;
        if self.first == Transport::Udp {
            let answer = self.over_udp(server, &message).await;
            match (
                answer.map_err(|broken| broken.failure(server))?,
                self.wanted,
            ) {
                (Some(answer), _) => return Ok(answer),
                (None, Some(_)) => return Err(unavailable(server, "no whole answer over UDP")),
                (None, None) => self.say("no whole answer over UDP: once more over TCP")?,
            }
        }
        let answer = self.over_tcp(server, &message).await;
        answer.map_err(|broken| broken.failure(server))
    }

    /// None if no answer comes, or one that says it is cut off.
    async fn over_udp(
        &mut self,
        server: SocketAddr,
        message: &[u8],
    ) -> Result<Option<Vec<u8>>, Broken> {
        let any = match server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(server).await?;
        let request_id = Envelope::decode(message)?.request_id;
        let (place, mut answer) = ((Transport::Udp, server), Pieces::default());
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        for wait in WAITS {
            for packet in packets(message, Marking::Marked)? {
                let mut octets = [0; PACKET_BYTES_MAX];
                let octets = packet.write(&mut octets);
                self.scribe.note(Direction::Sent, place, octets)?;
                match socket.send(octets).await {
                    // Nobody listened when an earlier one came.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    sent => drop(sent?),
                }
            }
            let deadline = Instant::now() + wait;
            while let Ok(received) = timeout_at(deadline, socket.recv(&mut buffer)).await {
                let bytes = match received {
                    Ok(bytes) => bytes,
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                        return Ok(None);
                    }
                    Err(error) => return Err(error.into()),
                };
                let packet = buffer.get(..bytes).unwrap_or_default();
                self.scribe.note(Direction::Received, place, packet)?;
                match answer.add(request_id, packet) {
                    Added::Incomplete => {}
                    Added::Cut => return Ok(None),
                    Added::Complete => return self.whole(place, answer).map(Some),
                }
            }
        }
        Ok(None)
    }

    fn whole(&mut self, place: (Transport, SocketAddr), answer: Pieces) -> Result<Vec<u8>, Broken> {
        let (count, message) = answer.into_message();
        if count > 1 {
            self.scribe.note(Direction::Reassembled, place, &message)?;
        }
        Ok(message)
    }

    async fn over_tcp(&mut self, server: SocketAddr, message: &[u8]) -> Result<Vec<u8>, Broken> {
        let place = (Transport::Tcp, server);
        let mut stream = TcpStream::connect(server).await?;
        self.scribe.note(Direction::Sent, place, message)?;
        stream.write_all(message).await?;
        let mut answer = vec![0; ENVELOPE_BYTES];
        stream.read_exact(&mut answer).await?;
        let envelope = Envelope::decode(&answer)?;
        answer.resize(ENVELOPE_BYTES + envelope.message_len()?, 0);
        let rest = answer.get_mut(ENVELOPE_BYTES..).unwrap_or_default();
        stream.read_exact(rest).await?;
        self.scribe.note(Direction::Received, place, &answer)?;
        let asked = Envelope::decode(message)?.request_id;
        if envelope.request_id != asked {
            return Err(Broken::Other(envelope.request_id, asked));
        }
        Ok(answer)
    }
}

/// Why a transport brought no answer.
#[derive(Debug)]
enum Broken {
    Io(io::Error),
    Malformed(Malformed),
    /// It is to the first request instead of the second.
    Other(u32, u32),
    /// What was sent or received could not be shown.
    Unseen(Failure),
}

impl Broken {
    fn failure(self, server: SocketAddr) -> Failure {
        match self {
            Self::Io(error) => unavailable(server, &error.to_string()),
            Self::Malformed(error) => unavailable(server, &error.to_string()),
            Self::Other(found, asked) => {
                let cause = format!("it answers request {found:#x} instead of {asked:#x}");
                unavailable(server, &cause)
            }
            Self::Unseen(failure) => failure,
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Malformed> for Broken {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl From<Failure> for Broken {
    fn from(failure: Failure) -> Self {
        Self::Unseen(failure)
    }
}

fn unavailable(server: SocketAddr, cause: &str) -> Failure {
    let text = format!("no answer from {server}: {cause}");
    Failure::new(Exit::Unavailable, text)
        .hint("does a Handle server listen there? another one: --handle HOST:PORT")
}

/// The request of a client that speaks the current version and has no site
/// information.
fn request(question: &Question) -> Result<Vec<u8>, Failure> {
    let mut random = [0; 4];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| Failure::new(Exit::Failed, "the system gives no random bytes"))?;
    // Some clients take it as a signed number, of which they send positive ones.
    let request_id = (u32::from_be_bytes(random) >> 1).max(1);
    let envelope = Envelope::new(Version::CURRENT, request_id);
    let header = Header::request(OpCode::RESOLUTION, Flags::RESOLUTION, EXPIRES_SECS);
    let types = question.types.iter().map(Vec::as_slice).collect::<Vec<_>>();
    let body = ResolutionRequest {
        handle: &question.handle,
        indexes: question.indexes.as_slice().into(),
        types: types.as_slice().into(),
        auth: None,
    };
    let mut request = Vec::new();
    let mut writer = MessageWriter::begin(&mut request, &envelope, &header);
    body.encode(writer.body());
    let written = writer.finish(&[]);
    written.map_err(|error| Failure::usage(format!("too long a question: {error}")))?;
    Ok(request)
}

/// The packets of one answer, in whatever order they come.
#[derive(Debug, Default)]
struct Pieces {
    first: Option<(Envelope, Fragments)>,
    message: Vec<u8>,
    has: Vec<bool>,
}

/// What an answer is with one more packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Added {
    /// Packets are missing; or the packet is of another question, or none.
    Incomplete,
    /// All of it is there.
    Complete,
    /// The server sends the rest to whoever asks over TCP.
    Cut,
}

impl Pieces {
    fn add(&mut self, request_id: u32, packet: &[u8]) -> Added {
        let Ok(envelope) = Envelope::decode(packet) else {
            return Added::Incomplete;
        };
        let fragments = match (&self.first, Fragments::of(&envelope)) {
            _ if envelope.request_id != request_id => return Added::Incomplete,
            (Some((_, fragments)), _) => *fragments,
            (None, Ok(fragments)) => fragments,
            (None, Err(_)) => return Added::Incomplete,
        };
        let piece = packet.get(ENVELOPE_BYTES..).unwrap_or_default();
        let place = fragments.place(&envelope, piece.len());
        let (Ok(place), false) = (place, envelope.truncated && fragments.count() == 1) else {
            return if envelope.truncated {
                Added::Cut
            } else {
                Added::Incomplete
            };
        };
        if self.first.is_none() {
            self.first = Some((envelope, fragments));
            self.message = vec![0; fragments.message_bytes()];
            self.has = vec![false; fragments.count()];
        }
        if let Some(room) = self.message.get_mut(place) {
            room.copy_from_slice(piece);
        }
        let sequence = usize::try_from(envelope.sequence).unwrap_or(usize::MAX);
        if let Some(has) = self.has.get_mut(sequence) {
            *has = true;
        }
        if self.has.iter().all(|has| *has) {
            Added::Complete
        } else {
            Added::Incomplete
        }
    }

    /// How many packets there were, and the message with its envelope.
    fn into_message(self) -> (usize, Vec<u8>) {
        let whole = self.first.map(|(envelope, _)| Envelope {
            truncated: false,
            sequence: 0,
            ..envelope
        });
        let mut message = whole.map_or_else(Vec::new, |whole| whole.encode().to_vec());
        message.extend_from_slice(&self.message);
        (self.has.len(), message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body_bytes: usize) -> Vec<u8> {
        let header = Header::request(OpCode(0), Flags::NONE, 0);
        let mut out = Vec::new();
        let envelope = Envelope::new(Version::CURRENT, 7);
        let mut writer = MessageWriter::begin(&mut out, &envelope, &header);
        let body = (0u8..=255).cycle().take(body_bytes);
        writer.body().extend(body);
        writer.finish(&[]).expect("short").to_vec()
    }

    #[test]
    fn puts_pieces_together_in_any_order() {
        for body_bytes in [0, 464, 465, 3_000] {
            let message = answer(body_bytes);
            let mut pieces = Pieces::default();
            let cut = packets(&message, Marking::Marked).expect("whole");
            let mut cut = cut
                .map(|packet| packet.write(&mut [0; PACKET_BYTES_MAX]).to_vec())
                .collect::<Vec<_>>();
            cut.reverse();
            let (last, others) = cut.split_last().expect("one at least");
            for packet in others {
                assert_eq!(pieces.add(7, packet), Added::Incomplete);
                assert_eq!(pieces.add(7, packet), Added::Incomplete, "twice");
                assert_eq!(pieces.add(8, last), Added::Incomplete, "another");
                assert_eq!(pieces.add(7, &packet[..19]), Added::Incomplete);
            }
            assert_eq!(pieces.add(7, last), Added::Complete);
            let (count, whole) = pieces.into_message();
            assert_eq!((count, whole), (cut.len(), message));
        }
    }
    #[test]
    fn notices_that_the_rest_is_kept_back() {
        for (body_bytes, kept, expected) in [
            (3_000, 282, Added::Cut),
            (3_000, 512, Added::Incomplete),
            (100, 148, Added::Cut),
            (100, 120, Added::Cut),
        ] {
            let mut packet = answer(body_bytes);
            packet.truncate(kept);
            // TRUNCATED.
            packet[2] |= 0x20;
            assert_eq!(Pieces::default().add(7, &packet), expected, "{kept}");
        }
    }
}
