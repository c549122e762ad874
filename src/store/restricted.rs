//! Restricted identifiers: kept apart, so that whoever may not know of one never
//! reads it, and finds no trace of it in what it reads.

use crate::model::{Key, Reader};
pub use crate::store::codec::restricted::Restricted;
use crate::store::codec::restricted::{decode, grant_key, row_key};
use crate::store::columns::Column;
use crate::store::{Error, Store};

/// Which restricted identifiers somebody sees beside those that everyone sees.
/// It is known before one is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// None: they are not there.
    #[default]
    Nothing,
    /// Those that name one of these as a reader, while they are not deleted.
    Shared(Vec<Reader>),
    /// All, deleted ones too.
    Everything,
}

impl Store {
    /// What is kept of `key` as restricted.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn restricted(&self, key: &Key) -> Result<Option<Restricted>, Error> {
        match self.get(Column::Restricted, &row_key(key.as_bytes()))? {
            Some(bytes) => decode(key.as_bytes(), &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// What `sight` sees of it. Where it sees nothing the row is not read.
    ///
    /// # Errors
    /// As [`Store::record`].
    pub fn restricted_seen(&self, key: &Key, sight: &Sight) -> Result<Option<Restricted>, Error> {
        match sight {
            Sight::Nothing => Ok(None),
            Sight::Everything => self.restricted(key),
            Sight::Shared(readers) => {
                for reader in readers {
                    let grant = grant_key(reader, key.as_bytes());
                    if self.get(Column::Restricted, &grant)?.is_some() {
                        return self.restricted(key);
                    }
                }
                Ok(None)
            }
        }
    }
}
