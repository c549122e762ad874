//! Whether the rules allow a command, given everything before it.

use std::borrow::Cow;
use std::sync::Arc;

use crate::access::{
    Action as Access, Denied, Operation, permit, permit_record, renewed, sees_to_change,
};
use crate::model::limits::REQUEST_ID_HOURS;
use crate::model::record::checked_values;
use crate::model::{
    Caller, Firm, FirmState, Identifier, Key, PrefixEntry, Readers, Reason, Record, Refusal,
    Timestamp, Tombstone, Value, Who,
};
use crate::registry::audit::Action;
use crate::registry::command::{
    Applied, Change, Effect, OnConflict, Origin, RecordAction, Request, etag,
};
use crate::registry::decide_prefix::{decide_prefix, not_homed};
use crate::registry::edit::{Edit, Edited, dated};
use crate::registry::link::{self, LINK_ANSWER, LinkDecision};
use crate::registry::office::{self, ENTRY_ANSWER, OfficeDecision};
use crate::registry::readers::Named;
use crate::registry::under::{self, Candidate, Uniques};
use crate::store::codec_types::RequestRow;
use crate::store::{AnyEntry, Batch, Error, PrefixRow, Restricted};

/// What a command comes to.
#[derive(Clone, Debug)]
pub enum Decision {
    /// This is a retry: the first answer.
    Repeat(Applied),
    /// Nothing changes: it is as asked already.
    Keep {
        /// The answer.
        applied: Applied,
        /// Key of the record, if it is one.
        key: Option<Key>,
    },
    /// A record is put.
    Put {
        /// What the audit trail calls it.
        action: Action,
        /// Under which key.
        key: Key,
        /// Its prefix.
        row: PrefixRow,
        /// The record that it replaces.
        before: Option<Arc<Record>>,
        /// The tombstone whose name it takes up.
        revived: Option<Tombstone>,
        /// The record; [`super::apply`] sets its revision.
        record: Record,
        /// What changes in the index of unique values.
        uniques: Uniques,
    },
    /// A record is deleted.
    Delete {
        /// Under which key.
        key: Key,
        /// Its prefix.
        row: PrefixRow,
        /// The record.
        before: Arc<Record>,
        /// What changes in the index of unique values.
        uniques: Uniques,
    },
    /// Entries of the directory, and what belongs to them, are put or removed.
    Office(Box<OfficeDecision>),
    /// Something was looked at, which the audit trail tells; nothing changes.
    Look {
        /// What the audit trail calls it.
        action: Action,
        /// The answer, and the entry's subject.
        entry: AnyEntry,
    },
    /// A link is put.
    Link(Box<LinkDecision>),
    /// A prefix is put.
    PutPrefix {
        /// What the audit trail calls it.
        action: Action,
        /// The entry that it replaces.
        before: Option<PrefixRow>,
        /// The entry; [`super::apply`] sets its revision.
        entry: PrefixEntry,
    },
}

/// Why a command comes to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    /// A rule forbids it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Decides a command that [`super::prepare`] let through.
///
/// # Errors
/// [`Undecided::Refused`] with the rule, [`Undecided::Store`].
pub fn decide(batch: &Batch<'_>, origin: &Origin, change: Change) -> Result<Decision, Undecided> {
    // A right that was taken away before this command is gone.
    let renewed = match renewed(&origin.caller, batch, origin.now)? {
        Cow::Borrowed(_) => None,
        Cow::Owned(caller) => Some(Origin {
            caller,
            ..origin.clone()
        }),
    };
    let origin = renewed.as_ref().unwrap_or(origin);
    if let Change::Record { identifier, .. } = &change {
        permit_member(batch, &origin.caller, identifier)?;
    }
    if let Some(first) = first_answer(batch, origin)? {
        return Ok(Decision::Repeat(first));
    }
    match change {
        Change::Record { identifier, action } => {
            let caller = Some(&origin.caller);
            let subject = Subject::find(batch, caller, origin.now, identifier)?;
            record(subject, action)
        }
        Change::Prefix { prefix, action } => {
            permit(&origin.caller, Access::ManagePrefixes)?;
            Ok(decide_prefix(batch, origin.now, &prefix, &action)?)
        }
        Change::Link(change) => link::decide(batch, origin, change),
        Change::Office(change) => office::decide(batch, origin, change),
    }
}

