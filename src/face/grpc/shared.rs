//! What the services share: the node, who calls, and work off the runtime's
//! threads.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming};

use crate::face::grpc::call::Deadline;
use crate::face::grpc::change::Intent;
use crate::face::grpc::convert::{self, Zone};
use crate::face::grpc::kept::Results;
use crate::face::grpc::metrics::Metrics;
use crate::face::grpc::{Config, ServerInfo, status};
use crate::model::{Caller, Identifier, Prefix, Reason, Record, Refusal, SuffixCase};
use crate::net::http::Peer;
use crate::net::tls::ClientCertificate;
use crate::node::{Applied, Node, Presented, Write};
use crate::wire::proto::v1;

/// Exports in work at once, since each holds a thread; further ones are refused.
pub(super) const EXPORTS_MAX: usize = 16;
/// Bulk imports at once; further ones go on as any other import.
pub(super) const BULK_IMPORTS_MAX: usize = 2;
/// Traces of unary calls in work at once, each with a thread; further ones are refused.
pub(super) const TRACES_MAX: usize = 64;
/// Traces that are streamed at once, each with a thread; further ones are refused.
pub(super) const TRACE_STREAMS_MAX: usize = 16;

/// What the services share.
pub(super) struct Shared {
    pub(super) node: Node,
    pub(super) info: ServerInfo,
    pub(super) metrics: Arc<Metrics>,
    pub(super) results: Results,
    pub(super) tracker: TaskTracker,
    pub(super) shutdown: CancellationToken,
    pub(super) ready: AtomicBool,
    pub(super) message_bytes_max: usize,
    pub(super) exports: Arc<Semaphore>,
    pub(super) traces: Arc<Semaphore>,
    pub(super) trace_streams: Arc<Semaphore>,
    pub(super) bulk_imports: Arc<Semaphore>,
    zone: Option<Zone>,
}

impl Shared {
    pub(super) fn new(
        node: Node,
        info: ServerInfo,
        config: &Config,
        metrics: Arc<Metrics>,
        (tracker, shutdown): (TaskTracker, CancellationToken),
    ) -> Self {
        Self {
            node,
            zone: info.zones.first().cloned().map(Zone::new),
            info,
            metrics,
            results: Results::new(config.answer_cache_bytes),
            tracker,
            shutdown,
            ready: AtomicBool::new(false),
            message_bytes_max: config.message_bytes_max,
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            traces: Arc::new(Semaphore::new(TRACES_MAX)),
            trace_streams: Arc::new(Semaphore::new(TRACE_STREAMS_MAX)),
            bulk_imports: Arc::new(Semaphore::new(BULK_IMPORTS_MAX)),
        }
    }

    /// Who calls, and with which message.
    ///
    /// # Errors
    /// `KeyInvalid`.
    pub(super) fn open<T>(&self, request: Request<T>) -> Result<(Caller, T), Status> {
        let caller = self
            .caller(&request)
            .map_err(|refusal| status::status(&refusal))?;
        Ok((caller, request.into_inner()))
    }

    fn caller<T>(&self, request: &Request<T>) -> Result<Caller, Refusal> {
        let certificate = request.extensions().get::<ClientCertificate>();
        let source = source(request);
        let bearer = bearer(request.metadata());
        let bearer = bearer.map_err(|refusal| {
            let reason = refusal.reason();
            self.node.refuse_unproven(reason, "", source)
        })?;
        self.node.authenticate(&Presented {
            bearer,
            certificate: certificate.map(|certificate| certificate.0),
            source,
        })
    }

