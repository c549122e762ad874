//! Import: a stream of records or links in, a stream of what became of them out.
//!
//! ```text
//! client ─► message ─► decode, convert ─► Flight of CHUNKS_MAX commits ─► answer ─► client
//! ```
//! The next message is decoded while those before it are synced to disk; in bulk, as many
//! messages as make a table file become one commit. Answers keep the order of messages;
//! what an answer covers is durable. An item that
//! breaks a rule is rejected by itself; what concerns all of them ends the stream.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tonic::{Status, Streaming};

use crate::face::grpc::flight::Flight;
use crate::face::grpc::metrics::Operation;
use crate::face::grpc::records::check_count;
use crate::face::grpc::shared::{Incoming, Shared};
use crate::face::grpc::status;
use crate::model::limits::{BATCH_ITEMS_MAX, BULK_ITEMS};
use crate::model::{Caller, Fault, Reason, Refusal};
use crate::node::{Applied, Effect, OnConflict, Write};
use crate::wire::proto::v1::{ItemError, import_records_request};

/// Messages in work at once. They make large groups, whose rows are written in the order
/// of their keys: with 16 an import was four tenths faster than with 4, with more no faster.
const CHUNKS_MAX: usize = 16;
/// As above, where changes are only judged: each by a thread of its own.
const TRIAL_CHUNKS_MAX: usize = 4;
/// Bytes of the changes in work, but for those that the last one brings beyond.
const CHUNKS_BYTES: usize = 16 << 20;
/// As above, in bulk: one that is written and one that is decided.
const BULK_CHUNKS_MAX: usize = 2;
/// In bulk, bytes of changes that are written together, but for those that the last
/// message brings beyond.
const BULK_BYTES: usize = 32 << 20;
/// In bulk, how long what was read waits for a further message.
const BULK_WAIT: Duration = Duration::from_millis(50);

/// What an import takes in.
pub(super) trait Kind: Send + Sync + 'static {
    /// One message of the client.
    type Request: Send + 'static;
    /// One item of it.
    type Item: Send + 'static;
    /// What an item is called in a rejection.
    type Name: Send + 'static;
    /// One message to the client.
    type Answer: Send + 'static;
    /// The field of a message that holds its items.
    const ITEMS: &'static str;

    /// Takes a message apart.
    ///
    /// # Errors
    /// What is wrong with it as a whole.
    fn message(request: Self::Request) -> Result<Message<Self::Item>, Status>;
    /// What an item is called, and the change that it asks for; within, the first rule
    /// that is broken, with its field.
    fn write(item: Self::Item, on_conflict: OnConflict) -> (Self::Name, Result<Write, Refusal>);
    /// What became of an item; `None` for what became of something else.
    fn effect(applied: &Applied) -> Option<Effect>;
    /// What the client is told.
    fn answer(report: Report<Self::Name>) -> Self::Answer;
}

/// A message of an import.
pub(super) struct Message<T> {
    /// What to do with an item that is there: a number of `OnConflict`.
    pub(super) on_conflict: i32,
    /// Judge only.
    pub(super) validate_only: bool,
    /// Write many together.
    pub(super) bulk: bool,
    /// Its items.
    pub(super) items: Vec<T>,
}

/// What became of the items of one message.
pub(super) struct Report<N> {
    /// Items that this and all earlier answers cover.
    pub(super) covered_count: i64,
    /// Of the items of the message.
    pub(super) created_count: i64,
    /// As above.
    pub(super) updated_count: i64,
    /// As above.
    pub(super) unchanged_count: i64,
    /// As above.
    pub(super) skipped_count: i64,
    /// Position in the stream, name and error of each item that was not taken.
    pub(super) rejections: Vec<(i64, N, ItemError)>,
}

type Answers<K> = mpsc::Sender<Result<<K as Kind>::Answer, Status>>;

