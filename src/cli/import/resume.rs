//! How far an import came, in a file beside the imported one, so that an
//! import that was killed goes on where it stood.
//!
//! The state counts the records that the node acknowledged. An import that
//! resumes reads the file from the beginning and drops as many: what a record
//! is depends on the rows before it, and reading is fast beside registering.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::cli::failure::{Exit, Failure};

/// What the name of the state file adds to that of the imported one.
const EXTENSION: &str = "idnode-resume";
/// Bytes at the beginning and at the end by which a file is known again.
const CRC_BYTES: u64 = 64 << 10;
/// Bytes of a state file; a larger one is none.
const STATE_BYTES_MAX: u64 = 64 << 10;

/// What became of the records that were sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Records that the node acknowledged, whatever became of them.
    pub covered_count: u64,
    /// Registered.
    pub created_count: u64,
    /// Replaced.
    pub updated_count: u64,
    /// Equal to what was there.
    pub unchanged_count: u64,
    /// There already, and left as they were.
    pub skipped_count: u64,
    /// Refused by the node.
    pub rejected_count: u64,
}

/// A state file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    version: u32,
    file: Fingerprint,
    /// Node and options; another set does not go on from here.
    options: String,
    /// How far it came.
    pub tally: Tally,
}

/// By what a file is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fingerprint {
    size_bytes: u64,
    modified_millis: u64,
    head_crc32: u32,
    tail_crc32: u32,
}

impl Fingerprint {
    fn of(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH);
        let head_crc32 = crc(&mut file)?;
        file.seek(SeekFrom::Start(metadata.len().saturating_sub(CRC_BYTES)))?;
        Ok(Self {
            size_bytes: metadata.len(),
            modified_millis: modified.map_or(0, |since| {
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }),
            head_crc32,
            tail_crc32: crc(&mut file)?,
        })
    }
}

fn crc(file: &mut File) -> io::Result<u32> {
    let mut bytes = Vec::new();
    file.take(CRC_BYTES).read_to_end(&mut bytes)?;
    Ok(crc32fast::hash(&bytes))
}

/// The state file of an import, and what it says.
#[derive(Debug)]
pub struct Resume {
    path: PathBuf,
    state: State,
    goes_on: bool,
}

impl Resume {
    /// The state of the import of `file` with these `options`: what is on the
    /// disk if `go_on`, else a new one.
    ///
    /// # Errors
    /// [`Exit::Conflict`] if the state is of another file, or of other options;
    /// if the file cannot be read.
    pub fn open(file: &Path, options: String, go_on: bool) -> Result<Self, Failure> {
        let fail = |error| Failure::io(&format!("cannot read {}", file.display()), &error);
        let fresh = State {
            version: 1,
            file: Fingerprint::of(file).map_err(fail)?,
            options,
            tally: Tally::default(),
        };
        let path = state_path(file);
        if !go_on || !path.exists() {
            let mut resume = Self {
                path,
                state: fresh,
                goes_on: false,
            };
            // From here on the node may have taken records without our hearing.
            resume.keep(&Tally::default())?;
            return Ok(resume);
        }
        let state = read(&path)?;
        let (same_file, same_options) = (state.file == fresh.file, state.options == fresh.options);
        if state.version != 1 || !same_file || !same_options {
            let what = if same_file { "the options" } else { "the file" };
            let text = format!(
                "cannot go on: {what} changed since {} was written",
                path.display()
            );
            return Err(Failure::new(Exit::Conflict, text)
                .hint("begin anew without --resume; --on-conflict skip leaves what is there"));
        }
        Ok(Self {
            path,
            state,
            goes_on: true,
        })
    }

    /// Whether an earlier import of `file` left a state.
    pub fn exists(file: &Path) -> bool {
        state_path(file).exists()
    }

    /// Whether an earlier run began: the node may have taken more of the file
    /// than that run heard of.
    pub const fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// How far the import came.
    pub const fn tally(&self) -> &Tally {
        &self.state.tally
    }

    /// Keeps how far the import came: all of it, or as it was before.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep(&mut self, tally: &Tally) -> Result<(), Failure> {
        self.state.tally = tally.clone();
        let fail = |error: io::Error| {
            Failure::io(&format!("cannot write {}", self.path.display()), &error)
        };
        let text = serde_json::to_string(&self.state).map_err(|error| fail(error.into()))?;
        let written = self.path.with_extension(format!("{EXTENSION}.new"));
        std::fs::write(&written, text).map_err(fail)?;
        std::fs::rename(&written, &self.path).map_err(fail)
    }

    /// The import is complete: nothing is left to go on with.
    ///
    /// # Errors
    /// If the state file cannot be removed.
    pub fn remove(self) -> Result<(), Failure> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let what = format!("cannot remove {}", self.path.display());
                Err(Failure::io(&what, &error))
            }
            _ => Ok(()),
        }
    }
}

fn state_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(EXTENSION);
    PathBuf::from(name)
}

fn read(path: &Path) -> Result<State, Failure> {
    let what = format!("cannot read {}", path.display());
    let fail = |error: io::Error| Failure::io(&what, &error);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(fail)?;
    file.take(STATE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(fail)?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::new(Exit::Failed, format!("{what}: {error}"))
            .hint("remove it, and begin anew without --resume")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goes_on_with_the_same_file_and_options_only() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("a.csv");
        std::fs::write(&file, "identifier,name\n").expect("write");
        let open = |options: &str, go_on| Resume::open(&file, options.into(), go_on);

        let mut resume = open("x", true).expect("nothing to go on with");
        assert_eq!(resume.tally(), &Tally::default());
        let tally = Tally {
            covered_count: 7,
            created_count: 7,
            ..Tally::default()
        };
        resume.keep(&tally).expect("written");
        assert!(Resume::exists(&file));
        assert_eq!(open("x", true).expect("same").tally(), &tally);
        assert_eq!(open("x", false).expect("anew").tally(), &Tally::default());
        assert_eq!(open("y", true).expect_err("options").exit(), Exit::Conflict);

        std::fs::write(&file, "identifier,name\nmore").expect("write");
        assert_eq!(open("x", true).expect_err("file").exit(), Exit::Conflict);
        resume.remove().expect("removed");
        assert!(!Resume::exists(&file));
    }
}
