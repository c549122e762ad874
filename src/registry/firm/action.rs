//! What is asked to happen to a firm. All that is secret was sealed before.

use serde::{Serialize, Serializer};

use crate::model::FirmId;
use crate::model::firm::{Document, Facts, StepKind, WantedPrefix};
use crate::model::principal::Principal;
use crate::store::codec_types::Digest;

/// What happens to a firm. An `etag` is the revision that it must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum FirmAction {
    /// Begins an application.
    Apply {
        /// What the firm says of itself.
        facts: Box<Facts>,
        /// Its people.
        people: Sealed,
        /// The key with which the application is kept.
        owner: Box<Principal>,
    },
    /// Changes what is given.
    Edit {
        /// The facts from then on.
        facts: Option<Box<Facts>>,
        /// The people from then on.
        people: Option<Sealed>,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// Adds a paper.
    Attach {
        /// What is known of it.
        #[serde(serialize_with = "comparable")]
        document: Box<Document>,
        /// Its contents.
        contents: Sealed,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// Takes a paper away.
    Detach {
        /// Its number.
        number: u32,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// Makes a step of its life.
    Step {
        /// Which one.
        kind: StepKind,
        /// What there is to say of it.
        note: String,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// Gives it its prefix.
    Activate {
        /// Which one, if not that which it wanted.
        prefix: Option<WantedPrefix>,
        /// Most identifiers below it.
        quota: Option<u64>,
        /// What there is to say of it.
        note: String,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// Opens what is sealed, which the audit trail tells before it is shown.
    Open(Opened),
}

/// What is opened of a firm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Opened {
    /// Its people.
    People,
    /// The paper of this number.
    Document(u32),
}

/// Something sealed, under the key of its firm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sealed {
    /// Stands for what was sealed where two requests are compared.
    pub code: Digest,
    /// What was sealed. Not part of the comparison: a nonce makes it differ each
    /// time.
    #[serde(skip)]
    pub bytes: Vec<u8>,
    /// The firm's key.
    #[serde(skip)]
    pub under: FirmKey,
}

/// The key of a firm, wrapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FirmKey {
    /// That which is kept, and has this SHA-256.
    Kept(Digest),
    /// A new one, since none is kept.
    New(Vec<u8>),
}

/// What of a paper tells one request from another: not when it came, nor what
/// chance gave it.
fn comparable<S: Serializer>(document: &Document, serializer: S) -> Result<S::Ok, S::Error> {
    (document.kind, &document.name, document.sha256).serialize(serializer)
}

impl FirmAction {
    /// Bytes that are sealed in it.
    pub(in crate::registry) fn sealed_bytes(&self) -> usize {
        match self {
            Self::Apply { people, .. } => people.bytes.len(),
            Self::Edit { people, .. } => people.as_ref().map_or(0, |people| people.bytes.len()),
            Self::Attach { contents, .. } => contents.bytes.len(),
            Self::Detach { .. } | Self::Step { .. } | Self::Activate { .. } | Self::Open(_) => 0,
        }
    }
}

/// Names under which a firm's secrets are kept: whose, `/`, what. They are also
/// what the secrets are sealed as.
#[derive(Clone, Copy, Debug)]
pub enum FirmSecret<'a> {
    /// The firm's key.
    Key,
    /// Its people.
    People,
    /// The contents of a paper.
    Document(&'a Document),
}

impl FirmSecret<'_> {
    /// What the names of all secrets of the firm `id` begin with.
    pub fn all(id: &FirmId) -> Vec<u8> {
        format!("firm/{id}/").into_bytes()
    }

    /// The name, for the firm `id`.
    pub fn name(self, id: &FirmId) -> Vec<u8> {
        let text = match self {
            Self::Key => format!("firm/{id}/key"),
            Self::People => format!("firm/{id}/people"),
            Self::Document(document) => {
                format!("firm/{id}/document/{:016x}", document.contents)
            }
        };
        text.into_bytes()
    }
}
