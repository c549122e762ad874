//! `group` and `share`: with whom a firm shares what not everyone may read; and
//! `readers`: who may read a record.

use serde::Serialize;
use serde_json::json;

use crate::cli::client::Connection;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Rows};
use crate::cli::readers::{self, ReaderArgument};
use crate::cli::records::{WriteArguments, note_dry_run};
use crate::cli::shape::{RecordShape, expire_time};
use crate::model::{FirmId, GroupId, Identifier, ShareId, Target, Ttl};
use crate::wire::proto::v1;

/// Groups or shares that one call of `list` asks for: all that a firm may have.
const PAGE_SIZE: i32 = 1000;

/// What can be done with groups of firms.
#[derive(Debug, clap::Subcommand)]
pub enum GroupCommand {
    /// Make a group of firms, whose members can be named as readers at once
    #[command(before_help = "\
Examples:
  idnode group create 阀门采购商 --firm oujiang --member aokang --member kangnai")]
    Create {
        /// Its name for people
        name: String,
        /// The firm whose group it is
        #[arg(long, value_name = "FIRM")]
        firm: String,
        /// A firm that belongs to it. May be repeated
        #[arg(long = "member", value_name = "FIRM")]
        members: Vec<String>,
        /// What every change takes.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Show a group
    #[command(before_help = "\
Examples:
  idnode group show 7m2kq4xw3v5ta")]
    Show {
        /// Its id
        group: String,
    },
    /// List the groups of a firm
    #[command(before_help = "\
Examples:
  idnode group list oujiang")]
    List {
        /// The firm
        firm: String,
    },
    /// Replace name and members of a group
    #[command(before_help = "\
Examples:
  idnode group update 7m2kq4xw3v5ta --name 阀门采购商 --member aokang")]
    Update {
        /// Its id
        group: String,
        /// Its name for people
        #[arg(long)]
        name: String,
        /// A firm that belongs to it from then on. May be repeated
        #[arg(long = "member", value_name = "FIRM")]
        members: Vec<String>,
        /// Change it only if this is its etag still
        #[arg(long)]
        etag: Option<String>,
        /// What every change takes.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Remove a group: its members read by it no longer
    #[command(before_help = "\
Examples:
  idnode group delete 7m2kq4xw3v5ta")]
    Delete {
        /// Its id
        group: String,
        /// Remove it only if this is its etag still
        #[arg(long)]
        etag: Option<String>,
        /// What every change takes.
        #[command(flatten)]
        write: WriteArguments,
    },
}

/// What can be done with share links.
#[derive(Debug, clap::Subcommand)]
pub enum ShareCommand {
    /// Make a share link; its token is shown once
    #[command(before_help = "\
Examples:
  idnode share create '88.118.7/DZ47-63.20250108.*' --firm oujiang \\
    --purpose 'recall of lot 20250108' --until 2027-01-31T16:00:00Z
  idnode share create 88.118.7/A-1 --firm oujiang --purpose audit --index 2000 \\
    --until 2027-01-31T16:00:00Z")]
    Create {
        /// Identifiers, and beginnings of identifiers with "*" behind
        #[arg(required = true, value_name = "IDENTIFIER")]
        targets: Vec<String>,
        /// The firm whose records it shares
        #[arg(long, value_name = "FIRM")]
        firm: String,
        /// What it is for
        #[arg(long)]
        purpose: String,
        /// Until when it counts; at most 366 days ahead
        #[arg(long, value_name = "TIME")]
        until: String,
        /// Only the value at this index. May be repeated
        #[arg(long = "index", value_name = "INDEX")]
        indices: Vec<u32>,
        /// What every change takes.
        #[command(flatten)]
        write: WriteArguments,
    },
    /// Show a share link, without its token
    #[command(before_help = "\
Examples:
  idnode share show 7m2kq4xw3v5ta")]
    Show {
        /// Its id
        share: String,
    },
    /// List the share links of a firm
    #[command(before_help = "\
Examples:
  idnode share list oujiang")]
    List {
        /// The firm
        firm: String,
    },
    /// Withdraw a share link: whoever holds it reads by it no longer
    #[command(before_help = "\
Examples:
  idnode share withdraw 7m2kq4xw3v5ta")]
    Withdraw {
        /// Its id
        share: String,
        /// Withdraw it only if this is its etag still
        #[arg(long)]
        etag: Option<String>,
        /// What every change takes.
        #[command(flatten)]
        write: WriteArguments,
    },
}

/// Arguments of `readers`.
#[derive(Debug, clap::Args)]
#[command(before_help = "\
Examples:
  idnode readers 88.118.7/A-1 firm:aokang group:7m2kq4xw3v5ta
  idnode readers 88.118.7/A-1 nobody
  idnode readers 88.118.7/A-1 --everyone")]
pub struct ReadersArguments {
    /// The identifier
    identifier: String,
    /// Who may know of it beside its owner: firm:ID, group:ID or nobody; it is not
    /// there for everyone else
    #[arg(value_name = "WHO", required_unless_present = "everyone")]
    readers: Vec<ReaderArgument>,
    /// It is there for everyone; each value decides
    #[arg(long, conflicts_with = "readers")]
    everyone: bool,
    /// Change it only if this is its etag still
    #[arg(long)]
    etag: Option<String>,
    #[command(flatten)]
    write: WriteArguments,
}

/// A group in JSON. The shape is stable; `docs/cli.md` documents it.
#[derive(Debug, Serialize)]
struct GroupShape {
    group: String,
    firm: String,
    name: String,
    members: Vec<String>,
    etag: String,
    create_time: Option<String>,
    update_time: Option<String>,
}

/// A share link in JSON. The shape is stable; `docs/cli.md` documents it.
#[derive(Debug, Serialize)]
struct ShareShape {
    share: String,
    firm: String,
    purpose: String,
    targets: Vec<String>,
    indices: Vec<u32>,
    expire_time: Option<String>,
    etag: String,
    create_time: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    token: String,
}

impl From<v1::Group> for GroupShape {
    fn from(group: v1::Group) -> Self {
        let v1::Group {
            name,
            owner,
            display_name,
            members,
            etag,
            create_time,
            update_time,
        } = group;
        Self {
            group: id_of(&name),
            firm: id_of(&owner),
            name: display_name,
            members: members.iter().map(|name| id_of(name)).collect(),
            etag,
            create_time: create_time.map(|time| time.to_string()),
            update_time: update_time.map(|time| time.to_string()),
        }
    }
}

impl From<v1::Share> for ShareShape {
    fn from(share: v1::Share) -> Self {
        let v1::Share {
            name,
            owner,
            purpose,
            targets,
            indices,
            expire_time,
            etag,
            create_time,
        } = share;
        Self {
            share: id_of(&name),
            firm: id_of(&owner),
            purpose,
            targets,
            indices,
            expire_time: expire_time.map(|time| time.to_string()),
            etag,
            create_time: create_time.map(|time| time.to_string()),
            token: String::new(),
        }
    }
}

/// Does what `command` says.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn group(
    command: GroupCommand,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        GroupCommand::Create { .. } => create_group(command, connection, output).await,
        GroupCommand::Update { .. } => update_group(command, connection, output).await,
        GroupCommand::Show { group } => {
            let name = group_name(&group)?;
            let client = connection.client(output).await?;
            let request = client.request(v1::GetGroupRequest { name });
            show_group(
                client.answer(client.sharing().get_group(request)).await?,
                output,
            )
        }
        GroupCommand::List { firm } => list_groups(&firm, connection, output).await,
        GroupCommand::Delete { group, etag, write } => {
            let name = group_name(&group)?;
            let request_id = write.request_id()?;
            let client = connection.client(output).await?;
            let request = client.request(v1::DeleteGroupRequest {
                name,
                etag: etag.unwrap_or_default(),
                request_id,
                validate_only: write.dry_run,
            });
            client
                .answer(client.sharing().delete_group(request))
                .await?;
            note_dry_run(write.dry_run, output);
            output.show(&json!({"group": group}), || {
                Rows::of_pairs([("removed", group.clone())])
            })
        }
    }
}

