//! Firms over gRPC: the whole way with the keys of real callers, and what is
//! refused and how.

use idnode::wire::proto::v1::{self, FirmDocumentKind, FirmState as State};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use super::{CODE, EMAIL, LEGAL_PERSON, LICENCE, PHONE};
use crate::support::{Clients, TestNode, reason};

fn facts() -> v1::FirmFacts {
    v1::FirmFacts {
        display_name: "温州霁澜川电器有限公司".into(),
        credit_code: CODE.into(),
        region: "330382".into(),
        address: "柳市镇电器大道 1 号".into(),
        industry: "C3823".into(),
        wanted_prefix: "88.118.7".into(),
        servers: Vec::new(),
    }
}

fn people() -> v1::FirmPeople {
    v1::FirmPeople {
        legal_person: LEGAL_PERSON.into(),
        citizen_number: String::new(),
        contact: LEGAL_PERSON.into(),
        phone: PHONE.into(),
        email: EMAIL.into(),
    }
}

fn application() -> v1::ApplyFirmRequest {
    v1::ApplyFirmRequest {
        facts: Some(facts()),
        people: Some(people()),
        validate_only: false,
    }
}

/// Applies; the firm's name, and clients with its owner's key.
async fn apply(node: &TestNode) -> (String, Clients) {
    let applied = node.anonymous().firms().apply_firm(application()).await;
    let v1::ApplyFirmResponse { firm, owner_key } = applied.unwrap().into_inner();
    let firm = firm.unwrap();
    assert_eq!((firm.state(), firm.has_people), (State::Draft, true));
    (firm.name, node.clients_with(&owner_key))
}

async fn attach(owner: &Clients, name: &str) -> Result<Response<v1::Firm>, Status> {
    let request = v1::AttachDocumentRequest {
        name: name.into(),
        kind: FirmDocumentKind::BusinessLicence.into(),
        file_name: "营业执照.pdf".into(),
        content: LICENCE.to_vec(),
        ..v1::AttachDocumentRequest::default()
    };
    owner.firms().attach_document(request).await
}

async fn submit(clients: &Clients, name: &str) -> Result<Response<v1::Firm>, Status> {
    let request = v1::SubmitFirmRequest {
        name: name.into(),
        ..v1::SubmitFirmRequest::default()
    };
    clients.firms().submit_firm(request).await
}

async fn verify(clients: &Clients, name: &str) -> Result<Response<v1::Firm>, Status> {
    let request = v1::VerifyFirmRequest {
        name: name.into(),
        ..v1::VerifyFirmRequest::default()
    };
    clients.firms().verify_firm(request).await
}

async fn approve(clients: &Clients, name: &str) -> Result<Response<v1::Firm>, Status> {
    let request = v1::ApproveFirmRequest {
        name: name.into(),
        ..v1::ApproveFirmRequest::default()
    };
    clients.firms().approve_firm(request).await
}

async fn activate(clients: &Clients, name: &str) -> Result<Response<v1::Firm>, Status> {
    let request = v1::ActivateFirmRequest {
        name: name.into(),
        quota: Some(2),
        ..v1::ActivateFirmRequest::default()
    };
    clients.firms().activate_firm(request).await
}

async fn get(clients: &Clients, name: &str) -> Result<v1::Firm, Status> {
    let request = v1::GetFirmRequest { name: name.into() };
    clients
        .firms()
        .get_firm(request)
        .await
        .map(Response::into_inner)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Status>, expected: &str) -> Status {
    let status = result.expect_err(expected);
    assert_eq!(reason(&status), expected, "{status:?}");
    status
}

