//! Changes of share links.

use std::sync::Arc;

use serde::Serialize;

use crate::access::{Office, permit_office};
use crate::model::limits::{
    NOTE_CHARS_MAX, SHARE_DAYS_MAX, SHARE_INDICES_MAX, SHARE_TARGETS_MAX, SHARES_PER_FIRM_MAX,
};
use crate::model::{FirmId, Reason, Refusal, Share, ShareId, Target, Timestamp};
use crate::registry::audit::Action;
use crate::registry::command::Origin;
use crate::registry::decide::{Decision, Undecided, check_etag};
use crate::registry::office::OfficeDecision;
use crate::store::{AnyEntry, Batch, EntryKey};

/// Milliseconds of a day.
const DAY_MILLIS: u64 = 86_400_000;

/// What happens to a share. An `etag` is the revision that it must have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ShareAction {
    /// Makes it.
    Create(NewShare),
    /// Withdraws it: whoever holds it reads by it no longer.
    Withdraw {
        /// The revision that it must have.
        etag: Option<u64>,
    },
}

/// A share to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewShare {
    /// Whose records it shares.
    pub owner: FirmId,
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// What it is for, 1 to [`NOTE_CHARS_MAX`] characters.
    pub purpose: String,
    /// What it reaches, 1 to [`SHARE_TARGETS_MAX`], below prefixes of the owner.
    pub targets: Vec<Target>,
    /// The values that it shows, at most [`SHARE_INDICES_MAX`]; all if none.
    pub indices: Vec<u32>,
    /// Until when it counts, within [`SHARE_DAYS_MAX`].
    pub expires: Timestamp,
}

/// Decides a change of a share.
///
/// # Errors
/// As [`super::decide`].
pub(super) fn decide(
    batch: &Batch<'_>,
    origin: &Origin,
    id: ShareId,
    action: ShareAction,
) -> Result<Decision, Undecided> {
    let before = batch.entry::<Share>(id.as_str());
    let decision = match action {
        ShareAction::Create(new) => {
            permit_office(&origin.caller, Office::KeepShares(&new.owner))?;
            if before.is_some() {
                let refusal = Refusal::new(Reason::ShareExists).field("name");
                return Err(refusal.value(&id).into());
            }
            let share = AnyEntry::Share(Arc::new(made(batch, origin.now, id, new)?));
            OfficeDecision::put(Action::CreateShare, None, share)
        }
        ShareAction::Withdraw { etag } => {
            let before = owned(before, origin)?
                .ok_or_else(|| Refusal::new(Reason::ShareNotFound).field("name").value(&id))?;
            check_etag(etag, before.revision)?;
            let entry = AnyEntry::Share(before);
            OfficeDecision {
                removed: vec![EntryKey::of::<Share>(id.as_str())],
                ..OfficeDecision::put(Action::WithdrawShare, Some(entry.clone()), entry)
            }
        }
    };
    Ok(Decision::Office(Box::new(decision)))
}

/// The share if the caller may keep it; `None` also if the caller may not know of
/// it.
fn owned(before: Option<Arc<Share>>, origin: &Origin) -> Result<Option<Arc<Share>>, Refusal> {
    let may_know =
        |share: &Arc<Share>| permit_office(&origin.caller, Office::ReadFirm(&share.owner)).is_ok();
    let Some(share) = before.filter(may_know) else {
        return Ok(None);
    };
    permit_office(&origin.caller, Office::KeepShares(&share.owner))?;
    Ok(Some(share))
}

fn made(batch: &Batch<'_>, now: Timestamp, id: ShareId, new: NewShare) -> Result<Share, Refusal> {
    let NewShare {
        owner,
        hash,
        purpose,
        targets,
        indices,
        expires,
    } = new;
    let invalid = |field: &'static str, value: String, limit: String| {
        Refusal::new(Reason::FieldInvalid)
            .field(field)
            .value(value)
            .limit(limit)
    };
    let purpose_chars = purpose.chars().count();
    if purpose.trim().is_empty() || purpose_chars > NOTE_CHARS_MAX {
        let limit = format!("1 to {NOTE_CHARS_MAX} characters");
        return Err(invalid("purpose", purpose, limit));
    }
    if !(1..=SHARE_TARGETS_MAX).contains(&targets.len()) {
        let limit = format!("1 to {SHARE_TARGETS_MAX}");
        return Err(invalid("targets", targets.len().to_string(), limit));
    }
    if indices.len() > SHARE_INDICES_MAX {
        let limit = format!("at most {SHARE_INDICES_MAX}");
        return Err(invalid("indices", indices.len().to_string(), limit));
    }
    let latest = now.millis().saturating_add(SHARE_DAYS_MAX * DAY_MILLIS);
    if expires <= now || expires.millis() > latest {
        let limit = format!("later than now, within {SHARE_DAYS_MAX} days");
        return Err(invalid("expire_time", expires.to_string(), limit));
    }
    for target in &targets {
        let row = batch.prefix(&target.prefix().canonical());
        // That a prefix is another firm's is no other answer than that it is none.
        if row.and_then(|row| row.entry.holder.clone()).as_ref() != Some(&owner) {
            let limit = "below a prefix that the firm holds".to_owned();
            return Err(invalid("targets", target.to_string(), limit));
        }
    }
    let count = batch.entries::<Share>(|share| share.owner == owner).len();
    if count >= SHARES_PER_FIRM_MAX {
        return Err(Refusal::new(Reason::TooManyOwned)
            .field("shares")
            .value(&owner)
            .limit(SHARES_PER_FIRM_MAX));
    }
    Ok(Share {
        id,
        owner,
        hash,
        purpose,
        targets,
        indices,
        expires,
        revision: 0,
        created: now,
        changed: now,
    })
}
