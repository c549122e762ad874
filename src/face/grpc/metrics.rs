//! What the gRPC face measures. Every series exists from the start; labels come
//! from the API's own descriptors and from enums.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{
    Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use prost::Message;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};
use tonic::Code;

use crate::model::{Fault, Refusal};
use crate::node::Effect;
use crate::wire::proto::DESCRIPTORS;

/// Codes of gRPC that calls are counted by. The others, which no refusal has and only
/// the transport may answer, count as UNKNOWN.
const CODES: [(Code, &str); 14] = [
    (Code::Ok, "OK"),
    (Code::Cancelled, "CANCELLED"),
    (Code::Unknown, "UNKNOWN"),
    (Code::InvalidArgument, "INVALID_ARGUMENT"),
    (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
    (Code::NotFound, "NOT_FOUND"),
    (Code::AlreadyExists, "ALREADY_EXISTS"),
    (Code::PermissionDenied, "PERMISSION_DENIED"),
    (Code::ResourceExhausted, "RESOURCE_EXHAUSTED"),
    (Code::FailedPrecondition, "FAILED_PRECONDITION"),
    (Code::Aborted, "ABORTED"),
    (Code::Internal, "INTERNAL"),
    (Code::Unavailable, "UNAVAILABLE"),
    (Code::Unauthenticated, "UNAUTHENTICATED"),
];
/// Results of a resolution.
const RESOLVED: [&str; 5] = ["ok", "not_found", "denied", "bad_request", "server_error"];
/// Results of a change: done, or the fault.
const CHANGED: [&str; 9] = [
    "ok",
    "invalid",
    "unauthenticated",
    "denied",
    "missing",
    "conflict",
    "exhausted",
    "unavailable",
    "broken",
];
/// What becomes of a row of an import.
const IMPORTED: [&str; 5] = ["created", "updated", "unchanged", "skipped", "rejected"];

/// What a call changes, as the label `op` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// An identifier is registered.
    Create,
    /// A record's values change.
    Update,
    /// An identifier is deleted.
    Delete,
    /// An item of a batch.
    Batch,
    /// A chunk of an import.
    Import,
    /// A prefix changes.
    Prefix,
    /// A template changes.
    Template,
    /// A link changes, by itself or in a batch.
    Link,
}

const OPERATIONS: [(Operation, &str); 8] = [
    (Operation::Create, "create"),
    (Operation::Update, "update"),
    (Operation::Delete, "delete"),
    (Operation::Batch, "batch"),
    (Operation::Import, "import"),
    (Operation::Prefix, "prefix"),
    (Operation::Template, "template"),
    (Operation::Link, "link"),
];

/// What became of an identifier that was to be resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolved {
    /// It was.
    Found,
    /// It was not.
    Refused(Fault),
}

