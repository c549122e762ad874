//! What a decided command changes. A function of the state and the command:
//! the same commands give the same bytes.

use std::borrow::Cow;
use std::sync::Arc;

use crate::model::owner_name;
use crate::model::{Identifier, Key, OwnerName, PrefixEntry, Record, SuffixCase, Tombstone};
use crate::registry::audit::{Action, sha256};
use crate::registry::command::{Applied, Effect, Origin, Request};
use crate::registry::decide::Decision;
use crate::registry::link;
use crate::registry::office::{ENTRY_ANSWER, OfficeDecision};
use crate::registry::touched::{SHORTEST_ZONE_BYTES, Touched};
use crate::registry::under;
use crate::store::codec_types::{AuditEntry, Digest, RequestRow};
use crate::store::{Batch, Counts, Error, PrefixRow};

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
pub fn apply(batch: &mut Batch<'_>, origin: &Origin, decision: Decision) -> Result<Outcome, Error> {
    match decision {
        Decision::Repeat(applied) => Ok(Outcome {
            applied,
            touched: None,
        }),
        Decision::Keep { applied, key } => keep(batch, origin, applied, key.as_ref()),
        Decision::Put {
            action,
            key,
            row,
            before,
            revived,
            record,
            uniques,
        } => {
            under::index(batch, &key, uniques)?;
            let put = Put {
                action,
                key,
                row,
                before,
                revived,
            };
            put_record(batch, origin, put, record)
        }
        Decision::Delete {
            key,
            row,
            before,
            uniques,
        } => {
            under::index(batch, &key, uniques)?;
            delete_record(batch, origin, (&key, row), &before)
        }
        Decision::Look { action, entry } => {
            batch.advance(origin.now);
            audit(
                batch,
                origin,
                action,
                &entry.key().to_bytes(),
                Digests::default(),
            )?;
            Ok(Outcome {
                applied: Applied::Entry(entry),
                touched: None,
            })
        }
        Decision::Office(decision) => apply_office(batch, origin, *decision),
        Decision::Link(decision) => link::apply(batch, origin, *decision),
        Decision::PutPrefix {
            action,
            before,
            entry,
        } => put_prefix(batch, origin, action, before, entry),
    }
}

/// Remembers the answer, so that a retry gets it whatever came between.
fn keep(
    batch: &mut Batch<'_>,
    origin: &Origin,
    applied: Applied,
    key: Option<&Key>,
) -> Result<Outcome, Error> {
    if origin.request.is_some() {
        match (&applied, key) {
            (Applied::Record { effect, record }, Some(key)) => {
                let answer = Batch::encoding(key, record);
                remember(
                    batch,
                    origin,
                    effect.number(),
                    key.as_bytes(),
                    Some(answer.into()),
                )?;
            }
            (Applied::Entry(entry), _) => {
                let (subject, answer) = (entry.key().to_bytes(), entry.encode()?);
                remember(batch, origin, ENTRY_ANSWER, &subject, Some(answer.into()))?;
            }
            (Applied::Link { effect, link }, _) => link::remember(batch, origin, *effect, link)?,
            (Applied::Record { .. } | Applied::Imported(_), _) => {
                return Err(Error::Corrupt { what: "decision" });
            }
            (Applied::Prefix(entry), _) => {
                let (canonical, answer) = (entry.prefix.canonical(), Batch::prefix_encoding(entry));
                remember(batch, origin, 0, canonical.as_bytes(), Some(answer.into()))?;
            }
        }
    }
    Ok(Outcome {
        applied,
        touched: None,
    })
}

struct Put {
    action: Action,
    key: Key,
    row: PrefixRow,
    before: Option<Arc<Record>>,
    revived: Option<Tombstone>,
}

