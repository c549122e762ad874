//! The first answer to a request id, for retries.
//!
//! ```text
//! row     = 1  time_ms  body-digest 32  effect  subject-key  answer
//! effect  = a small number that `registry` names
//! answer  = the record (`codec::record`) or prefix (`codec::prefix`) as encoded
//! ```

use crate::model::Timestamp;
use crate::store::Error;
use crate::store::codec::audit::Digest;
use crate::store::codec::{Cursor, put_bytes, put_number};

const VERSION: u8 = 1;

/// What is remembered of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRow {
    /// When the request was taken in.
    pub time: Timestamp,
    /// SHA-256 of what it asked.
    pub body: Digest,
    /// What it came to, as `registry` numbers effects.
    pub effect: u8,
    /// Canonical key of the record, or canonical prefix.
    pub subject: Box<[u8]>,
    /// The answer, encoded as it is stored.
    pub answer: Box<[u8]>,
}

/// Appends the encoding of `row`.
pub(crate) fn encode(row: &RequestRow, out: &mut Vec<u8>) {
    let RequestRow {
        time,
        body,
        effect,
        subject,
        answer,
    } = row;
    out.push(VERSION);
    put_number(out, time.millis());
    out.extend_from_slice(body);
    out.push(*effect);
    put_bytes(out, subject);
    put_bytes(out, answer);
}

/// Decodes a row.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Version`].
pub(crate) fn decode(bytes: &[u8]) -> Result<RequestRow, Error> {
    let mut cursor = Cursor::new(bytes, VERSION, "request")?;
    let time = Timestamp::from_millis(cursor.number()?);
    let body = Digest::try_from(cursor.take(32)?).map_err(|_| cursor.corrupt())?;
    let effect = cursor.byte()?;
    let subject = cursor.bytes()?.into();
    let answer = cursor.bytes()?.into();
    cursor.end()?;
    Ok(RequestRow {
        time,
        body,
        effect,
        subject,
        answer,
    })
}

/// The time of a row, in milliseconds since the epoch, without decoding it all.
pub(crate) fn time_millis(bytes: &[u8]) -> Option<u64> {
    Cursor::new(bytes, VERSION, "request").ok()?.number().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_there_and_back() {
        let row = RequestRow {
            time: Timestamp::from_millis(99_999),
            body: [9; 32],
            effect: 1,
            subject: b"88.118.7/a".as_slice().into(),
            answer: b"bytes".as_slice().into(),
        };
        let mut bytes = Vec::new();
        encode(&row, &mut bytes);
        assert_eq!(decode(&bytes).expect("decodes"), row);
        assert_eq!(time_millis(&bytes), Some(99_999));
        assert!(decode(&bytes[..bytes.len() - 1]).is_err());
    }
}
