//! Requests over HTTP/1.1, octet by octet.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::DEADLINE;

/// The head and the body of the answer to a request: `head` is its method, its
/// path and, each behind a line end, further headers.
pub(crate) async fn http(address: SocketAddr, head: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let (first, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let length = body.len();
    let head = format!(
        "{first} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    // A body that is too long is not read to its end.
    let _sent = stream.write_all(&[head.as_bytes(), body].concat()).await;
    let mut answer = Vec::new();
    let _end = timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = answer.split_at(at.expect("a head") + 4);
    let head = String::from_utf8(head.to_vec()).expect("text");
    (head, body.to_vec())
}

/// The metrics of the node at `address`.
pub(crate) async fn metrics(address: SocketAddr) -> String {
    let (head, body) = http(address, "GET /metrics", &[]).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    String::from_utf8(body).expect("text")
}
