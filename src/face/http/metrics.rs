//! What the HTTP face measures.

use axum::http::StatusCode;
use metrics::{Counter, counter, describe_counter};

/// The path a request was for, as the label `route` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/livez`.
    Livez,
    /// `/readyz`.
    Readyz,
    /// `/metrics`.
    Metrics,
    /// `/checkpoint`.
    Checkpoint,
    /// `/tile/…`.
    Tile,
    /// Any path, for a message of another protocol.
    Message,
    /// Anything else.
    Other,
}

const ROUTES: [(Route, &str); 7] = [
    (Route::Livez, "/livez"),
    (Route::Readyz, "/readyz"),
    (Route::Metrics, "/metrics"),
    (Route::Checkpoint, "/checkpoint"),
    (Route::Tile, "/tile"),
    (Route::Message, "message"),
    (Route::Other, "other"),
];
/// Classes of status codes that the face answers with.
const CLASSES: [(u16, &str); 3] = [(2, "2xx"), (4, "4xx"), (5, "5xx")];

/// What the HTTP face measures.
pub struct Metrics {
    /// `idnode_http_requests_total`.
    requests: Vec<(Route, u16, Counter)>,
    /// Requests of sources that asked for too much.
    pub(super) limited: Counter,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("http::Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers the metrics with the recorder in force.
    pub fn new() -> Self {
        describe_counter!("idnode_http_requests_total", "HTTP requests answered");
        describe_counter!(
            "idnode_limited_total",
            "requests of sources that asked for too much"
        );
        let requests = ROUTES.into_iter().flat_map(|(route, path)| {
            CLASSES.map(|(class, label)| {
                let counter = counter!("idnode_http_requests_total",
                    "route" => path, "code_class" => label);
                (route, class, counter)
            })
        });
        Self {
            requests: requests.collect(),
            limited: counter!("idnode_limited_total", "proto" => "http"),
        }
    }

    /// Counts an answer.
    pub(super) fn answered(&self, route: Route, status: StatusCode) {
        let class = status.as_u16() / 100;
        for (other, other_class, counter) in &self.requests {
            if *other == route && *other_class == class {
                counter.increment(1);
            }
        }
    }
}
