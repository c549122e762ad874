//! The DNS face.

pub mod config;

pub use config::Config;
