//! The log as C2SP tlog-tiles serves it: its checkpoint, and the tiles of its tree.
//!
//! What is not served is its entries: they are shown to whoever may read them, over
//! gRPC. A tile that is complete never changes, nor does one that is named with its
//! width.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use crate::face::http::metrics::Route;
use crate::face::http::{Http, PLAIN, problem, shown, text};
use crate::model::Refusal;
use crate::node::Node;

const OCTETS: &str = "application/octet-stream";
const FOREVER: &str = "public, max-age=31536000, immutable";

/// `GET /checkpoint`.
pub(super) async fn checkpoint(State(face): State<Http>) -> Response {
    let signed = blocking(&face, Node::checkpoint).await;
    let response = match signed {
        Some(signed) => text(StatusCode::OK, PLAIN, signed.note.to_string()),
        None => failed(),
    };
    face.answer(Route::Checkpoint, response)
}

/// `GET /tile/…`.
pub(super) async fn tile(State(face): State<Http>, Path(path): Path<String>) -> Response {
    let asked = path.clone();
    let found = blocking(&face, move |node| node.tile(&asked)).await;
    let response = match found {
        Some(Some(octets)) => {
            let mut response = Response::new(Body::from(octets));
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(OCTETS));
            headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOREVER));
            response
        }
        Some(None) => {
            let detail = format!("the log has no tile {}", shown(&path));
            problem(StatusCode::NOT_FOUND, "NOT_FOUND", &detail)
        }
        None => failed(),
    };
    face.answer(Route::Tile, response)
}

/// What `work` comes to on a thread that may block; `None` if it fails.
async fn blocking<T: Send + 'static>(
    face: &Http,
    work: impl FnOnce(&Node) -> Result<T, Refusal> + Send + 'static,
) -> Option<T> {
    let node = face.node.clone();
    let done = tokio::task::spawn_blocking(move || work(&node)).await;
    done.ok()?.ok()
}

fn failed() -> Response {
    let detail = "the log cannot be read";
    problem(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", detail)
}
