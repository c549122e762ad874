//! Encoded answers of a face, kept while nothing that they depend on has
//! changed. What a key and an answer look like is the face's own matter.
//!
//! All lie behind one another in memory taken once (`ring`), found through slots of
//! one word each (`shard`): an answer costs two waits for memory, is read without a
//! lock, and counts with every octet that it takes.

mod ring;
mod shard;

use std::hash::BuildHasher;
use std::hint::black_box;

use foldhash::fast::RandomState;

use crate::resolve::Stamp;
use shard::{Found, HEAD_WORDS, Shard, Sizes};

/// Octets for which there is a further shard, up to [`SHARDS_MAX`].
const SHARD_BYTES: usize = 8 << 20;
/// Shards at most: so many may write at once.
const SHARDS_MAX: usize = 16;

/// The marks under which an answer is current; all must be.
pub type Marks = [Option<Stamp>; 2];

/// An answer that was found, whether or not it is current.
pub struct Kept<'a> {
    found: Found<'a>,
    /// The face's own word.
    pub own: u64,
    /// Its marks, taken before anything was read.
    pub marks: Marks,
}

impl std::fmt::Debug for Kept<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept")
            .field("own", &self.own)
            .field("octets", &self.len())
            .finish_non_exhaustive()
    }
}

impl Kept<'_> {
    /// Octets of the answer.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies the answer to `out`, which has its length. `false` if it gave way while
    /// it was copied: what `out` has then is nothing.
    #[must_use]
    pub fn copy(&self, out: &mut [u8]) -> bool {
        self.found.copy(out)
    }

    /// Copies the answer behind `out`. `false`, and nothing done, as with
    /// [`copy`](Self::copy).
    #[must_use]
    pub fn append(&self, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.resize(start + self.len(), 0);
        let is_whole = out
            .get_mut(start..)
            .is_some_and(|place| self.found.copy(place));
        if !is_whole {
            out.truncate(start);
        }
        is_whole
    }
}

/// The hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyHash(u64);

/// Answers by key, up to a number of bytes; the least useful give way.
pub struct Answers {
    shards: Box<[Shard]>,
    hasher: RandomState,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers")
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}

impl Answers {
    /// Keeps up to `bytes_max`, all that it takes included; 0 keeps none. Memory is
    /// taken as it fills.
    pub fn new(bytes_max: u64) -> Self {
        let bytes = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let count = match bytes {
            0 => 0,
            bytes => 1 << (bytes / SHARD_BYTES).clamp(1, SHARDS_MAX).ilog2(),
        };
        let shards = (0..count).map_while(|_| Shard::new(bytes / count));
        let shards: Box<[Shard]> = shards.collect();
        Self {
            // None, if there is no memory for all.
            shards: match shards.len() == count {
                true => shards,
                false => Box::default(),
            },
            hasher: RandomState::default(),
        }
    }

    fn shard(&self, KeyHash(hash): KeyHash) -> Option<&Shard> {
        let mask = u64::try_from(self.shards.len()).ok()?.checked_sub(1)?;
        self.shards
            .get(usize::try_from(hash >> 60 & mask).unwrap_or_default())
    }

    /// The hash of `key`.
    pub fn hash(&self, key: &[u8]) -> KeyHash {
        KeyHash(self.hasher.hash_one(key))
    }

    /// Waits for the memory of many answers at once rather than for one after the
    /// other, before each is looked for. `look` looks at what a mark names.
    pub fn touch(&self, hashes: &[KeyHash], look: &dyn Fn(&Stamp) -> bool) {
        let shards = || {
            let shard = |hash: &KeyHash| Some((self.shard(*hash)?, hash.0));
            hashes.iter().filter_map(shard)
        };
        let touched = shards().fold(0, |all, (shard, hash)| all ^ shard.touch_set(hash));
        black_box(touched);
        let touched = shards().fold(0, |all, (shard, hash)| all ^ shard.touch_head(hash));
        black_box(touched);
        let touched = shards().fold(0, |all, (shard, hash)| {
            let (touched, mark) = shard.touch_rest(hash);
            all ^ touched ^ u64::from(mark.is_some_and(|mark| look(&Stamp::of_words(mark))))
        });
        black_box(touched);
    }

