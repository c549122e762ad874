//! `idnode keys` and `idnode site`, as a process.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;

use data_encoding::HEXLOWER;
use idnode::crypto::{SITE_HASH_ALGORITHM, SignedProof, SiteKey, verify_message};
use idnode::model::data::json::data_of_text;
use idnode::model::data::{PublicKey, Site};
use idnode::wire::handle::{
    ENVELOPE_BYTES, Envelope, ErrorResponse, Flags, HandleRequest, List, Message, MessageWriter,
    OpCode, ResponseCode,
};

fn idnode(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_idnode"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

fn done(arguments: &[&str]) -> (String, String) {
    let output = idnode(arguments);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {out}{err}");
    (out, err)
}

fn refused(arguments: &[&str], exit: i32, stderr: &str) {
    let output = idnode(arguments);
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {err}");
    assert!(err.contains(stderr), "{arguments:?} says {err}");
    assert_eq!(output.stdout, b"", "{arguments:?}");
}

fn json(arguments: &[&str]) -> serde_json::Value {
    let (out, _) = done(&[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&out).expect("JSON")
}

fn mode(path: &Path) -> u32 {
    let metadata = fs::metadata(path).expect("a file");
    metadata.permissions().mode() & 0o777
}

#[test]
fn a_new_key_signs_and_its_public_half_is_told() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("erp.pem");
    let (public_pem, talk) = done(&["keys", "rsa", "--output", path.to_str().expect("UTF-8")]);
    assert_eq!(mode(&path), 0o600);
    let private = SiteKey::load(&path).expect("an RSA key");
    let key = PublicKey::from_pem(&public_pem).expect("only the key is on stdout");
    assert_eq!(key, private.public_key());
    let proof = SignedProof {
        hash_algorithm: SITE_HASH_ALGORITHM,
        signature: &private.sign(&[b"message"]).expect("a signature"),
    };
    assert_eq!(verify_message(&key, &[b"message"], &proof), Ok(()));
    assert!(talk.contains(&HEXLOWER.encode(&key.encode())), "{talk}");
    assert!(talk.contains("--value '300:HS_PUBKEY={"), "{talk}");
    assert!(!talk.contains("PRIVATE"), "{talk}");
}

#[test]
fn what_programs_read_says_the_same_three_times() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("erp.pem");
    let text = path.to_str().expect("UTF-8");
    let shape = json(&["keys", "sm2", "--output", text]);
    assert_eq!(mode(&path), 0o600);
    assert_eq!(shape["private_key_file"], text);
    let member = |name: &str| shape[name].as_str().expect("text");
    let key = PublicKey::from_pem(member("public_key_pem")).expect("a key");
    assert!(matches!(key, PublicKey::Sm2 { .. }));
    let data = HEXLOWER
        .decode(member("hs_pubkey").as_bytes())
        .expect("hex");
    assert_eq!(PublicKey::decode(&data).expect("a key"), key);
    let value = member("value")
        .strip_prefix("300:HS_PUBKEY=")
        .expect("a value");
    let data = data_of_text("HS_PUBKEY", value).expect("a type of its own");
    assert_eq!(PublicKey::decode(&data.expect("data")).expect("a key"), key);
}

#[test]
fn ed25519_has_no_value() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("signer.pem");
    let shape = json(&["keys", "ed25519", "--output", path.to_str().expect("UTF-8")]);
    assert_eq!(mode(&path), 0o600);
    let private = fs::read_to_string(&path).expect("text");
    assert!(private.starts_with("-----BEGIN PRIVATE KEY-----\n"));
    let names = shape.as_object().expect("an object").keys();
    assert_eq!(
        names.collect::<Vec<_>>(),
        ["private_key_file", "public_key_pem"]
    );
}

#[test]
fn a_file_is_never_overwritten() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("erp.pem");
    fs::write(&path, "the only copy").expect("written");
    let text = path.to_str().expect("UTF-8");
    refused(&["keys", "sm2", "--output", text], 5, "exists already");
    assert_eq!(fs::read_to_string(&path).expect("text"), "the only copy");
    // Nor one that is to come.
    let link = folder.path().join("link.pem");
    std::os::unix::fs::symlink(folder.path().join("nowhere"), &link).expect("a link");
    let text = link.to_str().expect("UTF-8");
    refused(&["keys", "ed25519", "--output", text], 5, "exists already");
}

