//! Rows of Accounts. What is changed is asked for under an etag that it has not: who
//! may is told so, and nothing changes.

use idnode::wire::proto::v1::{
    ChangePasswordRequest, CreateCertificateRequest, CreateKeyRequest, CreatePersonRequest,
    DisablePrincipalRequest, EnablePrincipalRequest, FirmRole, GetPrincipalRequest,
    ListPrincipalsRequest, NodeRole, Principal, ResetPasswordRequest, RevokePrincipalRequest,
    RotateKeyRequest, SetOneTimeCodeRequest, SignInRequest, SignOutRequest, UnlockPrincipalRequest,
    UpdatePrincipalRequest, WhoAmIRequest,
};
use prost_types::FieldMask;

use super::scene::{FIRM, PRINCIPAL, STALE};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    // Nobody has this name and password.
    row!("Accounts/SignIn", "uuu uuu uuu uuu u", |_, _| {
        SignInRequest {
            login: "nobody".into(),
            password: "wrong".into(),
            ..SignInRequest::default()
        }
    }),
    // All call with a key: none has a session to end, and no key is a person.
    row!("Accounts/SignOut", "uuu uuu uuu uuu u", |_, _| {
        SignOutRequest {}
    }),
    row!("Accounts/WhoAmI", "yuu yyy yyy yyy y", |_, _| {
        WhoAmIRequest {}
    }),
    row!("Accounts/ChangePassword", "uuu yyy yyy yyy u", |_, _| {
        ChangePasswordRequest::default()
    }),
    row!("Accounts/CreatePerson", "uuu ddd ddy dyd d", |_, party| {
        CreatePersonRequest {
            principal: Some(Principal {
                display_name: format!("{party:?}").to_ascii_lowercase(),
                ..member()
            }),
            one_time_code: false,
        }
    }),
    row!("Accounts/ResetPassword", "uuu --- ddy dyd -", |_, _| {
        ResetPasswordRequest {
            name: PRINCIPAL.into(),
            etag: STALE.into(),
        }
    }),
    row!("Accounts/SetOneTimeCode", "uuu --- ydy dyd -", |_, _| {
        SetOneTimeCodeRequest {
            name: PRINCIPAL.into(),
            enabled: true,
            etag: STALE.into(),
        }
    }),
    row!("Accounts/CreateKey", "uuu ddd ddy dyd d", |_, _| {
        CreateKeyRequest {
            principal: Some(member()),
        }
    }),
    row!("Accounts/CreateKey", "uuu ddd ddd dyd d", |_, _| {
        CreateKeyRequest {
            principal: Some(Principal {
                node_role: NodeRole::Auditor.into(),
                display_name: "of the node".into(),
                ..Principal::default()
            }),
        }
    }),
    row!("Accounts/RotateKey", "-uu --- ydy dyd -", |_, _| {
        RotateKeyRequest {
            name: PRINCIPAL.into(),
            etag: STALE.into(),
            ..RotateKeyRequest::default()
        }
    }),
    row!(
        "Accounts/CreateCertificate",
        "uuu ddd ddy dyd d",
        |scene, _| {
            CreateCertificateRequest {
                principal: Some(member()),
                certificate: scene.certificate(),
            }
        }
    ),
    row!("Accounts/GetPrincipal", "uuu --- yyy yyy -", |_, _| {
        GetPrincipalRequest {
            name: PRINCIPAL.into(),
        }
    }),
    row!("Accounts/ListPrincipals", "uuu ddd yyy yyy d", |_, _| {
        ListPrincipalsRequest {
            parent: format!("firms/{FIRM}"),
            ..ListPrincipalsRequest::default()
        }
    }),
    row!("Accounts/UpdatePrincipal", "-uu --- ddy dyd -", |_, _| {
        UpdatePrincipalRequest {
            principal: Some(Principal {
                name: PRINCIPAL.into(),
                display_name: "another".into(),
                etag: STALE.into(),
                ..Principal::default()
            }),
            update_mask: Some(FieldMask {
                paths: vec!["display_name".into()],
            }),
        }
    }),
    row!("Accounts/DisablePrincipal", "-uu --- ddy dyd -", |_, _| {
        DisablePrincipalRequest {
            name: PRINCIPAL.into(),
            etag: STALE.into(),
            ..DisablePrincipalRequest::default()
        }
    }),
    row!("Accounts/EnablePrincipal", "-uu --- ddy dyd -", |_, _| {
        EnablePrincipalRequest {
            name: PRINCIPAL.into(),
            etag: STALE.into(),
        }
    }),
    row!("Accounts/RevokePrincipal", "-uu --- ddy dyd -", |_, _| {
        RevokePrincipalRequest {
            name: PRINCIPAL.into(),
            etag: STALE.into(),
        }
    }),
    row!("Accounts/UnlockPrincipal", "uuu --- ddy dyd -", |_, _| {
        UnlockPrincipalRequest {
            name: PRINCIPAL.into(),
        }
    }),
];

/// A principal of the firm, to be made.
fn member() -> Principal {
    Principal {
        firm: format!("firms/{FIRM}"),
        firm_role: FirmRole::Reader.into(),
        display_name: "for the matrix".into(),
        ..Principal::default()
    }
}
