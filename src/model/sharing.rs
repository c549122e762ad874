//! With whom a firm shares: groups of firms, and links for whoever holds them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::ids::{FirmId, GroupId, ShareId};
use crate::model::time::Timestamp;

/// A group of firms, kept by one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name for the node.
    pub id: GroupId,
    /// Whose it is.
    pub owner: FirmId,
    /// Its name for people.
    pub name: String,
    /// Who belongs to it.
    pub members: BTreeSet<FirmId>,
    /// Log position of its last change: the etag.
    pub revision: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

/// A link by which whoever holds it reads some records of a firm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Its name for the node.
    pub id: ShareId,
    /// Whose records it shares.
    pub owner: FirmId,
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// What it is for.
    pub purpose: String,
    /// Until when it counts.
    pub expires: Timestamp,
    /// Whether it was withdrawn.
    pub withdrawn: bool,
    /// Log position of its last change: the etag.
    pub revision: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}
