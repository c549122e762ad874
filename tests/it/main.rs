//! Everything that is tested from outside: the node through its faces, and the
//! sources by their rules. One binary, since each one links RocksDB again.

#[cfg(test)]
mod accounts;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod bulk;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod cli_keys;
#[cfg(test)]
mod cli_links;
#[cfg(test)]
mod cli_node;
#[cfg(test)]
mod cli_trace;
#[cfg(test)]
mod config;
#[cfg(test)]
mod disk_full;
#[cfg(test)]
mod dns;
#[cfg(test)]
mod faces;
#[cfg(test)]
mod firms;
#[cfg(test)]
mod grpc;
#[cfg(test)]
mod handle;
#[cfg(test)]
mod handle_mutations;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod links;
#[cfg(test)]
mod links_onward;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod restart_links;
#[cfg(test)]
mod rights;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod support;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod typed;
