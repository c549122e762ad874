//! The Templates service.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use crate::face::grpc::change::Intent;
use crate::face::grpc::metrics::Operation;
use crate::face::grpc::records::check_count;
use crate::face::grpc::shared::{Shared, answer};
use crate::face::grpc::{convert, name, page, status, template_data};
use crate::model::record::checked_values;
use crate::model::template::Template;
use crate::model::{Caller, FirmId, Reason, Refusal, TemplateId};
use crate::node::{
    AnyEntry, Applied, Change, OfficeChange, Page, TemplateAction, parse_etag, template_faults,
};
use crate::wire::proto::v1;
use crate::wire::proto::v1::templates_server::Templates;
use crate::wire::proto::v1::{
    CheckRecordsRequest, CheckRecordsResponse, CreateTemplateRequest, DisableItemRequest,
    GetTemplateRequest, GetTemplateSchemaRequest, GetTemplateSchemaResponse, ListTemplatesRequest,
    ListTemplatesResponse, ReviseTemplateRequest,
};

/// Faults of all records of one answer: with both languages some hundred bytes each.
const FAULTS_PER_ANSWER_MAX: usize = 8_000;

/// The Templates service.
pub(super) struct TemplatesService(pub(super) Arc<Shared>);

#[async_trait]
impl Templates for TemplatesService {
    async fn list_templates(
        &self,
        request: Request<ListTemplatesRequest>,
    ) -> Result<Response<ListTemplatesResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(list(&self.0, &caller, &request))
    }

    async fn get_template(
        &self,
        request: Request<GetTemplateRequest>,
    ) -> Result<Response<v1::Template>, Status> {
        let (caller, request) = self.0.open(request)?;
        let GetTemplateRequest { name, version } = request;
        let found = read(&self.0, &caller, &name, version);
        answer(found.map(|(template, number)| template_data::whole(&template, number)))
    }

    async fn create_template(
        &self,
        request: Request<CreateTemplateRequest>,
    ) -> Result<Response<v1::Template>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(write(&self.0, &caller, create(request)).await)
    }

    async fn revise_template(
        &self,
        request: Request<ReviseTemplateRequest>,
    ) -> Result<Response<v1::Template>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(write(&self.0, &caller, revise(request)).await)
    }

    async fn disable_item(
        &self,
        request: Request<DisableItemRequest>,
    ) -> Result<Response<v1::Template>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(write(&self.0, &caller, disable_item(request)).await)
    }

    async fn get_template_schema(
        &self,
        request: Request<GetTemplateSchemaRequest>,
    ) -> Result<Response<GetTemplateSchemaResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(schema(&self.0, &caller, &request))
    }

    async fn check_records(
        &self,
        request: Request<CheckRecordsRequest>,
    ) -> Result<Response<CheckRecordsResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        let shared = Arc::clone(&self.0);
        let checked = self.0.blocking(move |_| check(&shared, &caller, request));
        answer(checked.await.and_then(|checked| checked))
    }
}

fn list(
    shared: &Shared,
    caller: &Caller,
    request: &ListTemplatesRequest,
) -> Result<ListTemplatesResponse, Refusal> {
    let ListTemplatesRequest {
        parent,
        page_size,
        page_token,
    } = request;
    let firm = firm_of(parent, "parent")?;
    let query = page::Query {
        method: "ListTemplates",
        parent,
        show_deleted: false,
        caller,
    };
    let after = query.after(page_token)?;
    let after = after.as_deref().map(String::from_utf8_lossy);
    let size = page::size(*page_size)?;
    let listed = shared
        .node
        .list_templates(caller, firm.as_ref(), after.as_deref(), size);
    let Page { items, next } = listed?;
    let message =
        |template: &Arc<Template>| template_data::without_items(template, template.latest().0);
    Ok(ListTemplatesResponse {
        templates: items.iter().map(message).collect(),
        next_page_token: next.map(|key| query.token(&key)).unwrap_or_default(),
    })
}

fn read(
    shared: &Shared,
    caller: &Caller,
    name: &str,
    version: u32,
) -> Result<(Arc<Template>, u32), Refusal> {
    let id = name::template(name, "name")?;
    shared
        .node
        .template(caller, &id, (version > 0).then_some(version))
}