/// Begins an import and returns its answers.
pub(super) fn start<K: Kind>(
    shared: &Arc<Shared>,
    caller: Caller,
    messages: Streaming<K::Request>,
    deadline: Option<Instant>,
) -> mpsc::Receiver<Result<K::Answer, Status>> {
    let (answers, receiver) = mpsc::channel(CHUNKS_MAX);
    let incoming = Incoming {
        messages,
        deadline,
        shutdown: shared.shutdown.clone(),
        message_bytes_max: shared.message_bytes_max,
    };
    let import = Import::<K> {
        shared: Arc::clone(shared),
        caller,
        rules: None,
        bulk: None,
        waiting: None,
        gathered: None,
        bytes: 0,
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
struct Import<K: Kind> {
    shared: Arc<Shared>,
    caller: Caller,
    /// What the first message said.
    rules: Option<Rules>,
    /// The place of an import in bulk.
    bulk: Option<OwnedSemaphorePermit>,
    /// A message whose items may not be written yet.
    waiting: Option<Message<K::Item>>,
    /// What was read and is not in work.
    gathered: Option<Gathered<K::Name>>,
    /// Bytes of the changes in work.
    bytes: usize,
    /// Items that answers cover so far.
    covered_count: usize,
}

#[derive(Clone, Copy, Debug)]
struct Rules {
    on_conflict: OnConflict,
    validate_only: bool,
}

/// One message or, in bulk, several, with the changes that they ask for.
struct Gathered<N> {
    chunk: Chunk<N>,
    writes: Vec<Write>,
    /// When it is written even if no further message comes.
    due: Instant,
}

/// Messages on their way: for each item its name, and the refusal of those that are
/// not even a change.
struct Chunk<N> {
    names: Vec<N>,
    places: Vec<Result<(), Refusal>>,
    /// Bytes of the changes.
    bytes: usize,
}

impl<N> Chunk<N> {
    /// What each item is called and what became of it.
    fn items(
        self,
        outcomes: Vec<Result<Applied, Refusal>>,
    ) -> impl ExactSizeIterator<Item = (N, Result<Applied, Refusal>)> {
        let mut outcomes = outcomes.into_iter();
        let items = self.names.into_iter().zip(self.places);
        items.map(move |(name, place)| {
            let missing = || Err(Refusal::new(Reason::Internal));
            let outcome = place.and_then(|()| outcomes.next().unwrap_or_else(missing));
            (name, outcome)
        })
    }
}

type Outcomes = Result<Vec<Result<Applied, Refusal>>, Refusal>;

impl<K: Kind> Import<K> {
    async fn run(
        mut self,
        mut incoming: Incoming<K::Request>,
        answers: &Answers<K>,
    ) -> Result<(), Status> {
        let mut flight = Flight::new();
        let mut open = true;
        while open || flight.len() > 0 || self.gathered.is_some() {
            let is_full = self.is_full();
            let may_begin = self.gathered.is_some() && self.has_room(flight.len());
            if may_begin && (is_full || !open) {
                self.begin(&mut flight);
                continue;
            }
            let due = self.gathered.as_ref().map(|gathered| gathered.due);
            tokio::select! {
                biased;
                (chunk, outcomes) = flight.next() => {
                    self.shared.metrics.changed(Operation::Import, &outcomes);
                    let outcomes = outcomes.map_err(|refusal| status::status(&refusal))?;
                    self.bytes = self.bytes.saturating_sub(chunk.bytes);
                    let mut items = chunk.items(outcomes);
                    while items.len() > 0 {
                        let answer = self.answer(items.by_ref().take(BATCH_ITEMS_MAX));
                        let answer = answer.map_err(|refusal| status::status(&refusal))?;
                        if answers.send(Ok(answer)).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                message = self.next(&mut incoming), if open && !is_full => match message? {
                    Some(message) => {
                        let gathered = self.gather(message);
                        gathered.map_err(|refusal| status::status(&refusal))?;
                    }
                    None => open = false,
                },
                () = until(due), if may_begin => self.begin(&mut flight),
            }
        }
        Ok(())
    }

    /// Whether what was gathered is to be written together.
    fn is_full(&self) -> bool {
        let is_bulk = self.bulk.is_some();
        self.gathered.as_ref().is_some_and(|gathered| {
            let count = gathered.chunk.names.len();
            !is_bulk || count >= BULK_ITEMS || gathered.chunk.bytes >= BULK_BYTES
        })
    }

    /// Whether one more may join so many in work.
    fn has_room(&self, count: usize) -> bool {
        if self.rules.is_some_and(|rules| rules.validate_only) {
            return count < TRIAL_CHUNKS_MAX;
        }
        match self.bulk {
            Some(_) => count < BULK_CHUNKS_MAX,
            None => count < CHUNKS_MAX && self.bytes < CHUNKS_BYTES,
        }
    }

    /// The next message, once its items may be written. Cancelled, it loses
    /// nothing.
    async fn next(
        &mut self,
        incoming: &mut Incoming<K::Request>,
    ) -> Result<Option<Message<K::Item>>, Status> {
        if self.waiting.is_none() {
            self.waiting = incoming.next().await?.map(K::message).transpose()?;
        }
        let Some(message) = &self.waiting else {
            return Ok(None);
        };
        let (node, count) = (&self.shared.node, message.items.len());
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

    /// Takes a message in.
    fn gather(&mut self, message: Message<K::Item>) -> Result<(), Refusal> {
        let Message {
            on_conflict,
            validate_only,
            bulk,
            items,
        } = message;
        check_count(items.len(), K::ITEMS)?;
        let rules = match self.rules {
            Some(rules) => rules,
            None => {
                if bulk && !validate_only {
                    let places = Arc::clone(&self.shared.bulk_imports);
                    self.bulk = places.try_acquire_owned().ok();
                }
                *self.rules.insert(Rules {
                    on_conflict: conflict_rule(on_conflict)?,
                    validate_only,
                })
            }
        };
        let room = match self.bulk {
            Some(_) => BULK_ITEMS,
            None => items.len(),
        };
        let gathered = self.gathered.get_or_insert_with(|| Gathered {
            chunk: Chunk {
                names: Vec::with_capacity(room),
                places: Vec::with_capacity(room),
                bytes: 0,
            },
            writes: Vec::with_capacity(room),
            due: Instant::now(),
        });
        gathered.due = Instant::now() + BULK_WAIT;
        for item in items {
            let (name, write) = K::write(item, rules.on_conflict);
            gathered.chunk.names.push(name);
            let place = write.map(|write| {
                gathered.chunk.bytes += write.change.byte_count();
                gathered.writes.push(write);
            });
            gathered.chunk.places.push(place);
        }
        Ok(())
    }

    /// Has what was gathered written: it joins `flight`.
    fn begin(&mut self, flight: &mut Flight<(Chunk<K::Name>, Outcomes)>) {
        let Some(Gathered { chunk, writes, .. }) = self.gathered.take() else {
            return;
        };
        self.bytes = self.bytes.saturating_add(chunk.bytes);
        let is_trial = self.rules.is_some_and(|rules| rules.validate_only);
        let (shared, caller) = (Arc::clone(&self.shared), self.caller.clone());
        flight.push(async move {
            let outcomes = if writes.is_empty() {
                Ok(Vec::new())
            } else if is_trial {
                shared.validate(&caller, writes).await
            } else {
                shared.node.execute_counted(&caller, writes).await
            };
            (chunk, outcomes)
        });
    }

    /// What is told of items: as many as fit into an answer if each is refused.
    fn answer(
        &mut self,
        items: impl Iterator<Item = (K::Name, Result<Applied, Refusal>)>,
    ) -> Result<K::Answer, Refusal> {
        let metrics = &self.shared.metrics;
        let mut report = Report {
            covered_count: 0,
            created_count: 0,
            updated_count: 0,
            unchanged_count: 0,
            skipped_count: 0,
            rejections: Vec::new(),
        };
        for (name, outcome) in items {
            let position = self.covered_count;
            self.covered_count += 1;
            let effect = match outcome {
                Ok(applied) => K::effect(&applied),
                Err(refusal) if concerns_all(&refusal) => return Err(refusal),
                Err(refusal) => {
                    let error = status::item_error(&refusal);
                    report.rejections.push((number(position), name, error));
                    None
                }
            };
            metrics.imported(effect);
            match effect {
                Some(Effect::Created) => report.created_count += 1,
                Some(Effect::Updated | Effect::Deleted) => report.updated_count += 1,
                Some(Effect::Unchanged) => report.unchanged_count += 1,
                Some(Effect::Skipped) => report.skipped_count += 1,
                None => {}
            }
        }
        report.covered_count = number(self.covered_count);
        Ok(K::answer(report))
    }
}

/// Waits until then; for ever where it is never.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Whether a refusal of one item would meet every other one too.
fn concerns_all(refusal: &Refusal) -> bool {
    matches!(refusal.fault(), Fault::Unavailable | Fault::Broken)
        || refusal.reason() == Reason::DiskFull
}

/// What to do with an item that is there, as a message says it.
///
/// # Errors
/// `FieldInvalid` for a number that stands for nothing.
pub(super) fn conflict_rule(rule: i32) -> Result<OnConflict, Refusal> {
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