/// Refuses a member that may not change `identifier`, before anything is read that
/// is not for all, also of what it once was answered.
fn permit_member(
    batch: &Batch<'_>,
    caller: &Caller,
    identifier: &Identifier,
) -> Result<(), Undecided> {
    let Who::Member(member) = &caller.who else {
        return Ok(());
    };
    let prefix = identifier.prefix();
    let Some(row) = batch.prefix(&prefix.canonical()) else {
        return Ok(());
    };
    permit_record(caller, batch, Operation::WriteBelow(prefix)).map_err(undecided)?;
    let firm = batch.entry::<Firm>(member.firm.as_str());
    if firm.is_some_and(|firm| firm.state == FirmState::Active) {
        return Ok(());
    }
    row.entry.serving()?;
    let refusal = Refusal::new(Reason::PermissionDenied).field("name");
    Err(refusal.limit("only members of an active firm may").into())
}

/// Decides a change of a record by every rule but who may make it, for nobody in
/// particular: what not everyone may see is not there.
///
/// # Errors
/// As [`decide`].
pub fn precheck(batch: &Batch<'_>, now: Timestamp, change: Change) -> Result<(), Undecided> {
    let Change::Record { identifier, action } = change else {
        return Err(Refusal::new(Reason::Internal).into());
    };
    let subject = Subject::find(batch, None, now, identifier)?;
    record(subject, action).map(|_| ())
}

/// The answer to an earlier request with the same id, if there was one.
fn first_answer(batch: &Batch<'_>, origin: &Origin) -> Result<Option<Applied>, Undecided> {
    let Some(Request { id, body }) = &origin.request else {
        return Ok(None);
    };
    let Some(row) = batch.request(id.as_str())? else {
        return Ok(None);
    };
    let age_millis = origin.now.millis().saturating_sub(row.time.millis());
    if age_millis >= REQUEST_ID_HOURS * 3_600_000 {
        return Ok(None);
    }
    if row.body != *body {
        let refusal = Refusal::new(Reason::RequestIdReused).field("request_id");
        return Err(refusal.value(id.as_str()).into());
    }
    Ok(Some(answered(&row)?))
}

fn answered(row: &RequestRow) -> Result<Applied, Error> {
    if row.effect == LINK_ANSWER {
        return link::first_answer(row);
    }
    if row.effect == ENTRY_ANSWER {
        return Ok(Applied::Entry(Batch::answered_entry(row)?));
    }
    Ok(match Effect::from_number(row.effect) {
        Some(effect) => Applied::Record {
            effect,
            record: Arc::new(Batch::answered_record(row)?),
        },
        None => Applied::Prefix(Arc::new(Batch::answered_prefix(row)?)),
    })
}

fn record(subject: Subject<'_>, action: RecordAction) -> Result<Decision, Undecided> {
    match action {
        RecordAction::Create {
            values,
            readers,
            reuse_deleted,
        } => match &subject.before {
            Some(_) => Err(subject.exists()),
            None => subject.create(Action::CreateRecord, (values, readers), reuse_deleted),
        },
        RecordAction::Replace {
            values,
            readers,
            etag,
            allow_missing,
        } => match &subject.before {
            None if allow_missing && etag.is_none() => {
                subject.create(Action::CreateRecord, (values, readers), false)
            }
            _ => subject.change(Action::ReplaceRecord, etag, Edit::Replace(values, readers)),
        },
        RecordAction::Import {
            values,
            readers,
            on_conflict,
        } => match (&subject.before, on_conflict) {
            (None, _) => subject.create(Action::ImportRecord, (values, readers), false),
            (Some(_), OnConflict::Fail) => Err(subject.exists()),
            (Some(record), OnConflict::Skip) => {
                subject.permit(Operation::Create(&subject.identifier))?;
                Ok(subject.keep(Effect::Skipped, record))
            }
            (Some(_), OnConflict::Update) => {
                subject.change(Action::ImportRecord, None, Edit::Replace(values, readers))
            }
        },
        RecordAction::AddValues { values, etag } => {
            subject.change(Action::AddValues, etag, Edit::Add(values))
        }
        RecordAction::ModifyValues { values, etag } => {
            subject.change(Action::ModifyValues, etag, Edit::Modify(values))
        }
        RecordAction::PutValues { values } => {
            subject.change(Action::ModifyValues, None, Edit::Put(values))
        }
        RecordAction::RemoveValues { indices, etag } => {
            subject.change(Action::RemoveValues, etag, Edit::Remove(indices))
        }
        RecordAction::SetReaders { readers, etag } => {
            subject.change(Action::SetReaders, etag, Edit::Readers(readers))
        }
        RecordAction::Delete { etag } => {
            let before = subject.present(etag)?;
            subject.permit(Operation::Delete(&before))?;
            let Subject {
                batch, row, key, ..
            } = subject;
            let uniques = under::released(batch, &row.entry, &before);
            Ok(Decision::Delete {
                key,
                row,
                before,
                uniques,
            })
        }
    }
}

