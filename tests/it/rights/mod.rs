//! Rights: who reads and changes what, and that nobody else learns that it is
//! there.

mod expected;
mod faces;
mod hidden_links;
mod kept;
mod kept_traces;
mod matrix;
mod probes;
mod restricted;
mod sharing;
mod tracing;
mod trail;
pub(crate) mod world;
