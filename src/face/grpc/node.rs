//! The Node service: status, logs, backups and the operations behind them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tonic::{Request, Response, Status, async_trait};

use crate::face::grpc::operations::Operations;
use crate::face::grpc::shared::{Shared, answer};
use crate::face::grpc::{SetLogFilter, convert, name};
use crate::model::{Caller, Reason, Refusal};
use crate::node::{BackupInfo, Node, NodeStatus};
use crate::wire::proto::v1::node_server::Node as NodeApi;
use crate::wire::proto::v1::{
    self, CreateBackupRequest, GetOperationRequest, GetStatusRequest, ListBackupsRequest,
    ListBackupsResponse, ListOperationsRequest, ListOperationsResponse, Operation,
    RestoreBackupRequest, SetLogLevelRequest, SetLogLevelResponse, VerifyBackupRequest,
    WaitOperationRequest,
};

/// How long a client waits for an operation at most.
const WAIT_MAX: Duration = Duration::from_secs(300);

/// The Node service.
pub(super) struct NodeService {
    pub(super) shared: Arc<Shared>,
    pub(super) operations: Arc<Operations>,
    pub(super) set_log_filter: SetLogFilter,
}

impl NodeService {
    /// The message of a caller who may operate the node.
    fn open<T>(&self, request: Request<T>) -> Result<(Caller, T), Status> {
        let (caller, message) = self.shared.open(request)?;
        let permitted = self.shared.node.permit_operation(&caller);
        answer(permitted).map(|_| (caller, message))
    }

    /// Begins `work` behind the call.
    fn begin(
        &self,
        kind: &'static str,
        work: impl FnOnce(&Node) -> Result<BackupInfo, Refusal> + Send + 'static,
    ) -> Result<Operation, Refusal> {
        let entry = self.operations.begin(kind, self.shared.node.now())?;
        let message = entry.message();
        let shared = Arc::clone(&self.shared);
        self.shared.tracker.spawn(async move {
            let outcome = shared.blocking(work).await;
            entry.end(outcome.and_then(|outcome| outcome));
        });
        Ok(message)
    }

    async fn status(&self, caller: &Caller) -> Result<v1::Status, Refusal> {
        let info = &self.shared.info;
        let public = v1::Status {
            version: info.version.clone(),
            ready: self.shared.ready.load(Ordering::Relaxed),
            ..v1::Status::default()
        };
        if self.shared.node.permit_operation(caller).is_err() {
            return Ok(public);
        }
        let NodeStatus {
            applied_position,
            started,
            prefix_count,
            active_count,
            deleted_count,
            disk_bytes,
            disk_free_bytes,
            writable,
        } = self.shared.blocking(Node::status).await?;
        Ok(v1::Status {
            applied_position: convert::signed(applied_position),
            start_time: Some(convert::time(started)),
            prefix_count: convert::signed(prefix_count),
            active_count: convert::signed(active_count),
            deleted_count: convert::signed(deleted_count),
            disk_bytes: convert::signed(disk_bytes),
            disk_free_bytes: convert::signed(disk_free_bytes),
            addresses: info.addresses.clone(),
            zones: info.zones.clone(),
            writable,
            ..public
        })
    }

    async fn wait(&self, request: &WaitOperationRequest) -> Result<Operation, Refusal> {
        let WaitOperationRequest { name, timeout } = request;
        let entry = self.operations.find(name::operation(name)?)?;
        let timeout = match timeout {
            None => WAIT_MAX,
            Some(asked) => Duration::try_from(*asked)
                .map_err(|_| {
                    Refusal::new(Reason::FieldInvalid)
                        .field("timeout")
                        .value(format!("{}s", asked.seconds))
                        .limit("0 or more")
                })?
                .min(WAIT_MAX),
        };
        tokio::select! {
            () = entry.done() => {}
            () = tokio::time::sleep(timeout) => {}
            () = self.shared.shutdown.cancelled() => {}
        }
        Ok(entry.message())
    }
}

#[async_trait]
impl NodeApi for NodeService {
    async fn get_status(
        &self,
        request: Request<GetStatusRequest>,
    ) -> Result<Response<v1::Status>, Status> {
        let (caller, GetStatusRequest {}) = self.shared.open(request)?;
        answer(self.status(&caller).await)
    }

    async fn set_log_level(
        &self,
        request: Request<SetLogLevelRequest>,
    ) -> Result<Response<SetLogLevelResponse>, Status> {
        let (_, SetLogLevelRequest { filter }) = self.open(request)?;
        let set = (self.set_log_filter)(&filter).map_err(|error| {
            Refusal::new(Reason::FieldInvalid)
                .field("filter")
                .value(filter)
                .limit(error)
        });
        answer(set.map(|previous_filter| SetLogLevelResponse { previous_filter }))
    }

    async fn create_backup(
        &self,
        request: Request<CreateBackupRequest>,
    ) -> Result<Response<Operation>, Status> {
        let (caller, CreateBackupRequest { backup_id }) = self.open(request)?;
        answer(self.begin("create backup", move |node| {
            let id = (!backup_id.is_empty()).then_some(backup_id.as_str());
            node.backup_create(&caller, id)
        }))
    }

    async fn list_backups(
        &self,
        request: Request<ListBackupsRequest>,
    ) -> Result<Response<ListBackupsResponse>, Status> {
        let (caller, ListBackupsRequest {}) = self.open(request)?;
        let listed = self
            .shared
            .blocking(move |node| node.backup_list(&caller))
            .await;
        answer(listed.and_then(|backups| {
            let backups = backups?.into_iter().map(convert::backup).collect();
            Ok(ListBackupsResponse { backups })
        }))
    }

    async fn verify_backup(
        &self,
        request: Request<VerifyBackupRequest>,
    ) -> Result<Response<Operation>, Status> {
        let (caller, VerifyBackupRequest { name }) = self.open(request)?;
        answer(name::backup(&name).map(str::to_owned).and_then(|id| {
            self.begin("verify backup", move |node| {
                node.backup_verify(&caller, &id)
            })
        }))
    }

    async fn restore_backup(
        &self,
        request: Request<RestoreBackupRequest>,
    ) -> Result<Response<Operation>, Status> {
        let (caller, RestoreBackupRequest { name }) = self.open(request)?;
        answer(name::backup(&name).map(str::to_owned).and_then(|id| {
            self.begin("restore backup", move |node| {
                node.backup_restore(&caller, &id)
            })
        }))
    }

    async fn get_operation(
        &self,
        request: Request<GetOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        let (_, GetOperationRequest { name }) = self.open(request)?;
        let found = name::operation(&name).and_then(|number| self.operations.find(number));
        answer(found.map(|entry| entry.message()))
    }

    async fn list_operations(
        &self,
        request: Request<ListOperationsRequest>,
    ) -> Result<Response<ListOperationsResponse>, Status> {
        let (_, ListOperationsRequest {}) = self.open(request)?;
        let operations = self.operations.list();
        Ok(Response::new(ListOperationsResponse { operations }))
    }

    async fn wait_operation(
        &self,
        request: Request<WaitOperationRequest>,
    ) -> Result<Response<Operation>, Status> {
        let (_, request) = self.open(request)?;
        answer(self.wait(&request).await)
    }
}
