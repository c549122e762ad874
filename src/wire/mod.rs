//! How bytes look. Pure; the children do not know each other.

pub mod dns;
pub mod handle;
pub mod proto;
