//! Inward adapters, one for each protocol. A face knows `model`, its own
//! `wire`, `net` and `node`; never another face, never the store.

pub mod dns;
pub mod grpc;
pub mod handle;
pub mod http;
