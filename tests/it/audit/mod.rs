//! The audit trail and the tree over it: what is kept of changes and of refused
//! attempts, what can be proven, and what is found out.

mod bare;
mod broken;
mod cli;
mod proofs;
mod refused;
mod retention;
pub(crate) mod second;
mod set_back;
mod upgrade;
