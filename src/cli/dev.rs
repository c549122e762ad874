//! `dev`: runs a node with demo data, for this machine only, without any
//! configuration.

mod supply;

use std::fs::OpenOptions;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::cli::client::{Client, Connection, TlsOptions, read_key};
use crate::cli::config;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::serve;
use crate::cli::shape::checked;
use crate::cli::signals;
use crate::config::Sources;
use crate::demo::{Application, Demo};
use crate::model::NodeRole;
use crate::server::{Addresses, Server};
use crate::wire::proto::v1;
use crate::wire::proto::v1::import_records_request::OnConflict;

/// The name of the file with the operator's key, in the data folder.
const KEY_FILE: &str = "operator.key";
/// The name of the file with the key of the owner of the firm that applies.
const OWNER_KEY_FILE: &str = "firm-owner.key";
/// The file with a security administrator's key.
const SECURITY_KEY_FILE: &str = "security.key";
/// The file with an auditor's key.
const AUDITOR_KEY_FILE: &str = "auditor.key";
/// What the demo data is made from.
const DEMO_SEED: u64 = 1;
/// Records of the demo data.
const DEMO_RECORDS: u64 = 2000;
/// Records that are sent at once.
const CHUNK_RECORDS: usize = 1000;
/// How long a step of loading the demo data may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(30);
/// What `dev` sets: addresses of this machine only, and little memory.
const SETTINGS: [(&str, &str); 6] = [
    ("http.listen", "127.0.0.1:8480"),
    ("dns.listen", "127.0.0.1:5380"),
    ("handle.listen", "127.0.0.1:2641"),
    ("store.cache_bytes", "67108864"),
    ("store.write_buffer_bytes", "16777216"),
    ("telemetry.filter", "warn"),
];

/// Arguments of `dev`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode dev
  idnode dev --data /tmp/idnode --set telemetry.filter=debug")]
pub struct Arguments {
    /// The folder that keeps the data from start to start
    #[arg(long, value_name = "DIR", env = "IDNODE_DATA")]
    data: Option<PathBuf>,
    /// A setting, as `idnode config default` shows them. May be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE", value_parser = config::setting)]
    set: Vec<(String, String)>,
}

/// Runs a node with demo data.
///
/// # Errors
/// [`Exit::Failed`] if the node cannot start.
pub async fn run(arguments: Arguments, output: &Output) -> Result<(), Failure> {
    let Arguments { data, set } = arguments;
    let data = data.or_else(data_dir).ok_or_else(|| {
        Failure::usage("there is no home folder").hint("name one: idnode dev --data DIR")
    })?;
    let own = SETTINGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let folder = ("store.data_dir".to_owned(), data.display().to_string());
    let sources = Sources {
        flags: own.into_iter().chain([folder]).chain(set).collect(),
        ..Sources::default()
    };
    let loaded = config::load(&sources, output)?;
    let logs = serve::logs(&loaded, output)?;
    let mut server = Box::pin(serve::bind(&loaded, &logs)).await?;
    keep_keys(&mut server, &data)?;
    let addresses = server.addresses();
    let shutdown = CancellationToken::new();
    let work = async {
        let welcome = async {
            let welcomed = welcome(&addresses, &data, output).await;
            if welcomed.is_err() {
                shutdown.cancel();
            }
            welcomed
        };
        let ((), welcomed) = tokio::join!(server.run(shutdown.clone()), welcome);
        welcomed
    };
    Box::pin(signals::until_done(work, shutdown.clone(), output, || {})).await
}

/// Writes the keys that were made at this start into `data`, for nobody else to
/// read.
fn keep_keys(server: &mut Server, data: &Path) -> Result<(), Failure> {
    for (role, key) in server.take_new_keys() {
        let path = data.join(match role {
            NodeRole::SystemAdministrator => KEY_FILE,
            NodeRole::SecurityAdministrator => SECURITY_KEY_FILE,
            NodeRole::Auditor => AUDITOR_KEY_FILE,
        });
        write_key(&key, &path)?;
    }
    Ok(())
}

/// Writes a key to `path`, for nobody else to read.
fn write_key(key: &str, path: &Path) -> Result<(), Failure> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    file.and_then(|mut file| writeln!(file, "{key}"))
        .map_err(|error| Failure::io(&format!("cannot write {}", path.display()), &error))
}

