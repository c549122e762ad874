//! The requests under way on one connection, and the answers that are read from
//! it, in whatever order they come.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wire::handle::{ENVELOPE_BYTES, Envelope, Malformed};

/// How long an answer may take before it counts as lost.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(5);
/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;

/// A request that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) sent: Instant,
    /// Which one it is, to whoever asked.
    pub(super) index: u64,
}

/// A connection with a fixed number of places for requests.
#[derive(Debug)]
pub(super) struct Window {
    stream: TcpStream,
    places: Vec<Option<Waiting>>,
    free: Vec<usize>,
    answers: Vec<u8>,
}

impl Window {
    pub(super) fn new(stream: TcpStream, places: usize) -> Self {
        Self {
            stream,
            places: vec![None; places],
            free: (0..places).rev().collect(),
            answers: Vec::new(),
        }
    }

    /// How many requests wait.
    pub(super) fn waiting(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Whether another request may be asked.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty()
    }

    /// Takes a place and gives the request id that stands for it. Without room,
    /// the id stands for none.
    pub(super) fn ask(&mut self, waiting: Waiting) -> u32 {
        let slot = self.free.pop().unwrap_or(self.places.len());
        if let Some(place) = self.places.get_mut(slot) {
            *place = Some(waiting);
        }
        u32::try_from(slot).unwrap_or_default() + 1
    }

    /// Sends `requests`, waits for something to come, and gives each whole
    /// answer to `take`, with the request that waited for it. None if nothing
    /// comes in time.
    pub(super) async fn exchange(
        &mut self,
        requests: &[u8],
        mut take: impl FnMut(Option<Waiting>, &[u8]),
    ) -> io::Result<Option<()>> {
        self.stream.write_all(requests).await?;
        self.answers.reserve(READ_BYTES);
        let read = self.stream.read_buf(&mut self.answers);
        match timeout(LOST_AFTER, read).await {
            Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => drop(read?),
            Err(_) => return Ok(None),
        }
        let mut rest = self.answers.as_slice();
        while let Some(bytes) = message_bytes(rest)? {
            let Some((answer, behind)) = rest.split_at_checked(bytes) else {
                break;
            };
            rest = behind;
            let id = Envelope::decode(answer).map(|envelope| envelope.request_id);
            let slot = id
                .ok()
                .and_then(|id| usize::try_from(id.checked_sub(1)?).ok());
            let place = slot.and_then(|slot| self.places.get_mut(slot));
            let waiting = place.and_then(Option::take);
            self.free.extend(slot.filter(|_| waiting.is_some()));
            take(waiting, answer);
        }
        let left = rest.len();
        self.answers.drain(..self.answers.len() - left);
        Ok(Some(()))
    }
}

/// Sends one request and waits for its answer.
pub(super) async fn ask_once(
    stream: &mut TcpStream,
    request: &[u8],
    answer: &mut Vec<u8>,
) -> io::Result<()> {
    stream.write_all(request).await?;
    answer.clear();
    answer.resize(ENVELOPE_BYTES, 0);
    stream.read_exact(answer).await?;
    let bytes = message_bytes(answer)?.unwrap_or_default();
    answer.resize(bytes, 0);
    let rest = answer.get_mut(ENVELOPE_BYTES..).unwrap_or_default();
    stream.read_exact(rest).await?;
    Ok(())
}

/// Bytes of the message that `bytes` begin with, its envelope included; none
/// while that is not there.
fn message_bytes(bytes: &[u8]) -> io::Result<Option<usize>> {
    if bytes.len() < ENVELOPE_BYTES {
        return Ok(None);
    }
    let envelope = Envelope::decode(bytes).map_err(malformed)?;
    let message_bytes = envelope.message_len().map_err(malformed)?;
    Ok(Some(ENVELOPE_BYTES + message_bytes))
}

/// A malformed answer, as what a connection fails with.
pub(super) fn malformed(error: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
