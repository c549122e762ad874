//! What a decided command changes. A function of the state and the command:
//! the same commands give the same bytes.

use std::sync::Arc;

use crate::model::{Key, OwnerName, PrefixEntry, Record, Tombstone};
use crate::registry::audit::{Action, sha256};
use crate::registry::command::{Applied, Command, Effect};
use crate::registry::decide::Decision;
use crate::registry::fingerprint::fingerprint;
use crate::registry::touched::{SHORTEST_ZONE_BYTES, Touched};
use crate::store::codec_types::{AuditEntry, Digest, RequestRow};
use crate::store::{Batch, Error, PrefixRow};

/// What came of a command.
#[derive(Debug)]
pub struct Outcome {
    /// The answer.
    pub applied: Applied,
    /// What answers depend on it; `None` if nothing changed.
    pub touched: Option<Touched>,
}

/// Applies a decision: data, indexes, counts, audit entry and first answer.
///
/// # Errors
/// [`Error`] if the store cannot be read.
pub fn apply(
    batch: &mut Batch<'_>,
    command: &Command,
    decision: Decision,
) -> Result<Outcome, Error> {
    match decision {
        Decision::Keep(applied) => Ok(Outcome {
            applied,
            touched: None,
        }),
        Decision::Put {
            action,
            key,
            before,
            revived,
            record,
        } => {
            let put = Put {
                action,
                key,
                before,
                revived,
            };
            put_record(batch, command, put, record)
        }
        Decision::Delete { key, before } => delete_record(batch, command, &key, before),
        Decision::PutPrefix {
            action,
            before,
            entry,
        } => put_prefix(batch, command, action, before, entry),
    }
}

struct Put {
    action: Action,
    key: Key,
    before: Option<Arc<Record>>,
    revived: Option<Tombstone>,
}

fn put_record(
    batch: &mut Batch<'_>,
    command: &Command,
    put: Put,
    record: Record,
) -> Result<Outcome, Error> {
    let Put {
        action,
        key,
        before,
        revived,
    } = put;
    let position = batch.advance(command.now);
    let record = Arc::new(Record {
        revision: position,
        ..record
    });
    let before_digest = before
        .as_ref()
        .map(|before| sha256(&Batch::encoding(&key, before)));
    let encoded = batch.put_record(&key, Arc::clone(&record))?;
    let after_digest = sha256(encoded);
    let answer = command.request_id.as_ref().map(|_| encoded.into());

    let created = before.is_none();
    let mut marker_changes = false;
    if created {
        let canonical = record.identifier.prefix().canonical();
        let row = batch
            .prefix(&canonical)
            .ok_or(Error::Corrupt { what: "prefix" })?;
        let deleted = row.deleted.saturating_sub(u64::from(revived.is_some()));
        batch.set_counts(&canonical, row.active.saturating_add(1), deleted);
        marker_changes = row.active == 0;
        if let Some(tail) = tail(&key, &record, &row) {
            batch.put_tail(&tail)?;
        }
    }
    if revived.is_some() {
        batch.remove_tombstone(&key)?;
    }
    let digests = (before_digest, Some(after_digest));
    audit(batch, command, action, key.as_bytes(), digests)?;
    let effect = if created {
        Effect::Created
    } else {
        Effect::Updated
    };
    remember(batch, command, effect.number(), key.as_bytes(), answer)?;
    let touched = Touched::record(&record.identifier, created, marker_changes);
    Ok(Outcome {
        applied: Applied::Record { effect, record },
        touched: Some(touched),
    })
}

