//! Messages of another protocol, each the body of a request: `POST` to any path
//! with `Accept: application/x-hdl-message` (the Handle protocol over HTTP, as
//! deployed). What a message says is the other protocol's matter.

use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use futures_util::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::face::http::problem;
use crate::net::http::Peer;

/// The type of a message.
const MESSAGE: &str = "application/x-hdl-message";
/// How long a message may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a message that need no place among the long ones.
const SHORT_BYTES: usize = 4096;
/// Longer messages that are received at once; further ones are refused.
const LONG_COUNT_MAX: usize = 256;

/// Answers the message of a client; with nothing, where silence is due.
pub type AnswerMessage =
    Arc<dyn Fn(SocketAddr, Bytes) -> Pin<Box<dyn Future<Output = Vec<u8>> + Send>> + Send + Sync>;

/// Who answers messages, and how long they may be.
#[derive(Clone)]
pub struct Messages {
    answer: AnswerMessage,
    bytes_max: usize,
    long: Arc<Semaphore>,
}

impl fmt::Debug for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Messages")
    }
}

impl Messages {
    /// Messages of up to `bytes_max` are answered by `answer`.
    pub fn new(answer: AnswerMessage, bytes_max: usize) -> Self {
        Self {
            answer,
            bytes_max,
            long: Arc::new(Semaphore::new(LONG_COUNT_MAX)),
        }
    }

    /// Answers a request that is for a message.
    pub(super) async fn answer(&self, request: Request) -> Response {
        let peer = request.extensions().get().map(|Peer(peer)| *peer);
        let peer = peer.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 0)));
        let received = timeout(BODY_TIMEOUT, self.receive(request.into_body())).await;
        let message = match received {
            Ok(Ok(message)) => message,
            Ok(Err(refusal)) => return refusal,
            Err(_) => {
                let detail = format!("the message did not come within {BODY_TIMEOUT:?}");
                return problem(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", &detail);
            }
        };
        let reply = (self.answer)(peer, message).await;
        if reply.is_empty() {
            let detail = "the message is a reply, to which there is none";
            return problem(StatusCode::BAD_REQUEST, "NOT_A_REQUEST", detail);
        }
        let mut response = Response::new(Body::from(reply));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MESSAGE));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// The body; its memory is that of what arrived.
    async fn receive(&self, body: Body) -> Result<Bytes, Response> {
        let mut pieces = body.into_data_stream();
        let mut message = Vec::new();
        let mut place = None;
        while let Some(piece) = pieces.next().await {
            let Ok(piece) = piece else {
                let detail = "the message broke off";
                return Err(problem(StatusCode::BAD_REQUEST, "BROKEN_OFF", detail));
            };
            message.extend_from_slice(&piece);
            if message.len() > self.bytes_max {
                let detail = format!("a message has at most {} bytes", self.bytes_max);
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return Err(problem(status, "MESSAGE_TOO_LARGE", &detail));
            }
            if message.len() > SHORT_BYTES && place.is_none() {
                let Ok(free) = self.long.try_acquire() else {
                    let detail = "too many long messages are being received; try again shortly";
                    let status = StatusCode::SERVICE_UNAVAILABLE;
                    return Err(problem(status, "OVERLOADED", detail));
                };
                place = Some(free);
            }
        }
        Ok(message.into())
    }
}

/// Whether a request is for a message: its `Accept` alone says so.
pub(super) fn is_for_message(request: &Request) -> bool {
    let accepts = |value: &HeaderValue| {
        let Ok(types) = value.to_str() else {
            return false;
        };
        types.split(',').any(|range| {
            let name = range.split(';').next().unwrap_or_default();
            name.trim().eq_ignore_ascii_case(MESSAGE)
        })
    };
    request.method() == Method::POST && request.headers().get_all(ACCEPT).iter().any(accepts)
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    fn post(accept: &str, body: Vec<u8>) -> Request {
        Request::post("/any")
            .header(ACCEPT, accept)
            .extension(Peer(SocketAddr::from(([192, 0, 2, 1], 7))))
            .body(Body::from(body))
            .expect("a request")
    }

    #[test]
    fn the_accept_header_selects() {
        let check = |accept, expected| {
            assert_eq!(is_for_message(&post(accept, Vec::new())), expected);
        };
        check("application/x-hdl-message", true);
        check("Application/X-HDL-Message", true);
        check("text/html;q=0.8, application/x-hdl-message;q=1", true);
        check("application/x-hdl-message2", false);
        check("*/*", false);
        let get = Request::get("/")
            .header(ACCEPT, MESSAGE)
            .body(Body::empty());
        assert!(!is_for_message(&get.expect("a request")));
    }

    #[tokio::test]
    async fn a_body_is_answered_up_to_its_limit() {
        let echo: AnswerMessage = Arc::new(|peer, body| {
            assert_eq!(peer, SocketAddr::from(([192, 0, 2, 1], 7)));
            Box::pin(async move { body.to_vec() })
        });
        let messages = Messages::new(echo, 10_000);
        let check = async |body: Vec<u8>, status, expected: Option<&[u8]>| {
            let response = messages.answer(post(MESSAGE, body)).await;
            assert_eq!(response.status(), status);
            let content_type = response.headers().get(CONTENT_TYPE).cloned();
            let body = to_bytes(response.into_body(), usize::MAX).await;
            if let Some(expected) = expected {
                assert_eq!(content_type, Some(HeaderValue::from_static(MESSAGE)));
                assert_eq!(body.expect("a body"), expected);
            }
        };
        let (short, long) = (vec![1; 100], vec![2; 10_000]);
        check(short.clone(), StatusCode::OK, Some(&short)).await;
        check(long.clone(), StatusCode::OK, Some(&long)).await;
        check(vec![3; 10_001], StatusCode::PAYLOAD_TOO_LARGE, None).await;
        check(Vec::new(), StatusCode::BAD_REQUEST, None).await;
        let taken = messages.long.try_acquire_many(256).expect("all free");
        check(long, StatusCode::SERVICE_UNAVAILABLE, None).await;
        check(short.clone(), StatusCode::OK, Some(&short)).await;
        drop(taken);
    }
}