    /// Does `work` on a thread that may block.
    ///
    /// # Errors
    /// `Internal` if it panics.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Node) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let node = self.node.clone();
        self.tracker
            .spawn_blocking(move || work(&node))
            .await
            .map_err(|_| Refusal::new(Reason::Internal))
    }

    /// Makes one change, or only judges it.
    ///
    /// # Errors
    /// Those of the change.
    pub(super) async fn change(&self, caller: &Caller, intent: Intent) -> Result<Applied, Refusal> {
        let validate_only = intent.validate_only;
        let write = intent.into_write()?;
        if !validate_only {
            return self.node.execute(caller, write).await;
        }
        let outcomes = self.validate(caller, vec![write]).await?;
        outcomes
            .into_iter()
            .next()
            .unwrap_or_else(|| Err(Refusal::new(Reason::Internal)))
    }

    /// Judges changes in order and makes none.
    ///
    /// # Errors
    /// Those of the whole batch.
    pub(super) async fn validate(
        &self,
        caller: &Caller,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Applied, Refusal>>, Refusal> {
        let caller = caller.clone();
        self.blocking(move |node| node.validate(&caller, writes))
            .await?
    }

    /// How suffixes below `prefix` compare.
    pub(super) fn case(&self, prefix: &Prefix) -> SuffixCase {
        let entry = self.node.prefix(&prefix.canonical());
        entry.map_or_else(SuffixCase::default, |entry| entry.case)
    }

    /// The canonical form of an identifier, in which two that are one look the same.
    pub(super) fn canonical(&self, identifier: &Identifier) -> String {
        let key = identifier.key(self.case(identifier.prefix()));
        String::from_utf8_lossy(key.as_bytes()).into_owned()
    }

    /// A record as a message. The caller may read all that is in it.
    pub(super) fn message(&self, record: Record) -> v1::Record {
        let case = self.case(record.identifier.prefix());
        convert::record(record, self.zone.as_ref(), case)
    }
}

/// The token behind `authorization: Bearer`, if there is one.
///
/// # Errors
/// `KeyInvalid` for another form.
pub(super) fn bearer(metadata: &MetadataMap) -> Result<Option<&str>, Refusal> {
    let Some(header) = metadata.get("authorization") else {
        return Ok(None);
    };
    header
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| Some(token.trim()))
        .ok_or_else(|| Refusal::new(Reason::KeyInvalid))
}

/// The address that a call came from.
pub(super) fn source<T>(request: &Request<T>) -> Option<IpAddr> {
    let peer = request.extensions().get::<Peer>();
    peer.map(|peer| peer.0.ip())
}

/// The result of a unary call.
pub(super) fn answer<T>(result: Result<T, Refusal>) -> Result<Response<T>, Status> {
    result
        .map(Response::new)
        .map_err(|refusal| status::status(&refusal))
}

/// When the call of `request` must be over.
pub(super) fn deadline<T>(request: &Request<T>) -> Option<Instant> {
    request
        .extensions()
        .get::<Deadline>()
        .map(|deadline| deadline.0)
}

/// How long a stream may wait for its client's next message: an idle one holds
/// a place that another call could have.
const IDLE: Duration = Duration::from_secs(120);

/// The client's messages, until it ends them, its deadline passes, or the server
/// shuts down.
pub(super) struct Incoming<T> {
    pub(super) messages: Streaming<T>,
    pub(super) deadline: Option<Instant>,
    pub(super) shutdown: CancellationToken,
    pub(super) message_bytes_max: usize,
}

impl<T> Incoming<T> {
    /// The next message; `None` at the end. Cancelled, it loses nothing.
    ///
    /// # Errors
    /// `ShuttingDown`, `DeadlineExceeded` (also after [`IDLE`] without a
    /// message), `MessageTooLarge`, and what is wrong
    /// with the message or the connection.
    pub(super) async fn next(&mut self) -> Result<Option<T>, Status> {
        let refuse = |reason| Err(status::status(&Refusal::new(reason)));
        tokio::select! {
            biased;
            () = self.shutdown.cancelled() => refuse(Reason::ShuttingDown),
            () = passed(self.deadline) => refuse(Reason::DeadlineExceeded),
            () = tokio::time::sleep(IDLE) => refuse(Reason::DeadlineExceeded),
            message = self.messages.message() => message
                .map_err(|status| status::from_transport(status, self.message_bytes_max)),
        }
    }
}

impl<T> Incoming<T> {
    /// Waits until `take` is not refused for the number of what was asked for: a
    /// stream is slowed, its client feels it by the flow control of HTTP/2.
    ///
    /// # Errors
    /// `ShuttingDown`, `DeadlineExceeded`, and what `take` is refused for else.
    pub(super) async fn until_allowed(
        &self,
        mut take: impl FnMut() -> Result<(), Refusal>,
    ) -> Result<(), Status> {
        while let Err(refusal) = take() {
            let told = refusal.shown_remaining();
            let Some(wait) = told.and_then(|remaining| remaining.retry_after) else {
                return Err(status::status(&refusal));
            };
            let refuse = |reason| Err(status::status(&Refusal::new(reason)));
            tokio::select! {
                biased;
                () = self.shutdown.cancelled() => return refuse(Reason::ShuttingDown),
                () = passed(self.deadline) => return refuse(Reason::DeadlineExceeded),
                () = tokio::time::sleep(wait) => {}
            }
        }
        Ok(())
    }
}

/// Waits until `deadline`; for ever without one.
async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
