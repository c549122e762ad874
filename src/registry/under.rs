//! Records under templates: which one a record names, whether its values are what
//! it says, and which of them no other record may have.
//!
//! A record names its template by value 1000 and the version by value 1001.

use std::collections::HashSet;
use std::sync::Arc;

use crate::model::limits::{
    FAULTS_MAX, TEMPLATE_INDEX, TEMPLATE_VERSION_INDEX, VALUES_PER_RECORD_MAX,
};
use crate::model::record::{TEMPLATE_TYPE, TEMPLATE_VERSION_TYPE};
use crate::model::template::{Before, Template, Version, named, refusal_of, value_of};
use crate::model::{Key, PrefixEntry, Reason, Record, Refusal, Value, ValueType};
use crate::registry::decide::Undecided;
use crate::registry::template;
use crate::store::{Batch, Error, UniqueKey};

/// Rows of the index of unique values that a change puts and removes; they are of
/// the record's own key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uniques {
    /// To put.
    pub put: Vec<UniqueKey>,
    /// To remove, where they are the record's.
    pub removed: Vec<UniqueKey>,
}

/// A record that is about to be put.
pub(super) struct Candidate<'a> {
    /// Its prefix.
    pub(super) prefix: &'a PrefixEntry,
    /// Its key.
    pub(super) key: &'a Key,
    /// Its values, ascending by index.
    pub(super) values: &'a mut Vec<Value>,
    /// The record as it is.
    pub(super) before: Option<&'a Record>,
}

/// Judges a record by its template, adds the value that names the version where a
/// new record has none, and says what changes in the index of unique values.
///
/// # Errors
/// Every fault at once: [`Reason::TemplateUnknown`],
/// [`Reason::TemplateVersionUnknown`], [`Reason::TemplateVersionAlone`], those of
/// [`Version::check`], [`Reason::ItemNotUnique`].
pub(super) fn judge(batch: &Batch<'_>, candidate: Candidate<'_>) -> Result<Uniques, Undecided> {
    let Candidate {
        prefix,
        key,
        values,
        before,
    } = candidate;
    let old_values = before.map_or(&[][..], |before| &before.values);
    let old = named(old_values).and_then(|(id, version)| found(batch, prefix, id, version?));
    let Some(new) = named(values) else {
        if value_of(values, TEMPLATE_VERSION_INDEX, TEMPLATE_VERSION_TYPE).is_some() {
            return Err(fault_at(TEMPLATE_VERSION_INDEX, Reason::TemplateVersionAlone).into());
        }
        return Ok(changes(prefix, (old.as_ref(), old_values), (None, &[])).0);
    };
    let (id, version) = new;
    let id = id.to_owned();
    let new = chosen(batch, prefix, &id, version, old.as_ref())?;
    add_version(values, new.number)?;
    let known = Before {
        values: old_values,
        is_same_version: old.as_ref().is_some_and(|old| old.is(&new)),
    };
    let mut faults = new.version.check(values, known).err().unwrap_or_default();
    let (uniques, items) = changes(prefix, (old.as_ref(), old_values), (Some(&new), values));
    for (row, index) in uniques.put.iter().zip(items) {
        if batch
            .unique(row)?
            .is_some_and(|owner| owner != key.suffix())
        {
            faults.push(taken(&new.version, values, index, known));
        }
    }
    faults.truncate(FAULTS_MAX);
    if let Some(refusal) = refusal_of(faults) {
        return Err(refusal.into());
    }
    new.version.set_readers(values);
    Ok(uniques)
}

/// What a record that is deleted leaves of the index of unique values.
pub(super) fn released(batch: &Batch<'_>, prefix: &PrefixEntry, record: &Record) -> Uniques {
    let old = named(&record.values).and_then(|(id, version)| found(batch, prefix, id, version?));
    changes(prefix, (old.as_ref(), &record.values), (None, &[])).0
}

/// Puts and removes rows of the index of unique values for the record under `key`.
///
/// # Errors
/// [`Error`] if the store cannot be read.
pub(super) fn index(batch: &mut Batch<'_>, key: &Key, uniques: Uniques) -> Result<(), Error> {
    let Uniques { put, removed } = uniques;
    for row in removed {
        // A record from before its template was made has values without rows.
        if batch
            .unique(&row)?
            .is_some_and(|owner| owner == key.suffix())
        {
            batch.put_unique(row, None)?;
        }
    }
    for row in put {
        batch.put_unique(row, Some(key.suffix().to_vec()))?;
    }
    Ok(())
}

/// A version of a template, as a record names it.
struct Named {
    id: String,
    number: u32,
    version: Arc<Version>,
}

impl Named {
    fn is(&self, other: &Self) -> bool {
        self.id == other.id && self.number == other.number
    }
}

