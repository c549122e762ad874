//! Answers that lie ready: they go out as they are. The encoder would copy them into a
//! buffer of each call's own, which was a quarter of what such a call cost the server.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tonic::codegen::http::HeaderMap;
use tonic::metadata::MetadataMap;
use tonic::{Code, Response, Status};

/// Octets before a message: whether it is packed, and its length (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
const HEAD_BYTES: usize = 5;

/// A message that is not packed, behind its head; it is given in parts.
pub(super) fn framed(parts: &[Bytes]) -> Bytes {
    let length = parts.iter().map(Bytes::len).sum::<usize>();
    let mut octets = Vec::with_capacity(HEAD_BYTES + length);
    octets.push(0);
    octets.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    parts.iter().for_each(|part| octets.extend_from_slice(part));
    octets.into()
}

/// The message behind its head.
pub(super) fn message(framed: &Bytes) -> Bytes {
    framed.slice(HEAD_BYTES.min(framed.len())..)
}

/// Whether a client takes messages as they are. One that says what it unpacks is
/// answered by the encoder, which packs.
pub(super) fn is_taken(metadata: &MetadataMap) -> bool {
    !metadata.contains_key("grpc-accept-encoding")
}

/// What goes out in place of a response's body; in its extensions.
#[derive(Clone, Debug)]
pub(super) struct Ready(Bytes);

/// A response that is one message, `framed`; `none` stands where its messages would.
pub(super) fn response<T>(none: T, framed: Bytes) -> Response<T> {
    let mut response = Response::new(none);
    response.extensions_mut().insert(Ready(framed));
    response
}

impl Ready {
    /// As a body.
    pub(super) fn into_body(self) -> ReadyBody {
        ReadyBody(Next::Message(self.0))
    }
}

/// One message, and that the call ended well.
#[derive(Debug)]
pub(super) struct ReadyBody(Next);

#[derive(Debug)]
enum Next {
    Message(Bytes),
    Trailers,
    End,
}

impl HttpBody for ReadyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let (frame, next) = match std::mem::replace(&mut self.0, Next::End) {
            Next::Message(octets) => (Frame::data(octets), Next::Trailers),
            Next::Trailers => {
                let mut trailers = HeaderMap::new();
                // Only a message or details could be unfit for a header.
                let _fits = Status::new(Code::Ok, "").add_header(&mut trailers).is_ok();
                (Frame::trailers(trailers), Next::End)
            }
            Next::End => return Poll::Ready(None),
        };
        self.0 = next;
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Next::End)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Next::Message(octets) => SizeHint::with_exact(u64::try_from(octets.len()).unwrap_or(0)),
            Next::Trailers | Next::End => SizeHint::with_exact(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn gives_the_message_and_that_it_ended_well() {
        let framed = framed(&[Bytes::from_static(b"ab"), Bytes::from_static(b"c")]);
        assert_eq!(framed, b"\0\0\0\0\x03abc".as_slice());
        assert_eq!(message(&framed), b"abc".as_slice());
        let mut response = response((), framed.clone());
        let ready = response.extensions_mut().remove::<Ready>().unwrap();
        let mut body = ready.into_body();
        assert_eq!(body.size_hint().exact(), Some(8));
        let mut context = Context::from_waker(Waker::noop());
        let mut next = || match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Ready(frame) => frame.map(|Ok(frame)| frame),
            Poll::Pending => panic!("waits"),
        };
        assert_eq!(next().unwrap().into_data().unwrap(), framed);
        let trailers = next().unwrap().into_trailers().unwrap();
        assert_eq!(trailers.get("grpc-status").unwrap(), "0");
        assert!(next().is_none());
        assert!(body.is_end_stream());
    }
}
