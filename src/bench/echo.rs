//! A service that looks nothing up: it answers for every identifier with the same
//! values, encoded before. What tonic, HTTP/2 and the kernel take by themselves, to
//! stand beside a node in the same run.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::BufMut;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::bench::error::Error;
use crate::bench::proto;
use crate::demo::Demo;
use crate::wire::proto::v1::resolution_server::{Resolution, ResolutionServer};
use crate::wire::proto::v1::{
    BatchResolveResponse, ResolveRequest, ResolveResponse, ResolveStreamResponse,
};
use crate::wire::proto::{Encoded, ResolveMany, ResultsWriter, v1};

/// Fields of `Record.name`, and of the record in `ResolveResult`.
const FIRST: u32 = 1;
/// Octets in flight on a stream or connection, as a node has it.
const WINDOW_BYTES: u32 = 8 << 20;

/// Answers at `listen` until `ended`.
///
/// # Errors
/// [`Error::Listen`].
pub async fn echo(
    listen: SocketAddr,
    demo: &Demo,
    ended: impl Future<Output = ()>,
) -> Result<(), Error> {
    let (_, values) = demo.record(0);
    let values = proto::record(&demo.identifier(0), &values).values;
    let record = v1::Record {
        values,
        etag: u64::MAX.to_string(),
        ..v1::Record::default()
    };
    let echo = Echo {
        values: record.encode_to_vec().into(),
    };
    let serving = tonic::transport::Server::builder()
        .tcp_nodelay(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .add_service(ResolutionServer::new(echo))
        .serve_with_shutdown(listen, ended);
    serving
        .await
        .map_err(|source| Error::Listen { listen, source })
}

/// The service.
#[derive(Clone)]
struct Echo {
    /// A record without its name.
    values: Arc<[u8]>,
}

impl Echo {
    /// A `ResolveResult` for `identifier`, behind `out`.
    fn put(&self, identifier: &str, out: &mut impl BufMut) {
        let name_bytes = proto::RECORDS.len() + identifier.len();
        encode_key(FIRST, WireType::LengthDelimited, out);
        encode_varint(wide(self.record_bytes(identifier)), out);
        encode_key(FIRST, WireType::LengthDelimited, out);
        encode_varint(wide(name_bytes), out);
        out.put_slice(proto::RECORDS.as_bytes());
        out.put_slice(identifier.as_bytes());
        out.put_slice(&self.values);
    }

    fn record_bytes(&self, identifier: &str) -> usize {
        let name_bytes = proto::RECORDS.len() + identifier.len();
        with_length(name_bytes) + self.values.len()
    }

    fn many(&self, asked: &ResolveMany) -> ResultsWriter {
        let identifiers = (0..asked.len()).filter_map(|at| asked.get(at));
        let bytes = |identifier: &str| with_length(with_length(self.record_bytes(identifier)));
        let room = identifiers.clone().map(bytes).sum();
        let mut writer = ResultsWriter::with_capacity(room);
        for identifier in identifiers {
            let length = with_length(self.record_bytes(identifier));
            let put = |out: &mut Vec<u8>| {
                self.put(identifier, out);
                true
            };
            writer.put(length, put);
        }
        writer
    }
}

/// A field of so many octets, with its key and length.
const fn with_length(octets: usize) -> usize {
    key_len(FIRST) + encoded_len_varint(octets as u64) + octets
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[async_trait]
impl Resolution for Echo {
    type ResolveStreamStream =
        Pin<Box<dyn Stream<Item = Result<Encoded<ResolveStreamResponse>, Status>> + Send>>;

    async fn resolve(
        &self,
        request: Request<ResolveRequest>,
    ) -> Result<Response<Encoded<ResolveResponse>>, Status> {
        let mut octets = Vec::new();
        self.put(&request.into_inner().identifier, &mut octets);
        Ok(Response::new(Encoded::new(octets)))
    }

    async fn batch_resolve(
        &self,
        request: Request<ResolveMany>,
    ) -> Result<Response<Encoded<BatchResolveResponse>>, Status> {
        Ok(Response::new(self.many(&request.into_inner()).finish()))
    }

    async fn resolve_stream(
        &self,
        request: Request<Streaming<ResolveMany>>,
    ) -> Result<Response<Self::ResolveStreamStream>, Status> {
        let echo = self.clone();
        let answered = move |asked: Result<ResolveMany, Status>| Ok(echo.many(&asked?).finish());
        Ok(Response::new(Box::pin(request.into_inner().map(answered))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::proto::Write;

    #[test]
    fn answers_with_the_name_that_was_asked_for() {
        let (_, values) = Demo::new(1, 10).record(0);
        let record = proto::record(&Demo::new(1, 10).identifier(0), &values);
        let values = record.values;
        let only = v1::Record {
            values: values.clone(),
            ..v1::Record::default()
        };
        let echo = Echo {
            values: only.encode_to_vec().into(),
        };
        let asked = v1::BatchResolveRequest {
            identifiers: vec!["88.118/a".to_owned(), "88.118.7/b".to_owned()],
            ..v1::BatchResolveRequest::default()
        };
        let asked = ResolveMany::decode(asked.encode_to_vec().as_slice()).unwrap();
        let whole: Encoded<BatchResolveResponse> = echo.many(&asked).finish();
        let mut octets = Vec::new();
        whole.write(&mut octets);
        let answer = BatchResolveResponse::decode(octets.as_slice()).unwrap();
        let names = ["records/88.118/a", "records/88.118.7/b"];
        let expected = names.map(|name| v1::ResolveResult {
            outcome: Some(v1::resolve_result::Outcome::Record(v1::Record {
                name: name.to_owned(),
                values: values.clone(),
                ..v1::Record::default()
            })),
        });
        assert_eq!(answer.results, expected);
    }
}
