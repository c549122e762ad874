//! `backup`: makes, lists, checks and restores backups, on a running node or on
//! the folders of one that is stopped.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use crate::cli::client::{Client, Connection};
use crate::cli::failure::{Exit, Failure, known, next_step};
use crate::cli::output::{Output, Rows};
use crate::cli::status::bytes_text;
use crate::wire::proto::v1;

/// How long one call waits for an operation before it asks again.
const WAIT: Duration = Duration::from_secs(10);

/// What can be done with backups.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a backup while the node runs
    #[command(before_help = "\
Examples:
  idnode backup create
  idnode backup create before-upgrade")]
    Create {
        /// Its name: lower-case letters, digits and "-"; made from the time
        name: Option<String>,
        /// What every long work takes.
        #[command(flatten)]
        work: WorkArguments,
    },
    /// List the backups of the node, newest first
    #[command(before_help = "\
Examples:
  idnode backup list -o json")]
    List,
    /// Check every file of a backup, and that the store in it opens
    #[command(before_help = "\
Examples:
  idnode backup verify before-upgrade
  idnode backup verify --offline /var/lib/idnode/backups/before-upgrade")]
    Verify {
        /// Its name
        #[arg(required_unless_present = "offline")]
        name: Option<String>,
        /// Check the backup in this folder, without a node
        #[arg(long, value_name = "BACKUP_DIR", conflicts_with = "name")]
        offline: Option<PathBuf>,
        /// What every long work takes.
        #[command(flatten)]
        work: WorkArguments,
    },
    /// Verify a backup, and have the node begin with it at its next start
    #[command(before_help = "\
Examples:
  idnode backup restore before-upgrade --yes
  idnode backup restore --offline /backups/before-upgrade /var/lib/idnode")]
    Restore {
        /// Its name
        #[arg(required_unless_present = "offline")]
        name: Option<String>,
        /// Restore this backup into the folder of a node that is stopped
        #[arg(long, num_args = 2, value_names = ["BACKUP_DIR", "DATA_DIR"],
              conflicts_with = "name")]
        offline: Option<Vec<PathBuf>>,
        /// Do it: what the node has now is laid aside
        #[arg(long)]
        yes: bool,
        /// What every long work takes.
        #[command(flatten)]
        work: WorkArguments,
    },
}

/// What every long work takes.
#[derive(Debug, clap::Args)]
pub struct WorkArguments {
    /// How long to wait for the work to be done
    #[arg(long, value_name = "TIME", default_value = "1h",
          value_parser = crate::cli::client::duration)]
    wait: Duration,
}

/// A backup in JSON. The shape is stable; `docs/cli.md` documents it.
#[derive(Debug, Serialize)]
struct BackupShape {
    backup: String,
    create_time: Option<String>,
    applied_position: i64,
    size_bytes: i64,
    file_count: i64,
}

