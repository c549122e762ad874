//! The gRPC face.

pub mod config;

pub use config::Config;
