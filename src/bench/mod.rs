//! Load on a node and what it costs: the engine of `idnode bench`.
//!
//! It speaks to a node, or to another server, as any client does: over gRPC, over
//! DNS on UDP and over the Handle protocol. It prints nothing and knows no command
//! line. Its DNS messages are its own, so that what it verifies is not verified by
//! the code that made it; of a Handle answer it looks at the bytes that it needs.

mod call;
mod chain;
mod clock;
mod echo;
mod encoded;
mod error;
mod expected;
mod flood;
mod fresh;
mod handle;
mod histogram;
mod import;
mod message;
mod pace;
mod process;
mod proto;
mod question;
mod raw;
mod report;
mod resolve;
mod target;
mod turn;
mod udp;
mod verify;
mod workload;
mod write;
mod zone;

pub use crate::bench::chain::{
    Asked, Loaded, QuerySet, TraceReport, Written, load_chain, trace_chain, write_chain,
    write_links,
};
pub use crate::bench::echo::echo;
pub use crate::bench::error::Error;
pub use crate::bench::flood::{Flood, flood};
pub use crate::bench::fresh::{Freshness, Seen, freshness};
pub use crate::bench::handle::{
    Carrier, HandleCreating, HandleFlood, HandlePool, handle_create, handle_resolve,
};
pub use crate::bench::import::{Importing, import};
pub use crate::bench::question::{Kind, Pool, write_names};
pub use crate::bench::raw::{RawWriting, raw_copy, raw_store};
pub use crate::bench::report::{Latency, Report, ServerCost};
pub use crate::bench::resolve::{Mode, Resolving, resolve};
pub use crate::bench::target::Target;
pub use crate::bench::verify::{Verdict, Verifying, verify};
pub use crate::bench::workload::{Bound, Workload};
pub use crate::bench::write::{Registering, register};
pub use crate::bench::zone::write_zone;
