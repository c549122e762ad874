//! A part of the answers kept: where they are, and which give way.
//!
//! ```text
//! new ──▶ fresh, a tenth ──▶ main ──▶ gone
//!           │     asked for    ▲ └──┘ asked for since: once more
//!           └ not: a ghost, which lets its answer begin in main if it comes again
//! ```
//! As S3-FIFO (Yang et al., SOSP 2023) has it: what is asked for once passes through
//! the fresh tenth and drives out nothing that is asked for again. While main has
//! room, all goes there.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use zerocopy::FromZeros;

use crate::node::answers::ring::{Ring, Span, WORD_BYTES};

/// Slots that a hash may be in: a line of the processor's cache.
const WAYS: usize = 8;
/// Octets of memory for each slot: answers with their keys take twice as much.
const SLOT_PER_BYTES: usize = 256;
/// One part in so many is for what is new.
const FRESH_PART: usize = 10;
/// Answers that are kept once more while room is made for one.
const SPARED_MAX: usize = 16;

/// Words of a line of the processor's cache.
const WORDS_PER_LINE: usize = 8;
/// Words of an answer that are read ahead, at most.
const TOUCHED_WORDS: usize = 256;

/// Words in front of the marks: the hash, the sizes, the face's own. The key comes
/// behind the marks, and then the answer.
pub(super) const HEAD_WORDS: usize = 3;

/// Which ring an answer is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Fresh,
    Main,
}

/// A slot: what it is of 2 bits, whether it was asked for since of 1, 16 of the hash,
/// and 45 of the position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot(u64);

const EMPTY: u64 = 0;
const FRESH: u64 = 1;
const MAIN: u64 = 2;
const GHOST: u64 = 3;
const ASKED: u64 = 1 << 2;
const TAG_AT: u32 = 3;
const TAG_MASK: u64 = 0xffff;
const POSITION_AT: u32 = 19;
const POSITION_MASK: u64 = (1 << 45) - 1;

impl Slot {
    const fn new(what: u64, hash: u64, position: u64) -> Self {
        Self(what | (hash & TAG_MASK) << TAG_AT | (position & POSITION_MASK) << POSITION_AT)
    }

    const fn what(self) -> u64 {
        self.0 & 3
    }

    const fn is_of(self, hash: u64) -> bool {
        self.what() != EMPTY && self.0 >> TAG_AT & TAG_MASK == hash & TAG_MASK
    }

    const fn is_asked(self) -> bool {
        self.0 & ASKED != 0
    }

    const fn place(self) -> Option<Place> {
        match self.what() {
            FRESH => Some(Place::Fresh),
            MAIN => Some(Place::Main),
            _ => None,
        }
    }

    /// The position, of which it has the lower bits; none is older than `tail`.
    const fn position(self, tail: u64) -> u64 {
        let low = self.0 >> POSITION_AT & POSITION_MASK;
        tail + (low.wrapping_sub(tail) & POSITION_MASK)
    }
}

/// An answer that was found: its ring, its position, and its words from the head on.
pub(super) struct Found<'a> {
    ring: &'a Ring,
    at: u64,
    head: Span<'a>,
    sizes: Sizes,
}

/// What is where in an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// Octets of the key.
    pub(super) key: u16,
    /// Words of marks.
    pub(super) marks: u8,
    /// Octets of the answer.
    pub(super) octets: u32,
}

impl Sizes {
    pub(super) fn to_word(self) -> u64 {
        u64::from(self.key) | u64::from(self.marks) << 16 | u64::from(self.octets) << 32
    }

    fn of_word(word: u64) -> Self {
        let [key_low, key_high, marks, _, octets @ ..] = word.to_le_bytes();
        Self {
            key: u16::from_le_bytes([key_low, key_high]),
            marks,
            octets: u32::from_le_bytes(octets),
        }
    }

    fn key_words(self) -> usize {
        usize::from(self.key).div_ceil(WORD_BYTES)
    }

    /// Words in front of the key.
    fn before_key(self) -> usize {
        HEAD_WORDS + usize::from(self.marks)
    }

    /// Words in front of the answer's octets.
    fn before(self) -> usize {
        self.before_key() + self.key_words()
    }

    fn octets(self) -> usize {
        usize::try_from(self.octets).unwrap_or(usize::MAX)
    }

    /// Words in all.
    pub(super) fn words(self) -> usize {
        self.before() + self.octets().div_ceil(WORD_BYTES)
    }
}

impl<'a> Found<'a> {
    /// The face's own word.
    pub(super) fn own(&self) -> u64 {
        self.head.word(2)
    }

    /// Words of the marks.
    pub(super) fn marks(&self) -> impl Iterator<Item = u64> + use<'a> {
        let (head, count) = (self.head, usize::from(self.sizes.marks));
        (HEAD_WORDS..HEAD_WORDS + count).map(move |at| head.word(at))
    }

    /// Whether what was read of it so far is the answer's, which may have given way
    /// meanwhile.
    pub(super) fn is_live(&self) -> bool {
        self.ring.is_live(self.at)
    }

    /// Octets of the answer.
    pub(super) fn len(&self) -> usize {
        self.sizes.octets()
    }

    /// Copies the answer, or as much of it as there is room for; whether what was
    /// copied is the answer.
    pub(super) fn copy(&self, out: &mut [u8]) -> bool {
        self.head.behind(self.sizes.before()).copy(out);
        self.is_live()
    }
}

