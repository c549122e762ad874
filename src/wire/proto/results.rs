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
pub struct ResultsWriter(Vec<u8>);

impl ResultsWriter {
    /// One with room for so many octets.
    pub fn with_capacity(octets: usize) -> Self {
        Self(Vec::with_capacity(octets))
    }

    /// Octets so far.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none yet.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes an encoded `ResolveResult`.
    pub fn result(&mut self, result: &[u8]) {
        self.head(result.len());
        self.0.extend_from_slice(result);
    }

    /// Takes an encoded `ResolveResult` of so many octets, which `put` puts behind what
    /// is there; nothing, if it says that it did not.
    pub fn put(&mut self, length: usize, put: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
        let before = self.0.len();
        self.head(length);
        let is_put = put(&mut self.0);
        if !is_put {
            self.0.truncate(before);
        }
        is_put
    }

    fn head(&mut self, length: usize) {
        encode_key(RESULTS, WireType::LengthDelimited, &mut self.0);
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        encode_varint(length, &mut self.0);
    }

    /// The message.
    pub fn finish<M>(self) -> Encoded<M> {
        Encoded::new(self.0)
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
        assert!(writer.is_empty());
        assert!(!writer.put(7, |_| false));
        assert!(writer.is_empty());
        let put = |out: &mut Vec<u8>| {
            out.extend(&octets);
            true
        };
        assert!(writer.put(octets.len(), put));
        writer.result(&error_result(&error));
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
