//! Lists of the edges at one end of a node, packed, and changes of them.
//!
//! ```text
//! list   = 0x01 *edge              by far node, then terms
//! change = 0x01 *edge              in the order in which they happened
//! edge   = flags far terms [from] [since] [until] [ended]
//! flags  = 1 taken away · 2 from · 4 since · 8 until · 16 ended: which follow
//! ```
//! A change is merged into its list by the engine: it is written without reading
//! the list. An edge is told by its far node and terms; the last change counts.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::store::Error;
use crate::store::codec::{Cursor, put_number};

const VERSION: u8 = 1;
const REMOVED: u8 = 1;
const FROM: u8 = 2;
const SINCE: u8 = 4;
const UNTIL: u8 = 8;
const ENDED: u8 = 16;

/// The times of an edge in seconds since 2000-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeTimes {
    /// From when it holds; 0: from ever.
    pub from: u32,
    /// When it was recorded.
    pub since: u32,
    /// Until when it holds; 0: for good.
    pub until: u32,
    /// When it was withdrawn; 0: it was not.
    pub ended: u32,
}

/// One edge of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Near {
    /// The node at the other end.
    pub(crate) far: u32,
    /// The number of its terms.
    pub(crate) terms: u32,
    /// Its times.
    pub(crate) times: EdgeTimes,
}

/// An edge, and its times or `None` where it is taken away.
type Entry = ((u32, u32), Option<EdgeTimes>);

/// Adds to a change of a list, which is empty at first: puts an edge, or takes it away.
pub(crate) fn add(change: &mut Vec<u8>, far: u32, terms: u32, times: Option<EdgeTimes>) {
    if change.is_empty() {
        change.push(VERSION);
    }
    put_entry(change, &((far, terms), times));
}

/// Calls `each` with the edges of a list in order, until it breaks.
pub(crate) fn each(
    list: &[u8],
    each: &mut dyn FnMut(Near) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, Error> {
    for entry in Entries::new(list)? {
        let ((far, terms), Some(times)) = entry? else {
            return Err(Error::Corrupt { what: WHAT });
        };
        if each(Near { far, terms, times }).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

const WHAT: &str = "list of edges";

/// What the changes make of a list; nothing that decodes if one of them does not.
pub(crate) fn merged<'a>(
    list: Option<&[u8]>,
    changes: impl Iterator<Item = &'a [u8]>,
) -> Option<Vec<u8>> {
    let mut last: BTreeMap<(u32, u32), Option<EdgeTimes>> = BTreeMap::new();
    for change in changes {
        for entry in Entries::new(change).ok()? {
            let (edge, times) = entry.ok()?;
            last.insert(edge, times);
        }
    }
    let list = list.unwrap_or(&[VERSION]);
    let mut out = Vec::with_capacity(list.len() + 16 * last.len());
    out.push(VERSION);
    let mut changed = last.into_iter().peekable();
    let mut put = |entry: &Entry| {
        if entry.1.is_some() {
            put_entry(&mut out, entry);
        }
    };
    for entry in Entries::new(list).ok()? {
        let entry = entry.ok()?;
        while let Some(before) = changed.next_if(|(edge, _)| *edge < entry.0) {
            put(&before);
        }
        match changed.next_if(|(edge, _)| *edge == entry.0) {
            Some(instead) => put(&instead),
            None => put(&entry),
        }
    }
    changed.for_each(|entry| put(&entry));
    Some(out)
}

/// Changes one after another, as one.
pub(crate) fn joined<'a>(changes: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut out = vec![VERSION];
    for change in changes {
        let (version, entries) = change.split_first()?;
        if *version != VERSION {
            return None;
        }
        out.extend_from_slice(entries);
    }
    Some(out)
}

fn put_entry(out: &mut Vec<u8>, ((far, terms), times): &Entry) {
    let optional = times.map_or([(0, 0); 4], |times| {
        [
            (FROM, times.from),
            (SINCE, times.since),
            (UNTIL, times.until),
            (ENDED, times.ended),
        ]
    });
    let follow = optional.iter().filter(|(_, time)| *time != 0);
    let flags = follow.clone().map(|(flag, _)| flag).sum::<u8>();
    out.push(flags | if times.is_none() { REMOVED } else { 0 });
    put_number(out, u64::from(*far));
    put_number(out, u64::from(*terms));
    for (_, time) in follow {
        put_number(out, u64::from(*time));
    }
}

/// The entries of a list or of a change.
struct Entries<'a>(Cursor<'a>);

impl<'a> Entries<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Error> {
        Cursor::new(bytes, VERSION, WHAT).map(Self)
    }

    fn entry(&mut self) -> Result<Entry, Error> {
        let Self(cursor) = self;
        let flags = cursor.byte()?;
        if flags & !(REMOVED | FROM | SINCE | UNTIL | ENDED) != 0 {
            return Err(cursor.corrupt());
        }
        let edge = (cursor.number_u32()?, cursor.number_u32()?);
        let mut time = |flag: u8| match flags & flag {
            0 => Ok(0),
            _ => cursor.number_u32(),
        };
        let times = EdgeTimes {
            from: time(FROM)?,
            since: time(SINCE)?,
            until: time(UNTIL)?,
            ended: time(ENDED)?,
        };
        Ok((edge, (flags & REMOVED == 0).then_some(times)))
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_at_end()).then(|| self.entry())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn times() -> impl Strategy<Value = EdgeTimes> {
        let time = || prop_oneof![Just(0u32), any::<u32>()];
        (time(), time(), time(), time()).prop_map(|(from, since, until, ended)| EdgeTimes {
            from,
            since,
            until,
            ended,
        })
    }

    fn listed(list: &[u8]) -> Vec<Entry> {
        let mut found = Vec::new();
        let _all = each(list, &mut |near| {
            found.push(((near.far, near.terms), Some(near.times)));
            ControlFlow::Continue(())
        })
        .expect("decodes");
        found
    }

    proptest! {
        #[test]
        fn a_list_is_what_the_changes_leave(
            changes in vec(((0u32..20, 0u32..3), proptest::option::of(times())), 0..60),
            at_once in 1usize..5,
            cut in 0usize..60,
        ) {
            let change = |some: &[((u32, u32), Option<EdgeTimes>)]| {
                let mut change = Vec::new();
                for ((far, terms), times) in some {
                    add(&mut change, *far, *terms, *times);
                }
                change
            };
            let encoded: Vec<_> = changes.chunks(at_once).map(change).collect();
            let slices = encoded.iter().map(Vec::as_slice);
            let mut expected = BTreeMap::new();
            for (edge, times) in &changes {
                match times {
                    Some(times) => expected.insert(*edge, Some(*times)),
                    None => expected.remove(edge),
                };
            }
            let expected: Vec<_> = expected.into_iter().collect();
            let whole = merged(None, slices.clone()).expect("merges");
            prop_assert_eq!(&listed(&whole), &expected);
            // In two steps, and with the later ones joined first.
            let cut = cut.min(encoded.len());
            let first = merged(None, slices.clone().take(cut)).expect("merges");
            let rest = joined(slices.skip(cut)).expect("joins");
            let whole = merged(Some(&first), [rest.as_slice()].into_iter()).expect("merges");
            prop_assert_eq!(&listed(&whole), &expected);
        }

        #[test]
        fn no_bytes_are_too_strange(bytes in vec(any::<u8>(), 0..64)) {
            let _ended = each(&bytes, &mut |_| ControlFlow::Continue(()));
            let _refused = merged(Some(&bytes), [bytes.as_slice()].into_iter());
            let _refused = joined([bytes.as_slice()].into_iter());
        }
    }
}
