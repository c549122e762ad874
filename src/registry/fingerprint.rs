//! A digest of what a request asks, by which a retry is told from another
//! request under the same id. Stable between releases.

use aws_lc_rs::digest::{Context, SHA256};

use crate::model::{Readers, SuffixCase, Ttl, Value};
use crate::registry::command::{Change, OnConflict, PrefixAction, RecordAction};
use crate::store::codec_types::Digest;

/// SHA-256 over the fields of `change`, each behind its length.
pub fn fingerprint(change: &Change) -> Digest {
    let mut sink = Sink(Context::new(&SHA256));
    match change {
        Change::Record { identifier, action } => {
            sink.text("record");
            sink.text(&identifier.to_string());
            record(&mut sink, action);
        }
        Change::Prefix { prefix, action } => {
            sink.text("prefix");
            sink.text(prefix.as_str());
            prefix_action(&mut sink, action);
        }
        Change::Office(change) => {
            sink.text("office");
            sink.bytes(&change.fingerprint_bytes());
        }
    }
    let mut digest = Digest::default();
    digest.copy_from_slice(sink.0.finish().as_ref());
    digest
}

struct Sink(Context);

impl Sink {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.update(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn flag(&mut self, flag: bool) {
        self.number(u64::from(flag));
    }

    fn option(&mut self, number: Option<u64>) {
        self.flag(number.is_some());
        self.number(number.unwrap_or_default());
    }

    fn values(&mut self, values: &[Value]) {
        self.number(u64::try_from(values.len()).unwrap_or(u64::MAX));
        for value in values {
            let Value {
                index,
                value_type,
                data,
                ttl,
                permissions,
                readers,
                changed: _,
                references,
            } = value;
            self.number(u64::from(*index));
            self.text(value_type.as_str());
            self.bytes(data);
            match ttl {
                Ttl::Relative(secs) => self.option(Some(u64::from(*secs))),
                Ttl::Absolute(secs) => {
                    self.option(None);
                    self.number(*secs);
                }
            }
            self.number(u64::from(permissions.bits()));
            self.number(u64::try_from(references.len()).unwrap_or(u64::MAX));
            for reference in references {
                self.text(&reference.to_string());
            }
            self.readers("value readers", readers.as_deref());
        }
    }

    /// Adds nothing where there are none, as releases that knew none did.
    fn readers(&mut self, whose: &str, readers: Option<&Readers>) {
        let Some(readers) = readers else { return };
        self.text(whose);
        self.number(u64::try_from(readers.count()).unwrap_or(u64::MAX));
        for reader in readers.each() {
            self.text(&reader.to_string());
        }
    }
}

fn record(sink: &mut Sink, action: &RecordAction) {
    match action {
        RecordAction::Create {
            values,
            readers,
            reuse_deleted,
        } => {
            sink.text("create");
            sink.flag(*reuse_deleted);
            sink.values(values);
            sink.readers("readers", readers.as_deref());
        }
        RecordAction::Replace {
            values,
            readers,
            etag,
            allow_missing,
        } => {
            sink.text("replace");
            sink.option(*etag);
            sink.flag(*allow_missing);
            sink.values(values);
            sink.readers("readers", readers.as_deref());
        }
        RecordAction::Import {
            values,
            readers,
            on_conflict,
        } => {
            sink.text(match on_conflict {
                OnConflict::Fail => "import fail",
                OnConflict::Skip => "import skip",
                OnConflict::Update => "import update",
            });
            sink.values(values);
            sink.readers("readers", readers.as_deref());
        }
        RecordAction::AddValues { values, etag } => {
            sink.text("add values");
            sink.option(*etag);
            sink.values(values);
        }
        RecordAction::ModifyValues { values, etag } => {
            sink.text("modify values");
            sink.option(*etag);
            sink.values(values);
        }
        RecordAction::PutValues { values } => {
            sink.text("put values");
            sink.values(values);
        }
        RecordAction::RemoveValues { indices, etag } => {
            sink.text("remove values");
            sink.option(*etag);
            for index in indices {
                sink.number(u64::from(*index));
            }
        }
        RecordAction::SetReaders { readers, etag } => {
            sink.text("set readers");
            sink.option(*etag);
            sink.readers("readers", readers.as_deref());
        }
        RecordAction::Delete { etag } => {
            sink.text("delete");
            sink.option(*etag);
        }
    }
}

fn prefix_action(sink: &mut Sink, action: &PrefixAction) {
    let case_number = |case: SuffixCase| u64::from(case == SuffixCase::Sensitive);
    match action {
        PrefixAction::Create {
            firm,
            case,
            quota,
            home,
        } => {
            sink.text("create");
            sink.text(firm);
            sink.number(case_number(*case));
            sink.option(*quota);
            sink.flag(*home);
        }
        PrefixAction::Update {
            firm,
            case,
            quota,
            etag,
        } => {
            sink.text("update");
            sink.flag(firm.is_some());
            sink.text(firm.as_deref().unwrap_or_default());
            sink.option(case.map(case_number));
            sink.flag(quota.is_some());
            sink.option(quota.flatten());
            sink.option(*etag);
        }
        PrefixAction::Home { etag } => {
            sink.text("home");
            sink.option(*etag);
        }
        PrefixAction::Unhome { etag } => {
            sink.text("unhome");
            sink.option(*etag);
        }
        PrefixAction::Suspend { reason, etag } => {
            sink.text("suspend");
            sink.text(reason);
            sink.option(*etag);
        }
        PrefixAction::Activate { etag } => {
            sink.text("activate");
            sink.option(*etag);
        }
    }
}
