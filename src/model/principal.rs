//! Who asks, and the principals that the node knows. What is granted to them is
//! decided in `access`.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::ids::{FirmId, PrincipalId, ShareId};
use crate::model::record::Reference;
use crate::model::time::Timestamp;

/// The party on whose behalf a request is made, and from where it comes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Who asks.
    pub who: Who,
    /// The address that the request came from; `None` if it came from inside the
    /// node.
    pub source: Option<IpAddr>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// Nobody proved anything: reads public values only.
    Anonymous,
    /// A principal of the node.
    Operator(Operator),
    /// A holder of a key that is a value of a record.
    Identity(Identity),
    /// A principal of a firm.
    Member(Member),
    /// A holder of a share link.
    Guest(Guest),
}

/// A principal of the node that was proven.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Operator {
    /// The principal's id, as the audit trail names it.
    pub id: Box<str>,
    /// Its one role.
    pub role: NodeRole,
}

/// A principal of a firm that was proven.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// The principal.
    pub principal: PrincipalId,
    /// Its firm.
    pub firm: FirmId,
    /// Its role in the firm.
    pub role: FirmRole,
    /// What it is confined to.
    pub scope: Arc<Scope>,
}

/// A holder of a share link.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Guest {
    /// The share, which says what may be read.
    pub share: ShareId,
}

impl Caller {
    /// Nobody in particular, from nowhere in particular.
    pub const ANONYMOUS: Self = Self {
        who: Who::Anonymous,
        source: None,
    };

    /// Nobody in particular, from `source`.
    pub const fn anonymous(source: IpAddr) -> Self {
        Self {
            who: Who::Anonymous,
            source: Some(source),
        }
    }

    /// `who`, from nowhere in particular.
    pub const fn of(who: Who) -> Self {
        Self { who, source: None }
    }

    /// The same party, from `source`.
    #[must_use]
    pub fn with_source(self, source: Option<IpAddr>) -> Self {
        Self { source, ..self }
    }

    /// The system administrator whose key is `id`.
    pub fn system_administrator(id: &str) -> Self {
        Self::of(Who::Operator(Operator {
            id: id.into(),
            role: NodeRole::SystemAdministrator,
        }))
    }

    /// The name under which the audit trail records the caller.
    pub fn name(&self) -> &str {
        match &self.who {
            Who::Anonymous => "anonymous",
            Who::Operator(operator) => &operator.id,
            Who::Identity(identity) => identity.name(),
            Who::Member(member) => member.principal.as_str(),
            Who::Guest(guest) => guest.share.as_str(),
        }
    }

    /// Whether nobody proved anything.
    pub fn is_anonymous(&self) -> bool {
        self.who == Who::Anonymous
    }

    /// Whether the caller is a system administrator, by key or by the settings.
    pub fn is_operator(&self) -> bool {
        match &self.who {
            Who::Operator(operator) => operator.role == NodeRole::SystemAdministrator,
            Who::Identity(identity) => identity.is_operator(),
            Who::Anonymous | Who::Member(_) | Who::Guest(_) => false,
        }
    }
}

/// A Handle identity that was proven: who holds the key that is kept as one
/// value of a record (RFC 3652 §3.5). `access` alone makes one that counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    reference: Reference,
    name: Box<str>,
    is_operator: bool,
}

impl Identity {
    /// The identity whose key is the value that `reference` names; its index is
    /// not 0. `is_operator`: the settings name it as one.
    pub fn new(reference: Reference, is_operator: bool) -> Self {
        let name = reference.to_string().into();
        Self {
            reference,
            name,
            is_operator,
        }
    }

    /// The value that holds its key.
    pub const fn reference(&self) -> &Reference {
        &self.reference
    }

    /// Whether it operates the node.
    pub const fn is_operator(&self) -> bool {
        self.is_operator
    }

    /// Its name: `300:88.118.7/App_erp`.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What a principal of the node does. A principal has one role, never two: who
/// runs the node does not grant rights, and who watches changes nothing
/// (GB/T 22239-2019 §8.1.10: separation of the three administrators).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NodeRole {
    /// Runs the node: prefixes, records, backups, checking of applications.
    SystemAdministrator,
    /// Grants and takes away: principals, approval of applications.
    SecurityAdministrator,
    /// Reads the audit trail.
    Auditor,
}

/// What a principal does for its firm. Each may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FirmRole {
    /// Reads what the firm keeps.
    Reader,
    /// Registers and changes identifiers.
    Registrar,
    /// Decides who may do and see what.
    Owner,
}

/// Whose principal it is, and with which role.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Party {
    /// The node's.
    Node(NodeRole),
    /// A firm's.
    Firm {
        /// The firm.
        firm: FirmId,
        /// Its role there.
        role: FirmRole,
    },
}

/// Somebody or something that proves itself to the node: a person, an
/// application, a client with a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// Its name for the node.
    pub id: PrincipalId,
    /// Whose it is.
    pub party: Party,
    /// Its name for people: a person's login name, what a key is for.
    pub name: String,
    /// How it proves itself.
    pub credential: Credential,
    /// What it is confined to.
    pub scope: Scope,
    /// Whether it counts.
    pub state: PrincipalState,
    /// Log position of its last change: the etag.
    pub revision: u64,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

/// How a principal proves itself. Nothing here is a secret: hashes only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credential {
    /// A person's password.
    Password {
        /// Argon2id, as a PHC string.
        hash: String,
        /// Whether a one-time code (RFC 6238) is asked for too; its secret is
        /// sealed.
        one_time_code: bool,
    },
    /// An application's key.
    Key {
        /// SHA-256 of the secret.
        hash: [u8; 32],
        /// The secret before it, and until when it counts.
        previous: Option<([u8; 32], Timestamp)>,
    },
    /// A client's certificate.
    Certificate {
        /// SHA-256 of the certificate (DER).
        fingerprint: [u8; 32],
    },
}

/// What a principal is confined to. What is empty confines nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    /// Canonical prefixes of the firm.
    pub prefixes: Vec<String>,
    /// What it may do.
    pub verbs: Vec<Verb>,
    /// Networks that it may call from.
    pub networks: Vec<IpNet>,
    /// Until when it counts.
    pub expires: Option<Timestamp>,
}

/// What a scope may confine a principal to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verb {
    /// Read records, also what the public may not.
    Read,
    /// List and export records.
    List,
    /// Register and change records.
    Write,
    /// Keep the firm's principals, groups, shares and templates.
    Manage,
}

/// Whether a principal counts.
///
/// ```text
/// Active ──disable──► Disabled ──enable──► Active
///    └──────revoke──────┴────────────────► Revoked
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrincipalState {
    /// It counts.
    Active,
    /// It does not, for the time being.
    Disabled {
        /// Why.
        reason: String,
    },
    /// It never will again.
    Revoked,
}
