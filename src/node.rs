//! The one API that faces call. Whatever a face can do, it does through here.

use std::ops::ControlFlow;
use std::sync::Arc;

pub use crate::cluster::Stamp;
pub use crate::registry::{
    Applied, Change, Effect, OnConflict, PrefixAction, RecordAction, RequestId,
};
pub use crate::resolve::{Query, TypeFilter};
pub use crate::store::backup::BackupInfo;

use crate::model::{
    Caller, Identifier, Prefix, PrefixEntry, Record, Refusal, Timestamp, Tombstone,
};

/// One change asked of the node.
#[derive(Clone, Debug)]
pub struct Write {
    /// What is to change.
    pub change: Change,
    /// Makes a retry get the first answer.
    pub request_id: Option<RequestId>,
}

/// A prefix with its counts.
#[derive(Clone, Debug)]
pub struct PrefixView {
    /// The prefix.
    pub entry: Arc<PrefixEntry>,
    /// Identifiers below it that resolve.
    pub active_count: u64,
    /// Identifiers below it that were deleted.
    pub deleted_count: u64,
}

/// One row of a list of records.
#[derive(Clone, Debug)]
pub enum Listed {
    /// A registered identifier.
    Active(Record),
    /// A deleted one.
    Deleted(Tombstone),
}

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Its items.
    pub items: Vec<T>,
    /// Where the next page begins: the canonical key of the last item. `None`
    /// on the last page.
    pub next: Option<Vec<u8>>,
}

/// How the node is.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// Log position of the last applied change.
    pub applied_position: u64,
    /// When it started.
    pub started: Timestamp,
    /// Prefixes it knows.
    pub prefix_count: u64,
    /// Identifiers that resolve.
    pub active_count: u64,
    /// Identifiers that were deleted.
    pub deleted_count: u64,
    /// Bytes of live table files.
    pub disk_bytes: u64,
    /// Bytes free on the store's volume.
    pub disk_free_bytes: u64,
    /// Whether writes are accepted.
    pub writable: bool,
}

/// The node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Node;

impl Node {
    /// The time, as `server` gives it.
    pub fn now(&self) -> Timestamp {
        todo!()
    }

    /// Who presents `bearer`, the token behind `authorization: Bearer`.
    ///
    /// # Errors
    /// [`Reason::KeyInvalid`](crate::model::Reason::KeyInvalid).
    pub fn authenticate(&self, bearer: Option<&str>) -> Result<Caller, Refusal> {
        todo!()
    }

    /// Resolves an identifier as `caller` may see it. Reads the disk on a miss.
    ///
    /// # Errors
    /// `PrefixNotHomed`, `PrefixSuspended`, `RecordNotFound`; `Internal`.
    pub fn resolve(&self, caller: &Caller, query: &Query) -> Result<Record, Refusal> {
        todo!()
    }

    /// The entry of a prefix in whatever state. In memory.
    pub fn prefix(&self, canonical: &str) -> Option<Arc<PrefixEntry>> {
        todo!()
    }

    /// Whether a homed prefix stands properly below `canonical`: for `88.118`,
    /// whether there is any `88.118.*`. In memory.
    pub fn has_prefix_below(&self, canonical: &str) -> bool {
        todo!()
    }

    /// Identifiers below a prefix that resolve. In memory.
    pub fn active_count(&self, canonical_prefix: &str) -> u64 {
        todo!()
    }

    /// Whether an identifier is registered whose suffix is `suffix`, a dot, and
    /// more: whether the plain owner name of `suffix` is a non-terminal.
    ///
    /// # Errors
    /// `Internal` if the store fails.
    pub fn has_plain_below(&self, prefix: &PrefixEntry, suffix: &str) -> Result<bool, Refusal> {
        todo!()
    }

    /// Whether an escaped owner name of several chunks ends (to the right) with
    /// these `labels`, leftmost first, and begins with more.
    ///
    /// # Errors
    /// `Internal` if the store fails.
    pub fn has_escaped_below(
        &self,
        prefix: &PrefixEntry,
        labels: &[&str],
    ) -> Result<bool, Refusal> {
        todo!()
    }

    /// A mark of what is known of `subject` below `canonical_prefix` (a suffix,
    /// or the labels of an escaped name joined by "."; case does not matter).
    /// Take it before reading; see [`Node::is_current`].
    pub fn stamp(&self, canonical_prefix: &str, subject: &[u8]) -> Stamp {
        todo!()
    }

    /// Whether nothing that an answer made after `stamp` was taken depends on
    /// has changed since: the subject itself, anything below it in the DNS, or
    /// its prefix. Exact at once: false before the change is acknowledged.
    pub fn is_current(&self, stamp: &Stamp) -> bool {
        todo!()
    }

