//! `prefix`: registers prefixes and leads them through their states.

use serde::Serialize;
use serde_json::json;

use crate::cli::client::Connection;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Rows};
use crate::cli::records::{WriteArguments, note_dry_run};
use crate::model::Prefix;
use crate::wire::proto::v1;

/// Prefixes that one call of `list` asks for.
const PAGE_SIZE: i32 = 500;

/// What can be done with prefixes.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Register a prefix
    #[command(before_help = "\
Examples:
  idnode prefix create 88.118.7 --firm 温州某某电气有限公司 --home
  idnode prefix create 88.118.8 --firm Example --case sensitive --quota 100000")]
    Create {
        /// The prefix
        prefix: String,
        /// Name of the firm that holds it
        #[arg(long)]
        firm: String,
        /// How suffixes compare; fixed once identifiers exist
        #[arg(long, value_enum, default_value_t)]
        case: Case,
        /// Most identifiers that may be active at once
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i64).range(0..))]
        quota: Option<i64>,
        /// Home it at once, so that identifiers can be registered
        #[arg(long)]
        home: bool,
        /// What every change takes.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Show a prefix
    #[command(before_help = "\
Examples:
  idnode prefix show 88.118.7")]
    Show {
        /// The prefix
        prefix: String,
    },
    /// List the prefixes of the node
    #[command(before_help = "\
Examples:
  idnode prefix list
  idnode prefix list --limit 20 -o json")]
    List {
        /// List at most so many
        #[arg(long, value_name = "COUNT", default_value_t = 10_000,
              value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        limit: u32,
    },
    /// Change a prefix
    #[command(before_help = "\
Examples:
  idnode prefix update 88.118.7 --quota 5000000
  idnode prefix update 88.118.7 --firm 温州另一电气有限公司 --quota none")]
    Update {
        /// The prefix
        prefix: String,
        /// Name of the firm that holds it
        #[arg(long)]
        firm: Option<String>,
        /// How suffixes compare
        #[arg(long, value_enum)]
        case: Option<Case>,
        /// Most identifiers that may be active at once; "none" is without limit
        #[arg(long, value_name = "COUNT", value_parser = quota)]
        quota: Option<Quota>,
        /// Change it only if this is its etag still
        #[arg(long)]
        etag: Option<String>,
        /// What every change takes.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Home a registered prefix: its identifiers are created and resolved
    #[command(before_help = "\
Examples:
  idnode prefix home 88.118.7")]
    Home(StateArguments),
    /// Stop answering for a prefix; its identifiers are kept
    #[command(before_help = "\
Examples:
  idnode prefix unhome 88.118.7")]
    Unhome(StateArguments),
    /// Suspend a prefix: its identifiers stop resolving and changing
    #[command(before_help = "\
Examples:
  idnode prefix suspend 88.118.7 --reason 'licence ran out'")]
    Suspend {
        /// What every change of a state takes.
        #[command(flatten)]
        common: StateArguments,
        /// Why; for operators and the audit trail
        #[arg(long)]
        reason: String,
    },
    /// End the suspension of a prefix
    #[command(before_help = "\
Examples:
  idnode prefix activate 88.118.7")]
    Activate(StateArguments),
}

/// What every change of a state takes.
#[derive(Debug, clap::Args)]
pub struct StateArguments {
    /// The prefix
    prefix: String,
    /// Change it only if this is its etag still
    #[arg(long)]
    etag: Option<String>,
    #[command(flatten)]
    write: WriteArguments,
}

/// How suffixes compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Case {
    /// "ABC" and "abc" are one identifier
    #[default]
    Folded,
    /// "ABC" and "abc" are two identifiers
    Sensitive,
}

/// A quota, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota(Option<i64>);

fn quota(text: &str) -> Result<Quota, String> {
    if text == "none" {
        return Ok(Quota(None));
    }
    let count = text.parse().ok().filter(|count: &i64| *count >= 0);
    let count = count.ok_or_else(|| "must be a number from 0, or none".to_owned())?;
    Ok(Quota(Some(count)))
}

impl From<Case> for v1::SuffixCase {
    fn from(case: Case) -> Self {
        match case {
            Case::Folded => Self::Folded,
            Case::Sensitive => Self::Sensitive,
        }
    }
}

