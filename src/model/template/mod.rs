//! Templates: what records of one kind of thing say, item by item, and whether
//! they do.
//!
//! A template is a row of [versions](Version), of which none changes once it is
//! there. A record names the version that it was registered under (values 1000
//! and 1001) and stays valid under it, whatever comes later.

mod check;
mod composition;
mod decimal;
mod document;
pub mod draft;
mod history;
mod item;
mod kind;
mod kind_draft;
mod moment;
mod named;
mod pattern;
mod schema;
pub mod sector;
mod url;
mod version;

pub use check::{Before, refusal_of};
pub use decimal::Decimal;
pub use draft::Draft;
pub use history::{Published, Template};
pub use item::{Item, ItemState};
pub use kind::{Algorithm, Bounds, Code, Day, Kind, Moment};
pub use named::{named, value_of};
pub use pattern::Pattern;
pub use version::Version;

#[cfg(test)]
mod tests;
