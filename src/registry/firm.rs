//! Changes of firms: applying, reviewing, and what becomes of their prefixes.

mod action;

use std::sync::Arc;

pub use action::{FirmAction, FirmKey, FirmSecret, Opened, Sealed};

use crate::access::{Office, permit_office};
use crate::model::firm::{
    Document, Facts, Firm, FirmState, Hosting, PersonalState, Step, StepKind, WantedPrefix, network,
};
use crate::model::limits::{
    APPLICATIONS_MAX, APPLICATIONS_PER_NETWORK_MAX, DOCUMENT_BYTES_PER_FIRM_MAX,
    OPEN_DOCUMENT_BYTES_MAX, SWEPT_DRAFTS_MAX,
};
use crate::model::{
    FirmId, Party, PrefixEntry, PrefixState, Principal, Reason, Refusal, SuffixCase, Timestamp,
};
use crate::registry::audit::{Action, sha256};
use crate::registry::command::{Applied, Origin, etag};
use crate::registry::decide::{Decision, Undecided, check_etag};
use crate::registry::office::OfficeDecision;
use crate::store::{AnyEntry, Batch, Counts, EntryKey, PrefixRow};

/// A row of encrypted bytes to put under its name, or to remove.
type SealedRow = (Vec<u8>, Option<Vec<u8>>);

/// Decides a change of a firm.
///
/// # Errors
/// As [`super::decide`].
pub(super) fn decide(
    batch: &Batch<'_>,
    origin: &Origin,
    id: FirmId,
    action: FirmAction,
) -> Result<Decision, Undecided> {
    if let FirmAction::Apply {
        facts,
        people,
        owner,
    } = action
    {
        return apply(batch, origin, (id, *facts), people, *owner);
    }
    // Before anything is looked up: who may not learns nothing of who is there.
    let caller = &origin.caller;
    let office = Office::of(&action, &id);
    if let Some(office) = office {
        permit_office(caller, office)?;
    } else if permit_office(caller, Office::VerifyFirm).is_err() {
        permit_office(caller, Office::ApproveFirm)?;
    }
    let before = batch.entry::<Firm>(id.as_str());
    let before = before.ok_or_else(|| not_found(&id))?;
    let subject = Subject {
        batch,
        origin,
        before,
    };
    let decision = match action {
        FirmAction::Apply { .. } => return Err(not_found(&id).into()),
        FirmAction::Edit {
            facts,
            people,
            etag,
        } => return subject.edit(facts.map(|facts| *facts), people, etag),
        FirmAction::Attach {
            document,
            contents,
            etag,
        } => subject.attach(*document, contents, etag)?,
        FirmAction::Detach { number, etag } => subject.detach(number, etag)?,
        FirmAction::Step { kind, note, etag } => subject.step(kind, note, etag)?,
        FirmAction::Activate {
            prefix,
            quota,
            note,
            etag,
        } => subject.activate(prefix, quota, note, etag)?,
        FirmAction::Open(opened) => return Ok(subject.open(opened)?),
    };
    Ok(Decision::Office(Box::new(decision)))
}

impl<'a> Office<'a> {
    /// What `action` asks for; `None` for a rejection, for which it depends on
    /// who looks at the application at the moment.
    const fn of(action: &FirmAction, id: &'a FirmId) -> Option<Self> {
        Some(match action {
            FirmAction::Apply { .. } => Self::Apply,
            FirmAction::Edit { .. } | FirmAction::Attach { .. } | FirmAction::Detach { .. } => {
                Self::EditFirm(id)
            }
            FirmAction::Activate { .. } => Self::ActivateFirm,
            FirmAction::Open(_) => Self::ReadPersonal(id),
            FirmAction::Step { kind, .. } => match kind {
                StepKind::Apply => Self::Apply,
                StepKind::Submit => Self::EditFirm(id),
                StepKind::Verify => Self::VerifyFirm,
                StepKind::Activate => Self::ActivateFirm,
                StepKind::Reject => return None,
                StepKind::Approve | StepKind::Suspend | StepKind::Reinstate | StepKind::Retire => {
                    Self::ApproveFirm
                }
                StepKind::Erase => Self::ErasePersonal(id),
            },
        })
    }
}

