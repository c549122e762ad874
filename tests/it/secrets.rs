//! Secrets stay where they belong: canaries that look like nothing else are used as
//! clients use theirs, and then looked for in logs at their most talkative, in
//! metrics, in refusals and answers to others, in every file of the store and of a backup, and
//! in what a crash leaves.
//!
//! An `HS_SECKEY` is a value of a record, which the node must have as it is to check
//! proofs with: the store keeps it like any other value, and who may read the files of
//! the store may read it. It is looked for everywhere else, and so is what not everyone
//! may read.
//!
//! The memory of the process is not searched: the libraries that read requests do not
//! wipe their buffers. That no core file is written is what keeps them.

mod crash;
mod private;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use idnode::wire::handle::{Flags, HandleRequest, OpCode, ResponseCode};
use idnode::wire::proto::v1::{self, Value, value};
use tonic::{Response, Status};

use self::private::use_private;
use crate::accounts::people::{code_of, secret_of};
use crate::support::handle::{HandleClient, Identity, Key};
use crate::support::{Clients, NodeProcess, record};

const PASSWORD: &str = "Kanarienvogel-7391-Passwort";
const WRONG_PASSWORD: &str = "Kanarienvogel-5527-falsch";
const LEGAL_PERSON: &str = "李金丝雀之七";
const CITIZEN: &str = "11010519491231002X";
const PHONE: &str = "13873917391";
const EMAIL: &str = "kanarienvogel-7391@example.com";
const LICENCE: &[u8] = b"%PDF-1.4\nKanarienvogel-6604-Dokument\n%%EOF\n";
const DOCUMENT_TEXT: &str = "Kanarienvogel-6604-Dokument";
const HANDLE_SECRET: &str = "Kanarienvogel-8846-HS_SECKEY";

/// What must not be found, and whether the store may have it.
struct Canary {
    what: &'static str,
    text: String,
    is_value: bool,
}

/// Canaries that were used, and everything that clients were told meanwhile.
#[derive(Default)]
struct Told {
    canaries: Vec<Canary>,
    refusals: Vec<String>,
}

impl Told {
    fn secret(&mut self, what: &'static str, text: &str) {
        assert!(text.len() >= 8, "{what}: {text} could be found by chance");
        self.canaries.push(Canary {
            what,
            text: text.to_owned(),
            is_value: false,
        });
    }

    /// A value of a record, which the store has as it is.
    fn value(&mut self, what: &'static str, text: &str) {
        self.canaries.push(Canary {
            what,
            text: text.to_owned(),
            is_value: true,
        });
    }

    /// Takes note of a refusal.
    #[track_caller]
    fn refused<T>(&mut self, answer: Result<Response<T>, Status>) {
        let status = answer.err().expect("refused");
        let details = String::from_utf8_lossy(status.details()).into_owned();
        self.refusals.push(format!("{status:?} {details}"));
    }
}

fn hidden(index: u32, value_type: &str, data: &str) -> Value {
    Value {
        index,
        r#type: value_type.to_owned(),
        data: Some(value::Data::Binary(data.as_bytes().to_vec().into())),
        permissions: Some(v1::Permissions {
            admin_read: true,
            admin_write: true,
            ..v1::Permissions::default()
        }),
        ..Value::default()
    }
}

fn of_node(name: &str) -> v1::Principal {
    v1::Principal {
        node_role: v1::NodeRole::Auditor.into(),
        display_name: name.into(),
        ..v1::Principal::default()
    }
}

