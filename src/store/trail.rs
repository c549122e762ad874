//! The end of the audit trail: its chain, and the right edge of the tree over it.
//! In memory, beside the columns `audit` and `tiles`.
//!
//! ```text
//! tiles            level 1 byte, index u64 BE → 1  256 hashes
//! meta audit_trail → 1  size  chain 32  count (count hash*)*
//! ```

use std::ops::ControlFlow;

use rocksdb::WriteBatch;

use crate::merkle::{Edge, HASH_BYTES, Hash, TILE_BYTES, Tile, TileName, subtree};
use crate::store::codec::audit::{self, AuditEntry, Stored};
use crate::store::codec::{Cursor, put_number};
use crate::store::columns::Column;
use crate::store::{Error, Store, scan};

/// Name in `meta`: the end of the trail as it was when a store of the first
/// release, whose entries hold no chain, was given its tiles.
pub(super) const META_TRAIL: &[u8] = b"audit_trail";
/// Name in `meta`: the end of those entries that fell to the retention.
pub(super) const META_PRUNED: &[u8] = b"audit_pruned";
const VERSION: u8 = 1;
/// Levels of a tree.
const LEVELS_MAX: usize = 8;
/// Leaves below a tile of the lowest level.
pub(super) const TILE_LEAVES: u64 = 256;
/// Tiles that are written at once when a store is given them: 8 MiB.
const TILES_PER_WRITE: usize = 1024;

/// Where the audit trail ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    chain: Hash,
    edge: Edge,
}

impl Trail {
    /// Decodes the end of a trail.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Version`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        decode(bytes)
    }

    /// The encoding of the end of a trail.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// The chain of the last entry; zeros before the first.
    pub const fn chain(&self) -> &Hash {
        &self.chain
    }

    /// The right edge of the tree.
    pub const fn edge(&self) -> &Edge {
        &self.edge
    }

    /// Appends an entry: puts its stored form into `out` and gives the tiles that
    /// it completes.
    pub(super) fn append(
        &mut self,
        entry: &AuditEntry,
        omitted: u64,
        out: &mut Vec<u8>,
    ) -> Vec<Tile> {
        self.chain = audit::encode(entry, omitted, &self.chain, out);
        self.push(entry)
    }

    /// Takes an entry as it is stored; gives the tiles that it completes.
    ///
    /// # Errors
    /// [`Error::Trail`] if it does not continue the chain; [`Error::Corrupt`],
    /// [`Error::Version`].
    pub fn take(&mut self, bytes: &[u8]) -> Result<(AuditEntry, Vec<Tile>), Error> {
        let position = self.edge.size() + 1;
        let broken = |what| Error::Trail { position, what };
        let Stored::Entry(entry, holds) = audit::decode(bytes)? else {
            return Err(broken("it is not an entry"));
        };
        let chain = audit::chain(&self.chain, bytes).ok_or_else(|| broken("it is not an entry"))?;
        if holds.is_some_and(|holds| holds != chain) {
            return Err(broken("it does not continue the chain"));
        }
        self.chain = chain;
        let tiles = self.push(&entry);
        Ok((*entry, tiles))
    }

    fn push(&mut self, entry: &AuditEntry) -> Vec<Tile> {
        let position = self.edge.size() + 1;
        let leaf = audit::leaf(position, entry, self.chain);
        self.edge.push(leaf.hash())
    }

    /// Loads the end of the trail at `position`. A store of the first release is
    /// given its tiles, which reads all of its entries once.
    pub(super) fn load(store: &Store, position: u64) -> Result<Self, Error> {
        let kept = match store.get(Column::Meta, META_TRAIL)? {
            Some(bytes) => Some(decode(&bytes)?),
            None if begins_bare(store)? => return give_tiles(store, position),
            None => None,
        };
        let start = position - position % TILE_LEAVES;
        let usable = |kept: &Self| (start..=position).contains(&kept.edge.size());
        let mut trail = match kept.filter(usable) {
            Some(kept) => kept,
            None => at_tile(store, start)?,
        };
        follow(store, &mut trail, &mut |_| Ok(()))?;
        if trail.edge.size() == position {
            Ok(trail)
        } else {
            Err(broken())
        }
    }
}

impl Store {
    /// The hashes of a complete tile; `None` if it is not complete.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Corrupt`], [`Error::Version`].
    pub(super) fn tile(&self, name: TileName) -> Result<Option<Vec<Hash>>, Error> {
        match self.get(Column::Tiles, &tile_key(name))? {
            Some(bytes) => decode_tile(&bytes).map(Some),
            None => Ok(None),
        }
    }
}

