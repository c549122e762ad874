//! The Resolution service: one identifier, a batch, a stream.

use std::sync::Arc;

use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::face::grpc::records::{ANSWER_BYTES, check_count};
use crate::face::grpc::shared::{Incoming, Shared, answer, deadline};
use crate::face::grpc::status;
use crate::model::{Caller, Identifier, Reason, Refusal};
use crate::node::{Query, TypeFilter};
use crate::wire::proto::v1::resolution_server::Resolution;
use crate::wire::proto::v1::{
    self, BatchResolveRequest, BatchResolveResponse, ResolveRequest, ResolveResponse,
    ResolveResult, ResolveStreamRequest, ResolveStreamResponse, resolve_result,
};

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
    type ResolveStreamStream = ReceiverStream<Result<ResolveStreamResponse, Status>>;

    async fn resolve(
        &self,
        request: Request<ResolveRequest>,
    ) -> Result<Response<ResolveResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        let ResolveRequest {
            identifier,
            types,
            indices,
        } = request;
        let record = Selection::new(&types, indices)
            .and_then(|selection| selection.resolve(&self.0, &caller, &identifier));
        self.0.metrics.resolved(&record);
        answer(record.map(|record| ResolveResponse {
            record: Some(record),
        }))
    }

    async fn batch_resolve(
        &self,
        request: Request<BatchResolveRequest>,
    ) -> Result<Response<BatchResolveResponse>, Status> {
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
        answer(results.map(|results| BatchResolveResponse { results }))
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
) -> Result<ResolveStreamResponse, Status> {
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
    match batch.resolve(shared, caller).await {
        Ok(results) => Ok(ResolveStreamResponse { results }),
        Err(refusal) => Err(status::status(&refusal)),
    }
}

/// Identifiers to resolve alike.
struct Batch {
    identifiers: Vec<String>,
    types: Vec<String>,
    indices: Vec<u32>,
}

impl Batch {
    /// Resolves each for itself, off the runtime's threads if there are many.
    ///
    /// # Errors
    /// `BatchEmpty`, `BatchTooLarge`, `FieldInvalid`.
    async fn resolve(
        self,
        shared: &Arc<Shared>,
        caller: &Caller,
    ) -> Result<Vec<ResolveResult>, Refusal> {
        let Self {
            identifiers,
            types,
            indices,
        } = self;
        check_count(identifiers.len(), "identifiers")?;
        let selection = Selection::new(&types, indices)?;
        if identifiers.len() <= INLINE_MAX {
            return Ok(selection.resolve_each(shared, caller, &identifiers));
        }
        let (kept, caller) = (Arc::clone(shared), caller.clone());
        shared
            .blocking(move |_| selection.resolve_each(&kept, &caller, &identifiers))
            .await
    }
}

/// Which values of a record are asked for.
struct Selection {
    types: Vec<TypeFilter>,
    indices: Vec<u32>,
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
        Ok(Self {
            types: types.iter().map(|text| TypeFilter::new(text)).collect(),
            indices,
        })
    }

    fn resolve(
        &self,
        shared: &Shared,
        caller: &Caller,
        identifier: &str,
    ) -> Result<v1::Record, Refusal> {
        let query = Query {
            identifier: Identifier::parse_or_prefix(identifier)
                .map_err(|refusal| refusal.field("identifier"))?,
            types: self.types.clone(),
            indices: self.indices.clone(),
        };
        let record = shared.node.resolve(caller, &query)?;
        Ok(shared.message(record))
    }

    /// A result for each. Once the answer holds [`ANSWER_BYTES`], the rest is
    /// refused as `MessageTooLarge` without being read.
    fn resolve_each(
        &self,
        shared: &Shared,
        caller: &Caller,
        identifiers: &[String],
    ) -> Vec<ResolveResult> {
        let mut bytes = 0;
        let one = |identifier: &String| {
            let record = if bytes < ANSWER_BYTES {
                self.resolve(shared, caller, identifier)
            } else {
                Err(Refusal::new(Reason::MessageTooLarge).limit(ANSWER_BYTES))
            };
            shared.metrics.resolved(&record);
            let outcome = match record {
                Ok(record) => resolve_result::Outcome::Record(record),
                Err(refusal) => resolve_result::Outcome::Error(status::item_error(&refusal)),
            };
            let result = ResolveResult {
                outcome: Some(outcome),
            };
            bytes += result.encoded_len();
            result
        };
        identifiers.iter().map(one).collect()
    }
}