/// The record that a command is about, and what surrounds it.
struct Subject<'a> {
    batch: &'a Batch<'a>,
    /// `None`: nobody in particular, who is refused nothing and sees what
    /// everyone sees.
    caller: Option<&'a Caller>,
    now: Timestamp,
    identifier: Identifier,
    row: PrefixRow,
    key: Key,
    /// Whether the caller sees restricted records of the prefix.
    sees: bool,
    /// The record, if it is there for the caller.
    before: Option<Arc<Record>>,
}

impl<'a> Subject<'a> {
    /// What is there for the caller of `identifier`, whose prefix is served here.
    fn find(
        batch: &'a Batch<'a>,
        caller: Option<&'a Caller>,
        now: Timestamp,
        identifier: Identifier,
    ) -> Result<Self, Undecided> {
        let canonical = identifier.prefix().canonical();
        let row = batch
            .prefix(&canonical)
            .ok_or_else(|| not_homed(identifier.prefix()))?;
        row.entry.serving()?;
        let key = identifier.key(row.entry.case);
        let sees = match caller {
            Some(caller) if row.counts.has_restricted() => {
                sees_to_change(caller, batch, &row.entry)?
            }
            Some(_) | None => false,
        };
        let mut before = batch.record(&key)?;
        if before.is_none()
            && sees
            && let Some(Restricted::Active(record)) = batch.restricted(&key)?
        {
            before = Some(record);
        }
        Ok(Self {
            batch,
            caller,
            now,
            identifier,
            row,
            key,
            sees,
            before,
        })
    }

    fn exists(&self) -> Undecided {
        Refusal::new(Reason::RecordExists)
            .field("name")
            .value(&self.identifier)
            .into()
    }

    /// The record as it is, if its revision is as asked.
    fn present(&self, wanted: Option<u64>) -> Result<Arc<Record>, Refusal> {
        let Some(record) = &self.before else {
            return Err(Refusal::new(Reason::RecordNotFound)
                .field("name")
                .value(&self.identifier));
        };
        check_etag(wanted, record.revision)?;
        Ok(Arc::clone(record))
    }

    /// Refuses unless the caller may do `operation`, as the records before this
    /// command say.
    fn permit(&self, operation: Operation<'_>) -> Result<(), Undecided> {
        let Some(caller) = self.caller else {
            return Ok(());
        };
        permit_record(caller, self.batch, operation).map_err(undecided)
    }

    fn keep(&self, effect: Effect, record: &Arc<Record>) -> Decision {
        Decision::Keep {
            applied: Applied::Record {
                effect,
                record: Arc::clone(record),
            },
            key: Some(self.key.clone()),
        }
    }

    /// Refuses one more identifier than the prefix may have, when it has `count`.
    fn check_quota(&self, count: u64) -> Result<(), Refusal> {
        match self.row.entry.quota {
            Some(quota) if count >= quota => Err(Refusal::new(Reason::QuotaExceeded)
                .value(&self.row.entry.prefix)
                .limit(quota)
                // Time alone frees none of them.
                .remaining(0, None)),
            Some(_) | None => Ok(()),
        }
    }

    fn deleted(&self) -> Undecided {
        Refusal::new(Reason::RecordDeleted)
            .field("name")
            .value(&self.identifier)
            .into()
    }

    /// What stays of a restricted record, if the name is not taken by one.
    fn restricted_tombstone(&self) -> Result<Option<Tombstone>, Undecided> {
        match self.batch.restricted(&self.key)? {
            Some(Restricted::Active(_)) => Err(self.exists()),
            Some(Restricted::Deleted(tombstone)) => Ok(Some(tombstone)),
            None => Ok(None),
        }
    }

    fn create(
        self,
        action: Action,
        (values, readers): (Vec<Value>, Option<Box<Readers>>),
        reuse_deleted: bool,
    ) -> Result<Decision, Undecided> {
        let mut revived = match self.row.counts.open_deleted() {
            0 => None,
            _ => self.batch.tombstone(&self.key)?,
        };
        if self.sees {
            revived = revived.or(self.restricted_tombstone()?);
        }
        if revived.is_some() && !reuse_deleted {
            return Err(self.deleted());
        }
        // By what everyone may know of; how much else there is, who may register.
        self.check_quota(self.row.counts.open())?;
        self.permit(Operation::Create(&self.identifier))?;
        // A name is given out once: who may register it learns that it is taken.
        if !self.sees && self.caller.is_some() && self.row.counts.has_restricted() {
            revived = revived.or(self.restricted_tombstone()?);
            if revived.is_some() && !reuse_deleted {
                return Err(self.deleted());
            }
        }
        if self.caller.is_some() {
            self.check_quota(self.row.counts.active)?;
        }
        let (values, uniques) = self.under_template(values, None)?;
        let named = Named {
            values: &values,
            readers: readers.as_deref(),
        };
        named.check(self.batch, &self.row.entry, None)?;
        let record = Record {
            identifier: self.identifier,
            values: dated(values, self.now, &[]),
            readers,
            revision: 0,
            created: self.now,
            changed: self.now,
        };
        Ok(Decision::Put {
            action,
            key: self.key,
            row: self.row,
            before: None,
            revived,
            record,
            uniques,
        })
    }

