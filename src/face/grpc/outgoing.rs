//! A stream of answers from a thread that blocks: it waits for the client, and for
//! what the client may have; a client that takes nothing for [`STALL_MAX`] loses it.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;

use crate::face::grpc::shared::Shared;
use crate::face::grpc::status;
use crate::model::{Caller, Reason, Refusal};

/// Messages that wait for the client.
const MESSAGES_WAITING: usize = 4;
/// How long a client may take for one message.
const STALL_MAX: Duration = Duration::from_secs(60);

/// Why a stream ends early.
pub(super) enum End {
    /// The client has gone, or takes nothing.
    Gone,
    /// The client is told.
    Refused(Refusal),
}

/// Where the answers of one call go.
pub(super) struct Outgoing<T> {
    shared: Arc<Shared>,
    runtime: Handle,
    answers: mpsc::Sender<Result<T, Status>>,
    caller: Caller,
    deadline: Option<Instant>,
}

/// What the client is given.
pub(super) type Answers<T> = mpsc::Receiver<Result<T, Status>>;

impl<T> Outgoing<T> {
    /// A stream to `caller`, and what it is given of it. Within a runtime.
    pub(super) fn new(
        shared: &Arc<Shared>,
        caller: Caller,
        deadline: Option<Instant>,
    ) -> (Self, Answers<T>) {
        let (answers, receiver) = mpsc::channel(MESSAGES_WAITING);
        let outgoing = Self {
            shared: Arc::clone(shared),
            runtime: Handle::current(),
            answers,
            caller,
            deadline,
        };
        (outgoing, receiver)
    }

    /// Whom it goes to.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Waits until the caller may have `count` more items, one of which was counted
    /// before.
    pub(super) fn wait_until_allowed(&self, count: usize) -> Result<(), End> {
        let take = || self.shared.node.admit_items(&self.caller, count);
        while let Err(refusal) = take() {
            let told = refusal.shown_remaining();
            let Some(wait) = told.and_then(|remaining| remaining.retry_after) else {
                return Err(End::Refused(refusal));
            };
            let is_late = |until: Instant| until <= Instant::now() + wait;
            if self.deadline.is_some_and(is_late) {
                return Err(End::Refused(refusal));
            }
            let stopped = self.shared.shutdown.cancelled();
            let waiting = async { tokio::time::timeout(wait, stopped).await };
            if self.runtime.block_on(waiting).is_ok() {
                return Err(End::Refused(Refusal::new(Reason::ShuttingDown)));
            }
            if self.answers.is_closed() {
                return Err(End::Gone);
            }
        }
        Ok(())
    }

    /// Sends a message.
    pub(super) fn send(&self, message: T) -> Result<(), End> {
        let refuse = |reason| Err(End::Refused(Refusal::new(reason)));
        if self.shared.shutdown.is_cancelled() {
            return refuse(Reason::ShuttingDown);
        }
        if self.deadline.is_some_and(|until| until <= Instant::now()) {
            return refuse(Reason::DeadlineExceeded);
        }
        self.put(Ok(message))
    }

    /// Whether the client still waits for something, and may have it.
    pub(super) fn is_wanted(&self) -> bool {
        !self.answers.is_closed() && !self.shared.shutdown.is_cancelled()
    }

    /// Waits for `time`, if it is any.
    pub(super) fn rest(&self, time: Duration) {
        if !time.is_zero() {
            self.runtime.block_on(tokio::time::sleep(time));
        }
    }

    /// Sends the first message without waiting: there is room for it.
    ///
    /// # Errors
    /// `Internal` if it was not the first.
    pub(super) fn send_first(&self, message: T) -> Result<(), Refusal> {
        let sent = self.answers.try_send(Ok(message));
        sent.map_err(|_| Refusal::new(Reason::Internal))
    }

    /// Tells the client why the stream ended, if it did so early.
    pub(super) fn end(&self, ended: Result<(), End>) {
        if let Err(End::Refused(refusal)) = ended {
            // A client that has gone needs no reason.
            let _gone = self.put(Err(status::status(&refusal)));
        }
    }

    fn put(&self, answer: Result<T, Status>) -> Result<(), End> {
        let sending = self.answers.send_timeout(answer, STALL_MAX);
        self.runtime.block_on(sending).map_err(|_| End::Gone)
    }
}
