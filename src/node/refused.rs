//! Refused attempts on their way to the audit trail. Nobody waits for them: they
//! go into the batch of the next group of changes, or into one of their own.

use std::collections::VecDeque;
use std::net::IpAddr;

use parking_lot::Mutex;

use crate::access::{Office, permit_office};
use crate::model::{Caller, Fault, Firm, Identifier, Prefix};
use crate::model::{Reason, Refusal, SuffixCase, Timestamp};
use crate::node::Node;
use crate::registry::audit::Action;
use crate::registry::{Change, Origin};
use crate::store::EntryKey;
use crate::store::codec_types::{AuditEntry, Salt};

/// Attempts that have an entry of their own in one second; the others are counted.
const PER_SECOND_MAX: u32 = 100;
/// Attempts that wait for the writer; the others are counted.
const WAITING_MAX: usize = 1000;
/// Who did what the node does by itself.
const NODE: &str = "node";
/// Octets of a subject that are kept.
const SUBJECT_BYTES_MAX: usize = 2048;

/// What an attempt was about, as long as that may be needed.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    Identifier(Identifier),
    Prefix(Prefix),
    Other(Vec<u8>),
}

impl Subject {
    /// What `change` is about.
    pub(super) fn of(change: &Change) -> Self {
        match change {
            Change::Record { identifier, .. } => Self::Identifier(identifier.clone()),
            Change::Prefix { prefix, .. } => Self::Prefix(prefix.clone()),
            Change::Link(change) => Self::Other(change.name.to_string().into_bytes()),
            Change::Office(change) => Self::Other(change.subject()),
        }
    }

    /// The firm that `office` is about, if it is about one.
    fn of_office(office: Office<'_>) -> Self {
        let key = office
            .firm()
            .map(|firm| EntryKey::of::<Firm>(firm.as_str()));
        Self::Other(key.map_or_else(Vec::new, |key| key.to_bytes()))
    }

    /// As the audit trail names it.
    pub(super) fn into_bytes(self) -> Box<[u8]> {
        match self {
            Self::Identifier(identifier) => identifier.key(SuffixCase::Folded).as_bytes().into(),
            Self::Prefix(prefix) => prefix.canonical().into_bytes().into(),
            Self::Other(bytes) => bytes.into(),
        }
    }
}

/// An attempt that was refused; or what the node did by itself, outside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) time: Timestamp,
    pub(super) actor: Box<str>,
    pub(super) source: Option<IpAddr>,
    pub(super) action: Action,
    pub(super) subject: Box<[u8]>,
    pub(super) request_id: Box<str>,
    /// Why it was refused.
    pub(super) reason: Option<Reason>,
    pub(super) salt: Salt,
}

impl Attempt {
    /// What was refused of `origin`.
    pub(super) fn new(origin: Origin, action: Action, subject: Subject, refusal: &Refusal) -> Self {
        let Origin {
            now,
            caller,
            request,
            salt,
        } = origin;
        Self {
            time: now,
            actor: caller.name().into(),
            source: caller.source,
            action,
            subject: subject.into_bytes(),
            request_id: request.map_or_else(Box::default, |request| request.id.as_str().into()),
            reason: Some(refusal.reason()),
            salt,
        }
    }

    /// Its entry.
    pub(super) fn into_entry(self) -> AuditEntry {
        let Self {
            time,
            actor,
            source,
            action,
            mut subject,
            request_id,
            reason,
            salt,
        } = self;
        if let Some(cut) = subject.get(..SUBJECT_BYTES_MAX) {
            subject = cut.into();
        }
        AuditEntry {
            time,
            actor,
            action: action.number(),
            subject,
            request_id,
            before: None,
            after: None,
            public: None,
            source,
            refused: reason.map_or_else(Box::default, |reason| reason.code().into()),
            omitted: 0,
            salt,
        }
    }
}

/// Whether a refusal is one that the audit trail keeps: of rights, or of a quota.
pub(super) fn is_kept(refusal: &Refusal) -> bool {
    match refusal.fault() {
        Fault::Unauthenticated | Fault::Denied => true,
        Fault::Exhausted => refusal.reason() == Reason::QuotaExceeded,
        Fault::Invalid | Fault::Missing | Fault::Conflict | Fault::Unavailable | Fault::Broken => {
            false
        }
    }
}

/// Attempts that wait for the writer. Bounded: see [`PER_SECOND_MAX`] and
/// [`WAITING_MAX`].
#[derive(Debug, Default)]
pub(super) struct Attempts {
    waiting: Mutex<Waiting>,
}

impl Node {
    /// Has the audit trail tell of an attempt, if it is one that is kept. Returns at
    /// once.
    pub(super) fn note(
        &self,
        caller: &Caller,
        action: Action,
        subject: Subject,
        refusal: &Refusal,
    ) {
        if !is_kept(refusal) {
            return;
        }
        let origin = Origin {
            now: self.now(),
            caller: caller.clone(),
            request: None,
            salt: self.inner.salts.next(),
        };
        let attempt = Attempt::new(origin, action, subject, refusal);
        if self.inner.attempts.add(attempt) {
            self.inner.log.wake();
        }
    }

    /// Has the audit trail tell what the node did by itself. Returns at once.
    pub(super) fn note_done(&self, action: Action, subject: String) {
        self.inner.attempts.add_done(Attempt {
            time: self.now(),
            actor: NODE.into(),
            source: None,
            action,
            subject: subject.into_bytes().into(),
            request_id: "".into(),
            reason: None,
            salt: self.inner.salts.next(),
        });
        self.inner.log.wake();
    }

