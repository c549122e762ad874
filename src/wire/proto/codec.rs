//! How messages are read and written.

use std::marker::PhantomData;

use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use tonic::Status;
use tonic::codec::{DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic_prost::ProstDecoder;

/// Reads and writes messages in one piece. [`tonic_prost::ProstCodec`] does the
/// same octet by octet through the transport's buffers: for a batch of records half
/// as many instructions again to read it, three quarters to write it.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Write + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Whole<T>;
    type Decoder = Whole<U>;

    fn encoder(&mut self) -> Self::Encoder {
        Whole(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        Whole(PhantomData)
    }
}

/// Reads or writes a message in one piece.
#[derive(Debug)]
pub struct Whole<M>(PhantomData<M>);

impl<M: Write> Encoder for Whole<M> {
    type Item = M;
    type Error = Status;

    fn encode(&mut self, message: M, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.reserve(message.length());
        message.write(out);
        Ok(())
    }
}

impl<M: Message + Default> Decoder for Whole<M> {
    type Item = M;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<M>, Status> {
        let count = from.remaining();
        let octets = from.chunk();
        if octets.len() < count {
            return ProstDecoder::default().decode(from);
        }
        let decoded = M::decode(octets).map_err(|error| Status::internal(error.to_string()));
        from.advance(count);
        decoded.map(Some)
    }
}

/// What can go out as a message.
pub trait Write {
    /// Puts all of it behind `out`.
    fn write(&self, out: &mut impl BufMut);

    /// Octets to make room for, if that is known.
    fn length(&self) -> usize {
        0
    }
}

impl<M: Message> Write for M {
    fn write(&self, out: &mut impl BufMut) {
        out.put_slice(&self.encode_to_vec());
    }
}

/// A message of type `M`, encoded already: for answers of many small parts, which
/// need not be messages of their own before.
pub struct Encoded<M> {
    octets: Bytes,
    of: PhantomData<fn(M)>,
}

impl<M> std::fmt::Debug for Encoded<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoded")
            .field("octets", &self.octets.len())
            .finish_non_exhaustive()
    }
}

impl<M> Encoded<M> {
    /// Takes the octets of a message.
    pub fn new(octets: impl Into<Bytes>) -> Self {
        Self {
            octets: octets.into(),
            of: PhantomData,
        }
    }

    /// Its octets.
    pub const fn octets(&self) -> &Bytes {
        &self.octets
    }
}

impl<M> Write for Encoded<M> {
    fn write(&self, out: &mut impl BufMut) {
        out.put_slice(&self.octets);
    }

    fn length(&self) -> usize {
        self.octets.len()
    }
}
