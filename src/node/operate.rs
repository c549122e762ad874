//! Operating: status and backups.

use crate::model::{Caller, Refusal};
use crate::node::{BackupInfo, Node, NodeStatus, told};
use crate::store::Error;

impl Node {
    /// How the node is. Blocks on the store.
    pub fn status(&self) -> NodeStatus {
        let store = &self.inner.store;
        let (prefix_count, active_count, deleted_count) = {
            let prefixes = store.prefixes();
            (prefixes.count(), prefixes.active(), prefixes.deleted())
        };
        NodeStatus {
            applied_position: store.position(),
            started: self.inner.started,
            prefix_count: u64::try_from(prefix_count).unwrap_or(u64::MAX),
            active_count,
            deleted_count,
            disk_bytes: store.disk_bytes(),
            disk_free_bytes: store.disk_free_bytes().unwrap_or_default(),
            writable: store.check_writable().is_ok(),
        }
    }

    /// Sets the gauges that are read off the store.
    pub fn observe(&self) {
        self.inner.store.observe();
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
        self.permit_operation(caller)?;
        let now = self.now();
        let name = name.map_or_else(|| name_at(&now.to_string()), str::to_owned);
        reported(self.inner.store.backup_create(&name, now))
    }

    /// The backups, newest first. Blocks.
    ///
    /// # Errors
    /// `KeyRequired`, `Internal`.
    pub fn backup_list(&self, caller: &Caller) -> Result<Vec<BackupInfo>, Refusal> {
        self.permit_operation(caller)?;
        reported(self.inner.store.backup_list())
    }

    /// Checks a backup. Blocks.
    ///
    /// # Errors
    /// `KeyRequired`, `BackupNameInvalid`, `BackupNotFound`, `BackupCorrupt`.
    pub fn backup_verify(&self, caller: &Caller, name: &str) -> Result<BackupInfo, Refusal> {
        self.permit_operation(caller)?;
        reported(self.inner.store.backup_verify(name))
    }

    /// Verifies a backup and lays it ready for the next start. Blocks.
    ///
    /// # Errors
    /// As [`Node::backup_verify`], and `DiskFull`.
    pub fn backup_restore(&self, caller: &Caller, name: &str) -> Result<BackupInfo, Refusal> {
        self.permit_operation(caller)?;
        reported(self.inner.store.backup_stage(name))
    }
}

fn reported<T>(result: Result<T, Error>) -> Result<T, Refusal> {
    result.map_err(|error| told(&error))
}

/// `2026-11-23T22:12:53.000Z` as a backup's name: `20261123t221253000z`.
fn name_at(time: &str) -> String {
    time.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}
