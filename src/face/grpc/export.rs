//! Export: every record of a prefix, or of the node, as of one moment.
//!
//! The scan runs on a thread of its own and waits for the client; a client that
//! takes nothing for [`STALL_MAX`] loses the stream, as a scan holds a snapshot.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;

use crate::face::grpc::records::ANSWER_BYTES;
use crate::face::grpc::shared::{EXPORTS_MAX, Shared};
use crate::face::grpc::{name, status};
use crate::model::limits::PAGE_ITEMS_MAX;
use crate::model::{Caller, Identifier, Prefix, Reason, Record, Refusal};
use crate::wire::proto::v1::{self, ExportRecordsRequest, ExportRecordsResponse};

/// Messages that wait for the client.
const MESSAGES_WAITING: usize = 4;
/// Records read at once.
const READ_RECORDS: usize = 100;
/// How long a client may take for one message.
const STALL_MAX: Duration = Duration::from_secs(60);

type Answer = Result<ExportRecordsResponse, Status>;

/// Begins an export and returns its messages.
///
/// # Errors
/// `FieldInvalid` and the like for a bad request; `Overloaded`.
pub(super) fn start(
    shared: &Arc<Shared>,
    caller: Caller,
    request: &ExportRecordsRequest,
    deadline: Option<Instant>,
) -> Result<mpsc::Receiver<Answer>, Refusal> {
    let ExportRecordsRequest { parent, after } = request;
    let prefix = match parent.as_str() {
        "prefixes/-" => None,
        parent => Some(name::prefix(parent, "parent")?),
    };
    let after = match after.as_str() {
        "" => None,
        after => Some(name::identifier(after, "after")?),
    };
    let permit = Arc::clone(&shared.exports)
        .try_acquire_owned()
        .map_err(|_| Refusal::new(Reason::Overloaded).limit(EXPORTS_MAX))?;
    let (answers, receiver) = mpsc::channel(MESSAGES_WAITING);
    let mut export = Export {
        shared: Arc::clone(shared),
        runtime: Handle::current(),
        answers,
        caller,
        deadline,
        message: ExportRecordsResponse::default(),
        bytes: 0,
    };
    shared.tracker.spawn_blocking(move || {
        let _permit = permit;
        export.run(prefix.as_ref(), after.as_ref());
    });
    Ok(receiver)
}

/// An export in work.
struct Export {
    shared: Arc<Shared>,
    runtime: Handle,
    answers: mpsc::Sender<Answer>,
    caller: Caller,
    deadline: Option<Instant>,
    /// What the next message holds so far, and its size.
    message: ExportRecordsResponse,
    bytes: usize,
}

impl Export {
    fn run(&mut self, prefix: Option<&Prefix>, after: Option<&Identifier>) {
        let (node, caller) = (self.shared.node.clone(), self.caller.clone());
        let mut broken = None;
        let mut sink = |records| match self.take(records) {
            Ok(()) => ControlFlow::Continue(()),
            Err(end) => {
                broken = Some(end);
                ControlFlow::Break(())
            }
        };
        let read = node.export(&caller, prefix, after, READ_RECORDS, &mut sink);
        let ended = match (broken, read) {
            (Some(end), _) => Err(end),
            (None, Err(refusal)) => Err(End::Refused(refusal)),
            (None, Ok(())) => self.flush(),
        };
        if let Err(End::Refused(refusal)) = ended {
            // A client that has gone needs no reason.
            let _gone = self.send(Err(status::status(&refusal)));
        }
    }

    fn take(&mut self, records: Vec<Record>) -> Result<(), End> {
        for record in records {
            let record: v1::Record = self.shared.message(record);
            let bytes = record.encoded_len();
            if self.bytes + bytes > ANSWER_BYTES || self.message.records.len() == PAGE_ITEMS_MAX {
                self.flush()?;
            }
            self.bytes += bytes;
            self.message.records.push(record);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), End> {
        if self.message.records.is_empty() {
            return Ok(());
        }
        let (count, is_gone) = (self.message.records.len(), || self.answers.is_closed());
        let asking = (&self.caller, self.deadline);
        wait_until_allowed(&self.shared, asking, count, &is_gone)?;
        self.bytes = 0;
        let message = std::mem::take(&mut self.message);
        self.send(Ok(message))
    }

    fn send(&self, answer: Answer) -> Result<(), End> {
        let refuse = |reason| Err(End::Refused(Refusal::new(reason)));
        if answer.is_ok() && self.shared.shutdown.is_cancelled() {
            return refuse(Reason::ShuttingDown);
        }
        if answer.is_ok() && self.deadline.is_some_and(|until| until <= Instant::now()) {
            return refuse(Reason::DeadlineExceeded);
        }
        let sending = self.answers.send_timeout(answer, STALL_MAX);
        self.runtime.block_on(sending).map_err(|_| End::Gone)
    }
}

/// Waits until the caller may have `count` more items, on a thread of its own.
///
/// # Errors
/// [`End::Refused`] if it may not before its deadline, or the node ends;
/// [`End::Gone`] once it `is_gone`.
pub(super) fn wait_until_allowed(
    shared: &Shared,
    (caller, deadline): (&Caller, Option<Instant>),
    count: usize,
    is_gone: &dyn Fn() -> bool,
) -> Result<(), End> {
    while let Err(refusal) = shared.node.admit_items(caller, count) {
        let told = refusal.shown_remaining();
        let Some(wait) = told.and_then(|remaining| remaining.retry_after) else {
            return Err(End::Refused(refusal));
        };
        let is_late = |until: Instant| until <= Instant::now() + wait;
        if deadline.is_some_and(is_late) {
            return Err(End::Refused(refusal));
        }
        let stopped = shared.shutdown.cancelled();
        let waiting = async { tokio::time::timeout(wait, stopped).await };
        if Handle::current().block_on(waiting).is_ok() {
            return Err(End::Refused(Refusal::new(Reason::ShuttingDown)));
        }
        if is_gone() {
            return Err(End::Gone);
        }
    }
    Ok(())
}

/// Why an export ends early.
pub(super) enum End {
    /// The client has gone, or takes nothing.
    Gone,
    /// The client is told.
    Refused(Refusal),
}
