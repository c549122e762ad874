//! Firms in JSON, and in tables. The shapes are stable; `docs/cli.md` documents
//! them.

use serde::Serialize;

use crate::cli::output::Rows;
use crate::cli::status::bytes_text;
use crate::model::firm::{Industry, Region};
use crate::wire::proto::v1;

/// A firm.
#[derive(Debug, Serialize)]
pub(super) struct FirmShape {
    pub(super) firm: String,
    pub(super) name: String,
    pub(super) state: &'static str,
    reason: String,
    pub(super) prefixes: Vec<String>,
    credit_code: String,
    region: String,
    address: String,
    industry: String,
    wanted_prefix: String,
    servers: Vec<ServerShape>,
    has_people: bool,
    documents: Vec<DocumentShape>,
    steps: Vec<StepShape>,
    etag: String,
    create_time: Option<String>,
    update_time: Option<String>,
}

/// A server of a firm. A port is 0 where it does not listen.
#[derive(Debug, Serialize)]
struct ServerShape {
    address: String,
    tcp_port: u32,
    udp_port: u32,
    http_port: u32,
}

/// A document, without its contents.
#[derive(Debug, Serialize)]
pub(super) struct DocumentShape {
    number: u32,
    kind: &'static str,
    file_name: String,
    media_type: String,
    size_bytes: i64,
    sha256: String,
    create_time: Option<String>,
}

/// A step of a firm's life.
#[derive(Debug, Serialize)]
struct StepShape {
    action: String,
    actor: String,
    time: Option<String>,
    note: String,
}

/// The people of a firm.
#[derive(Serialize)]
pub(super) struct PeopleShape {
    legal_person: String,
    citizen_number: String,
    contact: String,
    phone: String,
    email: String,
}

impl From<v1::Firm> for FirmShape {
    fn from(firm: v1::Firm) -> Self {
        let state = state_name(firm.state());
        let v1::Firm {
            name,
            facts,
            state: _,
            reason,
            prefixes,
            documents,
            steps,
            has_people,
            etag,
            create_time,
            update_time,
        } = firm;
        let v1::FirmFacts {
            display_name,
            credit_code,
            region,
            address,
            industry,
            wanted_prefix,
            servers,
        } = facts.unwrap_or_default();
        let bare = |prefix: &String| {
            let bare = prefix.strip_prefix("prefixes/");
            bare.unwrap_or(prefix).to_owned()
        };
        Self {
            firm: name.strip_prefix("firms/").unwrap_or(&name).to_owned(),
            name: display_name,
            state,
            reason,
            prefixes: prefixes.iter().map(bare).collect(),
            credit_code,
            region,
            address,
            industry,
            wanted_prefix,
            servers: servers.into_iter().map(ServerShape::from).collect(),
            has_people,
            documents: documents.into_iter().map(DocumentShape::from).collect(),
            steps: steps.into_iter().map(StepShape::from).collect(),
            etag,
            create_time: create_time.map(|time| time.to_string()),
            update_time: update_time.map(|time| time.to_string()),
        }
    }
}

impl From<v1::FirmServer> for ServerShape {
    fn from(server: v1::FirmServer) -> Self {
        let v1::FirmServer {
            address,
            tcp_port,
            udp_port,
            http_port,
        } = server;
        Self {
            address,
            tcp_port,
            udp_port,
            http_port,
        }
    }
}

impl From<v1::FirmDocument> for DocumentShape {
    fn from(document: v1::FirmDocument) -> Self {
        let kind = kind_name(document.kind());
        let v1::FirmDocument {
            number,
            kind: _,
            file_name,
            media_type,
            size_bytes,
            sha256,
            create_time,
        } = document;
        Self {
            number,
            kind,
            file_name,
            media_type,
            size_bytes,
            sha256,
            create_time: create_time.map(|time| time.to_string()),
        }
    }
}

impl From<v1::FirmStep> for StepShape {
    fn from(step: v1::FirmStep) -> Self {
        let v1::FirmStep {
            action,
            actor,
            time,
            note,
        } = step;
        Self {
            action,
            actor,
            time: time.map(|time| time.to_string()),
            note,
        }
    }
}

impl From<v1::FirmPeople> for PeopleShape {
    fn from(people: v1::FirmPeople) -> Self {
        let v1::FirmPeople {
            legal_person,
            citizen_number,
            contact,
            phone,
            email,
        } = people;
        Self {
            legal_person,
            citizen_number,
            contact,
            phone,
            email,
        }
    }
}

