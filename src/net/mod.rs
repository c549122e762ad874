//! Sockets without meaning.

pub mod http;
