//! Answers of traces, kept as long as the same trace would find the same.
//!
//! An answer is current if nothing has changed that it rests on: the lists of the nodes
//! that were expanded, and who holds which prefix. What the caller may see is part of the
//! question. A change of a link that the caller may not know of leaves the answer as it
//! was, so that nobody learns of it from the time that an answer takes.
//!
//! An answer is kept when it is asked for again while the question is remembered: most
//! questions come once, and to keep an answer costs a third of a small walk.
//!
//! What an answer looks like is the face's own matter.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bytes::Bytes;
use foldhash::fast::RandomState;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::access::LinkReader;
use crate::model::LinkKind;
use crate::node::trace::judge::{InGraph, Judging};
use crate::node::trace::{Asked, TraceQuery};
use crate::store::Store;
use crate::trace::{Graph, Lens, Walk};

/// Bytes that an answer is expected to take.
const ANSWER_BYTES: u64 = 16 << 10;
/// The share of all bytes that one answer takes at most.
const ANSWER_SHARE: u64 = 32;
/// Bytes that an entry takes beside answer, nodes and names.
const ENTRY_BYTES: usize = 256;
/// Sets of places for questions that were asked lately; a question has one set, and takes
/// the place of the oldest in it.
const ASKED: usize = 1 << 14;
/// Places of a set. With one, of two thousand questions every fortieth shared it with
/// another, and of those none was ever kept.
const ASKED_WAYS: usize = 4;

/// What is asked, by whom: equal ones find the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    /// As the caller spells it: so the answer has it.
    start: Box<str>,
    kinds: Box<[LinkKind]>,
    lens: Lens,
    depth_max: u16,
    all_links: bool,
    form: u8,
    reader: Arc<LinkReader>,
}

impl Question {
    pub(super) fn new(query: &TraceQuery, asked: &Asked, reader: &Arc<LinkReader>) -> Self {
        Self {
            start: query.start.to_string().into(),
            kinds: query.kinds.clone().into(),
            lens: asked.lens,
            depth_max: asked.depth_max,
            all_links: query.all_links,
            form: query.form,
            reader: Arc::clone(reader),
        }
    }
}

/// How things stood before a walk began.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    changes: u64,
    entry_changes: u64,
}

impl Before {
    /// `None` where no graph is in memory.
    pub(super) fn of(store: &Store, graph: Option<&Graph>) -> Option<Self> {
        Some(Self {
            changes: graph?.change_count().ok()?,
            entry_changes: store.prefixes().entry_changes(),
        })
    }
}

/// A trace that was found before, whole and from its start.
#[derive(Debug)]
pub struct KeptTrace {
    /// Its rows.
    pub row_count: u32,
    /// The face's answer.
    pub octets: Bytes,
    nodes: Box<[u32]>,
    /// So many changes of the graph have not touched it.
    changes: AtomicU64,
    entry_changes: u64,
}

/// Answers by question, up to a number of bytes; the least useful give way.
pub(super) struct KeptTraces {
    answers: Cache<Question, Arc<KeptTrace>, Weight>,
    answer_bytes_max: u64,
    lately: Lately,
    hasher: RandomState,
}

impl std::fmt::Debug for KeptTraces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptTraces")
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
struct Weight;

