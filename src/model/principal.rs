//! Who asks, and the principals that the node knows. What is granted to them is
//! decided in `access`.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::model::fault::{Reason, Refusal};
use crate::model::ids::{FirmId, PrincipalId, ShareId};
use crate::model::limits::{LABEL_CHARS_MAX, LOGIN_CHARS_MAX};
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
    pub id: Arc<str>,
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

/// How a principal proves itself. Nothing here is a secret: hashes only, and not
/// even those are shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credential {
    /// A person's password.
    Password {
        /// Argon2id, as a PHC string.
        hash: String,
        /// Whether a one-time code (RFC 6238) is asked for too; its secret is
        /// sealed.
        one_time_code: bool,
        /// Whether it is only good to be replaced.
        is_first: bool,
        /// The step of the last one-time code that was used: each serves once.
        used_step: u64,
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

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password",
            Self::Key { .. } => "Key",
            Self::Certificate { .. } => "Certificate",
        })
    }
}

/// A principal's name for people: 1 to [`LABEL_CHARS_MAX`] characters without
/// control characters, the first and the last no spaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label(String);

impl Label {
    /// Parses a name.
    ///
    /// # Errors
    /// [`Reason::LabelInvalid`].
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let count = text.chars().count();
        let is_sound = (1..=LABEL_CHARS_MAX).contains(&count)
            && text.trim() == text
            && !text.chars().any(is_unfit);
        if is_sound {
            return Ok(Self(text.to_owned()));
        }
        Err(Refusal::new(Reason::LabelInvalid)
            .value(text)
            .limit(LABEL_CHARS_MAX))
    }

    /// Checks that somebody can sign in by it: 1 to [`LOGIN_CHARS_MAX`] letters and
    /// digits of any script, dots, underscores and hyphens.
    ///
    /// # Errors
    /// [`Reason::LoginNameInvalid`].
    pub fn check_login(&self) -> Result<(), Refusal> {
        let is_fit = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
        if self.0.chars().count() <= LOGIN_CHARS_MAX && self.0.chars().all(is_fit) {
            return Ok(());
        }
        Err(Refusal::new(Reason::LoginNameInvalid)
            .field("principal.display_name")
            .value(&self.0)
            .limit(LOGIN_CHARS_MAX))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

/// Whether it moves a terminal's cursor, or turns the order of what follows.
fn is_unfit(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<bool, Reason>) {
        let seen = Label::parse(text).map(|label| label.check_login().is_ok());
        assert_eq!(seen.map_err(|refusal| refusal.reason()), expected, "{text}");
    }

    #[test]
    fn names_are_for_people_and_some_are_to_sign_in_with() {
        check("wang.li_2-a", Ok(true));
        check("王立", Ok(true));
        check("ERP of line 3", Ok(false));
        check("a@b", Ok(false));
        check(&"a".repeat(64), Ok(true));
        check(&"a".repeat(65), Ok(false));
        check(&"a".repeat(100), Ok(false));
        for wrong in ["", " a", "a ", "a\nb", "a\u{202e}b", &"a".repeat(101)] {
            check(wrong, Err(Reason::LabelInvalid));
        }
    }

    #[test]
    fn credentials_show_nothing() {
        let credential = Credential::Password {
            hash: "canary".into(),
            one_time_code: false,
            is_first: false,
            used_step: 0,
        };
        assert_eq!(format!("{credential:?}"), "Password");
    }
}
