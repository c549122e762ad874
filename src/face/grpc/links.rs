//! The Links service: states, reads and lists links; traces are in `traces`.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::face::grpc::change::Intent;
use crate::face::grpc::convert::signed;
use crate::face::grpc::metrics::Operation;
use crate::face::grpc::records::{ANSWER_BYTES, check_count, write_each};
use crate::face::grpc::shared::{Shared, answer, deadline};
use crate::face::grpc::{
    import, link_convert, link_import, name, page, ready, status, trace_stream, traces,
};
use crate::model::{Caller, Identifier, Reason, Refusal};
use crate::node::{Applied, LinkCheck, LinkFilter, Node, Page, TraceDirection};
use crate::wire::proto::Encoded;
use crate::wire::proto::v1::links_server::Links;
use crate::wire::proto::v1::{
    BatchWriteLinksRequest, BatchWriteLinksResponse, CheckLinksRequest, CheckLinksResponse,
    CompareTracesRequest, CompareTracesResponse, ConfirmLinkRequest, DisputeLinkRequest,
    FindPathsRequest, FindPathsResponse, GetLinkRequest, GroupTraceRequest, GroupTraceResponse,
    ImportLinksRequest, ImportLinksResponse, InspectLinksRequest, InspectLinksResponse, Link,
    ListLinksRequest, ListLinksResponse, StateLinkRequest, TraceRequest, TraceResponse,
    WithdrawLinkRequest, batch_write_links_response,
};

/// Bytes that a link takes at most in an answer, about: as many are read at once as
/// fit for sure.
const LINK_BYTES: usize = 16 << 10;
/// Links of a page that are read at least at once.
const READ_LINKS: usize = 50;

/// The Links service.
pub(super) struct LinksService(pub(super) Arc<Shared>);

#[async_trait]
impl Links for LinksService {
    type ImportLinksStream = ReceiverStream<Result<ImportLinksResponse, Status>>;
    type StreamTraceStream = ReceiverStream<Result<Encoded<TraceResponse>, Status>>;

