//! `key`: keys of applications.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::client::{Connection, duration};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::cli::principal::{
    Keep, ListArguments, Membership, PrincipalShape, check_free, firm_or_own, keep, list, name_of,
};
use crate::wire::proto::v1;
use crate::wire::proto::v1::principal::Kind;

/// What can be done with keys.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a key for an application
    #[command(before_help = "\
Examples:
  idnode key create erp --role registrar --prefix 88.118.7 --output erp.key
  idnode key create line-3 --role reader --verb read --network 10.1.0.0/16 --expires 2027-01-01")]
    Create {
        /// What it is for
        name: String,
        /// Whose it is, and what it may.
        #[command(flatten)]
        membership: Membership,
        /// New file for the key, which its owner alone can read; else it is shown
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// List the keys of a firm
    #[command(before_help = "\
Examples:
  idnode key list
  idnode key list --firm f-3k9 --show-revoked -o json")]
    List(ListArguments),
    /// Make a new secret for a key; the one before counts for a while longer
    #[command(before_help = "\
Examples:
  idnode key rotate 1f0a9c22d01b8e77 --output erp-2.key
  idnode key rotate 1f0a9c22d01b8e77 --overlap 1h")]
    Rotate {
        /// Its id; the second part of the key
        id: String,
        /// How long the secret before counts still: 30m, 24h; at most 720h
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = overlap)]
        overlap: Duration,
        /// New file for the key, which its owner alone can read; else it is shown
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// What becomes of a principal.
    #[command(flatten)]
    Keep(Keep),
}

/// Parses an overlap: none, or as other times, and longer.
fn overlap(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let hours = text.strip_suffix('h').and_then(|hours| hours.parse().ok());
    match hours {
        Some(hours @ 1..=720_u64) => Ok(Duration::from_secs(hours * 3600)),
        Some(_) => Err("must be at most 720h".to_owned()),
        None => duration(text),
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
    let (made, path) = match command {
        Command::Keep(command) => return keep(command, connection, output).await,
        Command::List(ListArguments { firm, show_revoked }) => {
            let client = connection.client(output).await?;
            let parent = firm_or_own(firm, &client).await?;
            let wanted = (Some(Kind::Key), show_revoked);
            return list(parent, wanted, &client, output).await;
        }
        Command::Create {
            name,
            membership,
            output: path,
        } => {
            check_free(path.as_ref())?;
            let client = connection.client(output).await?;
            let principal = membership.principal(name, &client).await?;
            let request = client.request(v1::CreateKeyRequest {
                principal: Some(principal),
            });
            let made = client.answer(client.accounts().create_key(request)).await?;
            ((made.principal, made.key), path)
        }
        Command::Rotate {
            id,
            overlap,
            output: path,
        } => {
            check_free(path.as_ref())?;
            let client = connection.client(output).await?;
            let seconds = i64::try_from(overlap.as_secs()).unwrap_or(i64::MAX);
            let request = client.request(v1::RotateKeyRequest {
                name: name_of(&id),
                overlap: Some(prost_types::Duration { seconds, nanos: 0 }),
                etag: String::new(),
            });
            let made = client.answer(client.accounts().rotate_key(request)).await?;
            ((made.principal, made.key), path)
        }
    };
    let (principal, key) = made;
    let key = zeroize::Zeroizing::new(key);
    let shape = PrincipalShape::from(principal.unwrap_or_default());
    shape.show_with(&[("key", &key)], path.as_deref(), output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_overlaps() {
        let secs = |text: &str| overlap(text).map(|time| time.as_secs()).ok();
        assert_eq!(secs("0"), Some(0));
        assert_eq!(secs("30m"), Some(1800));
        assert_eq!(secs("720h"), Some(2_592_000));
        for wrong in ["", "721h", "-1h", "1d", "h"] {
            assert_eq!(secs(wrong), None, "{wrong}");
        }
    }
}
