//! Whether the audit trail agrees with itself, with its tiles, and with what the
//! store holds.

use std::ops::ControlFlow;

use crate::merkle::{Hash, Leaf, TILE_HASHES, TileName, sha256, subtree};
use crate::store::codec::audit::{self, AuditEntry, Stored};
use crate::store::codec::restricted::{self, Restricted};
use crate::store::columns::Column;
use crate::store::trail::{self, META_TRAIL, position_of};
use crate::store::{AnyEntry, Error, Store, codec, scan};

/// What a sound audit trail holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrailReport {
    /// Changes in the log, and leaves of the tree.
    pub size: u64,
    /// The tree's root.
    pub root: Hash,
    /// Entries that are there in full; older ones fell to the retention.
    pub entry_count: u64,
    /// Of these, refused attempts.
    pub refused_count: u64,
    /// Refused attempts that have no entry of their own.
    pub omitted_count: u64,
}

impl TrailReport {
    /// Counts an entry.
    pub fn count(&mut self, entry: &AuditEntry) {
        self.entry_count += 1;
        self.refused_count += u64::from(!entry.refused.is_empty());
        self.omitted_count = self.omitted_count.saturating_add(entry.omitted);
    }
}

impl Store {
    /// Checks every entry against the chain, every tile against the entries and
    /// the tiles below it, and every record, tombstone, prefix and entry of the
    /// directory against the audit entry of its last change. Reads everything.
    ///
    /// # Errors
    /// [`Error::Trail`] by what does not agree; [`Error::Corrupt`],
    /// [`Error::Version`], [`Error::Engine`].
    pub fn check_trail(&self) -> Result<TrailReport, Error> {
        let report = self.check_own()?;
        self.check_subjects()?;
        Ok(report)
    }

    /// Checks the entries and the tiles alone.
    pub(super) fn check_own(&self) -> Result<TrailReport, Error> {
        let report = self.check_entries()?;
        self.check_tiles(report.size)?;
        Ok(report)
    }

    fn check_entries(&self) -> Result<TrailReport, Error> {
        let mut report = TrailReport::default();
        let mut trail = self.pruned()?;
        let kept = match self.get(Column::Meta, META_TRAIL)? {
            Some(bytes) => Some(trail::decode(&bytes)?),
            None => None,
        };
        let start = trail.edge().size();
        scan::each(self, Column::Audit, b"", None, &mut |key, bytes| {
            let position = position_of(key)?;
            if position <= start {
                self.check_remains(position, bytes)?;
                return Ok(ControlFlow::Continue(()));
            }
            let expected = trail.edge().size() + 1;
            if position != expected {
                return Err(broken(expected, "it is missing"));
            }
            let (entry, tiles) = trail.take(bytes)?;
            for tile in tiles {
                if self.tile(tile.name)?.as_ref() != Some(&tile.hashes) {
                    return Err(broken(position, "a tile that ends here is another"));
                }
            }
            if kept
                .as_ref()
                .is_some_and(|kept| kept.edge().size() == position && *kept != trail)
            {
                return Err(broken(position, "the end kept for it is another"));
            }
            report.count(&entry);
            Ok(ControlFlow::Continue(()))
        })?;
        let end = trail.edge().size();
        if end != self.position() {
            return Err(broken(end + 1, "it is missing"));
        }
        if trail != *self.trail() {
            return Err(broken(end, "the end is another"));
        }
        report.size = end;
        report.root = trail.edge().root();
        Ok(report)
    }

    /// Checks what stays of an entry against the hash of its leaf.
    fn check_remains(&self, position: u64, bytes: &[u8]) -> Result<(), Error> {
        let Stored::Remains(_, leaf) = audit::decode(bytes)? else {
            return Err(broken(position, "it is older than the retention"));
        };
        let leaf = opened(position, &leaf)?;
        let index = position.saturating_sub(1);
        let name = TileName {
            level: 0,
            index: index / 256,
        };
        let at = usize::try_from(index % 256).unwrap_or_default();
        let hashes = self.tile(name)?.unwrap_or_default();
        let is_sound = leaf.position == position && hashes.get(at) == Some(&leaf.hash());
        if is_sound {
            Ok(())
        } else {
            Err(broken(position, "its leaf is another"))
        }
    }