impl From<v1::Backup> for BackupShape {
    fn from(backup: v1::Backup) -> Self {
        let v1::Backup {
            name,
            create_time,
            applied_position,
            size_bytes,
            file_count,
        } = backup;
        Self {
            backup: name.strip_prefix("backups/").unwrap_or(&name).to_owned(),
            create_time: create_time.map(|time| time.to_string()),
            applied_position,
            size_bytes,
            file_count,
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
        Command::Create { name, work } => {
            let client = connection.client(output).await?;
            let request = client.request(v1::CreateBackupRequest {
                backup_id: name.unwrap_or_default(),
            });
            let begun = client.answer(client.node().create_backup(request)).await?;
            show(done(&client, begun, &work).await?, output)
        }
        Command::List => list(connection, output).await,
        Command::Verify {
            offline: Some(backup),
            ..
        } => offline::verify(backup, output).await,
        Command::Verify { name, work, .. } => {
            let name = format!("backups/{}", name.unwrap_or_default());
            let client = connection.client(output).await?;
            let request = client.request(v1::VerifyBackupRequest { name });
            let begun = client.answer(client.node().verify_backup(request)).await?;
            let backup = done(&client, begun, &work).await?;
            output.say("the backup is sound");
            show(backup, output)
        }
        Command::Restore {
            offline: Some(folders),
            ..
        } => offline::restore(folders, output).await,
        Command::Restore { yes: false, .. } => {
            Err(Failure::usage("restoring lays aside what the node has now")
                .hint("do it: add --yes"))
        }
        Command::Restore { name, work, .. } => {
            let name = format!("backups/{}", name.unwrap_or_default());
            let client = connection.client(output).await?;
            let request = client.request(v1::RestoreBackupRequest { name });
            let begun = client.answer(client.node().restore_backup(request)).await?;
            let backup = done(&client, begun, &work).await?;
            output.say("the backup lies ready: restart the node to begin with it");
            show(backup, output)
        }
    }
}

/// Waits until an operation is done, and opens its result.
async fn done(
    client: &Client,
    begun: v1::Operation,
    work: &WorkArguments,
) -> Result<v1::Backup, Failure> {
    let deadline = tokio::time::Instant::now() + work.wait;
    let mut operation = begun;
    while !operation.done {
        let left = deadline.saturating_duration_since(tokio::time::Instant::now());
        if left.is_zero() {
            let text = format!("{} goes on, but not within {:?}", operation.name, work.wait);
            return Err(Failure::new(Exit::Unavailable, text).hint("allow more time: --wait 3h"));
        }
        let wait = left.min(WAIT).min(client.timeout() / 2);
        let request = client.request(v1::WaitOperationRequest {
            name: operation.name,
            timeout: prost_types::Duration::try_from(wait).ok(),
        });
        operation = client.answer(client.node().wait_operation(request)).await?;
    }
    match operation.result {
        Some(v1::operation::Result::Backup(backup)) => Ok(backup),
        Some(v1::operation::Result::Error(error)) => Err(failure_of(&error)),
        None => Err(Failure::new(Exit::Failed, "the node named no result")),
    }
}

/// The failure that an item of a batch or an operation ended with.
pub fn failure_of(error: &v1::ItemError) -> Failure {
    let reason = known(&error.reason);
    let exit = reason.map_or(Exit::Failed, |reason| reason.fault().into());
    let text = format!("{} [{}]", error.message, error.reason);
    let failure = Failure::new(exit, text);
    match reason.and_then(next_step) {
        Some(next_step) => failure.hint(next_step),
        None => failure,
    }
}

async fn list(connection: &Connection, output: &Output) -> Result<(), Failure> {
    let client = connection.client(output).await?;
    let request = client.request(v1::ListBackupsRequest {});
    let answer = client.answer(client.node().list_backups(request)).await?;
    let shapes: Vec<BackupShape> = answer.backups.into_iter().map(BackupShape::from).collect();
    output.show(&json!({"backups": shapes}), || {
        let mut rows = Rows::with_header(["BACKUP", "MADE", "POSITION", "SIZE", "FILES"]);
        for shape in &shapes {
            rows.push([
                shape.backup.clone(),
                shape.create_time.clone().unwrap_or_default(),
                shape.applied_position.to_string(),
                bytes_text(shape.size_bytes),
                shape.file_count.to_string(),
            ]);
        }
        rows
    })
}

fn show(backup: v1::Backup, output: &Output) -> Result<(), Failure> {
    show_shape(&backup.into(), output)
}

fn show_shape(shape: &BackupShape, output: &Output) -> Result<(), Failure> {
    output.show(shape, || {
        Rows::of_pairs([
            ("backup", shape.backup.clone()),
            ("made", shape.create_time.clone().unwrap_or_default()),
            ("position", shape.applied_position.to_string()),
            ("size", bytes_text(shape.size_bytes)),
            ("files", shape.file_count.to_string()),
        ])
    })
}

/// Work on folders, without a node.
mod offline {
    use std::path::{Path, PathBuf};

    use super::{BackupShape, show_shape};
    use crate::cli::failure::{Exit, Failure};
    use crate::cli::output::Output;
    use crate::store;
    use crate::store::backup::{self, BackupInfo};

    impl From<BackupInfo> for BackupShape {
        fn from(info: BackupInfo) -> Self {
            let BackupInfo {
                name,
                created,
                applied_position,
                bytes,
                file_count,
            } = info;
            let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
            let created = prost_types::Timestamp {
                seconds: count(created.secs()),
                nanos: 0,
            };
            Self {
                backup: name,
                create_time: Some(created.to_string()),
                applied_position: count(applied_position),
                size_bytes: count(bytes),
                file_count: count(file_count),
            }
        }
    }

    pub(super) async fn verify(backup: PathBuf, output: &Output) -> Result<(), Failure> {
        let info = off_thread(move || backup::verify(&backup)).await?;
        output.say("the backup is sound");
        show_shape(&info.into(), output)
    }

    pub(super) async fn restore(folders: Vec<PathBuf>, output: &Output) -> Result<(), Failure> {
        let [backup, data] = folders.as_slice() else {
            return Err(Failure::usage("--offline takes two folders"));
        };
        let (from, to) = (backup.clone(), data.clone());
        let info = off_thread(move || backup::restore(&from, &to)).await?;
        output.say(&restored(data));
        show_shape(&info.into(), output)
    }

    fn restored(data: &Path) -> String {
        format!(
            "the backup is in {}: start the node with it",
            data.display()
        )
    }

    /// Runs work that blocks on the disk.
    async fn off_thread(
        work: impl FnOnce() -> Result<BackupInfo, store::Error> + Send + 'static,
    ) -> Result<BackupInfo, Failure> {
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(info)) => Ok(info),
            Ok(Err(error @ store::Error::NotEmpty(_))) => {
                Err(Failure::chained(Exit::Conflict, &error))
            }
            Ok(Err(error)) => Err(Failure::chained(error.fault().into(), &error)),
            Err(error) => Err(Failure::chained(Exit::Failed, &error)),
        }
    }
}
