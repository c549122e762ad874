//! What is asked of the registry, and what a plain map makes of it.

use std::collections::BTreeMap;

use idnode::model::Reason;
use idnode::node::{Change, OnConflict, RecordAction};
use proptest::prelude::*;

use super::{record_change, value};

#[derive(Clone, Debug)]
pub(super) enum Step {
    Create {
        name: u8,
        data: u8,
        reuse: bool,
    },
    Replace {
        name: u8,
        data: u8,
        missing: bool,
    },
    Import {
        name: u8,
        data: u8,
        on_conflict: OnConflict,
    },
    Add {
        name: u8,
        index: u32,
        data: u8,
    },
    Modify {
        name: u8,
        index: u32,
        data: u8,
    },
    Remove {
        name: u8,
        index: u32,
    },
    Delete {
        name: u8,
        stale: bool,
    },
    Reopen,
}

pub(super) fn any_step() -> impl Strategy<Value = Step> {
    let name = 0u8..6;
    let index = 1u32..5;
    let on_conflict = prop_oneof![
        Just(OnConflict::Fail),
        Just(OnConflict::Skip),
        Just(OnConflict::Update)
    ];
    prop_oneof![
        4 => (name.clone(), 0u8..3, any::<bool>()).prop_map(|(name, data, reuse)| Step::Create { name, data, reuse }),
        2 => (name.clone(), 0u8..3, any::<bool>()).prop_map(|(name, data, missing)| Step::Replace { name, data, missing }),
        2 => (name.clone(), 0u8..3, on_conflict).prop_map(|(name, data, on_conflict)| Step::Import { name, data, on_conflict }),
        2 => (name.clone(), index.clone(), 0u8..3).prop_map(|(name, index, data)| Step::Add { name, index, data }),
        2 => (name.clone(), index.clone(), 0u8..3).prop_map(|(name, index, data)| Step::Modify { name, index, data }),
        2 => (name.clone(), index).prop_map(|(name, index)| Step::Remove { name, index }),
        3 => (name, any::<bool>()).prop_map(|(name, stale)| Step::Delete { name, stale }),
        1 => Just(Step::Reopen),
    ]
}

/// What the plain map says of each name: its values, or that it was deleted.
pub(super) type Plain = BTreeMap<u8, Option<BTreeMap<u32, String>>>;

pub(super) const QUOTA: usize = 4;

#[expect(
    clippy::too_many_lines,
    reason = "one arm a step: the table reads as a whole"
)]
pub(super) fn expected(plain: &mut Plain, step: &Step) -> Result<(), Reason> {
    let active = plain.values().flatten().count();
    let create = |plain: &mut Plain, name: u8, data: u8, reuse: bool| {
        match plain.get(&name) {
            Some(Some(_)) => return Err(Reason::RecordExists),
            Some(None) if !reuse => return Err(Reason::RecordDeleted),
            _ if active >= QUOTA => return Err(Reason::QuotaExceeded),
            _ => {}
        }
        plain.insert(name, Some(BTreeMap::from([(1, data.to_string())])));
        Ok(())
    };
    let present = |plain: &Plain, name: u8| {
        plain
            .get(&name)
            .and_then(Option::clone)
            .ok_or(Reason::RecordNotFound)
    };
    match *step {
        Step::Create { name, data, reuse } => create(plain, name, data, reuse),
        Step::Replace {
            name,
            data,
            missing,
        } => match present(plain, name) {
            Err(_) if missing => create(plain, name, data, false),
            Err(reason) => Err(reason),
            Ok(_) => {
                plain.insert(name, Some(BTreeMap::from([(1, data.to_string())])));
                Ok(())
            }
        },
        Step::Import {
            name,
            data,
            on_conflict,
        } => match (present(plain, name), on_conflict) {
            (Err(_), _) => create(plain, name, data, false),
            (Ok(_), OnConflict::Fail) => Err(Reason::RecordExists),
            (Ok(_), OnConflict::Skip) => Ok(()),
            (Ok(_), OnConflict::Update) => {
                plain.insert(name, Some(BTreeMap::from([(1, data.to_string())])));
                Ok(())
            }
        },
        Step::Add { name, index, data } => {
            let mut values = present(plain, name)?;
            if values.insert(index, data.to_string()).is_some() {
                return Err(Reason::IndexExists);
            }
            plain.insert(name, Some(values));
            Ok(())
        }
        Step::Modify { name, index, data } => {
            let mut values = present(plain, name)?;
            if values.insert(index, data.to_string()).is_none() {
                return Err(Reason::IndexMissing);
            }
            plain.insert(name, Some(values));
            Ok(())
        }
        Step::Remove { name, index } => {
            let mut values = present(plain, name)?;
            if values.remove(&index).is_none() {
                return Err(Reason::IndexMissing);
            }
            if values.is_empty() {
                return Err(Reason::ValuesEmpty);
            }
            plain.insert(name, Some(values));
            Ok(())
        }
        Step::Delete { name, stale } => {
            present(plain, name)?;
            if stale {
                return Err(Reason::StaleEtag);
            }
            plain.insert(name, None);
            Ok(())
        }
        Step::Reopen => Ok(()),
    }
}

#[expect(
    clippy::too_many_lines,
    reason = "one arm a step: the table reads as a whole"
)]
pub(super) fn change_of(step: &Step) -> Option<Change> {
    let spelled = |name: u8| format!("88.118.7/Name.{name}");
    let data = |index: u32, data: u8| vec![value(index, &data.to_string())];
    Some(match *step {
        Step::Create {
            name,
            data: d,
            reuse,
        } => record_change(
            &spelled(name),
            RecordAction::Create {
                values: data(1, d),
                readers: None,
                reuse_deleted: reuse,
            },
        ),
        Step::Replace {
            name,
            data: d,
            missing,
        } => record_change(
            &spelled(name).to_lowercase(),
            RecordAction::Replace {
                values: data(1, d),
                readers: None,
                etag: None,
                allow_missing: missing,
            },
        ),
        Step::Import {
            name,
            data: d,
            on_conflict,
        } => record_change(
            &spelled(name),
            RecordAction::Import {
                values: data(1, d),
                readers: None,
                on_conflict,
            },
        ),
        Step::Add {
            name,
            index,
            data: d,
        } => record_change(
            &spelled(name),
            RecordAction::AddValues {
                values: data(index, d),
                etag: None,
            },
        ),
        Step::Modify {
            name,
            index,
            data: d,
        } => record_change(
            &spelled(name),
            RecordAction::ModifyValues {
                values: data(index, d),
                etag: None,
            },
        ),
        Step::Remove { name, index } => record_change(
            &spelled(name),
            RecordAction::RemoveValues {
                indices: vec![index],
                etag: None,
            },
        ),
        Step::Delete { name, stale } => record_change(
            &spelled(name),
            RecordAction::Delete {
                etag: stale.then_some(u64::MAX),
            },
        ),
        Step::Reopen => return None,
    })
}