/// A prefix in JSON. The shape is stable; `docs/cli.md` documents it.
#[derive(Debug, Serialize)]
struct PrefixShape {
    prefix: String,
    firm: String,
    state: &'static str,
    suffix_case: &'static str,
    quota: Option<i64>,
    active_count: i64,
    deleted_count: i64,
    etag: String,
    create_time: Option<String>,
    update_time: Option<String>,
    suspend_reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    holder: String,
}

impl From<v1::Prefix> for PrefixShape {
    fn from(prefix: v1::Prefix) -> Self {
        let state = match prefix.state() {
            v1::PrefixState::Unspecified => "unknown",
            v1::PrefixState::Registered => "registered",
            v1::PrefixState::Active => "active",
            v1::PrefixState::Suspended => "suspended",
        };
        let suffix_case = match prefix.suffix_case() {
            v1::SuffixCase::Sensitive => "sensitive",
            v1::SuffixCase::Folded | v1::SuffixCase::Unspecified => "folded",
        };
        let v1::Prefix {
            name,
            firm,
            state: _,
            suffix_case: _,
            quota,
            active_count,
            deleted_count,
            etag,
            create_time,
            update_time,
            suspend_reason,
            holder,
        } = prefix;
        Self {
            prefix: name.strip_prefix("prefixes/").unwrap_or(&name).to_owned(),
            firm,
            state,
            suffix_case,
            quota,
            active_count,
            deleted_count,
            etag,
            create_time: create_time.map(|time| time.to_string()),
            update_time: update_time.map(|time| time.to_string()),
            suspend_reason,
            holder: holder.strip_prefix("firms/").unwrap_or(&holder).to_owned(),
        }
    }
}

/// Does what `command` says.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn run(
    command: Command,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        Command::Create { .. } => create(command, connection, output).await,
        Command::Update { .. } => update(command, connection, output).await,
        Command::List { limit } => list(limit, connection, output).await,
        Command::Show { prefix } => show_one(&prefix, connection, output).await,
        Command::Home(common) => {
            let client = connection.client(output).await?;
            let request = client.request(v1::HomePrefixRequest {
                name: name_of(&common.prefix)?,
                etag: common.etag.unwrap_or_default(),
                request_id: common.write.request_id()?,
                validate_only: common.write.dry_run,
            });
            let prefix = client
                .answer(client.registry().home_prefix(request))
                .await?;
            note_dry_run(common.write.dry_run, output);
            show(prefix, output)
        }
        Command::Unhome(common) => {
            let client = connection.client(output).await?;
            let request = client.request(v1::UnhomePrefixRequest {
                name: name_of(&common.prefix)?,
                etag: common.etag.unwrap_or_default(),
                request_id: common.write.request_id()?,
                validate_only: common.write.dry_run,
            });
            let prefix = client
                .answer(client.registry().unhome_prefix(request))
                .await?;
            note_dry_run(common.write.dry_run, output);
            show(prefix, output)
        }
        Command::Suspend { common, reason } => {
            let client = connection.client(output).await?;
            let request = client.request(v1::SuspendPrefixRequest {
                name: name_of(&common.prefix)?,
                reason,
                etag: common.etag.unwrap_or_default(),
                request_id: common.write.request_id()?,
                validate_only: common.write.dry_run,
            });
            let prefix = client
                .answer(client.registry().suspend_prefix(request))
                .await?;
            note_dry_run(common.write.dry_run, output);
            show(prefix, output)
        }
        Command::Activate(common) => {
            let client = connection.client(output).await?;
            let request = client.request(v1::ActivatePrefixRequest {
                name: name_of(&common.prefix)?,
                etag: common.etag.unwrap_or_default(),
                request_id: common.write.request_id()?,
                validate_only: common.write.dry_run,
            });
            let prefix = client
                .answer(client.registry().activate_prefix(request))
                .await?;
            note_dry_run(common.write.dry_run, output);
            show(prefix, output)
        }
    }
}

async fn show_one(prefix: &str, connection: &Connection, output: &Output) -> Result<(), Failure> {
    let name = name_of(prefix)?;
    let client = connection.client(output).await?;
    let request = client.request(v1::GetPrefixRequest { name });
    let prefix = client.answer(client.registry().get_prefix(request)).await?;
    show(prefix, output)
}

