//! The stored types that callers build: audit entries and remembered requests.

pub use crate::store::codec::adjacency::EdgeTimes;
pub use crate::store::codec::audit::{AuditEntry, Digest, SALT_BYTES, Salt};
pub use crate::store::codec::request::RequestRow;
