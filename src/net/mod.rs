//! Sockets without meaning.