fn put_record(
    batch: &mut Batch<'_>,
    origin: &Origin,
    put: Put,
    record: Record,
) -> Result<Outcome, Error> {
    let Put {
        action,
        key,
        mut row,
        before,
        revived,
    } = put;
    let position = batch.advance(origin.now);
    let record = Arc::new(Record {
        revision: position,
        ..record
    });
    let before_digest = before
        .as_ref()
        .map(|before| sha256(&Batch::encoding(&key, before)));
    if let Some(before) = before
        .as_ref()
        .filter(|before| before.is_restricted() || record.is_restricted())
    {
        batch.remove_record(&key, before)?;
    }
    // A restricted tombstone stands where a restricted record will.
    if let Some(tombstone) = &revived {
        batch.remove_tombstone(&key, tombstone)?;
        uncount(&mut row.counts, tombstone);
    }
    let encoded = batch.put_record(&key, &record)?;
    let after_digest = sha256(encoded);
    let public = public_digest(&key, &record, after_digest);
    let answer = origin.request.as_ref().map(|_| encoded.into());

    let created = before.is_none();
    let shape = Shape {
        before: before.as_ref().map(|before| before.is_restricted()),
        after: Some(record.is_restricted()),
    };
    let touched = shape.changed(batch, (&key, row), &record.identifier)?;
    let digests = Digests {
        before: before_digest,
        after: Some(after_digest),
        public,
    };
    audit(batch, origin, action, key.as_bytes(), digests)?;
    let effect = if created {
        Effect::Created
    } else {
        Effect::Updated
    };
    remember(batch, origin, effect.number(), key.as_bytes(), answer)?;
    Ok(Outcome {
        applied: Applied::Record { effect, record },
        touched,
    })
}

/// Whether a record is restricted, before a change and after it; `None` while
/// there is no record.
struct Shape {
    before: Option<bool>,
    after: Option<bool>,
}

impl Shape {
    /// Counts the record, or counts it no longer, keeps the tails of owner names,
    /// and tells what answers depend on the change. None does while the record
    /// is restricted: then it is in no answer that is kept.
    fn changed(
        &self,
        batch: &mut Batch<'_>,
        (key, mut row): (&Key, PrefixRow),
        identifier: &Identifier,
    ) -> Result<Option<Touched>, Error> {
        let open_before = row.counts.open();
        if self.before != self.after {
            self.count(&mut row.counts);
            let labels = owner_name::label_count(identifier.suffix().as_str());
            row.labels_max = row.labels_max.map(|most| most.max(labels));
        }
        let open_after = row.counts.open();
        let (was_open, is_open) = (self.before == Some(false), self.after == Some(false));
        let case = row.entry.case;
        if self.before != self.after {
            batch.set_counts(&identifier.prefix().canonical(), row);
        }
        if !was_open && !is_open {
            return Ok(None);
        }
        let escaped = escaped_name(identifier, case);
        let shape = was_open != is_open;
        if shape && let Some(tail) = escaped.as_ref().and_then(|name| tail(key, name)) {
            if is_open {
                batch.put_tail(&tail)?;
            } else {
                batch.remove_tail(&tail)?;
            }
        }
        let mut touched = Touched::record(identifier, escaped.as_ref(), shape);
        if shape && (open_before == 0 || open_after == 0) {
            touched.marker();
        }
        Ok(Some(touched))
    }

    fn count(&self, counts: &mut Counts) {
        if let Some(restricted) = self.before {
            counts.active = counts.active.saturating_sub(1);
            counts.restricted_active = counts
                .restricted_active
                .saturating_sub(u64::from(restricted));
        }
        match self.after {
            Some(restricted) => {
                counts.active = counts.active.saturating_add(1);
                counts.restricted_active = counts
                    .restricted_active
                    .saturating_add(u64::from(restricted));
            }
            None => {
                let restricted = u64::from(self.before == Some(true));
                counts.deleted = counts.deleted.saturating_add(1);
                counts.restricted_deleted = counts.restricted_deleted.saturating_add(restricted);
            }
        }
    }
}

