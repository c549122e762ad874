//! Encoded answers, kept while nothing that they depend on has changed.
//!
//! The key is the question with its letters folded, and whether the client
//! speaks EDNS. Size limits are applied when an answer leaves, so one entry
//! serves UDP and TCP alike.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::node::Stamp;
use crate::wire::dns::{Layout, NAME_BYTES_MAX, Query, Rcode};

/// Octets of a key: a name, a type, a class, and one for EDNS.
const KEY_BYTES_MAX: usize = NAME_BYTES_MAX + 5;
/// What an entry takes beside its octets, about: allocations and bookkeeping.
const ENTRY_BYTES: usize = 200;
/// What an entry takes in all, as a guess to size the table by.
const ENTRY_BYTES_TYPICAL: u64 = 512;

/// The key of a query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    bytes: [u8; KEY_BYTES_MAX],
    length: usize,
}

impl Key {
    /// `None` is not reached: a question is never longer than its parts.
    pub(super) fn of(query: &Query<'_>) -> Option<Self> {
        let question = query.question.as_bytes();
        let name_bytes = query.question.name.as_bytes().len();
        let mut bytes = [0; KEY_BYTES_MAX];
        let length = question.len() + 1;
        bytes.get_mut(..question.len())?.copy_from_slice(question);
        // Length octets are below "A" and stay as they are.
        bytes.get_mut(..name_bytes)?.make_ascii_lowercase();
        *bytes.get_mut(question.len())? = u8::from(query.edns.is_some());
        Some(Self { bytes, length })
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// An encoded answer: to id 0, with the flags RD, CD and DO clear.
#[derive(Clone, Debug)]
pub(super) struct Encoded {
    /// Its octets.
    pub(super) bytes: Box<[u8]>,
    /// Where the parts stand that differ from answer to answer.
    pub(super) layout: Layout,
    /// Its response code.
    pub(super) rcode: Rcode,
}

/// The marks under which an answer is current; all must be.
pub(super) type Stamps = [Option<Stamp>; 2];

/// An answer and the marks under which it is current.
#[derive(Debug)]
pub(super) struct Entry {
    /// The answer.
    pub(super) encoded: Encoded,
    /// Its marks.
    pub(super) stamps: Stamps,
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Box<[u8]>, Arc<Entry>> for Bytes {
    fn weight(&self, key: &Box<[u8]>, entry: &Arc<Entry>) -> u64 {
        let bytes = key.len() + entry.encoded.bytes.len() + ENTRY_BYTES;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// The answers kept, up to a number of bytes.
#[derive(Debug)]
pub(super) struct Answers(Option<Cache<Box<[u8]>, Arc<Entry>, Bytes>>);

impl Answers {
    /// Keeps up to `bytes_max`; 0 keeps none.
    pub(super) fn new(bytes_max: u64) -> Self {
        let count = usize::try_from(bytes_max / ENTRY_BYTES_TYPICAL).unwrap_or(usize::MAX);
        Self((bytes_max > 0).then(|| Cache::with_weighter(count.max(32), bytes_max, Bytes)))
    }

    /// The entry of a query, whether or not it is current.
    pub(super) fn find(&self, key: &Key) -> Option<Arc<Entry>> {
        self.0.as_ref()?.get(key.as_bytes())
    }

    /// Keeps an entry.
    pub(super) fn keep(&self, key: &Key, entry: Entry) {
        if let Some(cache) = &self.0 {
            cache.insert(key.as_bytes().into(), Arc::new(entry));
        }
    }

    /// How many entries there are, and their bytes.
    pub(super) fn size(&self) -> (usize, u64) {
        self.0
            .as_ref()
            .map_or((0, 0), |cache| (cache.len(), cache.weight()))
    }
}
