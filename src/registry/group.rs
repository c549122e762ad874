//! Changes of groups of firms.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::access::{Office, permit_office};
use crate::model::limits::GROUP_MEMBERS_MAX;
use crate::model::{Firm, FirmId, Group, GroupId, Reason, Refusal};
use crate::registry::audit::Action;
use crate::registry::command::{Applied, Origin};
use crate::registry::decide::{Decision, Undecided, check_etag};
use crate::registry::office::OfficeDecision;
use crate::store::{AnyEntry, Batch, EntryKey};

/// What happens to a group. An `etag` is the revision that it must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum GroupAction {
    /// Makes it.
    Create {
        /// Whose it is.
        owner: FirmId,
        /// Its name for people.
        name: String,
        /// Who belongs to it.
        members: BTreeSet<FirmId>,
    },
    /// Changes what is given.
    Update {
        /// Its name for people.
        name: Option<String>,
        /// Who belongs to it.
        members: Option<BTreeSet<FirmId>>,
        /// The revision that it must have.
        etag: Option<u64>,
    },
    /// Removes it: whatever it may read it may read no longer.
    Delete {
        /// The revision that it must have.
        etag: Option<u64>,
    },
}

/// Decides a change of a group.
///
/// # Errors
/// As [`super::decide`].
pub(super) fn decide(
    batch: &Batch<'_>,
    origin: &Origin,
    id: GroupId,
    action: GroupAction,
) -> Result<Decision, Undecided> {
    let before = batch.entry::<Group>(id.as_str());
    let missing = || Refusal::new(Reason::GroupNotFound).field("name").value(&id);
    let decision = match (action, before) {
        (
            GroupAction::Create {
                owner,
                name,
                members,
            },
            before,
        ) => {
            permit_office(&origin.caller, Office::KeepGroups(&owner))?;
            if before.is_some() {
                return Err(Refusal::new(Reason::GroupExists)
                    .field("name")
                    .value(&id)
                    .into());
            }
            check_members(batch, &members)?;
            let group = Group {
                id,
                owner,
                name,
                members,
                revision: 0,
                created: origin.now,
                changed: origin.now,
            };
            OfficeDecision::put(Action::CreateGroup, None, AnyEntry::Group(Arc::new(group)))
        }
        (
            GroupAction::Update {
                name,
                members,
                etag,
            },
            before,
        ) => {
            let before = owned(before, origin)?.ok_or_else(missing)?;
            check_etag(etag, before.revision)?;
            check_members(batch, members.as_ref().unwrap_or(&BTreeSet::new()))?;
            let group = Group {
                name: name.unwrap_or_else(|| before.name.clone()),
                members: members.unwrap_or_else(|| before.members.clone()),
                changed: origin.now.max(before.changed),
                ..Group::clone(&before)
            };
            if group.name == before.name && group.members == before.members {
                return Ok(Decision::Keep {
                    applied: Applied::Entry(AnyEntry::Group(before)),
                    key: None,
                });
            }
            let before = AnyEntry::Group(before);
            let group = AnyEntry::Group(Arc::new(group));
            OfficeDecision::put(Action::UpdateGroup, Some(before), group)
        }
        (GroupAction::Delete { etag }, before) => {
            let before = owned(before, origin)?.ok_or_else(missing)?;
            check_etag(etag, before.revision)?;
            let entry = AnyEntry::Group(before);
            OfficeDecision {
                removed: vec![EntryKey::of::<Group>(id.as_str())],
                ..OfficeDecision::put(Action::DeleteGroup, Some(entry.clone()), entry)
            }
        }
    };
    Ok(Decision::Office(Box::new(decision)))
}

/// The group if the caller may keep it; `None` also if the caller may not know of
/// it.
fn owned(before: Option<Arc<Group>>, origin: &Origin) -> Result<Option<Arc<Group>>, Refusal> {
    let may_know =
        |group: &Arc<Group>| permit_office(&origin.caller, Office::ReadFirm(&group.owner)).is_ok();
    let Some(group) = before.filter(may_know) else {
        return Ok(None);
    };
    permit_office(&origin.caller, Office::KeepGroups(&group.owner))?;
    Ok(Some(group))
}

fn check_members(batch: &Batch<'_>, members: &BTreeSet<FirmId>) -> Result<(), Refusal> {
    if members.len() > GROUP_MEMBERS_MAX {
        return Err(Refusal::new(Reason::FieldInvalid)
            .field("members")
            .value(members.len())
            .limit(format!("at most {GROUP_MEMBERS_MAX}")));
    }
    let is_missing = |firm: &&FirmId| batch.entry::<Firm>(firm.as_str()).is_none();
    match members.iter().find(is_missing) {
        None => Ok(()),
        Some(firm) => Err(Refusal::new(Reason::FirmNotFound)
            .field("members")
            .value(firm)),
    }
}