/// Counts a name that was given out again as deleted no longer.
fn uncount(counts: &mut Counts, tombstone: &Tombstone) {
    counts.deleted = counts.deleted.saturating_sub(1);
    counts.restricted_deleted = counts
        .restricted_deleted
        .saturating_sub(u64::from(tombstone.restricted));
}

fn delete_record(
    batch: &mut Batch<'_>,
    origin: &Origin,
    (key, row): (&Key, PrefixRow),
    before: &Record,
) -> Result<Outcome, Error> {
    let position = batch.advance(origin.now);
    let encoded = Batch::encoding(key, before);
    batch.remove_record(key, before)?;
    let tombstone = Tombstone {
        identifier: before.identifier.clone(),
        revision: position,
        created: before.created,
        deleted: origin.now,
        restricted: before.is_restricted(),
    };
    batch.put_tombstone(key, tombstone)?;
    let shape = Shape {
        before: Some(before.is_restricted()),
        after: None,
    };
    let touched = shape.changed(batch, (key, row), &before.identifier)?;
    let digests = Digests {
        before: Some(sha256(&encoded)),
        ..Digests::default()
    };
    audit(batch, origin, Action::DeleteRecord, key.as_bytes(), digests)?;
    // The etag of the answer is that of the tombstone.
    let record = Record {
        revision: position,
        ..before.clone()
    };
    let answer = origin
        .request
        .as_ref()
        .map(|_| Batch::encoding(key, &record).into());
    remember(
        batch,
        origin,
        Effect::Deleted.number(),
        key.as_bytes(),
        answer,
    )?;
    Ok(Outcome {
        applied: Applied::Record {
            effect: Effect::Deleted,
            record: Arc::new(record),
        },
        touched,
    })
}

fn put_prefix(
    batch: &mut Batch<'_>,
    origin: &Origin,
    action: Action,
    before: Option<PrefixRow>,
    entry: PrefixEntry,
) -> Result<Outcome, Error> {
    let position = batch.advance(origin.now);
    let canonical = entry.prefix.canonical();
    let entry = Arc::new(PrefixEntry {
        revision: position,
        ..entry
    });
    let before_digest = before
        .as_ref()
        .map(|row| sha256(&Batch::prefix_encoding(&row.entry)));
    let row = with_entry(before, Arc::clone(&entry));
    let encoded = batch.put_prefix(&canonical, row)?;
    let after_digest = sha256(encoded);
    let answer = origin.request.as_ref().map(|_| encoded.into());
    let digests = Digests {
        before: before_digest,
        after: Some(after_digest),
        public: Some(after_digest),
    };
    audit(batch, origin, action, canonical.as_bytes(), digests)?;
    remember(batch, origin, 0, canonical.as_bytes(), answer)?;
    let touched = Some(Touched::prefix(&canonical));
    Ok(Outcome {
        applied: Applied::Prefix(entry),
        touched,
    })
}

/// Puts and removes what an office decision names: all at one position, under
/// one audit entry, that of its first entry.
/// The row of a prefix with another entry.
fn with_entry(before: Option<PrefixRow>, entry: Arc<PrefixEntry>) -> PrefixRow {
    match before {
        Some(before) => PrefixRow { entry, ..before },
        None => PrefixRow {
            entry,
            counts: Counts::default(),
            labels_max: Some(0),
        },
    }
}

