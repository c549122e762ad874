//! Octets behind one another, the oldest of which give way: read without a lock,
//! written by one at a time.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use zerocopy::FromZeros;

/// Octets of a word.
pub(super) const WORD_BYTES: usize = 8;

/// A ring of words. A position counts all words ever written, so that it names one
/// place for good; what is at it is there until the tail has passed it.
///
/// Who reads takes words that may be written meanwhile, and asks
/// [`is_live`](Ring::is_live) before relying on them.
#[derive(Debug)]
pub(super) struct Ring {
    words: Box<[AtomicU64]>,
    /// The oldest position that is there.
    tail: AtomicU64,
}

impl Ring {
    /// A ring of so many words, which take memory as they are written; `None` if
    /// there is none.
    pub(super) fn new(words: usize) -> Option<Self> {
        let words = <[AtomicU64]>::new_box_zeroed_with_elems(words).ok()?;
        let tail = AtomicU64::new(0);
        Some(Self { words, tail })
    }

    /// Words that it has room for.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.words.len()).unwrap_or(u64::MAX)
    }

    /// The oldest position that is there.
    pub(super) fn tail(&self) -> u64 {
        self.tail.load(Ordering::Relaxed)
    }

    /// Whether what was read from `at` on before is what was written there.
    pub(super) fn is_live(&self, at: u64) -> bool {
        // Whoever read a word that was written later sees the tail that was set before.
        fence(Ordering::Acquire);
        self.tail.load(Ordering::Relaxed) <= at
    }

    /// Gives up what is before `tail`.
    pub(super) fn advance(&self, tail: u64) {
        self.tail.store(tail, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// The words from `at` on: up to the end of the memory, and from its beginning.
    pub(super) fn span(&self, at: u64, words: usize) -> Span<'_> {
        let start = at.checked_rem(self.len()).unwrap_or_default();
        let start = usize::try_from(start).unwrap_or_default();
        let to_end = words.min(self.words.len() - start);
        let first = self.words.get(start..start + to_end);
        let second = self.words.get(..words - to_end);
        Span {
            first: first.unwrap_or_default(),
            second: second.unwrap_or_default(),
        }
    }

    /// Writes words at `at`, which the tail has left room for.
    pub(super) fn write(&self, at: u64, words: &[u64]) {
        let Span { first, second } = self.span(at, words.len());
        for (place, word) in first.iter().chain(second).zip(words) {
            place.store(*word, Ordering::Relaxed);
        }
    }
}

/// Words of a ring, in two pieces.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span<'a> {
    first: &'a [AtomicU64],
    second: &'a [AtomicU64],
}

impl<'a> Span<'a> {
    /// The words behind the first `count`.
    pub(super) fn behind(self, count: usize) -> Self {
        match self.first.get(count..) {
            Some(first) => Self { first, ..self },
            None => Self {
                first: self
                    .second
                    .get(count - self.first.len()..)
                    .unwrap_or_default(),
                second: &[],
            },
        }
    }

    /// The word at `at`; 0 beyond the end.
    pub(super) fn word(self, at: usize) -> u64 {
        let word = match self.first.get(at) {
            Some(word) => Some(word),
            None => self.second.get(at.wrapping_sub(self.first.len())),
        };
        word.map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// All words.
    pub(super) fn words(self) -> impl Iterator<Item = u64> + use<'a> {
        let words = self.first.iter().chain(self.second);
        words.map(|word| word.load(Ordering::Relaxed))
    }

    /// Whether it begins with `octets`, the rest of the last word being zero.
    pub(super) fn begins_with(self, octets: &[u8]) -> bool {
        let (whole, rest) = octets.as_chunks::<WORD_BYTES>();
        let is_whole = whole.iter().enumerate();
        let mut is_whole = is_whole.map(|(at, eight)| self.word(at) == u64::from_le_bytes(*eight));
        is_whole.all(|is_same| is_same) && (rest.is_empty() || self.word(whole.len()) == last(rest))
    }

    /// Copies the first octets to `out`.
    pub(super) fn copy(self, out: &mut [u8]) {
        let in_first = self.first.len().saturating_mul(WORD_BYTES).min(out.len());
        let (head, tail) = out.split_at_mut(in_first);
        copy_words(self.first, head);
        copy_words(self.second, tail);
    }
}

fn copy_words(words: &[AtomicU64], out: &mut [u8]) {
    let (whole, rest) = out.as_chunks_mut::<WORD_BYTES>();
    for (eight, word) in whole.iter_mut().zip(words) {
        *eight = word.load(Ordering::Relaxed).to_le_bytes();
    }
    let last = words.get(whole.len());
    let last = last.map_or(0, |word| word.load(Ordering::Relaxed));
    for (place, octet) in rest.iter_mut().zip(last.to_le_bytes()) {
        *place = octet;
    }
}

/// Up to eight octets as a word, filled with zeros.
fn last(octets: &[u8]) -> u64 {
    let mut word = [0; WORD_BYTES];
    for (place, octet) in word.iter_mut().zip(octets) {
        *place = *octet;
    }
    u64::from_le_bytes(word)
}

/// Puts octets behind `words`, the last word filled with zeros.
pub(super) fn put(words: &mut Vec<u64>, octets: &[u8]) {
    let (whole, rest) = octets.as_chunks::<WORD_BYTES>();
    words.extend(whole.iter().map(|eight| u64::from_le_bytes(*eight)));
    if !rest.is_empty() {
        words.push(last(rest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_come_back_wherever_the_memory_ends() {
        let octets: Vec<u8> = (1..=29).collect();
        for at in 0..12 {
            let ring = Ring::new(6).unwrap();
            let mut words = Vec::new();
            put(&mut words, &octets);
            assert_eq!(words.len(), 4);
            ring.write(at, &words);
            let span = ring.span(at, words.len());
            let mut out = [0; 29];
            span.copy(&mut out);
            assert_eq!(out, *octets);
            assert!(span.begins_with(&octets) && span.begins_with(&octets[..16]));
            assert!(!span.begins_with(&octets[..28]) && !span.begins_with(&octets[1..]));
            assert_eq!(span.words().collect::<Vec<u64>>(), words);
            for count in 0..=4 {
                let behind = span.behind(count).words().collect::<Vec<u64>>();
                assert_eq!(behind, words[count..], "at {at}, behind {count}");
            }
            assert!(ring.is_live(at));
            ring.advance(at + 1);
            assert!(!ring.is_live(at));
        }
    }
}
