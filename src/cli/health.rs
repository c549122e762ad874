//! `health`: asks `/readyz`, for HEALTHCHECK and the like.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cli::client::Connection;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{Output, Rows};

/// Bytes of the answer that are read: its first line is all that matters.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Ends well if the node is ready.
///
/// # Errors
/// [`Exit::Unavailable`] if it is not, or does not answer.
pub async fn run(connection: &Connection, output: &Output) -> Result<(), Failure> {
    let authority = connection.authority()?;
    let asked = tokio::time::timeout(connection.timeout, ask(&authority)).await;
    let status = match asked {
        Ok(Ok(status)) => status,
        Ok(Err(error)) => {
            let text = format!("no node answers at {}: {error}", connection.server);
            return Err(Failure::new(Exit::Unavailable, text));
        }
        Err(_) => {
            let text = format!("{} did not answer in time", connection.server);
            return Err(Failure::new(Exit::Unavailable, text));
        }
    };
    if status != 200 {
        let text = format!("the node is not ready: /readyz answers {status}");
        return Err(Failure::new(Exit::Unavailable, text));
    }
    output.show(&serde_json::json!({"ready": true}), || {
        Rows::of_pairs([("ready", "yes")])
    })
}

/// The status code of `GET /readyz` (RFC 9112 §4); 0 if it is no HTTP.
async fn ask(authority: &str) -> std::io::Result<u16> {
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_end(&mut answer)
        .await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1));
    Ok(status.and_then(|code| code.parse().ok()).unwrap_or(0))
}
