//! Online backups, their verification, and restoring them.
//!
//! A backup is a folder: a RocksDB checkpoint (`db/`, hard links where the
//! volume is the same, so that it takes no space and a moment) and `backup.json`
//! with the size and SHA-256 of every file. A restore never overwrites: it lays
//! a verified copy beside the store, and the next start takes it up by renaming.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use rocksdb::checkpoint::Checkpoint;
use serde::{Deserialize, Serialize};

use crate::merkle::Hash;
use crate::model::Timestamp;
use crate::store::check::fault_of;
use crate::store::error::BACKUP_NAME_CHARS_MAX;
use crate::store::{Config, ENGINE_FOLDER, Error, Metrics, Store, TrailReport};

/// The list of a backup's files, beside them.
const MANIFEST: &str = "backup.json";
/// Bytes of a backup's manifest; a larger file is none.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;
/// A verified copy that the next start takes up.
const RESTORE_FOLDER: &str = "restore";
/// A copy that is not complete yet.
const STAGING_FOLDER: &str = "restore.partial";

/// What is known of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupInfo {
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created: Timestamp,
    /// Log position of the last change in it.
    pub applied_position: u64,
    /// Bytes of its files.
    pub bytes: u64,
    /// How many files it has.
    pub file_count: u64,
}

#[derive(Debug, Deserialize, Serialize)]
struct Manifest {
    created_millis: u64,
    applied_position: u64,
    files: BTreeMap<String, FileSum>,
}

#[derive(Debug, PartialEq, Eq, Deserialize, Serialize)]
struct FileSum {
    bytes: u64,
    sha256: String,
}

impl Manifest {
    fn info(&self, name: &str) -> BackupInfo {
        BackupInfo {
            name: name.to_owned(),
            created: Timestamp::from_millis(self.created_millis),
            applied_position: self.applied_position,
            bytes: self.files.values().map(|file| file.bytes).sum(),
            file_count: u64::try_from(self.files.len()).unwrap_or_default(),
        }
    }
}

impl Store {
    /// Makes a backup of what is applied, while reads and writes go on.
    ///
    /// # Errors
    /// [`Error::BackupName`], [`Error::BackupExists`], [`Error::DiskFull`],
    /// [`Error::Engine`], [`Error::File`].
    pub fn backup_create(&self, name: &str, now: Timestamp) -> Result<BackupInfo, Error> {
        check_name(name)?;
        let _alone = self.backing_up.lock();
        let root = self.backup_dir();
        fs::create_dir_all(&root).map_err(Error::file(&root))?;
        let target = root.join(name);
        if target.exists() {
            return Err(Error::BackupExists(name.to_owned()));
        }
        // Complete under its own name, or not there under it at all.
        let partial = root.join(format!(".{name}.partial"));
        remove_folder(&partial)?;
        fs::create_dir(&partial).map_err(Error::file(&partial))?;
        let made = self.fill_backup(&partial, now).and_then(|manifest| {
            fs::rename(&partial, &target).map_err(Error::file(&target))?;
            sync_folder(&root)?;
            Ok(manifest.info(name))
        });
        if made.is_err() {
            remove_folder(&partial)?;
        }
        made
    }

    fn fill_backup(&self, folder: &Path, now: Timestamp) -> Result<Manifest, Error> {
        let engine = folder.join(ENGINE_FOLDER);
        {
            // What is laid and not taken in would not be in it.
            let _none_laid = self.taking_in.lock();
            Checkpoint::new(&self.db)?.create_checkpoint(&engine)?;
        }
        // The position inside, not of this moment: writes went on meanwhile.
        let applied_position = position_of(&engine)?;
        let manifest = Manifest {
            created_millis: now.millis(),
            applied_position,
            files: sums(&engine)?,
        };
        let path = folder.join(MANIFEST);
        let text = serde_json::to_vec_pretty(&manifest)
            .map_err(|error| Error::file(&path)(error.into()))?;
        write_synced(&path, &text)?;
        sync_folder(folder)?;
        Ok(manifest)
    }

