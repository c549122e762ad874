//! Contents of the Handle System's own values, through the faces: written as
//! messages and JSON, kept as bytes, shown as both, and refused.

use std::path::Path;
use std::process::{Command, Stdio};

use idnode::wire::proto::v1::{self, handle_data::Content, value};
use tonic::Code;

use crate::support::{Clients, TestNode, reason, record, text};

const PREFIX: &str = "88.118.7";
const ADMIN: &str = r#"{"handle":"0.NA/88.118.7","index":200,"permissions":"011111110011"}"#;
/// The same in bytes (RFC 3651 §3.2.1).
const ADMIN_BYTES: &[u8] = b"\x07\xf3\0\0\0\x0d0.NA/88.118.7\0\0\0\xc8";
const SITE: &str = r#"{"version":1,"protocolVersion":"2.11","serialNumber":1,"primarySite":true,
    "multiPrimary":false,"attributes":[{"name":"desc","value":"x"}],"servers":[{"serverId":1,
    "address":"192.0.2.1","interfaces":[{"query":true,"admin":true,"protocol":"TCP","port":2641}]}]}"#;
/// A group of one member whose bytes are UTF-8.
const GROUP: &str = r#"[{"handle":"88.118.7/App_erp","index":1}]"#;
const PEM: &str = include_str!("../data/values/rsa.pem");

fn said(index: u32, value_type: &str, content: Content) -> v1::Value {
    let content = Some(content);
    v1::Value {
        index,
        r#type: value_type.to_owned(),
        handle_data: Some(Box::new(v1::HandleData { content })),
        ..v1::Value::default()
    }
}

fn admin() -> Content {
    Content::Admin(v1::HandleAdmin {
        reference: "200:0.NA/88.118.7".into(),
        permissions: 0x07f3,
    })
}

async fn put(
    clients: &Clients,
    name: &str,
    values: Vec<v1::Value>,
) -> Result<v1::Record, tonic::Status> {
    let request = v1::UpdateRecordRequest {
        record: Some(record(&format!("{PREFIX}/{name}"), values)),
        allow_missing: true,
        ..v1::UpdateRecordRequest::default()
    };
    let answer = clients.registry().update_record(request).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_that_is_written_is_read_as_bytes_and_as_content() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    put(&clients, "a", vec![said(100, "HS_ADMIN", admin())])
        .await
        .unwrap();
    let resolved = node.anonymous().resolve("88.118.7/a").await.unwrap();
    let value = &resolved.values[0];
    assert_eq!(value.data, Some(value::Data::Binary(ADMIN_BYTES.into())));
    let content = value
        .handle_data
        .as_ref()
        .and_then(|data| data.content.clone());
    assert_eq!(content, Some(admin()));

    let again = put(&clients, "a", resolved.values.clone()).await.unwrap();
    assert_eq!(again.etag, resolved.etag, "what was read changes nothing");
    let mut changed = resolved.values;
    changed[0].handle_data = said(1, "", admin()).handle_data;
    changed[0].data = Some(value::Data::Binary(ADMIN_BYTES[..2].to_vec().into()));
    let refused = put(&clients, "a", changed).await.expect_err("two contents");
    assert_eq!(reason(&refused), "FIELD_INVALID");
}