/// Keys: made, used, rotated, cut and misspelled.
async fn use_keys(node: &NodeProcess, told: &mut Told) {
    for key in node.keys() {
        let (_, secret) = key.rsplit_once('_').expect("a key");
        told.secret("a first key", secret);
    }
    let mut accounts = node.security().accounts();
    let request = v1::CreateKeyRequest {
        principal: Some(of_node("for the canaries")),
    };
    let made = accounts.create_key(request).await.unwrap().into_inner();
    let rotate = v1::RotateKeyRequest {
        name: made.principal.unwrap().name,
        ..v1::RotateKeyRequest::default()
    };
    let rotated = accounts.rotate_key(rotate).await.unwrap().into_inner();
    for key in [made.key, rotated.key] {
        let (_, secret) = key.rsplit_once('_').expect("a key");
        told.secret("a key", secret);
        let who = v1::WhoAmIRequest {};
        let clients = node.clients_with(&key);
        clients.accounts().who_am_i(who).await.unwrap();
        // A reader of audits that asks for what it may not.
        let backup = v1::CreateBackupRequest::default();
        told.refused(clients.node().create_backup(backup).await);
        let misspelled = node.clients_with(&format!("{key}x"));
        told.refused(misspelled.accounts().who_am_i(who).await);
    }
}

/// A person: its first password, its own, a wrong one, its session, and the secret
/// of its one-time codes.
async fn use_passwords(node: &NodeProcess, told: &mut Told) {
    let security = node.security();
    let request = v1::CreatePersonRequest {
        principal: Some(of_node("zhao")),
        one_time_code: true,
    };
    let made = security.accounts().create_person(request).await.unwrap();
    let made = made.into_inner();
    told.secret("a first password", &made.first_password);
    let uri = &made.one_time_code_uri;
    let secret = uri.split_once("secret=").expect("a secret").1;
    let secret = secret.split('&').next().expect("a secret");
    told.secret("the secret of one-time codes", secret);
    told.secret("a password", PASSWORD);
    told.secret("a wrong password", WRONG_PASSWORD);
    let sign_in = |password: &str, code: &str| v1::SignInRequest {
        login: "zhao".into(),
        password: password.into(),
        one_time_code: code.into(),
        new_password: PASSWORD.into(),
    };
    let anonymous = Clients::new(node.address(), None);
    let mut accounts = anonymous.accounts();
    told.refused(accounts.sign_in(sign_in(WRONG_PASSWORD, "123456")).await);
    // A password where a login name belongs, as people do.
    let slip = v1::SignInRequest {
        login: WRONG_PASSWORD.into(),
        ..v1::SignInRequest::default()
    };
    told.refused(accounts.sign_in(slip).await);
    let code = code_of(&secret_of(uri), 0);
    let signed_in = accounts.sign_in(sign_in(&made.first_password, &code)).await;
    let token = signed_in.unwrap().into_inner().token;
    let (_, secret) = token.rsplit_once('_').expect("a token");
    told.secret("a session", secret);
    let clients = node.clients_with(&token);
    let who = v1::WhoAmIRequest {};
    clients.accounts().who_am_i(who).await.unwrap();
    let change = v1::ChangePasswordRequest {
        password: WRONG_PASSWORD.into(),
        new_password: PASSWORD.into(),
    };
    told.refused(clients.accounts().change_password(change).await);
}

/// The key of a Handle identity: kept, refused where the public could read it, and
/// proven over the Handle protocol.
async fn use_handle_secrets(node: &NodeProcess, told: &mut Told) {
    told.value("an HS_SECKEY", HANDLE_SECRET);
    let clients = node.clients();
    clients.home_prefix("88.118.7").await;
    let create = |name: &str, value: Value| v1::CreateRecordRequest {
        record: Some(record(name, vec![value])),
        ..v1::CreateRecordRequest::default()
    };
    let kept = hidden(300, "HS_SECKEY", HANDLE_SECRET);
    let request = create("88.118.7/App_a", kept.clone());
    clients
        .registry()
        .create_record(request.clone())
        .await
        .unwrap();
    told.refused(clients.registry().create_record(request).await);
    let public = Value {
        permissions: Some(v1::Permissions {
            admin_read: true,
            public_read: true,
            ..v1::Permissions::default()
        }),
        ..kept
    };
    let request = create("88.118.7/App_b", public);
    told.refused(clients.registry().create_record(request).await);
    let mut client = HandleClient::connect(node.handle()).await;
    client.identity = Some(Identity {
        handle: "88.118.7/App_a".into(),
        index: 300,
        key: Key::Secret(HANDLE_SECRET.as_bytes().to_vec(), 0x13),
    });
    let reply = client
        .ask(OpCode::DELETE_HANDLE, Flags::RESOLUTION, |body| {
            HandleRequest {
                handle: b"88.118.7/App_a",
            }
            .encode(body);
        })
        .await;
    assert_eq!(reply.code(), ResponseCode::INVALID_ADMIN);
    told.refusals.push(reply.text());
}

