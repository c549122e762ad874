//! Firms as messages, and messages as facts, people and steps.

use data_encoding::HEXLOWER;

use crate::face::grpc::convert::{signed, time};
use crate::face::grpc::name;
use crate::model::firm::{
    CitizenNumber, Contact, CreditCode, Document, DocumentKind, Email, Facts, Firm, FirmState,
    Hosting, Industry, LegalPerson, Personal, PersonalState, Phone, Ports, Region, Server, Servers,
    Step, Text, WantedPrefix,
};
use crate::model::{Reason, Refusal};
use crate::node::{self, FirmView};
use crate::wire::proto::v1;

/// A firm as far as the caller may see it.
pub(super) fn firm(view: &FirmView) -> v1::Firm {
    let FirmView {
        firm,
        prefixes,
        is_whole,
    } = view;
    let message = whole(firm);
    let message = if *is_whole { message } else { public(message) };
    v1::Firm {
        prefixes: prefixes.iter().map(name::of_prefix).collect(),
        ..message
    }
}

/// All of a firm but its people and prefixes.
pub(super) fn whole(firm: &Firm) -> v1::Firm {
    let Firm {
        id,
        facts,
        state,
        personal,
        documents,
        next_document: _,
        steps,
        applied_from: _,
        revision,
        created,
        changed,
    } = firm;
    let reason = match state {
        FirmState::Rejected { reason } | FirmState::Suspended { reason } => reason.clone(),
        FirmState::Draft
        | FirmState::Submitted
        | FirmState::Verified
        | FirmState::Approved
        | FirmState::Active
        | FirmState::Retired => String::new(),
    };
    v1::Firm {
        name: name::of_firm(id),
        facts: Some(facts_message(facts)),
        state: state_message(state).into(),
        reason,
        prefixes: Vec::new(),
        documents: documents.iter().map(document).collect(),
        steps: steps.iter().map(step).collect(),
        has_people: *personal == PersonalState::Kept,
        etag: node::etag(*revision),
        create_time: Some(time(*created)),
        update_time: Some(time(*changed)),
    }
}

/// What anyone may see of a firm: its name and its state. The prefixes are added
/// to it.
fn public(firm: v1::Firm) -> v1::Firm {
    let display_name = firm.facts.map(|facts| facts.display_name);
    v1::Firm {
        name: firm.name,
        facts: Some(v1::FirmFacts {
            display_name: display_name.unwrap_or_default(),
            ..v1::FirmFacts::default()
        }),
        state: firm.state,
        ..v1::Firm::default()
    }
}

fn facts_message(facts: &Facts) -> v1::FirmFacts {
    let Facts {
        name,
        credit_code,
        region,
        address,
        industry,
        wanted_prefix,
        hosting,
    } = facts;
    let servers = match hosting {
        Hosting::Hosted => Vec::new(),
        Hosting::Routed(servers) => servers.all().iter().map(server).collect(),
    };
    v1::FirmFacts {
        display_name: name.as_str().to_owned(),
        credit_code: credit_code.to_string(),
        region: region.to_string(),
        address: address.as_str().to_owned(),
        industry: industry.to_string(),
        wanted_prefix: wanted_prefix.prefix().to_string(),
        servers,
    }
}

fn server(server: &Server) -> v1::FirmServer {
    let Server {
        address,
        ports: Ports { tcp, udp, http },
    } = server;
    let port = |port: &Option<u16>| port.map_or(0, u32::from);
    v1::FirmServer {
        address: address.to_string(),
        tcp_port: port(tcp),
        udp_port: port(udp),
        http_port: port(http),
    }
}

fn state_message(state: &FirmState) -> v1::FirmState {
    match state {
        FirmState::Draft => v1::FirmState::Draft,
        FirmState::Submitted => v1::FirmState::Submitted,
        FirmState::Verified => v1::FirmState::Verified,
        FirmState::Approved => v1::FirmState::Approved,
        FirmState::Rejected { .. } => v1::FirmState::Rejected,
        FirmState::Active => v1::FirmState::Active,
        FirmState::Suspended { .. } => v1::FirmState::Suspended,
        FirmState::Retired => v1::FirmState::Retired,
    }
}

/// Whether a firm's state is the one asked for; each is, if none is.
///
/// # Errors
/// `FieldInvalid` for a state that there is not.
pub(super) fn wanted_state(number: i32) -> Result<impl Fn(&FirmState) -> bool, Refusal> {
    let wanted = v1::FirmState::try_from(number).map_err(|_| {
        Refusal::new(Reason::FieldInvalid)
            .field("state")
            .value(number)
            .limit("no such state")
    })?;
    Ok(move |state: &FirmState| {
        wanted == v1::FirmState::Unspecified || wanted == state_message(state)
    })
}

/// What is known of a document without opening it.
pub(super) fn document(document: &Document) -> v1::FirmDocument {
    let Document {
        number,
        kind,
        name,
        media_type,
        byte_count,
        sha256,
        added,
        contents: _,
    } = document;
    let kind = match kind {
        DocumentKind::BusinessLicence => v1::FirmDocumentKind::BusinessLicence,
        DocumentKind::Authorization => v1::FirmDocumentKind::Authorization,
        DocumentKind::Identification => v1::FirmDocumentKind::Identification,
        DocumentKind::Other => v1::FirmDocumentKind::Other,
    };
    v1::FirmDocument {
        number: *number,
        kind: kind.into(),
        file_name: name.as_str().to_owned(),
        media_type: media_type.name().to_owned(),
        size_bytes: signed(*byte_count),
        sha256: HEXLOWER.encode(sha256),
        create_time: Some(time(*added)),
    }
}

