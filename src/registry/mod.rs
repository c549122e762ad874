//! The write path: what is asked ([`command`]), whether the rules allow it
//! ([`decide`]), and what it changes ([`apply`]).
//!
//! All three run in log order in the one writer, so that a decision always sees
//! everything before it: there is nothing to retry and nothing to reconcile.
//! What depends on the request alone is checked before, by [`prepare`].

mod apply;
pub mod audit;
pub mod command;
mod decide;
mod decide_prefix;
mod edit;
mod fingerprint;
pub mod firm;
pub mod group;
pub mod office;
mod prepare;
pub mod principal;
mod readers;
mod scope;
pub mod share;
pub mod template;
mod touched;
mod under;

pub use apply::{Outcome, apply};
pub use command::{
    Applied, Change, Command, Effect, OnConflict, Origin, PrefixAction, RecordAction, Request,
    RequestId, etag, parse_etag,
};
pub use decide::{Decision, Undecided, decide, precheck};
pub use fingerprint::fingerprint;
pub use office::OfficeChange;
pub use prepare::prepare;
pub use principal::{NewPrincipal, PrincipalAction, may_know, one_time_code_key};
pub use touched::Touched;
pub use under::Uniques;
