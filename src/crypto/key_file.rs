//! Files with private keys: readable for their owner alone, and never
//! overwritten.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zeroize::Zeroizing;

/// Octets of a file that is looked at.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Readable and writable for the owner, and for nobody else.
const MODE: u32 = 0o600;

/// Writes `text` to a new file at `path`, with mode 0600, and on the disk when
/// this returns.
///
/// # Errors
/// `AlreadyExists` if anything is there, and whatever the file system says; then
/// no half-written file stays.
pub fn create(path: &Path, text: &str) -> io::Result<()> {
    create_bytes(path, text.as_bytes())
}

/// Writes `bytes` as [`create`] writes text.
///
/// # Errors
/// As [`create`].
pub fn create_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(MODE);
    let mut file = options.open(path)?;
    let written = file.write_all(bytes);
    let written = written.and_then(|()| file.sync_all());
    let written = written.and_then(|()| sync_folder(path));
    if written.is_err() {
        // The first error is the one to report.
        drop(fs::remove_file(path));
    }
    written
}

/// The text of the file at `path`.
///
/// # Errors
/// Whatever the file system says; `InvalidData` for more than 64 KiB, or what is
/// not UTF-8.
pub fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    // All at once, so that growing leaves no copy of the key behind.
    let room = usize::try_from(FILE_BYTES_MAX + 1).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(room));
    let bytes = File::open(path)?
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if bytes >= room {
        let message = format!("more than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok(text)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_new_file_is_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.pem");
        create(&path, "secret\n").expect("a new file");
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert_eq!(*read(&path).expect("text"), "secret\n");
    }

    #[test]
    fn what_is_there_is_never_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.pem");
        create(&path, "first").expect("a new file");
        let again = create(&path, "second").expect_err("it is there");
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(*read(&path).expect("text"), "first");
    }

    #[test]
    fn reads_no_more_than_a_key_has() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("large");
        fs::write(&path, "a".repeat(64 * 1024)).expect("written");
        assert!(read(&path).is_ok());
        fs::write(&path, "a".repeat(64 * 1024 + 1)).expect("written");
        let kind = read(&path).expect_err("too large").kind();
        assert_eq!(kind, io::ErrorKind::InvalidData);
        fs::write(&path, [0xff]).expect("written");
        let kind = read(&path).expect_err("no text").kind();
        assert_eq!(kind, io::ErrorKind::InvalidData);
    }
}
