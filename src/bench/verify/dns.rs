//! The comparison over DNS: NAPTR, URI and TXT of every name, over UDP, and
//! over TCP where an answer does not fit.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::{Differences, Verifying};
use crate::bench::error::Error;
use crate::bench::expected::expected;
use crate::bench::message::{Answer, Head, NOERROR, answers, put_question};
use crate::bench::question::{Kind, zone_bytes};
use crate::bench::udp::connected;
use crate::demo::Demo;
use crate::model::{OwnerName, SuffixCase, Timestamp, Value};

/// Identifiers asked for at once; three questions each. Their answers fit the
/// buffer that Linux gives a socket by default.
const AT_ONCE: u64 = 32;
/// How long to wait for answers before asking again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a question is asked before it counts as unanswered.
const TRIES: usize = 5;
/// Octets of a datagram that is received.
const DATAGRAM_BYTES_MAX: usize = 4096;

/// What was asked.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) names: u64,
    pub(super) questions: u64,
    pub(super) over_tcp: u64,
}

pub(super) fn compare(
    demo: &Demo,
    how: &Verifying,
    differences: &Differences,
) -> Result<Counts, Error> {
    let next = AtomicU64::new(0);
    let ended = std::thread::scope(|scope| {
        let worker = || {
            let mut comparer = Comparer {
                demo,
                how,
                differences,
                socket: connected(how.dns, Some(PATIENCE)).map_err(|e| failed(how.dns, e))?,
                counts: Counts::default(),
            };
            comparer.run(&next)?;
            Ok(comparer.counts)
        };
        let workers: Vec<_> = (0..how.threads.max(1))
            .map(|_| scope.spawn(worker))
            .collect();
        let ended = workers.into_iter().map(|worker| worker.join());
        ended.collect::<Result<Vec<Result<Counts, Error>>, _>>()
    });
    let mut sum = Counts::default();
    for counts in ended.map_err(|_| Error::Worker)? {
        let counts = counts?;
        sum.names += counts.names;
        sum.questions += counts.questions;
        sum.over_tcp += counts.over_tcp;
    }
    Ok(sum)
}

fn failed(server: SocketAddr, source: io::Error) -> Error {
    Error::Udp { server, source }
}

/// One question that waits for its answer.
struct Question {
    position: u64,
    name: String,
    kind: Kind,
    message: Vec<u8>,
}

struct Comparer<'a> {
    demo: &'a Demo,
    how: &'a Verifying,
    differences: &'a Differences,
    socket: UdpSocket,
    counts: Counts,
}

impl Comparer<'_> {
    fn run(&mut self, next: &AtomicU64) -> Result<(), Error> {
        loop {
            let first = next.fetch_add(AT_ONCE, Ordering::Relaxed);
            let end = (first + AT_ONCE).min(self.demo.identifiers());
            if first >= end {
                return Ok(());
            }
            self.compare_some(first, end)?;
        }
    }

    fn compare_some(&mut self, first: u64, end: u64) -> Result<(), Error> {
        let records: Vec<_> = (first..end).map(|at| (at, self.demo.record(at))).collect();
        let mut waiting = BTreeMap::new();
        let mut id = 0u16;
        for (position, (identifier, _)) in &records {
            let bytes = zone_bytes(&self.how.zone);
            let Some(name) = OwnerName::of(identifier, SuffixCase::Folded, bytes) else {
                continue;
            };
            self.counts.names += 1;
            let name = name.below(&self.how.zone);
            for kind in Kind::ALL {
                let mut message = id.to_be_bytes().to_vec();
                put_question(&name, kind.number(), &mut message);
                let (position, name) = (*position, name.clone());
                waiting.insert(
                    id,
                    Question {
                        position,
                        name,
                        kind,
                        message,
                    },
                );
                id += 1;
            }
        }
        self.counts.questions += u64::from(id);
        let values = |position: u64| {
            let at = records.binary_search_by_key(&position, |(at, _)| *at).ok();
            at.and_then(|at| records.get(at))
                .map_or(&[][..], |(_, (_, values))| values)
        };
        for _ in 0..TRIES {
            let asked = self.ask(&mut waiting, &values);
            asked.map_err(|e| failed(self.how.dns, e))??;
            if waiting.is_empty() {
                return Ok(());
            }
        }
        for question in waiting.into_values() {
            let what = format!("DNS: {} {}: no answer", question.name, question.kind.name());
            self.differences.note(question.position, what)?;
        }
        Ok(())
    }

    /// Sends what waits, and compares what comes until nothing comes for a
    /// while.
    fn ask<'v>(
        &mut self,
        waiting: &mut BTreeMap<u16, Question>,
        values: &impl Fn(u64) -> &'v [Value],
    ) -> io::Result<Result<(), Error>> {
        for question in waiting.values() {
            self.socket.send(&question.message)?;
        }
        let mut buffer = [0; DATAGRAM_BYTES_MAX];
        while !waiting.is_empty() {
            let length = match self.socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            };
            let message = buffer.get(..length).unwrap_or_default();
            let Some(head) = Head::read(message) else {
                continue;
            };
            let Some(question) = waiting.remove(&head.id) else {
                continue;
            };
            let whole = if head.truncated {
                self.counts.over_tcp += 1;
                over_tcp(self.how.dns, &question.message)?
            } else {
                message.to_vec()
            };
            if let Some(what) = difference(&question, &whole, values(question.position))
                && let Err(error) = self.differences.note(question.position, what)
            {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

/// In what an answer differs from what the record stands for. The order of
/// records means nothing (RFC 2181 §5).
fn difference(question: &Question, message: &[u8], values: &[Value]) -> Option<String> {
    let Question { name, kind, .. } = question;
    let rcode = Head::read(message).map(|head| head.rcode);
    let seen = answers(message);
    // Generated values have relative times to live: no moment matters.
    let ttl = values
        .iter()
        .map(|v| v.ttl.remaining_secs(Timestamp::default()))
        .min();
    let mut wanted: Vec<_> = expected(*kind, values)
        .into_iter()
        .map(|record| Answer {
            type_number: kind.number(),
            ttl_secs: ttl.unwrap_or_default(),
            data: record.data,
        })
        .collect();
    wanted.sort_unstable();
    let same = rcode == Some(NOERROR)
        && seen.clone().is_some_and(|mut seen| {
            seen.sort_unstable();
            seen == wanted
        });
    let kind = kind.name();
    (!same).then(|| format!("DNS: {name} {kind}: {wanted:?} expected, rcode {rcode:?} {seen:?}"))
}

/// Asks over TCP (RFC 7766 §8: two octets of length before each message).
fn over_tcp(server: SocketAddr, message: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let length = u16::try_from(message.len()).unwrap_or_default();
    stream.write_all(&[&length.to_be_bytes(), message].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    Ok(answer)
}
