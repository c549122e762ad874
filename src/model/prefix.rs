//! A prefix homed on the node: whose it is, in which state, under which rules.

use crate::model::case::SuffixCase;
use crate::model::fault::{Reason, Refusal};
use crate::model::identifier::Prefix;
use crate::model::ids::FirmId;
use crate::model::limits::{FIRM_CHARS_MAX, NOTE_CHARS_MAX};
use crate::model::time::Timestamp;

/// What the node knows of a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixEntry {
    /// The prefix as first spelled.
    pub prefix: Prefix,
    /// The name of the firm that holds it, 1 to [`FIRM_CHARS_MAX`] characters.
    pub firm: String,
    /// The firm itself, if it is one that the node knows: its members keep the
    /// identifiers below the prefix.
    pub holder: Option<FirmId>,
    /// Where it stands in its life.
    pub state: PrefixState,
    /// How suffixes below it compare.
    pub case: SuffixCase,
    /// Most identifiers that may be active at once; `None` is without limit.
    pub quota: Option<u64>,
    /// Log position of its last change: the etag.
    pub revision: u64,
    /// When it was registered.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

/// The life of a prefix on this node.
///
/// ```text
/// register ──► Registered ──home──► Active ──suspend──► Suspended
///                   ▲                │   ▲                  │
///                   └─────unhome─────┘   └─────activate─────┘
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrefixState {
    /// Known, but not homed here: its identifiers are not served.
    Registered,
    /// Homed: identifiers are created and resolved.
    Active,
    /// Homed, but its identifiers neither resolve nor change.
    Suspended {
        /// Why, for operators; at most [`NOTE_CHARS_MAX`] characters.
        reason: String,
    },
}

impl PrefixEntry {
    /// Refuses unless identifiers below the prefix are served.
    ///
    /// # Errors
    /// [`Reason::PrefixNotHomed`] or [`Reason::PrefixSuspended`].
    pub fn serving(&self) -> Result<(), Refusal> {
        match &self.state {
            PrefixState::Active => Ok(()),
            PrefixState::Registered => {
                Err(Refusal::new(Reason::PrefixNotHomed).value(self.prefix.as_str()))
            }
            PrefixState::Suspended { .. } => {
                Err(Refusal::new(Reason::PrefixSuspended).value(self.prefix.as_str()))
            }
        }
    }
}

/// Checks a firm's name.
///
/// # Errors
/// [`Reason::FirmNameInvalid`] when it is empty, longer than
/// [`FIRM_CHARS_MAX`] characters, or contains control characters.
pub fn check_firm(firm: &str) -> Result<(), Refusal> {
    let sound = !firm.trim().is_empty()
        && firm.chars().count() <= FIRM_CHARS_MAX
        && !firm.chars().any(char::is_control);
    if sound {
        return Ok(());
    }
    Err(Refusal::new(Reason::FirmNameInvalid)
        .field("firm")
        .value(firm)
        .limit(FIRM_CHARS_MAX))
}

/// Checks an operator's note.
///
/// # Errors
/// [`Reason::NoteTooLong`] above [`NOTE_CHARS_MAX`] characters.
pub fn check_note(note: &str) -> Result<(), Refusal> {
    if note.chars().count() <= NOTE_CHARS_MAX {
        return Ok(());
    }
    Err(Refusal::new(Reason::NoteTooLong)
        .field("reason")
        .value(note)
        .limit(NOTE_CHARS_MAX))
}