    /// Puts what `edit` makes of the record.
    fn change(
        self,
        action: Action,
        wanted: Option<u64>,
        edit: Edit,
    ) -> Result<Decision, Undecided> {
        let before = self.present(wanted)?;
        let mut permitted = self.permit(edit.operation(&before));
        if edit.sets_readers() {
            permitted = permitted.and_then(|()| self.permit(Edit::readers_operation(&before)));
        }
        // Whoever may not change it must not learn of a value that is not for all.
        let judged = match (&permitted, self.caller) {
            (Ok(()), Some(_)) => Arc::clone(&before),
            _ => without_readers(&before),
        };
        let Edited { values, readers } = edit.of(&judged)?;
        let values = checked_values(kept_apart(values, &judged))?;
        if values.is_empty() {
            return Err(Refusal::new(Reason::ValuesEmpty).field("indices").into());
        }
        // Whoever may not is told so last: the rules hold for everybody.
        permitted?;
        let (values, uniques) = self.under_template(values, Some(&before))?;
        // The clock may have been set back; the record's time is not.
        let now = self.now.max(before.changed);
        let values = dated(values, now, &before.values);
        if values == before.values && readers == before.readers {
            return Ok(self.keep(Effect::Unchanged, &before));
        }
        check_write_permission(&before, &values)?;
        let named = Named {
            values: &values,
            readers: readers.as_deref(),
        };
        named.check(self.batch, &self.row.entry, Some(&before))?;
        let record = Record {
            identifier: before.identifier.clone(),
            values,
            readers,
            revision: 0,
            created: before.created,
            changed: now,
        };
        Ok(Decision::Put {
            action,
            key: self.key,
            row: self.row,
            before: Some(before),
            revived: None,
            record,
            uniques,
        })
    }

    /// `values` as the template that they name has them. Comes behind the question
    /// who may: it tells of templates and of other records.
    fn under_template(
        &self,
        mut values: Vec<Value>,
        before: Option<&Record>,
    ) -> Result<(Vec<Value>, Uniques), Undecided> {
        if self.caller.is_none() {
            return Ok((values, Uniques::default()));
        }
        let candidate = Candidate {
            prefix: &self.row.entry,
            key: &self.key,
            values: &mut values,
            before,
        };
        let uniques = under::judge(self.batch, candidate)?;
        Ok((values, uniques))
    }
}

pub(super) fn undecided(denied: Denied) -> Undecided {
    match denied {
        Denied::Refused(refusal) => Undecided::Refused(refusal.field("name")),
        Denied::Store(error) => Undecided::Store(error),
    }
}

/// Refuses an etag that is not the current revision's.
pub(super) fn check_etag(wanted: Option<u64>, revision: u64) -> Result<(), Refusal> {
    match wanted {
        Some(wanted) if wanted != revision => Err(Refusal::new(Reason::StaleEtag)
            .field("etag")
            .value(etag(wanted))
            .limit(etag(revision))),
        _ => Ok(()),
    }
}

/// The record without its values that have readers: as everyone may know of it.
fn without_readers(record: &Arc<Record>) -> Arc<Record> {
    let mut record = Arc::clone(record);
    if record.values.iter().any(|value| value.readers.is_some()) {
        let values = &mut Arc::make_mut(&mut record).values;
        values.retain(|value| value.readers.is_none());
    }
    record
}

/// `values` with the readers that they had, where a value neither names readers
/// nor lets the public read: who writes by a protocol that knows of no readers
/// does not take them away.
fn kept_apart(mut values: Vec<Value>, before: &Record) -> Vec<Value> {
    for value in &mut values {
        if value.readers.is_none()
            && !value.permissions.public_read()
            && let Some(old) = before.value(value.index)
            && old.value_type == value.value_type
        {
            value.readers.clone_from(&old.readers);
        }
    }
    values
}

/// Refuses to change or remove a value that administrators may not write
/// (RFC 3651 §3.1); deleting the whole identifier is another matter.
fn check_write_permission(before: &Record, values: &[Value]) -> Result<(), Refusal> {
    let kept = |old: &Value| values.iter().any(|value| value == old);
    match before
        .values
        .iter()
        .find(|old| !old.permissions.admin_write() && !kept(old))
    {
        None => Ok(()),
        Some(old) => Err(Refusal::new(Reason::PermissionDenied)
            .field("values")
            .value(old.index)
            .limit(format!("value {} is read-only", old.index))),
    }
}
