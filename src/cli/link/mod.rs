//! `link`: states links between identifiers, and looks after them.

pub mod check;
pub mod csv;
pub mod import;
pub mod list;
pub mod shape;
pub mod state;

pub use shape::{LinkShape, firm_of, owner, state_text, time};

use crate::cli::client::{Client, Connection};
use crate::cli::failure::Failure;
use crate::cli::output::{Output, Rows};
use crate::cli::records::{WriteArguments, note_dry_run};
use crate::model::Refusal;
use crate::wire::proto::v1;

/// What can be done with links.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// State a link, or state it otherwise
    State(state::Arguments),
    /// Show a link
    #[command(before_help = "\
Examples:
  idnode link get 88.118.7/BOX-1 contains 88.118.8/DZ47-63.000123
  idnode link get 88.118.7/BOX-1 contains 88.118.8/DZ47-63.000123 --owner oujiang -o json")]
    Get {
        /// Which.
        #[command(flatten)]
        name: NameArguments,
    },
    /// List the links at an identifier, one hop away
    List(list::ListArguments),
    /// Confirm a link that the firm at the other end states
    #[command(before_help = "\
Examples:
  idnode link confirm 88.118.7/BOX-1 contains 88.118.8/DZ47-63.000123 --owner oujiang")]
    Confirm {
        /// Which.
        #[command(flatten)]
        name: NameArguments,
        /// What every change takes.
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Dispute a link that the firm at the other end states
    #[command(before_help = "\
Examples:
  idnode link dispute 88.118.7/BOX-1 contains 88.118.8/DZ47-63.000123 --owner oujiang \\
    --reason 'never delivered'")]
    Dispute {
        /// Which.
        #[command(flatten)]
        name: NameArguments,
        /// Why
        #[arg(long)]
        reason: String,
        /// What every change takes.
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Take back a link of one's own; it stays as history
    #[command(before_help = "\
Examples:
  idnode link withdraw 88.118.7/BOX-1 contains 88.118.8/DZ47-63.000123 --reason 'scanned twice'")]
    Withdraw {
        /// Which.
        #[command(flatten)]
        name: NameArguments,
        /// Why
        #[arg(long, default_value = "")]
        reason: String,
        /// What every change takes.
        #[command(flatten)]
        change: ChangeArguments,
    },
    /// Take in links from a file
    Import(import::Arguments),
    /// Find links at the identifiers of a prefix that want looking after
    Inspect(list::InspectArguments),
    /// Read every link and compare what is kept of them; for operators
    #[command(before_help = "\
Examples:
  idnode link check
  idnode link check --timeout 10m -o json")]
    Check {
        /// Read nothing, and tell the counts alone
        #[arg(long)]
        counts_only: bool,
    },
}

/// Which link.
#[derive(Clone, Debug, clap::Args)]
pub struct NameArguments {
    /// The identifier that the statement is about
    source: String,
    /// contains, `made_from`, `packed_in`, `shipped_in`, `supplied_by`, `certified_by`,
    /// `inspected_by`, replaces, `same_as`, or one's own: up-…, down-… or see-…
    kind: String,
    /// The identifier that it is linked to
    target: String,
    /// The firm that states it; the caller's if absent
    #[arg(long, value_name = "FIRM")]
    owner: Option<String>,
}

impl NameArguments {
    /// The name as the API has it.
    fn parse(&self) -> Result<v1::LinkName, Refusal> {
        let owner = self.owner.as_deref().map(owner).transpose()?;
        shape::name([&self.source, &self.kind, &self.target], owner)
    }
}

/// What confirming, disputing and withdrawing take.
#[derive(Debug, clap::Args)]
pub struct ChangeArguments {
    /// Change it only if this is its etag still
    #[arg(long)]
    etag: Option<String>,
    #[command(flatten)]
    write: WriteArguments,
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
        Command::State(arguments) => state::run(arguments, connection, output).await,
        Command::Get { name } => {
            let name = Some(name.parse()?);
            let client = connection.client(output).await?;
            let request = client.request(v1::GetLinkRequest { name });
            let link = client.answer(client.links().get_link(request)).await?;
            show(link, output)
        }
        Command::List(arguments) => list::run(arguments, connection, output).await,
        Command::Import(arguments) => import::run(arguments, connection, output).await,
        Command::Inspect(arguments) => list::inspect(arguments, connection, output).await,
        Command::Check { counts_only } => check::run(counts_only, connection, output).await,
        Command::Confirm { name, change } => {
            let judged = Judged::Confirmed;
            judge((name, judged), change, connection, output).await
        }
        Command::Dispute {
            name,
            reason,
            change,
        } => judge((name, Judged::Disputed(reason)), change, connection, output).await,
        Command::Withdraw {
            name,
            reason,
            change,
        } => {
            let judged = Judged::Withdrawn(reason);
            judge((name, judged), change, connection, output).await
        }
    }
}