/// Where the next answers go.
#[derive(Debug, Default)]
struct Heads {
    fresh: u64,
    main: u64,
    /// An answer that moves.
    moved: Vec<u64>,
}

impl Heads {
    const fn of(&mut self, place: Place) -> &mut u64 {
        match place {
            Place::Fresh => &mut self.fresh,
            Place::Main => &mut self.main,
        }
    }
}

/// A part of the answers kept.
#[derive(Debug)]
pub(super) struct Shard {
    sets: Box<[[AtomicU64; WAYS]]>,
    fresh: Ring,
    main: Ring,
    /// Held by who writes.
    heads: Mutex<Heads>,
    count: AtomicUsize,
}

impl Shard {
    /// A part that takes `bytes` at most; `None` if there is no memory.
    pub(super) fn new(bytes: usize) -> Option<Self> {
        let slots = (bytes / SLOT_PER_BYTES).max(WAYS);
        // A power of two, and so at most a 32nd of the bytes.
        let sets = 1 << (slots / WAYS).ilog2();
        let words = (bytes / WORD_BYTES).saturating_sub(sets * WAYS);
        let fresh = words / FRESH_PART;
        Some(Self {
            sets: <[[AtomicU64; WAYS]]>::new_box_zeroed_with_elems(sets).ok()?,
            fresh: Ring::new(fresh)?,
            main: Ring::new(words - fresh)?,
            heads: Mutex::default(),
            count: AtomicUsize::new(0),
        })
    }

    const fn ring(&self, place: Place) -> &Ring {
        match place {
            Place::Fresh => &self.fresh,
            Place::Main => &self.main,
        }
    }

    fn set(&self, hash: u64) -> &[AtomicU64] {
        let mask = u64::try_from(self.sets.len()).unwrap_or(1) - 1;
        // The tag is of other bits, and so is the shard.
        let at = usize::try_from(hash >> 16 & mask).unwrap_or_default();
        self.sets.get(at).map_or(&[], |set| set)
    }

    /// Reads what [`find`](Shard::find) is going to read first.
    pub(super) fn touch_set(&self, hash: u64) -> u64 {
        let first = self.set(hash).first();
        first.map_or(0, |slot| slot.load(Ordering::Relaxed))
    }

    /// Where the answer under `hash` is, if it is likely that there is one.
    fn likely(&self, hash: u64) -> Option<(&Ring, u64)> {
        let slots = self.set(hash).iter();
        let mut slots = slots.map(|slot| Slot(slot.load(Ordering::Acquire)));
        let slot = slots.find(|slot| slot.is_of(hash) && slot.place().is_some())?;
        let ring = self.ring(slot.place()?);
        Some((ring, slot.position(ring.tail())))
    }

    /// Reads what [`find`](Shard::find) is going to read then.
    pub(super) fn touch_head(&self, hash: u64) -> u64 {
        let likely = self.likely(hash);
        likely.map_or(0, |(ring, at)| ring.span(at, 1).word(0))
    }

    /// Reads of the answer what is going to be copied, and gives the words of its
    /// first mark.
    pub(super) fn touch_rest(&self, hash: u64) -> (u64, Option<[u64; 2]>) {
        let Some((ring, at)) = self.likely(hash) else {
            return (0, None);
        };
        let sizes = Sizes::of_word(ring.span(at, HEAD_WORDS).word(1));
        let words = sizes.words().min(TOUCHED_WORDS);
        let span = ring.span(at, words);
        let touch = |touched, at| touched ^ span.word(at);
        let touched = (0..words).step_by(WORDS_PER_LINE).fold(0, touch);
        let mark = [span.word(HEAD_WORDS), span.word(HEAD_WORDS + 1)];
        (touched, (sizes.marks > 0).then_some(mark))
    }

