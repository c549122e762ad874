//! Rows of Node: it is run by system administrators. That it runs anyone may know.

use idnode::wire::proto::v1::{
    CreateBackupRequest, GetOperationRequest, GetStatusRequest, ListBackupsRequest,
    ListOperationsRequest, RestoreBackupRequest, SetLogLevelRequest, VerifyBackupRequest,
    WaitOperationRequest,
};

use super::{Row, row};

/// A backup that there is not: whoever may is told so in the operation's outcome.
const NO_BACKUP: &str = "backups/none";

pub(super) const ROWS: &[Row] = &[
    row!("Node/GetStatus", "yuy", |_, _| GetStatusRequest {}),
    row!("Node/SetLogLevel", "uuy", |_, _| SetLogLevelRequest {
        filter: "info".into()
    }),
    row!("Node/CreateBackup", "uuy", |_, _| CreateBackupRequest {
        backup_id: "NO NAME".into()
    }),
    row!("Node/ListBackups", "uuy", |_, _| ListBackupsRequest {}),
    row!("Node/VerifyBackup", "uuy", |_, _| VerifyBackupRequest {
        name: NO_BACKUP.into()
    }),
    row!("Node/RestoreBackup", "uuy", |_, _| RestoreBackupRequest {
        name: NO_BACKUP.into()
    }),
    // What is not there is so for system administrators only.
    row!("Node/GetOperation", "uu-", |_, _| GetOperationRequest {
        name: "operations/0".into()
    }),
    row!("Node/ListOperations", "uuy", |_, _| ListOperationsRequest {}),
    row!("Node/WaitOperation", "uu-", |_, _| WaitOperationRequest {
        name: "operations/0".into(),
        ..WaitOperationRequest::default()
    }),
];
