//! Records: read one, list, change one, change many.

use std::sync::Arc;

use prost::Message;

use crate::face::grpc::change::{self, Intent};
use crate::face::grpc::metrics::Operation;
use crate::face::grpc::shared::Shared;
use crate::face::grpc::{convert, name, page, status};
use crate::model::limits::BATCH_ITEMS_MAX;
use crate::model::{Caller, Prefix, Reason, Record, Refusal};
use crate::node::{Applied, Change, Listed, Page, Write};
use crate::wire::proto::v1::{self, batch_write_response};

/// Bytes of an answer of many records, once passed: a page ends, and a batch
/// leaves the values of further records out. Below what clients take by default
/// (4 MiB) unless a single record is larger.
pub(super) const ANSWER_BYTES: usize = 3 << 20;
/// Rows of a page that are read at once, before their size is known.
const READ_ROWS: usize = 50;

/// Reads one record.
pub(super) fn read(shared: &Shared, caller: &Caller, name: &str) -> Result<v1::Record, Refusal> {
    let identifier = name::identifier(name, "name")?;
    let record = shared.node.stored(caller, &identifier)?;
    Ok(shared.message(record))
}

/// Makes one change and answers with the record as it is then.
pub(super) async fn write(
    shared: &Shared,
    caller: &Caller,
    operation: Operation,
    intent: Result<Intent, Refusal>,
) -> Result<v1::Record, Refusal> {
    let changed = match intent {
        Ok(intent) => shared.change(caller, intent).await,
        Err(refusal) => Err(refusal),
    };
    shared.metrics.changed(operation, &changed);
    applied(shared, caller, changed?)
}

fn applied(shared: &Shared, caller: &Caller, applied: Applied) -> Result<v1::Record, Refusal> {
    match applied {
        Applied::Record { effect: _, record } => {
            let record = Arc::unwrap_or_clone(record);
            Ok(shared.message(shared.node.visible(caller, record)))
        }
        Applied::Imported(_) | Applied::Prefix(_) | Applied::Link { .. } | Applied::Entry(_) => {
            Err(Refusal::new(Reason::Internal))
        }
    }
}

/// Makes up to [`BATCH_ITEMS_MAX`] changes, each for itself.
pub(super) async fn batch(
    shared: &Shared,
    caller: &Caller,
    request: v1::BatchWriteRequest,
) -> Result<v1::BatchWriteResponse, Refusal> {
    let v1::BatchWriteRequest {
        items,
        request_id,
        validate_only,
    } = request;
    check_count(items.len(), "items")?;
    let changes = items.into_iter().map(change::batch_item).collect();
    let asked = (request_id.as_str(), validate_only);
    let outcomes = write_each(shared, caller, changes, asked).await?;
    let mut bytes_left = ANSWER_BYTES;
    let mut results = Vec::with_capacity(outcomes.len());
    for outcome in outcomes {
        shared.metrics.changed(Operation::Batch, &outcome);
        results.push(item_result(shared, caller, outcome, &mut bytes_left));
    }
    Ok(v1::BatchWriteResponse { results })
}

/// Makes changes under a request id, each for itself, or only judges them. What is
/// not even a change keeps its refusal.
///
/// # Errors
/// `RequestIdInvalid`; those of the whole batch.
pub(super) async fn write_each(
    shared: &Shared,
    caller: &Caller,
    changes: Vec<Result<Change, Refusal>>,
    (request_id, validate_only): (&str, bool),
) -> Result<Vec<Result<Applied, Refusal>>, Refusal> {
    let request_id = change::request_id(request_id)?;
    let mut writes = Vec::with_capacity(changes.len());
    let mut places = Vec::with_capacity(changes.len());
    for (position, change) in changes.into_iter().enumerate() {
        places.push(change.map(|change| {
            writes.push(Write {
                change,
                request_id: request_id.as_ref().map(|id| id.item(position)),
            });
        }));
    }
    let outcomes = if writes.is_empty() {
        Vec::new()
    } else if validate_only {
        shared.node.admit_items(caller, writes.len())?;
        shared.validate(caller, writes).await?
    } else {
        shared.node.execute_many(caller, writes).await?
    };
    let mut outcomes = outcomes.into_iter();
    let missing = || Err(Refusal::new(Reason::Internal));
    let each = places
        .into_iter()
        .map(|place| place.and_then(|()| outcomes.next().unwrap_or_else(missing)));
    Ok(each.collect())
}

