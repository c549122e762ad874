//! The HTTP face: probes and metrics, on the port that gRPC shares.
//!
//! | path | answers |
//! |---|---|
//! | `/livez` | 200 while the process runs |
//! | `/readyz` | 200 while it takes requests, else 503; with `?verbose` and why |
//! | `/metrics` | the Prometheus text format, version 0.0.4 |
//! | `/checkpoint` | the signed checkpoint of the log (C2SP tlog-tiles) |
//! | `/tile/<L>/<N>[.p/<W>]` | a tile of the tree over the log; its entries are nobody's |
//! | any, `POST` with `Accept: application/x-hdl-message` | a Handle message to one |
//! | any of these but the probes, asked for too often | 429 with `Retry-After` |
//! | else | 404 as `application/problem+json` (RFC 9457) |

pub mod config;
mod limited;
mod log;
mod messages;
mod metrics;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;

pub use config::Config;
pub use messages::{AnswerMessage, Messages};
pub use metrics::Metrics;

use crate::face::http::messages::is_for_message;
use crate::face::http::metrics::Route;
use crate::node::Node;

/// Content type of `/metrics`.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";
/// gRPC's UNIMPLEMENTED, which its protocol asks for where no service is.
const GRPC_UNIMPLEMENTED: &str = "12";

/// Where the server stands in its life.
///
/// ```text
/// Starting ──► Ready ──► Draining
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It does not take requests yet.
    Starting,
    /// It takes requests.
    Ready,
    /// It ends; requests should go elsewhere.
    Draining,
}

/// What the face is made of.
#[derive(Clone)]
pub struct Http {
    /// What `/readyz?verbose` tells of.
    pub node: Node,
    /// Where the server stands.
    pub readiness: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// Renders the metrics.
    pub render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Who answers messages of another protocol, if anybody does.
    pub messages: Option<Messages>,
    /// What it measures.
    pub metrics: Arc<Metrics>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Http")
    }
}

impl Http {
    /// The routes, with an answer for every path that is nobody's.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .route("/metrics", get(render))
            .route("/checkpoint", get(log::checkpoint))
            .route("/tile/{*path}", get(log::tile))
            .fallback(nothing)
            .method_not_allowed_fallback(not_allowed)
            .layer(from_fn_with_state(self.clone(), limited::admit))
            .with_state(self)
    }

    fn answer(&self, route: Route, response: Response) -> Response {
        self.metrics.answered(route, response.status());
        response
    }
}

async fn livez(State(face): State<Http>) -> Response {
    face.answer(Route::Livez, text(StatusCode::OK, PLAIN, "ok\n".into()))
}

async fn readyz(State(face): State<Http>, request: Request) -> Response {
    let readiness = (face.readiness)();
    let (status, word) = match readiness {
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        Readiness::Ready => (StatusCode::OK, "ok"),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
    };
    let query = request.uri().query().unwrap_or_default();
    let verbose = query
        .split('&')
        .any(|part| part == "verbose" || part.starts_with("verbose="));
    let body = if verbose {
        details(&face, word).await
    } else {
        format!("{word}\n")
    };
    face.answer(Route::Readyz, text(status, PLAIN, body))
}

/// One line a check. A node that refuses writes is ready: it resolves.
async fn details(face: &Http, word: &str) -> String {
    let node = face.node.clone();
    let writable = tokio::task::spawn_blocking(move || node.status().writable).await;
    let writes = match writable {
        Ok(true) => "ok",
        Ok(false) | Err(_) => "refused",
    };
    let mark = if word == "ok" { '+' } else { '-' };
    let position = face.node.applied_position();
    format!("[{mark}] server {word}\n[+] store at position {position}\n[i] writes {writes}\n")
}

async fn render(State(face): State<Http>) -> Response {
    let render = Arc::clone(&face.render_metrics);
    let rendered = tokio::task::spawn_blocking(move || render()).await;
    let response = match rendered {
        Ok(body) => text(StatusCode::OK, EXPOSITION, body),
        Err(_) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL",
            "the metrics cannot be rendered",
        ),
    };
    face.answer(Route::Metrics, response)
}

async fn nothing(State(face): State<Http>, request: Request) -> Response {
    if is_grpc(&request) {
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert("grpc-status", HeaderValue::from_static(GRPC_UNIMPLEMENTED));
        return response;
    }
    if let Some(messages) = face.messages.as_ref().filter(|_| is_for_message(&request)) {
        let response = messages.answer(request).await;
        return face.answer(Route::Message, response);
    }
    let detail = format!("nothing is at {}", shown(request.uri().path()));
    let response = problem(StatusCode::NOT_FOUND, "NOT_FOUND", &detail);
    face.answer(Route::Other, response)
}

async fn not_allowed(State(face): State<Http>, request: Request) -> Response {
    if let Some(messages) = face.messages.as_ref().filter(|_| is_for_message(&request)) {
        let response = messages.answer(request).await;
        return face.answer(Route::Message, response);
    }
    let method = shown(request.method().as_str());
    let detail = format!("{method} is not allowed here; use GET");
    let response = problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED",
        &detail,
    );
    face.answer(Route::Other, response)
}

fn is_grpc(request: &Request) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// The first characters of a client's text.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn text(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Problem details (RFC 9457), with a stable `reason`.
fn problem(status: StatusCode, reason: &str, detail: &str) -> Response {
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "reason": reason,
        "detail": detail,
    });
    text(status, "application/problem+json", body.to_string())
}
