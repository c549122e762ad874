//! Calls by the path of a method, with messages as bytes: the matrix knows no
//! client that was generated.

use bytes::{Buf, BufMut};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Request, Status};

use crate::support::DEADLINE;

/// Messages as they stand on the wire.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}

/// Calls the method at `path` with one message and returns all that answer it: a
/// unary call looks like a stream of one message either way.
pub(super) async fn call(
    channel: &Channel,
    bearer: Option<&str>,
    path: &str,
    message: Vec<u8>,
) -> Result<Vec<Vec<u8>>, Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.expect("the node answers");
    let mut request = Request::new(tokio_stream::once(message));
    request.set_timeout(DEADLINE);
    if let Some(bearer) = bearer {
        let header = format!("Bearer {bearer}").parse().expect("a header");
        request.metadata_mut().insert("authorization", header);
    }
    let path = PathAndQuery::try_from(path).expect("a path");
    let mut answers = grpc.streaming(request, path, Raw).await?.into_inner();
    let mut messages = Vec::new();
    while let Some(message) = answers.message().await? {
        messages.push(message);
    }
    Ok(messages)
}