fn state_name(state: v1::FirmState) -> &'static str {
    match state {
        v1::FirmState::Unspecified => "unknown",
        v1::FirmState::Draft => "draft",
        v1::FirmState::Submitted => "submitted",
        v1::FirmState::Verified => "verified",
        v1::FirmState::Approved => "approved",
        v1::FirmState::Rejected => "rejected",
        v1::FirmState::Active => "active",
        v1::FirmState::Suspended => "suspended",
        v1::FirmState::Retired => "retired",
    }
}

/// The name of a kind of document, as the command line takes it.
pub(super) fn kind_name(kind: v1::FirmDocumentKind) -> &'static str {
    match kind {
        v1::FirmDocumentKind::Unspecified => "unknown",
        v1::FirmDocumentKind::BusinessLicence => "business-licence",
        v1::FirmDocumentKind::Authorization => "authorization",
        v1::FirmDocumentKind::Identification => "identification",
        v1::FirmDocumentKind::Other => "other",
    }
}

impl FirmShape {
    /// All of it, for people; what it has nothing of is left out.
    pub(super) fn rows(&self) -> Rows {
        let region = Region::parse(&self.region).map_or_else(|_| String::new(), Region::name);
        let industry = Industry::parse(&self.industry).ok();
        let industry =
            industry.and_then(|industry| industry.division().or_else(|| industry.section()));
        let named = |code: &str, name: &str| format!("{code} {name}").trim().to_owned();
        let mut pairs = vec![
            ("firm", self.firm.clone()),
            ("name", self.name.clone()),
            ("state", self.state.to_owned()),
            ("because", self.reason.clone()),
            ("prefixes", self.prefixes.join(", ")),
            ("credit code", self.credit_code.clone()),
            ("region", named(&self.region, &region)),
            ("address", self.address.clone()),
            (
                "industry",
                named(&self.industry, industry.unwrap_or_default()),
            ),
            ("wanted prefix", self.wanted_prefix.clone()),
        ];
        pairs.extend(self.servers.iter().map(|server| ("server", server.text())));
        pairs.extend(
            self.documents
                .iter()
                .map(|document| ("document", document.text())),
        );
        pairs.extend(self.steps.iter().map(|step| ("step", step.text())));
        pairs.extend([
            ("etag", self.etag.clone()),
            ("applied", self.create_time.clone().unwrap_or_default()),
            ("changed", self.update_time.clone().unwrap_or_default()),
        ]);
        Rows::of_pairs(pairs.into_iter().filter(|(_, text)| !text.is_empty()))
    }
}

impl ServerShape {
    fn text(&self) -> String {
        let ports = [
            ("tcp", self.tcp_port),
            ("udp", self.udp_port),
            ("http", self.http_port),
        ];
        let ports = ports.iter().filter(|(_, port)| *port != 0);
        let ports: Vec<_> = ports.map(|(name, port)| format!("{name} {port}")).collect();
        format!("{} {}", self.address, ports.join(", "))
    }
}

impl DocumentShape {
    fn text(&self) -> String {
        let size = bytes_text(self.size_bytes);
        format!(
            "{} {} {} ({}, {size})",
            self.number, self.kind, self.file_name, self.media_type
        )
    }

    /// Its number and size, once it was written to a file.
    pub(super) fn rows(&self) -> Rows {
        Rows::of_pairs([
            ("number", self.number.to_string()),
            ("kind", self.kind.to_owned()),
            ("file name", self.file_name.clone()),
            ("media type", self.media_type.clone()),
            ("size", bytes_text(self.size_bytes)),
            ("sha256", self.sha256.clone()),
        ])
    }
}

impl StepShape {
    fn text(&self) -> String {
        let time = self.time.as_deref().unwrap_or_default();
        format!("{time} {} by {} {}", self.action, self.actor, self.note)
            .trim_end()
            .to_owned()
    }
}

impl PeopleShape {
    /// The people, for people.
    pub(super) fn rows(&self) -> Rows {
        let pairs = [
            ("legal person", self.legal_person.clone()),
            ("citizen number", self.citizen_number.clone()),
            ("contact", self.contact.clone()),
            ("phone", self.phone.clone()),
            ("email", self.email.clone()),
        ];
        Rows::of_pairs(pairs.into_iter().filter(|(_, text)| !text.is_empty()))
    }
}
