//! `group`: firms that share with one another.

use serde::Serialize;
use serde_json::json;

use crate::cli::client::Connection;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Rows};
use crate::cli::records::{WriteArguments, note_dry_run};
use crate::cli::sharing::{PAGE_SIZE, firm_name, firm_names, id_of};
use crate::model::GroupId;
use crate::wire::proto::v1;

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

fn group_name(id: &str) -> Result<String, Failure> {
    Ok(format!("groups/{}", GroupId::parse(id)?))
}
