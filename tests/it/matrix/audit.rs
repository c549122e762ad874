//! Rows of Audit: the trail is the auditor's, and of each firm its owners'; what proves
//! that nothing was taken out of it is for everyone.

use idnode::wire::proto::v1::{
    ExportAuditEntriesRequest, GetCheckpointRequest, GetConsistencyProofRequest,
    GetInclusionProofRequest, ListAuditEntriesRequest, ProveRecordRequest,
};

use super::scene::{PUBLIC, RESTRICTED};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row!("Audit/ListAuditEntries", "uuu ddy ddy ddy d", |_, _| {
        ListAuditEntriesRequest::default()
    }),
    row!("Audit/ExportAuditEntries", "uuu ddd ddd ddy d", |_, _| {
        ExportAuditEntriesRequest::default()
    }),
    row!("Audit/GetCheckpoint", "yuu yyy yyy yyy y", |_, _| {
        GetCheckpointRequest::default()
    }),
    row!("Audit/GetInclusionProof", "yuu yyy yyy yyy y", |_, _| {
        GetInclusionProofRequest {
            position: 1,
            ..GetInclusionProofRequest::default()
        }
    }),
    row!("Audit/GetConsistencyProof", "yuu yyy yyy yyy y", |_, _| {
        GetConsistencyProofRequest {
            older_size: 1,
            ..GetConsistencyProofRequest::default()
        }
    }),
    row!("Audit/ProveRecord", "yuu yyy yyy yyy y", |_, _| {
        ProveRecordRequest {
            identifier: PUBLIC.to_owned(),
        }
    }),
    row!("Audit/ProveRecord", "-uu --- yyy y-- -", |_, _| {
        ProveRecordRequest {
            identifier: RESTRICTED.to_owned(),
        }
    }),
];
