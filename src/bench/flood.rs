//! Questions over UDP: with a fixed window, where so many are outstanding on each
//! socket at any time and each answer lets the next one go, or at a fixed rate,
//! where each goes when it is due.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use crate::bench::clock;
use crate::bench::encoded::{Outcome, Questions};
use crate::bench::error::Error;
use crate::bench::histogram::Tally;
use crate::bench::pace::Pace;
use crate::bench::process::Watch;
use crate::bench::question::Pool;
use crate::bench::report::Report;
use crate::bench::turn::{Schedule, Turn};
use crate::bench::udp::{BATCH_MAX, Batch, connected};
use crate::bench::workload::Bound;

/// How long an answer may take before it counts as lost; at a fixed rate, from when
/// its question was due.
const LOST_AFTER: Duration = Duration::from_secs(1);
/// How often lost answers are looked for.
const SWEEP_EVERY: Duration = Duration::from_millis(100);
/// Questions outstanding on one socket at most: the number tells them apart, and
/// keeps enough bits to tell late answers from those that are awaited.
const WINDOW_MAX: usize = 4096;
/// Sockets of one thread at most.
const SOCKETS_MAX: usize = 1024;
/// After which a wait for answers looks at the clock again.
const POLL: Duration = Duration::from_millis(10);

/// How a server is asked over UDP.
#[derive(Clone, Debug)]
pub struct Flood {
    /// The server.
    pub server: SocketAddr,
    /// Threads of the load generator; one keeps most servers busy.
    pub threads: usize,
    /// Sockets of each thread, 1 to 1,024.
    pub sockets: usize,
    /// Questions outstanding on each socket, 1 to 4,096.
    pub window: usize,
    /// Questions a second of all threads, each due whatever became of others; those
    /// that find the windows full wait, and are lost after a second. `None`: as
    /// many as are answered.
    pub per_second: Option<u64>,
    /// When it ends.
    pub bound: Bound,
    /// Processes of the server, to be watched.
    pub pids: Vec<u32>,
}

/// Asks a name server the questions of `pool`, over and over, until the bound.
/// Blocks.
///
/// # Errors
/// [`Error::NoQuestions`], [`Error::Udp`], [`Error::Process`],
/// [`Error::Worker`].
pub fn flood(pool: &Pool, how: &Flood) -> Result<Report, Error> {
    ask(pool, how)
}

/// [`flood`] in any protocol.
pub(super) fn ask<Q: Questions>(pool: &Q, how: &Flood) -> Result<Report, Error> {
    if pool.count() == 0 {
        return Err(Error::NoQuestions);
    }
    let watch = Watch::new(&how.pids);
    let before = watch.used()?;
    let start = clock::now();
    let asked = AtomicU64::new(0);
    let tallies = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..how.threads.max(1))
            .map(|number| {
                let turn = turn(how, number, start, &asked);
                scope.spawn(move || Worker::new(pool, how, number, turn)?.run(start))
            })
            .collect();
        let ended = workers.into_iter().map(|worker| worker.join());
        ended.collect::<Result<Vec<_>, _>>()
    });
    let time = clock::now().saturating_duration_since(start);
    let after = watch.used()?;
    let mut sum = Tally::new();
    for tally in tallies.map_err(|_| Error::Worker)? {
        sum.add(tally.map_err(|source| Error::Udp {
            server: how.server,
            source,
        })?);
    }
    Ok(Report::new(Q::NAME, &sum, time, before.zip(after)))
}

/// What lets the questions of the thread with this number go.
fn turn<'a>(how: &Flood, number: usize, start: Instant, asked: &'a AtomicU64) -> Turn<'a> {
    let bound = how.bound;
    match how.per_second {
        None => Turn::Free {
            asked,
            bound,
            start,
        },
        Some(per_second) => {
            let pace = Pace::new(start, per_second);
            Turn::Due(Schedule::new(pace, (number, how.threads.max(1)), bound))
        }
    }
}

/// One question that waits for its answer.
#[derive(Clone)]
struct Waiting {
    number: u32,
    /// When it was sent; at a fixed rate, when it was due.
    since: Instant,
    index: usize,
    /// Datagrams of the answer that came.
    came: usize,
    outcome: Option<Outcome>,
}

/// One socket and its window.
struct Lane {
    socket: UdpSocket,
    slots: Vec<Option<Waiting>>,
    free: Vec<usize>,
    /// Goes up with each question: the upper bits of its number.
    turn: u32,
}

struct Worker<'a, Q> {
    pool: &'a Q,
    turn: Turn<'a>,
    lanes: Vec<Lane>,
    /// The lane that is served first; each in turn.
    first: usize,
    /// Slots of a lane, a power of two so that the number's lower bits name one.
    slots: usize,
    next: usize,
    tally: Tally,
}

