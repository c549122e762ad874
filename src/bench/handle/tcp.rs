//! Requests over TCP: several at a time on connections that stay open, or one on
//! each of many.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bench::clock;
use crate::bench::encoded::{Outcome, Questions as _};
use crate::bench::error::Error;
use crate::bench::handle::pool::HandlePool;
use crate::bench::handle::{Carrier, HandleFlood};
use crate::bench::histogram::Tally;
use crate::bench::process::Watch;
use crate::bench::report::Report;
use crate::wire::handle::{ENVELOPE_BYTES, Envelope, Malformed};

/// How long an answer may take before it counts as lost.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// Requests outstanding on one connection at most: fewer bytes than either side
/// buffers, so that neither waits for the other to read.
const WINDOW_MAX: usize = 1024;
/// Connections at most, of [`Carrier::TcpConnect`] at a time.
const CONNECTIONS_MAX: usize = 16_384;
/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;

/// Asks until the bound.
pub(super) async fn resolve(pool: HandlePool, how: HandleFlood) -> Result<Report, Error> {
    let watch = Watch::new(&how.pids);
    let before = watch.used()?;
    let window = how.window.clamp(1, WINDOW_MAX);
    let (name, lanes) = match how.carrier {
        Carrier::TcpConnect => ("handle tcp-connect", how.connections.saturating_mul(window)),
        Carrier::Udp | Carrier::Tcp => ("handle tcp", how.connections),
    };
    let start = clock::now();
    let asker = Arc::new(Asker {
        pool,
        how,
        window,
        start,
        next: AtomicU64::new(0),
    });
    let mut workers = JoinSet::new();
    for _ in 0..lanes.clamp(1, CONNECTIONS_MAX) {
        let asker = Arc::clone(&asker);
        workers.spawn(async move {
            match asker.how.carrier {
                Carrier::TcpConnect => Ok(asker.one_by_one().await),
                Carrier::Udp | Carrier::Tcp => asker.on_one().await,
            }
        });
    }
    let mut sum = Tally::new();
    while let Some(ended) = workers.join_next().await {
        let tally = ended.map_err(|_| Error::Worker)?;
        sum.add(tally.map_err(|source| Error::Tcp {
            server: asker.how.server,
            source,
        })?);
    }
    let time = clock::now().saturating_duration_since(start);
    let after = watch.used()?;
    Ok(Report::new(name, &sum, time, before.zip(after)))
}

/// Asks the first question, so that the server has seen this address over TCP.
pub(super) async fn ask_first(pool: &HandlePool, server: SocketAddr) -> Result<(), Error> {
    let (mut request, mut answer) = (Vec::new(), Vec::new());
    pool.write(0, 1, &mut request);
    let asked = timeout(LOST_AFTER, ask_once(server, &request, &mut answer)).await;
    let asked = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    asked.map_err(|source| Error::Tcp { server, source })
}

/// Asks on a connection of its own.
async fn ask_once(server: SocketAddr, request: &[u8], answer: &mut Vec<u8>) -> io::Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
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

struct Asker {
    pool: HandlePool,
    how: HandleFlood,
    window: usize,
    start: Instant,
    next: AtomicU64,
}

/// A request that waits for its answer.
#[derive(Clone, Copy)]
struct Waiting {
    sent: Instant,
    index: usize,
}

impl Asker {
    /// The place of the next question; none once the bound is reached.
    fn question(&self, now: Instant) -> Option<usize> {
        if self.how.bound.over(self.start, now) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let count = u64::try_from(self.pool.count()).ok()?;
        let is_asked = number < self.how.bound.requests_max();
        usize::try_from(number.checked_rem(count)?)
            .ok()
            .filter(|_| is_asked)
    }

    /// One connection for each question.
    async fn one_by_one(&self) -> Tally {
        let mut tally = Tally::new();
        let (mut request, mut answer) = (Vec::new(), Vec::new());
        loop {
            let sent = clock::now();
            let Some(index) = self.question(sent) else {
                return tally;
            };
            request.clear();
            self.pool.write(index, 1, &mut request);
            let asked = ask_once(self.how.server, &request, &mut answer);
            match timeout(LOST_AFTER, asked).await {
                Ok(Ok(())) => {
                    tally.took(clock::now().saturating_duration_since(sent));
                    self.judge(index, &answer, &mut tally);
                }
                Ok(Err(error)) => tally.wrong(|| error.to_string()),
                Err(_) => tally.lost += 1,
            }
        }
    }

