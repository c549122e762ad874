//! Links, as an import takes them in.

use tonic::Status;

use crate::face::grpc::import::{Kind, Message, Report};
use crate::face::grpc::link_convert;
use crate::model::Refusal;
use crate::node::{Applied, Effect, OnConflict, Write};
use crate::wire::proto::v1::import_links_response::Rejection;
use crate::wire::proto::v1::{ImportLinksRequest, ImportLinksResponse, Link, LinkName};

/// An import of links.
pub(super) struct Links;

impl Kind for Links {
    type Request = ImportLinksRequest;
    type Item = Link;
    type Name = Option<LinkName>;
    type Answer = ImportLinksResponse;

    const ITEMS: &'static str = "links";

    fn message(request: ImportLinksRequest) -> Result<Message<Link>, Status> {
        let ImportLinksRequest {
            on_conflict,
            validate_only,
            links,
        } = request;
        Ok(Message {
            on_conflict,
            validate_only,
            bulk: false,
            items: links,
        })
    }

    fn write(link: Link, on_conflict: OnConflict) -> (Option<LinkName>, Result<Write, Refusal>) {
        let name = link.name.clone();
        // A link that is taken in is stated whatever revision it had where it was.
        let link = Link {
            etag: String::new(),
            ..link
        };
        let stated = link_convert::stated(link, on_conflict);
        let write = |change| Write {
            change,
            request_id: None,
        };
        (name, stated.map(write))
    }

    fn effect(applied: &Applied) -> Option<Effect> {
        match applied {
            Applied::Link { effect, .. } => Some(*effect),
            Applied::Record { .. }
            | Applied::Imported(_)
            | Applied::Prefix(_)
            | Applied::Entry(_) => None,
        }
    }

    fn answer(report: Report<Option<LinkName>>) -> ImportLinksResponse {
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
        ImportLinksResponse {
            covered_count,
            created_count,
            updated_count,
            unchanged_count,
            skipped_count,
            rejections: rejections.into_iter().map(rejection).collect(),
        }
    }
}