    /// Whether `caller` may do what `office` says; if not, the audit trail tells of
    /// it.
    ///
    /// # Errors
    /// As [`permit_office`].
    pub(super) fn permit_office(&self, caller: &Caller, office: Office<'_>) -> Result<(), Refusal> {
        permit_office(caller, office).inspect_err(|refusal| {
            let action = match office {
                Office::ReadFirm(_) | Office::ListFirms | Office::ReadOperators => {
                    Action::ReadOffice
                }
                Office::ReadPersonal(_) => Action::ReadPersonal,
                Office::ReadAudit | Office::ReadAuditOf(_) => Action::ReadAudit,
                Office::Apply
                | Office::EditFirm(_)
                | Office::VerifyFirm
                | Office::ActivateFirm
                | Office::ApproveFirm
                | Office::ErasePersonal(_)
                | Office::KeepMembers(_)
                | Office::KeepOperators
                | Office::KeepGroups(_)
                | Office::KeepShares(_)
                | Office::KeepTemplates(_)
                | Office::KeepSectorTemplates => Action::KeepOffice,
            };
            self.note(caller, action, Subject::of_office(office), refusal);
        })
    }

    /// The refusal of who did not prove to be `who` from `source`, of which the audit
    /// trail tells.
    pub fn refuse_unproven(&self, reason: Reason, who: &str, source: Option<IpAddr>) -> Refusal {
        self.inner.sign_ins.unproven(reason);
        let refusal = Refusal::new(reason);
        let caller = Caller::ANONYMOUS.with_source(source);
        let subject = Subject::Other(who.as_bytes().to_vec());
        self.note(&caller, Action::Authenticate, subject, &refusal);
        refusal
    }
}

#[derive(Debug, Default)]
struct Waiting {
    attempts: VecDeque<Attempt>,
    omitted: u64,
    second: u64,
    second_count: u32,
}

impl Attempts {
    /// Adds an attempt. Returns whether it waits, and is not only counted: the writer
    /// is then to be woken.
    pub(super) fn add(&self, attempt: Attempt) -> bool {
        let mut waiting = self.waiting.lock();
        let second = attempt.time.millis() / 1000;
        if waiting.second != second {
            (waiting.second, waiting.second_count) = (second, 0);
        }
        if waiting.second_count >= PER_SECOND_MAX || waiting.attempts.len() >= WAITING_MAX {
            waiting.omitted = waiting.omitted.saturating_add(1);
            return false;
        }
        waiting.second_count += 1;
        waiting.attempts.push_back(attempt);
        true
    }

    /// Adds what the node did by itself: however many attempts there are.
    fn add_done(&self, done: Attempt) {
        self.waiting.lock().attempts.push_back(done);
    }

    /// Takes the attempts that wait, in order.
    pub(super) fn take(&self) -> VecDeque<Attempt> {
        std::mem::take(&mut self.waiting.lock().attempts)
    }

    /// Takes the count of those that have no entry: the next entry tells it.
    pub(super) fn take_omitted(&self) -> u64 {
        std::mem::take(&mut self.waiting.lock().omitted)
    }

    /// Gives back what could not be written: counted, since others came meanwhile.
    pub(super) fn give_back(&self, count: u64) {
        let mut waiting = self.waiting.lock();
        waiting.omitted = waiting.omitted.saturating_add(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(millis: u64) -> Attempt {
        Attempt {
            time: Timestamp::from_millis(millis),
            actor: "anonymous".into(),
            source: None,
            action: Action::CreateRecord,
            subject: b"88.1/a".as_slice().into(),
            request_id: "".into(),
            reason: Some(Reason::KeyRequired),
            salt: Salt::default(),
        }
    }

    #[test]
    fn counts_what_exceeds_a_hundred_a_second() {
        let attempts = Attempts::default();
        assert!(attempts.add(attempt(1_000)));
        for number in 1..=150 {
            assert_eq!(attempts.add(attempt(1_999)), number < PER_SECOND_MAX);
        }
        let (taken, omitted) = (attempts.take(), attempts.take_omitted());
        assert_eq!((taken.len(), omitted), (100, 51));
        assert!(!attempts.add(attempt(1_999)));
        assert!(attempts.add(attempt(2_000)));
        let (taken, omitted) = (attempts.take(), attempts.take_omitted());
        assert_eq!((taken.len(), omitted), (1, 1));
    }

    #[test]
    fn keeps_a_thousand_at_most() {
        let attempts = Attempts::default();
        for millis in 0..20_000 {
            attempts.add(attempt(10 * millis));
        }
        let (taken, omitted) = (attempts.take(), attempts.take_omitted());
        assert_eq!((taken.len(), omitted), (WAITING_MAX, 20_000 - 1000));
        attempts.give_back(7);
        assert_eq!(attempts.take_omitted(), 7);
    }

    #[test]
    fn keeps_refusals_of_rights_and_quotas_only() {
        let kept = |reason| is_kept(&Refusal::new(reason));
        assert!(kept(Reason::KeyRequired) && kept(Reason::NotAdmin));
        assert!(kept(Reason::PermissionDenied) && kept(Reason::QuotaExceeded));
        assert!(!kept(Reason::RecordNotFound) && !kept(Reason::DiskFull));
    }

    #[test]
    fn cuts_long_subjects() {
        let subject = vec![b'a'; 5000].into();
        let entry = Attempt {
            subject,
            ..attempt(0)
        }
        .into_entry();
        assert_eq!(entry.subject.len(), SUBJECT_BYTES_MAX);
        assert_eq!(&*entry.refused, "KEY_REQUIRED");
    }
}
