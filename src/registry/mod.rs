//! The write path: what is asked, whether the rules allow it, and the change.

pub mod command;

pub use command::{
    Applied, Change, Command, Effect, OnConflict, PrefixAction, RecordAction, RequestId,
};
