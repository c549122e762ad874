//! TCP conversations in frames of a two-octet length each (RFC 7766 §8).
//!
//! Clients may send the next question before the answer to the last (§6.2.1.1);
//! answers come in the order of the questions. Each connection is a task of its
//! own: one that is slow waits only for itself.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::net::connections::{Connections, Observer, Place};

/// Octets of the largest answer: the length has sixteen bits.
pub const ANSWER_BYTES_MAX: usize = 65_535;
/// Octets of answers that are gathered before they are sent.
const GATHERED_BYTES_MAX: usize = 64 * 1024;
/// Octets of the length before a frame.
const LENGTH_BYTES: usize = 2;

/// What a listener bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once. One more closes the longest idle.
    pub connections_max: usize,
    /// How long a connection may take to send its next whole frame, or to take
    /// an answer, before it is closed.
    pub idle: Duration,
    /// Octets of a question; a longer one closes its connection.
    pub question_bytes_max: usize,
}

/// Accepts connections until `shutdown`, each a task on `tasks`, and gives the
/// whole frames of each to `handler`.
pub async fn serve<H>(
    listener: TcpListener,
    limits: Limits,
    observer: Observer,
    handler: H,
    tasks: (TaskTracker, CancellationToken),
) where
    H: FnMut(&mut Burst<'_>) + Clone + Send + 'static,
{
    let connections = Connections::new(limits.connections_max, observer);
    let converse = |stream, peer, place: Place| {
        let handler = handler.clone();
        async move {
            let closing = place.closing().clone();
            tokio::select! {
                () = closing.cancelled() => Ok(()),
                ended = converse(place, limits, (stream, peer), handler) => ended,
            }
        }
    };
    connections.serve(listener, converse, tasks).await;
}

/// Frames of one connection that arrived together.
#[derive(Debug)]
pub struct Burst<'a> {
    input: &'a mut BytesMut,
    output: &'a mut Vec<u8>,
    peer: SocketAddr,
}

impl Burst<'_> {
    /// Gives each frame and its sender to `answer`, with room for an answer of
    /// [`ANSWER_BYTES_MAX`]; it returns the answer's length, or `None` for
    /// silence.
    pub fn answer(
        &mut self,
        mut answer: impl FnMut(&[u8], SocketAddr, &mut [u8]) -> Option<usize>,
    ) {
        while self.output.len() < GATHERED_BYTES_MAX {
            let Some(end) = whole_frame(self.input) else {
                return;
            };
            let frame = self.input.split_to(end);
            let start = self.output.len();
            let behind = start + LENGTH_BYTES;
            self.output.resize(behind + ANSWER_BYTES_MAX, 0);
            let room = self.output.get_mut(behind..).unwrap_or_default();
            let question = frame.get(LENGTH_BYTES..).unwrap_or_default();
            let bytes = answer(question, self.peer, room);
            let length = bytes.and_then(|bytes| Some((bytes, u16::try_from(bytes).ok()?)));
            match length {
                Some((bytes, length)) => {
                    if let Some(place) = self.output.get_mut(start..behind) {
                        place.copy_from_slice(&length.to_be_bytes());
                    }
                    self.output.truncate(behind + bytes);
                }
                None => self.output.truncate(start),
            }
        }
    }
}

/// The end of the first frame, if it is whole.
fn whole_frame(input: &BytesMut) -> Option<usize> {
    let end = LENGTH_BYTES + declared_bytes(input)?;
    (input.len() >= end).then_some(end)
}

/// The length that the first frame declares.
fn declared_bytes(input: &BytesMut) -> Option<usize> {
    (input.len() >= LENGTH_BYTES).then(|| usize::from(input.as_ref().get_u16()))
}

/// Reads frames and sends answers until the client closes or is too slow.
async fn converse<H>(
    place: Place,
    limits: Limits,
    (mut stream, peer): (TcpStream, SocketAddr),
    mut handler: H,
) -> io::Result<()>
where
    H: FnMut(&mut Burst<'_>),
{
    stream.set_nodelay(true)?;
    let mut input = BytesMut::new();
    loop {
        let deadline = Instant::now() + limits.idle;
        while whole_frame(&input).is_none() {
            if declared_bytes(&input).is_some_and(|bytes| bytes > limits.question_bytes_max) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            input.reserve(LENGTH_BYTES + limits.question_bytes_max.min(512));
            if timeout_at(deadline, stream.read_buf(&mut input)).await?? == 0 {
                return Ok(());
            }
        }
        place.touch();
        let mut output = Vec::new();
        let mut burst = Burst {
            input: &mut input,
            output: &mut output,
            peer,
        };
        handler(&mut burst);
        timeout(limits.idle, stream.write_all(&output)).await??;
    }
}
