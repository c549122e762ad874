//! Everything that is tested from outside: the node through its faces, and the
//! sources by their rules. One binary, since each one links RocksDB again.

mod registry;
