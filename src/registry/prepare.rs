//! What can be judged of a change without the state: done by the caller's own
//! task, so that the writer does not have to.

use std::collections::HashSet;

use crate::model::prefix::{check_firm, check_note};
use crate::model::record::{Value, checked_values};
use crate::model::{Reason, Refusal};
use crate::registry::command::{Change, PrefixAction, RecordAction};

/// Checks a change and puts its values in order.
///
/// # Errors
/// [`Reason::FieldInvalid`] for readers of a prefix's record,
/// [`Reason::ValuesEmpty`], [`Reason::IndexZero`], [`Reason::IndexDuplicate`],
/// those of [`checked_values`], [`check_firm`] and [`check_note`].
pub fn prepare(change: Change) -> Result<Change, Refusal> {
    Ok(match change {
        Change::Record { identifier, action } => {
            if identifier.prefix().holds_prefix_records() && action.readers().is_some() {
                return Err(Refusal::new(Reason::FieldInvalid)
                    .field("readers")
                    .value(&identifier)
                    .limit("the record of a prefix is there for everyone"));
            }
            Change::Record {
                identifier,
                action: prepare_record(action)?,
            }
        }
        Change::Prefix { prefix, action } => {
            check_prefix(&action)?;
            Change::Prefix { prefix, action }
        }
        // Its values were checked when they were made.
        Change::Office(change) => Change::Office(change),
    })
}

fn prepare_record(action: RecordAction) -> Result<RecordAction, Refusal> {
    Ok(match action {
        RecordAction::Create {
            values,
            readers,
            reuse_deleted,
        } => RecordAction::Create {
            values: some_values(values)?,
            readers,
            reuse_deleted,
        },
        RecordAction::Replace {
            values,
            readers,
            etag,
            allow_missing,
        } => RecordAction::Replace {
            values: some_values(values)?,
            readers,
            etag,
            allow_missing,
        },
        RecordAction::Import {
            values,
            readers,
            on_conflict,
        } => RecordAction::Import {
            values: some_values(values)?,
            readers,
            on_conflict,
        },
        RecordAction::AddValues { values, etag } => RecordAction::AddValues {
            values: some_values(values)?,
            etag,
        },
        RecordAction::ModifyValues { values, etag } => RecordAction::ModifyValues {
            values: some_values(values)?,
            etag,
        },
        RecordAction::PutValues { values } => RecordAction::PutValues {
            values: some_values(values)?,
        },
        RecordAction::RemoveValues { indices, etag } => {
            check_indices(&indices)?;
            RecordAction::RemoveValues { indices, etag }
        }
        RecordAction::SetReaders { readers, etag } => RecordAction::SetReaders { readers, etag },
        RecordAction::Delete { etag } => RecordAction::Delete { etag },
    })
}

fn some_values(values: Vec<Value>) -> Result<Vec<Value>, Refusal> {
    if values.is_empty() {
        return Err(Refusal::new(Reason::ValuesEmpty).field("values"));
    }
    checked_values(values)
}

fn check_indices(indices: &[u32]) -> Result<(), Refusal> {
    if indices.is_empty() {
        return Err(Refusal::new(Reason::ValuesEmpty).field("indices"));
    }
    let mut seen = HashSet::with_capacity(indices.len().min(1024));
    for (position, index) in indices.iter().enumerate() {
        let refuse = |reason| {
            Refusal::new(reason)
                .field(format!("indices[{position}]"))
                .value(index)
        };
        if *index == 0 {
            return Err(refuse(Reason::IndexZero));
        }
        if !seen.insert(*index) {
            return Err(refuse(Reason::IndexDuplicate));
        }
    }
    Ok(())
}

fn check_prefix(action: &PrefixAction) -> Result<(), Refusal> {
    match action {
        PrefixAction::Create { firm, .. }
        | PrefixAction::Update {
            firm: Some(firm), ..
        } => check_firm(firm),
        PrefixAction::Suspend { reason, .. } => check_note(reason),
        PrefixAction::Update { firm: None, .. }
        | PrefixAction::Home { .. }
        | PrefixAction::Unhome { .. }
        | PrefixAction::Activate { .. } => Ok(()),
    }
}
