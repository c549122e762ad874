//! Lists and names of nodes in memory, as many as fit: a walk over the stored lists
//! reads many small rows, and those of the same nodes again and again.
//!
//! Nodes with numbers next to one another share a page, and each page has one slot
//! that it may lie in. A row is kept as it is stored. It is forgotten once a change of
//! it is on disk, before that is acknowledged; what was read before the change and
//! comes later is not kept, for the slot counts its changes.
//!
//! It does not read the store, and never has a row that is not there.

use std::mem::size_of;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Nodes of a page.
const NODES: u32 = 32;
/// Kinds of rows.
const KINDS: u32 = 3;
/// Bytes of the longest row that is kept: whoever reads a longer one has much to do
/// with it anyway.
const ROW_BYTES_MAX: usize = 1 << 10;
/// Bytes of rows of a page, at which it is begun anew: rows that were forgotten take
/// room until then.
const PAGE_BYTES_MAX: usize = 1 << 15;
/// Bytes for which there is a slot; a full page takes about twice as many.
const SLOT_BYTES: usize = 512;
/// By how many bytes a page grows at least.
const GROWTH_BYTES: usize = 64;

/// Whose rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Lists of edges downstream.
    Down,
    /// Lists of edges upstream.
    Up,
    /// Identifiers.
    Name,
}

/// What is known of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It was copied.
    Here,
    /// There is none.
    Absent,
    /// Nothing is: whoever reads it says so many changes when it is to be kept.
    Nothing(u32),
}

/// Rows of nodes, up to a number of bytes; those not used lately give way.
#[derive(Debug)]
pub(in crate::store) struct Pages {
    /// Made with the first row or change.
    slots: OnceLock<Box<[Mutex<Slot>]>>,
    bytes_max: usize,
    bytes: AtomicUsize,
    /// The slot that is looked at next for one to empty.
    hand: AtomicUsize,
}

#[derive(Debug, Default)]
struct Slot {
    /// How often a row was forgotten whose page may lie here.
    changes: u32,
    page: Option<Box<Page>>,
}

#[derive(Debug)]
struct Page {
    number: u32,
    /// Whether it was read since the hand came by.
    is_used: bool,
    spans: [Span; NODES as usize],
    bytes: Vec<u8>,
}

/// Where a row lies in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Span {
    Unknown,
    Absent,
    Row { start: u16, end: u16 },
}

impl Pages {
    /// Room for `bytes_max` bytes.
    pub(in crate::store) const fn new(bytes_max: usize) -> Self {
        Self {
            slots: OnceLock::new(),
            bytes_max,
            bytes: AtomicUsize::new(0),
            hand: AtomicUsize::new(0),
        }
    }

    /// Appends the row of `node` to `out`, if it is here.
    pub(super) fn copy(&self, kind: Kind, node: u32, out: &mut Vec<u8>) -> Known {
        let (page_number, place) = page_of(kind, node);
        let Some(slot) = self.slot(page_number) else {
            return Known::Nothing(0);
        };
        let mut slot = slot.lock();
        let unknown = Known::Nothing(slot.changes);
        let page = slot.page.as_mut();
        let Some(page) = page.filter(|page| page.number == page_number) else {
            return unknown;
        };
        page.is_used = true;
        match page.spans.get(place) {
            None | Some(Span::Unknown) => unknown,
            Some(Span::Absent) => Known::Absent,
            Some(span) => {
                out.extend_from_slice(page.row(*span));
                Known::Here
            }
        }
    }

    /// Keeps the row of `node` that was read after [`Known::Nothing`] told of so many
    /// `changes`, unless it is too long or there were more since.
    pub(super) fn keep(&self, kind: Kind, node: u32, changes: u32, row: Option<&[u8]>) {
        let (page_number, place) = page_of(kind, node);
        let Some(slot) = self.slot(page_number) else {
            return;
        };
        if row.is_some_and(|row| row.len() > ROW_BYTES_MAX) {
            return;
        }
        {
            let mut slot = slot.lock();
            if slot.changes != changes {
                return;
            }
            let before = slot.page.take();
            let bytes_before = before.as_ref().map_or(0, |page| page.memory_bytes());
            let page = before.filter(|page| page.number == page_number);
            let mut page = page.unwrap_or_else(|| Box::new(Page::new(page_number)));
            page.put(place, row);
            self.bytes.fetch_add(page.memory_bytes(), Ordering::Relaxed);
            self.bytes.fetch_sub(bytes_before, Ordering::Relaxed);
            slot.page = Some(page);
        }
        self.make_room();
    }

