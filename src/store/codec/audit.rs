//! Audit entries: who changed what, when.
//!
//! ```text
//! entry  = 1  time_ms  actor  action  subject  request-id  digests  [before 32]  [after 32]
//! digests = bit 0: before  bit 1: after         SHA-256 of the stored value
//! ```

use crate::model::Timestamp;
use crate::store::Error;
use crate::store::codec::{Cursor, put_bytes, put_number};

const VERSION: u8 = 1;
const BEFORE: u8 = 1;
const AFTER: u8 = 2;

/// SHA-256 of a stored value.
pub type Digest = [u8; 32];

/// One entry of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When the change was taken in.
    pub time: Timestamp,
    /// The caller's name.
    pub actor: Box<str>,
    /// What was done: a small number that `registry::audit` names.
    pub action: u8,
    /// Canonical key of the record, or canonical prefix.
    pub subject: Box<[u8]>,
    /// The caller's request id; empty if none.
    pub request_id: Box<str>,
    /// Digest of the subject's stored value before; `None` if there was none.
    pub before: Option<Digest>,
    /// Digest of the subject's stored value after; `None` if there is none.
    pub after: Option<Digest>,
}

/// Appends the encoding of `entry`.
pub(crate) fn encode(entry: &AuditEntry, out: &mut Vec<u8>) {
    let AuditEntry {
        time,
        actor,
        action,
        subject,
        request_id,
        before,
        after,
    } = entry;
    out.push(VERSION);
    put_number(out, time.millis());
    put_bytes(out, actor.as_bytes());
    out.push(*action);
    put_bytes(out, subject);
    put_bytes(out, request_id.as_bytes());
    let before_bit = if before.is_some() { BEFORE } else { 0 };
    let after_bit = if after.is_some() { AFTER } else { 0 };
    out.push(before_bit | after_bit);
    for digest in [before, after].into_iter().flatten() {
        out.extend_from_slice(digest);
    }
}

/// Decodes an entry.
///
/// # Errors
/// [`Error::Corrupt`] and [`Error::Version`].
pub(crate) fn decode(bytes: &[u8]) -> Result<AuditEntry, Error> {
    let mut cursor = Cursor::new(bytes, VERSION, "audit entry")?;
    let time = Timestamp::from_millis(cursor.number()?);
    let actor = cursor.text()?.into();
    let action = cursor.byte()?;
    let subject = cursor.bytes()?.into();
    let request_id = cursor.text()?.into();
    let digests = cursor.byte()?;
    let mut digest = |bit| -> Result<Option<Digest>, Error> {
        if digests & bit == 0 {
            return Ok(None);
        }
        let bytes = cursor.take(32)?;
        Ok(Some(Digest::try_from(bytes).map_err(|_| cursor.corrupt())?))
    };
    let before = digest(BEFORE)?;
    let after = digest(AFTER)?;
    cursor.end()?;
    Ok(AuditEntry {
        time,
        actor,
        action,
        subject,
        request_id,
        before,
        after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_go_there_and_back() {
        for (before, after) in [(None, Some([7; 32])), (Some([1; 32]), None), (None, None)] {
            let entry = AuditEntry {
                time: Timestamp::from_millis(1_800_000_000_000),
                actor: "key-1".into(),
                action: 3,
                subject: b"88.118.7/a".as_slice().into(),
                request_id: "r".into(),
                before,
                after,
            };
            let mut bytes = Vec::new();
            encode(&entry, &mut bytes);
            assert_eq!(decode(&bytes).expect("decodes"), entry);
            assert!(decode(&bytes[..bytes.len() - 1]).is_err());
        }
    }
}