#[tokio::test]
async fn a_firm_comes_in_by_three_hands_and_registers() {
    let node = TestNode::start().await;
    let (system, security) = (node.clients(), node.security());
    let (name, owner) = apply(&node).await;
    refused(submit(&owner, &name).await, "FIRM_INCOMPLETE");
    attach(&owner, &name).await.unwrap();
    refused(submit(&system, &name).await, "PERMISSION_DENIED");
    submit(&owner, &name).await.unwrap();
    refused(verify(&security, &name).await, "PERMISSION_DENIED");
    refused(verify(&owner, &name).await, "PERMISSION_DENIED");
    verify(&system, &name).await.unwrap();
    refused(approve(&system, &name).await, "PERMISSION_DENIED");
    approve(&security, &name).await.unwrap();
    refused(get(&node.anonymous(), &name).await, "FIRM_NOT_FOUND");
    refused(activate(&security, &name).await, "PERMISSION_DENIED");
    let firm = activate(&system, &name).await.unwrap().into_inner();
    assert_eq!(
        (firm.state(), &firm.prefixes[..]),
        (State::Active, &["prefixes/88.118.7".to_owned()][..])
    );

    owner
        .create("88.118.7/A-1", "https://a.example/")
        .await
        .unwrap();
    let public = get(&node.anonymous(), &name).await.unwrap();
    let facts = public.facts.unwrap();
    assert_eq!(facts.display_name, "温州霁澜川电器有限公司");
    assert_eq!(
        (facts.credit_code, facts.address),
        (String::new(), String::new())
    );
    assert_eq!((public.steps.len(), public.documents.len()), (0, 0));
    assert_eq!(
        (public.etag, public.prefixes),
        (String::new(), firm.prefixes)
    );
    let whole = get(&node.auditor(), &name).await.unwrap();
    assert_eq!(whole.steps.len(), 5);
}

#[tokio::test]
async fn people_are_shown_to_few_and_erased_for_good() {
    let node = TestNode::start().await;
    let (name, owner) = apply(&node).await;
    attach(&owner, &name).await.unwrap();
    let (_, stranger) = apply(&node).await;
    let people_of = |clients: Clients| {
        let request = v1::GetFirmPeopleRequest { name: name.clone() };
        async move { clients.firms().get_firm_people(request).await }
    };
    let document_of = |clients: Clients, number| {
        let request = v1::GetFirmDocumentRequest {
            name: name.clone(),
            number,
        };
        async move { clients.firms().get_firm_document(request).await }
    };
    for clients in [owner.clone(), node.clients(), node.security()] {
        let read = people_of(clients.clone()).await.unwrap().into_inner();
        assert_eq!(read, people());
        let read = document_of(clients, 1).await.unwrap().into_inner();
        assert_eq!(read.content, LICENCE);
        assert_eq!(read.document.unwrap().media_type, "application/pdf");
    }
    for clients in [stranger, node.auditor()] {
        refused(people_of(clients.clone()).await, "PERMISSION_DENIED");
        refused(document_of(clients, 1).await, "PERMISSION_DENIED");
    }
    refused(people_of(node.anonymous()).await, "KEY_REQUIRED");
    refused(document_of(owner.clone(), 2).await, "DOCUMENT_NOT_FOUND");

    let erase = v1::EraseFirmPeopleRequest {
        name: name.clone(),
        ..v1::EraseFirmPeopleRequest::default()
    };
    let refusal = node
        .clients()
        .firms()
        .erase_firm_people(erase.clone())
        .await;
    refused(refusal, "PERMISSION_DENIED");
    let judged = v1::EraseFirmPeopleRequest {
        validate_only: true,
        ..erase.clone()
    };
    owner.firms().erase_firm_people(judged).await.unwrap();
    people_of(owner.clone()).await.expect("it was only judged");
    let erased = owner
        .firms()
        .erase_firm_people(erase)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((erased.has_people, erased.documents.len()), (false, 0));
    refused(people_of(owner).await, "PERSONAL_ERASED");
}

