//! Questions that were encoded before the clock runs, and how they are asked and
//! judged in whatever protocol.

use crate::bench::histogram::Tally;

/// What a question's answer must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// Records.
    Found,
    /// That the name does not exist.
    Missing,
    /// Either.
    Unknown,
}

impl Expect {
    /// What is expected of a subject that exists, or does not.
    pub(super) const fn of(exists: bool) -> Self {
        if exists { Self::Found } else { Self::Missing }
    }

    /// Whether an answer that says this of the subject is right.
    pub(super) const fn is_met(self, found: bool) -> bool {
        match self {
            Self::Found => found,
            Self::Missing => !found,
            Self::Unknown => true,
        }
    }
}

/// Questions, encoded one behind the other. Their order is that in which they
/// are asked.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    octets: Vec<u8>,
    /// Where each ends, and what must come back.
    questions: Vec<(usize, Expect)>,
}

impl Encoded {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.questions.len()
    }

    /// The question at `index`, and what must come back.
    pub(super) fn question(&self, index: usize) -> Option<(&[u8], Expect)> {
        let start = match index.checked_sub(1) {
            Some(before) => self.questions.get(before)?.0,
            None => 0,
        };
        let (end, expect) = *self.questions.get(index)?;
        Some((self.octets.get(start..end)?, expect))
    }

    /// Adds the question that `write` appends.
    pub(super) fn push(&mut self, expect: Expect, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.octets);
        self.questions.push((self.octets.len(), expect));
    }
}

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// What it should, and whether that is that the subject exists.
    Right { found: bool, truncated: bool },
    /// Something else.
    Wrong(String),
}

impl Outcome {
    pub(super) fn count(self, tally: &mut Tally) {
        match self {
            Self::Right { found, truncated } => {
                tally.answered += 1;
                tally.found += u64::from(found);
                tally.truncated += u64::from(truncated);
            }
            Self::Wrong(what) => tally.wrong(|| what),
        }
    }
}

/// Octets in which a question differs from the next time that it is asked: up
/// to its number.
const HEAD_BYTES_MAX: usize = 12;

/// A question with its number, as it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Datagram<'a> {
    head: [u8; HEAD_BYTES_MAX],
    head_bytes: usize,
    rest: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// `start` and the number, then `rest`. What is beyond twelve octets of the
    /// first two is left out.
    pub(super) fn new(start: &[u8], number: &[u8], rest: &'a [u8]) -> Self {
        let mut head = [0; HEAD_BYTES_MAX];
        let octets = start.iter().chain(number);
        for (to, from) in head.iter_mut().zip(octets) {
            *to = *from;
        }
        Self {
            head,
            head_bytes: (start.len() + number.len()).min(HEAD_BYTES_MAX),
            rest,
        }
    }

    /// Its octets, in two parts.
    pub(super) fn parts(&self) -> [&[u8]; 2] {
        [
            self.head.get(..self.head_bytes).unwrap_or_default(),
            self.rest,
        ]
    }
}

/// Questions to a server over UDP, each with a number that its answer repeats.
pub(super) trait Questions: Sync {
    /// The benchmark, as its report calls it.
    const NAME: &'static str;
    /// Bits of a number.
    const NUMBER_BITS: u32;

    /// How many there are.
    fn count(&self) -> usize;

    /// The question at `index` with this number.
    fn datagram(&self, index: usize, number: u32) -> Option<Datagram<'_>>;

    /// The number of the question that a datagram answers, and how many
    /// datagrams the answer has. None if it is no answer.
    fn answered(datagram: &[u8]) -> Option<(u32, usize)>;

    /// What the answer to the question at `index` says; none if this datagram is
    /// not the one of the answer that tells.
    fn outcome(&self, index: usize, datagram: &[u8]) -> Option<Outcome>;
}
