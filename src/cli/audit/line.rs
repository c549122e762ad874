//! The lines of an export of the audit trail: NDJSON.
//!
//! ```text
//! {"format": "idnode audit 1", "log_key": …, "trail": …}     chain and tree before the first entry
//! {"position": 1, "time": …, "actor": …, …, "entry": …}      one a line; `entry` is the stored form
//! {"checkpoint": …}                                          the signed note at the last entry
//! ```
//!
//! What else a line of an entry says follows from its stored form, and is verified
//! to: a line that was changed anywhere is refused.

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};

use crate::cli::failure::{Exit, Failure};
use crate::store::codec_types::AuditEntry;

/// The format of an export.
pub(super) const FORMAT: &str = "idnode audit 1";

/// The first line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    pub(super) format: String,
    pub(super) log_key: String,
    pub(super) trail: String,
}

/// The line of an entry.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) position: u64,
    time: String,
    actor: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    source: String,
    action: u8,
    subject: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    request_id: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    refused_reason: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    before_digest: String,
    #[serde(skip_serializing_if = "String::is_empty", default)]
    after_digest: String,
    omitted_count: u64,
    pub(super) entry: String,
}

/// The last line.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct End {
    pub(super) checkpoint: String,
}

impl Line {
    /// The line of an entry, whose stored form is `bytes`.
    pub(super) fn new(position: u64, entry: &AuditEntry, bytes: &[u8]) -> Self {
        let AuditEntry {
            time,
            actor,
            action,
            subject,
            request_id,
            before,
            after,
            public: _,
            source,
            refused,
            omitted,
            salt: _,
        } = entry;
        let hex = |digest: &Option<[u8; 32]>| {
            digest.map_or_else(String::new, |digest| HEXLOWER.encode(&digest))
        };
        Self {
            position,
            time: time.to_string(),
            actor: actor.to_string(),
            source: source.map_or_else(String::new, |source| source.to_string()),
            action: *action,
            subject: String::from_utf8_lossy(subject).into_owned(),
            request_id: request_id.to_string(),
            refused_reason: refused.to_string(),
            before_digest: hex(before),
            after_digest: hex(after),
            omitted_count: *omitted,
            entry: BASE64.encode(bytes),
        }
    }
}

/// A line as text, with its end.
pub(super) fn text<T: Serialize>(line: &T) -> Result<String, serde_json::Error> {
    Ok(format!("{}\n", serde_json::to_string(line)?))
}

/// Reads a line that [`text`] wrote, and nothing else.
pub(super) fn read<T: Serialize + for<'a> Deserialize<'a>>(
    number: u64,
    found: &str,
) -> Result<T, Failure> {
    let refuse = |what: &dyn std::fmt::Display| {
        let text = format!("line {number} of the export is broken: {what}");
        Failure::new(Exit::Failed, text)
    };
    let line: T = serde_json::from_str(found).map_err(|error| refuse(&error))?;
    let written = text(&line).map_err(|error| refuse(&error))?;
    if written.trim_end() == found {
        Ok(line)
    } else {
        Err(refuse(&"it is not as it was written"))
    }
}
