//! Whether the rules allow a command, given everything before it.

use std::sync::Arc;

use crate::model::limits::REQUEST_ID_HOURS;
use crate::model::record::checked_values;
use crate::model::{
    Identifier, Key, Prefix, PrefixEntry, PrefixState, Reason, Record, Refusal, Timestamp,
    Tombstone, Value,
};
use crate::registry::audit::Action;
use crate::registry::command::{
    Applied, Change, Effect, OnConflict, Origin, PrefixAction, RecordAction, Request, etag,
};
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
    if let Some(first) = first_answer(batch, origin)? {
        return Ok(Decision::Repeat(first));
    }
    match change {
        Change::Record { identifier, action } => record(batch, origin.now, identifier, action),
        Change::Prefix { prefix, action } => Ok(self::prefix(batch, origin.now, &prefix, &action)?),
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
    now: Timestamp,
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
        now,
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
            _ => subject.change(Action::ReplaceRecord, etag, |_| Ok(values)),
        },
        RecordAction::Import {
            values,
            on_conflict,
        } => match (&subject.before, on_conflict) {
            (None, _) => subject.create(Action::ImportRecord, values, false),
            (Some(_), OnConflict::Fail) => Err(subject.exists()),
            (Some(record), OnConflict::Skip) => Ok(subject.keep(Effect::Skipped, record)),
            (Some(_), OnConflict::Update) => {
                subject.change(Action::ImportRecord, None, |_| Ok(values))
            }
        },
        RecordAction::AddValues { values, etag } => {
            subject.change(Action::AddValues, etag, |record| add(record, values))
        }
        RecordAction::ModifyValues { values, etag } => {
            subject.change(Action::ModifyValues, etag, |record| modify(record, values))
        }
        RecordAction::RemoveValues { indices, etag } => {
            subject.change(Action::RemoveValues, etag, |record| {
                remove(record, &indices)
            })
        }
        RecordAction::Delete { etag } => {
            let before = subject.present(etag)?;
            let Subject { row, key, .. } = subject;
            Ok(Decision::Delete { key, row, before })
        }
    }
}

