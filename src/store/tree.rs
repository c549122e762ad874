//! The tree over the audit trail as it is at one moment: roots, proofs, tiles.

use std::sync::Arc;

use crate::merkle::{
    Hash, Leaf, Node, TILE_HASHES, TileName, TilePath, consistency_proof, inclusion_proof, root,
};
use crate::store::codec::audit::{self, Salt, Stored};
use crate::store::columns::Column;
use crate::store::trail::Trail;
use crate::store::{Error, Store};

/// The tree as it is at one moment. Complete tiles never change, so that changes
/// made meanwhile do not show.
pub struct Tree<'s> {
    store: &'s Store,
    trail: Arc<Trail>,
    /// The tile that was read last: what is asked for next is often in it.
    last: Option<(TileName, Vec<Hash>)>,
}

impl std::fmt::Debug for Tree<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tree({})", self.size())
    }
}

/// What a change is proven by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provable {
    /// Its leaf.
    pub leaf: ProvableLeaf,
    /// What is hashed before the digest of the whole.
    pub salt: Salt,
}

/// A leaf, as far as a proof needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvableLeaf {
    /// Its octets.
    pub octets: Vec<u8>,
    /// The digest of what anybody may read; zeros if nothing.
    pub public: Hash,
}

impl Store {
    /// What the change at `position` is proven by. That of the first release has
    /// no chain of its own, and is not provable by more than its tile.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if it is not there; [`Error::Engine`], [`Error::Version`].
    pub fn provable(&self, position: u64) -> Result<Provable, Error> {
        let corrupt = || Error::Corrupt {
            what: "audit entry",
        };
        let bytes = self.get(Column::Audit, &position.to_be_bytes())?;
        let (octets, salt) = match audit::decode(&bytes.ok_or_else(corrupt)?)? {
            Stored::Entry(entry, Some(chain)) => {
                let mut octets = Vec::new();
                audit::leaf(position, &entry, chain).encode(&mut octets);
                (octets, entry.salt)
            }
            Stored::Entry(_, None) => return Err(Error::Unprovable { position }),
            Stored::Remains(salt, octets) => (octets.into_vec(), salt),
        };
        let public = Leaf::decode(&octets).map_err(|_| corrupt())?.public;
        let leaf = ProvableLeaf { octets, public };
        Ok(Provable { leaf, salt })
    }

    /// The end of the entries that fell to the retention.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Corrupt`], [`Error::Version`].
    pub fn pruned_end(&self) -> Result<Trail, Error> {
        self.pruned()
    }

    /// The tree as it is.
    pub fn tree(&self) -> Tree<'_> {
        Tree {
            store: self,
            trail: self.trail(),
            last: None,
        }
    }
}

impl Tree<'_> {
    /// How many leaves it has: the position of the last change.
    pub fn size(&self) -> u64 {
        self.trail.edge().size()
    }

    /// The root of the tree of the first `size` changes.
    ///
    /// # Errors
    /// [`Error::Range`] beyond the end; [`Error::Engine`], [`Error::Corrupt`].
    pub fn root(&mut self, size: u64) -> Result<Hash, Error> {
        self.check(size)?;
        root(size, &mut |node| self.read(node))
    }

    /// The hash of the leaf of `position`.
    ///
    /// # Errors
    /// As [`Tree::root`].
    pub fn leaf_hash(&mut self, position: u64) -> Result<Hash, Error> {
        self.check(position)?;
        let index = index_of(position, self.size())?;
        self.read(Node { height: 0, index })
    }

    /// The proof that the leaf of `position` is in the tree of the first `size`
    /// changes.
    ///
    /// # Errors
    /// As [`Tree::root`].
    pub fn inclusion(&mut self, position: u64, size: u64) -> Result<Vec<Hash>, Error> {
        self.check(size)?;
        let index = index_of(position, size)?;
        inclusion_proof(index, size, &mut |node| self.read(node))
    }

    /// The proof that the tree of the first `size` changes begins with that of the
    /// first `older_size`.
    ///
    /// # Errors
    /// As [`Tree::root`].
    pub fn consistency(&mut self, older_size: u64, size: u64) -> Result<Vec<Hash>, Error> {
        self.check(size)?;
        if older_size == 0 {
            return Ok(Vec::new());
        }
        consistency_proof(older_size, size, &mut |node| self.read(node))
    }

    /// The octets of a tile, as many hashes as `path` asks for. `None` if it has
    /// not so many.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Corrupt`], [`Error::Version`].
    pub fn tile(&mut self, path: TilePath) -> Result<Option<Vec<u8>>, Error> {
        let TilePath { name, width } = path;
        let has = name.width(self.size());
        if width > has {
            return Ok(None);
        }
        let hashes = if has == TILE_HASHES {
            self.complete(name)?
        } else {
            let (_, hashes) = self.trail.edge().tile(name.level);
            hashes.to_vec()
        };
        let octets = |hashes: &[Hash]| hashes.iter().flatten().copied().collect();
        Ok(hashes.get(..width).map(octets))
    }

    fn check(&self, size: u64) -> Result<(), Error> {
        if size <= self.size() {
            return Ok(());
        }
        let (wanted, size) = (size, self.size());
        Err(Error::Range { wanted, size })
    }

    fn read(&mut self, node: Node) -> Result<Hash, Error> {
        let trail = Arc::clone(&self.trail);
        let hash = trail.edge().read(node, &mut |name| self.complete(name))?;
        hash.ok_or(Error::Corrupt { what: "tile" })
    }

    fn complete(&mut self, name: TileName) -> Result<Vec<Hash>, Error> {
        if let Some((last, hashes)) = &self.last
            && *last == name
        {
            return Ok(hashes.clone());
        }
        let hashes = self.store.tile(name)?;
        let hashes = hashes.ok_or(Error::Corrupt { what: "tile" })?;
        self.last = Some((name, hashes.clone()));
        Ok(hashes)
    }
}

/// The index of the leaf of `position`.
fn index_of(position: u64, size: u64) -> Result<u64, Error> {
    position.checked_sub(1).ok_or(Error::Range {
        wanted: position,
        size,
    })
}