#[expect(clippy::too_many_lines, reason = "one row for each refusal")]
#[tokio::test]
async fn refusals_name_the_field_and_nothing_of_a_person() {
    let node = TestNode::start().await;
    let check = async |change: fn(&mut v1::ApplyFirmRequest), expected: &str, field: &str| {
        let mut request = application();
        change(&mut request);
        let applied = node.anonymous().firms().apply_firm(request).await;
        let status = refused(applied, expected);
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        let violations = &details.bad_request().expect(field).field_violations;
        assert_eq!(violations[0].field, field);
        let shown = format!("{status:?} {details:?}");
        assert!(!shown.contains("canary"), "{shown}");
    };
    check(|r| r.facts = None, "FIELD_REQUIRED", "facts").await;
    check(|r| r.people = None, "FIELD_REQUIRED", "people").await;
    let code = "facts.credit_code";
    check(|r| of(r).credit_code.clear(), "CREDIT_CODE_SYNTAX", code).await;
    check(
        |r| of(r).credit_code.replace_range(17.., "4"),
        "CREDIT_CODE_CHECK",
        code,
    )
    .await;
    check(
        |r| of(r).region = "339900".into(),
        "REGION_UNKNOWN",
        "facts.region",
    )
    .await;
    check(
        |r| of(r).industry = "C99".into(),
        "INDUSTRY_UNKNOWN",
        "facts.industry",
    )
    .await;
    check(
        |r| of(r).display_name = "a\u{202e}b".into(),
        "TEXT_INVALID",
        "facts.display_name",
    )
    .await;
    check(
        |r| of(r).wanted_prefix = "0.NA".into(),
        "FIELD_INVALID",
        "facts.wanted_prefix",
    )
    .await;
    check(
        |r| of(r).servers = vec![server("here", 1)],
        "FIELD_INVALID",
        "facts.servers[0].address",
    )
    .await;
    check(
        |r| of(r).servers = vec![server("192.0.2.1", 70_000)],
        "FIELD_INVALID",
        "facts.servers[0].tcp_port",
    )
    .await;
    check(
        |r| of(r).servers = vec![server("127.0.0.1", 1)],
        "SERVER_INVALID",
        "facts.servers[0]",
    )
    .await;
    check(
        |r| who(r).phone = "canary".into(),
        "PHONE_INVALID",
        "people.phone",
    )
    .await;
    check(
        |r| who(r).email = "canary".into(),
        "EMAIL_INVALID",
        "people.email",
    )
    .await;
    check(
        |r| who(r).contact = "canary\n".repeat(2),
        "TEXT_INVALID",
        "people.contact",
    )
    .await;
    check(
        |r| who(r).citizen_number = "canary".into(),
        "CITIZEN_NUMBER_INVALID",
        "people.citizen_number",
    )
    .await;
}

fn of(request: &mut v1::ApplyFirmRequest) -> &mut v1::FirmFacts {
    request.facts.as_mut().unwrap()
}

fn who(request: &mut v1::ApplyFirmRequest) -> &mut v1::FirmPeople {
    request.people.as_mut().unwrap()
}

fn server(address: &str, tcp_port: u32) -> v1::FirmServer {
    v1::FirmServer {
        address: address.into(),
        tcp_port,
        ..v1::FirmServer::default()
    }
}

#[tokio::test]
async fn what_is_only_judged_leaves_nothing() {
    let node = TestNode::start().await;
    let judged = v1::ApplyFirmRequest {
        validate_only: true,
        ..application()
    };
    let judged = node
        .anonymous()
        .firms()
        .apply_firm(judged)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(judged.owner_key, "");
    assert_eq!(judged.firm.unwrap().name, "");
    let listed = node
        .clients()
        .firms()
        .list_firms(v1::ListFirmsRequest::default())
        .await;
    assert_eq!(listed.unwrap().into_inner().firms.len(), 0);
}

#[tokio::test]
async fn lists_are_paged_and_selected_by_state() {
    let node = TestNode::start().await;
    let mut names = Vec::new();
    for _ in 0..3 {
        names.push(apply(&node).await.0);
    }
    names.sort();
    let auditor = node.auditor();
    let request = |page_token: String, state: State| v1::ListFirmsRequest {
        page_size: 2,
        page_token,
        state: state.into(),
    };
    let first = auditor
        .firms()
        .list_firms(request(String::new(), State::Draft))
        .await;
    let first = first.unwrap().into_inner();
    let token = first.next_page_token.clone();
    let rest = auditor
        .firms()
        .list_firms(request(token.clone(), State::Draft))
        .await;
    let rest = rest.unwrap().into_inner();
    let firms = first.firms.iter().chain(&rest.firms);
    assert_eq!(
        firms.map(|firm| firm.name.clone()).collect::<Vec<_>>(),
        names
    );
    assert_eq!(rest.next_page_token, "");
    let other = auditor
        .firms()
        .list_firms(request(token, State::Active))
        .await;
    refused(other, "PAGE_TOKEN_INVALID");
    let active = auditor
        .firms()
        .list_firms(request(String::new(), State::Active))
        .await;
    assert_eq!(active.unwrap().into_inner().firms.len(), 0);
    let unknown = v1::ListFirmsRequest {
        state: 99,
        ..v1::ListFirmsRequest::default()
    };
    refused(auditor.firms().list_firms(unknown).await, "FIELD_INVALID");
    for name in ["", "x", "firms/", "firms/A B", "prefixes/88.118.7"] {
        assert!(get(&auditor, name).await.is_err(), "{name}");
    }
}
