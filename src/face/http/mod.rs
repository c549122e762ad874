//! The HTTP face: probes and metrics, on the listener that gRPC shares.
//!
//! `/livez`: the process answers. `/readyz`: it takes requests, 503 until it
//! does and while it drains. `/metrics`: Prometheus text format 0.0.4.

pub mod config;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use config::Config;

use crate::net::http::{Limits, Metrics, serve};
use crate::node::Node;

/// How long connections may take to finish once the node stops.
const DRAIN: Duration = Duration::from_secs(10);

/// Renders all metrics.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// An address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("{address}: {source}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// The listeners, bound.
#[derive(Debug)]
pub struct Http {
    listeners: Vec<TcpListener>,
    limits: Limits,
    metrics: Metrics,
}

/// Whether the node takes requests.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether it does.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    /// Whether it does.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Http {
    /// Binds every address of `config`.
    ///
    /// # Errors
    /// [`BindError`] for the first that cannot be bound.
    pub async fn bind(config: &Config, metrics: Metrics) -> Result<Self, BindError> {
        let mut listeners = Vec::with_capacity(config.listen.len());
        for address in &config.listen {
            let bound = TcpListener::bind(address).await;
            let fail = |source| BindError {
                address: *address,
                source,
            };
            listeners.push(bound.map_err(fail)?);
        }
        let limits = Limits {
            connections_max: config.connections_max,
            header_timeout: Duration::from_secs(config.header_timeout_secs),
            streams_per_connection_max: config.streams_per_connection_max,
            drain: DRAIN,
        };
        Ok(Self {
            listeners,
            limits,
            metrics,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.listeners
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// Serves `router` on every listener until `shutdown`, as tasks on `tracker`.
    pub fn spawn(self, router: &Router, tracker: &TaskTracker, shutdown: &CancellationToken) {
        for listener in self.listeners {
            let tasks = (tracker.clone(), shutdown.clone());
            let metrics = self.metrics.clone();
            tracker.spawn(serve(listener, router.clone(), self.limits, metrics, tasks));
        }
    }
}

/// What the routes share.
#[derive(Clone)]
struct Shared {
    node: Node,
    ready: Readiness,
    render: Render,
}

/// The routes of this face.
pub fn routes(node: Node, ready: Readiness, render: Render) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(no_such_page)
        .with_state(Shared {
            node,
            ready,
            render,
        })
}

async fn readyz(State(shared): State<Shared>, uri: Uri) -> Response {
    let ready = shared.ready.is_ready();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mark = |good: bool| if good { "ok" } else { "failed" };
    if uri.query() != Some("verbose") {
        return (status, format!("{}\n", mark(ready))).into_response();
    }
    let node = shared.node.clone();
    let writable = tokio::task::spawn_blocking(move || node.status().writable).await;
    let text = format!(
        "[{}] serving\n[{}] writable\n{}\n",
        mark(ready),
        mark(writable.unwrap_or(false)),
        mark(ready)
    );
    (status, text).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let Shared {
        node,
        ready: _,
        render,
    } = shared;
    let rendered = tokio::task::spawn_blocking(move || {
        node.observe();
        render()
    });
    match rendered.await {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// For a path that is none: problem details (RFC 9457), or to a gRPC client its
/// status UNIMPLEMENTED.
async fn no_such_page(headers: HeaderMap, uri: Uri) -> Response {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type.is_some_and(|value| value.starts_with(b"application/grpc")) {
        let head = [
            (CONTENT_TYPE, HeaderValue::from_static("application/grpc")),
            (
                HeaderName::from_static("grpc-status"),
                HeaderValue::from_static("12"),
            ),
        ];
        return (StatusCode::OK, head).into_response();
    }
    let body = serde_json::json!({
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": format!("there is nothing at {}", uri.path()),
    });
    let head = [(CONTENT_TYPE, "application/problem+json")];
    (StatusCode::NOT_FOUND, head, body.to_string()).into_response()
}
