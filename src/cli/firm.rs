//! `firm`: applies for a prefix, and leads applications through their review.

mod apply;
mod form;
mod shape;

use std::path::{Path, PathBuf};

use serde_json::json;

pub use apply::{ApplyArguments, DocumentArgument};

use crate::cli::client::{Client, Connection};
use crate::cli::failure::Failure;
use crate::cli::firm::form::Form;
use crate::cli::firm::shape::{DocumentShape, FirmShape, PeopleShape};
use crate::cli::output::{Output, Rows};
use crate::cli::records::{WriteArguments, note_dry_run};
use crate::crypto::key_file;
use crate::model::FirmId;
use crate::wire::proto::v1;

/// Firms that one call of `list` asks for.
const PAGE_SIZE: i32 = 500;

/// What can be done with firms.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print an empty application form
    #[command(before_help = "\
Examples:
  idnode firm form > application.toml")]
    Form,
    /// Begin an application with a form that was filled in
    #[command(before_help = "\
Examples:
  idnode firm apply application.toml --owner-key-file owner.key
  idnode firm apply application.toml --document business-licence=licence.pdf --submit
  idnode firm apply application.toml --dry-run")]
    Apply(ApplyArguments),
    /// Show a firm
    #[command(before_help = "\
Examples:
  idnode firm show k3vqd7xw2mfta
  idnode firm show k3vqd7xw2mfta --people")]
    Show {
        /// The firm
        firm: String,
        /// Show its people instead, which the audit trail records
        #[arg(long)]
        people: bool,
    },
    /// List the firms that you may see
    #[command(before_help = "\
Examples:
  idnode firm list --state submitted
  idnode firm list --limit 20 -o json")]
    List {
        /// Only those in this state
        #[arg(long, value_enum)]
        state: Option<State>,
        /// List at most so many
        #[arg(long, value_name = "COUNT", default_value_t = 10_000,
              value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        limit: u32,
    },
    /// Change an application with a form; a part that is left out stays
    #[command(before_help = "\
Examples:
  idnode firm edit k3vqd7xw2mfta application.toml")]
    Edit {
        /// The form; "-" reads it from the standard input
        #[arg(index = 2, value_name = "FORM")]
        file: PathBuf,
        /// What every change of a firm takes.
        #[command(flatten)]
        common: FirmArguments,
    },
    /// Add a document to an application
    #[command(before_help = "\
Examples:
  idnode firm attach k3vqd7xw2mfta business-licence=licence.pdf")]
    Attach {
        /// What it is (business-licence, authorization, identification, other),
        /// and its file: PDF, JPEG or PNG
        #[arg(index = 2, value_name = "KIND=PATH")]
        document: DocumentArgument,
        /// What every change of a firm takes.
        #[command(flatten)]
        common: FirmArguments,
    },
    /// Take a document away from an application
    #[command(before_help = "\
Examples:
  idnode firm detach k3vqd7xw2mfta 2")]
    Detach {
        /// Its number
        #[arg(index = 2)]
        number: u32,
        /// What every change of a firm takes.
        #[command(flatten)]
        common: FirmArguments,
    },
    /// Write a document to a file, which the audit trail records
    #[command(before_help = "\
Examples:
  idnode firm document k3vqd7xw2mfta 1 --to licence.pdf")]
    Document {
        /// The firm
        firm: String,
        /// The document's number
        number: u32,
        /// The file, which is not there yet
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Hand an application in
    #[command(before_help = "\
Examples:
  idnode firm submit k3vqd7xw2mfta")]
    Submit(NoteArguments),
    /// Say that an application is in order (system administrator)
    #[command(before_help = "\
Examples:
  idnode firm verify k3vqd7xw2mfta --note 'licence seen'")]
    Verify(NoteArguments),
    /// Approve a verified application (security administrator)
    #[command(before_help = "\
Examples:
  idnode firm approve k3vqd7xw2mfta")]
    Approve(NoteArguments),
    /// Reject an application (system or security administrator)
    #[command(before_help = "\
Examples:
  idnode firm reject k3vqd7xw2mfta --reason '营业执照不清晰'")]
    Reject(ReasonArguments),
    /// Give an approved firm its prefix (system administrator)
    #[command(before_help = "\
Examples:
  idnode firm activate k3vqd7xw2mfta --quota 5000000
  idnode firm activate k3vqd7xw2mfta --prefix 88.118.9")]
    Activate {
        /// The prefix; the one that the firm wanted if absent
        #[arg(long)]
        prefix: Option<String>,
        /// Most identifiers that may be active at once
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(i64).range(0..))]
        quota: Option<i64>,
        /// What every step takes.
        #[command(flatten)]
        step: NoteArguments,
    },
    /// Suspend a firm and its prefixes (security administrator)
    #[command(before_help = "\
