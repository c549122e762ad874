//! The HTTP face: probes and metrics, on the port that gRPC shares.

pub mod config;

pub use config::Config;
