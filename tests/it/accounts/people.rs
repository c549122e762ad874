//! People: first passwords, one-time codes, lock-out, sessions.

use idnode::crypto::{TOTP_SECRET_BYTES, TOTP_STEP_SECS, TotpSecret};
use idnode::wire::proto::v1;
use tonic::Response;

use super::{World, create_key, of_firm, of_node, refused, sign_in, who};
use crate::support::TestNode;

const PASSWORD: &str = "Korrekt 7 Pferde";

#[tokio::test(flavor = "multi_thread")]
async fn three_roles_exclude_each_other() {
    let node = TestNode::start().await;
    let (system, security, auditor) = (node.clients(), node.security(), node.auditor());
    let new = || of_node(v1::NodeRole::Auditor);
    assert_eq!(refused(create_key(&security, new()).await), "");
    assert_eq!(
        refused(create_key(&system, new()).await),
        "PERMISSION_DENIED"
    );
    assert_eq!(
        refused(create_key(&auditor, new()).await),
        "PERMISSION_DENIED"
    );
    assert_eq!(
        refused(create_key(&node.anonymous(), new()).await),
        "KEY_REQUIRED"
    );
    let prefix = |name: &str| v1::CreatePrefixRequest {
        prefix: Some(v1::Prefix {
            name: format!("prefixes/{name}"),
            firm: "A firm".into(),
            ..v1::Prefix::default()
        }),
        ..v1::CreatePrefixRequest::default()
    };
    let mut may = Vec::new();
    for clients in [&system, &security, &auditor] {
        let made = clients.registry().create_prefix(prefix("88.118.9")).await;
        may.push(refused(made));
        let mut accounts = clients.accounts();
        let all = v1::ListPrincipalsRequest::default();
        let listed = accounts.list_principals(all).await.unwrap();
        assert_eq!(listed.into_inner().principals.len(), 4);
    }
    assert_eq!(may, ["", "PERMISSION_DENIED", "PERMISSION_DENIED"]);
    let listed = node.anonymous();
    let listed = listed
        .accounts()
        .list_principals(v1::ListPrincipalsRequest::default())
        .await;
    assert_eq!(refused(listed), "KEY_REQUIRED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_security_administrator_stays() {
    let node = TestNode::start().await;
    let security = node.security();
    let own = format!("principals/{}", who(&security).await.unwrap());
    let revoke = || v1::RevokePrincipalRequest {
        name: own.clone(),
        etag: String::new(),
    };
    let disable = v1::DisablePrincipalRequest {
        name: own.clone(),
        ..v1::DisablePrincipalRequest::default()
    };
    let mut accounts = security.accounts();
    assert_eq!(
        refused(accounts.revoke_principal(revoke()).await),
        "LAST_ADMINISTRATOR"
    );
    let disabled = accounts.disable_principal(disable).await;
    assert_eq!(refused(disabled), "LAST_ADMINISTRATOR");
    let mut expiring = of_node(v1::NodeRole::SecurityAdministrator);
    expiring.scope = Some(v1::Scope {
        expire_time: Some("9999-01-01T00:00:00Z".parse().unwrap()),
        ..v1::Scope::default()
    });
    create_key(&security, expiring).await.unwrap();
    assert_eq!(
        refused(accounts.revoke_principal(revoke()).await),
        "LAST_ADMINISTRATOR"
    );
    let another = of_node(v1::NodeRole::SecurityAdministrator);
    create_key(&security, another).await.unwrap();
    assert_eq!(refused(accounts.revoke_principal(revoke()).await), "");
    assert_eq!(who(&security).await, Err("KEY_INVALID".to_owned()));
}

/// The secret that an authenticator would read from `uri`.
pub(crate) fn secret_of(uri: &str) -> TotpSecret {
    let (_, behind) = uri.split_once("?secret=").unwrap();
    let (secret, _) = behind.split_once('&').unwrap();
    let octets = data_encoding::BASE32_NOPAD
        .decode(secret.as_bytes())
        .unwrap();
    TotpSecret::new(&<[u8; TOTP_SECRET_BYTES]>::try_from(octets).unwrap())
}

/// The code `ahead` steps from now; the next counts already.
pub(crate) fn code_of(secret: &TotpSecret, ahead: u64) -> String {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let code = secret.code(now.as_secs() / TOTP_STEP_SECS + ahead);
    code.as_str().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_begins_with_a_first_password_and_always_has_a_code() {
    let node = TestNode::start().await;
    let (security, anyone) = (node.security(), node.anonymous());
    let request = v1::CreatePersonRequest {
        principal: Some(of_node(v1::NodeRole::Auditor)),
        one_time_code: false,
    };
    let made = security
        .accounts()
        .create_person(request.clone())
        .await
        .unwrap();
    let made = made.into_inner();
    let person = made.principal.unwrap();
    assert!(person.one_time_code && person.first_password);
    let again = security.accounts().create_person(request).await;
    assert_eq!(refused(again), "LOGIN_NAME_TAKEN");
    let secret = secret_of(&made.one_time_code_uri);
    let code = code_of(&secret, 0);
    let (first, code) = (made.first_password.as_str(), code.as_str());
    let attempt = |values| sign_in(&anyone, "zhao", values);
    let failed = "SIGN_IN_FAILED";
    assert_eq!(attempt([first, "", PASSWORD]).await.err().unwrap(), failed);
    assert_eq!(
        attempt([first, "000000", PASSWORD]).await.err().unwrap(),
        failed
    );
    assert_eq!(
        attempt([first, code, "short"]).await.err().unwrap(),
        "PASSWORD_WEAK"
    );
    assert_eq!(
        attempt([first, code, first]).await.err().unwrap(),
        "PASSWORD_WEAK"
    );
    assert_eq!(
        attempt([first, code, ""]).await.err().unwrap(),
        "PASSWORD_FIRST"
    );
    let session = attempt([first, code, PASSWORD]).await.unwrap();
    let signed_in = node.clients_with(&session.token);
    let id = person.name.strip_prefix("principals/").unwrap().to_owned();
    assert_eq!(who(&signed_in).await, Ok(id));
    // The first password is gone, and a code serves once.
    assert_eq!(attempt([first, code, ""]).await.err().unwrap(), failed);
    assert_eq!(attempt([PASSWORD, code, ""]).await.err().unwrap(), failed);
    let removed = v1::SetOneTimeCodeRequest {
        name: person.name,
        enabled: false,
        etag: String::new(),
    };
    for clients in [&signed_in, &security] {
        let removed = clients.accounts().set_one_time_code(removed.clone()).await;
        assert_eq!(refused(removed), "PERMISSION_DENIED");
    }
    let out = signed_in.accounts().sign_out(v1::SignOutRequest {}).await;
    assert_eq!(refused(out), "");
    assert_eq!(who(&signed_in).await, Err("KEY_INVALID".to_owned()));
    drop((signed_in, anyone, security));
    // A restart lets no code be used twice, and what is sealed still opens.
    let node = node.restart().await;
    let anyone = node.anonymous();
    let again = sign_in(&anyone, "zhao", [PASSWORD, code, ""]).await;
    assert_eq!(again.err().as_deref(), Some(failed));
    let next = code_of(&secret, 1);
    let signed_in = sign_in(&anyone, "zhao", [PASSWORD, &next, ""]).await;
    assert!(signed_in.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_its_owners_and_ends_other_sessions() {
    let world = World::start().await;
    let (person, first) = world.person("wang").await;
    let anyone = world.node.anonymous();
    let session = sign_in(&anyone, "wang@f-1", [&first, "", PASSWORD])
        .await
        .unwrap();
    let other = sign_in(&anyone, "wang@f-1", [PASSWORD, "", ""])
        .await
        .unwrap();
    let (one, two) = (
        world.node.clients_with(&session.token),
        world.node.clients_with(&other.token),
    );
    let change = |password: &str, new: &str| v1::ChangePasswordRequest {
        password: password.into(),
        new_password: new.into(),
    };
    let mut accounts = one.accounts();
    let wrong = accounts
        .change_password(change("wrong", "Andere 8 Pferde"))
        .await;
    assert_eq!(refused(wrong), "SIGN_IN_FAILED");
    let weak = accounts
        .change_password(change(PASSWORD, "wang wang wang 1A"))
        .await;
    assert_eq!(refused(weak), "PASSWORD_WEAK");
    let changed = accounts
        .change_password(change(PASSWORD, "Andere 8 Pferde"))
        .await;
    assert_eq!(refused(changed), "");
    assert!(who(&one).await.is_ok());
    assert_eq!(who(&two).await, Err("KEY_INVALID".to_owned()));
    for no_person in [&world.owner, &world.node.anonymous()] {
        let mut accounts = no_person.accounts();
        let changed = accounts.change_password(change("a", "Andere 8 Pferde"));
        let refusal = refused(changed.await);
        assert!(["PRINCIPAL_KIND", "KEY_REQUIRED"].contains(&refusal.as_str()));
    }
    // Reset by an owner: a first password again, and no session.
    let reset = v1::ResetPasswordRequest {
        name: person.name,
        etag: String::new(),
    };
    let mut others = world.other_owner.accounts();
    assert_eq!(
        refused(others.reset_password(reset.clone()).await),
        "PRINCIPAL_NOT_FOUND"
    );
    let reset = world.owner.accounts().reset_password(reset).await.unwrap();
    assert_eq!(who(&one).await, Err("KEY_INVALID".to_owned()));
    let first = reset.into_inner().first_password;
    let refusal = sign_in(&anyone, "wang@f-1", [&first, "", ""]).await.err();
    assert_eq!(refusal.as_deref(), Some("PASSWORD_FIRST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_counts_in_its_firm_only() {
    let world = World::start().await;
    let (_, first) = world.person("wang").await;
    for login in [
        "wang",
        "wang@f-2",
        "wang@",
        "@f-1",
        "WANG@f-1",
        "wang@f-1@f-1",
        "",
    ] {
        let refusal = sign_in(&world.node.anonymous(), login, [&first, "", PASSWORD]).await;
        assert_eq!(refusal.err().as_deref(), Some("SIGN_IN_FAILED"), "{login}");
    }
    // The same name in another firm is another person.
    let request = v1::CreatePersonRequest {
        principal: Some(v1::Principal {
            display_name: "wang".into(),
            ..of_firm("f-2", v1::FirmRole::Reader)
        }),
        one_time_code: false,
    };
    let made = world.other_owner.accounts().create_person(request).await;
    assert_eq!(refused(made), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_lock_a_person_out_until_it_is_unlocked() {
    let world = World::start_with(|config| config.access.sign_in_failures_max = 3).await;
    let (person, first) = world.person("wang").await;
    let anyone = world.node.anonymous();
    let signed_in = sign_in(&anyone, "wang@f-1", [&first, "", PASSWORD]).await;
    assert!(signed_in.is_ok());
    for password in ["a", "b", "c", PASSWORD] {
        let refusal = sign_in(&anyone, "wang@f-1", [password, "", ""]).await;
        assert_eq!(
            refusal.err().as_deref(),
            Some("SIGN_IN_FAILED"),
            "{password}"
        );
    }
    let show = v1::GetPrincipalRequest {
        name: person.name.clone(),
    };
    let shown = world.owner.accounts().get_principal(show).await;
    let left = shown.unwrap().into_inner().locked_for.unwrap().seconds;
    assert!((1..=1800).contains(&left), "{left}");
    let unlock = v1::UnlockPrincipalRequest { name: person.name };
    let mut others = world.other_owner.accounts();
    assert_eq!(
        refused(others.unlock_principal(unlock.clone()).await),
        "PRINCIPAL_NOT_FOUND"
    );
    let unlocked = world.owner.accounts().unlock_principal(unlock).await;
    assert_eq!(unlocked.unwrap().into_inner().locked_for, None);
    assert!(
        sign_in(&anyone, "wang@f-1", [PASSWORD, "", ""])
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_fails_too_often_is_locked_out() {
    let world = World::start_with(|config| config.access.sign_in_failures_max = 1).await;
    let (_, first) = world.person("wang").await;
    let anyone = world.node.anonymous();
    for attempt in 0..10 {
        let nobody = format!("nobody-{attempt}@f-1");
        let refusal = sign_in(&anyone, &nobody, ["x", "", ""]).await;
        assert_eq!(refusal.err().as_deref(), Some("SIGN_IN_FAILED"));
    }
    let refusal = sign_in(&anyone, "wang@f-1", [&first, "", PASSWORD]).await;
    assert_eq!(refusal.err().as_deref(), Some("SIGN_IN_LOCKED"));
    // Keys, which nobody guesses, are not.
    assert!(who(&world.owner).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_it_disables_ends_at_the_next_request() {
    let world = World::start().await;
    let (person, first) = world.person("wang").await;
    let anyone = world.node.anonymous();
    let session = sign_in(&anyone, "wang@f-1", [&first, "", PASSWORD])
        .await
        .unwrap();
    let signed_in = world.node.clients_with(&session.token);
    let disable = v1::DisablePrincipalRequest {
        name: person.name.clone(),
        reason: "on leave".into(),
        etag: String::new(),
    };
    let mut accounts = world.owner.accounts();
    let disabled = accounts
        .disable_principal(disable.clone())
        .await
        .map(Response::into_inner);
    assert_eq!(disabled.unwrap().disable_reason, "on leave");
    assert_eq!(who(&signed_in).await, Err("KEY_INVALID".to_owned()));
    let refusal = sign_in(&anyone, "wang@f-1", [PASSWORD, "", ""]).await;
    assert_eq!(refusal.err().as_deref(), Some("SIGN_IN_FAILED"));
    assert_eq!(
        refused(accounts.disable_principal(disable).await),
        "PRINCIPAL_STATE"
    );
    let enable = v1::EnablePrincipalRequest {
        name: person.name.clone(),
        etag: "stale".into(),
    };
    assert_eq!(
        refused(accounts.enable_principal(enable.clone()).await),
        "ETAG_INVALID"
    );
    let enable = v1::EnablePrincipalRequest {
        etag: String::new(),
        ..enable
    };
    assert_eq!(refused(accounts.enable_principal(enable.clone()).await), "");
    // Sessions of before stay ended.
    assert_eq!(who(&signed_in).await, Err("KEY_INVALID".to_owned()));
    assert!(
        sign_in(&anyone, "wang@f-1", [PASSWORD, "", ""])
            .await
            .is_ok()
    );
    let revoke = v1::RevokePrincipalRequest {
        name: person.name,
        etag: String::new(),
    };
    assert_eq!(refused(accounts.revoke_principal(revoke).await), "");
    assert_eq!(
        refused(accounts.enable_principal(enable).await),
        "PRINCIPAL_STATE"
    );
    // Its name is free again.
    world.person("wang").await;
}