Examples:
  idnode firm suspend k3vqd7xw2mfta --reason 'licence revoked'")]
    Suspend(ReasonArguments),
    /// End the suspension of a firm (security administrator)
    #[command(before_help = "\
Examples:
  idnode firm reinstate k3vqd7xw2mfta")]
    Reinstate(NoteArguments),
    /// Retire a firm: its prefixes are served no longer (security administrator)
    #[command(before_help = "\
Examples:
  idnode firm retire k3vqd7xw2mfta --reason 'dissolved'")]
    Retire(ReasonArguments),
    /// Erase a firm's people and documents, for good
    #[command(before_help = "\
Examples:
  idnode firm erase k3vqd7xw2mfta --yes")]
    Erase {
        /// Do it: nobody can read them again
        #[arg(long)]
        yes: bool,
        /// What every step takes.
        #[command(flatten)]
        step: NoteArguments,
    },
}

/// What every change of a firm takes.
#[derive(Debug, clap::Args)]
pub struct FirmArguments {
    /// The firm
    #[arg(index = 1)]
    firm: String,
    /// Change it only if this is its etag still
    #[arg(long)]
    etag: Option<String>,
    #[command(flatten)]
    write: WriteArguments,
}

/// What a step without a reason takes.
#[derive(Debug, clap::Args)]
pub struct NoteArguments {
    #[command(flatten)]
    common: FirmArguments,
    /// What there is to say of it; nothing personal
    #[arg(long, default_value = "", hide_default_value = true)]
    note: String,
}

/// What a step with a reason takes.
#[derive(Debug, clap::Args)]
pub struct ReasonArguments {
    #[command(flatten)]
    common: FirmArguments,
    /// Why; the firm is told so
    #[arg(long)]
    reason: String,
}

/// Where a firm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum State {
    /// Being written
    Draft,
    /// Waits to be verified
    Submitted,
    /// Waits to be approved
    Verified,
    /// Waits for its prefix
    Approved,
    /// Rejected
    Rejected,
    /// Has its prefix
    Active,
    /// Barred for the time being
    Suspended,
    /// Has left
    Retired,
}

