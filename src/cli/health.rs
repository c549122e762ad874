//! `health`: asks `/readyz`, for HEALTHCHECK and the like.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::cli::client::{Connection, Scheme};
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
    let (host, port) = authority.rsplit_once(':').unwrap_or_default();
    let port = port.parse().unwrap_or_default();
    let asking = async {
        let asked = match connection.scheme()? {
            Scheme::Http => {
                let connected = TcpStream::connect((host.trim_matches(['[', ']']), port)).await;
                ask(connected, &authority).await
            }
            Scheme::Https => {
                let connector = connection.tls(&[b"http/1.1"])?;
                let connected = connector.connect(host, port).await;
                ask(connected, &authority).await
            }
        };
        Ok::<_, Failure>(asked)
    };
    let asked = match tokio::time::timeout(connection.timeout, asking).await {
        Ok(asked) => Ok(asked?),
        Err(late) => Err(late),
    };
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
async fn ask<S>(connected: std::io::Result<S>, authority: &str) -> std::io::Result<u16>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = connected?;
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