/// A firm: its people and papers, its owner's key, a share link.
async fn use_firm(node: &NodeProcess, told: &mut Told) {
    for (what, text) in [
        ("the name of a person", LEGAL_PERSON),
        ("the number of a citizen", CITIZEN),
        ("a telephone number", PHONE),
        ("an address of mail", EMAIL),
        ("a document", DOCUMENT_TEXT),
    ] {
        told.secret(what, text);
    }
    let apply = v1::ApplyFirmRequest {
        facts: Some(v1::FirmFacts {
            display_name: "温州霁澜川电器有限公司".into(),
            credit_code: "91350100M000100Y43".into(),
            region: "330382".into(),
            address: "柳市镇电器大道 1 号".into(),
            industry: "C3823".into(),
            wanted_prefix: "88.118.8".into(),
            servers: Vec::new(),
        }),
        people: Some(v1::FirmPeople {
            legal_person: LEGAL_PERSON.into(),
            citizen_number: CITIZEN.into(),
            contact: LEGAL_PERSON.into(),
            phone: PHONE.into(),
            email: EMAIL.into(),
        }),
        validate_only: false,
    };
    let anonymous = Clients::new(node.address(), None);
    let applied = anonymous.firms().apply_firm(apply).await.unwrap();
    let applied = applied.into_inner();
    let (_, secret) = applied.owner_key.rsplit_once('_').expect("a key");
    told.secret("an owner's key", secret);
    let name = applied.firm.unwrap().name;
    let owner = node.clients_with(&applied.owner_key);
    let people = || v1::GetFirmPeopleRequest { name: name.clone() };
    owner.firms().get_firm_people(people()).await.unwrap();
    told.refused(anonymous.firms().get_firm_people(people()).await);
    admit(node, &owner, &name).await;
    let now = SystemTime::UNIX_EPOCH + SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let in_an_hour = now + Duration::from_secs(3600);
    let share = v1::CreateShareRequest {
        share: Some(v1::Share {
            owner: name.clone(),
            purpose: "a test".into(),
            targets: vec!["88.118.8/A*".into()],
            expire_time: Some(in_an_hour.into()),
            ..v1::Share::default()
        }),
        ..v1::CreateShareRequest::default()
    };
    let share = owner.sharing().create_share(share).await.unwrap();
    let token = share.into_inner().token;
    let (_, secret) = token.rsplit_once('_').expect("a token");
    told.secret("a share link", secret);
    let guest = node.clients_with(&token);
    told.refused(guest.firms().get_firm_people(people()).await);
}