    /// Forgets the row of `node`, a change of which is on disk.
    pub(super) fn forget(&self, kind: Kind, node: u32) {
        let (page_number, place) = page_of(kind, node);
        let Some(slot) = self.slot(page_number) else {
            return;
        };
        let mut slot = slot.lock();
        slot.changes = slot.changes.wrapping_add(1);
        let page = slot.page.as_mut();
        let page = page.filter(|page| page.number == page_number);
        if let Some(span) = page.and_then(|page| page.spans.get_mut(place)) {
            *span = Span::Unknown;
        }
    }

    /// Calls `each` with every row that is kept.
    pub(super) fn each<F: FnMut(Kind, u32, Option<&[u8]>)>(&self, mut each: F) {
        for slot in self.slots.get().into_iter().flatten() {
            let page = slot.lock().page.as_ref().map(|page| Page {
                number: page.number,
                is_used: page.is_used,
                spans: page.spans,
                bytes: page.bytes.clone(),
            });
            let Some(page) = page else { continue };
            let kind = match page.number % KINDS {
                0 => Kind::Down,
                1 => Kind::Up,
                _ => Kind::Name,
            };
            let first = page.number / KINDS * NODES;
            for (node, span) in (first..).zip(page.spans) {
                match span {
                    Span::Unknown => {}
                    Span::Absent => each(kind, node, None),
                    Span::Row { .. } => each(kind, node, Some(page.row(span))),
                }
            }
        }
    }

    /// The slot of a page; `None` if there is room for none.
    fn slot(&self, page_number: u32) -> Option<&Mutex<Slot>> {
        let slots = self.slots.get_or_init(|| {
            let slots = self.bytes_max / SLOT_BYTES;
            (0..slots).map(|_| Mutex::default()).collect()
        });
        let number = usize::try_from(page_number).ok()?;
        slots.get(number.checked_rem(slots.len())?)
    }

    /// Empties slots whose pages were not used for a round of the hand, until the
    /// others take no more than they may.
    fn make_room(&self) {
        let slots = self.slots.get().map(Box::as_ref).unwrap_or_default();
        // In the first round it may find all pages used.
        for _ in 0..2 * slots.len() {
            if self.bytes.load(Ordering::Relaxed) <= self.bytes_max {
                return;
            }
            let hand = self.hand.fetch_add(1, Ordering::Relaxed) % slots.len();
            let Some(slot) = slots.get(hand) else { return };
            let mut slot = slot.lock();
            match &mut slot.page {
                Some(page) if page.is_used => page.is_used = false,
                page => {
                    let bytes = page.take().map_or(0, |page| page.memory_bytes());
                    self.bytes.fetch_sub(bytes, Ordering::Relaxed);
                }
            }
        }
    }
}

impl Page {
    const fn new(number: u32) -> Self {
        Self {
            number,
            is_used: true,
            spans: [Span::Unknown; NODES as usize],
            bytes: Vec::new(),
        }
    }

    fn row(&self, span: Span) -> &[u8] {
        let row = match span {
            Span::Unknown | Span::Absent => None,
            Span::Row { start, end } => self.bytes.get(usize::from(start)..usize::from(end)),
        };
        row.unwrap_or_default()
    }

    fn put(&mut self, place: usize, row: Option<&[u8]>) {
        let added = row.map_or(0, <[u8]>::len);
        if self.bytes.len() + added > PAGE_BYTES_MAX {
            *self = Self::new(self.number);
        }
        if self.bytes.capacity() - self.bytes.len() < added {
            // By a little at a time: most pages have few and short rows.
            let more = added.max(GROWTH_BYTES + self.bytes.len() / 4);
            self.bytes.reserve_exact(more);
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(row.unwrap_or_default());
        let ends = (u16::try_from(start), u16::try_from(self.bytes.len()));
        let span = match (row, ends) {
            (None, _) => Span::Absent,
            (Some(_), (Ok(start), Ok(end))) => Span::Row { start, end },
            (Some(_), _) => Span::Unknown,
        };
        if let Some(kept) = self.spans.get_mut(place) {
            *kept = span;
        }
    }

    const fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity()
    }
}

