//! Who asks, and for what. Whether it is granted is decided in `access`.

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
}

impl Caller {
    /// The name under which the audit trail records the caller.
    pub fn name(&self) -> &str {
        match self {
            Self::Anonymous => "anonymous",
            Self::Operator { key_id } => key_id,
        }
    }
}

/// What a caller wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read values that anyone may read.
    ReadPublic,
    /// Read values whose public-read permission is unset.
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
