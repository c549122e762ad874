//! What the tests share: a node of their own, clients for it, and waiting.

mod chance;
mod firm;
pub(crate) mod handle;
pub(crate) mod http;
mod node;
mod process;
pub(crate) mod recorded;
mod tool;

use std::time::Duration;

pub(crate) use chance::Chance;
pub(crate) use firm::firm;
pub(crate) use node::TestNode;
pub(crate) use process::{NodeProcess, free_port};
pub(crate) use tool::{is_root, is_slow, missing, tool};

use idnode::wire::proto::v1::accounts_client::AccountsClient;
use idnode::wire::proto::v1::audit_client::AuditClient;
use idnode::wire::proto::v1::firms_client::FirmsClient;
use idnode::wire::proto::v1::links_client::LinksClient;
use idnode::wire::proto::v1::node_client::NodeClient;
use idnode::wire::proto::v1::registry_client::RegistryClient;
use idnode::wire::proto::v1::resolution_client::ResolutionClient;
use idnode::wire::proto::v1::sharing_client::SharingClient;
use idnode::wire::proto::v1::templates_client::TemplatesClient;
use idnode::wire::proto::v1::{self, Value, value};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt;

/// How long anything here may take before a test fails. Far more than it needs,
/// as tests share two cores with each other and with compilers.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until `condition` holds.
///
/// # Panics
/// When `what` has not come true after [`DEADLINE`].
pub(crate) async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let came = tokio::time::timeout(DEADLINE, waiting).await;
    assert!(came.is_ok(), "{what}: not after {DEADLINE:?}");
}

/// Clients of one node, as one caller.
#[derive(Clone)]
pub(crate) struct Clients {
    channel: Channel,
    bearer: Bearer,
}

/// Shows a key with every call, if there is one.
#[derive(Clone)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(bearer) = &self.0 {
            let headers = request.metadata_mut();
            headers.insert("authorization", bearer.clone());
        }
        Ok(request)
    }
}

type Authenticated = InterceptedService<Channel, Bearer>;

impl Clients {
    /// Clients of the node at `address`, `host:port`. Connects at the first call.
    pub(crate) fn new(address: &str, key: Option<&str>) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let header = |key| format!("Bearer {key}").parse().unwrap();
        Self {
            channel: endpoint.connect_lazy(),
            bearer: Bearer(key.map(header)),
        }
    }

    pub(crate) fn registry(&self) -> RegistryClient<Authenticated> {
        RegistryClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    pub(crate) fn resolution(&self) -> ResolutionClient<Authenticated> {
        ResolutionClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    pub(crate) fn node(&self) -> NodeClient<Authenticated> {
        NodeClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    pub(crate) fn links(&self) -> LinksClient<Authenticated> {
        LinksClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    pub(crate) fn sharing(&self) -> SharingClient<Authenticated> {
        SharingClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    pub(crate) fn firms(&self) -> FirmsClient<Authenticated> {
        FirmsClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    pub(crate) fn accounts(&self) -> AccountsClient<Authenticated> {
        AccountsClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    pub(crate) fn templates(&self) -> TemplatesClient<Authenticated> {
        TemplatesClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    pub(crate) fn audit(&self) -> AuditClient<Authenticated> {
        AuditClient::with_interceptor(self.channel.clone(), self.bearer.clone())
    }

    /// Registers and homes a prefix.
    pub(crate) async fn home_prefix(&self, prefix: &str) {
        let request = v1::CreatePrefixRequest {
            prefix: Some(v1::Prefix {
                name: format!("prefixes/{prefix}"),
                firm: "A firm of the tests".into(),
                ..v1::Prefix::default()
            }),
            home: true,
            ..v1::CreatePrefixRequest::default()
        };
        self.registry().create_prefix(request).await.unwrap();
    }

    /// Registers an identifier with one URL value.
    pub(crate) async fn create(&self, identifier: &str, url: &str) -> Result<v1::Record, Status> {
        let request = v1::CreateRecordRequest {
            record: Some(record(identifier, vec![text(1, "URL", url)])),
            ..v1::CreateRecordRequest::default()
        };
        let response = self.registry().create_record(request).await;
        response.map(tonic::Response::into_inner)
    }

    /// Resolves an identifier.
    pub(crate) async fn resolve(&self, identifier: &str) -> Result<v1::Record, Status> {
        let request = v1::ResolveRequest {
            identifier: identifier.to_owned(),
            ..v1::ResolveRequest::default()
        };
        let response = self.resolution().resolve(request).await?;
        Ok(response.into_inner().record.unwrap())
    }
}

/// A record to send: name and values.
pub(crate) fn record(identifier: &str, values: Vec<Value>) -> v1::Record {
    v1::Record {
        name: format!("records/{identifier}"),
        values,
        ..v1::Record::default()
    }
}

/// A value that anyone may read.
pub(crate) fn text(index: u32, value_type: &str, data: &str) -> Value {
    Value {
        index,
        r#type: value_type.to_owned(),
        data: Some(value::Data::Text(data.to_owned())),
        ..Value::default()
    }
}

/// The stable reason of a refusal; empty if it has none.
pub(crate) fn reason(status: &Status) -> String {
    let info = status.get_details_error_info();
    info.map(|info| info.reason).unwrap_or_default()
}
