//! What a source is told that asks for too much: 429, with `Retry-After` in whole
//! seconds (RFC 6585 §4, RFC 9110 §10.2.3).

use axum::extract::{Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use crate::face::http::messages::is_for_message;
use crate::face::http::metrics::Route;
use crate::face::http::{Http, is_grpc, problem};
use crate::model::Refusal;
use crate::net::http::Peer;

/// Paths that are answered however often they are asked for: a node that is watched
/// closely must not look as if it were dead.
const PROBES: [&str; 2] = ["/livez", "/readyz"];

/// Lets a request through, unless its sender asks for too much.
pub(super) async fn admit(State(face): State<Http>, request: Request, next: Next) -> Response {
    // Messages and calls are counted where they are answered, in their own terms.
    let is_counted =
        !PROBES.contains(&request.uri().path()) && !is_for_message(&request) && !is_grpc(&request);
    let peer = request.extensions().get().filter(|_| is_counted);
    if let Some(Peer(peer)) = peer
        && let Err(refusal) = face.node.admit(peer.ip(), 1)
    {
        face.metrics.limited.increment(1);
        return face.answer(Route::Other, too_many(&refusal));
    }
    next.run(request).await
}

fn too_many(refusal: &Refusal) -> Response {
    let told = refusal.shown_remaining();
    let wait = told.and_then(|remaining| remaining.retry_after);
    let millis = wait.unwrap_or_default().as_millis();
    let seconds = millis.div_ceil(1000).max(1);
    let code = refusal.reason().code();
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, code, &refusal.to_string());
    if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}
