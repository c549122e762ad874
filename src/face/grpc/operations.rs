//! Long-running work: the latest operations since the start (Google AIP-151).
//!
//! ```text
//! begin ──► running ──► done: a backup, or an error
//! ```

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::face::grpc::{convert, status};
use crate::model::{Reason, Refusal, Timestamp};
use crate::node::BackupInfo;
use crate::wire::proto::v1::{self, operation};

/// Operations that are remembered; the oldest that is done gives way.
const OPERATIONS_MAX: usize = 100;
/// Operations in work at once; further ones are refused.
const RUNNING_MAX: usize = 4;

/// What an operation came to.
type Outcome = Result<BackupInfo, Refusal>;

/// The latest operations.
#[derive(Default)]
pub(super) struct Operations {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    last_number: u64,
    /// Oldest first.
    entries: VecDeque<Arc<Entry>>,
}

/// One operation.
pub(super) struct Entry {
    number: u64,
    kind: &'static str,
    started: Timestamp,
    outcome: watch::Sender<Option<Outcome>>,
}

impl Operations {
    /// Enters an operation that begins.
    ///
    /// # Errors
    /// `Overloaded` while [`RUNNING_MAX`] are in work.
    pub(super) fn begin(
        &self,
        kind: &'static str,
        started: Timestamp,
    ) -> Result<Arc<Entry>, Refusal> {
        let mut table = self.table.lock();
        let running = table.entries.iter().filter(|entry| !entry.is_done());
        if running.count() >= RUNNING_MAX {
            return Err(Refusal::new(Reason::Overloaded).limit(RUNNING_MAX));
        }
        if table.entries.len() >= OPERATIONS_MAX {
            let oldest = table.entries.iter().position(|entry| entry.is_done());
            oldest.map(|position| table.entries.remove(position));
        }
        table.last_number += 1;
        let entry = Arc::new(Entry {
            number: table.last_number,
            kind,
            started,
            outcome: watch::Sender::new(None),
        });
        table.entries.push_back(Arc::clone(&entry));
        Ok(entry)
    }

    /// The operation with `number`.
    ///
    /// # Errors
    /// `OperationNotFound`.
    pub(super) fn find(&self, number: u64) -> Result<Arc<Entry>, Refusal> {
        let table = self.table.lock();
        let found = table.entries.iter().find(|entry| entry.number == number);
        found.cloned().ok_or_else(|| {
            Refusal::new(Reason::OperationNotFound)
                .field("name")
                .value(format!("operations/{number}"))
        })
    }

    /// All of them, newest first.
    pub(super) fn list(&self) -> Vec<v1::Operation> {
        let table = self.table.lock();
        let newest_first = table.entries.iter().rev();
        newest_first.map(|entry| entry.message()).collect()
    }
}

impl Entry {
    /// Ends the operation.
    pub(super) fn end(&self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
    }

    /// Waits until the operation is done. Cancelled, it changes nothing.
    pub(super) async fn done(&self) {
        let mut outcome = self.outcome.subscribe();
        // The sender lives as long as `self`.
        let _done = outcome.wait_for(Option::is_some).await;
    }

    fn is_done(&self) -> bool {
        self.outcome.borrow().is_some()
    }

    /// As a message.
    pub(super) fn message(&self) -> v1::Operation {
        let result = self.outcome.borrow().as_ref().map(|outcome| match outcome {
            Ok(backup) => operation::Result::Backup(convert::backup(backup.clone())),
            Err(refusal) => operation::Result::Error(status::item_error(refusal)),
        });
        v1::Operation {
            name: format!("operations/{}", self.number),
            kind: self.kind.to_owned(),
            start_time: Some(convert::time(self.started)),
            done: result.is_some(),
            result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(operations: &Operations) -> Result<Arc<Entry>, Reason> {
        let begun = operations.begin("backup", Timestamp::default());
        begun.map_err(|refusal| refusal.reason())
    }

    #[test]
    fn refuses_more_at_once_and_forgets_the_oldest() {
        let operations = Operations::default();
        let running: Vec<_> = (0..RUNNING_MAX)
            .map(|_| begin(&operations).expect("room"))
            .collect();
        assert_eq!(begin(&operations).err(), Some(Reason::Overloaded));
        for entry in &running[1..] {
            entry.end(Err(Refusal::new(Reason::DiskFull)));
        }
        for _ in 0..OPERATIONS_MAX {
            let entry = begin(&operations).expect("room");
            entry.end(Err(Refusal::new(Reason::DiskFull)));
        }
        let listed = operations.list();
        assert_eq!(listed.len(), OPERATIONS_MAX);
        // The first still runs, so it stays; the second gave way.
        assert!(operations.find(1).is_ok() && operations.find(2).is_err());
        assert_eq!(listed[0].name, "operations/104");
        assert!(listed[0].done && !listed[99].done);
    }
}
