//! Whether what was acknowledged is what every face answers next.
//!
//! Each worker changes an identifier of its own, asks for it while the change is
//! under way, so that answers from before are kept, and asks every face again as
//! soon as the change is acknowledged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::Channel;

use crate::bench::clock;
use crate::bench::error::Error;
use crate::bench::handle::request as handle_request;
use crate::bench::message::put_question;
use crate::bench::proto::record_name;
use crate::bench::question::{Kind, zone_bytes};
use crate::bench::report::float;
use crate::bench::target::{Target, registry, resolution};
use crate::demo::Demo;
use crate::model::{Identifier, OwnerName, SuffixCase};
use crate::wire::proto::v1;

/// How long to wait for a datagram.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often a question is asked before it counts as unanswered.
const TRIES: u8 = 5;
/// Octets of a datagram that is received.
const DATAGRAM_BYTES_MAX: usize = 4096;
/// One change in so many deletes.
const DELETE_EVERY: u64 = 4;
/// Where a DNS message has its rcode, in four bits (RFC 1035 §4.1.1), and NXDOMAIN.
const RCODE_AT: usize = 3;
const NXDOMAIN: u8 = 3;
/// Where a Handle message has its response code (RFC 3652 §2.2.2), and
/// RC_HANDLE_NOT_FOUND.
const RESPONSE_CODE_AT: usize = 24;
const HANDLE_NOT_FOUND: [u8; 4] = [0, 0, 0, 100];

/// How to look.
#[derive(Clone, Debug)]
pub struct Freshness {
    /// Changes and answers that are compared, together.
    pub operations: u64,
    /// Workers, each with its identifier.
    pub workers: usize,
    /// The node's DNS face, and the zone that it is authoritative for.
    pub dns: (SocketAddr, String),
    /// The node's Handle face.
    pub handle: SocketAddr,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Seen {
    /// Changes acknowledged.
    pub writes: u64,
    /// Answers compared: over gRPC alone and in batches, DNS, and Handle.
    pub reads: u64,
    /// Answers that told of a state before an acknowledged change.
    pub stale: u64,
    /// Questions without an answer.
    pub lost: u64,
    /// How long it took.
    pub seconds: f64,
    /// Both in a second.
    pub per_second: f64,
    /// The first stale answer.
    pub first_stale: Option<String>,
}

/// Changes and asks, until so many operations are done.
///
/// # Errors
/// [`Error::Refused`] if a change is, [`Error::Udp`], [`Error::Worker`].
pub async fn freshness(target: &Target, demo: &Demo, how: &Freshness) -> Result<Seen, Error> {
    target.create_prefixes(demo).await?;
    let began = clock::now();
    let count = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for (number, channel) in (0..how.workers.max(1)).zip(target.channels().iter().cycle()) {
        let name = format!("{}/FRESH-{number}", demo.identifier(0).prefix());
        let identifier = Identifier::parse(&name).map_err(|_| Error::NoQuestions)?;
        let worker = Worker::new(target, channel, identifier, how).await?;
        let (count, end) = (Arc::clone(&count), how.operations);
        workers.spawn(async move { worker.run(&count, end).await });
    }
    let mut sum = Seen::default();
    while let Some(ended) = workers.join_next().await {
        let seen = ended.map_err(|_| Error::Worker)??;
        sum.writes += seen.writes;
        sum.reads += seen.reads;
        sum.stale += seen.stale;
        sum.lost += seen.lost;
        sum.first_stale = sum.first_stale.or(seen.first_stale);
    }
    sum.seconds = clock::now().saturating_duration_since(began).as_secs_f64();
    sum.per_second = float(sum.writes + sum.reads) / sum.seconds.max(1e-9);
    Ok(sum)
}

struct Worker {
    target: Target,
    channel: Channel,
    identifier: Identifier,
    dns: Asking,
    handle: Asking,
    seen: Seen,
}

impl Worker {
    async fn new(
        target: &Target,
        channel: &Channel,
        identifier: Identifier,
        how: &Freshness,
    ) -> Result<Self, Error> {
        let (dns, zone) = &how.dns;
        let name = OwnerName::of(&identifier, SuffixCase::Folded, zone_bytes(zone));
        let name = name.ok_or(Error::NoQuestions)?.below(zone);
        let mut question = vec![0; 2];
        put_question(&name, Kind::Uri.number(), &mut question);
        let handle = handle_request(identifier.to_string().as_bytes(), Some("URL"));
        let handle = handle.map_err(|_| Error::NoQuestions)?;
        Ok(Self {
            target: target.clone(),
            channel: channel.clone(),
            identifier,
            dns: Asking::new(*dns, question, 0).await?,
            handle: Asking::new(how.handle, handle, 10).await?,
            seen: Seen::default(),
        })
    }