    async fn state_link(
        &self,
        request: Request<StateLinkRequest>,
    ) -> Result<Response<Link>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.write(&caller, link_convert::state(request)).await)
    }

    async fn get_link(&self, request: Request<GetLinkRequest>) -> Result<Response<Link>, Status> {
        let (caller, request) = self.0.open(request)?;
        let link = link_convert::link_name(request.name);
        let link = link.and_then(|name| self.0.node.link(&caller, &name));
        answer(link.map(|view| link_convert::link(&view)))
    }

    async fn list_links(
        &self,
        request: Request<ListLinksRequest>,
    ) -> Result<Response<ListLinksResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        let kept = Arc::clone(&self.0);
        let listed = self
            .0
            .blocking(move |_| list(&kept, &caller, &request))
            .await;
        answer(listed.flatten())
    }

    async fn confirm_link(
        &self,
        request: Request<ConfirmLinkRequest>,
    ) -> Result<Response<Link>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.write(&caller, link_convert::confirm(request)).await)
    }

    async fn dispute_link(
        &self,
        request: Request<DisputeLinkRequest>,
    ) -> Result<Response<Link>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.write(&caller, link_convert::dispute(request)).await)
    }

    async fn withdraw_link(
        &self,
        request: Request<WithdrawLinkRequest>,
    ) -> Result<Response<Link>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.write(&caller, link_convert::withdraw(request)).await)
    }

    async fn batch_write_links(
        &self,
        request: Request<BatchWriteLinksRequest>,
    ) -> Result<Response<BatchWriteLinksResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(self.batch(&caller, request).await)
    }

    async fn import_links(
        &self,
        request: Request<Streaming<ImportLinksRequest>>,
    ) -> Result<Response<Self::ImportLinksStream>, Status> {
        let deadline = deadline(&request);
        let (caller, messages) = self.0.open(request)?;
        let answers = import::start::<link_import::Links>(&self.0, caller, messages, deadline);
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn trace(
        &self,
        request: Request<TraceRequest>,
    ) -> Result<Response<Encoded<TraceResponse>>, Status> {
        let (deadline, as_is) = (deadline(&request), ready::is_taken(request.metadata()));
        let (caller, request) = self.0.open(request)?;
        let traced = traces::trace(&self.0, caller, request, (deadline, as_is)).await;
        traced.map_err(|refusal| status::status(&refusal))
    }

    async fn stream_trace(
        &self,
        request: Request<TraceRequest>,
    ) -> Result<Response<Self::StreamTraceStream>, Status> {
        let (deadline, as_is) = (deadline(&request), ready::is_taken(request.metadata()));
        let (caller, request) = self.0.open(request)?;
        let answers = trace_stream::stream(&self.0, caller, request, (deadline, as_is)).await;
        let answers = answers.map_err(|refusal| status::status(&refusal))?;
        Ok(answers.map(ReceiverStream::new))
    }

    async fn group_trace(
        &self,
        request: Request<GroupTraceRequest>,
    ) -> Result<Response<GroupTraceResponse>, Status> {
        let deadline = deadline(&request);
        let (caller, request) = self.0.open(request)?;
        answer(traces::group(&self.0, caller, request, deadline).await)
    }

    async fn find_paths(
        &self,
        request: Request<FindPathsRequest>,
    ) -> Result<Response<FindPathsResponse>, Status> {
        let deadline = deadline(&request);
        let (caller, request) = self.0.open(request)?;
        answer(traces::paths(&self.0, caller, request, deadline).await)
    }

    async fn compare_traces(
        &self,
        request: Request<CompareTracesRequest>,
    ) -> Result<Response<CompareTracesResponse>, Status> {
        let deadline = deadline(&request);
        let (caller, request) = self.0.open(request)?;
        answer(traces::compare(&self.0, caller, request, deadline).await)
    }

    async fn inspect_links(
        &self,
        request: Request<InspectLinksRequest>,
    ) -> Result<Response<InspectLinksResponse>, Status> {
        let (until, _) = traces::until(&self.0.node, deadline(&request));
        let (caller, request) = self.0.open(request)?;
        let work = move |node: &_| inspect(node, &caller, &request, until);
        answer(traces::bounded(&self.0, work).await)
    }

    async fn check_links(
        &self,
        request: Request<CheckLinksRequest>,
    ) -> Result<Response<CheckLinksResponse>, Status> {
        let (caller, CheckLinksRequest { counts_only }) = self.0.open(request)?;
        let work = move |node: &Node| match counts_only {
            true => node.count_links(&caller),
            false => node.check_links(&caller),
        };
        let check = traces::bounded(&self.0, work);
        answer(check.await.map(check_message))
    }
}

impl LinksService {
    async fn write(
        &self,
        caller: &Caller,
        intent: Result<Intent, Refusal>,
    ) -> Result<Link, Refusal> {
        let changed = match intent {
            Ok(intent) => self.0.change(caller, intent).await,
            Err(refusal) => Err(refusal),
        };
        self.0.metrics.changed(Operation::Link, &changed);
        self.applied(caller, changed?)
    }

    fn applied(&self, caller: &Caller, applied: Applied) -> Result<Link, Refusal> {
        match applied {
            Applied::Link { effect: _, link } => {
                Ok(link_convert::link(&self.0.node.link_view(caller, link)))
            }
            Applied::Record { .. }
            | Applied::Imported(_)
            | Applied::Prefix(_)
            | Applied::Entry(_) => Err(Refusal::new(Reason::Internal)),
        }
    }

    async fn batch(
        &self,
        caller: &Caller,
        request: BatchWriteLinksRequest,
    ) -> Result<BatchWriteLinksResponse, Refusal> {
        let BatchWriteLinksRequest {
            items,
            request_id,
            validate_only,
        } = request;
        check_count(items.len(), "items")?;
        let changes = items.into_iter().map(link_convert::batch_item).collect();
        let asked = (request_id.as_str(), validate_only);
        let outcomes = write_each(&self.0, caller, changes, asked).await?;
        let mut bytes_left = ANSWER_BYTES;
        let mut results = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            self.0.metrics.changed(Operation::Link, &outcome);
            let link = outcome.and_then(|outcome| self.applied(caller, outcome));
            results.push(item_result(link, &mut bytes_left));
        }
        Ok(BatchWriteLinksResponse { results })
    }
}

