//! Rows of Resolution: anyone resolves what anyone may read.

use idnode::wire::proto::v1::{BatchResolveRequest, ResolveRequest, ResolveStreamRequest};

use super::scene::{PUBLIC, RESTRICTED};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row!("Resolution/Resolve", "-uu --- yyy y-- -", |_, _| {
        ResolveRequest {
            identifier: RESTRICTED.into(),
            ..ResolveRequest::default()
        }
    }),
    row!("Resolution/Resolve", "yuu yyy yyy yyy y", |_, _| {
        ResolveRequest {
            identifier: PUBLIC.into(),
            ..ResolveRequest::default()
        }
    }),
    row!("Resolution/BatchResolve", "yuu yyy yyy yyy y", |_, _| {
        BatchResolveRequest {
            identifiers: vec![PUBLIC.into()],
            ..BatchResolveRequest::default()
        }
    }),
    row!("Resolution/ResolveStream", "yuu yyy yyy yyy y", |_, _| {
        ResolveStreamRequest {
            identifiers: vec![PUBLIC.into()],
            ..ResolveStreamRequest::default()
        }
    }),
];
