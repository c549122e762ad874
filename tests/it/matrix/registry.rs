//! Rows of Registry. Every change is only tried, so that no row leaves anything to
//! those behind it.

use idnode::wire::proto::v1::batch_write_request::Item;
use idnode::wire::proto::v1::batch_write_request::item::Change;
use idnode::wire::proto::v1::batch_write_response::result::Outcome;
use idnode::wire::proto::v1::{
    ActivatePrefixRequest, AddValuesRequest, BatchWriteRequest, BatchWriteResponse,
    CreatePrefixRequest, CreateRecordRequest, DeleteRecordRequest, ExportRecordsRequest,
    GetPrefixRequest, GetRecordRequest, HomePrefixRequest, ImportRecordsRequest,
    ImportRecordsResponse, ListPrefixesRequest, ListRecordsRequest, ModifyValuesRequest, Prefix,
    RemoveValuesRequest, SetReadersRequest, SuspendPrefixRequest, UnhomePrefixRequest,
    UpdatePrefixRequest, UpdateRecordRequest,
};
use prost::Message;
use tonic::Code;

use super::scene::{PREFIX, PUBLIC, RESTRICTED};
use super::{Row, row};
use crate::support::{record, text};

pub(super) const ROWS: &[Row] = &[
    row!("Registry/CreateRecord", "uuu ddd dyy ydd d", |_, _| {
        CreateRecordRequest {
            record: Some(record("88.118.7/new", vec![text(1, "DESC", "x")])),
            validate_only: true,
            ..CreateRecordRequest::default()
        }
    }),
    row!("Registry/GetRecord", "yuu yyy yyy yyy y", |_, _| {
        GetRecordRequest { name: public() }
    }),
    row!("Registry/GetRecord", "-uu --- yyy y-- -", |_, _| {
        GetRecordRequest {
            name: format!("records/{RESTRICTED}"),
        }
    }),
    row!("Registry/ListRecords", "yuu yyy yyy yyy y", |_, _| {
        ListRecordsRequest {
            parent: prefix(),
            ..ListRecordsRequest::default()
        }
    }),
    row!("Registry/UpdateRecord", "uuu ddd dyy ydd d", |_, _| {
        UpdateRecordRequest {
            record: Some(record(PUBLIC, vec![text(1, "DESC", "x")])),
            validate_only: true,
            ..UpdateRecordRequest::default()
        }
    }),
    row!("Registry/DeleteRecord", "uuu ddd dyy ydd d", |_, _| {
        DeleteRecordRequest {
            name: public(),
            validate_only: true,
            ..DeleteRecordRequest::default()
        }
    }),
    row!("Registry/AddValues", "uuu ddd dyy ydd d", |_, _| {
        AddValuesRequest {
            name: public(),
            values: vec![text(2, "DESC", "x")],
            validate_only: true,
            ..AddValuesRequest::default()
        }
    }),
    row!("Registry/ModifyValues", "uuu ddd dyy ydd d", |_, _| {
        ModifyValuesRequest {
            name: public(),
            values: vec![text(1, "DESC", "x")],
            validate_only: true,
            ..ModifyValuesRequest::default()
        }
    }),
    row!("Registry/RemoveValues", "uuu ddd dyy ydd d", |_, _| {
        RemoveValuesRequest {
            name: public(),
            indices: vec![1],
            validate_only: true,
            ..RemoveValuesRequest::default()
        }
    }),
    row!("Registry/SetReaders", "uuu ddd dyy ydd d", |_, _| {
        SetReadersRequest {
            name: public(),
            validate_only: true,
            ..SetReadersRequest::default()
        }
    }),
    row!(
        "Registry/BatchWrite",
        "uuu ddd dyy ydd d",
        |_, _| BatchWriteRequest {
            items: vec![Item {
                change: Some(Change::Create(CreateRecordRequest {
                    record: Some(record("88.118.7/new", vec![text(1, "DESC", "x")])),
                    ..CreateRecordRequest::default()
                })),
            }],
            validate_only: true,
            ..BatchWriteRequest::default()
        },
        |messages| {
            let response = BatchWriteResponse::decode(&*messages[0]).expect("a response");
            match &response.results[0].outcome {
                Some(Outcome::Error(error)) => Code::from(error.code),
                Some(Outcome::Record(_)) | None => Code::Ok,
            }
        }
    ),
    row!(
        "Registry/ImportRecords",
        "uuu ddd dyy ydd d",
        |_, _| ImportRecordsRequest {
            records: vec![record("88.118.7/new", vec![text(1, "DESC", "x")])],
            validate_only: true,
            ..ImportRecordsRequest::default()
        },
        |messages| {
            let response = ImportRecordsResponse::decode(&*messages[0]).expect("a response");
            let rejection = response.rejections.first();
            let error = rejection.and_then(|rejection| rejection.error.as_ref());
            error.map_or(Code::Ok, |error| Code::from(error.code))
        }
    ),
    row!("Registry/ExportRecords", "yuu yyy yyy yyy y", |_, _| {
        ExportRecordsRequest {
            parent: prefix(),
            ..ExportRecordsRequest::default()
        }
    }),
    row!("Registry/CreatePrefix", "uuu ddd ddd ydd d", |_, _| {
        CreatePrefixRequest {
            prefix: Some(Prefix {
                name: "prefixes/88.118.99".into(),
                firm: "A firm".into(),
                ..Prefix::default()
            }),
            validate_only: true,
            ..CreatePrefixRequest::default()
        }
    }),
    row!("Registry/GetPrefix", "yuu yyy yyy yyy y", |_, _| {
        GetPrefixRequest { name: prefix() }
    }),
    row!("Registry/ListPrefixes", "yuu yyy yyy yyy y", |_, _| {
        ListPrefixesRequest::default()
    }),
    row!("Registry/UpdatePrefix", "uuu ddd ddd ydd d", |_, _| {
        UpdatePrefixRequest {
            prefix: Some(Prefix {
                name: prefix(),
                firm: "Another name".into(),
                ..Prefix::default()
            }),
            validate_only: true,
            ..UpdatePrefixRequest::default()
        }
    }),
    row!("Registry/HomePrefix", "uuu ddd ddd ydd d", |_, _| {
        HomePrefixRequest {
            name: prefix(),
            validate_only: true,
            ..HomePrefixRequest::default()
        }
    }),
    row!("Registry/UnhomePrefix", "uuu ddd ddd ydd d", |_, _| {
        UnhomePrefixRequest {
            name: prefix(),
            validate_only: true,
            ..UnhomePrefixRequest::default()
        }
    }),
    row!("Registry/SuspendPrefix", "uuu ddd ddd ydd d", |_, _| {
        SuspendPrefixRequest {
            name: prefix(),
            reason: "a test".into(),
            validate_only: true,
            ..SuspendPrefixRequest::default()
        }
    }),
    row!("Registry/ActivatePrefix", "uuu ddd ddd ydd d", |_, _| {
        ActivatePrefixRequest {
            name: prefix(),
            validate_only: true,
            ..ActivatePrefixRequest::default()
        }
    }),
];

fn prefix() -> String {
    format!("prefixes/{PREFIX}")
}

fn public() -> String {
    format!("records/{PUBLIC}")
}