fn not_found(id: &FirmId) -> Refusal {
    Refusal::new(Reason::FirmNotFound).field("name").value(id)
}

/// A new application. What nobody handed in for long goes at the same time.
fn apply(
    batch: &Batch<'_>,
    origin: &Origin,
    (id, facts): (FirmId, Facts),
    people: Sealed,
    owner: Principal,
) -> Result<Decision, Undecided> {
    permit_office(&origin.caller, Office::Apply)?;
    check_wanted(batch, &facts.wanted_prefix, None)?;
    let open = batch.entries::<Firm>(Firm::is_open_application);
    let mut expired = open.iter().filter(|firm| firm.is_expired(origin.now));
    let source = origin.caller.source.map(network);
    let waiting = open.iter().filter(|firm| !firm.is_expired(origin.now));
    let (all, near) = waiting.fold((0, 0), |(all, near), firm| {
        let is_near = source.is_some() && firm.applied_from == source;
        (all + 1, near + usize::from(is_near))
    });
    for (count, limit) in [
        (near, APPLICATIONS_PER_NETWORK_MAX),
        (all, APPLICATIONS_MAX),
    ] {
        if count >= limit {
            return Err(Refusal::new(Reason::ApplicationsTooMany)
                .limit(limit)
                .into());
        }
    }
    let given_twice = batch.entry::<Firm>(id.as_str()).is_some()
        || batch.entry::<Principal>(owner.id.as_str()).is_some();
    if given_twice {
        // Chance gave an id a second time.
        return Err(Refusal::new(Reason::Internal).into());
    }
    let at = (origin.now, origin.caller.source);
    let firm = Firm::applied(id, facts, origin.caller.name(), at);
    let mut sealed = sealed_rows(batch, &firm.id, FirmSecret::People, people)?;
    let mut removed = Vec::new();
    for firm in expired.by_ref().take(SWEPT_DRAFTS_MAX) {
        removed.push(EntryKey::of::<Firm>(firm.id.as_str()));
        sealed.extend(forgotten(firm));
        let of_firm = |principal: &Principal| is_member(principal, &firm.id);
        let members = batch.entries::<Principal>(of_firm);
        removed.extend(
            members
                .iter()
                .map(|member| EntryKey::of::<Principal>(member.id.as_str())),
        );
    }
    Ok(Decision::Office(Box::new(OfficeDecision {
        others: vec![AnyEntry::Principal(Arc::new(owner))],
        removed,
        sealed,
        ..OfficeDecision::put(Action::ApplyFirm, None, AnyEntry::Firm(Arc::new(firm)))
    })))
}

fn is_member(principal: &Principal, id: &FirmId) -> bool {
    match &principal.party {
        Party::Firm { firm, .. } => firm == id,
        Party::Node(_) => false,
    }
}

/// The rows that go with a firm's people and papers. Without its key nothing of
/// them can be read again, wherever there are copies.
fn forgotten(firm: &Firm) -> Vec<SealedRow> {
    let documents = firm.documents.iter().map(FirmSecret::Document);
    [FirmSecret::Key, FirmSecret::People]
        .into_iter()
        .chain(documents)
        .map(|secret| (secret.name(&firm.id), None))
        .collect()
}

