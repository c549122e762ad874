//! `share`: links by which anyone reads what a firm shares, for a time.

use serde::Serialize;
use serde_json::json;

use crate::cli::client::Connection;
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Rows};
use crate::cli::records::{WriteArguments, note_dry_run};
use crate::cli::shape::expire_time;
use crate::cli::sharing::{PAGE_SIZE, firm_name, id_of};
use crate::model::{ShareId, Target, Ttl};
use crate::wire::proto::v1;

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

fn share_name(id: &str) -> Result<String, Failure> {
    Ok(format!("shares/{}", ShareId::parse(id)?))
}
