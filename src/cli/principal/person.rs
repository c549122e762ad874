//! `person`: people of a firm.

use zeroize::Zeroizing;

use crate::cli::client::Connection;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::principal::{
    Keep, ListArguments, Membership, PrincipalShape, firm_or_own, keep, list, name_of,
};
use crate::wire::proto::v1;
use crate::wire::proto::v1::principal::Kind;

/// What can be done with people.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Register a person, with a first password
    #[command(before_help = "\
Examples:
  idnode person create wang --role owner
  idnode person create li --role reader --one-time-code --network 10.1.0.0/16")]
    Create {
        /// The login name: letters, digits, \".\", \"_\" and \"-\"
        name: String,
        /// Whose it is, and what it may.
        #[command(flatten)]
        membership: Membership,
        /// Ask for a one-time code too
        #[arg(long)]
        one_time_code: bool,
    },
    /// List the people of a firm
    #[command(before_help = "\
Examples:
  idnode person list
  idnode person list --firm f-3k9 -o json")]
    List(ListArguments),
    /// Recover: give a first password again, ending sessions and lock-out
    #[command(before_help = "\
Examples:
  idnode person reset-password 1f0a9c22d01b8e77
  idnode operator reset-password 1f0a9c22d01b8e77")]
    ResetPassword {
        /// The person's id
        id: String,
    },
    /// What else becomes of a person.
    #[command(flatten)]
    Recover(Recover),
    /// What becomes of a principal.
    #[command(flatten)]
    Keep(Keep),
}

/// What becomes of people alone, of a firm and of the node.
#[derive(Debug, clap::Subcommand)]
pub enum Recover {
    /// Give a new secret for one-time codes
    #[command(before_help = "\
Examples:
  idnode person one-time-code 1f0a9c22d01b8e77
  idnode person one-time-code 1f0a9c22d01b8e77 --remove
  idnode operator one-time-code 1f0a9c22d01b8e77")]
    OneTimeCode {
        /// The person's id
        id: String,
        /// Ask for none from here on; not for people of the node
        #[arg(long)]
        remove: bool,
    },
    /// End a lock-out after failed sign-ins
    #[command(before_help = "\
Examples:
  idnode person unlock 1f0a9c22d01b8e77
  idnode operator unlock 1f0a9c22d01b8e77")]
    Unlock {
        /// The person's id
        id: String,
    },
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
        Command::Keep(command) => keep(command, connection, output).await,
        Command::Recover(command) => recover(command, connection, output).await,
        Command::ResetPassword { id } => reset_password(&id, connection, output).await,
        Command::List(ListArguments { firm, show_revoked }) => {
            let client = connection.client(output).await?;
            let parent = firm_or_own(firm, &client).await?;
            let wanted = (Some(Kind::Person), show_revoked);
            list(parent, wanted, &client, output).await
        }
        Command::Create {
            name,
            membership,
            one_time_code,
        } => {
            let client = connection.client(output).await?;
            let principal = membership.principal(name, &client).await?;
            create(principal, one_time_code, connection, output).await
        }
    }
}

/// Registers a person and shows what it begins with.
///
/// # Errors
/// What the node answered, or why it did not.
pub(super) async fn create(
    principal: v1::Principal,
    one_time_code: bool,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let client = connection.client(output).await?;
    let request = client.request(v1::CreatePersonRequest {
        principal: Some(principal),
        one_time_code,
    });
    let v1::CreatePersonResponse {
        principal,
        first_password,
        one_time_code_uri,
    } = client
        .answer(client.accounts().create_person(request))
        .await?;
    let (password, uri) = (
        Zeroizing::new(first_password),
        Zeroizing::new(one_time_code_uri),
    );
    let secrets = [
        ("first_password", password.as_str()),
        ("one_time_code_uri", uri.as_str()),
    ];
    PrincipalShape::from(principal.unwrap_or_default()).show_with(&secrets, None, output)
}

/// Gives a person a first password again.
///
/// # Errors
/// What the node answered, or why it did not.
pub(super) async fn reset_password(
    id: &str,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let client = connection.client(output).await?;
    let request = client.request(v1::ResetPasswordRequest {
        name: name_of(id),
        etag: String::new(),
    });
    let made = client
        .answer(client.accounts().reset_password(request))
        .await?;
    let password = Zeroizing::new(made.first_password);
    let shape = PrincipalShape::from(made.principal.unwrap_or_default());
    shape.show_with(&[("first_password", &password)], None, output)
}

/// Does what `command` says.
///
/// # Errors
/// What the node answered, or why it did not.
pub(super) async fn recover(
    command: Recover,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    let client = connection.client(output).await?;
    let mut accounts = client.accounts();
    match command {
        Recover::Unlock { id } => {
            let request = client.request(v1::UnlockPrincipalRequest { name: name_of(&id) });
            let unlocked = accounts.unlock_principal(request);
            PrincipalShape::from(client.answer(unlocked).await?).show(output)
        }
        Recover::OneTimeCode { id, remove } => {
            let request = client.request(v1::SetOneTimeCodeRequest {
                name: name_of(&id),
                enabled: !remove,
                etag: String::new(),
            });
            let set = accounts.set_one_time_code(request);
            let set = client.answer(set).await?;
            let uri = Zeroizing::new(set.one_time_code_uri);
            let shape = PrincipalShape::from(set.principal.unwrap_or_default());
            if remove {
                return shape.show(output);
            }
            shape.show_with(&[("one_time_code_uri", &uri)], None, output)
        }
    }
}
