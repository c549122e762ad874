//! Keys: what they are confined to, and how they are renewed.

use idnode::store::Store;
use idnode::wire::proto::v1;
use tonic::Response;

use super::{World, create_key, of_firm, of_node, refused, who};
use crate::support::{Clients, TestNode};

async fn rotate(clients: &Clients, name: &str, overlap_secs: i64) -> Result<String, String> {
    let request = v1::RotateKeyRequest {
        name: name.into(),
        overlap: Some(prost_types::Duration {
            seconds: overlap_secs,
            nanos: 0,
        }),
        etag: String::new(),
    };
    let made = clients.accounts().rotate_key(request).await;
    let key = made.map(|made| made.into_inner().key);
    key.map_err(|status| refused::<()>(Err(status)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_renewed_without_a_gap() {
    let world = World::start().await;
    let made = create_key(&world.owner, of_firm("f-1", v1::FirmRole::Registrar)).await;
    let made = made.unwrap();
    let (name, old) = (
        made.principal.unwrap().name,
        world.node.clients_with(&made.key),
    );
    // By itself, with an overlap; then by an owner, without.
    let second = world
        .node
        .clients_with(&rotate(&old, &name, 3600).await.unwrap());
    assert_eq!(who(&old).await, who(&second).await);
    let third = rotate(&world.owner, &name, 0).await.unwrap();
    let invalid = Err("KEY_INVALID".to_owned());
    assert_eq!(who(&second).await, invalid);
    assert_eq!(who(&old).await, invalid);
    assert!(who(&world.node.clients_with(&third)).await.is_ok());
    for (secs, expected) in [
        (-1, "FIELD_INVALID"),
        (2_592_001, "FIELD_INVALID"),
        (2_592_000, ""),
    ] {
        let refusal = rotate(&world.owner, &name, secs).await.err();
        assert_eq!(refusal.unwrap_or_default(), expected, "{secs}");
    }
    let refusal = rotate(&world.other_owner, &name, 0).await.err();
    assert_eq!(refusal.as_deref(), Some("PRINCIPAL_NOT_FOUND"));
    let refusal = rotate(&world.owner, "principals/nobody", 0).await.err();
    assert_eq!(refusal.as_deref(), Some("PRINCIPAL_NOT_FOUND"));
}

#[tokio::test(flavor = "multi_thread")]
async fn networks_and_expiry_confine_a_key() {
    let world = World::start().await;
    let with = |scope: v1::Scope| v1::Principal {
        scope: Some(scope),
        ..of_firm("f-1", v1::FirmRole::Reader)
    };
    let networks = |network: &str| v1::Scope {
        networks: vec![network.into()],
        ..v1::Scope::default()
    };
    let expiring = |time: &str| v1::Scope {
        expire_time: Some(time.parse().unwrap()),
        ..v1::Scope::default()
    };
    for (scope, counts) in [
        (networks("127.0.0.0/8"), true),
        (networks("10.0.0.0/8"), false),
        (networks("::1"), false),
        (expiring("9999-01-01T00:00:00Z"), true),
        (expiring("2020-01-01T00:00:00Z"), false),
    ] {
        let made = create_key(&world.owner, with(scope.clone())).await.unwrap();
        let seen = who(&world.node.clients_with(&made.key)).await;
        assert_eq!(seen.is_ok(), counts, "{scope:?}: {seen:?}");
    }
    let refusal = create_key(&world.owner, with(networks("10.0.0.0/40"))).await;
    assert_eq!(refused(refusal), "FIELD_INVALID");
    let many = v1::Scope {
        networks: (0..65).map(|n| format!("10.{n}.0.0/16")).collect(),
        ..v1::Scope::default()
    };
    assert_eq!(
        refused(create_key(&world.owner, with(many)).await),
        "FIELD_INVALID"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_confined_gives_no_more_than_it_has() {
    let world = World::start().await;
    let scope = |prefixes: &[&str], verbs: &[v1::Verb]| v1::Scope {
        prefixes: prefixes.iter().map(|p| format!("prefixes/{p}")).collect(),
        verbs: verbs.iter().map(|verb| i32::from(*verb)).collect(),
        ..v1::Scope::default()
    };
    let with = |scope: Option<v1::Scope>| v1::Principal {
        scope,
        ..of_firm("f-1", v1::FirmRole::Owner)
    };
    use v1::Verb::{Manage, Read, Write};
    let own = scope(&["88.1", "88.2"], &[Read, Manage]);
    let made = create_key(&world.owner, with(Some(own))).await.unwrap();
    let confined = world.node.clients_with(&made.key);
    for (asked, expected) in [
        (Some(scope(&["88.1"], &[Read])), ""),
        (Some(scope(&["88.1", "88.2"], &[Read, Manage])), ""),
        (Some(scope(&["88.1", "88.3"], &[Read])), "SCOPE_EXCEEDED"),
        (Some(scope(&["88.1"], &[Write])), "SCOPE_EXCEEDED"),
        (Some(scope(&[], &[Read])), "SCOPE_EXCEEDED"),
        (Some(scope(&["88.1"], &[])), "SCOPE_EXCEEDED"),
        (None, "SCOPE_EXCEEDED"),
    ] {
        let seen = refused(create_key(&confined, with(asked.clone())).await);
        assert_eq!(seen, expected, "{asked:?}");
    }
    // Nor does it get at the secret of one that has more, nor at more itself.
    let refusal = rotate(&confined, &world.owner_id, 0).await.err();
    assert_eq!(refusal.as_deref(), Some("SCOPE_EXCEEDED"));
    let unconfine = v1::UpdatePrincipalRequest {
        principal: Some(v1::Principal {
            name: made.principal.unwrap().name,
            ..v1::Principal::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: vec!["scope".into()],
        }),
    };
    let mut accounts = confined.accounts();
    let refusal = accounts.update_principal(unconfine.clone()).await;
    assert_eq!(refused(refusal), "SCOPE_EXCEEDED");
    let done = world.owner.accounts().update_principal(unconfine).await;
    assert_eq!(done.unwrap().into_inner().scope, None);
    assert_eq!(refused(create_key(&confined, with(None)).await), "");
    // Without the verb it keeps nothing at all.
    let reading = create_key(&world.owner, with(Some(scope(&[], &[Read])))).await;
    let reading = world.node.clients_with(&reading.unwrap().key);
    let refusal = create_key(&reading, with(Some(scope(&[], &[Read])))).await;
    assert_eq!(refused(refusal), "PERMISSION_DENIED");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_owners_and_security_administrators_keep_a_firms_principals() {
    let world = World::start().await;
    let new = || of_firm("f-1", v1::FirmRole::Reader);
    let member = |role| create_key(&world.owner, of_firm("f-1", role));
    let registrar = member(v1::FirmRole::Registrar).await.unwrap().key;
    let reader = member(v1::FirmRole::Reader).await.unwrap().key;
    let (registrar, reader) = (
        world.node.clients_with(&registrar),
        world.node.clients_with(&reader),
    );
    let denied = "PERMISSION_DENIED";
    for (clients, expected) in [
        (&world.owner, ""),
        (&world.node.security(), ""),
        (&registrar, denied),
        (&reader, denied),
        (&world.other_owner, denied),
        (&world.node.clients(), denied),
        (&world.node.auditor(), denied),
        (&world.node.anonymous(), "KEY_REQUIRED"),
    ] {
        assert_eq!(refused(create_key(clients, new()).await), expected);
    }
    let list = v1::ListPrincipalsRequest {
        parent: "firms/f-1".into(),
        page_size: 3,
        ..v1::ListPrincipalsRequest::default()
    };
    for clients in [
        &world.owner,
        &reader,
        &world.node.auditor(),
        &world.node.clients(),
    ] {
        let page = clients.accounts().list_principals(list.clone()).await;
        let page = page.unwrap().into_inner();
        assert_eq!(page.principals.len(), 3);
        let next = v1::ListPrincipalsRequest {
            page_token: page.next_page_token,
            ..list.clone()
        };
        let rest = clients.accounts().list_principals(next.clone()).await;
        let rest = rest.unwrap().into_inner();
        assert_eq!(
            (rest.principals.len(), rest.next_page_token.as_str()),
            (2, "")
        );
        let foreign = world.other_owner.accounts().list_principals(next).await;
        let refusal = refused(foreign);
        assert!(["PAGE_TOKEN_INVALID", denied].contains(&refusal.as_str()));
    }
    let foreign = world.other_owner.accounts().list_principals(list).await;
    assert_eq!(refused(foreign), denied);
    let nowhere = create_key(&world.node.security(), of_firm("f-9", v1::FirmRole::Owner)).await;
    assert_eq!(refused(nowhere), "FIRM_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_another_firm_is_not_there() {
    let world = World::start().await;
    // As what nobody has.
    for name in [world.owner_id.as_str(), "principals/nobody"] {
        let show = v1::GetPrincipalRequest { name: name.into() };
        let mut accounts = world.other_owner.accounts();
        let shown = accounts.get_principal(show).await.err().unwrap();
        assert!(
            shown
                .message()
                .contains(name.strip_prefix("principals/").unwrap())
        );
        assert_eq!(refused::<()>(Err(shown)), "PRINCIPAL_NOT_FOUND");
        let revoke = v1::RevokePrincipalRequest {
            name: name.into(),
            etag: String::new(),
        };
        let revoked = accounts.revoke_principal(revoke).await;
        assert_eq!(refused(revoked), "PRINCIPAL_NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_of_a_principal_of_the_node_never_changes() {
    let node = TestNode::start().await;
    let made = create_key(&node.security(), of_node(v1::NodeRole::Auditor)).await;
    let principal = made.unwrap().principal.unwrap();
    let update = |paths: &[&str]| v1::UpdatePrincipalRequest {
        principal: Some(v1::Principal {
            name: principal.name.clone(),
            firm_role: v1::FirmRole::Owner.into(),
            node_role: v1::NodeRole::SystemAdministrator.into(),
            display_name: "renamed".into(),
            ..v1::Principal::default()
        }),
        update_mask: Some(prost_types::FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        }),
    };
    let mut accounts = node.security().accounts();
    for (paths, expected) in [
        (&["firm_role"][..], "FIELD_INVALID"),
        (&["node_role"], "FIELD_MASK_INVALID"),
        (&["firm"], "FIELD_MASK_INVALID"),
        (&["display_name"], ""),
    ] {
        let updated = accounts.update_principal(update(paths)).await;
        assert_eq!(refused(updated), expected, "{paths:?}");
    }
    let show = v1::GetPrincipalRequest {
        name: principal.name.clone(),
    };
    let shown = accounts
        .get_principal(show)
        .await
        .map(Response::into_inner)
        .unwrap();
    assert_eq!(shown.node_role(), v1::NodeRole::Auditor);
    assert_eq!(shown.display_name, "renamed");
    let scoped = v1::Principal {
        scope: Some(v1::Scope {
            prefixes: vec!["prefixes/88.1".into()],
            ..v1::Scope::default()
        }),
        ..of_node(v1::NodeRole::Auditor)
    };
    assert_eq!(
        refused(create_key(&node.security(), scoped).await),
        "FIELD_INVALID"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_node_that_knew_one_kind_of_operator_still_counts() {
    let random = [7; 32];
    let id = idnode::model::PrincipalId::parse("0a1b2c3d").unwrap();
    let old = idnode::access::NewSecret::new(&id, &random);
    let node = TestNode::start_on(|config| {
        let store = Store::open(config.clone(), idnode::store::Metrics::new()).unwrap();
        store.add_operator_key("0a1b2c3d", &old.hash).unwrap();
    })
    .await;
    let clients = node.clients_with(&old.text);
    assert_eq!(who(&clients).await.as_deref(), Ok("0a1b2c3d"));
    clients.home_prefix("88.118.7").await;
    assert!(
        clients
            .create("88.118.7/a", "https://a.example/")
            .await
            .is_ok()
    );
    // Once a principal, it can be revoked as any other.
    let revoke = v1::RevokePrincipalRequest {
        name: "principals/0a1b2c3d".into(),
        etag: String::new(),
    };
    let revoked = node.security().accounts().revoke_principal(revoke).await;
    assert_eq!(refused(revoked), "");
    assert_eq!(who(&clients).await, Err("KEY_INVALID".to_owned()));
}
