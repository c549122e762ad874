//! A firm, from its application for a prefix to its retirement: its facts, where
//! it stands, and what was done. Its people are in [`personal`], and kept apart.

pub mod credit_code;
pub mod document;
pub mod hosting;
pub mod industry;
pub mod personal;
pub mod region;
pub mod text;
mod wanted;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::fault::{Reason, Refusal};
use crate::model::ids::FirmId;
use crate::model::limits::{
    ADDRESS_CHARS_MAX, DOCUMENTS_PER_FIRM_MAX, DRAFT_DAYS, FIRM_CHARS_MAX, FIRM_STEPS_MAX,
};
use crate::model::prefix::check_note;
use crate::model::time::Timestamp;

pub use credit_code::CreditCode;
pub use document::{Document, DocumentKind, MediaType};
pub use hosting::{Hosting, Ports, Server, Servers};
pub use industry::Industry;
pub use personal::{CitizenNumber, Contact, Email, LegalPerson, Personal, Phone};
pub use region::Region;
pub use text::Text;
pub use wanted::WantedPrefix;

/// A firm, or an application to become one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firm {
    /// Its name for the node.
    pub id: FirmId,
    /// What it says of itself, and what the node's operators verify.
    pub facts: Facts,
    /// Where it stands in its life.
    pub state: FirmState,
    /// Whether its people are known.
    pub personal: PersonalState,
    /// Its papers, in the order in which they came; at most
    /// [`DOCUMENTS_PER_FIRM_MAX`].
    pub documents: Vec<Document>,
    /// The number of the next paper.
    pub next_document: u32,
    /// What was done, oldest first: the last [`FIRM_STEPS_MAX`] steps. The audit
    /// trail has all.
    pub steps: Vec<Step>,
    /// The network that it was applied from, until somebody verified or rejected
    /// it: bounds what one applicant can leave.
    pub applied_from: Option<IpAddr>,
    /// Log position of its last change: the etag.
    pub revision: u64,
    /// When the application was begun.
    pub created: Timestamp,
    /// When it last changed.
    pub changed: Timestamp,
}

/// What a firm says of itself. Nothing of it is personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its name, as on the business licence.
    pub name: Text<FIRM_CHARS_MAX>,
    /// Its unified social credit code.
    pub credit_code: CreditCode,
    /// Where it is: GB/T 2260.
    pub region: Region,
    /// Its address there.
    pub address: Text<ADDRESS_CHARS_MAX>,
    /// What it does: GB/T 4754.
    pub industry: Industry,
    /// The prefix that it would like.
    pub wanted_prefix: WantedPrefix,
    /// Who is to serve its identifiers.
    pub hosting: Hosting,
}

/// The life of a firm on the node.
///
/// ```text
/// Draft ─submit─► Submitted ─verify─► Verified ─approve─► Approved ─activate─► Active ◄─reinstate─┐
///   ▲                 └────reject──┐     └──reject──┐                            └─suspend─► Suspended
///   └──────edit────────────────── Rejected ◄────────┘                   Active, Suspended ─retire─► Retired
///                     submit ─► Submitted
/// ```
///
/// The firm's owner edits and submits. A system administrator verifies, rejects
/// what is submitted, and activates. A security administrator approves, rejects
/// what is verified, suspends, reinstates and retires. So nobody lets a firm in
/// alone: a principal of the node has one role.
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

/// What is done with a firm: an arrow of [`FirmState`], or a change that the
/// firm's people must be able to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StepKind {
    /// It was applied for.
    Apply,
    /// The application was handed in.
    Submit,
    /// Facts and papers were found in order.
    Verify,
    /// Approved.
    Approve,
    /// Rejected, with the reason as the note.
    Reject,
    /// It got its prefix.
    Activate,
    /// Suspended, with the reason as the note.
    Suspend,
    /// The suspension ended.
    Reinstate,
    /// It left.
    Retire,
    /// Its people and papers were erased.
    Erase,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What.
    pub kind: StepKind,
    /// By whom, as the audit trail names callers.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What there is to say of it; a reason where one is needed.
    pub note: String,
}

/// Whether a firm's people are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PersonalState {
    /// They are kept, sealed.
    Kept,
    /// They were erased, and nobody can read them again.
    Erased,
}

