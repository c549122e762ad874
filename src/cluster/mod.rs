//! In which order changes are applied.

pub mod config;

pub use config::Config;

/// Which changes an answer has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Slot and version of the prefix.
    prefix: (u32, u32),
    /// Slot and version of the subject.
    subject: (u32, u32),
}
