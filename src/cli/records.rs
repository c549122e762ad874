//! `resolve`, `get`, `put`, `delete`, `list`: one record, or the records of a
//! prefix.

use serde_json::json;

use crate::cli::client::{Client, Connection};
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Rows};
use crate::cli::readers::{self, ReaderArgument};
use crate::cli::shape::{RecordShape, ValueShape, checked};
use crate::cli::value_arg::ValueArguments;
use crate::model::{Identifier, Prefix};
use crate::wire::proto::v1;

/// Records that one call of `list` asks for.
const PAGE_SIZE: i32 = 500;
/// Bytes of a random request id, before it is spelled in hex.
const REQUEST_ID_BYTES: usize = 16;

/// Arguments of `resolve`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode resolve 88.118.7/DZ47-63
  idnode resolve 88.118.7/DZ47-63 --type URL --index 2000 -o json
  idnode resolve 88.118.7 --type HS_SITE")]
pub struct ResolveArguments {
    /// The identifier, as it stands in a code; a prefix alone for its own record
    identifier: String,
    /// Only values of this type; "HS_SITE." takes subtypes too. May be repeated
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,
    /// Only the value at this index. May be repeated
    #[arg(long = "index", value_name = "INDEX")]
    indices: Vec<u32>,
}

/// Arguments of `get`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode get 88.118.7/DZ47-63
  idnode get 88.118.7/DZ47-63 -o json")]
pub struct GetArguments {
    /// The identifier
    identifier: String,
}

/// Arguments of `put`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode put 88.118.7/A-1 --value 1:URL=https://a.example/ --value 2000:name=断路器
  idnode put 88.118.7/A-1 --value-file 400:HS_CERT=cert.bin --create-only
  idnode put 88.118.7/A-1 --value-file 300:HS_PUBKEY=key.pem \\
    --value '100:HS_ADMIN={\"handle\":\"0.NA/88.118.7\",\"index\":200,\"permissions\":\"011111110011\"}'
  idnode put 88.118.7/A-1 --value 1:URL=https://b.example/ --etag 1842
  idnode put 88.118.7/A-2 --value 2000:name=断路器 --record-reader firm:oujiang")]
pub struct PutArguments {
    /// The identifier
    identifier: String,
    #[command(flatten)]
    values: ValueArguments,
    /// Who may know of the record beside its owner: firm:ID, group:ID or nobody;
    /// it is not there for everyone else. May be repeated
    #[arg(long, value_name = "WHO")]
    record_reader: Vec<ReaderArgument>,
    /// Register it, and fail if it is registered already
    #[arg(long, conflicts_with = "etag")]
    create_only: bool,
    /// Register it although it was deleted before
    #[arg(long, conflicts_with = "etag")]
    reuse_deleted: bool,
    /// Replace it only if this is its etag still
    #[arg(long)]
    etag: Option<String>,
    #[command(flatten)]
    write: WriteArguments,
}

/// Arguments of `delete`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode delete 88.118.7/A-1
  idnode delete 88.118.7/A-1 --dry-run")]
pub struct DeleteArguments {
    /// The identifier
    identifier: String,
    /// Delete it only if this is its etag still
    #[arg(long)]
    etag: Option<String>,
    #[command(flatten)]
    write: WriteArguments,
}

/// What every change takes.
#[derive(Debug, clap::Args)]
pub struct WriteArguments {
    /// Judge the change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Name of the request: repeated with the same name it is done once
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
}

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode list 88.118.7
  idnode list 88.118.7 --limit 20 --show-deleted -o json")]
pub struct ListArguments {
    /// The prefix
    prefix: String,
    /// Also list what was deleted
    #[arg(long)]
    show_deleted: bool,
    /// List at most so many; `export` writes any number
    #[arg(long, value_name = "COUNT", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
}

impl WriteArguments {
    /// The name of the request; random if none was given.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn request_id(&self) -> Result<String, Failure> {
        if let Some(id) = &self.request_id {
            return Ok(id.clone());
        }
        let mut bytes = [0; REQUEST_ID_BYTES];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| {
            Failure::new(
                crate::cli::failure::Exit::Failed,
                "the system gives no random bytes",
            )
        })?;
        Ok(data_encoding::HEXLOWER.encode(&bytes))
    }
}

/// Resolves an identifier.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn resolve(
    arguments: ResolveArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let ResolveArguments {
        identifier,
        types,
        indices,
    } = arguments;
    let identifier = Identifier::parse_or_prefix(&identifier)?.to_string();
    let client = connection.client(output).await?;
    let request = client.request(v1::ResolveRequest {
        identifier,
        types,
        indices,
    });
    let answer = client.answer(client.resolution().resolve(request)).await?;
    show(answer.record.unwrap_or_default(), output)
}

/// Shows a record.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn get(
    arguments: GetArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let name = name_of(&arguments.identifier)?;
    let client = connection.client(output).await?;
    let request = client.request(v1::GetRecordRequest { name });
    let record = client.answer(client.registry().get_record(request)).await?;
    show(record, output)
}

