//! Calls of gRPC, one after the other, with as little around them as HTTP/2 allows: a
//! question leaves in one piece, and an answer is read where it arrives. What a client's
//! layers take beside would be taken for the node's.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::SendRequest;
use prost::Message;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::Status;
use tonic::codegen::http::header::{AUTHORIZATION, CONTENT_TYPE, TE};
use tonic::codegen::http::{HeaderValue, Request, StatusCode, Uri};

use crate::bench::error::Error;
use crate::bench::target::{
    ANSWER_BYTES_MAX, CONNECT_TIMEOUT, FRAME_BYTES_MAX, STREAM_WINDOW_BYTES, Target,
};

/// Octets before a message: whether it is packed, and its length (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
const HEAD_BYTES: usize = 5;

/// A connection of its own.
pub(super) struct Caller {
    send: SendRequest<Bytes>,
    server: Uri,
    bearer: Option<HeaderValue>,
    /// What reads and writes; the next call tells if it has ended.
    _at_work: JoinSet<Result<(), h2::Error>>,
}

/// Messages of an answer, as they come.
pub(super) struct Messages {
    body: RecvStream,
    /// What came and was not read.
    held: Bytes,
}

impl Caller {
    /// Connects to `target`.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub(super) async fn connect(target: &Target) -> Result<Self, Error> {
        let invalid = || Status::invalid_argument("the server's URL has no host and port");
        let server: Uri = target.server().parse().map_err(|_| invalid())?;
        let authority = server.authority().ok_or_else(invalid)?;
        let port = authority.port_u16().unwrap_or(80);
        let host = authority.host().trim_matches(['[', ']']);
        let connecting = async {
            let stream = TcpStream::connect((host, port)).await.map_err(broken)?;
            stream.set_nodelay(true).map_err(broken)?;
            let mut builder = h2::client::Builder::new();
            builder
                .initial_window_size(STREAM_WINDOW_BYTES)
                .initial_connection_window_size(STREAM_WINDOW_BYTES)
                .max_frame_size(FRAME_BYTES_MAX)
                .enable_push(false);
            builder.handshake(stream).await.map_err(broken)
        };
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        let (send, connection) = connected.map_err(broken)??;
        let bearer = target.bearer().map(HeaderValue::from_bytes).transpose();
        let bearer = bearer.map_err(broken)?;
        let mut at_work = JoinSet::new();
        at_work.spawn(connection);
        Ok(Self {
            send,
            server,
            bearer,
            _at_work: at_work,
        })
    }

    /// Calls the method at `path`.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub(super) async fn call(
        &mut self,
        path: &'static str,
        message: &impl Message,
    ) -> Result<Messages, Error> {
        let server = self.server.clone().into_parts();
        let uri = Uri::builder()
            .scheme("http")
            .path_and_query(path)
            .authority(server.authority.as_ref().map_or("", |at| at.as_str()))
            .build()
            .map_err(broken)?;
        let mut request = Request::post(uri)
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers");
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, bearer.clone());
        }
        let request = request.body(()).map_err(broken)?;
        let length = message.encoded_len();
        let mut body = BytesMut::with_capacity(HEAD_BYTES + length);
        body.put_u8(0);
        body.put_u32(u32::try_from(length).map_err(broken)?);
        message.encode(&mut body).map_err(broken)?;
        std::future::poll_fn(|context| self.send.poll_ready(context))
            .await
            .map_err(broken)?;
        // Both go out at once: the connection writes when this waits.
        let (answer, mut stream) = self.send.send_request(request, false).map_err(broken)?;
        stream.send_data(body.freeze(), true).map_err(broken)?;
        let (head, body) = answer.await.map_err(broken)?.into_parts();
        // What is refused at once has no body.
        match Status::from_header_map(&head.headers) {
            Some(status) if status.code() != tonic::Code::Ok => Err(status.into()),
            _ if head.status != StatusCode::OK => Err(broken(head.status)),
            _ => Ok(Messages {
                body,
                held: Bytes::new(),
            }),
        }
    }
}

impl Messages {
    /// The next message; `None` behind the last.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if let Some(message) = self.message()? {
                return Ok(Some(message));
            }
            let Some(data) = self.body.data().await else {
                return self.end().await.map(|()| None);
            };
            let data = data.map_err(broken)?;
            let released = self.body.flow_control().release_capacity(data.len());
            released.map_err(broken)?;
            self.held = match std::mem::take(&mut self.held) {
                held if held.is_empty() => data,
                held => {
                    let mut held = held.try_into_mut().unwrap_or_else(|held| (&*held).into());
                    held.extend_from_slice(&data);
                    held.freeze()
                }
            };
        }
    }

    /// What is there of the next message, if it is all.
    fn message(&mut self) -> Result<Option<Bytes>, Error> {
        let Some((head, rest)) = self.held.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let [packed, length @ ..] = *head;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if packed != 0 || length > ANSWER_BYTES_MAX {
            let text = format!("a message of {length} octets, packed: {packed}");
            return Err(Status::internal(text).into());
        }
        if rest.len() < length {
            return Ok(None);
        }
        self.held.advance(HEAD_BYTES);
        Ok(Some(self.held.split_to(length)))
    }

    async fn end(&mut self) -> Result<(), Error> {
        let trailers = self.body.trailers().await.map_err(broken)?;
        let status = trailers.and_then(|trailers| Status::from_header_map(&trailers));
        match status {
            Some(status) if status.code() == tonic::Code::Ok && self.held.is_empty() => Ok(()),
            Some(status) if status.code() != tonic::Code::Ok => Err(status.into()),
            _ => Err(Status::internal("the answer ended within a message").into()),
        }
    }
}

fn broken(error: impl std::fmt::Display) -> Error {
    Status::unavailable(error.to_string()).into()
}
