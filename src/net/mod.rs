//! Sockets without meaning.

pub mod http;
pub mod tcp;
pub mod udp;
