//! What an identifier is: its spelling, its record, its prefix, and the ways
//! in which something about it can be refused.
//!
//! Pure: no I/O, no clock, no lock, no `async`. Every type here that exists is
//! valid; its constructor is the only place that checks it.

mod case;
pub mod data;
pub mod fault;
pub mod identifier;
pub mod key;
pub mod limits;
pub mod owner_name;
pub mod prefix;
pub mod principal;
pub mod record;
pub mod time;

pub use case::SuffixCase;
pub use fault::{Fault, Language, Reason, Refusal, Remaining};
pub use identifier::{Identifier, Prefix, Suffix};
pub use key::Key;
pub use owner_name::OwnerName;
pub use prefix::{PrefixEntry, PrefixState};
pub use principal::{Action, Caller, Identity};
pub use record::{Permissions, Record, Reference, Tombstone, Ttl, Value, ValueType};
pub use time::Timestamp;
