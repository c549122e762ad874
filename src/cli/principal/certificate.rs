//! `certificate`: certificates of TLS clients.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::cli::client::Connection;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::Output;
use crate::cli::principal::{
    Keep, ListArguments, Membership, PrincipalShape, firm_or_own, keep, list,
};
use crate::wire::proto::v1;
use crate::wire::proto::v1::principal::Kind;

/// Bytes of a file that is looked at.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What can be done with certificates.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Register the certificate of a client
    #[command(before_help = "\
Examples:
  idnode certificate add meter-7 --file meter-7.pem --role registrar --prefix 88.118.7
  idnode certificate add gateway --file gateway.pem --role reader --verb read")]
    Add {
        /// What it is for
        name: String,
        /// The certificate, PEM; the client's own if there are several
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Whose it is, and what it may.
        #[command(flatten)]
        membership: Membership,
    },
    /// List the certificates of a firm
    #[command(before_help = "\
Examples:
  idnode certificate list
  idnode certificate list --firm f-3k9 -o json")]
    List(ListArguments),
    /// What becomes of a principal.
    #[command(flatten)]
    Keep(Keep),
}

/// Does what `command` says.
///
/// # Errors
/// What the node answered, or why it did not; if the file cannot be read.
pub async fn run(
    command: Command,
    connection: &Connection,
    output: &Output,
) -> Result<(), Failure> {
    match command {
        Command::Keep(command) => keep(command, connection, output).await,
        Command::List(ListArguments { firm, show_revoked }) => {
            let client = connection.client(output).await?;
            let parent = firm_or_own(firm, &client).await?;
            let wanted = (Some(Kind::Certificate), show_revoked);
            list(parent, wanted, &client, output).await
        }
        Command::Add {
            name,
            file,
            membership,
        } => {
            let certificate = read(&file)?;
            let client = connection.client(output).await?;
            let request = client.request(v1::CreateCertificateRequest {
                principal: Some(membership.principal(name, &client).await?),
                certificate,
            });
            let mut accounts = client.accounts();
            let added = accounts.create_certificate(request);
            PrincipalShape::from(client.answer(added).await?).show(output)
        }
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    let fail = |error: std::io::Error| {
        let text = format!("cannot read {}: {error}", path.display());
        Failure::new(Exit::Usage, text)
    };
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(fail)?;
    if text.contains("PRIVATE KEY") {
        let text = format!("{} holds a private key, which goes nowhere", path.display());
        return Err(Failure::usage(text).hint("name a file that holds the certificate alone"));
    }
    Ok(text)
}
