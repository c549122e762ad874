//! The Registry service: opens each call and hands it to `records`, `prefixes`,
//! `import` or `export`.

use std::sync::Arc;

use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::face::grpc::metrics::Operation;
use crate::face::grpc::record_import::Records;
use crate::face::grpc::shared::{Shared, answer, deadline};
use crate::face::grpc::{change, export, import, prefixes, records};
use crate::wire::proto::ImportRecords;
use crate::wire::proto::v1::registry_server::Registry;
use crate::wire::proto::v1::{
    ActivatePrefixRequest, AddValuesRequest, BatchWriteRequest, BatchWriteResponse,
    CreatePrefixRequest, CreateRecordRequest, DeleteRecordRequest, ExportRecordsRequest,
    ExportRecordsResponse, GetPrefixRequest, GetRecordRequest, HomePrefixRequest,
    ImportRecordsResponse, ListPrefixesRequest, ListPrefixesResponse, ListRecordsRequest,
    ListRecordsResponse, ModifyValuesRequest, Prefix, Record, RemoveValuesRequest,
    SetReadersRequest, SuspendPrefixRequest, UnhomePrefixRequest, UpdatePrefixRequest,
    UpdateRecordRequest,
};

/// The Registry service.
pub(super) struct RegistryService(pub(super) Arc<Shared>);

#[async_trait]
impl Registry for RegistryService {
    type ImportRecordsStream = ReceiverStream<Result<ImportRecordsResponse, Status>>;
    type ExportRecordsStream = ReceiverStream<Result<ExportRecordsResponse, Status>>;

    async fn create_record(
        &self,
        request: Request<CreateRecordRequest>,
    ) -> Result<Response<Record>, Status> {
        let (caller, request) = self.0.open(request)?;
        let intent = change::create_record(request);
        answer(records::write(&self.0, &caller, Operation::Create, intent).await)
    }

    async fn get_record(
        &self,
        request: Request<GetRecordRequest>,
    ) -> Result<Response<Record>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(records::read(&self.0, &caller, &request.name))
    }

    async fn list_records(
        &self,
        request: Request<ListRecordsRequest>,
    ) -> Result<Response<ListRecordsResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(records::list(&self.0, caller, request).await)
    }

    async fn update_record(
        &self,
        request: Request<UpdateRecordRequest>,
    ) -> Result<Response<Record>, Status> {
        let (caller, request) = self.0.open(request)?;
        let intent = change::update_record(request);
        answer(records::write(&self.0, &caller, Operation::Update, intent).await)
    }

    async fn delete_record(
        &self,
        request: Request<DeleteRecordRequest>,
    ) -> Result<Response<Record>, Status> {
        let (caller, request) = self.0.open(request)?;
        let intent = change::delete_record(request);
        answer(records::write(&self.0, &caller, Operation::Delete, intent).await)
    }

    async fn add_values(
        &self,
        request: Request<AddValuesRequest>,
    ) -> Result<Response<Record>, Status> {
        let (caller, request) = self.0.open(request)?;
        let intent = change::add_values(request);
        answer(records::write(&self.0, &caller, Operation::Update, intent).await)
    }

    async fn modify_values(
        &self,
        request: Request<ModifyValuesRequest>,
    ) -> Result<Response<Record>, Status> {
        let (caller, request) = self.0.open(request)?;
        let intent = change::modify_values(request);
        answer(records::write(&self.0, &caller, Operation::Update, intent).await)
    }

    async fn remove_values(
        &self,
        request: Request<RemoveValuesRequest>,
    ) -> Result<Response<Record>, Status> {
        let (caller, request) = self.0.open(request)?;
        let intent = change::remove_values(request);
        answer(records::write(&self.0, &caller, Operation::Update, intent).await)
    }

    async fn set_readers(
        &self,
        request: Request<SetReadersRequest>,
    ) -> Result<Response<Record>, Status> {
        let (caller, request) = self.0.open(request)?;
        let intent = change::set_readers(request);
        answer(records::write(&self.0, &caller, Operation::Update, intent).await)
    }

    async fn batch_write(
        &self,
        request: Request<BatchWriteRequest>,
    ) -> Result<Response<BatchWriteResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(records::batch(&self.0, &caller, request).await)
    }

    async fn import_records(
        &self,
        request: Request<Streaming<ImportRecords>>,
    ) -> Result<Response<Self::ImportRecordsStream>, Status> {
        let deadline = deadline(&request);
        let (caller, messages) = self.0.open(request)?;
        let answers = import::start::<Records>(&self.0, caller, messages, deadline);
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn export_records(
        &self,
        request: Request<ExportRecordsRequest>,
    ) -> Result<Response<Self::ExportRecordsStream>, Status> {
        let deadline = deadline(&request);
        let (caller, request) = self.0.open(request)?;
        let answers = export::start(&self.0, caller, &request, deadline);
        answer(answers.map(ReceiverStream::new))
    }

    async fn create_prefix(
        &self,
        request: Request<CreatePrefixRequest>,
    ) -> Result<Response<Prefix>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(prefixes::write(&self.0, &caller, change::create_prefix(request)).await)
    }

    async fn get_prefix(
        &self,
        request: Request<GetPrefixRequest>,
    ) -> Result<Response<Prefix>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(prefixes::read(&self.0, &caller, &request.name))
    }

    async fn list_prefixes(
        &self,
        request: Request<ListPrefixesRequest>,
    ) -> Result<Response<ListPrefixesResponse>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(prefixes::list(&self.0, &caller, &request))
    }

    async fn update_prefix(
        &self,
        request: Request<UpdatePrefixRequest>,
    ) -> Result<Response<Prefix>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(prefixes::write(&self.0, &caller, change::update_prefix(request)).await)
    }

    async fn home_prefix(
        &self,
        request: Request<HomePrefixRequest>,
    ) -> Result<Response<Prefix>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(prefixes::write(&self.0, &caller, change::home_prefix(request)).await)
    }

    async fn unhome_prefix(
        &self,
        request: Request<UnhomePrefixRequest>,
    ) -> Result<Response<Prefix>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(prefixes::write(&self.0, &caller, change::unhome_prefix(request)).await)
    }

    async fn suspend_prefix(
        &self,
        request: Request<SuspendPrefixRequest>,
    ) -> Result<Response<Prefix>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(prefixes::write(&self.0, &caller, change::suspend_prefix(request)).await)
    }

    async fn activate_prefix(
        &self,
        request: Request<ActivatePrefixRequest>,
    ) -> Result<Response<Prefix>, Status> {
        let (caller, request) = self.0.open(request)?;
        answer(prefixes::write(&self.0, &caller, change::activate_prefix(request)).await)
    }
}