    /// The answer under `key`, whether or not it is current.
    pub fn find(&self, key: &[u8]) -> Option<Kept<'_>> {
        self.find_hashed(self.hash(key), key)
    }

    /// The answer under `key`, whose hash that is.
    pub fn find_hashed(&self, hash: KeyHash, key: &[u8]) -> Option<Kept<'_>> {
        let found = self.shard(hash)?.find(hash.0, key)?;
        let mut words = found.marks();
        let mut mark = || Some(Stamp::of_words([words.next()?, words.next()?]));
        let (own, marks) = (found.own(), [mark(), mark()]);
        found.is_live().then_some(Kept { found, own, marks })
    }

    /// Keeps an answer with the face's own word. What is larger than a twentieth of a
    /// shard is not kept, and leaves what was kept before it.
    pub fn keep(&self, key: &[u8], own: u64, octets: &[u8], marks: &Marks) {
        let hash = self.hash(key);
        let marks = marks.iter().flatten();
        let sizes = (
            u16::try_from(key.len()),
            u8::try_from(marks.clone().count() * 2),
            u32::try_from(octets.len()),
        );
        let (Some(shard), (Ok(key_bytes), Ok(mark_words), Ok(octets_bytes))) =
            (self.shard(hash), sizes)
        else {
            return;
        };
        let sizes = Sizes {
            key: key_bytes,
            marks: mark_words,
            octets: octets_bytes,
        };
        let count = sizes.words();
        if count > shard.words_max() {
            return;
        }
        let mut words = Vec::with_capacity(count.max(HEAD_WORDS));
        words.extend([hash.0, sizes.to_word(), own]);
        words.extend(marks.flat_map(|mark| mark.to_words()));
        ring::put(&mut words, key);
        ring::put(&mut words, octets);
        shard.keep(hash.0, &words);
    }

    /// How many answers there are, and their bytes.
    pub fn size(&self) -> (usize, u64) {
        let sizes = self.shards.iter().map(Shard::size);
        sizes.fold((0, 0), |(count, bytes), (more, more_bytes)| {
            (count + more, bytes + more_bytes)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::thread;

    use proptest::prelude::*;

    use super::*;
    use crate::resolve::Stamps;

    fn found(answers: &Answers, key: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        answers
            .find(key)
            .is_some_and(|kept| kept.append(&mut out))
            .then_some(out)
    }

    fn octets(key: u32, version: u32, length: usize) -> Vec<u8> {
        let seed = key.wrapping_mul(7919).wrapping_add(version).to_le_bytes();
        seed.iter().copied().cycle().take(length).collect()
    }

    #[test]
    fn an_answer_comes_back_with_its_marks() {
        let stamps = Stamps::default();
        let marks = [Some(stamps.stamp("88.118.7", b"a")), None];
        let answers = Answers::new(1 << 20);
        answers.keep(b"a", 7, b"first", &marks);
        answers.keep(b"b", 8, b"", &[None; 2]);
        let kept = answers.find(b"a").unwrap();
        assert_eq!((kept.own, kept.marks, kept.len()), (7, marks, 5));
        assert_eq!(found(&answers, b"a").unwrap(), b"first");
        assert_eq!(found(&answers, b"b").unwrap(), b"");
        assert_eq!(found(&answers, b"c"), None);
        answers.keep(b"a", 7, b"second", &marks);
        assert_eq!(found(&answers, b"a").unwrap(), b"second");
        assert_eq!(answers.size().0, 2);
        let hashes = [answers.hash(b"a"), answers.hash(b"c")];
        answers.touch(&hashes, &|stamp| stamps.is_current(stamp));
        assert!(Answers::new(0).find(b"a").is_none());
        Answers::new(0).keep(b"a", 0, b"", &marks);
    }

    #[test]
    fn what_is_asked_for_again_outlives_what_passes_by() {
        let answers = Answers::new(1 << 20);
        let hot: Vec<[u8; 4]> = (0..100_u32).map(u32::to_le_bytes).collect();
        for key in &hot {
            answers.keep(key, 0, &[1; 500], &[None; 2]);
        }
        for passing in 100..20_000_u32 {
            if passing % 500 == 0 {
                hot.iter().for_each(|key| drop(found(&answers, key)));
            }
            answers.keep(&passing.to_le_bytes(), 0, &[2; 500], &[None; 2]);
        }
        // One goes now and then, if all others in its slots are asked for too.
        let left = hot.iter().filter(|key| answers.find(*key).is_some());
        assert!(left.count() >= 95);
        let (count, bytes) = answers.size();
        // Nearly all of the room is in use.
        assert!((1_700..=2_097).contains(&count), "{count}");
        assert!((900_000..=1 << 20).contains(&bytes), "{bytes}");
    }

    #[test]
    fn what_has_no_room_is_not_kept() {
        for bytes in [1, 63, 64, 65, 500, 4_000, 20_000] {
            let answers = Answers::new(bytes);
            for key in 0..100_u8 {
                answers.keep(&[key], 0, &[key; 900], &[None; 2]);
                let found = found(&answers, &[key]);
                assert!(found.is_none_or(|found| found == [key; 900]));
            }
            assert_eq!(answers.size().0 > 0, bytes == 20_000, "{bytes}");
        }
    }

    #[test]
    fn readers_beside_writers_find_whole_answers_or_none() {
        let answers = Answers::new(200_000);
        let length = |key: u32| usize::try_from(key % 97 * 11).unwrap();
        thread::scope(|scope| {
            for writer in 0..2 {
                let answers = &answers;
                scope.spawn(move || {
                    for round in 0..60_000_u32 {
                        let key = round.wrapping_mul(2_654_435_761) % 600;
                        let version = round * 2 + writer;
                        let octets = octets(key, version, length(key));
                        answers.keep(&key.to_le_bytes(), version.into(), &octets, &[None; 2]);
                    }
                });
            }
            for _ in 0..2 {
                let answers = &answers;
                scope.spawn(move || {
                    let mut out = Vec::new();
                    for round in 0..120_000_u32 {
                        let key = round.wrapping_mul(40_503) % 600;
                        let Some(kept) = answers.find(&key.to_le_bytes()) else {
                            continue;
                        };
                        out.clear();
                        let version = u32::try_from(kept.own).unwrap();
                        assert_eq!((version / 2).wrapping_mul(2_654_435_761) % 600, key);
                        if kept.append(&mut out) {
                            assert_eq!(out, octets(key, version, length(key)));
                        }
                    }
                });
            }
        });
        assert!(answers.size().0 > 100);
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_was_kept_last(
            changes in prop::collection::vec((0_u8..40, 0_usize..3_000), 1..400),
            bytes in 100_000_u64..300_000,
        ) {
            let answers = Answers::new(bytes);
            let mut last = HashMap::new();
            for (version, (key, length)) in (0..).zip(changes) {
                let octets = octets(key.into(), version, length);
                answers.keep(&[key], version.into(), &octets, &[None; 2]);
                last.insert(key, octets);
                for (key, octets) in &last {
                    if let Some(found) = found(&answers, &[*key]) {
                        prop_assert_eq!(&found, octets);
                    }
                }
                let (count, used) = answers.size();
                prop_assert!(count <= last.len() && used <= bytes);
            }
        }
    }
}
