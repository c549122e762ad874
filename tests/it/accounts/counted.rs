//! Sign-ins are counted by kind and result.

use idnode::wire::handle::{Flags, OpCode, ResponseCode};

use super::{World, sign_in, who};
use crate::handle::{create, handle_only, secret};
use crate::support::handle::{HandleClient, Identity, Key};
use crate::support::http::metrics;
use crate::support::wait_until;

const PASSWORD: &str = "Korrekt 7 Pferde";

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_are_counted_by_kind_and_result() {
    let world = World::start_with(|config| config.access.sign_in_failures_max = 1).await;
    let (_, first) = world.person("wang").await;
    let anyone = world.node.anonymous();
    let login = "wang@f-1";
    let refusal = sign_in(&anyone, login, [&first, "", ""]).await;
    assert_eq!(refusal.err().as_deref(), Some("PASSWORD_FIRST"));
    let signed_in = sign_in(&anyone, login, [&first, "", PASSWORD]).await;
    assert!(signed_in.is_ok());
    // So many lock the address out.
    for attempt in 0..10 {
        let nobody = format!("nobody-{attempt}@f-1");
        let refusal = sign_in(&anyone, &nobody, ["x", "", ""]).await;
        assert_eq!(refusal.err().as_deref(), Some("SIGN_IN_FAILED"));
    }
    let refusal = sign_in(&anyone, login, [PASSWORD, "", ""]).await;
    assert_eq!(refusal.err().as_deref(), Some("SIGN_IN_LOCKED"));
    let stranger = world.node.clients_with("no key of this node");
    assert_eq!(who(&stranger).await, Err("KEY_INVALID".to_owned()));
    let clients = world.node.clients();
    clients.home_prefix("TEST").await;
    create(&clients, "TEST/APP", vec![secret(300, b"its own")]).await;
    for (handle, key, code) in [
        ("TEST/APP", b"its own", ResponseCode::INVALID_ADMIN),
        ("TEST/APP", b"another", ResponseCode::AUTHENTICATION_FAILED),
        ("ELSE/APP", b"another", ResponseCode::AUTHENTICATION_FAILED),
    ] {
        let identity = Identity {
            handle: handle.into(),
            index: 300,
            key: Key::Secret(key.to_vec(), 0x13),
        };
        let mut client = HandleClient::connect_as(world.node.handle, &identity).await;
        let flags = Flags::RESOLUTION;
        let reply = client
            .ask(OpCode::DELETE_HANDLE, flags, handle_only("TEST/APP"))
            .await;
        assert_eq!(reply.code(), code, "{handle}");
    }
    wait_until("all are counted", async || {
        let metrics = metrics(world.node.http).await;
        [
            ("password", "ok", 1),
            ("password", "failed", 10),
            ("password", "locked", 1),
            ("password", "other", 1),
            ("handle", "ok", 1),
            ("handle", "failed", 2),
            ("key", "failed", 1),
        ]
        .iter()
        .all(|(kind, result, count)| {
            let labels = format!("{{kind=\"{kind}\",result=\"{result}\"}}");
            metrics.contains(&format!("idnode_sign_ins_total{labels} {count}\n"))
        })
    })
    .await;
}
