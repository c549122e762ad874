//! The gRPC face: the services of `proto/idnode/v1` over [`Node`], with health and
//! reflection.
//!
//! `call` surrounds every call with limits; `change` and `convert` turn messages
//! into model and back; `status` turns refusals into statuses. The rest is one
//! file for each kind of work.

mod account_convert;
mod accounts;
mod audit;
mod call;
mod change;
pub mod config;
mod convert;
mod export;
mod firms;
mod flight;
mod handle_data;
mod import;
mod kept;
mod link_convert;
mod link_import;
mod links;
mod metrics;
mod name;
mod node;
mod operations;
mod outgoing;
mod page;
mod prefixes;
mod ready;
mod record_import;
mod records;
mod registry;
mod resolution;
mod shared;
mod sharing;
mod status;
mod template_data;
mod templates;
mod trace_convert;
mod trace_part;
mod trace_stream;
mod traces;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::codec::CompressionEncoding;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::pb::FILE_DESCRIPTOR_SET as HEALTH_DESCRIPTORS;
use tonic_health::server::{HealthReporter, health_reporter};
use tonic_reflection::server::Builder;
use tonic_types::pb::FILE_DESCRIPTOR_SET as DETAIL_DESCRIPTORS;

pub use config::Config;
pub use metrics::Metrics;
pub use tonic_reflection::server::Error as SetupError;

use crate::face::grpc::accounts::AccountsService;
use crate::face::grpc::audit::AuditService;
use crate::face::grpc::call::{Ruled, Rules};
use crate::face::grpc::firms::FirmsService;
use crate::face::grpc::links::LinksService;
use crate::face::grpc::node::NodeService;
use crate::face::grpc::operations::Operations;
use crate::face::grpc::registry::RegistryService;
use crate::face::grpc::resolution::ResolutionService;
use crate::face::grpc::shared::Shared;
use crate::face::grpc::sharing::SharingService;
use crate::face::grpc::templates::TemplatesService;
use crate::node::Node;
use crate::wire::proto::DESCRIPTORS;
use crate::wire::proto::v1::accounts_server::AccountsServer;
use crate::wire::proto::v1::audit_server::AuditServer;
use crate::wire::proto::v1::firms_server::FirmsServer;
use crate::wire::proto::v1::links_server::LinksServer;
use crate::wire::proto::v1::node_server::NodeServer;
use crate::wire::proto::v1::registry_server::RegistryServer;
use crate::wire::proto::v1::resolution_server::ResolutionServer;
use crate::wire::proto::v1::sharing_server::SharingServer;
use crate::wire::proto::v1::templates_server::TemplatesServer;

/// Names under which health is asked for; the empty one is the whole server.
const HEALTH_NAMES: [&str; 10] = [
    "",
    "idnode.v1.Registry",
    "idnode.v1.Resolution",
    "idnode.v1.Node",
    "idnode.v1.Firms",
    "idnode.v1.Accounts",
    "idnode.v1.Templates",
    "idnode.v1.Sharing",
    "idnode.v1.Audit",
    "idnode.v1.Links",
];

/// A server behind the rules, compressed either way as the client likes. What the
/// generated servers have in common is no trait.
macro_rules! ruled {
    ($server:expr, $rules:expr) => {
        Ruled::new(
            $server
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Zstd)
                .send_compressed(CompressionEncoding::Gzip)
                .send_compressed(CompressionEncoding::Zstd)
                .max_decoding_message_size($rules.message_bytes_max()),
            $rules,
        )
    };
}

/// Sets the log filter and returns the one before, or says what is wrong with
/// the new one.
pub type SetLogFilter = Arc<dyn Fn(&str) -> Result<String, String> + Send + Sync>;

/// What `GetStatus` tells of the server around the node.
#[derive(Clone, Debug, Default)]
pub struct ServerInfo {
    /// As `0.1.0`.
    pub version: String,
    /// Where it listens: `grpc 127.0.0.1:8480`.
    pub addresses: Vec<String>,
    /// The DNS zones it is authoritative for.
    pub zones: Vec<String>,
}

