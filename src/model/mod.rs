//! What an identifier is: its spelling, its record, its prefix, and the ways
//! in which something about it can be refused.
//!
//! Pure: no I/O, no clock, no lock, no `async`. Every type here that exists is
//! valid; its constructor is the only place that checks it.

mod case;
pub mod data;
pub mod fault;
pub mod firm;
pub mod identifier;
pub mod ids;
pub mod key;
pub mod limits;
pub mod link;
pub mod owner_name;
pub mod prefix;
pub mod principal;
pub mod readers;
pub mod record;
pub mod sharing;
pub mod template;
pub mod time;

pub use case::SuffixCase;
pub use fault::Remaining;
pub use fault::{Fault, Language, Reason, Refusal};
pub use firm::{Firm, FirmState};
pub use identifier::{Identifier, Prefix, Suffix};
pub use ids::{FirmId, GroupId, PrincipalId, ShareId, TemplateId};
pub use key::Key;
pub use link::{Link, LinkKind, LinkName, LinkState, Terms, Visibility};
pub use owner_name::OwnerName;
pub use prefix::{PrefixEntry, PrefixState};
pub use principal::{
    Caller, Credential, FirmRole, Guest, Identity, Member, NodeRole, Operator, Party, Principal,
    PrincipalState, Scope, Verb, Who,
};
pub use readers::{Reader, Readers};
pub use record::{Permissions, Record, Reference, Tombstone, Ttl, Value, ValueType};
pub use sharing::{Group, Share, Target};
pub use time::Timestamp;