async fn create_group(
    command: GroupCommand,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let GroupCommand::Create {
        name,
        firm,
        members,
        write,
    } = command
    else {
        return Ok(());
    };
    let group = v1::Group {
        owner: firm_name(&firm)?,
        display_name: name,
        members: firm_names(&members)?,
        ..v1::Group::default()
    };
    let request_id = write.request_id()?;
    let client = connection.client(output).await?;
    let request = client.request(v1::CreateGroupRequest {
        group: Some(group),
        request_id,
        validate_only: write.dry_run,
    });
    let group = client
        .answer(client.sharing().create_group(request))
        .await?;
    note_dry_run(write.dry_run, output);
    show_group(group, output)
}

async fn update_group(
    command: GroupCommand,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let GroupCommand::Update {
        group,
        name,
        members,
        etag,
        write,
    } = command
    else {
        return Ok(());
    };
    let group = v1::Group {
        name: group_name(&group)?,
        display_name: name,
        members: firm_names(&members)?,
        etag: etag.unwrap_or_default(),
        ..v1::Group::default()
    };
    let request_id = write.request_id()?;
    let client = connection.client(output).await?;
    let request = client.request(v1::UpdateGroupRequest {
        group: Some(group),
        request_id,
        validate_only: write.dry_run,
    });
    let group = client
        .answer(client.sharing().update_group(request))
        .await?;
    note_dry_run(write.dry_run, output);
    show_group(group, output)
}