fn delete_record(
    batch: &mut Batch<'_>,
    command: &Command,
    key: &Key,
    before: Arc<Record>,
) -> Result<Outcome, Error> {
    let position = batch.advance(command.now);
    let encoded = Batch::encoding(key, &before);
    batch.remove_record(key)?;
    let tombstone = Tombstone {
        identifier: before.identifier.clone(),
        revision: position,
        created: before.created,
        deleted: command.now,
    };
    batch.put_tombstone(key, tombstone)?;
    let canonical = before.identifier.prefix().canonical();
    let row = batch
        .prefix(&canonical)
        .ok_or(Error::Corrupt { what: "prefix" })?;
    let active = row.active.saturating_sub(1);
    batch.set_counts(&canonical, active, row.deleted.saturating_add(1));
    if let Some(tail) = tail(key, &before, &row) {
        batch.remove_tail(&tail)?;
    }
    let digests = (Some(sha256(&encoded)), None);
    audit(
        batch,
        command,
        Action::DeleteRecord,
        key.as_bytes(),
        digests,
    )?;
    let answer = command.request_id.as_ref().map(|_| encoded.into());
    remember(
        batch,
        command,
        Effect::Deleted.number(),
        key.as_bytes(),
        answer,
    )?;
    let touched = Touched::record(&before.identifier, true, active == 0);
    let applied = Applied::Record {
        effect: Effect::Deleted,
        record: before,
    };
    Ok(Outcome {
        applied,
        touched: Some(touched),
    })
}

fn put_prefix(
    batch: &mut Batch<'_>,
    command: &Command,
    action: Action,
    before: Option<PrefixRow>,
    entry: PrefixEntry,
) -> Result<Outcome, Error> {
    let position = batch.advance(command.now);
    let canonical = entry.prefix.canonical();
    let entry = Arc::new(PrefixEntry {
        revision: position,
        ..entry
    });
    let before_digest = before
        .as_ref()
        .map(|row| sha256(&Batch::prefix_encoding(&row.entry)));
    let (active, deleted) = before.map_or((0, 0), |row| (row.active, row.deleted));
    let row = PrefixRow {
        entry: Arc::clone(&entry),
        active,
        deleted,
    };
    let encoded = batch.put_prefix(&canonical, row)?;
    let after_digest = sha256(encoded);
    let answer = command.request_id.as_ref().map(|_| encoded.into());
    let digests = (before_digest, Some(after_digest));
    audit(batch, command, action, canonical.as_bytes(), digests)?;
    remember(batch, command, 0, canonical.as_bytes(), answer)?;
    let touched = Some(Touched::prefix(&canonical));
    Ok(Outcome {
        applied: Applied::Prefix(entry),
        touched,
    })
}

/// Appends to the audit trail at the batch's position.
fn audit(
    batch: &mut Batch<'_>,
    command: &Command,
    action: Action,
    subject: &[u8],
    (before, after): (Option<Digest>, Option<Digest>),
) -> Result<(), Error> {
    let position = batch.position();
    let entry = AuditEntry {
        time: command.now,
        actor: command.actor.clone(),
        action: action.number(),
        subject: subject.into(),
        request_id: command
            .request_id
            .as_ref()
            .map_or("", |id| id.as_str())
            .into(),
        before,
        after,
    };
    batch.put_audit(position, &entry)
}

fn remember(
    batch: &mut Batch<'_>,
    command: &Command,
    effect: u8,
    subject: &[u8],
    answer: Option<Box<[u8]>>,
) -> Result<(), Error> {
    let (Some(id), Some(answer)) = (&command.request_id, answer) else {
        return Ok(());
    };
    let body = fingerprint(&command.change);
    let row = RequestRow {
        time: command.now,
        body,
        effect,
        subject: subject.into(),
        answer,
    };
    batch.put_request(id.as_str(), row)
}

/// The row of the column `tails` for a record whose owner name has several
/// escaped chunks: the prefix, `/`, and the chunks right to left, each with a
/// dot behind.
fn tail(key: &Key, record: &Record, row: &PrefixRow) -> Option<Vec<u8>> {
    let name = OwnerName::of(&record.identifier, row.entry.case, SHORTEST_ZONE_BYTES)?;
    if !name.is_escaped() || name.suffix_labels().len() < 2 {
        return None;
    }
    let mut tail = key.prefix().to_vec();
    tail.push(b'/');
    for chunk in name.suffix_labels().iter().rev() {
        tail.extend_from_slice(chunk.as_bytes());
        tail.push(b'.');
    }
    Some(tail)
}
