//! The Resolution service: one identifier, a batch, a stream.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::face::grpc::kept::Kind;
use crate::face::grpc::metrics::Resolved;
use crate::face::grpc::records::{ANSWER_BYTES, check_count};
use crate::face::grpc::shared::{Incoming, Shared, answer, deadline};
use crate::face::grpc::status;
use crate::model::{Caller, Fault, Identifier, Reason, Refusal};
use crate::node::{KeyHash, Marks, Node, Query, TypeFilter};
use crate::wire::proto::v1::resolution_server::Resolution;
use crate::wire::proto::v1::{
    BatchResolveResponse, ResolveRequest, ResolveResponse, ResolveStreamResponse,
};
use crate::wire::proto::{Encoded, ResolveMany, ResultsWriter, error_result, record_result};

/// Identifiers that are resolved on the runtime's own threads; more of them at
/// once go to a thread that may block.
const INLINE_MAX: usize = 64;
/// Identifiers whose kept results are fetched from memory at once.
const AHEAD: usize = 32;
/// Octets that most results take.
const RESULT_BYTES: usize = 1_024;
/// Answers of a stream that wait for the client.
const ANSWERS_WAITING: usize = 4;
/// Types and indices by which one query may select, each.
const SELECTORS_MAX: usize = 64;

/// The Resolution service.
pub(super) struct ResolutionService(pub(super) Arc<Shared>);

#[async_trait]
impl Resolution for ResolutionService {
    type ResolveStreamStream = ReceiverStream<Result<Encoded<ResolveStreamResponse>, Status>>;

    async fn resolve(
        &self,
        request: Request<ResolveRequest>,
    ) -> Result<Response<Encoded<ResolveResponse>>, Status> {
        let (caller, request) = self.0.open(request)?;
        let ResolveRequest {
            identifier,
            types,
            indices,
        } = request;
        let selection = Selection::new(&types, indices);
        answer(selection.and_then(|selection| selection.one(&self.0, &caller, &identifier)))
    }

    async fn batch_resolve(
        &self,
        request: Request<ResolveMany>,
    ) -> Result<Response<Encoded<BatchResolveResponse>>, Status> {
        let (caller, asked) = self.0.open(request)?;
        let results = match self.0.node.admit_items(&caller, asked.len()) {
            Ok(()) => resolve_many(&self.0, &caller, asked).await,
            Err(refusal) => Err(refusal),
        };
        answer(results.map(ResultsWriter::finish))
    }