async fn list_groups(firm: &str, connection: &Connection, output: &Output) -> Result<(), Failure> {
    let parent = firm_name(firm)?;
    let client = connection.client(output).await?;
    let request = client.request(v1::ListGroupsRequest {
        parent,
        page_size: PAGE_SIZE,
        page_token: String::new(),
    });
    let answer = client.answer(client.sharing().list_groups(request)).await?;
    let groups: Vec<_> = answer.groups.into_iter().map(GroupShape::from).collect();
    output.show(&json!({"groups": groups}), || {
        let mut rows = Rows::with_header(["GROUP", "NAME", "MEMBERS"]);
        for group in &groups {
            rows.push([
                group.group.clone(),
                group.name.clone(),
                group.members.join(" "),
            ]);
        }
        rows
    })
}

/// Does what `command` says.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn share(
    command: ShareCommand,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        ShareCommand::Create { .. } => create_share(command, connection, output).await,
        ShareCommand::Show { share } => {
            let name = share_name(&share)?;
            let client = connection.client(output).await?;
            let request = client.request(v1::GetShareRequest { name });
            let share = client.answer(client.sharing().get_share(request)).await?;
            show_share(&share.into(), output)
        }
        ShareCommand::List { firm } => list_shares(&firm, connection, output).await,
        ShareCommand::Withdraw { share, etag, write } => {
            let name = share_name(&share)?;
            let request_id = write.request_id()?;
            let client = connection.client(output).await?;
            let request = client.request(v1::WithdrawShareRequest {
                name,
                etag: etag.unwrap_or_default(),
                request_id,
                validate_only: write.dry_run,
            });
            client
                .answer(client.sharing().withdraw_share(request))
                .await?;
            note_dry_run(write.dry_run, output);
            output.show(&json!({"share": share}), || {
                Rows::of_pairs([("withdrawn", share.clone())])
            })
        }
    }
}

async fn create_share(
    command: ShareCommand,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let ShareCommand::Create {
        targets,
        firm,
        purpose,
        until,
        indices,
        write,
    } = command
    else {
        return Ok(());
    };
    for target in &targets {
        Target::parse(target)?;
    }
    let seconds = match expire_time(&until)? {
        Ttl::Absolute(seconds) => i64::try_from(seconds).unwrap_or(i64::MAX),
        Ttl::Relative(_) => 0,
    };
    let share = v1::Share {
        owner: firm_name(&firm)?,
        purpose,
        targets,
        indices,
        expire_time: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        ..v1::Share::default()
    };
    let request_id = write.request_id()?;
    let client = connection.client(output).await?;
    let request = client.request(v1::CreateShareRequest {
        share: Some(share),
        request_id,
        validate_only: write.dry_run,
    });
    let answer = client
        .answer(client.sharing().create_share(request))
        .await?;
    note_dry_run(write.dry_run, output);
    let v1::CreateShareResponse { share, token } = answer;
    let shape = ShareShape {
        token,
        ..ShareShape::from(share.unwrap_or_default())
    };
    if !shape.token.is_empty() {
        output.say("the token is shown this once: keep it safe, or withdraw the share");
    }
    show_share(&shape, output)
}

