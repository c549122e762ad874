//! What the log needs of the machine: the file with the key of its checkpoints,
//! and the hours at which what is older than the retention falls.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::HEXLOWER;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::crypto::key_file;
use crate::merkle::{NoteError, SEED_BYTES, Signer};
use crate::node::Node;
use crate::server::fill_random;

/// The file below the data folder with the key that checkpoints are signed with:
/// made at the first start, and part of who the node is to whoever verifies it.
pub(super) const LOG_KEY_FILE: &str = "audit-log-key";
/// How often entries fall that are older than the retention.
const PRUNE_EVERY: Duration = Duration::from_secs(3600);
/// What the name of a log begins with whose settings name none.
const ORIGIN: &str = "idnode/";

/// Why there is no key of the log.
#[derive(Debug, thiserror::Error)]
pub enum LogKeyError {
    /// The file cannot be read or written.
    #[error("cannot use the key file {}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else, or the settings name the log in a way that no
    /// log is named.
    #[error("no usable key in {}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: NoteError,
    },
}

/// Reads the key at `path`; if there is no such file, makes a key of the name
/// `origin`, or of a name made of it, and stores it there.
///
/// # Errors
/// [`LogKeyError`].
pub(super) fn load_or_create(path: &Path, origin: &str) -> Result<Signer, LogKeyError> {
    let content = |source| LogKeyError::Content {
        path: path.to_owned(),
        source,
    };
    let file = |source| LogKeyError::File {
        path: path.to_owned(),
        source,
    };
    match key_file::read(path) {
        Ok(text) => {
            let signer = Signer::parse(text.trim()).map_err(content)?;
            let name = signer.verifier().name();
            if !origin.is_empty() && origin != name {
                warn!(
                    name,
                    origin, "the log keeps the name that its key was made with"
                );
            }
            Ok(signer)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut seed = Zeroizing::new([0; SEED_BYTES]);
            fill_random(&mut *seed);
            let signer = named(origin, &seed).map_err(content)?;
            let text = Zeroizing::new(format!("{}\n", *signer.to_secret_text()));
            key_file::create(path, &text).map_err(file)?;
            Ok(signer)
        }
        Err(error) => Err(file(error)),
    }
}

/// A key of the name `origin`, or of one made of its public half.
fn named(origin: &str, seed: &[u8; SEED_BYTES]) -> Result<Signer, NoteError> {
    if !origin.is_empty() {
        return Signer::new(origin, seed);
    }
    let nameless = Signer::new(ORIGIN, seed)?;
    let (beginning, _) = nameless.verifier().key().split_at(8);
    Signer::new(&format!("{ORIGIN}{}", HEXLOWER.encode(beginning)), seed)
}

/// Has entries fall that are older than `retention_days`, now and every hour, until
/// the node drains.
pub(super) async fn prune(node: Node, retention_days: u32, draining: CancellationToken) {
    if retention_days == 0 {
        return;
    }
    let mut hours = tokio::time::interval(PRUNE_EVERY);
    loop {
        tokio::select! {
            () = draining.cancelled() => return,
            _ = hours.tick() => {}
        }
        let mut total: u64 = 0;
        while !draining.is_cancelled() {
            let node = node.clone();
            let work = move || node.prune_audit(retention_days);
            // The store has said why where it failed.
            let Ok(Ok(count)) = tokio::task::spawn_blocking(work).await else {
                break;
            };
            total += count;
            if count == 0 {
                break;
            }
        }
        if total > 0 {
            info!(count = total, "audit entries older than the retention fell");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_becomes_a_key_that_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(LOG_KEY_FILE);
        let made = load_or_create(&path, "").expect("made");
        let name = made.verifier().name().to_owned();
        assert!(
            name.starts_with(ORIGIN) && name.len() == ORIGIN.len() + 16,
            "{name}"
        );
        for origin in ["", "node.example/log"] {
            let kept = load_or_create(&path, origin).expect("loaded");
            assert_eq!(kept.verifier(), made.verifier());
        }
    }

    #[test]
    fn takes_its_name_from_the_settings() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(LOG_KEY_FILE);
        let made = load_or_create(&path, "node.example/log").expect("made");
        assert_eq!(made.verifier().name(), "node.example/log");
        let other = folder.path().join("other");
        let refused = load_or_create(&other, "a b").expect_err("no name");
        assert!(matches!(refused, LogKeyError::Content { .. }), "{refused}");
        assert!(!other.exists());
    }

    #[test]
    fn a_file_without_a_key_is_kept_and_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(LOG_KEY_FILE);
        std::fs::write(&path, "no key").expect("written");
        let refused = load_or_create(&path, "").expect_err("no key");
        assert!(matches!(refused, LogKeyError::Content { .. }), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).expect("text"), "no key");
    }
}