#[test]
fn tells_wrong_usage() {
    refused(&["keys", "rsa"], 2, "--output");
    refused(
        &["keys", "rsa", "--output", "x", "--bits", "1024"],
        2,
        "2048",
    );
    let nowhere = "/nowhere/erp.pem";
    refused(&["keys", "sm2", "--output", nowhere], 1, "cannot write");
}

/// Recorded from a Handle server of protocol 2.11.
fn recorded_site() -> Vec<u8> {
    let lines = include_str!("../data/values/recorded.hex").lines();
    let hex = lines
        .filter_map(|line| line.strip_prefix("HS_SITE "))
        .next();
    HEXLOWER
        .decode(hex.expect("a site").as_bytes())
        .expect("hex")
}

/// Answers one GET_SITE_INFO with `code` and `body`; where it listens.
fn answer_once(code: ResponseCode, body: Vec<u8>) -> (String, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut head = [0; ENVELOPE_BYTES];
        stream.read_exact(&mut head).expect("an envelope");
        let asked = Envelope::decode(&head).expect("an envelope");
        let mut message = vec![0; asked.message_len().expect("a length")];
        stream.read_exact(&mut message).expect("a message");
        let message = Message::decode(&message).expect("a message");
        let mut header = message.header;
        assert_eq!(header.op_code, OpCode::GET_SITE_INFO);
        let request = HandleRequest::decode(message.body).expect("a body");
        assert_eq!(request.handle, b"/");
        header.response_code = code;
        header.flags = Flags::RESOLUTION.answering();
        let mut reply = Vec::new();
        let mut writer = MessageWriter::begin(&mut reply, &asked.reply(), &header);
        writer.body().extend_from_slice(&body);
        let reply = writer.finish(&[]).expect("within limits");
        stream.write_all(reply).expect("written");
    });
    (address, server)
}

#[test]
fn shows_the_site_of_a_server() {
    let (address, server) = answer_once(ResponseCode::SUCCESS, recorded_site());
    let shape = json(&["site", "show", &address]);
    server.join().expect("asked as it expects");
    assert_eq!(shape["protocolVersion"], "2.11");
    assert_eq!(shape["servers"][0]["address"], "127.0.0.1");
    let (address, _server) = answer_once(ResponseCode::SUCCESS, recorded_site());
    let (table, _) = done(&["site", "show", &address]);
    assert!(table.contains("RSA, 2048 bits"), "{table}");
    assert!(table.contains("TCP"), "{table}");
}

#[test]
fn keeps_the_site_of_a_server_as_a_value_holds_it() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("site.bin");
    let (address, _server) = answer_once(ResponseCode::SUCCESS, recorded_site());
    let text = path.to_str().expect("UTF-8");
    done(&["site", "export", &address, "--output", text]);
    let kept = fs::read(&path).expect("a file");
    assert_eq!(kept, recorded_site());
    assert!(Site::decode(&kept).is_ok());
}

#[test]
fn tells_what_a_server_says_instead_of_its_site() {
    let mut body = Vec::new();
    ErrorResponse {
        message: b"not\x1b[2J today",
        indexes: List::default(),
    }
    .encode(&mut body);
    let (address, _server) = answer_once(ResponseCode::ERROR, body);
    refused(
        &["site", "show", &address],
        1,
        "2(ERROR): not\\u{1b}[2J today",
    );
    let (address, _server) = answer_once(ResponseCode::SUCCESS, vec![0, 1, 2]);
    refused(&["site", "show", &address], 1, "answers with no site");
    refused(
        &["site", "show", "127.0.0.1:9"],
        6,
        "no Handle server answers",
    );
}

#[test]
fn gives_up_on_a_server_that_does_not_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let arguments = ["site", "show", &address, "--timeout", "100ms"];
    refused(&arguments, 6, "did not answer in time");
}
