//! In which order changes are applied.
//!
//! One implementation exists, the embedded log: one queue and one writer on this
//! machine, whose durability is that of the store's own write-ahead log (the
//! log position is written in the batch of the change). A replicated log takes
//! the place of [`Log`] behind the same three calls; it becomes a trait when
//! there are two.

pub mod config;
mod embedded;
mod niceness;

pub use config::Config;
pub use embedded::{Decide, Error, Group, Log};
pub use niceness::{BACKGROUND, stand_back};
