//! Backups.

use crate::model::Timestamp;

/// What is known of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupInfo {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Log position of the last change in it.
    pub applied_position: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// How many files it has.
    pub file_count: u64,
}