    async fn run(mut self, count: &AtomicU64, end: u64) -> Result<Seen, Error> {
        let mut round = 0;
        // What an earlier run left, if any.
        let _gone = self.change(None, false).await;
        // A change, and four answers.
        while count.fetch_add(5, Ordering::Relaxed) < end {
            round += 1;
            let is_there = round % DELETE_EVERY != 0;
            let told = is_there.then(|| format!("https://fresh.example/{round:012}"));
            let is_new = round % DELETE_EVERY == 1;
            self.change(told.as_deref(), is_new).await?;
            self.seen.writes += 1;
            self.compare(told.as_deref()).await?;
        }
        Ok(self.seen)
    }

    /// Has the identifier lead to `told`, or deletes it, and asks meanwhile. The first
    /// change, and the one behind a deletion, register it.
    async fn change(&mut self, told: Option<&str>, is_new: bool) -> Result<(), Error> {
        let name = record_name(&self.identifier);
        let (target, mut client) = (&self.target, registry(&self.channel));
        let record = told.map(|told| v1::Record {
            name: name.clone(),
            values: vec![v1::Value {
                index: 1,
                r#type: "URL".to_owned(),
                data: Some(v1::value::Data::Text(told.to_owned())),
                ..v1::Value::default()
            }],
            ..v1::Record::default()
        });
        let write = async {
            match record {
                Some(record) if is_new => {
                    let request = v1::CreateRecordRequest {
                        record: Some(record),
                        reuse_deleted: true,
                        ..v1::CreateRecordRequest::default()
                    };
                    client
                        .create_record(target.request(request))
                        .await
                        .map(drop)
                }
                Some(record) => {
                    let request = v1::UpdateRecordRequest {
                        record: Some(record),
                        ..v1::UpdateRecordRequest::default()
                    };
                    client
                        .update_record(target.request(request))
                        .await
                        .map(drop)
                }
                None => {
                    let request = v1::DeleteRecordRequest {
                        name,
                        ..v1::DeleteRecordRequest::default()
                    };
                    client
                        .delete_record(target.request(request))
                        .await
                        .map(drop)
                }
            }
        };
        let identifier = self.identifier.to_string();
        let mut asked = resolution(&self.channel);
        let request = v1::BatchResolveRequest {
            identifiers: vec![identifier],
            ..v1::BatchResolveRequest::default()
        };
        let meanwhile = asked.batch_resolve(target.request(request));
        let (dns, handle) = (&mut self.dns, &mut self.handle);
        let (written, _, _, _) = tokio::join!(write, meanwhile, dns.ask(), handle.ask());
        Ok(written?)
    }