/// Loads the demo data into a node that has none, and says what runs where.
async fn welcome(addresses: &Addresses, data: &Path, output: &Output) -> Result<(), Failure> {
    let http = addresses.http.first().map(ToString::to_string);
    let connection = Connection {
        server: format!("http://{}", http.unwrap_or_default()),
        key_file: Some(data.join(KEY_FILE)),
        timeout: STEP_TIMEOUT,
        tls: TlsOptions::default(),
    };
    let client = connection.client(output).await?;
    let demo = Demo::new(DEMO_SEED, DEMO_RECORDS);
    let request = client.request(v1::GetStatusRequest {});
    let status = client.answer(client.node().get_status(request)).await?;
    if status.prefix_count == 0 {
        output.say("loading demo data");
        load(&client, &demo).await?;
        let (_, key) = apply(&client, &demo.application()).await?;
        write_key(&key, &data.join(OWNER_KEY_FILE))?;
        let security = read_key(&data.join(SECURITY_KEY_FILE))?;
        let security = client.with_key(&security)?;
        supply::load(&demo, (&client, &security), data).await?;
    }
    let identifier = demo.identifier(0).to_string();
    let request = client.request(v1::ResolveRequest {
        identifier: identifier.clone(),
        ..v1::ResolveRequest::default()
    });
    // The demo data may have been deleted since; the banner names it all the same.
    let resolved = client.answer(client.resolution().resolve(request)).await;
    let record = resolved.ok().and_then(|answer| answer.record);
    let dns_name = record.map(|record| record.dns_name).unwrap_or_default();
    let mut text = banner(addresses, data, &identifier, &dns_name);
    if let Some(firm) = demo.firms().first() {
        let (identity, secret) = demo.administrator(firm);
        text.push_str(&format!(
            "Identity {identity}, secret {secret}, administers {}\n\n",
            firm.prefix()
        ));
    }
    let chain = demo.supply();
    let request = client.request(v1::ResolveRequest {
        identifier: chain.story().lot.to_string(),
        ..v1::ResolveRequest::default()
    });
    // Data of an earlier release has no chain.
    if client
        .answer(client.resolution().resolve(request))
        .await
        .is_ok()
    {
        let http = addresses.http.first().map(ToString::to_string);
        text.push_str(&supply::story(&chain, data, &http.unwrap_or_default()));
    }
    output.data(&text)
}

async fn load(client: &Client, demo: &Demo) -> Result<(), Failure> {
    let mut registry = client.registry();
    let all = std::iter::once(Demo::prefix_of_prefixes()).chain(demo.prefixes());
    for (prefix, firm) in all {
        let request = client.request(v1::CreatePrefixRequest {
            prefix: Some(v1::Prefix {
                name: format!("prefixes/{prefix}"),
                firm: firm.to_owned(),
                ..v1::Prefix::default()
            }),
            home: true,
            ..v1::CreatePrefixRequest::default()
        });
        client.answer(registry.create_prefix(request)).await?;
    }
    let mut records = Vec::new();
    let things = (0..demo.identifiers()).map(|position| demo.record(position));
    for (identifier, values) in demo.administration().chain(things) {
        records.push(v1::Record {
            name: format!("records/{identifier}"),
            values: checked(values)?,
            ..v1::Record::default()
        });
    }
    import(client, records).await
}

/// Registers records, unless they are there.
async fn import(client: &Client, records: Vec<v1::Record>) -> Result<(), Failure> {
    let chunks: Vec<_> = records
        .chunks(CHUNK_RECORDS)
        .map(|records| v1::ImportRecordsRequest {
            on_conflict: OnConflict::Skip.into(),
            validate_only: false,
            records: records.to_vec(),
            bulk: false,
        })
        .collect();
    let mut registry = client.registry();
    let call = registry.import_records(tokio_stream::iter(chunks));
    let mut answers = client.answer(call).await?;
    while let Some(answer) = client.wait(answers.message()).await? {
        if let Some(error) = answer.rejections.into_iter().find_map(|r| r.error) {
            let text = format!("the demo data is refused: {}", error.message);
            return Err(Failure::new(Exit::Failed, text));
        }
    }
    Ok(())
}