impl From<State> for v1::FirmState {
    fn from(state: State) -> Self {
        match state {
            State::Draft => Self::Draft,
            State::Submitted => Self::Submitted,
            State::Verified => Self::Verified,
            State::Approved => Self::Approved,
            State::Rejected => Self::Rejected,
            State::Active => Self::Active,
            State::Suspended => Self::Suspended,
            State::Retired => Self::Retired,
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
        Command::Form => output.data(form::EMPTY),
        Command::Apply(arguments) => apply::apply(arguments, connection, output).await,
        Command::Show { firm, people } => {
            let client = connection.client(output).await?;
            show_one(&client, name_of(&firm)?, people, output).await
        }
        Command::List { state, limit } => list(state, limit, connection, output).await,
        Command::Document { firm, number, to } => {
            let client = connection.client(output).await?;
            save(&client, (name_of(&firm)?, number), &to, output).await
        }
        Command::Erase { yes: false, .. } => {
            Err(Failure::usage("what is erased cannot be read again").hint("do it: add --yes"))
        }
        change => {
            let client = connection.client(output).await?;
            let (changed, dry_run) = make(change, &client).await?;
            note_dry_run(dry_run, output);
            let shape = FirmShape::from(changed);
            output.show(&shape, || shape.rows())
        }
    }
}

/// Fills a request for a change, and asks: the firm as it is then, and whether it
/// was only judged.
macro_rules! ask {
    ($client:expr, $call:ident, $message:ident { $($field:ident),* }, $common:expr) => {{
        let FirmArguments { firm, etag, write } = $common;
        let request = $client.request(v1::$message {
            name: name_of(&firm)?,
            $($field,)*
            etag: etag.unwrap_or_default(),
            request_id: write.request_id()?,
            validate_only: write.dry_run,
        });
        let firm = $client.answer($client.firms().$call(request)).await?;
        Ok((firm, write.dry_run))
    }};
}

/// Makes a change of an application; the others are steps.
async fn make(command: Command, client: &Client) -> Result<(v1::Firm, bool), Failure> {
    match command {
        Command::Edit { file, common } => {
            let (facts, people) = Form::read(&file)?.messages();
            ask!(client, edit_firm, EditFirmRequest { facts, people }, common)
        }
        Command::Attach { document, common } => {
            let (kind, file_name, content) = document.read()?;
            ask!(
                client,
                attach_document,
                AttachDocumentRequest {
                    kind,
                    file_name,
                    content
                },
                common
            )
        }
        Command::Detach { number, common } => {
            ask!(
                client,
                detach_document,
                DetachDocumentRequest { number },
                common
            )
        }
        Command::Activate {
            prefix,
            quota,
            step: NoteArguments { common, note },
        } => {
            let prefix = prefix.unwrap_or_default();
            ask!(
                client,
                activate_firm,
                ActivateFirmRequest {
                    prefix,
                    quota,
                    note
                },
                common
            )
        }
        other => step(other, client).await,
    }
}

/// Makes a step of a firm's life.
async fn step(command: Command, client: &Client) -> Result<(v1::Firm, bool), Failure> {
    match command {
        Command::Submit(NoteArguments { common, note }) => {
            ask!(client, submit_firm, SubmitFirmRequest { note }, common)
        }
        Command::Verify(NoteArguments { common, note }) => {
            ask!(client, verify_firm, VerifyFirmRequest { note }, common)
        }
        Command::Approve(NoteArguments { common, note }) => {
            ask!(client, approve_firm, ApproveFirmRequest { note }, common)
        }
        Command::Reject(ReasonArguments { common, reason }) => {
            ask!(client, reject_firm, RejectFirmRequest { reason }, common)
        }
        Command::Suspend(ReasonArguments { common, reason }) => {
            ask!(client, suspend_firm, SuspendFirmRequest { reason }, common)
        }
        Command::Reinstate(NoteArguments { common, note }) => {
            ask!(
                client,
                reinstate_firm,
                ReinstateFirmRequest { note },
                common
            )
        }
        Command::Retire(ReasonArguments { common, reason }) => {
            ask!(client, retire_firm, RetireFirmRequest { reason }, common)
        }
        Command::Erase {
            yes: _,
            step: NoteArguments { common, note },
        } => ask!(
            client,
            erase_firm_people,
            EraseFirmPeopleRequest { note },
            common
        ),
        Command::Form
        | Command::Apply(_)
        | Command::Show { .. }
        | Command::List { .. }
        | Command::Edit { .. }
        | Command::Attach { .. }
        | Command::Detach { .. }
        | Command::Document { .. }
        | Command::Activate { .. } => Err(Failure::usage("this is no step")),
    }
}

async fn show_one(
    client: &Client,
    name: String,
    people: bool,
    output: &Output,
) -> Result<(), Failure> {
    if people {
        let request = client.request(v1::GetFirmPeopleRequest { name });
        let people = client
            .answer(client.firms().get_firm_people(request))
            .await?;
        let shape = PeopleShape::from(people);
        return output.show(&shape, || shape.rows());
    }
    let request = client.request(v1::GetFirmRequest { name });
    let firm = client.answer(client.firms().get_firm(request)).await?;
    let shape = FirmShape::from(firm);
    output.show(&shape, || shape.rows())
}

async fn list(
    state: Option<State>,
    limit: u32,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let client = connection.client(output).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let state = state.map_or(v1::FirmState::Unspecified, v1::FirmState::from);
    let mut firms: Vec<FirmShape> = Vec::new();
    let mut page_token = String::new();
    loop {
        let left = limit.saturating_sub(firms.len());
        let request = client.request(v1::ListFirmsRequest {
            page_size: i32::try_from(left).unwrap_or(i32::MAX).min(PAGE_SIZE),
            page_token,
            state: state.into(),
        });
        let page = client.answer(client.firms().list_firms(request)).await?;
        firms.extend(page.firms.into_iter().map(FirmShape::from));
        page_token = page.next_page_token;
        if page_token.is_empty() || firms.len() >= limit {
            break;
        }
    }
    let value = json!({"firms": firms, "more": !page_token.is_empty()});
    output.show(&value, || {
        let mut rows = Rows::with_header(["FIRM", "STATE", "PREFIXES", "NAME"]);
        for firm in &firms {
            rows.push([
                firm.firm.clone(),
                firm.state.to_owned(),
                firm.prefixes.join(", "),
                firm.name.clone(),
            ]);
        }
        rows
    })
}

/// Writes a document to a new file, for its owner's eyes alone.
async fn save(
    client: &Client,
    (name, number): (String, u32),
    to: &Path,
    output: &Output,
) -> Result<(), Failure> {
    if to.exists() {
        let text = format!("{} is there already", to.display());
        return Err(Failure::usage(text));
    }
    let request = client.request(v1::GetFirmDocumentRequest { name, number });
    let answer = client
        .answer(client.firms().get_firm_document(request))
        .await?;
    let v1::FirmDocumentContent { document, content } = answer;
    let what = format!("cannot write {}", to.display());
    key_file::create_bytes(to, &content).map_err(|error| Failure::io(&what, &error))?;
    let shape = DocumentShape::from(document.unwrap_or_default());
    output.show(&shape, || shape.rows())
}

fn name_of(firm: &str) -> Result<String, Failure> {
    let id = firm.strip_prefix("firms/").unwrap_or(firm);
    Ok(format!("firms/{}", FirmId::parse(id)?))
}
