//! Why a benchmark could not be run.

use std::io;
use std::path::PathBuf;

/// Why a benchmark could not be run. What a node answers to single requests is
/// counted, not an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket failed.
    #[error("cannot reach {server} over UDP")]
    Udp {
        /// The server.
        server: std::net::SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A connection failed.
    #[error("cannot reach {server} over TCP")]
    Tcp {
        /// The server.
        server: std::net::SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A file failed.
    #[error("cannot read or write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line of a file of names is no question.
    #[error("line {line} of the names is not \"name type\": {text:?}")]
    NamesLine {
        /// From 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// There is nothing to ask.
    #[error("there is nothing to ask")]
    NoQuestions,
    /// The node does not answer.
    #[error("no node answers at {server}")]
    Unreachable {
        /// Its URL.
        server: String,
        /// What went wrong.
        source: tonic::transport::Error,
    },
    /// Nothing can be served there.
    #[error("cannot serve at {listen}")]
    Listen {
        /// The address.
        listen: std::net::SocketAddr,
        /// What went wrong.
        source: tonic::transport::Error,
    },
    /// The node refused what the benchmark cannot do without.
    #[error("the node refused: {}", .0.message())]
    Refused(Box<tonic::Status>),
    /// A process that was to be watched is not there.
    #[error("cannot read the use of process {pid}")]
    Process {
        /// Its id.
        pid: u32,
        /// What the system says.
        source: io::Error,
    },
    /// A worker ended early.
    #[error("a worker of the load generator ended early")]
    Worker,
    /// More differs than is worth listing.
    #[error("more than {limit} identifiers differ; the first: {first}")]
    TooDifferent {
        /// How many were counted before it gave up.
        limit: usize,
        /// The first difference.
        first: String,
    },
    /// The raw store failed.
    #[error("the raw store failed: {0}")]
    Store(String),
}

impl From<tonic::Status> for Error {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(Box::new(status))
    }
}