impl FirmState {
    /// Its name: `draft`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Submitted => "submitted",
            Self::Verified => "verified",
            Self::Approved => "approved",
            Self::Rejected { .. } => "rejected",
            Self::Active => "active",
            Self::Suspended { .. } => "suspended",
            Self::Retired => "retired",
        }
    }

    /// Whether anyone may know that the firm is here: it has or had a prefix.
    pub const fn is_public(&self) -> bool {
        match self {
            Self::Active | Self::Suspended { .. } | Self::Retired => true,
            Self::Draft
            | Self::Submitted
            | Self::Verified
            | Self::Approved
            | Self::Rejected { .. } => false,
        }
    }

    /// Whether its facts and papers are the owner's to change: nobody looks at
    /// them at the moment.
    pub const fn is_editable(&self) -> bool {
        matches!(self, Self::Draft | Self::Rejected { .. })
    }

    /// Whether the firm stands for its credit code: two such firms cannot have
    /// the same.
    pub const fn holds_code(&self) -> bool {
        match self {
            Self::Verified | Self::Approved | Self::Active | Self::Suspended { .. } => true,
            Self::Draft | Self::Submitted | Self::Rejected { .. } | Self::Retired => false,
        }
    }

    /// The state that `kind` leads to, if it is an arrow that begins here.
    fn after(&self, kind: StepKind, note: &str) -> Option<Self> {
        let reason = || note.to_owned();
        Some(match (self, kind) {
            (Self::Draft | Self::Rejected { .. }, StepKind::Submit) => Self::Submitted,
            (Self::Submitted, StepKind::Verify) => Self::Verified,
            (Self::Verified, StepKind::Approve) => Self::Approved,
            (Self::Submitted | Self::Verified, StepKind::Reject) => {
                Self::Rejected { reason: reason() }
            }
            (Self::Approved, StepKind::Activate)
            | (Self::Suspended { .. }, StepKind::Reinstate) => Self::Active,
            (Self::Active, StepKind::Suspend) => Self::Suspended { reason: reason() },
            (Self::Active | Self::Suspended { .. }, StepKind::Retire) => Self::Retired,
            (state, StepKind::Erase) => state.clone(),
            (
                Self::Draft
                | Self::Submitted
                | Self::Verified
                | Self::Approved
                | Self::Rejected { .. }
                | Self::Active
                | Self::Suspended { .. }
                | Self::Retired,
                StepKind::Apply
                | StepKind::Submit
                | StepKind::Verify
                | StepKind::Approve
                | StepKind::Reject
                | StepKind::Activate
                | StepKind::Suspend
                | StepKind::Reinstate
                | StepKind::Retire,
            ) => return None,
        })
    }
}

impl StepKind {
    /// Its name: `submit`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Submit => "submit",
            Self::Verify => "verify",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Activate => "activate",
            Self::Suspend => "suspend",
            Self::Reinstate => "reinstate",
            Self::Retire => "retire",
            Self::Erase => "erase",
        }
    }

    /// Whether whom it concerns must be told why.
    const fn needs_reason(self) -> bool {
        matches!(self, Self::Reject | Self::Suspend | Self::Retire)
    }
}

impl Firm {
    /// A new application, as `by` makes it at `at` from the network of `source`.
    pub fn applied(
        id: FirmId,
        facts: Facts,
        by: &str,
        (at, source): (Timestamp, Option<IpAddr>),
    ) -> Self {
        let step = Step {
            kind: StepKind::Apply,
            by: by.to_owned(),
            at,
            note: String::new(),
        };
        Self {
            id,
            facts,
            state: FirmState::Draft,
            personal: PersonalState::Kept,
            documents: Vec::new(),
            next_document: 1,
            steps: vec![step],
            applied_from: source.map(network),
            revision: 0,
            created: at,
            changed: at,
        }
    }

    /// The firm after `step`, which says what, by whom and when.
    ///
    /// # Errors
    /// [`Reason::FirmState`] if the step does not begin in its state,
    /// [`Reason::FieldRequired`] if a reason is missing, [`Reason::NoteTooLong`],
    /// [`Reason::FirmIncomplete`] if it is submitted or verified without its
    /// papers or its people.
    pub fn after(&self, step: Step) -> Result<Self, Refusal> {
        check_note(&step.note)?;
        if step.kind.needs_reason() && step.note.trim().is_empty() {
            return Err(Refusal::new(Reason::FieldRequired).field("reason"));
        }
        let Some(state) = self.state.after(step.kind, &step.note) else {
            return Err(self.refused());
        };
        if matches!(step.kind, StepKind::Submit | StepKind::Verify) {
            self.complete()?;
        }
        let is_settled = matches!(step.kind, StepKind::Verify | StepKind::Reject);
        let mut firm = Self {
            state,
            applied_from: self.applied_from.filter(|_| !is_settled),
            changed: step.at.max(self.changed),
            ..self.clone()
        };
        if step.kind == StepKind::Erase {
            firm.personal = PersonalState::Erased;
            firm.documents.clear();
        }
        firm.remember(step);
        Ok(firm)
    }