/// The rows of something sealed, and of the firm's key if that is new.
fn sealed_rows(
    batch: &Batch<'_>,
    id: &FirmId,
    secret: FirmSecret<'_>,
    sealed: Sealed,
) -> Result<Vec<SealedRow>, Undecided> {
    let Sealed {
        code: _,
        bytes,
        under,
    } = sealed;
    let key_name = FirmSecret::Key.name(id);
    let kept = batch.sealed(&key_name)?;
    let mut rows = vec![(secret.name(id), Some(bytes))];
    match (under, kept) {
        (FirmKey::New(wrapped), None) => rows.push((key_name, Some(wrapped))),
        (FirmKey::Kept(digest), Some(kept)) if sha256(&kept) == digest => {}
        // It was erased, or erased and begun anew, after this was sealed.
        (FirmKey::New(_) | FirmKey::Kept(_), _) => {
            let revision = batch
                .entry::<Firm>(id.as_str())
                .map_or(0, |firm| firm.revision);
            let refusal = Refusal::new(Reason::StaleEtag).field("etag");
            return Err(refusal.limit(etag(revision)).into());
        }
    }
    Ok(rows)
}

/// Refuses a wanted prefix that is somebody else's already: anyone can see that.
fn check_wanted(
    batch: &Batch<'_>,
    wanted: &WantedPrefix,
    firm: Option<&FirmId>,
) -> Result<Option<PrefixRow>, Refusal> {
    let Some(row) = batch.prefix(&wanted.prefix().canonical()) else {
        return Ok(None);
    };
    let is_free = row.entry.holder.is_none()
        && row.entry.state == PrefixState::Registered
        && row.counts == Counts::default();
    let is_own = firm.is_some() && row.entry.holder.as_ref() == firm;
    if is_free || is_own {
        return Ok(Some(row));
    }
    Err(Refusal::new(Reason::PrefixExists)
        .field("wanted_prefix")
        .value(wanted.prefix()))
}

/// The firm that a command is about, and what surrounds it.
struct Subject<'a> {
    batch: &'a Batch<'a>,
    origin: &'a Origin,
    before: Arc<Firm>,
}

