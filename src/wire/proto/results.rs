//! Results of resolution, each encoded once and put behind one another.

use prost::encoding::{WireType, encode_key, encode_varint, message};

use crate::wire::proto::{Encoded, Piece, v1};

/// Field of the results in `BatchResolveResponse` and `ResolveStreamResponse`.
const RESULTS: u32 = 1;
/// Field of the record in `ResolveResult`, and in `ResolveResponse` too.
const RECORD: u32 = 1;
/// Field of the error in `ResolveResult`.
const ERROR: u32 = 2;
/// Octets that a result takes beside its own, mostly.
const FRAME_BYTES: usize = 3;

/// `ResolveResult` with a record, which is the same octets as `ResolveResponse`.
pub fn record_result(record: &v1::Record) -> Vec<u8> {
    let mut octets = Vec::new();
    message::encode(RECORD, record, &mut octets);
    octets
}

/// `ResolveResult` with an error.
pub fn error_result(error: &v1::ItemError) -> Vec<u8> {
    let mut octets = Vec::new();
    message::encode(ERROR, error, &mut octets);
    octets
}

/// A message with a list of results in the making.
#[derive(Default)]
pub struct ResultsWriter {
    frames: Vec<u8>,
    pieces: Vec<(usize, Piece)>,
    length: usize,
}

impl std::fmt::Debug for ResultsWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResultsWriter")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

impl ResultsWriter {
    /// One with room for so many results.
    pub fn with_capacity(results: usize) -> Self {
        Self {
            frames: Vec::with_capacity(results.saturating_mul(FRAME_BYTES)),
            pieces: Vec::with_capacity(results),
            length: 0,
        }
    }

    /// Octets so far.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether there is none yet.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes an encoded `ResolveResult`, which is copied once: as it leaves.
    pub fn result(&mut self, result: Piece) {
        let octets = (*result).as_ref().len();
        let before = self.frames.len();
        encode_key(RESULTS, WireType::LengthDelimited, &mut self.frames);
        let length = u64::try_from(octets).unwrap_or(u64::MAX);
        encode_varint(length, &mut self.frames);
        self.length += self.frames.len() - before + octets;
        self.pieces.push((self.frames.len(), result));
    }

    /// The message.
    pub fn finish<M>(self) -> Encoded<M> {
        Encoded::of_pieces(self.frames, self.pieces)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prost::Message;

    use super::*;
    use crate::wire::proto::Write;
    use crate::wire::proto::v1::resolve_result::Outcome;

    #[test]
    fn reads_as_the_messages_do() {
        let record = v1::Record {
            name: "identifiers/88.118/a".to_owned(),
            ..v1::Record::default()
        };
        let error = v1::ItemError {
            message: "no such record".to_owned(),
            ..v1::ItemError::default()
        };
        let octets = record_result(&record);
        let alone = v1::ResolveResponse::decode(octets.as_slice()).unwrap();
        assert_eq!(alone.record.as_ref(), Some(&record));
        let mut writer = ResultsWriter::default();
        assert!(writer.is_empty());
        writer.result(Arc::new(octets));
        writer.result(Arc::new(error_result(&error)));
        let length = writer.len();
        let mut written = Vec::new();
        let whole: Encoded<v1::BatchResolveResponse> = writer.finish();
        whole.write(&mut written);
        assert_eq!([length, whole.length()], [written.len(); 2]);
        let results = [Outcome::Record(record), Outcome::Error(error)];
        let results = results.map(|outcome| v1::ResolveResult {
            outcome: Some(outcome),
        });
        let expected = v1::BatchResolveResponse {
            results: results.into(),
        };
        let read = v1::BatchResolveResponse::decode(written.as_slice());
        assert_eq!(read, Ok(expected));
    }
}