/// The page that a row of a node is on, and its place there.
const fn page_of(kind: Kind, node: u32) -> (u32, usize) {
    let kind = match kind {
        Kind::Down => 0,
        Kind::Up => 1,
        Kind::Name => 2,
    };
    (node / NODES * KINDS + kind, (node % NODES) as usize)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn look(pages: &Pages, kind: Kind, node: u32) -> (Known, Vec<u8>) {
        let mut out = Vec::new();
        (pages.copy(kind, node, &mut out), out)
    }

    #[test]
    fn has_what_was_kept_and_not_forgotten() {
        let pages = Pages::new(1 << 20);
        assert_eq!(look(&pages, Kind::Down, 5).0, Known::Nothing(0));
        pages.keep(Kind::Down, 5, 0, Some(b"five"));
        pages.keep(Kind::Down, 6, 0, None);
        assert_eq!(look(&pages, Kind::Down, 5), (Known::Here, b"five".to_vec()));
        assert_eq!(look(&pages, Kind::Down, 6).0, Known::Absent);
        assert_eq!(look(&pages, Kind::Up, 5).0, Known::Nothing(0));
        assert_eq!(look(&pages, Kind::Name, 5).0, Known::Nothing(0));
        pages.forget(Kind::Down, 5);
        assert_eq!(look(&pages, Kind::Down, 5).0, Known::Nothing(1));
        assert_eq!(look(&pages, Kind::Down, 6).0, Known::Absent);
    }

    #[test]
    fn keeps_nothing_that_was_read_before_a_change() {
        let pages = Pages::new(1 << 20);
        let Known::Nothing(changes) = look(&pages, Kind::Up, 7).0 else {
            panic!("nothing was kept");
        };
        pages.forget(Kind::Up, 7);
        pages.keep(Kind::Up, 7, changes, Some(b"old"));
        assert_eq!(look(&pages, Kind::Up, 7).0, Known::Nothing(1));
    }

    #[test]
    fn keeps_no_long_rows_and_begins_full_pages_anew() {
        let pages = Pages::new(1 << 20);
        let long = [7; ROW_BYTES_MAX + 1];
        pages.keep(Kind::Name, 0, 0, Some(&long));
        assert_eq!(look(&pages, Kind::Name, 0).0, Known::Nothing(0));
        let row = &long[1..];
        for changes in 0..100 {
            pages.keep(Kind::Name, 0, changes, Some(row));
            assert_eq!(look(&pages, Kind::Name, 0), (Known::Here, row.to_vec()));
            assert!(pages.bytes.load(Ordering::Relaxed) <= 2 * PAGE_BYTES_MAX);
            pages.forget(Kind::Name, 0);
        }
    }

    #[test]
    fn takes_no_more_memory_than_it_may() {
        let bytes_max = 100_000;
        let pages = Pages::new(bytes_max);
        for node in 0..100_000 {
            pages.keep(Kind::Down, node, 0, Some(&[1; 40]));
            assert_eq!(look(&pages, Kind::Down, node).0, Known::Here);
            assert!(pages.bytes.load(Ordering::Relaxed) <= bytes_max);
        }
        let mut bytes = 0;
        let slots = pages.slots.get().expect("made");
        for slot in slots {
            bytes += slot
                .lock()
                .page
                .as_ref()
                .map_or(0, |page| page.memory_bytes());
        }
        assert_eq!(pages.bytes.load(Ordering::Relaxed), bytes);
    }

    #[test]
    fn has_nothing_where_there_is_no_room() {
        let pages = Pages::new(0);
        pages.keep(Kind::Down, 0, 0, Some(b"row"));
        pages.forget(Kind::Down, 0);
        assert_eq!(look(&pages, Kind::Down, 0).0, Known::Nothing(0));
    }

    proptest! {
        #[test]
        fn never_tells_what_is_not_so(steps in vec((0u32..3, 0u32..200, any::<bool>(), 0usize..60), 0..400)) {
            let pages = Pages::new(4096);
            let mut rows: BTreeMap<(u32, u32), Vec<u8>> = BTreeMap::new();
            for (step, (kind, node, is_change, length)) in steps.into_iter().enumerate() {
                let key = (kind, node);
                let kind = [Kind::Down, Kind::Up, Kind::Name][kind as usize];
                if is_change {
                    rows.insert(key, vec![u8::try_from(step % 256).expect("small"); length]);
                    pages.forget(kind, node);
                }
                let row = rows.get(&key);
                match look(&pages, kind, node) {
                    (Known::Here, found) => prop_assert_eq!(Some(&found), row),
                    (Known::Absent, _) => prop_assert_eq!(None, row),
                    (Known::Nothing(changes), _) => {
                        pages.keep(kind, node, changes, row.map(Vec::as_slice));
                    }
                }
                let mut wrong = 0;
                pages.each(|kind, node, row| {
                    let key = (kind as u32, node);
                    wrong += u32::from(row != rows.get(&key).map(Vec::as_slice));
                });
                prop_assert_eq!(wrong, 0);
            }
        }
    }
}
