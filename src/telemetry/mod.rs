//! Logs and metrics of the process.

pub mod config;

pub use config::Config;
