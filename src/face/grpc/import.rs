//! Import: a stream of records in, a stream of what became of them out.
//!
//! ```text
//! client ─► message ─► decode, convert ─► Flight of CHUNKS_MAX commits ─► answer ─► client
//! ```
//! The next message is decoded while those before it are synced to disk. Answers
//! keep the order of messages; what an answer covers is durable. A record that
//! breaks a rule is rejected by itself; what concerns all of them ends the stream.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::{Status, Streaming};

use crate::face::grpc::convert::{self, RecordInput};
use crate::face::grpc::flight::Flight;
use crate::face::grpc::metrics::Operation;
use crate::face::grpc::records::check_count;
use crate::face::grpc::shared::{Incoming, Shared};
use crate::face::grpc::status;
use crate::model::{Caller, Fault, Reason, Refusal};
use crate::node::{Applied, Change, Effect, OnConflict, RecordAction, Write};
use crate::wire::proto::v1::import_records_response::Rejection;
use crate::wire::proto::v1::{
    ImportRecordsRequest, ImportRecordsResponse, Record, import_records_request,
};

/// Messages in work at once.
const CHUNKS_MAX: usize = 4;

type Answers = mpsc::Sender<Result<ImportRecordsResponse, Status>>;

/// Begins an import and returns its answers.
pub(super) fn start(
    shared: &Arc<Shared>,
    caller: Caller,
    messages: Streaming<ImportRecordsRequest>,
    deadline: Option<Instant>,
) -> mpsc::Receiver<Result<ImportRecordsResponse, Status>> {
    let (answers, receiver) = mpsc::channel(CHUNKS_MAX);
    let incoming = Incoming {
        messages,
        deadline,
        shutdown: shared.shutdown.clone(),
        message_bytes_max: shared.message_bytes_max,
    };
    let import = Import {
        shared: Arc::clone(shared),
        caller,
        rules: None,
        waiting: None,
        read_count: 0,
        covered_count: 0,
    };
    shared.tracker.spawn(async move {
        if let Err(status) = import.run(incoming, &answers).await {
            // Whoever does not wait for answers any more needs none.
            let _gone = answers.send(Err(status)).await;
        }
    });
    receiver
}

/// An import in work.
struct Import {
    shared: Arc<Shared>,
    caller: Caller,
    /// What the first message said.
    rules: Option<Rules>,
    /// A message whose records may not be written yet.
    waiting: Option<ImportRecordsRequest>,
    /// Records read so far.
    read_count: usize,
    /// Records that answers cover so far.
    covered_count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    on_conflict: OnConflict,
    validate_only: bool,
}

/// A message on its way: for each record its name, and the refusal of those that
/// are not even a change.
struct Chunk {
    first: usize,
    names: Vec<String>,
    places: Vec<Result<(), Refusal>>,
}

type Outcomes = Result<Vec<Result<Applied, Refusal>>, Refusal>;

impl Import {
    async fn run(
        mut self,
        mut incoming: Incoming<ImportRecordsRequest>,
        answers: &Answers,
    ) -> Result<(), Status> {
        let mut flight = Flight::new();
        let mut open = true;
        while open || flight.len() > 0 {
            tokio::select! {
                biased;
                (chunk, outcomes) = flight.next() => {
                    let answer = self.answer(chunk, outcomes);
                    let answer = answer.map_err(|refusal| status::status(&refusal))?;
                    if answers.send(Ok(answer)).await.is_err() {
                        return Ok(());
                    }
                }
                message = self.next(&mut incoming), if open && flight.len() < CHUNKS_MAX => {
                    match message? {
                        Some(message) => {
                            let begun = self.begin(message, &mut flight);
                            begun.map_err(|refusal| status::status(&refusal))?;
                        }
                        None => open = false,
                    }
                }
            }
        }
        Ok(())
    }

    /// The next message, once its records may be written. Cancelled, it loses
    /// nothing.
    async fn next(
        &mut self,
        incoming: &mut Incoming<ImportRecordsRequest>,
    ) -> Result<Option<ImportRecordsRequest>, Status> {
        if self.waiting.is_none() {
            self.waiting = incoming.next().await?;
        }
        let Some(message) = &self.waiting else {
            return Ok(None);
        };
        let (node, count) = (&self.shared.node, message.records.len());
        let is_trial = self
            .rules
            .map_or(message.validate_only, |rules| rules.validate_only);
        let take = || {
            if is_trial {
                node.admit_items(&self.caller, count.saturating_add(1))
            } else {
                node.take_writes(&self.caller, count)
            }
        };
        incoming.until_allowed(take).await?;
        Ok(self.waiting.take())
    }

