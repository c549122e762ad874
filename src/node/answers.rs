//! Encoded answers of a face, kept while nothing that they depend on has
//! changed. What a key and an answer look like is the face's own matter.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::resolve::Stamp;

/// What an entry takes beside its octets, about: allocations and bookkeeping.
const ENTRY_BYTES: usize = 200;
/// What an entry takes in all, as a guess to size the table by.
const ENTRY_BYTES_TYPICAL: u64 = 512;

/// The marks under which an answer is current; all must be.
pub type Marks = [Option<Stamp>; 2];

/// An answer and the marks under which it is current.
#[derive(Debug)]
pub struct Kept<T> {
    /// The answer.
    pub answer: T,
    /// Its marks, taken before anything was read.
    pub marks: Marks,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Kept<T> {
    fn as_ref(&self) -> &[u8] {
        self.answer.as_ref()
    }
}

#[derive(Clone, Debug)]
struct Bytes;

impl<T: AsRef<[u8]>> Weighter<Box<[u8]>, Arc<Kept<T>>> for Bytes {
    fn weight(&self, key: &Box<[u8]>, kept: &Arc<Kept<T>>) -> u64 {
        let bytes = key.len() + kept.answer.as_ref().len() + ENTRY_BYTES;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

type Table<T> = Cache<Box<[u8]>, Arc<Kept<T>>, Bytes>;

/// Answers by key, up to a number of bytes; the least useful give way.
#[derive(Debug)]
pub struct Answers<T: AsRef<[u8]>>(Option<Table<T>>);

impl<T: AsRef<[u8]>> Answers<T> {
    /// Keeps up to `bytes_max`; 0 keeps none.
    pub fn new(bytes_max: u64) -> Self {
        let count = usize::try_from(bytes_max / ENTRY_BYTES_TYPICAL).unwrap_or(usize::MAX);
        Self((bytes_max > 0).then(|| Cache::with_weighter(count.max(32), bytes_max, Bytes)))
    }

    /// The answer under `key`, whether or not it is current.
    pub fn find(&self, key: &[u8]) -> Option<Arc<Kept<T>>> {
        self.0.as_ref()?.get(key)
    }

    /// Keeps an answer, and returns it.
    pub fn keep(&self, key: &[u8], answer: T, marks: Marks) -> Arc<Kept<T>> {
        let kept = Arc::new(Kept { answer, marks });
        if let Some(cache) = &self.0 {
            cache.insert(key.into(), Arc::clone(&kept));
        }
        kept
    }

    /// How many answers there are, and their bytes.
    pub fn size(&self) -> (usize, u64) {
        self.0
            .as_ref()
            .map_or((0, 0), |cache| (cache.len(), cache.weight()))
    }
}
