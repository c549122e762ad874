//! TLS: what the node serves over it, and clients with certificates.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use idnode::net::tls::{Connector, Identity, Trust};
use idnode::wire::proto::v1;
use idnode::wire::proto::v1::accounts_client::AccountsClient;
use rcgen::{CertificateParams, KeyPair};
use tonic::transport::{Channel, Endpoint};

use super::{World, of_firm, refused};
use crate::support::{TestNode, reason};

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// A certificate that only its own key signed, in files of `folder`.
fn issue(folder: &Path, name: &str, change: impl FnOnce(&mut CertificateParams)) -> String {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    change(&mut params);
    let certificate = params.self_signed(&key).unwrap();
    write(&folder.join(format!("{name}.pem")), &certificate.pem());
    write(&folder.join(format!("{name}.key")), &key.serialize_pem());
    certificate.pem()
}

/// A folder with the node's certificate, and settings that use it.
fn settings(folder: &Path) -> impl FnOnce(&mut idnode::config::Config) + use<> {
    issue(folder, "node", |_| {});
    let file = |name: &str| folder.join(name);
    let (certificate_file, key_file) = (file("node.pem"), file("node.key"));
    move |config| {
        config.tls.listen = vec!["127.0.0.1:0".parse().unwrap()];
        config.tls.certificate_file = certificate_file;
        config.tls.key_file = key_file;
        config.tls.client_certificates = true;
    }
}

async fn client(node: &TestNode, folder: &Path, identity: Option<&str>) -> AccountsClient<Channel> {
    let file = |name: &str, kind: &str| -> PathBuf { folder.join(format!("{name}.{kind}")) };
    let identity = identity.map(|name| Identity {
        certificate_file: file(name, "pem"),
        key_file: file(name, "key"),
    });
    let trust = Trust::File(file("node", "pem"));
    let connector = Connector::new(&trust, identity.as_ref(), &[b"h2"]).unwrap();
    let url = format!("https://localhost:{}", node.tls.port());
    let endpoint = Endpoint::from_shared(url).unwrap();
    AccountsClient::new(endpoint.connect_with_connector(connector).await.unwrap())
}

async fn who(accounts: &mut AccountsClient<Channel>) -> Result<String, String> {
    let answer = accounts.who_am_i(v1::WhoAmIRequest {}).await;
    let actor = answer.map(|answer| answer.into_inner().actor);
    actor.map_err(|status| reason(&status))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_certificate_is_who_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let world = World::start_with(settings(folder)).await;
    let pem = issue(folder, "meter", |_| {});
    issue(folder, "stranger", |_| {});
    let request_of = |firm: &str| v1::CreateCertificateRequest {
        principal: Some(of_firm(firm, v1::FirmRole::Reader)),
        certificate: pem.clone(),
    };
    let request = || request_of("f-1");
    let mut meter = client(&world.node, folder, Some("meter")).await;
    assert_eq!(who(&mut meter).await.as_deref(), Ok("anonymous"));
    let mut accounts = world.owner.accounts();
    let made = accounts
        .create_certificate(request())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(made.kind(), v1::principal::Kind::Certificate);
    assert!(made.scope.unwrap().expire_time.is_some());
    // At once, on the connection that is open.
    let id = made.name.strip_prefix("principals/").unwrap();
    assert_eq!(who(&mut meter).await.as_deref(), Ok(id));
    for identity in [None, Some("stranger")] {
        let mut other = client(&world.node, folder, identity).await;
        assert_eq!(who(&mut other).await.as_deref(), Ok("anonymous"));
    }
    let again = world
        .other_owner
        .accounts()
        .create_certificate(request_of("f-2"))
        .await;
    assert_eq!(refused(again), "PRINCIPAL_EXISTS");
    let revoke = v1::RevokePrincipalRequest {
        name: made.name.clone(),
        etag: String::new(),
    };
    assert_eq!(refused(accounts.revoke_principal(revoke).await), "");
    assert_eq!(who(&mut meter).await, Err("KEY_INVALID".to_owned()));
    // A revoked one may be registered again, by whom it belongs to.
    let again = accounts.create_certificate(request()).await;
    assert_eq!(refused(again), "");
    assert_eq!(who(&mut meter).await.as_deref(), Ok(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_cannot_count_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let world = World::start().await;
    let expired = issue(folder, "expired", |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    });
    let early = issue(folder, "early", |params| {
        params.not_before = rcgen::date_time_ymd(2990, 1, 1);
        params.not_after = rcgen::date_time_ymd(2991, 1, 1);
    });
    let key = fs::read_to_string(folder.join("early.key")).unwrap();
    for pem in [
        expired.as_str(),
        &early,
        &key,
        "",
        "-----BEGIN CERTIFICATE-----",
    ] {
        let request = v1::CreateCertificateRequest {
            principal: Some(of_firm("f-1", v1::FirmRole::Reader)),
            certificate: pem.into(),
        };
        let made = world.owner.accounts().create_certificate(request).await;
        let status = made.err().unwrap();
        assert_eq!(reason(&status), "CERTIFICATE_INVALID", "{pem}");
        assert!(!status.message().contains("PRIVATE"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_speaks_tls() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let world = World::start_with(settings(folder)).await;
    let url = format!("https://localhost:{}", world.node.tls.port());
    let run = |arguments: &[&str], ca: &str| {
        std::process::Command::new(env!("CARGO_BIN_EXE_idnode"))
            .args(arguments)
            .args(["--server", &url, "--ca-file"])
            .arg(folder.join(ca))
            .env("IDNODE_KEY", &world.node.key)
            .env("XDG_STATE_HOME", folder)
            .output()
            .unwrap()
    };
    let health = tokio::task::block_in_place(|| run(&["health"], "node.pem"));
    assert!(health.status.success(), "{health:?}");
    let status = tokio::task::block_in_place(|| run(&["status"], "node.pem"));
    assert!(status.status.success(), "{status:?}");
    // The key goes over TLS: nothing is to be warned of.
    assert_eq!(String::from_utf8_lossy(&status.stderr), "");
    issue(folder, "other", |_| {});
    let distrusted = tokio::task::block_in_place(|| run(&["status"], "other.pem"));
    assert_eq!(distrusted.status.code(), Some(6), "{distrusted:?}");
    let missing = tokio::task::block_in_place(|| run(&["status"], "none.pem"));
    assert_eq!(missing.status.code(), Some(2), "{missing:?}");
}