    /// Log position of the last applied change.
    pub fn applied_position(&self) -> u64 {
        todo!()
    }

    /// Makes one change; durable once it returns.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`, every rule of the registry, `DiskFull`,
    /// `StoreUnavailable`, `Overloaded`, `ShuttingDown`.
    pub async fn execute(&self, caller: &Caller, write: Write) -> Result<Applied, Refusal> {
        todo!()
    }

    /// Makes changes in order, each for itself, sharing one sync; durable once
    /// it returns. At most `BATCH_ITEMS_MAX`; an outcome for each.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`, `BatchEmpty`, `BatchTooLarge`.
    pub async fn execute_many(
        &self,
        caller: &Caller,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Applied, Refusal>>, Refusal> {
        todo!()
    }

    /// Judges changes in order as if they were made, and changes nothing.
    /// Each sees those before it. Blocks on the store.
    ///
    /// # Errors
    /// As [`Node::execute_many`].
    pub fn validate(
        &self,
        caller: &Caller,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Applied, Refusal>>, Refusal> {
        todo!()
    }

    /// Whether `caller` may read values that the public may not.
    pub fn may_read_private(&self, caller: &Caller) -> bool {
        todo!()
    }

    /// Drops from `record` what `caller` may not read.
    pub fn visible(&self, caller: &Caller, record: Record) -> Record {
        todo!()
    }

    /// Prefixes in canonical order, from behind `after`, at most `limit`.
    pub fn list_prefixes(&self, after: Option<&[u8]>, limit: usize) -> Page<PrefixView> {
        todo!()
    }

    /// One prefix with its counts.
    ///
    /// # Errors
    /// `PrefixNotHomed` if the node does not know it.
    pub fn prefix_view(&self, prefix: &Prefix) -> Result<PrefixView, Refusal> {
        todo!()
    }

    /// Records of a prefix in canonical order, from behind the key `after`, at
    /// most `limit`. Blocks on the store.
    ///
    /// # Errors
    /// `PrefixNotHomed`, `PrefixSuspended` (not for operators), `Internal`.
    pub fn list_records(
        &self,
        caller: &Caller,
        prefix: &Prefix,
        after: Option<&[u8]>,
        limit: usize,
        show_deleted: bool,
    ) -> Result<Page<Listed>, Refusal> {
        todo!()
    }

    /// Gives all records (of one prefix, or all) as of one moment to `sink`, in
    /// chunks of at most `chunk`, until it breaks. Blocks on the store.
    ///
    /// # Errors
    /// `PrefixNotHomed`, `PermissionDenied` for all prefixes without a key,
    /// `Internal`.
    pub fn export(
        &self,
        caller: &Caller,
        prefix: Option<&Prefix>,
        after: Option<&Identifier>,
        chunk: usize,
        sink: &mut dyn FnMut(Vec<Record>) -> ControlFlow<()>,
    ) -> Result<(), Refusal> {
        todo!()
    }

    /// How the node is. Blocks on the store.
    pub fn status(&self) -> NodeStatus {
        todo!()
    }

    /// Makes an online backup. Blocks. `name` as `BackupNameInvalid` says; made
    /// from the time if `None`.
    ///
    /// # Errors
    /// `KeyRequired`, `BackupNameInvalid`, `BackupExists`, `DiskFull`, `Internal`.
    pub fn backup_create(
        &self,
        caller: &Caller,
        name: Option<&str>,
    ) -> Result<BackupInfo, Refusal> {
        todo!()
    }

    /// The backups, newest first. Blocks.
    ///
    /// # Errors
    /// `KeyRequired`, `Internal`.
    pub fn backup_list(&self, caller: &Caller) -> Result<Vec<BackupInfo>, Refusal> {
        todo!()
    }

    /// Checks a backup. Blocks.
    ///
    /// # Errors
    /// `KeyRequired`, `BackupNotFound`, `BackupCorrupt`.
    pub fn backup_verify(&self, caller: &Caller, name: &str) -> Result<BackupInfo, Refusal> {
        todo!()
    }

    /// Verifies a backup and lays it ready for the next start. Blocks.
    ///
    /// # Errors
    /// As [`Node::backup_verify`], and `DiskFull`.
    pub fn backup_restore(&self, caller: &Caller, name: &str) -> Result<BackupInfo, Refusal> {
        todo!()
    }

    /// Checks that `caller` may operate the node.
    ///
    /// # Errors
    /// `KeyRequired`, `PermissionDenied`.
    pub fn permit_operation(&self, caller: &Caller) -> Result<(), Refusal> {
        todo!()
    }
}