impl Subject<'_> {
    fn now(&self) -> Timestamp {
        self.origin.now
    }

    fn check_etag(&self, wanted: Option<u64>) -> Result<(), Refusal> {
        check_etag(wanted, self.before.revision)
    }

    fn put(self, action: Action, firm: Firm) -> OfficeDecision {
        let before = AnyEntry::Firm(self.before);
        OfficeDecision::put(action, Some(before), AnyEntry::Firm(Arc::new(firm)))
    }

    fn edit(
        self,
        facts: Option<Facts>,
        people: Option<Sealed>,
        etag: Option<u64>,
    ) -> Result<Decision, Undecided> {
        self.check_etag(etag)?;
        if let Some(facts) = &facts {
            check_wanted(self.batch, &facts.wanted_prefix, Some(&self.before.id))?;
        }
        let same = facts
            .as_ref()
            .is_none_or(|facts| *facts == self.before.facts);
        if same && people.is_none() {
            return Ok(Decision::Keep {
                applied: Applied::Entry(AnyEntry::Firm(self.before)),
                key: None,
            });
        }
        let firm = self.before.edited(facts, people.is_some(), self.now())?;
        let sealed = match people {
            Some(people) => sealed_rows(self.batch, &firm.id, FirmSecret::People, people)?,
            None => Vec::new(),
        };
        Ok(Decision::Office(Box::new(OfficeDecision {
            sealed,
            ..self.put(Action::EditFirm, firm)
        })))
    }

    fn attach(
        self,
        document: Document,
        contents: Sealed,
        etag: Option<u64>,
    ) -> Result<OfficeDecision, Undecided> {
        self.check_etag(etag)?;
        self.check_room(document.byte_count)?;
        let secret = FirmSecret::Document(&document);
        let sealed = sealed_rows(self.batch, &self.before.id, secret, contents)?;
        let firm = self.before.with_document(document)?;
        Ok(OfficeDecision {
            sealed,
            ..self.put(Action::AttachDocument, firm)
        })
    }

    /// Refuses a paper for which the firm, or all applications together, have no
    /// room.
    fn check_room(&self, byte_count: u64) -> Result<(), Refusal> {
        let bytes = |firm: &Firm| {
            firm.documents
                .iter()
                .map(|document| document.byte_count)
                .sum()
        };
        let own: u64 = bytes(&self.before);
        if own.saturating_add(byte_count) > DOCUMENT_BYTES_PER_FIRM_MAX {
            return Err(Refusal::new(Reason::DocumentTooLarge)
                .field("content")
                .value(own.saturating_add(byte_count))
                .limit(DOCUMENT_BYTES_PER_FIRM_MAX));
        }
        let open = self.batch.entries::<Firm>(Firm::is_open_application);
        let all: u64 = open.iter().map(|firm| bytes(firm)).sum();
        if all.saturating_add(byte_count) > OPEN_DOCUMENT_BYTES_MAX {
            return Err(Refusal::new(Reason::ApplicationsTooMany).limit(open.len()));
        }
        Ok(())
    }

    fn detach(self, number: u32, etag: Option<u64>) -> Result<OfficeDecision, Undecided> {
        self.check_etag(etag)?;
        let firm = self.before.without_document(number, self.now())?;
        let gone = FirmSecret::Document(self.before.document(number)?).name(&firm.id);
        Ok(OfficeDecision {
            sealed: vec![(gone, None)],
            ..self.put(Action::DetachDocument, firm)
        })
    }

    fn step(
        self,
        kind: StepKind,
        note: String,
        etag: Option<u64>,
    ) -> Result<OfficeDecision, Undecided> {
        let caller = &self.origin.caller;
        if kind == StepKind::Reject {
            let office = match self.before.state {
                FirmState::Verified => Office::ApproveFirm,
                FirmState::Draft
                | FirmState::Submitted
                | FirmState::Approved
                | FirmState::Rejected { .. }
                | FirmState::Active
                | FirmState::Suspended { .. }
                | FirmState::Retired => Office::VerifyFirm,
            };
            permit_office(caller, office)?;
        }
        self.check_etag(etag)?;
        if kind == StepKind::Activate {
            return self.activate(None, None, note, etag);
        }
        let firm = self.stepped(kind, note)?;
        let prefixes = match kind {
            StepKind::Suspend | StepKind::Reinstate | StepKind::Retire => self.prefixes(&firm),
            StepKind::Submit => {
                check_wanted(self.batch, &firm.facts.wanted_prefix, Some(&firm.id))?;
                Vec::new()
            }
            StepKind::Verify => {
                self.check_code()?;
                Vec::new()
            }
            StepKind::Apply
            | StepKind::Approve
            | StepKind::Reject
            | StepKind::Activate
            | StepKind::Erase => Vec::new(),
        };
        let sealed = match kind {
            StepKind::Erase => forgotten(&self.before),
            StepKind::Apply
            | StepKind::Submit
            | StepKind::Verify
            | StepKind::Approve
            | StepKind::Reject
            | StepKind::Activate
            | StepKind::Suspend
            | StepKind::Reinstate
            | StepKind::Retire => Vec::new(),
        };
        Ok(OfficeDecision {
            sealed,
            prefixes,
            ..self.put(Action::of_step(kind), firm)
        })
    }

    fn stepped(&self, kind: StepKind, note: String) -> Result<Firm, Refusal> {
        self.before.after(Step {
            kind,
            by: self.origin.caller.name().to_owned(),
            at: self.now(),
            note,
        })
    }

    /// Refuses if another firm stands for the credit code already.
    fn check_code(&self) -> Result<(), Refusal> {
        let code = &self.before.facts.credit_code;
        let is_other = |firm: &Firm| {
            firm.id != self.before.id && firm.state.holds_code() && firm.facts.credit_code == *code
        };
        match self.batch.entries::<Firm>(is_other).first() {
            None => Ok(()),
            Some(other) => Err(Refusal::new(Reason::CreditCodeTaken)
                .field("credit_code")
                .value(code)
                .limit(&other.id)),
        }
    }

    fn activate(
        self,
        prefix: Option<WantedPrefix>,
        quota: Option<u64>,
        note: String,
        etag: Option<u64>,
    ) -> Result<OfficeDecision, Undecided> {
        self.check_etag(etag)?;
        let mut firm = self.stepped(StepKind::Activate, note)?;
        if let Some(prefix) = prefix {
            firm.facts.wanted_prefix = prefix;
        }
        let row = check_wanted(self.batch, &firm.facts.wanted_prefix, Some(&firm.id))?;
        let found = row.map(|row| PrefixEntry::clone(&row.entry));
        let fresh = PrefixEntry {
            prefix: firm.facts.wanted_prefix.prefix().clone(),
            firm: String::new(),
            holder: None,
            state: PrefixState::Registered,
            case: SuffixCase::default(),
            quota: None,
            revision: 0,
            created: self.now(),
            changed: self.now(),
        };
        let entry = found.unwrap_or(fresh);
        let entry = PrefixEntry {
            firm: firm.facts.name.as_str().to_owned(),
            holder: Some(firm.id.clone()),
            state: served(&firm.facts.hosting),
            quota: quota.or(entry.quota),
            changed: self.now().max(entry.changed),
            ..entry
        };
        Ok(OfficeDecision {
            prefixes: vec![entry],
            ..self.put(Action::ActivateFirm, firm)
        })
    }

    /// The prefixes that the firm holds, as they are once it is as `after` says.
    /// All of them count as changed: whether clients are told of the firm's own
    /// servers hangs on the firm.
    fn prefixes(&self, after: &Firm) -> Vec<PrefixEntry> {
        let changed = |row: PrefixRow| {
            let entry = &*row.entry;
            PrefixEntry {
                state: self.prefix_state(&entry.state, after),
                changed: self.now().max(entry.changed),
                ..entry.clone()
            }
        };
        let held = self.batch.held_prefixes(&after.id);
        held.into_iter().map(changed).collect()
    }

    fn prefix_state(&self, state: &PrefixState, after: &Firm) -> PrefixState {
        match (&after.state, state) {
            (FirmState::Suspended { reason }, PrefixState::Active) => PrefixState::Suspended {
                reason: reason.clone(),
            },
            // One that was suspended for another reason stays so.
            (FirmState::Active, PrefixState::Suspended { reason }) => match &self.before.state {
                FirmState::Suspended { reason: why } if why == reason => PrefixState::Active,
                FirmState::Suspended { .. }
                | FirmState::Draft
                | FirmState::Submitted
                | FirmState::Verified
                | FirmState::Approved
                | FirmState::Rejected { .. }
                | FirmState::Active
                | FirmState::Retired => state.clone(),
            },
            (FirmState::Retired, _) => PrefixState::Registered,
            (
                FirmState::Draft
                | FirmState::Submitted
                | FirmState::Verified
                | FirmState::Approved
                | FirmState::Rejected { .. }
                | FirmState::Active
                | FirmState::Suspended { .. },
                _,
            ) => state.clone(),
        }
    }

    /// An entry in the audit trail, and the firm as it is.
    fn open(self, opened: Opened) -> Result<Decision, Refusal> {
        let action = match opened {
            Opened::People if self.before.personal == PersonalState::Erased => {
                return Err(Refusal::new(Reason::PersonalErased)
                    .field("name")
                    .value(&self.before.id));
            }
            Opened::People => Action::ReadPersonal,
            Opened::Document(number) => {
                self.before.document(number)?;
                Action::ReadDocument
            }
        };
        Ok(Decision::Look {
            action,
            entry: AnyEntry::Firm(self.before),
        })
    }
}

/// The state of the prefix of a firm that is active.
const fn served(hosting: &Hosting) -> PrefixState {
    match hosting {
        Hosting::Hosted => PrefixState::Active,
        Hosting::Routed(_) => PrefixState::Registered,
    }
}