async fn list_shares(firm: &str, connection: &Connection, output: &Output) -> Result<(), Failure> {
    let parent = firm_name(firm)?;
    let client = connection.client(output).await?;
    let request = client.request(v1::ListSharesRequest {
        parent,
        page_size: PAGE_SIZE,
        page_token: String::new(),
    });
    let answer = client.answer(client.sharing().list_shares(request)).await?;
    let shares: Vec<_> = answer.shares.into_iter().map(ShareShape::from).collect();
    output.show(&json!({"shares": shares}), || {
        let mut rows = Rows::with_header(["SHARE", "PURPOSE", "UNTIL", "TARGETS"]);
        for share in &shares {
            rows.push([
                share.share.clone(),
                share.purpose.clone(),
                share.expire_time.clone().unwrap_or_default(),
                share.targets.join(" "),
            ]);
        }
        rows
    })
}

/// Sets who may read a record.
///
/// # Errors
/// What the node answered, or why it did not.
pub async fn set_readers(
    arguments: ReadersArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let ReadersArguments {
        identifier,
        readers,
        everyone: _,
        etag,
        write,
    } = arguments;
    let identifier = Identifier::parse(&identifier)?;
    let readers = readers::of_arguments(&readers)?;
    let request_id = write.request_id()?;
    let client = connection.client(output).await?;
    let request = client.request(v1::SetReadersRequest {
        name: format!("records/{identifier}"),
        readers: readers.map(|readers| readers::to_proto(&readers)),
        etag: etag.unwrap_or_default(),
        request_id,
        validate_only: write.dry_run,
    });
    let record = client
        .answer(client.registry().set_readers(request))
        .await?;
    note_dry_run(write.dry_run, output);
    let shape = RecordShape::shown(record);
    output.show(&shape, || {
        let shown = shape
            .readers
            .as_ref()
            .map(|readers| match readers.is_empty() {
                true => "nobody beside its owner".to_owned(),
                false => readers.join(" "),
            });
        Rows::of_pairs([
            ("identifier", shape.identifier.clone()),
            ("readers", shown.unwrap_or_else(|| "everyone".to_owned())),
            ("etag", shape.etag.clone().unwrap_or_default()),
        ])
    })
}

fn show_group(group: v1::Group, output: &Output) -> Result<(), Failure> {
    let shape = GroupShape::from(group);
    output.show(&shape, || {
        Rows::of_pairs([
            ("group", shape.group.clone()),
            ("firm", shape.firm.clone()),
            ("name", shape.name.clone()),
            ("members", shape.members.join(" ")),
            ("etag", shape.etag.clone()),
        ])
    })
}

fn show_share(shape: &ShareShape, output: &Output) -> Result<(), Failure> {
    output.show(shape, || {
        Rows::of_pairs([
            ("share", shape.share.clone()),
            ("firm", shape.firm.clone()),
            ("purpose", shape.purpose.clone()),
            ("targets", shape.targets.join(" ")),
            ("until", shape.expire_time.clone().unwrap_or_default()),
            ("token", shape.token.clone()),
        ])
    })
}

/// The id behind the collection of a resource name.
fn id_of(name: &str) -> String {
    name.rsplit('/').next().unwrap_or_default().to_owned()
}

fn firm_name(id: &str) -> Result<String, Failure> {
    Ok(format!("firms/{}", FirmId::parse(id)?))
}

fn firm_names(ids: &[String]) -> Result<Vec<String>, Failure> {
    ids.iter().map(|id| firm_name(id)).collect()
}

fn group_name(id: &str) -> Result<String, Failure> {
    Ok(format!("groups/{}", GroupId::parse(id)?))
}

fn share_name(id: &str) -> Result<String, Failure> {
    Ok(format!("shares/{}", ShareId::parse(id)?))
}