    /// The backups, newest first.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn backup_list(&self) -> Result<Vec<BackupInfo>, Error> {
        let root = self.backup_dir();
        if !root.exists() {
            return Ok(Vec::new());
        }
        let mut backups = Vec::new();
        for entry in fs::read_dir(&root).map_err(Error::file(&root))? {
            let name = entry.map_err(Error::file(&root))?.file_name();
            let Some(name) = name.to_str().filter(|name| check_name(name).is_ok()) else {
                continue;
            };
            if let Ok(manifest) = read_manifest(&root.join(name), name) {
                backups.push(manifest.info(name));
            }
        }
        backups.sort_by(|a, b| (b.created, &b.name).cmp(&(a.created, &a.name)));
        Ok(backups)
    }

    /// The folder of a backup.
    ///
    /// # Errors
    /// [`Error::BackupName`], [`Error::BackupMissing`].
    pub fn backup_folder(&self, name: &str) -> Result<PathBuf, Error> {
        check_name(name)?;
        let folder = self.backup_dir().join(name);
        if folder.is_dir() {
            Ok(folder)
        } else {
            Err(Error::BackupMissing(name.to_owned()))
        }
    }

    /// Checks a backup: see [`verify`].
    ///
    /// # Errors
    /// Those of [`verify`], and [`Error::BackupName`].
    pub fn backup_verify(&self, name: &str) -> Result<BackupInfo, Error> {
        let folder = self.backup_folder(name)?;
        let _alone = self.backing_up.lock();
        verify(&folder)
    }

    /// Verifies a backup and lays a copy ready, which the next start takes up.
    ///
    /// # Errors
    /// Those of [`verify`], and [`Error::File`].
    pub fn backup_stage(&self, name: &str) -> Result<BackupInfo, Error> {
        let folder = self.backup_folder(name)?;
        let _alone = self.backing_up.lock();
        let info = verify(&folder)?;
        let data_dir = self.data_dir();
        let partial = data_dir.join(STAGING_FOLDER);
        remove_folder(&partial)?;
        remove_folder(&data_dir.join(RESTORE_FOLDER))?;
        copy_folder(&folder.join(ENGINE_FOLDER), &partial)?;
        let target = data_dir.join(RESTORE_FOLDER);
        fs::rename(&partial, &target).map_err(Error::file(&target))?;
        sync_folder(data_dir)?;
        Ok(info)
    }
}

/// Checks every file of the backup in `folder` against its checksum, that no
/// file is missing or added, that the store in it opens, and that the counts of
/// every prefix agree with its records.
///
/// # Errors
/// [`Error::BackupMissing`], [`Error::BackupCorrupt`], [`Error::File`].
pub fn verify(folder: &Path) -> Result<BackupInfo, Error> {
    let name = name_of(folder);
    let manifest = read_manifest(folder, &name)?;
    let corrupt = |what: String| Error::BackupCorrupt {
        name: name.clone(),
        what,
    };
    let engine = folder.join(ENGINE_FOLDER);
    let found = sums(&engine)?;
    for (file, expected) in &manifest.files {
        match found.get(file) {
            None => return Err(corrupt(format!("file {file} is missing"))),
            Some(sum) if sum != expected => {
                return Err(corrupt(format!("file {file} does not match its checksum")));
            }
            Some(_) => {}
        }
    }
    if let Some(file) = found
        .keys()
        .find(|file| !manifest.files.contains_key(*file))
    {
        return Err(corrupt(format!("file {file} does not belong to it")));
    }
    // Opening writes to the folder; it gets one of its own.
    let scratch = folder.with_file_name(format!(".{name}.verify"));
    remove_folder(&scratch)?;
    let judged = copy_folder(&engine, &scratch.join(ENGINE_FOLDER))
        .and_then(|()| check_contents(&scratch, &manifest));
    remove_folder(&scratch)?;
    match judged? {
        None => Ok(manifest.info(&name)),
        Some(what) => Err(corrupt(what)),
    }
}

