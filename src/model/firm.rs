//! A firm, from its application for a prefix to its retirement.

use serde::{Deserialize, Serialize};

use crate::model::ids::FirmId;
use crate::model::time::Timestamp;

/// A firm, or an application to become one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firm {
    /// Its name for the node.
    pub id: FirmId,
    /// Its name for people.
    pub name: String,
    /// Where it stands in its life.
    pub state: FirmState,
    /// Log position of its last change: the etag.
    pub revision: u64,
    /// When the application was begun.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

/// The life of a firm on the node.
///
/// ```text
/// Draft ─submit─► Submitted ─verify─► Verified ─approve─► Approved ─activate─► Active ◄─reinstate─┐
///   ▲                 └────reject──┐     └──reject──┐                            └─suspend─► Suspended
///   └──────edit────────────────── Rejected ◄────────┘                   Active, Suspended ─retire─► Retired
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FirmState {
    /// Being written.
    Draft,
    /// Waits to be verified.
    Submitted,
    /// Its papers were found in order; waits to be approved.
    Verified,
    /// Approved; its prefix is not there yet.
    Approved,
    /// Rejected.
    Rejected {
        /// Why.
        reason: String,
    },
    /// It has its prefix.
    Active,
    /// Its members neither read nor write for the time being.
    Suspended {
        /// Why.
        reason: String,
    },
    /// It has left.
    Retired,
}