fn item_result(
    shared: &Shared,
    caller: &Caller,
    outcome: Result<Applied, Refusal>,
    bytes_left: &mut usize,
) -> batch_write_response::Result {
    use batch_write_response::result::Outcome;
    let outcome = match outcome.and_then(|outcome| applied(shared, caller, outcome)) {
        Ok(mut record) => {
            let bytes = record.encoded_len();
            if bytes > *bytes_left {
                record.values = Vec::new();
            }
            *bytes_left = bytes_left.saturating_sub(bytes);
            Outcome::Record(record)
        }
        Err(refusal) => Outcome::Error(status::item_error(&refusal)),
    };
    batch_write_response::Result {
        outcome: Some(outcome),
    }
}

/// Checks the number of items of a batch.
///
/// # Errors
/// `BatchEmpty`, `BatchTooLarge`.
pub(super) fn check_count(count: usize, field: &'static str) -> Result<(), Refusal> {
    if count == 0 {
        return Err(Refusal::new(Reason::BatchEmpty).field(field));
    }
    if count > BATCH_ITEMS_MAX {
        return Err(Refusal::new(Reason::BatchTooLarge)
            .field(field)
            .value(count)
            .limit(BATCH_ITEMS_MAX));
    }
    Ok(())
}

/// Lists the records of a prefix. Each of them counts for the caller's source.
pub(super) async fn list(
    shared: &Arc<Shared>,
    caller: Caller,
    request: v1::ListRecordsRequest,
) -> Result<v1::ListRecordsResponse, Refusal> {
    let kept = Arc::clone(shared);
    shared
        .blocking(move |_| list_blocking(&kept, &caller, &request))
        .await?
}

fn list_blocking(
    shared: &Shared,
    caller: &Caller,
    request: &v1::ListRecordsRequest,
) -> Result<v1::ListRecordsResponse, Refusal> {
    let v1::ListRecordsRequest {
        parent,
        page_size,
        page_token,
        show_deleted,
    } = request;
    let prefix = name::prefix(parent, "parent")?;
    let canonical = prefix.canonical();
    let query = page::Query {
        method: "ListRecords",
        parent: &canonical,
        show_deleted: *show_deleted,
        caller,
    };
    let mut listing = Listing {
        shared,
        prefix: &prefix,
        records: Vec::new(),
        bytes: 0,
    };
    let mut after = query.after(page_token)?;
    let size = page::size(*page_size)?;
    loop {
        let wanted = (size - listing.records.len()).min(READ_ROWS);
        let read =
            shared
                .node
                .list_records(caller, &prefix, after.as_deref(), wanted, *show_deleted)?;
        after = listing.take(read);
        let full = listing.records.len() >= size || listing.bytes >= ANSWER_BYTES;
        if full || after.is_none() {
            shared.node.admit_items(caller, listing.records.len())?;
            return Ok(v1::ListRecordsResponse {
                records: listing.records,
                next_page_token: after.map(|key| query.token(&key)).unwrap_or_default(),
            });
        }
    }
}

/// A page in the making.
struct Listing<'a> {
    shared: &'a Shared,
    prefix: &'a Prefix,
    records: Vec<v1::Record>,
    bytes: usize,
}

impl Listing<'_> {
    /// Takes rows until the page is large enough. Where to go on: behind the
    /// last row taken, or nowhere.
    fn take(&mut self, read: Page<Listed>) -> Option<Vec<u8>> {
        let Page { items, next } = read;
        let case = self.shared.case(self.prefix);
        let mut items = items.into_iter();
        while let Some(item) = items.next() {
            let identifier = match &item {
                Listed::Active(Record { identifier, .. }) => identifier.clone(),
                Listed::Deleted(tombstone) => tombstone.identifier.clone(),
            };
            let record = match item {
                Listed::Active(record) => self.shared.message(record),
                Listed::Deleted(tombstone) => convert::tombstone(tombstone),
            };
            self.bytes += record.encoded_len();
            self.records.push(record);
            let more = items.len() > 0 || next.is_some();
            if self.bytes >= ANSWER_BYTES && more {
                return Some(identifier.key(case).as_bytes().to_vec());
            }
        }
        next
    }
}