    async fn resolve_stream(
        &self,
        request: Request<Streaming<ResolveMany>>,
    ) -> Result<Response<Self::ResolveStreamStream>, Status> {
        let deadline = deadline(&request);
        let (caller, messages) = self.0.open(request)?;
        let mut incoming = Incoming {
            messages,
            deadline,
            shutdown: self.0.shutdown.clone(),
            message_bytes_max: self.0.message_bytes_max,
        };
        let (answers, receiver) = mpsc::channel(ANSWERS_WAITING);
        let shared = Arc::clone(&self.0);
        self.0.tracker.spawn(async move {
            loop {
                let answer = match incoming.next().await {
                    Ok(None) => return,
                    Ok(Some(message)) => {
                        let count = message.len();
                        let take = || shared.node.admit_items(&caller, count.saturating_add(1));
                        match incoming.until_allowed(take).await {
                            Ok(()) => stream_answer(&shared, &caller, message).await,
                            Err(status) => Err(status),
                        }
                    }
                    Err(status) => Err(status),
                };
                let failed = answer.is_err();
                if answers.send(answer).await.is_err() || failed {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

async fn stream_answer(
    shared: &Arc<Shared>,
    caller: &Caller,
    asked: ResolveMany,
) -> Result<Encoded<ResolveStreamResponse>, Status> {
    let results = resolve_many(shared, caller, asked).await;
    results
        .map(ResultsWriter::finish)
        .map_err(|refusal| status::status(&refusal))
}

/// Resolves each for itself: what is kept at once, and the rest off the runtime's
/// threads if it is much.
///
/// # Errors
/// `BatchEmpty`, `BatchTooLarge`, `FieldInvalid`.
async fn resolve_many(
    shared: &Arc<Shared>,
    caller: &Caller,
    mut asked: ResolveMany,
) -> Result<ResultsWriter, Refusal> {
    check_count(asked.len(), "identifiers")?;
    let indices = std::mem::take(&mut asked.indices);
    let selection = Selection::new(&asked.types, indices)?;
    let room = asked.len().saturating_mul(RESULT_BYTES).min(ANSWER_BYTES);
    let mut work = Work {
        shared: Arc::clone(shared),
        caller: caller.clone(),
        selection,
        asked,
        writer: ResultsWriter::with_capacity(room),
        done: 0,
        counts: Counts::default(),
    };
    if !work.go(INLINE_MAX) {
        let go_on = move |_: &Node| {
            work.go(usize::MAX);
            work
        };
        work = shared.blocking(go_on).await?;
    }
    Ok(work.finish())
}

/// Identifiers being resolved, in their order.
struct Work {
    shared: Arc<Shared>,
    caller: Caller,
    selection: Selection,
    asked: ResolveMany,
    writer: ResultsWriter,
    /// How many have their result.
    done: usize,
    counts: Counts,
}

/// What became of them, but for what was refused otherwise.
#[derive(Default)]
struct Counts {
    kept: usize,
    made: usize,
    found: usize,
    missing: usize,
}

impl Work {
    /// Goes on until all are resolved, or more than so many would have to be anew;
    /// whether all are.
    fn go(&mut self, made_max: usize) -> bool {
        let is_anonymous = self.caller.is_anonymous();
        let shared = Arc::clone(&self.shared);
        let mut keys = Keys::default();
        while self.done < self.asked.len() {
            let ahead = (self.done..).take(AHEAD);
            let ahead = ahead.map_while(|at| self.asked.get(at));
            keys.fill(&shared, &self.selection, ahead);
            for (hash, key) in keys.each() {
                if self.writer.len() >= ANSWER_BYTES {
                    self.too_large();
                    continue;
                }
                let kept = shared.results.find((hash, key), &shared.node, is_anonymous);
                let put = kept.and_then(|(kept, kind)| {
                    let put = self.writer.put(kept.len(), |out| kept.append(out));
                    put.then_some(kind)
                });
                match put {
                    Some(kind) => {
                        self.counts.kept += 1;
                        self.counts.add(kind);
                    }
                    None if self.counts.made >= made_max => return false,
                    None => self.make(),
                }
                self.done += 1;
            }
        }
        true
    }

    /// Resolves the next one anew.
    fn make(&mut self) {
        let Some(identifier) = self.asked.get(self.done) else {
            return;
        };
        self.counts.made += 1;
        let (shared, caller) = (&*self.shared, &self.caller);
        let mut marks = [None; 2];
        let made = self.selection.make(shared, caller, identifier, &mut marks);
        let octets = match made {
            Ok(octets) => {
                self.counts.found += 1;
                octets
            }
            Err(refusal) => {
                shared.metrics.resolved(Resolved::Refused(refusal.fault()));
                let selection = &self.selection;
                selection.refused(shared, caller, (identifier, &refusal, marks))
            }
        };
        self.writer.result(&octets);
    }

    /// The answer is as large as it may be: the rest is refused.
    fn too_large(&mut self) {
        let refusal = Refusal::new(Reason::MessageTooLarge).limit(ANSWER_BYTES);
        let metrics = &self.shared.metrics;
        metrics.resolved(Resolved::Refused(refusal.fault()));
        let error = error_result(&status::item_error(&refusal));
        self.writer.result(&error);
        self.done += 1;
    }

    /// The results.
    fn finish(self) -> ResultsWriter {
        let Counts {
            kept,
            made,
            found,
            missing,
        } = self.counts;
        let metrics = &self.shared.metrics;
        metrics.kept(kept, made);
        metrics.resolved_many(Resolved::Found, found);
        metrics.resolved_many(Resolved::Refused(Fault::Missing), missing);
        self.writer
    }
}

impl Counts {
    const fn add(&mut self, kind: Kind) {
        match kind.is_found {
            true => self.found += 1,
            false => self.missing += 1,
        }
    }
}

/// The keys of the next identifiers, behind one another.
#[derive(Default)]
struct Keys {
    octets: Vec<u8>,
    ends: Vec<usize>,
    hashes: Vec<KeyHash>,
}

impl Keys {
    /// The keys of `identifiers`, whose results are on their way from memory then.
    fn fill<'a>(
        &mut self,
        shared: &Shared,
        selection: &Selection,
        identifiers: impl Iterator<Item = &'a str>,
    ) {
        self.octets.clear();
        self.ends.clear();
        self.hashes.clear();
        for identifier in identifiers {
            let start = self.octets.len();
            self.octets.extend_from_slice(&selection.key);
            self.octets.extend_from_slice(identifier.as_bytes());
            self.ends.push(self.octets.len());
            let key = self.octets.get(start..).unwrap_or_default();
            self.hashes.push(shared.results.hash(key));
        }
        shared.results.touch(&self.hashes, &shared.node);
    }

    /// Each with its hash.
    fn each(&self) -> impl Iterator<Item = (KeyHash, &[u8])> {
        let mut start = 0;
        let ends = self.hashes.iter().zip(&self.ends);
        ends.map(move |(hash, end)| {
            let key = self.octets.get(start..*end).unwrap_or_default();
            start = *end;
            (*hash, key)
        })
    }
}

/// Which values of a record are asked for.
struct Selection {
    types: Vec<TypeFilter>,
    indices: Vec<u32>,
    /// The same as octets that tell where they end: how keys of results begin.
    key: Vec<u8>,
}

impl Selection {
    /// # Errors
    /// `FieldInvalid` above [`SELECTORS_MAX`].
    fn new(types: &[String], indices: Vec<u32>) -> Result<Self, Refusal> {
        for (field, count) in [("types", types.len()), ("indices", indices.len())] {
            if count > SELECTORS_MAX {
                return Err(Refusal::new(Reason::FieldInvalid)
                    .field(field)
                    .value(count)
                    .limit(format!("at most {SELECTORS_MAX}")));
            }
        }
        let mut key = Vec::new();
        key.extend(types.len().to_le_bytes());
        for text in types {
            key.extend(text.len().to_le_bytes());
            key.extend(text.as_bytes());
        }
        key.extend(indices.len().to_le_bytes());
        key.extend(indices.iter().flat_map(|index| index.to_le_bytes()));
        Ok(Self {
            types: types.iter().map(|text| TypeFilter::new(text)).collect(),
            indices,
            key,
        })
    }

    /// The key of the result for `identifier`.
    fn key(&self, identifier: &str) -> Vec<u8> {
        [&self.key, identifier.as_bytes()].concat()
    }

    /// Resolves one, kept or anew.
    fn one(
        &self,
        shared: &Shared,
        caller: &Caller,
        identifier: &str,
    ) -> Result<Encoded<ResolveResponse>, Refusal> {
        let key = self.key(identifier);
        let hash = shared.results.hash(&key);
        let kept = shared
            .results
            .find((hash, &key), &shared.node, caller.is_anonymous());
        let kept = kept
            .filter(|(_, kind)| kind.is_found)
            .and_then(|(kept, _)| {
                let mut octets = Vec::new();
                kept.append(&mut octets).then_some(octets)
            });
        let missing = usize::from(kept.is_none());
        shared.metrics.kept(1 - missing, missing);
        let result = match kept {
            Some(octets) => Ok(octets),
            None => self.make(shared, caller, identifier, &mut [None; 2]),
        };
        shared.metrics.resolved(match &result {
            Ok(_) => Resolved::Found,
            Err(refusal) => Resolved::Refused(refusal.fault()),
        });
        // A result with a record is the same octets as the answer.
        Ok(Encoded::new(result?))
    }

    /// Resolves one anew and keeps the result, if it is not the caller's alone.
    ///
    /// `marks` are those under which it stands, or the refusal does.
    ///
    /// # Errors
    /// Those of the node.
    fn make(
        &self,
        shared: &Shared,
        caller: &Caller,
        identifier: &str,
        marks: &mut Marks,
    ) -> Result<Vec<u8>, Refusal> {
        let parsed = Identifier::parse_or_prefix(identifier);
        let parsed = parsed.map_err(|refusal| refusal.field("identifier"))?;
        *marks = marks_of(&shared.node, &parsed);
        let query = Query {
            identifier: parsed,
            types: self.types.clone(),
            indices: self.indices.clone(),
        };
        let (record, is_for_all) = shared.node.resolve_shared(caller, &query)?;
        let octets = record_result(&shared.message(record));
        if is_for_all || caller.is_anonymous() {
            let kind = Kind {
                is_found: true,
                is_for_all,
            };
            self.keep(shared, identifier, (&octets, kind), marks);
        }
        Ok(octets)
    }

    /// The result of what was refused; kept if nobody finds it who is not known, and
    /// for all if none below its prefix is seen by some only.
    fn refused(
        &self,
        shared: &Shared,
        caller: &Caller,
        (identifier, refusal, marks): (&str, &Refusal, Marks),
    ) -> Vec<u8> {
        let octets = error_result(&status::item_error(refusal));
        if refusal.fault() == Fault::Missing {
            let is_for_all = Identifier::parse_or_prefix(identifier)
                .is_ok_and(|identifier| !shared.node.has_restricted(identifier.prefix()));
            if is_for_all || caller.is_anonymous() {
                let kind = Kind {
                    is_found: false,
                    is_for_all,
                };
                self.keep(shared, identifier, (&octets, kind), &marks);
            }
        }
        octets
    }

    fn keep(
        &self,
        shared: &Shared,
        identifier: &str,
        (octets, kind): (&[u8], Kind),
        marks: &Marks,
    ) {
        if marks.iter().any(Option::is_some) {
            let key = self.key(identifier);
            shared.results.keep(&key, octets, kind, marks);
        }
    }
}

/// The marks under which a result for `identifier` stands, taken before it is made.
/// None for the record of a prefix, which tells of the node's site too.
fn marks_of(node: &Node, identifier: &Identifier) -> Marks {
    let prefix = identifier.prefix();
    let stamp = || node.stamp(&prefix.canonical(), identifier.suffix().as_str().as_bytes());
    [(!prefix.holds_prefix_records()).then(stamp), None]
}