/// The key of a tile's row.
pub(super) fn tile_key(name: TileName) -> [u8; 9] {
    let TileName { level, index } = name;
    let mut key = [level; 9];
    key.split_at_mut(1).1.copy_from_slice(&index.to_be_bytes());
    key
}

/// The tile that a row's key names.
pub(super) fn tile_name(key: &[u8]) -> Option<TileName> {
    let (level, index) = key.split_first()?;
    let index = u64::from_be_bytes(<[u8; 8]>::try_from(index).ok()?);
    Some(TileName {
        level: *level,
        index,
    })
}

/// The value of a tile's row.
pub(super) fn encode_tile(hashes: &[Hash]) -> Vec<u8> {
    let mut out = Vec::with_capacity(1 + TILE_BYTES);
    out.push(VERSION);
    hashes.iter().for_each(|hash| out.extend_from_slice(hash));
    out
}

/// The hashes of a tile's row.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Version`].
pub(super) fn decode_tile(bytes: &[u8]) -> Result<Vec<Hash>, Error> {
    let mut cursor = Cursor::new(bytes, VERSION, "tile")?;
    let octets = cursor.take(TILE_BYTES)?;
    cursor.end()?;
    let (hashes, _) = octets.as_chunks::<HASH_BYTES>();
    Ok(hashes.to_vec())
}

/// The position that an entry's key names.
///
/// # Errors
/// [`Error::Corrupt`].
pub(super) fn position_of(key: &[u8]) -> Result<u64, Error> {
    let position = <[u8; 8]>::try_from(key).map_err(|_| broken())?;
    Ok(u64::from_be_bytes(position))
}

fn broken() -> Error {
    Error::Corrupt {
        what: "audit trail",
    }
}

/// Whether the first entry is of the first release.
fn begins_bare(store: &Store) -> Result<bool, Error> {
    let mut is_bare = false;
    scan::each(store, Column::Audit, b"", None, &mut |_, entry| {
        is_bare = audit::is_bare(entry);
        Ok(ControlFlow::Break(()))
    })?;
    Ok(is_bare)
}

/// The end of the trail where `size` entries make complete tiles.
fn at_tile(store: &Store, size: u64) -> Result<Trail, Error> {
    if size == 0 {
        return Ok(Trail::default());
    }
    let chain = match store.get(Column::Audit, &size.to_be_bytes())? {
        Some(bytes) => match audit::decode(&bytes)? {
            Stored::Entry(_, Some(chain)) => chain,
            Stored::Entry(_, None) | Stored::Remains(..) => return Err(broken()),
        },
        None => return Err(broken()),
    };
    let edge = edge_at(size, &mut |name| store.tile(name)?.ok_or_else(broken))?;
    Ok(Trail { chain, edge })
}

/// The right edge of a tree of `size` leaves, a multiple of [`TILE_LEAVES`], from
/// its complete tiles.
pub(crate) fn edge_at(
    size: u64,
    complete: &mut dyn FnMut(TileName) -> Result<Vec<Hash>, Error>,
) -> Result<Edge, Error> {
    let mut levels = vec![Vec::new()];
    let mut count = size / TILE_LEAVES;
    while let (below @ 0..8, 1..) = (levels.len() - 1, count) {
        let level = u8::try_from(below).unwrap_or_default();
        let first = count - count % TILE_LEAVES;
        let roots = (first..count).map(|index| {
            let hashes = complete(TileName { level, index })?;
            subtree(&hashes).ok_or_else(broken)
        });
        levels.push(roots.collect::<Result<Vec<_>, _>>()?);
        count /= TILE_LEAVES;
    }
    if size == 0 {
        levels.clear();
    }
    Edge::new(size, levels).map_err(|_| broken())
}

/// Takes the entries behind the trail's end, in order; `complete` gets the tiles.
fn follow(
    store: &Store,
    trail: &mut Trail,
    complete: &mut dyn FnMut(Vec<Tile>) -> Result<(), Error>,
) -> Result<(), Error> {
    let after = trail.edge.size().to_be_bytes();
    scan::each(
        store,
        Column::Audit,
        b"",
        Some(&after),
        &mut |key, entry| {
            let position = trail.edge.size() + 1;
            if position_of(key)? != position {
                let what = "it is missing";
                return Err(Error::Trail { position, what });
            }
            let (_, tiles) = trail.take(entry)?;
            complete(tiles)?;
            Ok(ControlFlow::Continue(()))
        },
    )
}