#[tokio::test(flavor = "multi_thread")]
async fn data_without_the_form_of_its_type_is_refused() {
    let node = TestNode::start().await;
    let clients = node.clients();
    clients.home_prefix(PREFIX).await;
    let public = v1::Permissions {
        public_read: true,
        ..v1::Permissions::default()
    };
    let shown_secret = v1::Value {
        permissions: Some(public),
        ..text(300, "HS_SECKEY", "x")
    };
    let zero_rsa = v1::HandlePublicKey {
        key: Some(v1::handle_public_key::Key::Rsa(v1::HandleRsaKey::default())),
    };
    let cases = [
        (text(100, "HS_ADMIN", ADMIN), "VALUE_DATA_INVALID"),
        (text(1, "HS_SITE", "x"), "VALUE_DATA_INVALID"),
        (text(1, "HS_SITE.PREFIX", ""), "VALUE_DATA_INVALID"),
        (text(200, "HS_VLIST", "\0\0\0\u{1}"), "VALUE_DATA_INVALID"),
        (text(300, "HS_PUBKEY", "-----BEGIN"), "VALUE_DATA_INVALID"),
        (text(1, "HS_ALIAS", "88.118.7"), "VALUE_DATA_INVALID"),
        (text(1, "HS_SERV", ""), "VALUE_DATA_INVALID"),
        (text(1, "HS_NAMESPACE", "<namespace>"), "VALUE_DATA_INVALID"),
        (
            said(300, "HS_PUBKEY", Content::PublicKey(zero_rsa)),
            "VALUE_DATA_INVALID",
        ),
        (shown_secret, "VALUE_SECRET_PUBLIC"),
        (text(300, "hs_seckey", "x"), "TYPE_UNKNOWN"),
        (said(1, "URL", admin()), "FIELD_INVALID"),
    ];
    for (value, expected) in cases {
        let shown = format!("{value:?}");
        let refused = put(&clients, "a", vec![text(7, "URL", "x"), value]).await;
        let status = refused.expect_err(&shown);
        assert_eq!(
            (status.code(), reason(&status)),
            (Code::InvalidArgument, expected.into()),
            "{shown}"
        );
    }
    let kept = [
        text(1, "HS_ALIAS", "88.118.7/b"),
        text(2, "HS_SERV.PREFIX", "0.NA/88.118.7"),
        text(
            3,
            "HS_NAMESPACE",
            "<namespace><status>active</status></namespace>",
        ),
        text(300, "HS_SECKEY", "x"),
        text(301, "HS_PUBKEY", PEM),
        text(400, "HS_SIGNATURE", "not looked at"),
    ];
    put(&clients, "a", kept.to_vec()).await.unwrap();
    let indices = |record: v1::Record| record.values.iter().map(|v| v.index).collect::<Vec<_>>();
    let public = node.anonymous().resolve("88.118.7/a").await.unwrap();
    assert_eq!(
        indices(public),
        [1, 2, 3, 301, 400],
        "a secret is shown to nobody else"
    );
}

/// Runs the command line against `node`; how it ends, what it prints and says.
fn run(node: &TestNode, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_idnode"))
        .args(arguments)
        .args(["--server", &format!("http://{}", node.http)])
        .env_clear()
        .env("IDNODE_KEY", &node.key)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn done(node: &TestNode, arguments: &[&str]) -> String {
    let (exit, out, err) = run(node, arguments);
    assert_eq!(exit, 0, "{arguments:?}: {out}{err}");
    out
}

fn json(node: &TestNode, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&done(node, &[arguments, &["-o", "json"]].concat())).expect("JSON")
}

fn parsed(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("JSON")
}

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).expect("write");
    path.to_str().expect("text").to_owned()
}