impl<'a, Q: Questions> Worker<'a, Q> {
    fn new(pool: &'a Q, how: &Flood, number: usize, turn: Turn<'a>) -> io::Result<Self> {
        let window = how.window.clamp(1, WINDOW_MAX);
        let lane = |_| {
            Ok(Lane {
                socket: connected(how.server, None)?,
                slots: vec![None; window],
                free: (0..window).rev().collect(),
                turn: 0,
            })
        };
        let lanes = (0..how.sockets.clamp(1, SOCKETS_MAX)).map(lane);
        Ok(Self {
            pool,
            turn,
            lanes: lanes.collect::<io::Result<_>>()?,
            first: 0,
            slots: window.next_power_of_two(),
            // Threads begin far apart, so that they ask different questions.
            next: pool.count() / how.threads.max(1) * number,
            tally: Tally::new(),
        })
    }

    fn run(mut self, start: Instant) -> io::Result<Tally> {
        let mut batch = Batch::new();
        let mut swept = start;
        let mut sending = true;
        loop {
            let mut received = 0;
            for offset in 0..self.lanes.len() {
                let lane = (self.first + offset) % self.lanes.len();
                if sending {
                    sending = self.send(lane, &mut batch)?;
                }
                received += self.receive(lane, &mut batch)?;
            }
            self.first = (self.first + 1) % self.lanes.len();
            let now = clock::now();
            if now.saturating_duration_since(swept) >= SWEEP_EVERY {
                swept = now;
                self.sweep(now);
            }
            sending = sending && !self.turn.is_over(now);
            if !sending && self.lanes.iter().all(Lane::is_idle) {
                return Ok(self.tally);
            }
            if received == 0 {
                self.wait(sending)?;
            }
        }
    }

    /// Sends what may go and has a place in a lane's window. False once no more may
    /// be asked.
    fn send(&mut self, lane: usize, batch: &mut Batch) -> io::Result<bool> {
        let (slots, lanes) = (self.slots, self.lanes.len());
        let Some(lane) = self.lanes.get_mut(lane) else {
            return Ok(false);
        };
        let room = lane.free.len().min(BATCH_MAX);
        let Some(waiting) = self.turn.take(room, lanes, clock::now()) else {
            return Ok(false);
        };
        if waiting.is_empty() {
            return Ok(true);
        }
        let mut datagrams = Vec::with_capacity(waiting.len());
        let mut taken = Vec::with_capacity(waiting.len());
        for since in waiting {
            let index = self.next;
            self.next = if index + 1 < self.pool.count() {
                index + 1
            } else {
                0
            };
            let Some(slot) = lane.free.pop() else {
                break;
            };
            let number = lane.number::<Q>(slot, slots);
            let Some(datagram) = self.pool.datagram(index, number) else {
                break;
            };
            datagrams.push(datagram);
            let waiting = Waiting {
                number,
                since,
                index,
                came: 0,
                outcome: None,
            };
            taken.push((slot, waiting));
        }
        let mut sent = 0;
        while sent < datagrams.len() {
            let left = datagrams.get(sent..).unwrap_or_default();
            match batch.send(&lane.socket, left) {
                Ok(0) => break,
                Ok(count) => sent += count,
                // Nobody listened when an earlier one came: those are lost.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error),
            }
        }
        // What the kernel did not take is lost as if the network had dropped it.
        for (slot, waiting) in taken {
            if let Some(place) = lane.slots.get_mut(slot) {
                *place = Some(waiting);
            }
        }
        Ok(true)
    }

    fn receive(&mut self, lane: usize, batch: &mut Batch) -> io::Result<usize> {
        let Some(lane) = self.lanes.get_mut(lane) else {
            return Ok(0);
        };
        let count = match batch.receive(&lane.socket) {
            Ok(0) => return Ok(0),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(0),
            Err(error) => return Err(error),
        };
        let now = clock::now();
        for datagram in batch.received() {
            let Some((number, of)) = Q::answered(datagram) else {
                self.tally
                    .wrong(|| "a datagram that is no answer".to_owned());
                continue;
            };
            let slot = usize::try_from(number).unwrap_or_default() & (self.slots - 1);
            let Some(place) = lane.slots.get_mut(slot) else {
                continue;
            };
            // An answer that came too late, or twice, belongs to nobody.
            let Some(waiting) = place.as_mut().filter(|w| w.number == number) else {
                continue;
            };
            waiting.came += 1;
            let told = self.pool.outcome(waiting.index, datagram);
            waiting.outcome = told.or_else(|| waiting.outcome.take());
            if waiting.came < of {
                continue;
            }
            if let Some(waiting) = place.take() {
                lane.free.push(slot);
                self.tally
                    .took(now.saturating_duration_since(waiting.since));
                let outcome = waiting.outcome;
                let outcome = outcome.unwrap_or_else(|| Outcome::Wrong("no answer in it".into()));
                outcome.count(&mut self.tally);
            }
        }
        Ok(count)
    }

    /// Gives up what has waited too long.
    fn sweep(&mut self, now: Instant) {
        self.tally.lost += self.turn.give_up(LOST_AFTER, now);
        for lane in &mut self.lanes {
            for (slot, place) in lane.slots.iter_mut().enumerate() {
                let late = |w: &mut Waiting| now.saturating_duration_since(w.since) >= LOST_AFTER;
                if place.as_mut().is_some_and(late) {
                    *place = None;
                    lane.free.push(slot);
                    self.tally.lost += 1;
                }
            }
        }
    }

