//! Sockets without meaning.

pub mod connections;
pub mod held;
pub mod http;
pub mod listener;
pub mod tcp;
pub mod tls;
pub mod udp;
