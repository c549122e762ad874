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
    row!("Node/GetStatus", "yuu yyy yyy yyy y", |_, _| {
        GetStatusRequest {}
    }),
    row!("Node/SetLogLevel", "uuu ddd ddd ydd d", |_, _| {
        SetLogLevelRequest {
            filter: "info".into(),
        }
    }),
    row!("Node/CreateBackup", "uuu ddd ddd ydd d", |_, _| {
        CreateBackupRequest {
            backup_id: "NO NAME".into(),
        }
    }),
    row!("Node/ListBackups", "uuu ddd ddd ydd d", |_, _| {
        ListBackupsRequest {}
    }),
    row!("Node/VerifyBackup", "uuu ddd ddd ydd d", |_, _| {
        VerifyBackupRequest {
            name: NO_BACKUP.into(),
        }
    }),
    row!("Node/RestoreBackup", "uuu ddd ddd ydd d", |_, _| {
        RestoreBackupRequest {
            name: NO_BACKUP.into(),
        }
    }),
    // What is not there is so for system administrators only.
    row!("Node/GetOperation", "uuu ddd ddd -dd d", |_, _| {
        GetOperationRequest {
            name: "operations/0".into(),
        }
    }),
    row!("Node/ListOperations", "uuu ddd ddd ydd d", |_, _| {
        ListOperationsRequest {}
    }),
    row!("Node/WaitOperation", "uuu ddd ddd -dd d", |_, _| {
        WaitOperationRequest {
            name: "operations/0".into(),
            ..WaitOperationRequest::default()
        }
    }),
];
