//! Tiles: 256 hashes of one level side by side, as they are kept and served (C2SP
//! tlog-tiles).
//!
//! Level 0 has the hashes of leaves; each hash of a higher level is the root of a
//! complete tile of the level below. Tile `n` of level `l` has the hashes `256 n`
//! up to `256 n + 255` of its level.

use std::fmt;

use crate::merkle::{HASH_BYTES, Hash, Node, node_hash};

/// Hashes of a complete tile.
pub const TILE_HASHES: usize = 256;
/// Octets of a complete tile.
pub const TILE_BYTES: usize = TILE_HASHES * HASH_BYTES;
/// Halvings that one tile spans.
pub(super) const TILE_HEIGHT: u32 = 8;
/// The highest level: 256^8 leaves are more than there are positions.
const LEVEL_MAX: u8 = 7;
/// Characters of a tile's path that are looked at.
const PATH_CHARS_MAX: usize = 64;

/// Which tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileName {
    /// Its level; 0 has the leaves.
    pub level: u8,
    /// Which of its level, from 0.
    pub index: u64,
}

/// A complete tile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Which.
    pub name: TileName,
    /// Its [`TILE_HASHES`] hashes.
    pub hashes: Vec<Hash>,
}

/// What a path names: a complete tile, or one of the right edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TilePath {
    /// Which tile.
    pub name: TileName,
    /// How many hashes it has: 1 to 256.
    pub width: usize,
}

impl TileName {
    /// The tile that has the hashes below `node`, and which of them these are.
    pub(super) fn below(node: Node) -> Option<(Self, std::ops::Range<usize>)> {
        let level = u8::try_from(node.height / TILE_HEIGHT).ok()?;
        let within = node.height % TILE_HEIGHT;
        let first = node.index.checked_mul(1 << within)?;
        let start = usize::try_from(first % 256).ok()?;
        let index = first / 256;
        Some((Self { level, index }, start..start + (1 << within)))
    }

    /// How many of its hashes a tree of `size` leaves has: 0 to 256.
    pub fn width(self, size: u64) -> usize {
        let hashes = size
            .checked_shr(TILE_HEIGHT * u32::from(self.level))
            .unwrap_or_default();
        let before = self.index.saturating_mul(256);
        usize::try_from(hashes.saturating_sub(before))
            .map_or(TILE_HASHES, |width| width.min(TILE_HASHES))
    }
}

impl TilePath {
    /// Parses `0/x001/x234/067` or `0/x001/x234/067.p/12`, what follows `tile/` in
    /// a tile's address. `None` for anything that [`fmt::Display`] would not write.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > PATH_CHARS_MAX {
            return None;
        }
        let (level, rest) = text.split_once('/')?;
        let (digits, width) = match rest.split_once(".p/") {
            Some((digits, width)) => (digits, width.parse().ok()?),
            None => (rest, TILE_HASHES),
        };
        let mut index: u64 = 0;
        for group in digits.split('/') {
            let group = group.strip_prefix('x').unwrap_or(group);
            let group: u64 = group.parse().ok()?;
            index = index.checked_mul(1000)?.checked_add(group)?;
        }
        let level = level.parse().ok().filter(|level| *level <= LEVEL_MAX)?;
        let name = TileName { level, index };
        let path = Self { name, width };
        let is_sound = (1..=TILE_HASHES).contains(&width) && path.to_string() == text;
        is_sound.then_some(path)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TileName { level, index } = self.name;
        write!(f, "{level}/")?;
        let mut groups = vec![index % 1000];
        let mut rest = index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (at, group) in groups.iter().enumerate().rev() {
            match at {
                0 => write!(f, "{group:03}")?,
                _ => write!(f, "x{group:03}/")?,
            }
        }
        if self.width < TILE_HASHES {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

/// The root above a power of two of neighbouring hashes; `None` for any other
/// number of them.
pub fn subtree(hashes: &[Hash]) -> Option<Hash> {
    if !hashes.len().is_power_of_two() {
        return None;
    }
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        let above = |pair: &[Hash]| match pair {
            [left, right] => Some(node_hash(left, right)),
            _ => None,
        };
        level = level.chunks(2).filter_map(above).collect();
    }
    level.first().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, level: u8, index: u64, width: usize) {
        let name = TileName { level, index };
        let path = TilePath { name, width };
        assert_eq!(TilePath::parse(text), Some(path), "{text}");
        assert_eq!(path.to_string(), text);
    }

    #[test]
    fn paths_as_in_tlog_tiles() {
        check("0/000", 0, 0, 256);
        check("0/x001/x234/067", 0, 1_234_067, 256);
        check("1/000.p/17", 1, 0, 17);
        check("7/x001/000.p/255", 7, 1000, 255);
        let most = "0/x018/x446/x744/x073/x709/x551/615.p/1";
        check(most, 0, u64::MAX, 1);
    }

    #[test]
    fn refuses_other_paths() {
        for text in [
            "",
            "0",
            "0/",
            "00/000",
            "+0/000",
            "8/000",
            "64/000",
            "0/0",
            "0/x000",
            "0/000/001",
            "0/x000/001",
            "0/001/x002",
            "0/+01",
            "0/x1234/067",
            "0/000.p/0",
            "0/000.p/256",
            "0/000.p/01",
            "0/000.p/-1",
            "0/000.p/",
            "0/000.p/1/2",
            "0/x018/x446/x744/x073/x709/x551/616",
            "entries/000",
            "0/../000",
        ] {
            assert_eq!(TilePath::parse(text), None, "{text}");
        }
        assert_eq!(TilePath::parse(&"x".repeat(100_000)), None);
    }

    /// The example of tlog-tiles for a tree of 70,000.
    #[test]
    fn widths_as_in_tlog_tiles() {
        let check = |level, index, expected| {
            let name = TileName { level, index };
            assert_eq!(name.width(70_000), expected, "{name:?}");
        };
        check(0, 272, 256);
        check(0, 273, 112);
        check(0, 274, 0);
        check(1, 0, 256);
        check(1, 1, 17);
        check(2, 0, 1);
        check(3, 0, 0);
        check(7, u64::MAX, 0);
    }

    #[test]
    fn finds_the_tile_below_a_node() {
        let check = |height, index, level, tile, hashes| {
            let below = TileName::below(Node { height, index });
            assert_eq!(below, Some((TileName { level, index: tile }, hashes)));
        };
        check(0, 255, 0, 0, 255..256);
        check(0, 256, 0, 1, 0..1);
        check(7, 3, 0, 1, 128..256);
        check(8, 3, 1, 0, 3..4);
        check(17, 129, 2, 1, 2..4);
    }

    #[test]
    fn joins_powers_of_two_only() {
        let hashes = [[1; 32], [2; 32], [3; 32], [4; 32]];
        let left = node_hash(&hashes[0], &hashes[1]);
        let right = node_hash(&hashes[2], &hashes[3]);
        assert_eq!(subtree(&hashes), Some(node_hash(&left, &right)));
        assert_eq!(subtree(&hashes[..1]), Some(hashes[0]));
        assert_eq!(subtree(&hashes[..3]), None);
        assert_eq!(subtree(&[]), None);
    }
}