/// The way of a firm from its papers to its prefix.
async fn admit(node: &NodeProcess, owner: &Clients, name: &str) {
    let attach = v1::AttachDocumentRequest {
        name: name.into(),
        kind: v1::FirmDocumentKind::BusinessLicence.into(),
        file_name: "licence.pdf".into(),
        content: LICENCE.to_vec(),
        ..v1::AttachDocumentRequest::default()
    };
    owner.firms().attach_document(attach).await.unwrap();
    let submit = v1::SubmitFirmRequest {
        name: name.into(),
        ..v1::SubmitFirmRequest::default()
    };
    owner.firms().submit_firm(submit).await.unwrap();
    let verify = v1::VerifyFirmRequest {
        name: name.into(),
        ..v1::VerifyFirmRequest::default()
    };
    node.clients().firms().verify_firm(verify).await.unwrap();
    let approve = v1::ApproveFirmRequest {
        name: name.into(),
        ..v1::ApproveFirmRequest::default()
    };
    node.security().firms().approve_firm(approve).await.unwrap();
    let activate = v1::ActivateFirmRequest {
        name: name.into(),
        ..v1::ActivateFirmRequest::default()
    };
    node.clients()
        .firms()
        .activate_firm(activate)
        .await
        .unwrap();
}

/// Every file below `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn contains(bytes: &[u8], text: &str) -> bool {
    let canary = text.as_bytes();
    bytes
        .windows(canary.len())
        .any(|part| part.eq_ignore_ascii_case(canary))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_found_where_it_does_not_belong() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = NodeProcess::start_with(folder.path(), &["telemetry.filter=trace"]).await;
    let mut told = Told::default();
    use_keys(&node, &mut told).await;
    use_passwords(&node, &mut told).await;
    use_handle_secrets(&node, &mut told).await;
    use_firm(&node, &mut told).await;
    use_private(&node, &mut told).await;
    back_up(&node.clients()).await;
    let metrics = node.metrics().await;
    // Of a process that may not be looked into, all but `/proc/<id>` itself is root's.
    let owner = fs::metadata(format!("/proc/{}/mem", node.id())).unwrap();
    assert_eq!(owner.uid(), 0, "its memory is root's");
    crash::leaves_no_core_file(&mut node, folder.path());

    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(log.contains("TRACE"), "the log is at its most talkative");
    let printed: Vec<_> = log
        .lines()
        .filter(|line| is_first_key(&node, line))
        .collect();
    assert_eq!(printed.len(), 3, "each first key is shown once");
    let log: String = log
        .lines()
        .filter(|line| !is_first_key(&node, line))
        .collect();
    let refusals = told.refusals.join("\n");
    let texts = [
        ("log", log),
        ("metrics", metrics),
        ("refusals and answers", refusals),
    ];
    // What does belong there is found: the search can fail.
    for ((place, text), known) in texts.iter().zip(["TRACE", "idnode_", "PERMISSION_DENIED"]) {
        assert!(contains(text.as_bytes(), known), "{known} in the {place}");
    }
    let mut found = Vec::new();
    let mut kept_count = 0;
    for canary in &told.canaries {
        for (place, text) in &texts {
            if contains(text.as_bytes(), &canary.text) {
                found.push(format!("{} in the {place}", canary.what));
            }
        }
    }
    for path in files(folder.path()) {
        let name = path
            .strip_prefix(folder.path())
            .unwrap()
            .display()
            .to_string();
        assert!(!name.starts_with("core"), "a core file: {name}");
        if name == "log" {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        kept_count += usize::from(contains(&bytes, HANDLE_SECRET));
        for canary in told.canaries.iter().filter(|canary| !canary.is_value) {
            if contains(&bytes, &canary.text) {
                found.push(format!("{} in {name}", canary.what));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(kept_count >= 2, "what is in a file is found: {kept_count}");
}

fn is_first_key(node: &NodeProcess, line: &str) -> bool {
    node.keys().iter().any(|key| line.contains(key.as_str()))
}

/// Makes a backup and waits for it.
async fn back_up(clients: &Clients) {
    let request = v1::CreateBackupRequest {
        backup_id: "canaries".into(),
    };
    let made = clients.node().create_backup(request).await.unwrap();
    let wait = v1::WaitOperationRequest {
        name: made.into_inner().name,
        ..v1::WaitOperationRequest::default()
    };
    let done = clients.node().wait_operation(wait).await.unwrap();
    assert!(done.into_inner().done);
}
