//! Changes of groups of firms.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::access::{Office, permit_office};
use crate::model::limits::{FIRM_CHARS_MAX, GROUP_MEMBERS_MAX, GROUPS_PER_FIRM_MAX};
use crate::model::prefix::check_firm;
use crate::model::{FirmId, Group, GroupId, Reason, Refusal};
use crate::registry::audit::Action;
use crate::registry::command::{Applied, Origin};
use crate::registry::decide::{Decision, Undecided, check_etag};
use crate::registry::office::OfficeDecision;
use crate::registry::readers::is_known;
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
    let decision = match action {
        GroupAction::Create {
            owner,
            name,
            members,
        } => {
            permit_office(&origin.caller, Office::KeepGroups(&owner))?;
            if before.is_some() {
                let refusal = Refusal::new(Reason::GroupExists).field("name");
                return Err(refusal.value(&id).into());
            }
            check_count(batch, &owner)?;
            let group = Group {
                id,
                owner,
                name,
                members,
                revision: 0,
                created: origin.now,
                changed: origin.now,
            };
            check(batch, &group)?;
            OfficeDecision::put(Action::CreateGroup, None, AnyEntry::Group(Arc::new(group)))
        }
        GroupAction::Update {
            name,
            members,
            etag,
        } => {
            let before = owned(before, origin)?.ok_or_else(missing)?;
            check_etag(etag, before.revision)?;
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
            check(batch, &group)?;
            let before = AnyEntry::Group(before);
            let group = AnyEntry::Group(Arc::new(group));
            OfficeDecision::put(Action::UpdateGroup, Some(before), group)
        }
        GroupAction::Delete { etag } => {
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

fn check_count(batch: &Batch<'_>, owner: &FirmId) -> Result<(), Refusal> {
    let count = batch.entries::<Group>(|group| group.owner == *owner).len();
    if count < GROUPS_PER_FIRM_MAX {
        return Ok(());
    }
    Err(Refusal::new(Reason::TooManyOwned)
        .field("groups")
        .value(owner)
        .limit(GROUPS_PER_FIRM_MAX))
}

fn check(batch: &Batch<'_>, group: &Group) -> Result<(), Refusal> {
    let Group { name, members, .. } = group;
    let invalid = |field: &'static str| Refusal::new(Reason::FieldInvalid).field(field);
    if check_firm(name).is_err() {
        let limit = format!("1 to {FIRM_CHARS_MAX} characters without control characters");
        return Err(invalid("display_name").value(name).limit(limit));
    }
    if members.len() > GROUP_MEMBERS_MAX {
        let limit = format!("at most {GROUP_MEMBERS_MAX}");
        return Err(invalid("members").value(members.len()).limit(limit));
    }
    match members.iter().find(|firm| !is_known(batch, firm)) {
        None => Ok(()),
        Some(firm) => Err(Refusal::new(Reason::FirmNotFound)
            .field("members")
            .value(firm)),
    }
}
