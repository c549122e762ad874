//! How it is kept.
pub mod backup;
pub mod config;

pub use config::Config;