fn apply_office(
    batch: &mut Batch<'_>,
    origin: &Origin,
    decision: OfficeDecision,
) -> Result<Outcome, Error> {
    let OfficeDecision {
        action,
        before,
        entry,
        others,
        removed,
        sealed,
        prefixes,
    } = decision;
    let position = batch.advance(origin.now);
    let before_digest = match before {
        Some(before) => Some(sha256(&before.encode()?)),
        None => None,
    };
    let subject = entry.key().to_bytes();
    let is_removed = removed.contains(&entry.key());
    let entry = entry.at(position);
    let encoded = if is_removed {
        entry.encode()?
    } else {
        batch.put_entry(entry.clone())?
    };
    let after_digest = (!is_removed).then(|| sha256(&encoded));
    for other in others {
        batch.put_entry(other.at(position))?;
    }
    for key in removed {
        batch.remove_entry(key)?;
    }
    for (key, bytes) in sealed {
        batch.put_sealed(key, bytes)?;
    }
    let mut touched: Option<Touched> = None;
    let mut prefix_digests = Vec::new();
    for changed in prefixes {
        let canonical = changed.prefix.canonical();
        let entry = PrefixEntry {
            revision: position,
            ..changed
        };
        let row = with_entry(batch.prefix(&canonical), Arc::new(entry));
        prefix_digests.push(sha256(batch.put_prefix(&canonical, row)?));
        let also = Touched::prefix(&canonical);
        touched = Some(match touched {
            Some(touched) => touched.and(also),
            None => also,
        });
    }
    let digests = Digests {
        before: before_digest,
        after: after_digest,
        // Of several none is told: each stands by its own later changes.
        public: match prefix_digests.as_slice() {
            [digest] => Some(*digest),
            _ => None,
        },
    };
    audit(batch, origin, action, &subject, digests)?;
    let answer = origin.request.as_ref().map(|_| encoded.into());
    remember(batch, origin, ENTRY_ANSWER, &subject, answer)?;
    Ok(Outcome {
        applied: Applied::Entry(entry),
        touched,
    })
}

/// Appends to the audit trail at the batch's position.
pub(super) fn audit(
    batch: &mut Batch<'_>,
    origin: &Origin,
    action: Action,
    subject: &[u8],
    digests: Digests,
) -> Result<(), Error> {
    let Digests {
        before,
        after,
        public,
    } = digests;
    let entry = AuditEntry {
        time: origin.now,
        actor: origin.caller.name().into(),
        action: action.number(),
        subject: subject.into(),
        request_id: origin
            .request
            .as_ref()
            .map_or("", |request| request.id.as_str())
            .into(),
        before,
        after,
        public,
        source: origin.caller.source,
        refused: "".into(),
        omitted: 0,
        salt: origin.salt,
    };
    batch.put_audit(&entry)
}

/// What of a subject an audit entry sums up.
#[derive(Clone, Copy, Default)]
pub(super) struct Digests {
    pub(super) before: Option<Digest>,
    pub(super) after: Option<Digest>,
    pub(super) public: Option<Digest>,
}

/// The digest of what anybody may read of `record`, whose own is `whole`. `None`
/// if nothing of it may be read.
fn public_digest(key: &Key, record: &Record, whole: Digest) -> Option<Digest> {
    match record.public_part() {
        None => None,
        Some(Cow::Borrowed(_)) => Some(whole),
        Some(Cow::Owned(part)) => Some(sha256(&Batch::encoding(key, &part))),
    }
}

pub(super) fn remember(
    batch: &mut Batch<'_>,
    origin: &Origin,
    effect: u8,
    subject: &[u8],
    answer: Option<Box<[u8]>>,
) -> Result<(), Error> {
    let (Some(Request { id, body }), Some(answer)) = (&origin.request, answer) else {
        return Ok(());
    };
    let row = RequestRow {
        time: origin.now,
        body: *body,
        effect,
        subject: subject.into(),
        answer,
    };
    batch.put_request(id.as_str(), row)
}

/// The escaped owner name of an identifier, if it has one.
fn escaped_name(identifier: &Identifier, case: SuffixCase) -> Option<OwnerName> {
    if owner_name::is_plain(identifier.suffix().as_str(), case) {
        return None;
    }
    OwnerName::of(identifier, case, SHORTEST_ZONE_BYTES).filter(OwnerName::is_escaped)
}

/// The row of the column `tails` for an escaped owner name of several chunks:
/// the prefix, `/`, and the chunks right to left, each with a dot behind.
fn tail(key: &Key, name: &OwnerName) -> Option<Vec<u8>> {
    if name.suffix_labels().len() < 2 {
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
