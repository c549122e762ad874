//! The right edge of a tree: its tiles that are not complete. With the complete
//! ones it is the whole tree.

use crate::merkle::tile::TILE_HEIGHT;
use crate::merkle::{Hash, Node, TILE_HASHES, Tile, TileName, empty_root, root, subtree};

/// The tiles of a tree that are not complete, lowest level first: at most 255
/// hashes in each of eight levels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

/// Levels do not have the hashes that a tree of this size has at its edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these are not the incomplete tiles of a tree of {size} leaves")]
pub struct NotAnEdge {
    /// The tree's size.
    pub size: u64,
}

impl Edge {
    /// The edge of a tree of `size` leaves, from the hashes of each level.
    ///
    /// # Errors
    /// [`NotAnEdge`].
    pub fn new(size: u64, levels: Vec<Vec<Hash>>) -> Result<Self, NotAnEdge> {
        let edge = Self { size, levels };
        let fits = edge.levels.len() == level_count(size)
            && (0..)
                .zip(&edge.levels)
                .all(|(level, hashes)| hashes.len() == edge.name(level).width(size));
        if fits {
            Ok(edge)
        } else {
            Err(NotAnEdge { size })
        }
    }

    /// How many leaves the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf's hash; gives the tiles that it completes, lowest first.
    pub fn push(&mut self, leaf: Hash) -> Vec<Tile> {
        let mut completed = Vec::new();
        let mut rising = Some(leaf);
        let mut level = 0;
        while let Some(hash) = rising.take() {
            let name = self.name(level);
            let hashes = match self.levels.get_mut(usize::from(level)) {
                Some(hashes) => hashes,
                None => {
                    self.levels.push(Vec::new());
                    let Some(hashes) = self.levels.last_mut() else {
                        break;
                    };
                    hashes
                }
            };
            hashes.push(hash);
            if hashes.len() == TILE_HASHES {
                let hashes = std::mem::take(hashes);
                rising = subtree(&hashes);
                completed.push(Tile { name, hashes });
            }
            level += 1;
        }
        self.size += 1;
        completed
    }

    /// The incomplete tile of a level: empty if all its tiles are complete.
    pub fn tile(&self, level: u8) -> (TileName, &[Hash]) {
        let hashes = self.levels.get(usize::from(level));
        (self.name(level), hashes.map_or(&[], Vec::as_slice))
    }

    /// The hashes of a level's incomplete tile; `None` above the highest level.
    pub fn level(&self, level: usize) -> Option<&[Hash]> {
        self.levels.get(level).map(Vec::as_slice)
    }

    /// The hash of a complete subtree; `complete` reads the hashes of a complete
    /// tile. `None` for a subtree that the tree does not have.
    ///
    /// # Errors
    /// Those of `complete`.
    pub fn read<E>(
        &self,
        node: Node,
        complete: &mut impl FnMut(TileName) -> Result<Vec<Hash>, E>,
    ) -> Result<Option<Hash>, E> {
        let Some((name, hashes)) = TileName::below(node) else {
            return Ok(None);
        };
        let width = name.width(self.size);
        if hashes.end > width {
            return Ok(None);
        }
        if width == TILE_HASHES {
            return Ok(complete(name)?.get(hashes).and_then(subtree));
        }
        let (_, edge) = self.tile(name.level);
        Ok(edge.get(hashes).and_then(subtree))
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        // Each of the tree's largest complete subtrees is in an incomplete tile.
        let read = |node| {
            let mut none = |_| Err(Unread);
            self.read(node, &mut none)?.ok_or(Unread)
        };
        root(self.size, &mut { read }).unwrap_or_else(|Unread| empty_root())
    }

    fn name(&self, level: u8) -> TileName {
        let above = TILE_HEIGHT * (u32::from(level) + 1);
        let index = self.size.checked_shr(above).unwrap_or_default();
        TileName { level, index }
    }
}

/// A complete tile was asked for.
struct Unread;

/// Levels that a tree of `size` leaves has.
fn level_count(size: u64) -> usize {
    let levels = (0..u64::BITS / TILE_HEIGHT).rev();
    let highest = levels
        .into_iter()
        .find(|level| size >> (level * TILE_HEIGHT) > 0);
    highest.map_or(0, |level| usize::try_from(level + 1).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::merkle::{leaf_hash, node_hash};

    #[derive(Debug)]
    struct Missing;

    fn leaf(index: u64) -> Hash {
        leaf_hash(&index.to_be_bytes())
    }

    /// The root by its definition (RFC 6962 §2.1).
    fn defined(first: u64, count: u64) -> Hash {
        match count {
            0 => empty_root(),
            1 => leaf(first),
            _ => {
                let left = count.next_power_of_two() / 2;
                node_hash(&defined(first, left), &defined(first + left, count - left))
            }
        }
    }

    #[test]
    fn edge_and_complete_tiles_are_the_tree() {
        let mut edge = Edge::default();
        let mut complete = HashMap::new();
        for size in 0..66_000u64 {
            if size < 600 || size % 4099 == 0 || (65_500..65_600).contains(&size) {
                let mut tile = |name| complete.get(&name).cloned().ok_or(Missing);
                let mut read = |node| edge.read(node, &mut tile)?.ok_or(Missing);
                let found = root(size, &mut read).expect("complete");
                assert_eq!(found, defined(0, size), "{size}");
                assert_eq!(edge.root(), found, "{size}");
                let again = Edge::new(size, edge.levels.clone());
                assert_eq!(again, Ok(edge.clone()));
            }
            for Tile { name, hashes } in edge.push(leaf(size)) {
                assert_eq!(hashes.len(), TILE_HASHES);
                assert_eq!(name.width(size + 1), TILE_HASHES);
                assert!(complete.insert(name, hashes).is_none());
            }
        }
        assert_eq!(complete.len(), 66_000 / 256 + 1);
    }

    #[test]
    fn reads_no_subtree_beyond_the_edge() {
        let mut edge = Edge::default();
        (0..5).for_each(|index| assert!(edge.push(leaf(index)).is_empty()));
        let read = |height, index| {
            let mut none = |_| Err(Missing);
            edge.read(Node { height, index }, &mut none)
                .expect("none is complete")
        };
        assert_eq!(read(2, 0), Some(defined(0, 4)));
        assert_eq!(read(0, 4), Some(leaf(4)));
        assert_eq!(read(0, 5), None);
        assert_eq!(read(2, 1), None);
        assert_eq!(read(3, 0), None);
        assert_eq!(read(63, u64::MAX), None);
    }

    #[test]
    fn refuses_hashes_that_are_no_edge() {
        let check = |size, widths: &[usize], sound: bool| {
            let levels = widths.iter().map(|width| vec![Hash::default(); *width]);
            assert_eq!(Edge::new(size, levels.collect()).is_ok(), sound, "{size}");
        };
        check(0, &[], true);
        check(0, &[0], false);
        check(255, &[255], true);
        check(256, &[0, 1], true);
        check(256, &[256], false);
        check(70_000, &[112, 17, 1], true);
        check(70_000, &[112, 17], false);
        check(70_000, &[111, 17, 1], false);
        check(u64::MAX, &[255; 8], true);
    }
}
