//! `operator`: people and keys of the node itself.

use std::path::PathBuf;

use crate::cli::client::Connection;
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::principal::person::{self, Recover};
use crate::cli::principal::{Keep, PrincipalShape, ScopeArguments, check_free, keep, list};
use crate::wire::proto::v1;

/// What can be done with operators.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Register a person with a role of the node; it has a one-time code, always
    #[command(before_help = "\
Examples:
  idnode operator create zhao --role auditor
  idnode operator create qian --role system-administrator --network 10.0.0.0/24")]
    Create {
        /// The login name: letters, digits, \".\", \"_\" and \"-\"
        name: String,
        /// Its one role.
        #[command(flatten)]
        office: OfficeArguments,
    },
    /// Make a key with a role of the node
    #[command(before_help = "\
Examples:
  idnode operator create-key monitoring --role system-administrator --output monitoring.key
  idnode operator create-key archive --role auditor --network 10.0.0.9 --expires 2027-01-01")]
    CreateKey {
        /// What it is for
        name: String,
        /// Its one role.
        #[command(flatten)]
        office: OfficeArguments,
        /// New file for the key, which its owner alone can read; else it is shown
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// List people and keys of the node
    #[command(before_help = "\
Examples:
  idnode operator list
  idnode operator list --show-revoked -o json")]
    List {
        /// Also list what was revoked
        #[arg(long)]
        show_revoked: bool,
    },
    /// Give a first password again, ending sessions and lock-out
    #[command(before_help = "\
Examples:
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

/// A role of the node, and from where and until when.
#[derive(Debug, clap::Args)]
pub struct OfficeArguments {
    /// Its role; it has one, and keeps it
    #[arg(long, value_enum)]
    role: NodeRole,
    /// What it is confined to.
    #[command(flatten)]
    scope: ScopeArguments,
}

/// A role of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum NodeRole {
    /// Runs the node: prefixes, records, backups, checking of applications
    SystemAdministrator,
    /// Grants and takes away: principals, approval of applications
    SecurityAdministrator,
    /// Reads the audit trail
    Auditor,
}

impl OfficeArguments {
    fn principal(self, name: String) -> v1::Principal {
        let Self { role, scope } = self;
        let role = match role {
            NodeRole::SystemAdministrator => v1::NodeRole::SystemAdministrator,
            NodeRole::SecurityAdministrator => v1::NodeRole::SecurityAdministrator,
            NodeRole::Auditor => v1::NodeRole::Auditor,
        };
        v1::Principal {
            node_role: role.into(),
            display_name: name,
            scope: (!scope.is_empty()).then(|| scope.into()),
            ..v1::Principal::default()
        }
    }
}

/// Does what `command` says.
///
/// # Errors
/// What the node answered, or why it did not; if a file cannot be written.
pub async fn run(
    command: Command,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        Command::Keep(command) => keep(command, connection, output).await,
        Command::Recover(command) => person::recover(command, connection, output).await,
        Command::ResetPassword { id } => person::reset_password(&id, connection, output).await,
        Command::List { show_revoked } => {
            let client = connection.client(output).await?;
            list(String::new(), (None, show_revoked), &client, output).await
        }
        Command::Create { name, office } => {
            person::create(office.principal(name), true, connection, output).await
        }
        Command::CreateKey {
            name,
            office,
            output: path,
        } => {
            check_free(path.as_ref())?;
            let client = connection.client(output).await?;
            let request = client.request(v1::CreateKeyRequest {
                principal: Some(office.principal(name)),
            });
            let made = client.answer(client.accounts().create_key(request)).await?;
            let key = zeroize::Zeroizing::new(made.key);
            let shape = PrincipalShape::from(made.principal.unwrap_or_default());
            shape.show_with(&[("key", &key)], path.as_deref(), output)
        }
    }
}