/// What is said of a link that is stated.
enum Judged {
    Confirmed,
    Disputed(String),
    Withdrawn(String),
}

async fn judge(
    (name, judged): (NameArguments, Judged),
    change: ChangeArguments,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let name = Some(name.parse()?);
    let etag = change.etag.unwrap_or_default();
    let request_id = change.write.request_id()?;
    let validate_only = change.write.dry_run;
    let client = connection.client(output).await?;
    let mut links = client.links();
    let link = match judged {
        Judged::Confirmed => {
            let request = client.request(v1::ConfirmLinkRequest {
                name,
                etag,
                request_id,
                validate_only,
            });
            client.answer(links.confirm_link(request)).await?
        }
        Judged::Disputed(reason) => {
            let request = client.request(v1::DisputeLinkRequest {
                name,
                reason,
                etag,
                request_id,
                validate_only,
            });
            client.answer(links.dispute_link(request)).await?
        }
        Judged::Withdrawn(reason) => {
            let request = client.request(v1::WithdrawLinkRequest {
                name,
                reason,
                etag,
                request_id,
                validate_only,
            });
            client.answer(links.withdraw_link(request)).await?
        }
    };
    note_dry_run(validate_only, output);
    show(link, output)
}

/// Asks a node to state a link.
async fn state_link(client: &Client, request: v1::StateLinkRequest) -> Result<v1::Link, Failure> {
    let request = client.request(request);
    client.answer(client.links().state_link(request)).await
}

/// Shows one link.
fn show(link: v1::Link, output: &Output) -> Result<(), Failure> {
    let shape = LinkShape::shown(link);
    output.show(&shape, || one(&shape))
}

fn one(shape: &LinkShape) -> Rows {
    let LinkShape {
        source,
        kind,
        target,
        owner,
        state,
        quantity,
        unit: _,
        batch,
        valid_from,
        valid_until,
        evidence,
        visibility,
        readers,
        behind,
        note,
        etag,
        create_time,
        update_time,
        dangling,
    } = shape;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let seen_by = match readers {
        Some(readers) => format!("{}: {}", text(visibility), readers.join(", ")),
        None => text(visibility),
    };
    let pairs = [
        ("source", source.clone()),
        ("kind", kind.clone()),
        ("target", target.clone()),
        ("owner", text(owner)),
        ("state", text(state)),
        ("note", text(note)),
        (
            "quantity",
            quantity.as_ref().map(|_| amount(shape)).unwrap_or_default(),
        ),
        ("batch", text(batch)),
        ("valid from", text(valid_from)),
        ("valid until", text(valid_until)),
        ("evidence", evidence.join(" ")),
        ("visibility", seen_by),
        ("behind", text(behind)),
        ("not registered", dangling.join(", ")),
        ("etag", text(etag)),
        ("stated", text(create_time)),
        ("changed", text(update_time)),
    ];
    Rows::of_pairs(pairs.into_iter().filter(|(_, text)| !text.is_empty()))
}

/// Quantity and unit of a link: `2.5 kg`.
fn amount(shape: &LinkShape) -> String {
    let parts = [shape.quantity.as_deref(), shape.unit.as_deref()];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    parts.join(" ")
}