async fn create(command: Command, connection: &Connection, output: &Output) -> Result<(), Failure> {
    let Command::Create {
        prefix,
        firm,
        case,
        quota,
        home,
        write,
    } = command
    else {
        return Ok(());
    };
    let entry = v1::Prefix {
        name: name_of(&prefix)?,
        firm,
        suffix_case: v1::SuffixCase::from(case).into(),
        quota,
        ..v1::Prefix::default()
    };
    let client = connection.client(output).await?;
    let request = client.request(v1::CreatePrefixRequest {
        prefix: Some(entry),
        home,
        request_id: write.request_id()?,
        validate_only: write.dry_run,
    });
    let created = client
        .answer(client.registry().create_prefix(request))
        .await?;
    note_dry_run(write.dry_run, output);
    if !home && !write.dry_run {
        output.say(&format!(
            "it takes identifiers once it is homed: idnode prefix home {prefix}"
        ));
    }
    show(created, output)
}

async fn update(command: Command, connection: &Connection, output: &Output) -> Result<(), Failure> {
    let Command::Update {
        prefix,
        firm,
        case,
        quota,
        etag,
        write,
    } = command
    else {
        return Ok(());
    };
    let mut paths = Vec::new();
    let mut entry = v1::Prefix {
        name: name_of(&prefix)?,
        etag: etag.unwrap_or_default(),
        ..v1::Prefix::default()
    };
    if let Some(firm) = firm {
        paths.push("firm".to_owned());
        entry.firm = firm;
    }
    if let Some(case) = case {
        paths.push("suffix_case".to_owned());
        entry.suffix_case = v1::SuffixCase::from(case).into();
    }
    if let Some(Quota(quota)) = quota {
        paths.push("quota".to_owned());
        entry.quota = quota;
    }
    if paths.is_empty() {
        return Err(Failure::usage(
            "update needs one of --firm, --case and --quota",
        ));
    }
    let client = connection.client(output).await?;
    let request = client.request(v1::UpdatePrefixRequest {
        prefix: Some(entry),
        update_mask: Some(prost_types::FieldMask { paths }),
        request_id: write.request_id()?,
        validate_only: write.dry_run,
    });
    let updated = client
        .answer(client.registry().update_prefix(request))
        .await?;
    note_dry_run(write.dry_run, output);
    show(updated, output)
}

async fn list(limit: u32, connection: &Connection, output: &Output) -> Result<(), Failure> {
    let client = connection.client(output).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut prefixes: Vec<PrefixShape> = Vec::new();
    let mut page_token = String::new();
    loop {
        let left = limit.saturating_sub(prefixes.len());
        let request = client.request(v1::ListPrefixesRequest {
            page_size: i32::try_from(left).unwrap_or(i32::MAX).min(PAGE_SIZE),
            page_token,
        });
        let page = client
            .answer(client.registry().list_prefixes(request))
            .await?;
        prefixes.extend(page.prefixes.into_iter().map(PrefixShape::from));
        page_token = page.next_page_token;
        if page_token.is_empty() || prefixes.len() >= limit {
            break;
        }
    }
    let value = json!({"prefixes": prefixes, "more": !page_token.is_empty()});
    output.show(&value, || {
        let header = ["PREFIX", "STATE", "ACTIVE", "DELETED", "QUOTA", "FIRM"];
        let mut rows = Rows::with_header(header);
        for prefix in &prefixes {
            rows.push([
                prefix.prefix.clone(),
                prefix.state.to_owned(),
                prefix.active_count.to_string(),
                prefix.deleted_count.to_string(),
                quota_text(prefix.quota),
                prefix.firm.clone(),
            ]);
        }
        rows
    })
}

fn name_of(prefix: &str) -> Result<String, Failure> {
    Ok(format!("prefixes/{}", Prefix::parse(prefix)?))
}

fn quota_text(quota: Option<i64>) -> String {
    quota.map_or_else(|| "none".to_owned(), |count| count.to_string())
}

fn show(prefix: v1::Prefix, output: &Output) -> Result<(), Failure> {
    let shape = PrefixShape::from(prefix);
    output.show(&shape, || {
        Rows::of_pairs([
            ("prefix", shape.prefix.clone()),
            ("firm", shape.firm.clone()),
            ("state", shape.state.to_owned()),
            ("suspended because", shape.suspend_reason.clone()),
            ("held by", shape.holder.clone()),
            ("suffix case", shape.suffix_case.to_owned()),
            ("quota", quota_text(shape.quota)),
            ("active", shape.active_count.to_string()),
            ("deleted", shape.deleted_count.to_string()),
            ("etag", shape.etag.clone()),
            ("registered", shape.create_time.clone().unwrap_or_default()),
            ("changed", shape.update_time.clone().unwrap_or_default()),
        ])
    })
}
