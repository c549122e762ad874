//! Records, as an import takes them in.

use crate::face::grpc::convert::{self, RecordInput};
use crate::face::grpc::import::{Kind, Message, Report};
use crate::model::Refusal;
use crate::node::{Applied, Change, Effect, OnConflict, RecordAction, Write};
use crate::wire::proto::v1::import_records_response::Rejection;
use crate::wire::proto::v1::{ImportRecordsRequest, ImportRecordsResponse, Record};

/// An import of records.
pub(super) struct Records;

impl Kind for Records {
    type Request = ImportRecordsRequest;
    type Item = Record;
    type Name = String;
    type Answer = ImportRecordsResponse;

    const ITEMS: &'static str = "records";

    fn message(request: ImportRecordsRequest) -> Message<Record> {
        let ImportRecordsRequest {
            on_conflict,
            validate_only,
            records,
            bulk,
        } = request;
        Message {
            on_conflict,
            validate_only,
            bulk,
            items: records,
        }
    }

    fn name(record: &Record) -> String {
        record.name.clone()
    }

    fn write(record: Record, on_conflict: OnConflict) -> Result<Write, Refusal> {
        let RecordInput {
            identifier,
            values,
            readers,
            etag: _,
        } = convert::record_input(record)?;
        let action = RecordAction::Import {
            values,
            readers,
            on_conflict,
        };
        Ok(Write {
            change: Change::Record { identifier, action },
            request_id: None,
        })
    }

    fn effect(applied: &Applied) -> Option<Effect> {
        match applied {
            Applied::Record { effect, .. } | Applied::Imported(effect) => Some(*effect),
            Applied::Prefix(_) | Applied::Link { .. } | Applied::Entry(_) => None,
        }
    }

    fn answer(report: Report<String>) -> ImportRecordsResponse {
        let Report {
            covered_count,
            created_count,
            updated_count,
            unchanged_count,
            skipped_count,
            rejections,
        } = report;
        let rejection = |(position, name, error)| Rejection {
            position,
            name,
            error: Some(error),
        };
        ImportRecordsResponse {
            covered_count,
            created_count,
            updated_count,
            unchanged_count,
            skipped_count,
            rejections: rejections.into_iter().map(rejection).collect(),
        }
    }
}