    /// Takes a message in: its changes join `flight`.
    fn begin(
        &mut self,
        message: ImportRecordsRequest,
        flight: &mut Flight<(Chunk, Outcomes)>,
    ) -> Result<(), Refusal> {
        let ImportRecordsRequest {
            on_conflict,
            validate_only,
            records,
        } = message;
        check_count(records.len(), "records")?;
        let rules = match self.rules {
            Some(rules) => rules,
            None => *self.rules.insert(Rules {
                on_conflict: conflict_rule(on_conflict)?,
                validate_only,
            }),
        };
        let mut chunk = Chunk {
            first: self.read_count,
            names: Vec::with_capacity(records.len()),
            places: Vec::with_capacity(records.len()),
        };
        self.read_count += records.len();
        let mut writes = Vec::with_capacity(records.len());
        for record in records {
            chunk.names.push(record.name.clone());
            let write = import_write(record, rules.on_conflict);
            chunk.places.push(write.map(|write| writes.push(write)));
        }
        let (shared, caller) = (Arc::clone(&self.shared), self.caller.clone());
        flight.push(async move {
            let outcomes = if writes.is_empty() {
                Ok(Vec::new())
            } else if rules.validate_only {
                shared.validate(&caller, writes).await
            } else {
                shared.node.execute_counted(&caller, writes).await
            };
            (chunk, outcomes)
        });
        Ok(())
    }

    fn answer(
        &mut self,
        chunk: Chunk,
        outcomes: Outcomes,
    ) -> Result<ImportRecordsResponse, Refusal> {
        let metrics = &self.shared.metrics;
        metrics.changed(Operation::Import, &outcomes);
        let mut outcomes = outcomes?.into_iter();
        let Chunk {
            first,
            names,
            places,
        } = chunk;
        self.covered_count = first + names.len();
        let mut answer = ImportRecordsResponse {
            covered_count: number(self.covered_count),
            ..ImportRecordsResponse::default()
        };
        for (position, (name, place)) in (first..).zip(names.into_iter().zip(places)) {
            let missing = || Err(Refusal::new(Reason::Internal));
            let outcome = place.and_then(|()| outcomes.next().unwrap_or_else(missing));
            let effect = match outcome {
                Ok(Applied::Record { effect, .. }) => Some(effect),
                Ok(Applied::Prefix(_) | Applied::Link { .. } | Applied::Entry(_)) => None,
                Err(refusal) if concerns_all(&refusal) => return Err(refusal),
                Err(refusal) => {
                    answer.rejections.push(Rejection {
                        position: number(position),
                        name,
                        error: Some(status::item_error(&refusal)),
                    });
                    None
                }
            };
            metrics.imported(effect);
            match effect {
                Some(Effect::Created) => answer.created_count += 1,
                Some(Effect::Updated | Effect::Deleted) => answer.updated_count += 1,
                Some(Effect::Unchanged) => answer.unchanged_count += 1,
                Some(Effect::Skipped) => answer.skipped_count += 1,
                None => {}
            }
        }
        Ok(answer)
    }
}

/// Whether a refusal of one record would meet every other one too.
fn concerns_all(refusal: &Refusal) -> bool {
    matches!(refusal.fault(), Fault::Unavailable | Fault::Broken)
        || refusal.reason() == Reason::DiskFull
}

fn import_write(record: Record, on_conflict: OnConflict) -> Result<Write, Refusal> {
    let RecordInput {
        identifier,
        values,
        readers,
        etag: _,
    } = convert::record_input(record)?;
    let action = RecordAction::Import {
        values,
        readers,
        on_conflict,
    };
    Ok(Write {
        change: Change::Record { identifier, action },
        request_id: None,
    })
}

fn conflict_rule(rule: i32) -> Result<OnConflict, Refusal> {
    match import_records_request::OnConflict::try_from(rule) {
        Ok(
            import_records_request::OnConflict::Unspecified
            | import_records_request::OnConflict::Fail,
        ) => Ok(OnConflict::Fail),
        Ok(import_records_request::OnConflict::Skip) => Ok(OnConflict::Skip),
        Ok(import_records_request::OnConflict::Update) => Ok(OnConflict::Update),
        Err(_) => Err(Refusal::new(Reason::FieldInvalid)
            .field("on_conflict")
            .value(rule)
            .limit("an OnConflict")),
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