    /// The firm with other facts, or with people where it had them erased, as it
    /// is edited at `at`. Facts are the owner's to change while nobody looks at
    /// them; people at any time until the firm retires.
    ///
    /// # Errors
    /// [`Reason::FirmState`].
    pub fn edited(
        &self,
        facts: Option<Facts>,
        has_people: bool,
        at: Timestamp,
    ) -> Result<Self, Refusal> {
        let may = match facts {
            Some(_) => self.state.is_editable(),
            None => self.state != FirmState::Retired,
        };
        if !may {
            return Err(self.refused());
        }
        let mut firm = self.reopened(at);
        firm.facts = facts.unwrap_or_else(|| self.facts.clone());
        if has_people {
            firm.personal = PersonalState::Kept;
        }
        Ok(firm)
    }

    /// The firm with `document` among its papers, whose number it sets.
    ///
    /// # Errors
    /// [`Reason::FirmState`], [`Reason::DocumentsTooMany`].
    pub fn with_document(&self, document: Document) -> Result<Self, Refusal> {
        if !self.state.is_editable() {
            return Err(self.refused());
        }
        if self.documents.len() >= DOCUMENTS_PER_FIRM_MAX {
            return Err(Refusal::new(Reason::DocumentsTooMany)
                .field("kind")
                .limit(DOCUMENTS_PER_FIRM_MAX));
        }
        let mut firm = self.reopened(document.added);
        firm.documents.push(Document {
            number: self.next_document,
            ..document
        });
        firm.next_document = self.next_document.saturating_add(1);
        Ok(firm)
    }

    /// The firm without the paper `number`, as it is taken away at `at`.
    ///
    /// # Errors
    /// [`Reason::DocumentNotFound`], [`Reason::FirmState`].
    pub fn without_document(&self, number: u32, at: Timestamp) -> Result<Self, Refusal> {
        self.document(number)?;
        if !self.state.is_editable() {
            return Err(self.refused());
        }
        let mut firm = self.reopened(at);
        firm.documents.retain(|document| document.number != number);
        Ok(firm)
    }

    /// The paper `number`.
    ///
    /// # Errors
    /// [`Reason::DocumentNotFound`].
    pub fn document(&self, number: u32) -> Result<&Document, Refusal> {
        let found = self
            .documents
            .iter()
            .find(|document| document.number == number);
        found.ok_or_else(|| {
            Refusal::new(Reason::DocumentNotFound)
                .field("document")
                .value(number)
        })
    }

    /// Whether it is an application that nobody handed in for
    /// [`DRAFT_DAYS`]: the node forgets it.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        let was_submitted = self.steps.iter().any(|step| step.kind == StepKind::Submit);
        let idle_secs = now.secs().saturating_sub(self.changed.secs());
        self.state == FirmState::Draft && !was_submitted && idle_secs > DRAFT_DAYS * 86_400
    }

    /// Whether it waits for its applicant or for the first look of an operator,
    /// and counts against what applicants may leave on the node.
    pub const fn is_open_application(&self) -> bool {
        matches!(self.state, FirmState::Draft | FirmState::Submitted)
    }

    /// Itself as a draft, if it was rejected.
    fn reopened(&self, at: Timestamp) -> Self {
        let state = if self.state.is_editable() {
            FirmState::Draft
        } else {
            self.state.clone()
        };
        Self {
            state,
            changed: at.max(self.changed),
            ..self.clone()
        }
    }

    fn remember(&mut self, step: Step) {
        self.steps.push(step);
        let surplus = self.steps.len().saturating_sub(FIRM_STEPS_MAX);
        self.steps.drain(..surplus);
    }

    fn complete(&self) -> Result<(), Refusal> {
        let is_licence = |document: &Document| document.kind == DocumentKind::BusinessLicence;
        let missing = if self.personal == PersonalState::Erased {
            "personal"
        } else if !self.documents.iter().any(is_licence) {
            "documents: business_licence"
        } else {
            return Ok(());
        };
        Err(Refusal::new(Reason::FirmIncomplete)
            .value(&self.id)
            .limit(missing))
    }

    fn refused(&self) -> Refusal {
        Refusal::new(Reason::FirmState)
            .value(&self.id)
            .limit(self.state.name())
    }
}

/// The network that counts as one applicant: an IPv4 address, or the 64 bits
/// that one subscriber has of an IPv6 address.
pub fn network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => {
            let bits = u128::from(ip) & (u128::MAX << 64);
            IpAddr::V6(bits.into())
        }
    }
}

#[cfg(test)]
mod tests;
