//! What can go wrong in the store.

use std::path::PathBuf;

use crate::merkle::OutOfRange;
use crate::model::{Fault, Reason, Refusal};

/// What can go wrong in the store. Display is for the operator's log; callers
/// see [`Error::refusal`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// RocksDB refused an operation.
    #[error("rocksdb: {0}")]
    Engine(#[from] rocksdb::Error),
    /// A stored value does not decode.
    #[error("a stored {what} does not decode")]
    Corrupt {
        /// What it should have been.
        what: &'static str,
    },
    /// A stored value has a version that this release does not know.
    #[error("a stored {what} has version {version}, which this release does not know")]
    Version {
        /// What it is.
        what: &'static str,
        /// Its version byte.
        version: u8,
    },
    /// The audit trail does not agree with itself, or with what it is about.
    #[error("the audit trail is broken at position {position}: {what}")]
    Trail {
        /// The entry that does not agree.
        position: u64,
        /// What does not agree.
        what: &'static str,
    },
    /// The change is one of the first release, which had no proofs.
    #[error("the change at {position} was made before the log had proofs")]
    Unprovable {
        /// Its position.
        position: u64,
    },
    /// The tree is asked for something beyond its end.
    #[error("{wanted} is not within the {size} changes of the log")]
    Range {
        /// The position or the size.
        wanted: u64,
        /// Changes in the log.
        size: u64,
    },
    /// A file or folder could not be used.
    #[error("{path}: {source}")]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Less space is free than the reserve.
    #[error("{free_bytes} bytes are free on the volume of {path}; {reserve_bytes} are reserved")]
    DiskFull {
        /// The store's folder.
        path: PathBuf,
        /// Bytes free.
        free_bytes: u64,
        /// Bytes that must be.
        reserve_bytes: u64,
    },
    /// A write failed in a way that leaves unknown what is on the disk.
    #[error("writes stopped until a restart: an earlier write failed: {0}")]
    Stopped(String),
    /// A group of changes rests on one before it that was not written.
    #[error("the changes before these could not be written")]
    Before,
    /// Another process has the store open.
    #[error("another process has the store in {0} open")]
    Locked(PathBuf),
    /// A backup's name is not one.
    #[error("backup name {0:?} is malformed")]
    BackupName(String),
    /// A backup is not there.
    #[error("backup {0:?} does not exist")]
    BackupMissing(String),
    /// A backup is already there.
    #[error("backup {0:?} already exists")]
    BackupExists(String),
    /// A backup fails verification.
    #[error("backup {name:?} fails verification: {what}")]
    BackupCorrupt {
        /// Its name.
        name: String,
        /// What does not agree.
        what: String,
    },
    /// The folder to restore into holds something.
    #[error("{0} is not empty: a restore never overwrites")]
    NotEmpty(PathBuf),
}

impl From<OutOfRange> for Error {
    fn from(error: OutOfRange) -> Self {
        let OutOfRange { wanted, size } = error;
        Self::Range { wanted, size }
    }
}

/// Characters of a backup's name.
pub(super) const BACKUP_NAME_CHARS_MAX: usize = 64;

impl Error {
    /// For a `map_err` on file operations.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        |source| Self::File { path, source }
    }

    /// Whether the volume is full.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::DiskFull { .. } => true,
            // The engine says it in words only.
            Self::Engine(error) => error.as_ref().contains("No space left on device"),
            Self::File { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            Self::Corrupt { .. }
            | Self::Trail { .. }
            | Self::Range { .. }
            | Self::Unprovable { .. }
            | Self::Version { .. }
            | Self::Stopped(_)
            | Self::Before
            | Self::Locked(_)
            | Self::BackupName(_)
            | Self::BackupMissing(_)
            | Self::BackupExists(_)
            | Self::BackupCorrupt { .. }
            | Self::NotEmpty(_) => false,
        }
    }

    /// The fault.
    pub fn fault(&self) -> Fault {
        self.refusal().fault()
    }

    /// What a caller is told.
    pub fn refusal(&self) -> Refusal {
        if self.is_disk_full() {
            return Refusal::new(Reason::DiskFull);
        }
        match self {
            Self::Stopped(_) | Self::Before => Refusal::new(Reason::StoreUnavailable),
            Self::BackupName(name) => Refusal::new(Reason::BackupNameInvalid)
                .field("backup_id")
                .value(name)
                .limit(BACKUP_NAME_CHARS_MAX),
            Self::BackupMissing(name) => Refusal::new(Reason::BackupNotFound).value(name),
            Self::BackupExists(name) => Refusal::new(Reason::BackupExists).value(name),
            Self::BackupCorrupt { name, what } => {
                Refusal::new(Reason::BackupCorrupt).value(name).limit(what)
            }
            Self::Range { wanted, size } => Refusal::new(Reason::LogRangeInvalid)
                .field("size")
                .value(wanted)
                .limit(size),
            Self::Unprovable { position } => Refusal::new(Reason::RecordUnprovable).value(position),
            Self::Engine(_)
            | Self::Trail { .. }
            | Self::Corrupt { .. }
            | Self::Version { .. }
            | Self::File { .. }
            | Self::DiskFull { .. }
            | Self::Locked(_)
            | Self::NotEmpty(_) => Refusal::new(Reason::Internal),
        }
    }
}