fn step(step: &Step) -> v1::FirmStep {
    let Step { kind, by, at, note } = step;
    v1::FirmStep {
        action: kind.name().to_owned(),
        actor: by.clone(),
        time: Some(time(*at)),
        note: note.clone(),
    }
}

/// People as a message.
pub(super) fn people(people: &Personal) -> v1::FirmPeople {
    let Personal {
        legal_person:
            LegalPerson {
                name: legal_person,
                citizen_number,
            },
        contact:
            Contact {
                name: contact,
                phone,
                email,
            },
    } = people;
    let number = citizen_number.as_ref().map(CitizenNumber::as_str);
    v1::FirmPeople {
        legal_person: legal_person.as_str().to_owned(),
        citizen_number: number.unwrap_or_default().to_owned(),
        contact: contact.as_str().to_owned(),
        phone: phone.as_str().to_owned(),
        email: email.as_str().to_owned(),
    }
}

/// Reads facts.
///
/// # Errors
/// `FieldRequired` without any, and the first rule that is broken, with its
/// field.
pub(super) fn facts_input(facts: Option<v1::FirmFacts>) -> Result<Facts, Refusal> {
    let required = || Refusal::new(Reason::FieldRequired).field("facts");
    read_facts(facts.ok_or_else(required)?).map_err(|refusal| refusal.within("facts"))
}

fn read_facts(facts: v1::FirmFacts) -> Result<Facts, Refusal> {
    let v1::FirmFacts {
        display_name,
        credit_code,
        region,
        address,
        industry,
        wanted_prefix,
        servers,
    } = facts;
    let name = Text::parse(&display_name, "display_name")?;
    let credit_code = CreditCode::parse(&credit_code)?;
    let region = Region::parse(&region)?;
    let address = Text::parse(&address, "address")?;
    let industry = Industry::parse(&industry)?;
    let wanted_prefix = WantedPrefix::parse(&wanted_prefix)?;
    let hosting = if servers.is_empty() {
        Hosting::Hosted
    } else {
        let servers = servers.into_iter().enumerate();
        let servers = servers
            .map(|(at, server)| {
                read_server(&server).map_err(|refusal| refusal.within(&format!("servers[{at}]")))
            })
            .collect::<Result<_, _>>()?;
        Hosting::Routed(Servers::new(servers)?)
    };
    Ok(Facts {
        name,
        credit_code,
        region,
        address,
        industry,
        wanted_prefix,
        hosting,
    })
}

fn read_server(server: &v1::FirmServer) -> Result<Server, Refusal> {
    let v1::FirmServer {
        address,
        tcp_port,
        udp_port,
        http_port,
    } = server;
    let port = |number: u32, field: &'static str| match u16::try_from(number) {
        Ok(0) => Ok(None),
        Ok(port) => Ok(Some(port)),
        Err(_) => Err(Refusal::new(Reason::FieldInvalid)
            .field(field)
            .value(number)
            .limit("a port is at most 65535")),
    };
    let parsed = address.parse().map_err(|_| {
        Refusal::new(Reason::FieldInvalid)
            .field("address")
            .value(address)
            .limit("no IP address")
    })?;
    Ok(Server {
        address: parsed,
        ports: Ports {
            tcp: port(*tcp_port, "tcp_port")?,
            udp: port(*udp_port, "udp_port")?,
            http: port(*http_port, "http_port")?,
        },
    })
}

/// Reads people. A refusal names the field, and nothing of the person.
///
/// # Errors
/// `FieldRequired` without any, and the first rule that is broken, with its
/// field.
pub(super) fn people_input(people: Option<v1::FirmPeople>) -> Result<Personal, Refusal> {
    let required = || Refusal::new(Reason::FieldRequired).field("people");
    read_people(&people.ok_or_else(required)?).map_err(|refusal| refusal.within("people"))
}

fn read_people(people: &v1::FirmPeople) -> Result<Personal, Refusal> {
    let v1::FirmPeople {
        legal_person,
        citizen_number,
        contact,
        phone,
        email,
    } = people;
    let citizen_number = match citizen_number.as_str() {
        "" => None,
        number => Some(CitizenNumber::parse(number)?),
    };
    Ok(Personal {
        legal_person: LegalPerson {
            name: Text::parse(legal_person, "legal_person")?,
            citizen_number,
        },
        contact: Contact {
            name: Text::parse(contact, "contact")?,
            phone: Phone::parse(phone)?,
            email: Email::parse(email)?,
        },
    })
}

/// Reads what a document is.
///
/// # Errors
/// `FieldRequired`, and `FieldInvalid` for a kind that there is not.
pub(super) fn document_kind(number: i32) -> Result<DocumentKind, Refusal> {
    match v1::FirmDocumentKind::try_from(number) {
        Ok(v1::FirmDocumentKind::BusinessLicence) => Ok(DocumentKind::BusinessLicence),
        Ok(v1::FirmDocumentKind::Authorization) => Ok(DocumentKind::Authorization),
        Ok(v1::FirmDocumentKind::Identification) => Ok(DocumentKind::Identification),
        Ok(v1::FirmDocumentKind::Other) => Ok(DocumentKind::Other),
        Ok(v1::FirmDocumentKind::Unspecified) => {
            Err(Refusal::new(Reason::FieldRequired).field("kind"))
        }
        Err(_) => Err(Refusal::new(Reason::FieldInvalid)
            .field("kind")
            .value(number)
            .limit("no such kind")),
    }
}