/// Checks the audit trail of the backup in `folder` against itself and against
/// what the store in it holds. Gives the root of the tree of its first `size`
/// changes, if it has so many. Checksums of files are another matter: whoever
/// changes a row can change them.
///
/// # Errors
/// [`Error::BackupMissing`], [`Error::Trail`], [`Error::Corrupt`],
/// [`Error::Engine`], [`Error::File`].
pub fn verify_trail(folder: &Path, size: u64) -> Result<(TrailReport, Option<Hash>), Error> {
    let name = name_of(folder);
    let _manifest = read_manifest(folder, &name)?;
    let scratch = folder.with_file_name(format!(".{name}.verify"));
    remove_folder(&scratch)?;
    let checked =
        copy_folder(&folder.join(ENGINE_FOLDER), &scratch.join(ENGINE_FOLDER)).and_then(|()| {
            let store = open_quietly(&scratch)?;
            let report = store.check_trail()?;
            let root = match store.tree().root(size) {
                Ok(root) => Some(root),
                Err(Error::Range { .. }) => None,
                Err(error) => return Err(error),
            };
            Ok((report, root))
        });
    remove_folder(&scratch)?;
    checked
}

/// Verifies the backup in `folder` and copies it to the data folder `data_dir`,
/// which must not hold a store.
///
/// # Errors
/// Those of [`verify`], [`Error::NotEmpty`], [`Error::File`].
pub fn restore(folder: &Path, data_dir: &Path) -> Result<BackupInfo, Error> {
    fs::create_dir_all(data_dir).map_err(Error::file(data_dir))?;
    let _lock = lock(data_dir)?;
    let target = data_dir.join(ENGINE_FOLDER);
    if target.exists() {
        return Err(Error::NotEmpty(target));
    }
    let info = verify(folder)?;
    let partial = data_dir.join(STAGING_FOLDER);
    remove_folder(&partial)?;
    copy_folder(&folder.join(ENGINE_FOLDER), &partial)?;
    fs::rename(&partial, &target).map_err(Error::file(&target))?;
    sync_folder(data_dir)?;
    Ok(info)
}

/// Locks the data folder for this process. RocksDB locks its own folder, which a
/// restore renames.
///
/// # Errors
/// [`Error::Locked`] if another process holds it, [`Error::File`].
pub(super) fn lock(data_dir: &Path) -> Result<Flock<File>, Error> {
    let path = data_dir.join("LOCK");
    let file = File::create(&path).map_err(Error::file(&path))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((_, Errno::EWOULDBLOCK)) => Err(Error::Locked(data_dir.to_owned())),
        Err((_, errno)) => Err(Error::file(path)(errno.into())),
    }
}

/// Takes up what [`Store::backup_stage`] laid ready: the store that was there
/// is kept as `db.replaced-<n>`. Renames only, so a crash between two of them is
/// finished by the next start.
pub(super) fn take_up_restore(data_dir: &Path) -> Result<(), Error> {
    remove_folder(&data_dir.join(STAGING_FOLDER))?;
    let ready = data_dir.join(RESTORE_FOLDER);
    if !ready.exists() {
        return Ok(());
    }
    let engine = data_dir.join(ENGINE_FOLDER);
    if engine.exists() {
        let kept = (1u32..)
            .map(|n| data_dir.join(format!("{ENGINE_FOLDER}.replaced-{n}")))
            .find(|path| !path.exists())
            .unwrap_or_else(|| data_dir.join("db.replaced"));
        fs::rename(&engine, &kept).map_err(Error::file(&kept))?;
        sync_folder(data_dir)?;
    }
    fs::rename(&ready, &engine).map_err(Error::file(&engine))?;
    sync_folder(data_dir)
}

/// What does not agree in the store below `data_dir`, if anything.
fn check_contents(data_dir: &Path, manifest: &Manifest) -> Result<Option<String>, Error> {
    let store = open_quietly(data_dir)?;
    if store.position() != manifest.applied_position {
        return Ok(Some(format!(
            "its position is {}, not {}",
            store.position(),
            manifest.applied_position
        )));
    }
    match store.check_counts()? {
        None => fault_of(store.check_trail()),
        fault => Ok(fault),
    }
}