fn item_result(
    link: Result<Link, Refusal>,
    bytes_left: &mut usize,
) -> batch_write_links_response::Result {
    use batch_write_links_response::result::Outcome;
    let outcome = match link {
        Ok(mut link) => {
            let bytes = link.encoded_len();
            if bytes > *bytes_left {
                link.evidence = Vec::new();
            }
            *bytes_left = bytes_left.saturating_sub(bytes);
            Outcome::Link(Box::new(link))
        }
        Err(refusal) => Outcome::Error(status::item_error(&refusal)),
    };
    batch_write_links_response::Result {
        outcome: Some(outcome),
    }
}

/// Lists links, each of which counts for the caller's source.
fn list(
    shared: &Shared,
    caller: &Caller,
    request: &ListLinksRequest,
) -> Result<ListLinksResponse, Refusal> {
    let ListLinksRequest {
        identifier,
        direction,
        page_size,
        page_token,
        show_withdrawn,
    } = request;
    let identifier = link_convert::identifier(identifier, "identifier")?;
    let direction = traces::direction(*direction)?;
    let query_parent = list_parent(shared, &identifier, direction);
    let query = page::Query {
        method: "ListLinks",
        parent: &query_parent,
        show_deleted: *show_withdrawn,
        caller,
    };
    let mut after = query.after(page_token)?;
    let size = page::size(*page_size)?;
    let filter = LinkFilter {
        direction,
        show_withdrawn: *show_withdrawn,
    };
    let (mut links, mut bytes) = (Vec::new(), 0_usize);
    loop {
        let room = ANSWER_BYTES.saturating_sub(bytes) / LINK_BYTES;
        let wanted = room.max(READ_LINKS).min(size - links.len());
        let asked = (&identifier, filter);
        let read = shared
            .node
            .list_links(caller, asked, after.as_deref(), wanted)?;
        let Page { items, next } = read;
        for view in &items {
            let link = link_convert::link(view);
            bytes += link.encoded_len();
            links.push(link);
        }
        after = next;
        if links.len() >= size || bytes >= ANSWER_BYTES || after.is_none() {
            shared.node.admit_items(caller, links.len())?;
            return Ok(ListLinksResponse {
                links,
                next_page_token: after.map(|key| query.token(&key)).unwrap_or_default(),
            });
        }
    }
}

fn list_parent(
    shared: &Shared,
    identifier: &Identifier,
    direction: Option<TraceDirection>,
) -> String {
    let direction = direction.map_or("both", traces::direction_name);
    format!("{direction} {}", shared.canonical(identifier))
}

fn inspect(
    node: &Node,
    caller: &Caller,
    request: &InspectLinksRequest,
    until: Duration,
) -> Result<InspectLinksResponse, Refusal> {
    let InspectLinksRequest {
        parent,
        page_size,
        page_token,
    } = request;
    let prefix = name::prefix(parent, "parent")?;
    let canonical = prefix.canonical();
    let query = page::Query {
        method: "InspectLinks",
        parent: &canonical,
        show_deleted: false,
        caller,
    };
    let after = query.after(page_token)?;
    let bounds = (page::size(*page_size)?, until);
    let Page { items, next } = node.inspect_links(caller, &prefix, after.as_deref(), bounds)?;
    node.admit_items(caller, items.len())?;
    Ok(InspectLinksResponse {
        findings: items.iter().map(link_convert::finding).collect(),
        next_page_token: next.map(|key| query.token(&key)).unwrap_or_default(),
    })
}

fn check_message(check: LinkCheck) -> CheckLinksResponse {
    let LinkCheck {
        identifier_count,
        link_count,
        memory,
        fault,
    } = check;
    let (memory_link_count, memory_bytes) = memory.unwrap_or_default();
    CheckLinksResponse {
        identifier_count: signed(identifier_count),
        link_count: signed(link_count),
        in_memory: memory.is_some(),
        memory_link_count: signed(memory_link_count),
        memory_bytes: signed(memory_bytes),
        fault: fault.unwrap_or_default(),
    }
}
