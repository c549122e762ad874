//! Export: every record of a prefix, or of the node, as of one moment.
//!
//! The scan runs on a thread of its own and waits for the client, which it leaves
//! when that stalls: a scan holds a snapshot.

use std::ops::ControlFlow;
use std::sync::Arc;

use prost::Message;
use tokio::time::Instant;

use crate::face::grpc::name;
use crate::face::grpc::outgoing::{Answers, End, Outgoing};
use crate::face::grpc::records::ANSWER_BYTES;
use crate::face::grpc::shared::{EXPORTS_MAX, Shared};
use crate::model::limits::PAGE_ITEMS_MAX;
use crate::model::{Caller, Identifier, Prefix, Reason, Record, Refusal};
use crate::wire::proto::v1::{self, ExportRecordsRequest, ExportRecordsResponse};

/// Records read at once.
const READ_RECORDS: usize = 100;

/// Begins an export and returns its messages.
///
/// # Errors
/// `FieldInvalid` and the like for a bad request; `Overloaded`.
pub(super) fn start(
    shared: &Arc<Shared>,
    caller: Caller,
    request: &ExportRecordsRequest,
    deadline: Option<Instant>,
) -> Result<Answers<ExportRecordsResponse>, Refusal> {
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
    let (outgoing, answers) = Outgoing::new(shared, caller, deadline);
    let mut export = Export {
        shared: Arc::clone(shared),
        outgoing,
        message: ExportRecordsResponse::default(),
        bytes: 0,
    };
    shared.tracker.spawn_blocking(move || {
        let _permit = permit;
        export.run(prefix.as_ref(), after.as_ref());
    });
    Ok(answers)
}

/// An export in work.
struct Export {
    shared: Arc<Shared>,
    outgoing: Outgoing<ExportRecordsResponse>,
    /// What the next message holds so far, and its size.
    message: ExportRecordsResponse,
    bytes: usize,
}

impl Export {
    fn run(&mut self, prefix: Option<&Prefix>, after: Option<&Identifier>) {
        let (node, caller) = (self.shared.node.clone(), self.outgoing.caller().clone());
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
        self.outgoing.end(ended);
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
        self.outgoing
            .wait_until_allowed(self.message.records.len())?;
        self.bytes = 0;
        self.outgoing.send(std::mem::take(&mut self.message))
    }
}
