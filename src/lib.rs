//! idnode: a second-level node for industrial identifiers.
//!
//! Modules in reading order; arrows point inward (see ARCHITECTURE.md, held by
//! `tests/it/tidy.rs`).

// Pure: no I/O, no clock, no async.
pub mod demo;
pub mod merkle;
pub mod model;
pub mod wire;

// Machinery that knows no identifier.
pub mod crypto;
pub mod net;
pub mod telemetry;

// The core: from what is kept to what is done with it.
pub mod access;
pub mod cluster;
pub mod node;
pub mod peer;
pub mod registry;
pub mod resolve;
pub mod store;
pub mod trace;

// The edge: inward adapters.
pub mod face;

// Load on a node, from outside.
pub mod bench;

// The top: wiring and commands.
pub mod cli;
pub mod config;
pub mod server;