/// Registers an identifier or replaces its values.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn put(
    arguments: PutArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let values = checked(arguments.values.read()?)?;
    if values.is_empty() {
        return Err(
            Failure::usage("put needs a value").hint("add --value 1:URL=https://a.example/")
        );
    }
    let readers = readers::of_arguments(&arguments.record_reader)?;
    let record = v1::Record {
        name: name_of(&arguments.identifier)?,
        values,
        readers: readers.map(|readers| readers::to_proto(&readers)),
        etag: arguments.etag.unwrap_or_default(),
        ..v1::Record::default()
    };
    let request_id = arguments.write.request_id()?;
    let validate_only = arguments.write.dry_run;
    let client = connection.client(output).await?;
    let mut registry = client.registry();
    let record = if arguments.create_only || arguments.reuse_deleted {
        let request = client.request(v1::CreateRecordRequest {
            record: Some(record),
            request_id,
            validate_only,
            reuse_deleted: arguments.reuse_deleted,
        });
        client.answer(registry.create_record(request)).await?
    } else {
        let request = client.request(v1::UpdateRecordRequest {
            allow_missing: record.etag.is_empty(),
            record: Some(record),
            update_mask: None,
            request_id,
            validate_only,
        });
        client.answer(registry.update_record(request)).await?
    };
    note_dry_run(validate_only, output);
    show(record, output)
}

/// Deletes an identifier.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn delete(
    arguments: DeleteArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let name = name_of(&arguments.identifier)?;
    let request_id = arguments.write.request_id()?;
    let client = connection.client(output).await?;
    let request = client.request(v1::DeleteRecordRequest {
        name,
        etag: arguments.etag.unwrap_or_default(),
        request_id,
        validate_only: arguments.write.dry_run,
    });
    let record = client
        .answer(client.registry().delete_record(request))
        .await?;
    note_dry_run(arguments.write.dry_run, output);
    let shape = RecordShape::shown(record);
    output.show(&shape, || {
        Rows::of_pairs([
            ("identifier", shape.identifier.clone()),
            ("deleted", shape.delete_time.clone().unwrap_or_default()),
        ])
    })
}

/// Lists the records of a prefix.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn list(
    arguments: ListArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let parent = format!("prefixes/{}", Prefix::parse(&arguments.prefix)?);
    let client = connection.client(output).await?;
    let limit = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let mut records = Vec::new();
    let mut page_token = String::new();
    loop {
        let left = limit.saturating_sub(records.len());
        let page = v1::ListRecordsRequest {
            parent: parent.clone(),
            page_size: i32::try_from(left).unwrap_or(i32::MAX).min(PAGE_SIZE),
            page_token,
            show_deleted: arguments.show_deleted,
        };
        let answer = list_page(&client, page).await?;
        records.extend(answer.records.into_iter().map(RecordShape::shown));
        page_token = answer.next_page_token;
        if page_token.is_empty() || records.len() >= limit {
            break;
        }
    }
    if !page_token.is_empty() {
        output.say(&format!(
            "there are more than {limit}: allow more with --limit, or use idnode export {}",
            arguments.prefix
        ));
    }
    let value = json!({"records": records, "more": !page_token.is_empty()});
    output.show(&value, || list_table(&records))
}

async fn list_page(
    client: &Client,
    page: v1::ListRecordsRequest,
) -> Result<v1::ListRecordsResponse, Failure> {
    let request = client.request(page);
    client.answer(client.registry().list_records(request)).await
}

fn list_table(records: &[RecordShape]) -> Rows {
    let mut rows = Rows::with_header(["IDENTIFIER", "VALUES", "CHANGED", "STATE"]);
    for record in records {
        let deleted = record.delete_time.is_some();
        rows.push([
            record.identifier.clone(),
            record.values.len().to_string(),
            record.update_time.clone().unwrap_or_default(),
            if deleted { "deleted" } else { "active" }.to_owned(),
        ]);
    }
    rows
}

/// Says that a change was judged only.
pub fn note_dry_run(dry_run: bool, output: &Output) {
    if dry_run {
        output.say("dry run: this is what the change would give; nothing was changed");
    }
}

fn name_of(identifier: &str) -> Result<String, Failure> {
    Ok(format!("records/{}", Identifier::parse(identifier)?))
}

fn show(record: v1::Record, output: &Output) -> Result<(), Failure> {
    let shape = RecordShape::shown(record);
    if !output.is_json() {
        let dns_name = shape.dns_name.as_deref().unwrap_or_default();
        output.say(&format!("identifier  {}", shape.identifier));
        output.say(&format!(
            "dns name    {}",
            if dns_name.is_empty() {
                "none: it is too long for one"
            } else {
                dns_name
            }
        ));
        output.say(&format!(
            "etag        {}",
            shape.etag.as_deref().unwrap_or_default()
        ));
    }
    output.show(&shape, || value_table(&shape.values))
}

fn value_table(values: &[ValueShape]) -> Rows {
    let mut rows = Rows::with_header(["INDEX", "TYPE", "DATA", "TTL", "PERMISSIONS"]);
    for value in values {
        let said = value.handle_data.as_ref().map(ToString::to_string);
        let binary = value.data_base64.as_ref().map(|b| format!("base64:{b}"));
        let ttl = value.ttl.map(|secs| secs.to_string());
        rows.push([
            value.index.to_string(),
            value.value_type.clone(),
            value.data.clone().or(said).or(binary).unwrap_or_default(),
            ttl.or_else(|| value.expire_time.clone())
                .unwrap_or_default(),
            value.permissions.clone().unwrap_or_default(),
        ]);
    }
    rows
}