    async fn compare(&mut self, told: Option<&str>) -> Result<(), Error> {
        let identifier = self.identifier.to_string();
        let mut client = resolution(&self.channel);
        let request = v1::ResolveRequest {
            identifier: identifier.clone(),
            ..v1::ResolveRequest::default()
        };
        let alone = match client.resolve(self.target.request(request)).await {
            Ok(answer) => answer.into_inner().record,
            Err(status) if status.code() == Code::NotFound => None,
            Err(status) => return Err(status.into()),
        };
        self.saw("gRPC", same(alone.as_ref(), told));
        let request = v1::BatchResolveRequest {
            identifiers: vec![identifier],
            ..v1::BatchResolveRequest::default()
        };
        let batch = client.batch_resolve(self.target.request(request)).await?;
        let results = batch.into_inner().results;
        let first = results.first().and_then(|result| result.outcome.as_ref());
        let record = match first {
            Some(v1::resolve_result::Outcome::Record(record)) => Some(record),
            _ => None,
        };
        self.saw("gRPC batch", same(record, told));
        let answer = self.dns.ask().await;
        let is_gone = |answer: &[u8]| answer.get(RCODE_AT).is_some_and(|at| at & 15 == NXDOMAIN);
        self.saw("DNS", same_octets(answer.as_deref(), told, is_gone));
        let answer = self.handle.ask().await;
        let code_at = RESPONSE_CODE_AT..RESPONSE_CODE_AT + HANDLE_NOT_FOUND.len();
        let is_gone = |answer: &[u8]| answer.get(code_at.clone()) == Some(&HANDLE_NOT_FOUND);
        self.saw("Handle", same_octets(answer.as_deref(), told, is_gone));
        Ok(())
    }

    /// Counts an answer: whether it was as it should be, or there was none.
    fn saw(&mut self, face: &str, is_fresh: Option<bool>) {
        match is_fresh {
            None => self.seen.lost += 1,
            Some(is_fresh) => {
                self.seen.reads += 1;
                if !is_fresh {
                    self.seen.stale += 1;
                    let stale = || {
                        format!(
                            "{face}: {} after write {}",
                            self.identifier, self.seen.writes
                        )
                    };
                    self.seen.first_stale.get_or_insert_with(stale);
                }
            }
        }
    }
}

fn same(record: Option<&v1::Record>, told: Option<&str>) -> Option<bool> {
    let data = record.and_then(|record| record.values.first()?.data.as_ref());
    let text = match data {
        Some(v1::value::Data::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    Some(text == told && record.is_some() == told.is_some())
}

fn same_octets(
    answer: Option<&[u8]>,
    told: Option<&str>,
    is_gone: impl Fn(&[u8]) -> bool,
) -> Option<bool> {
    let answer = answer?;
    Some(match told {
        Some(told) => answer
            .windows(told.len())
            .any(|octets| octets == told.as_bytes()),
        None => is_gone(answer),
    })
}

/// One question over UDP, asked again and again.
struct Asking {
    socket: UdpSocket,
    question: Vec<u8>,
    /// Where its number stands: two octets, of which the answer has the same.
    number_at: usize,
    number: u16,
}

impl Asking {
    async fn new(server: SocketAddr, question: Vec<u8>, number_at: usize) -> Result<Self, Error> {
        let failed = |source| Error::Udp { server, source };
        let any: SocketAddr = match server.is_ipv4() {
            true => ([0, 0, 0, 0], 0).into(),
            false => ([0_u16; 8], 0).into(),
        };
        let socket = UdpSocket::bind(any).await.map_err(failed)?;
        socket.connect(server).await.map_err(failed)?;
        Ok(Self {
            socket,
            question,
            number_at,
            number: 0,
        })
    }

    /// The answer; `None` if there is none.
    async fn ask(&mut self) -> Option<Vec<u8>> {
        for _ in 0..TRIES {
            self.number = self.number.wrapping_add(1);
            let number = self.number.to_be_bytes();
            let place = self.number_at..self.number_at + number.len();
            self.question
                .get_mut(place.clone())?
                .copy_from_slice(&number);
            self.socket.send(&self.question).await.ok()?;
            let mut answer = vec![0; DATAGRAM_BYTES_MAX];
            let receive = async {
                loop {
                    let length = self.socket.recv(&mut answer).await.ok()?;
                    // What answers an earlier try is let go.
                    if length > place.end && answer.get(place.clone()) == Some(&number) {
                        return Some(length);
                    }
                }
            };
            if let Ok(Some(length)) = timeout(PATIENCE, receive).await {
                answer.truncate(length);
                return Some(answer);
            }
        }
        None
    }
}