    /// The answer under `key`, if there is one.
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Found<'_>> {
        self.set(hash).iter().find_map(|slot| {
            let seen = Slot(slot.load(Ordering::Acquire));
            let place = seen.place().filter(|_| seen.is_of(hash))?;
            let ring = self.ring(place);
            let at = seen.position(ring.tail());
            let sizes = Sizes::of_word(ring.span(at, HEAD_WORDS).word(1));
            let words = sizes.words();
            if words > self.words_max() || usize::from(sizes.key) != key.len() {
                return None;
            }
            let head = ring.span(at, words);
            let is_it = head.word(0) == hash
                && head.behind(sizes.before_key()).begins_with(key)
                && ring.is_live(at);
            if !is_it {
                return None;
            }
            if !seen.is_asked() {
                // If it is another one meanwhile, that is left alone.
                let asked = seen.0 | ASKED;
                let (relaxed, failed) = (Ordering::Relaxed, Ordering::Relaxed);
                let _marked = slot.compare_exchange(seen.0, asked, relaxed, failed);
            }
            Some(Found {
                ring,
                at,
                head,
                sizes,
            })
        })
    }

    /// Words of the largest answer that is kept, with all that is in front of it.
    pub(super) fn words_max(&self) -> usize {
        usize::try_from(self.fresh.len() / 2).unwrap_or(usize::MAX)
    }

    /// Keeps an answer of at most [`words_max`](Shard::words_max), in place of the one
    /// under the same hash.
    pub(super) fn keep(&self, hash: u64, words: &[u64]) {
        let mut heads = self.heads.lock();
        let slot = self.slot_for(hash);
        let before = slot.map_or(Slot(EMPTY), |slot| Slot(slot.load(Ordering::Relaxed)));
        let comes_again = before.what() == GHOST && before.is_of(hash);
        let place = match comes_again {
            true => Place::Main,
            false => Place::Fresh,
        };
        self.make_room(place, &mut heads, words.len());
        // That may have changed the slots.
        let Some(slot) = self.slot_for(hash) else {
            return;
        };
        if Slot(slot.load(Ordering::Relaxed)).place().is_none() {
            self.count.fetch_add(1, Ordering::Relaxed);
        }
        self.write(place, &mut heads, (hash, words), slot);
    }

    fn write(
        &self,
        place: Place,
        heads: &mut Heads,
        (hash, words): (u64, &[u64]),
        slot: &AtomicU64,
    ) {
        let (what, head) = match place {
            Place::Fresh => (FRESH, heads.of(place)),
            Place::Main => (MAIN, heads.of(place)),
        };
        self.ring(place).write(*head, words);
        slot.store(Slot::new(what, hash, *head).0, Ordering::Release);
        *head += u64::try_from(words.len()).unwrap_or_default();
    }

    /// The slot that an answer is to have: its own, that of its ghost, or the one that
    /// is missed least.
    fn slot_for(&self, hash: u64) -> Option<&AtomicU64> {
        let rank = |slot: &Slot| match (slot.place(), slot.is_of(hash)) {
            (Some(place), true) if self.hash_at(place, *slot) == hash => 0,
            (None, true) => 1,
            (None, false) if slot.what() == EMPTY => 2,
            (None, false) => 3,
            (Some(Place::Fresh), _) if !slot.is_asked() => 4,
            (Some(Place::Main), _) if !slot.is_asked() => 5,
            (Some(_), _) => 6,
        };
        let set = self.set(hash).iter();
        let ranked = set.map(|slot| (rank(&Slot(slot.load(Ordering::Relaxed))), slot));
        let best = ranked.min_by_key(|(rank, _)| *rank)?;
        Some(best.1)
    }

    fn hash_at(&self, place: Place, slot: Slot) -> u64 {
        let ring = self.ring(place);
        ring.span(slot.position(ring.tail()), 1).word(0)
    }

    /// Lets the oldest of a ring give way until it has room for so many words.
    fn make_room(&self, place: Place, heads: &mut Heads, words: usize) {
        let mut spared = 0;
        while !self.has_room(place, heads, words) {
            let ring = self.ring(place);
            let at = ring.tail();
            let head = ring.span(at, HEAD_WORDS);
            let (hash, count) = (head.word(0), Sizes::of_word(head.word(1)).words());
            let is_its_own = |slot: &&AtomicU64| {
                let slot = Slot(slot.load(Ordering::Relaxed));
                slot.place() == Some(place) && slot.position(at) == at
            };
            let slot = self.set(hash).iter().find(is_its_own);
            let was = slot.map_or(Slot(EMPTY), |slot| Slot(slot.load(Ordering::Relaxed)));
            let stays = match place {
                _ if slot.is_none() => false,
                Place::Fresh => was.is_asked() || self.has_room(Place::Main, heads, count),
                Place::Main => was.is_asked() && spared < SPARED_MAX,
            };
            let mut moved = std::mem::take(&mut heads.moved);
            moved.clear();
            if stays {
                moved.extend(ring.span(at, count).words());
            }
            ring.advance(at + u64::try_from(count).unwrap_or_default());
            match slot {
                Some(slot) if stays => {
                    spared += 1;
                    if place == Place::Fresh {
                        self.make_room(Place::Main, heads, count);
                    }
                    self.write(Place::Main, heads, (hash, &moved), slot);
                }
                Some(slot) => {
                    slot.store(Slot::new(GHOST, hash, 0).0, Ordering::Relaxed);
                    self.count.fetch_sub(1, Ordering::Relaxed);
                }
                None => {}
            }
            heads.moved = moved;
        }
    }

    fn has_room(&self, place: Place, heads: &mut Heads, words: usize) -> bool {
        let ring = self.ring(place);
        let used = *heads.of(place) - ring.tail();
        u64::try_from(words).is_ok_and(|words| used + words <= ring.len())
    }

    /// How many answers there are, and the bytes in use.
    pub(super) fn size(&self) -> (usize, u64) {
        let heads = self.heads.lock();
        let words = heads.fresh - self.fresh.tail() + heads.main - self.main.tail();
        let count = self.count.load(Ordering::Relaxed);
        (count, words.saturating_mul(8))
    }
}