/// Puts a record with a value of each form, from texts and files.
fn put_each_form(node: &TestNode, folder: &Path) {
    let site = write(folder, "siteinfo.json", SITE);
    let pem = write(folder, "key.pem", PEM);
    let old_form = write(folder, "admin.bin", [ADMIN_BYTES, &[0, 0]].concat());
    let put = [
        "put",
        "88.118.7/a",
        "--value",
        &format!("100:HS_ADMIN={ADMIN}"),
        "--value",
        &format!("200:HS_VLIST={GROUP}"),
        "--value-file",
        &format!("1:HS_SITE={site}"),
        "--value-file",
        &format!("300:HS_PUBKEY={pem}"),
        "--value-file",
        &format!("101:HS_ADMIN={old_form}"),
    ];
    done(node, &put);
    done(
        node,
        &["put", "88.118.7/b", "--value", "300:HS_SECKEY=secret"],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_takes_and_shows_json() {
    let node = TestNode::start().await;
    node.clients().home_prefix(PREFIX).await;
    let folder = tempfile::tempdir().unwrap();
    put_each_form(&node, folder.path());

    let table = done(&node, &["resolve", "88.118.7/a", "--type", "HS_ADMIN"]);
    assert_eq!(table.matches(ADMIN).count(), 2, "{table}");
    let shown = json(&node, &["get", "88.118.7/a"]);
    let of = |index: u64| {
        let values = shown["values"].as_array().unwrap();
        values
            .iter()
            .find(|value| value["index"] == index)
            .unwrap()
            .clone()
    };
    assert_eq!(of(100)["handle_data"], parsed(ADMIN));
    assert_eq!(of(100)["data_base64"], "B/MAAAANMC5OQS84OC4xMTguNwAAAMg=");
    assert_eq!(of(200)["handle_data"], parsed(GROUP));
    assert!(
        of(200)["data_base64"].is_string(),
        "bytes are no text by chance"
    );
    assert_eq!(of(1)["handle_data"], parsed(SITE));
    assert_eq!(of(300)["data"], PEM);
    assert_eq!(of(300)["handle_data"]["kty"], "RSA");
    let secret = json(&node, &["get", "88.118.7/b"]);
    assert_eq!(secret["values"][0]["permissions"], "rw--");

    let refused = [
        ("100:HS_ADMIN=x", "[VALUE_DATA_INVALID]"),
        ("100:HS_ADMIN={\"handle\":\"x\"}", "missing field"),
        ("1:HS_SERV=x", "[VALUE_DATA_INVALID]"),
        ("1:hs_site=x", "HS_"),
    ];
    for (value, said) in refused {
        let (exit, out, err) = run(&node, &["put", "88.118.7/c", "--value", value]);
        assert!(
            exit == 2 && err.contains(said),
            "{value}: {exit} {out}{err}"
        );
    }
    let public = [
        "put",
        "88.118.7/c",
        "--value",
        "300:HS_SECKEY=x",
        "--permissions",
        "rwr-",
    ];
    let (exit, _, err) = run(&node, &public);
    assert!(exit == 2 && err.contains("[VALUE_SECRET_PUBLIC]"), "{err}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_gives_contents_back() {
    let node = TestNode::start().await;
    node.clients().home_prefix(PREFIX).await;
    let folder = tempfile::tempdir().unwrap();
    put_each_form(&node, folder.path());
    let before = json(&node, &["get", "88.118.7/a"]);
    for name in ["out.csv", "out.ndjson", "whole.ndjson"] {
        let path = folder.path().join(name);
        let path = path.to_str().unwrap();
        if name == "whole.ndjson" {
            // What `get` shows, bytes and contents, is a line too.
            std::fs::write(path, before.to_string()).unwrap();
        } else {
            done(&node, &["export", PREFIX, "--output", path]);
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.contains("0.NA/88.118.7"), "{text}");
        }
        let again = json(&node, &["import", path, "--on-conflict", "update"]);
        assert_eq!(
            again["unchanged_count"], again["record_count"],
            "{name}: {again}"
        );
        assert_eq!(again["refused_count"], 0, "{name}: {again}");
    }
    assert_eq!(json(&node, &["get", "88.118.7/a"])["etag"], before["etag"]);

    let row = serde_json::json!({
        "identifier": "88.118.7/d",
        "values": [{"index": 100, "type": "HS_ADMIN", "data": ADMIN}],
    });
    let path = write(folder.path(), "text.ndjson", row.to_string());
    assert_eq!(json(&node, &["import", &path])["created_count"], 1);
    let shown = json(&node, &["get", "88.118.7/d"]);
    assert_eq!(shown["values"][0]["handle_data"], parsed(ADMIN));
}
