//! What surrounds every call: the bound on calls at once, the deadline, our
//! terms for what tonic refuses, and the measurements.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::server::NamedService;
use tonic::{Code, Status};

use crate::face::grpc::Config;
use crate::face::grpc::metrics::{Kind, Method, Metrics};
use crate::face::grpc::ready::Ready;
use crate::face::grpc::status;
use crate::model::{Reason, Refusal};
use crate::net::http::Peer;

/// When a call must be over; in the extensions of its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(pub(super) Instant);

/// Counts a call of whoever is at an address, or refuses it.
pub(super) type Admit = Arc<dyn Fn(IpAddr) -> Result<(), Refusal> + Send + Sync>;

/// What calls of all services share.
pub(super) struct Rules {
    admit: Admit,
    calls: Arc<Semaphore>,
    calls_max: usize,
    message_bytes_max: usize,
    deadline: Duration,
    metrics: Arc<Metrics>,
}

impl Rules {
    pub(super) fn new(config: &Config, metrics: Arc<Metrics>, admit: Admit) -> Self {
        let calls_max = config.calls_max.min(Semaphore::MAX_PERMITS);
        Self {
            admit,
            calls: Arc::new(Semaphore::new(calls_max)),
            calls_max,
            message_bytes_max: config.message_bytes_max,
            deadline: Duration::from_secs(config.deadline_secs),
            metrics,
        }
    }

    /// Bytes of one message from a client.
    pub(super) fn message_bytes_max(&self) -> usize {
        self.message_bytes_max
    }

    /// A place for the call of `request`. What a source has no right to takes none.
    fn admitted(
        &self,
        request: &Request<Body>,
        kind: Option<Kind>,
    ) -> Result<OwnedSemaphorePermit, Refusal> {
        // Every request that came over a connection has its peer.
        if let Some(Peer(peer)) = request.extensions().get() {
            (self.admit)(peer.ip()).inspect_err(|_| self.metrics.limited.increment(1))?;
        }
        self.enter(kind)
            .ok_or_else(|| Refusal::new(Reason::Overloaded).limit(self.calls_max))
    }

    /// A place for a call, if there is one. Streams, which may stay for long,
    /// leave half of the places to the others.
    fn enter(&self, kind: Option<Kind>) -> Option<OwnedSemaphorePermit> {
        let streams = kind != Some(Kind::Unary);
        if streams && self.calls.available_permits() <= self.calls_max / 2 {
            return None;
        }
        Arc::clone(&self.calls).try_acquire_owned().ok()
    }

    /// When the call with `headers` must be over.
    fn deadline(&self, headers: &HeaderMap, kind: Option<Kind>) -> Option<Instant> {
        let asked = headers
            .get("grpc-timeout")
            .and_then(|text| timeout(text.to_str().ok()?));
        let allowed = asked.or_else(|| (kind == Some(Kind::Unary)).then_some(self.deadline));
        Instant::now().checked_add(allowed?)
    }
}

/// A service whose calls follow the rules.
#[derive(Clone)]
pub(super) struct Ruled<S> {
    service: S,
    rules: Arc<Rules>,
}

impl<S> Ruled<S> {
    pub(super) fn new(service: S, rules: &Arc<Rules>) -> Self {
        Self {
            service,
            rules: Arc::clone(rules),
        }
    }
}

impl<S: NamedService> NamedService for Ruled<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Ruled<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let rules = Arc::clone(&self.rules);
        let method = rules.metrics.method(request.uri().path()).cloned();
        let kind = method.as_ref().map(|method| method.kind);
        let admitted = rules.admitted(&request, kind);
        let mut open = Open {
            method,
            began: Instant::now(),
            permit: None,
        };
        match admitted {
            Ok(permit) => open.permit = Some(permit),
            Err(refusal) => return Box::pin(async move { Ok(open.refused(&refusal)) }),
        }
        let deadline = rules.deadline(request.headers(), kind);
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(Deadline(deadline));
        }
        let answering = self.service.call(request);
        Box::pin(async move {
            let answered = match deadline {
                None => answering.await,
                Some(deadline) => match tokio::time::timeout_at(deadline, answering).await {
                    Ok(answered) => answered,
                    Err(_) => return Ok(open.refused(&Refusal::new(Reason::DeadlineExceeded))),
                },
            };
            answered.map(|response| open.answer(response, rules.message_bytes_max))
        })
    }
}

/// A call that has not ended. Dropped unended, the client has gone.
struct Open {
    method: Option<Arc<Method>>,
    began: Instant,
    permit: Option<OwnedSemaphorePermit>,
}

impl Open {
    fn refused(mut self, refusal: &Refusal) -> Response<Body> {
        let status = status::status(refusal);
        self.end(status.code());
        status.into_http()
    }

    fn answer(mut self, mut response: Response<Body>, message_bytes_max: usize) -> Response<Body> {
        if let Some(ready) = response.extensions_mut().remove::<Ready>() {
            let body = Body::new(ready.into_body());
            return response.map(|_| Body::new(Watched { body, open: self }));
        }
        let Some(status) = Status::from_header_map(response.headers()) else {
            return response.map(|body| Body::new(Watched { body, open: self }));
        };
        let translated = status::from_transport(status, message_bytes_max);
        self.end(translated.code());
        translated.into_http()
    }