/// What the face is made of.
pub struct Setup {
    /// Limits.
    pub config: Config,
    /// What it serves.
    pub node: Node,
    /// What `GetStatus` tells of the server; its first zone is the one in which
    /// records are named.
    pub info: ServerInfo,
    /// Sets the log filter.
    pub set_log_filter: SetLogFilter,
    /// Where its tasks live; the server waits for them.
    pub tracker: TaskTracker,
    /// Ends streams and waits, once the server drains.
    pub shutdown: CancellationToken,
    /// What it measures.
    pub metrics: Metrics,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("grpc::Setup")
            .field("config", &self.config)
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

/// The gRPC face. Cheap to clone.
#[derive(Clone)]
pub struct Grpc {
    shared: Arc<Shared>,
    rules: Arc<Rules>,
    operations: Arc<Operations>,
    set_log_filter: SetLogFilter,
    health: HealthReporter,
    routes: Routes,
}

impl fmt::Debug for Grpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grpc")
    }
}

/// Between two measurements of what is kept.
const MEASURE_EVERY: Duration = Duration::from_secs(5);

/// Measures what is kept, until the server shuts down.
async fn measure(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(MEASURE_EVERY);
    loop {
        tokio::select! {
            () = shared.shutdown.cancelled() => return,
            _ = ticks.tick() => {
                let traces = shared.node.kept_traces_size();
                shared.metrics.kept_sizes(shared.results.size(), traces);
            }
        }
    }
}

impl Grpc {
    /// A face that does not serve until [`Grpc::set_serving`]. Within a runtime.
    ///
    /// # Errors
    /// If the compiled-in descriptors are broken.
    pub fn new(setup: Setup) -> Result<Self, SetupError> {
        let Setup {
            config,
            node,
            info,
            set_log_filter,
            tracker,
            shutdown,
            metrics,
        } = setup;
        let metrics = Arc::new(metrics);
        let admitting = node.clone();
        let admit = move |address| admitting.admit(address, 1);
        let rules = Rules::new(&config, Arc::clone(&metrics), Arc::new(admit));
        let (health, health_service) = health_reporter();
        let reflection = || {
            Builder::configure()
                .register_encoded_file_descriptor_set(DESCRIPTORS)
                .register_encoded_file_descriptor_set(HEALTH_DESCRIPTORS)
                // So that generic clients can show the details of a refusal.
                .register_encoded_file_descriptor_set(DETAIL_DESCRIPTORS)
        };
        let routes = Routes::new(health_service)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?);
        let shared = Shared::new(node, info, &config, metrics, (tracker, shutdown));
        let shared = Arc::new(shared);
        shared.tracker.spawn(measure(Arc::clone(&shared)));
        Ok(Self {
            shared,
            rules: Arc::new(rules),
            operations: Arc::new(Operations::default()),
            set_log_filter,
            health,
            routes,
        })
    }

    /// The routes of all services. What is at no service's path is left to the
    /// router that they are merged into.
    pub fn routes(&self) -> axum::Router {
        let shared = || Arc::clone(&self.shared);
        let node = NodeService {
            shared: shared(),
            operations: Arc::clone(&self.operations),
            set_log_filter: Arc::clone(&self.set_log_filter),
        };
        let rules = &self.rules;
        self.routes
            .clone()
            .add_service(ruled!(
                RegistryServer::new(RegistryService(shared())),
                rules
            ))
            .add_service(ruled!(
                ResolutionServer::new(ResolutionService(shared())),
                rules
            ))
            .add_service(ruled!(NodeServer::new(node), rules))
            .add_service(ruled!(FirmsServer::new(FirmsService(shared())), rules))
            .add_service(ruled!(
                AccountsServer::new(AccountsService(shared())),
                rules
            ))
            .add_service(ruled!(
                TemplatesServer::new(TemplatesService(shared())),
                rules
            ))
            .add_service(ruled!(SharingServer::new(SharingService(shared())), rules))
            .add_service(ruled!(AuditServer::new(AuditService(shared())), rules))
            .add_service(ruled!(LinksServer::new(LinksService(shared())), rules))
            .prepare()
            .into_axum_router()
            .reset_fallback()
    }

    /// Tells clients that ask for its health whether it takes requests.
    pub async fn set_serving(&self, serving: bool) {
        self.shared.ready.store(serving, Ordering::Relaxed);
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in HEALTH_NAMES {
            self.health.set_service_status(name, status).await;
        }
    }
}