/// The template `id` if records under `prefix` may stand under it.
fn usable(batch: &Batch<'_>, prefix: &PrefixEntry, id: &str) -> Option<Arc<Template>> {
    template::find(batch, id).filter(|template| template.is_for(prefix.holder.as_ref()))
}

/// The version that a stored record stands under, if there is such a one.
fn found(batch: &Batch<'_>, prefix: &PrefixEntry, id: &str, version: &str) -> Option<Named> {
    let template = usable(batch, prefix, id)?;
    let (number, published) = template.version_named(version)?;
    Some(Named {
        id: id.to_owned(),
        number,
        version: Arc::clone(&published.version),
    })
}

/// The version that a record is to stand under: the one it names; else the one that
/// it had of the same template; else the latest.
fn chosen(
    batch: &Batch<'_>,
    prefix: &PrefixEntry,
    id: &str,
    version: Option<&str>,
    old: Option<&Named>,
) -> Result<Named, Refusal> {
    let template = usable(batch, prefix, id).ok_or_else(|| {
        fault_at(TEMPLATE_INDEX, Reason::TemplateUnknown)
            .value(id)
            .limit(&prefix.prefix)
    })?;
    let numbered = |number| Some((number, template.version(number)?));
    let published = match (version, old.filter(|old| old.id == id)) {
        (Some(text), _) => template.version_named(text),
        (None, Some(old)) => numbered(old.number),
        (None, None) => numbered(template.latest().0),
    };
    let Some((number, published)) = published else {
        return Err(
            fault_at(TEMPLATE_VERSION_INDEX, Reason::TemplateVersionUnknown)
                .value(version.unwrap_or_default())
                .limit(id),
        );
    };
    Ok(Named {
        id: id.to_owned(),
        number,
        version: Arc::clone(&published.version),
    })
}

/// Adds the value that names the version, like the one that names the template.
fn add_version(values: &mut Vec<Value>, number: u32) -> Result<(), Refusal> {
    let Err(at) = values.binary_search_by_key(&TEMPLATE_VERSION_INDEX, |value| value.index) else {
        return Ok(());
    };
    let template = value_of(values, TEMPLATE_INDEX, TEMPLATE_TYPE);
    let Some(template) = template.cloned() else {
        return Ok(());
    };
    if values.len() >= VALUES_PER_RECORD_MAX {
        return Err(Refusal::new(Reason::ValuesTooMany)
            .field("values")
            .value(values.len() + 1)
            .limit(VALUES_PER_RECORD_MAX));
    }
    let version = Value {
        index: TEMPLATE_VERSION_INDEX,
        value_type: ValueType::parse(TEMPLATE_VERSION_TYPE)?,
        data: number.to_string().into_bytes(),
        references: Vec::new(),
        ..template
    };
    values.insert(at, version);
    Ok(())
}

/// One side of a change: values, and the version that they stand under.
type Side<'a> = (Option<&'a Named>, &'a [Value]);

/// Rows that come and go, and for each that comes the index of its item.
fn changes(prefix: &PrefixEntry, old: Side<'_>, new: Side<'_>) -> (Uniques, Vec<u32>) {
    if let (None, None) = (old.0, new.0) {
        return Default::default();
    }
    let (old, new) = (rows(prefix, old), rows(prefix, new));
    let stays: HashSet<&UniqueKey> = new.iter().map(|(row, _)| row).collect();
    let was: HashSet<&UniqueKey> = old.iter().map(|(row, _)| row).collect();
    let gone = old.iter().filter(|(row, _)| !stays.contains(row));
    let removed = gone.map(|(row, _)| row.clone()).collect();
    let come = new.iter().filter(|(row, _)| !was.contains(row));
    let (put, items) = come.map(|(row, index)| (row.clone(), *index)).unzip();
    (Uniques { put, removed }, items)
}

/// The rows of values that no other record under the prefix may have, each with
/// the index of its item.
fn rows(prefix: &PrefixEntry, (named, values): Side<'_>) -> Vec<(UniqueKey, u32)> {
    let Some(named) = named else {
        return Vec::new();
    };
    let canonical = prefix.prefix.canonical();
    UniqueKey::all_of(&canonical, (&named.id, &named.version), values)
}

fn fault_at(index: u32, reason: Reason) -> Refusal {
    Refusal::new(reason).field(format!("values[index={index}].data"))
}

/// The fault of a value that another record has; never which record that is.
fn taken(version: &Version, values: &[Value], index: u32, known: Before<'_>) -> Refusal {
    let name = version.item(index).map(|item| item.name().to_string());
    let refusal = fault_at(index, Reason::ItemNotUnique).limit(name.unwrap_or_default());
    let at = values.binary_search_by_key(&index, |value| value.index);
    match at.ok().and_then(|at| values.get(at)) {
        // A value that was there may be one that the caller may not read.
        Some(value) if !known.has(value) => refusal.value(String::from_utf8_lossy(&value.data)),
        Some(_) | None => refusal.value(format_args!("at {index}")),
    }
}
