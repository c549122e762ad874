//! What a change makes of a record's values, and which rights it takes.

use crate::access::{Operation, value_bits};
use crate::model::data::AdminPermissions;
use crate::model::{Readers, Reason, Record, Refusal, Timestamp, Value};

/// A change of the values of a record that is there, or of its readers.
#[derive(Debug)]
pub(super) enum Edit {
    /// Replaces all, and the readers if some are given.
    Replace(Vec<Value>, Option<Box<Readers>>),
    /// Adds some at free indices.
    Add(Vec<Value>),
    /// Replaces some at taken indices.
    Modify(Vec<Value>),
    /// Adds some, in place of those that stand at their indices.
    Put(Vec<Value>),
    /// Removes some at taken indices.
    Remove(Vec<u32>),
    /// Sets the readers; `None`: everyone.
    Readers(Option<Box<Readers>>),
}

/// What an edit leaves.
#[derive(Debug)]
pub(super) struct Edited {
    pub(super) values: Vec<Value>,
    pub(super) readers: Option<Box<Readers>>,
}

impl Edit {
    /// What it is to whoever decides who may.
    ///
    /// What it asks for counts, not what differs: that a value is as asked
    /// already would tell it.
    pub(super) fn operation<'a>(&'a self, record: &'a Record) -> Operation<'a> {
        let bits = match self {
            Self::Replace(values, _) => return Operation::Replace(record, values),
            Self::Add(values) => united(values.iter().map(|value| value_bits(None, Some(value)))),
            Self::Modify(values) | Self::Put(values) => united(
                values
                    .iter()
                    .map(|value| value_bits(record.value(value.index), Some(value))),
            ),
            Self::Remove(indices) => united(
                indices
                    .iter()
                    .map(|index| value_bits(record.value(*index), None)),
            ),
            Self::Readers(_) => return Self::readers_operation(record),
        };
        Operation::Change(record, bits)
    }

    /// Whether it sets who may read the record.
    pub(super) fn sets_readers(&self) -> bool {
        match self {
            Self::Readers(_) | Self::Replace(_, Some(_)) => true,
            Self::Replace(_, None)
            | Self::Add(_)
            | Self::Modify(_)
            | Self::Put(_)
            | Self::Remove(_) => false,
        }
    }

    /// What setting who may read `record` is to whoever decides who may.
    pub(super) fn readers_operation(record: &Record) -> Operation<'_> {
        Operation::Change(record, AdminPermissions::MODIFY_ADMIN)
    }

    /// What it leaves.
    ///
    /// # Errors
    /// `IndexExists`, `IndexMissing`.
    pub(super) fn of(self, record: &Record) -> Result<Edited, Refusal> {
        let mut readers = record.readers.clone();
        let values = match self {
            Self::Replace(values, given) => {
                readers = given.or(readers);
                values
            }
            Self::Add(values) => add(record, values)?,
            Self::Modify(values) => modify(record, values)?,
            Self::Put(values) => put(record, values),
            Self::Remove(indices) => remove(record, &indices)?,
            Self::Readers(given) => {
                readers = given;
                record.values.clone()
            }
        };
        Ok(Edited { values, readers })
    }
}

fn united(bits: impl Iterator<Item = u16>) -> u16 {
    bits.fold(0, |all, bits| all | bits)
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

fn put(record: &Record, values: Vec<Value>) -> Vec<Value> {
    let stays = |old: &&Value| values.iter().all(|new| new.index != old.index);
    let kept: Vec<Value> = record.values.iter().filter(stays).cloned().collect();
    kept.into_iter().chain(values).collect()
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

/// `values` with their times: that of the same value before, else `now`.
pub(super) fn dated(mut values: Vec<Value>, now: Timestamp, before: &[Value]) -> Vec<Value> {
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
