//! Who asks, and for what. Whether it is granted is decided in `access`.

use crate::model::record::Reference;

/// The party on whose behalf a request is made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Caller {
    /// Nobody proved anything: reads public values only.
    Anonymous,
    /// A holder of an operator's key.
    Operator {
        /// The key's public id, as the audit trail names it.
        key_id: Box<str>,
    },
    /// A holder of a key that is a value of a record.
    Identity(Identity),
}

impl Caller {
    /// The name under which the audit trail records the caller.
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Operator { key_id } => key_id,
            Self::Identity(identity) => identity.name(),
        }
    }

    /// Whether the caller operates the node, by key or by the settings.
    pub fn is_operator(&self) -> bool {
        match self {
            Self::Anonymous => false,
            Self::Operator { .. } => true,
            Self::Identity(identity) => identity.is_operator(),
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

/// What a caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read values that anyone may read.
    ReadPublic,
    /// Read any value whose public-read permission is unset.
    ReadPrivate,
    /// List or export identifiers.
    List,
    /// Change identifiers.
    Write,
    /// Register, change or suspend prefixes.
    ManagePrefixes,
    /// Back up, restore, and read the node's inner state.
    Operate,
}
