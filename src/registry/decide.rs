//! Whether the rules allow a command, given everything before it.

use std::sync::Arc;

use crate::access::{Action as Access, Denied, Operation, permit, permit_record, renewed};
use crate::model::limits::REQUEST_ID_HOURS;
use crate::model::record::checked_values;
use crate::model::{
    Caller, Identifier, Key, PrefixEntry, Reason, Record, Refusal, Timestamp, Tombstone, Value, Who,
};
use crate::registry::audit::Action;
use crate::registry::command::{
    Applied, Change, Effect, OnConflict, Origin, RecordAction, Request, etag,
};
use crate::registry::decide_prefix::{decide_prefix, not_homed};
use crate::registry::edit::Edit;
use crate::registry::office::{self, ENTRY_ANSWER, OfficeDecision};
use crate::store::codec_types::RequestRow;
use crate::store::{Batch, Error, PrefixRow};

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
    },
    /// A record is deleted.
    Delete {
        /// Under which key.
        key: Key,
        /// Its prefix.
        row: PrefixRow,
        /// The record.
        before: Arc<Record>,
    },
    /// Entries of the directory, and what belongs to them, are put or removed.
    Office(Box<OfficeDecision>),
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
    let renewed = match &origin.caller.who {
        Who::Member(_) => Some(Origin {
            caller: renewed(&origin.caller, batch, origin.now)?,
            ..origin.clone()
        }),
        Who::Anonymous | Who::Operator(_) | Who::Identity(_) | Who::Guest(_) => None,
    };
    let origin = renewed.as_ref().unwrap_or(origin);
    if let Some(first) = first_answer(batch, origin)? {
        return Ok(Decision::Repeat(first));
    }
    match change {
        Change::Record { identifier, action } => record(batch, origin, identifier, action),
        Change::Prefix { prefix, action } => {
            permit(&origin.caller, Access::ManagePrefixes)?;
            Ok(decide_prefix(batch, origin.now, &prefix, &action)?)
        }
        Change::Office(change) => office::decide(batch, origin, change),
    }
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

fn record(
    batch: &Batch<'_>,
    origin: &Origin,
    identifier: Identifier,
    action: RecordAction,
) -> Result<Decision, Undecided> {
    let canonical = identifier.prefix().canonical();
    let row = batch
        .prefix(&canonical)
        .ok_or_else(|| not_homed(identifier.prefix()))?;
    row.entry.serving()?;
    let key = identifier.key(row.entry.case);
    let before = batch.record(&key)?;
    let subject = Subject {
        batch,
        caller: &origin.caller,
        now: origin.now,
        identifier,
        row,
        key,
        before,
    };
    match action {
        RecordAction::Create {
            values,
            reuse_deleted,
        } => match &subject.before {
            Some(_) => Err(subject.exists()),
            None => subject.create(Action::CreateRecord, values, reuse_deleted),
        },
        RecordAction::Replace {
            values,
            etag,
            allow_missing,
        } => match &subject.before {
            None if allow_missing && etag.is_none() => {
                subject.create(Action::CreateRecord, values, false)
            }
            _ => subject.change(Action::ReplaceRecord, etag, Edit::Replace(values)),
        },
        RecordAction::Import {
            values,
            on_conflict,
        } => match (&subject.before, on_conflict) {
            (None, _) => subject.create(Action::ImportRecord, values, false),
            (Some(_), OnConflict::Fail) => Err(subject.exists()),
            (Some(record), OnConflict::Skip) => {
                subject.permit(Operation::Create(&subject.identifier))?;
                Ok(subject.keep(Effect::Skipped, record))
            }
            (Some(_), OnConflict::Update) => {
                subject.change(Action::ImportRecord, None, Edit::Replace(values))
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
        RecordAction::Delete { etag } => {
            let before = subject.present(etag)?;
            subject.permit(Operation::Delete(&before))?;
            let Subject { row, key, .. } = subject;
            Ok(Decision::Delete { key, row, before })
        }
    }
}

/// The record that a command is about, and what surrounds it.
struct Subject<'a> {
    batch: &'a Batch<'a>,
    caller: &'a Caller,
    now: Timestamp,
    identifier: Identifier,
    row: PrefixRow,
    key: Key,
    before: Option<Arc<Record>>,
}

impl Subject<'_> {
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
        permit_record(self.caller, self.batch, operation).map_err(|denied| match denied {
            Denied::Refused(refusal) => Undecided::Refused(refusal.field("name")),
            Denied::Store(error) => Undecided::Store(error),
        })
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

    fn create(
        self,
        action: Action,
        values: Vec<Value>,
        reuse_deleted: bool,
    ) -> Result<Decision, Undecided> {
        let revived = self.batch.tombstone(&self.key)?;
        if revived.is_some() && !reuse_deleted {
            let refusal = Refusal::new(Reason::RecordDeleted).field("name");
            return Err(refusal.value(&self.identifier).into());
        }
        if let Some(quota) = self.row.entry.quota
            && self.row.active >= quota
        {
            let refusal = Refusal::new(Reason::QuotaExceeded).value(&self.row.entry.prefix);
            return Err(refusal.limit(quota).into());
        }
        self.permit(Operation::Create(&self.identifier))?;
        let record = Record {
            identifier: self.identifier,
            values: dated(values, self.now, &[]),
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
        })
    }

    /// Puts the values that `edit` makes of the record's.
    fn change(
        self,
        action: Action,
        wanted: Option<u64>,
        edit: Edit,
    ) -> Result<Decision, Undecided> {
        let before = self.present(wanted)?;
        let permitted = self.permit(edit.operation(&before));
        let values = checked_values(edit.of(&before)?)?;
        if values.is_empty() {
            return Err(Refusal::new(Reason::ValuesEmpty).field("indices").into());
        }
        // Whoever may not is told so last: the rules hold for everybody.
        permitted?;
        // The clock may have been set back; the record's time is not.
        let now = self.now.max(before.changed);
        let values = dated(values, now, &before.values);
        if values == before.values {
            return Ok(self.keep(Effect::Unchanged, &before));
        }
        check_write_permission(&before, &values)?;
        let record = Record {
            identifier: before.identifier.clone(),
            values,
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
        })
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

/// `values` with their times: that of the same value before, else `now`.
fn dated(mut values: Vec<Value>, now: Timestamp, before: &[Value]) -> Vec<Value> {
    for value in &mut values {
        let same = before
            .binary_search_by_key(&value.index, |old| old.index)
            .ok()
            .and_then(|at| before.get(at))
            .filter(|old| old.same_content(value));
        value.changed = same.map_or(now, |old| old.changed);
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
