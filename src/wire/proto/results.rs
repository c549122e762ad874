//! Results of resolution, each encoded once and put behind one another.

use prost::encoding::{WireType, encode_key, encode_varint, message};

use crate::wire::proto::{Encoded, v1};

/// Field of the results in `BatchResolveResponse` and `ResolveStreamResponse`.
const RESULTS: u32 = 1;
/// Field of the record in `ResolveResult`, and in `ResolveResponse` too.
const RECORD: u32 = 1;
/// Field of the error in `ResolveResult`.
const ERROR: u32 = 2;

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
#[derive(Debug, Default)]
pub struct ResultsWriter {
    octets: Vec<u8>,
}

impl ResultsWriter {
    /// One that holds about so many octets.
    pub fn with_capacity(octets: usize) -> Self {
        let octets = Vec::with_capacity(octets);
        Self { octets }
    }

    /// Octets so far.
    pub const fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether there is none yet.
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Writes an encoded `ResolveResult`.
    pub fn result(&mut self, result: &[u8]) {
        encode_key(RESULTS, WireType::LengthDelimited, &mut self.octets);
        let length = u64::try_from(result.len()).unwrap_or(u64::MAX);
        encode_varint(length, &mut self.octets);
        self.octets.extend_from_slice(result);
    }

    /// The message.
    pub fn finish<M>(self) -> Encoded<M> {
        Encoded::new(self.octets)
    }
}

#[cfg(test)]
mod tests {
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
        writer.result(&octets);
        writer.result(&error_result(&error));
        assert!(!writer.is_empty() && writer.len() > octets.len());
        let mut written = Vec::new();
        let whole: Encoded<v1::BatchResolveResponse> = writer.finish();
        whole.write(&mut written);
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
