//! The Resolution service: one identifier, a batch, a stream.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::face::grpc::kept;
use crate::face::grpc::metrics::Resolved;
use crate::face::grpc::records::{ANSWER_BYTES, check_count};
use crate::face::grpc::shared::{Incoming, Shared, answer, deadline};
use crate::face::grpc::status;
use crate::model::{Caller, Fault, Identifier, Reason, Refusal};
use crate::node::{Kept, Marks, Node, Query, TypeFilter};
use crate::wire::proto::v1::resolution_server::Resolution;
use crate::wire::proto::v1::{
    BatchResolveRequest, BatchResolveResponse, ResolveRequest, ResolveResponse,
    ResolveStreamRequest, ResolveStreamResponse,
};
use crate::wire::proto::{Encoded, ResultsWriter, error_result, record_result};

/// Identifiers that are resolved on the runtime's own threads; more of them at
/// once go to a thread that may block.
const INLINE_MAX: usize = 64;
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
        request: Request<BatchResolveRequest>,
    ) -> Result<Response<Encoded<BatchResolveResponse>>, Status> {
        let (caller, request) = self.0.open(request)?;
        let BatchResolveRequest {
            identifiers,
            types,
            indices,
        } = request;
        let batch = Batch {
            identifiers,
            types,
            indices,
        };
        let counted = self.0.node.admit_items(&caller, batch.identifiers.len());
        let results = match counted {
            Ok(()) => batch.resolve(&self.0, &caller).await,
            Err(refusal) => Err(refusal),
        };
        answer(results.map(ResultsWriter::finish))
    }

    async fn resolve_stream(
        &self,
        request: Request<Streaming<ResolveStreamRequest>>,
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
                        let count = message.identifiers.len();
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
    message: ResolveStreamRequest,
) -> Result<Encoded<ResolveStreamResponse>, Status> {
    let ResolveStreamRequest {
        identifiers,
        types,
        indices,
    } = message;
    let batch = Batch {
        identifiers,
        types,
        indices,
    };
    let results = batch.resolve(shared, caller).await;
    results
        .map(ResultsWriter::finish)
        .map_err(|refusal| status::status(&refusal))
}

/// Identifiers to resolve alike.
struct Batch {
    identifiers: Vec<String>,
    types: Vec<String>,
    indices: Vec<u32>,
}