/// Makes the tiles of a store of the first release. What was written before a
/// crash is written again.
fn give_tiles(store: &Store, position: u64) -> Result<Trail, Error> {
    tracing::info!(position, "making the tiles of the audit trail");
    let column = store.column(Column::Tiles)?;
    let mut trail = Trail::default();
    let mut writes = WriteBatch::default();
    follow(store, &mut trail, &mut |tiles| {
        for Tile { name, hashes } in tiles {
            writes.put_cf(column, tile_key(name), encode_tile(&hashes));
        }
        if writes.len() >= TILES_PER_WRITE {
            store.write_synced(std::mem::take(&mut writes))?;
        }
        Ok(())
    })?;
    if trail.edge.size() != position {
        return Err(broken());
    }
    writes.put_cf(store.column(Column::Meta)?, META_TRAIL, encode(&trail));
    store.write_synced(writes)?;
    Ok(trail)
}

pub(crate) fn encode(trail: &Trail) -> Vec<u8> {
    let Trail { chain, edge } = trail;
    let mut out = vec![VERSION];
    put_number(&mut out, edge.size());
    out.extend_from_slice(chain);
    let mut levels: Vec<&[Hash]> = Vec::new();
    while let Some(level) = edge.level(levels.len()) {
        levels.push(level);
    }
    put_number(&mut out, u64::try_from(levels.len()).unwrap_or(u64::MAX));
    for hashes in levels {
        put_number(&mut out, u64::try_from(hashes.len()).unwrap_or(u64::MAX));
        hashes.iter().for_each(|hash| out.extend_from_slice(hash));
    }
    out
}

/// Decodes the end of a trail.
///
/// # Errors
/// [`Error::Corrupt`], [`Error::Version`].
pub(crate) fn decode(bytes: &[u8]) -> Result<Trail, Error> {
    let mut cursor = Cursor::new(bytes, VERSION, "audit trail")?;
    let size = cursor.number()?;
    let chain = Hash::try_from(cursor.take(HASH_BYTES)?).map_err(|_| broken())?;
    let level_count = cursor.number()?;
    let mut levels = Vec::new();
    for _ in 0..level_count {
        if levels.len() == LEVELS_MAX {
            return Err(broken());
        }
        let octets = cursor.count()?.checked_mul(HASH_BYTES).ok_or_else(broken)?;
        let (hashes, _) = cursor.take(octets)?.as_chunks::<HASH_BYTES>();
        levels.push(hashes.to_vec());
    }
    cursor.end()?;
    let edge = Edge::new(size, levels).map_err(|_| broken())?;
    Ok(Trail { chain, edge })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_go_there_and_back() {
        let mut trail = Trail::default();
        for index in 0..600u64 {
            let bytes = encode(&trail);
            assert_eq!(decode(&bytes).expect("decodes"), trail);
            for end in 0..bytes.len().min(80) {
                assert!(decode(&bytes[..end]).is_err());
            }
            trail.chain = [7; 32];
            drop(
                trail
                    .edge
                    .push([u8::try_from(index % 251).expect("small"); 32]),
            );
        }
    }

    #[test]
    fn tiles_go_there_and_back() {
        let hashes: Vec<Hash> = (0..=255).map(|n| [n; 32]).collect();
        let bytes = encode_tile(&hashes);
        assert_eq!(decode_tile(&bytes).expect("decodes"), hashes);
        assert!(decode_tile(&bytes[1..]).is_err());
        assert!(decode_tile(&bytes[..bytes.len() - 1]).is_err());
        let name = TileName {
            level: 1,
            index: 300,
        };
        assert_eq!(tile_name(&tile_key(name)), Some(name));
        assert_eq!(tile_name(b"short"), None);
    }

    #[test]
    fn the_edge_comes_of_the_complete_tiles() {
        let mut edge = Edge::default();
        let mut tiles = std::collections::HashMap::new();
        for index in 0..(256 * 258u32) {
            if index % 256 == 0 {
                let size = u64::from(index);
                let mut complete = |name| Ok(Vec::clone(&tiles[&name]));
                assert_eq!(edge_at(size, &mut complete).expect("all there"), edge);
            }
            let mut leaf = [7; 32];
            leaf[..4].copy_from_slice(&index.to_be_bytes());
            for Tile { name, hashes } in edge.push(leaf) {
                tiles.insert(name, hashes);
            }
        }
    }
}
