//! Rows of Templates: those of sectors are for everyone, those of a firm for it alone.

use idnode::wire::proto::v1::{
    CheckRecordsRequest, CreateTemplateRequest, DisableItemRequest, GetTemplateRequest,
    GetTemplateSchemaRequest, ListTemplatesRequest, ReviseTemplateRequest,
};

use super::scene::{FIRM, PUBLIC, TEMPLATE, template};
use super::{Row, row};
use crate::support::{record, text};

/// A template of a sector.
const SECTOR: &str = "templates/valves";

pub(super) const ROWS: &[Row] = &[
    row!("Templates/ListTemplates", "yuu yyy yyy yyy y", |_, _| {
        ListTemplatesRequest::default()
    }),
    row!("Templates/GetTemplate", "yuu yyy yyy yyy y", |_, _| {
        GetTemplateRequest {
            name: SECTOR.into(),
            version: 0,
        }
    }),
    row!("Templates/GetTemplate", "-uu --- yyy yyy -", |_, _| {
        GetTemplateRequest {
            name: TEMPLATE.into(),
            version: 0,
        }
    }),
    row!("Templates/CreateTemplate", "uuu ddd ddy ddd d", |_, _| {
        CreateTemplateRequest {
            template: Some(template("templates/f-1-u", FIRM)),
            validate_only: true,
            ..CreateTemplateRequest::default()
        }
    }),
    row!("Templates/CreateTemplate", "uuu ddd ddd ydd d", |_, _| {
        CreateTemplateRequest {
            template: Some(template("templates/t-2", "")),
            validate_only: true,
            ..CreateTemplateRequest::default()
        }
    }),
    row!("Templates/ReviseTemplate", "uuu --- ddy ddd -", |_, _| {
        ReviseTemplateRequest {
            template: Some(template(TEMPLATE, FIRM)),
            validate_only: true,
            ..ReviseTemplateRequest::default()
        }
    }),
    row!("Templates/DisableItem", "uuu --- ddy ddd -", |_, _| {
        DisableItemRequest {
            name: TEMPLATE.into(),
            index: 2000,
            validate_only: true,
            ..DisableItemRequest::default()
        }
    }),
    row!(
        "Templates/GetTemplateSchema",
        "-uu --- yyy yyy -",
        |_, _| {
            GetTemplateSchemaRequest {
                name: TEMPLATE.into(),
                version: 0,
            }
        }
    ),
    row!("Templates/CheckRecords", "-uu --- yyy yyy -", |_, _| {
        CheckRecordsRequest {
            name: TEMPLATE.into(),
            version: 0,
            records: vec![record(PUBLIC, vec![text(2000, "name", "x")])],
        }
    }),
];