    /// Checks that the tiles are those of a tree of `size` leaves, and each hash
    /// above the lowest level against its tile.
    fn check_tiles(&self, size: u64) -> Result<(), Error> {
        let mut count = 0;
        scan::each(self, Column::Tiles, b"", None, &mut |key, bytes| {
            count += 1;
            let name = trail::tile_name(key).ok_or_else(|| broken(0, "a tile has no name"))?;
            if name.width(size) != TILE_HASHES {
                return Err(broken(size, "a tile is beyond the end"));
            }
            let hashes = trail::decode_tile(bytes)?;
            let Some(below) = name.level.checked_sub(1) else {
                return Ok(ControlFlow::Continue(()));
            };
            for (hash, index) in hashes.iter().zip(name.index * 256..) {
                let tile = self.tile(TileName {
                    level: below,
                    index,
                })?;
                if tile.and_then(|tile| subtree(&tile)) != Some(*hash) {
                    return Err(broken(index * 256, "a tile does not fit the one above"));
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut expected = 0;
        let mut level_count = size / 256;
        while level_count > 0 {
            expected += level_count;
            level_count /= 256;
        }
        if count != expected {
            return Err(broken(size, "a tile is missing"));
        }
        let start = self.pruned()?.edge().clone();
        let edge = trail::edge_at(start.size(), &mut |name| {
            let missing = || broken(start.size(), "a tile is missing");
            self.tile(name)?.ok_or_else(missing)
        })?;
        if edge == start {
            Ok(())
        } else {
            Err(broken(start.size(), "a tile is another"))
        }
    }

    fn check_subjects(&self) -> Result<(), Error> {
        scan::each(self, Column::Records, b"", None, &mut |key, bytes| {
            let record = codec::record::decode(key, bytes)?;
            self.check_subject(record.revision, key, Some(bytes))?;
            Ok(ControlFlow::Continue(()))
        })?;
        scan::each(self, Column::Tombstones, b"", None, &mut |key, bytes| {
            let tombstone = codec::record::decode_tombstone(key, bytes)?;
            self.check_subject(tombstone.revision, key, None)?;
            Ok(ControlFlow::Continue(()))
        })?;
        let rows = &[restricted::ROW];
        scan::each(self, Column::Restricted, rows, None, &mut |key, bytes| {
            let key = key.get(1..).unwrap_or_default();
            match restricted::decode(key, bytes)? {
                Restricted::Active(record) => {
                    let body = restricted::body(bytes);
                    self.check_subject(record.revision, key, Some(body))?;
                }
                Restricted::Deleted(tombstone) => {
                    self.check_subject(tombstone.revision, key, None)?;
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        scan::each(self, Column::Prefixes, b"", None, &mut |key, bytes| {
            let prefix = codec::prefix::decode(bytes)?;
            self.check_subject(prefix.revision, key, Some(bytes))?;
            Ok(ControlFlow::Continue(()))
        })?;
        scan::each(self, Column::Directory, b"", None, &mut |key, bytes| {
            let entry = AnyEntry::decode(key, bytes)?;
            self.check_entry(entry.revision(), key, bytes)?;
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Checks that the entry at `revision` is about `key` and left `bytes` there.
    fn check_subject(&self, revision: u64, key: &[u8], bytes: Option<&[u8]>) -> Result<(), Error> {
        let after = bytes.map(|bytes| sha256(&[bytes]));
        let entry = self.get(Column::Audit, &revision.to_be_bytes())?;
        let entry = entry.ok_or_else(|| broken(revision, "the entry of a subject is missing"))?;
        let is_sound = match audit::decode(&entry)? {
            // A prefix that came with a firm stands beside the firm.
            Stored::Entry(entry, _) => {
                if *entry.subject == *key {
                    entry.after == after
                } else {
                    after.is_some() && entry.public == after
                }
            }
            Stored::Remains(salt, leaf) => {
                let leaf = opened(revision, &leaf)?;
                if leaf.subject == key {
                    let private = after.map(|after| sha256(&[&salt, &after]));
                    leaf.private == private.unwrap_or_default()
                } else {
                    after == Some(leaf.public)
                }
            }
        };
        if is_sound {
            Ok(())
        } else {
            Err(broken(revision, "its subject is not as it left it"))
        }
    }

    /// Checks an entry of the directory against the audit entry at `revision`, if
    /// that is about it and not about another that it came with.
    fn check_entry(&self, revision: u64, key: &[u8], bytes: &[u8]) -> Result<(), Error> {
        let stored = self.get(Column::Audit, &revision.to_be_bytes())?;
        let Some(Stored::Entry(entry, _)) =
            stored.map(|bytes| audit::decode(&bytes)).transpose()?
        else {
            return Ok(());
        };
        if *entry.subject == *key && entry.after != Some(sha256(&[bytes])) {
            return Err(broken(revision, "its subject is not as it left it"));
        }
        Ok(())
    }
}

fn opened(position: u64, leaf: &[u8]) -> Result<Leaf<'_>, Error> {
    Leaf::decode(leaf).map_err(|_| broken(position, "its leaf is none"))
}

fn broken(position: u64, what: &'static str) -> Error {
    Error::Trail { position, what }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::model::Timestamp;
    use crate::store::trail::META_PRUNED;
    use crate::store::{Batch, Config, Metrics};

    /// Bits that are flipped.
    const FLIPS: usize = 1000;
    /// Entries: more than three tiles, of which one fell to the retention.
    const ENTRIES: u64 = 1000;

    fn entry(number: u64) -> AuditEntry {
        let digest = sha256(&[&number.to_be_bytes()]);
        let is_refused = number.is_multiple_of(7);
        let after = (!is_refused).then_some(digest);
        let mut salt = [0; 16];
        salt.copy_from_slice(&digest[..16]);
        AuditEntry {
            time: Timestamp::from_millis(1_800_000_000_000 + number),
            actor: "key-1".into(),
            action: 1,
            subject: format!("88.118.7/n.{number}").into_bytes().into(),
            request_id: "r".into(),
            before: None,
            after,
            public: after.filter(|_| number.is_multiple_of(3)),
            source: Some([192, 0, 2, 1].into()),
            refused: if is_refused { "KEY_REQUIRED" } else { "" }.into(),
            omitted: number % 2,
            salt,
        }
    }

    fn filled(folder: &std::path::Path) -> Store {
        let config = Config {
            data_dir: folder.to_owned(),
            disk_reserve_bytes: 0,
            ..Config::default()
        };
        let store = Store::open(config, Metrics::new()).expect("opens");
        for first in (1..=ENTRIES).step_by(100) {
            let mut batch = Batch::new(&store);
            for number in first..first + 100 {
                let entry = entry(number);
                batch.advance(entry.time);
                batch.put_audit(&entry).expect("encodes");
            }
            batch.commit().expect("written");
        }
        store
    }

    /// Every row of the trail: its column, key and value.
    fn rows(store: &Store) -> Vec<(Column, Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        for column in [Column::Audit, Column::Tiles] {
            scan::each(store, column, b"", None, &mut |key, value| {
                rows.push((column, key.to_vec(), value.to_vec()));
                Ok(ControlFlow::Continue(()))
            })
            .expect("reads");
        }
        if let Some(value) = store.get(Column::Meta, META_PRUNED).expect("reads") {
            rows.push((Column::Meta, META_PRUNED.to_vec(), value));
        }
        rows
    }

    fn put(store: &Store, column: Column, key: &[u8], value: &[u8]) {
        let column = store.column(column).expect("a column");
        store.db.put_cf(column, key, value).expect("written");
    }

    /// Flips a bit of random rows of every kind, one after the other, and demands
    /// that each is found out.
    fn flip(store: &Store, seed: u64) {
        let sound = store.check_own().expect("sound");
        let rows = rows(store);
        let (few, many): (Vec<_>, Vec<_>) = rows
            .iter()
            .partition(|(column, ..)| *column != Column::Audit);
        let mut random = sha256(&[&seed.to_be_bytes()]);
        let mut seen = HashSet::new();
        let mut found_out = 0;
        while seen.len() < FLIPS {
            random = sha256(&[&random]);
            let number = |at: usize, bound: usize| {
                let octets = random[at..at + 8].try_into().expect("eight");
                usize::try_from(u64::from_be_bytes(octets) % u64::try_from(bound).expect("small"))
                    .expect("small")
            };
            // Every fourth in a tile or beside them: there are few of them.
            let (number_of_row, kind) = if number(0, 4) == 0 {
                (number(8, few.len()), &few)
            } else {
                (number(8, many.len()), &many)
            };
            let (column, key, value) = kind[number_of_row];
            let bit = number(16, 8 * value.len());
            if !seen.insert((column.name(), key, bit)) {
                continue;
            }
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            put(store, *column, key, &flipped);
            match store.check_own() {
                Ok(_) => panic!("bit {bit} of {key:?} in {column:?} is not found out"),
                Err(_) => found_out += 1,
            }
            put(store, *column, key, value);
        }
        assert_eq!(found_out, FLIPS);
        assert_eq!(store.check_own().expect("sound again"), sound);
    }

    #[test]
    fn finds_out_1000_of_1000_flipped_bits() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = filled(folder.path());
        assert_eq!(rows(&store).len(), 1000 + 3);
        flip(&store, 1);
    }

    #[test]
    fn finds_them_out_beside_what_fell_to_the_retention() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = filled(folder.path());
        // Some subjects stand in the store still: of these the leaf stays.
        let mut batch = Batch::new(&store);
        for number in (1..=256u64).filter(|number| !number.is_multiple_of(7)) {
            let tombstone = crate::model::Tombstone {
                identifier: crate::model::Identifier::parse(&format!("88.118.7/n.{number}"))
                    .expect("an identifier"),
                revision: number,
                created: Timestamp::default(),
                deleted: Timestamp::default(),
                restricted: false,
            };
            let key = tombstone.identifier.key(crate::model::SuffixCase::Folded);
            batch.put_tombstone(&key, tombstone).expect("encodes");
        }
        batch.commit().expect("written");
        let limit = Timestamp::from_millis(1_800_000_000_000 + 257);
        assert_eq!(store.prune_audit(limit).expect("pruned"), 256);
        let remains = rows(&store).len() - (1000 - 256) - 3 - 1;
        assert_eq!(remains, 256 - 256 / 7);
        flip(&store, 2);
    }
}