impl Batch {
    /// Resolves each for itself: what is kept at once, and the rest off the runtime's
    /// threads if it is much.
    ///
    /// # Errors
    /// `BatchEmpty`, `BatchTooLarge`, `FieldInvalid`.
    async fn resolve(
        self,
        shared: &Arc<Shared>,
        caller: &Caller,
    ) -> Result<ResultsWriter, Refusal> {
        let Self {
            identifiers,
            types,
            indices,
        } = self;
        check_count(identifiers.len(), "identifiers")?;
        let selection = Selection::new(&types, indices)?;
        let found = selection.find_each(shared, caller, &identifiers);
        let missing = found.iter().filter(|found| found.is_none()).count();
        shared.metrics.kept(found.len() - missing, missing);
        if missing <= INLINE_MAX {
            return Ok(selection.write_each(shared, caller, (&identifiers, found)));
        }
        let (kept, caller) = (Arc::clone(shared), caller.clone());
        shared
            .blocking(move |_| selection.write_each(&kept, &caller, (&identifiers, found)))
            .await
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

    /// What is kept for each of `identifiers`.
    fn find_each(
        &self,
        shared: &Shared,
        caller: &Caller,
        identifiers: &[String],
    ) -> Vec<Option<kept::Result>> {
        let is_anonymous = caller.is_anonymous();
        let mut key = self.key.clone();
        let find = |identifier: &String| {
            key.truncate(self.key.len());
            key.extend_from_slice(identifier.as_bytes());
            shared.results.find(&key, &shared.node, is_anonymous)
        };
        identifiers.iter().map(find).collect()
    }

    /// A result for each of `identifiers`: that which was found, or a new one. Once
    /// the answer holds [`ANSWER_BYTES`], the rest is refused as `MessageTooLarge`.
    fn write_each(
        &self,
        shared: &Shared,
        caller: &Caller,
        (identifiers, found): (&[String], Vec<Option<kept::Result>>),
    ) -> ResultsWriter {
        let mut writer = ResultsWriter::with_capacity(found.len());
        for (identifier, found) in identifiers.iter().zip(found) {
            if writer.len() >= ANSWER_BYTES {
                let refusal = Refusal::new(Reason::MessageTooLarge).limit(ANSWER_BYTES);
                shared.metrics.resolved(Resolved::Refused(refusal.fault()));
                writer.result(Arc::new(error_result(&status::item_error(&refusal))));
                continue;
            }
            let mut marks = [None; 2];
            let result = match found {
                Some(found) => Ok(found),
                None => self.make(shared, caller, identifier, &mut marks),
            };
            let result = result.unwrap_or_else(|refusal| {
                self.refused(shared, caller, (identifier, &refusal, marks))
            });
            shared.metrics.resolved(result.answer.resolved);
            writer.result(result);
        }
        writer
    }

    /// Resolves one, kept or anew.
    fn one(
        &self,
        shared: &Shared,
        caller: &Caller,
        identifier: &str,
    ) -> Result<Encoded<ResolveResponse>, Refusal> {
        let found = shared
            .results
            .find(&self.key(identifier), &shared.node, caller.is_anonymous());
        let found = found.filter(|found| found.answer.resolved == Resolved::Found);
        let missing = usize::from(found.is_none());
        shared.metrics.kept(1 - missing, missing);
        let result = match found {
            Some(found) => Ok(found),
            None => self.make(shared, caller, identifier, &mut [None; 2]),
        };
        shared.metrics.resolved(match &result {
            Ok(_) => Resolved::Found,
            Err(refusal) => Resolved::Refused(refusal.fault()),
        });
        // A result with a record is the same octets as the answer.
        Ok(Encoded::of_pieces(Vec::new(), vec![(0, result?)]))
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
    ) -> Result<kept::Result, Refusal> {
        let parsed = Identifier::parse_or_prefix(identifier);
        let parsed = parsed.map_err(|refusal| refusal.field("identifier"))?;
        *marks = marks_of(&shared.node, &parsed);
        let query = Query {
            identifier: parsed,
            types: self.types.clone(),
            indices: self.indices.clone(),
        };
        let (record, is_for_all) = shared.node.resolve_shared(caller, &query)?;
        let answer = kept::Encoded {
            octets: record_result(&shared.message(record)).into(),
            resolved: Resolved::Found,
            is_for_all,
        };
        let is_kept = is_for_all || caller.is_anonymous();
        Ok(self.kept(shared, (identifier, is_kept), answer, *marks))
    }

    /// The result of what was refused; kept if nobody finds it who is not known, and
    /// for all if none below its prefix is seen by some only.
    fn refused(
        &self,
        shared: &Shared,
        caller: &Caller,
        (identifier, refusal, marks): (&str, &Refusal, Marks),
    ) -> kept::Result {
        let is_missing = refusal.fault() == Fault::Missing;
        let is_for_all = is_missing
            && Identifier::parse_or_prefix(identifier)
                .is_ok_and(|identifier| !shared.node.has_restricted(identifier.prefix()));
        let answer = kept::Encoded {
            octets: error_result(&status::item_error(refusal)).into(),
            resolved: Resolved::Refused(refusal.fault()),
            is_for_all,
        };
        let is_kept = is_for_all || is_missing && caller.is_anonymous();
        self.kept(shared, (identifier, is_kept), answer, marks)
    }

    fn kept(
        &self,
        shared: &Shared,
        (identifier, is_kept): (&str, bool),
        answer: kept::Encoded,
        marks: Marks,
    ) -> kept::Result {
        match is_kept && marks.iter().any(Option::is_some) {
            true => shared.results.keep(&self.key(identifier), answer, marks),
            false => Arc::new(Kept { answer, marks }),
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