    /// Many questions on one connection: as many as the window has room for
    /// leave in one write.
    async fn on_one(&self) -> io::Result<Tally> {
        let mut tally = Tally::new();
        let mut stream = TcpStream::connect(self.how.server).await?;
        stream.set_nodelay(true)?;
        let mut waiting = vec![None; self.window];
        let mut free = (0..self.window).collect::<Vec<_>>();
        let (mut requests, mut answers) = (Vec::new(), Vec::with_capacity(READ_BYTES));
        loop {
            self.fill(&mut waiting, &mut free, &mut requests);
            if free.len() == waiting.len() {
                return Ok(tally);
            }
            stream.write_all(&requests).await?;
            requests.clear();
            answers.reserve(READ_BYTES);
            match timeout(LOST_AFTER, stream.read_buf(&mut answers)).await {
                Ok(Ok(0)) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => drop(read?),
                Err(_) => {
                    let count = waiting.len() - free.len();
                    tally.lost += u64::try_from(count).unwrap_or_default();
                    return Ok(tally);
                }
            }
            self.take(&mut waiting, &mut free, &mut answers, &mut tally)?;
        }
    }

    /// Puts questions into the free places of a window.
    fn fill(&self, waiting: &mut [Option<Waiting>], free: &mut Vec<usize>, requests: &mut Vec<u8>) {
        let sent = clock::now();
        while let Some(slot) = free.pop() {
            let Some(index) = self.question(sent) else {
                free.push(slot);
                return;
            };
            let request_id = u32::try_from(slot).unwrap_or_default() + 1;
            self.pool.write(index, request_id, requests);
            if let Some(place) = waiting.get_mut(slot) {
                *place = Some(Waiting { sent, index });
            }
        }
    }

    /// Takes whole answers off what was read.
    fn take(
        &self,
        waiting: &mut [Option<Waiting>],
        free: &mut Vec<usize>,
        answers: &mut Vec<u8>,
        tally: &mut Tally,
    ) -> io::Result<()> {
        let now = clock::now();
        let mut rest = answers.as_slice();
        while let Some(bytes) = message_bytes(rest)? {
            let Some((answer, behind)) = rest.split_at_checked(bytes) else {
                break;
            };
            rest = behind;
            let id = Envelope::decode(answer).map(|envelope| envelope.request_id);
            let slot = id
                .ok()
                .and_then(|id| usize::try_from(id.checked_sub(1)?).ok());
            let place = slot.and_then(|slot| waiting.get_mut(slot));
            let (Some(slot), Some(Waiting { sent, index })) = (slot, place.and_then(Option::take))
            else {
                tally.wrong(|| "an answer to no question".to_owned());
                continue;
            };
            free.push(slot);
            tally.took(now.saturating_duration_since(sent));
            self.judge(index, answer, tally);
        }
        let left = rest.len();
        answers.drain(..answers.len() - left);
        Ok(())
    }

    fn judge(&self, index: usize, answer: &[u8], tally: &mut Tally) {
        let outcome = self.pool.outcome(index, answer);
        let outcome = outcome.unwrap_or_else(|| Outcome::Wrong("no answer in it".into()));
        outcome.count(tally);
    }
}

/// Bytes of the message that `bytes` begin with, its envelope included; none
/// while that is not there.
fn message_bytes(bytes: &[u8]) -> io::Result<Option<usize>> {
    let malformed = |error: Malformed| io::Error::new(io::ErrorKind::InvalidData, error);
    if bytes.len() < ENVELOPE_BYTES {
        return Ok(None);
    }
    let envelope = Envelope::decode(bytes).map_err(malformed)?;
    let message_bytes = envelope.message_len().map_err(malformed)?;
    Ok(Some(ENVELOPE_BYTES + message_bytes))
}
