//! Creation over the Handle protocol, in sessions: each connection proves once
//! who it is, and each request has a code from there on.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::bench::clock;
use crate::bench::error::Error;
use crate::bench::handle::session::{Identity, Session, read, refused};
use crate::bench::handle::window::{Waiting, Window};
use crate::bench::histogram::Tally;
use crate::bench::process::Watch;
use crate::bench::report::Report;
use crate::bench::target::Target;
use crate::bench::workload::Bound;
use crate::demo::Demo;
use crate::model;
use crate::wire::handle::{HandleValue, OpCode, Permissions, ResponseCode, Ttl, ValuesRequest};

/// Requests outstanding on one connection at most: servers forget which counters
/// of a session they saw about 200 messages ago.
const WINDOW_MAX: usize = 128;

/// How records are created, all of them below the prefix of the first firm, as
/// its own software does it.
#[derive(Clone, Debug)]
pub struct HandleCreating {
    /// The server.
    pub server: SocketAddr,
    /// Records of the firm that are passed over: those that exist.
    pub first: u64,
    /// Connections, each with a session of its own.
    pub connections: usize,
    /// Requests outstanding on each, up to 128.
    pub window: usize,
    /// When it ends.
    pub bound: Bound,
    /// Processes of the server, to be watched.
    pub pids: Vec<u32>,
}

/// Gives the firm its key and its rights over gRPC, and then creates records of
/// `demo` in its name until the bound.
///
/// # Errors
/// [`Error::Refused`] if the preparation is, [`Error::Tcp`], [`Error::Process`],
/// [`Error::Worker`].
pub async fn handle_create(
    target: &Target,
    demo: Demo,
    how: HandleCreating,
) -> Result<Report, Error> {
    let Some(firm) = demo.firms().first() else {
        return Err(Error::NoQuestions);
    };
    target.administer(&demo, firm).await?;
    let (reference, secret) = demo.administrator(firm);
    let identity = Identity {
        handle: reference.identifier.to_string(),
        index: reference.index,
        secret,
    };
    let watch = Watch::new(&how.pids);
    let before = watch.used()?;
    let start = clock::now();
    let (server, connections) = (how.server, how.connections.max(1));
    let creator = Arc::new(Creator {
        demo,
        identity,
        how,
        start,
        next: AtomicU64::new(0),
    });
    let mut workers = JoinSet::new();
    for _ in 0..connections {
        let creator = Arc::clone(&creator);
        workers.spawn(async move { creator.create().await });
    }
    let mut sum = Tally::new();
    while let Some(ended) = workers.join_next().await {
        let tally = ended.map_err(|_| Error::Worker)?;
        sum.add(tally.map_err(|source| Error::Tcp { server, source })?);
    }
    let time = clock::now().saturating_duration_since(start);
    let used = before.zip(watch.used()?);
    let mut report = Report::new("handle create", &sum, time, used);
    report.disk_bytes_per_identifier = target.disk_bytes_per_identifier().await?;
    Ok(report)
}

struct Creator {
    demo: Demo,
    identity: Identity,
    how: HandleCreating,
    start: Instant,
    next: AtomicU64,
}

impl Creator {
    /// The place of the next record among those of the firm.
    fn next(&self, now: Instant) -> Option<u64> {
        if self.how.bound.over(self.start, now) {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let is_asked = number < self.how.bound.requests_max();
        is_asked.then(|| number.saturating_add(self.how.first))
    }

    async fn create(&self) -> io::Result<Tally> {
        let mut tally = Tally::new();
        let mut stream = TcpStream::connect(self.how.server).await?;
        stream.set_nodelay(true)?;
        let mut session = Session::set_up(&mut stream, &self.identity).await?;
        let mut requests = Vec::new();
        let sent = clock::now();
        let Some(first) = self.next(sent) else {
            return Ok(tally);
        };
        self.write(&mut session, first, 1, &mut requests)?;
        let answer = session.ask(&mut stream, &requests, &self.identity).await?;
        tally.took(clock::now().saturating_duration_since(sent));
        judge(&answer, &mut tally);
        let mut window = Window::new(stream, self.how.window.clamp(1, WINDOW_MAX));
        loop {
            requests.clear();
            while window.has_room() {
                let sent = clock::now();
                let Some(index) = self.next(sent) else {
                    break;
                };
                let request_id = window.ask(Waiting { sent, index });
                self.write(&mut session, index, request_id, &mut requests)?;
            }
            let waiting = window.waiting();
            if waiting == 0 {
                return Ok(tally);
            }
            let answered = window.exchange(&requests, |waiting, answer| {
                let Some(Waiting { sent, .. }) = waiting else {
                    tally.wrong(|| "an answer to no request".to_owned());
                    return;
                };
                tally.took(clock::now().saturating_duration_since(sent));
                judge(answer, &mut tally);
            });
            if answered.await?.is_none() {
                tally.lost += u64::try_from(waiting).unwrap_or_default();
                return Ok(tally);
            }
        }
    }

    fn write(
        &self,
        session: &mut Session,
        index: u64,
        request_id: u32,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let firms = u64::try_from(self.demo.firms().len()).unwrap_or(1);
        let (identifier, values) = self.demo.record(index.saturating_mul(firms));
        let values = values.iter().map(wire_value).collect::<Vec<_>>();
        let handle = identifier.to_string();
        let body = ValuesRequest {
            handle: handle.as_bytes(),
            values: values.as_slice().into(),
        };
        session.write(OpCode::CREATE_HANDLE, request_id, out, |out| {
            body.encode(out);
        })
    }
}

/// A value of the demo, which has no references and lives for so many seconds.
fn wire_value(value: &model::Value) -> HandleValue<'_> {
    HandleValue {
        index: value.index,
        timestamp_secs: 0,
        ttl: match value.ttl {
            model::Ttl::Relative(secs) => Ttl::Relative(secs),
            model::Ttl::Absolute(at_secs) => {
                Ttl::Absolute(u32::try_from(at_secs).unwrap_or(u32::MAX))
            }
        },
        permissions: Permissions(value.permissions.bits()),
        value_type: value.value_type.as_str().as_bytes(),
        data: &value.data,
        references: Default::default(),
    }
}

fn judge(answer: &[u8], tally: &mut Tally) {
    match read(answer) {
        Ok((_, message)) if message.header.response_code == ResponseCode::SUCCESS => {
            tally.answered += 1;
            tally.found += 1;
        }
        Ok((envelope, message)) => {
            tally.wrong(|| refused(envelope.version, &message).to_string());
        }
        Err(error) => tally.wrong(|| error.to_string()),
    }
}
