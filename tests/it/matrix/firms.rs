//! Rows of Firms: who applies, who lets in, and who sees what of it. The firm that is
//! asked for is active, and its people were erased: whoever may see them is told that
//! there are none.

use idnode::wire::proto::v1::{
    ActivateFirmRequest, ApplyFirmRequest, ApproveFirmRequest, AttachDocumentRequest,
    DetachDocumentRequest, EditFirmRequest, EraseFirmPeopleRequest, FirmDocumentKind, FirmFacts,
    FirmPeople, GetFirmDocumentRequest, GetFirmPeopleRequest, GetFirmRequest, ListFirmsRequest,
    ReinstateFirmRequest, RejectFirmRequest, RetireFirmRequest, SubmitFirmRequest,
    SuspendFirmRequest, VerifyFirmRequest,
};

use super::scene::FIRM;
use super::{Row, row};

const OWNER: &str = "uuu ddd ddy ddd d";
const SYSTEM: &str = "uuu ddd ddd ydd d";
const SECURITY: &str = "uuu ddd ddd dyd d";

pub(super) const ROWS: &[Row] = &[
    row!("Firms/ApplyFirm", "yuu yyy yyy yyy y", |_, _| {
        ApplyFirmRequest {
            facts: Some(facts()),
            people: Some(people()),
            validate_only: true,
        }
    }),
    row!("Firms/GetFirm", "yuu yyy yyy yyy y", |_, _| {
        GetFirmRequest { name: name() }
    }),
    row!("Firms/ListFirms", "yuu yyy yyy yyy y", |_, _| {
        ListFirmsRequest::default()
    }),
    row!("Firms/EditFirm", OWNER, |_, _| EditFirmRequest {
        name: name(),
        facts: Some(facts()),
        validate_only: true,
        ..EditFirmRequest::default()
    }),
    row!("Firms/AttachDocument", OWNER, |_, _| {
        AttachDocumentRequest {
            name: name(),
            kind: FirmDocumentKind::BusinessLicence.into(),
            file_name: "licence.pdf".into(),
            content: b"%PDF-1.4".to_vec(),
            validate_only: true,
            ..AttachDocumentRequest::default()
        }
    }),
    row!("Firms/DetachDocument", "uuu ddd dd- ddd d", |_, _| {
        DetachDocumentRequest {
            name: name(),
            number: 1,
            validate_only: true,
            ..DetachDocumentRequest::default()
        }
    }),
    row!("Firms/SubmitFirm", OWNER, |_, _| SubmitFirmRequest {
        name: name(),
        validate_only: true,
        ..SubmitFirmRequest::default()
    }),
    row!("Firms/VerifyFirm", SYSTEM, |_, _| VerifyFirmRequest {
        name: name(),
        validate_only: true,
        ..VerifyFirmRequest::default()
    }),
    row!("Firms/ApproveFirm", SECURITY, |_, _| ApproveFirmRequest {
        name: name(),
        validate_only: true,
        ..ApproveFirmRequest::default()
    }),
    // A security administrator, too, once it is verified.
    row!("Firms/RejectFirm", "uuu ddd ddd ydd d", |_, _| {
        RejectFirmRequest {
            name: name(),
            reason: "a test".into(),
            validate_only: true,
            ..RejectFirmRequest::default()
        }
    }),
    row!("Firms/ActivateFirm", SYSTEM, |_, _| ActivateFirmRequest {
        name: name(),
        validate_only: true,
        ..ActivateFirmRequest::default()
    }),
    row!("Firms/SuspendFirm", SECURITY, |_, _| SuspendFirmRequest {
        name: name(),
        reason: "a test".into(),
        validate_only: true,
        ..SuspendFirmRequest::default()
    }),
    row!("Firms/ReinstateFirm", SECURITY, |_, _| {
        ReinstateFirmRequest {
            name: name(),
            validate_only: true,
            ..ReinstateFirmRequest::default()
        }
    }),
    row!("Firms/RetireFirm", SECURITY, |_, _| RetireFirmRequest {
        name: name(),
        reason: "a test".into(),
        validate_only: true,
        ..RetireFirmRequest::default()
    }),
    row!("Firms/GetFirmPeople", "uuu ddd dd- --d d", |_, _| {
        GetFirmPeopleRequest { name: name() }
    }),
    row!("Firms/GetFirmDocument", "uuu ddd dd- --d d", |_, _| {
        GetFirmDocumentRequest {
            name: name(),
            number: 1,
        }
    }),
    row!("Firms/EraseFirmPeople", "uuu ddd ddy dyd d", |_, _| {
        EraseFirmPeopleRequest {
            name: name(),
            validate_only: true,
            ..EraseFirmPeopleRequest::default()
        }
    }),
];

fn name() -> String {
    format!("firms/{FIRM}")
}

fn facts() -> FirmFacts {
    FirmFacts {
        display_name: "温州霁澜川电器有限公司".into(),
        credit_code: "914403001922038216".into(),
        region: "330382".into(),
        address: "柳市镇电器大道 1 号".into(),
        industry: "C3823".into(),
        wanted_prefix: "88.118.70".into(),
        servers: Vec::new(),
    }
}

fn people() -> FirmPeople {
    FirmPeople {
        legal_person: "李金丝雀".into(),
        contact: "李金丝雀".into(),
        phone: "13800000000".into(),
        email: "a@example.com".into(),
        ..FirmPeople::default()
    }
}