    /// Waits until an answer is there or a question may go, for a moment at most.
    fn wait(&self, sending: bool) -> io::Result<()> {
        let has_room = self.lanes.iter().any(|lane| !lane.free.is_empty());
        let time = if sending && has_room {
            self.turn.wait(POLL, clock::now())
        } else {
            POLL
        };
        let mut sockets: Vec<_> = self
            .lanes
            .iter()
            .map(|lane| PollFd::new(lane.socket.as_fd(), PollFlags::POLLIN))
            .collect();
        match ppoll(&mut sockets, Some(TimeSpec::from_duration(time)), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Lane {
    fn is_idle(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    /// The number of the next question of `slot`, one of `slots`.
    fn number<Q: Questions>(&mut self, slot: usize, slots: usize) -> u32 {
        self.turn = self.turn.wrapping_add(1);
        let turn = self.turn.checked_shl(slots.trailing_zeros());
        let number = turn.unwrap_or_default() | u32::try_from(slot).unwrap_or_default();
        number & (u32::MAX >> (u32::BITS - Q::NUMBER_BITS))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::bench::message::{NOERROR, NXDOMAIN};
    use crate::bench::workload::Workload;
    use crate::demo::Demo;

    /// A server that says of each name what `rcode` says, with one answer.
    fn against(
        rcode: impl Fn(&[u8]) -> Option<u8> + Sync,
        requests: u64,
        per_second: Option<u64>,
    ) -> Report {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a port");
        server
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("set");
        let how = Flood {
            server: server.local_addr().expect("bound"),
            threads: 2,
            sockets: 3,
            window: 5,
            per_second,
            bound: Bound {
                requests: Some(requests),
                time: None,
            },
            pids: vec![std::process::id()],
        };
        let workload = Workload {
            demo: Demo::new(1, 500),
            seed: 1,
            existing: 1.0,
        };
        let pool = Pool::of_workload(&workload, "id.example.", 200);
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut buffer = [0; 512];
                while !ended.load(Ordering::Relaxed) {
                    let Ok((length, peer)) = server.recv_from(&mut buffer) else {
                        continue;
                    };
                    if let Some(rcode) = rcode(&buffer[..length]) {
                        (buffer[2], buffer[3], buffer[7]) = (0x84, rcode, 1);
                        server.send_to(&buffer[..length], peer).expect("sent");
                    }
                }
            });
            let report = flood(&pool, &how).expect("flooded");
            ended.store(true, Ordering::Relaxed);
            report
        })
    }

    #[test]
    fn counts_right_wrong_and_lost_answers() {
        let right = against(|_| Some(NOERROR), 1_000, None);
        assert_eq!((right.requests, right.found), (1_000, 1_000));
        assert_eq!((right.wrong, right.lost), (0, 0));
        assert!(right.server.is_some() && right.latency.max_us > 0.0);

        let wrong = against(|_| Some(NXDOMAIN), 100, None);
        assert_eq!((wrong.requests, wrong.wrong), (0, 100));
        assert!(wrong.first_wrong.is_some());

        let lost = against(|_| None, 30, None);
        assert_eq!((lost.requests, lost.lost), (0, 30));
    }

    #[test]
    fn asks_at_a_fixed_rate_and_counts_from_when_a_question_was_due() {
        let right = against(|_| Some(NOERROR), 400, Some(2_000));
        assert_eq!((right.requests, right.wrong, right.lost), (400, 0, 0));
        // The last one is due 199.5 ms after the first.
        assert!(right.seconds >= 0.199, "{}", right.seconds);
        assert!(right.per_second <= 2_005.0, "{}", right.per_second);

        // A server that stands still for 200 ms keeps all waiting that were due
        // meanwhile: some hundred of 400, though only 30 find a place in a window.
        let stood = AtomicBool::new(false);
        let pausing = |_: &[u8]| {
            if !stood.swap(true, Ordering::Relaxed) {
                std::thread::park_timeout(Duration::from_millis(200));
            }
            Some(NOERROR)
        };
        let late = against(pausing, 400, Some(1_000));
        assert_eq!((late.requests, late.lost), (400, 0));
        assert!(late.latency.max_us >= 190_000.0, "{:?}", late.latency);
        assert!(late.latency.p90_us >= 100_000.0, "{:?}", late.latency);

        // Nobody answers: what found a place and what did not are lost alike.
        let lost = against(|_| None, 300, Some(1_000));
        assert_eq!((lost.requests, lost.lost), (0, 300));
        assert!(lost.seconds < 5.0, "{}", lost.seconds);
    }

    #[test]
    fn asks_nothing_where_there_is_nothing_to_ask() {
        let how = Flood {
            server: ([127, 0, 0, 1], 9).into(),
            threads: 1,
            sockets: 1,
            window: 1,
            per_second: None,
            bound: Bound {
                requests: None,
                time: None,
            },
            pids: Vec::new(),
        };
        let seen = flood(&Pool::default(), &how);
        assert!(matches!(seen, Err(Error::NoQuestions)));
    }
}