/// What the gRPC face measures.
pub struct Metrics {
    /// By path: `/idnode.v1.Registry/CreateRecord`.
    methods: HashMap<String, Arc<Method>>,
    /// Calls of sources that asked for too much.
    pub(super) limited: Counter,
    /// `idnode_resolve_requests_total`, in the order of [`RESOLVED`].
    resolved: [Counter; 5],
    kept_hits: Counter,
    kept_misses: Counter,
    kept_count: Gauge,
    kept_bytes: Gauge,
    traces_kept_hits: Counter,
    traces_kept_misses: Counter,
    traces_kept_count: Gauge,
    traces_kept_bytes: Gauge,
    /// `idnode_registry_operations_total`, in the order of [`CHANGED`].
    operations: [(Operation, [Counter; 9]); OPERATIONS.len()],
    /// `idnode_import_rows_total`, in the order of [`IMPORTED`].
    imported: [Counter; 5],
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("grpc::Metrics")
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
        describe_counter!("idnode_grpc_requests_total", "gRPC calls that ended");
        describe_histogram!(
            "idnode_grpc_duration_seconds",
            "time from a call's header to its status"
        );
        describe_counter!("idnode_resolve_requests_total", "identifiers resolved");
        describe_counter!(
            "idnode_grpc_kept_hits_total",
            "results of resolution that were kept"
        );
        describe_counter!(
            "idnode_grpc_kept_misses_total",
            "results of resolution made anew"
        );
        describe_gauge!("idnode_grpc_kept_results", "results of resolution kept");
        describe_gauge!("idnode_grpc_kept_bytes", "bytes of the results kept");
        describe_counter!(
            "idnode_trace_kept_hits_total",
            "answers of traces that were kept"
        );
        describe_counter!("idnode_trace_kept_misses_total", "traces that were walked");
        describe_gauge!("idnode_trace_kept_answers", "answers of traces kept");
        describe_gauge!("idnode_trace_kept_bytes", "bytes of the answers of traces");
        describe_counter!("idnode_registry_operations_total", "changes asked for");
        describe_counter!("idnode_import_rows_total", "rows of imports");
        describe_counter!(
            "idnode_limited_total",
            "requests of sources that asked for too much"
        );
        Self {
            methods: methods(),
            limited: counter!("idnode_limited_total", "proto" => "grpc"),
            resolved: RESOLVED.map(|result| {
                counter!("idnode_resolve_requests_total", "proto" => "grpc", "result" => result)
            }),
            kept_hits: counter!("idnode_grpc_kept_hits_total"),
            kept_misses: counter!("idnode_grpc_kept_misses_total"),
            kept_count: gauge!("idnode_grpc_kept_results"),
            kept_bytes: gauge!("idnode_grpc_kept_bytes"),
            traces_kept_hits: counter!("idnode_trace_kept_hits_total"),
            traces_kept_misses: counter!("idnode_trace_kept_misses_total"),
            traces_kept_count: gauge!("idnode_trace_kept_answers"),
            traces_kept_bytes: gauge!("idnode_trace_kept_bytes"),
            operations: OPERATIONS.map(|(operation, op)| {
                let counters = CHANGED.map(|result| {
                    counter!("idnode_registry_operations_total", "op" => op, "result" => result)
                });
                (operation, counters)
            }),
            imported: IMPORTED
                .map(|result| counter!("idnode_import_rows_total", "result" => result)),
        }
    }

    /// The method at `path`; `None` if there is none.
    pub(super) fn method(&self, path: &str) -> Option<&Arc<Method>> {
        self.methods.get(path)
    }

    /// Counts an identifier that was resolved.
    pub(super) fn resolved(&self, resolved: Resolved) {
        self.resolved_many(resolved, 1);
    }

    /// Counts so many identifiers that were resolved.
    pub(super) fn resolved_many(&self, resolved: Resolved, number: usize) {
        let label = match resolved {
            Resolved::Found => "ok",
            Resolved::Refused(Fault::Missing) => "not_found",
            Resolved::Refused(Fault::Unauthenticated | Fault::Denied) => "denied",
            Resolved::Refused(Fault::Invalid) => "bad_request",
            Resolved::Refused(
                Fault::Conflict | Fault::Exhausted | Fault::Unavailable | Fault::Broken,
            ) => "server_error",
        };
        count(&RESOLVED, &self.resolved, label, number);
    }

    /// Counts results that were kept, and those that were made.
    pub(super) fn kept(&self, hits: usize, misses: usize) {
        let wide = |count| u64::try_from(count).unwrap_or(u64::MAX);
        self.kept_hits.increment(wide(hits));
        self.kept_misses.increment(wide(misses));
    }

    /// Tells how many results and answers of traces are kept, and their bytes.
    pub(super) fn kept_sizes(&self, results: (usize, u64), traces: (usize, u64)) {
        let shown = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        let set = |(count_gauge, bytes_gauge): (&Gauge, &Gauge), (count, bytes): (usize, u64)| {
            count_gauge.set(shown(u64::try_from(count).unwrap_or(u64::MAX)));
            // In whole KiB, which an f64 holds exactly.
            bytes_gauge.set(shown(bytes / 1024) * 1024.0);
        };
        set((&self.kept_count, &self.kept_bytes), results);
        set((&self.traces_kept_count, &self.traces_kept_bytes), traces);
    }

    /// Counts a trace: whether its answer was kept.
    pub(super) fn traced(&self, was_kept: bool) {
        match was_kept {
            true => self.traces_kept_hits.increment(1),
            false => self.traces_kept_misses.increment(1),
        }
    }

    /// Counts a change that was asked for.
    pub(super) fn changed<T>(&self, operation: Operation, result: &Result<T, Refusal>) {
        let label = match result.as_ref().map_err(|refusal| refusal.fault()) {
            Ok(_) => "ok",
            Err(Fault::Invalid) => "invalid",
            Err(Fault::Unauthenticated) => "unauthenticated",
            Err(Fault::Denied) => "denied",
            Err(Fault::Missing) => "missing",
            Err(Fault::Conflict) => "conflict",
            Err(Fault::Exhausted) => "exhausted",
            Err(Fault::Unavailable) => "unavailable",
            Err(Fault::Broken) => "broken",
        };
        for (other, counters) in &self.operations {
            if *other == operation {
                count(&CHANGED, counters, label, 1);
            }
        }
    }

    /// Counts a row of an import; `None` is one that was rejected.
    pub(super) fn imported(&self, effect: Option<Effect>) {
        let label = match effect {
            Some(Effect::Created) => "created",
            Some(Effect::Updated | Effect::Deleted) => "updated",
            Some(Effect::Unchanged) => "unchanged",
            Some(Effect::Skipped) => "skipped",
            None => "rejected",
        };
        count(&IMPORTED, &self.imported, label, 1);
    }
}

