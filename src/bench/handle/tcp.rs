//! Requests over TCP: several at a time on connections that stay open, or one on
//! each of many.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bench::clock;
use crate::bench::encoded::{Outcome, Questions as _};
use crate::bench::error::Error;
use crate::bench::handle::pool::HandlePool;
use crate::bench::handle::window::{LOST_AFTER, Waiting, Window, ask_once};
use crate::bench::handle::{Carrier, HandleFlood};
use crate::bench::histogram::Tally;
use crate::bench::process::Watch;
use crate::bench::report::Report;

/// Requests outstanding on one connection at most: fewer bytes than either side
/// buffers, so that neither waits for the other to read.
const WINDOW_MAX: usize = 1024;
/// Connections at most, of [`Carrier::TcpConnect`] at a time.
const CONNECTIONS_MAX: usize = 16_384;

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
    let asked = timeout(LOST_AFTER, ask_alone(server, &request, &mut answer)).await;
    let asked = asked.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    asked.map_err(|source| Error::Tcp { server, source })
}

/// Asks on a connection of its own.
async fn ask_alone(server: SocketAddr, request: &[u8], answer: &mut Vec<u8>) -> io::Result<()> {
    let mut stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    ask_once(&mut stream, request, answer).await
}

struct Asker {
    pool: HandlePool,
    how: HandleFlood,
    window: usize,
    start: Instant,
    next: AtomicU64,
}

impl Asker {
    /// The place of the next question; none once the bound is reached.
    fn question(&self, now: Instant) -> Option<u64> {
        if self.how.bound.over(self.start, now) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let count = u64::try_from(self.pool.count()).ok()?;
        let is_asked = number < self.how.bound.requests_max();
        number.checked_rem(count).filter(|_| is_asked)
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
            self.pool.write(place(index), 1, &mut request);
            let asked = ask_alone(self.how.server, &request, &mut answer);
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
        let stream = TcpStream::connect(self.how.server).await?;
        stream.set_nodelay(true)?;
        let mut window = Window::new(stream, self.window);
        let mut requests = Vec::new();
        loop {
            requests.clear();
            let sent = clock::now();
            while window.has_room() {
                let Some(index) = self.question(sent) else {
                    break;
                };
                let request_id = window.ask(Waiting { sent, index });
                self.pool.write(place(index), request_id, &mut requests);
            }
            let waiting = window.waiting();
            if waiting == 0 {
                return Ok(tally);
            }
            let answered = window.exchange(&requests, |waiting, answer| {
                let Some(Waiting { sent, index }) = waiting else {
                    tally.wrong(|| "an answer to no question".to_owned());
                    return;
                };
                tally.took(clock::now().saturating_duration_since(sent));
                self.judge(index, answer, &mut tally);
            });
            if answered.await?.is_none() {
                tally.lost += u64::try_from(waiting).unwrap_or_default();
                return Ok(tally);
            }
        }
    }

    fn judge(&self, index: u64, answer: &[u8], tally: &mut Tally) {
        let outcome = self.pool.outcome(place(index), answer);
        let outcome = outcome.unwrap_or_else(|| Outcome::Wrong("no answer in it".into()));
        outcome.count(tally);
    }
}

/// A place in the pool, which fits the memory.
fn place(index: u64) -> usize {
    usize::try_from(index).unwrap_or_default()
}
