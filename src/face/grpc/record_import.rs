//! Records, as an import takes them in.

use tonic::Status;

use crate::face::grpc::convert::{self, RecordInput};
use crate::face::grpc::import::{Kind, Message, Report};
use crate::face::grpc::records::check_count;
use crate::face::grpc::status;
use crate::model::Refusal;
use crate::node::{Applied, Change, Effect, OnConflict, RecordAction, Write};
use crate::wire::proto::v1::ImportRecordsResponse;
use crate::wire::proto::v1::import_records_response::Rejection;
use crate::wire::proto::{ImportRecords, Sent};

/// An import of records.
pub(super) struct Records;

impl Kind for Records {
    type Request = ImportRecords;
    type Item = (String, Result<RecordInput, Refusal>);
    type Name = String;
    type Answer = ImportRecordsResponse;

    const ITEMS: &'static str = "records";

    fn message(request: ImportRecords) -> Result<Message<Self::Item>, Status> {
        // Before room is made for them.
        check_count(request.len(), Self::ITEMS).map_err(|refusal| status::status(&refusal))?;
        let mut items = Vec::with_capacity(request.len());
        let read = request.for_each(|sent| {
            items.push(match sent {
                Sent::Plain(plain) => (plain.name.to_owned(), convert::plain_input(plain)),
                Sent::Whole(record) => (record.name.clone(), convert::record_input(*record)),
            });
        });
        read.map_err(|error| Status::internal(error.to_string()))?;
        Ok(Message {
            on_conflict: request.on_conflict,
            validate_only: request.validate_only,
            bulk: request.bulk,
            items,
        })
    }

    fn write(
        (name, input): Self::Item,
        on_conflict: OnConflict,
    ) -> (String, Result<Write, Refusal>) {
        let write = |input| {
            let RecordInput {
                identifier,
                values,
                readers,
                etag: _,
            } = input;
            let action = RecordAction::Import {
                values,
                readers,
                on_conflict,
            };
            Write {
                change: Change::Record { identifier, action },
                request_id: None,
            }
        };
        (name, input.map(write))
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
