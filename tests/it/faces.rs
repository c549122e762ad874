//! One record on every face: what one says, all say, and at once.

use std::path::Path;
use std::process::Command;

use idnode::wire::proto::v1::{self, Permissions, Value};

use crate::support::{Clients, TestNode, reason, record, text, tool};

const PREFIX: &str = "88.118.7";

/// What `client` prints when it asks `node` for `name` and `record_type`.
fn asked(client: &Path, node: &TestNode, name: &str, record_type: &str) -> String {
    let output = if client.ends_with("drill") {
        Command::new(client)
            .args(["-p", &node.dns.port().to_string(), name])
            .arg(format!("@{}", node.dns.ip()))
            .arg(record_type)
            .output()
    } else {
        Command::new(client)
            .arg(format!("@{}", node.dns.ip()))
            .args(["-p", &node.dns.port().to_string(), "+norec", "+timeout=5"])
            .args([name, record_type])
            .output()
    };
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A value for operators only.
fn hidden(index: u32, data: &str) -> Value {
    Value {
        permissions: Some(Permissions {
            admin_read: true,
            admin_write: true,
            ..Permissions::default()
        }),
        ..text(index, "DESC", data)
    }
}

async fn update(clients: &Clients, identifier: &str, values: Vec<Value>) {
    let request = v1::UpdateRecordRequest {
        record: Some(record(identifier, values)),
        allow_missing: true,
        ..v1::UpdateRecordRequest::default()
    };
    clients.registry().update_record(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_shows_in_the_dns_once_it_is_acknowledged() {
    let Some(dig) = tool("dig") else { return };
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let identifier = format!("{PREFIX}/DZ47-63.20250108");
    let name = "20250108.dz47-63._id.7.118.88.id.example.";
    let ask = |name| asked(&dig, &node, name, "URI");
    assert!(ask(name).contains("status: NXDOMAIN"));

    let created = clients
        .create(&identifier, "https://a.example/1")
        .await
        .unwrap();
    assert_eq!(created.dns_name, name);
    assert!(ask(name).contains("\"https://a.example/1\""));
    // A name above it exists, and has nothing.
    let above = ask("dz47-63._id.7.118.88.id.example.");
    assert!(
        above.contains("status: NOERROR") && above.contains("ANSWER: 0"),
        "{above}"
    );

    update(
        &clients,
        &identifier,
        vec![text(1, "URL", "https://a.example/2")],
    )
    .await;
    let answer = ask(name);
    assert!(answer.contains("\"https://a.example/2\"") && !answer.contains("example/1"));

    let suspend = v1::SuspendPrefixRequest {
        name: format!("prefixes/{PREFIX}"),
        reason: "a test".into(),
        ..v1::SuspendPrefixRequest::default()
    };
    clients.registry().suspend_prefix(suspend).await.unwrap();
    let suspended = ask(name);
    assert!(suspended.contains("status: NXDOMAIN"), "{suspended}");
    assert!(suspended.contains("EDE: 18"), "{suspended}");
    let refused = node.anonymous().resolve(&identifier).await.unwrap_err();
    assert_eq!(reason(&refused), "PREFIX_SUSPENDED");

    let activate = v1::ActivatePrefixRequest {
        name: format!("prefixes/{PREFIX}"),
        ..v1::ActivatePrefixRequest::default()
    };
    clients.registry().activate_prefix(activate).await.unwrap();
    assert!(ask(name).contains("\"https://a.example/2\""));

    let delete = v1::DeleteRecordRequest {
        name: format!("records/{identifier}"),
        ..v1::DeleteRecordRequest::default()
    };
    clients.registry().delete_record(delete).await.unwrap();
    assert!(ask(name).contains("status: NXDOMAIN"));
    let refused = node.anonymous().resolve(&identifier).await.unwrap_err();
    assert_eq!(reason(&refused), "RECORD_NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_face_shows_a_hidden_value_without_a_key() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let identifier = format!("{PREFIX}/A-1");
    let values = vec![text(1, "DESC", "for-all"), hidden(2, "for-operators")];
    update(&clients, &identifier, values).await;

    let seen = |record: v1::Record| format!("{:?}", record.values);
    let by_operator = seen(clients.resolve(&identifier).await.unwrap());
    assert!(by_operator.contains("for-all") && by_operator.contains("for-operators"));
    let by_anyone = seen(node.anonymous().resolve(&identifier).await.unwrap());
    assert!(by_anyone.contains("for-all") && !by_anyone.contains("for-operators"));
    for name in ["dig", "kdig", "drill"] {
        let Some(client) = tool(name) else { continue };
        for record_type in ["TXT", "NAPTR", "URI", "ANY"] {
            let answer = asked(&client, &node, "a-1._id.7.118.88.id.example.", record_type);
            assert!(!answer.contains("for-operators"), "{name}: {answer}");
            assert_eq!(
                answer.contains("for-all"),
                record_type == "TXT",
                "{name}: {answer}"
            );
        }
    }
}
