//! Rows of Links: firms state links of what they hold, the firm at the other end confirms
//! or disputes them, and everyone traces what it may see.

use idnode::wire::proto::v1::batch_write_links_request::Item;
use idnode::wire::proto::v1::batch_write_links_request::item::Change;
use idnode::wire::proto::v1::batch_write_links_response::result::Outcome;
use idnode::wire::proto::v1::{
    BatchWriteLinksRequest, BatchWriteLinksResponse, CheckLinksRequest, CompareTracesRequest,
    ConfirmLinkRequest, DisputeLinkRequest, FindPathsRequest, GetLinkRequest, GroupTraceRequest,
    ImportLinksRequest, ImportLinksResponse, InspectLinksRequest, Link, LinkName, ListLinksRequest,
    StateLinkRequest, TraceDirection, TraceRequest, WithdrawLinkRequest,
};
use prost::Message;
use tonic::Code;

use super::scene::{AT_ENDS, OWN, PREFIX, PUBLIC, link_name};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row!("Links/StateLink", "uuu ddd dyy ydd d", |_, _| {
        StateLinkRequest {
            validate_only: true,
            ..stated()
        }
    }),
    row!("Links/GetLink", "yuu yyy yyy yyy y", |_, _| {
        GetLinkRequest {
            name: Some(link_name(PUBLIC)),
        }
    }),
    row!("Links/GetLink", "-uu yyy yyy y-- -", |_, _| {
        GetLinkRequest {
            name: Some(link_name(AT_ENDS)),
        }
    }),
    row!("Links/GetLink", "-uu --- yyy y-- -", |_, _| {
        GetLinkRequest {
            name: Some(link_name(OWN)),
        }
    }),
    row!("Links/ListLinks", "yuu yyy yyy yyy y", |_, _| {
        ListLinksRequest {
            identifier: PUBLIC.into(),
            ..ListLinksRequest::default()
        }
    }),
    row!("Links/ConfirmLink", "uuu dyy ddd ydd d", |_, _| {
        ConfirmLinkRequest {
            name: Some(link_name(AT_ENDS)),
            validate_only: true,
            ..ConfirmLinkRequest::default()
        }
    }),
    // What its owner keeps to itself is not there for the firm at the other end.
    row!("Links/ConfirmLink", "uuu d-- ddd ydd d", |_, _| {
        ConfirmLinkRequest {
            name: Some(link_name(OWN)),
            validate_only: true,
            ..ConfirmLinkRequest::default()
        }
    }),
    row!("Links/DisputeLink", "uuu dyy ddd ydd d", |_, _| {
        DisputeLinkRequest {
            name: Some(link_name(PUBLIC)),
            reason: "not ours".into(),
            validate_only: true,
            ..DisputeLinkRequest::default()
        }
    }),
    // Of the other firm there is no such link.
    row!("Links/WithdrawLink", "uuu d-- dyy ydd d", |_, _| {
        WithdrawLinkRequest {
            name: Some(LinkName {
                owner: String::new(),
                ..link_name(PUBLIC)
            }),
            validate_only: true,
            ..WithdrawLinkRequest::default()
        }
    }),
    row!(
        "Links/BatchWriteLinks",
        "uuu ddd dyy ydd d",
        |_, _| BatchWriteLinksRequest {
            items: vec![Item {
                change: Some(Change::State(Box::new(stated()))),
            }],
            validate_only: true,
            ..BatchWriteLinksRequest::default()
        },
        |messages| {
            let response = BatchWriteLinksResponse::decode(&*messages[0]).expect("a response");
            match &response.results[0].outcome {
                Some(Outcome::Error(error)) => Code::from(error.code),
                Some(Outcome::Link(_)) | None => Code::Ok,
            }
        }
    ),
    row!(
        "Links/ImportLinks",
        "uuu ddd dyy ydd d",
        |_, _| ImportLinksRequest {
            links: stated().link.into_iter().collect(),
            validate_only: true,
            ..ImportLinksRequest::default()
        },
        |messages| {
            let response = ImportLinksResponse::decode(&*messages[0]).expect("a response");
            let rejection = response.rejections.first();
            let error = rejection.and_then(|rejection| rejection.error.as_ref());
            error.map_or(Code::Ok, |error| Code::from(error.code))
        }
    ),
    row!("Links/Trace", "yuu yyy yyy yyy y", |_, _| traced()),
    row!("Links/StreamTrace", "yuu yyy yyy yyy y", |_, _| traced()),
    row!("Links/GroupTrace", "yuu yyy yyy yyy y", |_, _| {
        GroupTraceRequest {
            trace: Some(traced()),
            ..GroupTraceRequest::default()
        }
    }),
    row!("Links/FindPaths", "yuu yyy yyy yyy y", |_, _| {
        FindPathsRequest {
            trace: Some(traced()),
            end: "88.118.8/part".into(),
            ..FindPathsRequest::default()
        }
    }),
    row!("Links/CompareTraces", "yuu yyy yyy yyy y", |_, _| {
        CompareTracesRequest {
            first: Some(traced()),
            second: Some(traced()),
        }
    }),
    row!("Links/InspectLinks", "yuu yyy yyy yyy y", |_, _| {
        InspectLinksRequest {
            parent: format!("prefixes/{PREFIX}"),
            ..InspectLinksRequest::default()
        }
    }),
    row!("Links/CheckLinks", "uuu ddd ddd ydd d", |_, _| {
        CheckLinksRequest::default()
    }),
];

/// A link of the firm to an identifier that no firm here holds.
fn stated() -> StateLinkRequest {
    StateLinkRequest {
        link: Some(Link {
            name: Some(LinkName {
                source: "88.118.7/new".into(),
                kind: "contains".into(),
                target: "88.118.99/part".into(),
                owner: String::new(),
            }),
            ..Link::default()
        }),
        ..StateLinkRequest::default()
    }
}

fn traced() -> TraceRequest {
    TraceRequest {
        start: PUBLIC.into(),
        direction: TraceDirection::Up.into(),
        ..TraceRequest::default()
    }
}