/// The record that a command is about, and what surrounds it.
struct Subject<'a> {
    batch: &'a Batch<'a>,
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

    /// Puts the values that `values_of` makes of the record's.
    fn change(
        self,
        action: Action,
        wanted: Option<u64>,
        values_of: impl FnOnce(&Record) -> Result<Vec<Value>, Refusal>,
    ) -> Result<Decision, Undecided> {
        let before = self.present(wanted)?;
        let values = checked_values(values_of(&before)?)?;
        if values.is_empty() {
            return Err(Refusal::new(Reason::ValuesEmpty).field("indices").into());
        }
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

fn check_etag(wanted: Option<u64>, revision: u64) -> Result<(), Refusal> {
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

fn add(record: &Record, values: Vec<Value>) -> Result<Vec<Value>, Refusal> {
    let taken = values
        .iter()
        .find(|value| record.value(value.index).is_some());
    if let Some(taken) = taken {
        let refusal = Refusal::new(Reason::IndexExists).field("values");
        return Err(refusal.value(taken.index));
    }
    Ok(record.values.iter().cloned().chain(values).collect())
}

fn modify(record: &Record, values: Vec<Value>) -> Result<Vec<Value>, Refusal> {
    let mut changed = record.values.clone();
    for value in values {
        let old = changed
            .iter_mut()
            .find(|old| old.index == value.index)
            .ok_or_else(|| {
                Refusal::new(Reason::IndexMissing)
                    .field("values")
                    .value(value.index)
            })?;
        *old = value;
    }
    Ok(changed)
}

fn remove(record: &Record, indices: &[u32]) -> Result<Vec<Value>, Refusal> {
    if let Some(missing) = indices.iter().find(|index| record.value(**index).is_none()) {
        return Err(Refusal::new(Reason::IndexMissing)
            .field("indices")
            .value(missing));
    }
    Ok(record
        .values
        .iter()
        .filter(|value| !indices.contains(&value.index))
        .cloned()
        .collect())
}

fn not_homed(prefix: &Prefix) -> Refusal {
    Refusal::new(Reason::PrefixNotHomed)
        .field("prefix")
        .value(prefix)
}

fn prefix(
    batch: &Batch<'_>,
    now: Timestamp,
    prefix: &Prefix,
    action: &PrefixAction,
) -> Result<Decision, Refusal> {
    let before = batch.prefix(&prefix.canonical());
    if let PrefixAction::Create {
        firm,
        case,
        quota,
        home,
    } = action
    {
        if before.is_some() {
            return Err(Refusal::new(Reason::PrefixExists)
                .field("name")
                .value(prefix));
        }
        let state = if *home {
            PrefixState::Active
        } else {
            PrefixState::Registered
        };
        let entry = PrefixEntry {
            prefix: prefix.clone(),
            firm: firm.clone(),
            state,
            case: *case,
            quota: *quota,
            revision: 0,
            created: now,
            changed: now,
        };
        return Ok(Decision::PutPrefix {
            action: Action::CreatePrefix,
            before,
            entry,
        });
    }
    let row = before.ok_or_else(|| not_homed(prefix))?;
    let mut entry = PrefixEntry {
        changed: now.max(row.entry.changed),
        ..PrefixEntry::clone(&row.entry)
    };
    let action = change_prefix(&row, &mut entry, action)?;
    let unchanged = PrefixEntry {
        changed: row.entry.changed,
        ..entry.clone()
    } == *row.entry;
    if unchanged {
        return Ok(Decision::Keep {
            key: None,
            applied: Applied::Prefix(row.entry),
        });
    }
    Ok(Decision::PutPrefix {
        action,
        before: Some(row),
        entry,
    })
}

/// Makes `entry` what `action` asks for.
fn change_prefix(
    row: &PrefixRow,
    entry: &mut PrefixEntry,
    action: &PrefixAction,
) -> Result<Action, Refusal> {
    match action {
        PrefixAction::Create { .. } => Ok(Action::CreatePrefix),
        PrefixAction::Update {
            firm,
            case,
            quota,
            etag,
        } => {
            check_etag(*etag, row.entry.revision)?;
            let identifiers = row.active.saturating_add(row.deleted);
            if case.is_some_and(|case| case != entry.case) && identifiers > 0 {
                return Err(Refusal::new(Reason::PrefixNotEmpty)
                    .field("suffix_case")
                    .value(&entry.prefix)
                    .limit(identifiers));
            }
            entry.firm = firm.clone().unwrap_or_else(|| entry.firm.clone());
            entry.case = case.unwrap_or(entry.case);
            entry.quota = quota.unwrap_or(entry.quota);
            Ok(Action::UpdatePrefix)
        }
        PrefixAction::Home { etag } => {
            check_etag(*etag, row.entry.revision)?;
            step(
                entry,
                &|state| *state == PrefixState::Registered,
                PrefixState::Active,
            )?;
            Ok(Action::HomePrefix)
        }
        PrefixAction::Unhome { etag } => {
            check_etag(*etag, row.entry.revision)?;
            step(
                entry,
                &|state| *state == PrefixState::Active,
                PrefixState::Registered,
            )?;
            Ok(Action::UnhomePrefix)
        }
        PrefixAction::Suspend { reason, etag } => {
            check_etag(*etag, row.entry.revision)?;
            let suspended = PrefixState::Suspended {
                reason: reason.clone(),
            };
            step(entry, &|state| *state == PrefixState::Active, suspended)?;
            Ok(Action::SuspendPrefix)
        }
        PrefixAction::Activate { etag } => {
            check_etag(*etag, row.entry.revision)?;
            let from = |state: &PrefixState| matches!(state, PrefixState::Suspended { .. });
            step(entry, &from, PrefixState::Active)?;
            Ok(Action::ActivatePrefix)
        }
    }
}

/// Moves `entry` to the state `to` if `from` allows it.
fn step(
    entry: &mut PrefixEntry,
    from: &dyn Fn(&PrefixState) -> bool,
    to: PrefixState,
) -> Result<(), Refusal> {
    if !from(&entry.state) {
        let name = match entry.state {
            PrefixState::Registered => "registered",
            PrefixState::Active => "active",
            PrefixState::Suspended { .. } => "suspended",
        };
        return Err(Refusal::new(Reason::PrefixState)
            .value(&entry.prefix)
            .limit(name));
    }
    entry.state = to;
    Ok(())
}