    fn end(&mut self, code: Code) {
        if let Some(method) = self.method.take() {
            method.ended(code, self.began.elapsed());
        }
        self.permit = None;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}

/// The body of an answer; sees how the call ends.
struct Watched {
    body: Body,
    open: Open,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    let status = Status::from_header_map(trailers);
                    self.open
                        .end(status.map_or(Code::Unknown, |status| status.code()));
                }
            }
            Some(Err(status)) => self.open.end(status.code()),
            None => self.open.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads a `grpc-timeout`: at most 8 digits and a unit (gRPC over HTTP/2,
/// "Requests"). `None` if it is malformed.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let sound = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let count: u64 = digits.parse().ok().filter(|_| sound)?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    const RESOLVE: &str = "/idnode.v1.Resolution/Resolve";

    fn rules(calls_max: usize) -> Arc<Rules> {
        let config = Config {
            calls_max,
            deadline_secs: 0,
            ..Config::default()
        };
        let admit = |address: IpAddr| match address {
            IpAddr::V4(_) => Ok(()),
            IpAddr::V6(_) => Err(Refusal::new(Reason::RateLimited).remaining(0, None)),
        };
        Arc::new(Rules::new(
            &config,
            Arc::new(Metrics::new()),
            Arc::new(admit),
        ))
    }

    async fn call<F>(rules: &Arc<Rules>, path: &str, timeout: &str, answer: F) -> Response<Body>
    where
        F: Future<Output = Response<Body>> + Send + Clone + 'static,
    {
        let service = tower::service_fn(move |_: Request<Body>| {
            let answer = answer.clone();
            async { Ok::<_, Infallible>(answer.await) }
        });
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().expect("a path");
        if !timeout.is_empty() {
            let timeout = timeout.parse().expect("a header");
            request.headers_mut().insert("grpc-timeout", timeout);
        }
        let answered = Ruled::new(service, rules).call(request).await;
        answered.unwrap_or_else(|never| match never {})
    }

    fn reason(response: &Response<Body>) -> String {
        let status = Status::from_header_map(response.headers()).expect("a status");
        let info = status.get_details_error_info();
        info.map(|info| info.reason).unwrap_or_default()
    }

    #[tokio::test]
    async fn ends_unary_calls_at_their_deadline() {
        let rules = rules(10);
        for timeout in ["", "5m"] {
            let response = call(&rules, RESOLVE, timeout, std::future::pending()).await;
            assert_eq!(reason(&response), "DEADLINE_EXCEEDED");
        }
        // Streams have none of their own, but keep to the client's.
        let path = "/idnode.v1.Registry/ExportRecords";
        let stream = call(&rules, path, "", std::future::pending());
        let moment = Duration::from_millis(50);
        assert!(tokio::time::timeout(moment, stream).await.is_err());
        let response = call(&rules, path, "5m", std::future::pending()).await;
        assert_eq!(reason(&response), "DEADLINE_EXCEEDED");
        assert_eq!(rules.calls.available_permits(), 10);
    }

    #[tokio::test]
    async fn refuses_calls_above_the_limit() {
        let rules = rules(1);
        let held = Arc::clone(&rules.calls).try_acquire_owned().expect("free");
        let response = call(&rules, RESOLVE, "", std::future::pending()).await;
        assert_eq!(reason(&response), "OVERLOADED");
        drop(held);
        assert_eq!(rules.calls.available_permits(), 1);
    }

    #[tokio::test]
    async fn a_source_that_asks_for_too_much_takes_no_place() {
        let rules = rules(1);
        let _held = Arc::clone(&rules.calls).try_acquire_owned().expect("free");
        let ask = async |peer: &str| {
            let never = |_: Request<Body>| std::future::pending::<Result<_, Infallible>>();
            let mut request = Request::new(Body::empty());
            let peer = Peer(peer.parse().expect("an address"));
            request.extensions_mut().insert(peer);
            let answered = Ruled::new(tower::service_fn(never), &rules)
                .call(request)
                .await;
            reason(&answered.unwrap_or_else(|never| match never {}))
        };
        assert_eq!(ask("[2001:db8::1]:7").await, "RATE_LIMITED");
        assert_eq!(ask("192.0.2.1:7").await, "OVERLOADED");
    }

    fn check(text: &str, expected_ms: Option<u64>) {
        assert_eq!(
            timeout(text),
            expected_ms.map(Duration::from_millis),
            "{text}"
        );
    }

    #[test]
    fn reads_timeouts_as_the_protocol_writes_them() {
        check("1H", Some(3_600_000));
        check("2M", Some(120_000));
        check("3S", Some(3_000));
        check("99999999m", Some(99_999_999));
        check("5000u", Some(5));
        check("7000000n", Some(7));
        for bad in ["", "S", "1", "1x", "-1S", "999999999S", "1秒"] {
            check(bad, None);
        }
    }
}
