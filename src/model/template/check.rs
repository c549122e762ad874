//! Whether the values of a record are what its template says: every fault at
//! once.

use crate::model::fault::{Reason, Refusal};
use crate::model::limits::{FAULTS_MAX, ITEM_INDEX_MIN};
use crate::model::record::{Permissions, Value};
use crate::model::template::item::{Item, ItemState};
use crate::model::template::version::Version;

/// The record as it is before a change, as far as that matters to a check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before<'a> {
    /// Its values, ascending by index; none of a new record.
    pub values: &'a [Value],
    /// Whether it stands under the same version of the same template: then what
    /// does not change was judged when it came.
    pub is_same_version: bool,
}

impl Before<'_> {
    /// Whether the record had this value's type and data at its index.
    pub fn has(&self, value: &Value) -> bool {
        let at = self
            .values
            .binary_search_by_key(&value.index, |old| old.index);
        let old = at.ok().and_then(|at| self.values.get(at));
        old.is_some_and(|old| old.data == value.data && old.value_type == value.value_type)
    }
}

impl Version {
    /// Checks the values of a record, ascending by index, that stands under this
    /// version or is to. Indices below [`ITEM_INDEX_MIN`] are not the template's.
    ///
    /// # Errors
    /// Each fault, at most [`FAULTS_MAX`], its field as `values[index=2004].data`:
    /// [`Reason::ItemMissing`], [`Reason::ItemUnknown`], [`Reason::ItemDisabled`],
    /// [`Reason::ItemTypeWrong`], [`Reason::ItemForm`], [`Reason::ItemLength`],
    /// [`Reason::ItemOutOfRange`], [`Reason::ItemPattern`],
    /// [`Reason::ItemCodeUnknown`], [`Reason::ItemCount`].
    pub fn check(&self, values: &[Value], before: Before<'_>) -> Result<(), Vec<Refusal>> {
        let first = values.partition_point(|value| value.index < ITEM_INDEX_MIN);
        let values = values.get(first..).unwrap_or_default();
        let missing = self
            .items()
            .iter()
            .filter(|item| item.is_required() && !has(values, item.index()))
            .map(|item| {
                Refusal::new(Reason::ItemMissing)
                    .field(format!("values[index={}]", item.index()))
                    .value(item.name())
                    .limit(item.index())
            });
        let mut faults: Vec<Refusal> = missing.collect();
        for value in values {
            let is_kept = before.has(value);
            if is_kept && before.is_same_version {
                continue;
            }
            self.check_value(value, is_kept, &mut faults);
            if faults.len() >= FAULTS_MAX {
                break;
            }
        }
        faults.truncate(FAULTS_MAX);
        if faults.is_empty() {
            return Ok(());
        }
        Err(faults)
    }

    fn check_value(&self, value: &Value, is_kept: bool, faults: &mut Vec<Refusal>) {
        let refuse = |reason, field: &str| {
            Refusal::new(reason).field(format!("values[index={}]{field}", value.index))
        };
        let Some(item) = self.item(value.index) else {
            let refusal = refuse(Reason::ItemUnknown, ".index");
            faults.push(refusal.value(value.index));
            return;
        };
        if value.value_type != *item.name() {
            let refusal = refuse(Reason::ItemTypeWrong, ".type");
            faults.push(refusal.value(value.index).limit(item.name()));
        }
        if item.state() == ItemState::Disabled && !is_kept {
            let refusal = refuse(Reason::ItemDisabled, ".index");
            faults.push(refusal.value(value.index).limit(item.name()));
            return;
        }
        let Err(flaws) = item.check(&value.data) else {
            return;
        };
        for (reason, rule) in flaws {
            let refusal = refuse(reason, ".data").limit(format!("{}: {rule}", item.name()));
            // A value that was there may be one that the caller may not read.
            faults.push(if is_kept {
                refusal.value(format_args!("at {}", value.index))
            } else {
                refusal.value(String::from_utf8_lossy(&value.data))
            });
        }
    }

    /// Gives the values of items that are not for everyone the readers of their
    /// items; a value that has readers of its own keeps them.
    pub fn set_readers(&self, values: &mut [Value]) {
        for value in values {
            if value.readers.is_none()
                && let Some(readers) = self.item(value.index).and_then(Item::readers)
            {
                value.readers = Some(Box::new(readers.clone()));
                let bits = value.permissions.bits() & !Permissions::PUBLIC_READ;
                value.permissions = Permissions::from_bits(bits);
            }
        }
    }

    /// What of `values`, ascending by index, no other record under the prefix may
    /// have: index and form of each unique item, in order. Values that break the
    /// item's rules have none.
    pub fn uniques(&self, values: &[Value]) -> Vec<(u32, String)> {
        let mut uniques = Vec::new();
        for item in self.items().iter().filter(|item| item.is_unique()) {
            let at = values.binary_search_by_key(&item.index(), |value| value.index);
            let value = at.ok().and_then(|at| values.get(at));
            let forms = value.and_then(|value| forms(item, value));
            let forms = forms.into_iter().flatten();
            uniques.extend(forms.map(|form| (item.index(), form)));
        }
        uniques
    }
}

fn has(values: &[Value], index: u32) -> bool {
    values
        .binary_search_by_key(&index, |value| value.index)
        .is_ok()
}

fn forms(item: &Item, value: &Value) -> Option<Vec<String>> {
    (value.value_type == *item.name()).then(|| item.check(&value.data).ok())?
}

/// One refusal of several faults: the fault itself if it is the only one, else
/// [`Reason::TemplateFaults`] that lists them.
pub fn refusal_of(mut faults: Vec<Refusal>) -> Option<Refusal> {
    if faults.len() < 2 {
        return faults.pop();
    }
    let count = faults.len();
    Some(
        Refusal::new(Reason::TemplateFaults)
            .value(count)
            .faults(faults),
    )
}