fn schema(
    shared: &Shared,
    caller: &Caller,
    request: &GetTemplateSchemaRequest,
) -> Result<GetTemplateSchemaResponse, Refusal> {
    let GetTemplateSchemaRequest { name, version } = request;
    let (template, number) = read(shared, caller, name, *version)?;
    let published = template.version(number).ok_or_else(internal)?;
    let id = format!("urn:idnode:template:{}:{number}", template.id());
    let schema = serde_json::to_string_pretty(&published.version.schema(&id));
    Ok(GetTemplateSchemaResponse {
        schema: schema.map_err(|_| internal())?,
        version: number,
    })
}

fn check(
    shared: &Shared,
    caller: &Caller,
    request: CheckRecordsRequest,
) -> Result<CheckRecordsResponse, Refusal> {
    let CheckRecordsRequest {
        name,
        version,
        records,
    } = request;
    let (template, number) = read(shared, caller, &name, version)?;
    let published = template.version(number).ok_or_else(internal)?;
    check_count(records.len(), "records")?;
    let mut left = FAULTS_PER_ANSWER_MAX;
    let mut results = Vec::with_capacity(records.len());
    for record in records {
        let values = convert::value_inputs(record.values).and_then(checked_values);
        let faults = match values {
            Ok(values) => template_faults(&published.version, &values),
            Err(refusal) => vec![refusal],
        };
        // The first fault of each record is always told.
        let told = faults.len().min(left.max(1));
        left = left.saturating_sub(told);
        let faults = faults.iter().take(told).map(status::item_error).collect();
        results.push(v1::check_records_response::Result { faults });
    }
    Ok(CheckRecordsResponse {
        results,
        version: number,
    })
}

/// Makes one change and answers with the template's latest version.
async fn write(
    shared: &Shared,
    caller: &Caller,
    intent: Result<Intent, Refusal>,
) -> Result<v1::Template, Refusal> {
    let changed = match intent {
        Ok(intent) => shared.change(caller, intent).await,
        Err(refusal) => Err(refusal),
    };
    shared.metrics.changed(Operation::Template, &changed);
    match changed? {
        Applied::Entry(AnyEntry::Template(template)) => {
            Ok(template_data::whole(&template, template.latest().0))
        }
        Applied::Entry(_)
        | Applied::Record { .. }
        | Applied::Imported(_)
        | Applied::Link { .. }
        | Applied::Prefix(_) => Err(internal()),
    }
}

fn create(request: CreateTemplateRequest) -> Result<Intent, Refusal> {
    let CreateTemplateRequest {
        template,
        request_id,
        validate_only,
    } = request;
    let (id, message) = named(template)?;
    let firm = firm_of(&message.firm, "firm").map_err(|refusal| refusal.within("template"))?;
    let version = Box::new(template_data::version(message)?);
    let action = TemplateAction::Create { firm, version };
    Ok(intent(id, action, request_id, validate_only))
}

fn revise(request: ReviseTemplateRequest) -> Result<Intent, Refusal> {
    let ReviseTemplateRequest {
        template,
        request_id,
        validate_only,
    } = request;
    let (id, message) = named(template)?;
    let etag = parse_etag(&message.etag).map_err(|refusal| refusal.within("template"))?;
    let version = Box::new(template_data::version(message)?);
    let action = TemplateAction::Revise { version, etag };
    Ok(intent(id, action, request_id, validate_only))
}

fn disable_item(request: DisableItemRequest) -> Result<Intent, Refusal> {
    let DisableItemRequest {
        name,
        index,
        etag,
        request_id,
        validate_only,
    } = request;
    let id = name::template(&name, "name")?;
    let etag = parse_etag(&etag)?;
    let action = TemplateAction::DisableItem { index, etag };
    Ok(intent(id, action, request_id, validate_only))
}

fn intent(
    id: TemplateId,
    action: TemplateAction,
    request_id: String,
    validate_only: bool,
) -> Intent {
    Intent {
        change: Change::Office(OfficeChange::Template { id, action }),
        request_id,
        validate_only,
    }
}

fn named(template: Option<v1::Template>) -> Result<(TemplateId, v1::Template), Refusal> {
    let message = template.ok_or_else(|| Refusal::new(Reason::FieldRequired).field("template"))?;
    let id = name::template(&message.name, "name");
    let id = id.map_err(|refusal| refusal.within("template"))?;
    Ok((id, message))
}

/// The firm of `firms/{firm}`; `None` if the name is empty.
fn firm_of(name: &str, field: &'static str) -> Result<Option<FirmId>, Refusal> {
    if name.is_empty() {
        return Ok(None);
    }
    name::firm(name, field).map(Some)
}

fn internal() -> Refusal {
    Refusal::new(Reason::Internal)
}