fn count(labels: &[&str], counters: &[Counter], label: &str, number: usize) {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    for (other, counter) in labels.iter().zip(counters) {
        if *other == label {
            counter.increment(number);
        }
    }
}

/// How a method takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One message each way: has a deadline even if the client names none.
    Unary,
    /// Bounds its own time.
    Waiting,
    /// A stream either way: goes on for as long as it is used.
    Streaming,
}

/// Services of which each method's time is measured for itself.
const BY_METHOD: [&str; 3] = [
    "idnode.v1.Registry",
    "idnode.v1.Resolution",
    "idnode.v1.Node",
];

/// One method of the API and its measurements.
pub(super) struct Method {
    /// How it takes time.
    pub(super) kind: Kind,
    calls: [Counter; CODES.len()],
    duration: Histogram,
}

impl Method {
    /// Counts a call that ended.
    pub(super) fn ended(&self, code: Code, took: Duration) {
        let is_counted = CODES.iter().any(|(other, _)| *other == code);
        let code = if is_counted { code } else { Code::Unknown };
        for ((other, _), counter) in CODES.iter().zip(&self.calls) {
            if *other == code {
                counter.increment(1);
            }
        }
        self.duration.record(took.as_secs_f64());
    }
}

/// Every method of this API, by its path.
fn methods() -> HashMap<String, Arc<Method>> {
    let mut methods = HashMap::new();
    // The descriptors are compiled in; without them calls are only not counted.
    let files = FileDescriptorSet::decode(DESCRIPTORS)
        .unwrap_or_default()
        .file;
    for file in files {
        let package = file.package().to_owned();
        for service in &file.service {
            let service_name = format!("{package}.{}", service.name());
            for method in &service.method {
                let path = format!("/{service_name}/{}", method.name());
                methods.insert(path, Arc::new(measured(&service_name, method)));
            }
        }
    }
    methods
}

fn measured(service: &str, method: &MethodDescriptorProto) -> Method {
    let kind = if method.client_streaming() || method.server_streaming() {
        Kind::Streaming
    } else if method.name() == "WaitOperation" {
        Kind::Waiting
    } else {
        Kind::Unary
    };
    let calls = CODES.map(|(_, code)| {
        counter!("idnode_grpc_requests_total",
            "service" => service.to_owned(), "method" => method.name().to_owned(), "code" => code)
    });
    // The rare calls of an office, and those of links, share one histogram each: a
    // scrape stays at some 3,000 series.
    let is_often = BY_METHOD.contains(&service);
    let name = if is_often { method.name() } else { "*" };
    let duration = histogram!("idnode_grpc_duration_seconds",
        "service" => service.to_owned(), "method" => name.to_owned());
    Method {
        kind,
        calls,
        duration,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::face::grpc::status;
    use crate::model::Reason;

    #[test]
    fn knows_every_method_and_how_it_takes_time() {
        let metrics = Metrics::new();
        let kind = |path: &str| metrics.method(path).map(|method| method.kind);
        assert_eq!(kind("/idnode.v1.Registry/CreateRecord"), Some(Kind::Unary));
        assert_eq!(
            kind("/idnode.v1.Registry/ImportRecords"),
            Some(Kind::Streaming)
        );
        assert_eq!(
            kind("/idnode.v1.Registry/ExportRecords"),
            Some(Kind::Streaming)
        );
        assert_eq!(kind("/idnode.v1.Node/WaitOperation"), Some(Kind::Waiting));
        assert_eq!(kind("/idnode.v1.Registry/Nothing"), None);
    }

    #[test]
    fn every_code_of_a_refusal_is_counted() {
        for reason in Reason::ALL {
            let code = status::code(*reason);
            assert!(CODES.iter().any(|(other, _)| *other == code), "{code:?}");
        }
    }
}