fn position_of(engine: &Path) -> Result<u64, Error> {
    let column = crate::store::columns::Column::Meta.name();
    let options = rocksdb::Options::default();
    let names = rocksdb::DB::list_cf(&options, engine)?;
    let db = rocksdb::DB::open_cf_for_read_only(&options, engine, names, false)?;
    let meta = db.cf_handle(column).ok_or(Error::Corrupt {
        what: "column list",
    })?;
    match db.get_cf(meta, crate::store::META_POSITION)? {
        Some(bytes) => {
            let bytes =
                <[u8; 8]>::try_from(&bytes[..]).map_err(|_| Error::Corrupt { what: "position" })?;
            Ok(u64::from_be_bytes(bytes))
        }
        None => Ok(0),
    }
}

fn open_quietly(data_dir: &Path) -> Result<Store, Error> {
    let config = Config {
        data_dir: data_dir.to_owned(),
        cache_bytes: 64 << 20,
        write_buffer_bytes: 4 << 20,
        ..Config::default()
    };
    Store::open(config, Metrics::new())
}

fn check_name(name: &str) -> Result<(), Error> {
    let sound = (1..=BACKUP_NAME_CHARS_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if sound {
        Ok(())
    } else {
        Err(Error::BackupName(name.to_owned()))
    }
}

fn name_of(folder: &Path) -> String {
    folder
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

fn read_manifest(folder: &Path, name: &str) -> Result<Manifest, Error> {
    let path = folder.join(MANIFEST);
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::BackupMissing(name.to_owned()));
        }
        other => other.map_err(Error::file(&path))?,
    };
    let mut text = Vec::new();
    file.take(MANIFEST_BYTES_MAX)
        .read_to_end(&mut text)
        .map_err(Error::file(&path))?;
    serde_json::from_slice(&text).map_err(|error| Error::BackupCorrupt {
        name: name.to_owned(),
        what: format!("{MANIFEST}: {error}"),
    })
}

fn sums(folder: &Path) -> Result<BTreeMap<String, FileSum>, Error> {
    let mut files = BTreeMap::new();
    for path in files_of(folder)? {
        let name = name_of(&path);
        // The lock belongs to whoever has it open, not to the data.
        if name != "LOCK" {
            files.insert(name, sum(&path)?);
        }
    }
    Ok(files)
}

fn sum(path: &Path) -> Result<FileSum, Error> {
    let mut file = File::open(path).map_err(Error::file(path))?;
    let mut context = Context::new(&SHA256);
    let mut buffer = vec![0; 1 << 16];
    let mut bytes = 0;
    loop {
        let count = file.read(&mut buffer).map_err(Error::file(path))?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else {
            break;
        };
        context.update(read);
        bytes += u64::try_from(count).unwrap_or_default();
    }
    let sha256 = data_encoding::HEXLOWER.encode(context.finish().as_ref());
    Ok(FileSum { bytes, sha256 })
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file(folder))? {
        let path = entry.map_err(Error::file(folder))?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

/// Copies the files of an engine's folder. Tables never change, so that a second
/// name will do for them where the volume is the same.
fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::file(to))?;
    for path in files_of(from)? {
        let target = to.join(name_of(&path));
        let table = path.extension().is_some_and(|end| end == "sst");
        if table && fs::hard_link(&path, &target).is_ok() {
            continue;
        }
        fs::copy(&path, &target).map_err(Error::file(&target))?;
        File::open(&target)
            .and_then(|file| file.sync_all())
            .map_err(Error::file(&target))?;
    }
    sync_folder(to)
}

fn write_synced(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut file = File::create(path).map_err(Error::file(path))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(Error::file(path))
}

pub(super) fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(Error::file(folder))
}

pub(super) fn remove_folder(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::file(folder)(error))
        }
        _ => Ok(()),
    }
}