/// Has a firm apply, so that there is one to review; its name, and its owner's key.
async fn apply(client: &Client, application: &Application) -> Result<(String, String), Failure> {
    let Application {
        name,
        credit_code,
        region,
        address,
        industry,
        wanted_prefix,
        legal_person,
        contact,
        phone,
        email,
        licence,
    } = application;
    let request = client.request(v1::ApplyFirmRequest {
        facts: Some(v1::FirmFacts {
            display_name: name.clone(),
            credit_code: credit_code.clone(),
            region: (*region).to_owned(),
            address: (*address).to_owned(),
            industry: (*industry).to_owned(),
            wanted_prefix: wanted_prefix.clone(),
            servers: Vec::new(),
        }),
        people: Some(v1::FirmPeople {
            legal_person: (*legal_person).to_owned(),
            citizen_number: String::new(),
            contact: (*contact).to_owned(),
            phone: (*phone).to_owned(),
            email: email.clone(),
        }),
        validate_only: false,
    });
    let applied = client.answer(client.firms().apply_firm(request)).await?;
    let owner = client.with_key(&applied.owner_key)?;
    let name = applied.firm.unwrap_or_default().name;
    let request = owner.request(v1::AttachDocumentRequest {
        name: name.clone(),
        kind: v1::FirmDocumentKind::BusinessLicence.into(),
        file_name: "营业执照.pdf".to_owned(),
        content: licence.to_vec(),
        ..v1::AttachDocumentRequest::default()
    });
    owner.answer(owner.firms().attach_document(request)).await?;
    let request = owner.request(v1::SubmitFirmRequest {
        name: name.clone(),
        ..v1::SubmitFirmRequest::default()
    });
    owner.answer(owner.firms().submit_firm(request)).await?;
    Ok((name, applied.owner_key))
}

/// What runs where, and what to try.
fn banner(addresses: &Addresses, data: &Path, identifier: &str, dns_name: &str) -> String {
    let Addresses {
        http,
        tls: _,
        dns,
        handle,
    } = addresses;
    let http = http.first().map(ToString::to_string).unwrap_or_default();
    let first = |addresses: &[SocketAddr]| {
        let first = addresses.first();
        first.map_or_else(|| "off".to_owned(), ToString::to_string)
    };
    let mut text = format!(
        "
idnode {version} runs on this machine only; stop it with Ctrl-C

  gRPC     {http}    also /metrics, /livez, /readyz
  DNS      {shown_dns}    UDP and TCP
  Handle   {shown_handle}    UDP and TCP; over HTTP on the port of gRPC
  data     {data}
  key      {key}    a system administrator's; this machine's idnode finds it
           beside it {security} and {auditor}, of the two other roles

Try {identifier}

  idnode resolve {identifier} --server http://{http}
  idnode firm list --state submitted --server http://{http}
  grpcurl -plaintext -d '{{\"identifier\":\"{identifier}\"}}' {http} idnode.v1.Resolution/Resolve
  buf curl --protocol grpc --http2-prior-knowledge -d '{{\"identifier\":\"{identifier}\"}}' http://{http}/idnode.v1.Resolution/Resolve
",
        version = env!("CARGO_PKG_VERSION"),
        shown_dns = first(dns),
        shown_handle = first(handle),
        data = data.display(),
        key = data.join(KEY_FILE).display(),
        security = SECURITY_KEY_FILE,
        auditor = AUDITOR_KEY_FILE,
    );
    if let (Some(address), false) = (dns.first(), dns_name.is_empty()) {
        let (ip, port) = (address.ip(), address.port());
        text.push_str(&format!("  dig @{ip} -p {port} {dns_name} TXT\n"));
        text.push_str(&format!("  dig @{ip} -p {port} {dns_name} NAPTR +tcp\n"));
    }
    if let Some(address) = handle.first() {
        text.push_str(&format!(
            "  idnode handle trace {identifier} --handle {address} --type URL\n"
        ));
    }
    text.push('\n');
    text
}

/// The folder of `idnode dev` if none is named: `$XDG_DATA_HOME/idnode-dev`, or
/// `~/.local/share/idnode-dev` (XDG Base Directory Specification).
fn data_dir() -> Option<PathBuf> {
    let folder = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let data_home =
        folder("XDG_DATA_HOME").or_else(|| Some(folder("HOME")?.join(".local/share")))?;
    Some(data_home.join("idnode-dev"))
}

/// The file with the operator's key that `idnode dev` writes.
pub fn key_file() -> Option<PathBuf> {
    let named = std::env::var_os("IDNODE_DATA").map(PathBuf::from);
    Some(named.or_else(data_dir)?.join(KEY_FILE))
}
