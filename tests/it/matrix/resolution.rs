//! Rows of Resolution: anyone resolves what anyone may read.

use idnode::wire::proto::v1::{BatchResolveRequest, ResolveRequest, ResolveStreamRequest};

use super::scene::PUBLIC;
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row!("Resolution/Resolve", "yuu yyy yyy yyy", |_, _| {
        ResolveRequest {
            identifier: PUBLIC.into(),
            ..ResolveRequest::default()
        }
    }),
    row!("Resolution/BatchResolve", "yuu yyy yyy yyy", |_, _| {
        BatchResolveRequest {
            identifiers: vec![PUBLIC.into()],
            ..BatchResolveRequest::default()
        }
    }),
    row!("Resolution/ResolveStream", "yuu yyy yyy yyy", |_, _| {
        ResolveStreamRequest {
            identifiers: vec![PUBLIC.into()],
            ..ResolveStreamRequest::default()
        }
    }),
];
