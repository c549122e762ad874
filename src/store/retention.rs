//! Removing audit entries that are older than the retention.
//!
//! Whole tiles of entries fall, oldest first, and never those of the last complete
//! tile. Of an entry that is the last change of a record, its leaf and salt stay:
//! the record can still be proven; who changed it, and from where, is gone. The
//! tiles stay, so that no root changes.

use std::ops::ControlFlow;

use rocksdb::WriteBatch;

use crate::model::Timestamp;
use crate::store::codec::audit::{self, AuditEntry};
use crate::store::codec::restricted::{self, Restricted};
use crate::store::columns::Column;
use crate::store::trail::{META_PRUNED, TILE_LEAVES, Trail, encode, position_of};
use crate::store::{Error, Store, codec, scan};

/// Tiles of entries that fall at once.
const TILES_PER_WRITE: usize = 16;

impl Store {
    /// Removes entries that were made before `limit`, some thousand at most. Returns
    /// how many fell; call it again until none did. The writer may go on meanwhile:
    /// it changes no entry.
    ///
    /// # Errors
    /// [`Error::Trail`] where the trail is broken; then nothing falls.
    /// [`Error::Engine`], [`Error::Corrupt`].
    pub fn prune_audit(&self, limit: Timestamp) -> Result<u64, Error> {
        let mut end = self.pruned()?;
        let start = end.edge().size();
        let complete = self.position() - self.position() % TILE_LEAVES;
        let mut writes = WriteBatch::default();
        for _ in 0..TILES_PER_WRITE {
            if end.edge().size() + TILE_LEAVES >= complete {
                break;
            }
            match self.fall(&end, limit, &mut writes)? {
                Some(next) => end = next,
                None => break,
            }
        }
        let count = end.edge().size() - start;
        if count > 0 {
            writes.put_cf(self.column(Column::Meta)?, META_PRUNED, encode(&end));
            self.write_synced(writes)?;
        }
        Ok(count)
    }

    /// Has the entries of the tile behind `end` fall, if all of them were made
    /// before `limit`; gives the end behind them.
    fn fall(
        &self,
        end: &Trail,
        limit: Timestamp,
        writes: &mut WriteBatch,
    ) -> Result<Option<Trail>, Error> {
        let column = self.column(Column::Audit)?;
        let mut next = end.clone();
        let mut rows = Vec::new();
        let mut is_old = true;
        let until = end.edge().size() + TILE_LEAVES;
        let after = end.edge().size().to_be_bytes();
        scan::each(self, Column::Audit, b"", Some(&after), &mut |key, bytes| {
            let position = next.edge().size() + 1;
            if position_of(key)? != position {
                let what = "it is missing";
                return Err(Error::Trail { position, what });
            }
            let (entry, _) = next.take(bytes)?;
            is_old = entry.time < limit;
            let remains = self.is_latest(position, &entry)?.then(|| {
                let leaf = audit::leaf(position, &entry, *next.chain());
                audit::encode_remains(&entry.salt, &leaf)
            });
            rows.push((position, remains));
            Ok(if is_old && position < until {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        if !is_old || next.edge().size() != until {
            return Ok(None);
        }
        for (position, remains) in rows {
            match remains {
                Some(remains) => writes.put_cf(column, position.to_be_bytes(), remains),
                None => writes.delete_cf(column, position.to_be_bytes()),
            }
        }
        Ok(Some(next))
    }

    /// Whether the entry at `position` is the last change of a record, a deleted
    /// one, or a prefix.
    fn is_latest(&self, position: u64, entry: &AuditEntry) -> Result<bool, Error> {
        let key = &*entry.subject;
        if !entry.refused.is_empty() {
            return Ok(false);
        }
        let revision = if let Some(bytes) = self.get(Column::Records, key)? {
            codec::record::decode(key, &bytes)?.revision
        } else if let Some(bytes) = self.get(Column::Tombstones, key)? {
            codec::record::decode_tombstone(key, &bytes)?.revision
        } else if let Some(bytes) = self.get(Column::Restricted, &restricted::row_key(key))? {
            match restricted::decode(key, &bytes)? {
                Restricted::Active(record) => record.revision,
                Restricted::Deleted(tombstone) => tombstone.revision,
            }
        } else if let Some(bytes) = self.get(Column::Prefixes, key)? {
            codec::prefix::decode(&bytes)?.revision
        } else {
            return Ok(false);
        };
        Ok(revision == position)
    }

    /// The end of what fell.
    pub(super) fn pruned(&self) -> Result<Trail, Error> {
        match self.get(Column::Meta, META_PRUNED)? {
            Some(bytes) => Trail::decode(&bytes),
            None => Ok(Trail::default()),
        }
    }
}