impl Weighter<Question, Arc<KeptTrace>> for Weight {
    fn weight(&self, question: &Question, kept: &Arc<KeptTrace>) -> u64 {
        let bytes = kept.octets.len()
            + size_of_val(&*kept.nodes)
            + question.start.len()
            + size_of_val(&*question.kinds)
            + ENTRY_BYTES;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

/// Questions that were asked lately, by their hashes.
struct Lately(Box<[[AtomicU32; ASKED_WAYS]]>);

impl Default for Lately {
    fn default() -> Self {
        Self((0..ASKED).map(|_| Default::default()).collect())
    }
}

impl Lately {
    /// Whether a question was asked lately; it is from now on.
    fn was_asked(&self, hash: u64) -> bool {
        // Half for the set, half for what tells questions of one set apart.
        let [a, b, c, d, e, f, g, h] = hash.to_le_bytes();
        let set = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or_default();
        let mark = u32::from_le_bytes([e, f, g, h]).max(1);
        let Some(set) = self.0.get(set % ASKED) else {
            return false;
        };
        // Each gives way to the one before it, up to where the question stood.
        let mut moved = mark;
        for place in set {
            moved = place.swap(moved, Ordering::Relaxed);
            if moved == mark {
                return true;
            }
        }
        false
    }
}

impl KeptTraces {
    /// Keeps up to `bytes_max`; `None` for 0.
    pub(super) fn new(bytes_max: u64) -> Option<Self> {
        let expected = usize::try_from(bytes_max / ANSWER_BYTES).unwrap_or(usize::MAX);
        (bytes_max > 0).then(|| Self {
            answers: Cache::with_weighter(expected, bytes_max, Weight),
            answer_bytes_max: bytes_max / ANSWER_SHARE,
            lately: Lately::default(),
            hasher: RandomState::default(),
        })
    }

    /// The answer to `question`, if it is current.
    pub(super) fn find(
        &self,
        question: &Question,
        (store, graph): (&Store, &Graph),
    ) -> Option<Arc<KeptTrace>> {
        let kept = self.answers.get(question)?;
        if kept.is_current(question, (store, graph)) {
            return Some(kept);
        }
        self.answers
            .remove_if(question, |other| Arc::ptr_eq(other, &kept));
        None
    }

    /// Keeps an answer of so many rows to what `walk` has found to its end, if it is not
    /// the first time. `octets` is asked for it then, which is about `length` long, and may
    /// have none.
    pub(super) fn keep(
        &self,
        question: Question,
        before: Before,
        walk: &Walk,
        (row_count, length, octets): (u32, usize, impl FnOnce() -> Option<Bytes>),
    ) {
        let was_asked = self.lately.was_asked(self.hasher.hash_one(&question));
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        if !was_asked || length > self.answer_bytes_max {
            return;
        }
        let Some(octets) = octets() else {
            return;
        };
        let kept = KeptTrace {
            row_count,
            octets,
            nodes: walk.expanded(question.depth_max),
            changes: AtomicU64::new(before.changes),
            entry_changes: before.entry_changes,
        };
        self.answers.insert(question, Arc::new(kept));
    }

    /// How many answers there are, and their bytes.
    pub(super) fn size(&self) -> (usize, u64) {
        (self.answers.len(), self.answers.weight())
    }
}

impl KeptTrace {
    fn is_current(&self, question: &Question, (store, graph): (&Store, &Graph)) -> bool {
        if store.prefixes().entry_changes() != self.entry_changes {
            return false;
        }
        let reader = &question.reader;
        let owns = InGraph::new(store, reader, graph);
        let mut judging = Judging::new(store, (reader, &question.kinds), owns);
        let since = (
            self.changes.load(Ordering::Relaxed),
            question.lens.direction,
        );
        let now = graph.unchanged_since(since, &self.nodes, &mut judging);
        let Ok(Some(changes)) = now else {
            return false;
        };
        self.changes.fetch_max(changes, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_questions_of_one_set_are_remembered() {
        let lately = Lately::default();
        let question = |mark: u64| mark << 32 | 7;
        let asked = |marks: &[u64]| -> Vec<bool> {
            let asked = marks.iter().map(|mark| lately.was_asked(question(*mark)));
            asked.collect()
        };
        assert_eq!(asked(&[1, 2, 3, 4]), [false; 4]);
        assert_eq!(asked(&[1, 2, 3, 4]), [true; 4]);
        // The one that was not asked for longest gives way.
        assert_eq!(
            asked(&[2, 5, 2, 3, 4, 5]),
            [true, false, true, true, true, true]
        );
        assert_eq!(asked(&[1]), [false]);
        // Other sets are left alone, and no question is none.
        assert!(!lately.was_asked(2 << 32 | 8));
        assert!(!lately.was_asked(9));
        assert!(lately.was_asked(9));
    }
}
