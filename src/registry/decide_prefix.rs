//! Whether the rules allow a change of a prefix.

use crate::model::{Firm, FirmState, Prefix, PrefixEntry, PrefixState, Reason, Refusal, Timestamp};
use crate::registry::audit::Action;
use crate::registry::command::{Applied, PrefixAction};
use crate::registry::decide::{Decision, check_etag};
use crate::store::{Batch, Counts, PrefixRow};

/// The refusal of a prefix that the node does not know.
pub(super) fn not_homed(prefix: &Prefix) -> Refusal {
    Refusal::new(Reason::PrefixNotHomed)
        .field("prefix")
        .value(prefix)
}

/// Decides a change of a prefix.
pub(super) fn decide_prefix(
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
            holder: None,
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
    let action = change_prefix(batch, &row, &mut entry, action)?;
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
    batch: &Batch<'_>,
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
            let Counts {
                active, deleted, ..
            } = row.counts;
            let identifiers = active.saturating_add(deleted);
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
            check_holder(batch, entry)?;
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
            check_holder(batch, entry)?;
            let from = |state: &PrefixState| matches!(state, PrefixState::Suspended { .. });
            step(entry, &from, PrefixState::Active)?;
            Ok(Action::ActivatePrefix)
        }
    }
}

/// Refuses to serve the prefix of a firm that is not active: what a security
/// administrator decided of the firm holds for its prefixes.
fn check_holder(batch: &Batch<'_>, entry: &PrefixEntry) -> Result<(), Refusal> {
    let holder = entry.holder.as_ref();
    let Some(firm) = holder.and_then(|id| batch.entry::<Firm>(id.as_str())) else {
        return Ok(());
    };
    if firm.state == FirmState::Active {
        return Ok(());
    }
    Err(Refusal::new(Reason::FirmState)
        .value(&firm.id)
        .limit(firm.state.name()))
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
