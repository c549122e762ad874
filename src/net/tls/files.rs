//! Certificates and keys in PEM files (RFC 7468).

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

/// Octets of a file that is looked at: a bundle of every public authority has
/// some 250 KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Permission of others than owner and group to read or write.
const OTHERS: u32 = 0o006;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is no PEM, or has none of what is looked for.
    #[error("{} has no {what} in PEM", path.display())]
    Absent {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// Others than its owner and group may read or write the key.
    #[error("{} can be read or written by anyone: chmod 600", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be used, or key and certificate do not belong together.
    #[error("{} cannot be used", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// Why.
        source: tokio_rustls::rustls::Error,
    },
}

/// Every certificate of the file; at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let text = read(path)?;
    let parsed = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let found = parsed.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| absent(path, "certificate"))
}

/// The first private key of the file, which is nobody else's.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let text = read(path)?;
    let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
    if metadata.permissions().mode() & OTHERS != 0 {
        let path = path.to_owned();
        return Err(Error::Exposed { path });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| absent(path, "private key"))
}

/// The file's certificates as authorities.
pub(super) fn roots(path: &Path) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    // Public bundles have some that nobody can read; those that can be count.
    let (added, _) = roots.add_parsable_certificates(certificates(path)?);
    if added == 0 {
        return Err(absent(path, "certificate"));
    }
    Ok(roots)
}

fn absent(path: &Path, what: &'static str) -> Error {
    let path = path.to_owned();
    Error::Absent { path, what }
}

fn unreadable(path: &Path, source: io::Error) -> Error {
    let path = path.to_owned();
    Error::Unreadable { path, source }
}

/// The file, which may hold a key.
fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Error> {
    let fail = |source| unreadable(path, source);
    let file = File::open(path).map_err(fail)?;
    let size = file.metadata().map_err(fail)?.len();
    // All at once, so that growing leaves no copy of the key behind.
    let room = usize::try_from(size.min(FILE_BYTES_MAX) + 1).unwrap_or_default();
    let mut octets = Zeroizing::new(Vec::with_capacity(room));
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut octets)
        .map_err(fail)?;
    if octets.len() > usize::try_from(FILE_BYTES_MAX).unwrap_or_default() {
        let message = format!("more than {FILE_BYTES_MAX} bytes");
        return Err(fail(io::Error::new(io::ErrorKind::InvalidData, message)));
    }
    Ok(octets)
}
